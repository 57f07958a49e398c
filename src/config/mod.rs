//! Flags and environment, checked and merged into one [`Config`].
//!
//! Every flag has an environment variable of its name: `--listen` is `FRAMEWAY_LISTEN`. A flag
//! overrides its variable.

mod access;
mod limits;
mod listen;
mod log;
mod log_filter;
mod metrics;
mod queue;
mod redis_args;
mod server;
mod size;
mod tls;
mod traces;
mod worker;

use std::fmt;

pub use access::AccessArgs;
pub use limits::LimitArgs;
pub use listen::Listen;
pub use log::{LogArgs, LogFormat};
pub use metrics::{MetricsArgs, MetricsListen};
pub use queue::{Backend, QueueArgs, QueueConfig};
pub use redis_args::{RedisArgs, RedisSettings};
pub use server::{Role, ServerArgs};
pub use size::ByteSize;
pub use tls::{TlsArgs, TlsSettings};
pub use traces::TraceArgs;
pub use worker::WorkerArgs;

use crate::domain::ValidationError;
use crate::domain::limits::RequestLimits;
pub use crate::queue::redis::RedisUrl;

/// The flags of `frameway serve`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The addresses and limits of the server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// The access of callers.
    #[command(flatten)]
    pub access: AccessArgs,
    /// The TLS of the server's port.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// The queue.
    #[command(flatten)]
    pub queue: QueueArgs,
    /// The worker.
    #[command(flatten)]
    pub worker: WorkerArgs,
    /// The limits of a request.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// The metrics.
    #[command(flatten)]
    pub metrics: MetricsArgs,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
    /// The traces of frames.
    #[command(flatten)]
    pub traces: TraceArgs,
}

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The flags of the server.
    pub server: ServerArgs,
    /// The access of callers.
    pub access: AccessArgs,
    /// The files of TLS; `None` if it is off.
    pub tls: Option<TlsSettings>,
    /// The configuration of the queue.
    pub queue: QueueConfig,
    /// The flags of the worker.
    pub worker: WorkerArgs,
    /// The limits of a request.
    pub limits: RequestLimits,
    /// The metrics.
    pub metrics: MetricsArgs,
    /// The log.
    pub log: LogArgs,
    /// The traces of frames.
    pub traces: TraceArgs,
}

impl Config {
    /// Returns the flags that give a worker process this configuration, except for the Redis URL,
    /// which may be secret.
    #[must_use]
    pub fn worker_arguments(&self) -> Vec<(String, String)> {
        // The supervisor says where its worker serves metrics.
        let Self { server, tls: _, access: _, queue, worker, limits, metrics: _, log, traces } = self;
        let log_format = match log.log_format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        let redis = match &queue.backend {
            Backend::Memory => Vec::new(),
            Backend::Redis(redis) => redis.arguments(),
        };
        [
            (
                "--drain-timeout",
                humantime::format_duration(server.drain_timeout).to_string().replace(' ', ""),
            ),
            ("--partitions", queue.partitions.count().to_string()),
            ("--memory-budget", queue.memory_budget.to_string()),
            ("--max-streams", queue.max_streams.to_string()),
            ("--worker-threads", worker.threads().to_string()),
            ("--lease-term", humantime::format_duration(worker.lease_term).to_string().replace(' ', "")),
            ("--max-picture-bytes", limits.max_picture_bytes.to_string()),
            ("--max-message-bytes", limits.max_message_bytes.to_string()),
            ("--max-pixels", limits.max_pixels.to_string()),
            ("--max-side", limits.max_side.to_string()),
            ("--log-format", log_format.to_owned()),
            ("--log", log.log.clone()),
        ]
        .into_iter()
        .chain(redis)
        .chain(traces.arguments())
        .chain(log.arguments())
        .map(|(flag, value)| (flag.to_owned(), value))
        .collect()
    }
}

impl TryFrom<Args> for Config {
    type Error = ValidationError;

    fn try_from(args: Args) -> Result<Self, ValidationError> {
        let Args { server, tls, access, queue, worker, limits, metrics, log, traces } = args;
        let traces = traces.check()?;
        let limits = limits.check()?;
        let queue = queue.check(limits.max_picture_bytes as u64)?;
        let rule = match (server.role, &queue.backend) {
            (Role::Worker, Backend::Memory) => {
                Some("worker needs --redis-url: no other process can reach the embedded queue of a server")
            }
            (Role::Api, Backend::Memory) => {
                Some("api needs --redis-url: no worker can reach the embedded queue of this process")
            }
            (Role::All, _) | (_, Backend::Redis(_)) => None,
        };
        if let Some(rule) = rule {
            return Err(ValidationError::new("--role", rule));
        }
        let server = server.check()?;
        let (tls, access) = match server.role {
            Role::All | Role::Api => {
                let tls = tls.check(&server.listen)?;
                let access = access.check(&server.listen, tls.is_some())?;
                (tls, access)
            }
            // It does not listen. The flags may be in an environment that it shares with a server.
            Role::Worker => (None, access),
        };
        Ok(Self { server, tls, access, queue, worker: worker.check()?, limits, metrics, log, traces })
    }
}

impl Default for Config {
    /// Returns the configuration of `frameway serve` without flags and environment.
    fn default() -> Self {
        #[derive(clap::Parser)]
        struct Defaults {
            #[command(flatten)]
            args: Args,
        }
        let bare = <Defaults as clap::CommandFactory>::command().mut_args(|arg| arg.env(None));
        bare.try_get_matches_from(["frameway"])
            .and_then(|matches| <Defaults as clap::FromArgMatches>::from_arg_matches(&matches))
            .ok()
            .and_then(|defaults| Self::try_from(defaults.args).ok())
            .expect("defaults are checked by a test")
    }
}

/// Writes one `name = value` per line, for `--check`. A password in the Redis URL is not shown.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, tls, access, queue, worker, limits, metrics, log, traces } = self;
        writeln!(f, "listen = {}", server.listen)?;
        match tls {
            Some(tls) => write!(f, "{tls}")?,
            None => writeln!(f, "tls_cert = none")?,
        }
        let file = access.access_file.as_ref().map(|file| file.display().to_string());
        writeln!(f, "access_file = {}", file.unwrap_or_else(|| "none".to_owned()))?;
        writeln!(f, "private_reflection = {}", access.private_reflection)?;
        writeln!(f, "insecure = {}", access.insecure)?;
        writeln!(f, "role = {:?}", server.role)?;
        writeln!(f, "drain_timeout = {}", humantime::format_duration(server.drain_timeout))?;
        writeln!(f, "max_connections = {}", server.max_connections)?;
        writeln!(f, "max_connections_per_address = {}", server.max_connections_per_address())?;
        writeln!(f, "handshake_timeout = {}", humantime::format_duration(server.handshake_timeout))?;
        let age = server.max_connection_age.map(|age| humantime::format_duration(age).to_string());
        writeln!(f, "max_connection_age = {}", age.unwrap_or_else(|| "none".to_owned()))?;
        let grace = humantime::format_duration(server.max_connection_age_grace);
        writeln!(f, "max_connection_age_grace = {grace}")?;
        writeln!(f, "max_subscriptions = {}", server.max_subscriptions)?;
        writeln!(f, "max_concurrent_submits = {}", server.max_concurrent_submits)?;
        writeln!(f, "rendition_threads = {}", server.rendition_threads())?;
        writeln!(f, "auto_register = {}", server.auto_register)?;
        writeln!(f, "queue = {}", queue.backend)?;
        if let Backend::Redis(redis) = &queue.backend {
            for (flag, value) in redis.arguments() {
                writeln!(f, "{} = {value}", flag.trim_start_matches('-').replace('-', "_"))?;
            }
        }
        writeln!(f, "partitions = {}", queue.partitions.count())?;
        writeln!(f, "work_budget_per_partition = {}", ByteSize(queue.budget.work_bytes))?;
        writeln!(f, "output_budget_per_partition = {}", ByteSize(queue.budget.output_bytes))?;
        writeln!(f, "max_streams = {}", queue.max_streams)?;
        writeln!(f, "worker_threads = {}", worker.threads())?;
        writeln!(f, "lease_term = {}", humantime::format_duration(worker.lease_term))?;
        writeln!(f, "max_picture_bytes = {}", ByteSize(limits.max_picture_bytes as u64))?;
        writeln!(f, "max_message_bytes = {}", ByteSize(limits.max_message_bytes as u64))?;
        writeln!(f, "max_batch_frames = {}", limits.max_batch_frames)?;
        writeln!(f, "max_pixels = {}", limits.max_pixels)?;
        writeln!(f, "max_side = {}", limits.max_side)?;
        let address = metrics.address(&server.listen).map(|address| address.to_string());
        writeln!(f, "metrics_listen = {}", address.unwrap_or_else(|| "none".to_owned()))?;
        writeln!(f, "metrics_per_stream = {}", metrics.metrics_per_stream)?;
        if let Some(collector) = &traces.trace_collector {
            writeln!(f, "trace_collector = {collector}")?;
            writeln!(f, "trace_sample = {}", traces.trace_sample)?;
        }
        if let Some(file) = &log.log_filter_file {
            writeln!(f, "log_filter_file = {}", file.display())?;
        }
        writeln!(f, "log = {} ({:?})", log.log, log.log_format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn config(flags: &[&str]) -> Result<Config, ValidationError> {
        let flags = ["frameway"].iter().chain(flags);
        Config::try_from(<Command as clap::Parser>::parse_from(flags).args)
    }

    #[test]
    fn defaults_fit_together() {
        let config = Config::default();
        assert_eq!(config.limits, RequestLimits::default());
        assert_eq!(config.queue.partitions.count(), 32);
        let budget = config.queue.budget;
        assert_eq!(budget.store_bytes, 2 << 30);
        assert!(budget.work_bytes < budget.store_bytes && budget.output_bytes < budget.store_bytes);
        assert!(config.to_string().contains("queue = memory"));
    }

    #[test]
    fn an_error_names_the_wrong_flag() {
        for (flags, flag) in [
            (&["--partitions", "7"][..], "--partitions"),
            (&["--memory-budget", "64MiB"], "--memory-budget"),
            (&["--max-message-bytes", "1MiB"], "--max-message-bytes"),
            (&["--redis-url", "localhost"], "--redis-url"),
            (&["--listen", ":7400"], "--listen"),
            (&["--listen", "0.0.0.0:7400", "--access-file", "access.toml"], "--listen"),
            (&["--role", "worker"], "--role"),
            (&["--role", "api"], "--role"),
            (&["--lease-term", "1ms"], "--lease-term"),
            (&["--max-streams", "0"], "--max-streams"),
            (&["--max-pixels", "0"], "--max-pixels"),
            (&["--handshake-timeout", "0s"], "--handshake-timeout"),
            (&["--max-connection-age", "100ms"], "--max-connection-age"),
            (&["--trace-sample", "1.5"], "--trace-sample"),
            (&["--trace-sample", "NaN"], "--trace-sample"),
            (&["--trace-collector", "localhost:4317"], "--trace-collector"),
            (&["--trace-collector", "http://"], "--trace-collector"),
        ] {
            assert_eq!(config(flags).map_err(|e| e.field).err().as_deref(), Some(flag));
        }
    }

    #[test]
    fn a_worker_process_gets_the_same_configuration() {
        let flags = [
            "--drain-timeout",
            "90s",
            "--memory-budget",
            "3GiB",
            "--worker-threads",
            "3",
            "--lease-term",
            "1500ms",
            "--trace-collector",
            "http://localhost:4317",
            "--trace-sample",
            "0.125",
            "--log-filter-file",
            "/run/filter",
        ];
        let parent = config(&flags).unwrap();
        let arguments = parent.worker_arguments();
        let arguments: Vec<String> =
            arguments.iter().map(|(flag, value)| format!("{flag}={value}")).collect();
        let child = config(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        assert_eq!(child.to_string(), parent.to_string());
    }
}
