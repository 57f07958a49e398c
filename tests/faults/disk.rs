//! Row 8: the disk of Redis is full.
//!
//! A limit on the size of the files that the process writes simulates a full disk. The limit can be
//! removed while the process runs.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::campaign::slow_rounds;
use crate::common::DEADLINE;
use crate::common::redis::{Persistence, RedisServer, Setup};
use crate::stage::Stage;
use crate::table::{Row, record, skip};

/// The bytes by which the files may still grow.
const ROOM_BYTES: u64 = 200 << 10;
/// The number of attempts that are refused while the disk is full.
const ATTEMPTS: u32 = 20;

/// Returns a Redis setup in which writes fail at the limit instead of a signal killing the process.
fn limited(persistence: Persistence) -> Setup {
    let through = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"].map(str::to_owned);
    Setup { persistence, through: through.into(), ..Setup::default() }
}

/// Returns the reason if this test is impossible on this machine.
fn impossible() -> Option<&'static str> {
    let there = Command::new("prlimit").arg("--version").output().is_ok_and(|output| output.status.success());
    (!there).then_some("prlimit (util-linux) is not there")
}

fn limit(redis: &RedisServer, bytes: Option<u64>) {
    // Only the soft limit, which can be raised again without root.
    let bytes = bytes.map_or_else(|| "unlimited:".to_owned(), |bytes| format!("{bytes}:"));
    let status = Command::new("prlimit")
        .args(["--pid", &redis.pid().to_string(), &format!("--fsize={bytes}")])
        .status()
        .expect("prlimit runs");
    assert!(status.success(), "prlimit: {status}");
}

fn largest_file(redis: &RedisServer) -> u64 {
    let files = std::fs::read_dir(redis.directory().join("appendonlydir")).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_frame_is_accepted_while_the_disk_is_full() {
    const NAME: &str = "disk full, appendfsync everysec";
    if let Some(why) = impossible() {
        return skip(8, NAME, why);
    }
    let redis = RedisServer::start_as(limited(Persistence::AofEverysec));
    let (stage, mut publisher) = Stage::on(&redis).await;
    let rounds = slow_rounds(1, 10);
    let mut longest = Duration::ZERO;
    for _ in 0..rounds {
        limit(&redis, Some(largest_file(&redis) + ROOM_BYTES));
        let start = Instant::now();
        let mut open = Vec::new();
        while !redis.cli(&["SET", "probe", "x"]).contains("MISCONF") {
            assert!(start.elapsed() < DEADLINE, "the disk does not get full");
            if open.is_empty() {
                open = publisher.next_frames(1);
            }
            open = publisher.attempt(open).await;
        }
        if open.is_empty() {
            open = publisher.next_frames(1);
        }
        let promised = stage.ledger.promised_count();
        for _ in 0..ATTEMPTS {
            open = publisher.attempt(open).await;
            let meanwhile = stage.ledger.promised_count() - promised;
            assert_eq!(meanwhile, 0, "{meanwhile} frames were promised while Redis refused");
        }
        limit(&redis, None);
        publisher.settle_all(open).await;
        longest = longest.max(stage.recovered(&mut publisher).await);
    }
    println!("answered: {:#?}", publisher.refusals);
    let verdict = stage.settled(&redis).await;
    let refused: u64 = publisher.refusals.values().sum();
    let note = format!("{refused} refusals meanwhile");
    record(Row::of(8, NAME, rounds, &verdict).recovered(longest).note(note));
}

/// With `always`, a Redis that cannot write exits before it answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_ends_because_its_disk_is_full_loses_nothing() {
    const NAME: &str = "disk full, appendfsync always: Redis ends";
    if let Some(why) = impossible() {
        return skip(8, NAME, why);
    }
    let mut redis = RedisServer::start_as(limited(Persistence::AofAlways));
    let (stage, mut publisher) = Stage::on(&redis).await;
    let rounds = slow_rounds(1, 10);
    let mut longest = Duration::ZERO;
    for _ in 0..rounds {
        limit(&redis, Some(largest_file(&redis) + ROOM_BYTES));
        let load = publisher.keep_submitting(1);
        let start = Instant::now();
        while !redis.has_ended() {
            assert!(start.elapsed() < DEADLINE, "Redis continues without its disk");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        redis.restart();
        publisher = load.stop().await;
        longest = longest.max(stage.recovered(&mut publisher).await);
    }
    let verdict = stage.settled(&redis).await;
    record(Row::of(8, NAME, rounds, &verdict).recovered(longest));
}
