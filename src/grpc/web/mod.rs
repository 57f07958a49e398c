//! Requests of browsers and of plain HTTP clients: gRPC-Web, preflights, and frames that are posted.
//!
//! They become gRPC before they reach the other layers, and their responses are converted back
//! afterwards. So everything that holds for gRPC holds for them: there is no second way to a handler.

mod answer;
mod grpc_web;
mod origin;
mod post;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::body::Body;
use tonic::codegen::StdError;
use tonic::codegen::http::header::HeaderValue;
use tonic::codegen::http::{HeaderMap, Request, Response, header};
use tower::{Layer, Service};

use super::layers::Receiving;
use crate::domain::limits::RequestLimits;
pub(crate) use origin::{Judged, Origins};
pub(crate) use post::CONTENT_TYPES;

/// The content type of gRPC.
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// The form in which a request arrived, if it was not gRPC. An extension of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// gRPC-Web.
    GrpcWeb,
    /// A frame that is posted.
    Post,
}

/// Creates the layer that converts requests to gRPC.
pub(crate) fn web(origins: Arc<Origins>, limits: RequestLimits, receiving: Arc<Receiving>) -> WebLayer {
    WebLayer { origins, limits, receiving }
}

/// The layer that [`web`] returns.
#[derive(Debug, Clone)]
pub(crate) struct WebLayer {
    origins: Arc<Origins>,
    limits: RequestLimits,
    receiving: Arc<Receiving>,
}

impl<S> Layer<S> for WebLayer {
    type Service = Web<S>;

    fn layer(&self, inner: S) -> Web<S> {
        Web { inner, layer: self.clone() }
    }
}

/// A service that is called with gRPC only.
#[derive(Debug, Clone)]
pub(crate) struct Web<S> {
    inner: S,
    layer: WebLayer,
}

impl<S, B> Service<Request<B>> for Web<S>
where
    S: Service<Request<WebBody<B>>, Response = Response<Body>, Error: Send>,
    S::Future: Send + Unpin + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<StdError> + Send> + Send + Unpin + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Answering<S::Future, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let WebLayer { origins, limits, receiving } = &self.layer;
        let judged = origins.judge(&request);
        if origin::is_preflight(&request) {
            return Answering {
                origin: None,
                kind: Kind::Preflight(Some(origin::answer_preflight(&request, &judged))),
            };
        }
        let kind = if let Some(stream) = post::stream_of(request.uri().path()) {
            let stream = stream.to_owned();
            let response = self.inner.call(post::translate(request, stream, limits, receiving));
            Kind::Post(Box::pin(async move { Ok(answer::answer(response.await?).await) }))
        } else if grpc_web::is_grpc_web(request.headers()) {
            Kind::GrpcWeb(self.inner.call(to_grpc(request, Via::GrpcWeb).map(WebBody::AsSent)))
        } else {
            Kind::Grpc(self.inner.call(request.map(WebBody::AsSent)))
        };
        // The inner layers refuse the requests of foreign pages.
        let origin = match judged {
            Judged::Allowed(origin) => Some(origin),
            Judged::NoPage | Judged::Foreign => None,
        };
        Answering { origin, kind }
    }
}

/// Gives a request the headers of gRPC.
fn to_grpc<B>(mut request: Request<B>, via: Via) -> Request<B> {
    request.extensions_mut().insert(via);
    request.headers_mut().insert(header::CONTENT_TYPE, GRPC);
    request.headers_mut().insert(header::TE, HeaderValue::from_static("trailers"));
    request
}

/// Returns the media type of a body, without its parameters.
fn media_type(headers: &HeaderMap) -> &str {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim()
}

type Boxed<E> = Pin<Box<dyn Future<Output = Result<Response<Body>, E>> + Send>>;

/// The response to a request, in the form of the request.
pub(crate) struct Answering<F, E> {
    /// The origin of the page that may read the response.
    origin: Option<HeaderValue>,
    kind: Kind<F, E>,
}

enum Kind<F, E> {
    /// `None` after the end.
    Preflight(Option<Response<Body>>),
    Grpc(F),
    GrpcWeb(F),
    Post(Boxed<E>),
}

impl<F, E> Future for Answering<F, E>
where
    F: Future<Output = Result<Response<Body>, E>> + Unpin,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mut response = match &mut this.kind {
            Kind::Preflight(response) => match response.take() {
                Some(response) => response,
                None => return Poll::Pending,
            },
            Kind::Grpc(response) => ready!(Pin::new(response).poll(cx))?,
            Kind::GrpcWeb(response) => grpc_web::to_grpc_web(ready!(Pin::new(response).poll(cx))?),
            Kind::Post(response) => ready!(response.as_mut().poll(cx))?,
        };
        if let Some(origin) = &this.origin {
            origin::expose(response.headers_mut(), origin);
        }
        Poll::Ready(Ok(response))
    }
}

/// The body of a request.
#[derive(Debug)]
pub(crate) enum WebBody<B> {
    AsSent(B),
    /// A body in the form of gRPC that is made from another one.
    Made(Body),
}

impl<B> http_body::Body for WebBody<B>
where
    B: http_body::Body<Data = Bytes, Error: Into<StdError>> + Unpin,
{
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        match self.get_mut() {
            Self::AsSent(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Made(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::AsSent(body) => body.is_end_stream(),
            Self::Made(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::AsSent(body) => body.size_hint(),
            Self::Made(body) => body.size_hint(),
        }
    }
}
