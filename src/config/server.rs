use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::Listen;
use crate::domain::ValidationError;

/// Shortest time for a handshake. Clients behind a slow path need some round trips.
const SHORTEST_HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(100);
/// Shortest maximum age of a connection. With less, clients would do little but connect.
const SHORTEST_CONNECTION_AGE: Duration = Duration::from_secs(1);
/// Calls on one connection beyond its subscriptions: submits, acks, queries and watches.
const CALLS_BESIDE_SUBSCRIPTIONS: u32 = 1024;
/// Calls of a server beyond its subscriptions and watches.
const CALLS_BESIDE_STREAMS: usize = 8192;

/// Which parts of Frameway a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// The API and a worker. With Redis the worker is a process of its own, started again when it dies.
    All,
    /// The API only; start workers elsewhere with `--role worker`.
    Api,
    /// A worker only; needs `--redis-url`.
    Worker,
}

/// Where and how the server listens.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerArgs {
    /// Where to listen, plaintext HTTP/2: an address or name and a port, a port alone for this machine only, :PORT for all
    /// interfaces (IPv6 and IPv4), or unix:/run/frameway.sock. Port 0 takes any free port (see --address-file).
    #[arg(long, env = "FRAMEWAY_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7400")]
    pub listen: Listen,

    /// Write the address that was bound to this file once the server is SERVING. For scripts that use port 0.
    #[arg(long, env = "FRAMEWAY_ADDRESS_FILE", value_name = "FILE")]
    pub address_file: Option<PathBuf>,

    /// What this process does.
    #[arg(long, env = "FRAMEWAY_ROLE", value_enum, default_value = "all")]
    pub role: Role,

    /// How long a stopping server waits for calls, streams and workers to end before it cuts them off.
    #[arg(long, env = "FRAMEWAY_DRAIN_TIMEOUT", value_name = "TIME", default_value = "20s",
          value_parser = humantime::parse_duration)]
    pub drain_timeout: Duration,

    /// Most connections at a time; further ones wait in the listen queue.
    #[arg(long, env = "FRAMEWAY_MAX_CONNECTIONS", value_name = "N", default_value_t = 1024,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_connections: u32,

    /// How long a new connection may take to complete the HTTP/2 handshake before it is closed.
    #[arg(long, env = "FRAMEWAY_HANDSHAKE_TIMEOUT", value_name = "TIME", default_value = "10s",
          value_parser = humantime::parse_duration)]
    pub handshake_timeout: Duration,

    /// After this time, give or take a tenth, a connection takes no new calls: clients open another one, on another server if a
    /// balancer says so. Unset: connections stay as long as their clients like.
    #[arg(long, env = "FRAMEWAY_MAX_CONNECTION_AGE", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub max_connection_age: Option<Duration>,

    /// How long calls may go on on a connection that has reached its maximum age, before they are told to end (subscriptions
    /// with their cursors).
    #[arg(long, env = "FRAMEWAY_MAX_CONNECTION_AGE_GRACE", value_name = "TIME", default_value = "60s",
          value_parser = humantime::parse_duration)]
    pub max_connection_age_grace: Duration,

    /// Most subscriptions at a time on this server; further ones are refused with RESOURCE_EXHAUSTED.
    #[arg(long, env = "FRAMEWAY_MAX_SUBSCRIPTIONS", value_name = "N", default_value_t = 4096,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_subscriptions: u32,

    /// Most submit calls that are worked on at a time; further ones wait. Each may hold a whole message in memory.
    #[arg(long, env = "FRAMEWAY_MAX_CONCURRENT_SUBMITS", value_name = "N", default_value_t = 64,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub max_concurrent_submits: u32,

    /// Threads that make renditions: pictures in a format, size or quality that a subscriber asks for. 0 makes none. Default: a
    /// quarter of the cores, at least one.
    #[arg(long, env = "FRAMEWAY_RENDITION_THREADS", value_name = "N",
          value_parser = clap::value_parser!(u16).range(0..=1024))]
    pub rendition_threads: Option<u16>,

    /// Register a stream by itself when its first frame comes, with the default settings: no privacy masks. Not for streams
    /// that need masks: the embedded queue forgets them when the server ends. Off: frames of unknown streams are rejected.
    #[arg(long, env = "FRAMEWAY_AUTO_REGISTER")]
    pub auto_register: bool,

    /// With --auto-register: most streams that this server registers by their first frame.
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

    /// How many calls one connection may have at a time. Further ones wait at the client, without a word: subscriptions
    /// alone never come so far, since they are refused before.
    #[must_use]
    pub fn max_calls_per_connection(&self) -> u32 {
        self.max_subscriptions + CALLS_BESIDE_SUBSCRIPTIONS
    }

    /// How many calls the server may have at a time: as many watches as subscriptions, and others.
    #[must_use]
    pub fn max_calls(&self) -> usize {
        2 * self.max_subscriptions as usize + CALLS_BESIDE_STREAMS
    }

    /// How many threads make renditions.
    #[must_use]
    pub fn rendition_threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.rendition_threads.map_or_else(|| (cores() / 4).max(1), usize::from)
    }
}
