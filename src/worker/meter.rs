//! Measures the rate and the processing times of a partition over the last seconds.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::queue::{WorkerReport, WorkerTotals};

/// The maximum time that is recorded, in microseconds; a longer one is recorded as this.
const MAX_MICROS: u64 = 600_000_000;
/// The length of a window.
const WINDOW: Duration = Duration::from_secs(5);

/// Two windows, the current one and the one before it: a report covers 5 to 10 seconds.
#[derive(Debug)]
pub(super) struct Meter {
    current: Histogram<u64>,
    previous: Histogram<u64>,
    since: Instant,
    window_start: Instant,
}

impl Meter {
    pub(super) fn new() -> Self {
        #[allow(
            clippy::unwrap_used,
            reason = "constant bounds that the crate accepts: 1 us to 10 min, two digits"
        )]
        let histogram = Histogram::new_with_max(MAX_MICROS, 2).unwrap();
        let now = Instant::now();
        Self { current: histogram.clone(), previous: histogram, since: now, window_start: now }
    }

    pub(super) fn record(&mut self, span: Duration) {
        self.current.saturating_record(u64::try_from(span.as_micros()).unwrap_or(MAX_MICROS).max(1));
    }

    pub(super) fn report(&mut self, worker_id: &str, in_flight: usize) -> WorkerReport {
        if self.window_start.elapsed() >= WINDOW {
            std::mem::swap(&mut self.current, &mut self.previous);
            self.current.reset();
            self.since = self.window_start;
            self.window_start = Instant::now();
        }
        let mut both = self.previous.clone();
        let seconds = self.since.elapsed().as_secs_f64().max(0.001);
        // Both have the same bounds, so the sum cannot fail.
        let _ = both.add(&self.current);
        let ms = |quantile: f64| both.value_at_quantile(quantile) as f64 / 1000.0;
        WorkerReport {
            worker_id: worker_id.to_owned(),
            in_flight: in_flight as u64,
            samples: both.len(),
            frames_per_second: both.len() as f64 / seconds,
            processing_p50_ms: ms(0.50),
            processing_p95_ms: ms(0.95),
            processing_p99_ms: ms(0.99),
            totals: WorkerTotals::default(),
        }
    }
}
