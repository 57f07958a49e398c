//! Measures every call: its method, its status, its time, and the bytes of its response.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use tonic::Status;
use tonic::codegen::http::{HeaderMap, Request, Response};

use crate::grpc::permissions;
use crate::metrics::{Call, Method, RpcMetrics};

/// The name of everything that is no method of this server.
const OTHER: &str = "other";
/// The trailer, or header, with the number of the status code.
const STATUS: &str = "grpc-status";

/// The metrics of all methods, by the paths of their requests.
#[derive(Debug)]
pub(crate) struct Methods {
    by_path: HashMap<String, Arc<Method>>,
    other: Arc<Method>,
}

impl Methods {
    pub(crate) fn new(metrics: &RpcMetrics) -> Self {
        let method = |name: String| (format!("/{name}"), metrics.method(name));
        let by_path = permissions::methods().map(method).collect();
        Self { by_path, other: metrics.method(OTHER.to_owned()) }
    }

    fn of(&self, path: &str) -> &Arc<Method> {
        self.by_path.get(path).unwrap_or(&self.other)
    }
}

/// Begins to measure a call, and returns a function that measures the response.
pub(crate) fn measure<B, R>(
    methods: &Methods,
    request: &Request<B>,
) -> impl FnOnce(Response<R>) -> Response<Measured<R>> + use<B, R> {
    let mut call = methods.of(request.uri().path()).begin();
    move |response| {
        let in_headers = code_in(response.headers());
        // An answer that is not gRPC has no status.
        if in_headers.is_some() || !response.status().is_success() {
            call.ended(in_headers);
        }
        response.map(|body| Measured { body, call })
    }
}

fn code_in(headers: &HeaderMap) -> Option<i32> {
    headers.get(STATUS)?.to_str().ok()?.parse().ok()
}

/// The body of a response that is measured. The call ends when it is dropped.
pub(crate) struct Measured<R> {
    body: R,
    call: Call,
}

impl<R> http_body::Body for Measured<R>
where
    R: http_body::Body<Data = Bytes, Error = Status> + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    this.call.sent(data.len());
                }
                if let Some(trailers) = frame.trailers_ref() {
                    this.call.ended(code_in(trailers));
                }
            }
            Some(Err(status)) => this.call.ended(Some(status.code().into())),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
