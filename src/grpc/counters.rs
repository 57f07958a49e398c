//! What this server has counted since it started.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::domain::{PartitionId, Partitions, StreamId};
use crate::pb::admin::v1beta1 as admin;
use crate::pb::v1 as pb;
use crate::pb::v1::frame_result::Outcome;
use crate::pb::v1::picture::Content;

/// Most streams whose refusals are told apart: refusals of further ones count for their partition only.
const MAX_STREAMS: usize = 16_384;

/// Counters of one server process.
#[derive(Debug)]
pub(crate) struct Counters {
    partitions: Partitions,
    start: Instant,
    delivered_frames: AtomicU64,
    delivered_bytes: AtomicU64,
    refused: Mutex<Refused>,
    /// By number of a `GapReason`.
    omitted: Mutex<BTreeMap<i32, u64>>,
}

#[derive(Debug, Default)]
struct Refused {
    /// By number of an `ErrorReason`.
    by_reason: BTreeMap<i32, u64>,
    /// By index.
    by_partition: BTreeMap<usize, u64>,
    by_stream: HashMap<StreamId, u64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Counters {
    pub(crate) fn new(partitions: Partitions) -> Self {
        Self {
            partitions,
            start: Instant::now(),
            delivered_frames: AtomicU64::new(0),
            delivered_bytes: AtomicU64::new(0),
            refused: Mutex::default(),
            omitted: Mutex::default(),
        }
    }

    /// Counts the frames of a submit call that were refused; `streams` has the stream of each.
    pub(crate) fn answered(&self, streams: &[String], results: &[pb::FrameResult]) {
        for (stream, result) in streams.iter().zip(results) {
            if let Some(Outcome::Rejected(error)) = &result.outcome {
                self.refused(stream, error.reason(), 1);
            }
        }
    }

    /// Counts frames that were refused.
    pub(crate) fn refused(&self, stream: &str, reason: pb::ErrorReason, frames: u64) {
        let mut refused = lock(&self.refused);
        *refused.by_reason.entry(reason.into()).or_default() += frames;
        // Streams that do not exist belong to nobody's account.
        if reason == pb::ErrorReason::StreamNotFound {
            return;
        }
        let Ok(id) = stream.parse::<StreamId>() else { return };
        *refused.by_partition.entry(self.partitions.of(&id).index()).or_default() += frames;
        if refused.by_stream.len() < MAX_STREAMS || refused.by_stream.contains_key(&id) {
            *refused.by_stream.entry(id).or_default() += frames;
        }
    }

    /// Counts what a subscriber is sent.
    pub(crate) fn sent(&self, message: &pb::SubscribeFramesResponse) {
        use crate::pb::v1::subscribe_frames_response::Event;
        match &message.event {
            Some(Event::Frame(sent)) => self.sent_frame(sent.frame.as_ref()),
            Some(Event::Gap(sent)) => self.sent_gap(sent.gap.as_ref()),
            Some(Event::Heartbeat(_) | Event::Checkpoint(_) | Event::Draining(_)) | None => {}
        }
    }

    /// Counts what a member of a group is sent.
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
        self.delivered_frames.fetch_add(1, Ordering::Relaxed);
        self.delivered_bytes.fetch_add(bytes.sum(), Ordering::Relaxed);
    }

    fn sent_gap(&self, gap: Option<&pb::Gap>) {
        let mut omitted = lock(&self.omitted);
        for cause in gap.into_iter().flat_map(|gap| &gap.causes) {
            *omitted.entry(cause.reason).or_default() += frames_of(cause);
        }
    }

    pub(crate) fn refused_of_stream(&self, id: &StreamId) -> u64 {
        lock(&self.refused).by_stream.get(id).copied().unwrap_or_default()
    }

    pub(crate) fn refused_of_partition(&self, id: PartitionId) -> u64 {
        lock(&self.refused).by_partition.get(&id.index()).copied().unwrap_or_default()
    }

    /// All refusals, those of unknown streams included.
    pub(crate) fn refused_in_all(&self) -> u64 {
        lock(&self.refused).by_reason.values().sum()
    }

    /// The counters as callers see them; `subscriptions` are those open now.
    pub(crate) fn to_pb(&self, subscriptions: usize) -> admin::ServerMetrics {
        let causes = |(&reason, &count): (&i32, &u64)| pb::GapCause { reason, count, frames: Some(count) };
        let reasons = |(&reason, &count): (&i32, &u64)| admin::ReasonCount { reason, count };
        admin::ServerMetrics {
            uptime: Some(super::convert::time::duration_to_pb(self.start.elapsed())),
            resident_bytes: resident_bytes(),
            subscriptions: subscriptions as u64,
            delivered_frames: self.delivered_frames.load(Ordering::Relaxed),
            delivered_bytes: self.delivered_bytes.load(Ordering::Relaxed),
            omitted_frames: lock(&self.omitted).iter().map(causes).collect(),
            rejected_frames: lock(&self.refused).by_reason.iter().map(reasons).collect(),
        }
    }
}

/// How many frames a cause stands for, as far as that is known: a failover passes numbers over that were never frames.
fn frames_of(cause: &pb::GapCause) -> u64 {
    let unnumbered = [pb::GapReason::BackendFailover, pb::GapReason::StoreReplaced].contains(&cause.reason());
    cause.frames.unwrap_or(if unnumbered { 0 } else { cause.count })
}

/// What Linux says of this process; `None` elsewhere.
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
        let counters = Counters::new(Partitions::default());
        let id: StreamId = "cam".parse().unwrap();
        counters.refused("cam", pb::ErrorReason::StreamQueueFull, 2);
        counters.refused("cam", pb::ErrorReason::OutOfOrder, 1);
        counters.refused("nobody", pb::ErrorReason::StreamNotFound, 4);
        counters.refused("bad id", pb::ErrorReason::InvalidStreamId, 1);
        assert_eq!(counters.refused_of_stream(&id), 3);
        assert_eq!(counters.refused_of_partition(Partitions::default().of(&id)), 3);
        assert_eq!(counters.refused_in_all(), 8);
        assert_eq!(counters.refused_of_stream(&"nobody".parse().unwrap()), 0);
        let told = counters.to_pb(3);
        assert_eq!((told.subscriptions, told.rejected_frames.len()), (3, 4));
    }

    #[test]
    fn gaps_are_counted_by_cause() {
        let counters = Counters::new(Partitions::default());
        let cause =
            |reason: pb::GapReason, count| pb::GapCause { reason: reason.into(), count, frames: Some(count) };
        let causes = vec![cause(pb::GapReason::Purged, 3), cause(pb::GapReason::Overflow, 2)];
        let gap = pb::Gap { causes, ..Default::default() };
        let event = crate::pb::v1::consume_frames_response::Event::Gap(gap.clone());
        counters.sent_to_member(&pb::ConsumeFramesResponse { event: Some(event) });
        let gap = pb::DeliveredGap { gap: Some(gap), ..Default::default() };
        let event = crate::pb::v1::subscribe_frames_response::Event::Gap(gap);
        counters.sent(&pb::SubscribeFramesResponse { event: Some(event) });
        let told = counters.to_pb(0).omitted_frames;
        let count =
            |reason: pb::GapReason| told.iter().find(|one| one.reason() == reason).map(|one| one.count);
        assert_eq!((count(pb::GapReason::Purged), count(pb::GapReason::Overflow)), (Some(6), Some(4)));
    }
}
