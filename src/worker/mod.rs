//! Workers take the frames of the partitions that they hold, decode, measure and compress them, and
//! publish the results in order.
//!
//! A [`Worker`] holds leases (`leases`). For each leased partition, one task takes and publishes
//! (`partition`), and streams take turns (`turns`). The picture work itself (`process`) runs on a
//! bounded pool of threads (`pool`), never on those of the async runtime. Measures that need a stream's earlier frames (`scenes`) are
//! made on the task, right before the frame is published; they take a fraction of a millisecond. The
//! task also logs streams that become live, stall or fail (`states`), and failed frames (`failures`).

mod adaptive;
mod failures;
mod fetches;
mod frame;
mod handle;
mod isolation;
mod leases;
mod meter;
mod order;
mod overflow;
mod partition;
mod pause;
mod pool;
mod process;
mod retention;
mod scenes;
mod states;
#[cfg(test)]
mod tests;
mod tombstone;
mod totals;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::metrics::WorkerMetrics;
use crate::picture;
use crate::queue::{Budget, Queue};
use crate::traces::Traces;
use adaptive::BudgetController;
use fetches::Fetches;
use pool::Pool;
pub use process::measure;
use totals::Totals;

/// The pause before an operation that the backend refused is retried.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// The configuration of a worker.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The id of the worker, different from that of every other live worker.
    pub worker_id: String,
    /// The number of threads for picture work.
    pub threads: usize,
    /// The time after which a lease ends unless it is renewed: then others take over the partitions
    /// of a worker that crashed.
    pub lease_term: Duration,
    /// The number of frames of one partition in work at which only streams without any begin
    /// another. Twice as many are the maximum.
    pub frames_in_flight: usize,
    /// The maximum bytes of submitted pictures in work at once, in all partitions.
    pub bytes_in_flight: usize,
    /// The maximum time for a picture; one that takes longer fails.
    pub frame_timeout: Duration,
    /// The time between two checks of the outputs against their retention.
    pub retention_interval: Duration,
    /// The limits of a partition.
    pub budget: Budget,
    /// The limits of a picture.
    pub limits: picture::Limits,
    /// Another process supervises this one and restarts it when it exits. So the worker exits when
    /// too many pictures hang in its threads.
    pub supervised: bool,
    /// For tests of crashes: a frame with the attribute [`CRASH_ATTRIBUTE`] aborts the process, or
    /// hangs.
    pub crash_on_request: bool,
    /// The handles by which it counts.
    pub metrics: WorkerMetrics,
    /// The recorder of the frames' traces.
    pub traces: Traces,
}

/// The attribute of a frame that aborts its worker, where [`WorkerConfig::crash_on_request`] is
/// set.
pub const CRASH_ATTRIBUTE: &str = "frameway-test-crash";
/// The value of [`CRASH_ATTRIBUTE`] for a frame that hangs for ever instead.
pub const CRASH_BY_HANGING: &str = "hang";

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            worker_id: format!("worker-{:08x}", rand::random::<u32>()),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            lease_term: Duration::from_secs(3),
            frames_in_flight: 16,
            bytes_in_flight: 128 << 20,
            frame_timeout: Duration::from_secs(10),
            retention_interval: Duration::from_secs(1),
            budget: Budget::default(),
            limits: picture::Limits::default(),
            supervised: false,
            crash_on_request: false,
            metrics: WorkerMetrics::default(),
            traces: Traces::off(),
        }
    }
}

/// The state that all parts of a worker share.
#[derive(Debug)]
struct Shared {
    queue: Arc<dyn Queue>,
    config: WorkerConfig,
    pool: Pool,
    /// The kibibytes of further pictures that may be in work.
    memory: Arc<tokio::sync::Semaphore>,
    /// The bound of the pictures that are fetched and not processed.
    fetches: Arc<Fetches>,
    totals: Totals,
    budgets: BudgetController,
    /// Locked for reading by every frame in work, and for writing by an isolated one.
    running: Arc<tokio::sync::RwLock<()>>,
    /// A random number that distinguishes this process from an earlier one with the same worker id.
    process_id: u64,
}

/// A worker, ready to run.
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
}

impl Worker {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn new(queue: Arc<dyn Queue>, config: WorkerConfig) -> std::io::Result<Self> {
        let pool = Pool::new(config.threads.max(1), &config.limits, config.metrics.hung_threads.clone())?;
        let memory = Arc::new(tokio::sync::Semaphore::new((config.bytes_in_flight >> 10).max(1)));
        let fetches = Fetches::new(config.threads.max(1));
        let (running, process_id) = (Arc::default(), rand::random());
        let totals = Totals::new(config.metrics.clone());
        let budgets = BudgetController::default();
        Ok(Self {
            shared: Arc::new(Shared {
                queue,
                config,
                pool,
                memory,
                fetches,
                totals,
                budgets,
                running,
                process_id,
            }),
        })
    }

    /// Works until `stop`; then finishes what is in work, releases its leases and returns. Waits
    /// while the backend does not answer. If another process restarts it
    /// ([`WorkerConfig::supervised`]), it also returns when too many pictures hang in its threads,
    /// and leaves to its successor what it cannot finish in the time of one picture.
    pub async fn run(self, stop: CancellationToken) {
        leases::run(self.shared, stop).await;
    }
}
