//! Starts the worker that is configured.

use std::future::Future;
use std::sync::Arc;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Role};
use crate::domain::limits::RequestLimits;
use crate::metrics::WorkerMetrics;
use crate::picture;
use crate::queue::Queue;
use crate::traces::Traces;
use crate::worker::{Worker, WorkerConfig};

/// The environment variable that lets tests abort workers.
const CRASH_SWITCH: &str = "FRAMEWAY_TEST_CRASH";

/// Returns a worker that runs until `stop`.
///
/// # Errors
/// Its threads cannot be started.
pub(super) fn run(
    queue: Arc<dyn Queue>,
    config: &Config,
    (metrics, traces): (WorkerMetrics, Traces),
    stop: CancellationToken,
) -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let default = WorkerConfig::default();
    let crash_on_request = std::env::var_os(CRASH_SWITCH).is_some_and(|value| value == "1");
    if crash_on_request {
        tracing::warn!("{CRASH_SWITCH}=1: frames can abort this worker; for tests only");
    }
    let worker = WorkerConfig {
        worker_id: config.worker.worker_id.clone().unwrap_or(default.worker_id),
        threads: config.worker.threads(),
        lease_term: config.worker.lease_term,
        budget: config.queue.budget,
        limits: picture_limits(&config.limits),
        supervised: config.server.role == Role::Worker,
        crash_on_request,
        metrics,
        traces,
        ..default
    };
    let worker = Worker::new(queue, worker).context("starting the worker's threads")?;
    Ok(worker.run(stop))
}

/// Returns the limits of a decoder.
pub(super) fn picture_limits(limits: &RequestLimits) -> picture::Limits {
    let RequestLimits { max_picture_bytes, max_message_bytes: _, max_batch_frames: _, max_pixels, max_side } =
        *limits;
    picture::Limits {
        max_encoded_bytes: max_picture_bytes as u64,
        max_pixels,
        max_side,
        ..picture::Limits::default()
    }
}
