//! The URL of a Redis, which may contain a password.

use std::fmt;
use std::net::IpAddr;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use crate::queue::{Error, Result};

/// The scheme of a Redis behind TLS.
const TLS: &str = "rediss://";
/// The schemes of Sentinels, without and with TLS.
const SENTINEL: &str = "redis-sentinel://";
const SENTINEL_TLS: &str = "rediss-sentinel://";
const SENTINEL_PORT: u16 = 26_379;
/// The schemes of a cluster, without and with TLS.
const CLUSTER: &str = "redis-cluster://";
const CLUSTER_TLS: &str = "rediss-cluster://";
const REDIS_PORT: u16 = 6_379;
/// The maximum number of Sentinels, or of servers of a cluster, in a URL.
const MAX_HOSTS: usize = 16;
const SENTINEL_FORM: &str =
    "Sentinels are given as redis-sentinel://HOST[:PORT],HOST[:PORT],.../NAME, with the name of the primary";
const CLUSTER_FORM: &str =
    "a cluster is given as redis-cluster://HOST[:PORT],HOST[:PORT],..., with some of its servers";

/// A host and a port.
pub(super) type Address = (String, u16);

/// The parts of a URL.
pub(super) struct Parts {
    pub(super) place: Place,
    pub(super) database: i64,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

/// The place of a Redis.
pub(super) enum Place {
    /// This server.
    Server(ConnectionAddr),
    /// The primary that these Sentinels know under this name.
    Sentinels(Vec<Address>, String),
    /// A cluster that contains these servers.
    Cluster(Vec<Address>),
}

/// `redis://` or `rediss://` (TLS) `[user:password@]host:port[/db]`, or
/// `unix:///path[?db=N&user=NAME&pass=PASSWORD]`, or `redis-sentinel://` or `rediss-sentinel://`
/// `[user:password@]host[:port],host[:port],.../name[/db]`, or `redis-cluster://` or
/// `rediss-cluster://` `[user:password@]host[:port],host[:port],...`. It is shown without user and
/// password.
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
        [TLS, SENTINEL_TLS, CLUSTER_TLS].iter().any(|scheme| self.0.starts_with(scheme))
    }

    /// Reports whether the URL names Sentinels, which know the primary.
    #[must_use]
    pub fn is_sentinel(&self) -> bool {
        self.behind_sentinel_scheme().is_some()
    }

    /// Reports whether the URL names servers of a cluster.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        self.behind_cluster_scheme().is_some()
    }

    /// Reports whether the URL begins like the URL of a Redis.
    #[must_use]
    pub fn has_known_scheme(&self) -> bool {
        ["redis://", TLS, "unix://", "redis+unix://", SENTINEL, SENTINEL_TLS, CLUSTER, CLUSTER_TLS]
            .iter()
            .any(|scheme| self.0.starts_with(scheme))
    }

    /// Reports whether the address is on this machine: a Unix socket or a loopback address. The
    /// servers that Sentinels know are taken to be where the Sentinels are, and those of a cluster where
    /// the named ones are.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let is_loopback = |host: &str| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        };
        match self.parse().map(|parts| parts.place) {
            Ok(Place::Server(ConnectionAddr::Unix(_))) => true,
            Ok(Place::Server(ConnectionAddr::Tcp(host, _))) => is_loopback(&host),
            Ok(Place::Sentinels(all, _) | Place::Cluster(all)) => {
                all.iter().all(|(host, _)| is_loopback(host))
            }
            Ok(Place::Server(_)) | Err(_) => false,
        }
    }

    /// Reports whether the URL contains a user.
    #[must_use]
    pub fn has_user(&self) -> bool {
        self.parse().is_ok_and(|parts| parts.user.is_some())
    }

    /// Reports whether the URL contains a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.parse().is_ok_and(|parts| parts.password.is_some())
    }

    fn behind_sentinel_scheme(&self) -> Option<&str> {
        self.0.strip_prefix(SENTINEL).or_else(|| self.0.strip_prefix(SENTINEL_TLS))
    }

    fn behind_cluster_scheme(&self) -> Option<&str> {
        self.0.strip_prefix(CLUSTER).or_else(|| self.0.strip_prefix(CLUSTER_TLS))
    }

    /// Reads the URL. TLS is not part of the result.
    pub(super) fn parse(&self) -> Result<Parts> {
        let behind_list = self.behind_sentinel_scheme().or_else(|| self.behind_cluster_scheme());
        let rest = self.0.strip_prefix(TLS).or(behind_list);
        // `#insecure` is the usual request not to verify the certificate.
        if rest.is_some_and(|rest| rest.contains('#')) {
            return Err(invalid(
                &"certificates are always verified; remove the part from # on, and give --redis-ca",
            ));
        }
        if let Some(rest) = self.behind_sentinel_scheme() {
            return sentinels(rest);
        }
        if let Some(rest) = self.behind_cluster_scheme() {
            return cluster(rest);
        }
        let info = match rest {
            Some(rest) => format!("redis://{rest}").into_connection_info(),
            None => self.0.as_str().into_connection_info(),
        };
        let info = info.map_err(|error| invalid(&error))?;
        Ok(Parts::new(Place::Server(info.addr().clone()), &info))
    }
}

impl Parts {
    fn new(place: Place, info: &ConnectionInfo) -> Self {
        let settings = info.redis_settings();
        Self {
            place,
            database: settings.db(),
            user: settings.username().map(str::to_owned),
            password: settings.password().map(str::to_owned),
        }
    }
}

fn invalid(why: &dyn fmt::Display) -> Error {
    Error::Unsuitable(format!("the Redis URL is not valid: {why}"))
}

/// Reads the URL of Sentinels behind its scheme.
fn sentinels(rest: &str) -> Result<Parts> {
    let (login, rest) = split_login(rest);
    let Some((hosts, path)) = rest.split_once('/') else { return Err(invalid(&SENTINEL_FORM)) };
    let (name, database) = path.split_once('/').unwrap_or((path, "0"));
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(invalid(&SENTINEL_FORM));
    }
    let (all, info) = addresses(login, hosts, database, SENTINEL_PORT, &SENTINEL_FORM)?;
    Ok(Parts::new(Place::Sentinels(all, name.to_owned()), &info))
}

/// Reads the URL of a cluster behind its scheme.
fn cluster(rest: &str) -> Result<Parts> {
    let (login, rest) = split_login(rest);
    let (hosts, database) = rest.split_once('/').unwrap_or((rest, ""));
    if !matches!(database, "" | "0") {
        return Err(invalid(&format!(
            "a cluster has only database 0; remove /{database}, and give --namespace if several Frameways share the \
             cluster"
        )));
    }
    let (all, info) = addresses(login, hosts, "0", REDIS_PORT, &CLUSTER_FORM)?;
    Ok(Parts::new(Place::Cluster(all), &info))
}

/// Splits user and password off. A host contains no @, but a password may.
fn split_login(rest: &str) -> (&str, &str) {
    rest.rsplit_once('@').unwrap_or(("", rest))
}

/// Reads a list of hosts; also returns the settings of the connection to each.
fn addresses(
    login: &str,
    hosts: &str,
    database: &str,
    default_port: u16,
    form: &dyn fmt::Display,
) -> Result<(Vec<Address>, ConnectionInfo)> {
    let hosts: Vec<&str> = hosts.split(',').collect();
    if hosts.len() > MAX_HOSTS {
        return Err(invalid(&format!("it names {} servers; the maximum is {MAX_HOSTS}", hosts.len())));
    }
    let at = if login.is_empty() { "" } else { "@" };
    let mut parsed = Vec::with_capacity(hosts.len());
    for host in hosts {
        // The last colon of an address of IPv6 is before its closing bracket.
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let host = if has_port { host.to_owned() } else { format!("{host}:{default_port}") };
        let url = format!("redis://{login}{at}{host}/{database}");
        let info = url.into_connection_info().map_err(|error| invalid(&error))?;
        match info.addr() {
            ConnectionAddr::Tcp(host, port) if !host.is_empty() => parsed.push(((host.clone(), *port), info)),
            _ => return Err(invalid(form)),
        }
    }
    let (all, infos): (Vec<Address>, Vec<ConnectionInfo>) = parsed.into_iter().unzip();
    let first = infos.into_iter().next().ok_or_else(|| invalid(form))?;
    Ok((all, first))
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
            ("redis-sentinel://me:secret@a,b:1/fw", "redis-sentinel://***@a,b:1/fw"),
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
            ("redis-sentinel://a,b/fw", false, false),
            ("rediss-sentinel://me:s%2Fecret@a,b/fw/1", true, true),
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
            "redis-sentinel://127.0.0.1:1,localhost,[::1]:2/fw",
        ] {
            assert!(is_local(local), "{local}");
        }
        assert!(
            !is_local("redis://10.0.0.1") && !is_local("redis://redis.internal") && !is_local("nonsense")
        );
    }

    #[test]
    fn sentinels_are_read() {
        let parts = RedisUrl::from("rediss-sentinel://me:s%2Fecret@a,10.0.0.1:5,[::1]/my.fw-1/2").parse();
        let Ok(Parts { place: Place::Sentinels(all, name), database, user, password }) = parts else {
            panic!("these are Sentinels")
        };
        let all: Vec<String> = all.iter().map(|(host, port)| format!("{host} {port}")).collect();
        assert_eq!(all, ["a 26379", "10.0.0.1 5", "::1 26379"]);
        assert_eq!((name.as_str(), database), ("my.fw-1", 2));
        assert_eq!((user.as_deref(), password.as_deref()), (Some("me"), Some("s/ecret")));
        assert!(RedisUrl::from("rediss-sentinel://a/fw").is_tls());
        let many = format!("redis-sentinel://{}/fw", vec!["a"; MAX_HOSTS + 1].join(","));
        for invalid in [
            "redis-sentinel://a,b",
            "redis-sentinel://a,b/",
            "redis-sentinel:///fw",
            "redis-sentinel://a,,b/fw",
            "redis-sentinel://a:x/fw",
            "redis-sentinel://a/fw/x",
            "redis-sentinel://a/fw?db=1",
            "redis-sentinel://a/fw#insecure",
            &many,
        ] {
            assert!(RedisUrl::from(invalid).parse().is_err(), "{invalid}");
        }
    }

    #[test]
    fn servers_of_a_cluster_are_read() {
        let read = |url: &str| match RedisUrl::from(url).parse() {
            Ok(Parts { place: Place::Cluster(all), database: 0, user, .. }) => {
                let all: Vec<String> = all.iter().map(|(host, port)| format!("{host} {port}")).collect();
                (all.join(", "), user)
            }
            Ok(_) => panic!("{url} is a cluster"),
            Err(error) => (error.to_string(), None),
        };
        assert_eq!(read("redis-cluster://a,10.0.0.1:5/"), ("a 6379, 10.0.0.1 5".to_owned(), None));
        assert_eq!(
            read("rediss-cluster://me:s%2Fecret@[::1]:7/0"),
            ("::1 7".to_owned(), Some("me".to_owned()))
        );
        assert!(
            RedisUrl::from("rediss-cluster://a").is_tls() && RedisUrl::from("redis-cluster://a").is_cluster()
        );
        assert!(read("redis-cluster://a,b/1").0.contains("only database 0"));
        for invalid in [
            "redis-cluster://",
            "redis-cluster://a,,b",
            "redis-cluster://a:x",
            "rediss-cluster://a/#insecure",
        ] {
            assert!(RedisUrl::from(invalid).parse().is_err(), "{invalid}");
        }
    }
}
