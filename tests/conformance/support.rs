//! Helpers of the behaviours, and the audit that most of them end with.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use frameway::domain::{
    Digest, Failure, FailureReason, FrameHeader, OutputBody, OutputEntry, PayloadRef, PictureFormat,
    PictureRole, ProcessedFrame, PublisherSequence, QualityMeasures, Reencode, Sequence, SourceInfo,
    StoredPicture, StreamId, StreamRecord, StreamSettings, Timestamp, Tombstone, TombstoneKind,
};
use frameway::queue::{
    AcceptResult, FinishResult, Finished, Lease, NewFrame, Queue, Refusal, RemovedStream, Trimmed, Upload,
    WorkItem, WorkPosition,
};

/// A time longer than any test.
pub(crate) const LONG: Duration = Duration::from_secs(300);

pub(crate) fn id(name: &str) -> StreamId {
    name.parse().unwrap()
}

pub(crate) fn number(number: u64) -> Sequence {
    Sequence::new(number).unwrap()
}

pub(crate) fn accepted(sequence: u64) -> AcceptResult {
    AcceptResult::Accepted(number(sequence), Timestamp::default())
}

pub(crate) fn duplicate(sequence: u64) -> AcceptResult {
    AcceptResult::Duplicate(number(sequence))
}

pub(crate) fn refused(why: Refusal) -> AcceptResult {
    AcceptResult::Refused(why)
}

pub(crate) async fn register(queue: &dyn Queue, name: &str) -> StreamRecord {
    queue.register_stream(&id(name), &StreamSettings::default()).await.unwrap().record
}

/// Registers a stream with these limits of waiting frames and bytes.
pub(crate) async fn register_bounded(queue: &dyn Queue, name: &str, max_frames: u64, max_bytes: u64) {
    let mut settings = StreamSettings::default();
    settings.queue.max_frames = Some(max_frames);
    settings.queue.max_bytes = Some(max_bytes);
    queue.register_stream(&id(name), &settings).await.unwrap();
}

pub(crate) fn header(bytes: &Bytes) -> FrameHeader {
    FrameHeader {
        publisher: None,
        capture_time: Some(Timestamp::from_micros(1_700_000_000_000_000)),
        clock_skewed: false,
        source: SourceInfo {
            format: PictureFormat::Jpeg,
            width: 64,
            height: 48,
            row_stride_bytes: 0,
            colors: frameway::domain::RawColors {
                range: frameway::domain::ColorRange::Limited,
                matrix: frameway::domain::ColorMatrix::Bt2020,
            },
            size_bytes: bytes.len() as u64,
            digest: Digest::of(bytes),
        },
        attributes: BTreeMap::from([("lane".to_owned(), "2".to_owned())]),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        tracestate: "congo=t61rcWkgMzE".to_owned(),
        replayed_from: None,
    }
}

/// Returns a frame without a publisher.
pub(crate) fn frame(stream: &str, bytes: impl Into<Bytes>) -> NewFrame {
    let bytes = bytes.into();
    NewFrame { stream_id: id(stream), header: header(&bytes), upload: Upload::new(bytes) }
}

/// Returns a frame of publisher `agent` with this publisher sequence, and bytes that follow from it.
pub(crate) fn numbered(stream: &str, sequence: u64) -> NewFrame {
    marked(stream, "agent", sequence, format!("{stream} {sequence}"))
}

pub(crate) fn marked(stream: &str, publisher: &str, sequence: u64, bytes: impl Into<Bytes>) -> NewFrame {
    let mut frame = frame(stream, bytes);
    frame.header.publisher = Some(PublisherSequence { id: publisher.parse().unwrap(), sequence });
    frame
}

/// Returns the frame as its publisher sends it again, with its bytes under a new key.
pub(crate) fn again(frame: &NewFrame) -> NewFrame {
    NewFrame { upload: Upload::new(frame.upload.bytes.clone().unwrap()), ..frame.clone() }
}

/// Returns the frame as the same call repeats it, without the bytes.
pub(crate) fn rerun(frame: &NewFrame) -> NewFrame {
    NewFrame { upload: frame.upload.sent(), ..frame.clone() }
}

pub(crate) async fn accept_one(queue: &dyn Queue, frame: NewFrame) -> AcceptResult {
    answers(queue, vec![frame]).await.remove(0)
}

/// Accepts frames; returns the results without the times of receipt, to be compared with [`accepted`].
pub(crate) async fn answers(queue: &dyn Queue, frames: Vec<NewFrame>) -> Vec<AcceptResult> {
    let untimed = |result| match result {
        AcceptResult::Accepted(sequence, _) => accepted(sequence.get()),
        AcceptResult::Duplicate(_)
        | AcceptResult::Refused(_)
        | AcceptResult::Unconfirmed(_)
        | AcceptResult::NotDurable(_) => result,
    };
    queue.accept(frames).await.into_iter().map(untimed).collect()
}

/// Accepts frames that must all be accepted; returns their sequences.
pub(crate) async fn accept(queue: &dyn Queue, frames: Vec<NewFrame>) -> Vec<u64> {
    let results = queue.accept(frames).await;
    let sequence = |result| match result {
        AcceptResult::Accepted(sequence, _) => sequence.get(),
        AcceptResult::Duplicate(_)
        | AcceptResult::Refused(_)
        | AcceptResult::Unconfirmed(_)
        | AcceptResult::NotDurable(_) => panic!("not accepted: {result:?}"),
    };
    results.into_iter().map(sequence).collect()
}

/// Acquires the lease of a stream's partition.
pub(crate) async fn lease_of(queue: &dyn Queue, stream: &str, worker: &str) -> Lease {
    let partition = queue.partitions().of(&id(stream));
    queue.acquire_lease(partition, worker, LONG).await.unwrap().expect("the lease is free")
}

/// Takes all unfinished frames of the lease's partition.
pub(crate) async fn take_all(queue: &dyn Queue, lease: &Lease) -> Vec<WorkItem> {
    queue.take(lease, WorkPosition::default(), 100_000).await.unwrap()
}

fn picture(role: PictureRole, payload: PayloadRef) -> StoredPicture {
    StoredPicture { role, format: PictureFormat::Jpeg, width: 64, height: 48, payload }
}

/// Returns a finished frame with these pictures; those that are not the source are uploaded.
pub(crate) fn finished_with(
    item: &WorkItem,
    pictures: &[(PictureRole, PayloadRef)],
    uploads: Vec<Upload>,
) -> Finished {
    let body = ProcessedFrame {
        header: item.header.clone(),
        width: 64,
        height: 48,
        lease_time: Timestamp::now(),
        process_time: Timestamp::now(),
        pictures: pictures.iter().map(|&(role, payload)| picture(role, payload)).collect(),
        quality: Some(QualityMeasures::default()),
        scene: None,
        rois: Vec::new(),
        measures_version: 1,
        validation_failures: Vec::new(),
        stages: Vec::new(),
        reencode: Reencode::Encoded,
        encoded_quality: Some(85),
        over_budget: false,
        mask_version: 0,
        worker_version: "test".to_owned(),
        attempt: 1,
    };
    finished(item, OutputBody::Frame(Box::new(body)), uploads)
}

fn finished(item: &WorkItem, body: OutputBody, uploads: Vec<Upload>) -> Finished {
    Finished {
        position: item.position,
        stream_id: item.stream_id.clone(),
        sequence: item.sequence,
        receive_time: item.receive_time,
        source: item.payload,
        source_withheld: false,
        body,
        uploads,
    }
}

/// Returns a frame that was processed to one new picture of 100 bytes.
pub(crate) fn processed(item: &WorkItem) -> Finished {
    let upload = Upload::new(Bytes::from(vec![7; 100]));
    finished_with(item, &[(PictureRole::Processed, upload.payload)], vec![upload])
}

/// Returns a frame that could not be decoded.
pub(crate) fn failed(item: &WorkItem) -> Finished {
    let failure = Failure { reason: FailureReason::Truncated, message: "ends early".to_owned() };
    let tombstone =
        Tombstone { header: item.header.clone(), kind: TombstoneKind::Failed(failure), attempts: 1 };
    finished(item, OutputBody::Tombstone(Box::new(tombstone)), Vec::new())
}

/// Returns the finished frame as a repeated call sends it, without the bytes.
pub(crate) fn refinish(frame: &Finished) -> Finished {
    Finished { uploads: frame.uploads.iter().map(Upload::sent).collect(), ..frame.clone() }
}

/// Returns a stream that is unregistered and was not registered again.
pub(crate) fn removed(stream: &str, last: u64) -> RemovedStream {
    RemovedStream { stream_id: id(stream), last: Some(last), continues: false }
}

/// Finishes all frames that wait in the lease's partition.
pub(crate) async fn work_off(queue: &dyn Queue, lease: &Lease) -> usize {
    let items = take_all(queue, lease).await;
    let frames: Vec<_> = items.iter().map(processed).collect();
    let results = queue.finish(lease, &frames).await.unwrap();
    assert_eq!(results, vec![FinishResult::Published; items.len()]);
    items.len()
}

/// Accepts and publishes `count` frames of a registered stream.
pub(crate) async fn publish(queue: &dyn Queue, lease: &Lease, stream: &str, count: usize) {
    accept(queue, (0..count).map(|i| frame(stream, format!("{stream} {i}"))).collect()).await;
    work_off(queue, lease).await;
}

/// Trims an output to its newest `count` entries; returns what was removed.
pub(crate) async fn keep_newest(queue: &dyn Queue, lease: &Lease, stream: &str, count: usize) -> Trimmed {
    let entries = queue.read_outputs(&id(stream), Sequence::FIRST, 100_000).await.unwrap().entries;
    let keep_from = match (entries.get(entries.len().saturating_sub(count)), entries.last()) {
        (Some(first), _) => first.sequence,
        (None, Some(last)) => last.sequence.next(),
        (None, None) => Sequence::FIRST,
    };
    let mut all = Trimmed::default();
    loop {
        let trimmed = queue.trim_output(lease, &id(stream), None, keep_from).await.unwrap();
        all.frames += trimmed.frames;
        all.bytes += trimmed.bytes;
        if !trimmed.more {
            return all;
        }
    }
}

pub(crate) fn numbers(entries: &[impl AsRef<OutputEntry>]) -> Vec<u64> {
    entries.iter().map(|entry| entry.as_ref().sequence.get()).collect()
}

/// Checks whether a payload of a stream's partition is stored.
pub(crate) async fn is_stored(queue: &dyn Queue, stream: &str, payload: PayloadRef) -> bool {
    let partition = queue.partitions().of(&id(stream));
    queue.fetch(partition, &[payload]).await.unwrap()[0].is_some()
}

pub(crate) async fn record(queue: &dyn Queue, name: &str) -> StreamRecord {
    queue.get_streams(&[id(name)]).await.unwrap().remove(0).expect("the stream is known")
}

/// Returns the payloads of an entry, each once.
fn payloads(entry: &OutputEntry) -> Vec<PayloadRef> {
    let payloads: HashMap<_, _> =
        entry.body.pictures().iter().map(|picture| (picture.payload.key, picture.payload)).collect();
    payloads.into_values().collect()
}

/// Removes everything that unregistered streams have left.
pub(crate) async fn clean_up(queue: &dyn Queue, lease: &Lease) {
    while queue.clean_up(lease).await.unwrap() {}
}

/// Checks every counter against the stored data: in each partition, the outputs have no holes, all
/// their pictures are stored, and the sums are right.
pub(crate) async fn audit(queue: &dyn Queue) {
    for partition in queue.partitions().all() {
        let streams = queue.partition_streams(partition).await.unwrap();
        let stats = queue.partition_stats(partition).await.unwrap();
        let (mut queued_frames, mut queued_bytes, mut output_bytes) = (0, 0, 0);
        for stream in &streams {
            let counters = stream.counters;
            let finished = counters.processed_frames()
                + counters.failed_frames
                + counters.dropped_frames
                + counters.purged_frames
                + counters.erased_frames
                + counters.removed_frames;
            assert_eq!(counters.accepted_frames, finished + counters.queued_frames, "{}: frames", stream.id);
            let page = queue.read_outputs(&stream.id, Sequence::FIRST, 100_000).await.unwrap();
            let kept: Vec<_> = (counters.oldest_sequence..=counters.published_sequence).collect();
            assert_eq!(numbers(&page.entries), kept, "{}: the output has holes", stream.id);
            let pictures: Vec<_> = page.entries.iter().flat_map(|entry| payloads(entry)).collect();
            let bytes = queue.fetch(partition, &pictures).await.unwrap();
            for (picture, bytes) in pictures.iter().zip(bytes) {
                let size = bytes.map(|bytes| bytes.len() as u64);
                assert_eq!(size, Some(picture.size_bytes), "{}: a picture is lost", stream.id);
            }
            let size: u64 = pictures.iter().map(|picture| picture.size_bytes).sum();
            assert_eq!(counters.output_bytes, size, "{}: output bytes", stream.id);
            queued_frames += counters.queued_frames;
            queued_bytes += counters.queued_bytes;
            output_bytes += counters.output_bytes;
        }
        assert_eq!(stats.depth, queued_frames, "{partition}: depth");
        assert_eq!(stats.queued_bytes, queued_bytes, "{partition}: queued bytes");
        assert_eq!(stats.output_bytes, output_bytes, "{partition}: output bytes");
        let finished =
            stats.processed + stats.failed + stats.dropped + stats.purged + stats.erased + stats.removed;
        assert_eq!(stats.accepted, finished + stats.depth, "{partition}: frames");
        let registered = streams.iter().filter(|stream| !stream.removed).count() as u64;
        assert_eq!(stats.streams, registered, "{partition}: streams");
        assert_eq!(stats.oldest_receive_time.is_some(), stats.depth > 0, "{partition}: oldest frame");
    }
}
