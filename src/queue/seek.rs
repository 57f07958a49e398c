use std::sync::Arc;

use async_trait::async_trait;

use super::Result;
use crate::domain::{OutputEntry, StreamId, Timestamp};

/// What an output holds from a time on, all of one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FoundAt {
    /// The oldest kept entry that was received at or after the time; `None` if there is none.
    pub entry: Option<Arc<OutputEntry>>,
    /// When the newest entry that retention has taken was received, or a later time where that was not noted. `None` = it has
    /// taken none.
    pub trimmed_until: Option<Timestamp>,
    /// When the oldest kept entry was received; `None` = none is kept.
    pub oldest: Option<Timestamp>,
}

/// Finding a place in an output by time.
#[async_trait]
pub trait Seek: Send + Sync {
    /// Finds the oldest kept entry of an output that was received at or after `time`; nothing where nothing is known of the
    /// stream. Received times never go back within a stream, so that all behind it qualify too. Costs O(log n) looks, holes in
    /// the numbers or not.
    async fn first_at(&self, stream: &StreamId, time: Timestamp) -> Result<FoundAt>;
}
