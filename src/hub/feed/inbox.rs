//! A subscription's inbox: which of its streams have news, and how its set of streams changes.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::topic::Topic;
use crate::domain::limits::MAX_STREAMS_PER_SUBSCRIPTION;
use crate::domain::{Sequence, StreamId, StreamRecord, Timestamp};
use crate::hub::selector::Matcher;

/// The maximum number of changes that wait for a subscription. When it is reached, changes are
/// removed if a later change of the same stream replaces them. At most three changes of each stream
/// remain: that it joined, its first sequence, and whether it leaves. So the rest is always below
/// the maximum.
const MAX_CHANGES: usize = 4 * MAX_STREAMS_PER_SUBSCRIPTION;

/// The reports of the tail to a subscription: which of its streams have news, and how its set of
/// streams changes. It contains no entries and no pictures, and is bounded even if it is never
/// read.
#[derive(Debug)]
pub(in crate::hub) struct Inbox {
    id: u64,
    matchers: Vec<Matcher>,
    filters_by_label: bool,
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    followed: HashMap<StreamId, StreamSlot>,
    next_index: u32,
    /// Streams with news in the order in which the news came; each at most once.
    queue: VecDeque<u32>,
    queued: HashSet<u32>,
    changes: Vec<Change>,
    /// The selected streams that wait for a slot: at most as many as are registered.
    unfollowed: BTreeMap<StreamId, WaitingStream>,
    /// A stream has started to wait since the subscription last took its updates.
    more_waiting: bool,
    draining: bool,
}

/// The position at which a stream that waits for a slot will start.
#[derive(Debug, Clone, Copy)]
pub(in crate::hub) struct WaitingStream {
    /// The index of its selector.
    pub(in crate::hub) selector: usize,
    /// Its first sequence.
    pub(in crate::hub) first: Sequence,
    /// Frames received before this time are skipped without being reported.
    pub(in crate::hub) not_before: Option<Timestamp>,
}

impl WaitingStream {
    /// Returns the position of a stream that its registration or a later change has just selected.
    pub(in crate::hub) fn just_selected(record: &StreamRecord, selector: usize) -> Self {
        let counters = &record.counters;
        let is_new = record.update_time <= record.create_time;
        let before = if is_new { counters.floor_sequence } else { counters.published_sequence };
        Self { selector, first: Sequence::after(before), not_before: None }
    }
}

/// The slot of a followed stream in its subscription.
#[derive(Debug, Clone, Copy)]
pub(in crate::hub) struct StreamSlot {
    /// The index, which is never reused.
    pub(in crate::hub) index: u32,
    /// The index of its selector; `None` until it is known.
    pub(in crate::hub) selector: Option<usize>,
}

/// A change of the set of streams.
#[derive(Debug)]
pub(in crate::hub) enum Change {
    /// A stream was selected. Unless its start is known, [`Self::Begins`] follows.
    Joined { index: u32, topic: Arc<Topic>, selector: usize, first: Sequence, start_known: bool },
    /// A stream that waited got a slot. What it has published in the meantime is not known yet.
    Admitted { index: u32, topic: Arc<Topic>, waiting: WaitingStream },
    /// The first sequence of a stream that joined without a known start.
    Begins { index: u32, first: Sequence },
    /// A stream was unregistered: it leaves when its output has been reported.
    Removed { index: u32 },
    /// A stream is no longer selected; it leaves after this sequence.
    Left { index: u32, head: u64 },
    /// A stream that was to leave stays.
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

    /// Reports whether the change says that a stream leaves or stays. Only the last such change of
    /// a stream counts.
    fn is_about_leaving(&self) -> bool {
        match self {
            Self::Removed { .. } | Self::Left { .. } | Self::Stays { .. } => true,
            Self::Joined { .. } | Self::Admitted { .. } | Self::Begins { .. } => false,
        }
    }
}

impl State {
    fn give_slot(&mut self, id: StreamId, selector: Option<usize>) -> StreamSlot {
        let slot = StreamSlot { index: self.next_index, selector };
        self.next_index += 1;
        self.unfollowed.remove(&id);
        self.followed.insert(id, slot);
        slot
    }
}

/// Everything that a subscription takes from its inbox at once.
#[derive(Debug, Default)]
pub(in crate::hub) struct Updates {
    pub(in crate::hub) changes: Vec<Change>,
    pub(in crate::hub) more_waiting: bool,
    pub(in crate::hub) draining: bool,
}

impl Inbox {
    pub(in crate::hub) fn new(id: u64, matchers: Vec<Matcher>, filters_by_label: bool) -> Self {
        Self { id, matchers, filters_by_label, state: Mutex::default(), news: Notify::new() }
    }

    pub(in crate::hub) fn id(&self) -> u64 {
        self.id
    }

    /// Reports whether the filters test labels of streams.
    pub(super) fn filters_by_label(&self) -> bool {
        self.filters_by_label
    }

    pub(in crate::hub) fn matchers(&self) -> &[Matcher] {
        &self.matchers
    }

    /// Waits for news; returns at once if some came since the last call. Only one task may wait.
    pub(in crate::hub) async fn news(&self) {
        self.news.notified().await;
    }

    /// Notes that a stream has news, and wakes the subscription.
    pub(in crate::hub) fn mark(&self, index: u32) {
        if self.enqueue(index) {
            self.news.notify_one();
        }
    }

    /// Notes that a stream has news, without waking the subscription. Returns `false` if that was
    /// noted before.
    pub(in crate::hub) fn enqueue(&self, index: u32) -> bool {
        let mut state = self.state.lock();
        let new = state.queued.insert(index);
        if new {
            state.queue.push_back(index);
        }
        new
    }

    /// Returns the next stream with news and the number of streams after it.
    pub(in crate::hub) fn dequeue(&self) -> Option<(u32, usize)> {
        let mut state = self.state.lock();
        let index = state.queue.pop_front()?;
        state.queued.remove(&index);
        Some((index, state.queue.len()))
    }

    pub(in crate::hub) fn change(&self, change: Change) {
        let mut state = self.state.lock();
        if state.changes.len() >= MAX_CHANGES {
            let mut last = HashMap::new();
            for (at, change) in
                state.changes.iter().enumerate().filter(|(_, change)| change.is_about_leaving())
            {
                last.insert(change.index(), at);
            }
            let mut at = 0;
            state.changes.retain(|change| {
                let stays = !change.is_about_leaving() || last.get(&change.index()) == Some(&at);
                at += 1;
                stays
            });
        }
        state.changes.push(change);
        drop(state);
        self.news.notify_one();
    }

    pub(in crate::hub) fn drain(&self) {
        self.state.lock().draining = true;
        self.news.notify_one();
    }

    pub(in crate::hub) fn is_draining(&self) -> bool {
        self.state.lock().draining
    }

    pub(in crate::hub) fn take_updates(&self) -> Updates {
        let mut state = self.state.lock();
        let changes = std::mem::take(&mut state.changes);
        let more_waiting = std::mem::take(&mut state.more_waiting);
        Updates { changes, more_waiting, draining: state.draining }
    }

    pub(super) fn slot_of(&self, id: &StreamId) -> Option<StreamSlot> {
        self.state.lock().followed.get(id).copied()
    }

    /// Returns the slot of a stream, or gives it one; `None` if all slots are taken.
    pub(in crate::hub) fn slot_for(&self, id: &StreamId, selector: Option<usize>) -> Option<StreamSlot> {
        let mut state = self.state.lock();
        let state = &mut *state;
        if let Some(slot) = state.followed.get_mut(id) {
            slot.selector = selector.or(slot.selector);
            return Some(*slot);
        }
        if state.followed.len() >= MAX_STREAMS_PER_SUBSCRIPTION {
            return None;
        }
        Some(state.give_slot(id.clone(), selector))
    }

    /// Adds a stream to those that wait for a slot, unless it has one. If it waits already, only
    /// its selector is updated.
    pub(in crate::hub) fn add_waiting(&self, id: &StreamId, waiting: WaitingStream) {
        let mut state = self.state.lock();
        if !state.followed.contains_key(id) {
            state.unfollowed.entry(id.clone()).or_insert(waiting).selector = waiting.selector;
            state.more_waiting = true;
        }
        drop(state);
        // Wakes even if no slot is free: a group always follows the streams with the lowest ids.
        self.news.notify_one();
    }

    /// Sets the start of a stream that waits for a slot; does nothing if it no longer waits.
    pub(in crate::hub) fn set_start(&self, id: &StreamId, waiting: WaitingStream) {
        if let Some(known) = self.state.lock().unfollowed.get_mut(id) {
            *known = waiting;
        }
    }

    /// Removes a stream that is no longer selected from those that wait for a slot.
    pub(in crate::hub) fn remove_waiting(&self, id: &StreamId) {
        self.state.lock().unfollowed.remove(id);
    }

    /// Returns the number of streams that wait for a slot.
    pub(in crate::hub) fn unfollowed(&self) -> u64 {
        self.state.lock().unfollowed.len() as u64
    }

    /// Returns the stream with the lowest id among those that wait for a slot.
    pub(in crate::hub) fn first_waiting(&self) -> Option<StreamId> {
        self.state.lock().unfollowed.keys().next().cloned()
    }

    /// Gives a slot to the first stream that waits, if there is one.
    pub(super) fn admit(&self) -> Option<(StreamId, StreamSlot, WaitingStream)> {
        let mut state = self.state.lock();
        if state.followed.len() >= MAX_STREAMS_PER_SUBSCRIPTION {
            return None;
        }
        let (id, waiting) = state.unfollowed.pop_first()?;
        let slot = state.give_slot(id.clone(), Some(waiting.selector));
        Some((id, slot, waiting))
    }

    /// Removes the unread changes of a stream: the caller knows the stream's current state, or
    /// gives up its slot.
    pub(in crate::hub) fn clear_changes(&self, index: u32) {
        self.state.lock().changes.retain(|change| change.index() != index);
    }

    /// Frees the slot of a stream; does nothing and returns `false` if a change of the stream is
    /// unread.
    pub(super) fn vacate(&self, id: &StreamId, index: u32) -> bool {
        let mut state = self.state.lock();
        let free = state.changes.iter().all(|change| change.index() != index);
        if free {
            state.followed.remove(id);
        }
        free
    }

    pub(super) fn followed(&self) -> Vec<StreamId> {
        self.state.lock().followed.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unread_changes_stay_bounded() {
        let inbox = Inbox::new(1, Vec::new(), false);
        let topic = Arc::new(Topic::new("cam".parse().unwrap()));
        let maximum = u32::try_from(MAX_STREAMS_PER_SUBSCRIPTION).unwrap();
        let first = Sequence::FIRST;
        for index in 0..maximum {
            let topic = Arc::clone(&topic);
            inbox.change(Change::Joined { index, topic, selector: 0, first, start_known: false });
            inbox.change(Change::Begins { index, first });
        }
        for round in 0..10 {
            for index in 0..maximum {
                inbox.change(Change::Removed { index });
                inbox.change(Change::Left { index, head: round });
                if index % 2 == 0 {
                    inbox.change(Change::Stays { index });
                }
            }
        }
        let updates = inbox.take_updates();
        assert!(updates.changes.len() <= MAX_CHANGES, "{}", updates.changes.len());
        let count = |is: fn(&Change) -> bool| updates.changes.iter().filter(|change| is(change)).count();
        assert_eq!(count(|change| matches!(change, Change::Joined { .. })), 2000);
        assert_eq!(count(|change| matches!(change, Change::Begins { .. })), 2000);
        let exit =
            |wanted| updates.changes.iter().rfind(|one| one.is_about_leaving() && one.index() == wanted);
        for index in 0..maximum {
            match exit(index) {
                Some(Change::Stays { .. }) => assert_eq!(index % 2, 0),
                Some(Change::Left { head: 9, .. }) => assert_eq!(index % 2, 1),
                other => panic!("{index}: {other:?}"),
            }
        }
    }
}
