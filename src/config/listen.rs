//! The address that a server listens on.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listen {
    /// A port on one address. If a name resolves to several, the first that can be bound is used.
    Tcp {
        /// An address, or a name to resolve.
        host: String,
        /// The port; 0 takes any free one.
        port: u16,
    },
    /// A port on all interfaces, IPv6 and IPv4.
    AllInterfaces(u16),
    /// A Unix socket.
    Unix(PathBuf),
}

/// The host to listen on if only a port is given.
const LOOPBACK: &str = "127.0.0.1";

impl Listen {
    /// Reports whether only this machine can reach the address. A name other than `localhost` counts
    /// as an address that others can reach.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp { host, port: _ } => {
                let ip = host.parse::<IpAddr>();
                ip.map_or_else(|_a_name| host.eq_ignore_ascii_case("localhost"), |ip| ip.is_loopback())
            }
            Self::AllInterfaces(_) => false,
            Self::Unix(_) => true,
        }
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp { host: address.ip().to_string(), port: address.port() }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not an address to listen on; use 127.0.0.1:7400, [::1]:7400, localhost:7400, a port alone for \
                 this machine only (7400), :7400 for all interfaces, or unix:/run/frameway.sock"
            )
        };
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(wrong()) } else { Ok(Self::Unix(path.into())) };
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.into());
        }
        let (host, port) = text.rsplit_once(':').map_or((None, text), |(host, port)| (Some(host), port));
        let port = port.parse().map_err(|_not_a_port| wrong())?;
        let is_name = |host: &str| {
            host.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.') && !host.starts_with('-')
        };
        match host {
            None => Ok(Self::Tcp { host: LOOPBACK.to_owned(), port }),
            Some("") => Ok(Self::AllInterfaces(port)),
            Some(host) if is_name(host) => Ok(Self::Tcp { host: host.to_owned(), port }),
            Some(_) => Err(wrong()),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::AllInterfaces(port) => write!(f, ":{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_unix_sockets_are_local() {
        let is_local = |text: &str| text.parse::<Listen>().unwrap().is_local();
        for local in ["7400", "127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1", "unix:/run/a.sock"] {
            assert!(is_local(local), "{local}");
        }
        for exposed in [":7400", "0.0.0.0:1", "[::]:1", "10.0.0.1:1", "frames.example:1"] {
            assert!(!is_local(exposed), "{exposed}");
        }
    }

    #[test]
    fn addresses_are_read_in_every_form() {
        let tcp = |host: &str, port| Listen::Tcp { host: host.to_owned(), port };
        for (text, listen, shown) in [
            ("127.0.0.1:7400", tcp("127.0.0.1", 7400), "127.0.0.1:7400"),
            ("[::1]:0", tcp("::1", 0), "[::1]:0"),
            ("[::]:7400", tcp("::", 7400), "[::]:7400"),
            ("localhost:7400", tcp("localhost", 7400), "localhost:7400"),
            ("7400", tcp("127.0.0.1", 7400), "127.0.0.1:7400"),
            (":7400", Listen::AllInterfaces(7400), ":7400"),
            ("unix:/run/a.sock", Listen::Unix("/run/a.sock".into()), "unix:/run/a.sock"),
            ("unix:///run/a.sock", Listen::Unix("/run/a.sock".into()), "unix:/run/a.sock"),
        ] {
            let read: Listen = text.parse().unwrap();
            assert_eq!(read, listen, "{text}");
            assert_eq!(read.to_string(), shown);
            assert_eq!(read.to_string().parse(), Ok(listen));
        }
        for wrong in
            ["", "nowhere", "127.0.0.1", "::1:7400", "http://a:1", "a:70000", "a b:1", "unix:", "a:-1"]
        {
            let error = wrong.parse::<Listen>().unwrap_err();
            assert!(error.contains("127.0.0.1:7400"), "{error}");
        }
    }
}
