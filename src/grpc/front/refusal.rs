//! Refusals that tonic makes by itself, in the contract's terms.
//!
//! All errors of handlers carry details; what carries none was made by tonic.

use tonic::body::Body;
use tonic::codegen::http::Response;
use tonic::{Code, Status};

use super::violation;
use crate::grpc::MAX_PLAIN_MESSAGE_BYTES;
use crate::grpc::fault::Fault;
use crate::pb::v1::ErrorReason;

/// What tonic's texts begin with; tests send such messages and so notice when they change.
const TOO_LARGE: &str = "Error, decoded message length too large";
const COMPRESSED: &str = "Content is compressed with";

/// Largest message of a call that tonic takes, in bytes.
pub(super) fn max_request_bytes(path: &str, max_message_bytes: usize) -> usize {
    match path.starts_with("/frameway.v1.StreamingService/") {
        true => max_message_bytes,
        false => MAX_PLAIN_MESSAGE_BYTES,
    }
}

/// The answer, with the contract's reason where tonic has refused the request. `path` is the call's, `limit` the largest
/// message it takes.
pub(super) fn in_contract_terms(mut response: Response<Body>, path: &str, limit: usize) -> Response<Body> {
    // The status of a refusal is in the headers.
    let Some(status) = Status::from_header_map(response.headers()) else { return response };
    let unknown = status.code() == Code::Unimplemented && status.message().is_empty();
    let fault = if unknown { Some(unknown_method(path)) } else { contract_fault(&status, limit) };
    let Some(fault) = fault else { return response };
    // Beside the status there may be metadata, such as the encodings that are taken.
    match Status::from(fault).add_header(response.headers_mut()) {
        Ok(()) => response,
        Err(unfit) => unfit.into_http(),
    }
}

/// The contract's refusal, if `status` is tonic's own of a request that it could not read. `limit` is in bytes.
pub(crate) fn contract_fault(status: &Status, limit: usize) -> Option<Fault> {
    let (code, text) = (status.code(), status.message());
    if !status.details().is_empty() {
        None
    } else if code == Code::OutOfRange && text.starts_with(TOO_LARGE) {
        let message = format!("the message is over the limit of {limit} bytes; send smaller ones");
        Some(Fault::new(ErrorReason::BatchTooLarge, message).fact("limit", limit))
    } else if code == Code::Unimplemented && text.starts_with(COMPRESSED) {
        Some(compressed())
    } else if code == Code::Internal {
        // Nothing else of tonic's is INTERNAL before a handler has run.
        Some(violation(format!("the request is not a protobuf message of this call: {text}")))
    } else {
        None
    }
}

fn compressed() -> Fault {
    Fault::new(
        ErrorReason::NotImplemented,
        "this server takes no compressed messages, pictures are compressed already: send them with encoding identity",
    )
}

fn unknown_method(path: &str) -> Fault {
    let message = format!(
        "compare the client's version with the server's ({}), which has no method {path}",
        env!("CARGO_PKG_VERSION")
    );
    Fault::new(ErrorReason::NotImplemented, message)
}
