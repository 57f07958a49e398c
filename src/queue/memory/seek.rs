use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryQueue;
use crate::domain::{OutputEntry, StreamId, Timestamp};
use crate::queue::{Result, Seek};

#[async_trait]
impl Seek for MemoryQueue {
    async fn first_at(&self, stream: &StreamId, time: Timestamp) -> Result<Option<Arc<OutputEntry>>> {
        let state = self.state();
        let Some(found) = state.home(stream).streams.get(stream) else { return Ok(None) };
        let place = found.outputs.partition_point(|entry| entry.received_time < time);
        Ok(found.outputs.get(place).map(Arc::clone))
    }
}
