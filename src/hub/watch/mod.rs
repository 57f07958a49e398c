//! A watch of streams: a snapshot, then every change.

pub(super) mod change;
pub(super) mod directory;
pub(super) mod record;
pub(super) mod refresh;
mod resume;
mod snapshots;
pub(super) mod token;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::event::SubscribeError;
use super::feed::state::TailState;
use super::selector::{Matcher, StreamSet};
use super::streams::records;
use super::{Hub, clock};
use crate::domain::{Failure, OutputBody, StreamId, StreamRecord, StreamState, Timestamp, TombstoneKind};
use crate::queue;
use change::ChangeKind;
use directory::{Changes, KnownStream, Positions};
use record::{SharedRecord, Slots};
use snapshots::{Existing, STREAMS_PER_READ};
use token::WatchToken;

/// The maximum number of changes that are taken at once.
const CHANGES_PER_READ: usize = 100;
const RETRY: Duration = Duration::from_millis(200);

/// An event of a watch, and the token to resume after it.
#[derive(Debug)]
pub struct WatchEvent {
    /// The event.
    pub body: WatchBody,
    /// The token; `None` within a snapshot.
    pub token: Option<WatchToken>,
}

/// The events of a watch.
#[derive(Debug)]
pub enum WatchBody {
    /// A snapshot starts: everything that was reported before is void.
    SnapshotStart,
    /// A stream of the snapshot.
    Existing(Arc<SharedRecord>),
    /// The snapshot is complete; it had this many streams.
    SnapshotEnd(u64),
    /// A stream was changed.
    Change(StreamChange),
    /// Nothing has happened.
    Heartbeat,
}

/// A change of a stream.
#[derive(Debug)]
pub struct StreamChange {
    /// The kind of the change.
    pub kind: ChangeKind,
    /// The record of the stream after it.
    pub record: Arc<SharedRecord>,
    /// The state of the stream after it.
    pub state: StreamState,
    /// The time of the change.
    pub time: Timestamp,
    /// The last failure of a stream in [`StreamState::Error`].
    pub failure: Option<Failure>,
}

impl StreamChange {
    /// Returns the encoded form of the change; `encode` makes it for the first watch that needs it.
    pub fn encoded(&self, encode: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.record.change((self.kind, self.state, self.time), || encode(self))
    }
}

/// Follows changes of streams until it is dropped.
#[derive(Debug)]
pub struct Watch {
    hub: Arc<Hub>,
    matcher: Matcher,
    selection: [u8; 4],
    /// Changes up to this version have been reported.
    seen: u64,
    /// The streams that the client knows.
    known: Slots,
    out: VecDeque<WatchEvent>,
    /// The progress of a snapshot.
    snapshot: Option<Progress>,
    token: WatchToken,
    heartbeat: Duration,
    next_heartbeat: Instant,
    news: watch::Receiver<u64>,
    tail: watch::Receiver<TailState>,
}

/// The progress of a snapshot. It contains no streams, so a slow watch costs no memory.
#[derive(Debug)]
struct Progress {
    /// Streams that came after this version are reported as changes.
    version: u64,
    after: Option<StreamId>,
    count: u64,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.hub.directory.leave();
    }
}

impl Hub {
    /// Watches streams: returns a snapshot and then changes, or the changes after a token.
    ///
    /// # Errors
    /// See [`SubscribeError`]: an invalid glob, too many watches, a token of another selection, an
    /// outage, draining.
    pub async fn watch(
        self: &Arc<Self>,
        streams: &StreamSet,
        resume: Option<WatchToken>,
        heartbeat: Duration,
    ) -> Result<Watch, SubscribeError> {
        let matcher = Matcher::new(streams)?;
        let selection = digest(streams);
        if resume.as_ref().is_some_and(|token| token.selection != selection) {
            return Err(SubscribeError::OtherSelection);
        }
        self.directory.join()?;
        let mut watch = Watch {
            hub: Arc::clone(self),
            matcher,
            selection,
            seen: 0,
            known: Slots::default(),
            out: VecDeque::new(),
            snapshot: None,
            token: WatchToken {
                store: self.store().id(),
                selection,
                time: clock::now(),
                positions: Vec::new(),
            },
            heartbeat,
            next_heartbeat: Instant::now() + heartbeat,
            news: self.directory.news(),
            tail: self.tail_state(),
        };
        self.directory.load(&*self.queue).await?;
        let store = if resume.is_some() { self.read_store().await?.id() } else { 0 };
        match resume.filter(|token| token.store == store) {
            Some(token) if watch.resume(&token).await? => {}
            Some(_) | None => watch.start_snapshot(),
        }
        Ok(watch)
    }
}

fn digest(streams: &StreamSet) -> [u8; 4] {
    let mut sum = [0; 4];
    sum.copy_from_slice(&blake3::hash(format!("{streams:?}").as_bytes()).as_bytes()[..4]);
    sum
}

impl Watch {
    /// Returns the next event, waiting until there is one. After an error the watch is over.
    ///
    /// # Errors
    /// Returns [`SubscribeError::Draining`] or [`SubscribeError::Backend`].
    pub async fn next(&mut self) -> Result<WatchEvent, SubscribeError> {
        loop {
            if self.hub.directory.is_draining() {
                return Err(SubscribeError::Draining);
            }
            if let Some(event) = self.out.pop_front() {
                self.next_heartbeat = Instant::now() + self.heartbeat;
                return Ok(event);
            }
            // Thousands of snapshots must not block other tasks.
            tokio::task::consume_budget().await;
            if self.snapshot.is_some() {
                self.read_snapshot().await?;
            } else if !self.take_changes().await? {
                self.wait().await?;
            }
        }
    }

    /// Starts with a snapshot.
    fn start_snapshot(&mut self) {
        let (version, positions) = self.hub.directory.version_and_positions();
        self.seen = version;
        self.known.clear();
        self.update_token(positions);
        self.out.push_back(WatchEvent { body: WatchBody::SnapshotStart, token: None });
        self.snapshot = Some(Progress { version, after: None, count: 0 });
    }

    /// Takes one step of a snapshot.
    async fn read_snapshot(&mut self) -> Result<(), SubscribeError> {
        let Some(progress) = &mut self.snapshot else { return Ok(()) };
        match self.hub.directory.next_existing(&self.matcher, progress.after.as_ref(), progress.version) {
            Existing::Stream(slot, shared) => {
                progress.after = Some(shared.record().id.clone());
                progress.count += 1;
                self.known.insert(slot);
                self.out.push_back(WatchEvent { body: WatchBody::Existing(shared), token: None });
            }
            Existing::Stale(ids) => self.renew(&ids).await?,
            Existing::Scanned(last) => progress.after = Some(last),
            Existing::End => {
                let (token, count) = (Some(self.token.clone()), progress.count);
                self.snapshot = None;
                self.out.push_back(WatchEvent { body: WatchBody::SnapshotEnd(count), token });
            }
        }
        Ok(())
    }

    /// Takes the next changes; returns whether there were any.
    async fn take_changes(&mut self) -> Result<bool, SubscribeError> {
        let (changes, all) = match self.hub.directory.changes_after(self.seen, CHANGES_PER_READ) {
            Changes::Since(changes, all) => (changes, all),
            Changes::Forgotten => {
                self.start_snapshot();
                return Ok(true);
            }
        };
        let (seen, any) = (self.seen, !changes.is_empty());
        let first = self.out.len();
        for (version, known) in changes {
            self.seen = version;
            self.emit(known, seen);
        }
        if let Some(positions) = all {
            self.update_token(positions);
        }
        self.complete(first).await?;
        // Only the last event gets the new token. A watch that resumes after an earlier event gets
        // these changes again.
        if let Some(last) = self.out.back_mut() {
            last.token = Some(self.token.clone());
        }
        Ok(any)
    }

    /// Reports a change to this watch, which has seen everything up to `seen`.
    fn emit(&mut self, known: KnownStream, seen: u64) {
        let selected = !known.record.removed && self.matcher.matches(&known.record);
        match (self.known.contains(known.slot), selected) {
            (false, false) => {}
            (true, true) => self.push(known.kind, &known, known.time),
            (false, true) => {
                if known.registered > seen && known.kind != ChangeKind::Registered {
                    self.push(ChangeKind::Registered, &known, known.record.create_time);
                }
                self.known.insert(known.slot);
                self.push(known.kind, &known, known.time);
            }
            (true, false) => {
                self.known.remove(known.slot);
                self.push(ChangeKind::Removed, &known, known.time);
            }
        }
    }

    fn push(&mut self, kind: ChangeKind, known: &KnownStream, time: Timestamp) {
        let change = StreamChange {
            kind,
            record: known.shared_record(),
            state: known.state,
            time,
            failure: known.failure.clone(),
        };
        let token = Some(self.token.clone());
        self.out.push_back(WatchEvent { body: WatchBody::Change(change), token });
    }

    /// Completes the changes from index `first` on with the current records and the reasons of
    /// failures.
    async fn complete(&mut self, first: usize) -> Result<(), SubscribeError> {
        let mut ids = Vec::new();
        let mut failing = Vec::new();
        for event in self.out.iter().skip(first) {
            if let WatchBody::Change(change) = &event.body
                && change.kind != ChangeKind::Removed
            {
                let id = &change.record.record().id;
                ids.push(id.clone());
                if change.kind == ChangeKind::Error && change.failure.is_none() {
                    failing.push(id.clone());
                }
            }
        }
        for ids in ids.chunks(STREAMS_PER_READ) {
            self.renew(ids).await?;
        }
        let records = self.hub.directory.shared(&ids);
        let mut failures = BTreeMap::new();
        for id in failing {
            // Another watch may have found out in the meantime.
            let known = self.hub.directory.known(&id).and_then(|known| known.failure);
            let failure = match known {
                Some(failure) => Some(failure),
                None => last_failure(&self.hub, &id).await?,
            };
            if let Some(failure) = failure {
                self.hub.directory.note_failure(&id, &failure);
                failures.insert(id, failure);
            }
        }
        for event in self.out.iter_mut().skip(first) {
            let WatchBody::Change(change) = &mut event.body else { continue };
            let id = &change.record.record().id;
            if change.kind == ChangeKind::Error && change.failure.is_none() {
                change.failure = failures.remove(id);
            }
            if change.kind != ChangeKind::Removed
                && let Some(record) = records.get(id).filter(|shared| !shared.record().removed)
            {
                change.record = Arc::clone(record);
            }
        }
        Ok(())
    }

    /// Reads again the shared records that are too old. Waits during an outage of the backend, but
    /// not longer than its limit.
    async fn renew(&self, ids: &[StreamId]) -> Result<(), SubscribeError> {
        let start = Instant::now();
        loop {
            match self.hub.directory.renew(&*self.hub.queue, ids).await {
                Ok(()) => return Ok(()),
                Err(error) if !error.is_retryable() || start.elapsed() >= self.hub.config.outage_limit => {
                    return Err(error.into());
                }
                Err(_) => sleep(RETRY).await,
            }
        }
    }

    fn update_token(&mut self, positions: Positions) {
        self.token = WatchToken {
            store: self.hub.store().id(),
            selection: self.selection,
            time: clock::now(),
            positions: positions.into_values().map(|position| position.0).collect(),
        };
    }

    /// Returns records by id. Waits during an outage of the backend, but not longer than its limit.
    async fn records(&self, ids: &[StreamId]) -> Result<BTreeMap<StreamId, StreamRecord>, SubscribeError> {
        let start = Instant::now();
        loop {
            match records(&*self.hub.queue, ids).await {
                Ok(records) => {
                    return Ok(records.into_iter().map(|record| (record.id.clone(), record)).collect());
                }
                Err(error) if !error.is_retryable() || start.elapsed() >= self.hub.config.outage_limit => {
                    return Err(error.into());
                }
                Err(_) => sleep(RETRY).await,
            }
        }
    }

    /// Waits for news, or for the next heartbeat.
    async fn wait(&mut self) -> Result<(), SubscribeError> {
        let outage_end = match &*self.tail.borrow_and_update() {
            TailState::Down { since, error } => {
                let end = *since + self.hub.config.outage_limit;
                if Instant::now() >= end {
                    return Err(error.clone().into());
                }
                Some(end)
            }
            TailState::Starting | TailState::Connected => None,
        };
        let alarm = outage_end.map_or(self.next_heartbeat, |end| end.min(self.next_heartbeat));
        tokio::select! {
            biased;
            _ = self.news.changed() => {}
            _ = self.tail.changed() => {}
            () = sleep_until(alarm) => {
                if Instant::now() >= self.next_heartbeat {
                    let token = Some(self.token.clone());
                    self.out.push_back(WatchEvent { body: WatchBody::Heartbeat, token });
                }
            }
        }
        Ok(())
    }
}

/// Returns the failure of a stream's newest failed frame.
async fn last_failure(hub: &Hub, id: &StreamId) -> queue::Result<Option<Failure>> {
    let newest = hub.queue.latest_outputs(id, 3).await?;
    Ok(newest.iter().find_map(|entry| match &entry.body {
        OutputBody::Tombstone(tombstone) => match &tombstone.kind {
            TombstoneKind::Failed(failure) => Some(failure.clone()),
            TombstoneKind::Dropped | TombstoneKind::Purged(_) | TombstoneKind::Erased => None,
        },
        OutputBody::Frame(_) => None,
    }))
}
