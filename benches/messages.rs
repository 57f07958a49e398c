//! What a frame costs on its way into bytes: the message to a subscriber, and the entry in the store.

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
    // What encoding cannot beat.
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

    // Private to the Redis backend: `make bench` opens the door.
    #[cfg(feature = "fuzzing")]
    {
        let stored = (frameway::fuzzing::target("entry").seeds)().swap_remove(1);
        assert!(frameway::fuzzing::rewrite_entry(&stored).is_some(), "a processed frame");
        c.bench_function("storage entry, decode and encode", |b| {
            b.iter(|| frameway::fuzzing::rewrite_entry(black_box(&stored)));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(50).measurement_time(Duration::from_secs(3));
    targets = messages
}
criterion_main!(benches);
