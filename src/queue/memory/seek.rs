use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryQueue;
use crate::domain::{OutputEntry, Sequence, StreamId, Timestamp};
use crate::queue::{FoundAt, Result, Seek};

#[async_trait]
impl Seek for MemoryQueue {
    async fn first_at(&self, stream: &StreamId, time: Timestamp) -> Result<FoundAt> {
        let state = self.state();
        let Some(found) = state.home(stream).streams.get(stream) else { return Ok(FoundAt::default()) };
        let place = found.outputs.partition_point(|entry| entry.receive_time < time);
        Ok(FoundAt {
            entry: found.outputs.get(place).map(Arc::clone),
            trimmed_until: found.counters.trimmed_until,
            oldest: found.outputs.front().map(|entry| entry.receive_time),
        })
    }

    async fn outputs_before(
        &self,
        stream: &StreamId,
        before: Sequence,
        limit: usize,
    ) -> Result<Vec<Arc<OutputEntry>>> {
        let state = self.state();
        let Some(found) = state.home(stream).streams.get(stream) else { return Ok(Vec::new()) };
        let place = found.outputs.partition_point(|entry| entry.sequence < before);
        Ok(found.outputs.iter().take(place).rev().take(limit).map(Arc::clone).collect())
    }
}
