use std::sync::Arc;

use async_trait::async_trait;

use super::Result;
use crate::domain::{OutputEntry, StreamId, Timestamp};

/// Finding a place in an output by time.
#[async_trait]
pub trait Seek: Send + Sync {
    /// The oldest kept entry of an output that was received at or after `time`; `None` if there is none, or nothing is
    /// known of the stream. Received times never go back within a stream, so that all behind it qualify too. Costs
    /// O(log n) looks, holes in the numbers or not.
    async fn first_at(&self, stream: &StreamId, time: Timestamp) -> Result<Option<Arc<OutputEntry>>>;
}
