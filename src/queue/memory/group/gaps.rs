//! Gaps of a group, until a member's client has them.

use std::collections::{BTreeMap, HashSet};

use crate::domain::{Sequence, StreamId};
use crate::queue::{GapRun, UntoldGaps};

/// Most streams whose untold gaps are handed out at once.
const MAX_STREAMS: usize = 16;

/// What calls were given to tell, by session and stream, and what nobody tells.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    given: BTreeMap<(u64, StreamId), Vec<Given>>,
    untold: BTreeMap<StreamId, Vec<GapRun>>,
    runs: usize,
}

/// A run that a call tells.
#[derive(Debug)]
struct Given {
    run: GapRun,
    /// It was another call's before: frames may have been sent before it that lie behind it.
    again: bool,
}

impl Gaps {
    /// How many runs there are.
    pub(super) fn len(&self) -> usize {
        self.runs
    }

    /// A call is to tell this.
    pub(super) fn give(&mut self, session: u64, stream: &StreamId, run: GapRun) {
        let given = self.given.entry((session, stream.clone())).or_default();
        match given.last_mut() {
            Some(last) if !last.again && last.run.reason == run.reason && last.run.to.next() == run.from => {
                last.run.to = run.to;
            }
            Some(_) | None => {
                given.push(Given { run, again: false });
                self.runs += 1;
            }
        }
    }

    /// Nobody has told this.
    pub(super) fn leave_untold(&mut self, stream: &StreamId, run: GapRun) {
        let untold = self.untold.entry(stream.clone()).or_default();
        match untold.last_mut() {
            Some(last) if last.reason == run.reason && last.to.next() == run.from => last.to = run.to,
            Some(_) | None => {
                untold.push(run);
                self.runs += 1;
            }
        }
    }

    /// A call's client has what the call told of these numbers.
    pub(super) fn told(&mut self, session: u64, stream: &StreamId, from: Sequence, to: Sequence) {
        self.take(session, stream, |one| one.run.from >= from && one.run.to <= to);
    }

    /// A call's client has acknowledged a frame: its stream's gaps below it were sent before it.
    pub(super) fn acknowledged(&mut self, session: u64, stream: &StreamId, sequence: Sequence) {
        self.take(session, stream, |one| !one.again && one.run.to < sequence);
    }

    fn take(&mut self, session: u64, stream: &StreamId, is_taken: impl Fn(&Given) -> bool) {
        let key = (session, stream.clone());
        let Some(given) = self.given.get_mut(&key) else { return };
        let before = given.len();
        given.retain(|one| !is_taken(one));
        self.runs -= before - given.len();
        if given.is_empty() {
            self.given.remove(&key);
        }
    }

    /// What a call had to tell, and may not have told, is nobody's.
    pub(super) fn abandon(&mut self, session: u64) {
        let keys: Vec<_> = self.given.keys().filter(|(of, _)| *of == session).cloned().collect();
        for key in keys {
            let given = self.given.remove(&key).unwrap_or_default();
            self.untold.entry(key.1).or_default().extend(given.into_iter().map(|one| one.run));
        }
    }

    /// Gives a call what nobody tells, of some streams.
    pub(super) fn take_over(&mut self, session: u64) -> Vec<UntoldGaps> {
        let mut taken = Vec::new();
        while taken.len() < MAX_STREAMS
            && let Some((stream_id, runs)) = self.untold.pop_first()
        {
            let given = self.given.entry((session, stream_id.clone())).or_default();
            given.extend(runs.iter().map(|run| Given { run: *run, again: true }));
            taken.push(UntoldGaps { stream_id, runs });
        }
        taken
    }

    /// These streams are read again, or not any more.
    pub(super) fn forget(&mut self, streams: &HashSet<&StreamId>) {
        self.given.retain(|(_, stream), _| !streams.contains(stream));
        self.untold.retain(|stream, _| !streams.contains(stream));
        let given: usize = self.given.values().map(Vec::len).sum();
        self.runs = given + self.untold.values().map(Vec::len).sum::<usize>();
    }
}
