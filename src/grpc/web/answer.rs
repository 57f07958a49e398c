//! The answer to a posted frame: the result of its submission as JSON, under the HTTP status that
//! stands for it.

use std::collections::BTreeMap;
use std::time::Duration;

use http_body_util::BodyExt as _;
use prost::Message as _;
use serde::Serialize;
use tonic::body::Body;
use tonic::codegen::http::header::{self, HeaderValue};
use tonic::codegen::http::{Response, StatusCode};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::media_type;
use crate::grpc::fault;
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::pb::v1::frame_result::Outcome;

/// The size of the header of a gRPC message.
const GRPC_HEADER_BYTES: usize = 5;
/// The time after which a client should try again, if the server names none.
const RETRY: Duration = Duration::from_secs(1);

/// The outcome of a frame.
#[derive(Debug, Default, Serialize)]
struct Answer {
    #[serde(skip)]
    status: StatusCode,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receive_time: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_delay_seconds: Option<f64>,
}

/// Converts the response of SubmitFrameBatch.
pub(super) async fn answer(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let answer = if media_type(&head.headers).starts_with("application/grpc") {
        let in_headers = Status::from_header_map(&head.headers);
        let (bytes, trailers) = match body.collect().await {
            Ok(collected) => {
                let trailers = collected.trailers().and_then(Status::from_header_map);
                (collected.to_bytes(), trailers)
            }
            Err(status) => (Default::default(), Some(status)),
        };
        match in_headers.or(trailers) {
            Some(status) if status.code() != Code::Ok => Answer::of_status(&status),
            Some(_) | None => Answer::of_response(&bytes),
        }
    } else {
        // A layer has refused the request with a text.
        let text = body.collect().await.map(|text| text.to_bytes()).unwrap_or_default();
        let message = String::from_utf8_lossy(&text).trim_end().to_owned();
        Answer { status: head.status, outcome: "rejected", message, ..Answer::default() }
    };
    head.status = answer.status;
    for of_grpc in ["grpc-status", "grpc-message", "grpc-status-details-bin", "grpc-accept-encoding"] {
        head.headers.remove(of_grpc);
    }
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if answer.status == StatusCode::UNAUTHORIZED {
        head.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if matches!(answer.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        let delay = answer.retry_delay_seconds.map_or(RETRY, Duration::from_secs_f64);
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        head.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    let mut json = serde_json::to_string(&answer).unwrap_or_default();
    json.push('\n');
    Response::from_parts(head, Body::new(json))
}

impl Answer {
    /// Returns the answer of a call that failed as a whole.
    fn of_status(status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info();
        let reason = info.map(|info| info.reason.clone()).unwrap_or_default();
        let metadata = info.map(|info| info.metadata.clone().into_iter().collect()).unwrap_or_default();
        let retry_delay = details.retry_info().and_then(|retry| retry.retry_delay);
        let message = status.message().to_owned();
        let outcome = match may_be_stored(status.code()) && reason != ErrorReason::Draining.as_str_name() {
            true => "unconfirmed",
            false => "rejected",
        };
        Self { outcome, ..Self::refused(status.code(), reason, message, metadata, retry_delay) }
    }

    /// Returns the answer of a call that has a result for its frame.
    fn of_response(bytes: &[u8]) -> Self {
        let message = bytes.get(GRPC_HEADER_BYTES..).unwrap_or_default();
        let result =
            pb::SubmitFrameBatchResponse::decode(message).ok().and_then(|mut batch| batch.results.pop());
        match result.and_then(|result| result.outcome) {
            Some(Outcome::Accepted(accepted)) => Self {
                status: StatusCode::ACCEPTED,
                outcome: "accepted",
                sequence: Some(accepted.sequence),
                receive_time: accepted.receive_time.map(|time| time.to_string()),
                ..Self::default()
            },
            Some(Outcome::Duplicate(duplicate)) => Self {
                status: StatusCode::OK,
                outcome: "duplicate",
                sequence: Some(duplicate.sequence),
                ..Self::default()
            },
            Some(Outcome::Rejected(error)) => Self::of_item(error),
            Some(Outcome::Unconfirmed(error)) => Self {
                status: StatusCode::SERVICE_UNAVAILABLE,
                outcome: "unconfirmed",
                ..Self::of_item(error)
            },
            None => Self::of_status(&Status::internal("the server has no result for the frame")),
        }
    }

    fn of_item(error: pb::ItemError) -> Self {
        let reason = error.reason();
        let retry_delay = error.retry_delay.and_then(|delay| delay.try_into().ok());
        let metadata = error.metadata.into_iter().collect();
        Self::refused(
            fault::code(reason),
            reason.as_str_name().to_owned(),
            error.message,
            metadata,
            retry_delay,
        )
    }

    fn refused(
        code: Code,
        reason: String,
        message: String,
        metadata: BTreeMap<String, String>,
        retry_delay: Option<Duration>,
    ) -> Self {
        let status =
            http_status(code, ErrorReason::from_str_name(&reason).unwrap_or_default(), retry_delay.is_some());
        let retry_delay_seconds = retry_delay.map(|delay| delay.as_secs_f64());
        Self {
            status,
            outcome: "rejected",
            reason,
            message,
            metadata,
            retry_delay_seconds,
            ..Self::default()
        }
    }
}

/// Reports whether a frame may be stored although its call failed.
fn may_be_stored(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Internal
            | Code::Cancelled
            | Code::Unknown
            | Code::DataLoss
    )
}

/// Returns the HTTP status of a failure.
fn http_status(code: Code, reason: ErrorReason, may_succeed_later: bool) -> StatusCode {
    if matches!(reason, ErrorReason::PictureTooLarge | ErrorReason::BatchTooLarge) {
        return StatusCode::PAYLOAD_TOO_LARGE;
    }
    if reason == ErrorReason::MetadataTooLarge {
        return StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    }
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::FailedPrecondition if may_succeed_later => StatusCode::SERVICE_UNAVAILABLE,
        Code::AlreadyExists | Code::Aborted | Code::FailedPrecondition => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Cancelled | Code::Unknown | Code::Internal | Code::DataLoss => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic::codegen::http::HeaderMap;

    use super::*;
    use crate::grpc::fault::Fault;

    /// Returns the answer to a call that ends with this result.
    async fn of_outcome(outcome: Outcome) -> (u16, HeaderMap, serde_json::Value) {
        let result = pb::FrameResult { outcome: Some(outcome) };
        let message = pb::SubmitFrameBatchResponse { results: vec![result] }.encode_to_vec();
        let body = [&[0; GRPC_HEADER_BYTES][..], &message].concat();
        let response = Response::builder().header("content-type", "application/grpc");
        read(response.body(Body::new(http_body_util::Full::from(body))).unwrap()).await
    }

    async fn of_fault(fault: Fault) -> (u16, HeaderMap, serde_json::Value) {
        read(Status::from(fault).into_http()).await
    }

    async fn read(response: Response<Body>) -> (u16, HeaderMap, serde_json::Value) {
        let (head, body) = answer(response).await.into_parts();
        let json = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
        (head.status.as_u16(), head.headers, json)
    }

    #[tokio::test]
    async fn a_stored_frame_is_answered_with_its_sequence() {
        let receive_time = Some(prost_types::Timestamp { seconds: 0, nanos: 250_000_000 });
        let (status, _, json) =
            of_outcome(Outcome::Accepted(pb::FrameAccepted { sequence: 7, receive_time })).await;
        assert_eq!(status, 202);
        let accepted = serde_json::json!({"outcome": "accepted", "sequence": 7, "receive_time": "1970-01-01T00:00:00.250Z"});
        assert_eq!(json, accepted);
        let (status, _, json) = of_outcome(Outcome::Duplicate(pb::FrameDuplicate { sequence: 7 })).await;
        assert_eq!((status, json), (200, serde_json::json!({"outcome": "duplicate", "sequence": 7})));
    }

    #[tokio::test]
    async fn a_refused_frame_says_whether_and_when_to_send_it_again() {
        let fault = |reason| Fault::new(reason, "because");
        let full = fault(ErrorReason::StreamQueueFull).retry_in(Duration::from_millis(1500));
        for (outcome, status, retry_after, word) in [
            (Outcome::Rejected(full.clone().into_item_error()), 429, Some("2"), "rejected"),
            (Outcome::Rejected(fault(ErrorReason::StreamNotFound).into_item_error()), 404, None, "rejected"),
            (
                Outcome::Rejected(fault(ErrorReason::BackendUnavailable).into_item_error()),
                503,
                Some("1"),
                "rejected",
            ),
            (Outcome::Rejected(fault(ErrorReason::OutOfOrder).into_item_error()), 409, None, "rejected"),
            (
                Outcome::Rejected(fault(ErrorReason::QueueDraining).retry_in(RETRY).into_item_error()),
                503,
                Some("1"),
                "rejected",
            ),
            (
                Outcome::Unconfirmed(fault(ErrorReason::DurabilityNotReached).into_item_error()),
                503,
                Some("1"),
                "unconfirmed",
            ),
        ] {
            let (found, headers, json) = of_outcome(outcome).await;
            assert_eq!(found, status, "{json}");
            assert_eq!(
                headers.get("retry-after").map(|after| after.to_str().unwrap()),
                retry_after,
                "{json}"
            );
            assert_eq!((json["outcome"].as_str(), json["message"].as_str()), (Some(word), Some("because")));
        }
    }

    #[tokio::test]
    async fn a_call_that_failed_as_a_whole_is_unconfirmed_only_if_the_frame_may_be_stored() {
        for (reason, status, word) in [
            (ErrorReason::BackendUnavailable, 503, "unconfirmed"),
            (ErrorReason::DeadlineExceeded, 504, "unconfirmed"),
            (ErrorReason::Internal, 500, "unconfirmed"),
            (ErrorReason::Draining, 503, "rejected"),
            (ErrorReason::CredentialsMissing, 401, "rejected"),
            (ErrorReason::PermissionDenied, 403, "rejected"),
            (ErrorReason::QuotaExceeded, 429, "rejected"),
            (ErrorReason::MetadataTooLarge, 431, "rejected"),
            (ErrorReason::BatchTooLarge, 413, "rejected"),
        ] {
            let (found, headers, json) = of_fault(Fault::new(reason, "because").fact("limit", 7)).await;
            assert_eq!((found, json["outcome"].as_str()), (status, Some(word)), "{json}");
            assert_eq!(json["reason"], reason.as_str_name());
            assert_eq!(json["metadata"]["limit"], "7");
            assert!(!headers.contains_key("grpc-status"), "{headers:?}");
        }
        let text = Response::builder()
            .status(415)
            .header("content-type", "text/plain")
            .body(Body::new("no\n".to_owned()));
        let (status, _, json) = read(text.unwrap()).await;
        assert_eq!((status, json), (415, serde_json::json!({"outcome": "rejected", "message": "no"})));
    }
}
