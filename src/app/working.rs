//! The worker, as the configuration wants it.

use std::future::Future;
use std::sync::Arc;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Limits};
use crate::picture;
use crate::queue::Queue;
use crate::worker::{Worker, WorkerConfig};

/// A worker that runs until `stop`.
///
/// # Errors
/// Its threads cannot be started.
pub(super) fn run(
    queue: Arc<dyn Queue>,
    config: &Config,
    stop: CancellationToken,
) -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let Limits { max_picture_bytes, max_message_bytes: _, max_batch_frames: _, max_pixels, max_side } =
        config.limits;
    let default = WorkerConfig::default();
    let worker = WorkerConfig {
        worker_id: config.worker.worker_id.clone().unwrap_or(default.worker_id),
        threads: config.worker.threads(),
        lease_term: config.worker.lease_term,
        budget: config.queue.budget,
        limits: picture::Limits {
            max_encoded_bytes: max_picture_bytes as u64,
            max_pixels,
            max_side,
            ..default.limits
        },
        ..default
    };
    let worker = Worker::new(queue, worker).context("starting the worker's threads")?;
    Ok(worker.run(stop))
}
