//! A batch of frames on its way to the queue: one item for each frame, in the order of the frames.

use super::convert::result;
use super::fault::Result;
use crate::domain::{StreamId, Timestamp};
use crate::pb::v1 as pb;
use crate::pb::v1::frame_result::Outcome;
use crate::queue::{AcceptResult, NewFrame};

/// A frame of a batch, with a state of type `S`.
#[derive(Debug)]
pub(crate) struct BatchItem<S = ItemState> {
    /// The stream of the frame; `None` if the frame names none.
    pub(crate) stream: Option<StreamId>,
    /// The publisher sequence of the frame, if it has one.
    pub(crate) publisher_sequence: Option<u64>,
    /// The size of the picture.
    pub(crate) bytes: u64,
    /// The time at which the server began to check the frame.
    pub(crate) check_time: Timestamp,
    pub(crate) state: S,
}

/// The state of a frame that was checked.
#[derive(Debug)]
pub(crate) enum ItemState {
    /// The frame can be stored.
    Ready(Box<NewFrame>),
    /// The queue has the frame and has not answered yet.
    Submitted,
    /// The frame has its result.
    Decided(pb::FrameResult),
}

impl BatchItem<Result<pb::Frame>> {
    /// Creates the item of a frame that was received, or refused before it was checked.
    pub(crate) fn new(frame: Result<pb::Frame>, check_time: Timestamp) -> Self {
        let (stream, publisher_sequence, bytes) = match &frame {
            Ok(frame) => (frame.stream_id.parse().ok(), frame.publisher_sequence, frame.data.len() as u64),
            Err(_) => (None, None, 0),
        };
        Self { stream, publisher_sequence, bytes, check_time, state: frame }
    }
}

impl<S> BatchItem<S> {
    /// Replaces the state with what `next` returns for the old state.
    pub(crate) fn map<T>(self, next: impl FnOnce(S) -> T) -> BatchItem<T> {
        let Self { stream, publisher_sequence, bytes, check_time, state } = self;
        BatchItem { stream, publisher_sequence, bytes, check_time, state: next(state) }
    }
}

impl BatchItem {
    /// Returns the frame if it can be stored.
    pub(crate) fn ready(&self) -> Option<&NewFrame> {
        match &self.state {
            ItemState::Ready(frame) => Some(frame),
            ItemState::Submitted | ItemState::Decided(_) => None,
        }
    }

    /// Takes the frame, if it can be stored, to submit it to the queue.
    pub(crate) fn take_ready(&mut self) -> Option<NewFrame> {
        self.ready()?;
        match std::mem::replace(&mut self.state, ItemState::Submitted) {
            ItemState::Ready(frame) => Some(*frame),
            ItemState::Submitted | ItemState::Decided(_) => None,
        }
    }

    /// Reports whether the queue has the frame and has not answered yet.
    pub(crate) fn is_submitted(&self) -> bool {
        matches!(self.state, ItemState::Submitted)
    }

    /// Gives the frame its result.
    pub(crate) fn decide(&mut self, result: pb::FrameResult) {
        self.state = ItemState::Decided(result);
    }

    /// Returns the outcome of the frame, if it has its result.
    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            ItemState::Decided(result) => result.outcome.as_ref(),
            ItemState::Ready(_) | ItemState::Submitted => None,
        }
    }

    fn into_result(self) -> pb::FrameResult {
        let mut result = match self.state {
            ItemState::Decided(result) => result,
            ItemState::Ready(_) | ItemState::Submitted => result::to_pb(no_answer()),
        };
        if let Some(stream) = &self.stream {
            result::name_stream(stream, &mut result);
        }
        result
    }
}

/// Returns the results of a batch, in the order of its frames.
pub(crate) fn results(items: Vec<BatchItem>) -> Vec<pb::FrameResult> {
    items.into_iter().map(BatchItem::into_result).collect()
}

/// Returns the result of a frame for which the backend returned none.
pub(crate) fn no_answer() -> AcceptResult {
    AcceptResult::Unconfirmed("the backend returned no result for this frame".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::fault::Fault;
    use crate::queue::Refusal;

    /// Returns an item whose frame is at the queue.
    fn item(stream: &str, publisher_sequence: Option<u64>) -> BatchItem {
        let (stream, check_time) = (stream.parse().ok(), Timestamp::default());
        BatchItem { stream, publisher_sequence, bytes: 0, check_time, state: ItemState::Submitted }
    }

    #[test]
    fn results_are_in_the_order_of_the_frames_and_name_unknown_streams() {
        let mut items = vec![item("cam-1", None), item("cam-2", None), item("cam-3", None)];
        items[2].decide(result::rejected(Refusal::StreamNotFound.into()));
        items[0].decide(result::rejected(Fault::invalid("width", "must be set")));
        let results = results(items);
        let reason = |result: &pb::FrameResult| match &result.outcome {
            Some(Outcome::Rejected(error)) => (error.reason(), error.metadata.get("stream_id").cloned()),
            Some(Outcome::Unconfirmed(error)) => (error.reason(), None),
            outcome => panic!("{outcome:?}"),
        };
        assert_eq!(
            results.iter().map(reason).collect::<Vec<_>>(),
            [
                (pb::ErrorReason::InvalidField, None),
                (pb::ErrorReason::BackendUnavailable, None),
                (pb::ErrorReason::StreamNotFound, Some("cam-3".to_owned())),
            ]
        );
    }
}
