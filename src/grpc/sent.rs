//! Notes what was sent to readers: counts it, and records it in the traces of the frames.

use std::sync::Arc;

use super::convert::time;
use super::counters::Counters;
use crate::domain::{Sequence, Timestamp};
use crate::pb::v1 as pb;
use crate::pb::v1::{consume_frames_response, subscribe_frames_response};
use crate::traces::{Traces, Value};

/// The notes of all messages to readers.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) counters: Arc<Counters>,
    pub(crate) traces: Traces,
}

impl Sent {
    /// Notes a message to a subscriber.
    pub(crate) fn to_subscriber(&self, message: &pb::SubscribeFramesResponse) {
        self.counters.sent(message);
        if let Some(subscribe_frames_response::Event::Frame(sent)) = &message.event {
            self.trace(sent.frame.as_ref(), "subscription");
        }
    }

    /// Notes a message to a member of a group.
    pub(crate) fn to_member(&self, message: &pb::ConsumeFramesResponse) {
        self.counters.sent_to_member(message);
        if let Some(consume_frames_response::Event::Frame(sent)) = &message.event {
            self.trace(sent.frame.as_ref(), "group");
        }
    }

    fn trace(&self, frame: Option<&pb::ProcessedFrame>, reader: &str) {
        let Some(frame) = frame.filter(|_| self.traces.is_on()) else { return };
        let (Ok(stream), Ok(sequence)) = (frame.stream_id.parse(), Sequence::new(frame.sequence)) else {
            return;
        };
        let moment = |at: Option<prost_types::Timestamp>| {
            at.and_then(|at| time::from_pb("", at).ok()).unwrap_or_default()
        };
        let (received, published) = (moment(frame.receive_time), moment(frame.publish_time));
        let trace = self.traces.of(&frame.traceparent, &frame.tracestate, &stream, sequence, received);
        let span = trace.map(|trace| {
            let span = trace.deliver(published, Timestamp::now()).with_frame(&stream, sequence);
            span.with("frameway.reader", Value::Text(reader.to_owned()))
        });
        self.traces.record(span);
    }
}
