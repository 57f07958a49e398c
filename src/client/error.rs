//! The errors of the client, and descriptions of a server's refusals.

use tonic::Status;
use tonic_types::StatusExt as _;

use crate::pb::v1 as pb;

/// The text in each status that tonic derives from an HTTP status 4xx.
pub(super) const HTTP_CLIENT_ERROR: &str = "mapped from HTTP status code 4";

/// An error of the client.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The address cannot be used.
    #[error("{address} is not a valid address: {why}")]
    Address {
        /// The address as it was given.
        address: String,
        /// The reason why it cannot be used.
        why: String,
    },
    /// No server answers at the address.
    #[error("cannot reach {address} ({cause})")]
    Unreachable {
        /// The address as a URL.
        address: String,
        /// The innermost cause, for example `Connection refused (os error 111)`.
        cause: String,
    },
    /// The TLS of the connection failed.
    #[error("cannot connect to {address}: {why}")]
    Tls {
        /// The address as a URL.
        address: String,
        /// The reason, and what to do.
        why: String,
    },
    /// The options of the connection cannot be used: the credentials or the certificates.
    #[error("{0}")]
    Options(String),
    /// The server refused the call, and sending it again would not help.
    #[error("{}", describe(.0))]
    Refused(#[from] Status),
}

/// Describes a status and its details on one line.
///
/// # Examples
/// ```
/// let status = tonic::Status::not_found("stream north-gate is not registered");
/// assert_eq!(frameway::client::describe(&status), "stream north-gate is not registered [NotFound]");
/// ```
#[must_use]
pub fn describe(status: &Status) -> String {
    let details = status.get_error_details();
    let mut text = one_line(status.message());
    if text.is_empty() {
        text = format!("{:?}", status.code());
    }
    if let Some(info) = details.error_info() {
        text = format!("{} ({text}", without_prefix(&info.reason));
        for (name, value) in &info.metadata {
            text.push_str(&format!("; {name} {}", one_line(value)));
        }
        text.push(')');
    } else {
        text = format!("{text} [{:?}]", status.code());
    }
    if status.message().contains(&format!("{HTTP_CLIENT_ERROR}13")) {
        text.push_str(": a proxy accepts no messages of this size (nginx: client_max_body_size)");
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

/// Describes the refusal of one item, such as a frame of a batch, on one line.
#[must_use]
pub fn describe_item(error: &pb::ItemError) -> String {
    let field = if error.field.is_empty() { String::new() } else { format!("{}: ", error.field) };
    format!("{} ({field}{})", reason_name(error), one_line(&error.message))
}

/// Returns the name of an item's error reason without its prefix, for example `STREAM_NOT_FOUND`.
#[must_use]
pub fn reason_name(error: &pb::ItemError) -> String {
    match pb::ErrorReason::try_from(error.reason) {
        Ok(reason) => without_prefix(reason.as_str_name()),
        Err(_) => format!("reason {}", error.reason),
    }
}

fn without_prefix(reason: &str) -> String {
    reason.strip_prefix("ERROR_REASON_").unwrap_or(reason).to_owned()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn a_status_is_described_on_one_line() {
        let limit = [("limit".to_owned(), "5".to_owned())];
        let mut details = ErrorDetails::with_error_info("ERROR_REASON_QUEUE_FULL", "frameway.example", limit);
        details.add_bad_request_violation("frames", "must contain at least one item");
        let status = Status::with_error_details(Code::InvalidArgument, "the queue\nis full", details);
        assert_eq!(
            describe(&status),
            "QUEUE_FULL (the queue is full; limit 5); frames: must contain at least one item"
        );
        assert_eq!(describe(&Status::new(Code::Internal, "")), "Internal [Internal]");
    }

    #[test]
    fn a_proxy_that_refuses_a_message_for_its_size_is_named() {
        let text = describe(&Status::unknown("grpc-status header missing, mapped from HTTP status code 413"));
        assert!(text.contains("client_max_body_size"), "{text}");
    }
}
