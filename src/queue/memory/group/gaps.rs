//! Stores the gaps of a group until a client has received them.

use std::collections::{BTreeMap, HashSet};

use crate::domain::{Sequence, StreamId};
use crate::queue::{GapRun, UnsentGaps};

/// The maximum number of streams whose unsent gaps are returned at once.
const MAX_STREAMS: usize = 16;

/// The gaps that calls have to send, by session and stream, and those that no call has taken.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    assigned: BTreeMap<(u64, StreamId), Vec<AssignedGap>>,
    unsent: BTreeMap<StreamId, Vec<GapRun>>,
    runs: usize,
}

/// A range that a call has to send.
#[derive(Debug)]
struct AssignedGap {
    run: GapRun,
    /// Another call had it before, so frames after it may have been sent already.
    reassigned: bool,
}

impl Gaps {
    /// Returns the number of ranges.
    pub(super) fn len(&self) -> usize {
        self.runs
    }

    /// Adds a range that a call has to send.
    pub(super) fn assign(&mut self, session: u64, stream: &StreamId, run: GapRun) {
        let assigned = self.assigned.entry((session, stream.clone())).or_default();
        match assigned.last_mut() {
            Some(last)
                if !last.reassigned && last.run.reason == run.reason && last.run.to.next() == run.from =>
            {
                last.run.to = run.to;
            }
            Some(_) | None => {
                assigned.push(AssignedGap { run, reassigned: false });
                self.runs += 1;
            }
        }
    }

    /// Adds a range that no call has taken.
    pub(super) fn add_unsent(&mut self, stream: &StreamId, run: GapRun) {
        let unsent = self.unsent.entry(stream.clone()).or_default();
        match unsent.last_mut() {
            Some(last) if last.reason == run.reason && last.to.next() == run.from => last.to = run.to,
            Some(_) | None => {
                unsent.push(run);
                self.runs += 1;
            }
        }
    }

    /// Removes the ranges that a call's client has received.
    pub(super) fn received(&mut self, session: u64, stream: &StreamId, from: Sequence, to: Sequence) {
        self.remove_where(session, stream, |one| one.run.from >= from && one.run.to <= to);
    }

    /// Removes the ranges below a frame that a call's client acknowledged: they were sent before
    /// it.
    pub(super) fn acknowledged(&mut self, session: u64, stream: &StreamId, sequence: Sequence) {
        self.remove_where(session, stream, |one| !one.reassigned && one.run.to < sequence);
    }

    fn remove_where(&mut self, session: u64, stream: &StreamId, is_removed: impl Fn(&AssignedGap) -> bool) {
        let key = (session, stream.clone());
        let Some(assigned) = self.assigned.get_mut(&key) else { return };
        let before = assigned.len();
        assigned.retain(|one| !is_removed(one));
        self.runs -= before - assigned.len();
        if assigned.is_empty() {
            self.assigned.remove(&key);
        }
    }

    /// Makes the gaps that a call may not have sent available to all.
    pub(super) fn abandon(&mut self, session: u64) {
        let keys: Vec<_> = self.assigned.keys().filter(|(of, _)| *of == session).cloned().collect();
        for key in keys {
            let assigned = self.assigned.remove(&key).unwrap_or_default();
            self.unsent.entry(key.1).or_default().extend(assigned.into_iter().map(|one| one.run));
        }
    }

    /// Assigns unsent gaps of some streams to a call.
    pub(super) fn take_over(&mut self, session: u64) -> Vec<UnsentGaps> {
        let mut taken = Vec::new();
        while taken.len() < MAX_STREAMS
            && let Some((stream_id, runs)) = self.unsent.pop_first()
        {
            let assigned = self.assigned.entry((session, stream_id.clone())).or_default();
            assigned.extend(runs.iter().map(|run| AssignedGap { run: *run, reassigned: true }));
            taken.push(UnsentGaps { stream_id, runs });
        }
        taken
    }

    /// Removes the gaps of streams that are read again, or that are not read any more.
    pub(super) fn forget(&mut self, streams: &HashSet<&StreamId>) {
        self.assigned.retain(|(_, stream), _| !streams.contains(stream));
        self.unsent.retain(|stream, _| !streams.contains(stream));
        let assigned: usize = self.assigned.values().map(Vec::len).sum();
        self.runs = assigned + self.unsent.values().map(Vec::len).sum::<usize>();
    }
}
