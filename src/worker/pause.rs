//! Finishes frames of paused queues that are marked for purging; all others wait.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::tombstone::tombstone_of;
use crate::queue::{Error, FinishResult, Finished, Lease, Result, WorkItem, WorkPosition};

/// The interval at which a paused queue is checked.
pub(super) const PAUSED_POLL: Duration = Duration::from_millis(200);
/// The number of marked frames that one step reads.
const SWEEP_STEP: usize = 256;

/// The state of a queue as it was last seen. No frames can be taken from a paused queue, but those
/// that are marked for purging are still finished.
#[derive(Debug)]
pub(super) struct Pause {
    shared: Arc<Shared>,
    lease: Lease,
    paused: bool,
}

impl Pause {
    pub(super) fn new(shared: Arc<Shared>, lease: Lease) -> Self {
        Self { shared, lease, paused: false }
    }

    /// Reports whether the queue was paused when it was last checked.
    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// Notes that frames were taken: the queue is not paused any more.
    pub(super) fn note_taken(&mut self) {
        self.paused = false;
    }

    /// Asks whether the queue is paused and, if no frame is in work, finishes the frames that are
    /// marked for purging. Returns whether work waits after `after`, the newest position taken.
    pub(super) async fn check(&mut self, after: WorkPosition, nothing_in_work: bool) -> Result<bool> {
        let limit = if nothing_in_work { SWEEP_STEP } else { 0 };
        let (mut from, mut work_waits) = (Some(after), false);
        while let Some(after) = from {
            let swept = self.shared.queue.scan_purged(&self.lease, after, limit).await?;
            (self.paused, work_waits) = (swept.paused, swept.work_waits);
            from = swept.next;
            let settle = |item: WorkItem| item.fate.clone().map(|kind| tombstone_of(item, kind));
            let frames: Vec<Finished> = swept.items.into_iter().filter_map(settle).collect();
            if frames.is_empty() {
                continue;
            }
            let results = self.shared.queue.finish(&self.lease, &frames).await?;
            let done = |one: &FinishResult| match one {
                FinishResult::Published | FinishResult::AlreadyPublished | FinishResult::Removed => true,
                FinishResult::NotNext | FinishResult::PayloadGone | FinishResult::Erased => false,
            };
            if !results.iter().all(done) {
                // These frames or some before them are lost: a new lease takes from the start.
                return Err(Error::LeaseLost);
            }
        }
        Ok(work_waits)
    }
}
