//! Logs frames that failed: the first of a stream at once, and then one line for each stream and
//! interval, with counts. A camera that sends garbage does not fill the log.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use crate::domain::{FailureReason, OutputBody, Sequence, StreamId, TombstoneKind};
use crate::queue::Finished;
use crate::traces::Traces;

/// The minimum time between two lines about a stream.
const INTERVAL: Duration = Duration::from_secs(10);
/// The maximum number of streams that are counted separately. The failures of further ones are
/// counted together.
const MAX_STREAMS: usize = 1_000;

/// The failures in one partition that were logged lately or are still to be logged.
#[derive(Debug, Default)]
pub(super) struct Failures {
    streams: HashMap<StreamId, Recent>,
    /// The failures of streams that have no place in `streams`.
    others: u64,
}

#[derive(Debug)]
struct Recent {
    logged: Instant,
    /// The failures since then.
    reasons: BTreeMap<&'static str, u64>,
    last: Sequence,
}

impl Failures {
    /// Notes a frame that was published. Logs it if it failed and is the first of its stream for a
    /// while; otherwise only counts it.
    pub(super) fn published(&mut self, frame: &Finished, traces: &Traces, now: Instant) {
        let Finished { stream_id, sequence, receive_time, body, .. } = frame;
        let OutputBody::Tombstone(tombstone) = body else { return };
        let TombstoneKind::Failed(failure) = &tombstone.kind else { return };
        if let Some(recent) = self.streams.get_mut(stream_id) {
            recent.add(failure.reason, *sequence);
            return;
        }
        if self.streams.len() >= MAX_STREAMS {
            self.others += 1;
            return;
        }
        let trace_id = traces.id_for_log(&tombstone.header, stream_id, *sequence, *receive_time);
        let (reason, why) = (failure.reason.name(), failure.message.as_str());
        tracing::info!(stream = %stream_id, %sequence, trace_id, reason, why, "frame failed");
        let recent = Recent { logged: now, reasons: BTreeMap::new(), last: *sequence };
        self.streams.insert(stream_id.clone(), recent);
    }

    /// Logs the counts of the streams whose last line is older than the interval.
    pub(super) fn report(&mut self, now: Instant) {
        self.report_after(now, INTERVAL);
    }

    /// Logs all counts, because nothing will be counted any more.
    pub(super) fn report_all(&mut self) {
        self.report_after(Instant::now(), Duration::ZERO);
    }

    fn report_after(&mut self, now: Instant, interval: Duration) {
        self.streams.retain(|stream, recent| {
            if now.duration_since(recent.logged) < interval {
                return true;
            }
            // A stream without failures for an interval is forgotten: the next one is logged at once.
            let goes_on = !recent.reasons.is_empty();
            recent.log(stream, now);
            goes_on
        });
        if self.others > 0 && self.streams.len() < MAX_STREAMS {
            tracing::info!(frames = self.others, "frames of further streams failed");
            self.others = 0;
        }
    }
}

impl Recent {
    fn add(&mut self, reason: FailureReason, sequence: Sequence) {
        *self.reasons.entry(reason.name()).or_default() += 1;
        self.last = sequence;
    }

    /// Logs the counts, if there are any, and starts again.
    fn log(&mut self, stream: &StreamId, now: Instant) {
        let seconds = now.duration_since(self.logged).as_secs();
        self.logged = now;
        if self.reasons.is_empty() {
            return;
        }
        let frames: u64 = self.reasons.values().sum();
        let reasons: Vec<String> = std::mem::take(&mut self.reasons)
            .iter()
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        let reasons = reasons.join(", ");
        tracing::info!(%stream, frames, reasons, seconds, last_sequence = %self.last, "frames failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_stream_and_reason_and_then_forgotten() {
        let start = Instant::now();
        let mut failures = Failures::default();
        let stream: StreamId = "cam".parse().unwrap();
        let number = |sequence| Sequence::new(sequence).unwrap();
        failures
            .streams
            .insert(stream.clone(), Recent { logged: start, reasons: BTreeMap::new(), last: number(1) });
        let recent = failures.streams.get_mut(&stream).unwrap();
        for sequence in 2..5 {
            recent.add(FailureReason::Truncated, number(sequence));
        }
        recent.add(FailureReason::UnknownFormat, number(5));
        assert_eq!(recent.reasons, [("DECODE_TRUNCATED", 3), ("PICTURE_FORMAT_UNKNOWN", 1)].into());
        failures.report(start + INTERVAL / 2);
        assert_eq!(failures.streams[&stream].reasons.len(), 2, "the interval is not over");
        failures.report(start + INTERVAL);
        assert!(failures.streams[&stream].reasons.is_empty(), "the counts were logged");
        failures.report(start + 2 * INTERVAL);
        assert!(failures.streams.is_empty(), "no failure for an interval");
    }
}
