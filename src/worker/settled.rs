//! Frames that are published without a picture; and those that are not worked on at all: dropped or purged.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use crate::domain::{OutputBody, Tombstone, TombstoneKind};
use crate::queue::{Error, FinishResult, Finished, Lease, Result, WorkItem, WorkPosition};

/// How often a paused queue is looked at.
pub(super) const PAUSED_POLL: Duration = Duration::from_millis(200);
/// Entries that one step of a sweep looks at.
const SWEEP_STEP: usize = 256;

/// What is published of a frame that nobody works on.
pub(super) fn settled(item: WorkItem, kind: TombstoneKind) -> Finished {
    tombstone(item, kind, 0)
}

/// What is published of a frame that has no picture, after so many attempts.
pub(super) fn tombstone(item: WorkItem, kind: TombstoneKind, attempts: u32) -> Finished {
    let WorkItem {
        position,
        stream_id,
        sequence,
        receive_time,
        header,
        payload,
        settings_revision: _,
        fate: _,
    } = item;
    let body = OutputBody::Tombstone(Box::new(Tombstone { header, kind, attempts }));
    let source_withheld = false; // No dead letter is made of these but by their worker, which knows.
    Finished {
        position,
        stream_id,
        sequence,
        receive_time,
        source: payload,
        source_withheld,
        body,
        offers: Vec::new(),
    }
}

/// Follows a paused queue: of one, frames cannot be taken, but those that are marked for purging are still finished.
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

    /// As it was when last looked at.
    pub(super) fn is_on(&self) -> bool {
        self.paused
    }

    /// Frames were taken: it is over.
    pub(super) fn is_over(&mut self) {
        self.paused = false;
    }

    /// Asks whether the queue is paused and, with nothing in hand, finishes what is marked for purging. `after` is the
    /// position of the newest frame taken. Answers whether work waits behind it.
    pub(super) async fn look(&mut self, after: WorkPosition, nothing_in_hand: bool) -> Result<bool> {
        let most = if nothing_in_hand { SWEEP_STEP } else { 0 };
        let (mut from, mut work_waits) = (Some(after), false);
        while let Some(after) = from {
            let swept = self.shared.queue.sweep(&self.lease, after, most).await?;
            (self.paused, work_waits) = (swept.paused, swept.work_waits);
            from = swept.next;
            let settle = |item: WorkItem| item.fate.clone().map(|kind| settled(item, kind));
            let frames: Vec<Finished> = swept.items.into_iter().filter_map(settle).collect();
            if frames.is_empty() {
                continue;
            }
            let results = self.shared.queue.finish(&self.lease, &frames).await?;
            let done = |one: &FinishResult| match one {
                FinishResult::Published | FinishResult::AlreadyPublished | FinishResult::Removed => true,
                FinishResult::NotNext | FinishResult::PayloadGone => false,
            };
            if !results.iter().all(done) {
                // What is missing lies behind what was taken: a new lease takes from the start.
                return Err(Error::LeaseLost);
            }
        }
        Ok(work_waits)
    }
}
