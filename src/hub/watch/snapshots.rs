//! Takes snapshots for watches, step by step, from records that all of them share.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use tokio::time::Instant;

use super::change::ChangeKind;
use super::directory::{KnownStream, Positions, StreamDirectory};
use super::record::SharedRecord;
use crate::domain::{Failure, StreamId, StreamRecord};
use crate::hub::selector::Matcher;
use crate::hub::streams::records;
use crate::queue::{self, Queue};

/// The maximum number of streams that one step of a snapshot looks at while it holds the lock.
const STREAMS_PER_SCAN: usize = 256;
/// The maximum number of streams in one read from the backend.
pub(super) const STREAMS_PER_READ: usize = 100;

/// The next stream of a snapshot.
#[derive(Debug)]
pub(super) enum Existing {
    /// The stream and its slot.
    Stream(u32, Arc<SharedRecord>),
    /// The next stream and some after it must be read first.
    Stale(Vec<StreamId>),
    /// No stream up to this one is selected.
    Scanned(StreamId),
    /// There are no more streams.
    End,
}

/// A snapshot of the selected streams.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) version: u64,
    pub(super) positions: Positions,
    pub(super) streams: Vec<KnownStream>,
}

impl StreamDirectory {
    pub(super) fn snapshot(&self, matcher: &Matcher) -> Snapshot {
        let state = self.state.lock();
        let selected = |known: &&KnownStream| !known.record.removed && matcher.matches(&known.record);
        let streams: Vec<KnownStream> = state.streams.values().filter(selected).cloned().collect();
        Snapshot { version: state.version, positions: state.positions.clone(), streams }
    }

    /// Returns the current version and positions, for a snapshot that is reported stream by stream.
    pub(super) fn version_and_positions(&self) -> (u64, Positions) {
        let state = self.state.lock();
        (state.version, state.positions.clone())
    }

    /// Returns the next selected stream after `after`, in the order of ids. Streams that came after
    /// `version` are left out, because they are reported as changes.
    pub(super) fn next_existing(
        &self,
        matcher: &Matcher,
        after: Option<&StreamId>,
        version: u64,
    ) -> Existing {
        let now = Instant::now();
        let state = self.state.lock();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut stale, mut last, mut scanned) = (Vec::new(), None, 0);
        for (id, known) in state.streams.range::<StreamId, _>((from, Bound::Unbounded)).take(STREAMS_PER_SCAN)
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
            if stale.len() >= STREAMS_PER_READ {
                break;
            }
        }
        match last {
            _ if !stale.is_empty() => Existing::Stale(stale),
            Some(last) if scanned == STREAMS_PER_SCAN => Existing::Scanned(last.clone()),
            Some(_) | None => Existing::End,
        }
    }

    /// Reads again the shared records that are too old, once for all watches that wait for them.
    pub(super) async fn renew(&self, queue: &dyn Queue, ids: &[StreamId]) -> queue::Result<()> {
        let _one_at_a_time = self.reading.lock().await;
        let now = Instant::now();
        let stale: Vec<StreamId> = {
            let state = self.state.lock();
            let is_stale =
                |id: &&StreamId| state.streams.get(*id).is_some_and(|known| known.fresh(now).is_none());
            ids.iter().filter(is_stale).cloned().collect()
        };
        if stale.is_empty() {
            return Ok(());
        }
        let records = records(queue, &stale).await?;
        self.refresh(&records);
        let read = Instant::now();
        let mut records: HashMap<StreamId, StreamRecord> =
            records.into_iter().map(|record| (record.id.clone(), record)).collect();
        let mut state = self.state.lock();
        for id in stale {
            let Some(known) = state.streams.get_mut(&id) else { continue };
            // If the feeds have reported a change of a record since, the directory's own record is
            // newer. A stream that is gone keeps its last record.
            let read_again = records.remove(&id).filter(|record| record.revision == known.record.revision);
            let record = read_again.filter(|record| !record.removed);
            let record = record.unwrap_or_else(|| StreamRecord::clone(&known.record));
            known.shared = Some((read, Arc::new(SharedRecord::new(record))));
        }
        Ok(())
    }

    /// Returns the shared records of some streams, as far as they are known.
    pub(super) fn shared(&self, ids: &[StreamId]) -> HashMap<StreamId, Arc<SharedRecord>> {
        let state = self.state.lock();
        let shared = |id: &StreamId| {
            let (_, shared) = state.streams.get(id)?.shared.as_ref()?;
            Some((id.clone(), Arc::clone(shared)))
        };
        ids.iter().filter_map(shared).collect()
    }

    /// Notes why a stream fails, for other watches that report the same change.
    pub(super) fn note_failure(&self, id: &StreamId, failure: &Failure) {
        if let Some(known) = self.state.lock().streams.get_mut(id)
            && known.kind == ChangeKind::Error
        {
            known.failure.get_or_insert_with(|| failure.clone());
        }
    }
}
