//! What the server refuses, in words.

use std::time::Duration;

use anyhow::anyhow;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::Failure;
use crate::pb::v1 as pb;

/// How tonic words a status that it had to infer from an HTTP status 4xx.
const HTTP_CLIENT_ERROR: &str = "mapped from HTTP status code 4";

/// A refused call as the failure of a command; `doing` says what was tried.
pub(super) fn refused(doing: &str, status: &Status) -> Failure {
    let failure = anyhow!("{doing}: {}", words(status));
    // What the caller wrote is at fault, not the server.
    if status.code() == Code::InvalidArgument { Failure::Usage(failure) } else { Failure::Failed(failure) }
}

/// A status with its details, on one line.
pub(super) fn words(status: &Status) -> String {
    let details = status.get_error_details();
    let mut text = one_line(status.message());
    if text.is_empty() {
        text = format!("{:?}", status.code());
    }
    if let Some(info) = details.error_info() {
        text = format!("{} ({text}", short(&info.reason, "ERROR_REASON_"));
        for (name, value) in &info.metadata {
            text.push_str(&format!("; {name} {}", one_line(value)));
        }
        text.push(')');
    } else {
        text = format!("{text} [{:?}]", status.code());
    }
    if status.message().contains(&format!("{HTTP_CLIENT_ERROR}13")) {
        text.push_str(": a proxy takes no messages of this size (nginx: client_max_body_size)");
    }
    if let Some(bad) = details.bad_request() {
        for violation in &bad.field_violations {
            let rule = one_line(&violation.description);
            if !text.contains(&rule) {
                text.push_str(&format!("; {}: {rule}", violation.field));
            } else if !text.contains(&violation.field) {
                text.push_str(&format!("; field {}", violation.field));
            }
        }
    }
    text
}

/// A refused frame, on one line.
pub(super) fn frame_words(error: &pb::ItemError) -> String {
    let field = if error.field.is_empty() { String::new() } else { format!("{}: ", error.field) };
    format!("{} ({field}{})", reason(error), one_line(&error.message))
}

/// The reason's name without its prefix.
pub(super) fn reason(error: &pb::ItemError) -> String {
    match pb::ErrorReason::try_from(error.reason) {
        Ok(reason) => short(reason.as_str_name(), "ERROR_REASON_"),
        Err(_) => format!("reason {}", error.reason),
    }
}

/// An enum value's name without the prefix that all its values have.
pub(super) fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_owned()
}

/// How long to wait before the same call is tried again; `None` if it would be refused for good. `Some(None)`: the
/// server does not say how long.
pub(super) fn retry(status: &Status) -> Option<Option<Duration>> {
    let told = status.get_error_details().retry_info().and_then(|info| info.retry_delay);
    let code = status.code();
    // An answer with an HTTP status alone is a proxy's; one with 4xx is about the request, and comes again.
    let refused_by_proxy = status.message().contains(HTTP_CLIENT_ERROR);
    let bare = status.details().is_empty() && !refused_by_proxy;
    let again = matches!(code, Code::Unavailable | Code::DeadlineExceeded)
        // A connection that is cut shows as one of these, without details.
        || bare && matches!(code, Code::Cancelled | Code::Unknown)
        || bare && code == Code::Internal && status.message().contains("h2 protocol error")
        || code == Code::ResourceExhausted && told.is_some();
    again.then_some(told)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;
    use crate::grpc::ERROR_DOMAIN;

    fn with(code: Code, details: ErrorDetails) -> Status {
        Status::with_error_details(code, "the queue\nis full", details)
    }

    #[test]
    fn details_become_words_on_one_line() {
        let mut details =
            ErrorDetails::with_error_info("ERROR_REASON_QUEUE_FULL", ERROR_DOMAIN, [("limit", "5")].map(own));
        details.add_bad_request_violation("frames", "must hold at least one");
        let text = words(&with(Code::InvalidArgument, details));
        assert_eq!(text, "QUEUE_FULL (the queue is full; limit 5); frames: must hold at least one");
        assert_eq!(words(&Status::new(Code::Internal, "")), "Internal [Internal]");
    }

    #[test]
    fn a_full_queue_is_tried_again_and_a_large_batch_is_not() {
        let mut details = ErrorDetails::new();
        assert_eq!(retry(&with(Code::ResourceExhausted, details.clone())), None);
        details.set_retry_info(Some(Duration::from_millis(500)));
        assert_eq!(retry(&with(Code::ResourceExhausted, details)), Some(Some(Duration::from_millis(500))));
        assert_eq!(retry(&Status::unavailable("")), Some(None));
        assert_eq!(retry(&Status::not_found("")), None);
    }

    #[test]
    fn what_a_proxy_refuses_for_its_size_is_not_tried_again() {
        let mapped = |code: u16| format!("grpc-status header missing, mapped from HTTP status code {code}");
        let too_large = Status::unknown(mapped(413));
        assert_eq!(retry(&too_large), None);
        assert!(words(&too_large).contains("client_max_body_size"), "{}", words(&too_large));
        assert_eq!(retry(&Status::unavailable(mapped(502))), Some(None));
        assert_eq!(retry(&Status::unknown("transport error")), Some(None), "a connection that is cut");
    }

    fn own((name, value): (&str, &str)) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }
}
