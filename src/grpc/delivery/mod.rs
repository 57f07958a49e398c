//! Sends the messages of SubscribeFrames and ConsumeFrames without copying their pictures, and
//! those of WatchStreams without encoding a stream once for each watcher.
//!
//! tonic encodes a message into one buffer for each subscriber: a picture for 200 subscribers would
//! be copied 200 times, and each copy would stay in memory as long as its connection is slow. Here
//! the messages of a call are sent as chunks (`encode`), and the chunk of a picture is the memory
//! that the hub holds, shared by all connections.
//!
//! tonic has no other way to encode, but its responses are HTTP responses like any other: the
//! handler puts its stream into an extension of an empty response ([`respond`]), and
//! [`with_own_body`], called with each response, makes the stream the body.

mod encode;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use async_stream::stream;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http_body::Frame;
use http_body_util::StreamBody;
use parking_lot::Mutex;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::Response;

use super::fault::trailers;
use encode::encode;
pub(crate) use encode::{Carrier, around, whole};

/// The messages of one call.
pub(crate) type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
/// The messages of one call, each as encoded chunks.
pub(crate) type Chunks = Pin<Box<dyn Stream<Item = Result<Vec<Bytes>, Status>> + Send>>;
/// The response stream that tonic gets from a handler that answers with [`respond`]. It has no
/// messages.
pub(crate) type EmptyStream<T> = futures::stream::Empty<Result<T, Status>>;

/// The messages that become the body of a response. They are in an `Arc<Mutex>`, because extensions
/// of responses must be `Clone` and `Sync`.
#[derive(Clone)]
struct ResponseBody(Arc<Mutex<Option<Chunks>>>);

/// Returns the response of a handler whose messages are sent by reference.
pub(crate) fn respond<T: Carrier + 'static>(messages: Messages<T>) -> tonic::Response<EmptyStream<T>> {
    respond_in_chunks(Box::pin(messages.map(|message| message.map(encode))))
}

/// Returns the response of a handler whose messages are encoded already.
pub(crate) fn respond_in_chunks<T>(messages: Chunks) -> tonic::Response<EmptyStream<T>> {
    let mut response = tonic::Response::new(futures::stream::empty());
    response.extensions_mut().insert(ResponseBody(Arc::new(Mutex::new(Some(messages)))));
    response
}

/// Returns the response with the body that its handler put into the extension, if any.
pub(crate) fn with_own_body(mut response: Response<Body>) -> Response<Body> {
    let own = response.extensions_mut().remove::<ResponseBody>();
    match own.and_then(|ResponseBody(messages)| messages.lock().take()) {
        Some(messages) => response.map(|_empty| Body::new(StreamBody::new(frames(messages)))),
        None => response,
    }
}

/// Returns the frames of a response body: the chunks of all messages, and then the status.
fn frames(mut messages: Chunks) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
    stream! {
        let mut end = Status::ok("");
        while let Some(message) = messages.next().await {
            match message {
                Ok(chunks) => {
                    for chunk in chunks {
                        yield Ok(Frame::data(chunk));
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
