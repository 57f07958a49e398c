//! The only map from the errors of other layers to the reasons of the contract. The matches are
//! exhaustive: a new variant does not compile until it has a reason.

use std::time::Duration;

use super::fault::Fault;
use crate::hub::{GroupError, SubscribeError};
use crate::pb::v1::ErrorReason;
use crate::queue::{Error as QueueError, Refusal};

/// The retry delay after an outage of the backend: a restart or a failover takes about as long.
pub(crate) const BACKEND_RETRY: Duration = Duration::from_secs(2);
/// The retry delay after a full queue: some frames have been processed by then.
pub(crate) const FULL_RETRY: Duration = Duration::from_millis(500);
/// The retry delay after a draining queue refused a frame: a drain takes minutes rather than
/// seconds, and a publisher should notice its end soon.
const QUEUE_DRAINING_RETRY: Duration = Duration::from_secs(5);
/// The minimum retry delay after a server reported its drain: a restart takes about as long.
pub(crate) const DRAINING_RETRY: Duration = Duration::from_secs(1);
/// The maximum random addition to that delay, so that clients do not all reconnect at once.
const DRAINING_SPREAD: Duration = Duration::from_secs(1);
/// The retry delay after a failure that is likely to be over in a moment.
pub(crate) const SOON: Duration = Duration::from_millis(100);

impl From<QueueError> for Fault {
    fn from(error: QueueError) -> Self {
        // The text of the backend is for the log only: callers do not know which backend there is.
        let unavailable = |message: &str| {
            tracing::warn!(%error, "backend error");
            Self::new(ErrorReason::BackendUnavailable, message).retry_in(BACKEND_RETRY)
        };
        let message = error.to_string();
        match error {
            QueueError::Unreachable(_) => unavailable("the queue backend cannot be reached"),
            QueueError::NoAnswer(_) => unavailable("the queue backend did not answer in time"),
            QueueError::Refused(_) => {
                unavailable("the queue backend rejected the command; see the server log")
            }
            QueueError::Joining | QueueError::OlderVersions(_) => unavailable(&message),
            QueueError::LeaseLost => Self::new(ErrorReason::Internal, message),
            QueueError::StreamNotFound(id) => {
                Self::new(ErrorReason::StreamNotFound, message).fact("stream_id", id)
            }
            QueueError::StreamExists(id) => {
                Self::new(ErrorReason::AlreadyExists, message).fact("stream_id", id)
            }
            QueueError::EtagMismatch { current } => {
                Self::new(ErrorReason::EtagMismatch, message).fact("etag", current)
            }
            QueueError::TooManyStreams { limit } => {
                Self::new(ErrorReason::TooManyStreams, message).fact("limit", limit)
            }
            QueueError::TooManySettings { limit_bytes } => {
                Self::new(ErrorReason::TooManyStreams, message).fact("limit_bytes", limit_bytes)
            }
            QueueError::TooManyErasedRanges { limit } => {
                Self::new(ErrorReason::TooManyItems, message).field("range").fact("limit", limit)
            }
            QueueError::GroupNotFound(id) => {
                Self::new(ErrorReason::GroupNotFound, message).fact("group_id", id)
            }
            QueueError::GroupExists(id) => {
                Self::new(ErrorReason::AlreadyExists, message).fact("group_id", id)
            }
            QueueError::TooManyGroups { limit } => {
                Self::new(ErrorReason::TooManyGroups, message).fact("limit", limit)
            }
            QueueError::TooManyMembers { limit } => Self::new(ErrorReason::TooManySubscriptions, message)
                .fact("limit", limit)
                .retry_in(BACKEND_RETRY),
            QueueError::MemberReplaced => Self::new(ErrorReason::MemberReplaced, message),
            QueueError::RevisionMismatch { .. }
            | QueueError::Layout(_)
            | QueueError::Unsuitable(_)
            | QueueError::Corrupt(_) => Self::new(ErrorReason::Internal, message),
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        use ErrorReason as R;
        match refusal {
            Refusal::StreamNotFound => Self::new(R::StreamNotFound, "the stream is not registered"),
            Refusal::SequenceReused { stored_as } => Self::new(
                R::PublisherSequenceReused,
                format!(
                    "this publisher sequence is already stored with other content, as sequence {stored_as}"
                ),
            )
            .field("publisher_sequence"),
            Refusal::SequenceTooOld { last } => Self::new(
                R::PublisherSequenceTooOld,
                format!("this publisher sequence is too old to check; the last one is {last}"),
            )
            .field("publisher_sequence"),
            Refusal::SequenceOutOfOrder { last } => Self::new(
                R::OutOfOrder,
                format!("this publisher sequence was never stored and is below the last one, {last}"),
            )
            .field("publisher_sequence"),
            Refusal::AfterRefused => {
                Self::new(R::OutOfOrder, "an earlier frame of this stream was refused; send it again first")
                    .retry_in(FULL_RETRY)
            }
            Refusal::TooManyPublishers => Self::new(
                R::TooManyPublishers,
                "the stream, or its queue, has its maximum number of publishers; submit with a known publisher id or without \
                 one, or unregister streams that are not needed",
            ),
            Refusal::StreamQueueFull => {
                Self::new(R::StreamQueueFull, "the stream's queue is full").retry_in(FULL_RETRY)
            }
            Refusal::PartitionFull => {
                Self::new(R::QueueFull, "the partition's queue is full").retry_in(FULL_RETRY)
            }
            Refusal::StreamTooFast => {
                Self::new(R::StreamQueueFull, "the stream accepts at most 10,000 frames per second")
                    .retry_in(FULL_RETRY)
            }
            Refusal::QueueDraining => {
                Self::new(R::QueueDraining, "the queue is draining and accepts no frames until it is resumed")
                    .retry_in(QUEUE_DRAINING_RETRY)
            }
            Refusal::PayloadGone => {
                Self::new(R::PayloadExpired, "the picture expired before the frame was stored").retry_in(SOON)
            }
            Refusal::Backend(why) => Self::new(R::BackendUnavailable, why).retry_in(BACKEND_RETRY),
        }
    }
}

impl From<SubscribeError> for Fault {
    fn from(error: SubscribeError) -> Self {
        use ErrorReason as R;
        let message = error.to_string();
        match error {
            SubscribeError::InvalidGlob { glob: _, message: _ } => {
                Self::new(R::InvalidField, message).field("glob")
            }
            SubscribeError::StreamNotFound(id) => Self::new(R::StreamNotFound, message).fact("stream_id", id),
            SubscribeError::TooManySubscriptions { limit } => {
                Self::new(R::TooManySubscriptions, message).fact("limit", limit).retry_in(BACKEND_RETRY)
            }
            SubscribeError::TooManyStreams { limit } => {
                Self::new(R::TooManyStreams, message).fact("limit", limit)
            }
            SubscribeError::CursorTrimmed { stream, oldest, oldest_time } => {
                let fault = Self::new(R::CursorTrimmed, message);
                let fault = fault.fact("stream_id", stream).fact("oldest_sequence", oldest);
                match oldest_time {
                    Some(time) => fault.fact("oldest_receive_time", time),
                    None => fault,
                }
            }
            SubscribeError::CursorOfAnotherStore { stream, oldest }
            | SubscribeError::CursorBeyondStore { stream, oldest } => {
                Self::new(R::CursorTrimmed, message).fact("stream_id", stream).fact("oldest_sequence", oldest)
            }
            SubscribeError::OtherSelection => Self::new(R::InvalidField, message).field("resume_token"),
            SubscribeError::PositionInFuture { selector, field, message: _ } => {
                Self::new(R::PositionInFuture, message).field(format!("selectors[{selector}].start.{field}"))
            }
            SubscribeError::SlowConsumer { limit_bytes } => {
                Self::new(R::SlowConsumer, message).fact("limit", limit_bytes).retry_in(SOON)
            }
            SubscribeError::Draining => Self::draining(),
            SubscribeError::Backend(error) => error.into(),
        }
    }
}

impl From<GroupError> for Fault {
    fn from(error: GroupError) -> Self {
        let message = error.to_string();
        match error {
            GroupError::Deleted(id) => Self::new(ErrorReason::GroupDeleted, message).fact("group_id", id),
            GroupError::PositionInFuture { field, .. } => {
                Self::new(ErrorReason::PositionInFuture, message).field(field)
            }
            GroupError::Subscribe(error) => error.into(),
            GroupError::Queue(error) => error.into(),
        }
    }
}

impl Fault {
    /// Creates the fault of calls that end because the server drains or the connection has reached
    /// its maximum age. Each fault has a random delay.
    pub(crate) fn draining() -> Self {
        let spread = Duration::from_millis(rand::random_range(0..=DRAINING_SPREAD.as_millis() as u64));
        Self::new(
            ErrorReason::Draining,
            "the server is draining or this connection has reached its maximum age; connect again",
        )
        .retry_in(DRAINING_RETRY + spread)
    }
}

#[cfg(test)]
mod tests {
    use tonic::{Code, Status};
    use tonic_types::StatusExt as _;

    use super::*;
    use crate::domain::{Sequence, ValidationError};
    use crate::grpc::documented;

    fn stream() -> crate::domain::StreamId {
        "cam-1".parse().unwrap()
    }

    fn group() -> crate::domain::GroupId {
        "site".parse().unwrap()
    }

    /// Returns the code, the reason and whether there is RetryInfo in the status of a fault.
    fn seen(fault: impl Into<Fault>) -> (Code, String, bool) {
        let fault = fault.into();
        documented::check(&fault);
        let status = Status::from(fault);
        let details = status.get_error_details();
        let info = details.error_info().unwrap().clone();
        assert_eq!(info.domain, crate::grpc::ERROR_DOMAIN);
        let reason = info.reason.strip_prefix("ERROR_REASON_").unwrap().to_owned();
        (status.code(), reason, details.retry_info().is_some())
    }

    #[test]
    fn every_queue_error_has_its_code_and_reason() {
        let text = String::new;
        for (error, code, reason, retry) in [
            (QueueError::Unreachable(text()), Code::Unavailable, "BACKEND_UNAVAILABLE", true),
            (QueueError::NoAnswer(text()), Code::Unavailable, "BACKEND_UNAVAILABLE", true),
            (QueueError::Refused(text()), Code::Unavailable, "BACKEND_UNAVAILABLE", true),
            (QueueError::Joining, Code::Unavailable, "BACKEND_UNAVAILABLE", true),
            (QueueError::LeaseLost, Code::Internal, "INTERNAL", false),
            (QueueError::StreamNotFound(stream()), Code::NotFound, "STREAM_NOT_FOUND", false),
            (QueueError::StreamExists(stream()), Code::AlreadyExists, "ALREADY_EXISTS", false),
            (
                QueueError::EtagMismatch { current: crate::domain::Etag { incarnation: 7, version: 3 } },
                Code::Aborted,
                "ETAG_MISMATCH",
                false,
            ),
            (QueueError::TooManyStreams { limit: 2 }, Code::ResourceExhausted, "TOO_MANY_STREAMS", false),
            (
                QueueError::TooManySettings { limit_bytes: 2 },
                Code::ResourceExhausted,
                "TOO_MANY_STREAMS",
                false,
            ),
            (QueueError::TooManyErasedRanges { limit: 2 }, Code::InvalidArgument, "TOO_MANY_ITEMS", false),
            (QueueError::OlderVersions("w".to_owned()), Code::Unavailable, "BACKEND_UNAVAILABLE", true),
            (QueueError::RevisionMismatch { current: 2 }, Code::Internal, "INTERNAL", false),
            (QueueError::GroupNotFound(group()), Code::NotFound, "GROUP_NOT_FOUND", false),
            (QueueError::GroupExists(group()), Code::AlreadyExists, "ALREADY_EXISTS", false),
            (QueueError::TooManyGroups { limit: 2 }, Code::ResourceExhausted, "TOO_MANY_GROUPS", false),
            (
                QueueError::TooManyMembers { limit: 2 },
                Code::ResourceExhausted,
                "TOO_MANY_SUBSCRIPTIONS",
                true,
            ),
            (QueueError::MemberReplaced, Code::Aborted, "MEMBER_REPLACED", false),
            (QueueError::Layout(text()), Code::Internal, "INTERNAL", false),
            (QueueError::Unsuitable(text()), Code::Internal, "INTERNAL", false),
            (QueueError::Corrupt(text()), Code::Internal, "INTERNAL", false),
        ] {
            assert_eq!(seen(error.clone()), (code, reason.to_owned(), retry), "{error:?}");
        }
    }

    #[test]
    fn every_subscribe_error_has_its_code_and_reason() {
        use SubscribeError as E;
        let glob = E::InvalidGlob { glob: "[".into(), message: "not closed".into() };
        let oldest = Sequence::FIRST;
        let trimmed = E::CursorTrimmed { stream: stream(), oldest, oldest_time: None };
        let timed = E::CursorTrimmed { stream: stream(), oldest, oldest_time: Some(Default::default()) };
        for (error, code, reason, retry) in [
            (glob, Code::InvalidArgument, "INVALID_FIELD", false),
            (E::StreamNotFound(stream()), Code::NotFound, "STREAM_NOT_FOUND", false),
            (E::TooManySubscriptions { limit: 1 }, Code::ResourceExhausted, "TOO_MANY_SUBSCRIPTIONS", true),
            (E::TooManyStreams { limit: 1 }, Code::ResourceExhausted, "TOO_MANY_STREAMS", false),
            (trimmed, Code::OutOfRange, "CURSOR_TRIMMED", false),
            (timed, Code::OutOfRange, "CURSOR_TRIMMED", false),
            (E::CursorOfAnotherStore { stream: stream(), oldest }, Code::OutOfRange, "CURSOR_TRIMMED", false),
            (E::CursorBeyondStore { stream: stream(), oldest }, Code::OutOfRange, "CURSOR_TRIMMED", false),
            (E::OtherSelection, Code::InvalidArgument, "INVALID_FIELD", false),
            (
                E::PositionInFuture { selector: 0, field: "sequence", message: "x".into() },
                Code::OutOfRange,
                "POSITION_IN_FUTURE",
                false,
            ),
            (E::SlowConsumer { limit_bytes: 1 }, Code::ResourceExhausted, "SLOW_CONSUMER", true),
            (E::Draining, Code::Unavailable, "DRAINING", true),
            (E::Backend(QueueError::LeaseLost), Code::Internal, "INTERNAL", false),
        ] {
            assert_eq!(seen(error.clone()), (code, reason.to_owned(), retry), "{error:?}");
        }
    }

    #[test]
    fn every_group_error_has_its_code_and_reason() {
        let ahead = GroupError::PositionInFuture { field: "sequence", message: "x".into() };
        for (error, code, reason) in [
            (GroupError::Deleted(group()), Code::NotFound, "GROUP_DELETED"),
            (ahead, Code::OutOfRange, "POSITION_IN_FUTURE"),
            (GroupError::Subscribe(SubscribeError::Draining), Code::Unavailable, "DRAINING"),
            (GroupError::Queue(QueueError::MemberReplaced), Code::Aborted, "MEMBER_REPLACED"),
        ] {
            let (seen_code, seen_reason, _) = seen(error.clone());
            assert_eq!((seen_code, seen_reason.as_str()), (code, reason), "{error:?}");
        }
    }

    #[test]
    fn every_refusal_has_its_reason_and_retryable_ones_a_delay() {
        let last = 7;
        for (refusal, reason) in [
            (Refusal::StreamNotFound, ErrorReason::StreamNotFound),
            (Refusal::SequenceReused { stored_as: Sequence::FIRST }, ErrorReason::PublisherSequenceReused),
            (Refusal::SequenceTooOld { last }, ErrorReason::PublisherSequenceTooOld),
            (Refusal::SequenceOutOfOrder { last }, ErrorReason::OutOfOrder),
            (Refusal::AfterRefused, ErrorReason::OutOfOrder),
            (Refusal::TooManyPublishers, ErrorReason::TooManyPublishers),
            (Refusal::StreamQueueFull, ErrorReason::StreamQueueFull),
            (Refusal::PartitionFull, ErrorReason::QueueFull),
            (Refusal::StreamTooFast, ErrorReason::StreamQueueFull),
            (Refusal::QueueDraining, ErrorReason::QueueDraining),
            (Refusal::PayloadGone, ErrorReason::PayloadExpired),
            (Refusal::Backend("gone".into()), ErrorReason::BackendUnavailable),
        ] {
            let retryable = refusal.is_retryable();
            let fault = Fault::from(refusal.clone());
            // The callers that know the stream add its id.
            if refusal != Refusal::StreamNotFound {
                documented::check(&fault);
            }
            let error = fault.into_item_error();
            assert_eq!(error.reason(), reason, "{refusal:?}");
            assert_eq!(error.retry_delay.is_some(), retryable, "{refusal:?}");
        }
    }

    #[test]
    fn a_bad_field_is_named_in_the_details() {
        let status = Status::from(Fault::from(ValidationError::new("stream_id", "is bad").within("stream")));
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "stream.stream_id");
        let info = details.error_info().unwrap();
        assert_eq!(info.reason, "ERROR_REASON_INVALID_STREAM_ID");
        assert_eq!(info.metadata["field"], "stream.stream_id");
        assert_eq!(seen(ValidationError::new("cursor", "is bad")).1, "CURSOR_INVALID");
        assert_eq!(seen(ValidationError::new("quality", "is bad")).1, "INVALID_FIELD");
    }

    #[test]
    fn a_missing_stream_is_named_as_a_resource() {
        let status = Status::from(Fault::from(QueueError::StreamNotFound(stream())));
        let details = status.get_error_details();
        assert_eq!(details.resource_info().unwrap().resource_name, "cam-1");
        assert_eq!(details.error_info().unwrap().metadata["stream_id"], "cam-1");
    }
}
