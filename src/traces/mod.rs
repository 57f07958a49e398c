//! The traces of frames: what happened to a frame, when, and for how long, as spans of
//! OpenTelemetry.
//!
//! ```text
//! span of the caller ─▶ submit ─┬▶ queue
//!                               ├▶ process ─▶ fetch, decode, mask, analyze, ...
//!                               ├▶ publish
//!                               └▶ deliver, once for each subscriber
//! ```
//!
//! A frame passes through several processes. So that nothing has to be stored for its trace, each
//! process derives the ids of its spans from the frame ([`FrameTrace`]). Spans are recorded after
//! the fact, into a bounded queue that another task sends to a collector. If the queue is full, spans
//! are dropped and counted: a frame never waits for its trace.

mod frame;
mod span;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

pub use frame::FrameTrace;
pub use span::{Kind, Span, Value};

use crate::domain::{FrameHeader, OutputBody, Sequence, StreamId, Timestamp};

/// The maximum number of spans that wait to be sent.
pub const MAX_WAITING_SPANS: usize = 8192;

/// The recorder of spans. Cheap to clone. Without a collector, it records nothing and costs nothing.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Recorder>>);

struct Recorder {
    spans: mpsc::Sender<Span>,
    dropped: Arc<AtomicU64>,
    /// Frames whose trace id, as a fraction of all ids, is below it are traced without being asked.
    sample: f64,
}

/// The recorded spans, for the task that sends them.
#[derive(Debug)]
pub struct Recorded {
    /// The spans.
    pub spans: mpsc::Receiver<Span>,
    /// The number of spans that were dropped because the queue was full.
    pub dropped: Arc<AtomicU64>,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Traces").field(&self.0.is_some()).finish()
    }
}

impl Traces {
    /// Creates a recorder, and the queue of what it records. Without a `traceparent`, a frame is
    /// traced with the probability `sample`; with one, its sampled flag decides.
    #[must_use]
    pub fn new(sample: f64) -> (Self, Recorded) {
        let (sender, spans) = mpsc::channel(MAX_WAITING_SPANS);
        let dropped = Arc::new(AtomicU64::new(0));
        let recorder = Recorder { spans: sender, dropped: Arc::clone(&dropped), sample };
        (Self(Some(Arc::new(recorder))), Recorded { spans, dropped })
    }

    /// Returns a recorder that records nothing.
    #[must_use]
    pub fn off() -> Self {
        Self::default()
    }

    /// Reports whether anything is recorded.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the trace of a frame; `None` if it is not traced.
    #[must_use]
    pub fn of(
        &self,
        traceparent: &str,
        tracestate: &str,
        stream: &StreamId,
        sequence: Sequence,
        receive_time: Timestamp,
    ) -> Option<FrameTrace> {
        let recorder = self.0.as_ref()?;
        FrameTrace::of(traceparent, tracestate, (stream, sequence, receive_time), recorder.sample)
    }

    /// Records spans.
    pub fn record(&self, spans: impl IntoIterator<Item = Span>) {
        let Some(recorder) = &self.0 else { return };
        for span in spans {
            if recorder.spans.try_send(span).is_err() {
                recorder.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Records that a frame was accepted. The call began at `call_time`.
    pub fn submitted(
        &self,
        (traceparent, tracestate): (&str, &str),
        stream: &StreamId,
        sequence: Sequence,
        call_time: Timestamp,
        receive_time: Timestamp,
    ) {
        let Some(trace) = self.of(traceparent, tracestate, stream, sequence, receive_time) else { return };
        self.record([trace.submit(call_time, Timestamp::now()).with_frame(stream, sequence)]);
    }

    /// Records that a worker took, processed and published a frame.
    pub fn published(
        &self,
        stream: &StreamId,
        sequence: Sequence,
        receive_time: Timestamp,
        body: &OutputBody,
    ) {
        let FrameHeader { traceparent, tracestate, .. } = body.header();
        let Some(trace) = self.of(traceparent, tracestate, stream, sequence, receive_time) else { return };
        let now = Timestamp::now();
        let spans = match body {
            OutputBody::Frame(frame) => trace.processed(frame, receive_time, now),
            OutputBody::Tombstone(tombstone) => trace.ended(&tombstone.kind, receive_time, now),
        };
        self.record(spans.into_iter().map(|span| span.with_frame(stream, sequence)));
    }

    /// Returns the trace id of a frame for the log: that of its trace, or the one that its publisher
    /// gave it; empty if it has none.
    #[must_use]
    pub fn id_for_log(
        &self,
        header: &FrameHeader,
        stream: &StreamId,
        sequence: Sequence,
        receive_time: Timestamp,
    ) -> String {
        match self.of(&header.traceparent, &header.tracestate, stream, sequence, receive_time) {
            Some(trace) => trace.trace_id(),
            None => header.traceparent.split('-').nth(1).unwrap_or_default().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn place() -> (StreamId, Sequence, Timestamp) {
        ("cam".parse().unwrap(), Sequence::FIRST, Timestamp::from_micros(1_000_000))
    }

    #[test]
    fn a_full_queue_drops_spans_and_counts_them() {
        let (traces, recorded) = Traces::new(0.0);
        let (stream, sequence, time) = place();
        for _ in 0..MAX_WAITING_SPANS + 3 {
            traces.submitted((PARENT, ""), &stream, sequence, time, time);
        }
        assert_eq!(recorded.spans.len(), MAX_WAITING_SPANS);
        assert_eq!(recorded.dropped.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn nothing_is_recorded_without_a_collector() {
        let (stream, sequence, time) = place();
        assert_eq!(Traces::off().of(PARENT, "", &stream, sequence, time), None);
        Traces::off().submitted((PARENT, ""), &stream, sequence, time, time);
    }
}
