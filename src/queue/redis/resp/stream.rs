//! The bytes under a connection: TCP, TLS, or a Unix socket.

use std::io;
use std::time::Duration;

use redis::ConnectionAddr;
use redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};

use super::hints;
use crate::queue::redis::peer::Peer;
use crate::queue::redis::tls;

/// The time after which a dead peer is noticed, even if no reset arrives.
const SILENT_PEER: Duration = Duration::from_secs(10);

pub(super) type Reading = Box<dyn AsyncRead + Unpin + Send>;
pub(super) type Writing = Box<dyn AsyncWrite + Unpin + Send>;

/// Connects to a peer, until `deadline`.
pub(super) async fn open(peer: &Peer, deadline: Instant) -> io::Result<(Reading, Writing)> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    match &peer.address {
        ConnectionAddr::Tcp(host, port) => {
            let stream = timeout_at(deadline, connect_tcp(host, *port)).await.map_err(late)??;
            let Some(settings) = &peer.tls else {
                let (read, write) = stream.into_split();
                return Ok((Box::new(read), Box::new(write)));
            };
            let shaken = timeout_at(deadline, tls::handshake(settings.clone(), host, stream)).await;
            let silent = |_| io::Error::new(io::ErrorKind::TimedOut, hints::NO_TLS_ANSWER);
            let (read, write) = tokio::io::split(shaken.map_err(silent)??);
            Ok((Box::new(read), Box::new(write)))
        }
        ConnectionAddr::Unix(path) => {
            let stream = timeout_at(deadline, UnixStream::connect(path)).await.map_err(late)??;
            let (read, write) = stream.into_split();
            Ok((Box::new(read), Box::new(write)))
        }
        other => Err(io::Error::other(format!("{other} is not supported"))),
    }
}

async fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(SILENT_PEER))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(SILENT_PEER))?;
    Ok(stream)
}
