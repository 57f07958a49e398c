use std::collections::BTreeMap;

use super::state::State;
use crate::domain::{PartitionId, Sequence, Timestamp};
use crate::queue::{NewFrame, WorkItem, WorkPosition};

/// The accepted and unfinished frames of a partition, in the order of their acceptance.
#[derive(Debug, Default)]
pub(super) struct Work {
    entries: BTreeMap<WorkPosition, WorkItem>,
    last: u64,
}

impl Work {
    pub(super) fn push(
        &mut self,
        frame: NewFrame,
        sequence: Sequence,
        receive_time: Timestamp,
        settings_revision: u64,
    ) {
        self.last += 1;
        let position = WorkPosition(self.last, 0);
        let item = WorkItem {
            position,
            stream_id: frame.stream_id,
            sequence,
            receive_time,
            settings_revision,
            header: frame.header,
            payload: frame.upload.payload,
            fate: None,
        };
        self.entries.insert(position, item);
    }

    pub(super) fn get(&self, position: WorkPosition) -> Option<&WorkItem> {
        self.entries.get(&position)
    }

    pub(super) fn remove(&mut self, position: WorkPosition) {
        self.entries.remove(&position);
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn oldest_receive_time(&self) -> Option<Timestamp> {
        self.entries.values().next().map(|item| item.receive_time)
    }

    pub(super) fn newest_mut(&mut self) -> Option<&mut WorkItem> {
        self.entries.values_mut().next_back()
    }

    fn newest(&self) -> Option<WorkPosition> {
        self.entries.keys().next_back().copied()
    }

    pub(super) fn following(&self, after: WorkPosition) -> impl Iterator<Item = &WorkItem> {
        let above = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
        self.entries.range(above).map(|(_, item)| item)
    }
}

impl State {
    /// Returns the partitions that have work after their positions, each with the position of its
    /// newest work.
    pub(super) fn with_work(
        &self,
        positions: &[(PartitionId, WorkPosition)],
    ) -> Vec<(PartitionId, WorkPosition)> {
        let newest = |&(id, after): &(PartitionId, WorkPosition)| {
            let newest = self.partition_ref(id).work.newest().filter(|newest| *newest > after)?;
            Some((id, newest))
        };
        positions.iter().filter_map(newest).collect()
    }
}
