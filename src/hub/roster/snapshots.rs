//! Snapshots for watchers, step by step, of records that all of them share.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use tokio::time::Instant;

use super::{ChangeKind, Known, Positions, Roster};
use crate::domain::{Failure, StreamId, StreamRecord};
use crate::hub::select::Matcher;
use crate::hub::shared_record::SharedRecord;
use crate::hub::{Hub, lock};
use crate::queue;

/// Streams that are looked at with the lock held, for one step of a snapshot.
const SCANNED_AT_ONCE: usize = 256;
/// Streams that are read from the backend at once.
pub(in crate::hub) const READ_AT_ONCE: usize = 100;

/// The next stream of a snapshot.
#[derive(Debug)]
pub(in crate::hub) enum Existing {
    /// It, and its slot.
    Stream(u32, Arc<SharedRecord>),
    /// It and some behind it must be read first.
    Stale(Vec<StreamId>),
    /// None is selected up to this one.
    Scanned(StreamId),
    /// There are no more.
    End,
}

/// Where a snapshot was taken.
#[derive(Debug)]
pub(in crate::hub) struct Snapshot {
    pub(in crate::hub) version: u64,
    pub(in crate::hub) positions: Positions,
    pub(in crate::hub) streams: Vec<Known>,
}

impl Roster {
    pub(in crate::hub) fn snapshot(&self, matcher: &Matcher) -> Snapshot {
        let state = lock(&self.state);
        let selected = |known: &&Known| !known.record.removed && matcher.matches(&known.record);
        let streams: Vec<Known> = state.streams.values().filter(selected).cloned().collect();
        Snapshot { version: state.version, positions: state.positions.clone(), streams }
    }

    /// Where a snapshot begins that is told stream by stream.
    pub(in crate::hub) fn moment(&self) -> (u64, Positions) {
        let state = lock(&self.state);
        (state.version, state.positions.clone())
    }

    /// The next selected stream behind `after`, by id. Those that came after `version` are left to the changes.
    pub(in crate::hub) fn next_existing(
        &self,
        matcher: &Matcher,
        after: Option<&StreamId>,
        version: u64,
    ) -> Existing {
        let now = Instant::now();
        let state = lock(&self.state);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut stale, mut last, mut scanned) = (Vec::new(), None, 0);
        for (id, known) in state.streams.range::<StreamId, _>((from, Bound::Unbounded)).take(SCANNED_AT_ONCE)
        {
            (last, scanned) = (Some(id), scanned + 1);
            if known.record.removed || known.registered > version || !matcher.matches(&known.record) {
                continue;
            }
            match known.fresh(now) {
                Some(shared) if stale.is_empty() => return Existing::Stream(known.slot, Arc::clone(shared)),
                Some(_) => {}
                None => stale.push(id.clone()),
            }
            if stale.len() >= READ_AT_ONCE {
                break;
            }
        }
        match last {
            _ if !stale.is_empty() => Existing::Stale(stale),
            Some(last) if scanned == SCANNED_AT_ONCE => Existing::Scanned(last.clone()),
            Some(_) | None => Existing::End,
        }
    }

    /// Reads those of the streams again whose shared records are too old, once for all who wait for them.
    pub(in crate::hub) async fn renew(&self, hub: &Hub, ids: &[StreamId]) -> queue::Result<()> {
        let _one_at_a_time = self.reading.lock().await;
        let now = Instant::now();
        let stale: Vec<StreamId> = {
            let state = lock(&self.state);
            let is_stale =
                |id: &&StreamId| state.streams.get(*id).is_some_and(|known| known.fresh(now).is_none());
            ids.iter().filter(is_stale).cloned().collect()
        };
        if stale.is_empty() {
            return Ok(());
        }
        let records = hub.records(&stale).await?;
        self.refresh(&records);
        let read = Instant::now();
        let mut records: HashMap<StreamId, StreamRecord> =
            records.into_iter().map(|record| (record.id.clone(), record)).collect();
        let mut state = lock(&self.state);
        for id in stale {
            let Some(known) = state.streams.get_mut(&id) else { continue };
            // What the feeds told since is newer; what is gone is told as it was.
            let read_again = records.remove(&id).filter(|record| record.revision == known.record.revision);
            let record = read_again.filter(|record| !record.removed);
            let record = record.unwrap_or_else(|| StreamRecord::clone(&known.record));
            known.shared = Some((read, Arc::new(SharedRecord::new(record))));
        }
        Ok(())
    }

    /// The shared records of some streams, as far as they are known.
    pub(in crate::hub) fn shared(&self, ids: &[StreamId]) -> HashMap<StreamId, Arc<SharedRecord>> {
        let state = lock(&self.state);
        let shared = |id: &StreamId| {
            let (_, shared) = state.streams.get(id)?.shared.as_ref()?;
            Some((id.clone(), Arc::clone(shared)))
        };
        ids.iter().filter_map(shared).collect()
    }

    /// Notes why a stream fails, for others who are told of the same change.
    pub(in crate::hub) fn note_failure(&self, id: &StreamId, failure: &Failure) {
        if let Some(known) = lock(&self.state).streams.get_mut(id)
            && known.kind == ChangeKind::Error
        {
            known.failure.get_or_insert_with(|| failure.clone());
        }
    }
}
