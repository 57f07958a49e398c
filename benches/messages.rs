//! The time to encode a frame: the message to a subscriber, and the entry in the store.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use frameway::pb::v1 as pb;
use prost::Message as _;

const PICTURE_BYTES: usize = 300_000;

fn processed_frame() -> pb::ProcessedFrame {
    let picture = pb::Picture {
        role: pb::PictureRole::Processed.into(),
        format: pb::PictureFormat::Jpeg.into(),
        width: 1_920,
        height: 1_080,
        content: Some(pb::picture::Content::Data(Bytes::from(vec![7; PICTURE_BYTES]))),
        ..Default::default()
    };
    let now = Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 5 });
    pb::ProcessedFrame {
        stream_id: "cam-0001".to_owned(),
        sequence: 123_456,
        capture_time: now,
        receive_time: now,
        lease_time: now,
        process_time: now,
        publish_time: now,
        publisher_id: "agent-1".to_owned(),
        publisher_sequence: Some(123_456),
        attributes: [("lane".to_owned(), "2".to_owned())].into(),
        pictures: vec![picture],
        quality: Some(pb::QualityMetrics { mean_luma: Some(99.5), ..Default::default() }),
        stages: vec![pb::ProcessingStage::default(); 4],
        worker_version: "0.1.0".to_owned(),
        ..Default::default()
    }
}

fn response() -> pb::SubscribeFramesResponse {
    let frame = Some(processed_frame());
    let delivered = pb::DeliveredFrame { frame, cursor: "x".repeat(60), ..Default::default() };
    let event = pb::subscribe_frames_response::Event::Frame(delivered);
    pb::SubscribeFramesResponse { event: Some(event) }
}

fn messages(c: &mut Criterion) {
    let mut group = c.benchmark_group("SubscribeFramesResponse with 300 kB");
    let message = response();
    let mut bare = processed_frame();
    bare.pictures.clear();
    let wire = Bytes::from(message.encode_to_vec());
    group.throughput(Throughput::Bytes(wire.len() as u64));
    // The lower bound of encoding: copying the bytes.
    group.bench_function("copy of its bytes, the limit of encode", |b| b.iter(|| black_box(&wire).to_vec()));
    group.bench_function("encode", |b| b.iter(|| black_box(&message).encode_to_vec()));
    group.bench_function("decode", |b| {
        b.iter_batched(
            || wire.clone(),
            |wire| pb::SubscribeFramesResponse::decode(wire).expect("it decodes"),
            BatchSize::SmallInput,
        );
    });
    drop(group);
    c.bench_function("ProcessedFrame without pictures, encode", |b| {
        b.iter(|| black_box(&bare).encode_to_vec())
    });

    // The entry is private to the Redis backend; `make bench` enables the `fuzzing` feature, which
    // exports it.
    #[cfg(feature = "fuzzing")]
    {
        let stored = (frameway::fuzzing::target("entry").seeds)().swap_remove(1);
        assert!(frameway::fuzzing::rewrite_entry(&stored).is_some(), "a processed frame");
        c.bench_function("storage entry, decode and encode", |b| {
            b.iter(|| frameway::fuzzing::rewrite_entry(black_box(&stored)));
        });
    }
}

/// Measures the check of a request before it is decoded.
#[cfg(feature = "fuzzing")]
fn requests(c: &mut Criterion) {
    let frame = pb::Frame {
        stream_id: "cam-0001".to_owned(),
        data: Bytes::from(vec![7; 15_000]),
        format: pb::PictureFormat::Jpeg.into(),
        capture_time: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 5 }),
        publisher_id: "agent-1".to_owned(),
        publisher_sequence: Some(123_456),
        attributes: [("lane".to_owned(), "2".to_owned())].into(),
        ..Default::default()
    };
    let batch = pb::SubmitFrameBatchRequest { frames: vec![frame; 20] };
    let update = pb::UpdateStreamRequest {
        stream: Some(pb::Stream {
            stream_id: "cam-0001".to_owned(),
            labels: [("site".to_owned(), "north".to_owned())].into(),
            output: Some(pb::OutputPolicy { quality: Some(80), ..Default::default() }),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["output.quality".to_owned()] }),
        ..Default::default()
    };
    let mut measure = |name: &str, message: &str, wire: Vec<u8>, decode: fn(Bytes)| {
        assert!(frameway::fuzzing::knows_request(message, &wire), "{name}");
        let mut group = c.benchmark_group(name);
        let knows = |b: &mut criterion::Bencher<'_>| {
            b.iter(|| frameway::fuzzing::knows_request(message, black_box(&wire)));
        };
        group.bench_function("check", knows);
        let shared = Bytes::from(wire.clone());
        group.bench_function("decode", |b| b.iter(|| decode(black_box(&shared).clone())));
    };
    measure("20 frames of 15 kB", "SubmitFrameBatchRequest", batch.encode_to_vec(), |wire| {
        black_box(pb::SubmitFrameBatchRequest::decode(wire).expect("it decodes"));
    });
    measure("UpdateStreamRequest", "UpdateStreamRequest", update.encode_to_vec(), |wire| {
        black_box(pb::UpdateStreamRequest::decode(wire).expect("it decodes"));
    });
}

#[cfg(not(feature = "fuzzing"))]
fn requests(_: &mut Criterion) {}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(50).measurement_time(Duration::from_secs(3));
    targets = messages, requests
}
criterion_main!(benches);
