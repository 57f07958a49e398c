//! A connection after its preface. It fails unless the client's SETTINGS also arrive in time.
//!
//! Keepalive pings notice a dead peer only after the handshake. Without a deadline for the
//! handshake, silent peers would keep their connections for ever and leave no room for others.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::frames::FRAME_HEADER_BYTES;
use super::greeting::PREFACE;
use super::listen::Socket;

/// The bytes of a connection: those of its socket, or those in TLS. Unix sockets have no TLS.
pub(super) type Stream = Either<Socket, Box<TlsStream<TcpStream>>>;

/// A connection whose client has sent its preface.
#[derive(Debug)]
pub(super) struct Connection {
    socket: Stream,
    /// The rest of the preface that the HTTP/2 library has yet to read. It is not read from the
    /// socket again.
    preface: &'static [u8],
    settings: Option<Settings>,
}

/// The state of a handshake until the client's settings have arrived.
#[derive(Debug)]
struct Settings {
    deadline: Pin<Box<Sleep>>,
    progress: Progress,
}

/// The part of the SETTINGS frame that has arrived. If the bytes are not HTTP/2, the HTTP/2
/// library ends the connection.
#[derive(Debug, Default)]
struct Progress {
    received: usize,
    payload_bytes: usize,
}

impl Progress {
    /// Counts bytes that arrived; returns whether the frame is complete.
    fn advance(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            if self.received < 3 {
                self.payload_bytes = self.payload_bytes << 8 | usize::from(*byte);
            }
            self.received += 1;
            if self.received >= FRAME_HEADER_BYTES + self.payload_bytes {
                return true;
            }
        }
        false
    }
}

impl Connection {
    /// Takes over `socket`. Reading fails once `deadline` has passed without the client's settings.
    pub(super) fn new(socket: Stream, deadline: Instant) -> Self {
        let deadline = Box::pin(tokio::time::sleep_until(deadline));
        Self {
            socket,
            preface: PREFACE,
            settings: Some(Settings { deadline, progress: Progress::default() }),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.preface.is_empty() {
            let (now, later) = this.preface.split_at(this.preface.len().min(buf.remaining()));
            buf.put_slice(now);
            this.preface = later;
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut this.socket).poll_read(cx, buf);
        let Some(settings) = &mut this.settings else { return read };
        if settings.progress.advance(&buf.filled()[before..]) {
            this.settings = None;
        } else if settings.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "no HTTP/2 settings arrived in time",
            )));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A SETTINGS frame with one setting.
    const FRAME: &[u8] = &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100];

    #[test]
    fn settings_are_complete_with_the_last_byte_of_their_frame() {
        for piece in [1, 5, FRAME.len()] {
            let mut progress = Progress::default();
            let mut complete: Vec<bool> = FRAME.chunks(piece).map(|bytes| progress.advance(bytes)).collect();
            assert_eq!(complete.pop(), Some(true), "pieces of {piece}");
            assert!(!complete.contains(&true), "pieces of {piece}");
        }
        assert!(!Progress::default().advance(&FRAME[..FRAME.len() - 1]));
    }

    #[test]
    fn empty_settings_are_complete_with_more_bytes_in_the_same_packet() {
        let mut bytes = vec![0, 0, 0, 4, 0, 0, 0, 0, 0];
        bytes.extend([0, 0, 8, 6, 0, 0, 0, 0, 0]);
        assert!(Progress::default().advance(&bytes));
    }
}
