use std::sync::Arc;
use std::time::Duration;

use super::backlog::cost;
use super::choice::OverflowPolicy;
use super::clock;
use super::ends::Exit;
use super::event::{DeliveredFrame, DeliveredPicture, Event, GapReason, PicturesOrLost, SubscribeError};
use super::followed::{Followed, Peek};
use super::inbox::{Change, Waiting};
use super::load::{Found, Load, Trouble};
use super::subscription::Subscription;
use super::topic::Topic;
use crate::domain::limits::MAX_STREAMS;
use crate::domain::{OutputBody, OutputEntry, Sequence, TombstoneKind};
use crate::queue;

/// Tombstones passed over before another stream has its turn.
const SKIPS_A_TURN: usize = 32;
/// Pages that a subscription holds in all, while it lags in many streams.
const PAGES_AHEAD: usize = 4;

/// What a subscription does with one of its streams.
impl Subscription {
    pub(super) fn apply(&mut self, change: Change) {
        let (index, exit) = match change {
            Change::Joined { index, topic, selector, first, settled } => {
                return self.join(index, topic, selector, first, |joined| joined.settled = settled);
            }
            Change::Admitted { index, topic, waiting } => {
                let Waiting { selector, first, not_before } = waiting;
                return self.join(index, topic, selector, first, |joined| {
                    joined.not_before = not_before;
                    joined.unheard = true;
                });
            }
            Change::Begins { index, first } => {
                if let Some(stream) = self.streams.get_mut(&index) {
                    stream.begin(first);
                }
                return;
            }
            Change::Removed { index } => (index, Exit::WhenDrained),
            Change::Left { index, head } => (index, Exit::Behind(head)),
            Change::Stays { index } => (index, Exit::Stays),
        };
        if let Some(stream) = self.streams.get_mut(&index) {
            stream.exit = exit;
        }
    }

    fn join(
        &mut self,
        index: u32,
        topic: Arc<Topic>,
        selector: usize,
        first: Sequence,
        set: impl FnOnce(&mut Followed),
    ) {
        let is_late = self.ends_before_news();
        let Some(state) = self.selectors.get_mut(selector) else { return };
        let mut joined = Followed::new(topic, selector, first, state.stops);
        joined.newest = state.newest();
        set(&mut joined);
        if let Some(departed) = self.departed.remove(joined.id()) {
            joined.rejoin(departed);
        }
        if is_late {
            joined.end_now();
        }
        if self.streams.insert(index, joined).is_none() {
            state.opened();
        }
        self.touch(index);
    }

    /// One stream's turn: at most one frame, or the read that it needs.
    pub(super) fn turn(&mut self, index: u32, waiting: usize) {
        let mut excess = self.excess(index);
        let limit_bytes = self.hub().config.overflow_bytes;
        let Some(stream) = self.streams.get_mut(&index) else { return };
        let Some(selector) = self.selectors.get(stream.selector) else { return };
        let (want, choice) = (selector.want, Arc::clone(&selector.choice));
        if excess > 0 {
            match choice.overflow {
                OverflowPolicy::DropOldest => {}
                OverflowPolicy::LatestOnly => {
                    stream.newest = stream.newest.or(Some(GapReason::SlowConsumer));
                    excess = 0;
                }
                OverflowPolicy::Disconnect => {
                    return self.end(Some(SubscribeError::SlowConsumer { limit_bytes }));
                }
            }
        }
        let now = clock::now();
        let mut again = true;
        for _ in 0..SKIPS_A_TURN {
            let entry = match stream.peek(now) {
                Peek::Entry(entry) => entry,
                Peek::Read => {
                    let pages = self.registration.hub.config.page_entries.max(1);
                    // Who wants the newest must see it in one page.
                    let share =
                        if stream.newest.is_some() { pages } else { PAGES_AHEAD * pages / (waiting + 1) };
                    let limit = share.clamp(1, pages);
                    let (id, from) = (stream.id().clone(), stream.next);
                    self.load = Some(Load::page(&self.registration.hub, index, id, from, limit));
                    again = false;
                    break;
                }
                Peek::Nothing => {
                    again = false;
                    break;
                }
            };
            if stream.precedes_start(&entry) {
                continue;
            }
            if stream.ends_before(&entry) {
                again = false;
                break;
            }
            let left_out = match &entry.body {
                OutputBody::Tombstone(tombstone) => Some(reason_of(&tombstone.kind)),
                OutputBody::Frame(frame) => stream.left_out(&choice, &entry, frame, now, excess > 0),
            };
            if let Some(reason) = left_out {
                excess = excess.saturating_sub(cost(&entry, &want));
                stream.pass(&entry, reason);
                continue;
            }
            match &entry.body {
                OutputBody::Tombstone(_) => {}
                OutputBody::Frame(_) if want.roles().next().is_none() => {
                    return self.deliver(index, entry, Vec::new());
                }
                OutputBody::Frame(_) => {
                    self.load = Some(Load::pictures(&self.registration.hub, index, entry, want));
                    again = false;
                    break;
                }
            }
        }
        if again {
            self.inbox().enqueue(index);
        }
        self.touch(index);
    }

    pub(super) fn take_loaded(&mut self, index: u32, result: queue::Result<Found>) {
        let found = match result {
            Ok(found) => found,
            Err(error) => return self.retry(index, error),
        };
        self.trouble = None;
        let Some(stream) = self.streams.get_mut(&index) else { return };
        let again = match found {
            Found::Page(Some(page)) => stream.ingest(page),
            Found::Page(None) => {
                stream.vanish();
                false
            }
            Found::Pictures(entry, PicturesOrLost::Pictures(pictures)) => {
                return self.deliver(index, entry, pictures);
            }
            Found::Pictures(entry, PicturesOrLost::Lost(reason)) => {
                stream.pass(&entry, reason);
                true
            }
        };
        if again {
            self.inbox().enqueue(index);
        }
        self.touch(index);
    }

    fn retry(&mut self, index: u32, error: queue::Error) {
        // Those who failed together need not come back together.
        let spread = Duration::from_millis(5 * (self.inbox().id() % 16));
        let limit = self.hub().config.outage_limit;
        self.trouble = Trouble::again(self.trouble.as_ref(), limit, spread);
        if self.trouble.is_none() || !error.is_retryable() {
            return self.end(Some(SubscribeError::Backend(error)));
        }
        self.inbox().enqueue(index);
    }

    fn deliver(&mut self, index: u32, entry: Arc<OutputEntry>, pictures: Vec<DeliveredPicture>) {
        self.inbox().enqueue(index);
        let Some(stream) = self.streams.get_mut(&index) else { return };
        // It may have been unregistered while its pictures were read: its next turn tells that.
        if entry.sequence != stream.next || entry.sequence.get() <= stream.topic.floor() {
            return;
        }
        let Some(selector) = self.selectors.get(stream.selector) else { return };
        if selector.choice.is_stale(&entry, clock::now()) {
            // It was not when its pictures were asked for.
            stream.pass(&entry, GapReason::Stale);
            return self.touch(index);
        }
        stream.newest = selector.newest();
        self.out.extend(stream.take_gap().map(Event::Gap));
        stream.advance(&entry);
        let cursor = stream.cursor();
        self.out.push_back(Event::Frame(DeliveredFrame {
            entry,
            selector: stream.selector,
            pictures,
            cursor,
        }));
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining.saturating_sub(1);
        }
        self.touch(index);
    }

    /// Draws the consequences of a stream's new position.
    pub(super) fn touch(&mut self, index: u32) {
        let Some(stream) = self.streams.get_mut(&index) else { return };
        if stream.has_gap() {
            self.timers.gap_pending();
        }
        if stream.is_done() && !stream.closed {
            stream.closed = true;
            if let Some(state) = self.selectors.get_mut(stream.selector) {
                state.closed();
            }
        }
        if stream.exit == Exit::Due {
            let id = stream.id().clone();
            if self.registration.hub.followers.forget(&self.registration.inbox, &id, index) {
                self.out.extend(stream.take_gap().map(Event::Gap));
                if !stream.closed
                    && let Some(state) = self.selectors.get_mut(stream.selector)
                {
                    state.closed();
                }
                if self.departed.len() < MAX_STREAMS {
                    self.departed.insert(id, stream.departed());
                }
                self.streams.remove(&index);
            } else {
                self.registration.inbox.enqueue(index);
            }
        }
    }
}

fn reason_of(kind: &TombstoneKind) -> GapReason {
    match kind {
        TombstoneKind::Failed(_) => GapReason::Failed,
        TombstoneKind::Dropped => GapReason::Overflow,
        TombstoneKind::Purged(_) => GapReason::Purged,
    }
}
