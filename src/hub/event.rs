//! The events, gaps, pictures and errors that subscribers receive.

use std::sync::Arc;

use bytes::Bytes;

use crate::domain::{Cursor, OutputEntry, Sequence, StoredPicture, StreamId, Timestamp, TombstoneKind};
use crate::queue;

/// An event of a subscription.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A processed frame.
    Frame(DeliveredFrame),
    /// Frames of one stream that are not delivered, with the reasons.
    Gap(Gap),
    /// A period of one stream that a start or a stop by time selects, but whose frames are gone.
    TimeGap(TimeGap),
    /// The state of the followed streams.
    Heartbeat {
        /// The head of each followed stream.
        heads: Vec<StreamHead>,
        /// The number of streams that are selected but not followed, because the number of streams
        /// that one subscription may follow is limited.
        unfollowed_streams: u64,
    },
    /// The positions of all followed streams. Everything before them has been reported.
    Checkpoint {
        /// The cursor of each followed stream.
        cursors: Vec<Cursor>,
        /// The number of selected streams that are not followed, as in a heartbeat.
        unfollowed_streams: u64,
    },
    /// The server is shutting down; the subscriber can resume elsewhere from these positions. This
    /// is the last event.
    Draining(Vec<Cursor>),
}

/// A processed frame with the requested pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveredFrame {
    /// The output entry, shared by all subscribers that receive it.
    pub entry: Arc<OutputEntry>,
    /// The index, in the request, of the selector that the stream belongs to.
    pub selector: usize,
    /// One picture for each requested role: thumbnail, processed, original, rendition.
    pub pictures: Vec<DeliveredPicture>,
    /// The position after this frame.
    pub cursor: Cursor,
}

/// A picture of a delivered frame.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveredPicture {
    /// The description of the picture. If the frame has no picture in this role
    /// ([`PictureContent::NotKept`]), the description has the requested role, a length of zero bytes
    /// and a payload key that refers to nothing. It then has the format and size of the source; for
    /// a rendition, it has the requested format and a size of 0 x 0 pixels.
    pub picture: StoredPicture,
    /// The bytes, or the reason why there are none.
    pub content: PictureContent,
}

/// The bytes of a delivered picture, or the reason why there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PictureContent {
    /// The bytes, shared by all subscribers that receive them.
    Data(Bytes),
    /// The picture is larger than the subscriber accepts, and was not read.
    TooLarge,
    /// The frame has no picture in this role.
    NotKept,
    /// Too many renditions are requested at the moment, or this server makes none.
    RenditionBudget,
    /// The rendition cannot be made from the processed picture.
    RenditionFailed,
    /// The receiver may not see it.
    NotPermitted,
}

/// Frames of one stream that a subscriber does not receive: all from `from` to `to`, inclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The stream.
    pub stream_id: StreamId,
    /// The index, in the request, of the selector that the stream belongs to.
    pub selector: usize,
    /// The first sequence.
    pub from: Sequence,
    /// The last sequence; `from - 1` if the gap covers no sequence of this store.
    pub to: u64,
    /// The number of frames for each reason. The counts add up to the length of the range.
    pub causes: Vec<(GapReason, u64)>,
    /// The number of sequences in the range that a failover jumped over and that may have belonged
    /// to frames; `None` = unknown.
    pub failover_frames: Option<u64>,
    /// The position after the gap.
    pub cursor: Cursor,
}

/// A requested period in which retention has removed frames. Their sequences are not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeGap {
    /// The stream.
    pub stream_id: StreamId,
    /// The index, in the request, of the selector that the stream belongs to.
    pub selector: usize,
    /// [`GapReason::Retention`], or [`GapReason::Unregistered`] if the stream was unregistered in
    /// the meantime.
    pub reason: GapReason,
    /// Frames received from this time on may be gone; `None` = from the beginning of the stream.
    pub start: Option<Timestamp>,
    /// Frames received from this time on are kept, or were not requested.
    pub end: Timestamp,
    /// The receive time of the oldest kept frame; `None` if no frame is kept.
    pub oldest: Option<Timestamp>,
    /// The position from which the stream continues.
    pub cursor: Cursor,
}

/// The reason why a frame is not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// The subscriber asked for fewer frames.
    Sampled,
    /// The frame does not match the subscriber's filter.
    Filtered,
    /// The subscriber did not keep up.
    SlowConsumer,
    /// The frame is older than the subscriber wants.
    Stale,
    /// The stream's overflow policy dropped the frame before a worker took it.
    Overflow,
    /// The frame could not be processed.
    Failed,
    /// An operator purged the frame.
    Purged,
    /// Retention removed the frame before it was delivered.
    Retention,
    /// The entry exists but its picture does not. This must not happen.
    PayloadLost,
    /// The backend failed over and lost the frame.
    BackendFailover,
    /// The stream was unregistered and its output removed.
    Unregistered,
    /// The position belongs to another store, so the number of frames in between is unknown. The
    /// gap covers no sequence of this store.
    StoreReplaced,
    /// The frame was erased.
    Erased,
}

impl GapReason {
    /// Returns the reason for which the frame of a tombstone is not delivered.
    pub(super) fn of(kind: &TombstoneKind) -> Self {
        match kind {
            TombstoneKind::Failed(_) => Self::Failed,
            TombstoneKind::Dropped => Self::Overflow,
            TombstoneKind::Purged(_) => Self::Purged,
            TombstoneKind::Erased => Self::Erased,
        }
    }

    /// Returns the number under which consumer groups store the reason. It never changes.
    pub(super) fn code(self) -> u16 {
        match self {
            Self::Sampled => 1,
            Self::Filtered => 2,
            Self::SlowConsumer => 3,
            Self::Stale => 4,
            Self::Overflow => 5,
            Self::Failed => 6,
            Self::Purged => 7,
            Self::Retention => 8,
            Self::PayloadLost => 9,
            Self::BackendFailover => 10,
            Self::Unregistered => 11,
            Self::StoreReplaced => 12,
            Self::Erased => 13,
        }
    }

    /// Returns the reason that a stored number stands for.
    pub(super) fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// Reports whether a group's settings leave the frame out. Such frames count as acknowledged.
    pub(super) fn is_by_settings(self) -> bool {
        matches!(self, Self::Sampled | Self::Filtered)
    }

    /// All reasons.
    pub const ALL: [Self; 13] = [
        Self::Sampled,
        Self::Filtered,
        Self::SlowConsumer,
        Self::Stale,
        Self::Overflow,
        Self::Failed,
        Self::Purged,
        Self::Retention,
        Self::PayloadLost,
        Self::BackendFailover,
        Self::Unregistered,
        Self::StoreReplaced,
        Self::Erased,
    ];
}

/// The head of a stream, and how far its subscriber lags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamHead {
    /// The stream.
    pub stream_id: StreamId,
    /// The sequence of the newest published frame, as far as the server knows; 0 = none yet.
    pub head_sequence: u64,
    /// The number of published frames that the subscription has not reported yet.
    pub lag_frames: u64,
}

/// The pictures of an entry, or the reason why they are lost.
#[derive(Debug, Clone, PartialEq)]
pub enum PicturesOrLost {
    /// One picture for each requested role: thumbnail, processed, original, rendition.
    Pictures(Vec<DeliveredPicture>),
    /// The bytes of a picture are gone. If the entry is gone too, the reason is
    /// [`GapReason::Retention`], [`GapReason::Unregistered`] or [`GapReason::BackendFailover`]. If
    /// the frame was erased, it is [`GapReason::Erased`].
    /// Otherwise it is [`GapReason::PayloadLost`].
    Lost(GapReason),
}

/// The reason why a subscription was refused or ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The glob is invalid.
    #[error("glob {glob:?}: {message}")]
    InvalidGlob {
        /// The glob as it was given.
        glob: String,
        /// The problem with it.
        message: String,
    },
    /// A stream named by its id is not registered.
    #[error("stream {0} is not registered")]
    StreamNotFound(StreamId),
    /// The server has the maximum number of subscriptions.
    #[error("the server has {limit} subscriptions, its maximum; retry later")]
    TooManySubscriptions {
        /// The maximum.
        limit: usize,
    },
    /// A subscription without cursors selects more streams than one subscription may follow.
    #[error("more than {limit} streams are selected; select fewer, or resume with cursors")]
    TooManyStreams {
        /// The maximum.
        limit: usize,
    },
    /// Retention removed frames after the start, and the subscriber asked to be refused in that
    /// case.
    #[error("stream {stream}: frames before sequence {oldest} are no longer kept{}", kept_since(*.oldest_time))]
    CursorTrimmed {
        /// The stream.
        stream: StreamId,
        /// The oldest kept sequence. If none is kept, it is the sequence after the newest.
        oldest: Sequence,
        /// The receive time of that frame, if the start is by time and a frame is kept.
        oldest_time: Option<Timestamp>,
    },
    /// A cursor belongs to another store, and the subscriber asked to be refused if frames are
    /// missing.
    #[error(
        "the cursor of stream {stream} belongs to another store; the oldest frame here is sequence {oldest}"
    )]
    CursorOfAnotherStore {
        /// The stream.
        stream: StreamId,
        /// The oldest kept sequence. If none is kept, it is the sequence after the newest.
        oldest: Sequence,
    },
    /// The store was restored to an older state, and the subscriber asked to be refused if frames
    /// are missing.
    #[error(
        "the cursor of stream {stream} is beyond the end of the store, which was restored to an older state"
    )]
    CursorBeyondStore {
        /// The stream.
        stream: StreamId,
        /// The oldest kept sequence. If none is kept, it is the sequence after the newest.
        oldest: Sequence,
    },
    /// The resume token belongs to a watch that selected other streams.
    #[error("the resume token belongs to a watch of other streams; send the same `streams`")]
    OtherSelection,
    /// A start is too far ahead: its sequence is beyond the maximum, or its time is in the future.
    #[error("{message}")]
    PositionInFuture {
        /// The index of the selector that contains it.
        selector: usize,
        /// The field of its start that is invalid.
        field: &'static str,
        /// A description for people.
        message: String,
    },
    /// The subscriber was too far behind and had chosen to be disconnected in that case.
    #[error("the subscriber is more than {limit_bytes} bytes behind; resume from the last cursors")]
    SlowConsumer {
        /// The maximum backlog.
        limit_bytes: u64,
    },
    /// The server is shutting down.
    #[error("the server is draining")]
    Draining,
    /// The backend does not answer, or has not answered for
    /// [`HubConfig::outage_limit`](crate::hub::HubConfig::outage_limit).
    #[error(transparent)]
    Backend(#[from] queue::Error),
}

fn kept_since(oldest: Option<Timestamp>) -> String {
    oldest.map(|time| format!("; the oldest kept frame was received at {time}")).unwrap_or_default()
}
