//! Row 16: a frame that kills each worker that takes it, or hangs in its thread.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use frameway::domain::Partitions;
use frameway::pb::v1::{self as pb, ErrorReason};
use frameway::worker::{CRASH_ATTRIBUTE, CRASH_BY_HANGING};

use crate::common::redis::RedisServer;
use crate::common::{self, DEADLINE};
use crate::ledger::Ledger;
use crate::process::Process;
use crate::traffic::{Client, Publisher, client, delivered, pictures, register, streams, subscribe};

/// The stream with the bad frame.
const BAD: &str = "bad";

/// Returns streams of the bad stream's partition, and some of others.
fn neighbours() -> Vec<String> {
    let home = |stream: &str| Partitions::default().of(&stream.parse().expect("a stream id"));
    let same = (1..).map(|n| format!("near-{n}")).filter(|stream| home(stream) == home(BAD));
    same.take(2).chain(streams(3)).collect()
}

/// Creates a frame of the bad stream, with the crash that it causes in its worker.
fn frame(picture: &bytes::Bytes, crash: Option<&str>) -> pb::Frame {
    pb::Frame {
        stream_id: BAD.to_owned(),
        data: picture.clone(),
        attributes: crash.map(|how| (CRASH_ATTRIBUTE.to_owned(), how.to_owned())).into_iter().collect(),
        ..Default::default()
    }
}

/// Reads the frames and gaps of the bad stream from its beginning until enough frames were
/// received, on one connection that must stay open.
async fn outcome(
    mut client: Client,
    frames: u64,
    patience: Duration,
) -> (Vec<u64>, Vec<RangeInclusive<u64>>) {
    let selector = pb::StreamSelector {
        streams: vec![pb::StreamMatch { selector: Some(pb::stream_match::Selector::Id(BAD.to_owned())) }],
        start: Some(pb::StartPosition {
            position: Some(pb::start_position::Position::Earliest(pb::StartEarliest {})),
        }),
        ..Default::default()
    };
    let request = pb::SubscribeFramesRequest {
        selectors: vec![selector],
        stop_after_frames: Some(frames),
        ..Default::default()
    };
    let mut events = client.streaming.subscribe_frames(request).await.expect("subscribes").into_inner();
    let (mut came, mut gaps) = (Vec::new(), Vec::new());
    let reading = async {
        while let Some(message) = events.message().await.expect("the connection holds") {
            match message.event.expect("an event") {
                pb::subscribe_frames_response::Event::Frame(delivered) => {
                    let frame = delivered.frame.expect("a frame");
                    assert_eq!(
                        frame.processing_attempt, 1,
                        "no worker crashed because of {} alone",
                        frame.sequence
                    );
                    came.push(frame.sequence);
                }
                pb::subscribe_frames_response::Event::Gap(reported) => {
                    let gap = reported.gap.expect("a gap");
                    gaps.push(gap.from_sequence..=gap.to_sequence);
                }
                pb::subscribe_frames_response::Event::Heartbeat(_)
                | pb::subscribe_frames_response::Event::Checkpoint(_)
                | pb::subscribe_frames_response::Event::Draining(_) => {}
            }
        }
    };
    tokio::time::timeout(patience, reading).await.expect("all frames in time");
    (came, gaps)
}

async fn dead_letters(server: &Process) -> Vec<pb::DeadLetter> {
    let request = pb::ListDeadLettersRequest::default();
    let answer = client(&server.url()).dead_letters.list_dead_letters(request).await;
    answer.expect("lists").into_inner().dead_letters
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_crashes_its_worker_only_delays_other_frames() {
    let redis = RedisServer::start();
    let url = redis.url();
    // Without a release, the lease would hold the partitions for minutes.
    let flags = ["--redis-url", url.as_str(), "--lease-term", "5m"];
    let server = Process::server_with(&flags, "FRAMEWAY_TEST_CRASH", "1");
    let (mut client, ledger, neighbours) = (client(&server.url()), Arc::new(Ledger::default()), neighbours());
    register(&client, &neighbours).await;
    register(&client, &[BAD.to_owned()]).await;
    subscribe(client.clone(), Arc::clone(&ledger), neighbours.clone());
    let bad = common::spawn(outcome(client.clone(), 4, DEADLINE));
    let mut publisher = Publisher::new(client.clone(), Arc::clone(&ledger), &neighbours);
    publisher.submit(3).await;
    let pictures = pictures(5);
    let frames = pictures
        .iter()
        .enumerate()
        .map(|(index, picture)| frame(picture, (index == 2).then_some("1")))
        .collect();
    client.streaming.submit_frame_batch(pb::SubmitFrameBatchRequest { frames }).await.expect("submits");
    publisher.submit(3).await;
    delivered(&ledger, 6 * neighbours.len()).await;
    ledger.check();

    assert_eq!(bad.await.expect("it reads"), (vec![1, 2, 4, 5], vec![3..=3]));

    let letters = dead_letters(&server).await;
    assert_eq!(letters.len(), 1, "no neighbour was given up: {letters:?}");
    let request =
        pb::GetDeadLetterRequest { dead_letter_id: letters[0].dead_letter_id.clone(), ..Default::default() };
    let letter = client.dead_letters.get_dead_letter(request).await.expect("reads").into_inner();
    let letter = letter.dead_letter.expect("a dead letter");
    assert_eq!((letter.reason(), letter.attempts), (ErrorReason::WorkerKilled, 3));
    assert_eq!((letter.stream_id.as_str(), letter.sequence), (BAD, 3));
    let picture = letter.picture.and_then(|picture| picture.content);
    assert_eq!(picture, Some(pb::picture::Content::Data(pictures[2].clone())), "byte for byte");
    // One crash together with other frames, then three in isolation.
    let deaths = server.log().matches("worker exited").count();
    assert_eq!(deaths, 4, "{}", server.log());
    println!(
        "{deaths} worker crashes because of one frame, {} frames at stake, 0 lost",
        6 * neighbours.len() + 5
    );
}

/// One more than the number of threads that a worker replaces.
const HANGING: u64 = 5;
/// A picture has ten seconds, and those of one stream hang one after the other. Before that, the
/// pictures of the neighbours are processed, and on a busy machine some that hang have another ten
/// seconds in the next worker.
const PATIENCE: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_that_hang_stop_their_worker_and_lose_no_other_frame() {
    let redis = RedisServer::start();
    let url = redis.url();
    let server = Process::server_with(&["--redis-url", url.as_str()], "FRAMEWAY_TEST_CRASH", "1");
    let (mut client, ledger, neighbours) = (client(&server.url()), Arc::new(Ledger::default()), neighbours());
    register(&client, &neighbours).await;
    register(&client, &[BAD.to_owned()]).await;
    subscribe(client.clone(), Arc::clone(&ledger), neighbours.clone());
    let bad = common::spawn(outcome(client.clone(), 2, PATIENCE));

    let mut publisher = Publisher::new(client.clone(), Arc::clone(&ledger), &neighbours);
    publisher.submit(3).await;
    let pictures = pictures(HANGING + 2);
    let frames = (1..).zip(&pictures);
    let frames = frames.map(|(n, picture)| frame(picture, (n <= HANGING).then_some(CRASH_BY_HANGING)));
    let request = pb::SubmitFrameBatchRequest { frames: frames.collect() };
    client.streaming.submit_frame_batch(request).await.expect("submits");
    publisher.submit(3).await;

    let (came, gaps) = bad.await.expect("it reads");
    assert_eq!(came, [HANGING + 1, HANGING + 2]);
    assert_eq!(gaps.into_iter().flatten().collect::<Vec<_>>(), Vec::from_iter(1..=HANGING));
    delivered(&ledger, 6 * neighbours.len()).await;
    ledger.check();
    let letters = dead_letters(&server).await;
    let reasons: Vec<_> = letters.iter().map(|letter| (letter.stream_id.as_str(), letter.reason())).collect();
    assert_eq!(reasons, [(BAD, ErrorReason::DecodeTimeout); HANGING as usize]);
    // The worker finishes its frames before it exits, so the next one may start late.
    let lives = || server.log().matches("worker started").count();
    common::eventually("another worker", || async { (lives() == 2).then_some(()) }).await;
    assert!(server.log().contains("exiting to be restarted"), "{}", server.log());
    println!(
        "{HANGING} pictures that hang, {} workers, {} frames at stake, 0 lost",
        lives(),
        6 * neighbours.len() + 2
    );
}
