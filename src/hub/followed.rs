use std::collections::VecDeque;
use std::sync::Arc;

use super::event::{Gap, GapReason, StreamHead};
use super::gaps::PendingGap;
use super::position;
use super::topic::{Look, Topic};
use crate::domain::{Cursor, OutputEntry, Sequence, StreamId};
use crate::queue::OutputPage;

/// A subscription's place in one stream.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) topic: Arc<Topic>,
    /// Index of its selector.
    pub(super) selector: usize,
    /// All below has been told, or is in the pending gap.
    pub(super) next: Sequence,
    /// It is done behind this number.
    pub(super) stop: Option<Sequence>,
    /// Whether its first number is known; until then nothing of it is told.
    pub(super) settled: bool,
    /// Whether and when it goes from the subscription.
    pub(super) exit: Exit,
    /// It was counted as done.
    pub(super) closed: bool,
    /// Entries read ahead, by a page.
    ahead: VecDeque<Arc<OutputEntry>>,
    /// Why numbers are missing before the entries read ahead.
    hole: GapReason,
    gap: PendingGap,
}

/// Whether and when a stream goes from its subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// It stays.
    Stays,
    /// When all it ever published has been told.
    WhenDrained,
    /// When numbers up to this one have been told.
    Behind(u64),
    /// Now.
    Due,
}

/// What comes next in a stream.
#[derive(Debug)]
pub(super) enum Peek {
    Entry(Arc<OutputEntry>),
    /// Read the output from `next` on.
    Read,
    Nothing,
}

impl Followed {
    pub(super) fn new(topic: Arc<Topic>, selector: usize, next: Sequence, stop: Option<Sequence>) -> Self {
        Self {
            topic,
            selector,
            next,
            stop,
            settled: true,
            exit: Exit::Stays,
            closed: false,
            ahead: VecDeque::new(),
            hole: GapReason::Retention,
            gap: PendingGap::default(),
        }
    }

    pub(super) fn id(&self) -> &StreamId {
        self.topic.id()
    }

    /// Nothing more is to be told of it.
    pub(super) fn is_done(&self) -> bool {
        self.stop.is_some_and(|stop| self.next > stop)
    }

    pub(super) fn cursor(&self) -> Cursor {
        position(self.id(), self.next)
    }

    pub(super) fn head(&self) -> StreamHead {
        let head_sequence = self.topic.head();
        let lag_frames = (head_sequence + 1).saturating_sub(self.next.get());
        StreamHead { stream_id: self.id().clone(), head_sequence, lag_frames }
    }

    pub(super) fn peek(&mut self) -> Peek {
        if let Exit::Behind(head) = self.exit
            && self.next.get() > head
        {
            self.exit = Exit::Due;
        }
        if self.is_done() || !self.settled || self.exit == Exit::Due {
            return Peek::Nothing;
        }
        while self.ahead.front().is_some_and(|entry| entry.sequence < self.next) {
            self.ahead.pop_front();
        }
        if let Some(entry) = self.ahead.front() {
            let entry = Arc::clone(entry);
            if entry.sequence > self.next {
                self.skip(entry.previous_sequence, self.hole);
                self.skip(entry.sequence.get() - 1, GapReason::BackendFailover);
            }
            return if self.is_done() { Peek::Nothing } else { Peek::Entry(entry) };
        }
        match self.topic.look(self.next) {
            Look::Entry(entry) => Peek::Entry(entry),
            Look::Older => Peek::Read,
            Look::NotYet if self.exit == Exit::WhenDrained => Peek::Read,
            Look::NotYet => Peek::Nothing,
        }
    }

    /// Takes a page that was read from `next` on; answers whether there is more to come now.
    pub(super) fn ingest(&mut self, page: OutputPage) -> bool {
        let published = page.counters.published_sequence;
        self.topic.observe(published);
        self.hole = if page.removed { GapReason::Unregistered } else { GapReason::Retention };
        if !page.removed && self.exit == Exit::WhenDrained {
            self.exit = Exit::Stays; // it came back before it was gone
        }
        if page.entries.is_empty() {
            self.skip(published, self.hole);
            let drained = self.next.get() > published && page.counters.accepted_sequence <= published;
            if drained && self.exit == Exit::WhenDrained {
                self.exit = Exit::Due;
            }
        }
        self.ahead = page.entries.into();
        !self.ahead.is_empty() || self.next.get() <= published
    }

    /// Nothing is known of the stream any more: what was published and not told is gone with it.
    pub(super) fn vanish(&mut self) {
        self.skip(self.topic.head(), GapReason::Unregistered);
        if self.exit == Exit::WhenDrained {
            self.exit = Exit::Due;
        }
    }

    /// Leaves out all numbers up to `last`, as far as they lie before the stop.
    pub(super) fn skip(&mut self, last: u64, reason: GapReason) {
        let last = self.stop.map_or(last, |stop| last.min(stop.get()));
        if last < self.next.get() {
            return;
        }
        let Ok(to) = Sequence::new(last) else { return };
        self.gap.add(self.next, to, reason);
        self.next = to.next();
    }

    /// The first number turns out to be this one.
    pub(super) fn begin(&mut self, first: Sequence) {
        if !self.settled {
            self.next = first;
            self.settled = true;
        }
    }

    pub(super) fn has_gap(&self) -> bool {
        self.gap.is_pending()
    }

    pub(super) fn take_gap(&mut self) -> Option<Gap> {
        self.gap.take(self.topic.id(), self.selector)
    }

    /// Moves behind a frame that is told now. Its gap must have been taken.
    pub(super) fn advance(&mut self) {
        self.next = self.next.next();
    }
}
