use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::faulty::Faulty;
use crate::domain::{
    Digest, Failure, FailureReason, FrameHeader, OutputBody, OutputEntry, PartitionId, Partitions,
    PictureFormat, PictureRole, ProcessedFrame, QualityMeasures, Reencode, Sequence, SourceInfo,
    StoredPicture, StreamId, StreamPolicies, StreamSettings, Timestamp, Tombstone, TombstoneKind,
};
use crate::hub::{Hub, HubConfig, SubscribeError, Subscription, SubscriptionRequest};
use crate::queue::memory::{MemoryConfig, MemoryQueue};
use crate::queue::{
    AcceptResult, Budget, FinishResult, Finished, Lease, NewFrame, Queue, Split, Upload, WorkPosition,
};

/// A store, a hub on it whose tail runs, and a worker that publishes on demand.
pub(super) struct World {
    pub(super) memory: Arc<MemoryQueue>,
    pub(super) queue: Arc<Faulty>,
    pub(super) hub: Arc<Hub>,
    stop: CancellationToken,
    leases: Mutex<HashMap<PartitionId, Lease>>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The kind of frame to publish.
#[derive(Clone)]
pub(super) enum Publish {
    /// A frame with a processed picture and a thumbnail.
    Frame,
    /// The same; the processed picture has this many bytes.
    Sized(usize),
    /// A frame of this quality.
    Quality(f64),
    /// A frame with the attribute `lane`.
    Lane(&'static str),
    /// A frame of a camera whose clock is wrong.
    Skewed,
    Failed,
    Dropped,
    Purged,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(HubConfig::default())
    }

    pub(super) fn with(config: HubConfig) -> Self {
        let memory = Arc::new(MemoryQueue::new(MemoryConfig {
            partitions: Partitions::new(4).unwrap(),
            budget: Budget::share(1 << 30, Split::default(), Partitions::new(4).unwrap()),
            max_streams: 5000,
            defaults: StreamPolicies::default(),
        }));
        let queue = Arc::new(Faulty::new(Arc::clone(&memory)));
        let hub = Hub::new(Arc::clone(&queue) as Arc<dyn Queue>, config);
        let stop = CancellationToken::new();
        spawn(Arc::clone(&hub).run(stop.clone()));
        Self { memory, queue, hub, stop, leases: Mutex::default() }
    }

    /// Waits until the tail has read everything that has happened: paused time advances only when
    /// nothing else can run.
    pub(super) async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    pub(super) async fn register(&self, ids: &[&str]) {
        for id in ids {
            self.register_labelled(id, &[]).await;
        }
    }

    pub(super) async fn register_labelled(&self, id: &str, labels: &[(&str, &str)]) {
        self.memory.register_stream(&stream(id), &labelled(labels)).await.unwrap();
    }

    pub(super) async fn relabel(&self, id: &str, labels: &[(&str, &str)]) {
        let record = self.memory.get_streams(&[stream(id)]).await.unwrap().remove(0).unwrap();
        self.memory.update_stream(&stream(id), &labelled(labels), record.etag()).await.unwrap();
    }

    pub(super) async fn unregister(&self, id: &str) {
        self.memory.unregister_stream(&stream(id), None).await.unwrap();
    }

    /// Waits for a second of paused time, so that tasks that look for changes at intervals have seen
    /// everything that has happened.
    pub(super) async fn settle_polls(&self) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    pub(super) async fn lease(&self, partition: PartitionId) -> Lease {
        if let Some(lease) = self.leases.lock().unwrap().get(&partition) {
            return lease.clone();
        }
        let term = Duration::from_secs(86_400);
        let lease = self.memory.acquire_lease(partition, "worker", term).await.unwrap().unwrap();
        self.leases.lock().unwrap().insert(partition, lease.clone());
        lease
    }

    pub(super) async fn lease_of(&self, id: &str) -> Lease {
        self.lease(self.memory.partitions().of(&stream(id))).await
    }

    pub(super) async fn publish(&self, id: &str, count: usize) {
        self.publish_as(id, &vec![Publish::Frame; count]).await;
    }

    pub(super) async fn accept(&self, id: &str, count: usize) {
        let frame = |_| {
            let bytes = Bytes::from_static(b"from the camera");
            NewFrame { stream_id: stream(id), header: header(&bytes), upload: Upload::new(bytes) }
        };
        let results = self.memory.accept((0..count).map(frame).collect()).await;
        assert!(results.iter().all(|result| matches!(result, AcceptResult::Accepted(..))), "{results:?}");
    }

    /// Accepts frames of a stream and publishes them, and everything else that waits in its
    /// partition.
    pub(super) async fn publish_as(&self, id: &str, kinds: &[Publish]) {
        for kinds in kinds.chunks(100) {
            self.accept(id, kinds.len()).await;
            self.finish(id, kinds).await;
        }
    }

    pub(super) async fn finish(&self, id: &str, kinds: &[Publish]) {
        let lease = self.lease_of(id).await;
        let work = self.memory.take(&lease, WorkPosition::default(), 1000).await.unwrap();
        let finished: Vec<Finished> = work
            .into_iter()
            .enumerate()
            .map(|(place, item)| {
                let kind = kinds.get(place).unwrap_or(&Publish::Frame);
                let (body, uploads) = body(&item.header, item.sequence, kind);
                Finished {
                    position: item.position,
                    stream_id: item.stream_id,
                    sequence: item.sequence,
                    receive_time: item.receive_time,
                    source: item.payload,
                    source_withheld: false,
                    body,
                    uploads,
                }
            })
            .collect();
        let results = self.memory.finish(&lease, &finished).await.unwrap();
        let done = |one: &FinishResult| matches!(one, FinishResult::Published | FinishResult::Removed);
        assert!(results.iter().all(done), "{results:?}");
    }

    /// Returns all kept entries of a stream's output.
    pub(super) async fn kept_entries(&self, id: &str) -> Vec<Arc<OutputEntry>> {
        self.memory.read_outputs(&stream(id), Sequence::FIRST, usize::MAX).await.unwrap().entries
    }

    /// Trims the output of a stream to this many entries, as retention does.
    pub(super) async fn trim_to(&self, id: &str, max_frames: u64) {
        let lease = self.lease_of(id).await;
        let kept = self.kept_entries(id).await;
        let left = usize::try_from(max_frames).unwrap().min(kept.len());
        let keep_from = match (kept.get(kept.len() - left), kept.last()) {
            (Some(first), _) => first.sequence,
            (None, Some(last)) => last.sequence.next(),
            (None, None) => return,
        };
        while self.memory.trim_output(&lease, &stream(id), None, keep_from).await.unwrap().more {}
    }

    pub(super) async fn subscribe(&self, request: SubscriptionRequest) -> Subscription {
        self.hub.subscribe(request).await.unwrap()
    }

    pub(super) async fn refusal(&self, request: SubscriptionRequest) -> SubscribeError {
        self.hub.subscribe(request).await.unwrap_err()
    }
}

#[expect(clippy::disallowed_methods, reason = "the test's runtime is the tracker")]
pub(super) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

pub(super) fn stream(id: &str) -> StreamId {
    id.parse().unwrap()
}

pub(super) fn sequence(number: u64) -> Sequence {
    Sequence::new(number).unwrap()
}

fn labelled(labels: &[(&str, &str)]) -> StreamSettings {
    StreamSettings { labels: labels_of(labels), ..StreamSettings::default() }
}

pub(super) fn labels_of(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub(super) fn header(bytes: &Bytes) -> FrameHeader {
    FrameHeader {
        publisher: None,
        capture_time: None,
        clock_skewed: false,
        source: SourceInfo {
            format: PictureFormat::Jpeg,
            width: 64,
            height: 48,
            row_stride_bytes: 0,
            colors: Default::default(),
            size_bytes: bytes.len() as u64,
            digest: Digest::of(bytes),
        },
        attributes: BTreeMap::new(),
        traceparent: String::new(),
        tracestate: String::new(),
        replayed_from: None,
    }
}

fn body(header: &FrameHeader, sequence: Sequence, kind: &Publish) -> (OutputBody, Vec<Upload>) {
    let tombstone = |kind| {
        (OutputBody::Tombstone(Box::new(Tombstone { header: header.clone(), kind, attempts: 1 })), vec![])
    };
    let (mut header, mut quality) = (header.clone(), QualityMeasures::default());
    let size = match kind {
        Publish::Frame => None,
        Publish::Quality(score) => {
            quality.quality_score = *score;
            None
        }
        Publish::Lane(lane) => {
            header.attributes.insert("lane".to_owned(), (*lane).to_owned());
            None
        }
        Publish::Skewed => {
            header.clock_skewed = true;
            None
        }
        Publish::Sized(size) => Some(*size),
        Publish::Failed => {
            let failure = Failure { reason: FailureReason::Corrupt, message: "as ordered".into() };
            return tombstone(TombstoneKind::Failed(failure));
        }
        Publish::Dropped => return tombstone(TombstoneKind::Dropped),
        Publish::Purged => return tombstone(TombstoneKind::Purged(String::new())),
    };
    let processed =
        size.map_or_else(|| Bytes::from(format!("picture {sequence}")), |size| vec![7; size].into());
    let uploads = vec![Upload::new(processed), Upload::new(Bytes::from_static(b"thumbnail"))];
    let picture = |role, upload: &Upload| StoredPicture {
        role,
        format: PictureFormat::Jpeg,
        width: 64,
        height: 48,
        payload: upload.payload,
    };
    let frame = ProcessedFrame {
        header,
        width: 64,
        height: 48,
        lease_time: Timestamp::now(),
        process_time: Timestamp::now(),
        pictures: vec![
            picture(PictureRole::Processed, &uploads[0]),
            picture(PictureRole::Thumbnail, &uploads[1]),
        ],
        quality: Some(quality),
        scene: None,
        rois: Vec::new(),
        measures_version: 1,
        validation_failures: Vec::new(),
        stages: Vec::new(),
        reencode: Reencode::Encoded,
        encoded_quality: Some(85),
        over_budget: false,
        mask_version: 0,
        worker_version: "test".into(),
        attempt: 1,
    };
    (OutputBody::Frame(Box::new(frame)), uploads)
}
