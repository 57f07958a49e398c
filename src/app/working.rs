//! The worker, as the configuration wants it.

use std::future::Future;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::queue::Queue;

/// A worker that runs until `stop`.
///
/// # Errors
/// Its threads cannot be started.
#[allow(clippy::unnecessary_wraps)]
pub(super) fn run(
    queue: Arc<dyn Queue>,
    _config: &Config,
    stop: CancellationToken,
) -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async move {
        tracing::warn!("no worker is built in yet");
        stop.cancelled().await;
        drop(queue);
    })
}
