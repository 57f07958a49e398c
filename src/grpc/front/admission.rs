//! Which requests a handler never sees: no gRPC, too much metadata, too many calls.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Method, Response, StatusCode, header};

use crate::grpc::fault::Fault;
use crate::grpc::status::SOON;
use crate::pb::v1::ErrorReason;

/// Most metadata of a call, counted as HTTP/2 does: names, values, and 32 bytes for each entry. Traces and credentials
/// fit many times.
pub(crate) const MAX_METADATA_BYTES: usize = 16 << 10;
/// What HTTP/2 adds for each entry when it counts the size of a header list (RFC 9113, 6.5.2).
const ENTRY_BYTES: usize = 32;

const HEALTH: &str = "/grpc.health.v1.Health/";

/// The calls that may be under way on a server.
#[derive(Debug)]
pub(crate) struct Admission {
    free: Arc<Semaphore>,
    max_calls: usize,
}

/// A place among the calls under way; health checks need none.
pub(super) type Slot = Option<OwnedSemaphorePermit>;

impl Admission {
    pub(crate) fn new(max_calls: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(max_calls)), max_calls }
    }

    pub(super) fn slot(&self, path: &str) -> Result<Slot, Fault> {
        // An orchestrator that is refused would restart a server that is only busy.
        if path.starts_with(HEALTH) {
            return Ok(None);
        }
        Arc::clone(&self.free).try_acquire_owned().map(Some).map_err(|_none_free| {
            let message = format!("the server has {} calls under way, as many as it takes", self.max_calls);
            Fault::new(ErrorReason::QuotaExceeded, message).fact("limit", self.max_calls).retry_in(SOON)
        })
    }
}

/// The answer to a request that is not gRPC: a plain HTTP error, as the protocol has it. Nothing else may be executed: a
/// web page can send other content types anywhere without asking.
pub(super) fn not_grpc(method: &Method, headers: &HeaderMap) -> Option<Response<Body>> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let (status, what) = match content_type {
        Some(content_type) if is_grpc(content_type) && method == Method::POST => return None,
        Some(content_type) if is_grpc(content_type) => {
            (StatusCode::METHOD_NOT_ALLOWED, "gRPC calls are POST requests")
        }
        Some(_) | None => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "this port speaks gRPC: content-type must be application/grpc",
        ),
    };
    let mut response = Response::new(Body::new(format!("{what}\n")));
    *response.status_mut() = status;
    let plain = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    Some(response)
}

/// Whether it is gRPC with protobuf messages: `application/grpc`, `application/grpc+proto`, parameters allowed.
fn is_grpc(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    ["application/grpc", "application/grpc+proto"].iter().any(|grpc| media_type.eq_ignore_ascii_case(grpc))
}

/// Refuses metadata over [`MAX_METADATA_BYTES`].
pub(super) fn check_metadata(headers: &HeaderMap) -> Result<(), Fault> {
    let bytes: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ENTRY_BYTES).sum();
    if bytes <= MAX_METADATA_BYTES {
        return Ok(());
    }
    let message = format!("the call's metadata takes {bytes} bytes, at most {MAX_METADATA_BYTES}");
    let fault = Fault::new(ErrorReason::MetadataTooLarge, message);
    Err(fault.fact("limit", MAX_METADATA_BYTES).fact("actual", bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_grpc_with_protobuf_messages_is_grpc() {
        for yes in [
            "application/grpc",
            "application/grpc+proto",
            "Application/GRPC",
            "application/grpc; charset=utf-8",
            "application/grpc+proto;q=1",
        ] {
            assert!(is_grpc(yes), "{yes}");
        }
        for no in [
            "",
            "text/plain",
            "application/json",
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpc+json",
            "application/grpcx",
            "application/connect+proto",
            "application/x-www-form-urlencoded",
        ] {
            assert!(!is_grpc(no), "{no}");
        }
    }

    #[test]
    fn too_much_metadata_is_refused_with_its_bytes() {
        let mut headers = HeaderMap::new();
        assert!(check_metadata(&headers).is_ok());
        headers.insert("x", "y".repeat(MAX_METADATA_BYTES).parse().unwrap());
        let fault = check_metadata(&headers).unwrap_err();
        crate::grpc::documented::check(&fault);
        assert_eq!(fault.reason, ErrorReason::MetadataTooLarge);
    }

    #[test]
    fn calls_beyond_the_limit_are_refused_and_health_checks_never() {
        let admission = Admission::new(2);
        let slots: Vec<_> = (0..2).map(|_| admission.slot("/frameway.v1.QueueService/ListQueues")).collect();
        assert!(slots.iter().all(Result::is_ok));
        let refused = admission.slot("/frameway.v1.QueueService/ListQueues").unwrap_err();
        crate::grpc::documented::check(&refused);
        assert_eq!(refused.reason, ErrorReason::QuotaExceeded);
        assert!(refused.retry_delay.is_some());
        assert!(admission.slot("/grpc.health.v1.Health/Check").is_ok());
        drop(slots);
        assert!(admission.slot("/frameway.v1.QueueService/ListQueues").is_ok());
    }
}
