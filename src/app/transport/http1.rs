//! An HTTP/1 connection: its bytes from the first one on, the deadline for its first request, and the
//! pace of requests that are sent ahead.

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::either::Either;

use super::connection::Stream;

/// The time for which a peer may be silent before it is asked whether it still is there, and the time
/// that it has for the answer. HTTP/1 has no pings, so TCP asks. HTTP/2 connections have the same
/// times for their pings.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause before a request that the client sent before it had an answer to the last one: 200
/// such requests in a second.
const AHEAD_PAUSE: Duration = Duration::from_millis(5);

/// A connection of which some bytes were read already.
#[derive(Debug)]
pub(super) struct Rewound {
    first: Bytes,
    stream: Stream,
    requests: Requests,
}

impl Rewound {
    /// Takes over a connection whose `first` bytes were read. If its peer disappears, the connection
    /// fails.
    pub(super) fn new(first: Bytes, stream: Stream, requests: Requests) -> Self {
        let socket = match &stream {
            Either::Left(Either::Left(socket)) => Some(socket),
            Either::Left(Either::Right(_unix)) => None,
            Either::Right(tls) => Some(tls.get_ref().0),
        };
        if let Some(Err(error)) = socket.map(notice_dead_peers) {
            tracing::debug!(%error, "cannot set the keepalive of a connection");
        }
        Self { first, stream, requests }
    }
}

/// Lets a connection fail if its peer has not answered for a while, although nothing is sent or the
/// kernel has room for what is sent.
fn notice_dead_peers(socket: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(socket);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_INTERVAL).with_interval(KEEPALIVE_TIMEOUT);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(KEEPALIVE_INTERVAL + KEEPALIVE_TIMEOUT))?;
    Ok(())
}

impl AsyncRead for Rewound {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.first.is_empty() {
            let read = Pin::new(&mut this.stream).poll_read(cx, buf);
            if read.is_pending() {
                this.requests.0.waited.store(true, Ordering::Relaxed);
            }
            return read;
        }
        let bytes = this.first.len().min(buf.remaining());
        buf.put_slice(&this.first[..bytes]);
        this.first.advance(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// The requests of a connection.
#[derive(Debug, Clone)]
pub(super) struct Requests(Arc<State>);

#[derive(Debug)]
struct State {
    /// Whether the headers of a request have arrived.
    any: AtomicBool,
    /// Whether the server has waited for the client since the last request arrived.
    waited: AtomicBool,
}

impl Requests {
    /// Creates the state of a connection without requests.
    pub(super) fn none() -> Self {
        Self(Arc::new(State { any: AtomicBool::new(false), waited: AtomicBool::new(true) }))
    }

    /// Notes that a request has arrived. Waits before it is handled: until other connections have had
    /// their turn, and for [`AHEAD_PAUSE`] if the client sent it ahead, before it had an answer to
    /// the last one. No browser does that.
    pub(super) fn arrived(&self) -> impl Future<Output = ()> + Send + use<> {
        self.0.any.store(true, Ordering::Relaxed);
        let is_ahead = !self.0.waited.swap(false, Ordering::Relaxed);
        async move {
            if is_ahead {
                sleep(AHEAD_PAUSE).await;
            } else {
                yield_now().await;
            }
        }
    }

    /// Returns at `deadline` if no request has arrived by then, and never otherwise.
    pub(super) async fn missing_at(&self, deadline: Instant) {
        sleep_until(deadline).await;
        if self.0.any.load(Ordering::Relaxed) {
            pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_ends_at_the_deadline() {
        let (requests, deadline) = (Requests::none(), Instant::now() + Duration::from_secs(10));
        requests.missing_at(deadline).await;
        assert_eq!(Instant::now(), deadline);
        requests.arrived().await;
        let wait = requests.missing_at(deadline + Duration::from_secs(10));
        assert!(timeout(Duration::from_secs(3600), wait).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn only_requests_that_are_sent_ahead_wait() {
        let (requests, began) = (Requests::none(), Instant::now());
        requests.arrived().await;
        requests.0.waited.store(true, Ordering::Relaxed);
        requests.arrived().await;
        assert_eq!(Instant::now(), began);
        requests.arrived().await;
        assert_eq!(Instant::now(), began + AHEAD_PAUSE);
    }
}
