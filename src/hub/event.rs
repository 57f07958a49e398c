use std::sync::Arc;

use bytes::Bytes;

use crate::domain::{Cursor, OutputEntry, Sequence, StoredPicture, StreamId, Timestamp};
use crate::queue;

/// What a subscription tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A processed frame.
    Frame(DeliveredFrame),
    /// Frames of one stream that are not delivered, and why.
    Gap(Gap),
    /// A stretch of time of one stream whose frames are not kept, where a start or a stop by time asked for them.
    TimeGap(TimeGap),
    /// Where the followed streams stand.
    Heartbeat {
        /// One for each.
        heads: Vec<StreamHead>,
        /// Streams that are selected and not followed: there are more than one subscription may follow.
        unfollowed_streams: u64,
    },
    /// The positions of all followed streams. Everything below them has been told.
    Checkpoint {
        /// One for each.
        cursors: Vec<Cursor>,
        /// As in a heartbeat.
        unfollowed_streams: u64,
    },
    /// The server is going away: go on elsewhere from these positions. The last event.
    Draining(Vec<Cursor>),
}

/// A processed frame with the pictures that were asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveredFrame {
    /// The output entry, shared by all who get it.
    pub entry: Arc<OutputEntry>,
    /// Index, in the request, of the selector that the stream belongs to.
    pub selector: usize,
    /// One for each role asked for: thumbnail, processed, original, rendition.
    pub pictures: Vec<DeliveredPicture>,
    /// The position behind this frame.
    pub cursor: Cursor,
}

/// A picture of a delivered frame.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveredPicture {
    /// What the picture is. Where none is kept in this role ([`PictureContent::NotKept`]): the role asked for, the
    /// source's format and size, no bytes, and a payload key that names nothing.
    pub picture: StoredPicture,
    /// Its bytes, or why there are none.
    pub content: PictureContent,
}

/// The bytes of a delivered picture, or why there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PictureContent {
    /// The bytes, shared by all who get them.
    Data(Bytes),
    /// Larger than the subscriber takes; not read.
    TooLarge,
    /// The frame has no picture in this role.
    NotKept,
    /// Too many renditions are asked for at the moment, or this server makes none.
    RenditionBudget,
    /// The rendition cannot be made of the processed picture.
    RenditionFailed,
}

/// Frames of one stream that a subscriber does not get: all from `from` to `to`, inclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The stream.
    pub stream_id: StreamId,
    /// Index, in the request, of the selector that the stream belongs to.
    pub selector: usize,
    /// The first one.
    pub from: Sequence,
    /// The last one; the number before `from` where no number of this store is left out.
    pub to: u64,
    /// How many for which reason; the counts add up to the length of the range.
    pub causes: Vec<(GapReason, u64)>,
    /// How many of the numbers that a failover passed over can have been frames; `None` = unknown.
    pub failover_frames: Option<u64>,
    /// The position behind the gap.
    pub cursor: Cursor,
}

/// A stretch of time, asked for, of which retention has taken frames. Which numbers they had is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeGap {
    /// The stream.
    pub stream_id: StreamId,
    /// Index, in the request, of the selector that the stream belongs to.
    pub selector: usize,
    /// [`GapReason::Retention`], or [`GapReason::Unregistered`] if the stream was unregistered since.
    pub reason: GapReason,
    /// Frames received from this time on may be gone; `None` = from the stream's beginning on.
    pub start: Option<Timestamp>,
    /// Frames received from this time on are kept, or were not asked for.
    pub end: Timestamp,
    /// When the oldest kept frame was received; `None` = none is kept.
    pub oldest: Option<Timestamp>,
    /// The position that the stream goes on from.
    pub cursor: Cursor,
}

/// Why a frame is not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// The subscriber asked for fewer frames.
    Sampled,
    /// The subscriber's filter does not pass it.
    Filtered,
    /// The subscriber did not keep up.
    SlowConsumer,
    /// Older than the subscriber wants.
    Stale,
    /// The stream's overflow policy dropped it before a worker took it.
    Overflow,
    /// It could not be processed.
    Failed,
    /// An operator purged it.
    Purged,
    /// Retention took it first.
    Retention,
    /// Its entry is there, its picture is not. Must not happen.
    PayloadLost,
    /// The backend failed over and lost it.
    BackendFailover,
    /// The stream was unregistered and its output removed.
    Unregistered,
    /// The position is one of another store: nobody knows how many frames lie between. Counts no number of this store.
    StoreReplaced,
}

impl GapReason {
    /// As consumer groups keep it: stays what it is.
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
        }
    }

    /// What a code means.
    pub(super) fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// Whether a group passes such frames over by its own choice: they count as acknowledged.
    pub(super) fn is_chosen(self) -> bool {
        matches!(self, Self::Sampled | Self::Filtered)
    }

    /// All of them.
    pub const ALL: [Self; 12] = [
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
    ];
}

/// Where a stream stands, and its subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamHead {
    /// The stream.
    pub stream_id: StreamId,
    /// Number of the newest published frame, as far as the server knows; 0 = none yet.
    pub head_sequence: u64,
    /// Published frames that the subscription has not told of yet.
    pub lag_frames: u64,
}

/// Pictures of an entry, or why they are not to be had.
#[derive(Debug, Clone, PartialEq)]
pub enum PicturesOrLost {
    /// One for each role asked for: thumbnail, processed, original, rendition.
    Pictures(Vec<DeliveredPicture>),
    /// Bytes are gone: [`GapReason::Retention`], [`GapReason::Unregistered`] or [`GapReason::BackendFailover`] if the
    /// entry is too, else [`GapReason::PayloadLost`].
    Lost(GapReason),
}

/// Why a subscription was refused, or ended before its time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The glob cannot be read.
    #[error("glob {glob:?}: {message}")]
    InvalidGlob {
        /// What was given.
        glob: String,
        /// What is wrong with it.
        message: String,
    },
    /// A stream named by its id is not registered.
    #[error("stream {0} is not registered")]
    StreamNotFound(StreamId),
    /// The server has as many subscriptions as it takes.
    #[error("the limit of {limit} subscriptions is reached")]
    TooManySubscriptions {
        /// The limit.
        limit: usize,
    },
    /// A subscription that brings no cursors selects more streams than one may follow.
    #[error("more than {limit} streams are selected")]
    TooManyStreams {
        /// The limit.
        limit: usize,
    },
    /// Retention took frames behind the start, and the subscriber asked to be refused then.
    #[error("stream {stream}: frames before {oldest} are gone{}", kept_since(*.oldest_time))]
    CursorTrimmed {
        /// The stream.
        stream: StreamId,
        /// The oldest number that is kept; one past the newest if none is.
        oldest: Sequence,
        /// When that was received, where the start is by time and one is kept.
        oldest_time: Option<Timestamp>,
    },
    /// A cursor is one of another store, and the subscriber asked to be refused where frames are gone.
    #[error("the cursor of stream {stream} is of another store; the oldest frame here is {oldest}")]
    CursorOfAnotherStore {
        /// The stream.
        stream: StreamId,
        /// The oldest number that is kept; one past the newest if none is.
        oldest: Sequence,
    },
    /// The store was put back to an older state, and the subscriber asked to be refused where frames are gone.
    #[error(
        "the cursor of stream {stream} lies beyond all that the store has: it was put back to an older state"
    )]
    CursorBeyondStore {
        /// The stream.
        stream: StreamId,
        /// The oldest number that is kept; one past the newest if none is.
        oldest: Sequence,
    },
    /// A watch is to be resumed that selected other streams.
    #[error("the resume token is of a watch of other streams: `streams` must be the same")]
    OtherSelection,
    /// A position lies further ahead than anybody can know.
    #[error("{message}")]
    PositionInFuture {
        /// The selector that asks for it.
        selector: usize,
        /// The field of its start that is at fault.
        field: &'static str,
        /// For people.
        message: String,
    },
    /// The subscriber fell too far behind, and had chosen to be disconnected then.
    #[error("the subscriber is more than {limit_bytes} bytes behind; go on from the last cursors")]
    SlowConsumer {
        /// How far it may be behind.
        limit_bytes: u64,
    },
    /// The server is going away.
    #[error("the server is draining")]
    Draining,
    /// The backend does not answer, or has not for [`HubConfig::outage_limit`](super::HubConfig::outage_limit).
    #[error(transparent)]
    Backend(#[from] queue::Error),
}

fn kept_since(oldest: Option<Timestamp>) -> String {
    oldest.map(|time| format!("; the oldest kept was received at {time}")).unwrap_or_default()
}
