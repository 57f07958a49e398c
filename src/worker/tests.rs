//! A whole worker on the embedded queue: pictures that hang, and frames that are tried again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::pool::MOST_REPLACED;
use super::{CRASH_ATTRIBUTE, CRASH_BY_HANGING, Worker, WorkerConfig};
use crate::analysis::MEASURES_VERSION;
use crate::domain::{
    Digest, FailureReason, FrameHeader, OutputBody, OutputEntry, Partitions, PictureFormat, ReencodeMode,
    Sequence, SourceInfo, StreamId, StreamPolicies, StreamSettings, TombstoneKind,
};
use crate::picture::{Codec, Limits};
use crate::queue::memory::{MemoryConfig, MemoryQueue};
use crate::queue::{
    AcceptResult, Budget, DeadLetters as _, NewFrame, Offer, Queue, Strikes as _, WorkPosition,
};
use crate::scene::Scene;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(300);

fn stream() -> StreamId {
    "cam".parse().unwrap()
}

/// A store of one partition, with a stream.
async fn store() -> Arc<MemoryQueue> {
    let partitions = Partitions::new(1).unwrap();
    let budget = Budget::share(1 << 30, partitions);
    let queue = MemoryQueue::new(MemoryConfig {
        partitions,
        budget,
        max_streams: 10,
        defaults: StreamPolicies::default(),
    });
    queue.register_stream(&stream(), &StreamSettings::default()).await.unwrap();
    Arc::new(queue)
}

/// Accepts good frames, and such that hang for ever.
async fn accept(queue: &MemoryQueue, hang: &[bool]) {
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
        NewFrame { stream_id: stream(), header, offer: Offer::new(Bytes::clone(&picture)) }
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

/// Runs a worker until so many entries are published, or it leaves by itself; answers whether it did.
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

/// What became of each frame: the attempts of a picture, or why there is none.
async fn fates(queue: &MemoryQueue) -> Vec<Result<u32, FailureReason>> {
    let fate = |entry: &Arc<OutputEntry>| match &entry.body {
        OutputBody::Frame(frame) => Ok(frame.attempt),
        OutputBody::Tombstone(tombstone) => match &tombstone.kind {
            TombstoneKind::Failed(failure) => Err(failure.reason),
            TombstoneKind::Dropped | TombstoneKind::Purged(_) => panic!("{tombstone:?}"),
        },
    };
    outputs(queue).await.iter().map(fate).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_somebody_restarts_leaves_when_too_many_pictures_hang() {
    let queue = store().await;
    // Between hanging ones, and behind all of them.
    let mut hang = vec![false; 40];
    (0..MOST_REPLACED + 1).for_each(|n| hang[3 * n] = true);
    accept(&queue, &hang).await;
    let worn = WorkerConfig { restarted: true, ..config("first") };
    assert!(work(&queue, worn, hang.len()).await, "it leaves by itself");
    let left = outputs(&queue).await.len();
    assert!((1..hang.len()).contains(&left), "{left}");
    // It gave its partition back.
    let next = WorkerConfig { restarted: true, ..config("second") };
    assert!(!work(&queue, next, hang.len()).await);
    let expected: Vec<_> =
        hang.iter().map(|&hangs| if hangs { Err(FailureReason::TimedOut) } else { Ok(1) }).collect();
    assert_eq!(fates(&queue).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_nobody_restarts_fails_what_it_has_no_thread_for() {
    let queue = store().await;
    let hang = [vec![true; MOST_REPLACED + 1], vec![false; 3]].concat();
    accept(&queue, &hang).await;
    let one_by_one = WorkerConfig { frames_in_flight: 1, ..config("only") };
    assert!(!work(&queue, one_by_one, hang.len()).await, "it stays");
    let fates = fates(&queue).await;
    assert_eq!(fates[..=MOST_REPLACED], [Err(FailureReason::TimedOut); MOST_REPLACED + 1]);
    assert_eq!(fates[MOST_REPLACED + 1..], [Err(FailureReason::WorkerExhausted); 3]);
    let letters = queue.dead_letter_totals().await.unwrap().letters;
    assert_eq!(letters, hang.len() as u64, "all can be replayed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_tells_which_attempt_it_was() {
    let queue = store().await;
    accept(&queue, &[false; 3]).await;
    // Two workers die: the first with all frames in work, the second over the second frame alone.
    let partition = queue.partitions().of(&stream());
    for (name, life) in [("first", 1), ("second", 2)] {
        let lease = queue.acquire_lease(partition, name, LONG).await.unwrap().unwrap();
        let until = queue.inherit(&lease, life, 16).await.unwrap();
        let items = queue.take(&lease, WorkPosition::default(), 16).await.unwrap();
        if let Some(until) = until {
            assert_eq!(until, items[2].position);
            assert_eq!(queue.begin_alone(&lease, items[1].position, life).await.unwrap(), 0);
        }
        queue.forget_worker(name).await.unwrap();
    }
    assert!(!work(&queue, config("third"), 3).await);
    assert_eq!(fates(&queue).await, [Ok(1), Ok(2), Ok(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_names_the_version_of_its_measures_where_it_was_measured() {
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
