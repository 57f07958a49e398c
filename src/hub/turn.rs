use std::sync::Arc;
use std::time::Duration;

use super::event::{DeliveredFrame, DeliveredPicture, Event, GapReason, PicturesOrLost, SubscribeError};
use super::followed::{Exit, Followed, Peek};
use super::inbox::Change;
use super::load::{Found, Load, Trouble};
use super::subscription::Subscription;
use crate::domain::{OutputBody, OutputEntry, TombstoneKind};
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
                let stop = self.selectors.get(selector).and_then(|state| state.stop);
                let mut joined = Followed::new(topic, selector, first, stop);
                joined.settled = settled;
                self.streams.entry(index).or_insert(joined);
                return;
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

    /// One stream's turn: at most one frame, or the read that it needs.
    pub(super) fn turn(&mut self, index: u32, waiting: usize) {
        let Some(stream) = self.streams.get_mut(&index) else { return };
        let Some(selector) = self.selectors.get(stream.selector).filter(|state| !state.is_exhausted()) else {
            return;
        };
        let mut again = true;
        for _ in 0..SKIPS_A_TURN {
            let entry = match stream.peek() {
                Peek::Entry(entry) => entry,
                Peek::Read => {
                    let pages = self.registration.hub.config.page_entries.max(1);
                    let limit = (PAGES_AHEAD * pages / (waiting + 1)).clamp(1, pages);
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
            let want = selector.want;
            match &entry.body {
                OutputBody::Tombstone(tombstone) => {
                    stream.skip(entry.sequence.get(), reason_of(&tombstone.kind));
                    continue;
                }
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
                stream.skip(entry.sequence.get(), reason);
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
            return self.end(Event::Checkpoint, Some(SubscribeError::Backend(error)));
        }
        self.inbox().enqueue(index);
    }

    fn deliver(&mut self, index: u32, entry: Arc<OutputEntry>, pictures: Vec<DeliveredPicture>) {
        self.inbox().enqueue(index);
        let Some(stream) = self.streams.get_mut(&index) else { return };
        if entry.sequence != stream.next {
            return;
        }
        self.out.extend(stream.take_gap().map(Event::Gap));
        stream.advance();
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
        if let Some(remaining) =
            self.selectors.get_mut(stream.selector).and_then(|state| state.remaining.as_mut())
        {
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
            if let Some(open) = self.selectors.get_mut(stream.selector).and_then(|state| state.open.as_mut())
            {
                *open = open.saturating_sub(1);
            }
        }
        if stream.exit == Exit::Due {
            let id = stream.id().clone();
            if self.registration.hub.followers.forget(&self.registration.inbox, &id, index) {
                self.out.extend(stream.take_gap().map(Event::Gap));
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
