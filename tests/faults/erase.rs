//! Row 36: frames are erased under load, and the worker is killed again and again meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use frameway::pb::v1 as pb;
use frameway::pb::v1::erase_frames_request::Range;
use frameway::pb::v1::frame_lookup::Outcome;
use rand::RngExt as _;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::campaign::{rounds, seeded_rng};
use crate::common::redis::{Persistence, RedisServer};
use crate::common::{DEADLINE, eventually, spawn};
use crate::ledger::Ledger;
use crate::process::Process;
use crate::table::{Row, record};
use crate::traffic::{Client, Publisher, client, register, streams};

const STREAMS: usize = 2;
/// More frames than any test submits.
const ALL: u64 = 1_000_000;

/// Erases a range, and repeats the call as its answers ask for.
async fn erase(client: &Client, stream: &str, first: u64, last: u64) -> pb::EraseFramesResponse {
    let sequences = pb::SequenceRange { first_sequence: Some(first), last_sequence: Some(last) };
    let request = pb::EraseFramesRequest {
        stream_id: stream.to_owned(),
        range: Some(Range::Sequences(sequences)),
        ..Default::default()
    };
    let start = Instant::now();
    loop {
        match client.registry.clone().erase_frames(request.clone()).await {
            Ok(answer) => return answer.into_inner(),
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                assert!(start.elapsed() < DEADLINE * 2, "it stays {status:?}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Returns the number of pictures that can be read of some frames of a stream.
async fn readable(client: &Client, stream: &str, numbers: &[u64]) -> usize {
    let mut found = 0;
    for numbers in numbers.chunks(50) {
        let request = pb::GetFramesRequest {
            stream_id: stream.to_owned(),
            sequences: numbers.to_vec(),
            pictures: Some(pb::PictureSelection {
                roles: vec![pb::PictureRole::Processed.into(), pb::PictureRole::Original.into()],
                ..Default::default()
            }),
        };
        let answer = client.streaming.clone().get_frames(request).await.expect("reads").into_inner();
        for result in answer.results {
            if let Some(Outcome::Frame(frame)) = result.outcome {
                let has_data =
                    |one: &&pb::Picture| matches!(one.content, Some(pb::picture::Content::Data(_)));
                found += frame.pictures.iter().filter(has_data).count();
            }
        }
    }
    found
}

async fn account(client: &Client, stream: &str) -> pb::FrameAccount {
    let filter = format!("stream_id = \"{stream}\"");
    let request = pb::ListStreamStatsRequest { filter, ..Default::default() };
    let answer = client.queues.clone().list_stream_stats(request).await.expect("answers").into_inner();
    answer.streams[0].account.expect("an account")
}

/// Submits a frame of each stream again and again, at a pace that a worker keeps although it is killed.
async fn trickle(mut publisher: Publisher, stop: CancellationToken) -> Publisher {
    while !stop.is_cancelled() {
        publisher.submit(1).await;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    publisher
}

/// Waits until no frame of a stream waits. The total time depends on the worker, whose code is not
/// optimised in tests; each step must come before the deadline.
async fn worked_off(client: &Client, stream: &str) {
    let (mut waiting, mut progress) = (u64::MAX, Instant::now());
    loop {
        let account = account(client, stream).await;
        if account.queued_frames == 0 {
            return;
        }
        if account.queued_frames < waiting {
            (waiting, progress) = (account.queued_frames, Instant::now());
        }
        assert!(progress.elapsed() < DEADLINE, "nothing happens for {DEADLINE:?}: {account:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_while_it_erases_leaves_no_picture() {
    let mut rng = seeded_rng();
    let redis = RedisServer::start_with(Persistence::AofAlways);
    let url = redis.url();
    let server = Process::server(&["--role", "api", "--redis-url", &url]);
    // A second server, with pictures in its memory.
    let reader = Process::server(&["--role", "api", "--redis-url", &url]);
    let mut worker = Process::worker(&["--redis-url", &url, "--lease-term", "2s"]);
    let (client, reader, ledger) =
        (client(&server.url()), client(&reader.url()), Arc::new(Ledger::default()));
    let streams = streams(STREAMS);
    register(&client, &streams).await;
    let mut publisher = Publisher::new(client.clone(), Arc::clone(&ledger), &streams);
    let (rounds, mut left, mut kills) = (rounds(3), 0, 0);
    for _ in 0..rounds {
        publisher.submit(10).await;
        eventually("some are published", || async {
            let account = account(&client, &streams[0]).await;
            (account.processed_frames >= 5).then_some(())
        })
        .await;
        let stop = CancellationToken::new();
        let load = spawn(trickle(publisher, stop.clone()));
        let accepted = account(&client, &streams[0]).await.accepted_frames;
        let numbers: Vec<u64> = (1..=accepted).collect();
        readable(&reader, &streams[0], &numbers).await;
        let erasing = {
            let (client, stream) = (client.clone(), streams[0].clone());
            spawn(async move { erase(&client, &stream, 1, accepted).await })
        };
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..700))).await;
            worker.restart();
            kills += 1;
        }
        let erased = erasing.await.expect("erases");
        assert_eq!((erased.first_sequence, erased.last_sequence), (1, accepted));
        left +=
            readable(&reader, &streams[0], &numbers).await + readable(&client, &streams[0], &numbers).await;
        stop.cancel();
        publisher = load.await.expect("the publisher continues");
        // A frame that is in work at four kills is given up, as documented: none may be.
        for stream in &streams {
            worked_off(&client, stream).await;
        }
    }
    assert_eq!(left, 0, "pictures that can be read after the answer");

    // What was accepted after the calls is still there, and so is the other stream.
    let other = account(&client, &streams[1]).await;
    assert_eq!((other.processed_frames, other.erased_frames), (other.accepted_frames, 0));
    for stream in &streams {
        erase(&client, stream, 1, ALL).await;
        let account = account(&client, stream).await;
        assert_eq!((account.erased_frames, account.processed_frames), (account.accepted_frames, 0));
    }
    let pictures = redis.cli(&["KEYS", "frameway:*:pay:*"]);
    assert_eq!(pictures.split_whitespace().count(), 0, "pictures in Redis");
    let mut verdict = ledger.verdict();
    (verdict.lost, verdict.duplicates) = (0, 0);
    let note = format!("{kills} kills, {left} pictures readable after the answers, 0 left in Redis");
    record(Row::of(36, "kill -9 worker mid-erasure", rounds, &verdict).note(note));
}
