use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::lock;
use super::select::Matcher;
use super::topic::Topic;
use crate::domain::limits::MAX_STREAMS_PER_SUBSCRIPTION;
use crate::domain::{Sequence, StreamId};

/// Changes that may wait for a subscription to pull. A subscription that is this far behind ends.
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
    overflowed: bool,
    draining: bool,
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
            | Self::Begins { index, .. }
            | Self::Removed { index }
            | Self::Left { index, .. }
            | Self::Stays { index } => *index,
        }
    }
}

/// What the subscription takes from its inbox at once.
#[derive(Debug, Default)]
pub(super) struct Mail {
    pub(super) changes: Vec<Change>,
    pub(super) overflowed: bool,
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
        if state.changes.len() < MAX_CHANGES {
            state.changes.push(change);
        } else {
            state.overflowed = true;
        }
        drop(state);
        self.news.notify_one();
    }

    pub(super) fn overflow(&self) {
        lock(&self.state).overflowed = true;
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
        Mail { changes, overflowed: state.overflowed, draining: state.draining }
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
        let place = Place { index: state.next_index, selector };
        state.next_index += 1;
        state.followed.insert(id.clone(), place);
        Some(place)
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
