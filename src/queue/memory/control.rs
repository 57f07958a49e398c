use std::collections::{BTreeMap, HashMap};

use super::state::{Now, Partition, State};
use crate::domain::{Sequence, StreamId, TombstoneKind};
use crate::queue::{
    Lease, Purge, PurgeMark, QueueControl, QueueState, Result, Swept, WorkItem, WorkPosition,
};

/// How a partition's queue is set.
#[derive(Debug, Default)]
pub(super) struct ControlSlot {
    state: QueueState,
    reason: String,
    /// Of streams with frames marked for purging: the last one, and why.
    marks: HashMap<StreamId, Mark>,
    /// The newest frame given to a lease holder.
    taken: Option<(Lease, WorkPosition)>,
}

#[derive(Debug)]
struct Mark {
    to: Sequence,
    reason: String,
}

impl ControlSlot {
    pub(super) fn is_draining(&self) -> bool {
        self.state == QueueState::Draining
    }

    /// Marks the waiting frames of a stream up to a number, as a purge does.
    pub(super) fn mark(&mut self, stream: &StreamId, to: Sequence, reason: &str) {
        self.marks.insert(stream.clone(), Mark { to, reason: reason.to_owned() });
    }

    /// Forgets the mark of a stream of which nothing waits.
    pub(super) fn unmark(&mut self, stream: &StreamId) {
        self.marks.remove(stream);
    }

    fn is_paused(&self) -> bool {
        self.state == QueueState::Paused
    }

    fn fate(&self, item: &WorkItem) -> Option<TombstoneKind> {
        let mark = self.marks.get(&item.stream_id).filter(|mark| item.sequence <= mark.to)?;
        Some(TombstoneKind::Purged(mark.reason.clone()))
    }
}

impl Partition {
    pub(super) fn take(
        &mut self,
        lease: &Lease,
        after: WorkPosition,
        max_frames: usize,
        now: Now,
    ) -> Result<Vec<WorkItem>> {
        self.lease.check(lease, now.instant)?;
        if self.control.is_paused() {
            return Ok(Vec::new());
        }
        if self.work.len() == 0 {
            // Nothing waits and nothing is in work: no mark means anything any more.
            self.control.marks.clear();
        }
        let mut items: Vec<WorkItem> = self.work.behind(after).take(max_frames).cloned().collect();
        for item in &mut items {
            item.fate = self.control.fate(item);
        }
        if let Some(last) = items.last() {
            self.control.taken = Some((lease.clone(), last.position));
        }
        Ok(items)
    }

    pub(super) fn sweep(
        &self,
        lease: &Lease,
        after: WorkPosition,
        max_frames: usize,
        now: Now,
    ) -> Result<Swept> {
        self.lease.check(lease, now.instant)?;
        let mut items: Vec<WorkItem> = Vec::new();
        if max_frames > 0 && !self.control.marks.is_empty() {
            let marked = |item: &&WorkItem| self.control.fate(item).is_some();
            items.extend(self.work.behind(after).filter(marked).take(max_frames).cloned());
        }
        for item in &mut items {
            item.fate = self.control.fate(item);
        }
        let next = items.last().filter(|_| items.len() == max_frames).map(|last| last.position);
        let paused = self.control.is_paused();
        let work_waits = !paused && self.work.behind(after).next().is_some();
        Ok(Swept { items, next, paused, work_waits })
    }

    pub(super) fn set_queue_state(&mut self, state: QueueState, reason: &str) {
        if self.control.state != state {
            self.control.state = state;
            self.control.reason = reason.to_owned();
        }
    }

    pub(super) fn queue_control(&self, now: Now) -> QueueControl {
        QueueControl {
            state: self.control.state,
            reason: self.control.reason.clone(),
            holder: self.lease.held_by(now.instant),
        }
    }

    pub(super) fn purge(&mut self, purge: &Purge, now: Now) -> Vec<PurgeMark> {
        let held =
            self.control.taken.as_ref().filter(|(lease, _)| self.lease.check(lease, now.instant).is_ok());
        let taken = held.map_or_else(WorkPosition::default, |(_, taken)| *taken);
        let asked_for = |item: &&WorkItem| {
            purge.stream_id.as_ref().is_none_or(|id| item.stream_id == *id)
                && purge.before_receive_time.is_none_or(|before| item.receive_time < before)
        };
        let mut marks = BTreeMap::<StreamId, PurgeMark>::new();
        for item in self.work.behind(taken).filter(asked_for) {
            if self.control.fate(item).is_some() {
                continue;
            }
            let stream_id = item.stream_id.clone();
            let new = || PurgeMark { stream_id, to: item.sequence, frames: 0, bytes: 0 };
            let mark = marks.entry(item.stream_id.clone()).or_insert_with(new);
            // Received times never go back within a stream: what is asked for of it is all up to the last one.
            mark.to = item.sequence;
            mark.frames += 1;
            mark.bytes += item.payload.size_bytes;
        }
        for mark in marks.values().filter(|_| !purge.dry_run) {
            let stored = Mark { to: mark.to, reason: purge.reason.clone() };
            self.control.marks.insert(mark.stream_id.clone(), stored);
        }
        marks.into_values().collect()
    }
}

impl State {
    pub(super) fn live_workers(&self, now: Now) -> Vec<String> {
        let live = self.workers.iter().filter(|(_, until)| now.instant < **until);
        let mut live: Vec<String> = live.map(|(worker, _)| worker.clone()).collect();
        live.sort_unstable();
        live
    }
}
