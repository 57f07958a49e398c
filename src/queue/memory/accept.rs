use super::payloads::PayloadState;
use super::prediction::Predicted;
use super::state::{Now, Partition, State, Stream};
use super::window::Known;
use crate::domain::limits::MAX_PUBLISHERS_PER_STREAM;
use crate::domain::{PublisherId, Sequence, StreamId};
use crate::queue::{AcceptResult, Budget, NewFrame, PublisherPosition, Refusal, UPLOAD_TTL};

impl State {
    pub(super) fn accept(&mut self, frames: Vec<NewFrame>, now: Now) -> Vec<AcceptResult> {
        let (budget, partitions) = (self.budget(), self.config.partitions);
        let mut predicted = Predicted::default();
        let accept_one = |frame: NewFrame| {
            let partition = self.partition(partitions.of(&frame.stream_id), now);
            partition.payloads.upload(std::slice::from_ref(&frame.upload), UPLOAD_TTL, now.instant);
            let payload_state = partition.payloads.state(frame.upload.payload.key);
            let Some(result) = partition.decide(&frame, payload_state, &predicted, &budget) else {
                return partition.store(frame, now);
            };
            predicted.note(&frame.stream_id, &result);
            if matches!(result, AcceptResult::Duplicate(_))
                && let Some(stream) = partition.streams.get_mut(&frame.stream_id)
            {
                stream.counters.duplicate_frames += 1;
                partition.totals.duplicates += 1;
            }
            // Does nothing if this upload is the stored frame's.
            partition.payloads.withdraw(frame.upload.payload.key);
            result
        };
        frames.into_iter().map(accept_one).collect()
    }

    pub(super) fn would_refuse(&self, frames: &[NewFrame]) -> Vec<Option<AcceptResult>> {
        let (budget, mut predicted) = (self.budget(), Predicted::default());
        let decide_one = |frame: &NewFrame| {
            let partition = self.home(&frame.stream_id);
            let result = partition.decide(frame, PayloadState::Uploaded, &predicted, &budget);
            match (&result, partition.streams.get(&frame.stream_id)) {
                (Some(result), _) => predicted.note(&frame.stream_id, result),
                (None, Some(stream)) => predicted.count_as_stored(stream, partition.id, frame),
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
    /// Returns the result of a frame that must not be stored; `None` if it is to be stored. Changes
    /// nothing.
    ///
    /// Checks first whether an earlier run of the same call stored the frame, since a refusal means
    /// that the frame is certainly not stored.
    pub(super) fn decide(
        &self,
        frame: &NewFrame,
        payload_state: PayloadState,
        predicted: &Predicted,
        budget: &Budget,
    ) -> Option<AcceptResult> {
        let stream = self.streams.get(&frame.stream_id).filter(|stream| !stream.removed);
        let known = stream.map_or(Known::New, |stream| predicted.look_up(stream, frame));
        if let Known::Same(sequence) = known {
            return Some(AcceptResult::Duplicate(sequence));
        }
        if payload_state == PayloadState::Entered {
            let why = "this picture was stored by an earlier attempt, and the frame has no publisher sequence to compare";
            return Some(AcceptResult::Unconfirmed(why.to_owned()));
        }
        let Some(stream) = stream else {
            return Some(AcceptResult::Refused(Refusal::StreamNotFound));
        };
        let has_room = self.totals.publishers < budget.publishers();
        let refusal = if let Some(refusal) = publisher_refusal(stream, frame, known, predicted, has_room) {
            Some(refusal)
        } else if predicted.is_blocked(&frame.stream_id) {
            Some(Refusal::AfterRefused)
        } else if self.control.is_draining() {
            Some(Refusal::QueueDraining)
        } else if stream_is_full(stream, frame, predicted) {
            Some(Refusal::StreamQueueFull)
        } else if self.is_full(stream, frame, predicted, budget) {
            Some(Refusal::PartitionFull)
        } else if payload_state == PayloadState::Gone {
            Some(Refusal::PayloadGone)
        } else {
            None
        };
        refusal.map(AcceptResult::Refused)
    }

    fn is_full(&self, stream: &Stream, frame: &NewFrame, predicted: &Predicted, budget: &Budget) -> bool {
        let (all, own) = (predicted.in_partition(self.id), predicted.in_stream(&frame.stream_id));
        let size_bytes = frame.upload.payload.size_bytes;
        let frames = self.work.len() as u64 + all.frames + 1;
        let bytes = (self.totals.queued_bytes + all.bytes).saturating_add(size_bytes);
        let (Some(free_frames), Some(free_bytes)) =
            (budget.work_frames.checked_sub(frames), budget.work_bytes.checked_sub(bytes))
        else {
            return true;
        };
        let own_frames = stream.counters.queued_frames + own.frames;
        let own_bytes = stream.counters.queued_bytes + own.bytes;
        own_frames > Budget::SHARE_OF_FREE * free_frames || own_bytes > Budget::SHARE_OF_FREE * free_bytes
    }

    /// Stores a frame that passed all checks.
    fn store(&mut self, frame: NewFrame, now: Now) -> AcceptResult {
        let Some(stream) = self.streams.get_mut(&frame.stream_id) else {
            return AcceptResult::Refused(Refusal::StreamNotFound);
        };
        let counters = &mut stream.counters;
        let sequence = Sequence::after(counters.accepted_sequence);
        let receive_time = stream.newest_receipt.map_or(now.wall, |last| last.max(now.wall));
        let payload = frame.upload.payload;
        counters.accepted_sequence = sequence.get();
        counters.accepted_frames += 1;
        counters.queued_frames += 1;
        stream.newest_receipt = Some(receive_time);
        // A replayed frame says nothing about the camera as it is now.
        if frame.header.replayed_from.is_none() {
            counters.last_receive_time = Some(receive_time);
        }
        counters.queued_bytes += payload.size_bytes;
        counters.accepted_bytes += payload.size_bytes;
        if let Some(publisher) = &frame.header.publisher {
            self.totals.publishers += u64::from(!stream.publishers.contains_key(&publisher.id));
            let window = stream.publishers.entry(publisher.id.clone()).or_default();
            self.totals.window_bytes -= window.bytes();
            window.remember(publisher.sequence, &frame.header.source.digest, sequence);
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

/// Returns the refusal that the publisher sequence requires, if any. `has_room` says that the
/// partition may remember another publisher.
fn publisher_refusal(
    stream: &Stream,
    frame: &NewFrame,
    known: Known,
    predicted: &Predicted,
    has_room: bool,
) -> Option<Refusal> {
    let publisher = frame.header.publisher.as_ref()?;
    let window = predicted.window(stream, &frame.stream_id, &publisher.id);
    let last = window.map_or(0, |window| window.top());
    match known {
        Known::Other(stored_as) => Some(Refusal::SequenceReused { stored_as }),
        Known::TooOld => Some(Refusal::SequenceTooOld { last }),
        Known::Skipped => Some(Refusal::SequenceOutOfOrder { last }),
        Known::New
            if window.is_none()
                && (!has_room
                    || predicted.publishers(stream, &frame.stream_id) >= MAX_PUBLISHERS_PER_STREAM) =>
        {
            Some(Refusal::TooManyPublishers)
        }
        Known::New | Known::Same(_) => None,
    }
}

fn stream_is_full(stream: &Stream, frame: &NewFrame, predicted: &Predicted) -> bool {
    let (counters, policy) = (&stream.counters, &stream.effective.queue);
    let added = predicted.in_stream(&frame.stream_id);
    let bytes = counters.queued_bytes + added.bytes;
    counters.queued_frames + added.frames >= policy.refusal_frames()
        || bytes.saturating_add(frame.upload.payload.size_bytes) > policy.refusal_bytes()
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
    use crate::queue::{Upload, WorkPosition};

    #[test]
    fn receive_times_never_decrease_if_the_clock_goes_back() {
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
            let upload = Upload::new(Bytes::from_static(b"x"));
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
            state.accept(vec![NewFrame { stream_id: id.clone(), header, upload }], at(micros));
        }
        let home = state.partition(config.partitions.of(&id), at(1_200));
        let lease = home.acquire_lease("w", 1, UPLOAD_TTL, at(1_200)).unwrap();
        let taken = home.take(&lease, WorkPosition::default(), 10, at(1_200)).unwrap();
        let times: Vec<_> = taken.iter().map(|item| item.receive_time.as_micros()).collect();
        assert_eq!(times, [1_000, 1_000, 1_200]);
    }
}
