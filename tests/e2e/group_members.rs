//! Members of consumer groups: the frames that they keep while they are disconnected, and the
//! limits of their windows.

use std::time::Duration;

use frameway::pb::v1 as pb;
use frameway::pb::v1::consume_frames_response::Event;
use tokio::time::{Instant, timeout};
use tonic::Code;

use crate::groups::{
    ack, create, done, ended, group, join, member, next_frame, refused, seconds, sequence, status, submit,
    until,
};
use crate::server::{PATIENCE, TestServer};
use crate::{name, reason};

#[tokio::test]
async fn frames_of_an_absent_member_go_to_another_at_their_deadlines() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    create(&server, pb::ConsumerGroup { ack_deadline: seconds(3), ..group("site", "cam") }).await;
    submit(&server, "cam", 3).await;
    let two = pb::ConsumeFramesRequest { max_outstanding_frames: Some(2), ..member("site", "a") };
    let mut a = join(&server, two).await;
    let first = next_frame(&mut a).await;
    next_frame(&mut a).await;
    let had = Instant::now();
    drop(a);
    let mut b = join(&server, member("site", "b")).await;
    let fresh = next_frame(&mut b).await;
    assert_eq!((sequence(&fresh), fresh.delivery_attempt), (3, 1), "nobody had it");
    assert!(done(&ack(&server, "site", &[&fresh]).await[0]));
    let again = [next_frame(&mut b).await, next_frame(&mut b).await];
    assert!(had.elapsed() >= Duration::from_secs(2), "{:?}", had.elapsed());
    let seen = again.iter().map(|one| (sequence(one), one.delivery_attempt)).collect::<Vec<_>>();
    assert_eq!(seen, [(1, 2), (2, 2)]);
    assert_eq!(refused(&ack(&server, "site", &[&first]).await[0]), pb::ErrorReason::AckIdStale);
    assert!(ack(&server, "site", &[&again[0], &again[1]]).await.iter().all(done));
    until(&server, "site", |status| status.lag_frames == 0).await;
    server.stop().await;
}

#[tokio::test]
async fn a_member_that_connects_again_keeps_its_frames_and_their_ack_ids() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    create(&server, pb::ConsumerGroup { max_delivery_attempts: Some(2), ..group("site", "cam") }).await;
    submit(&server, "cam", 3).await;
    let mut events = join(&server, member("site", "a")).await;
    let mut had = Vec::new();
    for _ in 0..3 {
        had.push(next_frame(&mut events).await);
    }
    let mut beside = join(&server, member("site", "b")).await;
    // More often than the maximum of delivery attempts.
    for _ in 0..5 {
        drop(events);
        events = join(&server, member("site", "a")).await;
        for before in &had {
            let again = next_frame(&mut events).await;
            assert_eq!((sequence(&again), again.delivery_attempt), (sequence(before), 1));
            assert_eq!(again.ack_id, before.ack_id);
        }
    }
    assert!(ack(&server, "site", &had.iter().collect::<Vec<_>>()).await.iter().all(done));
    submit(&server, "cam", 1).await;
    let next = tokio::select! {
        next = next_frame(&mut events) => next,
        next = next_frame(&mut beside) => next,
    };
    assert_eq!((sequence(&next), next.delivery_attempt), (4, 1), "the others came to nobody else");
    let status = status(&server, "site").await;
    assert_eq!((status.redelivered_frames, status.dead_letter_frames, status.acknowledged_frames), (0, 0, 3));
    server.stop().await;
}

#[tokio::test]
async fn a_slow_member_is_given_no_more_than_it_handles_while_others_have_room() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    create(&server, group("site", "cam")).await;
    // The slow member joins first and acknowledges nothing.
    let mut slow = join(&server, member("site", "slow")).await;
    let mut quick = join(&server, member("site", "quick")).await;
    until(&server, "site", |status| status.members.len() == 2).await;
    let held = |status: &pb::ConsumerGroupStatus| {
        status.members.iter().find(|one| one.member_id == "slow").map_or(0, |one| one.outstanding_frames)
    };
    for round in 1..=20_u64 {
        submit(&server, "cam", 3).await;
        while {
            let status = status(&server, "site").await;
            status.acknowledged_frames + held(&status) < round * 3
        } {
            tokio::select! {
                frame = next_frame(&mut quick) => {
                    assert!(done(&ack(&server, "site", &[&frame]).await[0]));
                }
                _ = next_frame(&mut slow) => {}
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
        }
    }
    let status = status(&server, "site").await;
    assert!(held(&status) <= 4, "{status:?}");
    assert!(held(&status) == 0 || status.oldest_outstanding_age.is_some(), "{status:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_new_call_under_the_same_name_replaces_the_old_one() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    create(&server, group("site", "cam")).await;
    let mut old = join(&server, member("site", "a")).await;
    let mut new = join(&server, member("site", "a")).await;
    let end = ended(&mut old).await;
    assert_eq!((end.code(), reason(&end)), (Code::Aborted, name(pb::ErrorReason::MemberReplaced)));
    submit(&server, "cam", 1).await;
    assert_eq!(sequence(&next_frame(&mut new).await), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_member_gets_at_most_its_maximum_and_continues_after_an_ack() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    create(&server, group("site", "cam")).await;
    let mut events =
        join(&server, pb::ConsumeFramesRequest { max_outstanding_frames: Some(2), ..member("site", "a") })
            .await;
    submit(&server, "cam", 5).await;
    let first = next_frame(&mut events).await;
    let second = next_frame(&mut events).await;
    until(&server, "site", |status| status.lag_frames == 5).await;
    // A heartbeat arrives before the third frame, and reports two outstanding frames.
    let heartbeat = loop {
        let message = timeout(PATIENCE, events.message()).await.expect("in time").expect("no error");
        match message.and_then(|message| message.event).expect("an event") {
            Event::Heartbeat(heartbeat) if heartbeat.outstanding_frames == 2 => break heartbeat,
            Event::Heartbeat(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(heartbeat.streams.len(), 1);
    ack(&server, "site", &[&first]).await;
    assert_eq!(sequence(&next_frame(&mut events).await), 3);
    ack(&server, "site", &[&second]).await;
    assert_eq!(sequence(&next_frame(&mut events).await), 4);
    server.stop().await;
}
