//! Accepts connections: limits their number, in all and for each address, disables Nagle's
//! algorithm, and pauses when accepting fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_stream::stream;
use futures::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::addresses::{Addresses, Counted};
use super::listen::{Listener, Peer, Socket};
use crate::metrics::{Gauge, RpcMetrics};

/// The pause after a failed accept. Without it, a process without free file descriptors would spin.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);
/// The interval at which the log repeats that the server accepts no more connections.
const FULL_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// A new connection, and its permit.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) socket: Socket,
    pub(super) peer: Peer,
    pub(super) permit: Permit,
}

/// The place of an open connection.
#[derive(Debug)]
pub(super) struct Permit {
    _place: OwnedSemaphorePermit,
    /// `None` for Unix sockets.
    _counted: Option<Counted>,
    open: Gauge,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// Yields the connections of `listener`, at most `max_connections` at a time: further ones wait in
/// the listen queue. Those of an address that has `max_per_address` open ones are closed at once.
/// Never fails.
pub(super) fn incoming(
    listener: Listener,
    max_connections: usize,
    max_per_address: usize,
    metrics: RpcMetrics,
) -> impl Stream<Item = Accepted> + Send {
    let mut limit = ConnectionLimit::new(max_connections);
    let mut per_address = AddressLimit { addresses: Addresses::new(max_per_address), logged: None };
    stream! {
        while let Some(place) = limit.acquire().await {
            let (socket, peer) = accept(&listener).await;
            match per_address.count(&peer) {
                Ok(counted) => {
                    metrics.accepted_connections.inc();
                    metrics.open_connections.inc();
                    let open = metrics.open_connections.clone();
                    yield Accepted { socket, peer, permit: Permit { _place: place, _counted: counted, open } };
                }
                Err(TooMany) => {
                    metrics.refused_connections.inc();
                }
            }
        }
    }
}

/// The limit for each address.
#[derive(Debug)]
struct AddressLimit {
    addresses: Arc<Addresses>,
    logged: Option<Instant>,
}

/// The address of a connection has as many connections as it may have.
#[derive(Debug)]
struct TooMany;

impl AddressLimit {
    /// Counts a connection for its address. Logs once a minute that one was refused.
    fn count(&mut self, peer: &Peer) -> Result<Option<Counted>, TooMany> {
        let Some(address) = peer.ip() else { return Ok(None) };
        if let Some(counted) = self.addresses.count(address) {
            return Ok(Some(counted));
        }
        if self.logged.is_none_or(|logged| logged.elapsed() >= FULL_LOG_INTERVAL) {
            self.logged = Some(Instant::now());
            tracing::warn!(
                %address,
                max_connections_per_address = self.addresses.max_connections,
                "closing new connections of an address that has its maximum: if it is a proxy, raise \
                 --max-connections-per-address"
            );
        }
        Err(TooMany)
    }
}

/// The maximum number of open connections, and the permits that are free.
#[derive(Debug)]
struct ConnectionLimit {
    permits: Arc<Semaphore>,
    max: usize,
    logged: Option<Instant>,
}

impl ConnectionLimit {
    fn new(max: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(max)), max, logged: None }
    }

    /// Waits for a permit, and logs once a minute that it waits. Returns `None` only if the
    /// semaphore is closed.
    async fn acquire(&mut self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Some(permit);
        }
        if self.logged.is_none_or(|logged| logged.elapsed() >= FULL_LOG_INTERVAL) {
            self.logged = Some(Instant::now());
            tracing::warn!(
                max_connections = self.max,
                "all connections are in use, new clients wait: raise --max-connections, or find the clients that \
                 open many connections instead of sharing one"
            );
        }
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }
}

async fn accept(listener: &Listener) -> (Socket, Peer) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => tracing::warn!(%error, "cannot accept a connection"),
        }
        tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
    }
}
