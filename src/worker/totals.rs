//! Counts the work of a worker since it started.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::{OutputBody, Timestamp, TombstoneKind};
use crate::queue::WorkerTotals;

#[derive(Debug)]
pub(super) struct Totals {
    start_time: Timestamp,
    processed: AtomicU64,
    failed: AtomicU64,
}

impl Totals {
    pub(super) fn new() -> Self {
        Self { start_time: Timestamp::now(), processed: AtomicU64::new(0), failed: AtomicU64::new(0) }
    }

    /// Notes that a frame was published.
    pub(super) fn published(&self, body: &OutputBody) {
        let counter = match body {
            OutputBody::Frame(_) => &self.processed,
            OutputBody::Tombstone(tombstone) => match tombstone.kind {
                TombstoneKind::Failed(_) => &self.failed,
                TombstoneKind::Dropped | TombstoneKind::Purged(_) => return,
            },
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn report(&self) -> WorkerTotals {
        WorkerTotals {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            start_time_us: self.start_time.as_micros(),
            report_time_us: Timestamp::now().as_micros(),
            processed_frames: self.processed.load(Ordering::Relaxed),
            failed_frames: self.failed.load(Ordering::Relaxed),
        }
    }
}
