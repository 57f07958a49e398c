use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::Listen;
use crate::domain::{AllowedOrigin, ValidationError};

/// The minimum time for a handshake. Clients on a slow path need some round trips.
const SHORTEST_HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(100);
/// The minimum value of the maximum age of connections. With a lower one, clients would spend
/// most of their time connecting.
const SHORTEST_CONNECTION_AGE: Duration = Duration::from_secs(1);
/// The number of calls on one connection in addition to its subscriptions: submits, acks, queries
/// and watches.
const CALLS_BESIDE_SUBSCRIPTIONS: u32 = 1024;
/// The number of calls of a server in addition to its subscriptions and watches.
const CALLS_BESIDE_STREAMS: usize = 8192;

/// The parts of Frameway that a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Role {
    /// The API and a worker. With Redis, the worker is a process of its own that is restarted when
    /// it exits.
    All,
    /// The API only; start workers elsewhere with `--role worker`.
    Api,
    /// A worker only; needs `--redis-url`.
    Worker,
}

/// The addresses and limits of the server.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Server")]
pub struct ServerArgs {
    /// Address to listen on, for gRPC and gRPC-Web in plaintext or over TLS (see --tls-cert): an
    /// address or name and a port, a port alone for this machine only, :PORT for all interfaces (IPv6 and IPv4), or
    /// unix:/run/frameway.sock. Port 0 takes any free port (see --address-file).
    #[arg(long, env = "FRAMEWAY_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7400")]
    pub listen: Listen,

    /// Write the address that was bound to this file once the server is SERVING: ADDRESS:PORT, or
    /// https://ADDRESS:PORT with TLS. For scripts that use port 0.
    #[arg(long, env = "FRAMEWAY_ADDRESS_FILE", value_name = "FILE")]
    pub address_file: Option<PathBuf>,

    /// Parts that this process runs.
    #[arg(long, env = "FRAMEWAY_ROLE", value_enum, default_value = "all")]
    pub role: Role,

    /// Time that a stopping server waits for calls, streams and workers to end before it closes
    /// their connections.
    #[arg(long, env = "FRAMEWAY_DRAIN_TIMEOUT", value_name = "TIME", default_value = "20s",
          value_parser = humantime::parse_duration)]
    pub drain_timeout: Duration,

    /// Maximum connections; further ones wait in the listen queue.
    #[arg(long, env = "FRAMEWAY_MAX_CONNECTIONS", value_name = "N", default_value_t = 1024,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_connections: u32,

    /// Maximum connections from one IP address (from one /64 network with IPv6); further ones are
    /// closed at once. Raise it for a proxy that opens many connections. Default: half of
    /// --max-connections.
    #[arg(long, env = "FRAMEWAY_MAX_CONNECTIONS_PER_ADDRESS", value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_connections_per_address: Option<u32>,

    /// Time that a new connection has to complete the handshakes of TLS and HTTP/2, or to send its
    /// first HTTP/1 request, before it is closed.
    #[arg(long, env = "FRAMEWAY_HANDSHAKE_TIMEOUT", value_name = "TIME", default_value = "10s",
          value_parser = humantime::parse_duration)]
    pub handshake_timeout: Duration,

    /// Age, plus or minus a tenth, after which a connection accepts no new calls: clients open
    /// another one, on another server if a load balancer decides so. Unset: no maximum age.
    #[arg(long, env = "FRAMEWAY_MAX_CONNECTION_AGE", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub max_connection_age: Option<Duration>,

    /// Time that calls may continue after their connection reached its maximum age. Then they end;
    /// subscriptions return their cursors.
    #[arg(long, env = "FRAMEWAY_MAX_CONNECTION_AGE_GRACE", value_name = "TIME", default_value = "60s",
          value_parser = humantime::parse_duration)]
    pub max_connection_age_grace: Duration,

    /// Origin of web pages that may call this server from browsers, for example
    /// `https://wall.example`; may be given several times. Pages of this server's own address always
    /// may. `*` allows all pages and needs --access-file. Requests of other pages are refused.
    #[arg(long, env = "FRAMEWAY_WEB_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub web_origin: Vec<AllowedOrigin>,

    /// Maximum subscriptions on this server; further ones are refused with RESOURCE_EXHAUSTED.
    #[arg(long, env = "FRAMEWAY_MAX_SUBSCRIPTIONS", value_name = "N", default_value_t = 4096,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_subscriptions: u32,

    /// Maximum submit calls processed at a time; further ones wait. Each may have a whole message
    /// in memory.
    #[arg(long, env = "FRAMEWAY_MAX_CONCURRENT_SUBMITS", value_name = "N", default_value_t = 64,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub max_concurrent_submits: u32,

    /// Threads that make renditions: pictures in a format, size or quality that a subscriber
    /// requests. With 0, none are made. Default: a quarter of the cores, at least one.
    #[arg(long, env = "FRAMEWAY_RENDITION_THREADS", value_name = "N",
          value_parser = clap::value_parser!(u16).range(0..=1024))]
    pub rendition_threads: Option<u16>,

    /// Register a stream when its first frame arrives, with the default settings, which have no
    /// privacy masks. Do not use this for streams that need masks: the embedded queue forgets the
    /// masks when the server stops. Without this flag, frames of unknown streams are rejected.
    #[arg(long, env = "FRAMEWAY_AUTO_REGISTER")]
    pub auto_register: bool,

    /// With --auto-register: maximum number of streams that this server registers by their first
    /// frame.
    #[arg(long, env = "FRAMEWAY_MAX_AUTO_REGISTERED_STREAMS", value_name = "N", default_value_t = 1000)]
    pub max_auto_registered_streams: usize,
}

impl ServerArgs {
    pub(super) fn check(self) -> Result<Self, ValidationError> {
        if self.handshake_timeout < SHORTEST_HANDSHAKE_TIMEOUT {
            let rule = format!("must be at least {}", humantime::format_duration(SHORTEST_HANDSHAKE_TIMEOUT));
            return Err(ValidationError::new("--handshake-timeout", rule));
        }
        if self.max_connection_age.is_some_and(|age| age < SHORTEST_CONNECTION_AGE) {
            let rule = format!("must be at least {}", humantime::format_duration(SHORTEST_CONNECTION_AGE));
            return Err(ValidationError::new("--max-connection-age", rule));
        }
        Ok(self)
    }

    /// Returns the maximum number of connections from one IP address.
    #[must_use]
    pub fn max_connections_per_address(&self) -> usize {
        self.max_connections_per_address.unwrap_or(self.max_connections.div_ceil(2)) as usize
    }

    /// Returns the maximum number of calls on one connection. Further ones wait in the client,
    /// which gets no error. Subscriptions alone never reach this number, since the server refuses
    /// further ones before.
    #[must_use]
    pub fn max_calls_per_connection(&self) -> u32 {
        self.max_subscriptions + CALLS_BESIDE_SUBSCRIPTIONS
    }

    /// Returns the maximum number of calls of the server: the maximum number of subscriptions, as
    /// many watches, and other calls.
    #[must_use]
    pub fn max_calls(&self) -> usize {
        2 * self.max_subscriptions as usize + CALLS_BESIDE_STREAMS
    }

    /// Returns the number of threads that make renditions.
    #[must_use]
    pub fn rendition_threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.rendition_threads.map_or_else(|| (cores() / 4).max(1), usize::from)
    }
}
