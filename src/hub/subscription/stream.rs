//! A subscription's progress in one stream.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::choice::Choice;
use super::stops::{Leaving, LeftStream, StartKind, Stops};
use crate::domain::{Cursor, OutputBody, OutputEntry, ProcessedFrame, Sequence, StreamId, Timestamp};
use crate::hub::event::{Gap, GapReason, StreamHead};
use crate::hub::feed::topic::{Lookup, Topic};
use crate::hub::feed::volume::Volume;
use crate::hub::gaps::PendingGap;
use crate::hub::sampling::Sampler;
use crate::queue::OutputPage;

/// A subscription's progress in one stream.
#[derive(Debug)]
pub(super) struct StreamProgress {
    pub(super) topic: Arc<Topic>,
    /// The index of its selector.
    pub(super) selector: usize,
    /// Everything before this sequence has been reported or is in the pending gap.
    pub(super) next: Sequence,
    /// The end of the stream.
    pub(super) stops: Stops,
    /// The stream is done even if more sequences follow.
    stopped: bool,
    /// The stream is done when nothing more is published.
    ends_at_head: bool,
    /// The output is being read to find out whether more frames from before the stop time will
    /// come.
    reads_for_stop: bool,
    /// The position at which the output was last read for that purpose.
    stop_read_at: Option<Sequence>,
    /// Frames received before this time are before the start; they are skipped without being
    /// reported.
    pub(super) not_before: Option<Timestamp>,
    /// The state of sampling.
    pub(super) sampler: Sampler,
    /// The reason why all frames but the newest are left out; `None` if all are wanted.
    pub(super) only_newest: Option<GapReason>,
    /// The total of what was sent since the subscription caught up; `None` while it is catching up.
    pub(super) sent: Option<Volume>,
    /// The stream leaves because it was unregistered, not because it is no longer selected.
    pub(super) unregistered: bool,
    /// Everything before this sequence was reported before the stream last left.
    pub(super) reported_before: Sequence,
    /// The head when the output was last read.
    read_head: u64,
    /// The output was not read since the stream got its slot: more may be published than the topic
    /// knows.
    pub(super) output_unread: bool,
    /// The first sequence is known. Until then nothing of the stream is reported.
    pub(super) start_known: bool,
    /// The time at which the stream leaves the subscription, if it leaves.
    pub(super) leaving: Leaving,
    /// The stream was counted as done.
    pub(super) closed: bool,
    /// Entries that a page read ahead.
    ahead: VecDeque<Arc<OutputEntry>>,
    /// The generation of what is in memory when that read began.
    ahead_generation: u64,
    gap: PendingGap,
    /// The subscriber's original cursor, which belongs to another store; `None` as soon as the
    /// pending gap is reported.
    foreign: Option<Cursor>,
    /// The sequence that the subscriber asked to start with.
    awaited: Option<Sequence>,
}

/// The distance from the head within which the newest frame is searched, in sequences.
const NEWEST_WITHIN: u64 = 32;

/// The next entry of a stream.
#[derive(Debug)]
pub(super) enum NextEntry {
    Entry(Arc<OutputEntry>),
    /// Read the output from `next` on.
    Read,
    Nothing,
}

impl StreamProgress {
    pub(super) fn new(topic: Arc<Topic>, selector: usize, next: Sequence, stops: Stops) -> Self {
        Self {
            topic,
            selector,
            next,
            stops,
            stopped: false,
            ends_at_head: false,
            reads_for_stop: false,
            stop_read_at: None,
            not_before: None,
            sampler: Sampler::default(),
            only_newest: None,
            sent: None,
            unregistered: false,
            reported_before: Sequence::FIRST,
            read_head: 0,
            output_unread: false,
            start_known: true,
            leaving: Leaving::Stays,
            closed: false,
            ahead: VecDeque::new(),
            ahead_generation: 0,
            gap: PendingGap::default(),
            foreign: None,
            awaited: None,
        }
    }

    pub(super) fn id(&self) -> &StreamId {
        self.topic.id()
    }

    /// Reports whether nothing more is to be reported of the stream.
    pub(super) fn is_done(&self) -> bool {
        self.stopped
            || self.stops.frames == Some(0)
            || self.stops.sequence.is_some_and(|stop| self.next > stop)
    }

    /// Returns the position as a cursor. If the subscriber's own cursor belongs to another store,
    /// returns that cursor until the gap that says so is reported. So a subscriber that disconnects
    /// in the meantime comes back with it.
    pub(super) fn cursor(&self) -> Cursor {
        match &self.foreign {
            Some(foreign) => foreign.clone(),
            None => Cursor {
                awaited: self.awaited == Some(self.next),
                ..Cursor::new(self.id().clone(), self.next)
            },
        }
    }

    /// Notes the relation between the subscriber's position and the store.
    pub(super) fn start_as(&mut self, start_kind: StartKind) {
        match start_kind {
            StartKind::Known => {}
            StartKind::Foreign(cursor) => {
                self.gap.add_without_sequences(self.next, GapReason::StoreReplaced);
                self.foreign = Some(cursor);
            }
            // The number of frames that were lost after it is unknown.
            StartKind::Beyond => self.gap.add_without_sequences(self.next, GapReason::BackendFailover),
            StartKind::Awaited(sequence) => self.awaited = Some(sequence),
        }
    }

    pub(super) fn head(&self) -> StreamHead {
        let head_sequence = self.topic.head();
        let lag_frames = (head_sequence + 1).saturating_sub(self.next.get());
        StreamHead { stream_id: self.id().clone(), head_sequence, lag_frames }
    }

    /// Returns the next entry. `subscription` is the id of the subscription.
    pub(super) fn next_entry(&mut self, now: Timestamp, subscription: u64) -> NextEntry {
        if let Leaving::After(head) = self.leaving
            && self.next.get() > head
        {
            self.leaving = Leaving::Due;
        }
        if self.is_done() || !self.start_known || self.leaving == Leaving::Due {
            return NextEntry::Nothing;
        }
        self.reads_for_stop = false;
        let floor = self.topic.floor();
        self.skip(floor, GapReason::Unregistered);
        if self.next.get() <= floor + 1 {
            // The stream came back, or will: it is sampled from its beginning, as for a group.
            self.sampler = Sampler::default();
        }
        if self.is_done() {
            return NextEntry::Nothing;
        }
        if let Some(reason) = self.only_newest
            && !self.stops.time_has_passed(now)
        {
            self.skip_to_newest(reason);
        }
        while self.ahead.front().is_some_and(|entry| entry.sequence < self.next) {
            self.ahead.pop_front();
        }
        if let Some(entry) = self.ahead.front() {
            let entry = Arc::clone(entry);
            if entry.sequence > self.next {
                self.skip(entry.previous_sequence, GapReason::Retention);
                let frames = entry.issued_before.map(|issued| (issued + 1).saturating_sub(self.next.get()));
                self.skip_frames(entry.sequence.get() - 1, GapReason::BackendFailover, frames);
            }
            return if self.is_done() { NextEntry::Nothing } else { NextEntry::Entry(entry) };
        }
        match self.topic.lookup_for(subscription, self.next) {
            Lookup::Entry(entry) => NextEntry::Entry(entry),
            Lookup::Older => NextEntry::Read,
            Lookup::NotYet(volume) => {
                self.sent = Some(volume);
                if self.ends_at_head && !self.output_unread {
                    // Usually the stop at the head has ended the stream already. It has not if the
                    // store was restored to a state before that head.
                    self.stopped = true;
                    return NextEntry::Nothing;
                }
                self.reads_for_stop = self.stops.time_has_passed(now) && self.stop_read_at != Some(self.next);
                let reads = self.reads_for_stop || self.output_unread || self.leaving == Leaving::WhenDrained;
                if reads { NextEntry::Read } else { NextEntry::Nothing }
            }
        }
    }

    /// Skips everything before the sequences among which the newest frame is searched.
    fn skip_to_newest(&mut self, reason: GapReason) {
        let (head, ring) = self.topic.head_and_ring_start();
        let first = ring.map_or(0, Sequence::get).max((head + 1).saturating_sub(NEWEST_WITHIN));
        self.skip(first.saturating_sub(1), reason);
        let lags = self.ahead.back().is_some_and(|last| last.sequence.get() < head);
        if lags && ring.is_none() && head > self.read_head {
            self.ahead.clear(); // it does not reach the newest frame: read again
        }
    }

    /// Returns the entries in memory after a sequence, in order.
    pub(super) fn entries_after(&self, sequence: Sequence) -> Vec<Arc<OutputEntry>> {
        let mut later: Vec<_> =
            self.ahead.iter().filter(|entry| entry.sequence > sequence).cloned().collect();
        later.extend(self.topic.entries_after(later.last().map_or(sequence, |last| last.sequence)));
        later
    }

    /// Reports whether an entry is before the start, and skips it if so.
    pub(super) fn skip_before_start(&mut self, entry: &OutputEntry) -> bool {
        let precedes = self.not_before.is_some_and(|start| entry.receive_time < start);
        if precedes {
            self.next = entry.sequence.next();
        } else {
            self.not_before = None;
        }
        precedes
    }

    /// Reports whether the stream is done before this entry.
    pub(super) fn stops_before(&mut self, entry: &OutputEntry) -> bool {
        self.stopped |= self.stops.end_before(entry);
        self.stopped
    }

    /// Makes the stream end at its current head. If the head is not known yet, the stream gets its
    /// end when its output has been read. A stream without frames or without a known start ends at
    /// once, because it could report only later frames.
    pub(super) fn end_at_head(&mut self) {
        self.ends_at_head = true;
        match Sequence::new(self.topic.head()) {
            _ if self.output_unread => {}
            Ok(head) if self.start_known => {
                self.stops.sequence = Some(self.stops.sequence.map_or(head, |stop| stop.min(head)));
            }
            Ok(_) | Err(_) => self.stopped = true,
        }
    }

    /// Ends the stream at its position.
    pub(super) fn end_now(&mut self) {
        self.stopped = true;
    }

    /// Forgets the entries that were read ahead in an earlier generation: they may be erased.
    pub(super) fn forget_ahead_before(&mut self, generation: u64) {
        if self.ahead_generation != generation {
            self.ahead.clear();
        }
    }

    /// Takes a page that was read from `next` on, beginning in this generation; returns whether more
    /// can be reported at once.
    pub(super) fn take_page(&mut self, page: OutputPage, generation: u64) -> bool {
        let published = page.counters.published_sequence;
        self.topic.observe(&page.counters);
        let was_unread = self.output_unread;
        self.note_read(page.removed);
        if was_unread && self.ends_at_head {
            self.end_at_head();
        }
        self.read_head = published;
        self.skip(page.counters.floor_sequence, GapReason::Unregistered);
        if self.reads_for_stop {
            // If nothing is left to publish, all frames from before the time to stop have been
            // published.
            self.stop_read_at = Some(self.next);
            let last = page.counters.accepted_sequence.max(published);
            self.stopped |= page.entries.is_empty() && self.next.get() > last;
        }
        if !page.removed && self.leaving == Leaving::WhenDrained {
            self.leaving = Leaving::Stays; // it came back before it left
        }
        if page.entries.is_empty() {
            // If nothing was ever accepted here, the skipped sequences are those of a store that
            // was lost.
            let nothing_yet = page.counters.accepted_frames == 0;
            let reason = if nothing_yet { GapReason::BackendFailover } else { GapReason::Retention };
            self.skip(published, reason);
            let drained = self.next.get() > published && page.counters.accepted_sequence <= published;
            if drained && self.leaving == Leaving::WhenDrained {
                self.unregistered = true;
                self.leaving = Leaving::Due;
            }
        }
        self.ahead = page.entries.into();
        self.ahead_generation = generation;
        !self.ahead.is_empty() || self.next.get() <= published
    }

    /// Notes that the output was read. A stream that was unregistered while it waited for a slot
    /// leaves when it has been reported.
    fn note_read(&mut self, removed: bool) {
        if std::mem::take(&mut self.output_unread) && removed {
            self.leaving = Leaving::WhenDrained;
        }
    }

    /// Adds the rest of the stream to the gap, because the store no longer knows the stream: its
    /// output is gone as well.
    pub(super) fn report_unknown(&mut self) {
        self.note_read(true);
        self.skip(self.topic.head(), GapReason::Unregistered);
        if self.leaving == Leaving::WhenDrained {
            self.unregistered = true;
            self.leaving = Leaving::Due;
        }
    }

    /// Leaves out an entry.
    pub(super) fn leave_out(&mut self, entry: &OutputEntry, reason: GapReason) {
        let sent = self.sent;
        self.skip(entry.sequence.get(), reason);
        self.sent = sent;
        self.count(entry);
    }

    fn count(&mut self, entry: &OutputEntry) {
        if let Some(sent) = &mut self.sent {
            sent.add(entry);
        }
    }

    /// Leaves out all sequences up to `last` that are before the stop. Their entries were not read,
    /// so the backlog is unknown until the subscription has caught up again.
    pub(super) fn skip(&mut self, last: u64, reason: GapReason) {
        self.skip_frames(last, reason, None);
    }

    /// Does the same as [`Self::skip`]. If a failover jumped over these sequences, `frames` is the
    /// number of those that may have belonged to frames; `None` = unknown.
    fn skip_frames(&mut self, last: u64, reason: GapReason, frames: Option<u64>) {
        let last = self.stops.sequence.map_or(last, |stop| last.min(stop.get()));
        if last < self.next.get() {
            return;
        }
        let Ok(to) = Sequence::new(last) else { return };
        self.sent = None;
        if self.not_before.is_none() {
            self.gap.add_frames(self.next, to, reason, frames);
        }
        self.next = to.next();
    }

    /// Sets the first sequence as soon as it is known.
    pub(super) fn set_first(&mut self, first: Sequence) {
        if !self.start_known {
            self.next = first.max(self.reported_before);
            self.start_known = true;
        }
    }

    /// Returns the position with which the stream leaves, in case it comes back.
    pub(super) fn left_stream(&self) -> LeftStream {
        // Gaps are reported when the stream leaves.
        let awaited = self.awaited.filter(|sequence| *sequence == self.next);
        let start_kind = awaited.map_or(StartKind::Known, StartKind::Awaited);
        LeftStream { next: self.next, unregistered: self.unregistered, start_kind }
    }

    /// Continues a stream that was in the subscription before. If the stream was unregistered, it
    /// continues at the position with which it left. If it was not selected in the meantime, it
    /// starts again, but not before that position.
    pub(super) fn rejoin(&mut self, left: LeftStream) {
        self.reported_before = left.next;
        self.next = if left.unregistered { left.next } else { self.next.max(left.next) };
        self.start_known |= left.unregistered;
        self.start_as(left.start_kind);
    }

    pub(super) fn has_gap(&self) -> bool {
        self.gap.is_pending()
    }

    pub(super) fn take_gap(&mut self) -> Option<Gap> {
        self.foreign = None;
        self.gap.take(self.topic.id(), self.selector)
    }

    /// Moves to the position after a frame that is sent now. The pending gap must have been taken
    /// out before.
    pub(super) fn advance(&mut self, entry: &OutputEntry) {
        self.count(entry);
        self.next = self.next.next();
        self.stops.frames = self.stops.frames.map(|left| left.saturating_sub(1));
    }
}

impl StreamProgress {
    /// Returns the reason why the next frame of the stream is left out; `None` if it is delivered.
    /// `overflows` says that the backlog is above the limit.
    pub(super) fn gap_reason(
        &mut self,
        choice: &Choice,
        entry: &OutputEntry,
        frame: &ProcessedFrame,
        now: Timestamp,
        overflows: bool,
    ) -> Option<GapReason> {
        let labels = self.topic.labels();
        if let Some(reason) = choice.gap_reason(entry, frame, &labels, now) {
            return Some(reason);
        }
        if !self.sampler.is_nth(choice.sampling.every_nth, entry.sequence) {
            return Some(GapReason::Sampled);
        }
        if overflows && entry.sequence.get() < self.topic.head() {
            return Some(GapReason::SlowConsumer);
        }
        if let Some(reason) = self.only_newest
            && self.is_superseded(choice, entry.sequence, &labels, now)
        {
            return Some(reason);
        }
        (!self.sampler.is_due(choice.sampling.max_fps, entry)).then_some(GapReason::Sampled)
    }

    /// Reports whether a later entry in memory would be delivered instead.
    fn is_superseded(
        &self,
        choice: &Choice,
        sequence: Sequence,
        labels: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> bool {
        let mut sampler = self.sampler.clone();
        self.entries_after(sequence).iter().take_while(|entry| !self.stops.end_before(entry)).any(|entry| {
            match &entry.body {
                OutputBody::Frame(frame) => {
                    choice.gap_reason(entry, frame, labels, now).is_none()
                        && sampler.is_nth(choice.sampling.every_nth, entry.sequence)
                }
                OutputBody::Tombstone(_) => false,
            }
        })
    }
}
