//! The errors of the client, and descriptions of a server's refusals.

use std::collections::BTreeMap;
use std::time::Duration;

use tonic::Status;
use tonic_types::StatusExt;

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
    /// No server answers at the address, or at any of the addresses.
    #[error("cannot reach {address} ({cause})")]
    Unreachable {
        /// The address as a URL; `any server` if there are several.
        address: String,
        /// The innermost cause, for example `Connection refused (os error 111)`; with several
        /// addresses, the error of each.
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
    /// The cursors cannot be loaded or stored.
    #[error("{place} {why}")]
    Cursors {
        /// The place of the cursors, such as the path of a file.
        place: String,
        /// The reason, and what to do.
        why: String,
        /// The store contains something else than the cursors of these streams. Otherwise, reading or
        /// writing failed, and a later try may succeed.
        foreign: bool,
    },
    /// The server refused the call, and sending it again would not help.
    #[error("{}", describe(.0))]
    Refused(#[from] Status),
}

impl Error {
    /// Returns the status of the server; `None` if the error arose in the client.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Refused(status) => Some(status),
            Self::Address { .. }
            | Self::Unreachable { .. }
            | Self::Tls { .. }
            | Self::Options(_)
            | Self::Cursors { .. } => None,
        }
    }

    /// Returns the name of the server's error reason without its prefix, for example
    /// `STREAM_NOT_FOUND`; `None` if there is none. A newer server may have reasons that
    /// [`ErrorReason`](pb::ErrorReason) does not list.
    ///
    /// # Examples
    /// ```
    /// # use frameway::client::Error;
    /// # fn example(error: &Error) {
    /// match error.reason().as_deref() {
    ///     Some("QUOTA_EXCEEDED") => println!("wait for {:?}", error.retry_delay()),
    ///     Some("STREAM_NOT_FOUND") => println!("register {:?}", error.metadata().get("stream_id")),
    ///     _ => println!("{error}"),
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        reason_of(self.status()?)
    }

    /// Returns the facts beside the reason, by name; empty if there are none.
    #[must_use]
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let details = self.status().map(StatusExt::get_error_details);
        let info = details.as_ref().and_then(|details| details.error_info());
        info.map(|info| info.metadata.clone().into_iter().collect()).unwrap_or_default()
    }

    /// Returns the pause after which the server allows another try; `None` if it names none.
    #[must_use]
    pub fn retry_delay(&self) -> Option<Duration> {
        self.status()?.get_error_details().retry_info().and_then(|info| info.retry_delay)
    }
}

/// Returns the reason of a status without its prefix.
pub(super) fn reason_of(status: &Status) -> Option<String> {
    status.get_error_details().error_info().map(|info| without_prefix(&info.reason))
}

/// Returns the innermost cause, which is the most specific: `Connection refused`, for example.
pub(super) fn innermost(error: &tonic::transport::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
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
        // In the order of the names, so that the same error has the same text.
        for (name, value) in info.metadata.iter().collect::<BTreeMap<_, _>>() {
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
    fn the_details_of_an_error_can_be_read() {
        let facts = [("stream_id".to_owned(), "cam".to_owned())];
        let mut details =
            ErrorDetails::with_error_info("ERROR_REASON_OF_A_NEWER_SERVER", "frameway.example", facts);
        details.set_retry_info(Some(Duration::from_secs(2)));
        let error = Error::from(Status::with_error_details(Code::NotFound, "no such stream", details));
        assert_eq!(error.reason().as_deref(), Some("OF_A_NEWER_SERVER"));
        assert_eq!(error.metadata()["stream_id"], "cam");
        assert_eq!(error.retry_delay(), Some(Duration::from_secs(2)));
        let own = Error::Options("a text".to_owned());
        assert_eq!((own.reason(), own.metadata().len(), own.retry_delay()), (None, 0, None));
    }

    #[test]
    fn a_proxy_that_refuses_a_message_for_its_size_is_named() {
        let text = describe(&Status::unknown("grpc-status header missing, mapped from HTTP status code 413"));
        assert!(text.contains("client_max_body_size"), "{text}");
    }
}
