use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use super::state::{Now, Partition, State, Stream};
use crate::domain::{StreamCounters, StreamId, StreamRecord, StreamSettings};
use crate::queue::{Error, FeedEvent, ListStreams, Result};

/// Most streams that one page lists.
const MAX_PAGE: usize = 1_000;

impl State {
    pub(super) fn register(
        &mut self,
        id: &StreamId,
        settings: &StreamSettings,
        now: Now,
    ) -> Result<StreamRecord> {
        if self.registered.contains(id) {
            return Err(Error::StreamExists(id.clone()));
        }
        let limit = self.config.max_streams;
        if self.registered.len() >= limit {
            return Err(Error::TooManyStreams { limit });
        }
        let partition = self.partition(self.config.partitions.of(id), now);
        // One that was here goes on where it stopped, with the output that is left of it.
        let (revision, counters, outputs) = match partition.streams.remove(id) {
            Some(Stream { revision, counters, outputs, .. }) => (revision, counters, outputs),
            None => (0, StreamCounters::default(), VecDeque::new()),
        };
        let stream = Stream {
            settings: settings.clone(),
            revision: revision + 1,
            create_time: now.wall,
            update_time: now.wall,
            removed: false,
            counters,
            publishers: BTreeMap::new(),
            outputs,
        };
        let record = stream.record(id);
        partition.streams.insert(id.clone(), stream);
        partition.feed.push(FeedEvent::StreamChanged(id.clone()));
        self.registered.insert(id.clone());
        Ok(record)
    }

    pub(super) fn get_streams(&self, ids: &[StreamId]) -> Vec<Option<StreamRecord>> {
        ids.iter().map(|id| self.home(id).streams.get(id).map(|stream| stream.record(id))).collect()
    }

    pub(super) fn list_streams(&self, query: &ListStreams) -> Vec<StreamRecord> {
        let above = query.after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let ids = self.registered.range::<StreamId, _>((above, Bound::Unbounded));
        ids.filter_map(|id| self.home(id).streams.get(id).map(|stream| stream.record(id)))
            .take(query.limit.clamp(1, MAX_PAGE))
            .collect()
    }

    pub(super) fn update(
        &mut self,
        id: &StreamId,
        settings: &StreamSettings,
        expected_revision: u64,
        now: Now,
    ) -> Result<StreamRecord> {
        let partition = self.partition(self.config.partitions.of(id), now);
        let stream = partition.registered_mut(id)?;
        check_revision(stream, Some(expected_revision))?;
        stream.settings = settings.clone();
        stream.revision += 1;
        stream.update_time = now.wall;
        let record = stream.record(id);
        partition.feed.push(FeedEvent::StreamChanged(id.clone()));
        Ok(record)
    }

    pub(super) fn unregister(&mut self, id: &StreamId, expected_revision: Option<u64>) -> Result<()> {
        let partition = self.partition_mut(self.config.partitions.of(id));
        let stream = partition.registered_mut(id)?;
        check_revision(stream, expected_revision)?;
        stream.removed = true;
        stream.publishers.clear();
        partition.feed.push(FeedEvent::StreamChanged(id.clone()));
        self.registered.remove(id);
        Ok(())
    }
}

impl Partition {
    /// Registered streams and those with something left, by id.
    pub(super) fn records(&self) -> Vec<StreamRecord> {
        let left = |stream: &Stream| {
            !stream.removed || !stream.outputs.is_empty() || stream.counters.queued_frames > 0
        };
        let streams = self.streams.iter().filter(|(_, stream)| left(stream));
        let mut records: Vec<_> = streams.map(|(id, stream)| stream.record(id)).collect();
        records.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        records
    }

    fn registered_mut(&mut self, id: &StreamId) -> Result<&mut Stream> {
        let stream = self.streams.get_mut(id).filter(|stream| !stream.removed);
        stream.ok_or_else(|| Error::StreamNotFound(id.clone()))
    }
}

fn check_revision(stream: &Stream, expected: Option<u64>) -> Result<()> {
    match expected {
        Some(expected) if expected != stream.revision => {
            Err(Error::RevisionMismatch { current: stream.revision })
        }
        Some(_) | None => Ok(()),
    }
}
