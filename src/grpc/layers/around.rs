//! A layer made from one function. It is for layers that act on a request before the call and on
//! its response after the call, and do nothing in between.

use std::task::{Context, Poll};

use futures::future::{MapOk, TryFutureExt as _};
use tonic::codegen::http::{Request, Response};
use tower::{Layer, Service};

/// Creates a layer from `enter`. It is called with each request, and the function that it returns
/// is called with the response. The future is not boxed.
pub(crate) fn around<F>(enter: F) -> AroundLayer<F> {
    AroundLayer(enter)
}

/// The layer that [`around`] returns.
#[derive(Clone)]
pub(crate) struct AroundLayer<F>(F);

impl<S, F: Clone> Layer<S> for AroundLayer<F> {
    type Service = Around<S, F>;

    fn layer(&self, inner: S) -> Around<S, F> {
        Around { inner, enter: self.0.clone() }
    }
}

/// A service with a function around each call.
#[derive(Clone)]
pub(crate) struct Around<S, F> {
    inner: S,
    enter: F,
}

impl<S, F, B, X, R, T> Service<Request<B>> for Around<S, F>
where
    S: Service<Request<B>, Response = Response<R>>,
    F: Fn(&mut Request<B>) -> X,
    X: FnOnce(Response<R>) -> Response<T>,
{
    type Response = Response<T>;
    type Error = S::Error;
    type Future = MapOk<S::Future, X>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let leave = (self.enter)(&mut request);
        self.inner.call(request).map_ok(leave)
    }
}
