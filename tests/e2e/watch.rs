//! WatchStreams over the wire, in agreement with `Stream.status` and lists.

use frameway::pb::v1 as pb;
use frameway::pb::v1::StreamChangeKind as Kind;
use frameway::pb::v1::watch_streams_response::Event;
use tokio::time::timeout;
use tonic::{Code, Streaming};

use crate::reason;
use crate::server::{PATIENCE, TestServer, frame};

type Events = Streaming<pb::WatchStreamsResponse>;

async fn watch(server: &TestServer, resume_token: &str) -> Events {
    let request = pb::WatchStreamsRequest {
        resume_token: resume_token.to_owned(),
        heartbeat_interval: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        ..Default::default()
    };
    server.registry().watch_streams(request).await.expect("watches").into_inner()
}

/// Waits for the next event that is not a heartbeat, and returns it with its token.
async fn next(events: &mut Events) -> (Event, String) {
    loop {
        let message = timeout(PATIENCE, events.message()).await.expect("in time").expect("no error");
        let message = message.expect("not the end");
        assert!(message.resume_token.len() <= 512);
        match message.event.expect("an event") {
            Event::Heartbeat(_) => assert!(!message.resume_token.is_empty()),
            event => return (event, message.resume_token),
        }
    }
}

/// Waits for the next change: kind, stream, state, token.
async fn change(events: &mut Events) -> (Kind, String, pb::StreamState, pb::StreamChange, String) {
    let (Event::Change(change), token) = next(events).await else { panic!("a change") };
    let stream = change.stream.clone().expect("a stream");
    let state = stream.status.expect("a status").state();
    (change.kind(), stream.stream_id, state, change, token)
}

/// Reads a snapshot: its streams, and the token after it.
async fn snapshot(events: &mut Events) -> (Vec<String>, String) {
    assert!(matches!(next(events).await, (Event::SnapshotStart(_), token) if token.is_empty()));
    let mut ids = Vec::new();
    loop {
        match next(events).await {
            (Event::Existing(stream), token) => {
                assert!(token.is_empty());
                ids.push(stream.stream_id);
            }
            (Event::SnapshotEnd(end), token) => {
                assert_eq!(end.stream_count, ids.len() as u64);
                return (ids, token);
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn state_of(server: &TestServer, id: &str) -> pb::StreamState {
    let request = pb::GetStreamRequest { stream_id: id.into() };
    let stream = server.registry().get_stream(request).await.expect("reads").into_inner().stream;
    stream.and_then(|stream| stream.status).expect("a status").state()
}

#[tokio::test]
async fn a_watch_reports_changes_and_resumes() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["a"]).await;
    let mut events = watch(&server, "").await;
    let (ids, _) = snapshot(&mut events).await;
    assert_eq!(ids, ["a"]);

    let second = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let quick = pb::Stream { stream_id: "quick".into(), stall_timeout: second, ..Default::default() };
    let registered = server.register_with(quick).await;
    assert_eq!(registered.stall_timeout, second);
    let (kind, id, state, ..) = change(&mut events).await;
    assert_eq!((kind, id.as_str(), state), (Kind::Registered, "quick", pb::StreamState::Idle));

    server.submit(vec![frame("quick", 1)]).await;
    let (kind, id, state, ..) = change(&mut events).await;
    assert_eq!((kind, id.as_str(), state), (Kind::Live, "quick", pb::StreamState::Live));
    let (kind, _, state, reported, token) = change(&mut events).await;
    assert_eq!((kind, state), (Kind::Stalled, pb::StreamState::Stalled));
    assert!(reported.change_time.is_some());
    assert_eq!(state_of(&server, "quick").await, pb::StreamState::Stalled);

    let broken = || {
        let mut broken = frame("a", 1);
        broken.data = broken.data.slice(..broken.data.len() / 2);
        broken
    };
    server.submit(vec![broken(), broken(), broken()]).await;
    loop {
        let (kind, id, state, reported, _) = change(&mut events).await;
        assert_eq!(id, "a");
        if kind == Kind::Error {
            assert_eq!(state, pb::StreamState::Error);
            assert_eq!(reported.error.expect("the failure").reason(), pb::ErrorReason::DecodeTruncated);
            break;
        }
        assert_eq!(kind, Kind::Live, "the first failures alone are no error");
    }
    assert_eq!(state_of(&server, "a").await, pb::StreamState::Error);
    let only =
        pb::ListStreamsRequest { filter: "status.state = STREAM_STATE_ERROR".into(), ..Default::default() };
    let listed = server.registry().list_streams(only).await.expect("lists").into_inner().streams;
    assert_eq!(listed.iter().map(|stream| stream.stream_id.as_str()).collect::<Vec<_>>(), ["a"]);
    drop(events);

    let request = pb::UnregisterStreamRequest { stream_id: "quick".into(), ..Default::default() };
    server.registry().unregister_stream(request).await.expect("unregisters");
    server.register(&["b"]).await;
    let mut resumed = watch(&server, &token).await;
    let mut seen = Vec::new();
    while !seen.contains(&(Kind::Removed, "quick".to_owned()))
        || !seen.contains(&(Kind::Registered, "b".to_owned()))
        || !seen.contains(&(Kind::Error, "a".to_owned()))
    {
        let (kind, id, ..) = change(&mut resumed).await; // a snapshot would fail here
        seen.push((kind, id));
    }
    server.stop().await;
}

#[tokio::test]
async fn an_invalid_watch_is_refused_and_draining_ends_a_watch() {
    let server = TestServer::start(|_| {}).await;
    let mut events = watch(&server, "").await;
    let (_, token) = snapshot(&mut events).await;
    let glob =
        |glob: &str| vec![pb::StreamMatch { selector: Some(pb::stream_match::Selector::Glob(glob.into())) }];
    let request = pb::WatchStreamsRequest::default;
    for request in [
        pb::WatchStreamsRequest { resume_token: "rubbish".into(), ..request() },
        pb::WatchStreamsRequest { resume_token: token[..token.len() - 3].into(), ..request() },
        pb::WatchStreamsRequest { resume_token: token.clone(), streams: glob("cam-*"), ..request() },
        pb::WatchStreamsRequest { streams: glob("cam["), ..request() },
        pb::WatchStreamsRequest {
            heartbeat_interval: Some(prost_types::Duration { seconds: 61, nanos: 0 }),
            ..request()
        },
    ] {
        let refused = server.registry().watch_streams(request).await.expect_err("must be refused");
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::InvalidArgument, "ERROR_REASON_INVALID_FIELD")
        );
    }
    server.begin_to_stop();
    let end = async {
        loop {
            match events.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("an end without a reason"),
                Err(status) => return status,
            }
        }
    };
    let end = timeout(PATIENCE, end).await.expect("in time");
    assert_eq!((end.code(), reason(&end).as_str()), (Code::Unavailable, "ERROR_REASON_DRAINING"));
    server.stop().await;
}
