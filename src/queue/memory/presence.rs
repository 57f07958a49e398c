use async_trait::async_trait;

use super::MemoryQueue;
use crate::domain::{Sequence, StoreIdentity, StreamId};
use crate::queue::{Result, ServerPresence};

#[async_trait]
impl ServerPresence for MemoryQueue {
    fn identity(&self) -> StoreIdentity {
        self.identity
    }

    async fn read_identity(&self) -> Result<StoreIdentity> {
        Ok(self.identity)
    }

    async fn join(&self) -> Result<()> {
        Ok(())
    }

    async fn heartbeat(&self) -> Result<()> {
        Ok(())
    }

    async fn leave(&self) -> Result<()> {
        Ok(())
    }

    /// Does nothing: this store starts and ends with its only server.
    async fn note_issued(&self, _stream: &StreamId, _issued: Sequence) -> Result<()> {
        Ok(())
    }
}
