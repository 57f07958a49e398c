//! The failure of a call, or of one item of a call, before it is converted to a status or an
//! `ItemError`.

use std::time::Duration;

use tonic::codegen::http::HeaderMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::domain::ValidationError;
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;

/// `google.rpc.ErrorInfo.domain` of every error.
pub const ERROR_DOMAIN: &str = "frameway.example";

/// The maximum length of a message, a field path or a fact, in characters. They may repeat values
/// of the request.
const MAX_TEXT_CHARS: usize = 512;
/// The maximum size of a status in the trailers as they are sent: nginx accepts a page (4 KiB) for
/// all headers of a response, grpc-java 8 KiB.
const MAX_STATUS_BYTES: usize = 3 << 10;
/// The minimum length to which texts are shortened, in characters. Names still fit.
const MIN_TEXT_CHARS: usize = 32;

/// The result of a conversion or of a step of a handler.
pub(crate) type Result<T> = std::result::Result<T, Fault>;

/// The failure of a call or of an item. [`super::status`] converts the errors of other layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The reason, for programs.
    pub(crate) reason: ErrorReason,
    /// The message, for people.
    pub(crate) message: String,
    /// The path of the field at fault; empty if no field is.
    pub(crate) field: String,
    /// The time after which the same call may succeed; `None` if it never will.
    pub(crate) retry_delay: Option<Duration>,
    /// `ErrorInfo.metadata`.
    pub(crate) facts: Vec<(&'static str, String)>,
}

impl Fault {
    pub(crate) fn new(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), field: String::new(), retry_delay: None, facts: Vec::new() }
    }

    /// Names the field at fault.
    pub(crate) fn field(mut self, path: impl Into<String>) -> Self {
        self.field = path.into();
        self
    }

    /// Prefixes the path of the field at fault with that of the message that contains it.
    pub(crate) fn within(mut self, parent: &str) -> Self {
        self.field = match self.field.is_empty() {
            true => parent.to_owned(),
            false => format!("{parent}.{}", self.field),
        };
        self
    }

    pub(crate) fn retry_in(mut self, delay: Duration) -> Self {
        self.retry_delay = Some(delay);
        self
    }

    pub(crate) fn fact(mut self, name: &'static str, value: impl ToString) -> Self {
        self.facts.push((name, value.to_string()));
        self
    }

    /// Creates the fault of a field whose value breaks a rule.
    pub(crate) fn invalid(path: impl Into<String>, rule: impl Into<String>) -> Self {
        ValidationError::new(path, rule).into()
    }

    /// Creates the fault of a list with more than `limit` items.
    pub(crate) fn too_many(field: &str, limit: usize) -> Self {
        Self::new(ErrorReason::TooManyItems, format!("{field} must contain at most {limit}"))
            .field(field)
            .fact("limit", limit)
    }

    /// Creates the fault of a request that breaks the protocol: it is refused every time.
    pub(crate) fn protocol_violation(message: impl Into<String>) -> Self {
        Self::new(ErrorReason::ProtocolViolation, message)
    }

    /// Converts the fault to the error of one item.
    pub(crate) fn into_item_error(self) -> pb::ItemError {
        let metadata = metadata(&self.field, &self.facts, |text| shortened(text, MAX_TEXT_CHARS));
        pb::ItemError {
            reason: self.reason.into(),
            message: shortened(&self.message, MAX_TEXT_CHARS),
            field: shortened(&self.field, MAX_TEXT_CHARS),
            retry_delay: self.retry_delay.and_then(|delay| delay.try_into().ok()),
            metadata,
        }
    }
}

impl From<ValidationError> for Fault {
    fn from(error: ValidationError) -> Self {
        // Two fields have reasons of their own, in every message.
        let reason = match error.field.rsplit('.').next() {
            Some("stream_id") => ErrorReason::InvalidStreamId,
            Some("cursor") => ErrorReason::CursorInvalid,
            _ => ErrorReason::InvalidField,
        };
        Self::new(reason, error.to_string()).field(error.field)
    }
}

impl From<Fault> for Status {
    /// Returns the status with its details. Texts are shortened so that clients and proxies accept
    /// the whole status: a larger one would reach the caller as another error, or end its
    /// connection.
    fn from(fault: Fault) -> Self {
        let mut max_chars = MAX_TEXT_CHARS;
        loop {
            let status = status(&fault, max_chars);
            if max_chars <= MIN_TEXT_CHARS || sent_bytes(&status) <= MAX_STATUS_BYTES {
                return status;
            }
            max_chars /= 2;
        }
    }
}

/// Returns the status of a fault, with at most `max_chars` characters of each text.
fn status(fault: &Fault, max_chars: usize) -> Status {
    let Fault { reason, message, field, retry_delay, facts } = fault;
    let cut = |text: &str| shortened(text, max_chars);
    let message = cut(message);
    let mut details = ErrorDetails::new();
    let fact = |wanted: &str| facts.iter().find(|(name, _)| *name == wanted).map(|(_, id)| cut(id));
    if let Some(id) = fact("stream_id") {
        details.set_resource_info("frameway.v1.Stream", id, "", message.clone());
    }
    if let Some(id) = fact("group_id") {
        details.set_resource_info("frameway.v1.ConsumerGroup", id, "", message.clone());
    }
    let metadata: std::collections::HashMap<String, String> = metadata(field, facts, cut);
    if !field.is_empty() {
        details.add_bad_request_violation(cut(field), message.clone());
    }
    if retry_delay.is_some() {
        details.set_retry_info(*retry_delay);
    }
    if *reason == ErrorReason::QuotaExceeded {
        let subject = fact("principal").unwrap_or_default();
        details.add_quota_failure_violation(subject, message.clone());
    }
    details.set_error_info(reason.as_str_name(), ERROR_DOMAIN, metadata);
    Status::with_error_details(code(*reason), message, details)
}

/// Returns the facts of a fault and the field at fault, as in `ErrorInfo.metadata` and
/// `ItemError.metadata`.
fn metadata<M: FromIterator<(String, String)>>(
    field: &str,
    facts: &[(&'static str, String)],
    cut: impl Fn(&str) -> String,
) -> M {
    let field = (!field.is_empty()).then(|| ("field".to_owned(), cut(field)));
    facts.iter().map(|(name, value)| ((*name).to_owned(), cut(value))).chain(field).collect()
}

/// Returns the first characters of a text, with dots if there are more.
pub(crate) fn shortened(text: &str, max_chars: usize) -> String {
    const DOTS: &str = "...";
    match text.char_indices().nth(max_chars) {
        Some(_) => text.chars().take(max_chars - DOTS.len()).chain(DOTS.chars()).collect(),
        None => text.to_owned(),
    }
}

/// Returns the size of a status in the trailers.
fn sent_bytes(status: &Status) -> usize {
    trailers(status).iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// Returns the trailers that end a call with this status.
pub(crate) fn trailers(status: &Status) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Err(unfit) = status.add_header(&mut headers) {
        // `unfit` is the status of this failure. Its text always fits into a header.
        return trailers(&unfit);
    }
    headers
}

/// Returns the status code of a reason, as documented in `error_reason.proto`. A reason that
/// appears only inside messages has the code that a call with this reason would have.
pub(crate) fn code(reason: ErrorReason) -> Code {
    use ErrorReason as R;
    match reason {
        R::InvalidField
        | R::InvalidStreamId
        | R::EmptyBatch
        | R::TooManyFrames
        | R::TooManyItems
        | R::FilterInvalid
        | R::PageTokenInvalid
        | R::UpdateMaskInvalid
        | R::ProtocolViolation
        | R::UnknownField
        | R::PictureMissing
        | R::PictureTooLarge
        | R::PictureSizeMismatch
        | R::PictureFormatUnknown
        | R::PictureFormatMismatch
        | R::CaptureTimeOutOfRange
        | R::PublisherMismatch
        | R::CursorInvalid
        | R::AckIdInvalid
        | R::AckIdForeign
        | R::DecodeCorrupt
        | R::DecodeTruncated
        | R::DecodeTooManyPixels
        | R::DecodeTooComplex
        | R::DecodeAnimated
        | R::DecodeUnsupported
        | R::DecodeSizeMismatch => Code::InvalidArgument,
        R::StreamNotFound
        | R::GroupNotFound
        | R::QueueNotFound
        | R::DeadLetterNotFound
        | R::GroupDeleted
        | R::ReplayTargetGone => Code::NotFound,
        R::AlreadyExists => Code::AlreadyExists,
        R::EtagMismatch | R::MemberReplaced => Code::Aborted,
        R::BatchTooLarge
        | R::TooManyStreams
        | R::TooManyPublishers
        | R::QueueFull
        | R::StreamQueueFull
        | R::QuotaExceeded
        | R::TooManySubscriptions
        | R::TooManyGroups
        | R::TooManyInFlight
        | R::MetadataTooLarge
        | R::SlowConsumer
        | R::QueueOverflow
        | R::DeliveryAttemptsExhausted => Code::ResourceExhausted,
        R::PublisherSequenceReused
        | R::PublisherSequenceTooOld
        | R::OutOfOrder
        | R::QueueDraining
        | R::AckIdStale
        | R::Purged
        | R::RejectedByConsumer => Code::FailedPrecondition,
        R::BackendUnavailable
        | R::DurabilityNotReached
        | R::Draining
        | R::PayloadExpired
        | R::ErasurePending => Code::Unavailable,
        R::NotImplemented => Code::Unimplemented,
        R::Unspecified
        | R::Internal
        | R::DecodeTimeout
        | R::DecodePanicked
        | R::EncodeFailed
        | R::WorkerKilled
        | R::WorkerExhausted
        | R::Erased
        | R::PayloadLost => Code::Internal,
        R::DeadlineExceeded => Code::DeadlineExceeded,
        R::CursorTrimmed | R::PositionInFuture => Code::OutOfRange,
        R::CredentialsMissing | R::CredentialsInvalid => Code::Unauthenticated,
        R::PermissionDenied => Code::PermissionDenied,
    }
}
