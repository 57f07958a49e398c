//! Latencies and their percentiles.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::console::output::span;

/// Durations from a microsecond to a day, with three significant digits.
#[derive(Debug)]
pub(crate) struct Latency {
    /// `None` only if the bounds were invalid.
    spans_us: Option<Histogram<u64>>,
}

const DAY_US: u64 = 24 * 3600 * 1_000_000;

impl Latency {
    pub(crate) fn new() -> Self {
        Self { spans_us: Histogram::new_with_bounds(1, DAY_US, 3).ok() }
    }

    /// Records a duration, if there is one; more than a day counts as a day.
    pub(crate) fn record(&mut self, span: Option<Duration>) {
        if let (Some(spans), Some(span)) = (&mut self.spans_us, span) {
            spans.saturating_record(u64::try_from(span.as_micros()).unwrap_or(DAY_US));
        }
    }

    /// Returns the duration that a share (0 to 1) of the recorded durations does not exceed; `None`
    /// if none is recorded.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        let spans = self.spans_us.as_ref().filter(|spans| !spans.is_empty())?;
        Some(Duration::from_micros(spans.value_at_quantile(share)))
    }

    /// Returns a quantile in milliseconds; 0 if there is none.
    pub(crate) fn ms(&self, share: f64) -> f64 {
        let ms = self.quantile(share).unwrap_or_default().as_secs_f64() * 1e3;
        (ms * 1e3).round() / 1e3
    }

    /// Formats percentiles as `p50 2.0 ms, p95 ..., p99 ...`.
    pub(crate) fn words(&self) -> Option<String> {
        let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| self.quantile(share));
        Some(format!("p50 {}, p95 {}, p99 {}", span(p50?), span(p95?), span(p99?)))
    }

    /// Formats percentiles as a JSON object; `null` if there are none.
    pub(crate) fn as_json(&self) -> Value {
        self.quantile(0.5).map_or(
            Value::Null,
            |_| json!({ "p50_ms": self.ms(0.5), "p95_ms": self.ms(0.95), "p99_ms": self.ms(0.99) }),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_cover_the_recorded_durations() {
        let mut latency = Latency::new();
        assert_eq!(latency.words(), None);
        (1..=100).for_each(|ms| latency.record(Some(Duration::from_millis(ms))));
        latency.record(None);
        assert!((latency.ms(0.5) - 50.0).abs() < 0.1, "{}", latency.ms(0.5));
        assert!((latency.ms(0.99) - 99.0).abs() < 0.1);
        latency.record(Some(Duration::from_secs(1 << 40)));
        assert!(latency.ms(1.0) >= 86_000_000.0);
    }
}
