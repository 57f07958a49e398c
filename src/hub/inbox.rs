use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::lock;
use super::select::Matcher;
use super::topic::Topic;
use crate::domain::limits::MAX_STREAMS_PER_SUBSCRIPTION;
use crate::domain::{Sequence, StreamId, StreamRecord, Timestamp};

/// Changes that may wait for a subscription to pull before those are dropped that later ones have undone. Of each stream at most
/// three are left: that it joined, its first number, and whether it goes. So the rest is always below this.
const MAX_CHANGES: usize = 4 * MAX_STREAMS_PER_SUBSCRIPTION;

/// What the tail tells a subscription: which of its streams have news, and how the set of its streams changes. Holds
/// no entries and no pictures, and is bounded however long nobody looks.
#[derive(Debug)]
pub(super) struct Inbox {
    id: u64,
    matchers: Vec<Matcher>,
    by_label: bool,
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    followed: HashMap<StreamId, Place>,
    next_index: u32,
    /// Streams with news, first come first served; each at most once.
    queue: VecDeque<u32>,
    queued: HashSet<u32>,
    changes: Vec<Change>,
    /// Streams that are selected and for which there is no place. At most as many as are registered.
    unfollowed: BTreeMap<StreamId, Waiting>,
    /// More streams wait than when the subscription last looked.
    more_waiting: bool,
    draining: bool,
}

/// Where a stream begins that waits for a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    /// Its selector.
    pub(super) selector: usize,
    /// Its first number.
    pub(super) first: Sequence,
    /// What was received before this is passed over in silence.
    pub(super) not_before: Option<Timestamp>,
}

impl Waiting {
    /// For a stream that came to be selected just now: by its registration, or by a change since.
    pub(super) fn since_now(record: &StreamRecord, selector: usize) -> Self {
        let counters = &record.counters;
        let is_new = record.update_time <= record.create_time;
        let before = if is_new { counters.floor_sequence } else { counters.published_sequence };
        Self { selector, first: Sequence::after(before), not_before: None }
    }
}

/// A followed stream's place in its subscription.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Its index, never used twice.
    pub(super) index: u32,
    /// Its selector, once that is settled.
    pub(super) selector: Option<usize>,
}

/// How the set of streams changes.
#[derive(Debug)]
pub(super) enum Change {
    /// A stream came to be selected.
    Joined { index: u32, topic: Arc<Topic>, selector: usize, first: Sequence, settled: bool },
    /// A stream that was selected before got a place. Nothing was heard of it meanwhile.
    Admitted { index: u32, topic: Arc<Topic>, waiting: Waiting },
    /// The first number of a stream that joined is settled.
    Begins { index: u32, first: Sequence },
    /// A stream is unregistered: it goes when its output has been told.
    Removed { index: u32 },
    /// A stream is not selected any more, from behind this number on.
    Left { index: u32, head: u64 },
    /// A stream that was to go stays.
    Stays { index: u32 },
}

impl Change {
    fn index(&self) -> u32 {
        match self {
            Self::Joined { index, .. }
            | Self::Admitted { index, .. }
            | Self::Begins { index, .. }
            | Self::Removed { index }
            | Self::Left { index, .. }
            | Self::Stays { index } => *index,
        }
    }

    /// Whether it says that a stream goes or stays: only the last word counts.
    fn is_exit(&self) -> bool {
        match self {
            Self::Removed { .. } | Self::Left { .. } | Self::Stays { .. } => true,
            Self::Joined { .. } | Self::Admitted { .. } | Self::Begins { .. } => false,
        }
    }
}

impl State {
    fn give_place(&mut self, id: StreamId, selector: Option<usize>) -> Place {
        let place = Place { index: self.next_index, selector };
        self.next_index += 1;
        self.unfollowed.remove(&id);
        self.followed.insert(id, place);
        place
    }
}

/// What the subscription takes from its inbox at once.
#[derive(Debug, Default)]
pub(super) struct Mail {
    pub(super) changes: Vec<Change>,
    pub(super) more_waiting: bool,
    pub(super) draining: bool,
}

impl Inbox {
    pub(super) fn new(id: u64, matchers: Vec<Matcher>, by_label: bool) -> Self {
        Self { id, matchers, by_label, state: Mutex::default(), news: Notify::new() }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Its filters ask for labels of streams.
    pub(super) fn by_label(&self) -> bool {
        self.by_label
    }

    pub(super) fn matchers(&self) -> &[Matcher] {
        &self.matchers
    }

    /// Waits for news; at once if some came since the last call. For one caller.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// A stream has news.
    pub(super) fn mark(&self, index: u32) {
        if self.enqueue(index) {
            self.news.notify_one();
        }
    }

    /// The same, said by the subscription itself: nobody needs waking.
    pub(super) fn enqueue(&self, index: u32) -> bool {
        let mut state = lock(&self.state);
        let new = state.queued.insert(index);
        if new {
            state.queue.push_back(index);
        }
        new
    }

    /// The next stream with news, and how many wait behind it.
    pub(super) fn dequeue(&self) -> Option<(u32, usize)> {
        let mut state = lock(&self.state);
        let index = state.queue.pop_front()?;
        state.queued.remove(&index);
        Some((index, state.queue.len()))
    }

    pub(super) fn change(&self, change: Change) {
        let mut state = lock(&self.state);
        if state.changes.len() >= MAX_CHANGES {
            let mut last = HashMap::new();
            for (place, change) in state.changes.iter().enumerate().filter(|(_, change)| change.is_exit()) {
                last.insert(change.index(), place);
            }
            let mut place = 0;
            state.changes.retain(|change| {
                let stays = !change.is_exit() || last.get(&change.index()) == Some(&place);
                place += 1;
                stays
            });
        }
        state.changes.push(change);
        drop(state);
        self.news.notify_one();
    }

    pub(super) fn drain(&self) {
        lock(&self.state).draining = true;
        self.news.notify_one();
    }

    pub(super) fn is_draining(&self) -> bool {
        lock(&self.state).draining
    }

    pub(super) fn take_mail(&self) -> Mail {
        let mut state = lock(&self.state);
        let changes = std::mem::take(&mut state.changes);
        let more_waiting = std::mem::take(&mut state.more_waiting);
        Mail { changes, more_waiting, draining: state.draining }
    }

    pub(super) fn place_of(&self, id: &StreamId) -> Option<Place> {
        lock(&self.state).followed.get(id).copied()
    }

    /// A place for a stream, its old one if it has one; `None` if there are too many.
    pub(super) fn place_for(&self, id: &StreamId, selector: Option<usize>) -> Option<Place> {
        let mut state = lock(&self.state);
        let state = &mut *state;
        if let Some(place) = state.followed.get_mut(id) {
            place.selector = selector.or(place.selector);
            return Some(*place);
        }
        if state.followed.len() >= MAX_STREAMS_PER_SUBSCRIPTION {
            return None;
        }
        Some(state.give_place(id.clone(), selector))
    }

    /// Has a stream wait for a place, unless it has one or waits already.
    pub(super) fn put_off(&self, id: &StreamId, waiting: Waiting) {
        let mut state = lock(&self.state);
        if !state.followed.contains_key(id) {
            state.unfollowed.entry(id.clone()).or_insert(waiting).selector = waiting.selector;
            state.more_waiting = true;
        }
        drop(state);
        // A group follows the first by id.
        self.news.notify_one();
    }

    /// Says where a stream that waits begins; does nothing if it does not wait any more.
    pub(super) fn put_off_to(&self, id: &StreamId, waiting: Waiting) {
        if let Some(known) = lock(&self.state).unfollowed.get_mut(id) {
            *known = waiting;
        }
    }

    /// A stream is not selected any more.
    pub(super) fn wait_no_more(&self, id: &StreamId) {
        lock(&self.state).unfollowed.remove(id);
    }

    /// How many streams wait for a place.
    pub(super) fn unfollowed(&self) -> u64 {
        lock(&self.state).unfollowed.len() as u64
    }

    /// The first stream that waits, by id.
    pub(super) fn first_unfollowed(&self) -> Option<StreamId> {
        lock(&self.state).unfollowed.keys().next().cloned()
    }

    /// Gives the first stream that waits a place, if there is one.
    pub(super) fn admit(&self) -> Option<(StreamId, Place, Waiting)> {
        let mut state = lock(&self.state);
        if state.followed.len() >= MAX_STREAMS_PER_SUBSCRIPTION {
            return None;
        }
        let (id, waiting) = state.unfollowed.pop_first()?;
        let place = state.give_place(id.clone(), Some(waiting.selector));
        Some((id, place, waiting))
    }

    /// Forgets changes of a stream: the subscription has found out by itself.
    pub(super) fn clear_changes(&self, index: u32) {
        lock(&self.state).changes.retain(|change| change.index() != index);
    }

    /// Gives a stream's place up, unless a change of it waits to be seen.
    pub(super) fn vacate(&self, id: &StreamId, index: u32) -> bool {
        let mut state = lock(&self.state);
        let free = state.changes.iter().all(|change| change.index() != index);
        if free {
            state.followed.remove(id);
        }
        free
    }

    pub(super) fn followed(&self) -> Vec<StreamId> {
        lock(&self.state).followed.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_stay_few_however_long_nobody_looks() {
        let inbox = Inbox::new(1, Vec::new(), false);
        let topic = Arc::new(Topic::new("cam".parse().unwrap()));
        let most = u32::try_from(MAX_STREAMS_PER_SUBSCRIPTION).unwrap();
        let first = Sequence::FIRST;
        for index in 0..most {
            let topic = Arc::clone(&topic);
            inbox.change(Change::Joined { index, topic, selector: 0, first, settled: false });
            inbox.change(Change::Begins { index, first });
        }
        for round in 0..10 {
            for index in 0..most {
                inbox.change(Change::Removed { index });
                inbox.change(Change::Left { index, head: round });
                if index % 2 == 0 {
                    inbox.change(Change::Stays { index });
                }
            }
        }
        let mail = inbox.take_mail();
        assert!(mail.changes.len() <= MAX_CHANGES, "{}", mail.changes.len());
        let count = |is: fn(&Change) -> bool| mail.changes.iter().filter(|change| is(change)).count();
        assert_eq!(count(|change| matches!(change, Change::Joined { .. })), 2000);
        assert_eq!(count(|change| matches!(change, Change::Begins { .. })), 2000);
        let exit = |wanted| mail.changes.iter().rfind(|one| one.is_exit() && one.index() == wanted);
        for index in 0..most {
            match exit(index) {
                Some(Change::Stays { .. }) => assert_eq!(index % 2, 0),
                Some(Change::Left { head: 9, .. }) => assert_eq!(index % 2, 1),
                other => panic!("{index}: {other:?}"),
            }
        }
    }
}
