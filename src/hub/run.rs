//! Runs the tasks of the hub.

use std::sync::Arc;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Hub;
use super::erasures::{MAX_AGE, POLL};
use super::feed::tail;
use super::watch::refresh;
use crate::queue;

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
            number = timeout(MAX_AGE, read_erasures(hub, known)) => number,
        };
        match number {
            Ok(Ok(number)) => {
                known = Some(number);
                hub.erasures.note_read(asked);
            }
            // The store may lose an erasure and count another one before the next read. So the number
            // may be the same then although something was erased.
            Ok(Err(error)) => {
                known = None;
                tracing::debug!(%error, "cannot read the number of erasures");
            }
            Err(_) => {
                known = None;
                tracing::debug!("the number of erasures was not read in time");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(POLL) => {}
        }
    }
}

/// Reads the number of erasures. If it is not the known one, forgets what is in memory.
async fn read_erasures(hub: &Hub, known: Option<u64>) -> queue::Result<u64> {
    let number = hub.queue.erasures().await?;
    // Nothing in memory can be erased if nothing ever was.
    if known != Some(number) && number > 0 {
        hub.forget_pictures().await?;
    }
    Ok(number)
}
