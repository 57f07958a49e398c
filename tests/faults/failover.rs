//! A Redis that returns with older data: promised frames are lost, and this is reported.

use std::collections::BTreeSet;

use bytes::Bytes;
use frameway::pb::v1 as pb;
use pb::subscribe_frames_response::Event;
use tonic::Streaming;

use crate::common::DEADLINE;
use crate::common::redis::{Persistence, RedisServer};
use crate::process::Process;
use crate::traffic::{Client, client, pictures, register};

const STREAM: &str = "cam";

/// Submits one frame and returns its sequence.
async fn submit(client: &Client, picture: &Bytes, number: u64) -> u64 {
    submit_to(client, STREAM, picture, number).await
}

async fn submit_to(client: &Client, stream: &str, picture: &Bytes, number: u64) -> u64 {
    use pb::frame_result::Outcome;
    loop {
        let frame = pb::Frame {
            stream_id: stream.to_owned(),
            publisher_id: "tester".to_owned(),
            publisher_sequence: Some(number),
            data: picture.clone(),
            ..Default::default()
        };
        let request = pb::SubmitFrameBatchRequest { frames: vec![frame] };
        if let Ok(answer) = client.streaming.clone().submit_frame_batch(request).await
            && let Some(Outcome::Accepted(accepted)) = answer.into_inner().results.remove(0).outcome
        {
            return accepted.sequence;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn subscribe(
    client: &Client,
    start: pb::start_position::Position,
) -> Streaming<pb::SubscribeFramesResponse> {
    let selector = pb::StreamSelector {
        streams: vec![pb::StreamMatch { selector: Some(pb::stream_match::Selector::Id(STREAM.to_owned())) }],
        start: Some(pb::StartPosition { position: Some(start) }),
        ..Default::default()
    };
    let request = pb::SubscribeFramesRequest { selectors: vec![selector], ..Default::default() };
    client.streaming.clone().subscribe_frames(request).await.expect("a subscription").into_inner()
}

/// An event of a subscription: the sequence of a frame, or a gap with its reasons.
#[derive(Debug, PartialEq, Eq)]
enum Received {
    Frame(u64, String),
    /// The range, and for each reason the number of sequences and of frames, if known.
    Gap(u64, u64, Vec<(pb::GapReason, u64, Option<u64>)>),
}

async fn next(events: &mut Streaming<pb::SubscribeFramesResponse>) -> Received {
    tokio::time::timeout(DEADLINE, async {
        loop {
            match events
                .message()
                .await
                .expect("the subscription continues")
                .and_then(|message| message.event)
            {
                Some(Event::Frame(frame)) => {
                    return Received::Frame(frame.frame.unwrap_or_default().sequence, frame.cursor);
                }
                Some(Event::Gap(reported)) => {
                    let gap = reported.gap.unwrap_or_default();
                    let causes =
                        gap.causes.iter().map(|cause| (cause.reason(), cause.count, cause.frames)).collect();
                    return Received::Gap(gap.from_sequence, gap.to_sequence, causes);
                }
                Some(Event::Heartbeat(_) | Event::Checkpoint(_) | Event::Draining(_)) | None => {}
            }
        }
    })
    .await
    .expect("an event within the deadline")
}

async fn frame(events: &mut Streaming<pb::SubscribeFramesResponse>) -> (u64, String) {
    match next(events).await {
        Received::Frame(sequence, cursor) => (sequence, cursor),
        gap @ Received::Gap(..) => panic!("expected a frame, not {gap:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sequences_lost_in_a_failover_are_reported_and_never_issued_again() {
    use pb::start_position::Position;
    let mut redis = RedisServer::start();
    let server = Process::server(&["--redis-url", &redis.url()]);
    let (client, pictures) = (client(&server.url()), pictures(16));
    register(&client, &[STREAM.to_owned()]).await;
    let mut live = subscribe(&client, Position::Earliest(pb::StartEarliest {})).await;
    let picture = |number: u64| &pictures[number as usize % pictures.len()];

    let mut given = BTreeSet::new();
    for number in 1..=5 {
        given.insert(submit(&client, picture(number), number).await);
        assert_eq!(frame(&mut live).await.0, number);
    }
    // The copy of the data with which Redis will return.
    redis.cli(&["SAVE"]);
    let mut cursor = String::new();
    for number in 6..=10 {
        given.insert(submit(&client, picture(number), number).await);
        let (sequence, after) = frame(&mut live).await;
        assert_eq!(sequence, number);
        if sequence == 7 {
            cursor = after;
        }
    }
    redis.restart();

    // The publisher does not notice; its next frame is new.
    let first = submit(&client, picture(11), 11).await;
    assert!(first > 10, "{first} was issued before");
    assert!(first < 1_000_000_000, "{first} cannot be read any more");
    assert!(given.insert(first), "a sequence was issued twice");
    let second = submit(&client, picture(12), 12).await;
    assert_eq!(second, first + 1, "one failover causes one jump");

    // The server was not restarted, and knows that 10 was the last sequence.
    let failover = |from: u64| {
        let lost = Some(11_u64.saturating_sub(from));
        Received::Gap(from, first - 1, vec![(pb::GapReason::BackendFailover, first - from, lost)])
    };
    // A subscription that stayed open and has received everything up to 10.
    assert_eq!(next(&mut live).await, failover(11));
    assert_eq!((frame(&mut live).await.0, frame(&mut live).await.0), (first, second));
    // A subscription that resumes from an earlier cursor.
    let at = pb::StreamCursor { stream_id: STREAM.to_owned(), cursor };
    let mut resumed = subscribe(&client, Position::Cursors(pb::CursorList { cursors: vec![at] })).await;
    assert_eq!(next(&mut resumed).await, failover(8));
    assert_eq!(frame(&mut resumed).await.0, first);
    // A subscription that begins now.
    let mut fresh = subscribe(&client, Position::Earliest(pb::StartEarliest {})).await;
    for number in 1..=5 {
        assert_eq!(frame(&mut fresh).await.0, number);
    }
    assert_eq!(next(&mut fresh).await, failover(6));
    assert_eq!(frame(&mut fresh).await.0, first);

    let request = pb::GetFramesRequest {
        stream_id: STREAM.to_owned(),
        sequences: vec![3, 7, first],
        ..Default::default()
    };
    let found = client.streaming.clone().get_frames(request).await.expect("an answer").into_inner().results;
    use pb::frame_lookup::Outcome::{Frame, Missing};
    assert!(matches!(found[0].outcome, Some(Frame(_))), "{found:?}");
    assert!(
        matches!(&found[1].outcome, Some(Missing(missing)) if missing.reason() == pb::MissingReason::BackendFailover),
        "{found:?}"
    );
    assert!(matches!(found[2].outcome, Some(Frame(_))), "{found:?}");
    let request = pb::GetStreamRequest { stream_id: STREAM.to_owned() };
    let status = client.registry.clone().get_stream(request).await.expect("a stream").into_inner().stream;
    let status = status.and_then(|stream| stream.status).expect("a status");
    assert_eq!((status.queued_frames, status.retained_frames, status.oldest_sequence), (0, 7, 1));
    assert_eq!((status.accepted_sequence, status.published_sequence), (second, second));
    assert_eq!(
        (status.accepted_frames, status.published_frames),
        (7, 7),
        "the gap counts frames, not sequences"
    );

    // Again from the same copy: sequences issued after the first failover are not issued again
    // either.
    redis.restart();
    let third = submit(&client, picture(13), 13).await;
    assert!(third > second, "{third} was issued before the failover, which went up to {second}");
    let reported = next(&mut live).await;
    // The restored store does not even contain the first sequence jump.
    let cause = (pb::GapReason::BackendFailover, third - 1 - second, None);
    assert_eq!(reported, Received::Gap(second + 1, third - 1, vec![cause]));
    assert_eq!(frame(&mut live).await.0, third);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_lost_nothing_causes_no_jump_if_its_server_kept_running() {
    use pb::start_position::Position;
    let mut redis = RedisServer::start_with(Persistence::AofEverysec);
    let mut server = Process::server(&["--redis-url", &redis.url()]);
    let (client, pictures) = (client(&server.url()), pictures(8));
    register(&client, &[STREAM.to_owned()]).await;
    let mut live = subscribe(&client, Position::Earliest(pb::StartEarliest {})).await;
    for number in 1..=3 {
        // The kernel has the data before Redis answers, so a killed Redis loses nothing.
        redis.restart();
        assert_eq!(submit(&client, &pictures[number as usize], number).await, number);
        assert_eq!(frame(&mut live).await.0, number);
    }
    // A new server cannot know: a possible loss is reported, with an unknown number of frames.
    redis.kill_hard();
    server.kill_hard();
    redis.restart();
    server.restart();
    let fourth = submit(&client, &pictures[4], 4).await;
    assert!(fourth > 3 && fourth < 1_000_000_000, "{fourth}");
    let mut fresh = subscribe(&client, Position::Sequence(3)).await;
    assert_eq!(frame(&mut fresh).await.0, 3);
    let cause = (pb::GapReason::BackendFailover, fourth - 4, None);
    assert_eq!(next(&mut fresh).await, Received::Gap(4, fourth - 1, vec![cause]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_confirm_no_process() {
    let mut redis = RedisServer::start_with(Persistence::AofEverysec);
    let first = Process::server(&["--redis-url", &redis.url()]);
    let _second = Process::server(&["--role", "api", "--redis-url", &redis.url()]);
    let (client, pictures) = (client(&first.url()), pictures(8));
    register(&client, &[STREAM.to_owned()]).await;
    assert_eq!(submit(&client, &pictures[0], 1).await, 1);
    assert_eq!(redis.cli(&["ZCARD", "frameway:servers"]), "2");
    redis.restart();
    assert!(submit(&client, &pictures[1], 2).await > 2, "the other one may have accepted frames");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_lost_all_its_sequences_begins_after_them() {
    use pb::start_position::Position;
    let mut redis = RedisServer::start();
    let server = Process::server(&["--redis-url", &redis.url()]);
    let (client, pictures) = (client(&server.url()), pictures(8));
    // A frame of another stream in the partition makes the copy contain the registration and the
    // identity of this Redis, but no frame of this stream.
    let partitions = frameway::domain::Partitions::default();
    let of = |stream: &str| partitions.of(&stream.parse().expect("an id"));
    let neighbour = (0..)
        .map(|n| format!("n{n}"))
        .find(|name| of(name) == of(STREAM))
        .expect("some id is in the partition");
    register(&client, &[STREAM.to_owned(), neighbour.clone()]).await;
    assert_eq!(submit_to(&client, &neighbour, &pictures[0], 1).await, 1);
    redis.cli(&["SAVE"]);
    let mut live = subscribe(&client, Position::Live(pb::StartLive {})).await;
    for number in 1..=4 {
        let sequence = submit(&client, &pictures[number as usize], number).await;
        assert_eq!((sequence, frame(&mut live).await.0), (number, number));
    }
    redis.restart();
    let sequence = submit(&client, &pictures[5], 5).await;
    assert!(sequence > 4, "{sequence} was issued before");
    let cause = (pb::GapReason::BackendFailover, sequence - 5, Some(0));
    assert_eq!(next(&mut live).await, Received::Gap(5, sequence - 1, vec![cause]), "it has seen all four");
    assert_eq!(frame(&mut live).await.0, sequence);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_store_issues_no_sequence_again() {
    use pb::start_position::Position;
    let redis = RedisServer::start();
    let server = Process::server(&["--redis-url", &redis.url()]);
    let (client, pictures) = (client(&server.url()), pictures(16));
    register(&client, &[STREAM.to_owned()]).await;
    let mut live = subscribe(&client, Position::Earliest(pb::StartEarliest {})).await;
    for number in 1..=3 {
        assert_eq!(submit(&client, &pictures[number as usize], number).await, number);
        assert_eq!(frame(&mut live).await.0, number);
    }
    redis.cli(&["FLUSHALL"]);
    let request = pb::GetStreamRequest { stream_id: STREAM.to_owned() };
    let status = client.registry.clone().get_stream(request).await.expect_err("nothing is left");
    assert_eq!(status.code(), tonic::Code::NotFound, "{status:?}");

    register(&client, &[STREAM.to_owned()]).await;
    let first = submit(&client, &pictures[4], 1).await;
    assert!(first > 1 << 40, "{first} may have been issued before");
    assert_eq!(submit(&client, &pictures[5], 2).await, first + 1);
    let gap = Received::Gap(4, first - 1, vec![(pb::GapReason::BackendFailover, first - 4, None)]);
    assert_eq!(next(&mut live).await, gap, "the subscriber that stayed connected receives a gap");
    assert_eq!((frame(&mut live).await.0, frame(&mut live).await.0), (first, first + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_too_few_replicas_have_is_not_confirmed() {
    use pb::frame_result::Outcome;
    let (primary, mut replica) = (RedisServer::start(), RedisServer::start());
    replica.replicate(&primary);
    let server = Process::server(&["--redis-url", &primary.url(), "--wait-replicas", "1"]);
    let (client, pictures) = (client(&server.url()), pictures(2));
    register(&client, &[STREAM.to_owned()]).await;
    assert_eq!(submit(&client, &pictures[0], 1).await, 1);
    let info = client
        .streaming
        .clone()
        .get_server_info(pb::GetServerInfoRequest {})
        .await
        .expect("an answer")
        .into_inner();
    assert_eq!((info.durability(), info.durability_replicas), (pb::Durability::Replicated, 1));

    replica.kill_hard();
    let frame = pb::Frame {
        stream_id: STREAM.to_owned(),
        publisher_id: "tester".to_owned(),
        publisher_sequence: Some(2),
        data: pictures[1].clone(),
        ..Default::default()
    };
    let request = pb::SubmitFrameBatchRequest { frames: vec![frame] };
    let outcome =
        |answer: tonic::Response<pb::SubmitFrameBatchResponse>| answer.into_inner().results.remove(0).outcome;
    let answer =
        outcome(client.streaming.clone().submit_frame_batch(request.clone()).await.expect("an answer"));
    assert!(
        matches!(&answer, Some(Outcome::Unconfirmed(error))
            if error.reason() == pb::ErrorReason::DurabilityNotReached && error.retry_delay.is_some()),
        "{answer:?}"
    );
    // The replica returns: the same publisher sequence is the same frame, which is now confirmed.
    replica.restart();
    replica.replicate(&primary);
    let start = std::time::Instant::now();
    loop {
        match outcome(client.streaming.clone().submit_frame_batch(request.clone()).await.expect("an answer"))
        {
            Some(Outcome::Duplicate(duplicate)) => break assert_eq!(duplicate.sequence, 2),
            other => assert!(start.elapsed() < DEADLINE, "{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_may_evict_frames_is_refused() {
    let redis = RedisServer::start();
    redis.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_frameway"))
        .args(["serve", "--listen", "127.0.0.1:0", "--redis-url", &redis.url()])
        .output()
        .expect("the program runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("noeviction"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_are_replicated_only_while_all_replicas_have_them() {
    let (primary, first, mut second) = (RedisServer::start(), RedisServer::start(), RedisServer::start());
    first.replicate(&primary);
    second.replicate(&primary);
    let server = Process::server(&["--redis-url", &primary.url(), "--wait-replicas", "1"]);
    let client = client(&server.url());
    let info = async || {
        let answer = client.streaming.clone().get_server_info(pb::GetServerInfoRequest {}).await;
        let info = answer.expect("an answer").into_inner();
        (info.durability(), info.durability_replicas, info.warnings)
    };
    let (durability, replicas, warnings) = info().await;
    assert_eq!((durability, replicas), (pb::Durability::Memory, 0), "the other one may be promoted");
    let [warning] = warnings.as_slice() else { panic!("one warning: {warnings:?}") };
    assert!(warning.contains("set --wait-replicas to 2"), "{warning}");
    second.kill_hard();
    let start = std::time::Instant::now();
    while info().await != (pb::Durability::Replicated, 1, Vec::new()) {
        assert!(start.elapsed() < DEADLINE, "{:?}", info().await);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
