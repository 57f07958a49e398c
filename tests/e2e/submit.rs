//! SubmitFrameBatch: each kind of FrameResult, and each refusal of a batch.

use std::collections::HashSet;

use frameway::config::{Backend, RedisSettings, Role};
use frameway::pb::v1 as pb;
use frameway::pb::v1::ErrorReason as R;
use frameway::pb::v1::frame_result::Outcome;
use tokio::time::Instant;
use tonic::Code;

use crate::common::redis::RedisServer;
use crate::server::{PATIENCE, TestServer, frame};
use crate::{fact, name, reason};

fn accepted(outcome: &Outcome) -> u64 {
    let Outcome::Accepted(accepted) = outcome else { panic!("not accepted: {outcome:?}") };
    accepted.sequence
}

fn rejected(outcome: &Outcome) -> (R, &str) {
    let Outcome::Rejected(error) = outcome else { panic!("not rejected: {outcome:?}") };
    (error.reason(), &error.field)
}

fn numbered(stream: &str, sequence: u64, shade: u8) -> pb::Frame {
    pb::Frame { publisher_id: "agent".into(), publisher_sequence: Some(sequence), ..frame(stream, shade) }
}

#[tokio::test]
async fn bad_frames_are_rejected_and_their_neighbours_accepted() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let raw = |bytes: usize| pb::Frame {
        format: pb::PictureFormat::Rgb8.into(),
        width: 8,
        height: 8,
        data: vec![7; bytes].into(),
        ..frame("cam", 0)
    };
    let long_ago = Some(prost_types::Timestamp { seconds: 0, nanos: 0 });
    let outcomes = server
        .submit(vec![
            frame("cam", 1),
            frame("bad id", 1),
            pb::Frame { data: Vec::new().into(), ..frame("cam", 1) },
            raw(8 * 8 * 3 - 1),
            pb::Frame { capture_time: long_ago, ..frame("cam", 1) },
            frame("nobody", 1),
            pb::Frame { data: vec![1; 192].into(), width: 8, height: 8, ..frame("cam", 1) },
            raw(8 * 8 * 3),
            frame("cam", 2),
        ])
        .await;
    assert_eq!(accepted(&outcomes[0]), 1);
    assert_eq!(rejected(&outcomes[1]), (R::InvalidStreamId, "stream_id"));
    assert_eq!(rejected(&outcomes[2]), (R::PictureMissing, "data"));
    assert_eq!(rejected(&outcomes[3]), (R::PictureSizeMismatch, "data"));
    assert_eq!(rejected(&outcomes[4]), (R::CaptureTimeOutOfRange, "capture_time"));
    assert_eq!(rejected(&outcomes[5]).0, R::StreamNotFound);
    let Outcome::Rejected(unknown) = &outcomes[5] else { panic!("{:?}", outcomes[5]) };
    assert_eq!(unknown.metadata["stream_id"], "nobody");
    assert_eq!(rejected(&outcomes[6]), (R::PictureFormatUnknown, "format"));
    assert_eq!((accepted(&outcomes[7]), accepted(&outcomes[8])), (2, 3));
    server.stop().await;
}

#[tokio::test]
async fn a_publisher_sequence_is_stored_once() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let first = server.submit(vec![numbered("cam", 5, 1), numbered("cam", 7, 2)]).await;
    assert_eq!((accepted(&first[0]), accepted(&first[1])), (1, 2));
    let again =
        server.submit(vec![numbered("cam", 5, 1), numbered("cam", 7, 9), numbered("cam", 6, 3)]).await;
    assert!(matches!(&again[0], Outcome::Duplicate(duplicate) if duplicate.sequence == 1), "{again:?}");
    assert_eq!(rejected(&again[1]), (R::PublisherSequenceReused, "publisher_sequence"));
    assert_eq!(rejected(&again[2]), (R::OutOfOrder, "publisher_sequence"));
    server.stop().await;
}

#[tokio::test]
async fn a_full_queue_refuses_with_a_delay_and_keeps_the_order() {
    // There is no worker: accepted frames stay in the queue.
    let server = TestServer::start(|config| config.server.role = Role::Api).await;
    let queue = Some(pb::QueuePolicy { max_frames: Some(1), ..Default::default() });
    server.register_with(pb::Stream { stream_id: "cam".into(), queue, ..Default::default() }).await;
    server.register(&["other"]).await;
    let outcomes =
        server.submit(vec![frame("cam", 1), frame("cam", 2), frame("cam", 3), frame("other", 1)]).await;
    assert_eq!(accepted(&outcomes[0]), 1);
    assert_eq!(rejected(&outcomes[1]).0, R::StreamQueueFull);
    assert_eq!(rejected(&outcomes[2]).0, R::OutOfOrder);
    assert_eq!(accepted(&outcomes[3]), 1);
    for outcome in &outcomes[1..3] {
        assert!(matches!(outcome, Outcome::Rejected(error) if error.retry_delay.is_some()), "{outcome:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_large_batch_is_refused_without_its_pictures() {
    let redis = RedisServer::start();
    let server = TestServer::start(|config| {
        config.queue.backend = Backend::Redis(RedisSettings::new(redis.url()));
        config.server.role = Role::Api;
    })
    .await;
    let queue = Some(pb::QueuePolicy { max_frames: Some(1), ..Default::default() });
    server.register_with(pb::Stream { stream_id: "cam".into(), queue, ..Default::default() }).await;
    let large = |shade: u8| pb::Frame {
        format: pb::PictureFormat::Gray8.into(),
        width: 300,
        height: 300,
        data: vec![shade; 90_000].into(),
        ..frame("cam", 0)
    };
    // A picture is stored with SET, before the frame is accepted.
    let stored_pictures = || redis.calls("set");
    let before = stored_pictures();
    let outcomes = server.submit(vec![large(1)]).await;
    assert_eq!(accepted(&outcomes[0]), 1);
    assert!(stored_pictures() > before, "pictures are stored with SET");
    let refuse = async || {
        let outcomes = server.submit(vec![large(2), large(3)]).await;
        assert_eq!(rejected(&outcomes[0]).0, R::StreamQueueFull);
        assert_eq!(rejected(&outcomes[1]).0, R::OutOfOrder);
    };
    // Before any refusal, the pictures of a batch are sent even if its frames are refused.
    let before = stored_pictures();
    refuse().await;
    assert!(stored_pictures() > before, "the first refused batch stores its pictures");
    // A batch that follows a refused one within a second is refused without its pictures. On a busy
    // machine it may follow too late: then this is tried again.
    let deadline = Instant::now() + PATIENCE;
    loop {
        refuse().await;
        let before = stored_pictures();
        refuse().await;
        if stored_pictures() == before {
            break;
        }
        assert!(Instant::now() < deadline, "the pictures of refused batches are stored");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_batch_over_a_limit_is_refused_as_a_whole_with_the_limit() {
    let server = TestServer::start(|config| {
        config.limits.max_batch_frames = 3;
        config.limits.max_message_bytes = 100_000;
    })
    .await;
    server.register(&["cam"]).await;
    let submit = async |frames| {
        let request = pb::SubmitFrameBatchRequest { frames };
        server.streaming().submit_frame_batch(request).await.expect_err("must be refused")
    };
    let empty = submit(Vec::new()).await;
    assert_eq!((empty.code(), reason(&empty)), (Code::InvalidArgument, name(R::EmptyBatch)));
    let many = submit(vec![frame("cam", 1); 4]).await;
    assert_eq!((many.code(), reason(&many)), (Code::InvalidArgument, name(R::TooManyFrames)));
    assert_eq!(fact(&many, "limit").as_deref(), Some("3"));
    // A little over the limit (the handler refuses it) and far over it (it is not even read).
    for size in [110_000, 1_000_000] {
        let large = submit(vec![pb::Frame { data: vec![0; size].into(), ..frame("cam", 1) }]).await;
        assert_eq!((large.code(), reason(&large)), (Code::ResourceExhausted, name(R::BatchTooLarge)));
        assert_eq!(fact(&large, "limit").as_deref(), Some("100000"));
    }
    let request = pb::GetStreamRequest { stream_id: "cam".into() };
    let stream = server.registry().get_stream(request).await.expect("is there").into_inner().stream;
    let status = stream.and_then(|stream| stream.status).expect("a status");
    assert_eq!(status.accepted_sequence, 0, "nothing is stored");
    server.stop().await;
}

#[tokio::test]
async fn auto_registration_registers_unknown_streams_up_to_its_bound() {
    let server = TestServer::start(|config| {
        config.server.auto_register = true;
        config.server.max_auto_registered_streams = 2;
    })
    .await;
    let outcomes = server.submit(vec![frame("a", 1), frame("b", 1), frame("c", 1), frame("a", 2)]).await;
    let taken: HashSet<bool> = outcomes[..3].iter().map(|one| matches!(one, Outcome::Accepted(_))).collect();
    assert_eq!(taken.len(), 2, "two of three streams: {outcomes:?}");
    let refused = outcomes.iter().filter(|one| matches!(one, Outcome::Rejected(_)));
    assert!(refused.clone().all(|one| rejected(one).0 == R::StreamNotFound));
    // Such streams are marked, whatever is changed later, and no other streams are.
    server.register(&["named"]).await;
    let mut registry = server.registry();
    let listed = registry.list_streams(pb::ListStreamsRequest::default()).await.expect("lists");
    let mut streams = listed.into_inner().streams;
    let by_frames: Vec<_> =
        streams.iter().map(|one| (one.stream_id != "named", one.auto_registered)).collect();
    assert_eq!(by_frames, [(true, true), (true, true), (false, false)]);
    let location =
        pb::GeoLocation { latitude_degrees: Some(52.5), longitude_degrees: Some(13.4), ..Default::default() };
    let moved = pb::Stream { location: Some(location), ..streams.remove(0) };
    let mask = prost_types::FieldMask { paths: vec!["location".to_owned()] };
    let update =
        pb::UpdateStreamRequest { stream: Some(moved), update_mask: Some(mask), ..Default::default() };
    let updated =
        registry.update_stream(update).await.expect("updates").into_inner().stream.expect("a stream");
    assert_eq!((updated.auto_registered, updated.location), (true, Some(location)));
    server.stop().await;
}

#[tokio::test]
async fn a_wrong_clock_is_flagged_or_refused_by_the_streams_policy() {
    let server = TestServer::start(|_| {}).await;
    let policy = |clock_policy: pb::ClockPolicy| {
        Some(pb::ValidationPolicy { clock_policy: clock_policy.into(), ..Default::default() })
    };
    for (id, clock) in [("flags", pb::ClockPolicy::Flag), ("refuses", pb::ClockPolicy::Reject)] {
        let stream = pb::Stream { stream_id: id.into(), validation: policy(clock), ..Default::default() };
        server.register_with(stream).await;
    }
    let an_hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let late = |stream| pb::Frame { capture_time: Some(an_hour_ago.into()), ..frame(stream, 1) };
    let outcomes = server.submit(vec![late("flags"), late("refuses")]).await;
    assert_eq!(accepted(&outcomes[0]), 1);
    assert_eq!(rejected(&outcomes[1]), (R::CaptureTimeOutOfRange, "capture_time"));
    server.stop().await;
}
