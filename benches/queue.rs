//! The time to accept a batch and to finish it, on both backends. The benchmark starts a real
//! Redis.

#[allow(dead_code, reason = "each user needs a part of it")]
#[path = "../tests/common/redis.rs"]
mod redis;
#[allow(dead_code, clippy::unwrap_used, reason = "each user needs a part of it")]
#[path = "../tests/conformance/support.rs"]
mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use frameway::domain::{Partitions, StreamPolicies};
use frameway::queue::memory::{MemoryConfig, MemoryQueue};
use frameway::queue::redis::{RedisConfig, RedisQueue, RedisSecurity};
use frameway::queue::{Budget, Lease, Queue, Split};
use redis::RedisServer;
use tokio::runtime::Runtime;

const STREAM: &str = "cam";
const BATCH: usize = 8;
const PICTURE_BYTES: usize = 100_000;

/// Returns the times to accept and to finish one batch.
async fn once(queue: &dyn Queue, lease: &Lease) -> (Duration, Duration) {
    let frames = (0..BATCH).map(|_| support::frame(STREAM, vec![7; PICTURE_BYTES])).collect();
    let start = Instant::now();
    support::accept(queue, frames).await;
    let accepted = start.elapsed();
    let finished: Vec<_> = support::take_all(queue, lease).await.iter().map(support::processed).collect();
    let start = Instant::now();
    queue.finish(lease, &finished).await.expect("it is finished");
    let published = start.elapsed();
    // Not measured: the published entries are removed, so that the store does not fill.
    support::keep_newest(queue, lease, STREAM, 0).await;
    (accepted, published)
}

fn bench(c: &mut Criterion, name: &str, runtime: &Runtime, queue: &dyn Queue) {
    let lease = runtime.block_on(async {
        support::register(queue, STREAM).await;
        support::lease_of(queue, STREAM, "bench").await
    });
    let mut group = c.benchmark_group(format!("{name}, {BATCH} frames of {} kB", PICTURE_BYTES / 1_000));
    group.throughput(Throughput::Elements(BATCH as u64));
    let run = |rounds: u64, part: fn((Duration, Duration)) -> Duration| {
        runtime.block_on(async {
            let mut sum = Duration::ZERO;
            for _ in 0..rounds {
                sum += part(once(queue, &lease).await);
            }
            sum
        })
    };
    group.bench_function("accept", |b| b.iter_custom(|rounds| run(rounds, |(accepted, _)| accepted)));
    group.bench_function("finish", |b| b.iter_custom(|rounds| run(rounds, |(_, finished)| finished)));
}

fn queues(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let partitions = Partitions::new(4).expect("a power of two");
    let budget = Budget::share(1 << 30, Split::default(), partitions);
    let defaults = StreamPolicies::default();
    let memory = MemoryQueue::new(MemoryConfig { partitions, budget, max_streams: 10, defaults });
    bench(c, "embedded", &runtime, &memory);

    let server = RedisServer::start();
    let config = RedisConfig {
        url: server.url().into(),
        security: RedisSecurity::default(),
        namespace: Default::default(),
        partitions,
        budget,
        max_streams: 10,
        timeout: Duration::from_secs(30),
        wait_replicas: 0,
        defaults,
        metrics: Default::default(),
    };
    let redis: Arc<RedisQueue> = runtime.block_on(RedisQueue::open(config)).expect("it opens");
    bench(c, "Redis", &runtime, &*redis);
    limits(c, &server);
}

/// Measures the lower bounds of accept and finish, on one bare connection: storing the pictures of
/// a batch, and one round trip.
fn limits(c: &mut Criterion, server: &RedisServer) {
    let mut connection = TcpStream::connect(("127.0.0.1", server.port())).expect("it listens");
    connection.set_nodelay(true).expect("a TCP connection");
    let mut call = |request: &[u8], reply: &str| {
        connection.write_all(request).expect("it is sent");
        let mut got = vec![0; reply.len()];
        connection.read_exact(&mut got).expect("it is answered");
        assert_eq!(String::from_utf8_lossy(&got), reply);
    };
    let mut store = Vec::new();
    for index in 0..BATCH {
        store.extend(format!("*3\r\n$3\r\nSET\r\n$6\r\nbare:{index}\r\n${PICTURE_BYTES}\r\n").bytes());
        store.extend([7; PICTURE_BYTES]);
        store.extend(b"\r\n");
    }
    let mut group = c.benchmark_group(format!("Redis, limits, {BATCH} frames"));
    group.throughput(Throughput::Elements(BATCH as u64));
    let stored = "+OK\r\n".repeat(BATCH);
    group.bench_function("of accept: their pictures stored", |b| b.iter(|| call(&store, &stored)));
    group.bench_function("of finish: one round trip", |b| {
        b.iter(|| call(b"*1\r\n$4\r\nPING\r\n", "+PONG\r\n"))
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3));
    targets = queues
}
criterion_main!(benches);
