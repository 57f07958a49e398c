//! The sockets under the connections.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// Tells whether the socket of a connection is open.
#[derive(Debug, Clone, Default)]
pub(super) struct State(Arc<AtomicBool>);

impl State {
    pub(super) fn is_closed(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn close(&self) {
        self.0.store(true, Ordering::Release);
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
        // If the connection is not opened again, the state stays that of a closed one.
        let (state, path) = (self.state.clone(), self.path.clone());
        let tcp = self.tcp.call(uri);
        Box::pin(async move {
            let socket = match path {
                Some(path) => unix(&path).await.map_err(StdError::from),
                None => tcp.await.map(|io| Box::new(io.into_inner()) as Box<dyn Io>).map_err(Into::into),
            };
            let io = socket.inspect_err(|_| state.close())?;
            state.0.store(false, Ordering::Release);
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
        self.state.close();
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
