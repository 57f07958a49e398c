use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::state::{Now, Partition, State};
use crate::domain::{Sequence, StreamId, TombstoneKind};
use crate::queue::{
    Lease, Purge, PurgeMark, PurgeScan, QueueControl, QueueState, Result, WorkItem, WorkPosition,
};

/// The state of a partition's queue.
#[derive(Debug, Default)]
pub(super) struct ControlSlot {
    state: QueueState,
    reason: String,
    /// The last frame marked for purging of each stream, and the reason.
    marks: HashMap<StreamId, Mark>,
    /// The frames that the last lease holder took; some of them may be finished.
    taken: Option<(Lease, BTreeSet<WorkPosition>)>,
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

    /// Marks the waiting frames of a stream up to a sequence, as a purge does.
    pub(super) fn mark(&mut self, stream: &StreamId, to: Sequence, reason: &str) {
        self.marks.insert(stream.clone(), Mark { to, reason: reason.to_owned() });
    }

    /// Forgets the mark of a stream without waiting frames.
    pub(super) fn unmark(&mut self, stream: &StreamId) {
        self.marks.remove(stream);
    }

    /// Returns the frames that the last lease holder took; some of them may be finished.
    pub(super) fn taken(&self) -> impl Iterator<Item = WorkPosition> {
        self.taken.iter().flat_map(|(_, taken)| taken).copied()
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
        let items = |partition: &Self| partition.work.following(after).take(max_frames).cloned().collect();
        self.take_items(lease, items, now)
    }

    pub(super) fn take_chosen(
        &mut self,
        lease: &Lease,
        positions: &[WorkPosition],
        now: Now,
    ) -> Result<Vec<WorkItem>> {
        let item = |partition: &Self, position: &WorkPosition| partition.work.get(*position).cloned();
        let items =
            |partition: &Self| positions.iter().filter_map(|position| item(partition, position)).collect();
        self.take_items(lease, items, now)
    }

    fn take_items(
        &mut self,
        lease: &Lease,
        wanted: impl FnOnce(&Self) -> Vec<WorkItem>,
        now: Now,
    ) -> Result<Vec<WorkItem>> {
        self.lease.check(lease, now.instant)?;
        if self.control.is_paused() {
            return Ok(Vec::new());
        }
        if self.work.len() == 0 {
            // Nothing waits and nothing is in work: the marks are obsolete.
            self.control.marks.clear();
        }
        let mut items = wanted(self);
        for item in &mut items {
            item.fate = self.control.fate(item);
        }
        if !items.is_empty() {
            let before = self.control.taken.take().filter(|(holder, _)| holder == lease);
            let mut taken = before.map(|(_, taken)| taken).unwrap_or_default();
            taken.retain(|position| self.work.get(*position).is_some());
            taken.extend(items.iter().map(|item| item.position));
            self.control.taken = Some((lease.clone(), taken));
        }
        Ok(items)
    }

    pub(super) fn scan_purged(
        &self,
        lease: &Lease,
        after: WorkPosition,
        max_frames: usize,
        now: Now,
    ) -> Result<PurgeScan> {
        self.lease.check(lease, now.instant)?;
        let mut items: Vec<WorkItem> = Vec::new();
        if max_frames > 0 && !self.control.marks.is_empty() {
            let marked = |item: &&WorkItem| self.control.fate(item).is_some();
            items.extend(self.work.following(after).filter(marked).take(max_frames).cloned());
        }
        for item in &mut items {
            item.fate = self.control.fate(item);
        }
        let next = items.last().filter(|_| items.len() == max_frames).map(|last| last.position);
        let paused = self.control.is_paused();
        let work_waits = !paused && self.work.following(after).next().is_some();
        Ok(PurgeScan { items, next, paused, work_waits })
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
        let is_taken = |item: &WorkItem| held.is_some_and(|(_, taken)| taken.contains(&item.position));
        let is_selected = |item: &&WorkItem| {
            !is_taken(item)
                && purge.stream_id.as_ref().is_none_or(|id| item.stream_id == *id)
                && purge.before_receive_time.is_none_or(|before| item.receive_time < before)
        };
        let mut marks = BTreeMap::<StreamId, PurgeMark>::new();
        for item in self.work.following(WorkPosition::default()).filter(is_selected) {
            if self.control.fate(item).is_some() {
                continue;
            }
            let stream_id = item.stream_id.clone();
            let new = || PurgeMark { stream_id, to: item.sequence, frames: 0, bytes: 0 };
            let mark = marks.entry(item.stream_id.clone()).or_insert_with(new);
            // Times of receipt never decrease within a stream: all frames up to the last selected
            // one are selected.
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
