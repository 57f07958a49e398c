//! Serves the metrics of this process, and those of its worker process, on a port of their own.

mod http;
mod machine;
mod readings;
mod worker;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::transport::{BoundAddress, Listener};
use crate::config::{Backend, Config, Role};
use crate::metrics::{Exposition, Metrics, Parts, Process, ScrapePart, TextError};
use crate::shutdown::Tasks;
pub(super) use readings::Readings;
pub(super) use worker::WorkerSocket;

/// The time for which a scrape repeats the samples of the one before it.
const REPEATED: Duration = Duration::from_secs(1);
/// The time for which the store is not read again, as a multiple of the time that reading it took.
/// So scrapes take at most a small part of its time, however many servers are scraped.
const READ_PAUSE: u32 = 10;

/// Creates the metrics of the process that `config` describes.
pub(super) fn create(config: &Config) -> Arc<Metrics> {
    let in_memory = matches!(config.queue.backend, Backend::Memory);
    let (process, works) = match config.server.role {
        // With Redis, the frames are processed by the worker process.
        Role::All => (Process::Server, in_memory),
        Role::Api => (Process::Server, false),
        Role::Worker => (Process::Worker, true),
    };
    let parts = Parts { process, works, uses_redis: !in_memory };
    Arc::new(Metrics::new(parts, config.metrics.metrics_per_stream as usize))
}

/// Listens on the address of the metrics; `None` if they are served nowhere.
///
/// # Errors
/// The address was given, and cannot be listened on.
pub(super) async fn bind(config: &Config) -> anyhow::Result<Option<Listener>> {
    let Some(address) = config.metrics.address(&config.server.listen) else { return Ok(None) };
    match Listener::bind(&address).await {
        Ok(listener) => {
            tracing::info!(address = %listener.address(), "serving metrics");
            if !address.is_local() {
                tracing::warn!(
                    "other machines can read the metrics, without credentials; they contain no pictures, but the names of \
                     consumer groups (docs/security.md)"
                );
            }
            Ok(Some(listener))
        }
        // A worker that cannot serve its metrics to its server must work nevertheless.
        Err(error) if config.metrics.is_given() && !config.worker.parent_pipe => {
            Err(error).with_context(|| {
                format!("cannot serve metrics on {address}: give another --metrics-listen, or `none`")
            })
        }
        Err(error) => {
            tracing::warn!(
                %address,
                %error,
                "cannot serve metrics, so this process has none: give --metrics-listen another address, or `none`"
            );
            Ok(None)
        }
    }
}

/// Serves the metrics until `stop`, if `listener` is one; returns its address.
pub(super) fn start(
    tasks: &Tasks,
    listener: Option<Listener>,
    exporter: Exporter,
    stop: CancellationToken,
) -> Option<BoundAddress> {
    let listener = listener?;
    let address = listener.address().clone();
    tasks.spawn_vital("metrics", http::serve(listener, Arc::new(exporter), stop));
    Some(address)
}

/// Collects the samples of a scrape.
#[derive(Debug)]
pub(super) struct Exporter {
    metrics: Arc<Metrics>,
    /// `None` for a process that only processes frames.
    readings: Option<Readings>,
    /// The socket of the worker process, if there is one.
    worker: Option<Arc<WorkerSocket>>,
    /// Locked during a scrape, so that one follows the other.
    last: Mutex<Option<Last>>,
}

/// The last scrape.
#[derive(Debug)]
struct Last {
    at: Instant,
    exposition: Arc<Exposition>,
    /// The time from which the store may be read again.
    read_again: Instant,
}

impl Exporter {
    pub(super) fn new(
        metrics: Arc<Metrics>,
        readings: Option<Readings>,
        worker: Option<Arc<WorkerSocket>>,
    ) -> Self {
        Self { metrics, readings, worker, last: Mutex::default() }
    }

    /// Returns the samples of this process and of its worker process.
    async fn scrape(&self) -> Result<Arc<Exposition>, TextError> {
        let mut last = self.last.lock().await;
        if let Some(last) = last.as_ref().filter(|last| last.at.elapsed() < REPEATED) {
            return Ok(Arc::clone(&last.exposition));
        }
        let at = Instant::now();
        machine::read(&self.metrics.process).await;
        self.metrics.frames.streams.forget_idle();
        let mut read_again = last.as_ref().map_or(at, |last| last.read_again);
        if let Some(readings) = self.readings.as_ref().filter(|_| read_again <= at) {
            readings.refresh().await;
            read_again = Instant::now() + at.elapsed() * READ_PAUSE;
        }
        let from_worker = match &self.worker {
            Some(worker) => worker
                .fetch()
                .await
                .inspect_err(|error| {
                    self.metrics.store.errors.of(ScrapePart::Worker).inc();
                    tracing::debug!(%error, "the worker process serves no metrics");
                })
                .ok(),
            None => None,
        };
        let mut exposition = self.metrics.exposition()?;
        from_worker.into_iter().for_each(|samples| exposition.add(samples));
        let exposition = Arc::new(exposition);
        *last = Some(Last { at, exposition: Arc::clone(&exposition), read_again });
        Ok(exposition)
    }
}
