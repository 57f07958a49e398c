//! Tests of a whole worker on the embedded queue: pictures that hang, and frames that are tried
//! again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::frame::relay;
use super::pool::MAX_REPLACED;
use super::retention::Retention;
use super::{CRASH_ATTRIBUTE, CRASH_BY_HANGING, Worker, WorkerConfig};
use crate::analysis::MEASURES_VERSION;
use crate::domain::{
    Digest, FailureReason, FrameHeader, HuffmanTables, OutputBody, OutputEntry, Partitions, PictureFormat,
    PictureRole, ReencodeMode, Sequence, SourceInfo, StreamId, StreamPolicies, StreamSettings, TombstoneKind,
};
use crate::picture::{Codec, Limits};
use crate::queue::memory::{MemoryConfig, MemoryQueue};
use crate::queue::{
    AcceptResult, Budget, Control as _, CrashIsolation as _, DeadLetters as _, FeedEvent, FeedPosition,
    FinishResult, Finished, NewFrame, Purge, Queue, QueueState, Split, Upload, WorkPosition,
};
use crate::scene::Scene;

/// A time longer than any test.
const LONG: Duration = Duration::from_secs(300);

fn stream() -> StreamId {
    "cam".parse().unwrap()
}

/// Creates a store of one partition, with a stream.
async fn store() -> Arc<MemoryQueue> {
    let partitions = Partitions::new(1).unwrap();
    let budget = Budget::share(1 << 30, Split::default(), partitions);
    let queue = MemoryQueue::new(MemoryConfig {
        partitions,
        budget,
        max_streams: 10,
        defaults: StreamPolicies::default(),
    });
    queue.register_stream(&stream(), &StreamSettings::default()).await.unwrap();
    Arc::new(queue)
}

/// Accepts frames, some of which hang for ever.
async fn accept(queue: &MemoryQueue, hang: &[bool]) {
    accept_for(queue, &stream(), hang).await;
}

async fn accept_for(queue: &MemoryQueue, stream: &StreamId, hang: &[bool]) {
    let picture = Scene::new(5, 64, 48).jpeg(&mut Codec::new(Limits::default()), 1, 80).unwrap().0;
    let frame = |&hangs: &bool| {
        let hanging = hangs.then(|| (CRASH_ATTRIBUTE.to_owned(), CRASH_BY_HANGING.to_owned()));
        let source = SourceInfo {
            format: PictureFormat::Jpeg,
            width: 0,
            height: 0,
            row_stride_bytes: 0,
            colors: Default::default(),
            size_bytes: picture.len() as u64,
            digest: Digest::of(&picture),
        };
        let header = FrameHeader {
            publisher: None,
            capture_time: None,
            clock_skewed: false,
            source,
            attributes: BTreeMap::from_iter(hanging),
            traceparent: String::new(),
            tracestate: String::new(),
            replayed_from: None,
        };
        NewFrame { stream_id: stream.clone(), header, upload: Upload::new(Bytes::clone(&picture)) }
    };
    let results = queue.accept(hang.iter().map(frame).collect()).await;
    assert!(results.iter().all(|result| matches!(result, AcceptResult::Accepted(..))), "{results:?}");
}

fn config(name: &str) -> WorkerConfig {
    WorkerConfig {
        worker_id: name.to_owned(),
        threads: 1,
        frame_timeout: Duration::from_millis(100),
        frames_in_flight: 4,
        crash_on_request: true,
        ..WorkerConfig::default()
    }
}

/// Runs a worker until so many entries are published or it exits; returns whether it exited.
async fn work(queue: &Arc<MemoryQueue>, config: WorkerConfig, until: usize) -> bool {
    let worker = Worker::new(Arc::clone(queue) as Arc<dyn Queue>, config).unwrap();
    let stop = CancellationToken::new();
    let published = async {
        while outputs(queue).await.len() < until {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stop.cancel();
    };
    let both = async {
        let worker = worker.run(stop.clone());
        tokio::pin!(worker);
        tokio::select! {
            () = &mut worker => true,
            () = published => {
                worker.await;
                false
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), both).await.expect("in time")
}

async fn outputs(queue: &MemoryQueue) -> Vec<Arc<OutputEntry>> {
    queue.read_outputs(&stream(), Sequence::FIRST, usize::MAX).await.unwrap().entries
}

/// Returns the result of each frame: the attempts of a picture, or the reason for none.
async fn fates(queue: &MemoryQueue) -> Vec<Result<u32, FailureReason>> {
    let fate = |entry: &Arc<OutputEntry>| match &entry.body {
        OutputBody::Frame(frame) => Ok(frame.attempt),
        OutputBody::Tombstone(tombstone) => match &tombstone.kind {
            TombstoneKind::Failed(failure) => Err(failure.reason),
            TombstoneKind::Dropped | TombstoneKind::Purged(_) | TombstoneKind::Erased => {
                panic!("{tombstone:?}")
            }
        },
    };
    outputs(queue).await.iter().map(fate).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervised_worker_exits_when_too_many_pictures_hang() {
    let queue = store().await;
    // Good frames between the hanging ones, and after all of them.
    let mut hang = vec![false; 40];
    (0..MAX_REPLACED + 1).for_each(|n| hang[3 * n] = true);
    accept(&queue, &hang).await;
    let supervised = WorkerConfig { supervised: true, ..config("first") };
    assert!(work(&queue, supervised, hang.len()).await, "the worker exits");
    let left = outputs(&queue).await.len();
    assert!((1..hang.len()).contains(&left), "{left}");
    // It gave its partition back.
    let next = WorkerConfig { supervised: true, ..config("second") };
    assert!(!work(&queue, next, hang.len()).await);
    let expected: Vec<_> =
        hang.iter().map(|&hangs| if hangs { Err(FailureReason::TimedOut) } else { Ok(1) }).collect();
    assert_eq!(fates(&queue).await, expected);
}

/// Otherwise the next worker would let the same picture hang again.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_exits_publishes_the_picture_that_hangs_last() {
    let queue = store().await;
    // Mostly, the last one begins to hang when the worker exits already, because of the frames before it.
    // A thread remains for these.
    let hang = [vec![true; MAX_REPLACED], vec![false; 40], vec![true]].concat();
    accept(&queue, &hang).await;
    let first = WorkerConfig { threads: 2, frames_in_flight: hang.len(), ..config("first") };
    let supervised = WorkerConfig { supervised: true, ..first };
    assert!(work(&queue, supervised, hang.len() + 1).await, "the worker exits");
    let expected: Vec<_> =
        hang.iter().map(|&hangs| if hangs { Err(FailureReason::TimedOut) } else { Ok(1) }).collect();
    assert_eq!(fates(&queue).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsupervised_worker_fails_frames_when_no_thread_is_left() {
    let queue = store().await;
    let hang = [vec![true; MAX_REPLACED + 1], vec![false; 3]].concat();
    accept(&queue, &hang).await;
    let one_by_one = WorkerConfig { frames_in_flight: 1, ..config("only") };
    assert!(!work(&queue, one_by_one, hang.len()).await, "the worker continues");
    let fates = fates(&queue).await;
    assert_eq!(fates[..=MAX_REPLACED], [Err(FailureReason::TimedOut); MAX_REPLACED + 1]);
    assert_eq!(fates[MAX_REPLACED + 1..], [Err(FailureReason::WorkerExhausted); 3]);
    let letters = queue.dead_letter_totals().await.unwrap().letters;
    assert_eq!(letters, hang.len() as u64, "all can be replayed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_reports_its_attempt() {
    let queue = store().await;
    accept(&queue, &[false; 3]).await;
    // Two workers crash: one with all frames in work, one with the second frame isolated.
    let partition = queue.partitions().of(&stream());
    for (name, process_id) in [("first", 1), ("second", 2)] {
        let lease = queue.acquire_lease(partition, name, LONG).await.unwrap().unwrap();
        let suspects = queue.take_over(&lease, process_id, 16).await.unwrap();
        let items = queue.take(&lease, WorkPosition::default(), 16).await.unwrap();
        if !suspects.is_empty() {
            assert_eq!(suspects, [0, 1, 2].map(|index: usize| items[index].position));
            assert_eq!(queue.begin_isolated(&lease, items[1].position, process_id).await.unwrap(), 0);
        }
        queue.forget_worker(name).await.unwrap();
    }
    assert!(!work(&queue, config("third"), 3).await);
    assert_eq!(fates(&queue).await, [Ok(1), Ok(2), Ok(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_measured_frame_has_a_version_of_its_measures() {
    let queue = store().await;
    accept(&queue, &[false]).await;
    assert!(!work(&queue, config("measures"), 1).await);
    let record = queue.get_streams(&[stream()]).await.unwrap().remove(0).unwrap();
    let etag = record.etag();
    let mut settings = record.settings;
    settings.output.reencode = Some(ReencodeMode::Relay);
    queue.update_stream(&stream(), &settings, etag).await.unwrap();
    accept(&queue, &[false]).await;
    assert!(!work(&queue, config("relays"), 2).await);
    let measures = |entry: &Arc<OutputEntry>| match &entry.body {
        OutputBody::Frame(frame) => (frame.quality.is_some(), frame.measures_version),
        OutputBody::Tombstone(tombstone) => panic!("{tombstone:?}"),
    };
    let published: Vec<_> = outputs(&queue).await.iter().map(measures).collect();
    assert_eq!(published, [(true, MEASURES_VERSION), (false, 0)]);
}

#[tokio::test]
async fn retention_trims_an_output_to_its_policy_however_far_it_exceeds_it() {
    let queue = store().await;
    let partition = queue.partitions().of(&stream());
    let lease = queue.acquire_lease(partition, "w", LONG).await.unwrap().unwrap();
    let record = async || queue.get_streams(&[stream()]).await.unwrap().remove(0).unwrap();
    let relayed = Arc::new(record().await);
    let mut picture_bytes = 0;
    // More than two pages.
    for _ in 0..3 {
        accept(&queue, &[false; 400]).await;
        let items = queue.take(&lease, WorkPosition::default(), 400).await.unwrap();
        picture_bytes = items[0].payload.size_bytes;
        let done: Vec<Finished> =
            items.into_iter().map(|item| relay(item, Arc::clone(&relayed)).finished).collect();
        assert_eq!(queue.finish(&lease, &done).await.unwrap(), [FinishResult::Published; 400]);
    }
    let shared = Worker::new(Arc::clone(&queue) as Arc<dyn Queue>, config("w")).unwrap().shared;
    for (max_frames, max_pictures, kept) in
        [(1_200, 1_200, 1_200), (1_199, 1_200, 1_199), (50, 1_200, 50), (50, 9, 9), (0, 9, 0)]
    {
        let before = record().await;
        let mut settings = StreamSettings::default();
        settings.retention.max_frames = Some(max_frames);
        settings.retention.max_bytes = Some(max_pictures * picture_bytes);
        queue.update_stream(&stream(), &settings, before.etag()).await.unwrap();
        Retention::new(Arc::clone(&shared), lease.clone()).pass().await.unwrap();
        let entries = outputs(&queue).await;
        assert_eq!(entries.len(), kept, "{max_frames} frames, {max_pictures} pictures");
        assert!(entries.last().is_none_or(|newest| newest.sequence.get() == 1_200), "the oldest are removed");
    }
}

/// The number of waiting frames of a busy stream.
const FLOOD: usize = 60;

/// Creates a store in which frames of `flood` wait, and after them three of `quiet`.
async fn flooded_store() -> (Arc<MemoryQueue>, StreamId) {
    let (queue, quiet) = (store().await, "quiet".parse().unwrap());
    queue.register_stream(&quiet, &StreamSettings::default()).await.unwrap();
    accept(&queue, &[false; FLOOD]).await;
    accept_for(&queue, &quiet, &[false; 3]).await;
    (queue, quiet)
}

/// Returns the streams of all published frames, in the order of publishing.
async fn published(queue: &MemoryQueue) -> Vec<StreamId> {
    let partition = queue.partitions().of(&stream());
    let page =
        queue.read_feed(&[(partition, FeedPosition::default())], Duration::ZERO).await.unwrap().remove(0);
    let entry = |event: FeedEvent| match event {
        FeedEvent::Output(entry) => Some(entry.stream_id.clone()),
        FeedEvent::StreamChanged(_) | FeedEvent::StreamRemoved(..) => None,
    };
    page.events.into_iter().filter_map(entry).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_does_not_delay_the_other_streams_of_its_partition() {
    let (queue, quiet) = flooded_store().await;
    let slow = Duration::from_secs(60);
    assert!(!work(&queue, WorkerConfig { frame_timeout: slow, ..config("fair") }, FLOOD).await);
    let published = published(&queue).await;
    let last = published.iter().rposition(|stream| *stream == quiet).unwrap();
    assert_eq!(published.len(), FLOOD + 3);
    assert!(last < FLOOD / 2, "the third quiet frame came after {} of the flood", last - 2);
    let sequences: Vec<_> = outputs(&queue).await.iter().map(|entry| entry.sequence.get()).collect();
    assert!(sequences.into_iter().eq(1..=FLOOD as u64));
}

#[tokio::test(flavor = "multi_thread")]
async fn listed_frames_can_be_paused_and_purged() {
    let (queue, quiet) = flooded_store().await;
    let partition = queue.partitions().of(&stream());
    let operate = async {
        while outputs(&queue).await.is_empty() {
            tokio::task::yield_now().await;
        }
        queue.set_queue_state(partition, QueueState::Paused, "").await.unwrap();
        let marks = queue.purge(partition, &Purge::default()).await.unwrap();
        while outputs(&queue).await.len() < FLOOD {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        queue.set_queue_state(partition, QueueState::Running, "").await.unwrap();
        accept_for(&queue, &quiet, &[false]).await;
        marks
    };
    let slow = Duration::from_secs(60);
    let config = WorkerConfig { frame_timeout: slow, ..config("paused") };
    let worker = Worker::new(Arc::clone(&queue) as Arc<dyn Queue>, config).unwrap();
    let stop = CancellationToken::new();
    let all = async {
        let marks = operate.await;
        while published(&queue).await.len() < FLOOD + 4 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stop.cancel();
        marks
    };
    let both = async { tokio::join!(worker.run(stop.clone()), all) };
    let ((), marks) = tokio::time::timeout(Duration::from_secs(60), both).await.expect("in time");
    let marked = marks.iter().find(|mark| mark.stream_id == stream()).map_or(0, |mark| mark.frames);
    let is_purged = |entry: &Arc<OutputEntry>| matches!(entry.body, OutputBody::Tombstone(_));
    let outputs = outputs(&queue).await;
    assert_eq!(outputs.iter().filter(|entry| is_purged(entry)).count() as u64, marked);
    assert!(marked > 0 && outputs.is_sorted_by_key(|entry| (is_purged(entry), entry.sequence)), "{marks:?}");
}

/// Whoever takes a lease begins with the standard Huffman tables.
#[tokio::test(flavor = "multi_thread")]
async fn huffman_tables_of_a_stream_belong_to_the_holder_of_the_lease() {
    let queue = store().await;
    let record = queue.get_streams(&[stream()]).await.unwrap().remove(0).unwrap();
    let mut settings = record.settings.clone();
    settings.output.reencode = Some(ReencodeMode::Always);
    settings.output.huffman = Some(HuffmanTables::Stream);
    queue.update_stream(&stream(), &settings, record.etag()).await.unwrap();
    let slow = Duration::from_secs(60);
    for (worker, frames) in [("first", 3), ("second", 5)] {
        accept(&queue, &[false; 5][..frames - outputs(&queue).await.len()]).await;
        // One frame after the other, so that each finds what fits the one before.
        let config = WorkerConfig { frames_in_flight: 1, frame_timeout: slow, ..config(worker) };
        assert!(!work(&queue, config, frames).await);
    }
    let partition = queue.partitions().of(&stream());
    let mut made = Vec::new();
    for entry in outputs(&queue).await {
        let OutputBody::Frame(frame) = &entry.body else { panic!("{entry:?}") };
        let picture = frame.pictures.iter().find(|picture| picture.role == PictureRole::Processed).unwrap();
        made.push(queue.fetch(partition, &[picture.payload]).await.unwrap().remove(0).unwrap());
    }
    // All were submitted as the same picture.
    let [standard, own, ..] = &made[..] else { panic!("{made:?}") };
    assert!(own.len() < standard.len(), "{} and {} bytes", own.len(), standard.len());
    assert!(made == [standard, own, own, standard, own].map(Bytes::clone));
}
