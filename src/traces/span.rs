use crate::domain::{Sequence, StreamId, Timestamp};

/// The side of a call that a span stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A step inside the service.
    Internal,
    /// A call by a publisher.
    Server,
    /// Frames that wait for a reader: a worker or a subscriber.
    Consumer,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
}

/// One step in the life of a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The id of this span.
    pub span_id: [u8; 8],
    /// The span that this one is part of; `None` = this one is the root of its trace.
    pub parent: Option<[u8; 8]>,
    /// The W3C tracestate of the caller; empty = none.
    pub tracestate: String,
    /// The name of the step.
    pub name: &'static str,
    /// The side of a call.
    pub kind: Kind,
    /// The begin of the step.
    pub start: Timestamp,
    /// Its end.
    pub end: Timestamp,
    /// Facts about the step.
    pub attributes: Vec<(&'static str, Value)>,
    /// The reason for which the step failed; `None` = it did not.
    pub failure: Option<String>,
}

impl Span {
    /// Adds the stream and the sequence of the frame.
    #[must_use]
    pub fn with_frame(mut self, stream: &StreamId, sequence: Sequence) -> Self {
        self.attributes.push(("frameway.stream_id", Value::Text(stream.to_string())));
        self.attributes.push(("frameway.sequence", Value::Number(sequence.get())));
        self
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Value) -> Self {
        self.attributes.push((name, value));
        self
    }
}
