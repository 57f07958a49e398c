//! Positions of another store: reported or refused, and never used as positions of this one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use frameway::pb::v1 as pb;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::subscribe_frames_response::Event;
use frameway::pb::v1::watch_streams_response::Event as WatchEvent;
use tokio::time::timeout;
use tonic::{Code, Streaming};

use crate::frames::{gap_of, next, selector, subscribe};
use crate::reason;
use crate::server::{PATIENCE, TestServer, frame};

fn cursors(cursor: &str) -> Position {
    let cursor = pb::StreamCursor { stream_id: "cam".to_owned(), cursor: cursor.to_owned() };
    Position::Cursors(pb::CursorList { cursors: vec![cursor] })
}

/// Starts a server with this many published frames of `cam`; returns the cursor after the last one,
/// too.
async fn server_with(frames: u64) -> (TestServer, String) {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    for shade in 0..frames {
        server.submit(vec![frame("cam", shade as u8)]).await;
    }
    let mut events =
        subscribe(&server, selector("cam", Position::Earliest(pb::StartEarliest {})), frames).await;
    let mut cursor = String::new();
    while let Some(event) = next(&mut events).await {
        if let Event::Frame(frame) = event {
            cursor = frame.cursor;
        }
    }
    (server, cursor)
}

/// Reads the cursor in the next event, a checkpoint of one stream.
async fn checkpoint(events: &mut Streaming<pb::SubscribeFramesResponse>) -> String {
    match next(events).await {
        Some(Event::Checkpoint(checkpoint)) => checkpoint.cursors[0].cursor.clone(),
        other => panic!("a checkpoint, not {other:?}"),
    }
}

/// Checks that the next event is the gap of another store; returns its cursor.
async fn expect_replaced(events: &mut Streaming<pb::SubscribeFramesResponse>) -> String {
    let Some(Event::Gap(delivered)) = next(events).await else { panic!("a gap") };
    let (cursor, gap) = (delivered.cursor.clone(), gap_of(delivered));
    assert_eq!((gap.from_sequence, gap.to_sequence), (1, 0), "no sequence of this store is skipped");
    let replaced = pb::GapCause { reason: pb::GapReason::StoreReplaced.into(), count: 0, frames: None };
    assert_eq!(gap.causes, [replaced]);
    cursor
}

async fn expect_frames(
    events: &mut Streaming<pb::SubscribeFramesResponse>,
    numbers: std::ops::RangeInclusive<u64>,
) {
    for number in numbers {
        let Some(Event::Frame(frame)) = next(events).await else { panic!("frame {number}") };
        assert_eq!(frame.frame.map(|frame| frame.sequence), Some(number));
    }
}

#[tokio::test]
async fn a_cursor_of_an_earlier_embedded_queue_is_reported_and_skips_nothing() {
    let (first, cursor) = server_with(3).await;
    first.stop().await;
    let (second, _) = server_with(5).await;

    let mut events = subscribe(&second, selector("cam", cursors(&cursor)), 5).await;
    let unread = checkpoint(&mut events).await;
    assert_eq!(unread, cursor, "until the gap is reported, the position is the old one");
    drop(events);
    let mut events = subscribe(&second, selector("cam", cursors(&unread)), 5).await;
    checkpoint(&mut events).await;
    let behind = expect_replaced(&mut events).await;
    expect_frames(&mut events, 1..=5).await;
    // The cursor after the gap is a position of this store.
    let mut resumed = subscribe(&second, selector("cam", cursors(&behind)), 5).await;
    checkpoint(&mut resumed).await;
    expect_frames(&mut resumed, 1..=5).await;

    let strict = pb::StreamSelector { fail_if_trimmed: true, ..selector("cam", cursors(&cursor)) };
    let request = pb::SubscribeFramesRequest { selectors: vec![strict], ..Default::default() };
    let refused = second.streaming().subscribe_frames(request).await.expect_err("it is refused");
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::OutOfRange, "ERROR_REASON_CURSOR_TRIMMED")
    );
    assert!(refused.message().contains("another store"), "{refused:?}");
    second.stop().await;
}

#[tokio::test]
async fn a_stream_registered_after_an_old_cursor_was_resumed_is_reported_as_replaced() {
    let (first, cursor) = server_with(3).await;
    first.stop().await;
    let second = TestServer::start(|_| {}).await;
    let glob = pb::StreamSelector {
        streams: vec![pb::StreamMatch { selector: Some(pb::stream_match::Selector::Glob("c*".to_owned())) }],
        ..selector("cam", cursors(&cursor))
    };
    let mut events = subscribe(&second, glob, 2).await;
    assert!(matches!(next(&mut events).await, Some(Event::Checkpoint(_))));
    second.register(&["cam"]).await;
    second.submit(vec![frame("cam", 1), frame("cam", 2)]).await;
    expect_replaced(&mut events).await;
    expect_frames(&mut events, 1..=2).await;
    second.stop().await;
}

#[tokio::test]
async fn a_cursor_without_a_store_identity_is_reported() {
    let (server, _) = server_with(2).await;
    // The format of that version: version, sequence, stream, four bytes of a hash.
    let mut bytes = vec![2];
    bytes.extend_from_slice(&2_u64.to_be_bytes());
    bytes.extend_from_slice(b"cam");
    let check = blake3::hash(&bytes);
    bytes.extend_from_slice(&check.as_bytes()[..4]);
    let old = URL_SAFE_NO_PAD.encode(bytes);
    let mut events = subscribe(&server, selector("cam", cursors(&old)), 2).await;
    checkpoint(&mut events).await;
    expect_replaced(&mut events).await;
    expect_frames(&mut events, 1..=2).await;
    server.stop().await;
}

#[tokio::test]
async fn a_future_sequence_is_still_awaited_after_a_resume() {
    let (server, _) = server_with(2).await;
    let mut events = subscribe(&server, selector("cam", Position::Sequence(5)), 1).await;
    let waiting = checkpoint(&mut events).await;
    let strict = pb::StreamSelector { fail_if_trimmed: true, ..selector("cam", cursors(&waiting)) };
    let mut resumed = subscribe(&server, strict, 1).await;
    assert_eq!(checkpoint(&mut resumed).await, waiting);
    for shade in 3..=5 {
        server.submit(vec![frame("cam", shade)]).await;
    }
    expect_frames(&mut events, 5..=5).await;
    expect_frames(&mut resumed, 5..=5).await;
    server.stop().await;
}

#[tokio::test]
async fn a_group_does_not_start_at_a_cursor_of_another_store() {
    let (first, cursor) = server_with(3).await;
    first.stop().await;
    let (second, here) = server_with(5).await;
    let group = |start: &str| pb::ConsumerGroup {
        group_id: "site".to_owned(),
        streams: vec![pb::StreamMatch { selector: Some(pb::stream_match::Selector::Id("cam".to_owned())) }],
        start: Some(pb::StartPosition { position: Some(cursors(start)) }),
        ..Default::default()
    };
    let create = |start: &str| pb::CreateConsumerGroupRequest { group: Some(group(start)) };
    let refused = second.groups().create_consumer_group(create(&cursor)).await.expect_err("refused");
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::OutOfRange, "ERROR_REASON_CURSOR_TRIMMED")
    );
    second.groups().create_consumer_group(create(&here)).await.expect("a cursor of this store");
    let request = pb::SeekConsumerGroupRequest {
        group_id: "site".to_owned(),
        position: Some(pb::StartPosition { position: Some(cursors(&cursor)) }),
        all_streams: true,
        ..Default::default()
    };
    let refused = second.groups().seek_consumer_group(request).await.expect_err("refused");
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::OutOfRange, "ERROR_REASON_CURSOR_TRIMMED")
    );
    second.stop().await;
}

#[tokio::test]
async fn page_tokens_and_watch_tokens_of_another_store_are_not_used() {
    let first = TestServer::start(|_| {}).await;
    first.register(&["a", "b"]).await;
    let list = |page_token: &str| pb::ListStreamsRequest {
        page_size: 1,
        page_token: page_token.to_owned(),
        ..Default::default()
    };
    let page = first.registry().list_streams(list("")).await.expect("lists").into_inner().next_page_token;
    let watch = |resume_token: &str| pb::WatchStreamsRequest {
        resume_token: resume_token.to_owned(),
        ..Default::default()
    };
    let mut events = first.registry().watch_streams(watch("")).await.expect("watches").into_inner();
    let token = loop {
        let message = timeout(PATIENCE, events.message()).await.expect("in time").expect("no error");
        let message = message.expect("not the end");
        if matches!(message.event, Some(WatchEvent::SnapshotEnd(_))) {
            break message.resume_token;
        }
    };
    drop(events);
    first.registry().list_streams(list(&page)).await.expect("its own token");
    first.stop().await;

    let second = TestServer::start(|_| {}).await;
    second.register(&["a", "b"]).await;
    let refused = second.registry().list_streams(list(&page)).await.expect_err("refused");
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::InvalidArgument, "ERROR_REASON_PAGE_TOKEN_INVALID")
    );
    let mut events = second.registry().watch_streams(watch(&token)).await.expect("watches").into_inner();
    let message = timeout(PATIENCE, events.message()).await.expect("in time").expect("no error");
    let event = message.expect("not the end").event;
    assert!(matches!(event, Some(WatchEvent::SnapshotStart(_))), "{event:?}");
    drop(events);
    second.stop().await;
}
