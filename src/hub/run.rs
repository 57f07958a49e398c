//! Runs the tasks of the hub.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Hub;
use super::feed::tail;
use super::watch::refresh;

impl Hub {
    /// Follows the feeds of all partitions until `stop` is cancelled. Must run once, in a task of
    /// its own.
    ///
    /// It survives outages of the backend: it retries with growing pauses, and afterwards lets
    /// every subscription look for what it missed.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        tokio::join!(tail::run(Arc::clone(&self), stop.clone()), refresh::run(&self, &stop));
    }
}
