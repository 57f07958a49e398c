//! A layer made from one function that accepts or refuses each request. An accepted call may end
//! before its handler ends it: its deadline passes, or its caller is not accepted any more.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tower::{Layer, Service};

use crate::grpc::fault::{Fault, trailers};

/// Resolves to the fault with which a call ends early.
pub(super) type End = Pin<Box<dyn Future<Output = Fault> + Send>>;

/// A request that was accepted. `H` is what the call holds until its end.
pub(crate) struct Accepted<H> {
    pub(super) end: Option<End>,
    pub(super) held: H,
}

/// Creates a layer from `enter`, which accepts a request or returns the response that refuses it.
/// The future is not boxed.
pub(crate) fn gate<F>(enter: F) -> GateLayer<F> {
    GateLayer(enter)
}

/// The response that refuses a request; boxed, because few requests are refused.
pub(crate) type Refusal = Box<Response<Body>>;

/// Returns the response that refuses a request with a fault.
pub(super) fn refusal(fault: Fault) -> Refusal {
    Box::new(Status::from(fault).into_http())
}

/// The layer that [`gate`] returns.
#[derive(Clone)]
pub(crate) struct GateLayer<F>(F);

impl<S, F: Clone> Layer<S> for GateLayer<F> {
    type Service = Gate<S, F>;

    fn layer(&self, inner: S) -> Gate<S, F> {
        Gate { inner, enter: self.0.clone() }
    }
}

/// A service that is called only with accepted requests.
#[derive(Clone)]
pub(crate) struct Gate<S, F> {
    inner: S,
    enter: F,
}

impl<S, F, B, H> Service<Request<B>> for Gate<S, F>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Unpin,
    F: Fn(&mut Request<B>) -> Result<Accepted<H>, Refusal>,
    H: Unpin,
{
    type Response = Response<EndingBody<H>>;
    type Error = S::Error;
    type Future = EndingFuture<S::Future, H>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match (self.enter)(&mut request) {
            Ok(Accepted { end, held }) => {
                EndingFuture::Accepted { response: self.inner.call(request), end, held: Some(held) }
            }
            Err(refusal) => EndingFuture::Refused(Some(*refusal)),
        }
    }
}

/// The response of a call that was refused, or that may end early. `H` is what the call holds
/// until its end.
pub(crate) enum EndingFuture<F, H> {
    /// `None` after the end.
    Refused(Option<Response<Body>>),
    Accepted {
        response: F,
        end: Option<End>,
        held: Option<H>,
    },
}

impl<F, E, H> Future for EndingFuture<F, H>
where
    F: Future<Output = Result<Response<Body>, E>> + Unpin,
    H: Unpin,
{
    type Output = Result<Response<EndingBody<H>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (response, end, held) = match self.get_mut() {
            Self::Refused(response) => match response.take() {
                Some(response) => return Poll::Ready(Ok(response.map(EndingBody::plain))),
                None => return Poll::Pending,
            },
            Self::Accepted { response, end, held } => (response, end, held),
        };
        if let Poll::Ready(response) = Pin::new(response).poll(cx) {
            let (end, held) = (end.take(), held.take());
            let body = |body| EndingBody { body: Some(body), end, _held: held };
            return Poll::Ready(response.map(|response| response.map(body)));
        }
        let Some(end) = end else { return Poll::Pending };
        let fault = ready!(end.as_mut().poll(cx));
        Poll::Ready(Ok((*refusal(fault)).map(EndingBody::plain)))
    }
}

/// A response body that may end early, with the status of a fault.
pub(crate) struct EndingBody<H> {
    /// `None` after the end.
    body: Option<Body>,
    end: Option<End>,
    _held: Option<H>,
}

impl<H> EndingBody<H> {
    /// Creates a body that ends by itself.
    fn plain(body: Body) -> Self {
        Self { body: Some(body), end: None, _held: None }
    }
}

impl<H: Unpin> http_body::Body for EndingBody<H> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        // The end is polled before the body. If it were polled only when the body has nothing to
        // send, a stream that always has a message would never end.
        if let Some(end) = &mut this.end
            && let Poll::Ready(fault) = end.as_mut().poll(cx)
        {
            this.body = None;
            return Poll::Ready(Some(Ok(Frame::trailers(trailers(&fault.into())))));
        }
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if frame.is_none() {
            this.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.as_ref().map_or_else(http_body::SizeHint::default, http_body::Body::size_hint)
    }
}
