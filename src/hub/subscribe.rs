use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};

use super::Hub;
use super::clock;
use super::event::{SubscribeError, TimeGap};
use super::followed::{Departed, Exit, Followed, Stops};
use super::inbox::Inbox;
use super::select::{Matcher, Selector, StreamSet, SubscriptionRequest, first_match};
use super::subscription::Subscription;
use crate::domain::limits::MAX_STREAMS_PER_SUBSCRIPTION;
use crate::domain::{Sequence, StartPosition, StreamCounters, StreamId, StreamRecord, Timestamp};
use crate::queue::{self, FoundAt, ListStreams};

/// Outputs that are searched at the same time.
const LOOKS_AT_ONCE: usize = 16;
/// Streams that are read at once where all are looked at.
const STREAMS_A_READ: usize = 100;

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
    check_times(&request)?;
    let by_label = request.selectors.iter().any(|selector| !selector.choice.filter.stream_labels.is_empty());
    let inbox = hub.followers.register(matchers, by_label)?;
    let registration = Registration { hub: Arc::clone(hub), inbox };
    let inbox = &registration.inbox;

    let ids = candidates(hub, &request, inbox.matchers()).await?;
    let mut places = HashMap::with_capacity(ids.len());
    for id in &ids {
        let place = hub.followers.follow(inbox, id).ok_or_else(too_many_streams)?;
        places.insert(id.clone(), place);
    }
    let mut streams = Vec::with_capacity(ids.len());
    let records = records(hub, &request, inbox.matchers(), &ids).await?;
    let mut chosen = Vec::with_capacity(records.len());
    for record in records {
        let by_id = is_named(inbox.matchers(), &record.id);
        let may_be_gone = !by_id || request.allow_unregistered;
        let found = first_match(inbox.matchers(), &record).filter(|_| may_be_gone || !record.removed);
        if let Some((index, selector)) = found.and_then(|index| Some((index, request.selectors.get(index)?)))
        {
            chosen.push((record, by_id, index, selector));
        }
    }
    let found = found_by_time(hub, &chosen).await?;
    let mut time_gaps = Vec::new();
    for ((record, by_id, index, selector), found) in chosen.into_iter().zip(found) {
        let Some((place, topic)) = places.remove(&record.id) else { continue };
        let starts_at = selector.start_time(&record.id);
        let entry = found.as_ref().and_then(|found| found.entry.clone()).filter(|_| starts_at.is_some());
        let first = match &entry {
            Some(entry) => entry.sequence,
            None => selector.first_sequence(&record)?,
        };
        let beyond = selector.beyond_store(&record);
        if let Some(last) = beyond.and_then(|next| Sequence::new(next.get() - 1).ok()) {
            hub.queue.has_given(&record.id, last).await?;
        }
        if let Some(gap) = found
            .and_then(|found| TimeGap::between(&record, index, starts_at, selector.stop_time, first, &found))
        {
            if selector.fail_if_trimmed && starts_at.is_some() {
                let (stream, oldest_time) = (gap.stream_id, gap.oldest);
                return Err(SubscribeError::CursorTrimmed { stream, oldest: first, oldest_time });
            }
            time_gaps.push(gap);
        }
        inbox.clear_changes(place.index);
        inbox.place_for(&record.id, Some(index));
        topic.begin(&record.counters);
        topic.relabel(&record.settings.labels);
        let stops = Stops {
            sequence: selector.stop_sequence,
            time: selector.stop_time,
            frames: selector.stop_after_frames,
        };
        let mut followed = Followed::new(topic, index, first, stops);
        match selector.cursor_of(&record.id) {
            Some(foreign) if foreign.foreign.is_some() => followed.begins_anew(foreign.clone()),
            Some(_) if beyond.is_some() => followed.lost_behind(),
            Some(cursor) if cursor.awaited => followed.awaits(cursor.next),
            Some(_) => {}
            None if matches!(selector.start, StartPosition::Sequence(_)) => followed.awaits(first),
            None => {}
        }
        // What waits for a worker may have been received before.
        followed.not_before = selector.start_time(&record.id).filter(|_| entry.is_none());
        if record.removed && !by_id {
            followed.exit = Exit::WhenDrained;
        }
        inbox.enqueue(place.index);
        streams.push((place.index, followed));
    }
    let mut departed = Vec::new();
    for (id, (place, _)) in places {
        if is_named(inbox.matchers(), &id) {
            return Err(SubscribeError::StreamNotFound(id));
        }
        inbox.clear_changes(place.index);
        hub.followers.forget(inbox, &id, place.index);
        // Nothing is known of it now. If it comes back, it goes on behind the cursor.
        if let Some(cursor) = request.selectors.iter().find_map(|selector| selector.cursor_of(&id)) {
            departed.push((id, Departed::before(cursor)));
        }
    }
    let mut subscription = Subscription::new(registration, &request, streams, time_gaps);
    subscription.departed.extend(departed);
    Ok(subscription)
}

/// Times that nobody can know anything of.
fn check_times(request: &SubscriptionRequest) -> Result<(), SubscribeError> {
    let now = clock::now();
    let is_future = |selector: &Selector| matches!(selector.start, StartPosition::Time(time) if time > now);
    if request.selectors.iter().any(is_future) {
        return Err(SubscribeError::PositionInFuture("the time to start at is in the future".to_owned()));
    }
    Ok(())
}

/// The records of these streams. One that was never registered gets one that says so, where that is allowed.
async fn records(
    hub: &Hub,
    request: &SubscriptionRequest,
    matchers: &[Matcher],
    ids: &[StreamId],
) -> queue::Result<Vec<StreamRecord>> {
    let mut records = hub.records(ids).await?;
    if request.allow_unregistered {
        let known: HashSet<StreamId> = records.iter().map(|record| record.id.clone()).collect();
        let unknown = ids.iter().filter(|id| !known.contains(*id) && is_named(matchers, id));
        records.extend(unknown.map(|id| StreamRecord {
            id: id.clone(),
            settings: crate::domain::StreamSettings::default(),
            effective: crate::domain::StreamPolicies::default(),
            incarnation: 0,
            revision: 0,
            create_time: clock::now(),
            update_time: clock::now(),
            removed: true,
            counters: StreamCounters::default(),
        }));
    }
    Ok(records)
}

/// Looks starts and stops by time up; `None` where the stream has neither.
async fn found_by_time(
    hub: &Hub,
    chosen: &[(StreamRecord, bool, usize, &Selector)],
) -> queue::Result<Vec<Option<FoundAt>>> {
    let look = |(record, _, _, selector): &(StreamRecord, bool, usize, &Selector)| {
        let asked = selector.asked_from(&record.id).map(|time| (record.id.clone(), time));
        async move {
            match asked {
                Some((id, time)) => hub.queue.first_at(&id, time).await.map(Some),
                None => Ok(None),
            }
        }
    };
    let looks: Vec<_> = chosen.iter().map(look).collect();
    futures::stream::iter(looks).buffered(LOOKS_AT_ONCE).try_collect().await
}

impl Selector {
    /// The time from which on a stream's frames are asked for: that of a start by time; where a stop by time bounds all that
    /// is kept, any. `None` where no time says what is asked for.
    fn asked_from(&self, id: &StreamId) -> Option<Timestamp> {
        let all = || {
            let earliest = self.start == StartPosition::Earliest && self.cursor_of(id).is_none();
            (earliest && self.stop_time.is_some()).then(Timestamp::default)
        };
        self.start_time(id).or_else(all)
    }
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
    let mut query = ListStreams { after: None, limit: STREAMS_A_READ };
    loop {
        let records = hub.queue.list_streams(&query).await?;
        for _ in &records {
            // Thousands of large settings take a while to read: others have their turn.
            tokio::task::consume_budget().await;
        }
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
