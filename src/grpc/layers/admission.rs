//! Admission: refuses requests that are not gRPC, are from foreign web pages, have too much metadata
//! or find too many calls in progress, and ends calls whose deadline passes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Method, Request, Response, StatusCode, Version, header};

use super::deadline;
use super::gate::{Accepted, End, Refusal, refusal};
use super::receiving::STREAMING;
use crate::grpc::fault::Fault;
use crate::grpc::status::SOON;
use crate::grpc::web::{CONTENT_TYPES, Judged, Origins, Via};
use crate::pb::v1::ErrorReason;

/// The maximum size of a call's metadata, counted as HTTP/2 does: names, values, and 32 bytes for
/// each entry. This is many times what a trace context and credentials need.
pub(crate) const MAX_METADATA_BYTES: usize = 16 << 10;
/// The number of bytes that HTTP/2 adds for each entry when it counts the size of a header list
/// (RFC 9113, 6.5.2).
const ENTRY_BYTES: usize = 32;
/// A call whose timeout is this or longer has no deadline: no call lasts that long, and the time of
/// a later deadline would overflow.
const MAX_TIMEOUT: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

const HEALTH: &str = "/grpc.health.v1.Health/";
/// The answer to HTTP/1 requests that are neither gRPC-Web nor a frame.
const NEEDS_HTTP_2: &str = "This port speaks gRPC over HTTP/2. Over HTTP/1.1, it answers only gRPC-Web, and POST \
    /v1/streams/{id}/frames. Use a gRPC client, for example grpcurl or buf.";

/// A place among the calls in progress; health checks need none.
pub(crate) type Place = Option<OwnedSemaphorePermit>;

/// Returns the function of the layer that admits up to `max_calls` calls at a time, and enforces
/// their deadlines. Web pages may call if they are of `origins`.
pub(crate) fn admission<B>(
    max_calls: usize,
    origins: Arc<Origins>,
) -> impl Fn(&mut Request<B>) -> Result<Accepted<Place>, Refusal> + Clone {
    let calls = Arc::new(CallLimit::new(max_calls));
    move |request| {
        let via = request.extensions().get().copied();
        let not_grpc = not_grpc(request.method(), request.version(), request.headers(), via);
        if let Some(refusal) = not_grpc.or_else(|| foreign(origins.judge(request))) {
            return Err(Box::new(refusal));
        }
        if via == Some(Via::GrpcWeb) && STREAMING.contains(&request.uri().path()) {
            return Err(refusal(streams_requests(request.uri().path())));
        }
        let (place, deadline) = calls.admit(request).map_err(refusal)?;
        Ok(Accepted { end: deadline.map(end_at), held: place })
    }
}

/// The maximum number of calls in progress on a server, and the places that are free.
#[derive(Debug)]
struct CallLimit {
    free: Arc<Semaphore>,
    max_calls: usize,
}

impl CallLimit {
    fn new(max_calls: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(max_calls)), max_calls }
    }

    /// Takes a place for a call of the method `path`.
    fn take_place(&self, path: &str) -> Result<Place, Fault> {
        // An orchestrator whose health check is refused would restart a server that is only busy.
        if path.starts_with(HEALTH) {
            return Ok(None);
        }
        Arc::clone(&self.free).try_acquire_owned().map(Some).map_err(|_none_free| {
            let message =
                format!("the server already handles {} calls, its maximum; retry later", self.max_calls);
            Fault::new(ErrorReason::QuotaExceeded, message).fact("limit", self.max_calls).retry_in(SOON)
        })
    }

    /// Checks a request, and returns its place and its deadline.
    fn admit<B>(&self, request: &Request<B>) -> Result<(Place, Option<Instant>), Fault> {
        let arrived = Instant::now();
        check_metadata(request.headers())?;
        let timeout = deadline::parse(request.headers())?;
        let deadline = timeout.filter(|timeout| *timeout < MAX_TIMEOUT).map(|timeout| arrived + timeout);
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(deadline::exceeded());
        }
        Ok((self.take_place(request.uri().path())?, deadline))
    }
}

/// Returns the end of a call whose deadline passes.
fn end_at(deadline: Instant) -> End {
    Box::pin(async move {
        sleep_until(deadline).await;
        deadline::exceeded()
    })
}

/// Returns the answer to a request that is not gRPC: a plain HTTP error, as the protocol requires.
/// Such a request must not be executed: with certain other content types, a browser lets every web
/// page send requests to any server, and does not ask the server first.
fn not_grpc(
    method: &Method,
    version: Version,
    headers: &HeaderMap,
    via: Option<Via>,
) -> Option<Response<Body>> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_grpc = content_type.is_some_and(is_grpc);
    if via.is_none()
        && version < Version::HTTP_2
        && (is_grpc || method != Method::POST || content_type.is_none())
    {
        let mut response = plain(StatusCode::BAD_REQUEST, NEEDS_HTTP_2);
        response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        return Some(response);
    }
    if method != Method::POST && (is_grpc || via.is_some()) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "the method must be POST");
        response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST"));
        return Some(response);
    }
    match via {
        _ if is_grpc => None,
        Some(Via::Post) => {
            let text =
                format!("the content-type of a frame must be {CONTENT_TYPES}, without content-encoding");
            Some(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, &text))
        }
        Some(Via::GrpcWeb) | None => {
            let text = "this port speaks gRPC: content-type must be application/grpc or application/grpc-web";
            Some(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text))
        }
    }
}

/// Returns the refusal of a request that a foreign web page sent.
fn foreign(judged: Judged) -> Option<Response<Body>> {
    match judged {
        Judged::NoPage | Judged::Allowed(_) => None,
        Judged::Foreign => {
            let text = "web pages of this origin may not call this server: see --web-origin";
            Some(plain(StatusCode::FORBIDDEN, text))
        }
    }
}

/// Returns a plain HTTP error.
fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::new(format!("{text}\n")));
    *response.status_mut() = status;
    let plain = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

/// Returns the refusal of a gRPC-Web call of a method whose requests are a stream.
fn streams_requests(path: &str) -> Fault {
    let message = format!(
        "gRPC-Web cannot send a stream of requests, as {path} needs; submit frames with SubmitFrameBatch"
    );
    Fault::new(ErrorReason::NotImplemented, message)
}

/// Reports whether a content type is gRPC with protobuf messages: `application/grpc`,
/// `application/grpc+proto`, parameters allowed.
fn is_grpc(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    ["application/grpc", "application/grpc+proto"].iter().any(|grpc| media_type.eq_ignore_ascii_case(grpc))
}

/// Refuses metadata over [`MAX_METADATA_BYTES`].
fn check_metadata(headers: &HeaderMap) -> Result<(), Fault> {
    let bytes: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ENTRY_BYTES).sum();
    if bytes <= MAX_METADATA_BYTES {
        return Ok(());
    }
    let message =
        format!("the metadata of the call has {bytes} bytes, over the limit of {MAX_METADATA_BYTES}");
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
    fn too_much_metadata_is_refused_with_its_size() {
        let mut headers = HeaderMap::new();
        assert!(check_metadata(&headers).is_ok());
        headers.insert("x", "y".repeat(MAX_METADATA_BYTES).parse().unwrap());
        let fault = check_metadata(&headers).unwrap_err();
        crate::grpc::documented::check(&fault);
        assert_eq!(fault.reason, ErrorReason::MetadataTooLarge);
    }

    #[test]
    fn calls_beyond_the_limit_are_refused_and_health_checks_never() {
        let calls = CallLimit::new(2);
        let places: Vec<_> =
            (0..2).map(|_| calls.take_place("/frameway.v1.QueueService/ListQueues")).collect();
        assert!(places.iter().all(Result::is_ok));
        let refused = calls.take_place("/frameway.v1.QueueService/ListQueues").unwrap_err();
        crate::grpc::documented::check(&refused);
        assert_eq!(refused.reason, ErrorReason::QuotaExceeded);
        assert!(refused.retry_delay.is_some());
        assert!(calls.take_place("/grpc.health.v1.Health/Check").is_ok());
        drop(places);
        assert!(calls.take_place("/frameway.v1.QueueService/ListQueues").is_ok());
    }
}
