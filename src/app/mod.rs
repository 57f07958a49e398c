//! The composition root: builds the parts, connects them, and stops them in order.

mod backend;
mod metrics;
mod otlp;
mod supervisor;
pub(crate) mod transport;
mod working;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::config::{Backend, Config, Role};
use crate::grpc::{BackendKind, Grpc, GrpcConfig, Observers};
use crate::hub::{Consumers, Hub, HubConfig};
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::shutdown::Tasks;
use crate::traces::Traces;
pub(crate) use backend::check as check_backend;
use metrics::{Exporter, Readings, WorkerSocket};
use supervisor::Supervisor;
pub(crate) use supervisor::{SUBCOMMAND as WORKER_SUBCOMMAND, configuration_from_parent};
pub use transport::BoundAddress;
use transport::{Ends, Listener, Reload, Settings, Tls};

/// The time that connections without calls have to close by themselves.
const IDLE_GRACE: Duration = Duration::from_secs(1);

/// A running server.
///
/// ```text
/// let app = App::start(config).await?;   // listens on app.address()
/// app.run(stop).await?;                  // serves until `stop`, then drains
/// ```
#[derive(Debug)]
pub struct App {
    address: BoundAddress,
    metrics_address: Option<BoundAddress>,
    drain_timeout: Duration,
    tasks: Tasks,
    queue: Arc<dyn Queue>,
    hub: Arc<Hub>,
    grpc: Arc<Grpc>,
    metrics: Arc<Metrics>,
    tokens: Tokens,
}

/// The tokens that end the parts of the server one after the other.
#[derive(Debug, Clone, Default)]
struct Tokens {
    /// Accept no new connections, and ask the open ones to close.
    stop_accepting: CancellationToken,
    /// Close the connections that are still open.
    cut_connections: CancellationToken,
    /// Stop the hub: nobody reads outputs any more.
    stop_hub: CancellationToken,
}

impl App {
    /// Listens, and starts all parts. The health service reports SERVING once the backend has
    /// answered.
    ///
    /// # Errors
    /// An address cannot be listened on, or the backend cannot be used with this configuration. A
    /// backend that is not available is no error.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let access = Arc::new(match &config.access.access_file {
            Some(file) => Access::by_file(file)?,
            None => Access::open(),
        });
        let tls = config.tls.as_ref().map(Tls::load).transpose()?;
        let listen = &config.server.listen;
        let listener = Listener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let address = listener.address().clone();
        let address = if tls.is_some() { address.with_tls() } else { address };
        let tasks = Tasks::new();
        let metrics = metrics::create(&config);
        if access.is_closed() {
            let (access, stopping, counters) =
                (Arc::clone(&access), tasks.stopping(), metrics.access.clone());
            tasks.spawn("access", async move { stopping.run_until_cancelled(access.follow(counters)).await });
        }
        let queue = backend::open(&config, &metrics.redis, &tasks).await?;
        let for_metrics = metrics::bind(&config).await?;
        let tokens = Tokens::default();
        let traces = otlp::start(&config.traces, "server", &tasks, tokens.stop_hub.clone())?;
        let max_subscriptions = config.server.max_subscriptions as usize;
        let hub = HubConfig {
            max_subscriptions,
            rendition_threads: config.server.rendition_threads(),
            picture_limits: working::picture_limits(&config.limits),
            metrics: metrics.hub.clone(),
            ..Default::default()
        };
        let hub = Hub::new(Arc::clone(&queue), hub);
        let consumers = Consumers::new(Arc::clone(&hub), tasks.clone());
        let (for_grpc, stopping) = (grpc_config(&config), tasks.stopping());
        let worker_socket = for_metrics.as_ref().and_then(|_| worker_socket(&config)).map(Arc::new);
        let readings = Readings {
            metrics: Arc::clone(&metrics),
            queue: Arc::clone(&queue),
            hub: Arc::clone(&hub),
            consumers: Arc::clone(&consumers),
            access: Arc::clone(&access),
            budget: config.queue.budget,
        };
        let exporter = Exporter::new(Arc::clone(&metrics), Some(readings), worker_socket.clone());
        let metrics_address = metrics::start(&tasks, for_metrics, exporter, tokens.stop_hub.clone());
        let parts = (Arc::clone(&queue), Arc::clone(&hub));
        let observed = Observers { metrics: Arc::clone(&metrics), traces: traces.clone() };
        let grpc = Grpc::new(for_grpc, access, parts.0, parts.1, consumers, observed, stopping).await;
        let app = Self {
            address: address.clone(),
            metrics_address,
            drain_timeout: config.server.drain_timeout,
            tasks,
            queue,
            hub,
            grpc: Arc::new(grpc),
            metrics,
            tokens,
        };
        app.start_tasks(&config, listener, tls, worker_socket, traces)?;
        tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");
        if config.access.is_exposed(&config.server.listen, config.tls.is_some()) {
            tracing::warn!(
                "INSECURE: other machines can reach this server, and callers are not authenticated or \
                 connections are not encrypted (--insecure)"
            );
        }
        Ok(app)
    }

    fn start_tasks(
        &self,
        config: &Config,
        listener: Listener,
        tls: Option<(Arc<Tls>, Reload)>,
        worker_socket: Option<Arc<WorkerSocket>>,
        traces: Traces,
    ) -> anyhow::Result<()> {
        let tasks = &self.tasks;
        tasks.spawn_vital("hub", Arc::clone(&self.hub).run(self.tokens.stop_hub.clone()));
        let heartbeat = backend::heartbeat(Arc::clone(&self.queue), self.tokens.stop_hub.clone());
        tasks.spawn("heartbeat", heartbeat);
        tasks.spawn("health", Arc::clone(&self.grpc).watch_backend(tasks.stopping()));
        match (config.server.role, &config.queue.backend) {
            (Role::All, Backend::Memory) => {
                let observers = (self.metrics.worker.clone(), traces);
                let worker = working::run(Arc::clone(&self.queue), config, observers, tasks.stopping())?;
                tasks.spawn_vital("worker", worker);
            }
            (Role::All, Backend::Redis(_)) => {
                let supervisor = Supervisor::new(config, Arc::clone(&self.queue), worker_socket)?;
                tasks.spawn_vital("supervisor", supervisor.run(tasks.stopping()));
            }
            (Role::Api | Role::Worker, _) => {}
        }
        let ends = Ends {
            stop_accepting: self.tokens.stop_accepting.clone(),
            end_calls: self.grpc.drain_streams.clone(),
            cut: self.tokens.cut_connections.clone(),
        };
        let tls = tls.map(|(tls, reload)| {
            tasks.spawn("tls", reload.run(self.metrics.access.clone(), tasks.stopping()));
            tls
        });
        let settings = Settings::new(&config.server, tls, self.metrics.rpc.clone());
        let service = self.grpc.service(&config.server.web_origin);
        tasks.spawn_vital("server", transport::serve(listener, service, settings, ends));
        if let Some(file) = config.server.address_file.clone() {
            let (grpc, address, stopping) = (Arc::clone(&self.grpc), self.address.clone(), tasks.stopping());
            let failing = tasks.clone();
            tasks.spawn("address-file", async move {
                if stopping.run_until_cancelled(grpc.wait_until_serving()).await.is_some()
                    && let Err(error) = write_address(&file, &address)
                {
                    tracing::error!(file = %file.display(), %error, "cannot write the address file");
                    failing.fail("address-file");
                }
            });
        }
        Ok(())
    }

    /// Returns the address that the server listens on.
    #[must_use]
    pub fn address(&self) -> &BoundAddress {
        &self.address
    }

    /// Returns the address on which the metrics are served, if they are.
    #[must_use]
    pub fn metrics_address(&self) -> Option<&BoundAddress> {
        self.metrics_address.as_ref()
    }

    /// Serves until `stop`, then drains: the health service reports NOT_SERVING, subscriptions end
    /// with their cursors, calls finish, and workers finish their frames or release their leases.
    /// Anything that does not end in time is closed.
    ///
    /// # Errors
    /// A part of the server ended unexpectedly.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let stopping = self.tasks.stopping();
        tokio::select! {
            () = stop.cancelled() => {}
            () = stopping.cancelled() => {}
        }
        self.drain().await;
        match self.tasks.ended_early() {
            Some(task) => bail!("the server stopped because its {task} task ended"),
            None => Ok(()),
        }
    }

    async fn drain(&self) {
        let deadline = Instant::now() + self.drain_timeout;
        tracing::info!("draining");
        self.tasks.stopping().cancel();
        let _in_time = timeout_at(deadline, self.grpc.wait_until_draining()).await;
        self.hub.drain();
        self.grpc.drain_streams.cancel();
        self.tokens.stop_accepting.cancel();
        self.grpc.calls.close();
        // A client that does not read does not notice the drain, so its call would not end. Calls
        // get three quarters of the time; the rest is for the workers.
        if timeout_at(deadline - self.drain_timeout / 4, self.grpc.calls.wait()).await.is_err() {
            tracing::warn!(
                calls = self.grpc.calls.len(),
                "some calls did not end in time; closing their connections"
            );
            self.tokens.cut_connections.cancel();
        }
        self.tokens.stop_hub.cancel();
        let left = || deadline.saturating_duration_since(Instant::now());
        if !self.tasks.drained(IDLE_GRACE.min(left())).await {
            // Clients that ignore the drain, or only call the health service, would keep their
            // connections open for ever.
            self.tokens.cut_connections.cancel();
            if !self.tasks.drained(left()).await {
                tracing::warn!("some tasks did not end in time");
            }
        }
        tracing::info!("drained");
    }
}

/// Creates the socket on which the worker process of this server serves its metrics; `None` if it
/// has no such process, or no folder can be created.
fn worker_socket(config: &Config) -> Option<WorkerSocket> {
    match (config.server.role, &config.queue.backend) {
        (Role::All, Backend::Redis(_)) => WorkerSocket::create()
            .inspect_err(|error| {
                tracing::warn!(
                    %error,
                    "cannot create a temporary folder, so the metrics of the worker process are missing: set TMPDIR"
                );
            })
            .ok(),
        (Role::All, Backend::Memory) | (Role::Api | Role::Worker, _) => None,
    }
}

/// Returns the configuration of the gRPC services.
fn grpc_config(config: &Config) -> GrpcConfig {
    let Config { server, tls: _, access, queue, worker: _, streams, limits, metrics: _, log: _, traces: _ } =
        config;
    GrpcConfig {
        limits: *limits,
        partitions: queue.partitions,
        budget: queue.budget,
        backend: match &queue.backend {
            Backend::Memory => BackendKind::Memory,
            Backend::Redis(redis) if redis.url.is_sentinel() => BackendKind::RedisSentinel,
            Backend::Redis(redis) if redis.url.is_cluster() => BackendKind::RedisCluster,
            Backend::Redis(_) => BackendKind::Redis,
        },
        has_worker: match server.role {
            Role::All => true,
            Role::Api | Role::Worker => false,
        },
        authenticates: access.access_file.is_some(),
        private_reflection: access.private_reflection,
        drain_timeout: server.drain_timeout,
        defaults: streams.policies(),
        max_streams: queue.max_streams,
        max_auto_registered_streams: server.auto_register.then_some(server.max_auto_registered_streams),
        max_subscriptions: server.max_subscriptions as usize,
        max_calls: server.max_calls(),
        max_calls_per_connection: server.max_calls_per_connection(),
        max_concurrent_submits: server.max_concurrent_submits as usize,
    }
}

/// Runs a worker without an API, until `stop`.
///
/// # Errors
/// The backend cannot be used with this configuration, or the worker ended unexpectedly.
pub async fn run_worker(config: Config, stop: CancellationToken) -> anyhow::Result<()> {
    let tasks = Tasks::new();
    let parent_gone =
        if config.worker.parent_pipe { supervisor::parent_gone() } else { CancellationToken::new() };
    let metrics = metrics::create(&config);
    let queue = backend::open(&config, &metrics.redis, &tasks).await?;
    let for_metrics = metrics::bind(&config).await?;
    let worked = CancellationToken::new();
    let traces = otlp::start(&config.traces, "worker", &tasks, worked.clone())?;
    let worker = working::run(queue, &config, (metrics.worker.clone(), traces), tasks.stopping())?;
    // The last frames are published while the worker stops; their traces are sent after that.
    tasks.spawn_vital("worker", async move {
        worker.await;
        worked.cancel();
    });
    metrics::start(&tasks, for_metrics, Exporter::new(metrics, None, None), tasks.stopping());
    let stopping = tasks.stopping();
    tokio::select! {
        () = stop.cancelled() => {}
        () = parent_gone.cancelled() => {}
        () = stopping.cancelled() => {}
    }
    tasks.stopping().cancel();
    if !tasks.drained(config.server.drain_timeout).await {
        tracing::warn!("the worker did not stop in time");
    }
    if parent_gone.is_cancelled() {
        WorkerSocket::clean_up(&config);
    }
    match tasks.ended_early() {
        Some(task) => bail!("the worker stopped because its {task} task ended"),
        None => Ok(()),
    }
}

/// Checks whether the access file can be used; returns a line that describes it, or `None` if callers
/// are not authenticated.
///
/// # Errors
/// The file is missing or cannot be used.
pub(crate) fn check_access(config: &Config) -> anyhow::Result<Option<String>> {
    let Some(file) = &config.access.access_file else { return Ok(None) };
    let count = Access::by_file(file)?.principals();
    Ok(Some(format!("an access file with {count} principal{}", if count == 1 { "" } else { "s" })))
}

/// Checks whether the files of TLS can be used; returns a line that describes them, or `None` if TLS
/// is off.
///
/// # Errors
/// A file is missing or cannot be used.
pub(crate) fn check_tls(config: &Config) -> anyhow::Result<Option<String>> {
    let Some(settings) = &config.tls else { return Ok(None) };
    let (_tls, reload) = Tls::load(settings)?;
    let expires = humantime::format_rfc3339_seconds(reload.expires());
    Ok(Some(format!("a certificate that expires at {expires}")))
}

/// Writes the address file. A reader never finds an incomplete one.
fn write_address(file: &Path, address: &BoundAddress) -> std::io::Result<()> {
    let mut fresh = file.as_os_str().to_owned();
    fresh.push(".new");
    std::fs::write(&fresh, address.to_string())?;
    std::fs::rename(&fresh, file)
}
