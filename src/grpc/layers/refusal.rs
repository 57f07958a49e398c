//! Refusals that tonic makes by itself, in the contract's terms.
//!
//! All errors of handlers carry details; an error without details was made by tonic.

use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::{Code, Status};

use crate::grpc::fault::Fault;
use crate::grpc::message_size::MAX_CONTROL_MESSAGE_BYTES;
use crate::pb::v1::ErrorReason;

/// The beginnings of tonic's texts. Tests cause these refusals, and fail when the texts change.
const TOO_LARGE: &str = "Error, decoded message length too large";
const COMPRESSED: &str = "Content is compressed with";

/// Returns the function that replaces a refusal of tonic with that of the contract.
/// `max_message_bytes` is the limit of StreamingService.
pub(crate) fn refusals<B>(
    request: &Request<B>,
    max_message_bytes: usize,
) -> impl FnOnce(Response<Body>) -> Response<Body> + use<B> {
    let uri = request.uri().clone();
    move |response| translated(response, uri.path(), max_message_bytes)
}

/// Returns the maximum size of a request that tonic accepts of a method, in bytes.
fn max_request_bytes(path: &str, max_message_bytes: usize) -> usize {
    match path.starts_with("/frameway.v1.StreamingService/") {
        true => max_message_bytes,
        false => MAX_CONTROL_MESSAGE_BYTES,
    }
}

/// Returns the response, with the contract's reason if tonic refused the request. `path` names the
/// method.
fn translated(mut response: Response<Body>, path: &str, max_message_bytes: usize) -> Response<Body> {
    // The status of a refusal is in the headers.
    let Some(status) = Status::from_header_map(response.headers()) else { return response };
    let is_unknown = status.code() == Code::Unimplemented && status.message().is_empty();
    let fault = match is_unknown {
        true => Some(unknown_method(path)),
        false => contract_fault(&status, max_request_bytes(path, max_message_bytes)),
    };
    let Some(fault) = fault else { return response };
    // The headers may hold more than the status, such as the encodings that the server accepts.
    match Status::from(fault).add_header(response.headers_mut()) {
        Ok(()) => response,
        Err(unfit) => unfit.into_http(),
    }
}

/// Returns the contract's refusal if `status` is tonic's own refusal of a request that it could not
/// read. `limit` is in bytes.
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
        // Before a handler runs, tonic returns INTERNAL only for a message that it cannot decode.
        Some(Fault::protocol_violation(format!("the request is not a protobuf message of this call: {text}")))
    } else {
        None
    }
}

fn compressed() -> Fault {
    Fault::new(
        ErrorReason::NotImplemented,
        "this server accepts no compressed messages; send them with encoding identity (pictures are compressed already)",
    )
}

fn unknown_method(path: &str) -> Fault {
    let message = format!("version {} of this server has no method {path}", env!("CARGO_PKG_VERSION"));
    Fault::new(ErrorReason::NotImplemented, message)
}
