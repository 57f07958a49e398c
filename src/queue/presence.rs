use std::time::Duration;

use async_trait::async_trait;

use super::Result;
use crate::domain::{Sequence, StoreIdentity, StreamId};

/// The time between two heartbeats of a server that accepts frames.
pub const HEARTBEAT_EVERY: Duration = Duration::from_millis(500);

/// Identifies the store, and notices sequences that it issued and has forgotten.
#[async_trait]
pub trait ServerPresence: Send + Sync {
    /// Returns the store's identity, as it was last read.
    fn identity(&self) -> StoreIdentity;

    /// Reads the store's identity, which changes when the store is emptied.
    async fn read_identity(&self) -> Result<StoreIdentity>;

    /// Notes a sequence that this store certainly issued in a stream. If the store does not know of
    /// it, the store was restored to an older state, and its sequences jump so that none is issued
    /// twice.
    async fn note_issued(&self, stream: &StreamId, sequence: Sequence) -> Result<()>;

    /// Joins the servers that accept frames. If there are others, waits until they have had time to
    /// learn of this one; until then nothing is accepted.
    async fn join(&self) -> Result<()>;

    /// Sends a heartbeat. Must be called every [`HEARTBEAT_EVERY`] between
    /// [`join`](ServerPresence::join) and [`leave`](ServerPresence::leave). Heartbeats let a server
    /// notice that the store was restored to an older state, or confirm that a restarted store is
    /// complete.
    async fn heartbeat(&self) -> Result<()>;

    /// Leaves the servers that accept frames: from here on nothing is accepted.
    async fn leave(&self) -> Result<()>;
}
