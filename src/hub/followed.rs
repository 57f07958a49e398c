use std::collections::VecDeque;
use std::sync::Arc;

use super::backlog::Volume;
use super::ends::{Departed, Exit, Stops};
use super::event::{Gap, GapReason, StreamHead};
use super::gaps::PendingGap;
use super::position;
use super::sampling::Sampler;
use super::topic::{Look, Topic};
use crate::domain::{Cursor, OutputEntry, Sequence, StreamId, Timestamp};
use crate::queue::OutputPage;

/// A subscription's place in one stream.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) topic: Arc<Topic>,
    /// Index of its selector.
    pub(super) selector: usize,
    /// All below has been told, or is in the pending gap.
    pub(super) next: Sequence,
    /// Where it is done.
    pub(super) stops: Stops,
    /// It is done, although its numbers go on.
    stopped: bool,
    /// It is done when nothing more is published.
    ends_at_head: bool,
    /// The output is being read to see whether anything before the stop is still to come.
    asks_for_stop: bool,
    /// The number at which that was asked.
    stop_asked: Option<Sequence>,
    /// What was received before this is passed over in silence: it lies before the start.
    pub(super) not_before: Option<Timestamp>,
    /// How far sampling is.
    pub(super) sampler: Sampler,
    /// Only the newest frame is wanted; the others are left out for this reason.
    pub(super) newest: Option<GapReason>,
    /// What it has told since it had caught up; `None` while it catches up.
    pub(super) live: Option<Volume>,
    /// It goes because it was unregistered, and not because it is no longer selected.
    pub(super) unregistered: bool,
    /// What lies below was told before it last went.
    pub(super) floor: Sequence,
    /// The head when the output was last read.
    read_head: u64,
    /// Its output was not looked at since it got its place: more may be published than the topic knows.
    pub(super) unheard: bool,
    /// Whether its first number is known; until then nothing of it is told.
    pub(super) settled: bool,
    /// Whether and when it goes from the subscription.
    pub(super) exit: Exit,
    /// It was counted as done.
    pub(super) closed: bool,
    /// Entries read ahead, by a page.
    ahead: VecDeque<Arc<OutputEntry>>,
    gap: PendingGap,
    /// Until the pending gap is told: the position that the subscriber came with, of another store.
    foreign: Option<Cursor>,
    /// The subscriber asked to begin with this number.
    awaited: Option<Sequence>,
}

/// Entries behind which a subscriber that wants the newest looks for it.
const NEWEST_OF: u64 = 32;

/// What comes next in a stream.
#[derive(Debug)]
pub(super) enum Peek {
    Entry(Arc<OutputEntry>),
    /// Read the output from `next` on.
    Read,
    Nothing,
}

impl Followed {
    pub(super) fn new(topic: Arc<Topic>, selector: usize, next: Sequence, stops: Stops) -> Self {
        Self {
            topic,
            selector,
            next,
            stops,
            stopped: false,
            ends_at_head: false,
            asks_for_stop: false,
            stop_asked: None,
            not_before: None,
            sampler: Sampler::default(),
            newest: None,
            live: None,
            unregistered: false,
            floor: Sequence::FIRST,
            read_head: 0,
            unheard: false,
            settled: true,
            exit: Exit::Stays,
            closed: false,
            ahead: VecDeque::new(),
            gap: PendingGap::default(),
            foreign: None,
            awaited: None,
        }
    }

    pub(super) fn id(&self) -> &StreamId {
        self.topic.id()
    }

    /// Nothing more is to be told of it.
    pub(super) fn is_done(&self) -> bool {
        self.stopped
            || self.stops.frames == Some(0)
            || self.stops.sequence.is_some_and(|stop| self.next > stop)
    }

    /// Where it is. While it is not told that the subscriber's position was of another store, that position: a subscriber
    /// that ends before comes back with it.
    pub(super) fn cursor(&self) -> Cursor {
        match &self.foreign {
            Some(foreign) => foreign.clone(),
            None => Cursor { awaited: self.awaited == Some(self.next), ..position(self.id(), self.next) },
        }
    }

    /// The subscriber's position may lie beyond the newest number: it waits for that.
    pub(super) fn awaits(&mut self, number: Sequence) {
        self.awaited = Some(number);
    }

    /// The subscriber's position is one of another store.
    pub(super) fn begins_anew(&mut self, foreign: Cursor) {
        self.gap.add_unnumbered(self.next, GapReason::StoreReplaced);
        self.foreign = Some(foreign);
    }

    /// The store was put back to before the subscriber's position: what was lost behind it cannot be counted.
    pub(super) fn lost_behind(&mut self) {
        self.gap.add_unnumbered(self.next, GapReason::BackendFailover);
    }

    pub(super) fn head(&self) -> StreamHead {
        let head_sequence = self.topic.head();
        let lag_frames = (head_sequence + 1).saturating_sub(self.next.get());
        StreamHead { stream_id: self.id().clone(), head_sequence, lag_frames }
    }

    pub(super) fn peek(&mut self, now: Timestamp) -> Peek {
        if let Exit::Behind(head) = self.exit
            && self.next.get() > head
        {
            self.exit = Exit::Due;
        }
        if self.is_done() || !self.settled || self.exit == Exit::Due {
            return Peek::Nothing;
        }
        self.asks_for_stop = false;
        let floor = self.topic.floor();
        self.skip(floor, GapReason::Unregistered);
        if self.next.get() <= floor + 1 {
            // It came back, or will: it is thinned out from its beginning, as for a group.
            self.sampler = Sampler::default();
        }
        if self.is_done() {
            return Peek::Nothing;
        }
        if let Some(reason) = self.newest
            && !self.stops.is_over(now)
        {
            self.jump(reason);
        }
        while self.ahead.front().is_some_and(|entry| entry.sequence < self.next) {
            self.ahead.pop_front();
        }
        if let Some(entry) = self.ahead.front() {
            let entry = Arc::clone(entry);
            if entry.sequence > self.next {
                self.skip(entry.previous_sequence, GapReason::Retention);
                let given = entry.given_before.map(|given| (given + 1).saturating_sub(self.next.get()));
                self.skip_frames(entry.sequence.get() - 1, GapReason::BackendFailover, given);
            }
            return if self.is_done() { Peek::Nothing } else { Peek::Entry(entry) };
        }
        match self.topic.look(self.next) {
            Look::Entry(entry) => Peek::Entry(entry),
            Look::Older => Peek::Read,
            Look::NotYet(volume) => {
                self.live = Some(volume);
                if self.ends_at_head && !self.unheard {
                    // Also where the store went back to before the head that it had.
                    self.stopped = true;
                    return Peek::Nothing;
                }
                self.asks_for_stop = self.stops.is_over(now) && self.stop_asked != Some(self.next);
                let reads = self.asks_for_stop || self.unheard || self.exit == Exit::WhenDrained;
                if reads { Peek::Read } else { Peek::Nothing }
            }
        }
    }

    /// Leaves out what is further back than the newest frame is looked for.
    fn jump(&mut self, reason: GapReason) {
        let (head, ring) = self.topic.reach();
        let first = ring.map_or(0, Sequence::get).max((head + 1).saturating_sub(NEWEST_OF));
        self.skip(first.saturating_sub(1), reason);
        let behind = self.ahead.back().is_some_and(|last| last.sequence.get() < head);
        if behind && ring.is_none() && head > self.read_head {
            self.ahead.clear(); // it does not reach the newest: read again
        }
    }

    /// The entries at hand behind a number, in order.
    pub(super) fn later_than(&self, number: Sequence) -> Vec<Arc<OutputEntry>> {
        let mut later: Vec<_> = self.ahead.iter().filter(|entry| entry.sequence > number).cloned().collect();
        later.extend(self.topic.later_than(later.last().map_or(number, |last| last.sequence)));
        later
    }

    /// Whether an entry lies before the start, and is passed over.
    pub(super) fn precedes_start(&mut self, entry: &OutputEntry) -> bool {
        let precedes = self.not_before.is_some_and(|start| entry.receive_time < start);
        if precedes {
            self.next = entry.sequence.next();
        } else {
            self.not_before = None;
        }
        precedes
    }

    /// Whether the stream is done before this entry.
    pub(super) fn ends_before(&mut self, entry: &OutputEntry) -> bool {
        self.stopped |= self.stops.reached(entry);
        self.stopped
    }

    /// Ends it behind what is published now. One that has joined just now has nothing to tell but what comes.
    pub(super) fn end_at_head(&mut self) {
        self.ends_at_head = true;
        match Sequence::new(self.topic.head()) {
            _ if self.unheard => {}
            Ok(head) if self.settled => {
                self.stops.sequence = Some(self.stops.sequence.map_or(head, |stop| stop.min(head)));
            }
            Ok(_) | Err(_) => self.stopped = true,
        }
    }

    /// Ends it where it is.
    pub(super) fn end_now(&mut self) {
        self.stopped = true;
    }

    /// Takes a page that was read from `next` on; answers whether there is more to come now.
    pub(super) fn ingest(&mut self, page: OutputPage) -> bool {
        let published = page.counters.published_sequence;
        self.topic.observe(&page.counters);
        self.heard(page.removed);
        self.read_head = published;
        self.skip(page.counters.floor_sequence, GapReason::Unregistered);
        if self.asks_for_stop {
            // Everything that was received before the stop is published: what comes now came later.
            self.stop_asked = Some(self.next);
            let last = page.counters.accepted_sequence.max(published);
            self.stopped |= page.entries.is_empty() && self.next.get() > last;
        }
        if !page.removed && self.exit == Exit::WhenDrained {
            self.exit = Exit::Stays; // it came back before it was gone
        }
        if page.entries.is_empty() {
            // Nothing was ever accepted, and yet numbers were passed over: those of a store that was lost.
            let nothing_yet = page.counters.accepted_frames == 0;
            let reason = if nothing_yet { GapReason::BackendFailover } else { GapReason::Retention };
            self.skip(published, reason);
            let drained = self.next.get() > published && page.counters.accepted_sequence <= published;
            if drained && self.exit == Exit::WhenDrained {
                self.unregistered = true;
                self.exit = Exit::Due;
            }
        }
        self.ahead = page.entries.into();
        !self.ahead.is_empty() || self.next.get() <= published
    }

    /// The output was read: a stream that was unregistered while it waited for its place goes when it is told.
    fn heard(&mut self, removed: bool) {
        if std::mem::take(&mut self.unheard) && removed {
            self.exit = Exit::WhenDrained;
        }
    }

    /// Nothing is known of the stream any more: what was published and not told is gone with it.
    pub(super) fn vanish(&mut self) {
        self.heard(true);
        self.skip(self.topic.head(), GapReason::Unregistered);
        if self.exit == Exit::WhenDrained {
            self.unregistered = true;
            self.exit = Exit::Due;
        }
    }

    /// Leaves out an entry.
    pub(super) fn pass(&mut self, entry: &OutputEntry, reason: GapReason) {
        let live = self.live;
        self.skip(entry.sequence.get(), reason);
        self.live = live;
        self.count(entry);
    }

    fn count(&mut self, entry: &OutputEntry) {
        if let Some(live) = &mut self.live {
            live.add(entry);
        }
    }

    /// Leaves out all numbers up to `last`, as far as they lie before the stop. They were not looked at, so that nobody
    /// knows how far behind the subscriber is, until it has caught up again.
    pub(super) fn skip(&mut self, last: u64, reason: GapReason) {
        self.skip_frames(last, reason, None);
    }

    /// The same; of what a failover passed over, `frames` can have been frames.
    fn skip_frames(&mut self, last: u64, reason: GapReason, frames: Option<u64>) {
        let last = self.stops.sequence.map_or(last, |stop| last.min(stop.get()));
        if last < self.next.get() {
            return;
        }
        let Ok(to) = Sequence::new(last) else { return };
        self.live = None;
        if self.not_before.is_none() {
            self.gap.add_frames(self.next, to, reason, frames);
        }
        self.next = to.next();
    }

    /// The first number turns out to be this one.
    pub(super) fn begin(&mut self, first: Sequence) {
        if !self.settled {
            self.next = first.max(self.floor);
            self.settled = true;
        }
    }

    /// Where it goes from the subscription, in case it comes back.
    pub(super) fn departed(&self) -> Departed {
        Departed { next: self.next, unregistered: self.unregistered, foreign: None }
    }

    /// It was here before. What an unregistered stream has published since it came back is still to be told; one that was
    /// not selected meanwhile begins anew.
    pub(super) fn rejoin(&mut self, departed: Departed) {
        self.floor = departed.next;
        self.next = if departed.unregistered { departed.next } else { self.next.max(departed.next) };
        self.settled |= departed.unregistered;
        if let Some(foreign) = departed.foreign {
            self.begins_anew(foreign);
        }
    }

    pub(super) fn has_gap(&self) -> bool {
        self.gap.is_pending()
    }

    pub(super) fn take_gap(&mut self) -> Option<Gap> {
        self.foreign = None;
        self.gap.take(self.topic.id(), self.selector)
    }

    /// Moves behind a frame that is told now. Its gap must have been taken.
    pub(super) fn advance(&mut self, entry: &OutputEntry) {
        self.count(entry);
        self.next = self.next.next();
        self.stops.frames = self.stops.frames.map(|left| left.saturating_sub(1));
    }
}
