//! TLS: the handshake of a connection, with the certificates that are in force when it begins.
//!
//! Certificates are replaced while the server runs. The new ones apply to new connections; open
//! connections keep theirs. Sessions are not resumed if clients may present certificates: a resumed
//! session would keep a certificate that has expired since, or that is from a CA that is no longer
//! accepted.

mod files;
mod reload;

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::greeting::{Greeting, REFUSAL_TIMEOUT, TLS_HANDSHAKE, greet, part, refuse_http1};
use crate::access::ClientCertificate;
use crate::config::TlsSettings;
use files::Files;
pub(crate) use reload::Reload;

/// SETTINGS, and GOAWAY with INADEQUATE_SECURITY and a text that gRPC clients show.
const HTTP2_ANSWER: &[u8] = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00\
    \x00\x00\x43\x07\x00\x00\x00\x00\x00\
    \x00\x00\x00\x00\x00\x00\x00\x0c\
    This port speaks TLS: use https:// or a client's TLS option";

/// The TLS of a port.
#[derive(Debug)]
pub(crate) struct Tls {
    current: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads the files and returns the TLS of a port, and what replaces it when they change.
    ///
    /// # Errors
    /// A file is missing or cannot be used.
    pub(crate) fn load(settings: &TlsSettings) -> anyhow::Result<(Arc<Self>, Reload)> {
        let files = Files::read(settings);
        let loaded = files.load()?;
        let tls = Arc::new(Self { current: ArcSwap::new(Arc::clone(&loaded.config)) });
        let reload = Reload::new(Arc::clone(&tls), settings.clone(), files.digest(), loaded.expires);
        Ok((tls, reload))
    }

    /// Completes the handshake until `deadline`. Returns `None` if the connection is over: the
    /// handshake failed, or the client does not speak TLS and was answered.
    pub(super) async fn accept(
        &self,
        mut socket: TcpStream,
        deadline: Instant,
    ) -> Option<(Box<TlsStream<TcpStream>>, Option<ClientCertificate>)> {
        let mut first = [0];
        match timeout_at(deadline, socket.peek(&mut first)).await {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) => return None,
            Err(_) => {
                tracing::debug!("closing a connection: no TLS handshake arrived in time");
                return None;
            }
        }
        if first[0] != TLS_HANDSHAKE {
            refuse_plaintext(&mut socket, deadline).await;
            return None;
        }
        let acceptor = TlsAcceptor::from(self.current.load_full());
        match timeout_at(deadline, acceptor.accept(socket).into_fallible()).await {
            Ok(Ok(stream)) => {
                let certificates = stream.get_ref().1.peer_certificates();
                let certificate = certificates
                    .and_then(<[_]>::first)
                    .map(|certificate| ClientCertificate::new(certificate.as_ref()));
                Some((Box::new(stream), certificate))
            }
            Ok(Err((error, mut socket))) => {
                let peer = socket.peer_addr().map(|peer| peer.to_string()).unwrap_or_default();
                tracing::debug!(%error, peer, "a TLS handshake failed");
                let _in_time = timeout(REFUSAL_TIMEOUT, part(&mut socket)).await;
                None
            }
            Err(_) => {
                tracing::debug!("closing a connection: its TLS handshake was not complete in time");
                None
            }
        }
    }
}

/// Answers a client that speaks plaintext, HTTP/1 or HTTP/2.
async fn refuse_plaintext(socket: &mut TcpStream, deadline: Instant) {
    match greet(socket, deadline).await {
        Greeting::Http2 => {
            let answer = async {
                socket.write_all(HTTP2_ANSWER).await?;
                part(socket).await
            };
            let _in_time = timeout(REFUSAL_TIMEOUT, answer).await;
        }
        Greeting::Http1(_) => {
            let _in_time = timeout(REFUSAL_TIMEOUT, refuse_http1(socket)).await;
        }
        Greeting::Other => {}
    }
}

#[cfg(test)]
mod tests;
