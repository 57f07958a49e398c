//! The first bytes of a connection: the preface of HTTP/2, or an HTTP/1 request.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

/// The bytes that every HTTP/2 client sends first.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first byte of every TLS handshake. In plaintext, it gets no answer but a clean end: TLS
/// clients report the reason themselves.
pub(super) const TLS_HANDSHAKE: u8 = 0x16;

/// The answer to HTTP/1 clients that speak plaintext on a port with TLS.
const NEEDS_TLS: &str = "This port speaks gRPC over HTTP/2 with TLS only: use https. \
    Use a gRPC client, for example grpcurl or buf.\n";

/// The maximum time for sending the answer and discarding what the client still sends.
pub(super) const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
/// The maximum number of bytes that are discarded.
const MAX_LEFTOVER_BYTES: u64 = 64 << 10;

/// The kind of client, by its first bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Greeting {
    /// The whole preface has arrived and was read.
    Http2,
    /// These bytes have arrived and were read; they may begin an HTTP/1 request.
    Http1(Bytes),
    /// Anything else, or no complete preface in time.
    Other,
}

/// Reads the preface until `deadline`, or what arrives instead of it.
pub(super) async fn greet<S>(socket: &mut S, deadline: Instant) -> Greeting
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut received = [0; PREFACE.len()];
    let mut length = 0;
    while length < PREFACE.len() {
        let read = timeout_at(deadline, socket.read(&mut received[length..])).await;
        let Ok(read) = read else {
            tracing::debug!(received = length, "closing a connection: no HTTP/2 preface arrived in time");
            return Greeting::Other;
        };
        match read {
            Ok(0) | Err(_) => return Greeting::Other,
            Ok(bytes) => length += bytes,
        }
        if received[..length] != PREFACE[..length] {
            if looks_like_http1(received[0]) {
                return Greeting::Http1(Bytes::copy_from_slice(&received[..length]));
            }
            if received[0] == TLS_HANDSHAKE {
                let _in_time = timeout(REFUSAL_TIMEOUT, part(socket)).await;
            }
            return Greeting::Other;
        }
    }
    Greeting::Http2
}

/// Reports whether a first byte may begin an HTTP/1 request, which begins with its method.
fn looks_like_http1(first: u8) -> bool {
    first.is_ascii_uppercase()
}

/// Answers an HTTP/1 request in plaintext on a port with TLS.
pub(super) async fn refuse_http1<S>(socket: &mut S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\n\
         content-type: text/plain; charset=utf-8\r\n\
         content-length: {}\r\n\
         connection: close\r\n\r\n{NEEDS_TLS}",
        NEEDS_TLS.len()
    );
    socket.write_all(answer.as_bytes()).await?;
    part(socket).await
}

/// Ends what this side sends, and discards what the client still sends. If the socket were closed
/// with unread bytes, it would reset the connection, and the client might never see the last bytes,
/// which say why.
pub(super) async fn part<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut S) -> io::Result<()> {
    socket.shutdown().await?;
    tokio::io::copy(&mut socket.take(MAX_LEFTOVER_BYTES), &mut tokio::io::sink()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn greeted(pieces: &[&[u8]], end: bool) -> (Greeting, Vec<u8>) {
        let (mut client, mut server) = tokio::io::duplex(1024);
        let talk = async {
            for piece in pieces {
                client.write_all(piece).await.unwrap();
            }
            if end {
                client.shutdown().await.unwrap();
            }
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let serve = async {
            let greeting = greet(&mut server, Instant::now() + Duration::from_secs(10)).await;
            drop(server);
            greeting
        };
        let (answer, greeting) = tokio::join!(talk, serve);
        (greeting, answer)
    }

    #[tokio::test(start_paused = true)]
    async fn http2_is_recognized_by_its_preface_in_one_or_several_pieces() {
        assert_eq!(greeted(&[PREFACE], false).await, (Greeting::Http2, Vec::new()));
        assert_eq!(
            greeted(&[&PREFACE[..1], &PREFACE[1..20], &PREFACE[20..]], false).await.0,
            Greeting::Http2
        );
        assert_eq!(greeted(&[&PREFACE[..20]], true).await, (Greeting::Other, Vec::new()));
        assert_eq!(
            greeted(&[&PREFACE[..20]], false).await,
            (Greeting::Other, Vec::new()),
            "the preface is incomplete"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn http1_is_recognized_by_its_first_bytes_and_tls_gets_no_answer() {
        for request in
            ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST /x HTTP/1.1\r\n\r\n", "PUT / HTTP/1.0\r\n\r\n"]
        {
            let (greeting, answer) = greeted(&[request.as_bytes()], true).await;
            let Greeting::Http1(first) = greeting else { panic!("{request}: {greeting:?}") };
            assert!(!first.is_empty() && request.as_bytes().starts_with(&first), "{first:?}");
            assert_eq!(answer, [0; 0]);
        }
        assert_eq!(greeted(&[&[0x16, 3, 1, 2, 0]], false).await, (Greeting::Other, Vec::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn plaintext_on_a_port_with_tls_is_told_so() {
        let (mut client, mut server) = tokio::io::duplex(1024);
        let read = async {
            client.shutdown().await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let (refused, answer) = tokio::join!(
            async {
                let refused = refuse_http1(&mut server).await;
                drop(server);
                refused
            },
            read
        );
        refused.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 ") && body.contains("with TLS only"), "{answer}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
    }
}
