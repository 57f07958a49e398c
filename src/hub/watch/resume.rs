//! The changes that a client has missed since its last call.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::change::ChangeKind;
use super::directory::KnownStream;
use super::record::SharedRecord;
use super::snapshots::Snapshot;
use super::token::WatchToken;
use super::{StreamChange, Watch, WatchBody, WatchEvent};
use crate::domain::{StreamId, StreamRecord, StreamState, Timestamp};
use crate::hub::clock;
use crate::hub::event::SubscribeError;
use crate::queue::{FeedEvent, FeedPosition};

/// The maximum number of feed events that a resumed watch reads. A watch that missed more starts
/// with a snapshot.
const MAX_MISSED_EVENTS: u64 = 5_000;

impl Watch {
    /// Finds the changes after a token; `false` if they are no longer known. Changes before the
    /// token may be reported again; none after it is missed.
    pub(super) async fn resume(&mut self, token: &WatchToken) -> Result<bool, SubscribeError> {
        let Snapshot { version, positions: reached, streams } = self.hub.directory.snapshot(&self.matcher);
        let partitions: Vec<_> = self.hub.queue.partitions().all().collect();
        if token.positions.len() != partitions.len() {
            return Ok(false);
        }
        let mut positions: Vec<_> = partitions
            .into_iter()
            .zip(token.positions.iter().map(|&number| FeedPosition(number, 0)))
            .collect();
        let end = |partition| reached.get(&partition).copied().unwrap_or_default();
        if positions.iter().any(|(partition, position)| *position > end(*partition)) {
            return Ok(false); // of another store, or of one that has lost data
        }
        let missed: u64 = positions.iter().map(|(partition, position)| end(*partition).0 - position.0).sum();
        if missed > MAX_MISSED_EVENTS {
            return Ok(false);
        }
        let (mut registry, mut outputs) = (HashSet::new(), HashSet::new());
        loop {
            positions.retain(|(partition, position)| *position < end(*partition));
            if positions.is_empty() {
                break;
            }
            let pages = self.hub.queue.read_feed(&positions, Duration::ZERO).await?;
            if pages.is_empty() || pages.iter().any(|page| page.missed) {
                return Ok(false);
            }
            for page in pages {
                for event in &page.events {
                    match event {
                        FeedEvent::StreamChanged(id) | FeedEvent::StreamRemoved(id, _) => {
                            registry.insert(id.clone())
                        }
                        FeedEvent::Output(entry) => outputs.insert(entry.stream_id.clone()),
                    };
                }
                let found = positions.iter_mut().find(|(partition, _)| *partition == page.partition);
                if let Some((_, position)) = found {
                    *position = page.next;
                }
            }
        }
        self.seen = version;
        let older = streams.iter().filter(|known| known.record.create_time <= token.time);
        self.known.clear();
        older.for_each(|known| self.known.insert(known.slot));
        self.emit_missed(token, &streams, &registry, &outputs).await?;
        self.update_token(reached);
        if let Some(last) = self.out.back_mut() {
            last.token = Some(self.token.clone());
        }
        Ok(true)
    }

    /// Sends the changes of the streams whose registry entries or outputs changed after a token.
    async fn emit_missed(
        &mut self,
        token: &WatchToken,
        selected: &[KnownStream],
        registry: &HashSet<StreamId>,
        outputs: &HashSet<StreamId>,
    ) -> Result<(), SubscribeError> {
        self.token = token.clone();
        for known in selected {
            let (id, record) = (&known.record.id, &known.record);
            if record.create_time > token.time {
                self.known.insert(known.slot);
                self.push(ChangeKind::Registered, known, record.create_time);
            } else if registry.contains(id) {
                self.push(ChangeKind::Updated, known, record.update_time);
            }
            let stalled = record.stall_time().filter(|stall| *stall > token.time);
            match known.state {
                StreamState::Live if outputs.contains(id) => {
                    let time = record.counters.last_receive_time.unwrap_or(known.time);
                    self.push(ChangeKind::Live, known, time);
                }
                StreamState::Error if outputs.contains(id) => {
                    self.push(ChangeKind::Error, known, known.time);
                }
                StreamState::Stalled => {
                    if let Some(time) = stalled {
                        self.push(ChangeKind::Stalled, known, time);
                    }
                }
                StreamState::Idle | StreamState::Live | StreamState::Error => {}
            }
        }
        // A changed stream that is not selected now may have been selected before.
        let is_selected = |id: &StreamId| selected.iter().any(|known| known.record.id == *id);
        let gone: Vec<StreamId> =
            registry.iter().filter(|id| !is_selected(id) && !self.matcher.excludes(id)).cloned().collect();
        let records = self.records(&gone).await?;
        for id in gone {
            let record = match (self.hub.directory.known(&id), records.get(&id)) {
                (Some(known), _) => StreamRecord::clone(&known.record),
                (None, Some(record)) => record.clone(),
                (None, None) => StreamRecord::unknown(id, Timestamp::default()),
            };
            if record.create_time <= token.time {
                let (state, time) = (record.state(clock::now()), clock::now());
                let record = Arc::new(SharedRecord::new(record));
                let change = StreamChange { kind: ChangeKind::Removed, record, state, time, failure: None };
                let token = Some(self.token.clone());
                self.out.push_back(WatchEvent { body: WatchBody::Change(change), token });
            }
        }
        self.complete(0).await
    }
}
