use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::event::SubscribeError;
use super::inbox::{Change, Inbox, Place};
use super::lock;
use super::select::{Matcher, first_match};
use super::topic::Topic;
use crate::domain::{Sequence, StreamId, StreamRecord};

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

    /// Follows a stream; `None` if the subscription follows too many.
    pub(super) fn follow(&self, inbox: &Arc<Inbox>, id: &StreamId) -> Option<(Place, Arc<Topic>)> {
        let mut state = lock(&self.state);
        let place = inbox.place_for(id, None)?;
        let topic = state.topic(id);
        topic.add(inbox, place.index, None);
        Some((place, topic))
    }

    /// Gives a stream up. Does nothing, and says so, if a change of it waits to be seen.
    pub(super) fn forget(&self, inbox: &Inbox, id: &StreamId, index: u32) -> bool {
        let mut state = lock(&self.state);
        let vacated = inbox.vacate(id, index);
        if vacated {
            state.unfollow(id, inbox.id());
        }
        vacated
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
            if let Some(place) = inbox.place_of(id) {
                change_followed(inbox, place, None);
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
                None if record.removed => {}
                None => {
                    let Some(selector) = first_match(inbox.matchers(), record) else { continue };
                    let Some(place) = inbox.place_for(&record.id, Some(selector)) else {
                        inbox.overflow();
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
