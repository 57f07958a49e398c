//! The ends of a SubmitFrames call: a limit, a server that drains, a client that disconnects.

use std::time::Duration;

use frameway::pb::v1 as pb;
use frameway::pb::v1::ErrorReason as R;
use frameway::pb::v1::submit_frames_request::Request;
use frameway::pb::v1::submit_frames_response::Event;
use tokio::time::Instant;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::server::{TestServer, frame};
use crate::submit_frames::{Call, accepted, numbered};
use crate::{fact, name, reason};

#[tokio::test]
async fn a_batch_over_a_limit_ends_the_call_after_the_answers_before_it() {
    let server = TestServer::start(|config| {
        config.limits.max_batch_frames = 3;
        config.limits.max_message_bytes = 100_000;
    })
    .await;
    server.register(&["cam"]).await;
    let sized = |size: usize| vec![pb::Frame { data: vec![0; size].into(), ..frame("cam", 1) }];
    for (frames, code, why) in [
        (Vec::new(), Code::InvalidArgument, R::EmptyBatch),
        (vec![frame("cam", 1); 4], Code::InvalidArgument, R::TooManyFrames),
        (sized(110_000), Code::ResourceExhausted, R::BatchTooLarge),
        (sized(1_000_000), Code::ResourceExhausted, R::BatchTooLarge),
    ] {
        let mut call = Call::open(&server).await;
        call.batch(1, vec![frame("cam", 1)]).await;
        call.batch(2, frames).await;
        let (answered, end) = call.end().await;
        let status = end.expect_err("must be refused");
        assert_eq!((answered.as_slice(), status.code(), reason(&status)), (&[1][..], code, name(why)));
    }
    server.stop().await;
}

#[tokio::test]
async fn more_unanswered_batches_than_the_window_are_too_many() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let mut call = Call::open(&server).await;
    // The batches are sent as fast as possible, without reading the results.
    let requests = call.requests.clone();
    let flood = crate::server::spawn(async move {
        for batch_id in 0..5_000 {
            let batch = pb::SubmitBatch { batch_id, frames: vec![frame("cam", 1); 100] };
            let request = pb::SubmitFramesRequest { request: Some(Request::Batch(batch)) };
            if requests.send(request).await.is_err() {
                return;
            }
        }
    });
    let (answered, end) = call.end().await;
    let end = end.expect_err("must be refused");
    assert_eq!((end.code(), reason(&end)), (Code::ResourceExhausted, name(R::TooManyInFlight)));
    assert_eq!(fact(&end, "limit").as_deref(), Some("8"));
    assert!(answered.iter().copied().eq(0..answered.len() as u64), "answered in order, without holes");
    flood.abort();
    server.stop().await;
}

#[tokio::test]
async fn a_draining_server_sends_draining_answers_and_ends_the_call() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let watch = HealthCheckRequest { service: String::new() };
    let mut health = server.health().watch(watch).await.expect("watches").into_inner();
    assert_eq!(health.message().await.ok().flatten().map(|m| m.status()), Some(ServingStatus::Serving));
    let mut call = Call::open(&server).await;
    call.batch(1, vec![numbered("cam", 1)]).await;
    assert_eq!(accepted(&call.result(1).await[0]), 1);
    server.begin_to_stop();
    let Event::Draining(draining) = call.next().await else { panic!("draining") };
    assert!(draining.grace.is_some_and(|grace| grace.seconds > 0));
    assert_eq!(health.message().await.ok().flatten().map(|m| m.status()), Some(ServingStatus::NotServing));
    // The batch is on its way when the server reports its drain.
    call.batch(2, vec![numbered("cam", 2)]).await;
    assert_eq!(accepted(&call.result(2).await[0]), 2);
    call.close();
    call.assert_refused(Code::Unavailable, R::Draining).await;
    server.stop().await;
}

#[tokio::test]
async fn a_call_that_the_client_does_not_close_ends_after_the_grace_period() {
    let server = TestServer::start(|_| {}).await;
    let mut call = Call::open(&server).await;
    let start = Instant::now();
    server.begin_to_stop();
    assert!(matches!(call.next().await, Event::Draining(_)));
    call.assert_refused(Code::Unavailable, R::Draining).await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    server.stop().await;
}

#[tokio::test]
async fn a_cancelled_call_leaves_nothing_behind() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    for _ in 0..20 {
        let mut call = Call::open(&server).await;
        call.batch(1, vec![frame("cam", 1)]).await;
        let _answered = call.next().await;
        call.batch(2, vec![frame("cam", 1)]).await;
    }
    // A call that continued would delay the end of the server.
    let start = Instant::now();
    server.stop().await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
