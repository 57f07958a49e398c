//! Flags and environment, checked and merged into one [`Config`].
//!
//! Every flag has a variable of its name: `--listen` is `FRAMEWAY_LISTEN`. A flag wins over its variable.

mod limits;
mod listen;
mod log;
mod queue;
mod server;
mod size;
mod worker;

use std::fmt;

pub use limits::{LimitArgs, Limits};
pub use listen::Listen;
pub use log::{LogArgs, LogFormat};
pub use queue::{QueueArgs, QueueConfig};
pub use server::{Role, ServerArgs};
pub use size::ByteSize;
pub use worker::WorkerArgs;

use crate::domain::ValidationError;

/// The flags of `frameway serve`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where and how the server listens.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Where frames are queued.
    #[command(flatten)]
    pub queue: QueueArgs,
    /// How frames are processed.
    #[command(flatten)]
    pub worker: WorkerArgs,
    /// What a request may ask for.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// What is logged.
    #[command(flatten)]
    pub log: LogArgs,
}

/// A configuration that fits together.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where and how the server listens.
    pub server: ServerArgs,
    /// Where frames are queued.
    pub queue: QueueConfig,
    /// How frames are processed.
    pub worker: WorkerArgs,
    /// What a request may ask for.
    pub limits: Limits,
    /// What is logged.
    pub log: LogArgs,
}

impl Config {
    /// The flags with which a worker process works as this configuration says; not the Redis URL, which may be secret.
    #[must_use]
    pub fn worker_arguments(&self) -> Vec<(String, String)> {
        let Self { server, queue, worker, limits, log } = self;
        let log_format = match log.log_format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
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
        .map(|(flag, value)| (flag.to_owned(), value))
        .into()
    }
}

impl TryFrom<Args> for Config {
    type Error = ValidationError;

    fn try_from(args: Args) -> Result<Self, ValidationError> {
        let Args { server, queue, worker, limits, log } = args;
        let limits = limits.check()?;
        let queue = queue.check(limits.max_picture_bytes as u64)?;
        if server.role == Role::Worker && queue.redis_url.is_none() {
            return Err(ValidationError::new(
                "--role",
                "worker needs --redis-url: a queue in memory has its worker in its own process",
            ));
        }
        if server.role == Role::Api && queue.redis_url.is_none() {
            return Err(ValidationError::new(
                "--role",
                "api needs --redis-url: no worker could reach a queue in this process's memory",
            ));
        }
        let server = server.check()?;
        Ok(Self { server, queue, worker: worker.check()?, limits, log })
    }
}

impl Default for Config {
    /// What `frameway serve` does without flags and environment.
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

/// One `name = value` a line, for `--check`. A password in the Redis URL is not shown.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, queue, worker, limits, log } = self;
        writeln!(f, "listen = {}", server.listen)?;
        writeln!(f, "role = {:?}", server.role)?;
        writeln!(f, "drain_timeout = {}", humantime::format_duration(server.drain_timeout))?;
        writeln!(f, "max_connections = {}", server.max_connections)?;
        writeln!(f, "handshake_timeout = {}", humantime::format_duration(server.handshake_timeout))?;
        let age = server.max_connection_age.map(|age| humantime::format_duration(age).to_string());
        writeln!(f, "max_connection_age = {}", age.unwrap_or_else(|| "none".to_owned()))?;
        let grace = humantime::format_duration(server.max_connection_age_grace);
        writeln!(f, "max_connection_age_grace = {grace}")?;
        writeln!(f, "max_subscriptions = {}", server.max_subscriptions)?;
        writeln!(f, "max_concurrent_submits = {}", server.max_concurrent_submits)?;
        writeln!(f, "rendition_threads = {}", server.rendition_threads())?;
        writeln!(f, "auto_register = {}", server.auto_register)?;
        let backend = queue.redis_url.as_deref().map_or_else(|| "memory".to_owned(), without_password);
        writeln!(f, "queue = {backend}")?;
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
        writeln!(f, "log = {} ({:?})", log.log, log.log_format)
    }
}

/// The URL as it may be logged: without user and password.
#[must_use]
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}{path}"),
        None => url.to_owned(),
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
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.queue.partitions.count(), 32);
        let budget = config.queue.budget;
        assert_eq!(budget.store_bytes, 2 << 30);
        assert!(budget.work_bytes < budget.store_bytes && budget.output_bytes < budget.store_bytes);
        assert!(config.to_string().contains("queue = memory"));
    }

    #[test]
    fn names_the_flag_that_is_wrong() {
        for (flags, flag) in [
            (&["--partitions", "7"][..], "--partitions"),
            (&["--memory-budget", "64MiB"], "--memory-budget"),
            (&["--max-message-bytes", "1MiB"], "--max-message-bytes"),
            (&["--redis-url", "localhost"], "--redis-url"),
            (&["--role", "worker"], "--role"),
            (&["--role", "api"], "--role"),
            (&["--lease-term", "1ms"], "--lease-term"),
            (&["--max-streams", "0"], "--max-streams"),
            (&["--max-pixels", "0"], "--max-pixels"),
            (&["--handshake-timeout", "0s"], "--handshake-timeout"),
            (&["--max-connection-age", "100ms"], "--max-connection-age"),
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
        ];
        let parent = config(&flags).unwrap();
        let arguments = parent.worker_arguments();
        let arguments: Vec<String> =
            arguments.iter().map(|(flag, value)| format!("{flag}={value}")).collect();
        let child = config(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        assert_eq!(child.to_string(), parent.to_string());
    }

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(without_password("redis://me:secret@host:6379/0"), "redis://***@host:6379/0");
        assert_eq!(without_password("redis://host/0"), "redis://host/0");
    }
}
