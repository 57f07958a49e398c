//! Runs the tasks of the hub.

use std::sync::Arc;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Hub;
use super::erasures::{MAX_AGE, POLL};
use super::feed::tail;
use super::watch::refresh;

impl Hub {
    /// Follows the feeds of all partitions until `stop` is cancelled. Must run once, in a task of
    /// its own.
    ///
    /// It survives outages of the backend: it retries with growing pauses, and afterwards lets
    /// every subscription look for what it missed.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        tokio::join!(
            tail::run(Arc::clone(&self), stop.clone()),
            refresh::run(&self, &stop),
            follow_erasures(&self, &stop)
        );
    }
}

/// Follows the number of erasures until `stop` is cancelled.
async fn follow_erasures(hub: &Arc<Hub>, stop: &CancellationToken) {
    let mut known = None;
    loop {
        let asked = Instant::now();
        let number = tokio::select! {
            () = stop.cancelled() => return,
            number = timeout(MAX_AGE, hub.queue.erasures()) => number,
        };
        match number {
            Ok(Ok(number)) => {
                // Nothing in memory can be erased if nothing ever was.
                if known != Some(number) && number > 0 {
                    hub.forget_pictures();
                }
                known = Some(number);
                hub.erasures.note_read(asked);
            }
            Ok(Err(error)) => tracing::debug!(%error, "cannot read the number of erasures"),
            Err(_) => tracing::debug!("the number of erasures was not read in time"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(POLL) => {}
        }
    }
}
