//! Sends the messages of SubscribeFrames and ConsumeFrames without copying their pictures, and those of WatchStreams without encoding a stream
//! for each watcher.
//!
//! tonic encodes a message into one buffer, for each subscriber, so that a picture for 200 subscribers would be copied 200 times
//! and lie in memory as often as their connections are slow. Here a call's messages leave as pieces (`encode`), and a picture's
//! piece is the very memory that the hub holds, on all connections at once.
//!
//! tonic lets nobody encode otherwise, but its answers are HTTP responses like any other: the handler lays its stream beside an
//! empty answer ([`respond`]), and [`ByReference`] makes it the body.

mod encode;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_stream::stream;
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _};
use futures::{Stream, StreamExt as _};
use http_body::Frame;
use http_body_util::StreamBody;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::server::NamedService;
use tower::Service;

use super::fault::trailers;
use encode::encode;
pub(crate) use encode::{Carrier, around, whole};

/// The messages of one call.
pub(crate) type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
/// The messages of one call, each in pieces.
pub(crate) type InPieces = Pin<Box<dyn Stream<Item = Result<Vec<Bytes>, Status>> + Send>>;
/// What tonic is told that it sends: nothing.
pub(crate) type Nothing<T> = futures::stream::Empty<Result<T, Status>>;

/// Messages on their way past tonic. Extensions of responses must be `Clone` and `Sync`.
#[derive(Clone)]
struct Aside(Arc<Mutex<Option<InPieces>>>);

/// The answer of a handler whose messages go out by reference.
pub(crate) fn respond<T: Carrier + 'static>(messages: Messages<T>) -> tonic::Response<Nothing<T>> {
    respond_in_pieces(Box::pin(messages.map(|message| message.map(encode))))
}

/// The same for messages that are in pieces already.
pub(crate) fn respond_in_pieces<T>(messages: InPieces) -> tonic::Response<Nothing<T>> {
    let mut response = tonic::Response::new(futures::stream::empty());
    response.extensions_mut().insert(Aside(Arc::new(Mutex::new(Some(messages)))));
    response
}

/// A service whose handlers may answer with [`respond`].
#[derive(Debug, Clone)]
pub(crate) struct ByReference<S>(pub(crate) S);

impl<S: NamedService> NamedService for ByReference<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for ByReference<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.0.call(request);
        async move { answer.await.map(with_messages) }.boxed()
    }
}

/// The response with the messages that were laid beside it, if any, for its body.
fn with_messages(mut response: Response<Body>) -> Response<Body> {
    let aside = response.extensions_mut().remove::<Aside>();
    match aside.and_then(|Aside(messages)| messages.lock().unwrap_or_else(PoisonError::into_inner).take()) {
        Some(messages) => response.map(|_nothing| Body::new(StreamBody::new(frames(messages)))),
        None => response,
    }
}

/// The frames of a response body: pieces of messages, and the status at last.
fn frames(mut messages: InPieces) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
    stream! {
        let mut end = Status::ok("");
        while let Some(message) = messages.next().await {
            match message {
                Ok(pieces) => {
                    for piece in pieces {
                        yield Ok(Frame::data(piece));
                    }
                }
                Err(status) => {
                    end = status;
                    break;
                }
            }
        }
        yield Ok(Frame::trailers(trailers(&end)));
    }
}
