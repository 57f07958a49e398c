//! Accepts connections: caps their number, switches Nagle's delay off, and pauses when accepting fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_stream::stream;
use futures::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::listen::{Listener, Peer, Socket};

/// Pause after a failed accept. Without it, a process that has run out of file descriptors would spin.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);
/// Interval at which the log repeats that the server takes no more connections.
const FULL_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// A new connection, and its share of those that are allowed.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) socket: Socket,
    pub(super) peer: Peer,
    pub(super) slot: OwnedSemaphorePermit,
}

/// Yields the connections of `listener`, at most `max_connections` at a time: further ones wait in the listen queue.
/// Never fails.
pub(super) fn incoming(listener: Listener, max_connections: usize) -> impl Stream<Item = Accepted> + Send {
    let mut slots = Slots::new(max_connections);
    stream! {
        while let Some(slot) = slots.take().await {
            let (socket, peer) = accept(&listener).await;
            yield Accepted { socket, peer, slot };
        }
    }
}

/// The connections that may be open at a time.
#[derive(Debug)]
struct Slots {
    free: Arc<Semaphore>,
    max: usize,
    logged: Option<Instant>,
}

impl Slots {
    fn new(max: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(max)), max, logged: None }
    }

    /// Waits for a free slot, and logs once a minute that it has to. `None` only if the semaphore were closed.
    async fn take(&mut self) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(slot);
        }
        if self.logged.is_none_or(|logged| logged.elapsed() >= FULL_LOG_INTERVAL) {
            self.logged = Some(Instant::now());
            tracing::warn!(
                max_connections = self.max,
                "all connections are in use, new clients wait: raise --max-connections, or find the clients that \
                 open many connections instead of sharing one"
            );
        }
        Arc::clone(&self.free).acquire_owned().await.ok()
    }
}

async fn accept(listener: &Listener) -> (Socket, Peer) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => tracing::warn!(%error, "accepting a connection failed"),
        }
        tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
    }
}
