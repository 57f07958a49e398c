//! The sockets under the connections.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::codegen::http::Uri;
use tonic::codegen::{Service, StdError};

/// Opens sockets to one address, and tells when one of them is closed.
#[derive(Clone)]
pub(super) struct Connector {
    tcp: HttpConnector,
    /// The path of a Unix domain socket; `None` for TCP.
    path: Option<Arc<str>>,
    state: State,
}

/// Tells whether a connection has an open socket. It may have two for a time: after GOAWAY, it opens
/// another one while calls still end on the first.
#[derive(Debug, Clone, Default)]
pub(super) struct State(Arc<Sockets>);

#[derive(Debug, Default)]
struct Sockets {
    open: AtomicUsize,
    /// Another socket could not be opened.
    failed: AtomicBool,
}

impl State {
    /// Reports whether a further call would need another socket.
    pub(super) fn is_closed(&self) -> bool {
        self.0.failed.load(Ordering::Acquire) || self.0.open.load(Ordering::Acquire) == 0
    }
}

impl Connector {
    /// Makes a connector for an address as [`parse_address`](super::parse_address) returns it.
    pub(super) fn new(address: &str, connect_timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        // Sockets to `https` addresses are opened here, too; TLS follows.
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        Self { tcp, path: address.strip_prefix("unix:").map(Into::into), state: State::default() }
    }

    /// Returns a connector for one more connection, with the state of that connection.
    pub(super) fn fresh(&self) -> (Self, State) {
        let state = State::default();
        (Self { state: state.clone(), ..self.clone() }, state)
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Socket>;
    type Error = StdError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, StdError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (state, path) = (self.state.clone(), self.path.clone());
        let tcp = self.tcp.call(uri);
        Box::pin(async move {
            let socket = match path {
                Some(path) => unix(&path).await.map_err(StdError::from),
                None => tcp.await.map(|io| Box::new(io.into_inner()) as Box<dyn Io>).map_err(Into::into),
            };
            let io = socket.inspect_err(|_| state.0.failed.store(true, Ordering::Release))?;
            state.0.open.fetch_add(1, Ordering::AcqRel);
            Ok(TokioIo::new(Socket { io, state }))
        })
    }
}

#[cfg(unix)]
async fn unix(path: &str) -> io::Result<Box<dyn Io>> {
    Ok(Box::new(tokio::net::UnixStream::connect(path).await?))
}

#[cfg(not(unix))]
async fn unix(_path: &str) -> io::Result<Box<dyn Io>> {
    Err(io::Error::other("this system has no Unix domain sockets"))
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// An open socket. It is closed when it is dropped.
pub(super) struct Socket {
    io: Box<dyn Io>,
    state: State,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.state.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
