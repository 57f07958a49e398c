//! Changes of the access file while calls are open.

use frameway::client::subscribe::{Event, Subscription, stream_match};
use frameway::pb::v1 as pb;
use frameway::pb::v1::watch_streams_response::Event as Seen;
use tokio::time::timeout;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt as _;

use crate::access_file::Keys;
use crate::common::{eventually, log};
use crate::server::{PATIENCE, TestServer, frame};
use crate::{connect, ended, reason};

/// Selects all streams that the caller may read.
fn everything() -> pb::SubscribeFramesRequest {
    let selector = pb::StreamSelector { streams: vec![stream_match("*")], ..Default::default() };
    pb::SubscribeFramesRequest { selectors: vec![selector], ..Default::default() }
}

/// Joins the group `g` as the member `m`.
fn membership() -> pb::ConsumeFramesRequest {
    pb::ConsumeFramesRequest { group_id: "g".into(), member_id: "m".into(), ..Default::default() }
}

/// Registers streams, and creates the group `g`, whose members have a minute for each frame.
async fn prepare(server: &TestServer, admin: &str, streams: &[&str]) {
    let mut client = connect(server, admin).await;
    for id in streams {
        let stream = Some(pb::Stream { stream_id: (*id).to_owned(), ..Default::default() });
        client.registry.register_stream(pb::RegisterStreamRequest { stream }).await.expect("registers");
    }
    let group = pb::ConsumerGroup {
        group_id: "g".into(),
        streams: vec![stream_match("*")],
        ack_deadline: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
        ..Default::default()
    };
    let create = pb::CreateConsumerGroupRequest { group: Some(group) };
    client.groups.create_consumer_group(create).await.expect("creates");
}

async fn submit(server: &TestServer, admin: &str, stream: &str, count: usize) {
    let mut client = connect(server, admin).await;
    let frames = vec![frame(stream, 1); count];
    client.streaming.submit_frame_batch(pb::SubmitFrameBatchRequest { frames }).await.expect("submits");
}

/// Waits for the first message of a call.
async fn opened<T>(
    call: impl Future<Output = Result<tonic::Response<Streaming<T>>, Status>>,
) -> Streaming<T> {
    let mut events = call.await.expect("opens").into_inner();
    let first = timeout(PATIENCE, events.message()).await.expect("in time").expect("no error");
    assert!(first.is_some());
    events
}

/// Returns the next frame of a subscription that reconnects, and the events before it.
async fn next_frame(subscription: &mut Subscription) -> (pb::ProcessedFrame, Vec<Event>) {
    let mut before = Vec::new();
    loop {
        match timeout(PATIENCE, subscription.next()).await.expect("in time").expect("goes on") {
            Event::Frame(delivered) => return (delivered.frame.expect("a frame"), before),
            other => before.push(other),
        }
    }
}

#[tokio::test]
async fn changed_grants_end_calls_and_a_client_that_reconnects_gets_what_it_may_read_now() {
    let keys = Keys::new(&[
        ("admin", &["admin"]),
        ("a", &["publish:*", "read:*", "consume:*"]),
        ("other", &["read:*"]),
    ]);
    let server = keys.server().await;
    prepare(&server, keys.of("admin"), &["north", "south"]).await;

    let client = connect(&server, keys.of("a")).await;
    let (mut streaming, mut registry) = (client.streaming.clone(), client.registry.clone());
    let mut subscription = opened(streaming.subscribe_frames(everything())).await;
    let mut member = opened(streaming.consume_frames(membership())).await;
    let mut watch = opened(registry.watch_streams(pb::WatchStreamsRequest::default())).await;
    let setup = pb::submit_frames_request::Request::Setup(pb::SubmitSetup::default());
    let requests = tokio_stream::once(pb::SubmitFramesRequest { request: Some(setup) });
    let requests = tokio_stream::StreamExt::chain(requests, tokio_stream::pending());
    let mut submission = opened(streaming.submit_frames(requests)).await;
    let mut resuming = Subscription::new(&client, everything());
    let mut unaffected = Subscription::new(&connect(&server, keys.of("other")).await, everything());
    for subscription in [&mut resuming, &mut unaffected] {
        let started = timeout(PATIENCE, subscription.next()).await.expect("in time").expect("starts");
        assert!(matches!(started, Event::Started { streams: 2 }), "{started:?}");
    }

    keys.set_grants("a", &["read:north"]);
    for status in [
        ended(&mut subscription).await,
        ended(&mut member).await,
        ended(&mut watch).await,
        ended(&mut submission).await,
    ] {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "DRAINING"));
        let details = status.get_error_details();
        assert!(details.retry_info().is_some_and(|info| info.retry_delay.is_some()), "{status:?}");
    }
    let denied = streaming.consume_frames(membership()).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);

    for stream in ["south", "north", "south", "north"] {
        submit(&server, keys.of("admin"), stream, 1).await;
    }
    // The other subscription receives all frames, so those that the first one does not receive are
    // published.
    for _ in 0..4 {
        let (_frame, before) = next_frame(&mut unaffected).await;
        assert!(!before.iter().any(|event| matches!(event, Event::Reconnecting(_))), "{before:?}");
    }
    let (first, before) = next_frame(&mut resuming).await;
    assert!(before.iter().any(|event| matches!(event, Event::Reconnecting(_))), "{before:?}");
    let (second, _) = next_frame(&mut resuming).await;
    assert_eq!(
        [first, second].map(|frame| (frame.stream_id, frame.sequence)),
        [("north".into(), 1), ("north".into(), 2)]
    );
    server.stop().await;
}

#[tokio::test]
async fn a_member_continues_with_a_new_key_and_keeps_its_frames() {
    let mut keys = Keys::new(&[("admin", &["admin"]), ("a", &["consume:g"])]);
    let server = keys.server().await;
    prepare(&server, keys.of("admin"), &["cam"]).await;
    submit(&server, keys.of("admin"), "cam", 3).await;
    let old = connect(&server, keys.of("a")).await;
    let mut events = opened(old.streaming.clone().consume_frames(membership())).await;
    let received = async |events: &mut Streaming<pb::ConsumeFramesResponse>| {
        let mut frames = Vec::new();
        while frames.len() < 3 {
            let message = timeout(PATIENCE, events.message()).await.expect("in time").expect("no error");
            let event = message.and_then(|message| message.event).expect("not the end");
            if let pb::consume_frames_response::Event::Frame(frame) = event {
                frames.push((frame.ack_id, frame.delivery_attempt));
            }
        }
        frames
    };
    let had = received(&mut events).await;

    let id = frameway::access::ApiKey::parse(keys.of("a")).expect("a key").id().to_owned();
    keys.edit(|file| {
        assert!(file.revoke_key(&id));
        vec![("a".to_owned(), file.create_key("a", &[], &[], None).expect("a key").reveal())]
    });
    let status = ended(&mut events).await;
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "CREDENTIALS_INVALID"));

    let new = connect(&server, keys.of("a")).await;
    let mut events = opened(new.streaming.clone().consume_frames(membership())).await;
    let again = received(&mut events).await;
    assert_eq!(again, had, "the same deliveries, in the same attempt");
    let ack_ids = had.into_iter().map(|(ack_id, _)| ack_id).collect();
    let request = pb::AcknowledgeFramesRequest { group_id: "g".into(), ack_ids };
    let answer = new.streaming.clone().acknowledge_frames(request).await.expect("answers").into_inner();
    for result in answer.results {
        assert!(matches!(result.outcome, Some(pb::ack_result::Outcome::Done(_))), "{result:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_broken_access_file_keeps_the_old_rules_until_it_is_mended() {
    let mut keys = Keys::new(&[("a", &["read:*", "manage:*"])]);
    let server = keys.server().await;
    let mut client = connect(&server, keys.of("a")).await;
    let mut watch = opened(client.registry.watch_streams(pb::WatchStreamsRequest::default())).await;
    let whole = std::fs::read_to_string(keys.path()).expect("reads");
    std::fs::write(keys.path(), &whole[..whole.len() / 2]).expect("writes");
    let file = keys.path();
    let file = file.to_str().expect("UTF-8");
    let reported = || log::lines_with(&["ERROR", file]);
    eventually("the log says that the file cannot be used", || async {
        (!reported().is_empty()).then_some(())
    })
    .await;
    client.streaming.get_server_info(pb::GetServerInfoRequest {}).await.expect("the old rules stay in force");

    std::fs::write(file, &whole).expect("writes");
    let first = keys.of("a").to_owned();
    keys.edit(|file| vec![("a".to_owned(), file.create_key("a", &[], &[], None).expect("a key").reveal())]);
    let mut second = connect(&server, keys.of("a")).await;
    eventually("the new key is in force", || {
        let mut client = second.streaming.clone();
        async move { client.get_server_info(pb::GetServerInfoRequest {}).await.ok() }
    })
    .await;
    let stream = Some(pb::Stream { stream_id: "new".into(), ..Default::default() });
    second.registry.register_stream(pb::RegisterStreamRequest { stream }).await.expect("may register");
    let lines = reported();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let parts = ["cannot be used; the old rules stay in force", "access.toml: line "];
    assert!(parts.iter().all(|part| lines[0].contains(part)), "{lines:#?}");
    assert!(!lines[0].contains('\n') && !lines[0].contains(&first), "{lines:#?}");
    // The call of the first key goes on.
    loop {
        let message = timeout(PATIENCE, watch.message()).await.expect("in time").expect("goes on");
        if let Some(Seen::Change(change)) = message.expect("not the end").event {
            assert_eq!(change.stream.expect("a stream").stream_id, "new");
            break;
        }
    }
    server.stop().await;
}
