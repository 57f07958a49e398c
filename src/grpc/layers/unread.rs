//! The rest of a request that its call has not read.
//!
//! A call may be answered before its request has arrived: its credentials are not valid, or the
//! server does not have its method. If the body were dropped then, HTTP/2 would reset the call, and
//! count what still arrives as errors of the client. After 1,024 of them it ends the connection,
//! which many clients share if a proxy is in between. HTTP/1 would close the connection, and the
//! client might never see the answer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tonic::codegen::http::header::EXPECT;
use tonic::codegen::http::{Request, Version};

use crate::grpc::http2::STREAM_WINDOW_BYTES;

/// The maximum time for which the rest of a request is received.
const MAX_TIME: Duration = Duration::from_secs(5);
/// The maximum size of the rest: as much as may be on its way when the answer is sent.
const MAX_BYTES: usize = STREAM_WINDOW_BYTES as usize;

/// A request body. If it is dropped before its end, its rest is received and discarded.
#[derive(Debug)]
pub(crate) struct Unread<B> {
    /// `None` once it is dropped.
    body: Option<B>,
    discard: fn(B),
    /// Whether the client sends the body only when the server begins to read it.
    is_withheld: bool,
}

impl<B> Unread<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    /// Takes over the body of a request.
    pub(crate) fn of(request: Request<B>) -> Request<Self> {
        // With `Expect: 100-continue`, of which HTTP/2 clients make no use.
        let is_withheld = request.version() < Version::HTTP_2 && request.headers().contains_key(EXPECT);
        request.map(|body| Self { body: Some(body), discard, is_withheld })
    }
}

/// Receives and discards the rest of a body, within limits.
fn discard<B: Body<Data = Bytes> + Send + Unpin + 'static>(mut body: B) {
    let mut bytes = 0;
    // Of most calls, nothing more arrives: they ended, or the client has cancelled them.
    while !body.is_end_stream() {
        match body.frame().now_or_never() {
            Some(Some(Ok(frame))) if bytes <= MAX_BYTES => bytes += size(&frame),
            Some(_) => return,
            None => {
                discard_later(body, bytes);
                return;
            }
        }
    }
}

/// Waits for the rest of a body of which `bytes` were discarded.
fn discard_later<B: Body<Data = Bytes> + Send + Unpin + 'static>(mut body: B, mut bytes: usize) {
    // Without a runtime, there is no connection either.
    let Ok(runtime) = Handle::try_current() else { return };
    runtime.spawn(async move {
        let receive = async {
            while bytes <= MAX_BYTES
                && let Some(Ok(frame)) = body.frame().await
            {
                bytes += size(&frame);
            }
        };
        // A call that goes on is reset.
        let _ended = timeout(MAX_TIME, receive).await;
    });
}

fn size(frame: &Frame<Bytes>) -> usize {
    frame.data_ref().map_or(0, Bytes::len)
}

impl<B> Drop for Unread<B> {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|_| !self.is_withheld) {
            (self.discard)(body);
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Unread<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        this.is_withheld = false;
        match &mut this.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}
