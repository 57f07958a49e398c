//! The configuration of a server: flags, environment, files and presets, checked and merged into one
//! [`Config`].
//!
//! Every setting is a flag that [`Args`] defines: its name, help, default and range. All other names
//! follow from the flag. `--max-side` is the variable `FRAMEWAY_MAX_SIDE`, and the key `max_side` in
//! the table of the file that is named after the flag's help heading. So a new flag can be set
//! everywhere.

mod access;
mod bounded;
mod file;
mod layers;
mod limits;
mod listen;
mod log;
mod log_filter;
mod metrics;
mod preset;
mod problem;
mod queue;
mod redis_args;
mod reference;
mod server;
mod settings;
mod size;
mod streams;
mod tls;
mod traces;
mod worker;

use clap::FromArgMatches as _;
use serde::{Deserialize, Serialize};

pub use access::AccessArgs;
pub(crate) use layers::Effective;
pub use layers::{Given, Loaded, Source};
pub use limits::LimitArgs;
pub use listen::Listen;
pub use log::{LogArgs, LogFormat};
pub use metrics::{MetricsArgs, MetricsListen};
pub use preset::Preset;
pub(crate) use problem::nearest;
pub use problem::{Problem, Problems};
pub use queue::{Backend, QueueArgs, QueueConfig};
pub use redis_args::{RedisArgs, RedisSettings};
pub(crate) use reference::{page, template, toml_value};
pub use server::{Role, ServerArgs};
pub(crate) use settings::Setting;
pub use size::ByteSize;
pub use streams::{StreamArgs, ThumbnailSide};
pub use tls::{TlsArgs, TlsSettings};
pub use traces::TraceArgs;
pub use worker::WorkerArgs;

use crate::domain::ValidationError;
use crate::domain::limits::RequestLimits;
pub use crate::queue::redis::{Namespace, RedisUrl};

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
    /// The defaults of streams.
    #[command(flatten)]
    pub streams: StreamArgs,
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

/// A checked configuration. The process of a worker gets it from the server that starts it
/// ([`Config::to_child`]).
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    /// The defaults of streams.
    pub streams: StreamArgs,
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
    /// Checks whether settings fit together.
    ///
    /// # Errors
    /// Returns at least one error for each part of the configuration that cannot be used.
    pub fn check(args: Args) -> Result<Self, Vec<ValidationError>> {
        let Args { server, tls, access, queue, worker, streams, limits, metrics, log, traces } = args;
        let mut errors = Vec::new();
        let max_picture_bytes = limits.max_picture_bytes.0;
        let limits = keep(limits.check(), &mut errors);
        let queue = keep(queue.check(max_picture_bytes), &mut errors);
        let rule = match (server.role, queue.as_ref().map(|queue| &queue.backend)) {
            (Role::Worker, Some(Backend::Memory)) => {
                Some("worker needs --redis-url: no other process can reach the embedded queue of a server")
            }
            (Role::Api, Some(Backend::Memory)) => {
                Some("api needs --redis-url: no worker can reach the embedded queue of this process")
            }
            (Role::All, _) | (_, Some(Backend::Redis(_)) | None) => None,
        };
        errors.extend(rule.map(|rule| ValidationError::new("--role", rule)));
        let server = keep(server.check(), &mut errors);
        let (tls, access) = match &server {
            Some(ServerArgs { role: Role::All | Role::Api, listen, .. }) => {
                let tls = keep(tls.check(listen), &mut errors);
                let has_tls = !matches!(tls, Some(None));
                (tls, keep(access.check(listen, has_tls), &mut errors))
            }
            // A worker does not listen. The flags may be in an environment that it shares with a
            // server.
            Some(_) | None => (Some(None), Some(access)),
        };
        if let (Some(server), Some(access)) = (&server, &access) {
            errors.extend(access.check_origins(&server.web_origin).err());
        }
        let worker = keep(worker.check(), &mut errors);
        let log = keep(log.check(), &mut errors);
        let traces = keep(traces.check(), &mut errors);
        let checked = (server, access, tls, queue, worker, limits, (log, traces));
        let (
            Some(server),
            Some(access),
            Some(tls),
            Some(queue),
            Some(worker),
            Some(limits),
            (Some(log), Some(traces)),
        ) = checked
        else {
            return Err(errors);
        };
        match errors.is_empty() {
            true => Ok(Self { server, access, tls, queue, worker, streams, limits, metrics, log, traces }),
            false => Err(errors),
        }
    }

    /// Returns the values of settings whose defaults depend on the machine or on other settings, by
    /// their keys.
    fn computed(&self) -> [(&'static str, String); 4] {
        let metrics = self.metrics.address(&self.server.listen).map(|address| address.to_string());
        [
            ("metrics_listen", metrics.unwrap_or_else(|| "none".to_owned())),
            ("max_connections_per_address", self.server.max_connections_per_address().to_string()),
            ("rendition_threads", self.server.rendition_threads().to_string()),
            ("worker_threads", self.worker.threads().to_string()),
        ]
    }

    /// Returns this configuration as one line of text for a process that this one starts. The text
    /// contains secrets.
    ///
    /// # Errors
    /// Fails if a path is not UTF-8.
    pub fn to_child(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Reads the line of [`Config::to_child`].
    ///
    /// # Errors
    /// Fails if another version of the program wrote the line.
    pub fn from_parent(line: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line)
    }
}

/// Returns the value, or keeps its error.
fn keep<T>(result: Result<T, ValidationError>, errors: &mut Vec<ValidationError>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}

impl Default for Config {
    /// Returns the configuration of `frameway serve` without flags and environment.
    fn default() -> Self {
        settings::command()
            .try_get_matches_from([""; 0])
            .and_then(|matches| Args::from_arg_matches(&matches))
            .ok()
            .and_then(|args| Self::check(args).ok())
            .expect("defaults are checked by a test")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::StreamPolicies;

    fn args(flags: &[String]) -> Args {
        let matches = settings::command().try_get_matches_from(flags);
        matches.and_then(|matches| Args::from_arg_matches(&matches)).unwrap_or_else(|error| panic!("{error}"))
    }

    fn config(flags: &[&str]) -> Result<Config, Vec<ValidationError>> {
        Config::check(args(&flags.iter().map(|&flag| flag.to_owned()).collect::<Vec<_>>()))
    }

    #[test]
    fn defaults_fit_together() {
        let config = Config::default();
        assert_eq!(config.limits, RequestLimits::default());
        assert_eq!(config.streams.policies(), StreamPolicies::default());
        assert_eq!(config.queue.partitions.count(), 32);
        let budget = config.queue.budget;
        assert_eq!(budget.store_bytes, 2 << 30);
        assert!(budget.work_bytes < budget.store_bytes && budget.output_bytes < budget.store_bytes);
        assert_eq!(config.queue.backend, Backend::Memory);
    }

    #[test]
    fn an_error_names_the_wrong_flag() {
        for (flags, flag) in [
            (&["--partitions", "7"][..], "--partitions"),
            (&["--memory-budget", "64MiB"], "--memory-budget"),
            (&["--memory-budget", "256MiB", "--memory-split", "5/85/10"], "--memory-budget"),
            (&["--memory-budget", "256MiB", "--memory-split", "85/5/10"], "--memory-budget"),
            (&["--max-message-bytes", "1MiB"], "--max-message-bytes"),
            (&["--redis-url", "localhost"], "--redis-url"),
            (&["--listen", ":7400"], "--listen"),
            (&["--listen", "0.0.0.0:7400", "--access-file", "access.toml"], "--listen"),
            (&["--role", "worker"], "--role"),
            (&["--role", "api"], "--role"),
            (&["--lease-term", "1ms"], "--lease-term"),
            (&["--log", "=:="], "--log"),
            (&["--handshake-timeout", "0s"], "--handshake-timeout"),
            (&["--max-connection-age", "100ms"], "--max-connection-age"),
            (&["--web-origin", "*"], "--web-origin"),
            (&["--trace-sample", "1.5"], "--trace-sample"),
            (&["--trace-sample", "NaN"], "--trace-sample"),
            (&["--trace-collector", "localhost:4317"], "--trace-collector"),
            (&["--trace-collector", "http://"], "--trace-collector"),
        ] {
            let errors = config(flags).unwrap_err();
            assert_eq!(errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), [flag]);
        }
    }

    #[test]
    fn every_part_reports_its_errors_at_once() {
        let errors = config(&["--partitions=7", "--lease-term=1ms", "--log==:=", "--tls-key=k"]).unwrap_err();
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["--partitions", "--tls-key", "--lease-term", "--log"]);
    }

    #[test]
    fn a_worker_process_gets_the_same_configuration() {
        // Together, these set every field that can be set.
        let set: Vec<String> = Setting::all()
            .iter()
            .filter(|setting| !["--role", "--redis-url", "--listen"].contains(&setting.flag().as_str()))
            .flat_map(|setting| setting.words(&[setting.example().into()]))
            .map(|word| word.into_string().expect("text"))
            .chain(["--redis-url=rediss-sentinel://host/primary".to_owned()])
            .collect();
        let parent = Config::check(args(&set)).unwrap_or_else(|errors| panic!("{errors:?}"));
        let child = Config::from_parent(&parent.to_child().expect("text")).expect("the same version");
        assert_eq!(format!("{child:?}"), format!("{parent:?}"));
        let bare = Config::default();
        let child = Config::from_parent(&bare.to_child().expect("text")).expect("the same version");
        assert_eq!(format!("{child:?}"), format!("{bare:?}"));
    }

    #[test]
    fn a_worker_process_gets_the_secrets_too() {
        let parent = config(&["--redis-url=redis://me:secret@host"]).unwrap();
        let child = Config::from_parent(&parent.to_child().expect("text")).expect("the same version");
        assert_eq!(child.queue.backend, parent.queue.backend);
    }
}
