//! A followed stream and its newest entries.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use super::inbox::{Change, Inbox};
use super::volume::Volume;
use crate::domain::{OutputEntry, Sequence, StreamCounters, StreamId};

/// A followed stream: its newest entries, its head, and the subscriptions to wake.
#[derive(Debug)]
pub(in crate::hub) struct Topic {
    id: StreamId,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Entries with consecutive sequences, the newest last.
    ring: VecDeque<Arc<OutputEntry>>,
    /// The highest sequence that is known to be published; 0 = none.
    head: u64,
    /// The floor: no subscription gets a sequence up to this one, because the stream was
    /// unregistered after it; 0 = it was never unregistered.
    floor: u64,
    /// No entry up to this sequence comes into the ring any more, because the tail may lag: an entry
    /// that it reads may have been erased in the meantime. 0 = none.
    forgotten: u64,
    followers: HashMap<u64, Follower>,
    /// The total of all entries that were ever in the ring.
    volume: Volume,
    /// The stream's labels, as far as the server knows them.
    labels: Arc<BTreeMap<String, String>>,
}

#[derive(Debug)]
struct Follower {
    inbox: Arc<Inbox>,
    index: u32,
    /// The preliminary first sequence of a subscription that waits for the real one. The tail took
    /// it from a record that may be newer than the event that caused the read. If the next entry in
    /// the feed has a lower sequence, the subscription starts with that.
    guess: Option<Sequence>,
    /// The sequence that a subscription looked for last: its lag begins there. `None` for a member
    /// of a group, whose lag is that of the group.
    next: Option<Sequence>,
}

impl State {
    fn lookup(&self, sequence: Sequence) -> Lookup {
        if sequence.get() > self.head {
            return Lookup::NotYet(self.volume);
        }
        let offset = self.ring.front().and_then(|oldest| sequence.get().checked_sub(oldest.sequence.get()));
        match offset.and_then(|offset| self.ring.get(usize::try_from(offset).ok()?)) {
            Some(entry) => Lookup::Entry(Arc::clone(entry)),
            None => Lookup::Older,
        }
    }

    /// Notes that sequences up to `published` are published, and that no subscription gets those up
    /// to `floor`.
    fn observe(&mut self, published: u64, floor: u64) {
        if floor > self.floor {
            self.floor = floor;
            self.ring.retain(|entry| entry.sequence.get() > floor);
        }
        self.head = self.head.max(published).max(floor);
    }
}

impl Follower {
    fn wake(&mut self, published: Option<Sequence>) {
        if let Some(guess) = self.guess.take() {
            let first = published.map_or(guess, |published| published.min(guess));
            self.inbox.change(Change::Begins { index: self.index, first });
        }
        self.inbox.mark(self.index);
    }
}

/// The result of a search for a sequence in a topic.
#[derive(Debug)]
pub(in crate::hub) enum Lookup {
    /// The entry.
    Entry(Arc<OutputEntry>),
    /// It is published but no longer in the ring: read the output.
    Older,
    /// It is not published yet. The volume is the total of what is published.
    NotYet(Volume),
}

impl Topic {
    pub(in crate::hub) fn new(id: StreamId) -> Self {
        Self { id, state: Mutex::default() }
    }

    pub(in crate::hub) fn id(&self) -> &StreamId {
        &self.id
    }

    pub(in crate::hub) fn head(&self) -> u64 {
        self.state.lock().head
    }

    pub(in crate::hub) fn lookup(&self, sequence: Sequence) -> Lookup {
        self.state.lock().lookup(sequence)
    }

    /// Does the same as [`Self::lookup`], and notes that this is what the subscription needs next.
    pub(in crate::hub) fn lookup_for(&self, subscription: u64, sequence: Sequence) -> Lookup {
        let mut state = self.state.lock();
        if let Some(follower) = state.followers.get_mut(&subscription) {
            follower.next = Some(sequence);
        }
        state.lookup(sequence)
    }

    /// Returns the number of followers, and the published frames that each has yet to receive: the
    /// sum and the maximum.
    pub(super) fn lag(&self) -> (usize, u64, u64) {
        let state = self.state.lock();
        let behind = |next: Sequence| (state.head + 1).saturating_sub(next.get().max(state.floor + 1));
        let lags = state.followers.values().filter_map(|follower| follower.next).map(behind);
        let (sum, max) = lags.fold((0u64, 0), |(sum, max), lag| (sum.saturating_add(lag), lag.max(max)));
        (state.followers.len(), sum, max)
    }

    /// Returns the total of everything that was published here.
    pub(in crate::hub) fn volume(&self) -> Volume {
        self.state.lock().volume
    }

    pub(in crate::hub) fn labels(&self) -> Arc<BTreeMap<String, String>> {
        Arc::clone(&self.state.lock().labels)
    }

    pub(in crate::hub) fn set_labels(&self, labels: &BTreeMap<String, String>) {
        let mut state = self.state.lock();
        if *state.labels != *labels {
            state.labels = Arc::new(labels.clone());
        }
    }

    /// Returns the entries of the ring after a sequence.
    pub(in crate::hub) fn entries_after(&self, sequence: Sequence) -> Vec<Arc<OutputEntry>> {
        let state = self.state.lock();
        state.ring.iter().filter(|entry| entry.sequence > sequence).cloned().collect()
    }

    /// Returns the head, and the first sequence of the ring. If the ring does not reach the head,
    /// returns only the head.
    pub(in crate::hub) fn head_and_ring_start(&self) -> (u64, Option<Sequence>) {
        let state = self.state.lock();
        let whole = state.ring.back().is_some_and(|newest| newest.sequence.get() == state.head);
        let front = state.ring.front().filter(|_| whole).map(|oldest| oldest.sequence);
        (state.head, front)
    }

    /// Notes the published sequence and the floor from a record or a page of the stream.
    pub(in crate::hub) fn observe(&self, counters: &StreamCounters) {
        self.state.lock().observe(counters.published_sequence, counters.floor_sequence);
    }

    /// Does the same as [`Self::observe`] for a subscription that starts to follow. Clears the ring
    /// if the head of the store is beyond the known head, or before the oldest entry in the ring:
    /// the store may have lost these entries, and the tail may not have noticed yet.
    pub(in crate::hub) fn observe_at_start(&self, counters: &StreamCounters) {
        let mut state = self.state.lock();
        let end = counters.published_sequence;
        if end > state.head || state.ring.front().is_some_and(|oldest| end < oldest.sequence.get()) {
            state.ring.clear();
        }
        state.observe(counters.published_sequence, counters.floor_sequence);
    }

    /// Notes that the stream was unregistered after `floor`, and wakes all subscriptions so that
    /// they report it.
    pub(super) fn raise_floor(&self, floor: u64) {
        let mut state = self.state.lock();
        state.observe(floor, floor);
        state.followers.values_mut().for_each(|follower| follower.wake(None));
    }

    /// Returns the floor; 0 = none.
    pub(in crate::hub) fn floor(&self) -> u64 {
        self.state.lock().floor
    }

    /// Does the same as [`Self::observe`] after something was missed, and wakes all subscriptions.
    /// Clears the ring unless the head of the store is the known head. If the heads differ, the
    /// store may have been restored to an older state, so some of the entries may be lost. That is
    /// also possible if its head is higher now, after a sequence jump.
    pub(in crate::hub) fn refresh(&self, counters: &StreamCounters) {
        let mut state = self.state.lock();
        let end = counters.published_sequence;
        if end != state.head {
            state.ring.clear();
        }
        if end > state.head {
            state.volume.generation += 1; // it is unknown how much was missed
        }
        state.head = end;
        state.floor = counters.floor_sequence;
        state.ring.retain(|entry| entry.sequence.get() > counters.floor_sequence);
        state.followers.values_mut().for_each(|follower| follower.wake(None));
    }

    /// Forgets the entries in the ring: all entries up to `published` are read from the output.
    pub(in crate::hub) fn forget_entries(&self, published: u64) {
        let mut state = self.state.lock();
        state.ring.clear();
        state.forgotten = published;
    }

    /// Adds an entry from the feed. An entry that was added before is ignored, because the tail
    /// reads some pages twice.
    pub(in crate::hub) fn publish(&self, entry: &Arc<OutputEntry>, ring_entries: usize) {
        let mut state = self.state.lock();
        let state = &mut *state;
        let newest = state.ring.back().map(|newest| newest.sequence);
        if newest.is_some_and(|newest| entry.sequence <= newest) || entry.sequence.get() <= state.floor {
            return;
        }
        if newest.is_some_and(|newest| entry.sequence != newest.next()) {
            state.ring.clear();
            state.volume.generation += 1;
        }
        state.volume.add(entry);
        if entry.sequence.get() > state.forgotten {
            state.ring.push_back(Arc::clone(entry));
        }
        while state.ring.len() > ring_entries.max(1) {
            state.ring.pop_front();
        }
        state.head = state.head.max(entry.sequence.get());
        state.followers.values_mut().for_each(|follower| follower.wake(Some(entry.sequence)));
    }

    pub(in crate::hub) fn add(&self, inbox: &Arc<Inbox>, index: u32, guess: Option<Sequence>) {
        let follower = Follower { inbox: Arc::clone(inbox), index, guess, next: None };
        self.state.lock().followers.insert(inbox.id(), follower);
    }

    /// Removes a subscription; returns whether none is left.
    pub(in crate::hub) fn remove(&self, subscription: u64) -> bool {
        let mut state = self.state.lock();
        state.followers.remove(&subscription);
        state.followers.is_empty()
    }
}
