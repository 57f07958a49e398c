//! Row 4: a Redis that flushes to the disk each second may lose the last promised frames; the loss
//! is bounded and reported.
//!
//! With SIGKILL the kernel keeps all written data, so only data that Redis had not written yet is
//! lost. A power failure also loses data that was not flushed; here it is simulated by truncating
//! the file to its size one second earlier.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use frameway::pb::v1 as pb;

use crate::campaign::rounds;
use crate::common::redis::{Persistence, RedisServer};
use crate::common::{eventually, spawn};
use crate::process::Process;
use crate::stage::Stage;
use crate::table::{Row, record};
use crate::traffic::{Client, accounted, client, read_output};

/// The maximum age of a promise that `appendfsync everysec` may lose.
const BOUND: Duration = Duration::from_secs(2);
/// The age of data that is certainly flushed.
const FLUSHED: Duration = Duration::from_secs(1);

/// The end of Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Killed,
    PowerCut,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_killed_with_everysec_loses_at_most_the_last_seconds() {
    ends(End::Killed, "kill -9 Redis, appendfsync everysec").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_with_everysec_loses_at_most_the_last_seconds() {
    ends(End::PowerCut, "power cut, appendfsync everysec").await;
}

/// Returns the append-only file that grows.
fn file(redis: &RedisServer) -> PathBuf {
    let files = std::fs::read_dir(redis.directory().join("appendonlydir")).into_iter().flatten().flatten();
    let growing = files.map(|file| file.path()).filter(|path| path.to_string_lossy().ends_with(".incr.aof"));
    growing.max().expect("an append-only file")
}

/// The sizes of the file over time.
#[derive(Debug, Clone, Default)]
struct Sizes(Arc<Mutex<Vec<(Instant, u64)>>>);

impl Sizes {
    fn watch(&self, file: PathBuf) {
        let sizes = Arc::downgrade(&self.0);
        spawn(async move {
            while let Some(sizes) = sizes.upgrade() {
                let at = Instant::now();
                let size = std::fs::metadata(&file).map_or(0, |meta| meta.len());
                sizes.lock().expect("no panic").push((at, size));
                drop(sizes);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }

    /// Returns the size at that time.
    fn at(&self, time: Instant) -> Option<u64> {
        let sizes = self.0.lock().expect("no panic");
        sizes.iter().rev().find(|(at, _)| *at <= time).map(|(_, size)| *size)
    }
}

async fn ends(end: End, name: &str) {
    let rounds = rounds(1);
    let (mut at_stake, mut lost, mut oldest, mut longest) = (0, 0, Duration::ZERO, Duration::ZERO);
    for _ in 0..rounds {
        let mut redis = RedisServer::start_with(Persistence::AofEverysec);
        let (stage, publisher) = Stage::on(&redis).await;
        let path = file(&redis);
        let sizes = Sizes::default();
        sizes.watch(path.clone());
        let load = stage.under_load(publisher).await;
        // Long enough for a flush and further data after it.
        let start = Instant::now();
        let promised = stage.ledger.promised_count();
        eventually("submits of more than a second", || async {
            let enough = start.elapsed() > FLUSHED * 2 && stage.ledger.promised_count() > promised + 10;
            enough.then_some(())
        })
        .await;

        redis.kill_hard();
        let killed = Instant::now();
        if end == End::PowerCut {
            let flushed = sizes.at(killed - FLUSHED).expect("it was watched for longer");
            let file = std::fs::OpenOptions::new().write(true).open(&path).expect("the append-only file");
            file.set_len(flushed).expect("the file can be cut");
        }
        redis.restart();
        let up = Instant::now();
        let mut publisher = load.stop().await;
        publisher.submit(1).await;
        longest = longest.max(up.elapsed());

        // The remaining frames are read through a new server without memory of the old data.
        let fresh = Process::server(&["--role", "api", "--redis-url", &redis.url()]);
        let mut found = BTreeSet::new();
        for stream in &stage.streams {
            found.extend(everything(&client(&fresh.url()), stream).await);
        }
        let promised = stage.ledger.promises();
        at_stake += promised.len() as u64;
        for (stream, number, at) in promised {
            if !found.contains(&(stream.clone(), number)) {
                let age = killed.saturating_duration_since(at);
                assert!(at < up, "{stream}: {number} was promised by the Redis that came back, and is lost");
                assert!(
                    age <= BOUND,
                    "{stream}: {number} was promised {age:?} before the end of Redis, and is lost"
                );
                oldest = oldest.max(age);
                lost += 1;
            }
        }
        // The old server returns what exists now, not what it remembers.
        for stream in &stage.streams {
            for frame in everything(&stage.client, stream).await {
                assert!(found.contains(&frame), "{frame:?} is lost, and shown all the same");
            }
        }
        // A subscriber that stayed connected received each promised frame, or a gap in its place.
        stage.ledger.allow(&[pb::GapReason::BackendFailover]);
        accounted(&stage.ledger).await;
        stage.ledger.check();
        assert!(
            lost == 0 || stage.ledger.missing_for(pb::GapReason::BackendFailover) > 0,
            "the loss was not reported"
        );
    }
    println!("{name}: {lost} of {at_stake} promised frames lost; the oldest promised {oldest:?} before");
    let mut note = "no loss".to_owned();
    if lost > 0 {
        note = format!("the oldest of the lost was promised {oldest:.1?} before; the bound is {BOUND:?}");
    }
    let row =
        Row { number: 4, name: name.to_owned(), rounds, frames_at_stake: at_stake, lost, ..Row::default() };
    record(row.recovered(longest).note(note));
}

/// Returns the publisher sequences in a stream's output, after everything accepted is published.
async fn everything(client: &Client, stream: &str) -> Vec<(String, u64)> {
    let retained = eventually("an empty queue", || async {
        let request = pb::GetStreamRequest { stream_id: stream.to_owned() };
        let stream = client.registry.clone().get_stream(request).await.ok()?.into_inner().stream?;
        let status = stream.status?;
        (status.published_sequence == status.accepted_sequence).then_some(status.retained_frames)
    })
    .await;
    let frames = read_output(client, stream, retained).await;
    frames.iter().map(|frame| (stream.to_owned(), frame.publisher_sequence())).collect()
}
