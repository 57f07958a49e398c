//! An accepted connection, which fails unless its peer completes the HTTP/2 handshake in time.
//!
//! Keepalive pings notice a peer that is gone only once the handshake is done. Without a deadline for the handshake,
//! peers that say nothing hold their connections for ever and shut everybody else out.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use tonic::transport::server::{Connected, TcpConnectInfo};

/// What every HTTP/2 client sends first, in bytes.
const PREFACE_BYTES: usize = 24;
/// Size of a frame's header, which begins with the length of its payload in three bytes.
const FRAME_HEADER_BYTES: usize = 9;

/// A connection, and its share of those that are allowed.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    handshake: Option<Handshake>,
    _slot: OwnedSemaphorePermit,
}

impl Connection {
    /// Takes over `stream`. Reading fails once `handshake_timeout` has passed without a whole handshake.
    pub(super) fn new(stream: TcpStream, slot: OwnedSemaphorePermit, handshake_timeout: Duration) -> Self {
        let deadline = Box::pin(tokio::time::sleep(handshake_timeout));
        Self { stream, handshake: Some(Handshake { deadline, progress: Progress::default() }), _slot: slot }
    }
}

/// A handshake that is not complete yet.
#[derive(Debug)]
struct Handshake {
    deadline: Pin<Box<Sleep>>,
    progress: Progress,
}

/// How much of the client's preface and of the SETTINGS frame behind it has come. It only counts: whether the bytes are
/// HTTP/2 is for the HTTP/2 library to judge, which ends the connection if they are not.
#[derive(Debug, Default)]
struct Progress {
    received: usize,
    settings_bytes: usize,
}

impl Progress {
    /// Notes bytes that came; answers whether the handshake is complete.
    fn advance(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            if (PREFACE_BYTES..PREFACE_BYTES + 3).contains(&self.received) {
                self.settings_bytes = self.settings_bytes << 8 | usize::from(*byte);
            }
            self.received += 1;
            if self.received >= PREFACE_BYTES + FRAME_HEADER_BYTES + self.settings_bytes {
                return true;
            }
        }
        false
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        let Some(handshake) = &mut this.handshake else { return read };
        if handshake.progress.advance(&buf.filled()[before..]) {
            this.handshake = None;
        } else if handshake.deadline.as_mut().poll(cx).is_ready() {
            tracing::debug!("closing a connection: its peer did not complete the HTTP/2 handshake in time");
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "no HTTP/2 handshake in time")));
        }
        read
    }
}

impl AsyncWrite for Connection {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The preface, and a SETTINGS frame with one setting.
    fn handshake() -> Vec<u8> {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100]);
        bytes
    }

    #[test]
    fn a_handshake_is_complete_with_the_last_byte_of_its_settings() {
        let whole = handshake();
        for piece in [1, 5, whole.len()] {
            let mut progress = Progress::default();
            let mut complete = Vec::new();
            for bytes in whole.chunks(piece) {
                complete.push(progress.advance(bytes));
            }
            assert_eq!(complete.pop(), Some(true), "pieces of {piece}");
            assert!(!complete.contains(&true), "pieces of {piece}");
        }
        assert!(!Progress::default().advance(&whole[..PREFACE_BYTES]));
        assert!(!Progress::default().advance(&whole[..whole.len() - 1]));
    }

    #[test]
    fn empty_settings_and_what_follows_in_the_same_packet_are_understood() {
        let mut bytes = handshake()[..PREFACE_BYTES].to_vec();
        bytes.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
        bytes.extend([0, 0, 8, 6, 0, 0, 0, 0, 0]);
        assert!(Progress::default().advance(&bytes));
    }
}
