use std::sync::Arc;

use async_trait::async_trait;

use super::Result;
use crate::domain::{OutputEntry, Sequence, StreamId, Timestamp};

/// The result of a search in an output by time, all read at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FoundAt {
    /// The oldest kept entry that was received at or after the time; `None` if there is none.
    pub entry: Option<Arc<OutputEntry>>,
    /// The time of receipt of the newest entry that retention removed, or a later time if that was
    /// not recorded; `None` if it removed none.
    pub trimmed_until: Option<Timestamp>,
    /// The time of receipt of the oldest kept entry; `None` if no entry is kept.
    pub oldest: Option<Timestamp>,
}

/// Finds positions in an output: by time, and backwards from a sequence.
#[async_trait]
pub trait Seek: Send + Sync {
    /// Finds the oldest kept entry of an output that was received at or after `time`; finds nothing
    /// in an unknown stream. Times of receipt never decrease within a stream, so all later entries
    /// qualify too. Takes O(log n) reads, with or without holes in the sequences.
    async fn first_at(&self, stream: &StreamId, time: Timestamp) -> Result<FoundAt>;

    /// Reads the kept entries of an output whose sequences are below `before`, newest first, at most
    /// `limit`; none of an unknown stream.
    async fn outputs_before(
        &self,
        stream: &StreamId,
        before: Sequence,
        limit: usize,
    ) -> Result<Vec<Arc<OutputEntry>>>;
}
