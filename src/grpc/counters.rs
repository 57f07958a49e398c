//! The counters of this server since its start.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::batch::BatchItem;
use crate::domain::{PartitionId, Partitions, StreamId, Timestamp};
use crate::metrics::{Counter, FrameMetrics};
use crate::pb::admin::v1beta1 as admin;
use crate::pb::v1 as pb;
use crate::pb::v1::frame_result::Outcome;
use crate::pb::v1::picture::Content;

/// The maximum number of streams whose refusals are counted by stream. The refusals of further
/// streams are counted only by partition and by reason.
const MAX_STREAMS: usize = 16_384;
/// The highest number of a `GapReason`; a test checks it.
const MAX_GAP_REASON: i32 = 32;

/// The counters of one server process. All deliveries and refusals are counted here, and only here:
/// the counters of the metrics are those that the API reports.
#[derive(Debug)]
pub(crate) struct Counters {
    partitions: Partitions,
    start: Instant,
    metrics: FrameMetrics,
    /// By the number of a `GapReason`.
    omitted: BTreeMap<i32, Counter>,
    refused: Mutex<Refused>,
}

#[derive(Debug, Default)]
struct Refused {
    /// By the number of an `ErrorReason`; only those that have occurred, since there are many.
    by_reason: BTreeMap<i32, Counter>,
    /// By the index of the partition.
    by_partition: BTreeMap<usize, u64>,
    by_stream: HashMap<StreamId, u64>,
}

impl Counters {
    pub(crate) fn new(partitions: Partitions, metrics: FrameMetrics) -> Self {
        let omitted = (1..=MAX_GAP_REASON).filter_map(|number| {
            let reason = pb::GapReason::try_from(number).ok()?;
            Some((number, metrics.omitted(reason.as_str_name().trim_start_matches("GAP_REASON_"))))
        });
        let omitted = omitted.collect();
        Self { partitions, start: Instant::now(), metrics, omitted, refused: Mutex::default() }
    }

    /// Counts the frames of a batch that was answered.
    pub(crate) fn answered(&self, items: &[BatchItem]) {
        let FrameMetrics { accepted, accepted_bytes, duplicates, streams, .. } = &self.metrics;
        for item in items {
            match item.outcome() {
                Some(Outcome::Accepted(_)) => {
                    accepted.inc();
                    accepted_bytes.inc_by(item.bytes);
                    item.stream.iter().for_each(|stream| streams.count(stream, Some(item.bytes)));
                }
                Some(Outcome::Duplicate(_)) => {
                    duplicates.inc();
                }
                Some(Outcome::Rejected(error)) => {
                    self.refused(item.stream.as_ref(), error.reason(), 1);
                }
                Some(Outcome::Unconfirmed(_)) | None => {}
            }
        }
    }

    /// Counts frames that were refused. `stream` is `None` if they name none.
    fn refused(&self, stream: Option<&StreamId>, reason: pb::ErrorReason, frames: u64) {
        let mut refused = self.refused.lock();
        let name = || reason.as_str_name().trim_start_matches("ERROR_REASON_");
        let by_reason = refused.by_reason.entry(reason.into());
        by_reason.or_insert_with(|| self.metrics.rejected(name())).inc_by(frames);
        // Frames of streams that do not exist are counted by reason only.
        let Some(id) = stream.filter(|_| reason != pb::ErrorReason::StreamNotFound) else { return };
        self.metrics.streams.count(id, None);
        *refused.by_partition.entry(self.partitions.of(id).index()).or_default() += frames;
        if refused.by_stream.len() < MAX_STREAMS || refused.by_stream.contains_key(id) {
            *refused.by_stream.entry(id.clone()).or_default() += frames;
        }
    }

    /// Counts a message to a subscriber.
    pub(crate) fn sent(&self, message: &pb::SubscribeFramesResponse) {
        use crate::pb::v1::subscribe_frames_response::Event;
        match &message.event {
            Some(Event::Frame(sent)) => self.sent_frame(sent.frame.as_ref()),
            Some(Event::Gap(sent)) => self.sent_gap(sent.gap.as_ref()),
            Some(Event::Heartbeat(_) | Event::Checkpoint(_) | Event::Draining(_)) | None => {}
        }
    }

    /// Counts a message to a member of a group.
    pub(crate) fn sent_to_member(&self, message: &pb::ConsumeFramesResponse) {
        use crate::pb::v1::consume_frames_response::Event;
        match &message.event {
            Some(Event::Frame(sent)) => self.sent_frame(sent.frame.as_ref()),
            Some(Event::Gap(gap)) => self.sent_gap(Some(gap)),
            Some(Event::Heartbeat(_) | Event::Ready(_) | Event::Draining(_)) | None => {}
        }
    }

    fn sent_frame(&self, frame: Option<&pb::ProcessedFrame>) {
        let pictures = frame.into_iter().flat_map(|frame| &frame.pictures);
        let bytes = pictures.map(|picture| match &picture.content {
            Some(Content::Data(data)) => data.len() as u64,
            Some(Content::OmittedReason(_)) | None => 0,
        });
        self.metrics.delivered.inc();
        self.metrics.delivered_bytes.inc_by(bytes.sum());
        if let Some(received) = frame.and_then(|frame| frame.receive_time.as_ref()) {
            self.metrics.delivery_age.observe(age(received));
        }
    }

    fn sent_gap(&self, gap: Option<&pb::Gap>) {
        for cause in gap.into_iter().flat_map(|gap| &gap.causes) {
            if let Some(counter) = self.omitted.get(&cause.reason) {
                counter.inc_by(frames_of(cause));
            }
        }
    }

    pub(crate) fn refused_of_stream(&self, id: &StreamId) -> u64 {
        self.refused.lock().by_stream.get(id).copied().unwrap_or_default()
    }

    pub(crate) fn refused_of_partition(&self, id: PartitionId) -> u64 {
        self.refused.lock().by_partition.get(&id.index()).copied().unwrap_or_default()
    }

    /// Returns the number of all refused frames, including those of unknown streams.
    pub(crate) fn refused_in_all(&self) -> u64 {
        self.refused.lock().by_reason.values().map(Counter::get).sum()
    }

    /// Converts the counters; `subscriptions` is the number of open subscriptions.
    pub(crate) fn to_pb(&self, subscriptions: usize) -> admin::ServerMetrics {
        let counted = |counters: &BTreeMap<i32, Counter>| -> Vec<(i32, u64)> {
            let counts = counters.iter().map(|(&reason, counter)| (reason, counter.get()));
            counts.filter(|(_, count)| *count > 0).collect()
        };
        let causes = |(reason, count)| pb::GapCause { reason, count, frames: Some(count) };
        let reasons = |(reason, count)| admin::ReasonCount { reason, count };
        admin::ServerMetrics {
            uptime: Some(super::convert::time::duration_to_pb(self.start.elapsed())),
            resident_bytes: resident_bytes(),
            subscriptions: subscriptions as u64,
            delivered_frames: self.metrics.delivered.get(),
            delivered_bytes: self.metrics.delivered_bytes.get(),
            omitted_frames: counted(&self.omitted).into_iter().map(causes).collect(),
            rejected_frames: counted(&self.refused.lock().by_reason).into_iter().map(reasons).collect(),
        }
    }
}

/// Returns the number of frames that a cause stands for, or 0 if it is unknown. For a failover or a
/// replaced store, `count` is a number of sequences that perhaps no frame had.
fn frames_of(cause: &pb::GapCause) -> u64 {
    let counts_sequences =
        [pb::GapReason::BackendFailover, pb::GapReason::StoreReplaced].contains(&cause.reason());
    cause.frames.unwrap_or(if counts_sequences { 0 } else { cause.count })
}

/// Returns the time since a moment; 0 if it is in the future.
fn age(received: &prost_types::Timestamp) -> Duration {
    let micros = received.seconds.saturating_mul(1_000_000).saturating_add(i64::from(received.nanos) / 1_000);
    Timestamp::now().since(Timestamp::from_micros(micros))
}

/// Returns the resident memory of this process on Linux; `None` elsewhere.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|text| text.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_by_reason_partition_and_stream() {
        let counters = Counters::new(Partitions::default(), FrameMetrics::default());
        let (id, nobody): (StreamId, StreamId) = ("cam".parse().unwrap(), "nobody".parse().unwrap());
        counters.refused(Some(&id), pb::ErrorReason::StreamQueueFull, 2);
        counters.refused(Some(&id), pb::ErrorReason::OutOfOrder, 1);
        counters.refused(Some(&nobody), pb::ErrorReason::StreamNotFound, 4);
        counters.refused(None, pb::ErrorReason::InvalidStreamId, 1);
        assert_eq!(counters.refused_of_stream(&id), 3);
        assert_eq!(counters.refused_of_partition(Partitions::default().of(&id)), 3);
        assert_eq!(counters.refused_in_all(), 8);
        assert_eq!(counters.refused_of_stream(&nobody), 0);
        let metrics = counters.to_pb(3);
        assert_eq!((metrics.subscriptions, metrics.rejected_frames.len()), (3, 4));
    }

    #[test]
    fn every_reason_of_a_gap_has_a_counter() {
        let counters = Counters::new(Partitions::default(), FrameMetrics::default());
        let reasons = crate::grpc::reflect::pool().get_enum_by_name("frameway.v1.GapReason").unwrap();
        let numbers: Vec<i32> = reasons.values().map(|value| value.number()).filter(|it| *it > 0).collect();
        assert_eq!(counters.omitted.keys().copied().collect::<Vec<_>>(), numbers);
    }

    #[test]
    fn gaps_are_counted_by_cause() {
        let counters = Counters::new(Partitions::default(), FrameMetrics::default());
        let cause =
            |reason: pb::GapReason, count| pb::GapCause { reason: reason.into(), count, frames: Some(count) };
        let causes = vec![cause(pb::GapReason::Purged, 3), cause(pb::GapReason::Overflow, 2)];
        let gap = pb::Gap { causes, ..Default::default() };
        let event = crate::pb::v1::consume_frames_response::Event::Gap(gap.clone());
        counters.sent_to_member(&pb::ConsumeFramesResponse { event: Some(event) });
        let gap = pb::DeliveredGap { gap: Some(gap), ..Default::default() };
        let event = crate::pb::v1::subscribe_frames_response::Event::Gap(gap);
        counters.sent(&pb::SubscribeFramesResponse { event: Some(event) });
        let omitted = counters.to_pb(0).omitted_frames;
        let count =
            |reason: pb::GapReason| omitted.iter().find(|one| one.reason() == reason).map(|one| one.count);
        assert_eq!((count(pb::GapReason::Purged), count(pb::GapReason::Overflow)), (Some(6), Some(4)));
    }
}
