//! The options of a subscription over the wire: frames that are not delivered are counted as gaps.

use std::collections::BTreeMap;
use std::time::Duration;

use frameway::pb::v1 as pb;
use frameway::pb::v1::consume_frames_response;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::stream_match::Selector as By;
use frameway::pb::v1::subscribe_frames_response::Event;
use tokio::time::timeout;
use tonic::{Code, Streaming};

use crate::frames::{gap_of, next, selector, subscribe};
use crate::groups::{join, member, next_frame, sequence};
use crate::reason;
use crate::server::{PATIENCE, TestServer, frame};

const FRAMES: u64 = 12;

fn earliest() -> Position {
    Position::Earliest(pb::StartEarliest {})
}

/// Starts a server whose stream `cam` has published `FRAMES` frames; the fourth of them is broken.
async fn with_frames() -> TestServer {
    let server = TestServer::start(|_| {}).await;
    let labels = [("site".to_owned(), "north".to_owned())].into();
    server.register_with(pb::Stream { stream_id: "cam".into(), labels, ..Default::default() }).await;
    for sequence in 1..=FRAMES {
        let mut one = frame("cam", sequence as u8 * 10);
        one.attributes.insert("parity".into(), if sequence % 2 == 0 { "even" } else { "odd" }.into());
        if sequence == 4 {
            let half = one.data.len() / 2;
            one.data = one.data.slice(..half);
        }
        server.submit(vec![one]).await;
    }
    let all = selector("cam", earliest());
    let mut events = subscribe(&server, all, FRAMES - 1).await;
    while next(&mut events).await.is_some() {}
    server
}

/// Reads a subscription until everything up to `last` is delivered or reported; returns the
/// sequences, and the gaps by reason.
async fn counted(
    events: &mut Streaming<pb::SubscribeFramesResponse>,
    last: u64,
) -> (Vec<u64>, BTreeMap<pb::GapReason, u64>) {
    let (mut frames, mut gaps, mut reported) = (Vec::new(), BTreeMap::new(), 0);
    while reported < last {
        match next(events).await {
            Some(Event::Frame(delivered)) => {
                reported = delivered.frame.expect("a frame").sequence;
                frames.push(reported);
            }
            Some(Event::Gap(told_gap)) => {
                let gap = gap_of(told_gap);
                let total: u64 = gap.causes.iter().map(|cause| cause.count).sum();
                assert_eq!(total, gap.to_sequence - gap.from_sequence + 1);
                reported = gap.to_sequence;
                for cause in gap.causes {
                    *gaps.entry(cause.reason()).or_default() += cause.count;
                }
            }
            Some(Event::Checkpoint(_)) => {}
            other => panic!("{other:?} after {frames:?} and {gaps:?}"),
        }
    }
    (frames, gaps)
}

#[tokio::test]
async fn each_omission_is_a_gap_with_its_reason() {
    use pb::GapReason as G;
    let server = with_frames().await;
    let with = |change: fn(&mut pb::StreamSelector)| {
        let mut one = selector("cam", earliest());
        change(&mut one);
        one
    };
    let filter = |filter: pb::FrameFilter| pb::StreamSelector { filter: Some(filter), ..with(|_| {}) };
    let text = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
    for (asked, frames, reason, count) in [
        (
            with(|one| one.sampling = Some(pb::Sampling { every_nth: Some(4), ..Default::default() })),
            vec![1, 6, 10],
            G::Sampled,
            8,
        ),
        (
            with(|one| one.sampling = Some(pb::Sampling { latest_only: true, ..Default::default() })),
            vec![12],
            G::Sampled,
            10,
        ),
        (
            with(|one| one.max_age = Some(prost_types::Duration { seconds: 0, nanos: 10_000_000 })),
            vec![],
            G::Stale,
            11,
        ),
        (
            filter(pb::FrameFilter { attributes: text("parity", "odd"), ..Default::default() }),
            vec![1, 3, 5, 7, 9, 11],
            G::Filtered,
            5,
        ),
        (
            filter(pb::FrameFilter { stream_labels: text("site", "south"), ..Default::default() }),
            vec![],
            G::Filtered,
            11,
        ),
        (
            filter(pb::FrameFilter { min_quality_score: Some(1.0), ..Default::default() }),
            vec![],
            G::Filtered,
            11,
        ),
        (
            // The background is still unknown after twelve frames.
            filter(pb::FrameFilter { min_foreground_ratio: Some(0.0), ..Default::default() }),
            vec![],
            G::Filtered,
            11,
        ),
    ] {
        let what = format!("{asked:?}");
        let request = pb::SubscribeFramesRequest {
            selectors: vec![asked],
            heartbeat_interval: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
            ..Default::default()
        };
        let mut events = server.streaming().subscribe_frames(request).await.expect("subscribes").into_inner();
        // The stale frames must be older than the limit now.
        let (got, gaps) = counted(&mut events, FRAMES).await;
        assert_eq!(got, frames, "{what}");
        assert_eq!(gaps.get(&reason).copied().unwrap_or_default(), count, "{what}: {gaps:?}");
        assert_eq!(got.len() as u64 + gaps.values().sum::<u64>(), FRAMES, "{what}");
    }
    server.stop().await;
}

#[tokio::test]
async fn max_fps_counts_by_receive_time() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    for _ in 0..30 {
        server.submit(vec![frame("cam", 1)]).await;
    }
    let mut asked = selector("cam", earliest());
    asked.sampling = Some(pb::Sampling { max_fps: Some(0.001), ..Default::default() });
    let request = pb::SubscribeFramesRequest {
        selectors: vec![asked],
        heartbeat_interval: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        ..Default::default()
    };
    let mut events = server.streaming().subscribe_frames(request).await.expect("subscribes").into_inner();
    let (frames, gaps) = counted(&mut events, 30).await;
    assert_eq!(frames, [1]);
    assert_eq!(gaps, BTreeMap::from([(pb::GapReason::Sampled, 29)]));
    server.stop().await;
}

#[tokio::test]
async fn starts_and_stops_by_time() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let mut times = Vec::new();
    let mut live = subscribe(&server, selector("cam", Position::Live(pb::StartLive {})), 5).await;
    assert!(matches!(next(&mut live).await, Some(Event::Checkpoint(_))));
    for _ in 0..5 {
        server.submit(vec![frame("cam", 1)]).await;
        let Some(Event::Frame(delivered)) = next(&mut live).await else { panic!("a frame") };
        times.push(delivered.frame.and_then(|frame| frame.receive_time).expect("a time"));
    }
    let mut from_third = selector("cam", Position::ReceiveTime(times[2]));
    from_third.stop = Some(pb::StopPosition { receive_time: Some(times[4]), ..Default::default() });
    let mut events = subscribe(&server, from_third, 0).await;
    let mut got = Vec::new();
    while let Some(event) = next(&mut events).await {
        if let Event::Frame(delivered) = event {
            got.push(delivered.frame.expect("a frame").sequence);
        }
    }
    assert_eq!(got, [3, 4], "from the third, and before the fifth");

    let day = prost_types::Duration { seconds: 86_400, nanos: 0 };
    let mut events = subscribe(&server, selector("cam", Position::Age(day)), 5).await;
    assert_eq!(counted(&mut events, 5).await.0, [1, 2, 3, 4, 5]);

    let future = prost_types::Timestamp { seconds: times[4].seconds + 3600, nanos: 0 };
    for position in [Position::ReceiveTime(future), Position::Sequence(1_000_006)] {
        let selectors = vec![selector("cam", position)];
        let request = pb::SubscribeFramesRequest { selectors, ..Default::default() };
        let refused = server.streaming().subscribe_frames(request).await.expect_err("is in the future");
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::OutOfRange, "ERROR_REASON_POSITION_IN_FUTURE")
        );
    }
    let waits = subscribe(&server, selector("cam", Position::Sequence(1_000_005)), 0).await;
    drop(waits);
    server.stop().await;
}

#[tokio::test]
async fn a_trimmed_cursor_resumes_or_is_refused_as_requested() {
    let server = TestServer::start(|_| {}).await;
    let retention = Some(pb::RetentionPolicy { max_frames: Some(2), ..Default::default() });
    server.register_with(pb::Stream { stream_id: "cam".into(), retention, ..Default::default() }).await;
    server.register(&["other"]).await;
    let mut live = subscribe(&server, selector("cam", Position::Live(pb::StartLive {})), 0).await;
    let Some(Event::Checkpoint(start)) = next(&mut live).await else { panic!("a checkpoint") };
    drop(live);
    server.submit((0..6).map(|shade| frame("cam", shade)).collect()).await;
    let oldest = async {
        loop {
            let request = pb::GetStreamRequest { stream_id: "cam".into() };
            let stream = server.registry().get_stream(request).await.expect("reads").into_inner().stream;
            if stream
                .and_then(|stream| stream.status)
                .is_some_and(|status| (status.oldest_sequence, status.published_sequence) == (5, 6))
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, oldest).await.expect("retention leaves two frames");
    let cursors = |stream: &str, cursor: &str| {
        let cursor = pb::StreamCursor { stream_id: stream.into(), cursor: cursor.into() };
        Position::Cursors(pb::CursorList { cursors: vec![cursor] })
    };
    let old = start.cursors[0].cursor.as_str();
    let mut resumed = subscribe(&server, selector("cam", cursors("cam", old)), 2).await;
    let (frames, gaps) = counted(&mut resumed, 6).await;
    assert_eq!((frames, gaps), (vec![5, 6], BTreeMap::from([(pb::GapReason::Retention, 4)])));

    let strict = pb::StreamSelector { fail_if_trimmed: true, ..selector("cam", cursors("cam", old)) };
    let of_another = selector("other", cursors("other", old));
    let cut = selector("cam", cursors("cam", &old[..old.len() - 2]));
    let garbage = selector("cam", cursors("cam", "%%%"));
    for (selector, code, why) in [
        (strict, Code::OutOfRange, "ERROR_REASON_CURSOR_TRIMMED"),
        (of_another, Code::InvalidArgument, "ERROR_REASON_CURSOR_INVALID"),
        (cut, Code::InvalidArgument, "ERROR_REASON_CURSOR_INVALID"),
        (garbage, Code::InvalidArgument, "ERROR_REASON_CURSOR_INVALID"),
    ] {
        let request = pb::SubscribeFramesRequest { selectors: vec![selector], ..Default::default() };
        let refused = server.streaming().subscribe_frames(request).await.expect_err(why);
        assert_eq!((refused.code(), reason(&refused).as_str()), (code, why));
    }
    server.stop().await;
}

/// Waits until retention has trimmed everything below this sequence.
async fn oldest_is(server: &TestServer, oldest: u64) {
    let trimmed = async {
        loop {
            let request = pb::GetStreamRequest { stream_id: "cam".into() };
            let stream = server.registry().get_stream(request).await.expect("reads").into_inner().stream;
            if stream.and_then(|stream| stream.status).is_some_and(|status| status.oldest_sequence == oldest)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, trimmed).await.expect("retention removes the others");
}

#[tokio::test]
async fn a_start_time_before_the_kept_frames_is_a_time_gap_or_refused() {
    let server = TestServer::start(|_| {}).await;
    let retention = Some(pb::RetentionPolicy { max_frames: Some(2), ..Default::default() });
    server.register_with(pb::Stream { stream_id: "cam".into(), retention, ..Default::default() }).await;
    server.submit((0..6).map(|shade| frame("cam", shade)).collect()).await;
    oldest_is(&server, 5).await;
    let day = prost_types::Duration { seconds: 86_400, nanos: 0 };
    let mut events = subscribe(&server, selector("cam", Position::Age(day)), 2).await;
    assert!(matches!(next(&mut events).await, Some(Event::Checkpoint(_))));
    let Some(Event::Gap(delivered)) = next(&mut events).await else { panic!("a gap comes first") };
    let (cursor, gap) = (delivered.cursor.clone(), gap_of(delivered));
    let Some(Event::Frame(first)) = next(&mut events).await else { panic!("then a frame") };
    let first = first.frame.expect("a frame");
    assert_eq!(
        (first.sequence, gap.from_sequence, gap.to_sequence),
        (5, 0, 0),
        "a time gap has no sequences"
    );
    assert_eq!(
        gap.causes,
        [pb::GapCause { reason: pb::GapReason::Retention.into(), count: 0, frames: None }]
    );
    let nanos = |time: Option<prost_types::Timestamp>| {
        time.map(|time| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos))
    };
    assert_eq!(gap.oldest_receive_time, first.receive_time);
    let (start, end, oldest) =
        (nanos(gap.start_receive_time), nanos(gap.end_receive_time), nanos(gap.oldest_receive_time));
    let is_a_day_ago = |start: i128| oldest.is_some_and(|oldest| oldest - start > 86_000_000_000_000);
    assert!(start.is_some_and(is_a_day_ago) && end <= oldest.map(|oldest| oldest + 1_000), "{gap:?}");

    // The cursor of a gap is the position after it.
    let cursor = pb::StreamCursor { stream_id: "cam".into(), cursor };
    let resumed = Position::Cursors(pb::CursorList { cursors: vec![cursor] });
    let mut events = subscribe(&server, selector("cam", resumed), 2).await;
    assert_eq!(counted(&mut events, 6).await, (vec![5, 6], BTreeMap::new()));

    let strict = pb::StreamSelector { fail_if_trimmed: true, ..selector("cam", Position::Age(day)) };
    let request = pb::SubscribeFramesRequest { selectors: vec![strict], ..Default::default() };
    let refused = server.streaming().subscribe_frames(request).await.expect_err("frames are gone");
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::OutOfRange, "ERROR_REASON_CURSOR_TRIMMED")
    );
    assert!(refused.message().contains("the oldest kept frame was received at 2"), "{}", refused.message());
    server.stop().await;
}

#[tokio::test]
async fn a_group_with_a_start_time_before_the_kept_frames_gets_a_time_gap() {
    let server = TestServer::start(|_| {}).await;
    let retention = Some(pb::RetentionPolicy { max_frames: Some(2), ..Default::default() });
    server.register_with(pb::Stream { stream_id: "cam".into(), retention, ..Default::default() }).await;
    server.submit((0..6).map(|shade| frame("cam", shade)).collect()).await;
    oldest_is(&server, 5).await;
    server.register(&["later"]).await;
    let day = prost_types::Duration { seconds: 86_400, nanos: 0 };
    let start = Some(pb::StartPosition { position: Some(Position::Age(day)) });
    let by = |glob: &str| pb::StreamMatch { selector: Some(By::Glob(glob.into())) };
    let group = pb::ConsumerGroup {
        group_id: "site".into(),
        streams: vec![by("*")],
        start: start.clone(),
        ..Default::default()
    };
    let mut client = server.groups();
    let request = pb::CreateConsumerGroupRequest { group: Some(group) };
    let created = client.create_consumer_group(request).await.expect("creates").into_inner();
    let (group_id, position) = ("site".into(), start);
    let request =
        pb::SeekConsumerGroupRequest { group_id, position, all_streams: true, ..Default::default() };
    let sought = client.seek_consumer_group(request).await.expect("seeks").into_inner();
    for gaps in [&created.time_gaps, &sought.time_gaps] {
        let reported: Vec<_> =
            gaps.iter().map(|gap| (gap.stream_id.as_str(), gap.causes[0].reason())).collect();
        assert_eq!(reported, [("cam", pb::GapReason::Retention)], "the other stream has lost nothing");
        let gap = &gaps[0];
        assert!(gap.start_receive_time.is_some() && gap.oldest_receive_time.is_some(), "{gap:?}");
        assert!(gap.end_receive_time.is_some() && gap.from_sequence == 0, "{gap:?}");
    }
    // Members receive a gap, too: the last frame that was trimmed is known to be gone.
    let mut events = join(&server, member("site", "a")).await;
    let reported = async {
        loop {
            let message = events.message().await.expect("no error").expect("not the end");
            match message.event {
                Some(consume_frames_response::Event::Gap(gap)) => return gap,
                Some(consume_frames_response::Event::Frame(frame)) => panic!("before the gap: {frame:?}"),
                _ => {}
            }
        }
    };
    let gap = timeout(PATIENCE, reported).await.expect("a gap");
    assert_eq!((gap.from_sequence, gap.to_sequence), (4, 4));
    assert_eq!(
        gap.causes,
        [pb::GapCause { reason: pb::GapReason::Retention.into(), count: 1, frames: Some(1) }]
    );
    assert_eq!(sequence(&next_frame(&mut events).await), 5);
    server.stop().await;
}

#[tokio::test]
async fn a_subscription_can_wait_for_an_auto_registered_stream() {
    let server = TestServer::start(|config| config.server.auto_register = true).await;
    let mut live = subscribe(&server, selector("new", Position::Live(pb::StartLive {})), 1).await;
    assert!(matches!(next(&mut live).await, Some(Event::Checkpoint(_))));
    server.submit(vec![frame("new", 1)]).await;
    assert_eq!(counted(&mut live, 1).await.0, [1]);
    server.stop().await;
}

#[tokio::test]
async fn labels_select_by_presence_and_absence() {
    let server = TestServer::start(|_| {}).await;
    for (id, labels) in [("a", vec!["site"]), ("b", vec!["site", "retired"]), ("c", vec![])] {
        let labels = labels.into_iter().map(|key| (key.to_owned(), "x".to_owned())).collect();
        server.register_with(pb::Stream { stream_id: id.into(), labels, ..Default::default() }).await;
    }
    let labels = pb::LabelSelector {
        present: vec!["site".into()],
        absent: vec!["retired".into()],
        ..Default::default()
    };
    let streams = vec![pb::StreamMatch { selector: Some(By::Labels(labels)) }];
    let mut events = subscribe(&server, pb::StreamSelector { streams, ..Default::default() }, 0).await;
    let Some(Event::Checkpoint(first)) = next(&mut events).await else { panic!("a checkpoint") };
    let ids: Vec<_> = first.cursors.iter().map(|one| one.stream_id.as_str()).collect();
    assert_eq!(ids, ["a"]);
    server.stop().await;
}
