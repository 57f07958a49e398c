//! Messages above the decode limit never reach a handler: tonic answers OUT_OF_RANGE with a text. The contract says
//! RESOURCE_EXHAUSTED, with the limit in the details.

use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt as _};
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::Service;

use super::fault::Fault;
use crate::pb::v1::ErrorReason;

/// What tonic's text begins with; a test sends such a message and so notices when it changes.
const TONIC_TEXT: &str = "Error, decoded message length too large";

/// A service whose refusals of messages that are too large carry the contract's reason and limit.
#[derive(Debug, Clone)]
pub(crate) struct TellLimit<S> {
    inner: S,
    limit_bytes: usize,
}

impl<S> TellLimit<S> {
    pub(crate) fn new(inner: S, limit_bytes: usize) -> Self {
        Self { inner, limit_bytes }
    }
}

impl<S: NamedService> NamedService for TellLimit<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for TellLimit<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let limit = self.limit_bytes;
        let answer = self.inner.call(request);
        async move { answer.await.map(|response| told(response, limit)) }.boxed()
    }
}

/// The contract's refusal, if `status` is tonic's of a message that is too large.
pub(crate) fn too_large(status: &Status, limit: usize) -> Option<Fault> {
    let is_it = status.code() == Code::OutOfRange && status.message().starts_with(TONIC_TEXT);
    let message = format!("the message is over the limit of {limit} bytes; send smaller batches");
    is_it.then(|| Fault::new(ErrorReason::BatchTooLarge, message).fact("limit", limit))
}

/// A refusal has its status in the headers.
fn told(response: Response<Body>, limit: usize) -> Response<Body> {
    let fault = Status::from_header_map(response.headers()).and_then(|status| too_large(&status, limit));
    match fault {
        Some(fault) => Status::from(fault).into_http(),
        None => response,
    }
}
