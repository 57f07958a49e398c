//! Opens subscriptions.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};

use super::Subscription;
use super::request::{Selector, SubscriptionRequest};
use super::stops::{Leaving, LeftStream, StartKind, Stops};
use super::stream::StreamProgress;
use crate::domain::limits::MAX_STREAMS_PER_SUBSCRIPTION;
use crate::domain::{Cursor, Sequence, StartPosition, StreamId, StreamRecord, Timestamp};
use crate::hub::Hub;
use crate::hub::clock;
use crate::hub::event::{SubscribeError, TimeGap};
use crate::hub::feed::inbox::{Inbox, WaitingStream};
use crate::hub::feed::index::Assigned;
use crate::hub::feed::registration::Registration;
use crate::hub::selector::{Matcher, first_match};
use crate::hub::streams::{self, for_each_page};
use crate::queue::{self, FoundAt};

/// The number of streams in one page when all are read: few, because their settings can be large.
const PAGE_STREAMS: usize = 100;
/// The maximum number of outputs that are searched at the same time.
const MAX_SEARCHES: usize = 16;

impl Hub {
    /// Opens a subscription. Its first event is a checkpoint, and it misses nothing after that.
    ///
    /// The order of the steps matters. As soon as the subscription is registered, the tail reports
    /// new streams to it. As soon as it follows a stream, the tail reports entries to it. The
    /// heads, on which the positions depend, are read only after that. So whatever happens in
    /// between is seen at least once, and the positions remove duplicates.
    ///
    /// # Errors
    /// See [`SubscribeError`].
    pub async fn subscribe(
        self: &Arc<Self>,
        request: SubscriptionRequest,
    ) -> Result<Subscription, SubscribeError> {
        let matchers: Vec<Matcher> = request
            .selectors
            .iter()
            .map(|selector| Matcher::new(&selector.streams))
            .collect::<Result<_, _>>()?;
        check_times(&request)?;
        let filters_by_label =
            request.selectors.iter().any(|selector| !selector.choice.filter.stream_labels.is_empty());
        let inbox = self.index.register(matchers, filters_by_label)?;
        let registration = Registration { hub: Arc::clone(self), inbox };
        let inbox = &registration.inbox;

        let mut ids = candidates(self, &request, inbox.matchers()).await?;
        let (slots, without_slot) = self.index.follow_first(inbox, &ids);
        let listed: HashSet<StreamId> = ids.iter().cloned().collect();
        ids.extend(without_slot.iter().filter(|id| !listed.contains(*id)).cloned());
        let records = records(self, &request, inbox.matchers(), &ids).await?;
        let mut opening = Opening {
            hub: self,
            request: &request,
            inbox,
            slots,
            without_slot,
            streams: Vec::with_capacity(records.len()),
            time_gaps: Vec::new(),
            left: BTreeMap::new(),
        };
        let chosen = opening.choose(records).await?;
        opening.drop_without_slot()?;
        let found = found_by_time(self, &chosen).await?;
        for (chosen, found) in chosen.into_iter().zip(found) {
            opening.follow(chosen, found)?;
        }
        opening.free_slots()?;
        opening.keep_cursors();
        let Opening { streams, time_gaps, left, .. } = opening;
        let mut subscription = Subscription::new(registration, &request, streams, time_gaps);
        subscription.left_streams = left;
        Ok(subscription)
    }
}

/// A subscription that is being opened.
struct Opening<'a> {
    hub: &'a Hub,
    request: &'a SubscriptionRequest,
    inbox: &'a Arc<Inbox>,
    /// The slots of streams that are not followed yet.
    slots: Assigned,
    /// The streams that wait for a slot and have no start yet.
    without_slot: HashSet<StreamId>,
    streams: Vec<(u32, StreamProgress)>,
    time_gaps: Vec<TimeGap>,
    /// The positions of streams that are not followed now.
    left: BTreeMap<StreamId, LeftStream>,
}

/// A stream with a slot, and the selector that it belongs to.
struct Chosen<'a> {
    record: StreamRecord,
    is_named: bool,
    index: usize,
    selector: &'a Selector,
}

impl<'a> Opening<'a> {
    /// Returns the streams to follow, and sets the starts of those that wait for a slot.
    async fn choose(&mut self, records: Vec<StreamRecord>) -> Result<Vec<Chosen<'a>>, SubscribeError> {
        let (request, matchers) = (self.request, self.inbox.matchers());
        let mut chosen = Vec::with_capacity(records.len());
        for record in records {
            let is_named = is_named(matchers, &record.id);
            let may_be_gone = !is_named || request.allow_unregistered;
            let found = first_match(matchers, &record).filter(|_| may_be_gone || !record.removed);
            let Some((index, selector)) =
                found.and_then(|index| Some((index, request.selectors.get(index)?)))
            else {
                continue;
            };
            if let Some(last) =
                selector.beyond_store(&record).and_then(|next| Sequence::new(next.get() - 1).ok())
            {
                self.hub.queue.note_issued(&record.id, last).await?;
            }
            if !self.without_slot.contains(&record.id) {
                chosen.push(Chosen { record, is_named, index, selector });
            } else if !record.removed {
                let waiting = selector.waiting(&record, index)?;
                let start_kind = selector.start_kind(&record);
                if selector.cursor_of(&record.id).is_some() || matches!(start_kind, StartKind::Awaited(_)) {
                    let resumes = LeftStream { next: waiting.first, unregistered: true, start_kind };
                    self.left.insert(record.id.clone(), resumes);
                }
                self.inbox.set_start(&record.id, waiting);
                self.without_slot.remove(&record.id);
            }
        }
        Ok(chosen)
    }

    /// Drops the streams that wait for a slot but are not registered, or not selected.
    fn drop_without_slot(&mut self) -> Result<(), SubscribeError> {
        for id in std::mem::take(&mut self.without_slot) {
            if is_named(self.inbox.matchers(), &id) {
                return Err(SubscribeError::StreamNotFound(id));
            }
            self.inbox.remove_waiting(&id);
        }
        Ok(())
    }

    /// Follows a stream. `found` is the result of the search for its start time or its stop time.
    fn follow(&mut self, chosen: Chosen<'_>, found: Option<FoundAt>) -> Result<(), SubscribeError> {
        let Chosen { record, is_named, index, selector } = chosen;
        let Some((slot, topic)) = self.slots.remove(&record.id) else { return Ok(()) };
        let starts_at = selector.start_time(&record.id);
        let entry = found.as_ref().and_then(|found| found.entry.clone()).filter(|_| starts_at.is_some());
        let first = match &entry {
            Some(entry) => entry.sequence,
            None => selector.first_sequence(&record, index)?,
        };
        if let Some(gap) = found
            .and_then(|found| TimeGap::between(&record, index, starts_at, selector.stop_time, first, &found))
        {
            if selector.fail_if_trimmed && starts_at.is_some() {
                let (stream, oldest_time) = (gap.stream_id, gap.oldest);
                return Err(SubscribeError::CursorTrimmed { stream, oldest: first, oldest_time });
            }
            self.time_gaps.push(gap);
        }
        self.inbox.clear_changes(slot.index);
        self.inbox.slot_for(&record.id, Some(index));
        topic.observe_at_start(&record.counters);
        topic.set_labels(&record.settings.labels);
        let stops = Stops {
            sequence: selector.stop_sequence,
            time: selector.stop_time,
            frames: selector.stop_after_frames,
        };
        let mut followed = StreamProgress::new(topic, index, first, stops);
        followed.start_as(selector.start_kind(&record));
        // No frame since the start was found, but frames that wait for a worker may have been
        // received before it: they must be skipped.
        followed.not_before = starts_at.filter(|_| entry.is_none());
        if record.removed && !is_named {
            followed.leaving = Leaving::WhenDrained;
        }
        self.inbox.enqueue(slot.index);
        self.streams.push((slot.index, followed));
        Ok(())
    }

    /// Frees the slots of streams that are not registered or not selected.
    fn free_slots(&mut self) -> Result<(), SubscribeError> {
        for (id, (slot, _)) in std::mem::take(&mut self.slots) {
            if is_named(self.inbox.matchers(), &id) {
                return Err(SubscribeError::StreamNotFound(id));
            }
            self.inbox.clear_changes(slot.index);
            self.hub.index.unfollow(self.inbox, &id, slot.index);
        }
        Ok(())
    }

    /// Keeps the cursors of streams that are not followed now, so that they continue there if they
    /// join later. If there are several cursors for one stream, the first counts.
    fn keep_cursors(&mut self) {
        let followed: HashSet<&StreamId> = self.streams.iter().map(|(_, stream)| stream.id()).collect();
        for cursor in cursors(self.request, self.inbox.matchers()) {
            if !followed.contains(&cursor.stream_id) {
                self.left.entry(cursor.stream_id.clone()).or_insert_with(|| LeftStream::at(cursor));
            }
        }
    }
}

/// Refuses start times in the future.
fn check_times(request: &SubscriptionRequest) -> Result<(), SubscribeError> {
    let now = clock::now();
    let is_future = |selector: &Selector| matches!(selector.start, StartPosition::Time(time) if time > now);
    if let Some(selector) = request.selectors.iter().position(is_future) {
        let message = "the start time is in the future".to_owned();
        return Err(SubscribeError::PositionInFuture { selector, field: "receive_time", message });
    }
    Ok(())
}

/// Returns the records of these streams. If the request allows unregistered streams, unknown
/// streams that are named by id get placeholder records.
async fn records(
    hub: &Hub,
    request: &SubscriptionRequest,
    matchers: &[Matcher],
    ids: &[StreamId],
) -> queue::Result<Vec<StreamRecord>> {
    let mut records = streams::records(&*hub.queue, ids).await?;
    if request.allow_unregistered {
        let known: HashSet<StreamId> = records.iter().map(|record| record.id.clone()).collect();
        let unknown = ids.iter().filter(|id| !known.contains(*id) && is_named(matchers, id));
        records.extend(unknown.map(|id| StreamRecord::unknown(id.clone(), clock::now())));
    }
    Ok(records)
}

/// Searches the outputs for the starts and stops by time; `None` for a stream that has neither.
async fn found_by_time(hub: &Hub, chosen: &[Chosen<'_>]) -> queue::Result<Vec<Option<FoundAt>>> {
    let search = |chosen: &Chosen<'_>| {
        let id = &chosen.record.id;
        let asked = chosen.selector.asked_from(id).map(|time| (id.clone(), time));
        async move {
            match asked {
                Some((id, time)) => hub.queue.first_at(&id, time).await.map(Some),
                None => Ok(None),
            }
        }
    };
    let searches: Vec<_> = chosen.iter().map(search).collect();
    futures::stream::iter(searches).buffered(MAX_SEARCHES).try_collect().await
}

impl Selector {
    /// Returns the receive time from which on frames of a stream are requested; `None` if no time
    /// limits them. That is the start time, or the earliest time if the stream starts with its
    /// oldest frame and has a stop time.
    fn asked_from(&self, id: &StreamId) -> Option<Timestamp> {
        let all = || {
            let earliest = self.start == StartPosition::Earliest && self.cursor_of(id).is_none();
            (earliest && self.stop_time.is_some()).then(Timestamp::default)
        };
        self.start_time(id).or_else(all)
    }

    /// Returns the relation between the position at which a stream starts and the store.
    fn start_kind(&self, record: &StreamRecord) -> StartKind {
        if self.beyond_store(record).is_some() {
            return StartKind::Beyond;
        }
        match (self.cursor_of(&record.id), &self.start) {
            (Some(cursor), _) => StartKind::of(cursor),
            (None, StartPosition::Sequence(sequence)) => StartKind::Awaited(*sequence),
            (
                None,
                StartPosition::Live
                | StartPosition::Earliest
                | StartPosition::Time(_)
                | StartPosition::Cursor(_),
            ) => StartKind::Known,
        }
    }

    /// Returns the start of a stream that must wait for a slot.
    fn waiting(&self, record: &StreamRecord, index: usize) -> Result<WaitingStream, SubscribeError> {
        let not_before = self.start_time(&record.id);
        let first = match not_before {
            Some(_) => Sequence::after(record.counters.oldest_sequence.saturating_sub(1)),
            None => self.first_sequence(record, index)?,
        };
        Ok(WaitingStream { selector: index, first, not_before })
    }
}

/// Returns the cursors of streams that their selectors can select; the others are ignored.
fn cursors<'a>(
    request: &'a SubscriptionRequest,
    matchers: &'a [Matcher],
) -> impl Iterator<Item = &'a Cursor> {
    request.selectors.iter().zip(matchers).flat_map(|(selector, matcher)| {
        selector.all_cursors().filter(|cursor| !matcher.excludes(&cursor.stream_id))
    })
}

/// Returns the streams that may be selected, in the order in which slots are given to them: first
/// those with cursors, which may be unregistered and still have output to report, then those named
/// by id, then the other registered streams that match. Only a subscription with cursors may select
/// more streams than it can follow: it must be able to resume even if streams were registered in
/// the meantime.
async fn candidates(
    hub: &Hub,
    request: &SubscriptionRequest,
    matchers: &[Matcher],
) -> Result<Vec<StreamId>, SubscribeError> {
    let resumes = request.selectors.iter().any(|selector| selector.all_cursors().next().is_some());
    let mut ids: Vec<StreamId> = Vec::new();
    let mut known = HashSet::new();
    let mut add = |id: &StreamId| {
        if known.insert(id.clone()) {
            ids.push(id.clone());
        }
        let too_many = ids.len() > MAX_STREAMS_PER_SUBSCRIPTION && !resumes;
        if too_many { Err(too_many_streams()) } else { Ok(()) }
    };
    let mut with_cursors: Vec<StreamId> =
        cursors(request, matchers).map(|cursor| cursor.stream_id.clone()).collect();
    if with_cursors.len() > MAX_STREAMS_PER_SUBSCRIPTION {
        // Slots are given only to streams that exist.
        let records = streams::records(&*hub.queue, &with_cursors).await?;
        let selected = records.into_iter().filter(|record| first_match(matchers, record).is_some());
        with_cursors = selected.map(|record| record.id).collect();
    }
    with_cursors.iter().try_for_each(&mut add)?;
    for selector in &request.selectors {
        selector.streams.named().into_iter().try_for_each(&mut add)?;
    }
    if !matchers.iter().any(Matcher::is_dynamic) {
        return Ok(ids);
    }
    for_each_page(&*hub.queue, PAGE_STREAMS, |records| {
        let mut matching = records.iter().filter(|record| first_match(matchers, record).is_some());
        matching.try_for_each(|record| add(&record.id))?;
        Ok::<bool, SubscribeError>(true)
    })
    .await?;
    Ok(ids)
}

fn is_named(matchers: &[Matcher], id: &StreamId) -> bool {
    matchers.iter().any(|matcher| matcher.names(id))
}

fn too_many_streams() -> SubscribeError {
    SubscribeError::TooManyStreams { limit: MAX_STREAMS_PER_SUBSCRIPTION }
}
