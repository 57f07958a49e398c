//! Frames that may have killed a worker: which they are, and how often.

use async_trait::async_trait;

use super::{Lease, Result, WorkPosition};

/// What a partition remembers of workers that died over its frames.
///
/// A holder that gives its lease back leaves cleanly. After one that did not, its successor runs the frames that it may
/// have had in work one at a time, with nothing else in its process, and says so before it begins each. If it dies as
/// well, the frame that was alone in work gets a strike.
#[async_trait]
pub trait Strikes: Send + Sync {
    /// Called by a new holder before it begins work: up to which place frames are to be run alone; `None` if no holder
    /// before has left any to be careful with. `life` is the caller's, drawn when its process began: one that takes its
    /// own partition back did not die. `in_flight` is how many frames a worker has in work at once.
    ///
    /// # Errors
    /// [`Error::LeaseLost`](super::Error::LeaseLost).
    async fn inherit(&self, lease: &Lease, life: u64, in_flight: usize) -> Result<Option<WorkPosition>>;

    /// Says that the frame at `position` is about to be run alone; answers the strikes it has. One that has
    /// [`MAX_STRIKES`](crate::domain::limits::MAX_STRIKES) must not be run.
    ///
    /// # Errors
    /// [`Error::LeaseLost`](super::Error::LeaseLost).
    async fn begin_alone(&self, lease: &Lease, position: WorkPosition, life: u64) -> Result<u32>;
}
