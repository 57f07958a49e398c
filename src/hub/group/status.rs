//! What a group is doing, in numbers.

use super::Consumers;
use crate::domain::{Sequence, StreamId};
use crate::queue::{self, GroupPosition, GroupState, OutputSpan};

/// A group's sums over the streams that it selects now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupTotals {
    /// Streams.
    pub streams: u64,
    /// Output entries that are not acknowledged.
    pub lag: u64,
    /// Frames sent and not acknowledged.
    pub outstanding: u64,
}

/// Output entries that a group has not acknowledged: those that it has not delivered, and those delivered that are pending
/// and still kept.
#[must_use]
pub fn lag_of(position: &GroupPosition, span: &OutputSpan) -> u64 {
    let kept = |number: &&Sequence| span.oldest > 0 && number.get() >= span.oldest;
    span.entries + position.pending.iter().filter(kept).count() as u64
}

impl Consumers {
    /// A group's position in each of the streams, with what is kept of them. One without a position has not begun.
    ///
    /// # Errors
    /// Those of the queue.
    pub async fn spans(
        &self,
        state: &GroupState,
        streams: &[StreamId],
    ) -> queue::Result<Vec<(StreamId, GroupPosition, OutputSpan)>> {
        let unbegun = GroupPosition {
            next: Sequence::FIRST,
            delivered: 0,
            mark: String::new(),
            owner: None,
            pending: Vec::new(),
        };
        let position = |id: &StreamId| state.positions.get(id).unwrap_or(&unbegun).clone();
        let asked: Vec<_> = streams.iter().map(|id| (id.clone(), position(id).next)).collect();
        let spans = self.queue.count_outputs(&asked).await?;
        Ok(streams.iter().zip(spans).map(|(id, span)| (id.clone(), position(id), span)).collect())
    }

    /// Sums over all of a group's streams.
    ///
    /// # Errors
    /// Those of the queue.
    pub async fn totals(&self, state: &GroupState, streams: &[StreamId]) -> queue::Result<GroupTotals> {
        let mut totals = GroupTotals { streams: streams.len() as u64, ..Default::default() };
        for (_, position, span) in self.spans(state, streams).await? {
            totals.lag += lag_of(&position, &span);
            totals.outstanding += position.pending.len() as u64;
        }
        Ok(totals)
    }
}
