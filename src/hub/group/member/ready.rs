//! Events and frames that are ready to be sent, and the reasons why a call ends.

use std::sync::Arc;

use tokio::time::Instant;

use crate::domain::OutputEntry;
use crate::hub::group::event::{GroupError, GroupEvent};
use crate::queue::{self, Delivery};

/// The reason why a member's call ends.
#[derive(Debug)]
pub(super) enum End {
    /// The client has disconnected.
    Disconnected,
    /// The server is shutting down.
    Draining,
    /// The requested number of frames has been sent.
    Finished,
    /// The call failed.
    Failed(GroupError),
}

impl From<GroupError> for End {
    fn from(error: GroupError) -> Self {
        Self::Failed(error)
    }
}

impl From<queue::Error> for End {
    fn from(error: queue::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// A claimed frame. A redelivered one comes without its entry.
#[derive(Debug, Clone)]
pub(super) struct ClaimedFrame {
    pub(super) delivery: Delivery,
    pub(super) entry: Option<Arc<OutputEntry>>,
    /// The time from which on the server checks, before it sends the frame, that the frame still
    /// belongs to the member.
    pub(super) check_at: Instant,
    /// The frame's token in the handover; `None` for a frame that an earlier call has sent.
    pub(super) token: Option<u64>,
}

impl ClaimedFrame {
    pub(super) fn new(delivery: Delivery, entry: Option<Arc<OutputEntry>>, token: Option<u64>) -> Self {
        let check_at = Instant::now() + delivery.left / 4;
        Self { delivery, entry, check_at, token }
    }
}

/// An event or a frame that is ready to be sent.
#[derive(Debug)]
pub(super) enum Ready {
    Event(GroupEvent),
    Frame(ClaimedFrame),
}
