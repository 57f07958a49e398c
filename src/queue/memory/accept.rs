use super::ahead::Ahead;
use super::payloads::Presence;
use super::state::{Now, Partition, State, Stream};
use super::window::Known;
use crate::domain::limits::MAX_PUBLISHERS_PER_STREAM;
use crate::domain::{PublisherId, Sequence, StreamId};
use crate::queue::{AcceptResult, Budget, NewFrame, OFFER_TTL, PublisherPosition, Refusal};

impl State {
    pub(super) fn accept(&mut self, frames: Vec<NewFrame>, now: Now) -> Vec<AcceptResult> {
        let (budget, partitions) = (self.budget(), self.config.partitions);
        let mut ahead = Ahead::default();
        let accept_one = |frame: NewFrame| {
            let partition = self.partition(partitions.of(&frame.stream_id), now);
            partition.payloads.offer(std::slice::from_ref(&frame.offer), OFFER_TTL, now.instant);
            let presence = partition.payloads.presence(frame.offer.payload.key);
            let Some(result) = partition.decide(&frame, presence, &ahead, &budget) else {
                return partition.store(frame, now);
            };
            ahead.note(&frame.stream_id, &result);
            if matches!(result, AcceptResult::Duplicate(_))
                && let Some(stream) = partition.streams.get_mut(&frame.stream_id)
            {
                stream.counters.duplicate_frames += 1;
                partition.totals.duplicates += 1;
            }
            // Leaves it alone if it is the stored one.
            partition.payloads.withdraw(frame.offer.payload.key);
            result
        };
        frames.into_iter().map(accept_one).collect()
    }

    pub(super) fn would_refuse(&self, frames: &[NewFrame]) -> Vec<Option<AcceptResult>> {
        let (budget, mut ahead) = (self.budget(), Ahead::default());
        let decide_one = |frame: &NewFrame| {
            let partition = self.home(&frame.stream_id);
            let result = partition.decide(frame, Presence::Offered, &ahead, &budget);
            match (&result, partition.streams.get(&frame.stream_id)) {
                (Some(result), _) => ahead.note(&frame.stream_id, result),
                (None, Some(stream)) => ahead.assume(stream, partition.id, frame),
                (None, None) => {}
            }
            result
        };
        frames.iter().map(decide_one).collect()
    }

    pub(super) fn publisher_position(
        &self,
        stream: &StreamId,
        publisher: &PublisherId,
    ) -> Option<PublisherPosition> {
        self.home(stream).streams.get(stream)?.publishers.get(publisher)?.position()
    }
}

impl Partition {
    /// Why a frame is not to be stored; `None` if it is. Changes nothing.
    ///
    /// First what is true of a frame that an earlier run of the same call stored, whatever has happened since:
    /// "refused" would mean that it surely is not.
    pub(super) fn decide(
        &self,
        frame: &NewFrame,
        presence: Presence,
        ahead: &Ahead,
        budget: &Budget,
    ) -> Option<AcceptResult> {
        let stream = self.streams.get(&frame.stream_id).filter(|stream| !stream.removed);
        let known = stream.map_or(Known::New, |stream| ahead.look_up(stream, frame));
        if let Known::Same(sequence) = known {
            return Some(AcceptResult::Duplicate(sequence));
        }
        if presence == Presence::Entered {
            let why = "this picture was stored by an earlier attempt; the frame has no number to tell it by";
            return Some(AcceptResult::Unconfirmed(why.to_owned()));
        }
        let Some(stream) = stream else {
            return Some(AcceptResult::Refused(Refusal::StreamNotFound));
        };
        let room = self.totals.publishers < budget.publishers();
        let refusal = if let Some(refusal) = publisher_refusal(stream, frame, known, ahead, room) {
            Some(refusal)
        } else if ahead.is_blocked(&frame.stream_id) {
            Some(Refusal::BehindRefused)
        } else if self.control.is_draining() {
            Some(Refusal::QueueDraining)
        } else if stream_is_full(stream, frame, ahead) {
            Some(Refusal::StreamQueueFull)
        } else if self.is_full(frame, ahead, budget) {
            Some(Refusal::PartitionFull)
        } else if presence == Presence::Gone {
            Some(Refusal::PayloadGone)
        } else {
            None
        };
        refusal.map(AcceptResult::Refused)
    }

    fn is_full(&self, frame: &NewFrame, ahead: &Ahead, budget: &Budget) -> bool {
        let added = ahead.in_partition(self.id);
        let bytes = self.totals.queued_bytes + added.bytes;
        self.work.len() as u64 + added.frames >= budget.work_frames
            || bytes.saturating_add(frame.offer.payload.size_bytes) > budget.work_bytes
    }

    /// Stores a frame that nothing speaks against.
    fn store(&mut self, frame: NewFrame, now: Now) -> AcceptResult {
        let Some(stream) = self.streams.get_mut(&frame.stream_id) else {
            return AcceptResult::Refused(Refusal::StreamNotFound);
        };
        let counters = &mut stream.counters;
        let sequence = Sequence::after(counters.accepted_sequence);
        let receive_time = counters.last_receive_time.map_or(now.wall, |last| last.max(now.wall));
        let payload = frame.offer.payload;
        counters.accepted_sequence = sequence.get();
        counters.accepted_frames += 1;
        counters.queued_frames += 1;
        counters.last_receive_time = Some(receive_time);
        counters.queued_bytes += payload.size_bytes;
        counters.accepted_bytes += payload.size_bytes;
        if let Some(mark) = &frame.header.publisher {
            self.totals.publishers += u64::from(!stream.publishers.contains_key(&mark.id));
            let window = stream.publishers.entry(mark.id.clone()).or_default();
            self.totals.window_bytes -= window.bytes();
            window.remember(mark.sequence, &frame.header.source.digest, sequence);
            self.totals.window_bytes += window.bytes();
        }
        self.payloads.enter_source(payload.key, now.instant);
        self.totals.accepted += 1;
        self.totals.accepted_bytes += payload.size_bytes;
        self.totals.queued_bytes += payload.size_bytes;
        self.work.push(frame, sequence, receive_time, stream.revision);
        AcceptResult::Accepted(sequence, receive_time)
    }
}

/// `room`: the partition may remember another publisher.
fn publisher_refusal(
    stream: &Stream,
    frame: &NewFrame,
    known: Known,
    ahead: &Ahead,
    room: bool,
) -> Option<Refusal> {
    let mark = frame.header.publisher.as_ref()?;
    let window = ahead.window(stream, &frame.stream_id, &mark.id);
    let last = window.map_or(0, |window| window.top());
    match known {
        Known::Other(stored_as) => Some(Refusal::SequenceReused { stored_as }),
        Known::TooOld => Some(Refusal::SequenceTooOld { last }),
        Known::Skipped => Some(Refusal::SequenceOutOfOrder { last }),
        Known::New
            if window.is_none()
                && (!room || ahead.publishers(stream, &frame.stream_id) >= MAX_PUBLISHERS_PER_STREAM) =>
        {
            Some(Refusal::TooManyPublishers)
        }
        Known::New | Known::Same(_) => None,
    }
}

fn stream_is_full(stream: &Stream, frame: &NewFrame, ahead: &Ahead) -> bool {
    let (counters, policy) = (&stream.counters, &stream.effective.queue);
    let added = ahead.in_stream(&frame.stream_id);
    let bytes = counters.queued_bytes + added.bytes;
    counters.queued_frames + added.frames >= policy.refusal_frames()
        || bytes.saturating_add(frame.offer.payload.size_bytes) > policy.refusal_bytes()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::time::Instant;

    use super::*;
    use crate::domain::{
        Digest, FrameHeader, Partitions, PictureFormat, SourceInfo, StreamPolicies, StreamSettings, Timestamp,
    };
    use crate::queue::memory::MemoryConfig;
    use crate::queue::{Offer, WorkPosition};

    #[test]
    fn received_times_stand_still_while_the_clock_is_behind_them() {
        let config = MemoryConfig {
            partitions: Partitions::new(1).unwrap(),
            budget: Budget {
                work_bytes: 100,
                work_frames: 100,
                output_bytes: 100,
                dead_bytes: 100,
                ..Budget::default()
            },
            max_streams: 1,
            defaults: StreamPolicies::default(),
        };
        let (mut state, id) = (State::new(config), "cam".parse::<StreamId>().unwrap());
        let at = |micros| Now { instant: Instant::now(), wall: Timestamp::from_micros(micros) };
        state.register(&id, &StreamSettings::default(), at(0)).unwrap();
        for micros in [1_000, 400, 1_200] {
            let offer = Offer::new(Bytes::from_static(b"x"));
            let source = SourceInfo {
                format: PictureFormat::Jpeg,
                width: 0,
                height: 0,
                row_stride_bytes: 0,
                colors: Default::default(),
                size_bytes: 1,
                digest: Digest::of(b"x"),
            };
            let header = FrameHeader {
                publisher: None,
                capture_time: None,
                clock_skewed: false,
                source,
                attributes: Default::default(),
                traceparent: String::new(),
                tracestate: String::new(),
                replayed_from: None,
            };
            state.accept(vec![NewFrame { stream_id: id.clone(), header, offer }], at(micros));
        }
        let home = state.partition(config.partitions.of(&id), at(1_200));
        let lease = home.acquire_lease("w", 1, OFFER_TTL, at(1_200)).unwrap();
        let taken = home.take(&lease, WorkPosition::default(), 10, at(1_200)).unwrap();
        let times: Vec<_> = taken.iter().map(|item| item.receive_time.as_micros()).collect();
        assert_eq!(times, [1_000, 1_000, 1_200]);
    }
}
