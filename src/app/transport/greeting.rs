//! The first bytes of a connection: HTTP/2, or a mistake that deserves an answer.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

/// The bytes that every HTTP/2 client sends first.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The answer to a browser, curl or a probe over HTTP/1.1.
const HTTP1_ANSWER: &str = "HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    content-length: 94\r\n\
    connection: close\r\n\r\n\
    This port speaks gRPC over HTTP/2 without TLS. Use a gRPC client, for example grpcurl or buf.\n";
/// Maximum time to send the answer and to discard what the client still sends.
const FAREWELL: Duration = Duration::from_secs(1);
/// Maximum number of bytes that are discarded.
const MAX_LEFTOVER_BYTES: u64 = 64 << 10;

/// The kind of client, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Greeting {
    /// The whole preface has come, and been taken.
    Http2,
    /// Something else, or nothing in time. It has its answer, if there is one.
    Other,
}

/// Reads the preface until `deadline`.
pub(super) async fn greet<S>(socket: &mut S, deadline: Instant) -> Greeting
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut received = [0; PREFACE.len()];
    let mut length = 0;
    while length < PREFACE.len() {
        let read = timeout_at(deadline, socket.read(&mut received[length..])).await;
        let Ok(read) = read else {
            tracing::debug!(received = length, "closing a connection: no HTTP/2 preface came in time");
            return Greeting::Other;
        };
        match read {
            Ok(0) | Err(_) => return Greeting::Other,
            Ok(bytes) => length += bytes,
        }
        if received[..length] != PREFACE[..length] {
            if looks_like_http1(received[0]) {
                let _in_time = timeout(FAREWELL, refuse_http1(socket)).await;
            }
            return Greeting::Other;
        }
    }
    Greeting::Http2
}

/// Requests begin with their method. A TLS handshake, which begins with 0x16, gets no answer: TLS clients know why.
fn looks_like_http1(first: u8) -> bool {
    first.is_ascii_uppercase()
}

async fn refuse_http1<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut S) -> std::io::Result<()> {
    socket.write_all(HTTP1_ANSWER.as_bytes()).await?;
    socket.shutdown().await?;
    // Closed with unread bytes, the socket would reset the connection, and the client might never see the answer.
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
    async fn http2_is_known_by_its_preface_however_it_comes() {
        assert_eq!(greeted(&[PREFACE], false).await, (Greeting::Http2, Vec::new()));
        assert_eq!(
            greeted(&[&PREFACE[..1], &PREFACE[1..20], &PREFACE[20..]], false).await.0,
            Greeting::Http2
        );
        assert_eq!(greeted(&[&PREFACE[..20]], true).await, (Greeting::Other, Vec::new()));
        assert_eq!(greeted(&[&PREFACE[..20]], false).await, (Greeting::Other, Vec::new()), "no more comes");
    }

    #[tokio::test(start_paused = true)]
    async fn http1_is_answered_with_a_sentence_and_tls_with_nothing() {
        for request in
            ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST /x HTTP/1.1\r\n\r\n", "PUT / HTTP/1.0\r\n\r\n"]
        {
            let (greeting, answer) = greeted(&[request.as_bytes()], true).await;
            let answer = String::from_utf8(answer).unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert_eq!(greeting, Greeting::Other);
            assert!(head.starts_with("HTTP/1.1 400 ") && body.contains("gRPC over HTTP/2"), "{answer}");
            assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
        }
        assert_eq!(greeted(&[&[0x16, 3, 1, 2, 0]], false).await, (Greeting::Other, Vec::new()));
    }
}
