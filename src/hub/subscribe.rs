use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Hub;
use super::event::SubscribeError;
use super::followed::{Exit, Followed};
use super::inbox::Inbox;
use super::select::{Matcher, StreamSet, SubscriptionRequest, first_match};
use super::subscription::Subscription;
use crate::domain::StreamId;
use crate::domain::limits::MAX_STREAMS_PER_SUBSCRIPTION;
use crate::queue::ListStreams;

/// A subscription's entry in the hub; gone when dropped.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) hub: Arc<Hub>,
    pub(super) inbox: Arc<Inbox>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.hub.followers.unregister(&self.inbox);
    }
}

/// Opens a subscription. The order matters: once it is registered, the tail tells it of streams that come; once a
/// stream is followed, the tail tells it of entries; only then are the heads read that positions depend on. So whatever
/// happens between these steps is seen at least once, and positions make it once.
pub(super) async fn subscribe(
    hub: &Arc<Hub>,
    request: SubscriptionRequest,
) -> Result<Subscription, SubscribeError> {
    let matchers: Vec<Matcher> =
        request.selectors.iter().map(|selector| Matcher::new(&selector.streams)).collect::<Result<_, _>>()?;
    for (selector, matcher) in request.selectors.iter().zip(&matchers) {
        if let Some(cursor) = selector.all_cursors().find(|cursor| matcher.excludes(&cursor.stream_id)) {
            return Err(SubscribeError::CursorStreamNotSelected(cursor.stream_id.clone()));
        }
    }
    let inbox = hub.followers.register(matchers)?;
    let registration = Registration { hub: Arc::clone(hub), inbox };
    let inbox = &registration.inbox;

    let ids = candidates(hub, &request, inbox.matchers()).await?;
    let mut places = HashMap::with_capacity(ids.len());
    for id in &ids {
        let place = hub.followers.follow(inbox, id).ok_or_else(too_many_streams)?;
        places.insert(id.clone(), place);
    }
    let mut streams = Vec::with_capacity(ids.len());
    for record in hub.records(&ids).await? {
        let by_id = is_named(inbox.matchers(), &record.id);
        let chosen = first_match(inbox.matchers(), &record).filter(|_| !(by_id && record.removed));
        let Some((index, selector)) = chosen.and_then(|index| Some((index, request.selectors.get(index)?)))
        else {
            continue;
        };
        let Some((place, topic)) = places.remove(&record.id) else { continue };
        let first = selector.first_sequence(&record)?;
        inbox.clear_changes(place.index);
        inbox.place_for(&record.id, Some(index));
        topic.observe(record.counters.published_sequence);
        let mut followed = Followed::new(topic, index, first, selector.stop_sequence);
        if record.removed {
            followed.exit = Exit::WhenDrained;
        }
        inbox.enqueue(place.index);
        streams.push((place.index, followed));
    }
    for (id, (place, _)) in places {
        if is_named(inbox.matchers(), &id) {
            return Err(SubscribeError::StreamNotFound(id));
        }
        inbox.clear_changes(place.index);
        hub.followers.forget(inbox, &id, place.index);
    }
    Ok(Subscription::new(registration, &request, streams))
}

/// Streams that may be selected: those named, those listed that match, and those that cursors of a glob or of labels
/// stand in, which may be unregistered by now and yet have output to tell of.
async fn candidates(
    hub: &Hub,
    request: &SubscriptionRequest,
    matchers: &[Matcher],
) -> Result<Vec<StreamId>, SubscribeError> {
    let mut ids: Vec<StreamId> = Vec::new();
    let mut known = HashSet::new();
    let mut add = |id: &StreamId| {
        if known.insert(id.clone()) {
            ids.push(id.clone());
        }
        if ids.len() > MAX_STREAMS_PER_SUBSCRIPTION { Err(too_many_streams()) } else { Ok(()) }
    };
    for selector in &request.selectors {
        match &selector.streams {
            StreamSet::Ids(named) => named.iter().try_for_each(&mut add)?,
            StreamSet::Glob(_) | StreamSet::Labels(_) => {
                selector.all_cursors().try_for_each(|cursor| add(&cursor.stream_id))?;
            }
        }
    }
    if !matchers.iter().any(Matcher::is_dynamic) {
        return Ok(ids);
    }
    let mut query = ListStreams { after: None, limit: 1000 };
    loop {
        let records = hub.queue.list_streams(&query).await?;
        let mut matching = records.iter().filter(|record| first_match(matchers, record).is_some());
        matching.try_for_each(|record| add(&record.id))?;
        match records.last() {
            Some(last) if records.len() >= query.limit => query.after = Some(last.id.clone()),
            _ => return Ok(ids),
        }
    }
}

fn is_named(matchers: &[Matcher], id: &StreamId) -> bool {
    matchers.iter().any(|matcher| match matcher {
        Matcher::Ids(ids) => ids.contains(id),
        Matcher::Glob(_) | Matcher::Labels(_) => false,
    })
}

pub(super) fn too_many_streams() -> SubscribeError {
    SubscribeError::TooManyStreams { limit: MAX_STREAMS_PER_SUBSCRIPTION }
}
