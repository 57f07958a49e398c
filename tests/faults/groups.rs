//! Row 15: a group member that takes frames and never acknowledges one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use frameway::pb::v1 as pb;
use frameway::pb::v1::consume_frames_response::Event;
use tokio::sync::Mutex;

use crate::common::redis::RedisServer;
use crate::common::{DEADLINE, spawn};
use crate::ledger::Ledger;
use crate::process::Process;
use crate::traffic::{Client, Publisher, client, register, streams};

const GROUP: &str = "site";

/// The frames that a member has acknowledged.
type Done = Arc<Mutex<BTreeSet<(String, u64)>>>;

async fn join(client: &Client, member: &str) -> tonic::Streaming<pb::ConsumeFramesResponse> {
    let request = pb::ConsumeFramesRequest {
        group_id: GROUP.to_owned(),
        member_id: member.to_owned(),
        max_outstanding_frames: Some(5),
        ..Default::default()
    };
    client.streaming.clone().consume_frames(request).await.expect("joins").into_inner()
}

/// Takes frames as long as the test runs, and acknowledges them if `done` is set.
async fn take(client: Client, member: &'static str, done: Option<Done>) {
    let mut events = join(&client, member).await;
    while let Ok(Some(message)) = events.message().await {
        let Some(Event::Frame(delivered)) = message.event else { continue };
        let Some(done) = &done else { continue };
        let request =
            pb::AcknowledgeFramesRequest { group_id: GROUP.to_owned(), ack_ids: vec![delivered.ack_id] };
        let answer =
            client.streaming.clone().acknowledge_frames(request).await.expect("answers").into_inner();
        let frame = delivered.frame.unwrap_or_default();
        if let Some(pb::ack_result::Outcome::Done(_)) = answer.results[0].outcome {
            done.lock().await.insert((frame.stream_id, frame.sequence));
        }
    }
}

async fn status(operator: &Client) -> pb::ConsumerGroupStatus {
    let request = pb::GetConsumerGroupRequest { group_id: GROUP.to_owned() };
    let answer = operator.groups.clone().get_consumer_group(request).await.expect("reads").into_inner();
    answer.group.and_then(|group| group.status).expect("a status")
}

async fn until(operator: &Client, what: &str, wanted: impl Fn(&pb::ConsumerGroupStatus) -> bool) {
    let start = Instant::now();
    loop {
        let status = status(operator).await;
        if wanted(&status) {
            return;
        }
        assert!(start.elapsed() < DEADLINE, "{what}: {status:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_never_acknowledges_delays_nobody() {
    let redis = RedisServer::start();
    let server = Process::server(&["--redis-url", &redis.url()]);
    let (client, ledger, streams) = (client(&server.url()), Arc::new(Ledger::default()), streams(3));
    register(&client, &streams).await;
    let operator = client.clone();
    let group = pb::ConsumerGroup {
        group_id: GROUP.to_owned(),
        streams: vec![pb::StreamMatch {
            selector: Some(pb::stream_match::Selector::Glob("cam-*".to_owned())),
        }],
        ack_deadline: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        max_delivery_attempts: Some(3),
        ..Default::default()
    };
    let request = pb::CreateConsumerGroupRequest { group: Some(group) };
    operator.groups.clone().create_consumer_group(request).await.expect("creates");
    let silent = spawn(take(client.clone(), "silent", None));
    until(&operator, "the silent member has joined", |status| status.members.len() == 1).await;

    // It takes the maximum and no more.
    let mut publisher = Publisher::new(client.clone(), Arc::clone(&ledger), &streams);
    publisher.submit(4).await;
    until(&operator, "it is full", |status| status.outstanding_frames >= 5 && status.lag_frames == 12).await;

    // Another member gets the rest, and the redelivered frames.
    let done = Done::default();
    let diligent = spawn(take(client.clone(), "diligent", Some(Arc::clone(&done))));
    publisher.submit(6).await;
    let total = 30;
    until(&operator, "all frames have ended", |status| {
        status.lag_frames == 0 && status.acknowledged_frames + status.dead_letter_frames == total
    })
    .await;
    let ended = status(&operator).await;
    assert!(done.lock().await.len() as u64 >= total - 5 - ended.dead_letter_frames, "{ended:?}");
    assert_eq!(done.lock().await.len() as u64, ended.acknowledged_frames, "each was acknowledged once");

    // Without another member, its frames are delivered to it three times and then become dead
    // letters.
    diligent.abort();
    until(&operator, "the other one has left", |status| status.members.len() == 1).await;
    publisher.submit(1).await;
    let dead = ended.dead_letter_frames + 3;
    until(&operator, "its frames are given up", |status| status.dead_letter_frames == dead).await;
    let filter = format!(r#"group_id = "{GROUP}""#);
    let request = pb::ListDeadLettersRequest { filter, ..Default::default() };
    let letters = operator
        .dead_letters
        .clone()
        .list_dead_letters(request)
        .await
        .expect("lists")
        .into_inner()
        .dead_letters;
    assert_eq!(letters.len() as u64, dead);
    for letter in &letters {
        assert_eq!((letter.attempts, letter.reason()), (3, pb::ErrorReason::DeliveryAttemptsExhausted));
    }
    let last = status(&operator).await;
    assert_eq!((last.lag_frames, last.outstanding_frames, last.lost_to_retention_frames), (0, 0, 0));
    silent.abort();
    println!("33 frames at stake, {dead} dead letters, 0 lost");
}
