//! A directory of all streams and their states for watches: one copy per server, updated by the
//! tail, and only while there is a watch.
//!
//! Changes form a log in which each has a version; the log contains only the last change of each
//! stream. So all that a watch must remember is the last version that it has seen. A slow watch
//! gets only the last of several changes of a stream, and costs no memory.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::change::ChangeKind;
use super::record::SharedRecord;
use crate::domain::{
    Failure, OutputBody, OutputEntry, PartitionId, StreamId, StreamRecord, StreamState, Timestamp,
    TombstoneKind,
};
use crate::hub::clock;
use crate::hub::event::SubscribeError;
use crate::hub::streams::all_streams;
use crate::queue::{self, FeedEvent, FeedPage, FeedPosition, Queue};

/// The maximum number of removals that are remembered. A watch that has not seen a removal older
/// than these gets a new snapshot.
const MAX_REMOVED: usize = 10_000;
/// The maximum age of the records that watches share. Settings, and what the feeds report, are
/// always current. Thousands of clients that start to watch at once cost the backend one read per
/// second.
const SHARED_FOR: Duration = Duration::from_secs(1);

/// A stream and its last change.
#[derive(Debug, Clone)]
pub(super) struct KnownStream {
    pub(super) record: Arc<StreamRecord>,
    pub(super) state: StreamState,
    pub(super) kind: ChangeKind,
    pub(super) time: Timestamp,
    pub(super) failure: Option<Failure>,
    version: u64,
    /// The version of the change that registered the stream.
    pub(super) registered: u64,
    /// The number of the stream in this directory; it is reused when the stream is forgotten.
    pub(super) slot: u32,
    /// The record that watches share, and the time at which it was read.
    pub(super) shared: Option<(Instant, Arc<SharedRecord>)>,
}

impl KnownStream {
    /// Returns the record that watches share. If that was not read yet or is outdated, returns one
    /// for this watch alone.
    pub(super) fn shared_record(&self) -> Arc<SharedRecord> {
        match &self.shared {
            Some((_, shared)) if shared.record().revision == self.record.revision && !self.record.removed => {
                Arc::clone(shared)
            }
            Some(_) | None => Arc::new(SharedRecord::new(StreamRecord::clone(&self.record))),
        }
    }

    /// Returns the record that watches share, unless it must be read again.
    pub(super) fn fresh(&self, now: Instant) -> Option<&Arc<SharedRecord>> {
        let (read, shared) = self.shared.as_ref()?;
        let is_fresh =
            now.duration_since(*read) < SHARED_FOR && shared.record().revision == self.record.revision;
        is_fresh.then_some(shared)
    }
}

/// The directory of all streams, which is complete while there is a watch.
#[derive(Debug)]
pub(in crate::hub) struct StreamDirectory {
    pub(super) state: Mutex<State>,
    news: watch::Sender<u64>,
    pub(super) joined: Notify,
    loading: tokio::sync::Mutex<()>,
    /// Held while records are read again; others wait for the result.
    pub(super) reading: tokio::sync::Mutex<()>,
    max_watches: usize,
}

#[derive(Debug, Default)]
pub(super) struct State {
    watches: usize,
    loaded: bool,
    draining: bool,
    pub(super) version: u64,
    /// Removals up to this version are forgotten.
    forgotten: u64,
    pub(super) streams: BTreeMap<StreamId, KnownStream>,
    log: BTreeMap<u64, StreamId>,
    removed: BTreeSet<u64>,
    /// The slots of streams that are forgotten.
    free_slots: Vec<u32>,
    /// Everything before these positions is in `streams`.
    pub(super) positions: Positions,
}

/// A position in each feed.
pub(in crate::hub) type Positions = BTreeMap<PartitionId, FeedPosition>;

/// The changes since a version.
#[derive(Debug)]
pub(super) enum Changes {
    /// The oldest changes that the watch has not seen, with their versions. If there are no further
    /// changes, also the positions that they reach.
    Since(Vec<(u64, KnownStream)>, Option<Positions>),
    /// Some are forgotten: a new snapshot is needed.
    Forgotten,
}

impl StreamDirectory {
    pub(in crate::hub) fn new(max_watches: usize) -> Self {
        Self {
            state: Mutex::default(),
            news: watch::Sender::new(0),
            joined: Notify::new(),
            loading: tokio::sync::Mutex::default(),
            reading: tokio::sync::Mutex::default(),
            max_watches,
        }
    }

    pub(super) fn join(&self) -> Result<(), SubscribeError> {
        let mut state = self.state.lock();
        if state.draining {
            return Err(SubscribeError::Draining);
        }
        if state.watches >= self.max_watches {
            return Err(SubscribeError::TooManySubscriptions { limit: self.max_watches });
        }
        state.watches += 1;
        drop(state);
        self.joined.notify_waiters();
        Ok(())
    }

    pub(super) fn leave(&self) {
        let mut state = self.state.lock();
        state.watches -= 1;
        if state.watches == 0 {
            // Versions continue, so that no number is used for two versions.
            let (version, draining) = (state.version, state.draining);
            *state = State { version, draining, forgotten: version, ..State::default() };
        }
    }

    pub(in crate::hub) fn is_active(&self) -> bool {
        self.state.lock().watches > 0
    }

    pub(in crate::hub) fn watches(&self) -> usize {
        self.state.lock().watches
    }

    pub(in crate::hub) fn drain(&self) {
        self.state.lock().draining = true;
        self.news.send_modify(|_| {});
    }

    pub(super) fn is_draining(&self) -> bool {
        self.state.lock().draining
    }

    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Reads all streams, unless they are loaded. The caller has joined, so the tail reports what
    /// happens in the meantime.
    pub(super) async fn load(&self, queue: &dyn Queue) -> queue::Result<()> {
        let _one_at_a_time = self.loading.lock().await;
        if self.state.lock().loaded {
            return Ok(());
        }
        let positions = queue.feed_ends().await?.into_iter().collect();
        let since = self.version();
        let records = all_streams(queue).await?;
        self.sync(&records, positions, since);
        self.state.lock().loaded = true;
        Ok(())
    }

    pub(in crate::hub) fn version(&self) -> u64 {
        self.state.lock().version
    }

    /// Takes a page of a feed; `records` are those of the streams that it reports as changed.
    pub(in crate::hub) fn take_page(&self, page: &FeedPage, records: &[StreamRecord]) {
        let now = clock::now();
        let mut state = self.state.lock();
        if state.watches == 0 {
            return;
        }
        for event in &page.events {
            match event {
                FeedEvent::Output(entry) => state.note_entry(entry, now),
                FeedEvent::StreamChanged(id) | FeedEvent::StreamRemoved(id, _) => {
                    match records.iter().find(|record| record.id == *id) {
                        Some(record) => state.note_record(record, now),
                        None => state.note_gone(id, now),
                    }
                }
            }
        }
        let position = state.positions.entry(page.partition).or_default();
        *position = (*position).max(page.next);
        self.announce(state.version);
    }

    /// Takes a list of all streams. When the reading of the list began, the directory had version
    /// `since`, and the feeds had reached `positions`.
    pub(in crate::hub) fn sync(&self, records: &[StreamRecord], positions: Positions, since: u64) {
        let now = clock::now();
        let mut state = self.state.lock();
        if state.watches == 0 {
            return;
        }
        let listed: HashSet<&StreamId> = records.iter().map(|record| &record.id).collect();
        let missing = |(id, known): (&StreamId, &KnownStream)| {
            (known.version <= since && !known.record.removed && !listed.contains(id)).then(|| id.clone())
        };
        let gone: Vec<StreamId> = state.streams.iter().filter_map(missing).collect();
        gone.iter().for_each(|id| state.note_gone(id, now));
        records.iter().for_each(|record| state.note_record(record, now));
        state.positions = positions;
        self.announce(state.version);
    }

    /// Takes records that were read again.
    pub(super) fn refresh(&self, records: &[StreamRecord]) {
        let now = clock::now();
        let mut state = self.state.lock();
        for record in records.iter().filter(|record| !record.removed) {
            if state.streams.contains_key(&record.id) {
                state.note_record(record, now);
            }
        }
        self.announce(state.version);
    }

    fn announce(&self, version: u64) {
        self.news.send_if_modified(|announced| {
            let new = *announced != version;
            *announced = version;
            new
        });
    }

    /// Returns the streams that should have stalled by now and, if `with_quiet` is set, the streams
    /// that are idle or stalled.
    pub(super) fn overdue(&self, with_quiet: bool) -> Vec<StreamId> {
        let now = clock::now();
        let overdue = |known: &&KnownStream| match known.state {
            StreamState::Live | StreamState::Error => {
                known.record.stall_time().is_some_and(|stall| now > stall)
            }
            StreamState::Idle | StreamState::Stalled => with_quiet,
        };
        let state = self.state.lock();
        let known = state.streams.values().filter(|known| !known.record.removed);
        known.filter(overdue).map(|known| known.record.id.clone()).collect()
    }

    /// Returns what is known about a stream.
    pub(super) fn known(&self, id: &StreamId) -> Option<KnownStream> {
        self.state.lock().streams.get(id).cloned()
    }

    pub(super) fn changes_after(&self, seen: u64, limit: usize) -> Changes {
        let state = self.state.lock();
        if seen < state.forgotten {
            return Changes::Forgotten;
        }
        let later = state.log.range(seen + 1..);
        let changes: Vec<_> = later
            .filter_map(|(version, id)| Some((*version, state.streams.get(id)?.clone())))
            .take(limit)
            .collect();
        let all = changes.last().map_or(seen, |(version, _)| *version) >= state.version;
        Changes::Since(changes, all.then(|| state.positions.clone()))
    }
}

impl State {
    fn note_record(&mut self, record: &StreamRecord, now: Timestamp) {
        if record.removed {
            return self.note_gone(&record.id, now);
        }
        let state = record.state(now);
        let Some(known) = self.streams.get(&record.id) else {
            return self.note(record.clone(), state, ChangeKind::Registered, record.create_time, None);
        };
        let before = &known.record;
        // A record that was read before the last event, or before the stream was removed, contains
        // nothing new.
        let older = record.revision < before.revision
            || record.counters.published_sequence < before.counters.published_sequence
                && record.revision == before.revision
            || before.removed && record.revision == before.revision;
        if older {
            return;
        }
        if before.removed || record.create_time != before.create_time {
            return self.note(record.clone(), state, ChangeKind::Registered, record.create_time, None);
        }
        let (old, revised) = (known.state, record.revision != before.revision);
        if state != old {
            // The last change of a stream stands for those before it.
            self.state_changed(record.clone(), state, now, None);
        } else if revised {
            let time = record.update_time;
            self.note(record.clone(), state, ChangeKind::Updated, time, None);
        } else if let Some(known) = self.streams.get_mut(&record.id) {
            known.record = Arc::new(record.clone());
        }
    }

    fn note_entry(&mut self, entry: &OutputEntry, now: Timestamp) {
        let Some(known) = self.streams.get_mut(&entry.stream_id) else { return };
        let record = Arc::make_mut(&mut known.record);
        if record.removed || entry.sequence.get() <= record.counters.published_sequence {
            return;
        }
        let counters = &mut record.counters;
        counters.published_sequence = entry.sequence.get();
        counters.accepted_sequence = counters.accepted_sequence.max(entry.sequence.get());
        // A replayed frame says nothing about the camera.
        let is_replay = entry.body.header().replayed_from.is_some();
        if !is_replay {
            counters.last_receive_time = counters.last_receive_time.max(Some(entry.receive_time));
        }
        let mut failure = None;
        match &entry.body {
            OutputBody::Frame(_) if is_replay => {}
            OutputBody::Frame(_) => counters.failed_in_row = 0,
            OutputBody::Tombstone(tombstone) => match &tombstone.kind {
                TombstoneKind::Failed(why) if !is_replay => {
                    counters.failed_in_row += 1;
                    failure = Some(why.clone());
                }
                TombstoneKind::Failed(_)
                | TombstoneKind::Dropped
                | TombstoneKind::Purged(_)
                | TombstoneKind::Erased => {}
            },
        }
        let (state, old) = (record.state(now), known.state);
        if state != old {
            let record = StreamRecord::clone(record);
            self.state_changed(record, state, now, failure);
        }
    }

    fn state_changed(
        &mut self,
        record: StreamRecord,
        state: StreamState,
        now: Timestamp,
        failure: Option<Failure>,
    ) {
        let (kind, time) = match state {
            StreamState::Idle => (ChangeKind::Updated, record.update_time),
            StreamState::Live => (ChangeKind::Live, record.counters.last_receive_time.unwrap_or(now)),
            StreamState::Stalled => (ChangeKind::Stalled, record.stall_time().unwrap_or(now)),
            StreamState::Error => (ChangeKind::Error, now),
        };
        self.note(record, state, kind, time, failure);
    }

    fn note_gone(&mut self, id: &StreamId, now: Timestamp) {
        let Some(known) = self.streams.get(id).filter(|known| !known.record.removed) else { return };
        let mut record = StreamRecord::clone(&known.record);
        record.removed = true;
        let state = known.state;
        self.note(record, state, ChangeKind::Removed, now, None);
        while self.removed.len() > MAX_REMOVED
            && let Some(oldest) = self.removed.pop_first()
        {
            self.forgotten = oldest;
            if let Some(known) = self.log.remove(&oldest).and_then(|id| self.streams.remove(&id)) {
                // Every watch that knew the stream has seen this, or starts again.
                self.free_slots.push(known.slot);
            }
        }
    }

    fn note(
        &mut self,
        record: StreamRecord,
        state: StreamState,
        kind: ChangeKind,
        time: Timestamp,
        failure: Option<Failure>,
    ) {
        self.version += 1;
        let (version, id) = (self.version, record.id.clone());
        let before = self.streams.remove(&id);
        if let Some(known) = &before {
            self.log.remove(&known.version);
            self.removed.remove(&known.version);
        }
        let registered = match (kind, &before) {
            (ChangeKind::Registered, _) | (_, None) => version,
            (_, Some(known)) => known.registered,
        };
        let (slot, shared) = match before {
            Some(known) => (known.slot, known.shared),
            // Every slot below the next one is either in use or free.
            None => {
                let next = u32::try_from(self.streams.len() + self.free_slots.len()).unwrap_or(u32::MAX);
                (self.free_slots.pop().unwrap_or(next), None)
            }
        };
        if kind == ChangeKind::Removed {
            self.removed.insert(version);
        }
        self.log.insert(version, id.clone());
        let record = Arc::new(record);
        let known = KnownStream { record, state, kind, time, failure, version, registered, slot, shared };
        self.streams.insert(id, known);
    }
}
