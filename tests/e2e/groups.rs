//! Consumer groups: members and operators.

use std::time::Duration;

use frameway::pb::v1 as pb;
use frameway::pb::v1::ack_result::Outcome;
use frameway::pb::v1::consume_frames_response::Event;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::stream_match::Selector as By;
use tokio::time::{Instant, timeout};
use tonic::{Code, Status, Streaming};

use crate::server::{PATIENCE, TestServer, frame};
use crate::{name, reason};

pub(crate) type Events = Streaming<pb::ConsumeFramesResponse>;

pub(crate) fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

pub(crate) fn group(id: &str, glob: &str) -> pb::ConsumerGroup {
    pb::ConsumerGroup {
        group_id: id.to_owned(),
        streams: vec![pb::StreamMatch { selector: Some(By::Glob(glob.to_owned())) }],
        start: earliest(),
        ..Default::default()
    }
}

fn earliest() -> Option<pb::StartPosition> {
    Some(pb::StartPosition { position: Some(Position::Earliest(pb::StartEarliest {})) })
}

pub(crate) async fn create(server: &TestServer, group: pb::ConsumerGroup) -> pb::ConsumerGroup {
    let request = pb::CreateConsumerGroupRequest { group: Some(group) };
    let answer = server.groups().create_consumer_group(request).await.expect("creates");
    answer.into_inner().group.expect("a group")
}

pub(crate) async fn status(server: &TestServer, group: &str) -> pb::ConsumerGroupStatus {
    let request = pb::GetConsumerGroupRequest { group_id: group.to_owned() };
    let answer = server.groups().get_consumer_group(request).await.expect("reads").into_inner();
    answer.group.and_then(|group| group.status).expect("a status")
}

/// Waits until the status of the group fulfils a condition.
pub(crate) async fn until(
    server: &TestServer,
    group: &str,
    wanted: impl Fn(&pb::ConsumerGroupStatus) -> bool,
) {
    let start = Instant::now();
    loop {
        let status = status(server, group).await;
        if wanted(&status) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "the group stays at {status:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn member(group: &str, member: &str) -> pb::ConsumeFramesRequest {
    let no_pictures = pb::PictureSelection { metadata_only: true, ..Default::default() };
    pb::ConsumeFramesRequest {
        group_id: group.to_owned(),
        member_id: member.to_owned(),
        pictures: Some(no_pictures),
        heartbeat_interval: seconds(1),
        ..Default::default()
    }
}

pub(crate) async fn join(server: &TestServer, member: pb::ConsumeFramesRequest) -> Events {
    let mut events = server.streaming().consume_frames(member).await.expect("joins").into_inner();
    let first = timeout(PATIENCE, events.message()).await.expect("in time").expect("no error");
    let first = first.and_then(|message| message.event);
    let Some(Event::Ready(ready)) = first else {
        panic!("the first message says that it is ready: {first:?}")
    };
    assert!(ready.ack_deadline.is_some());
    events
}

pub(crate) async fn next_frame(events: &mut Events) -> pb::ConsumedFrame {
    loop {
        let message = timeout(PATIENCE, events.message()).await.expect("a frame in time").expect("no error");
        match message.and_then(|message| message.event).expect("not the end") {
            Event::Frame(frame) => return frame,
            Event::Heartbeat(_) | Event::Gap(_) => {}
            other @ (Event::Ready(_) | Event::Draining(_)) => panic!("{other:?}"),
        }
    }
}

/// Waits for the end of a call, and returns its status.
pub(crate) async fn ended(events: &mut Events) -> Status {
    let end = async {
        loop {
            match events.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("ends without an error"),
                Err(status) => return status,
            }
        }
    };
    timeout(PATIENCE, end).await.expect("ends in time")
}

pub(crate) fn sequence(delivered: &pb::ConsumedFrame) -> u64 {
    delivered.frame.as_ref().expect("a frame").sequence
}

pub(crate) async fn ack(server: &TestServer, group: &str, ids: &[&pb::ConsumedFrame]) -> Vec<Outcome> {
    ack_ids(server, group, ids.iter().map(|one| one.ack_id.clone()).collect()).await
}

async fn ack_ids(server: &TestServer, group: &str, ack_ids: Vec<String>) -> Vec<Outcome> {
    let request = pb::AcknowledgeFramesRequest { group_id: group.to_owned(), ack_ids };
    let answer = server.streaming().acknowledge_frames(request).await.expect("answers").into_inner();
    answer.results.into_iter().map(|result| result.outcome.expect("an outcome")).collect()
}

pub(crate) async fn reject(server: &TestServer, group: &str, rejection: pb::Rejection) -> Outcome {
    let request = pb::RejectFramesRequest { group_id: group.to_owned(), rejections: vec![rejection] };
    let answer = server.streaming().reject_frames(request).await.expect("answers").into_inner();
    answer.results.into_iter().next().and_then(|result| result.outcome).expect("an outcome")
}

pub(crate) fn done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done(done) if !done.already_acknowledged)
}

fn before(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done(done) if done.already_acknowledged)
}

pub(crate) fn refused(outcome: &Outcome) -> pb::ErrorReason {
    match outcome {
        Outcome::Refused(error) => error.reason(),
        Outcome::Done(_) => panic!("{outcome:?}"),
    }
}

pub(crate) async fn submit(server: &TestServer, stream: &str, count: u8) {
    let frames = (0..count).map(|shade| frame(stream, shade)).collect();
    let outcomes = server.submit(frames).await;
    assert!(outcomes.iter().all(|one| matches!(one, pb::frame_result::Outcome::Accepted(_))), "{outcomes:?}");
}

#[tokio::test]
async fn two_members_share_the_frames_and_each_comes_once() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam-1", "cam-2"]).await;
    create(&server, group("site", "cam-*")).await;
    let small = |id| pb::ConsumeFramesRequest { max_outstanding_frames: Some(4), ..member("site", id) };
    let (mut a, mut b) = (join(&server, small("a")).await, join(&server, small("b")).await);
    submit(&server, "cam-1", 10).await;
    submit(&server, "cam-2", 10).await;
    let mut seen = Vec::new();
    let mut by = [0, 0];
    while seen.len() < 20 {
        let (who, delivered) = tokio::select! {
            delivered = next_frame(&mut a) => (0, delivered),
            delivered = next_frame(&mut b) => (1, delivered),
        };
        assert_eq!(delivered.delivery_attempt, 1);
        assert!(delivered.ack_expire_time.is_some() && delivered.ack_id.len() <= 256);
        by[who] += 1;
        let frame = delivered.frame.clone().expect("a frame");
        seen.push((frame.stream_id, frame.sequence));
        assert!(done(&ack(&server, "site", &[&delivered]).await[0]));
    }
    seen.sort();
    let expected: Vec<_> =
        ["cam-1", "cam-2"].iter().flat_map(|id| (1..=10).map(|n| ((*id).to_owned(), n))).collect();
    assert_eq!(seen, expected);
    until(&server, "site", |status| status.lag_frames == 0 && status.outstanding_frames == 0).await;
    let status = status(&server, "site").await;
    assert_eq!((status.acknowledged_frames, status.redelivered_frames, status.stream_count), (20, 0, 2));
    let members: Vec<_> = status.members.iter().map(|member| member.member_id.as_str()).collect();
    assert_eq!(members, ["a", "b"]);
    server.stop().await;
}

#[tokio::test]
async fn a_frame_is_redelivered_after_its_deadline_and_a_late_ack_succeeds() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    create(&server, pb::ConsumerGroup { ack_deadline: seconds(1), ..group("site", "cam") }).await;
    submit(&server, "cam", 1).await;
    let mut events = join(&server, member("site", "a")).await;
    let first = next_frame(&mut events).await;
    let second = next_frame(&mut events).await;
    assert_eq!((sequence(&second), second.delivery_attempt), (1, 2));
    assert_eq!(refused(&ack(&server, "site", &[&first]).await[0]), pb::ErrorReason::AckIdStale);
    // No other member has the frame: an ack after the deadline counts.
    drop(events);
    assert!(done(&ack(&server, "site", &[&second]).await[0]));
    assert!(before(&ack(&server, "site", &[&second]).await[0]));
    let status = status(&server, "site").await;
    assert_eq!((status.acknowledged_frames, status.redelivered_frames, status.lag_frames), (1, 1, 0));
    server.stop().await;
}

#[tokio::test]
async fn calls_of_members_end_when_their_group_is_deleted() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    create(&server, group("site", "cam")).await;
    submit(&server, "cam", 2).await;
    let mut events = join(&server, member("site", "a")).await;
    let first = next_frame(&mut events).await;
    next_frame(&mut events).await;
    let delete = || pb::DeleteConsumerGroupRequest { group_id: "site".into(), ..Default::default() };
    let deleted = server.groups().delete_consumer_group(delete()).await.expect("deletes").into_inner();
    assert_eq!((deleted.outstanding_frames, deleted.lag_frames), (2, 2));
    let end = ended(&mut events).await;
    assert_eq!((end.code(), reason(&end)), (Code::NotFound, name(pb::ErrorReason::GroupDeleted)));
    let again = server.groups().delete_consumer_group(delete()).await.expect_err("is gone");
    assert_eq!((again.code(), reason(&again)), (Code::NotFound, name(pb::ErrorReason::GroupNotFound)));
    // A new group with the same id is another group.
    create(&server, group("site", "cam")).await;
    assert_eq!(refused(&ack(&server, "site", &[&first]).await[0]), pb::ErrorReason::AckIdStale);
    server.stop().await;
}

#[tokio::test]
async fn a_rejected_frame_waits_and_after_the_last_attempt_it_is_given_up() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    create(&server, pb::ConsumerGroup { max_delivery_attempts: Some(2), ..group("site", "cam") }).await;
    submit(&server, "cam", 2).await;
    let mut events = join(&server, member("site", "a")).await;
    let (first, other) = (next_frame(&mut events).await, next_frame(&mut events).await);
    let delay = Some(prost_types::Duration { seconds: 0, nanos: 300_000_000 });
    let rejection = |frame: &pb::ConsumedFrame| pb::Rejection {
        ack_id: frame.ack_id.clone(),
        retry_delay: delay,
        ..Default::default()
    };
    let rejected_at = Instant::now();
    assert!(done(&reject(&server, "site", rejection(&first)).await));
    assert!(done(&reject(&server, "site", rejection(&first)).await), "rejecting again changes nothing");
    let again = next_frame(&mut events).await;
    assert!(rejected_at.elapsed() >= Duration::from_millis(290), "{:?}", rejected_at.elapsed());
    assert_eq!((sequence(&again), again.delivery_attempt), (1, 2));
    reject(&server, "site", rejection(&again)).await;
    until(&server, "site", |status| status.dead_letter_frames == 1 && status.outstanding_frames == 1).await;
    let dead = pb::Rejection {
        ack_id: other.ack_id.clone(),
        reason: "not a road".into(),
        dead_letter: true,
        ..Default::default()
    };
    assert!(done(&reject(&server, "site", dead).await));
    until(&server, "site", |status| status.dead_letter_frames == 2 && status.lag_frames == 0).await;

    let filter = r#"group_id = "site""#.to_owned();
    let request = pb::ListDeadLettersRequest { filter, ..Default::default() };
    let page = server.dead_letters().list_dead_letters(request).await.expect("lists").into_inner();
    let found = |sequence| page.dead_letters.iter().find(|one| one.sequence == sequence).expect("a letter");
    let (exhausted, rejected) = (found(1), found(2));
    assert_eq!((exhausted.attempts, exhausted.source()), (2, pb::DeadLetterSource::Group));
    assert_eq!(exhausted.reason(), pb::ErrorReason::DeliveryAttemptsExhausted);
    assert_eq!((rejected.attempts, rejected.message.as_str()), (1, "not a road"));
    assert_eq!(rejected.reason(), pb::ErrorReason::RejectedByConsumer);
    // A late ack is not answered as if the frames had been acknowledged.
    let late = ack(&server, "site", &[&first, &again, &other]).await;
    let exhausted = pb::ErrorReason::DeliveryAttemptsExhausted;
    assert_eq!(
        late.iter().map(refused).collect::<Vec<_>>(),
        [exhausted, exhausted, pb::ErrorReason::RejectedByConsumer]
    );
    // The dead letter has a copy of the processed picture.
    let request =
        pb::GetDeadLetterRequest { dead_letter_id: rejected.dead_letter_id.clone(), ..Default::default() };
    let letter = server.dead_letters().get_dead_letter(request).await.expect("reads").into_inner();
    let picture = letter.dead_letter.and_then(|letter| letter.picture).expect("a picture");
    let Some(pb::picture::Content::Data(data)) = picture.content else { panic!("no data") };
    assert!(data.starts_with(b"\xFF\xD8\xFF"));
    server.stop().await;
}

#[tokio::test]
async fn each_bad_ack_id_is_refused_and_changes_nothing() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    create(&server, group("site", "cam")).await;
    create(&server, group("lab", "cam")).await;
    submit(&server, "cam", 1).await;
    let mut events = join(&server, member("site", "a")).await;
    let frame = next_frame(&mut events).await;
    let good = frame.ack_id.clone();
    let mut forged = good.clone();
    let last = forged.pop().expect("a character");
    forged.push(if last == 'A' { 'Q' } else { 'A' });
    let cut = good[..good.len() - 4].to_owned();
    let ids = vec![forged, cut, "rubbish".into(), String::new(), "A".repeat(5000)];
    let outcomes = ack_ids(&server, "site", ids).await;
    assert!(outcomes.iter().all(|one| refused(one) == pb::ErrorReason::AckIdInvalid), "{outcomes:?}");
    let foreign = ack_ids(&server, "lab", vec![good.clone()]).await;
    assert_eq!(refused(&foreign[0]), pb::ErrorReason::AckIdForeign);
    assert_eq!(status(&server, "site").await.outstanding_frames, 1);
    let mixed = ack_ids(&server, "site", vec!["x".into(), good.clone(), good.clone()]).await;
    assert_eq!(refused(&mixed[0]), pb::ErrorReason::AckIdInvalid);
    assert!(done(&mixed[1]) && before(&mixed[2]));
    assert_eq!(status(&server, "site").await.acknowledged_frames, 1);

    let refused = async |group: &str, ack_ids: Vec<String>| {
        let request = pb::AcknowledgeFramesRequest { group_id: group.into(), ack_ids };
        let status = server.streaming().acknowledge_frames(request).await.expect_err("must be refused");
        (status.code(), reason(&status))
    };
    assert_eq!(
        refused("nobody", vec![good.clone()]).await,
        (Code::NotFound, name(pb::ErrorReason::GroupNotFound))
    );
    assert_eq!(refused("site", Vec::new()).await.0, Code::InvalidArgument);
    let many = vec![good; 1001];
    assert_eq!(refused("site", many).await, (Code::InvalidArgument, name(pb::ErrorReason::TooManyItems)));
    server.stop().await;
}

#[tokio::test]
async fn a_seek_moves_the_group_and_makes_old_ack_ids_stale() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    create(&server, group("site", "cam")).await;
    submit(&server, "cam", 4).await;
    let mut events = join(&server, member("site", "a")).await;
    let mut frames = Vec::new();
    for _ in 0..4 {
        frames.push(next_frame(&mut events).await);
    }
    ack(&server, "site", &[&frames[0], &frames[1]]).await;
    let seek = async |position: Option<Position>| {
        let position = Some(pb::StartPosition { position });
        let group_id = "site".into();
        let request =
            pb::SeekConsumerGroupRequest { group_id, position, all_streams: true, ..Default::default() };
        server.groups().seek_consumer_group(request).await.map(tonic::Response::into_inner)
    };
    let sought = seek(Some(Position::Sequence(2))).await.expect("seeks");
    let after = sought.group.expect("a group");
    assert_eq!((sought.moved_streams, after.generation), (1, 2));
    assert_eq!(after.status.map(|status| (status.lag_frames, status.outstanding_frames)), Some((3, 0)));
    assert_eq!(refused(&ack(&server, "site", &[&frames[2]]).await[0]), pb::ErrorReason::AckIdStale);
    for expected in [2, 3, 4] {
        let delivered = next_frame(&mut events).await;
        assert_eq!((sequence(&delivered), delivered.delivery_attempt), (expected, 1));
        ack(&server, "site", &[&delivered]).await;
    }
    let at = frames[3].frame.as_ref().and_then(|frame| frame.receive_time).expect("a time");
    seek(Some(Position::ReceiveTime(at))).await.expect("seeks by time");
    let delivered = next_frame(&mut events).await;
    let time = delivered.frame.as_ref().and_then(|frame| frame.receive_time).expect("a time");
    assert!((time.seconds, time.nanos) >= (at.seconds, at.nanos));

    let future = prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 };
    for ahead in [Position::ReceiveTime(future), Position::Sequence(9_000_000)] {
        let status = seek(Some(ahead)).await.expect_err("lies in the future");
        assert_eq!(
            (status.code(), reason(&status)),
            (Code::OutOfRange, name(pb::ErrorReason::PositionInFuture))
        );
    }
    let cut = pb::StreamCursor { stream_id: "cam".into(), cursor: "cut".into() };
    let status =
        seek(Some(Position::Cursors(pb::CursorList { cursors: vec![cut] }))).await.expect_err("is cut");
    assert_eq!(
        (status.code(), reason(&status)),
        (Code::InvalidArgument, name(pb::ErrorReason::CursorInvalid))
    );
    assert_eq!(seek(None).await.expect_err("says nothing").code(), Code::InvalidArgument);
    // The streams of a seek must be given, and only once.
    let streams = group("site", "cam").streams;
    for (streams, all_streams) in [(Vec::new(), false), (streams, true)] {
        let position = Some(pb::StartPosition { position: Some(Position::Live(pb::StartLive {})) });
        let group_id = "site".into();
        let request =
            pb::SeekConsumerGroupRequest { group_id, position, streams, all_streams, ..Default::default() };
        let status = server.groups().seek_consumer_group(request).await.expect_err("which streams?");
        assert_eq!(
            (status.code(), reason(&status)),
            (Code::InvalidArgument, name(pb::ErrorReason::InvalidField))
        );
    }
    seek(Some(Position::Live(pb::StartLive {}))).await.expect("seeks to live");
    assert_eq!(status_of(&server).await, (0, 0));
    server.stop().await;
}

async fn status_of(server: &TestServer) -> (u64, u64) {
    let status = status(server, "site").await;
    (status.lag_frames, status.outstanding_frames)
}

#[tokio::test]
async fn streams_registered_later_begin_with_their_first_frame() {
    let server = TestServer::start(|_| {}).await;
    create(&server, pb::ConsumerGroup { start: None, ..group("site", "late-*") }).await;
    server.register(&["late-1"]).await;
    submit(&server, "late-1", 2).await;
    let mut events = join(&server, member("site", "a")).await;
    assert_eq!(sequence(&next_frame(&mut events).await), 1);
    assert_eq!(sequence(&next_frame(&mut events).await), 2);
    server.register(&["late-2"]).await;
    submit(&server, "late-2", 1).await;
    let delivered = next_frame(&mut events).await.frame.expect("a frame");
    assert_eq!((delivered.stream_id.as_str(), delivered.sequence), ("late-2", 1));
    server.stop().await;
}

#[tokio::test]
async fn with_affinity_a_stream_stays_with_its_member() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam-1", "cam-2"]).await;
    let affine = pb::ConsumerGroup { affinity: pb::GroupAffinity::Stream.into(), ..group("site", "cam-*") };
    create(&server, affine).await;
    let (mut a, mut b) = (join(&server, member("site", "a")).await, join(&server, member("site", "b")).await);
    let mut owner = std::collections::HashMap::new();
    for round in 0..6 {
        submit(&server, "cam-1", 1).await;
        submit(&server, "cam-2", 1).await;
        for _ in 0..2 {
            let (who, delivered) = tokio::select! {
                delivered = next_frame(&mut a) => ("a", delivered),
                delivered = next_frame(&mut b) => ("b", delivered),
            };
            let stream = delivered.frame.as_ref().expect("a frame").stream_id.clone();
            assert_eq!(sequence(&delivered), round + 1, "{stream} is in order");
            assert_eq!(*owner.entry(stream).or_insert(who), who);
            ack(&server, "site", &[&delivered]).await;
        }
    }
    let list = |page_token: &str| pb::ListConsumerGroupPositionsRequest {
        group_id: "site".into(),
        page_size: 1,
        page_token: page_token.to_owned(),
        ..Default::default()
    };
    let page = async |token: &str| {
        let answer = server.groups().list_consumer_group_positions(list(token)).await;
        answer.expect("lists").into_inner()
    };
    let first = page("").await;
    let second = page(&first.next_page_token).await;
    let read = [first.positions, second.positions].concat();
    let ids: Vec<_> = read.iter().map(|position| position.stream_id.as_str()).collect();
    assert_eq!((ids, second.next_page_token.as_str()), (vec!["cam-1", "cam-2"], ""));
    for position in &read {
        assert_eq!(position.member_id, owner[&position.stream_id], "{position:?}");
        assert_eq!(
            (position.acknowledged_sequence, position.delivered_sequence, position.lag_frames),
            (6, 6, 0)
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn filtered_and_sampled_frames_count_as_acknowledged_and_are_reported_as_gaps() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    let filter = pb::FrameFilter { attributes: [("lane".into(), "2".into())].into(), ..Default::default() };
    create(&server, pb::ConsumerGroup { filter: Some(filter), ..group("site", "cam") }).await;
    let marked =
        |shade| pb::Frame { attributes: [("lane".into(), "2".into())].into(), ..frame("cam", shade) };
    server.submit(vec![frame("cam", 1), frame("cam", 2), marked(3), frame("cam", 4)]).await;
    let mut events = join(&server, member("site", "a")).await;
    let mut gaps = Vec::new();
    let delivered = loop {
        let message = timeout(PATIENCE, events.message()).await.expect("in time").expect("no error");
        match message.and_then(|message| message.event).expect("an event") {
            Event::Frame(frame) => break frame,
            Event::Gap(gap) => gaps.push(gap),
            Event::Heartbeat(_) => {}
            other @ (Event::Ready(_) | Event::Draining(_)) => panic!("{other:?}"),
        }
    };
    assert_eq!(sequence(&delivered), 3);
    let reported: u64 = gaps.iter().map(|gap| gap.to_sequence - gap.from_sequence + 1).sum();
    assert_eq!(reported, 2, "{gaps:?}");
    for gap in &gaps {
        assert_eq!(gap.causes[0].reason(), pb::GapReason::Filtered);
    }
    ack(&server, "site", &[&delivered]).await;
    until(&server, "site", |status| status.lag_frames == 0 && status.acknowledged_frames == 4).await;
    server.stop().await;
}
