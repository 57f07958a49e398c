//! Quotas of a principal.

use frameway::pb::v1 as pb;
use frameway::pb::v1::frame_result::Outcome;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::access_file::Keys;
use crate::server::{TestServer, frame};
use crate::{reason, with_bearer};

#[tokio::test]
async fn frames_over_the_quota_are_refused_with_a_delay_and_other_principals_are_not_affected() {
    let keys = Keys::new(&[("a", &["admin"]), ("b", &["admin"])]);
    keys.append("[principals.a.quota]\nframes_per_second = 1\n");
    let server = keys.server().await;
    let stream = Some(pb::Stream { stream_id: "cam".into(), ..Default::default() });
    let register = with_bearer(keys.of("a"), pb::RegisterStreamRequest { stream });
    server.registry().register_stream(register).await.expect("registers");
    let submit = async |key: &str, count: usize| {
        let frames = vec![frame("cam", 1); count];
        server.streaming().submit_frame_batch(with_bearer(key, pb::SubmitFrameBatchRequest { frames })).await
    };
    submit(keys.of("a"), 100).await.expect("a whole batch always passes");
    // Not one frame: on a busy machine, the next second may have begun.
    let status = submit(keys.of("a"), 100).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "QUOTA_EXCEEDED"));
    let details = status.get_error_details();
    let delay = details.retry_info().and_then(|info| info.retry_delay).expect("a delay");
    assert!(!delay.is_zero());
    let violation = &details.quota_failure().expect("a QuotaFailure").violations[0];
    assert_eq!(violation.subject, "a");
    assert!(violation.description.contains("frames_per_second = 1"), "{}", violation.description);
    submit(keys.of("b"), 1).await.expect("another principal has a quota of its own");

    // On a call of batches, the frames are refused and the call goes on.
    let setup = pb::submit_frames_request::Request::Setup(pb::SubmitSetup::default());
    let batch = pb::SubmitBatch { batch_id: 1, frames: vec![frame("cam", 1); 100] };
    let batch = pb::submit_frames_request::Request::Batch(batch);
    let requests = [setup, batch].map(|request| pb::SubmitFramesRequest { request: Some(request) });
    let request = with_bearer(keys.of("a"), tokio_stream::iter(requests));
    let mut streaming = server.streaming();
    let mut events = streaming.submit_frames(request).await.expect("opens").into_inner();
    let result = loop {
        match events.message().await.expect("goes on").and_then(|message| message.event) {
            Some(pb::submit_frames_response::Event::BatchResult(result)) => break result,
            Some(_) => {}
            None => panic!("the call ended"),
        }
    };
    let Some(Outcome::Rejected(error)) = &result.results[0].outcome else { panic!("{result:?}") };
    assert_eq!(error.reason(), pb::ErrorReason::QuotaExceeded);
    assert!(error.retry_delay.is_some());
    server.stop().await;
}

#[tokio::test]
async fn calls_and_subscriptions_over_the_quota_are_refused_until_others_end() {
    let keys = Keys::new(&[("a", &["admin"])]);
    keys.append("[principals.a.quota]\ncalls = 3\nsubscriptions = 1\n");
    let server = keys.server().await;
    let watch = || with_bearer(keys.of("a"), pb::WatchStreamsRequest::default());
    let mut registry = server.registry();
    let held = registry.watch_streams(watch()).await.expect("opens");
    let status = server.registry().watch_streams(watch()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "QUOTA_EXCEEDED"));
    assert!(status.message().contains("subscriptions = 1"), "{}", status.message());
    drop(held);
    crate::common::eventually("the place is free again", async || {
        server.registry().watch_streams(watch()).await.ok().map(drop)
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn streams_over_the_quota_are_refused_until_others_are_unregistered() {
    let keys = Keys::new(&[("a", &["admin"]), ("b", &["admin"])]);
    keys.append("[principals.a.quota]\nstreams = 2\n");
    let server = TestServer::start(|config| {
        config.access.access_file = Some(keys.path());
        config.server.auto_register = true;
    })
    .await;
    let register = async |key: &str, id: &str| {
        let stream = Some(pb::Stream { stream_id: id.into(), ..Default::default() });
        server.registry().register_stream(with_bearer(key, pb::RegisterStreamRequest { stream })).await
    };
    let submit = async |key: &str, id: &str| {
        let frames = vec![frame(id, 1)];
        let request = with_bearer(key, pb::SubmitFrameBatchRequest { frames });
        let mut answer = server.streaming().submit_frame_batch(request).await.expect("answers").into_inner();
        answer.results.remove(0).outcome.expect("an outcome")
    };
    register(keys.of("b"), "b1").await.expect("another principal's stream does not count");
    register(keys.of("a"), "a1").await.expect("registers");
    assert!(
        matches!(submit(keys.of("a"), "a2").await, Outcome::Accepted(_)),
        "registered by its first frame"
    );
    let status = register(keys.of("a"), "a3").await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "QUOTA_EXCEEDED"));
    assert!(status.message().contains("streams = 2"), "{}", status.message());
    let Outcome::Rejected(error) = submit(keys.of("a"), "a3").await else { panic!("registered") };
    assert_eq!(error.reason(), pb::ErrorReason::QuotaExceeded);
    register(keys.of("a"), "a1").await.expect("nothing is new");
    submit(keys.of("a"), "b1").await;

    // A change by another principal does not change whose stream it is.
    let stream = pb::Stream { stream_id: "a1".into(), display_name: "A".into(), ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["display_name".into()] });
    let request = pb::UpdateStreamRequest { stream: Some(stream), update_mask, ..Default::default() };
    server.registry().update_stream(with_bearer(keys.of("b"), request)).await.expect("updates");
    let request = pb::UnregisterStreamRequest { stream_id: "a2".into(), ..Default::default() };
    server.registry().unregister_stream(with_bearer(keys.of("b"), request)).await.expect("unregisters");
    crate::common::eventually("a place is free", async || register(keys.of("a"), "a3").await.ok()).await;
    register(keys.of("a"), "a4").await.unwrap_err();
    server.stop().await;
}
