use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use super::event::SubscribeError;
use super::inbox::{Change, Inbox, Place, Waiting};
use super::lock;
use super::select::{Matcher, first_match};
use super::topic::Topic;
use crate::domain::limits::MAX_STREAMS_PER_SUBSCRIPTION;
use crate::domain::{Sequence, StreamId, StreamRecord};

/// Places of streams that are followed.
pub(super) type Followed = HashMap<StreamId, (Place, Arc<Topic>)>;

/// Who follows what. Locks are taken in the order followers, topic, inbox.
#[derive(Debug)]
pub(super) struct Followers {
    state: Mutex<State>,
    max_subscriptions: usize,
}

#[derive(Debug, Default)]
struct State {
    topics: HashMap<StreamId, Arc<Topic>>,
    inboxes: HashMap<u64, Arc<Inbox>>,
    next_subscription: u64,
    draining: bool,
}

impl State {
    fn topic(&mut self, id: &StreamId) -> Arc<Topic> {
        let topic = self.topics.entry(id.clone()).or_insert_with(|| Arc::new(Topic::new(id.clone())));
        Arc::clone(topic)
    }

    fn unfollow(&mut self, id: &StreamId, subscription: u64) {
        if self.topics.get(id).is_some_and(|topic| topic.remove(subscription)) {
            self.topics.remove(id);
        }
    }
}

impl Followers {
    pub(super) fn new(max_subscriptions: usize) -> Self {
        Self { state: Mutex::default(), max_subscriptions }
    }

    /// `by_label`: its filters ask for labels of streams.
    pub(super) fn register(
        &self,
        matchers: Vec<Matcher>,
        by_label: bool,
    ) -> Result<Arc<Inbox>, SubscribeError> {
        let mut state = lock(&self.state);
        if state.draining {
            return Err(SubscribeError::Draining);
        }
        if state.inboxes.len() >= self.max_subscriptions {
            return Err(SubscribeError::TooManySubscriptions { limit: self.max_subscriptions });
        }
        let id = state.next_subscription;
        state.next_subscription += 1;
        let inbox = Arc::new(Inbox::new(id, matchers, by_label));
        state.inboxes.insert(id, Arc::clone(&inbox));
        Ok(inbox)
    }

    pub(super) fn unregister(&self, inbox: &Inbox) {
        let mut state = lock(&self.state);
        state.inboxes.remove(&inbox.id());
        inbox.followed().iter().for_each(|id| state.unfollow(id, inbox.id()));
    }

    /// Follows a stream; `None` if there is no place for it.
    pub(super) fn follow(&self, inbox: &Arc<Inbox>, id: &StreamId) -> Option<(Place, Arc<Topic>)> {
        let mut state = lock(&self.state);
        let place = inbox.place_for(id, None)?;
        let topic = state.topic(id);
        topic.add(inbox, place.index, None);
        Some((place, topic))
    }

    /// Follows streams, the first of them; the others wait for a place, as do those that came meanwhile and have to make room.
    /// Answers the places, and which streams wait.
    pub(super) fn follow_first(&self, inbox: &Arc<Inbox>, ids: &[StreamId]) -> (Followed, HashSet<StreamId>) {
        let mut state = lock(&self.state);
        let (first, rest) = ids.split_at(ids.len().min(MAX_STREAMS_PER_SUBSCRIPTION));
        let wanted: HashSet<&StreamId> = first.iter().collect();
        let mut waiting: HashSet<StreamId> = rest.iter().cloned().collect();
        let came: Vec<StreamId> = inbox.followed().into_iter().filter(|id| !wanted.contains(id)).collect();
        if first.len() + came.len() > MAX_STREAMS_PER_SUBSCRIPTION {
            for id in came {
                if let Some(place) = inbox.place_of(&id) {
                    inbox.clear_changes(place.index);
                    inbox.vacate(&id, place.index);
                    state.unfollow(&id, inbox.id());
                }
                waiting.insert(id);
            }
        }
        let mut followed = HashMap::with_capacity(first.len());
        for id in first {
            let Some(place) = inbox.place_for(id, None) else { continue };
            let topic = state.topic(id);
            topic.add(inbox, place.index, None);
            followed.insert(id.clone(), (place, topic));
        }
        // Where they begin is said when it is read.
        let begins = Waiting { selector: 0, first: Sequence::FIRST, not_before: None };
        waiting.iter().for_each(|id| inbox.put_off(id, begins));
        (followed, waiting)
    }

    /// Gives a stream up; another that waits for a place is followed instead. Does nothing, and says so, if a change of the
    /// stream waits to be seen.
    pub(super) fn forget(&self, inbox: &Arc<Inbox>, id: &StreamId, index: u32) -> bool {
        let mut state = lock(&self.state);
        if !inbox.vacate(id, index) {
            return false;
        }
        state.unfollow(id, inbox.id());
        while let Some((id, place, waiting)) = inbox.admit() {
            let topic = state.topic(&id);
            topic.add(inbox, place.index, None);
            inbox.change(Change::Admitted { index: place.index, topic, waiting });
            inbox.mark(place.index);
        }
        true
    }

    pub(super) fn drain(&self) {
        let mut state = lock(&self.state);
        state.draining = true;
        state.inboxes.values().for_each(|inbox| inbox.drain());
    }

    /// How many subscriptions there are, and how many streams they follow.
    pub(super) fn counts(&self) -> (usize, usize) {
        let state = lock(&self.state);
        (state.inboxes.len(), state.topics.len())
    }

    pub(super) fn topic(&self, id: &StreamId) -> Option<Arc<Topic>> {
        lock(&self.state).topics.get(id).cloned()
    }

    pub(super) fn topics(&self) -> Vec<Arc<Topic>> {
        lock(&self.state).topics.values().cloned().collect()
    }

    /// Whether changes of streams concern some subscription: its set of streams can change, or it filters by label.
    pub(super) fn any_dynamic(&self) -> bool {
        let state = lock(&self.state);
        state
            .inboxes
            .values()
            .any(|inbox| inbox.by_label() || inbox.matchers().iter().any(Matcher::is_dynamic))
    }

    /// Tells all whom it concerns that nothing is left of a stream.
    pub(super) fn stream_gone(&self, id: &StreamId) {
        let state = lock(&self.state);
        for inbox in state.inboxes.values() {
            match inbox.place_of(id) {
                Some(place) => change_followed(inbox, place, None),
                None => inbox.wait_no_more(id),
            }
        }
    }

    /// Tells all whom it concerns that a stream was registered, changed or unregistered. Whoever comes to follow it
    /// begins with number `first`; without one, with the first that the feed brings from here on. The record may be
    /// newer than the event: a stream that came to be selected a moment later may so begin a little early, never late.
    pub(super) fn stream_changed(&self, record: &StreamRecord, first: Option<Sequence>) {
        let settled = first.is_some();
        let first = first.unwrap_or(Sequence::after(record.counters.published_sequence));
        let mut state = lock(&self.state);
        if let Some(topic) = state.topics.get(&record.id) {
            topic.relabel(&record.settings.labels);
        }
        let inboxes: Vec<Arc<Inbox>> = state.inboxes.values().cloned().collect();
        for inbox in inboxes {
            match inbox.place_of(&record.id) {
                Some(place) => change_followed(&inbox, place, Some(record)),
                None => {
                    let selector = first_match(inbox.matchers(), record).filter(|_| !record.removed);
                    let Some(selector) = selector else {
                        inbox.wait_no_more(&record.id);
                        continue;
                    };
                    let Some(place) = inbox.place_for(&record.id, Some(selector)) else {
                        let now = Waiting::since_now(record, selector);
                        let first = if settled { first } else { now.first };
                        inbox.put_off(&record.id, Waiting { first, ..now });
                        continue;
                    };
                    let topic = state.topic(&record.id);
                    topic.add(&inbox, place.index, (!settled).then_some(first));
                    topic.observe(&record.counters);
                    inbox.change(Change::Joined { index: place.index, topic, selector, first, settled });
                    inbox.mark(place.index);
                }
            }
        }
    }
}

/// Tells a subscription of a change of a stream that it follows; without a record, that the stream is gone.
fn change_followed(inbox: &Inbox, place: Place, record: Option<&StreamRecord>) {
    let selects = |selector: usize| inbox.matchers().get(selector).is_some_and(Matcher::is_dynamic);
    if !place.selector.is_some_and(selects) {
        return; // named by its id, or not settled yet: it stays
    }
    let index = place.index;
    inbox.change(match record {
        Some(record) if record.removed => Change::Removed { index },
        Some(record) if first_match(inbox.matchers(), record).is_some() => Change::Stays { index },
        Some(record) => Change::Left { index, head: record.counters.published_sequence },
        None => Change::Removed { index },
    });
    inbox.mark(index);
}
