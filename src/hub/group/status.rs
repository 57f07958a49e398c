//! Figures about a group.

use super::consumers::Consumers;
use crate::domain::{Sequence, StreamId};
use crate::queue::{self, GroupPosition, GroupState, OutputSpan};

/// The totals of a group over the streams that it selects now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupTotals {
    /// The number of streams.
    pub streams: u64,
    /// The number of output entries that are not acknowledged.
    pub lag: u64,
    /// The number of outstanding frames.
    pub outstanding: u64,
}

/// Returns how many output entries a group has not acknowledged: those that it has not delivered,
/// and outstanding ones that are still kept.
#[must_use]
pub fn lag_of(position: &GroupPosition, span: &OutputSpan) -> u64 {
    let kept = |sequence: &&Sequence| span.oldest > 0 && sequence.get() >= span.oldest;
    span.entries + position.pending.iter().filter(kept).count() as u64
}

impl Consumers {
    /// Returns a group's position in each of the streams, with the kept entries after it. In a
    /// stream that the group has not started yet, the position is the first sequence.
    ///
    /// # Errors
    /// Returns the errors of the queue.
    pub async fn spans(
        &self,
        state: &GroupState,
        streams: &[StreamId],
    ) -> queue::Result<Vec<(StreamId, GroupPosition, OutputSpan)>> {
        let no_position = GroupPosition {
            next: Sequence::FIRST,
            delivered: 0,
            sampler_state: String::new(),
            owner: None,
            pending: Vec::new(),
        };
        let position = |id: &StreamId| state.positions.get(id).unwrap_or(&no_position).clone();
        let asked: Vec<_> = streams.iter().map(|id| (id.clone(), position(id).next)).collect();
        let spans = self.queue.count_outputs(&asked).await?;
        Ok(streams.iter().zip(spans).map(|(id, span)| (id.clone(), position(id), span)).collect())
    }

    /// Returns the totals over all of a group's streams.
    ///
    /// # Errors
    /// Returns the errors of the queue.
    pub async fn totals(&self, state: &GroupState, streams: &[StreamId]) -> queue::Result<GroupTotals> {
        let mut totals = GroupTotals { streams: streams.len() as u64, ..Default::default() };
        for (_, position, span) in self.spans(state, streams).await? {
            totals.lag += lag_of(&position, &span);
            totals.outstanding += position.pending.len() as u64;
        }
        Ok(totals)
    }
}
