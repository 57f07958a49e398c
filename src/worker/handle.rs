//! The connection between the lease manager and a partition's task.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::meter::Meter;
use crate::metrics::Gauge;
use crate::queue::{WorkPosition, WorkerReport};

#[derive(Debug)]
pub(super) struct PartitionHandle {
    /// Notified when there may be work.
    pub(super) wake: Notify,
    /// The position of the newest known work.
    seen: Mutex<WorkPosition>,
    /// The measures for the next renewal of the lease.
    work: Mutex<Work>,
    /// Asks the task to take no more, publish what is in work, and end.
    pub(super) stop: CancellationToken,
    /// Asks the task to end at once: the lease is lost.
    pub(super) lost: CancellationToken,
    /// Another worker may have the lease.
    lease_is_lost: AtomicBool,
    /// The frames in work of all partitions.
    all_in_flight: Gauge,
}

#[derive(Debug)]
struct Work {
    meter: Meter,
    in_flight: usize,
}

impl PartitionHandle {
    /// Creates a handle. `all_in_flight` counts the frames in work of all partitions.
    pub(super) fn new(all_in_flight: Gauge) -> Self {
        Self {
            wake: Notify::new(),
            seen: Mutex::default(),
            work: Mutex::new(Work { meter: Meter::new(), in_flight: 0 }),
            stop: CancellationToken::new(),
            lost: CancellationToken::new(),
            lease_is_lost: AtomicBool::new(false),
            all_in_flight,
        }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock()
    }

    pub(super) fn report(&self, worker_id: &str) -> WorkerReport {
        let Work { meter, in_flight } = &mut *self.work();
        meter.report(worker_id, *in_flight)
    }

    pub(super) fn set_in_flight(&self, frames: usize) {
        let before = std::mem::replace(&mut self.work().in_flight, frames);
        self.all_in_flight.inc_by(frames as i64 - before as i64);
    }

    /// Notes that another worker may have the lease.
    pub(super) fn note_lease_lost(&self) {
        self.lease_is_lost.store(true, Ordering::Relaxed);
    }

    /// Reports whether another worker may have the lease.
    pub(super) fn is_lease_lost(&self) -> bool {
        self.lease_is_lost.load(Ordering::Relaxed)
    }

    /// Notes that a frame was published, and how long after it was taken.
    pub(super) fn published(&self, after: Duration) {
        self.work().meter.record(after);
    }

    pub(super) fn seen(&self) -> WorkPosition {
        *self.seen.lock()
    }

    pub(super) fn note_seen(&self, position: WorkPosition) {
        let mut seen = self.seen.lock();
        *seen = position.max(*seen);
    }

    /// Notes that there is work up to `position`.
    pub(super) fn notify_work(&self, position: WorkPosition) {
        self.note_seen(position);
        self.wake.notify_one();
    }
}

impl Drop for PartitionHandle {
    fn drop(&mut self) {
        self.set_in_flight(0);
    }
}
