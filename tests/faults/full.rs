//! Row 7: the memory of Redis is full.

use std::sync::Arc;
use std::time::{Duration, Instant};

use frameway::pb::v1::{self as pb, GapReason};

use crate::campaign::slow_rounds;
use crate::common::eventually;
use crate::common::redis::{Persistence, RedisServer, Setup};
use crate::ledger::Ledger;
use crate::process::Process;
use crate::table::{Row, record};
use crate::traffic::{Publisher, client, delivered, register_as, streams, subscribe};

/// The number of refusals that proves that the store is full.
const REFUSALS: u64 = 20;
/// The bytes of a picture: all pictures together exceed 64 MB.
const PICTURE_BYTES: usize = 256 << 10;

/// A Redis with 64 MB and a server with a budget of 2 GiB: Redis is full long before the budget is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_full_before_the_budget_refuses_with_a_delay_and_drains() {
    full("maxmemory 64 MB, budget 2 GiB", &[]).await;
}

/// A Redis with 64 MB and a server with a budget that fits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_work_queue_refuses_with_a_delay_and_drains() {
    let flags = ["--partitions", "2", "--memory-budget", "40MiB", "--max-picture-bytes", "1MiB"];
    full("maxmemory 64 MB, budget 40 MiB", &flags).await;
}

async fn full(name: &str, flags: &[&str]) {
    let rounds = slow_rounds(1, 5);
    let memory = ["--maxmemory", "64mb", "--maxmemory-policy", "noeviction"].map(str::to_owned);
    let setup = Setup { persistence: Persistence::AofAlways, flags: memory.into(), ..Setup::default() };
    let redis = RedisServer::start_as(setup);
    let url = redis.url();
    let flags = [&["--redis-url", url.as_str()], flags].concat();
    let server = Process::server(&[&["--role", "api"], flags.as_slice()].concat());
    let (client, ledger, streams) = (client(&server.url()), Arc::new(Ledger::default()), streams(2));
    for stream in &streams {
        register_as(&client, keeps_little(stream)).await;
    }
    subscribe(client.clone(), Arc::clone(&ledger), streams.clone());
    // A store that is short of memory trims its outputs, so a slow subscriber misses frames, which
    // are reported.
    ledger.allow(&[GapReason::Retention]);
    let mut publisher = Publisher::new(client.clone(), Arc::clone(&ledger), &streams);
    publisher.patience = Duration::from_secs(60);
    publisher.pictures = publisher.pictures.iter().map(padded).collect();

    let mut longest = Duration::ZERO;
    for _ in 0..rounds {
        // Without a worker, the queue fills up.
        let mut refused = 0;
        let start = Instant::now();
        let mut open = Vec::new();
        while refused < REFUSALS {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "it does not fill up: {}",
                redis.cli(&["INFO", "memory"])
            );
            if open.is_empty() {
                open = publisher.next_frames(4);
            }
            open = publisher.attempt(open).await;
            refused += u64::from(!open.is_empty());
        }

        let worker = Process::worker(&flags);
        let start = Instant::now();
        publisher.settle_all(open).await;
        delivered(&ledger, ledger.promised_count()).await;
        drained(&server).await;
        longest = longest.max(start.elapsed());
        drop(worker);
    }
    let verdict = ledger.check();
    assert_refused_with_delay(&publisher);
    let refusals: u64 = publisher.refusals.values().sum();
    let taken = ledger.missing_for(GapReason::Retention);
    let note = format!(
        "{refusals} refusals, each with a retry delay; {taken} frames reported as removed by retention"
    );
    record(Row::of(7, name, rounds, &verdict).recovered(longest).note(note));
}

/// Asserts that callers learn that there is no room and when to retry, but see no Redis error.
fn assert_refused_with_delay(publisher: &Publisher) {
    for (what, message, retry_delay) in publisher.refusals.keys() {
        let full = ["ResourceExhausted", "ERROR_REASON_QUEUE_FULL", "ERROR_REASON_STREAM_QUEUE_FULL"];
        // Frames after a refused one.
        let behind = ["ERROR_REASON_OUT_OF_ORDER"];
        assert!(
            full.contains(&what.as_str()) || behind.contains(&what.as_str()),
            "refused as {what}: {message}"
        );
        assert!(*retry_delay, "{what} without a retry delay: {message}");
        let words = message.to_lowercase();
        assert!(
            !words.contains("oom") && !words.contains("maxmemory") && !words.contains("redis"),
            "the message mentions Redis: {message}"
        );
    }
}

/// Returns a stream that keeps the submitted bytes of few frames, so that published frames are soon
/// removed.
fn keeps_little(stream: &str) -> pb::Stream {
    pb::Stream {
        stream_id: stream.to_owned(),
        output: Some(pb::OutputPolicy { keep_original: true, ..Default::default() }),
        retention: Some(pb::RetentionPolicy { max_bytes: Some(12 << 20), ..Default::default() }),
        ..Default::default()
    }
}

/// Returns the picture with padding after its end, which decoders ignore.
fn padded(picture: &bytes::Bytes) -> bytes::Bytes {
    let mut bytes = picture.to_vec();
    bytes.resize(PICTURE_BYTES, 0);
    bytes.into()
}

/// Waits until the work queues are empty.
async fn drained(server: &Process) {
    let operating = client(&server.url());
    eventually("empty work queues", || async {
        let answer =
            operating.queues.clone().get_queue_stats(pb::GetQueueStatsRequest::default()).await.ok()?;
        (answer.into_inner().total?.account?.queued_frames == 0).then_some(())
    })
    .await;
}
