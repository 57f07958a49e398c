//! Rows 12, 13 and 14: slow subscribers, many subscribers, and subscribers that vanish.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use frameway::pb::v1::{self as pb, subscribe_frames_response::Event};
use frameway::picture::{Canvas, Codec, Limits};
use rand::RngExt as _;

use crate::campaign::{is_long, seeded_rng, slow_rounds};
use crate::common::redis::RedisServer;
use crate::common::{eventually, spawn};
use crate::ledger::Ledger;
use crate::process::Process;
use crate::proxy::{Proxy, Wire};
use crate::table::{Row, record};
use crate::traffic::{Client, Publisher, client, delivered, register, selector, streams, subscribe};
use crate::usage::Usage;

const SLOW_SUBSCRIBERS: u64 = 10;
const SLOW_BYTES_PER_SECOND: u64 = 10_000;
/// The maximum memory for a slow subscriber: data in flight in HTTP/2, and one or two frames.
const SLOW_COST_KIB: u64 = 10 << 10;
/// The memory that caches and the allocator may keep.
const CACHES_KIB: u64 = 128 << 10;

fn proxied(server: &Process) -> std::net::SocketAddr {
    server.url().trim_start_matches("http://").parse().expect("an address")
}

/// Returns JPEGs of about a megabyte each: noise, which hardly compresses.
fn large_pictures() -> Vec<Bytes> {
    let mut rng = seeded_rng();
    let mut codec = Codec::new(Limits::default());
    let mut picture = || {
        let pixels = (0..1280 * 800 * 3).map(|_| rng.random()).collect();
        let canvas = Canvas::from_pixels(1280, 800, pixels).expect("as many as it takes");
        codec.encode_canvas(&canvas, 85).expect("encodes")
    };
    (0..4).map(|_| picture()).collect()
}

/// The send time of each publisher sequence, and its latency.
#[derive(Debug, Default)]
struct Latencies {
    sent: Mutex<BTreeMap<u64, Instant>>,
    taken: Mutex<BTreeMap<u64, Duration>>,
}

impl Latencies {
    /// Follows a stream and records the latency of its frames.
    fn watch(self: &Arc<Self>, client: &Client, stream: &str) {
        let (this, mut client, stream) = (Arc::clone(self), client.clone(), stream.to_owned());
        spawn(async move {
            let selectors = vec![selector(&stream, None)];
            let request = pb::SubscribeFramesRequest { selectors, ..Default::default() };
            let mut events =
                client.streaming.subscribe_frames(request).await.expect("subscribes").into_inner();
            while let Ok(Some(message)) = events.message().await {
                if let Some(Event::Frame(delivered)) = message.event {
                    let number = delivered.frame.map_or(0, |frame| frame.publisher_sequence());
                    let sent = this.sent.lock().expect("no panic").get(&number).copied();
                    let taken = sent.map_or(Duration::ZERO, |at| at.elapsed());
                    this.taken.lock().expect("no panic").insert(number, taken);
                }
            }
        });
    }

    /// Submits frames at the rate of a camera and returns the 50th and 99th percentile of their
    /// latency.
    async fn measure(&self, publisher: &mut Publisher, frames: u64) -> (Duration, Duration) {
        let mut pace = tokio::time::interval(Duration::from_millis(150));
        let first = publisher.next_number;
        for _ in 0..frames {
            pace.tick().await;
            self.sent.lock().expect("no panic").insert(publisher.next_number, Instant::now());
            publisher.submit(1).await;
        }
        eventually("all frames at the fast subscriber", || async {
            (self.taken.lock().expect("no panic").range(first..).count() as u64 == frames).then_some(())
        })
        .await;
        let taken = self.taken.lock().expect("no panic");
        let mut sorted: Vec<Duration> = taken.range(first..).map(|(_, taken)| *taken).collect();
        sorted.sort_unstable();
        let percentile = |share: usize| sorted[(sorted.len() * share / 100).min(sorted.len() - 1)];
        (percentile(50), percentile(99))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_subscribers_slow_down_nobody_else() {
    let frames = if is_long() { 300 } else { 40 };
    let redis = RedisServer::start();
    let server = Process::server(&["--redis-url", &redis.url()]);
    let proxy = Proxy::to(proxied(&server)).await;
    let (fast, ledger, streams) = (client(&server.url()), Arc::new(Ledger::default()), streams(1));
    register(&fast, &streams).await;
    subscribe(client(&server.url()), Arc::clone(&ledger), streams.clone());
    let latencies = Arc::<Latencies>::default();
    latencies.watch(&fast, &streams[0]);
    let mut publisher = Publisher::new(client(&server.url()), Arc::clone(&ledger), &streams);
    publisher.pictures = large_pictures();
    let size = publisher.pictures[0].len();
    publisher.submit(4).await;
    delivered(&ledger, ledger.promised_count()).await;

    let (median, alone) = latencies.measure(&mut publisher, frames).await;
    let before = Usage::of(&[&server], Some(&redis));
    proxy.set(Wire { bytes_per_second: Some(SLOW_BYTES_PER_SECOND), ..Wire::default() });
    for _ in 0..SLOW_SUBSCRIBERS {
        let slow = client(&format!("http://{}", proxy.address()));
        subscribe(slow, Arc::new(Ledger::default()), streams.clone());
    }
    eventually("the slow ones", || async { (proxy.open() as u64 == SLOW_SUBSCRIBERS).then_some(()) }).await;
    let (median_beside, beside) = latencies.measure(&mut publisher, frames).await;
    let grown = Usage::of(&[&server], Some(&redis)).memory_kib.saturating_sub(before.memory_kib);

    let verdict = ledger.check();
    let ratio = beside.as_secs_f64() / alone.as_secs_f64();
    let note = format!(
        "{size} bytes a frame; the fast one's p99 {alone:.0?} alone, {beside:.0?} beside them: {ratio:.2} times \
         (p50 {median:.0?}, {median_beside:.0?}); the server grew by {} MiB",
        grown >> 10
    );
    println!("{note}");
    assert!(beside <= alone * 3 + Duration::from_millis(100), "{note}");
    assert!(grown <= SLOW_SUBSCRIBERS * SLOW_COST_KIB + CACHES_KIB, "{note}");
    record(Row::of(12, "ten slow subscribers and a fast one", 1, &verdict).note(note));
    drop(proxy);
    before.returns(&[&server], Some(&redis)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_subscribers_of_a_camera_cost_redis_one_read() {
    const SUBSCRIBERS: usize = 1_000;
    let frames: u64 = if is_long() { 100 } else { 15 };
    let redis = RedisServer::start();
    let server = Process::server(&["--redis-url", &redis.url()]);
    let (ledger, streams) = (Arc::new(Ledger::default()), streams(1));
    let clients: Vec<Client> = (0..5).map(|_| client(&server.url())).collect();
    register(&clients[0], &streams).await;
    let counts: Arc<Vec<AtomicU64>> = Arc::new((0..SUBSCRIBERS).map(|_| AtomicU64::new(0)).collect());
    let ready = Arc::new(AtomicU64::new(0));
    for number in 0..SUBSCRIBERS {
        let (mut client, stream) = (clients[number % clients.len()].clone(), streams[0].clone());
        let (counts, ready) = (Arc::clone(&counts), Arc::clone(&ready));
        spawn(async move {
            let selectors = vec![selector(&stream, None)];
            let request = pb::SubscribeFramesRequest { selectors, ..Default::default() };
            let mut events =
                client.streaming.subscribe_frames(request).await.expect("subscribes").into_inner();
            while let Ok(Some(message)) = events.message().await {
                match message.event {
                    // The first message.
                    Some(Event::Checkpoint(_)) => ready.fetch_add(1, Ordering::Relaxed),
                    Some(Event::Frame(_)) => counts[number].fetch_add(1, Ordering::Relaxed),
                    Some(Event::Gap(_) | Event::Heartbeat(_) | Event::Draining(_)) | None => 0,
                };
            }
        });
    }
    eventually("all subscriptions", || async {
        (ready.load(Ordering::Relaxed) >= SUBSCRIBERS as u64).then_some(())
    })
    .await;
    let mut publisher = Publisher::new(clients[0].clone(), Arc::clone(&ledger), &streams);
    subscribe(clients[0].clone(), Arc::clone(&ledger), streams.clone());
    publisher.submit(1).await;
    delivered(&ledger, 1).await;

    let reads = || [redis.calls("mget"), redis.calls("xrange"), redis.calls("xread")];
    let before = reads();
    for _ in 0..frames {
        publisher.submit(1).await;
    }
    delivered(&ledger, ledger.promised_count()).await;
    let total = frames + 1;
    let bounds = || {
        let counts = counts.iter().map(|count| count.load(Ordering::Relaxed));
        counts.fold((u64::MAX, 0), |(least, most), count| (least.min(count), most.max(count)))
    };
    eventually("the first to have all", || async { (bounds().1 == total).then_some(()) }).await;
    let (least, most) = bounds();
    eventually("all frames at all", || async { (bounds() == (total, total)).then_some(()) }).await;
    let [pictures, pages, feeds] = {
        let after = reads();
        std::array::from_fn(|index| after[index] - before[index])
    };
    let note = format!(
        "{frames} frames to each: {pictures} reads of pictures (the worker's among them), {pages} of pages, {feeds} of \
         feeds and work; when the first had all, the last had {least} of {most}"
    );
    println!("{note}");
    // The worker reads each picture once, and the server once for all subscribers.
    assert!(pictures <= frames * 2 + 4, "{note}");
    assert!(pages <= frames * 2, "{note}");
    // This includes a retention pass of the worker and waits without a result.
    assert!(feeds <= frames * 6 + 100, "{note}");
    let verdict = ledger.check();
    record(Row::of(13, "1,000 subscribers of one camera", 1, &verdict).note(note));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_place_of_a_vanished_subscriber_is_released() {
    /// The time of keepalive: 20 s until it asks, 10 s until it gives up, and some time for a busy
    /// machine.
    const KEEPALIVE: Duration = Duration::from_secs(30 + 8);
    let redis = RedisServer::start();
    let server = Process::server(&["--redis-url", &redis.url(), "--max-subscriptions", "1"]);
    let proxy = Proxy::to(proxied(&server)).await;
    let (ledger, streams) = (Arc::new(Ledger::default()), streams(1));
    let near = client(&server.url());
    register(&near, &streams).await;
    let mut publisher = Publisher::new(near.clone(), Arc::clone(&ledger), &streams);
    publisher.submit(2).await;
    let before = Usage::of(&[&server], Some(&redis));

    let rounds = slow_rounds(1, 5);
    let mut longest = Duration::ZERO;
    for _ in 0..rounds {
        proxy.set(Wire::default());
        let far = client(&format!("http://{}", proxy.address()));
        let request = || {
            let selectors = vec![selector(&streams[0], None)];
            pb::SubscribeFramesRequest { selectors, ..Default::default() }
        };
        // The subscriber that got the place in the last round may still be releasing it.
        let opened = eventually("the only place", || async {
            far.streaming.clone().subscribe_frames(request()).await.ok()
        });
        let mut vanishing = opened.await.into_inner();
        let first = vanishing.message().await.expect("an event");
        assert!(first.is_some(), "the subscription ended");
        proxy.set(Wire { silent: true, ..Wire::default() });
        let vanished = Instant::now();
        let freed = loop {
            publisher.submit(1).await;
            match near.streaming.clone().subscribe_frames(request()).await {
                Ok(_) => break vanished.elapsed(),
                Err(status) => assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status:?}"),
            }
            assert!(vanished.elapsed() < KEEPALIVE, "its place is held after {:?}", vanished.elapsed());
            // Few frames, so that all of them are still kept for the last subscriber.
            tokio::time::sleep(Duration::from_millis(500)).await;
        };
        longest = longest.max(freed);
    }
    proxy.reset_all();
    subscribe(near, Arc::clone(&ledger), streams.clone());
    delivered(&ledger, ledger.promised_count()).await;
    let verdict = ledger.check();
    before.returns(&[&server], Some(&redis)).await;
    record(Row::of(14, "a subscriber that vanished", rounds, &verdict).recovered(longest));
}
