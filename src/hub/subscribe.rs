use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};

use super::Hub;
use super::clock;
use super::ends::{Departed, Exit, Stops};
use super::event::{SubscribeError, TimeGap};
use super::followed::Followed;
use super::inbox::{Inbox, Waiting};
use super::select::{Matcher, Selector, SubscriptionRequest, first_match};
use super::subscription::Subscription;
use crate::domain::limits::MAX_STREAMS_PER_SUBSCRIPTION;
use crate::domain::{Cursor, Sequence, StartPosition, StreamCounters, StreamId, StreamRecord, Timestamp};
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
    check_times(&request)?;
    let by_label = request.selectors.iter().any(|selector| !selector.choice.filter.stream_labels.is_empty());
    let inbox = hub.followers.register(matchers, by_label)?;
    let registration = Registration { hub: Arc::clone(hub), inbox };
    let inbox = &registration.inbox;

    let mut ids = candidates(hub, &request, inbox.matchers()).await?;
    let (mut places, mut put_off) = hub.followers.follow_first(inbox, &ids);
    let listed: HashSet<StreamId> = ids.iter().cloned().collect();
    ids.extend(put_off.iter().filter(|id| !listed.contains(*id)).cloned());
    let mut streams = Vec::with_capacity(ids.len());
    let records = records(hub, &request, inbox.matchers(), &ids).await?;
    let mut chosen = Vec::with_capacity(records.len());
    for record in records {
        let by_id = is_named(inbox.matchers(), &record.id);
        let may_be_gone = !by_id || request.allow_unregistered;
        let found = first_match(inbox.matchers(), &record).filter(|_| may_be_gone || !record.removed);
        let Some((index, selector)) = found.and_then(|index| Some((index, request.selectors.get(index)?)))
        else {
            continue;
        };
        if !put_off.contains(&record.id) {
            chosen.push((record, by_id, index, selector));
        } else if !record.removed {
            inbox.put_off_to(&record.id, selector.waiting(&record, index)?);
            put_off.remove(&record.id);
        }
    }
    // They are not there, or not selected.
    for id in put_off {
        if is_named(inbox.matchers(), &id) {
            return Err(SubscribeError::StreamNotFound(id));
        }
        inbox.wait_no_more(&id);
    }
    let found = found_by_time(hub, &chosen).await?;
    let mut time_gaps = Vec::new();
    for ((record, by_id, index, selector), found) in chosen.into_iter().zip(found) {
        let Some((place, topic)) = places.remove(&record.id) else { continue };
        let starts_at = selector.start_time(&record.id);
        let entry = found.as_ref().and_then(|found| found.entry.clone()).filter(|_| starts_at.is_some());
        let first = match &entry {
            Some(entry) => entry.sequence,
            None => selector.first_sequence(&record, index)?,
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
    for (id, (place, _)) in places {
        if is_named(inbox.matchers(), &id) {
            return Err(SubscribeError::StreamNotFound(id));
        }
        inbox.clear_changes(place.index);
        hub.followers.forget(inbox, &id, place.index);
    }
    // Streams of which nothing is known now, or that wait for a place: they go on behind their cursors.
    let followed: HashSet<&StreamId> = streams.iter().map(|(_, stream)| stream.id()).collect();
    let others: HashMap<StreamId, Departed> = cursors(&request, inbox.matchers())
        .filter(|cursor| !followed.contains(&cursor.stream_id))
        .map(|cursor| (cursor.stream_id.clone(), Departed::before(cursor)))
        .collect();
    let mut subscription = Subscription::new(registration, &request, streams, time_gaps);
    subscription.departed.extend(others);
    Ok(subscription)
}

/// Times that nobody can know anything of.
fn check_times(request: &SubscriptionRequest) -> Result<(), SubscribeError> {
    let now = clock::now();
    let is_future = |selector: &Selector| matches!(selector.start, StartPosition::Time(time) if time > now);
    if let Some(selector) = request.selectors.iter().position(is_future) {
        let message = "the time to start at is in the future".to_owned();
        return Err(SubscribeError::PositionInFuture { selector, field: "receive_time", message });
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

    /// Where a stream begins that has to wait for a place.
    fn waiting(&self, record: &StreamRecord, index: usize) -> Result<Waiting, SubscribeError> {
        let not_before = self.start_time(&record.id);
        let first = match not_before {
            Some(_) => Sequence::after(record.counters.oldest_sequence.saturating_sub(1)),
            None => self.first_sequence(record, index)?,
        };
        Ok(Waiting { selector: index, first, not_before })
    }
}

/// The cursors of streams that their selectors can select; others are ignored.
fn cursors<'a>(
    request: &'a SubscriptionRequest,
    matchers: &'a [Matcher],
) -> impl Iterator<Item = &'a Cursor> {
    request.selectors.iter().zip(matchers).flat_map(|(selector, matcher)| {
        selector.all_cursors().filter(|cursor| !matcher.excludes(&cursor.stream_id))
    })
}

/// Streams that may be selected, those first that are to be followed first: those that cursors stand in, which may be
/// unregistered by now and yet have output to tell of; those named; and those listed that match. More than a subscription may
/// follow only if it brings cursors: it goes on, whatever was registered meanwhile.
async fn candidates(
    hub: &Hub,
    request: &SubscriptionRequest,
    matchers: &[Matcher],
) -> Result<Vec<StreamId>, SubscribeError> {
    let goes_on = request.selectors.iter().any(|selector| selector.all_cursors().next().is_some());
    let mut ids: Vec<StreamId> = Vec::new();
    let mut known = HashSet::new();
    let mut add = |id: &StreamId| {
        if known.insert(id.clone()) {
            ids.push(id.clone());
        }
        let too_many = ids.len() > MAX_STREAMS_PER_SUBSCRIPTION && !goes_on;
        if too_many { Err(too_many_streams()) } else { Ok(()) }
    };
    let mut before: Vec<StreamId> =
        cursors(request, matchers).map(|cursor| cursor.stream_id.clone()).collect();
    if before.len() > MAX_STREAMS_PER_SUBSCRIPTION {
        // Places are for those that are there.
        let records = hub.records(&before).await?;
        let selected = records.into_iter().filter(|record| first_match(matchers, record).is_some());
        before = selected.map(|record| record.id).collect();
    }
    before.iter().try_for_each(&mut add)?;
    for selector in &request.selectors {
        selector.streams.named().into_iter().try_for_each(&mut add)?;
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
    matchers.iter().any(|matcher| matcher.names(id))
}

fn too_many_streams() -> SubscribeError {
    SubscribeError::TooManyStreams { limit: MAX_STREAMS_PER_SUBSCRIPTION }
}
