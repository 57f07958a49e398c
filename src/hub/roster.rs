//! What all streams are doing, for those who watch them: one copy a server, kept up by the tail, and only while somebody
//! watches.
//!
//! Changes are a log with a version for each; of each stream it holds the last change only. So a watcher is a version, and
//! one that is slow finds several changes of a stream as the last of them: it costs nothing to be slow.

mod snapshots;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::event::SubscribeError;
use super::shared_record::SharedRecord;
use super::{Hub, clock, lock};
use crate::domain::{
    Failure, OutputBody, OutputEntry, PartitionId, StreamId, StreamRecord, StreamState, Timestamp,
    TombstoneKind,
};
use crate::queue::{self, FeedEvent, FeedPage, FeedPosition, ListStreams};
pub(super) use snapshots::{Existing, READ_AT_ONCE, Snapshot};

/// How often streams are looked at that should have had a frame by now.
const TICK: Duration = Duration::from_millis(500);
/// Every so many ticks, those without frames are looked at too: frames may wait where no worker runs.
const QUIET_TICKS: u32 = 10;
/// Removals that are remembered; who has not seen an older one gets a new snapshot.
const MAX_REMOVED: usize = 10_000;
/// How old a record may be that a watcher is told, but for settings and what the feeds tell, which are always new: thousands who
/// watch at once cost the backend one reading a second.
const SHARED_FOR: Duration = Duration::from_secs(1);

/// What happened to a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was registered.
    Registered,
    /// Its settings were changed.
    Updated,
    /// Frames come, for the first time or again.
    Live,
    /// None came for its stall timeout.
    Stalled,
    /// Its last frames could not be processed.
    Error,
    /// It was unregistered, or is no longer selected.
    Removed,
}

/// A stream, and its last change.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) record: Arc<StreamRecord>,
    pub(super) state: StreamState,
    pub(super) kind: ChangeKind,
    pub(super) time: Timestamp,
    pub(super) failure: Option<Failure>,
    version: u64,
    /// The change with which it came.
    pub(super) registered: u64,
    /// Its number among the streams that are known here; another's once it is forgotten.
    pub(super) slot: u32,
    /// The record as it was last read, and when.
    shared: Option<(Instant, Arc<SharedRecord>)>,
}

impl Known {
    /// The record as watchers share it, or for this one alone where it was not read yet.
    pub(super) fn shared_record(&self) -> Arc<SharedRecord> {
        match &self.shared {
            Some((_, shared)) if shared.record().revision == self.record.revision && !self.record.removed => {
                Arc::clone(shared)
            }
            Some(_) | None => Arc::new(SharedRecord::new(StreamRecord::clone(&self.record))),
        }
    }

    /// The record that watchers share, unless it must be read again.
    fn fresh(&self, now: Instant) -> Option<&Arc<SharedRecord>> {
        let (read, shared) = self.shared.as_ref()?;
        let is_fresh =
            now.duration_since(*read) < SHARED_FOR && shared.record().revision == self.record.revision;
        is_fresh.then_some(shared)
    }
}

/// All streams, while somebody watches.
#[derive(Debug)]
pub(super) struct Roster {
    state: Mutex<State>,
    news: watch::Sender<u64>,
    joined: Notify,
    loading: tokio::sync::Mutex<()>,
    /// Held by the one who reads records again; the others wait for what it reads.
    reading: tokio::sync::Mutex<()>,
    max_watches: usize,
}

#[derive(Debug, Default)]
struct State {
    watches: usize,
    loaded: bool,
    draining: bool,
    version: u64,
    /// Removals up to this version are forgotten.
    forgotten: u64,
    streams: BTreeMap<StreamId, Known>,
    log: BTreeMap<u64, StreamId>,
    removed: BTreeSet<u64>,
    /// Slots of streams that are forgotten.
    free_slots: Vec<u32>,
    /// What happened up to here is in `streams`.
    positions: Positions,
}

/// A position in each feed.
pub(super) type Positions = BTreeMap<PartitionId, FeedPosition>;

/// What a watcher finds.
#[derive(Debug)]
pub(super) enum Found {
    /// The oldest changes that it has not seen, with their version; and, if they are all, up to where.
    Changes(Vec<(u64, Known)>, Option<Positions>),
    /// Some are forgotten: take a new snapshot.
    Forgotten,
}

impl Roster {
    pub(super) fn new(max_watches: usize) -> Self {
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
        let mut state = lock(&self.state);
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
        let mut state = lock(&self.state);
        state.watches -= 1;
        if state.watches == 0 {
            // Versions go on: a number never means two things.
            let (version, draining) = (state.version, state.draining);
            *state = State { version, draining, forgotten: version, ..State::default() };
        }
    }

    pub(super) fn is_active(&self) -> bool {
        lock(&self.state).watches > 0
    }

    pub(super) fn watches(&self) -> usize {
        lock(&self.state).watches
    }

    pub(super) fn drain(&self) {
        lock(&self.state).draining = true;
        self.news.send_modify(|_| {});
    }

    pub(super) fn is_draining(&self) -> bool {
        lock(&self.state).draining
    }

    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Reads all streams, unless they are there. The caller has joined: what happens meanwhile comes by the tail.
    pub(super) async fn load(&self, hub: &Hub) -> queue::Result<()> {
        let _one_at_a_time = self.loading.lock().await;
        if lock(&self.state).loaded {
            return Ok(());
        }
        let positions = hub.queue.feed_ends().await?.into_iter().collect();
        let since = self.version();
        let records = all_streams(hub).await?;
        self.sync(&records, positions, since);
        lock(&self.state).loaded = true;
        Ok(())
    }

    pub(super) fn version(&self) -> u64 {
        lock(&self.state).version
    }

    /// Takes a page of a feed; `records` are those of the streams that it says have changed.
    pub(super) fn page(&self, page: &FeedPage, records: &[StreamRecord]) {
        let now = clock::now();
        let mut state = lock(&self.state);
        if state.watches == 0 {
            return;
        }
        for event in &page.events {
            match event {
                FeedEvent::Output(entry) => state.output(entry, now),
                FeedEvent::StreamChanged(id) | FeedEvent::StreamRemoved(id, _) => {
                    match records.iter().find(|record| record.id == *id) {
                        Some(record) => state.changed(record, now),
                        None => state.gone(id, now),
                    }
                }
            }
        }
        let position = state.positions.entry(page.partition).or_default();
        *position = (*position).max(page.next);
        self.tell(state.version);
    }

    /// Takes a list of all streams, begun at version `since`, and the positions before it.
    pub(super) fn sync(&self, records: &[StreamRecord], positions: Positions, since: u64) {
        let now = clock::now();
        let mut state = lock(&self.state);
        if state.watches == 0 {
            return;
        }
        let listed: HashSet<&StreamId> = records.iter().map(|record| &record.id).collect();
        let missing = |(id, known): (&StreamId, &Known)| {
            (known.version <= since && !known.record.removed && !listed.contains(id)).then(|| id.clone())
        };
        let gone: Vec<StreamId> = state.streams.iter().filter_map(missing).collect();
        gone.iter().for_each(|id| state.gone(id, now));
        records.iter().for_each(|record| state.changed(record, now));
        state.positions = positions;
        self.tell(state.version);
    }

    /// Takes records that were read again.
    fn refresh(&self, records: &[StreamRecord]) {
        let now = clock::now();
        let mut state = lock(&self.state);
        for record in records.iter().filter(|record| !record.removed) {
            if state.streams.contains_key(&record.id) {
                state.changed(record, now);
            }
        }
        self.tell(state.version);
    }

    fn tell(&self, version: u64) {
        self.news.send_if_modified(|told| {
            let new = *told != version;
            *told = version;
            new
        });
    }

    /// Streams that should have stalled by now and, `with_quiet`, those that had no frames before.
    fn doubtful(&self, with_quiet: bool) -> Vec<StreamId> {
        let now = clock::now();
        let doubtful = |known: &&Known| match known.state {
            StreamState::Live | StreamState::Error => {
                known.record.stall_time().is_some_and(|stall| now > stall)
            }
            StreamState::Idle | StreamState::Stalled => with_quiet,
        };
        let state = lock(&self.state);
        let known = state.streams.values().filter(|known| !known.record.removed);
        known.filter(doubtful).map(|known| known.record.id.clone()).collect()
    }

    /// What is known of some streams.
    pub(super) fn known(&self, id: &StreamId) -> Option<Known> {
        lock(&self.state).streams.get(id).cloned()
    }

    pub(super) fn after(&self, seen: u64, limit: usize) -> Found {
        let state = lock(&self.state);
        if seen < state.forgotten {
            return Found::Forgotten;
        }
        let later = state.log.range(seen + 1..);
        let changes: Vec<_> = later
            .filter_map(|(version, id)| Some((*version, state.streams.get(id)?.clone())))
            .take(limit)
            .collect();
        let all = changes.last().map_or(seen, |(version, _)| *version) >= state.version;
        Found::Changes(changes, all.then(|| state.positions.clone()))
    }
}

impl State {
    fn changed(&mut self, record: &StreamRecord, now: Timestamp) {
        if record.removed {
            return self.gone(&record.id, now);
        }
        let state = record.state(now);
        let Some(known) = self.streams.get(&record.id) else {
            return self.note(record.clone(), state, ChangeKind::Registered, record.create_time, None);
        };
        let before = &known.record;
        // What was read before the last event, or before its removal, says nothing new.
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

    fn output(&mut self, entry: &OutputEntry, now: Timestamp) {
        let Some(known) = self.streams.get_mut(&entry.stream_id) else { return };
        let record = Arc::make_mut(&mut known.record);
        if record.removed || entry.sequence.get() <= record.counters.published_sequence {
            return;
        }
        let counters = &mut record.counters;
        counters.published_sequence = entry.sequence.get();
        counters.accepted_sequence = counters.accepted_sequence.max(entry.sequence.get());
        counters.last_receive_time = counters.last_receive_time.max(Some(entry.receive_time));
        let mut failure = None;
        match &entry.body {
            OutputBody::Frame(_) => counters.failed_in_row = 0,
            OutputBody::Tombstone(tombstone) => match &tombstone.kind {
                TombstoneKind::Failed(why) => {
                    counters.failed_in_row += 1;
                    failure = Some(why.clone());
                }
                TombstoneKind::Dropped | TombstoneKind::Purged(_) => {}
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

    fn gone(&mut self, id: &StreamId, now: Timestamp) {
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
                // Whoever knew of it has been told, or begins anew.
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
            // Slots are given out from 0 on, so that one that is not free is in use.
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
        let known = Known { record, state, kind, time, failure, version, registered, slot, shared };
        self.streams.insert(id, known);
    }
}

/// Every registered stream.
pub(super) async fn all_streams(hub: &Hub) -> queue::Result<Vec<StreamRecord>> {
    let mut query = ListStreams { after: None, limit: 1000 };
    let mut all = Vec::new();
    loop {
        let records = hub.queue.list_streams(&query).await?;
        query.after = records.last().map(|record| record.id.clone());
        let is_last = records.len() < query.limit;
        all.extend(records);
        if is_last {
            return Ok(all);
        }
    }
}

/// Looks after streams whose frames stay away, while somebody watches. What cannot be read is looked at again.
pub(super) async fn run(hub: &Hub, stop: &CancellationToken) {
    let mut ticks = 0_u32;
    loop {
        let joined = hub.roster.joined.notified();
        if !hub.roster.is_active() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = joined => continue,
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(TICK) => {}
        }
        ticks = ticks.wrapping_add(1);
        let ids = hub.roster.doubtful(ticks.is_multiple_of(QUIET_TICKS));
        if ids.is_empty() {
            continue;
        }
        match hub.records(&ids).await {
            Ok(records) => hub.roster.refresh(&records),
            Err(error) => tracing::debug!(%error, "streams could not be looked at"),
        }
    }
}
