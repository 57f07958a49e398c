use std::collections::HashSet;

use super::payloads::Presence;
use super::state::{Now, State, Stream};
use super::window::Known;
use crate::domain::limits::MAX_PUBLISHERS_PER_STREAM;
use crate::domain::{PublisherId, Sequence, StreamId};
use crate::queue::{AcceptResult, NewFrame, OFFER_TTL, Refusal};

/// Whether the offered bytes are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Payload {
    Checked,
    Assumed,
}

impl State {
    pub(super) fn accept(&mut self, frames: Vec<NewFrame>, now: Now) -> Vec<AcceptResult> {
        let mut refused = HashSet::new();
        let mut decide_and_store = |frame: NewFrame| {
            let home = self.config.partitions.of(&frame.stream_id);
            let payloads = &mut self.partition(home, now).payloads;
            payloads.offer(std::slice::from_ref(&frame.offer), OFFER_TTL, now.instant);
            let Some(result) = self.decide(&frame, &refused, Payload::Checked) else {
                return self.store(frame, now);
            };
            block_if_retryable(&mut refused, &frame.stream_id, &result);
            if let AcceptResult::Duplicate(_) = result {
                self.count_duplicate(&frame.stream_id);
            }
            // Leaves it alone if it is the stored one.
            self.partition_mut(home).payloads.withdraw(frame.offer.payload.key);
            result
        };
        frames.into_iter().map(&mut decide_and_store).collect()
    }

    pub(super) fn would_refuse(&self, frames: &[NewFrame]) -> Vec<Option<AcceptResult>> {
        let mut refused = HashSet::new();
        let mut decide = |frame: &NewFrame| {
            let result = self.decide(frame, &refused, Payload::Assumed)?;
            block_if_retryable(&mut refused, &frame.stream_id, &result);
            Some(result)
        };
        frames.iter().map(&mut decide).collect()
    }

    pub(super) fn last_publisher_sequence(&self, stream: &StreamId, publisher: &PublisherId) -> u64 {
        let stream = self.home(stream).streams.get(stream);
        stream.and_then(|stream| stream.publishers.get(publisher)).map_or(0, |window| window.top())
    }

    /// Why a frame is not to be stored; `None` if it is. Changes nothing.
    ///
    /// First what is true of a frame that was stored by an earlier run of the same call, whatever has happened since:
    /// "refused" would mean that it surely is not.
    fn decide(
        &self,
        frame: &NewFrame,
        refused: &HashSet<StreamId>,
        payload: Payload,
    ) -> Option<AcceptResult> {
        let partition = self.home(&frame.stream_id);
        let stream = partition.streams.get(&frame.stream_id).filter(|stream| !stream.removed);
        let known = stream.map_or(Known::New, |stream| known_publication(stream, frame));
        if let Known::Same(sequence) = known {
            return Some(AcceptResult::Duplicate(sequence));
        }
        let presence = match payload {
            Payload::Checked => partition.payloads.presence(frame.offer.payload.key),
            Payload::Assumed => Presence::Offered,
        };
        if presence == Presence::Entered {
            let why = "this picture was stored by an earlier attempt; the frame has no number to tell it by";
            return Some(AcceptResult::Unconfirmed(why.to_owned()));
        }
        let Some(stream) = stream else {
            return Some(AcceptResult::Refused(Refusal::StreamNotFound));
        };
        let size_bytes = frame.offer.payload.size_bytes;
        let refusal = if refused.contains(&frame.stream_id) {
            Some(Refusal::BehindRefused)
        } else if let Some(refusal) = publisher_refusal(stream, frame, known) {
            Some(refusal)
        } else if presence == Presence::Gone {
            Some(Refusal::PayloadGone)
        } else if stream.counters.queued_frames() >= stream.settings.queue.max_frames
            || stream.counters.queued_bytes.saturating_add(size_bytes) > stream.settings.queue.max_bytes
        {
            Some(Refusal::StreamQueueFull)
        } else if partition.work.len() as u64 >= self.config.budget.work_frames
            || partition.totals.queued_bytes.saturating_add(size_bytes) > self.config.budget.work_bytes
        {
            Some(Refusal::PartitionFull)
        } else {
            None
        };
        refusal.map(AcceptResult::Refused)
    }

    /// Stores a frame that nothing speaks against.
    fn store(&mut self, frame: NewFrame, now: Now) -> AcceptResult {
        let partition = self.partition_mut(self.config.partitions.of(&frame.stream_id));
        let Some(stream) = partition.streams.get_mut(&frame.stream_id) else {
            return AcceptResult::Refused(Refusal::StreamNotFound);
        };
        let counters = &mut stream.counters;
        let sequence = Sequence::after(counters.accepted_sequence);
        let received_time = counters.last_received_time.map_or(now.wall, |last| last.max(now.wall));
        let payload = frame.offer.payload;
        counters.accepted_sequence = sequence.get();
        counters.last_received_time = Some(received_time);
        counters.queued_bytes += payload.size_bytes;
        if let Some(mark) = &frame.header.publisher {
            let window = stream.publishers.entry(mark.id.clone()).or_default();
            window.remember(mark.sequence, &frame.header.source.digest, sequence);
        }
        partition.payloads.enter_source(payload.key, now.instant);
        partition.totals.accepted += 1;
        partition.totals.queued_bytes += payload.size_bytes;
        partition.work.push(frame, sequence, received_time, stream.revision);
        AcceptResult::Accepted(sequence)
    }

    fn count_duplicate(&mut self, stream: &StreamId) {
        let home = self.config.partitions.of(stream);
        if let Some(stream) = self.partition_mut(home).streams.get_mut(stream) {
            stream.counters.duplicate_frames += 1;
        }
    }
}

fn known_publication(stream: &Stream, frame: &NewFrame) -> Known {
    let Some(mark) = &frame.header.publisher else { return Known::New };
    match stream.publishers.get(&mark.id) {
        Some(window) => window.look_up(mark.sequence, &frame.header.source.digest),
        None => Known::New,
    }
}

fn publisher_refusal(stream: &Stream, frame: &NewFrame, known: Known) -> Option<Refusal> {
    let mark = frame.header.publisher.as_ref()?;
    let last = stream.publishers.get(&mark.id).map(|window| window.top());
    match (known, last) {
        (Known::Other(stored_as), _) => Some(Refusal::SequenceReused { stored_as }),
        (Known::TooOld, last) => Some(Refusal::SequenceTooOld { last: last.unwrap_or(0) }),
        (Known::Skipped, last) => Some(Refusal::SequenceOutOfOrder { last: last.unwrap_or(0) }),
        (Known::New, None) if stream.publishers.len() >= MAX_PUBLISHERS_PER_STREAM => {
            Some(Refusal::TooManyPublishers)
        }
        (Known::New | Known::Same(_), _) => None,
    }
}

fn block_if_retryable(refused: &mut HashSet<StreamId>, stream: &StreamId, result: &AcceptResult) {
    if let AcceptResult::Refused(refusal) = result
        && refusal.is_retryable()
    {
        refused.insert(stream.clone());
    }
}
