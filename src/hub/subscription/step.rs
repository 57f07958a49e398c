//! The steps of a subscription in one stream: one frame, or the read that it needs.

use std::sync::Arc;
use std::time::Duration;

use super::Subscription;
use super::choice::OverflowPolicy;
use super::load::{FoundEntry, Load, LoadResult, Outage};
use super::stops::Leaving;
use super::stream::{NextEntry, StreamProgress};
use crate::domain::limits::MAX_STREAMS;
use crate::domain::{OutputBody, Sequence};
use crate::hub::clock;
use crate::hub::event::{DeliveredFrame, DeliveredPicture, Event, GapReason, PicturesOrLost, SubscribeError};
use crate::hub::feed::inbox::{Change, WaitingStream};
use crate::hub::feed::topic::Topic;
use crate::hub::feed::volume::cost;
use crate::queue;

/// The maximum number of entries to leave out before another stream gets its turn.
const MAX_SKIPS_PER_TURN: usize = 32;
/// The number of pages that a subscription holds in total; streams in which it lags share them.
const PAGES_AHEAD: usize = 4;

impl Subscription {
    pub(super) fn apply(&mut self, change: Change) {
        let (index, leaving) = match change {
            Change::Joined { index, topic, selector, first, start_known } => {
                return self.join(index, topic, selector, first, |joined| joined.start_known = start_known);
            }
            Change::Admitted { index, topic, waiting } => {
                let WaitingStream { selector, first, not_before } = waiting;
                return self.join(index, topic, selector, first, |joined| {
                    joined.not_before = not_before;
                    joined.output_unread = true;
                });
            }
            Change::Begins { index, first } => {
                if let Some(stream) = self.streams.get_mut(&index) {
                    stream.set_first(first);
                }
                return;
            }
            Change::Removed { index } => (index, Leaving::WhenDrained),
            Change::Left { index, head } => (index, Leaving::After(head)),
            Change::Stays { index } => (index, Leaving::Stays),
        };
        if let Some(stream) = self.streams.get_mut(&index) {
            stream.leaving = leaving;
        }
    }

    fn join(
        &mut self,
        index: u32,
        topic: Arc<Topic>,
        selector: usize,
        first: Sequence,
        set: impl FnOnce(&mut StreamProgress),
    ) {
        let is_late = self.is_too_late_to_join();
        let Some(state) = self.selectors.get_mut(selector) else { return };
        let mut joined = StreamProgress::new(topic, selector, first, state.stops);
        joined.only_newest = state.only_newest();
        set(&mut joined);
        if let Some(left) = self.left_streams.remove(joined.id()) {
            joined.rejoin(left);
        }
        if is_late {
            joined.end_now();
        }
        if self.streams.insert(index, joined).is_none() {
            state.stream_opened();
        }
        self.update(index);
    }

    /// Gives a stream its turn: at most one frame, or the read that it needs. `after` is the number
    /// of streams with news that wait for their turns after it.
    pub(super) fn poll_stream(&mut self, index: u32, after: usize) {
        let mut excess = self.excess(index);
        let limit_bytes = self.hub().config.overflow_bytes;
        let Some(stream) = self.streams.get_mut(&index) else { return };
        let Some(selector) = self.selectors.get(stream.selector) else { return };
        let (want, choice) = (selector.want.clone(), Arc::clone(&selector.choice));
        let known = self.registration.hub.erasures.known();
        stream.forget_ahead_before(self.registration.hub.erasures.generation());
        if excess > 0 {
            match choice.overflow {
                OverflowPolicy::DropOldest => {}
                OverflowPolicy::LatestOnly => {
                    stream.only_newest = stream.only_newest.or(Some(GapReason::SlowConsumer));
                    excess = 0;
                }
                OverflowPolicy::Disconnect => {
                    return self.end(Some(SubscribeError::SlowConsumer { limit_bytes }));
                }
            }
        }
        let (now, subscription) = (clock::now(), self.registration.inbox.id());
        let mut again = true;
        for _ in 0..MAX_SKIPS_PER_TURN {
            let entry = match stream.next_entry(now, subscription) {
                NextEntry::Entry(entry) => entry,
                NextEntry::Read => {
                    let page_entries = self.registration.hub.config.page_entries.max(1);
                    // If only the newest frame is wanted, one page must contain it.
                    let share = if stream.only_newest.is_some() {
                        page_entries
                    } else {
                        PAGES_AHEAD * page_entries / (after + 1)
                    };
                    let limit = share.clamp(1, page_entries);
                    let (id, from) = (stream.id().clone(), stream.next);
                    self.load = Some(Load::page(&self.registration.hub, index, id, from, limit));
                    again = false;
                    break;
                }
                NextEntry::Nothing => {
                    again = false;
                    break;
                }
            };
            if stream.skip_before_start(&entry) {
                continue;
            }
            if stream.stops_before(&entry) {
                again = false;
                break;
            }
            let left_out = match &entry.body {
                OutputBody::Tombstone(tombstone) => Some(GapReason::of(&tombstone.kind)),
                OutputBody::Frame(frame) => stream.gap_reason(&choice, &entry, frame, now, excess > 0),
            };
            if let Some(reason) = left_out {
                excess = excess.saturating_sub(cost(&entry, &want));
                stream.leave_out(&entry, reason);
                continue;
            }
            match &entry.body {
                OutputBody::Tombstone(_) => {}
                OutputBody::Frame(_) if want.roles().next().is_none() => {
                    return self.deliver(index, FoundEntry { entry, known }, Vec::new());
                }
                OutputBody::Frame(_) => {
                    let found = FoundEntry { entry, known };
                    self.load = Some(Load::pictures(&self.registration.hub, index, found, want));
                    again = false;
                    break;
                }
            }
        }
        if again {
            self.inbox().enqueue(index);
        }
        self.update(index);
    }

    pub(super) fn take_loaded(&mut self, index: u32, result: queue::Result<LoadResult>) {
        let found = match result {
            Ok(found) => found,
            Err(error) => return self.retry(index, error),
        };
        self.outage = None;
        let Some(stream) = self.streams.get_mut(&index) else { return };
        let again = match found {
            LoadResult::Page(Some(page), generation) => stream.take_page(page, generation),
            LoadResult::Page(None, _) => {
                stream.report_unknown();
                false
            }
            LoadResult::Pictures(found, PicturesOrLost::Pictures(pictures)) => {
                return self.deliver(index, found, pictures);
            }
            LoadResult::Pictures(found, PicturesOrLost::Lost(reason)) => {
                stream.leave_out(&found.entry, reason);
                true
            }
        };
        if again {
            self.inbox().enqueue(index);
        }
        self.update(index);
    }

    fn retry(&mut self, index: u32, error: queue::Error) {
        // Subscriptions that failed together must not retry together.
        let spread = Duration::from_millis(5 * (self.inbox().id() % 16));
        let limit = self.hub().config.outage_limit;
        self.outage = Outage::after_failure(self.outage.as_ref(), limit, spread);
        if self.outage.is_none() || !error.is_retryable() {
            return self.end(Some(SubscribeError::Backend(error)));
        }
        self.inbox().enqueue(index);
    }

    /// Queues a frame that is next in its stream, as the only event. If a gap is pending before it,
    /// queues only the gap, and the frame waits in `loaded` until the client has room for it.
    fn deliver(&mut self, index: u32, found: FoundEntry, pictures: Vec<DeliveredPicture>) {
        self.inbox().enqueue(index);
        if !self.hub().erasures.may_use(found.known) {
            return; // it may be erased: the next turn of the stream looks for it again
        }
        let entry = &found.entry;
        let Some(stream) = self.streams.get_mut(&index) else { return };
        // The stream may have been unregistered while the pictures were read: its next turn reports
        // that.
        if entry.sequence != stream.next || entry.sequence.get() <= stream.topic.floor() {
            return;
        }
        let Some(selector) = self.selectors.get(stream.selector) else { return };
        if selector.choice.is_stale(entry, clock::now()) {
            // It became stale while its pictures were read.
            stream.leave_out(entry, GapReason::Stale);
            return self.update(index);
        }
        if let Some(gap) = stream.take_gap() {
            self.out.push_back(Event::Gap(gap));
            self.loaded = Some((index, Ok(LoadResult::Pictures(found, PicturesOrLost::Pictures(pictures)))));
            return;
        }
        stream.only_newest = selector.only_newest();
        stream.advance(entry);
        let cursor = stream.cursor();
        self.out.push_back(Event::Frame(DeliveredFrame {
            entry: found.entry,
            selector: stream.selector,
            pictures,
            cursor,
        }));
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining.saturating_sub(1);
        }
        self.update(index);
    }

    /// Updates everything that depends on the position of a stream: its timers, whether it is done,
    /// and whether it leaves.
    pub(super) fn update(&mut self, index: u32) {
        let Some(stream) = self.streams.get_mut(&index) else { return };
        if stream.has_gap() {
            self.timers.gap_pending();
        }
        if stream.is_done() && !stream.closed {
            stream.closed = true;
            if let Some(state) = self.selectors.get_mut(stream.selector) {
                state.stream_closed();
            }
        }
        if stream.leaving == Leaving::Due {
            let id = stream.id().clone();
            if self.registration.hub.index.unfollow(&self.registration.inbox, &id, index) {
                self.out.extend(stream.take_gap().map(Event::Gap));
                if !stream.closed
                    && let Some(state) = self.selectors.get_mut(stream.selector)
                {
                    state.stream_closed();
                }
                if self.left_streams.len() < MAX_STREAMS {
                    self.left_streams.insert(id, stream.left_stream());
                }
                self.streams.remove(&index);
            } else {
                self.registration.inbox.enqueue(index);
            }
        }
    }
}
