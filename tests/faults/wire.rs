//! Row 6: bad connections between the server and Redis, between a worker and Redis, and between
//! clients and the server.

use std::time::{Duration, Instant};

use rand::RngExt as _;

use crate::campaign::{is_long, rounds, seeded_rng, slow_rounds};
use crate::common::eventually;
use crate::common::redis::{Persistence, RedisServer};
use crate::process::Process;
use crate::proxy::{Proxy, Way, Wire};
use crate::stage::Stage;
use crate::table::{Row, record};
use crate::traffic::Publisher;

/// The number of frames that must get through a bad wire.
const FRAMES_THROUGH: usize = 4;

/// The proxies of the wires.
struct Wires {
    redis: RedisServer,
    /// Between the API and Redis.
    api: Proxy,
    /// Between the worker and Redis.
    worker: Proxy,
    /// Between the clients and the API.
    clients: Proxy,
}

/// Starts an API and a worker on Redis, with a proxy for each wire.
async fn wired() -> (Wires, Stage, Publisher) {
    let redis = RedisServer::start_with(Persistence::AofAlways);
    let (api, worker) = (Proxy::to_port(redis.port()).await, Proxy::to_port(redis.port()).await);
    let user = redis.url();
    let (user, _) = user.rsplit_once('@').expect("a user");
    let url = |proxy: &Proxy| format!("{user}@{}", proxy.address());
    let server = Process::server(&["--role", "api", "--redis-url", &url(&api)]);
    let works = Process::worker(&["--redis-url", &url(&worker), "--lease-term", "2s"]);
    let address = server.url().trim_start_matches("http://").parse().expect("an address");
    let clients = Proxy::to(address).await;
    let through = format!("http://{}", clients.address());
    let (stage, publisher) = Stage::with(vec![server, works], &through, &redis).await;
    (Wires { redis, api, worker, clients }, stage, publisher)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_reset_lose_and_repeat_nothing() {
    let mut rng = seeded_rng();
    let (wires, stage, mut publisher) = wired().await;
    let rounds = rounds(6);
    let mut longest = Duration::ZERO;
    for round in 0..rounds {
        let load = stage.under_load(publisher).await;
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..50))).await;
        let wire = [&wires.api, &wires.worker, &wires.clients][round as usize % 3];
        assert!(wire.open() > 0, "nothing to reset");
        wire.reset_all();
        publisher = load.stop().await;
        longest = longest.max(stage.recovered(&mut publisher).await);
    }
    let verdict = stage.settled(&wires.redis).await;
    record(Row::of(6, "connections reset", rounds, &verdict).recovered(longest));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_in_the_middle_of_a_write_lose_and_repeat_nothing() {
    let mut rng = seeded_rng();
    let (wires, stage, mut publisher) = wired().await;
    let rounds = rounds(6);
    let mut longest = Duration::ZERO;
    for round in 0..rounds {
        let load = stage.under_load(publisher).await;
        let within_a_picture = rng.random_range(1..40_000);
        let within_a_call = rng.random_range(1..400);
        let within_an_answer = rng.random_range(0..6);
        let wire = match round % 6 {
            // In a picture on its way to Redis, and in the script call that accepts it, which Redis
            // then has completely or not.
            0 => cut(&wires.api, |wire| wire.cut_after(Way::Up, b"pay:", within_a_picture)),
            1 => cut(&wires.api, |wire| wire.cut_after(Way::Up, b"EVALSHA", within_a_call)),
            // The picture is stored and the call is executed, but its answer is lost.
            2 => cut(&wires.api, |wire| wire.cut_after(Way::Down, b"+OK", within_an_answer)),
            // The same on the worker's side.
            3 => cut(&wires.worker, |wire| wire.cut_after(Way::Up, b"EVALSHA", within_a_call)),
            4 => cut(&wires.worker, |wire| wire.cut(Way::Down, within_a_picture)),
            // A request, or frames on their way to the subscriber.
            _ => cut(&wires.clients, |wire| {
                let way = if rng.random() { Way::Up } else { Way::Down };
                wire.cut(way, within_a_picture);
            }),
        };
        eventually("the cut", || async { wire.happened().then_some(()) }).await;
        publisher = load.stop().await;
        longest = longest.max(stage.recovered(&mut publisher).await);
    }
    let verdict = stage.settled(&wires.redis).await;
    let note = "pictures, script calls, answers, requests";
    record(Row::of(6, "connections cut within a write", rounds, &verdict).recovered(longest).note(note));
}

/// A cut that is set and may not have happened yet.
struct Pending<'a> {
    wire: &'a Proxy,
    before: u64,
}

fn cut(wire: &Proxy, set: impl FnOnce(&Proxy)) -> Pending<'_> {
    let before = wire.cuts();
    set(wire);
    Pending { wire, before }
}

impl Pending<'_> {
    fn happened(&self) -> bool {
        self.wire.cuts() > self.before
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wire_that_falls_silent_loses_and_repeats_nothing() {
    let length = Duration::from_secs(if is_long() { 30 } else { 5 });
    let (wires, stage, mut publisher) = wired().await;
    let rounds = slow_rounds(1, 3);
    let mut longest = Duration::ZERO;
    for wire in (0..rounds).flat_map(|_| [&wires.api, &wires.worker]) {
        publisher.patience = length * 2 + Duration::from_secs(30);
        let load = stage.under_load(publisher).await;
        wire.set(Wire { silent: true, ..Wire::default() });
        tokio::time::sleep(length).await;
        wire.set(Wire::default());
        publisher = load.stop().await;
        longest = longest.max(stage.recovered(&mut publisher).await);
    }
    let verdict = stage.settled(&wires.redis).await;
    let name = "a silent wire between server, worker and Redis";
    record(Row::of(6, name, rounds * 2, &verdict).recovered(longest).note(format!("{length:?}")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_and_a_thin_wire_lose_and_repeat_nothing() {
    let length = Duration::from_secs(if is_long() { 30 } else { 4 });
    let slow = Wire { latency: Duration::from_millis(200), ..Wire::default() };
    let thin = Wire { bytes_per_second: Some(1_000_000), ..Wire::default() };
    for (name, wire) in [("200 ms latency to Redis", slow), ("1 MB/s to Redis", thin)] {
        let (wires, stage, publisher) = wired().await;
        let (before, start) = (stage.ledger.delivered_count(), Instant::now());
        [&wires.api, &wires.worker].iter().for_each(|proxy| proxy.set(wire));
        let load = stage.under_load(publisher).await;
        tokio::time::sleep(length).await;
        // Frames go through slowly: there are a dozen round trips between a submit and its
        // delivery.
        let during = || stage.ledger.delivered_count() - before;
        eventually("frames over a bad wire", || async { (during() >= FRAMES_THROUGH).then_some(()) }).await;
        let (during, took) = (during(), start.elapsed());
        let mut publisher = load.stop().await;
        [&wires.api, &wires.worker].iter().for_each(|proxy| proxy.set(Wire::default()));
        let recovery = stage.recovered(&mut publisher).await;
        let verdict = stage.settled(&wires.redis).await;
        let calls = publisher.unavailable;
        let note = format!("{during} frames through in {took:.0?}, {calls} calls UNAVAILABLE");
        record(Row::of(6, name, 1, &verdict).recovered(recovery).note(note));
    }
}
