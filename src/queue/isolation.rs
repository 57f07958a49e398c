//! Remembers which frames may have crashed a worker, and how often.

use async_trait::async_trait;

use super::{Lease, Result, WorkPosition};

/// A partition's memory of crashed workers.
///
/// A holder that releases its lease leaves cleanly. After a holder that crashed, its successor
/// isolates the frames that the crashed worker may have had in work: it processes them one at a
/// time, with nothing else in its process, and notes each frame before it begins. If the successor
/// crashes as well, the isolated frame gets a strike.
#[async_trait]
pub trait CrashIsolation: Send + Sync {
    /// Returns the positions of the frames that must be isolated; none if the earlier holders left
    /// no such frames. After a crash, these are the frames that the crashed holder had taken and
    /// not finished, and in any case the `oldest` frames of the queue, since a note of what was
    /// taken may be lost. A new holder calls this before it begins work. `process_id` is a random
    /// number that the caller's process chose when it started: a process that takes its own
    /// partition back did not crash.
    ///
    /// # Errors
    /// [`Error::LeaseLost`](super::Error::LeaseLost).
    async fn take_over(&self, lease: &Lease, process_id: u64, oldest: usize) -> Result<Vec<WorkPosition>>;

    /// Notes that the frame at `position` is about to be processed in isolation; returns its
    /// strikes. A frame with [`MAX_STRIKES`](crate::domain::limits::MAX_STRIKES) must not be
    /// processed.
    ///
    /// # Errors
    /// [`Error::LeaseLost`](super::Error::LeaseLost).
    async fn begin_isolated(&self, lease: &Lease, position: WorkPosition, process_id: u64) -> Result<u32>;
}
