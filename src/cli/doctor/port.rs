//! Finds out whether the addresses of the server and of its metrics are free.

use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;
use tonic_types::StatusExt as _;

use super::finding::Finding;
use crate::app::transport::Listener;
use crate::client::{ConnectOptions, Error};
use crate::config::{Config, Listen};
use crate::grpc::ERROR_DOMAIN;

/// The maximum time for each question.
const LIMIT: Duration = Duration::from_secs(2);

/// Judges the address of `--listen`.
pub(super) async fn examine(config: &Config) -> Finding {
    let listen = &config.server.listen;
    match bind(listen).await {
        Ok(()) => Finding::ok("address", format!("{listen} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => taken(config).await,
        Err(error) => {
            let change = "give --listen an address of this machine and a port that this user may use";
            Finding::error("address", format!("cannot listen on {listen}: {error}"), change)
        }
    }
}

/// Judges the address of `--metrics-listen`; returns `None` if no metrics are served. If a server
/// with the same settings runs already, the address is its own.
pub(super) async fn examine_metrics(config: &Config, runs_already: bool) -> Option<Finding> {
    let listen = config.metrics.address(&config.server.listen)?;
    let Err(error) = bind(&listen).await else {
        return Some(Finding::ok("metrics", format!("{listen} is free")));
    };
    let found = format!("cannot serve metrics on {listen}: {error}");
    let change = "give --metrics-listen another address, or `none`";
    Some(if error.kind() == io::ErrorKind::AddrInUse && runs_already {
        Finding::note("metrics", format!("{listen} is taken, probably by the server that runs already"))
    } else if config.metrics.is_given() {
        Finding::error("metrics", found, change)
    } else {
        Finding::warning("metrics", format!("{found}; this server would have none"), change)
    })
}

/// Binds a port for a moment; connects to a Unix socket.
async fn bind(listen: &Listen) -> io::Result<()> {
    match listen {
        Listen::Unix(path) => unix(path).await,
        Listen::Tcp { .. } | Listen::AllInterfaces(_) => match timeout(LIMIT, Listener::bind(listen)).await {
            Ok(bound) => bound.map(drop),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "its name was not resolved in time")),
        },
    }
}

/// Asks who listens.
async fn taken(config: &Config) -> Finding {
    let listen = &config.server.listen;
    let change = "stop it, or give this server another --listen";
    match timeout(LIMIT, version(config)).await {
        Ok(Some(version)) => {
            let found = format!("a Frameway server{version} listens on {listen} already");
            Finding::note("address", found).change(change)
        }
        Ok(None) | Err(_) => {
            let found = format!("another program listens on {listen}");
            Finding::error("address", found, format!("{change} (ss -ltnp shows which program it is)"))
        }
    }
}

/// Returns the version of the server that listens, or an empty text if it is a Frameway that does
/// not tell; `None` if it is none.
async fn version(config: &Config) -> Option<String> {
    let address = match &config.server.listen {
        Listen::Unix(path) => format!("unix:{}", path.display()),
        Listen::AllInterfaces(port) => format!("127.0.0.1:{port}"),
        Listen::Tcp { host, port } => {
            let host = match host.as_str() {
                "0.0.0.0" => "127.0.0.1",
                "::" => "::1",
                host => host,
            };
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
        }
    };
    let address = if config.tls.is_some() { format!("https://{address}") } else { address };
    let client = match ConnectOptions::new(&address).ok()?.connect().await {
        Ok(client) => client,
        // Its certificate is for other names, or from a CA that this machine does not know.
        Err(Error::Tls { .. }) if config.tls.is_some() => return Some(String::new()),
        Err(_) => return None,
    };
    match client.server_info().await {
        Ok(info) => Some(format!(" {}", info.version)),
        Err(Error::Refused(status)) => {
            let details = status.get_error_details();
            let domain = details.error_info().map(|info| info.domain.as_str());
            (domain == Some(ERROR_DOMAIN)).then(String::new)
        }
        Err(_) => None,
    }
}

/// Reports whether a socket can be made at a path. A server replaces a socket that nobody listens
/// on.
async fn unix(path: &Path) -> io::Result<()> {
    if let Ok(found) = std::fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            return Err(io::Error::other("there is a file that is not a socket"));
        }
        return match timeout(LIMIT, UnixStream::connect(path)).await {
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) | Err(_) => Err(io::ErrorKind::AddrInUse.into()),
        };
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !std::fs::metadata(folder)?.is_dir() {
        return Err(io::Error::other(format!("{} is not a folder", folder.display())));
    }
    Ok(())
}
