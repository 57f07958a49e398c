//! Binds what `--listen` names: a TCP port or a Unix socket.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream, lookup_host};
use tokio_util::either::Either;
use tonic::codegen::http::Extensions;
use tonic::transport::server::{Connected as _, TcpConnectInfo, UdsConnectInfo};

use crate::config::Listen;

/// A socket of either kind.
pub(crate) type Socket = Either<TcpStream, UnixStream>;

/// The address that a server listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoundAddress {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl BoundAddress {
    /// The TCP address, if it is one.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Returns the URL that clients connect to.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Tcp(address) => format!("http://{address}"),
            Self::Unix(_) => self.to_string(),
        }
    }
}

/// `127.0.0.1:7400`, `unix:/run/frameway.sock`.
impl fmt::Display for BoundAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Waits for connections. A Unix socket's file goes with it.
#[derive(Debug)]
pub(crate) struct Listener {
    kind: Kind,
    address: BoundAddress,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The other end of a connection.
#[derive(Debug, Clone)]
pub(super) enum Peer {
    Tcp(TcpConnectInfo),
    Unix(UdsConnectInfo),
}

impl Peer {
    /// Tells handlers of it, in the way that tonic's requests know.
    pub(super) fn tell(&self, extensions: &mut Extensions) {
        match self {
            Self::Tcp(info) => extensions.insert(info.clone()).map(drop),
            Self::Unix(info) => extensions.insert(info.clone()).map(drop),
        };
    }
}

impl Listener {
    /// Binds `listen`.
    ///
    /// # Errors
    /// It is in use, cannot be resolved or written, or may not be used.
    pub(crate) async fn bind(listen: &Listen) -> io::Result<Self> {
        match listen {
            Listen::AllInterfaces(port) => match bind_tcp(&[(Ipv6Addr::UNSPECIFIED, *port).into()]).await {
                Ok(listener) => Ok(listener),
                // A machine without IPv6.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
                Err(_) => bind_tcp(&[(Ipv4Addr::UNSPECIFIED, *port).into()]).await,
            },
            Listen::Tcp { host, port } => {
                let mut addresses: Vec<SocketAddr> = lookup_host((host.as_str(), *port)).await?.collect();
                // Of a name with both, IPv4: every client tries that.
                addresses.sort_by_key(SocketAddr::is_ipv6);
                bind_tcp(&addresses).await
            }
            Listen::Unix(path) => bind_unix(path).await,
        }
    }

    pub(crate) fn address(&self) -> &BoundAddress {
        &self.address
    }

    pub(super) async fn accept(&self) -> io::Result<(Socket, Peer)> {
        match &self.kind {
            Kind::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Fails only where the peer has gone already.
                let _nodelay = stream.set_nodelay(true);
                let peer = Peer::Tcp(stream.connect_info());
                Ok((Either::Left(stream), peer))
            }
            Kind::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let peer = Peer::Unix(stream.connect_info());
                Ok((Either::Right(stream), peer))
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let BoundAddress::Unix(path) = &self.address {
            let _gone = std::fs::remove_file(path);
        }
    }
}

async fn bind_tcp(addresses: &[SocketAddr]) -> io::Result<Listener> {
    let listener = TcpListener::bind(addresses).await?;
    let address = BoundAddress::Tcp(listener.local_addr()?);
    Ok(Listener { kind: Kind::Tcp(listener), address })
}

/// A socket's file outlives a server that was killed: one that nobody listens on is replaced.
async fn bind_unix(path: &Path) -> io::Result<Listener> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket {
        match UnixStream::connect(path).await {
            Ok(_) => return Err(io::Error::new(io::ErrorKind::AddrInUse, "another server listens on it")),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
            Err(error) => return Err(error),
        }
    }
    let listener = UnixListener::bind(path)?;
    Ok(Listener { kind: Kind::Unix(listener), address: BoundAddress::Unix(path.to_owned()) })
}
