//! What the roster and a partition's task tell each other.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::meter::Meter;
use crate::queue::{WorkPosition, WorkerReport};

#[derive(Debug)]
pub(super) struct Handle {
    /// There may be work.
    pub(super) wake: Notify,
    /// Position of the newest work known of.
    seen: Mutex<WorkPosition>,
    /// For the next renewal of the lease.
    work: Mutex<Work>,
    /// Take no more, publish what is in work, then end.
    pub(super) stop: CancellationToken,
    /// The lease is lost: end at once.
    pub(super) lost: CancellationToken,
}

#[derive(Debug)]
struct Work {
    meter: Meter,
    in_flight: usize,
}

impl Handle {
    pub(super) fn new() -> Self {
        Self {
            wake: Notify::new(),
            seen: Mutex::default(),
            work: Mutex::new(Work { meter: Meter::new(), in_flight: 0 }),
            stop: CancellationToken::new(),
            lost: CancellationToken::new(),
        }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn report(&self, worker_id: &str) -> WorkerReport {
        let Work { meter, in_flight } = &mut *self.work();
        meter.report(worker_id, *in_flight)
    }

    pub(super) fn set_in_flight(&self, frames: usize) {
        self.work().in_flight = frames;
    }

    /// A frame was published, so long after it was taken.
    pub(super) fn published(&self, after: Duration) {
        self.work().meter.record(after);
    }

    pub(super) fn seen(&self) -> WorkPosition {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn saw(&self, position: WorkPosition) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = position.max(*seen);
    }

    /// Says that there is work up to `position`.
    pub(super) fn work_at(&self, position: WorkPosition) {
        self.saw(position);
        self.wake.notify_one();
    }
}
