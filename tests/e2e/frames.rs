//! Frames from a camera's batch to a subscriber: live, from the start, from a cursor; lookups;
//! tombstones.

use std::time::Duration;

use frameway::pb::v1 as pb;
use frameway::pb::v1::picture::Content;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::stream_match::Selector as By;
use frameway::pb::v1::subscribe_frames_response::Event;
use tokio::time::timeout;
use tonic::{Code, Streaming};

use crate::server::{PATIENCE, TestServer, frame};
use crate::{name, reason};

pub(crate) fn selector(stream: &str, position: Position) -> pb::StreamSelector {
    pb::StreamSelector {
        streams: vec![pb::StreamMatch { selector: Some(By::Id(stream.to_owned())) }],
        start: Some(pb::StartPosition { position: Some(position) }),
        ..Default::default()
    }
}

pub(crate) async fn subscribe(
    server: &TestServer,
    selector: pb::StreamSelector,
    stop_after_frames: u64,
) -> Streaming<pb::SubscribeFramesResponse> {
    let stop_after_frames = Some(stop_after_frames).filter(|&frames| frames > 0);
    let request =
        pb::SubscribeFramesRequest { selectors: vec![selector], stop_after_frames, ..Default::default() };
    server.streaming().subscribe_frames(request).await.expect("subscribes").into_inner()
}

/// Returns the gap of an event.
pub(crate) fn gap_of(reported: pb::DeliveredGap) -> pb::Gap {
    reported.gap.expect("a gap")
}

/// Waits for the next event that is not a heartbeat; returns `None` at the end.
pub(crate) async fn next(events: &mut Streaming<pb::SubscribeFramesResponse>) -> Option<Event> {
    loop {
        let message = timeout(PATIENCE, events.message()).await.expect("an event in time").expect("no error");
        let event = message?.event.expect("an event");
        if !matches!(event, Event::Heartbeat(_)) {
            return Some(event);
        }
    }
}

async fn next_frame(events: &mut Streaming<pb::SubscribeFramesResponse>) -> pb::DeliveredFrame {
    loop {
        match next(events).await.expect("not the end") {
            Event::Frame(frame) => return frame,
            Event::Checkpoint(_) => {}
            other @ (Event::Gap(_) | Event::Heartbeat(_) | Event::Draining(_)) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn frames_come_in_order_with_their_pictures_and_a_cursor_resumes() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let mut live = subscribe(&server, selector("cam", Position::Live(pb::StartLive {})), 3).await;
    assert!(matches!(next(&mut live).await, Some(Event::Checkpoint(_))), "the first message is a checkpoint");
    let first = pb::Frame { attributes: [("k".into(), "v".into())].into(), ..frame("cam", 10) };
    server.submit(vec![first, frame("cam", 20), frame("cam", 30)]).await;

    let mut cursors = Vec::new();
    for sequence in 1..=3 {
        let delivered = next_frame(&mut live).await;
        let frame = delivered.frame.expect("a frame");
        assert_eq!((frame.stream_id.as_str(), frame.sequence), ("cam", sequence));
        let source = frame.source.expect("a source");
        assert_eq!((source.width, source.height, source.blake3_digest.len()), (64, 48, 32));
        assert!(frame.quality.and_then(|quality| quality.mean_luma).is_some());
        let [picture] = &frame.pictures[..] else { panic!("one picture: {:?}", frame.pictures) };
        assert_eq!(picture.role(), pb::PictureRole::Processed);
        assert!(matches!(&picture.content, Some(Content::Data(data)) if data.starts_with(b"\xFF\xD8\xFF")));
        cursors.push(delivered.cursor);
    }
    assert!(matches!(next(&mut live).await, Some(Event::Checkpoint(_))), "the last message is a checkpoint");
    assert!(next(&mut live).await.is_none(), "three frames were requested");

    let cursor = pb::StreamCursor { stream_id: "cam".into(), cursor: cursors[0].clone() };
    let position = Position::Cursors(pb::CursorList { cursors: vec![cursor] });
    let mut resumed = subscribe(&server, selector("cam", position), 2).await;
    for sequence in [2, 3] {
        assert_eq!(next_frame(&mut resumed).await.frame.map(|frame| frame.sequence), Some(sequence));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_broken_picture_becomes_a_gap_and_a_tombstone() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let mut broken = frame("cam", 2).data.to_vec();
    broken.truncate(broken.len() / 2);
    let broken = pb::Frame { data: broken.into(), ..frame("cam", 2) };
    server.submit(vec![frame("cam", 1), broken, frame("cam", 3)]).await;
    let mut events = subscribe(&server, selector("cam", Position::Earliest(pb::StartEarliest {})), 2).await;
    assert_eq!(next_frame(&mut events).await.frame.map(|frame| frame.sequence), Some(1));
    let Some(Event::Gap(reported)) = next(&mut events).await else { panic!("a gap") };
    assert!(!reported.cursor.is_empty());
    let gap = gap_of(reported);
    assert_eq!((gap.from_sequence, gap.to_sequence), (2, 2));
    assert_eq!(
        gap.causes,
        [pb::GapCause { reason: pb::GapReason::Failed.into(), count: 1, frames: Some(1) }]
    );
    assert_eq!(next_frame(&mut events).await.frame.map(|frame| frame.sequence), Some(3));

    let request = pb::GetFramesRequest {
        stream_id: "cam".into(),
        sequences: vec![3, 2, 9],
        pictures: Some(pb::PictureSelection {
            roles: vec![pb::PictureRole::Thumbnail.into(), pb::PictureRole::Original.into()],
            ..Default::default()
        }),
    };
    let found = server.streaming().get_frames(request).await.expect("looks up").into_inner().results;
    let results: Vec<_> = found.into_iter().map(|one| one.outcome.expect("a result")).collect();
    let [
        pb::frame_lookup::Outcome::Frame(third),
        pb::frame_lookup::Outcome::Tombstone(second),
        pb::frame_lookup::Outcome::Missing(ninth),
    ] = &results[..]
    else {
        panic!("{results:?}")
    };
    assert_eq!((third.sequence, second.sequence), (3, 2));
    assert_eq!(second.outcome(), pb::TombstoneOutcome::Failed);
    assert!(!second.message.is_empty());
    assert_eq!(ninth.reason(), pb::MissingReason::NotAccepted);
    let contents: Vec<_> = third.pictures.iter().map(|picture| (picture.role(), &picture.content)).collect();
    assert!(matches!(contents[0], (pb::PictureRole::Thumbnail, Some(Content::Data(_)))), "{contents:?}");
    let not_kept = Content::OmittedReason(pb::OmittedReason::NotKept.into());
    assert_eq!(contents[1], (pb::PictureRole::Original, &Some(not_kept)));
    server.stop().await;
}

#[tokio::test]
async fn the_newest_frame_of_each_stream() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["busy", "idle"]).await;
    server.submit(vec![frame("busy", 1), frame("busy", 2)]).await;
    let mut events = subscribe(&server, selector("busy", Position::Earliest(pb::StartEarliest {})), 2).await;
    while next(&mut events).await.is_some() {}
    let stream_ids = ["busy", "idle", "nobody"].map(str::to_owned).to_vec();
    let request = pb::GetLatestFramesRequest { stream_ids, pictures: None };
    let latest = server.streaming().get_latest_frames(request).await.expect("reads").into_inner().results;
    use pb::latest_frame::Outcome as Latest;
    assert!(matches!(&latest[0].outcome, Some(Latest::Frame(frame)) if frame.sequence == 2));
    assert!(latest[0].age.is_some_and(|age| age.seconds < PATIENCE.as_secs() as i64));
    let missing = |at: usize| match &latest[at].outcome {
        Some(Latest::Missing(missing)) => missing.reason(),
        other => panic!("{other:?}"),
    };
    assert_eq!(missing(1), pb::MissingReason::NotAccepted);
    assert_eq!(missing(2), pb::MissingReason::StreamNotFound);
    server.stop().await;
}

#[tokio::test]
async fn pictures_of_one_answer_share_its_bound() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    server.submit((0..4).map(|shade| frame("cam", shade * 50)).collect()).await;
    let mut events = subscribe(&server, selector("cam", Position::Earliest(pb::StartEarliest {})), 4).await;
    let size = match next_frame(&mut events).await.frame.expect("a frame").pictures.remove(0).content {
        Some(Content::Data(data)) => data.len() as u32,
        other => panic!("{other:?}"),
    };
    while next(&mut events).await.is_some() {}
    let pictures = Some(pb::PictureSelection { max_picture_bytes: Some(size * 5 / 2), ..Default::default() });
    let request = pb::GetFramesRequest { stream_id: "cam".into(), sequences: vec![1, 2, 3, 4], pictures };
    let found = server.streaming().get_frames(request).await.expect("looks up").into_inner().results;
    let full = Content::OmittedReason(pb::OmittedReason::MessageFull.into());
    let sent = found.iter().filter(|one| match &one.outcome {
        Some(pb::frame_lookup::Outcome::Frame(frame)) => frame.pictures[0].content != Some(full.clone()),
        other => panic!("{other:?}"),
    });
    assert_eq!(sent.count(), 2, "two and a half pictures fit");
    server.stop().await;
}

#[tokio::test]
async fn each_frame_names_its_selector() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["a", "b"]).await;
    server.submit(vec![frame("a", 1), frame("b", 1)]).await;
    let earliest = || Position::Earliest(pb::StartEarliest {});
    let no_pictures = pb::PictureSelection { metadata_only: true, ..Default::default() };
    let bare = pb::StreamSelector { pictures: Some(no_pictures), ..selector("a", earliest()) };
    let selectors = vec![selector("b", earliest()), bare];
    let request = pb::SubscribeFramesRequest { selectors, stop_after_frames: Some(2), ..Default::default() };
    let mut events = server.streaming().subscribe_frames(request).await.expect("subscribes").into_inner();
    for _ in 0..2 {
        let delivered = next_frame(&mut events).await;
        let frame = delivered.frame.expect("a frame");
        let expected = if frame.stream_id == "b" { (0, 1) } else { (1, 0) };
        assert_eq!((delivered.selector_index, frame.pictures.len()), expected, "{}", frame.stream_id);
    }
    server.stop().await;
}

#[tokio::test]
async fn invalid_subscriptions_are_refused() {
    let server = TestServer::start(|config| config.server.max_subscriptions = 1).await;
    server.register(&["cam"]).await;
    let live = || Position::Live(pb::StartLive {});
    let refused = async |selectors: Vec<pb::StreamSelector>| {
        let request = pb::SubscribeFramesRequest { selectors, ..Default::default() };
        let status = server.streaming().subscribe_frames(request).await.expect_err("must be refused");
        (status.code(), reason(&status))
    };
    assert_eq!(refused(Vec::new()).await.0, Code::InvalidArgument);
    let nobody = refused(vec![selector("nobody", live())]).await;
    assert_eq!(nobody, (Code::NotFound, "ERROR_REASON_STREAM_NOT_FOUND".to_owned()));
    let cursor = pb::StreamCursor { stream_id: "cam".into(), cursor: "cut".into() };
    let cut = Position::Cursors(pb::CursorList { cursors: vec![cursor] });
    let cut = refused(vec![selector("cam", cut)]).await;
    assert_eq!(cut, (Code::InvalidArgument, name(pb::ErrorReason::CursorInvalid)));
    let sampling = Some(pb::Sampling { max_fps: Some(-1.0), ..Default::default() });
    let sampled = pb::StreamSelector { sampling, ..selector("cam", live()) };
    assert_eq!(
        refused(vec![sampled]).await,
        (Code::InvalidArgument, "ERROR_REASON_INVALID_FIELD".to_owned())
    );

    let mut open = subscribe(&server, selector("cam", live()), 0).await;
    assert!(next(&mut open).await.is_some());
    let second = refused(vec![selector("cam", live())]).await;
    assert_eq!(second, (Code::ResourceExhausted, "ERROR_REASON_TOO_MANY_SUBSCRIPTIONS".to_owned()));
    drop(open);
    let free_again = async {
        let request =
            pb::SubscribeFramesRequest { selectors: vec![selector("cam", live())], ..Default::default() };
        while server.streaming().subscribe_frames(request.clone()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, free_again).await.expect("the place is free once the subscriber is gone");
    server.stop().await;
}
