use std::collections::VecDeque;

use super::state::State;
use crate::domain::PartitionId;
use crate::queue::{FeedEvent, FeedPage, FeedPosition};

/// The number of events that a partition keeps. A reader that is further behind reads the outputs.
const KEPT_EVENTS: usize = 4_096;
/// The maximum number of events in one page.
const PAGE_EVENTS: usize = 512;

/// The last events of a partition. The first one ever is number 1; a position is the number of the
/// last event seen.
#[derive(Debug, Default)]
pub(super) struct Feed {
    events: VecDeque<FeedEvent>,
    /// The number of events that were dropped.
    dropped: u64,
}

impl Feed {
    pub(super) fn push(&mut self, event: FeedEvent) {
        if self.events.len() == KEPT_EVENTS {
            self.events.pop_front();
            self.dropped += 1;
        }
        self.events.push_back(event);
    }

    fn end(&self) -> FeedPosition {
        FeedPosition(self.dropped + self.events.len() as u64, 0)
    }

    /// Returns the events after a position; `None` if there are none.
    fn read(&self, partition: PartitionId, after: FeedPosition) -> Option<FeedPage> {
        let end = self.end();
        if after == end {
            return None;
        }
        // A position after the end belongs to an earlier store and is not valid in this one.
        let missed = after > end || after.0 < self.dropped;
        let start = if after > end { 0 } else { after.0.saturating_sub(self.dropped) };
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let events: Vec<_> = self.events.iter().skip(start).take(PAGE_EVENTS).cloned().collect();
        let next = FeedPosition(self.dropped + (start + events.len()) as u64, 0);
        Some(FeedPage { partition, events, next, missed })
    }
}

impl State {
    pub(super) fn feed_ends(&self) -> Vec<(PartitionId, FeedPosition)> {
        self.all_partitions().iter().map(|partition| (partition.id, partition.feed.end())).collect()
    }

    pub(super) fn read_feed(&self, positions: &[(PartitionId, FeedPosition)]) -> Vec<FeedPage> {
        let read = |&(id, after): &(PartitionId, FeedPosition)| self.partition_ref(id).feed.read(id, after);
        positions.iter().filter_map(read).collect()
    }
}
