//! Workers that are killed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use rand::RngExt as _;

use crate::campaign::{rounds, seeded_rng};
use crate::common::eventually;
use crate::common::redis::{Persistence, RedisServer};
use crate::ledger::Ledger;
use crate::process::Process;
use crate::stage::RECOVERY;
use crate::table::{Row, record};
use crate::traffic::{Publisher, client, delivered, register, streams, subscribe};

/// The frames of each stream that are submitted in a round.
const FRAMES: u64 = 5;
const STREAMS: usize = 4;
/// The number of kills in a row after which all frames are finished before the next kill. A frame
/// that is in work at four kills gets three strikes and is given up, as documented, so the test
/// must not kill more often than this.
const KILLS: u32 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_in_the_middle_of_a_batch_loses_and_repeats_nothing() {
    let mut rng = seeded_rng();
    let redis = RedisServer::start_with(Persistence::AofAlways);
    let url = redis.url();
    let server = Process::server(&["--role", "api", "--redis-url", &url]);
    let flags = ["--redis-url", url.as_str(), "--lease-term", "500ms"];
    let mut worker = Process::worker(&flags);
    let (client, ledger, streams) = (client(&server.url()), Arc::new(Ledger::default()), streams(STREAMS));
    register(&client, &streams).await;
    subscribe(client.clone(), Arc::clone(&ledger), streams.clone());
    let mut publisher = Publisher::new(client, Arc::clone(&ledger), &streams);

    let rounds = rounds(5);
    for round in 0..rounds {
        let before = ledger.delivered_count();
        publisher.submit(FRAMES).await;
        // In the middle: the first frames are finished, and the others are not, or are about to be.
        delivered(&ledger, before + 1).await;
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..40))).await;
        worker.restart();
        if round % KILLS == KILLS - 1 {
            delivered(&ledger, (u64::from(round + 1) * FRAMES) as usize * STREAMS).await;
        }
    }
    let killed = Instant::now();
    let all = (u64::from(rounds) * FRAMES) as usize * STREAMS;
    delivered(&ledger, all).await;
    let recovery = killed.elapsed();
    assert!(recovery <= RECOVERY, "it took {recovery:?} until all frames were there");
    let verdict = ledger.check();
    record(Row::of(1, "kill -9 worker mid-batch", rounds, &verdict).recovered(recovery));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_supervisor_replaces_its_worker_without_waiting_for_the_lease() {
    let redis = RedisServer::start();
    let url = redis.url();
    // Without a release, the lease would hold the partitions for minutes.
    let server = Process::server(&["--redis-url", &url, "--lease-term", "5m"]);
    let (client, ledger, streams) = (client(&server.url()), Arc::new(Ledger::default()), streams(2));
    register(&client, &streams).await;
    subscribe(client.clone(), Arc::clone(&ledger), streams.clone());
    let mut publisher = Publisher::new(client, Arc::clone(&ledger), &streams);

    publisher.submit(2).await;
    delivered(&ledger, 4).await;
    let worker = eventually("a worker process", || async { server.children().pop() }).await;
    kill(worker, Signal::SIGKILL).expect("a signal to the worker");
    let killed = Instant::now();
    publisher.submit(2).await;
    delivered(&ledger, 8).await;
    assert!(killed.elapsed() < Duration::from_secs(60), "took over after {:?}", killed.elapsed());
    ledger.check();
}

/// An upgrade replaces the file of a program that runs. The server's next worker must be of the
/// server's own version.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_program_was_replaced_still_starts_workers() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let program = folder.path().join("frameway");
    std::fs::copy(env!("CARGO_BIN_EXE_frameway"), &program).expect("a copy");
    let redis = RedisServer::start();
    let url = redis.url();
    let server = Process::server_from(&program, &["--redis-url", &url]);
    let (client, ledger, streams) = (client(&server.url()), Arc::new(Ledger::default()), streams(1));
    register(&client, &streams).await;
    subscribe(client.clone(), Arc::clone(&ledger), streams.clone());
    let mut publisher = Publisher::new(client, Arc::clone(&ledger), &streams);
    publisher.submit(1).await;
    delivered(&ledger, 1).await;

    for (frames, replaces) in [(2, true), (3, false)] {
        std::fs::remove_file(&program).expect("the copy is deleted");
        if replaces {
            std::fs::write(&program, "not a program").expect("another file");
        }
        let worker = eventually("a worker process", || async { server.children().pop() }).await;
        kill(worker, Signal::SIGKILL).expect("a signal to the worker");
        publisher.submit(1).await;
        delivered(&ledger, frames).await;
    }
    ledger.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_share_the_partitions_and_one_may_leave() {
    let redis = RedisServer::start();
    let url = redis.url();
    let server = Process::server(&["--role", "api", "--redis-url", &url]);
    let flags = ["--redis-url", url.as_str(), "--lease-term", "500ms"];
    let (mut one, _two) = (Process::worker(&flags), Process::worker(&flags));
    let (client, ledger, streams) = (client(&server.url()), Arc::new(Ledger::default()), streams(8));
    register(&client, &streams).await;
    subscribe(client.clone(), Arc::clone(&ledger), streams.clone());
    let mut publisher = Publisher::new(client, Arc::clone(&ledger), &streams);
    let holders = || {
        let keys = redis.cli(&["KEYS", "frameway:*:holder"]);
        let keys: Vec<&str> = keys.split_whitespace().collect();
        let names = redis.cli(&[&["MGET"], keys.as_slice()].concat());
        let mut names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
        names.sort_unstable();
        names.chunk_by(|a, b| a == b).map(<[String]>::len).collect::<Vec<_>>()
    };
    eventually("16 partitions each", || async { (holders() == [16, 16]).then_some(()) }).await;
    publisher.submit(4).await;
    assert!(one.terminate().success());
    publisher.submit(4).await;
    delivered(&ledger, 64).await;
    eventually("all 32 with the other", || async { (holders() == [32]).then_some(()) }).await;
    ledger.check();
}
