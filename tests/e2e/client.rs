//! The client of the crate, with a server.

use std::time::Duration;

use frameway::client::Client;
use frameway::client::consume::{AckOutcome, Consumer, Event as Consumed};
use frameway::client::publish::{BatchSender, Decision};
use frameway::client::subscribe::{Event, Subscription, selector};
use frameway::pb::v1 as pb;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::groups::{create, group, seconds, until};
use crate::server::{PATIENCE, TestServer, frame};
use crate::{pause_all, resume_all};

async fn connect(server: &TestServer) -> Client {
    Client::connect(&server.address.to_string()).await.expect("connects")
}

/// Returns the next frame of a member.
async fn next_frame(consumer: &mut Consumer) -> pb::ConsumedFrame {
    loop {
        let event = timeout(PATIENCE, consumer.next()).await.expect("an event in time");
        if let Consumed::Frame(frame) = event.expect("the membership goes on") {
            return *frame;
        }
    }
}

#[tokio::test]
async fn a_rejected_frame_comes_again_or_becomes_a_dead_letter() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    create(&server, group("g", "cam")).await;
    server.submit(vec![frame("cam", 1), frame("cam", 2)]).await;
    let request = pb::ConsumeFramesRequest {
        group_id: "g".into(),
        member_id: "m".into(),
        stop_after_frames: Some(3),
        ..Default::default()
    };
    let mut consumer = Consumer::new(&connect(&server).await, request);
    let (first, second) = (next_frame(&mut consumer).await, next_frame(&mut consumer).await);
    let rejections = vec![
        pb::Rejection { ack_id: first.ack_id.clone(), retry_delay: seconds(0), ..Default::default() },
        pb::Rejection { ack_id: second.ack_id.clone(), dead_letter: true, ..Default::default() },
    ];
    let outcomes = consumer.reject(rejections).await.expect("rejects");
    assert_eq!(outcomes, [AckOutcome::Done, AckOutcome::Done]);

    let again = next_frame(&mut consumer).await;
    assert_eq!((again.frame.map_or(0, |frame| frame.sequence), again.delivery_attempt), (1, 2));
    // The second frame is given up, so an acknowledgement of it comes too late.
    let outcomes = consumer.ack(vec![again.ack_id, second.ack_id]).await.expect("acknowledges");
    assert!(matches!(&outcomes[..], [AckOutcome::Done, AckOutcome::Refused(Some(_))]), "{outcomes:?}");
    until(&server, "g", |status| (status.acknowledged_frames, status.dead_letter_frames) == (1, 1)).await;
    let end = timeout(PATIENCE, consumer.next()).await.expect("an event in time");
    assert!(matches!(end, Ok(Consumed::End)), "{end:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_subscription_resumes_after_the_cursors_of_another() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    server.submit((1..=4).map(|shade| frame("cam", shade)).collect()).await;
    let client = connect(&server).await;
    let request = |count| pb::SubscribeFramesRequest {
        selectors: vec![pb::StreamSelector {
            start: Some(pb::StartPosition {
                position: Some(pb::start_position::Position::Earliest(pb::StartEarliest {})),
            }),
            ..selector("cam")
        }],
        stop_after_frames: Some(count),
        ..Default::default()
    };
    let read = async |mut subscription: Subscription| {
        let mut sequences = Vec::new();
        loop {
            let event = timeout(PATIENCE, subscription.next()).await.expect("an event in time");
            match event.expect("the subscription goes on") {
                Event::Frame(delivered) => sequences.extend(delivered.frame.map(|frame| frame.sequence)),
                Event::End => return (sequences, subscription.cursors().clone()),
                _ => {}
            }
        }
    };
    let (sequences, cursors) = read(Subscription::new(&client, request(2))).await;
    assert_eq!(sequences, [1, 2]);
    assert_eq!(cursors.keys().collect::<Vec<_>>(), ["cam"]);
    let (sequences, _) = read(Subscription::new(&client, request(2)).resume_after(cursors)).await;
    assert_eq!(sequences, [3, 4]);
    server.stop().await;
}

#[tokio::test]
async fn a_batch_sender_gives_up_in_time_and_sends_undecided_frames_again() {
    let server = TestServer::start(|_| {}).await;
    let full = pb::QueuePolicy { max_frames: Some(1), ..Default::default() };
    server
        .register_with(pb::Stream { stream_id: "cam".into(), queue: Some(full), ..Default::default() })
        .await;
    pause_all(&server).await;
    let numbered = |number| pb::Frame {
        publisher_id: "me".into(),
        publisher_sequence: Some(number),
        ..frame("cam", number as u8)
    };
    let sender = BatchSender::new(&connect(&server).await).call_timeout(PATIENCE);
    let impatient = sender.clone().patience(Duration::ZERO);
    let sent = impatient.send(vec![numbered(1), numbered(2)]).await.expect("sends");
    assert!(
        matches!(&sent.decisions[..], [Decision::Accepted { sequence: 1 }, Decision::Unconfirmed(Some(_))]),
        "{sent:?}"
    );
    assert!(
        sent.given_up.as_ref().is_some_and(|why| why.starts_with("the server refuses frames for now")),
        "{sent:?}"
    );

    let stop = CancellationToken::new();
    stop.cancel();
    let stopped = sender.clone().stop_on(stop).send(vec![numbered(2)]).await.expect("sends");
    assert_eq!(stopped.given_up.as_deref(), Some("interrupted"), "{stopped:?}");

    // When there is room again, the frame is accepted; sent once more, it is a duplicate.
    resume_all(&server).await;
    let sent = sender.send(vec![numbered(2)]).await.expect("sends");
    assert_eq!((sent.decisions, sent.given_up), (vec![Decision::Accepted { sequence: 2 }], None));
    let sent = sender.send(vec![numbered(1), numbered(2)]).await.expect("sends");
    assert_eq!(sent.decisions, [Decision::Duplicate { sequence: 1 }, Decision::Duplicate { sequence: 2 }]);
    server.stop().await;
}
