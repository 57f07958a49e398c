use async_trait::async_trait;

use super::MemoryQueue;
use crate::domain::{Sequence, StoreIdentity, StreamId};
use crate::queue::{Life, Result};

#[async_trait]
impl Life for MemoryQueue {
    fn identity(&self) -> StoreIdentity {
        self.identity
    }

    async fn read_identity(&self) -> Result<StoreIdentity> {
        Ok(self.identity)
    }

    async fn join(&self) -> Result<()> {
        Ok(())
    }

    async fn attend(&self) -> Result<()> {
        Ok(())
    }

    async fn leave(&self) -> Result<()> {
        Ok(())
    }

    /// Nothing to do: this store lives and ends as a whole.
    async fn has_given(&self, _stream: &StreamId, _given: Sequence) -> Result<()> {
        Ok(())
    }
}
