//! Binds the address of `--listen`: a TCP port or a Unix socket.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
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
    /// A TCP address, in plaintext.
    Tcp(SocketAddr),
    /// A TCP address with TLS.
    Tls(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl BoundAddress {
    /// Returns the TCP address, if it is one.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) | Self::Tls(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Returns the URL that clients connect to.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Tcp(address) => format!("http://{address}"),
            Self::Tls(_) | Self::Unix(_) => self.to_string(),
        }
    }

    /// Returns the address with TLS. A Unix socket has none.
    pub(crate) fn with_tls(self) -> Self {
        match self {
            Self::Tcp(address) => Self::Tls(address),
            Self::Tls(_) | Self::Unix(_) => self,
        }
    }
}

/// Writes `127.0.0.1:7400`, `https://127.0.0.1:7400` or `unix:/run/frameway.sock`.
impl fmt::Display for BoundAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Tls(address) => write!(f, "https://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A bound socket. When it is dropped, the file of a Unix socket is removed.
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
pub(crate) enum Peer {
    Tcp(TcpConnectInfo),
    Unix(UdsConnectInfo),
}

impl Peer {
    /// Returns the IP address; `None` for a Unix socket.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(info) => info.remote_addr().map(|address| address.ip()),
            Self::Unix(_) => None,
        }
    }

    /// Inserts the peer into the extensions of a request, as tonic's own server does.
    pub(super) fn insert_into(&self, extensions: &mut Extensions) {
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
    /// The address is in use, cannot be resolved or created, or is not permitted.
    pub(crate) async fn bind(listen: &Listen) -> io::Result<Self> {
        match listen {
            Listen::AllInterfaces(port) => match bind_tcp(&[(Ipv6Addr::UNSPECIFIED, *port).into()]).await {
                Ok(listener) => Ok(listener),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
                // The machine has no IPv6.
                Err(_) => bind_tcp(&[(Ipv4Addr::UNSPECIFIED, *port).into()]).await,
            },
            Listen::Tcp { host, port } => {
                let mut addresses: Vec<SocketAddr> = lookup_host((host.as_str(), *port)).await?.collect();
                // If a name has IPv4 and IPv6 addresses, those of IPv4 come first, since every
                // client tries IPv4.
                addresses.sort_by_key(SocketAddr::is_ipv6);
                bind_tcp(&addresses).await
            }
            Listen::Unix(path) => bind_unix(path).await,
        }
    }

    pub(crate) fn address(&self) -> &BoundAddress {
        &self.address
    }

    pub(crate) async fn accept(&self) -> io::Result<(Socket, Peer)> {
        match &self.kind {
            Kind::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Fails only if the peer has already closed the connection.
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

/// Binds a Unix socket. The file of a killed server remains, so a file that nobody listens on is
/// replaced.
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
