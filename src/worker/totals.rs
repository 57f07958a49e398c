//! Counts the work of a worker since it started.

use std::time::Duration;

use crate::domain::{OutputBody, PictureRole, ProcessedFrame, Reencode, Timestamp, TombstoneKind};
use crate::metrics::{FrameOutcome, WorkerMetrics};
use crate::queue::{Finished, WorkerTotals};

/// The work of a worker. The counters of the metrics are those that the worker reports.
#[derive(Debug)]
pub(super) struct Totals {
    start_time: Timestamp,
    metrics: WorkerMetrics,
}

impl Totals {
    pub(super) fn new(metrics: WorkerMetrics) -> Self {
        Self { start_time: Timestamp::now(), metrics }
    }

    /// Notes that a frame was published.
    pub(super) fn published(&self, finished: &Finished) {
        let outcome = match &finished.body {
            OutputBody::Frame(frame) => {
                self.made(frame, finished.source.size_bytes);
                match frame.reencode {
                    Reencode::Relayed => FrameOutcome::Relayed,
                    Reencode::Encoded | Reencode::PassedThrough | Reencode::Disabled => {
                        FrameOutcome::Processed
                    }
                }
            }
            OutputBody::Tombstone(tombstone) => match &tombstone.kind {
                TombstoneKind::Failed(failure) => {
                    self.metrics.failures.of(failure.reason).inc();
                    FrameOutcome::Failed
                }
                TombstoneKind::Dropped => FrameOutcome::Dropped,
                TombstoneKind::Purged(_) => FrameOutcome::Purged,
                TombstoneKind::Erased => FrameOutcome::Erased,
            },
        };
        self.metrics.frames.of(outcome).inc();
    }

    /// Notes that a frame left the work queue because its stream was unregistered.
    pub(super) fn removed(&self) {
        self.metrics.frames.of(FrameOutcome::Removed).inc();
    }

    /// Notes how long a call took that published a batch.
    pub(super) fn batch_took(&self, time: Duration) {
        self.metrics.publish.observe(time);
    }

    fn made(&self, frame: &ProcessedFrame, source_bytes: u64) {
        let metrics = &self.metrics;
        for timing in &frame.stages {
            metrics.stages.of(timing.stage).observe(timing.duration);
        }
        metrics.made.of(frame.reencode).inc();
        let format = frame.header.source.format;
        metrics.input.of(format).inc();
        metrics.input_bytes.of(format).inc_by(source_bytes);
        if let Some(picture) = frame.pictures.iter().find(|picture| picture.role == PictureRole::Processed) {
            metrics.output.of(picture.format).inc();
            metrics.output_bytes.of(picture.format).inc_by(picture.payload.size_bytes);
        }
        if frame.over_budget {
            metrics.over_budget.inc();
        }
    }

    pub(super) fn report(&self) -> WorkerTotals {
        let finished = |outcome| self.metrics.frames.of(outcome).get();
        WorkerTotals {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            start_time_us: self.start_time.as_micros(),
            report_time_us: Timestamp::now().as_micros(),
            processed_frames: finished(FrameOutcome::Processed) + finished(FrameOutcome::Relayed),
            failed_frames: finished(FrameOutcome::Failed),
        }
    }
}
