//! Events and frames that are ready to be sent, and the reasons why a call ends.

use crate::hub::group::event::{ClaimedFrame, GroupError, GroupEvent};
use crate::queue;

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

/// An event or a frame that is ready to be sent.
#[derive(Debug)]
pub(super) enum Ready {
    Event(GroupEvent),
    Frame(ClaimedFrame),
}
