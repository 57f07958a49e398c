//! The composition root: builds the parts, connects them, and takes them down in order.

mod backend;
mod late_queue;
mod supervisor;
pub(crate) mod transport;
mod working;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Role};
use crate::grpc::Grpc;
use crate::hub::{Consumers, Hub, HubConfig};
use crate::queue::Queue;
use crate::shutdown::Tasks;
pub(crate) use backend::check as check_backend;
use supervisor::Supervisor;
pub use transport::BoundAddress;
use transport::{Ends, Listener, Settings};

/// What connections without calls get to close by themselves.
const IDLE_GRACE: Duration = Duration::from_secs(1);
/// What tasks get that did not end in time.
const FORCE_GRACE: Duration = Duration::from_secs(1);

/// A running server.
///
/// ```text
/// let app = App::start(config).await?;   // listens; app.address() says where
/// app.run(stop).await?;                  // serves until `stop`, then drains
/// ```
#[derive(Debug)]
pub struct App {
    address: BoundAddress,
    drain_timeout: Duration,
    tasks: Tasks,
    queue: Arc<dyn Queue>,
    hub: Arc<Hub>,
    grpc: Arc<Grpc>,
    tokens: Tokens,
}

/// What ends the parts that must not all end at once.
#[derive(Debug, Clone, Default)]
struct Tokens {
    /// No new connections; those that are there are told to go.
    stop_accepting: CancellationToken,
    /// Connections that are still there are cut.
    cut_connections: CancellationToken,
    /// Nobody reads outputs any more.
    stop_hub: CancellationToken,
}

impl App {
    /// Listens, and starts everything. The health service says SERVING once the backend has answered.
    ///
    /// # Errors
    /// The address cannot be listened on, or the backend does not fit the configuration. One that is away is no error.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let listen = &config.server.listen;
        let listener = Listener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let address = listener.address().clone();
        let tasks = Tasks::new();
        let queue = backend::open(&config.queue, config.server.role, &tasks).await?;
        let max_subscriptions = config.server.max_subscriptions as usize;
        let hub = HubConfig {
            max_subscriptions,
            rendition_threads: config.server.rendition_threads(),
            picture_limits: working::picture_limits(&config.limits),
            ..Default::default()
        };
        let hub = Hub::new(Arc::clone(&queue), hub);
        let consumers = Consumers::new(Arc::clone(&hub), tasks.clone());
        let grpc =
            Grpc::new(&config, Arc::clone(&queue), Arc::clone(&hub), consumers, tasks.stopping()).await;
        let tokens = Tokens::default();
        let app = Self {
            address: address.clone(),
            drain_timeout: config.server.drain_timeout,
            tasks,
            queue,
            hub,
            grpc: Arc::new(grpc),
            tokens,
        };
        app.start_tasks(&config, listener)?;
        tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");
        Ok(app)
    }

    fn start_tasks(&self, config: &Config, listener: Listener) -> anyhow::Result<()> {
        let tasks = &self.tasks;
        tasks.spawn_vital("hub", Arc::clone(&self.hub).run(self.tokens.stop_hub.clone()));
        let attend = backend::attend(Arc::clone(&self.queue), self.tokens.stop_hub.clone());
        tasks.spawn("attend", attend);
        tasks.spawn("health", Arc::clone(&self.grpc).watch_backend(tasks.stopping()));
        match (config.server.role, &config.queue.redis_url) {
            (Role::All, None) => {
                let worker = working::run(Arc::clone(&self.queue), config, tasks.stopping())?;
                tasks.spawn_vital("worker", worker);
            }
            (Role::All, Some(_)) => {
                let supervisor = Supervisor::new(config, Arc::clone(&self.queue))?;
                tasks.spawn_vital("supervisor", supervisor.run(tasks.stopping()));
            }
            (Role::Api | Role::Worker, _) => {}
        }
        let ends = Ends {
            stop_accepting: self.tokens.stop_accepting.clone(),
            end_calls: self.grpc.drain_streams.clone(),
            cut: self.tokens.cut_connections.clone(),
        };
        let settings = Settings::from(&config.server);
        tasks.spawn_vital("server", transport::serve(listener, self.grpc.front.clone(), settings, ends));
        if let Some(file) = config.server.address_file.clone() {
            let (grpc, address, stopping) = (Arc::clone(&self.grpc), self.address.clone(), tasks.stopping());
            let failing = tasks.clone();
            tasks.spawn("address-file", async move {
                if stopping.run_until_cancelled(grpc.serving()).await.is_some()
                    && let Err(error) = write_address(&file, &address)
                {
                    tracing::error!(file = %file.display(), %error, "cannot write the address file");
                    failing.fail("address-file");
                }
            });
        }
        Ok(())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &BoundAddress {
        &self.address
    }

    /// Serves until `stop`, then drains: health says NOT_SERVING, subscriptions end with their cursors, calls finish,
    /// workers finish or give back; what is not done in time is cut.
    ///
    /// # Errors
    /// A part of the server ended by itself.
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
        let _in_time = timeout_at(deadline, self.grpc.not_serving()).await;
        self.hub.drain();
        self.grpc.drain_streams.cancel();
        self.tokens.stop_accepting.cancel();
        self.grpc.calls.close();
        // A client that does not read never hears the good-bye: what is left of the time is the workers'.
        if timeout_at(deadline - self.drain_timeout / 4, self.grpc.calls.wait()).await.is_err() {
            tracing::warn!(calls = self.grpc.calls.len(), "calls did not end in time");
            self.tokens.cut_connections.cancel();
        }
        self.tokens.stop_hub.cancel();
        let left = || deadline.saturating_duration_since(Instant::now());
        if !self.tasks.drained(IDLE_GRACE.min(left())).await {
            // Clients that ignore the server's good-bye, or only watch its health, would hold it open for ever.
            self.tokens.cut_connections.cancel();
            if !self.tasks.drained(left()).await {
                tracing::warn!("tasks did not end in time");
                self.tasks.force().cancel();
                let _ended = self.tasks.drained(FORCE_GRACE).await;
            }
        }
        tracing::info!("drained");
    }
}

/// Runs a worker without an API, until `stop`.
///
/// # Errors
/// The backend does not fit the configuration, or the worker ended by itself.
pub async fn run_worker(config: Config, stop: CancellationToken) -> anyhow::Result<()> {
    let tasks = Tasks::new();
    let parent_gone =
        if config.worker.parent_pipe { supervisor::parent_gone() } else { CancellationToken::new() };
    let queue = backend::open(&config.queue, config.server.role, &tasks).await?;
    let worker = working::run(queue, &config, tasks.stopping())?;
    tasks.spawn_vital("worker", worker);
    let stopping = tasks.stopping();
    tokio::select! {
        () = stop.cancelled() => {}
        () = parent_gone.cancelled() => {}
        () = stopping.cancelled() => {}
    }
    tasks.stopping().cancel();
    if !tasks.drained(config.server.drain_timeout).await {
        tracing::warn!("the worker did not end in time");
    }
    match tasks.ended_early() {
        Some(task) => bail!("the worker stopped because its {task} task ended"),
        None => Ok(()),
    }
}

/// Writes a file that is there whole or not at all.
fn write_address(file: &Path, address: &BoundAddress) -> std::io::Result<()> {
    let mut fresh = file.as_os_str().to_owned();
    fresh.push(".new");
    std::fs::write(&fresh, address.to_string())?;
    std::fs::rename(&fresh, file)
}
