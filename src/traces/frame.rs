//! The trace of one frame.

use twox_hash::XxHash3_64;

use super::span::{Kind, Span};
use crate::domain::{ProcessedFrame, Sequence, Stage, StreamId, Timestamp, TombstoneKind};

/// The trace of a frame.
///
/// With a `traceparent`, it is the caller's trace, if the caller samples it. Otherwise the trace id is
/// a hash of the frame's stream, sequence and time of receipt, so that all processes find the same id
/// and the same decision whether to sample it. The id of the submit span is a hash as well, because
/// the spans of other processes are its children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameTrace {
    trace_id: [u8; 16],
    /// The span of the caller; `None` if it sent none.
    caller: Option<[u8; 8]>,
    submit: [u8; 8],
    tracestate: String,
}

impl FrameTrace {
    /// Returns the trace of a frame; `None` if it is not sampled.
    pub(super) fn of(
        traceparent: &str,
        tracestate: &str,
        (stream, sequence, receive_time): (&StreamId, Sequence, Timestamp),
        sample: f64,
    ) -> Option<Self> {
        let hash = |seed: u64| {
            let bytes = [
                stream.as_str().as_bytes(),
                &sequence.get().to_be_bytes(),
                &receive_time.as_micros().to_be_bytes(),
            ];
            XxHash3_64::oneshot_with_seed(seed, &bytes.concat())
        };
        let submit = never_zero(hash(1)).to_be_bytes();
        if let Some(Parent { trace_id, span_id, is_sampled }) = Parent::parse(traceparent) {
            let tracestate = tracestate.to_owned();
            return is_sampled.then_some(Self { trace_id, caller: Some(span_id), submit, tracestate });
        }
        let low = hash(2);
        if (low as f64) >= sample * u64::MAX as f64 {
            return None;
        }
        let mut trace_id = [0; 16];
        trace_id[..8].copy_from_slice(&never_zero(hash(3)).to_be_bytes());
        trace_id[8..].copy_from_slice(&low.to_be_bytes());
        Some(Self { trace_id, caller: None, submit, tracestate: String::new() })
    }

    /// Returns the trace id in hexadecimal digits, as a log shows it.
    #[must_use]
    pub fn trace_id(&self) -> String {
        self.trace_id.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns the span of the call that submitted the frame.
    pub(super) fn submit(&self, start: Timestamp, end: Timestamp) -> Span {
        Span {
            span_id: self.submit,
            parent: self.caller,
            kind: Kind::Server,
            ..self.step("frameway.submit", start, end)
        }
    }

    /// Returns the spans of a processed frame, from its acceptance until it was published. The stages
    /// follow each other, so that the durations of those before tell when one began.
    pub(super) fn processed(
        &self,
        frame: &ProcessedFrame,
        receive_time: Timestamp,
        now: Timestamp,
    ) -> Vec<Span> {
        let process = self.step("frameway.process", frame.lease_time, frame.process_time);
        let parent = Some(process.span_id);
        let mut spans = vec![self.queue_wait(receive_time, frame.lease_time), process];
        let mut start = frame.lease_time;
        for timing in &frame.stages {
            let Some(name) = name_of(timing.stage) else { continue };
            let end = start.after(timing.duration);
            spans.push(Span { parent, ..self.step(name, start, end) });
            start = end;
        }
        spans.push(self.step("frameway.publish", frame.process_time, now));
        spans
    }

    /// Returns the spans of a frame that became a tombstone.
    pub(super) fn ended(&self, kind: &TombstoneKind, receive_time: Timestamp, now: Timestamp) -> Vec<Span> {
        let failure = match kind {
            TombstoneKind::Failed(failure) => format!("{:?}: {}", failure.reason, failure.message),
            TombstoneKind::Dropped => "dropped by the policy of its stream".to_owned(),
            TombstoneKind::Purged(_) => "purged by an operator".to_owned(),
            TombstoneKind::Erased => "erased".to_owned(),
        };
        let ended = Span { failure: Some(failure), ..self.step("frameway.process", receive_time, now) };
        vec![ended]
    }

    fn queue_wait(&self, start: Timestamp, end: Timestamp) -> Span {
        Span { kind: Kind::Consumer, ..self.step("frameway.queue", start, end) }
    }

    /// Returns the span of one delivery, from the moment when the frame was published.
    #[must_use]
    pub fn deliver(&self, publish_time: Timestamp, sent: Timestamp) -> Span {
        Span { kind: Kind::Consumer, ..self.step("frameway.deliver", publish_time, sent) }
    }

    /// Returns a span below the submit span.
    fn step(&self, name: &'static str, start: Timestamp, end: Timestamp) -> Span {
        Span {
            trace_id: self.trace_id,
            span_id: never_zero(rand::random()).to_be_bytes(),
            parent: Some(self.submit),
            tracestate: self.tracestate.clone(),
            name,
            kind: Kind::Internal,
            start,
            // Clocks of two machines differ.
            end: end.max(start),
            attributes: Vec::new(),
            failure: None,
        }
    }
}

/// Returns the name of the span of a stage; `None` for the time in the queue, which has a span of its
/// own.
fn name_of(stage: Stage) -> Option<&'static str> {
    Some(match stage {
        Stage::QueueWait => return None,
        Stage::Fetch => "frameway.fetch",
        Stage::Decode => "frameway.decode",
        Stage::Transcode => "frameway.transcode",
        Stage::Mask => "frameway.mask",
        Stage::Analyze => "frameway.analyze",
        Stage::Resize => "frameway.resize",
        Stage::Thumbnail => "frameway.thumbnail",
        Stage::Encode => "frameway.encode",
        Stage::OrderWait => "frameway.order",
    })
}

/// The standard forbids ids of zeros only.
fn never_zero(id: u64) -> u64 {
    id.max(1)
}

/// The parts of a `traceparent`.
struct Parent {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    is_sampled: bool,
}

impl Parent {
    /// Parses a well-formed `traceparent`; returns `None` for another text, and for ids that the
    /// standard does not allow.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let _version = parts.next()?;
        let trace_id = u128::from_str_radix(parts.next()?, 16).ok().filter(|&id| id > 0)?;
        let span_id = u64::from_str_radix(parts.next()?, 16).ok().filter(|&id| id > 0)?;
        let flags = u8::from_str_radix(parts.next()?, 16).ok()?;
        let (trace_id, span_id) = (trace_id.to_be_bytes(), span_id.to_be_bytes());
        Some(Self { trace_id, span_id, is_sampled: flags & 1 == 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(traceparent: &str, sequence: u64, sample: f64) -> Option<FrameTrace> {
        let place = (&"cam".parse().unwrap(), Sequence::new(sequence).unwrap(), Timestamp::from_micros(7));
        FrameTrace::of(traceparent, "a=b", place, sample)
    }

    #[test]
    fn the_flag_of_the_caller_decides() {
        let sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let found = trace(sampled, 1, 0.0).unwrap();
        assert_eq!(found.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(found.caller, Some(0xb7ad_6b71_6920_3331_u64.to_be_bytes()));
        assert_eq!(found.tracestate, "a=b");
        assert_eq!(trace(&sampled.replace("-01", "-00"), 1, 1.0), None);
    }

    #[test]
    fn ids_of_zeros_are_no_trace_of_the_caller() {
        for wrong in [
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "",
        ] {
            assert_eq!(trace(wrong, 1, 1.0).unwrap().caller, None, "{wrong}");
        }
    }

    #[test]
    fn all_processes_find_the_same_ids_and_choose_the_same_frames() {
        assert_eq!(trace("", 5, 1.0), trace("", 5, 1.0));
        assert_ne!(trace("", 5, 1.0).unwrap().trace_id, trace("", 6, 1.0).unwrap().trace_id);
        let chosen = (1..=10_000).filter(|&sequence| trace("", sequence, 0.1).is_some()).count();
        assert!((900..=1100).contains(&chosen), "{chosen}");
        assert_eq!((1..=1000).filter(|&sequence| trace("", sequence, 0.0).is_some()).count(), 0);
    }
}
