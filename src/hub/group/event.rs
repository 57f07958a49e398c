//! The options of members, and the events that they receive.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::{GroupId, MemberId, OutputEntry, PartitionId, Timestamp};
use crate::hub::erasures::Known;
use crate::hub::event::{DeliveredPicture, Gap, StreamHead, SubscribeError};
use crate::hub::pictures::want::PictureWant;
use crate::queue::{self, Delivery};

/// The time for which a membership lasts unless it is renewed. The server renews it several times
/// in this period.
pub(super) const MEMBER_TTL: Duration = Duration::from_secs(10);

/// The options of a member's call.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberRequest {
    /// The group.
    pub group: GroupId,
    /// The member's name.
    pub member: MemberId,
    /// The maximum number of outstanding frames.
    pub max_frames: u32,
    /// The server chooses a lower maximum, depending on how many frames the member has proved that
    /// it can handle.
    pub paced: bool,
    /// The maximum number of bytes of outstanding frames. A member without any receives one frame of
    /// any size.
    pub max_bytes: u64,
    /// The requested pictures.
    pub want: PictureWant,
    /// The time between heartbeats.
    pub heartbeat_interval: Duration,
    /// End after this many frames.
    pub stop_after_frames: Option<u64>,
}

/// A claimed frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ClaimedFrame {
    pub(super) delivery: Delivery,
    /// Its entry, and what was known of erasures when the entry was looked for. A redelivered frame
    /// comes without it.
    pub(super) entry: Option<(Arc<OutputEntry>, Known)>,
    /// The time from which on the server checks, before it sends the frame, that the frame still
    /// belongs to the member.
    pub(super) check_at: Instant,
    /// The frame's token in the handover; `None` for a frame that an earlier call has sent.
    pub(super) token: Option<u64>,
}

impl ClaimedFrame {
    pub(super) fn new(
        delivery: Delivery,
        entry: Option<(Arc<OutputEntry>, Known)>,
        token: Option<u64>,
    ) -> Self {
        let check_at = Instant::now() + delivery.left / 4;
        Self { delivery, entry, check_at, token }
    }
}

/// An event of a member's call.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupEvent {
    /// The member has joined; this is its ack deadline.
    Opened(Duration),
    /// A frame to ack or reject.
    Frame(GroupDelivery),
    /// Frames that the group leaves out; they count as acknowledged.
    Gap(Gap),
    /// A sign that the call is alive.
    Heartbeat {
        /// The head of each followed stream.
        heads: Vec<StreamHead>,
        /// The number of frames that are outstanding at the member.
        outstanding_frames: u64,
        /// The number of streams that are selected but not followed, because the number of streams
        /// that a group may follow is limited.
        unfollowed_streams: u64,
    },
    /// The server is shutting down. This is the last event.
    Draining,
    /// The requested number of frames has been sent. This is the last event.
    Finished,
}

/// A frame delivered to a member.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupDelivery {
    /// The output entry.
    pub entry: Arc<OutputEntry>,
    /// One picture for each requested role.
    pub pictures: Vec<DeliveredPicture>,
    /// The delivery attempt; 1 = the first.
    pub attempt: u32,
    /// The ack deadline: the frame is redelivered after it unless it is acknowledged.
    pub deadline: Timestamp,
    /// The group's generation: it rises when the group is moved to another position in the stream.
    pub generation: u64,
    /// The group's incarnation.
    pub incarnation: u64,
    /// The stream's partition.
    pub partition: PartitionId,
    /// The claim that it was loaded for.
    pub(super) claimed: ClaimedFrame,
    /// The state of the erasures when it was loaded.
    pub(super) known: Known,
}

/// The reason why a member's call, or an operation on a group, failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// The group was deleted while the call was running.
    #[error("consumer group {0} was deleted")]
    Deleted(GroupId),
    /// The position does not exist yet.
    #[error("{field}: {message}")]
    PositionInFuture {
        /// The invalid field.
        field: &'static str,
        /// A description for people.
        message: String,
    },
    /// The group's streams could not be followed, or no longer can be.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// The error of the backend.
    #[error(transparent)]
    Queue(#[from] queue::Error),
}
