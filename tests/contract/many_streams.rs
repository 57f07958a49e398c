//! More streams than one subscription may follow.

use frameway::pb::v1 as pb;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::subscribe_frames_response::Event;
use tokio::time::timeout;
use tonic::{Code, Streaming};

use crate::fields::refusal;
use crate::server::{PATIENCE, TestServer, frame};

const FOLLOWED: usize = 2_000;

/// Returns a subscription to all streams.
fn request(start: Option<Position>) -> pb::SubscribeFramesRequest {
    let all = pb::StreamMatch { selector: Some(pb::stream_match::Selector::Glob("*".to_owned())) };
    let start = start.map(|position| pb::StartPosition { position: Some(position) });
    pb::SubscribeFramesRequest {
        selectors: vec![pb::StreamSelector { streams: vec![all], start, ..Default::default() }],
        heartbeat_interval: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        ..Default::default()
    }
}

async fn next(events: &mut Streaming<pb::SubscribeFramesResponse>) -> Event {
    let message = timeout(PATIENCE, events.message()).await.expect("a message in time");
    message.expect("the call continues").and_then(|message| message.event).expect("an event")
}

async fn first(events: &mut Streaming<pb::SubscribeFramesResponse>) -> pb::Checkpoint {
    match next(events).await {
        Event::Checkpoint(checkpoint) => checkpoint,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn more_streams_than_a_subscription_follows_are_refused_at_the_start_and_reported_later() {
    let server = TestServer::start(|_| {}).await;
    for index in 0..FOLLOWED {
        server.register(&[&format!("cam-{index:04}")]).await;
    }
    let mut client = server.streaming();
    let mut running = client.subscribe_frames(request(None)).await.expect("follows all").into_inner();
    let start = first(&mut running).await;
    assert_eq!((start.cursors.len(), start.unfollowed_streams), (FOLLOWED, 0));

    server.register(&["one-more"]).await;
    // A further registration ends no call: it is reported, and the frames of the other streams are
    // delivered.
    loop {
        if let Event::Heartbeat(heartbeat) = next(&mut running).await
            && heartbeat.unfollowed_streams > 0
        {
            assert_eq!(heartbeat.unfollowed_streams, 1);
            assert!(heartbeat.streams.len() <= 1_000);
            break;
        }
    }
    server.submit(vec![frame("cam-0007", 1)]).await;
    loop {
        if let Event::Frame(delivered) = next(&mut running).await {
            assert_eq!(delivered.frame.expect("a frame").stream_id, "cam-0007");
            break;
        }
    }

    let refused = client.subscribe_frames(request(None)).await.expect_err("selects too many");
    assert_eq!(refusal(&refused), (Code::ResourceExhausted, "TOO_MANY_STREAMS".to_owned()));
    // A subscription that resumes is not refused because of streams that were registered meanwhile.
    let cursors = Position::Cursors(pb::CursorList { cursors: start.cursors });
    let mut resumed = client.subscribe_frames(request(Some(cursors))).await.expect("continues").into_inner();
    let start = first(&mut resumed).await;
    assert_eq!((start.cursors.len(), start.unfollowed_streams), (FOLLOWED, 1));
    drop((running, resumed));
    server.stop().await;
}
