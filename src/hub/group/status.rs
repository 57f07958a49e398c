//! Figures about a group.

use super::consumers::Consumers;
use super::event::GroupError;
use crate::domain::{GroupId, Sequence, StreamId, Timestamp};
use crate::queue::{self, GroupPosition, GroupState, OutputSpan, SpanQuery};

/// The totals of a group over the streams that it selects now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupTotals {
    /// The number of streams.
    pub streams: u64,
    /// The number of output entries that are not acknowledged.
    pub lag: u64,
    /// The number of outstanding frames.
    pub outstanding: u64,
    /// The time at which the oldest entry that is not acknowledged was received; `None` without lag.
    /// If retention has removed the oldest outstanding frame, this is the time of the next kept entry,
    /// even if that one is acknowledged.
    pub oldest_receive_time: Option<Timestamp>,
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
        let ask = |id: &StreamId| {
            let position = position(id);
            let oldest_from = position.pending.first().copied().unwrap_or(position.next);
            SpanQuery { stream_id: id.clone(), count_from: position.next, oldest_from }
        };
        let asked: Vec<SpanQuery> = streams.iter().map(ask).collect();
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
            let oldest = [totals.oldest_receive_time, span.oldest_receive_time];
            totals.oldest_receive_time = oldest.into_iter().flatten().min();
        }
        Ok(totals)
    }

    /// Returns the totals of a group over the streams that it selects now.
    ///
    /// # Errors
    /// The group does not exist, and the errors of the queue.
    pub async fn totals_of(&self, group: &GroupId) -> Result<GroupTotals, GroupError> {
        let state = self.queue.group_state(group).await?;
        let streams = self.selected(&state.record.settings.streams).await?;
        let streams: Vec<StreamId> = streams.into_iter().map(|record| record.id).collect();
        Ok(self.totals(&state, &streams).await?)
    }
}
