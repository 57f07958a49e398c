use super::time;
use crate::domain::StreamId;
use crate::grpc::fault::Fault;
use crate::grpc::status::SOON;
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::pb::v1::frame_result::Outcome;
use crate::queue::{AcceptResult, Refusal};

/// Converts the result of one frame.
pub(crate) fn to_pb(result: AcceptResult) -> pb::FrameResult {
    let outcome = match result {
        AcceptResult::Accepted(sequence, receive_time) => Outcome::Accepted(pb::FrameAccepted {
            sequence: sequence.get(),
            receive_time: Some(time::to_pb(receive_time)),
        }),
        AcceptResult::Duplicate(sequence) => {
            Outcome::Duplicate(pb::FrameDuplicate { sequence: sequence.get() })
        }
        AcceptResult::Refused(refusal) => return rejected(refusal.into()),
        AcceptResult::Unconfirmed(why) => Outcome::Unconfirmed(
            Fault::new(ErrorReason::BackendUnavailable, why).retry_in(SOON).into_item_error(),
        ),
        AcceptResult::NotDurable(why) => Outcome::Unconfirmed(
            Fault::new(ErrorReason::DurabilityNotReached, why).retry_in(SOON).into_item_error(),
        ),
    };
    pb::FrameResult { outcome: Some(outcome) }
}

/// Creates the result of a frame that is certainly not stored.
pub(crate) fn rejected(fault: Fault) -> pb::FrameResult {
    pb::FrameResult { outcome: Some(Outcome::Rejected(fault.into_item_error())) }
}

/// Adds the id of the stream to a result whose reason is that the stream is not registered.
pub(crate) fn name_stream(stream: &StreamId, result: &mut pb::FrameResult) {
    if let Some(Outcome::Rejected(error)) = &mut result.outcome
        && error.reason() == ErrorReason::StreamNotFound
    {
        error.metadata.insert("stream_id".to_owned(), stream.to_string());
    }
}

/// Reports whether the backend, and not the frame, caused a result.
pub(crate) fn is_backend_failure(result: &AcceptResult) -> bool {
    match result {
        AcceptResult::Refused(Refusal::Backend(_)) | AcceptResult::Unconfirmed(_) => true,
        AcceptResult::Accepted(..)
        | AcceptResult::Duplicate(_)
        | AcceptResult::Refused(_)
        | AcceptResult::NotDurable(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Sequence, Timestamp};

    #[test]
    fn each_result_has_its_outcome() {
        let accepted =
            to_pb(AcceptResult::Accepted(Sequence::FIRST, Timestamp::from_micros(5_000_000))).outcome;
        let received = Some(prost_types::Timestamp { seconds: 5, nanos: 0 });
        assert!(
            matches!(accepted, Some(Outcome::Accepted(a)) if a.sequence == 1 && a.receive_time == received)
        );
        let duplicate = to_pb(AcceptResult::Duplicate(Sequence::FIRST)).outcome;
        assert!(matches!(duplicate, Some(Outcome::Duplicate(d)) if d.sequence == 1));
        let mut rejected = to_pb(AcceptResult::Refused(Refusal::StreamNotFound));
        name_stream(&"cam-1".parse().unwrap(), &mut rejected);
        let Some(Outcome::Rejected(error)) = rejected.outcome else { panic!("it is rejected") };
        assert_eq!(error.reason(), ErrorReason::StreamNotFound);
        assert_eq!(error.metadata["stream_id"], "cam-1");
        let unconfirmed = to_pb(AcceptResult::Unconfirmed("lost".into())).outcome;
        assert!(matches!(unconfirmed, Some(Outcome::Unconfirmed(e)) if e.retry_delay.is_some()));
    }
}
