//! Workers: take frames of the partitions they hold, decode, measure and compress them, publish the results in order.
//!
//! A [`Worker`] holds leases (`roster`); for each leased partition one task takes and publishes (`partition`); the
//! picture work itself (`process`) runs on a bounded pool of threads (`pool`), never on the async ones. What needs a stream's
//! earlier frames (`scenes`) is taken when a frame's turn comes, on the task: a fraction of a millisecond.

mod adaptive;
mod caution;
mod frame;
mod handle;
mod meter;
mod overflow;
mod partition;
mod pool;
mod process;
mod retention;
mod roster;
mod scenes;
mod settled;
#[cfg(test)]
mod tests;
mod totals;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::picture;
use crate::queue::{Budget, Queue};
use adaptive::Steering;
use pool::Pool;
pub use process::measure;
use totals::Totals;

/// Pause before an operation that the backend refused is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Pictures that are fetched for each thread: one is worked on, one lies ready, one is on its way.
const FETCHED_A_THREAD: usize = 3;

/// How a worker works.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Its name: one living worker has it.
    pub worker_id: String,
    /// Threads for picture work.
    pub threads: usize,
    /// How long a lease lasts unless renewed: a dead worker's partitions are taken over after it.
    pub lease_term: Duration,
    /// Frames of one partition in work at once.
    pub frames_in_flight: usize,
    /// Bytes of submitted pictures in work at once, in all partitions.
    pub bytes_in_flight: usize,
    /// A picture that takes longer fails.
    pub frame_timeout: Duration,
    /// How often outputs are checked against their retention.
    pub retention_interval: Duration,
    /// What a partition may hold.
    pub budget: Budget,
    /// What a picture may ask for.
    pub limits: picture::Limits,
    /// Somebody starts this process again when it ends: it does so when too many pictures hang in its threads.
    pub restarted: bool,
    /// For tests of what a crash costs: a frame with the attribute [`CRASH_ATTRIBUTE`] aborts the process, or hangs.
    pub crash_on_request: bool,
}

/// Attribute of a frame that aborts its worker, where [`WorkerConfig::crash_on_request`] is set.
pub const CRASH_ATTRIBUTE: &str = "frameway-test-crash";
/// Value of [`CRASH_ATTRIBUTE`] for a frame that hangs for ever instead.
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
            restarted: false,
            crash_on_request: false,
        }
    }
}

/// What all parts of a worker share.
#[derive(Debug)]
struct Shared {
    queue: Arc<dyn Queue>,
    config: WorkerConfig,
    pool: Pool,
    /// Kibibytes of pictures that may still be taken into work.
    memory: Arc<tokio::sync::Semaphore>,
    /// Pictures that may still be fetched.
    fetches: tokio::sync::Semaphore,
    totals: Totals,
    steering: Steering,
    /// Read by every frame in work; written by one that is to be alone in the process.
    running: Arc<tokio::sync::RwLock<()>>,
    /// Drawn at the start: tells this process from one of the same name that died.
    life: u64,
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
        let pool = Pool::new(config.threads.max(1), &config.limits)?;
        let memory = Arc::new(tokio::sync::Semaphore::new((config.bytes_in_flight >> 10).max(1)));
        let fetches = tokio::sync::Semaphore::new(FETCHED_A_THREAD * config.threads.max(1));
        let (running, life) = (Arc::default(), rand::random());
        let totals = Totals::new();
        let steering = Steering::default();
        Ok(Self {
            shared: Arc::new(Shared {
                queue,
                config,
                pool,
                memory,
                fetches,
                totals,
                steering,
                running,
                life,
            }),
        })
    }

    /// Works until `stop`; then finishes what is in work, gives the leases back and returns. Backend outages are waited
    /// out. Where it is [`WorkerConfig::restarted`], it also returns when too many pictures hang in its threads, and leaves to
    /// the next what cannot be finished in the time of one picture.
    pub async fn run(self, stop: CancellationToken) {
        roster::run(self.shared, stop).await;
    }
}
