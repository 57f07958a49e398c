//! The index of subscriptions and the streams that they follow.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

use super::inbox::{Change, Inbox, StreamSlot, WaitingStream};
use super::topic::Topic;
use crate::domain::limits::MAX_STREAMS_PER_SUBSCRIPTION;
use crate::domain::{Sequence, StreamId, StreamRecord};
use crate::hub::HubLag;
use crate::hub::event::SubscribeError;
use crate::hub::selector::{Matcher, first_match};

/// The maximum number of followers whose lag is added up at once.
const MAX_ADDED_UP: usize = 200_000;

/// The slots and topics of followed streams.
pub(in crate::hub) type Assigned = HashMap<StreamId, (StreamSlot, Arc<Topic>)>;

/// The index of all subscriptions and the streams that they follow. Locks are taken in the order
/// index, topic, inbox.
#[derive(Debug)]
pub(in crate::hub) struct SubscriptionIndex {
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

impl SubscriptionIndex {
    pub(in crate::hub) fn new(max_subscriptions: usize) -> Self {
        Self { state: Mutex::default(), max_subscriptions }
    }

    /// Adds a subscription. `filters_by_label` says that its filters test labels of streams.
    pub(in crate::hub) fn register(
        &self,
        matchers: Vec<Matcher>,
        filters_by_label: bool,
    ) -> Result<Arc<Inbox>, SubscribeError> {
        let mut state = self.state.lock();
        if state.draining {
            return Err(SubscribeError::Draining);
        }
        if state.inboxes.len() >= self.max_subscriptions {
            return Err(SubscribeError::TooManySubscriptions { limit: self.max_subscriptions });
        }
        let id = state.next_subscription;
        state.next_subscription += 1;
        let inbox = Arc::new(Inbox::new(id, matchers, filters_by_label));
        state.inboxes.insert(id, Arc::clone(&inbox));
        Ok(inbox)
    }

    pub(in crate::hub) fn unregister(&self, inbox: &Inbox) {
        let mut state = self.state.lock();
        state.inboxes.remove(&inbox.id());
        inbox.followed().iter().for_each(|id| state.unfollow(id, inbox.id()));
    }

    /// Adds up the lags of all subscriptions; `None` if there are too many.
    pub(in crate::hub) fn lag(&self) -> Option<HubLag> {
        let topics: Vec<Arc<Topic>> = self.state.lock().topics.values().cloned().collect();
        let (mut total, mut counted) = (HubLag::default(), 0);
        for topic in topics {
            let (followers, sum, max) = topic.lag();
            counted += followers;
            if counted > MAX_ADDED_UP {
                return None;
            }
            total = HubLag { sum: total.sum.saturating_add(sum), max: total.max.max(max) };
        }
        Some(total)
    }

    /// Follows a stream; `None` if no slot is free.
    pub(in crate::hub) fn follow(
        &self,
        inbox: &Arc<Inbox>,
        id: &StreamId,
    ) -> Option<(StreamSlot, Arc<Topic>)> {
        let mut state = self.state.lock();
        let slot = inbox.slot_for(id, None)?;
        let topic = state.topic(id);
        topic.add(inbox, slot.index, None);
        Some((slot, topic))
    }

    /// Follows as many of these streams as there are slots, in order. The others wait for a slot.
    /// Streams that joined in the meantime must also wait if their slots are needed. Returns the
    /// slots and the waiting streams.
    pub(in crate::hub) fn follow_first(
        &self,
        inbox: &Arc<Inbox>,
        ids: &[StreamId],
    ) -> (Assigned, HashSet<StreamId>) {
        let mut state = self.state.lock();
        let (first, rest) = ids.split_at(ids.len().min(MAX_STREAMS_PER_SUBSCRIPTION));
        let wanted: HashSet<&StreamId> = first.iter().collect();
        let mut waiting: HashSet<StreamId> = rest.iter().cloned().collect();
        let joined: Vec<StreamId> = inbox.followed().into_iter().filter(|id| !wanted.contains(id)).collect();
        if first.len() + joined.len() > MAX_STREAMS_PER_SUBSCRIPTION {
            for id in joined {
                if let Some(slot) = inbox.slot_of(&id) {
                    inbox.clear_changes(slot.index);
                    inbox.vacate(&id, slot.index);
                    state.unfollow(&id, inbox.id());
                }
                waiting.insert(id);
            }
        }
        let mut followed = HashMap::with_capacity(first.len());
        for id in first {
            let Some(slot) = inbox.slot_for(id, None) else { continue };
            let topic = state.topic(id);
            topic.add(inbox, slot.index, None);
            followed.insert(id.clone(), (slot, topic));
        }
        // A placeholder: the caller sets the starts when it has read the records.
        let placeholder = WaitingStream { selector: 0, first: Sequence::FIRST, not_before: None };
        waiting.iter().for_each(|id| inbox.add_waiting(id, placeholder));
        (followed, waiting)
    }

    /// Stops following a stream, and gives its slot to a stream that waits. Does nothing and
    /// returns `false` if a change of the stream is unread.
    pub(in crate::hub) fn unfollow(&self, inbox: &Arc<Inbox>, id: &StreamId, index: u32) -> bool {
        let mut state = self.state.lock();
        if !inbox.vacate(id, index) {
            return false;
        }
        state.unfollow(id, inbox.id());
        while let Some((id, slot, waiting)) = inbox.admit() {
            let topic = state.topic(&id);
            topic.add(inbox, slot.index, None);
            inbox.change(Change::Admitted { index: slot.index, topic, waiting });
            inbox.mark(slot.index);
        }
        true
    }

    pub(in crate::hub) fn drain(&self) {
        let mut state = self.state.lock();
        state.draining = true;
        state.inboxes.values().for_each(|inbox| inbox.drain());
    }

    /// Returns the number of subscriptions and the number of streams that they follow.
    pub(in crate::hub) fn counts(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.inboxes.len(), state.topics.len())
    }

    pub(in crate::hub) fn topic(&self, id: &StreamId) -> Option<Arc<Topic>> {
        self.state.lock().topics.get(id).cloned()
    }

    pub(in crate::hub) fn topics(&self) -> Vec<Arc<Topic>> {
        self.state.lock().topics.values().cloned().collect()
    }

    /// Reports whether a change of any stream can matter to a subscription: its set of streams can
    /// change, or it filters by label.
    pub(super) fn any_dynamic(&self) -> bool {
        let state = self.state.lock();
        state
            .inboxes
            .values()
            .any(|inbox| inbox.filters_by_label() || inbox.matchers().iter().any(Matcher::is_dynamic))
    }

    /// Notifies the subscriptions that follow or select a stream that nothing is left of it.
    pub(super) fn stream_gone(&self, id: &StreamId) {
        let state = self.state.lock();
        for inbox in state.inboxes.values() {
            match inbox.slot_of(id) {
                Some(slot) => change_followed(inbox, slot, None),
                None => inbox.remove_waiting(id),
            }
        }
    }

    /// Notifies the subscriptions that follow or select a stream that it was registered, changed or
    /// unregistered. A subscription that starts to follow the stream begins with sequence `first`.
    /// If that is `None`, it begins with the first entry that the feed reports from now on. The
    /// record may already contain a later change. If only that later change selects the stream, the
    /// subscription begins slightly too early, but never too late.
    pub(super) fn stream_changed(&self, record: &StreamRecord, first: Option<Sequence>) {
        let start_known = first.is_some();
        let first = first.unwrap_or(Sequence::after(record.counters.published_sequence));
        let mut state = self.state.lock();
        if let Some(topic) = state.topics.get(&record.id) {
            topic.set_labels(&record.settings.labels);
        }
        let inboxes: Vec<Arc<Inbox>> = state.inboxes.values().cloned().collect();
        for inbox in inboxes {
            match inbox.slot_of(&record.id) {
                Some(slot) => change_followed(&inbox, slot, Some(record)),
                None => {
                    let selector = first_match(inbox.matchers(), record).filter(|_| !record.removed);
                    let Some(selector) = selector else {
                        inbox.remove_waiting(&record.id);
                        continue;
                    };
                    let Some(slot) = inbox.slot_for(&record.id, Some(selector)) else {
                        let now = WaitingStream::just_selected(record, selector);
                        let first = if start_known { first } else { now.first };
                        inbox.add_waiting(&record.id, WaitingStream { first, ..now });
                        continue;
                    };
                    let topic = state.topic(&record.id);
                    topic.add(&inbox, slot.index, (!start_known).then_some(first));
                    topic.observe(&record.counters);
                    inbox.change(Change::Joined { index: slot.index, topic, selector, first, start_known });
                    inbox.mark(slot.index);
                }
            }
        }
    }
}

/// Notifies a subscription of a change of a stream that it follows; without a record, the stream is
/// gone.
fn change_followed(inbox: &Inbox, slot: StreamSlot, record: Option<&StreamRecord>) {
    let selects = |selector: usize| inbox.matchers().get(selector).is_some_and(Matcher::is_dynamic);
    if !slot.selector.is_some_and(selects) {
        return; // selected by its id, or its selector is not known yet: it stays
    }
    let index = slot.index;
    inbox.change(match record {
        Some(record) if record.removed => Change::Removed { index },
        Some(record) if first_match(inbox.matchers(), record).is_some() => Change::Stays { index },
        Some(record) => Change::Left { index, head: record.counters.published_sequence },
        None => Change::Removed { index },
    });
    inbox.mark(index);
}
