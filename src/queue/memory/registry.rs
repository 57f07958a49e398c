use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use super::state::{Now, Partition, State, Stream, check_etag};
use super::window::PublisherWindow;
use crate::domain::{Etag, Sequence, SequenceSet, StreamCounters, StreamId, StreamRecord, StreamSettings};
use crate::queue::{
    Created, Error, FeedEvent, ListStreams, Result, UNREGISTERED, Unregistered, remembered_settings,
    settings_bytes,
};

/// The maximum number of streams in one page.
const MAX_PAGE: usize = 1_000;

impl State {
    pub(super) fn register(
        &mut self,
        id: &StreamId,
        settings: &StreamSettings,
        now: Now,
    ) -> Result<Created<StreamRecord>> {
        if self.registered.contains(id) {
            let known =
                self.home(id).streams.get(id).filter(|stream| stream.settings.has_same_settings(settings));
            let known = known.ok_or_else(|| Error::StreamExists(id.clone()))?;
            return Ok(Created { record: known.record(id), is_new: false });
        }
        let limit = self.config.max_streams;
        if self.registered.len() >= limit {
            return Err(Error::TooManyStreams { limit });
        }
        self.check_settings(0, settings)?;
        let defaults = self.config.defaults;
        let partition = self.partition(self.config.partitions.of(id), now);
        // Sequences continue after all that were issued under this id, and counters start from
        // zero. Frames that still wait count as accepted in the new counters, and as removed once
        // they leave the queue.
        let before = partition.streams.remove(id);
        let (revision, counters_before, newest_receipt) = match &before {
            Some(before) => (before.revision, before.counters, before.newest_receipt),
            None => {
                let start = partition.forgotten;
                let counters = StreamCounters {
                    accepted_sequence: start,
                    published_sequence: start,
                    floor_sequence: start,
                    ..StreamCounters::default()
                };
                (0, counters, None)
            }
        };
        partition.removed.remove(&(counters_before.accepted_sequence, id.clone()));
        let counters = StreamCounters {
            accepted_sequence: counters_before.accepted_sequence,
            published_sequence: counters_before.published_sequence,
            oldest_sequence: counters_before.accepted_sequence + 1,
            floor_sequence: counters_before.floor_sequence,
            accepted_frames: counters_before.queued_frames,
            accepted_bytes: counters_before.queued_bytes,
            queued_frames: counters_before.queued_frames,
            queued_bytes: counters_before.queued_bytes,
            last_receive_time: counters_before.last_receive_time,
            trimmed_until: counters_before.trimmed_until,
            ..StreamCounters::default()
        };
        let stream = Stream {
            settings: settings.clone(),
            effective: settings.effective(&defaults),
            incarnation: Etag::new_incarnation(),
            revision: revision.max(partition.forgotten_revision) + 1,
            create_time: now.wall,
            update_time: now.wall,
            removed: false,
            counters,
            publishers: BTreeMap::new(),
            newest_receipt,
            outputs: VecDeque::new(),
            newest_frame: 0,
            erased: SequenceSet::default(),
        };
        let record = stream.record(id);
        partition.streams.insert(id.clone(), stream);
        partition.totals.settings_bytes += settings_bytes(settings);
        partition.feed.push(FeedEvent::StreamChanged(id.clone()));
        self.registered.insert(id.clone());
        Ok(Created { record, is_new: true })
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
        expected: Etag,
        now: Now,
    ) -> Result<StreamRecord> {
        let known = self.home(id).streams.get(id).filter(|stream| !stream.removed);
        let before = known.map_or(0, |stream| settings_bytes(&stream.settings));
        self.check_settings(before, settings)?;
        let defaults = self.config.defaults;
        let partition = self.partition(self.config.partitions.of(id), now);
        let stream = partition.registered_mut(id)?;
        check_etag(stream.etag(), Some(expected))?;
        stream.settings = settings.clone();
        stream.effective = settings.effective(&defaults);
        stream.revision += 1;
        stream.update_time = now.wall;
        let record = stream.record(id);
        partition.totals.settings_bytes -= before;
        partition.totals.settings_bytes += settings_bytes(settings);
        partition.feed.push(FeedEvent::StreamChanged(id.clone()));
        Ok(record)
    }

    /// Refuses settings that take more bytes than the stored ones (`before`), if all settings
    /// together would then exceed their limit.
    fn check_settings(&self, before: u64, settings: &StreamSettings) -> Result<()> {
        let all: u64 = self.all_partitions().iter().map(|partition| partition.totals.settings_bytes).sum();
        let (bytes, limit_bytes) = (settings_bytes(settings), self.config.budget.settings_bytes());
        if bytes > before && all - before + bytes > limit_bytes {
            return Err(Error::TooManySettings { limit_bytes });
        }
        Ok(())
    }

    pub(super) fn unregister(&mut self, id: &StreamId, expected: Option<Etag>) -> Result<Unregistered> {
        let defaults = self.config.defaults;
        let partition = self.partition_mut(self.config.partitions.of(id));
        let letters = partition.dead.iter().map(|letter| &letter.frame);
        let dead_letters =
            letters.filter(|frame| frame.stream_id == *id && partition.admits(frame)).count() as u64;
        let stream = partition.registered_mut(id)?;
        check_etag(stream.etag(), expected)?;
        let counters = &mut stream.counters;
        let removed = Unregistered {
            last_sequence: counters.accepted_sequence,
            queued_frames: counters.queued_frames,
            output_frames: counters.output_frames,
            dead_letters,
        };
        counters.floor_sequence = counters.accepted_sequence;
        counters.oldest_sequence = counters.accepted_sequence + 1;
        (counters.output_frames, counters.output_bytes) = (0, 0);
        counters.trimmed_until = stream.newest_receipt;
        stream.removed = true;
        stream.erased = SequenceSet::default();
        let settings = settings_bytes(&stream.settings);
        stream.settings = remembered_settings(&stream.settings);
        stream.effective = stream.settings.effective(&defaults);
        let publishers = std::mem::take(&mut stream.publishers);
        let mut outputs = std::mem::take(&mut stream.outputs);
        partition.old_outputs.append(&mut outputs);
        partition.totals.settings_bytes -= settings;
        partition.totals.publishers -= publishers.len() as u64;
        partition.totals.window_bytes -= publishers.values().map(PublisherWindow::bytes).sum::<u64>();
        if removed.queued_frames > 0 {
            partition.control.mark(id, Sequence::after(removed.last_sequence - 1), UNREGISTERED);
        }
        partition.erasing.remove(id);
        partition.stream_was_removed = true;
        partition.feed.push(FeedEvent::StreamRemoved(id.clone(), removed.last_sequence));
        partition.settle_removed(id);
        self.registered.remove(id);
        Ok(removed)
    }
}

impl Partition {
    /// Lists registered streams and unregistered ones with frames left, by id.
    pub(super) fn records(&self) -> Vec<StreamRecord> {
        let left = |stream: &Stream| !stream.removed || stream.counters.queued_frames > 0;
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
