use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::backlog::Volume;
use super::inbox::{Change, Inbox};
use super::lock;
use crate::domain::{OutputEntry, Sequence, StreamCounters, StreamId};

/// A stream that somebody follows: its newest entries, its published head, and who is to be woken.
#[derive(Debug)]
pub(super) struct Topic {
    id: StreamId,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Consecutive numbers, the newest last.
    ring: VecDeque<Arc<OutputEntry>>,
    /// The highest number that is known to be published; 0 = none.
    head: u64,
    /// Nothing up to this number may be shown any more: the stream was unregistered behind it; 0 = it never was.
    floor: u64,
    followers: HashMap<u64, Follower>,
    /// All entries of the ring, ever.
    volume: Volume,
    /// The stream's labels, as far as the server knows.
    labels: Arc<BTreeMap<String, String>>,
}

#[derive(Debug)]
struct Follower {
    inbox: Arc<Inbox>,
    index: u32,
    /// It waits for its first number: the tail joined it and guessed the number from a record that may be newer than
    /// the event that caused it. The first entry behind that event in the feed settles it.
    guess: Option<Sequence>,
}

impl State {
    /// Notes that numbers up to `published` are out, and that those up to `floor` may not be shown any more.
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

/// What a topic knows of a number.
#[derive(Debug)]
pub(super) enum Look {
    /// The entry.
    Entry(Arc<OutputEntry>),
    /// It is published, but not in the ring: read the output.
    Older,
    /// It is not published yet; so much was, until now.
    NotYet(Volume),
}

impl Topic {
    pub(super) fn new(id: StreamId) -> Self {
        Self { id, state: Mutex::default() }
    }

    pub(super) fn id(&self) -> &StreamId {
        &self.id
    }

    pub(super) fn head(&self) -> u64 {
        lock(&self.state).head
    }

    pub(super) fn look(&self, number: Sequence) -> Look {
        let state = lock(&self.state);
        if number.get() > state.head {
            return Look::NotYet(state.volume);
        }
        let place = state.ring.front().and_then(|oldest| number.get().checked_sub(oldest.sequence.get()));
        match place.and_then(|place| state.ring.get(usize::try_from(place).ok()?)) {
            Some(entry) => Look::Entry(Arc::clone(entry)),
            None => Look::Older,
        }
    }

    /// All that was published here, added up.
    pub(super) fn volume(&self) -> Volume {
        lock(&self.state).volume
    }

    pub(super) fn labels(&self) -> Arc<BTreeMap<String, String>> {
        Arc::clone(&lock(&self.state).labels)
    }

    pub(super) fn relabel(&self, labels: &BTreeMap<String, String>) {
        let mut state = lock(&self.state);
        if *state.labels != *labels {
            state.labels = Arc::new(labels.clone());
        }
    }

    /// The entries of the ring behind a number.
    pub(super) fn later_than(&self, number: Sequence) -> Vec<Arc<OutputEntry>> {
        let state = lock(&self.state);
        state.ring.iter().filter(|entry| entry.sequence > number).cloned().collect()
    }

    /// The head, and the first number of the ring, if the ring reaches the head.
    pub(super) fn reach(&self) -> (u64, Option<Sequence>) {
        let state = lock(&self.state);
        let whole = state.ring.back().is_some_and(|newest| newest.sequence.get() == state.head);
        let front = state.ring.front().filter(|_| whole).map(|oldest| oldest.sequence);
        (state.head, front)
    }

    /// Notes what a record or a page of the stream says.
    pub(super) fn observe(&self, counters: &StreamCounters) {
        lock(&self.state).observe(counters.published_sequence, counters.floor_sequence);
    }

    /// Notes the same for one who begins to follow. Forgets entries that do not reach up to what is published, or that lie
    /// wholly above it: they may be of a store that has lost them since, and the tail may not have noticed yet.
    pub(super) fn begin(&self, counters: &StreamCounters) {
        let mut state = lock(&self.state);
        let end = counters.published_sequence;
        if end > state.head || state.ring.front().is_some_and(|oldest| end < oldest.sequence.get()) {
            state.ring.clear();
        }
        state.observe(counters.published_sequence, counters.floor_sequence);
    }

    /// Notes that the stream was unregistered behind `floor`, and wakes every follower to be told so.
    pub(super) fn cut(&self, floor: u64) {
        let mut state = lock(&self.state);
        state.observe(floor, floor);
        state.followers.values_mut().for_each(|follower| follower.wake(None));
    }

    /// Returns the number up to which nothing may be shown any more; 0 = none.
    pub(super) fn floor(&self) -> u64 {
        lock(&self.state).floor
    }

    /// Notes the same as [`Self::observe`] after something was missed, and wakes every follower. Forgets the entries unless
    /// the store ends where they end: a store that went back, or that leapt ahead after it, has lost some of them.
    pub(super) fn refresh(&self, counters: &StreamCounters) {
        let mut state = lock(&self.state);
        let end = counters.published_sequence;
        if end != state.head {
            state.ring.clear();
        }
        if end > state.head {
            state.volume.generation += 1; // nobody knows how much was missed
        }
        state.head = end;
        state.floor = counters.floor_sequence;
        state.ring.retain(|entry| entry.sequence.get() > counters.floor_sequence);
        state.followers.values_mut().for_each(|follower| follower.wake(None));
    }

    /// Takes an entry from the feed. One that came before is ignored: the tail reads some pages twice.
    pub(super) fn publish(&self, entry: &Arc<OutputEntry>, ring_entries: usize) {
        let mut state = lock(&self.state);
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
        state.ring.push_back(Arc::clone(entry));
        while state.ring.len() > ring_entries.max(1) {
            state.ring.pop_front();
        }
        state.head = state.head.max(entry.sequence.get());
        state.followers.values_mut().for_each(|follower| follower.wake(Some(entry.sequence)));
    }

    pub(super) fn add(&self, inbox: &Arc<Inbox>, index: u32, guess: Option<Sequence>) {
        let follower = Follower { inbox: Arc::clone(inbox), index, guess };
        lock(&self.state).followers.insert(inbox.id(), follower);
    }

    /// Takes a follower off; answers whether nobody follows any more.
    pub(super) fn remove(&self, subscription: u64) -> bool {
        let mut state = lock(&self.state);
        state.followers.remove(&subscription);
        state.followers.is_empty()
    }
}
