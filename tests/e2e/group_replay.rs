//! Replays of the dead letters of consumer groups to their group.

use std::time::{Duration, Instant};

use frameway::pb::v1 as pb;
use frameway::pb::v1::ErrorReason as R;
use frameway::pb::v1::dead_letter_result::Outcome;
use frameway::pb::v1::picture::Content;
use frameway::pb::v1::replay_dead_letters_request::Target;

use crate::group_operators::Pair;
use crate::groups::{
    Events, ack, create, done, group, join, member, next_frame, reject, sequence, status, submit, until,
};
use crate::server::{PATIENCE, TestServer};

const REDELIVERED: Outcome = Outcome::Done(pb::DeadLetterDone { replayed_sequence: 0 });

async fn letters(server: &TestServer) -> Vec<pb::DeadLetter> {
    let filter = r#"group_id = "site""#.to_owned();
    let request = pb::ListDeadLettersRequest { filter, ..Default::default() };
    server.dead_letters().list_dead_letters(request).await.expect("lists").into_inner().dead_letters
}

async fn send(server: &TestServer, target: Target, discard_replayed: bool) -> Vec<Outcome> {
    let request =
        pb::ReplayDeadLettersRequest { target: Some(target), discard_replayed, ..Default::default() };
    let answer = server.dead_letters().replay_dead_letters(request).await.expect("replays").into_inner();
    answer.results.into_iter().map(|result| result.outcome.expect("an outcome")).collect()
}

async fn replay(server: &TestServer, id: &str, discard_replayed: bool) -> Outcome {
    let target = Target::Ids(pb::DeadLetterIdList { ids: vec![id.to_owned()] });
    send(server, target, discard_replayed).await.remove(0)
}

fn refusal(outcome: &Outcome) -> R {
    match outcome {
        Outcome::Refused(error) => error.reason(),
        Outcome::Done(done) => panic!("not refused: {done:?}"),
    }
}

fn rejection(frame: &pb::ConsumedFrame, dead_letter: bool) -> pb::Rejection {
    let retry_delay = (!dead_letter).then(prost_types::Duration::default);
    pb::Rejection { ack_id: frame.ack_id.clone(), retry_delay, dead_letter, ..Default::default() }
}

/// Rejects the next frame until it becomes a dead letter.
async fn give_up(server: &TestServer, events: &mut Events, attempts: u32) {
    for attempt in 1..=attempts {
        let frame = next_frame(events).await;
        assert_eq!(frame.delivery_attempt, attempt);
        assert!(done(&reject(server, "site", rejection(&frame, false)).await));
    }
}

fn twice() -> pb::ConsumerGroup {
    pb::ConsumerGroup { max_delivery_attempts: Some(2), ..group("site", "cam") }
}

#[tokio::test]
async fn a_replayed_frame_starts_with_attempt_1_and_can_be_given_up_again() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    create(&server, twice()).await;
    submit(&server, "cam", 1).await;
    let mut events = join(&server, member("site", "a")).await;
    give_up(&server, &mut events, 2).await;
    until(&server, "site", |status| status.dead_letter_frames == 1 && status.lag_frames == 0).await;
    // A replay of all does not skip the dead letters of groups.
    let all = || Target::All(true);
    assert_eq!(send(&server, all(), false).await, [REDELIVERED]);
    assert!(send(&server, all(), false).await.is_empty(), "those that were replayed are passed over");
    // The frame is given up again at once, as another dead letter.
    give_up(&server, &mut events, 2).await;
    until(&server, "site", |status| status.dead_letter_frames == 2 && status.lag_frames == 0).await;
    let found = letters(&server).await;
    let seen: Vec<_> = found.iter().map(|one| (one.sequence, one.replay_time.is_some())).collect();
    assert_eq!(seen, [(1, false), (1, true)], "newest first");
    // A replay of the old dead letter returns the same result; the new one returns the frame to the
    // group, and is kept whatever the caller asks.
    assert_eq!(replay(&server, &found[1].dead_letter_id, false).await, REDELIVERED);
    assert_eq!(replay(&server, &found[0].dead_letter_id, true).await, REDELIVERED);
    let frame = next_frame(&mut events).await;
    assert_eq!((sequence(&frame), frame.delivery_attempt), (1, 1));
    assert!(done(&ack(&server, "site", &[&frame]).await[0]));
    until(&server, "site", |status| status.lag_frames == 0 && status.outstanding_frames == 0).await;
    assert_eq!(status(&server, "site").await.acknowledged_frames, 1);
    assert_eq!(replay(&server, &found[0].dead_letter_id, true).await, REDELIVERED, "the same answer");
    assert_eq!(letters(&server).await.len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn a_dead_letter_of_a_deleted_group_stays() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    create(&server, group("site", "cam")).await;
    submit(&server, "cam", 1).await;
    let mut events = join(&server, member("site", "a")).await;
    let frame = next_frame(&mut events).await;
    assert!(done(&reject(&server, "site", rejection(&frame, true)).await));
    until(&server, "site", |status| status.dead_letter_frames == 1).await;
    let request = pb::DeleteConsumerGroupRequest { group_id: "site".into(), ..Default::default() };
    server.groups().delete_consumer_group(request).await.expect("deletes");
    let id = letters(&server).await.remove(0).dead_letter_id;
    assert_eq!(refusal(&replay(&server, &id, true).await), R::ReplayTargetGone);
    assert!(letters(&server).await[0].replay_time.is_none(), "nothing changes");
    server.stop().await;
}

#[tokio::test]
async fn a_frame_that_retention_removed_comes_from_its_dead_letter() {
    let server = TestServer::start(|_| {}).await;
    let retention = Some(pb::RetentionPolicy { max_frames: Some(1), ..Default::default() });
    server.register_with(pb::Stream { stream_id: "cam".into(), retention, ..Default::default() }).await;
    create(&server, group("site", "cam")).await;
    submit(&server, "cam", 1).await;
    let processed = pb::PictureSelection {
        roles: vec![pb::PictureRole::Processed.into(), pb::PictureRole::Thumbnail.into()],
        ..Default::default()
    };
    let mut events =
        join(&server, pb::ConsumeFramesRequest { pictures: Some(processed), ..member("site", "a") }).await;
    let first = next_frame(&mut events).await;
    assert!(done(&reject(&server, "site", rejection(&first, true)).await));
    until(&server, "site", |status| status.dead_letter_frames == 1).await;
    submit(&server, "cam", 1).await;
    let second = next_frame(&mut events).await;
    assert!(done(&ack(&server, "site", &[&second]).await[0]));
    let start = Instant::now();
    loop {
        let request =
            pb::GetFramesRequest { stream_id: "cam".into(), sequences: vec![1], ..Default::default() };
        let found = server.streaming().get_frames(request).await.expect("looks up").into_inner().results;
        if matches!(found[0].outcome, Some(pb::frame_lookup::Outcome::Missing(_))) {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "retention removes it");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let id = letters(&server).await.remove(0).dead_letter_id;
    // The dead letter is kept whatever the caller asks: the members of the group receive the frame
    // from it.
    assert_eq!(replay(&server, &id, true).await, REDELIVERED);
    let again = next_frame(&mut events).await;
    assert_eq!((sequence(&again), again.delivery_attempt), (1, 1));
    let (before, now) = (first.frame.expect("a frame"), again.frame.clone().expect("a frame"));
    assert_eq!(now.quality, before.quality);
    let content = |frame: &pb::ProcessedFrame, role: pb::PictureRole| {
        let picture = frame.pictures.iter().find(|picture| picture.role() == role);
        picture.and_then(|picture| picture.content.clone())
    };
    let processed = content(&now, pb::PictureRole::Processed);
    assert!(matches!(&processed, Some(Content::Data(data)) if data.starts_with(b"\xFF\xD8\xFF")));
    assert_eq!(processed, content(&before, pb::PictureRole::Processed), "byte for byte");
    let thumbnail = content(&now, pb::PictureRole::Thumbnail);
    assert!(matches!(thumbnail, Some(Content::OmittedReason(_))), "only one is kept: {thumbnail:?}");
    assert!(done(&ack(&server, "site", &[&again]).await[0]));
    until(&server, "site", |status| status.lag_frames == 0 && status.outstanding_frames == 0).await;
    assert_eq!(letters(&server).await.len(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_can_replay_it() {
    let pair = Pair::start().await;
    pair.first.register(&["cam"]).await;
    create(&pair.first, twice()).await;
    let mut events = join(&pair.first, member("site", "a")).await;
    submit(&pair.second, "cam", 1).await;
    give_up(&pair.first, &mut events, 2).await;
    until(&pair.second, "site", |status| status.dead_letter_frames == 1 && status.lag_frames == 0).await;
    let id = letters(&pair.second).await.remove(0).dead_letter_id;
    assert_eq!(replay(&pair.second, &id, false).await, REDELIVERED);
    let frame = next_frame(&mut events).await;
    assert_eq!((sequence(&frame), frame.delivery_attempt), (1, 1));
    assert!(done(&ack(&pair.second, "site", &[&frame]).await[0]));
    assert_eq!(replay(&pair.first, &id, false).await, REDELIVERED, "the same answer");
    until(&pair.first, "site", |status| status.lag_frames == 0 && status.outstanding_frames == 0).await;
    let status = status(&pair.first, "site").await;
    assert_eq!((status.acknowledged_frames, status.dead_letter_frames), (1, 1));
    pair.stop().await;
}
