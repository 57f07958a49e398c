//! Row 36: frames are erased, and the worker is killed between the steps of the erasure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use frameway::domain::Partitions;
use frameway::pb::v1 as pb;
use frameway::pb::v1::erase_frames_request::Range;
use frameway::pb::v1::frame_lookup::Outcome;
use frameway::pb::v1::subscribe_frames_response::Event;
use frameway::picture::{Codec, Limits};
use frameway::scene::Scene;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::campaign::rounds;
use crate::common::redis::{Persistence, RedisServer};
use crate::common::{DEADLINE, spawn};
use crate::ledger::Ledger;
use crate::process::Process;
use crate::proxy::{Proxy, Wire};
use crate::table::{Row, record};
use crate::traffic::{Client, Publisher, accounted, client, register, selector, streams, subscribe};

const STREAMS: usize = 2;
/// More frames than three steps of an erasure take, each of 200 entries.
const FRAMES_A_ROUND: u64 = 650;
const BATCH: u64 = 50;
/// With this, a worker reads the entries of a step in about half a second.
const STEP_BYTES_PER_SECOND: u64 = 250_000;
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
                found += pictures_of(&frame);
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

/// Submits a frame of each publisher again and again, at a pace that a worker keeps although it is
/// killed.
async fn trickle(mut publishers: [Publisher; STREAMS], stop: CancellationToken) -> [Publisher; STREAMS] {
    while !stop.is_cancelled() {
        for publisher in &mut publishers {
            publisher.submit(1).await;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    publishers
}

/// Returns small pictures, of which a worker without optimisation processes many in a second.
fn small_pictures() -> Vec<Bytes> {
    let (scene, mut codec) = (Scene::new(7, 160, 96), Codec::new(Limits::default()));
    (0..16).map(|n| scene.jpeg(&mut codec, n * 5, 85).expect("a drawn picture").0).collect()
}

/// Selects the original, or the processed picture in another size, which the server makes.
fn selections() -> [pb::PictureSelection; 2] {
    let rendition =
        pb::Rendition { format: pb::PictureFormat::Jpeg.into(), max_width: Some(80), ..Default::default() };
    [
        pb::PictureSelection { roles: vec![pb::PictureRole::Original.into()], ..Default::default() },
        pb::PictureSelection {
            roles: vec![pb::PictureRole::Processed.into()],
            rendition: Some(rendition),
            ..Default::default()
        },
    ]
}

fn pictures_of(frame: &pb::ProcessedFrame) -> usize {
    let has_data = |one: &&pb::Picture| matches!(one.content, Some(pb::picture::Content::Data(_)));
    frame.pictures.iter().filter(has_data).count()
}

/// Reads a stream from its beginning in a new subscription until a frame or gap reaches a sequence;
/// returns the number of pictures of the frames up to it.
async fn subscribed(client: &Client, stream: &str, pictures: pb::PictureSelection, until: u64) -> usize {
    let selectors = vec![pb::StreamSelector { pictures: Some(pictures), ..selector(stream, None) }];
    let request = pb::SubscribeFramesRequest { selectors, ..Default::default() };
    let mut events =
        client.streaming.clone().subscribe_frames(request).await.expect("subscribes").into_inner();
    let (mut found, mut reached) = (0, 0);
    while reached < until {
        let message = tokio::time::timeout(DEADLINE, events.message()).await;
        let event = message.expect("it continues").expect("it is read").expect("it does not end").event;
        if let Some(Event::Frame(delivered)) = event {
            let frame = delivered.frame.unwrap_or_default();
            reached = frame.sequence;
            if reached <= until {
                found += pictures_of(&frame);
            }
        } else if let Some(Event::Gap(gap)) = event {
            reached = gap.gap.unwrap_or_default().to_sequence;
        }
    }
    found
}

/// Returns the number of pictures that a server delivers of the newest frame, if that is one of the
/// erased ones.
async fn newest(client: &Client, stream: &str, pictures: pb::PictureSelection, until: u64) -> usize {
    let stream_ids = vec![stream.to_owned()];
    let request = pb::GetLatestFramesRequest { stream_ids, pictures: Some(pictures) };
    let answer = client.streaming.clone().get_latest_frames(request).await.expect("reads").into_inner();
    let Some(pb::latest_frame::Outcome::Frame(frame)) = &answer.results[0].outcome else { return 0 };
    if frame.sequence <= until { pictures_of(frame) } else { 0 }
}

/// Waits until a step of an erasure that begins at a sequence is done and others are left; returns the
/// first sequence that is left.
async fn between_steps(redis: &RedisServer, stream: &str, begin: u64) -> u64 {
    let home = Partitions::default().of(&stream.parse().expect("a stream id"));
    let (key, start, mut has_begun) = (format!("frameway:{{{home}}}:erasing"), Instant::now(), false);
    loop {
        let left = redis.cli(&["HGET", &key, stream]);
        match left.split('-').next().and_then(|first| first.parse::<u64>().ok()) {
            Some(first) if first > begin => return first,
            Some(_) => has_begun = true,
            None => assert!(!has_begun, "the erasure ended before a worker was killed in it"),
        }
        assert!(start.elapsed() < DEADLINE, "no step is done: {left:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
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
async fn a_worker_killed_between_two_steps_of_an_erasure_leaves_no_picture() {
    let redis = RedisServer::start_with(Persistence::AofAlways);
    let url = redis.url();
    // A thin wire makes each step last long enough to be killed after it.
    let wire = Proxy::to_port(redis.port()).await;
    let (user, _) = url.rsplit_once('@').expect("a user");
    let through = format!("{user}@{}", wire.address());
    let server = Process::server(&["--role", "api", "--redis-url", &url]);
    // A second server, with pictures in its memory.
    let reader = Process::server(&["--role", "api", "--redis-url", &url]);
    let mut worker = Process::worker(&["--redis-url", &through, "--lease-term", "2s"]);
    let (client, reader, ledger) =
        (client(&server.url()), client(&reader.url()), Arc::new(Ledger::default()));
    let streams = streams(STREAMS);
    register(&client, &streams).await;
    ledger.allow(&[pb::GapReason::Erased]);
    subscribe(client.clone(), Arc::clone(&ledger), streams.clone());
    let mut publishers = [0, 1].map(|n| {
        let mut publisher = Publisher::new(client.clone(), Arc::clone(&ledger), &streams[n..=n]);
        publisher.pictures = small_pictures();
        publisher
    });
    let (rounds, mut left, mut kills, mut before) = (rounds(1), 0, 0, 0);
    for _ in 0..rounds {
        for _ in 0..FRAMES_A_ROUND / BATCH {
            publishers[0].submit(BATCH).await;
        }
        worked_off(&client, &streams[0]).await;
        let accepted = account(&client, &streams[0]).await.accepted_frames;
        for pictures in selections() {
            let found = subscribed(&reader, &streams[0], pictures.clone(), accepted).await;
            assert!(found as u64 >= accepted - before, "{found} pictures are read before");
            assert!(newest(&reader, &streams[0], pictures, accepted).await > 0);
        }

        wire.set(Wire { bytes_per_second: Some(STEP_BYTES_PER_SECOND), ..Wire::default() });
        let erasing = {
            let (client, stream) = (client.clone(), streams[0].clone());
            spawn(async move { erase(&client, &stream, 1, accepted).await })
        };
        let mut first = before + 1;
        for _ in 0..2 {
            first = between_steps(&redis, &streams[0], first).await;
            worker.restart();
            kills += 1;
        }
        wire.set(Wire::default());
        // Frames of both streams arrive while a successor continues.
        let stop = CancellationToken::new();
        let load = spawn(trickle(publishers, stop.clone()));
        let erased = erasing.await.expect("erases");
        assert_eq!((erased.first_sequence, erased.last_sequence), (1, accepted));
        let numbers: Vec<u64> = (1..=accepted).collect();
        for client in [&reader, &client] {
            left += readable(client, &streams[0], &numbers).await;
            for pictures in selections() {
                left += newest(client, &streams[0], pictures.clone(), accepted).await;
                left += subscribed(client, &streams[0], pictures, accepted).await;
            }
        }
        stop.cancel();
        publishers = load.await.expect("the publishers continue");
        before = accepted;
        // A frame that is in work at four kills is given up, as documented: none may be.
        for stream in &streams {
            worked_off(&client, stream).await;
        }
    }
    assert_eq!(left, 0, "pictures that can be read after the answer");

    // Frames accepted after the calls are still there, and so is the other stream.
    accounted(&ledger).await;
    let verdict = ledger.check();
    let other = account(&client, &streams[1]).await;
    assert_eq!((other.processed_frames, other.erased_frames), (other.accepted_frames, 0));
    for stream in &streams {
        erase(&client, stream, 1, ALL).await;
        let account = account(&client, stream).await;
        assert_eq!((account.erased_frames, account.processed_frames), (account.accepted_frames, 0));
    }
    let pictures = redis.cli(&["KEYS", "frameway:*:pay:*"]);
    assert_eq!(pictures.split_whitespace().count(), 0, "pictures in Redis");
    let note = format!(
        "{kills} kills between two steps, {left} pictures readable after the answers, 0 left in Redis"
    );
    record(Row::of(36, "kill -9 worker mid-erasure", rounds, &verdict).note(note));
}
