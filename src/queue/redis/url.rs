//! The URL of a Redis, which may contain a password.

use std::fmt;
use std::net::IpAddr;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use crate::queue::{Error, Result};

/// The scheme of a Redis behind TLS.
const TLS: &str = "rediss://";

/// `redis://` or `rediss://` (TLS) `[user:password@]host:port[/db]`, or
/// `unix:///path[?db=N&user=NAME&pass=PASSWORD]`. It is shown without user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

impl RedisUrl {
    /// Returns the URL with its password.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// Reports whether the connection is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.starts_with(TLS)
    }

    /// Reports whether the address is on this machine: a Unix socket or a loopback address.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let Ok(info) = self.parse() else { return false };
        match info.addr() {
            ConnectionAddr::Unix(_) => true,
            ConnectionAddr::Tcp(host, _) => {
                let host = host.trim_start_matches('[').trim_end_matches(']');
                host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
            _ => false,
        }
    }

    /// Reports whether the URL contains a user.
    #[must_use]
    pub fn has_user(&self) -> bool {
        self.parse().is_ok_and(|info| info.redis_settings().username().is_some())
    }

    /// Reports whether the URL contains a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.parse().is_ok_and(|info| info.redis_settings().password().is_some())
    }

    /// Reads the URL. TLS is not part of the result.
    pub(super) fn parse(&self) -> Result<ConnectionInfo> {
        let invalid =
            |why: &dyn fmt::Display| Error::Unsuitable(format!("the Redis URL is not valid: {why}"));
        let info = match self.0.strip_prefix(TLS) {
            // `#insecure` is the usual request not to verify the certificate.
            Some(rest) if rest.contains('#') => {
                return Err(invalid(
                    &"certificates are always verified; remove the part from # on, and give --redis-ca",
                ));
            }
            Some(rest) => format!("redis://{rest}").into_connection_info(),
            None => self.0.as_str().into_connection_info(),
        };
        info.map_err(|error| invalid(&error))
    }
}

impl From<String> for RedisUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl From<&str> for RedisUrl {
    fn from(url: &str) -> Self {
        Self(url.to_owned())
    }
}

/// Writes the URL as it may be logged.
impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        // A password may contain any character, even if it makes the URL invalid.
        let (user, rest) = match rest.rsplit_once('@') {
            Some((_, rest)) if !scheme.contains("unix") => ("***@", rest),
            Some(_) | None => ("", rest),
        };
        let (place, query) = match rest.split_once('?') {
            Some((place, _)) => (place, "?***"),
            None => (rest, ""),
        };
        let separator = if scheme.is_empty() { "" } else { "://" };
        write!(f, "{scheme}{separator}{user}{place}{query}")
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        for (url, shown) in [
            ("redis://host/0", "redis://host/0"),
            ("redis://me:secret@host:6379/0", "redis://***@host:6379/0"),
            ("rediss://me:secret@host:6379/0", "rediss://***@host:6379/0"),
            ("redis://:sec/ret@host:6379", "redis://***@host:6379"),
            ("redis://:sec?ret@host:6379", "redis://***@host:6379"),
            ("redis://:secret@1@host:6379", "redis://***@host:6379"),
            ("unix:///run/redis.sock", "unix:///run/redis.sock"),
            ("unix:///run/redis.sock?user=me&pass=secret", "unix:///run/redis.sock?***"),
            ("me:secret@host", "***@host"),
        ] {
            let url = RedisUrl::from(url);
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("{shown:?}"));
        }
    }

    #[test]
    fn user_and_password_are_found_in_every_kind_of_url() {
        for (url, user, password) in [
            ("redis://host", false, false),
            ("redis://:secret@host", false, true),
            ("rediss://me:secret@host:6380/1", true, true),
            ("unix:///run/redis.sock", false, false),
            ("unix:///run/redis.sock?user=me&pass=secret", true, true),
        ] {
            let url = RedisUrl::from(url);
            assert_eq!((url.has_user(), url.has_password()), (user, password), "{url}");
        }
        assert!(RedisUrl::from("rediss://host/#insecure").parse().is_err());
    }

    #[test]
    fn loopback_addresses_and_sockets_are_local() {
        let is_local = |url: &str| RedisUrl::from(url).is_local();
        for local in [
            "redis://localhost",
            "redis://127.0.0.1:7000/1",
            "rediss://me:secret@[::1]:6380",
            "unix:///run/redis.sock",
        ] {
            assert!(is_local(local), "{local}");
        }
        assert!(
            !is_local("redis://10.0.0.1") && !is_local("redis://redis.internal") && !is_local("nonsense")
        );
    }
}
