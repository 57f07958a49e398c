use async_trait::async_trait;

use super::Result;
use crate::domain::{Sequence, StoreIdentity, StreamId};

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
}
