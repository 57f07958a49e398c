//! Row 5: a Redis that runs and does not answer.

use std::time::Duration;

use crate::campaign::{is_long, slow_rounds};
use crate::common::eventually;
use crate::common::redis::{Persistence, RedisServer};
use crate::stage::Stage;
use crate::table::{Row, record};

/// The time that the server waits for an answer of Redis.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The time that a busy machine may add to a caller's wait.
const BUSY: Duration = Duration::from_millis(1500);
/// The maximum connections per second of one process to a Redis that does not answer.
const MAX_CONNECTIONS_PER_SECOND: f64 = 5.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_stopped_costs_time_only() {
    let lengths: &[u64] = if is_long() { &[1, 5, 30] } else { &[1, 5] };
    let redis = RedisServer::start_with(Persistence::AofAlways);
    silences(&redis, "SIGSTOP of Redis", lengths, |redis, _| redis.pause(), |redis| redis.resume()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_pauses_its_clients_costs_time_only() {
    let lengths: &[u64] = if is_long() { &[1, 10] } else { &[3] };
    let redis = RedisServer::start_with(Persistence::AofAlways);
    let pause = |redis: &RedisServer, length: Duration| {
        redis.cli(&["CLIENT", "PAUSE", &length.as_millis().to_string(), "ALL"]);
    };
    silences(&redis, "CLIENT PAUSE ALL", lengths, pause, |_| {}).await;
}

async fn silences(
    redis: &RedisServer,
    name: &str,
    seconds: &[u64],
    begin: impl Fn(&RedisServer, Duration),
    end: impl Fn(&RedisServer),
) {
    let rounds = slow_rounds(1, 5);
    let (stage, mut publisher) = Stage::on(redis).await;
    let (mut longest, mut rate) = (Duration::ZERO, 0.0_f64);
    for length in (0..rounds).flat_map(|_| seconds).map(|&seconds| Duration::from_secs(seconds)) {
        let connections = || redis.info("stats", "total_connections_received").expect("a number");
        publisher.slowest = Duration::ZERO;
        publisher.patience = length + Duration::from_secs(30);
        let (calls, connected) = (publisher.unavailable, connections());
        let load = stage.under_load(publisher).await;
        begin(redis, length);
        tokio::time::sleep(length).await;
        end(redis);
        // Calls that waited for Redis connect again at its end, and are counted then.
        eventually("an answer of Redis", || async { (redis.cli(&["PING"]) == "PONG").then_some(()) }).await;
        publisher = load.stop().await;
        longest = longest.max(stage.recovered(&mut publisher).await);
        if length > TIMEOUT * 2 {
            assert!(publisher.unavailable > calls, "no caller got UNAVAILABLE in {length:?}");
        }
        assert!(publisher.slowest <= TIMEOUT * 2 + BUSY, "a caller waited {:?}", publisher.slowest);
        // One connection is that of the test. Those at the end come at once, regardless of the
        // duration: one second is added for them.
        let new = connections() - connected - 1;
        rate = rate.max(new as f64 / (length.as_secs_f64() + 1.0));
        println!("{name} {length:?}: callers waited {:?}, {new} connections", publisher.slowest);
    }
    assert!(rate < MAX_CONNECTIONS_PER_SECOND * 2.0, "{rate:.1} connections a second, of two processes");
    let verdict = stage.settled(redis).await;
    let note = format!("{seconds:?} s; at most {rate:.1} connections/s of two processes");
    record(Row::of(5, name, rounds * seconds.len() as u32, &verdict).recovered(longest).note(note));
}
