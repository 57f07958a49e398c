use std::time::Duration;

use async_trait::async_trait;

use super::Result;
use crate::domain::{Sequence, StoreIdentity, StreamId};

/// Time between two signs of life of a server that accepts frames.
pub const ATTEND_EVERY: Duration = Duration::from_millis(500);

/// Which store this is, and what is known of numbers that it gave out and may have forgotten.
#[async_trait]
pub trait Life: Send + Sync {
    /// The store's identity, as it was last read.
    fn identity(&self) -> StoreIdentity;

    /// Reads the store's identity: another one after the store was emptied.
    async fn read_identity(&self) -> Result<StoreIdentity>;

    /// Takes note of a number that this store surely gave out in a stream. One beyond all that the store knows of proves that it
    /// was put back to an older state: numbers leap before any is given out again.
    async fn has_given(&self, stream: &StreamId, given: Sequence) -> Result<()>;

    /// Joins the servers that accept frames. Where there are others, it waits until they can know of it; before that, nothing is
    /// accepted.
    async fn join(&self) -> Result<()>;

    /// Gives a sign of life: to be called every [`ATTEND_EVERY`] from [`Life::join`] to [`Life::leave`]. A server that does so can
    /// notice that the store was put back to an older state, and can vouch for one that came back whole.
    async fn attend(&self) -> Result<()>;

    /// Ends that: from here on nothing is accepted.
    async fn leave(&self) -> Result<()>;
}
