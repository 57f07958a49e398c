//! Row 24: a Redis that flushes each write is stopped, restored from an older copy of its files,
//! and started.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use frameway::pb::v1 as pb;
use frameway::pb::v1::consume_frames_response;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::subscribe_frames_response::Event;

use crate::campaign::rounds;
use crate::common::redis::{Persistence, RedisServer};
use crate::common::{eventually, spawn};
use crate::process::Process;
use crate::table::{Row, record};
use crate::traffic::{Client, client, pictures, register};

const STREAM: &str = "cam";
const GROUP: &str = "site";

/// The events of one reader: the publisher sequence of each sequence, and the ranges of gaps.
#[derive(Debug, Clone, Default)]
struct Received(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    frames: BTreeMap<u64, u64>,
    /// Sequences with two different frames.
    twice: Vec<u64>,
    gaps: Vec<pb::Gap>,
    cursor: String,
}

impl Received {
    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().expect("no panic")
    }

    fn frame(&self, frame: Option<pb::ProcessedFrame>) {
        let (frame, mut seen) = (frame.unwrap_or_default(), self.lock());
        let number = frame.publisher_sequence();
        if seen.frames.insert(frame.sequence, number).is_some_and(|before| before != number) {
            seen.twice.push(frame.sequence);
        }
    }

    fn gap(&self, gap: pb::Gap) {
        self.lock().gaps.push(gap);
    }

    /// Records an event of a subscription.
    fn event(&self, event: Event) {
        match event {
            Event::Frame(delivered) => {
                self.frame(delivered.frame);
                self.lock().cursor = delivered.cursor;
            }
            Event::Gap(delivered) => {
                self.gap(delivered.gap.unwrap_or_default());
                self.lock().cursor = delivered.cursor;
            }
            Event::Checkpoint(_) | Event::Heartbeat(_) | Event::Draining(_) => {}
        }
    }

    /// Records an event of a group's member; returns the ack id of a frame.
    fn consumed(&self, event: consume_frames_response::Event) -> Option<String> {
        use consume_frames_response::Event;
        match event {
            Event::Frame(consumed) => {
                self.frame(consumed.frame);
                return Some(consumed.ack_id);
            }
            Event::Gap(gap) => self.gap(gap),
            Event::Ready(_) | Event::Heartbeat(_) | Event::Draining(_) => {}
        }
        None
    }

    fn has(&self, number: u64) -> bool {
        self.lock().frames.contains_key(&number)
    }

    /// Returns the number of sequences skipped because of a failover.
    fn failed_over(&self) -> u64 {
        let seen = self.lock();
        let causes = seen.gaps.iter().flat_map(|gap| &gap.causes);
        let failover = |cause: &&pb::GapCause| cause.reason() == pb::GapReason::BackendFailover;
        causes.filter(failover).map(|cause| cause.count).sum()
    }
}

fn request(start: Position) -> pb::SubscribeFramesRequest {
    let selector = pb::StreamSelector {
        streams: vec![pb::StreamMatch { selector: Some(pb::stream_match::Selector::Id(STREAM.to_owned())) }],
        start: Some(pb::StartPosition { position: Some(start) }),
        ..Default::default()
    };
    pb::SubscribeFramesRequest { selectors: vec![selector], ..Default::default() }
}

/// Follows the stream over any number of calls, each from the last cursor.
async fn follow(client: Client, reported: Received) {
    loop {
        let cursor = reported.lock().cursor.clone();
        let start = if cursor.is_empty() {
            Position::Earliest(pb::StartEarliest {})
        } else {
            let cursor = pb::StreamCursor { stream_id: STREAM.to_owned(), cursor };
            Position::Cursors(pb::CursorList { cursors: vec![cursor] })
        };
        if let Ok(answer) = client.streaming.clone().subscribe_frames(request(start)).await {
            let mut events = answer.into_inner();
            while let Ok(Some(message)) = events.message().await {
                if let Some(event) = message.event {
                    reported.event(event);
                }
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Consumes for the group over any number of calls, and acknowledges all frames.
async fn consume(client: Client, reported: Received) {
    loop {
        let (group_id, member_id) = (GROUP.to_owned(), "one".to_owned());
        let request = pb::ConsumeFramesRequest { group_id, member_id, ..Default::default() };
        if let Ok(answer) = client.streaming.clone().consume_frames(request).await {
            let mut events = answer.into_inner();
            while let Ok(Some(message)) = events.message().await {
                if let Some(ack_id) = message.event.and_then(|event| reported.consumed(event)) {
                    let ack =
                        pb::AcknowledgeFramesRequest { group_id: GROUP.to_owned(), ack_ids: vec![ack_id] };
                    let _comes_again = client.streaming.clone().acknowledge_frames(ack).await;
                }
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder of files") {
        let path = entry.expect("a file").path();
        std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("it can be copied");
    }
}

/// Submits until the frame is accepted, and returns the sequence.
async fn submit(client: &Client, picture: &bytes::Bytes, number: u64) -> u64 {
    use pb::frame_result::Outcome;
    eventually("a frame to be accepted", || async {
        let frame = pb::Frame {
            stream_id: STREAM.to_owned(),
            publisher_id: "tester".to_owned(),
            publisher_sequence: Some(number),
            data: picture.clone(),
            ..Default::default()
        };
        let request = pb::SubmitFrameBatchRequest { frames: vec![frame] };
        let mut answer = client.streaming.clone().submit_frame_batch(request).await.ok()?.into_inner();
        match answer.results.remove(0).outcome {
            Some(Outcome::Accepted(accepted)) => Some(accepted.sequence),
            _ => None,
        }
    })
    .await
}

/// Runs one round. With `witness`, the server keeps running; otherwise it is restarted, and knows
/// only what the subscribers' cursors prove.
async fn restore(witness: bool) -> (u64, u64) {
    let mut redis = RedisServer::start_with(Persistence::AofAlways);
    let mut server = Process::server(&["--redis-url", &redis.url()]);
    let (client, pictures) = (client(&server.url()), pictures(8));
    let picture = |number: u64| &pictures[number as usize % pictures.len()];
    register(&client, &[STREAM.to_owned()]).await;
    let group = pb::ConsumerGroup {
        group_id: GROUP.to_owned(),
        streams: vec![pb::StreamMatch { selector: Some(pb::stream_match::Selector::Id(STREAM.to_owned())) }],
        ..Default::default()
    };
    client
        .groups
        .clone()
        .create_consumer_group(pb::CreateConsumerGroupRequest { group: Some(group) })
        .await
        .expect("a group");
    let (plain, grouped) = (Received::default(), Received::default());
    let readers =
        [spawn(follow(client.clone(), plain.clone())), spawn(consume(client.clone(), grouped.clone()))];
    for number in 1..=5 {
        assert_eq!(submit(&client, picture(number), number).await, number);
    }
    eventually("both readers to have the frames", || async {
        (plain.has(5) && grouped.has(5)).then_some(())
    })
    .await;

    let copies = tempfile::tempdir().expect("a folder");
    let files = redis.directory().join("appendonlydir");
    copy(&files, copies.path());
    for number in 6..=20 {
        assert_eq!(submit(&client, picture(number), number).await, number);
    }
    eventually("both readers to have what will be lost", || async {
        (plain.has(20) && grouped.has(20)).then_some(())
    })
    .await;
    if !witness {
        server.kill_hard();
    }
    redis.kill_hard();
    std::fs::remove_dir_all(&files).expect("the files can be removed");
    copy(copies.path(), &files);
    redis.restart();
    if !witness {
        server.restart();
        // The subscriber's cursor arrives before the camera's frame.
        let (epoch, p) = ("epoch", redis.cli(&["KEYS", "frameway:*:counts"]));
        eventually("the cursor to be noticed", || async {
            p.split_whitespace().any(|key| !redis.cli(&["HGET", key, epoch]).is_empty()).then_some(())
        })
        .await;
    }
    // The publisher continues with publisher sequences that the store has lost.
    let mut last = 0;
    for number in 21..=30 {
        let sequence = submit(&client, picture(number), number).await;
        assert!(sequence > 20, "sequence {sequence} was issued before");
        assert!(sequence < 1_000_000_000, "sequence {sequence} cannot be read any more");
        assert!(sequence > last, "numbers rise");
        last = sequence;
    }
    eventually("both readers to have the rest", || async {
        (plain.has(last) && grouped.has(last)).then_some(())
    })
    .await;
    readers.iter().for_each(|reader| reader.abort());
    for (name, reported) in [("the subscriber", &plain), ("the group", &grouped)] {
        assert!(reported.failed_over() > 0, "{name} received no gap");
        let seen = reported.lock();
        assert_eq!(seen.twice, Vec::<u64>::new(), "{name} got two frames under one sequence");
        let rest = seen.frames.values().filter(|number| (21..=30).contains(*number)).count();
        assert_eq!(rest, 10, "{name} has every frame that was accepted since");
    }
    (30, 15)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_restored_under_a_running_server_issues_no_sequence_twice() {
    let rounds = rounds(1);
    let start = Instant::now();
    let (mut at_stake, mut gone) = (0, 0);
    for _ in 0..rounds {
        let (frames, lost) = restore(true).await;
        at_stake += frames;
        gone += lost;
    }
    let name = "a restored store, appendfsync always".to_owned();
    let row = Row { number: 24, name, rounds, frames_at_stake: at_stake, lost: gone, ..Row::default() };
    record(
        row.recovered(start.elapsed()).note("the lost frames are those after the copy; all were reported"),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_restored_without_a_running_server_is_noticed_by_a_cursor() {
    restore(false).await;
}
