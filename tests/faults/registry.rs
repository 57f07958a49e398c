//! Rows 34 and 35: streams that are unregistered and registered again under load, and a flood of
//! such streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use frameway::pb::v1::frame_lookup::Outcome as Lookup;
use frameway::pb::v1::{self as pb, GapReason};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;
use tonic::{Code, Status};

use crate::campaign::{pairs, rounds, seed, seeded_rng};
use crate::common::redis::{Persistence, RedisServer};
use crate::common::{DEADLINE, eventually, spawn};
use crate::group_faults::{create_group, members, settled};
use crate::group_ledger::GroupLedger;
use crate::ledger::Ledger;
use crate::process::Process;
use crate::table::{Row, record};
use crate::traffic::{
    Client, Publisher, accounted, client, delivered, keeping, pictures, register, streams, subscribe,
};

/// Reports whether to retry, because the server died or is starting.
fn is_passing(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::Cancelled | Code::Unknown | Code::DeadlineExceeded | Code::Internal
    )
}

/// Unregisters and registers streams, through any server that answers.
struct Remover {
    redis: Arc<RedisServer>,
    clients: Vec<Client>,
    ledger: Arc<Ledger>,
    rng: StdRng,
}

impl Remover {
    fn any(&mut self) -> Client {
        let one = self.rng.random_range(0..self.clients.len());
        self.clients[one].clone()
    }

    /// Unregisters a stream and records its last sequence.
    async fn remove(&mut self, stream: &str) -> u64 {
        let start = Instant::now();
        let last = loop {
            let request = pb::UnregisterStreamRequest { stream_id: stream.to_owned(), ..Default::default() };
            match self.any().registry.unregister_stream(request).await {
                Ok(answer) => break Some(answer.into_inner().last_sequence),
                // An attempt with a lost answer succeeded.
                Err(status) if status.code() == Code::NotFound => break None,
                Err(status) => {
                    assert!(is_passing(&status) && start.elapsed() < DEADLINE, "{status:?}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        };
        let floor = self.stored_floor(stream);
        assert!(last.is_none_or(|last| last == floor), "{last:?} is answered, {floor} stored");
        self.ledger.removed(stream, floor);
        floor
    }

    fn stored_floor(&self, stream: &str) -> u64 {
        let key = self.redis.cli(&["KEYS", &format!("frameway:*:stream:{stream}")]);
        self.redis.cli(&["HGET", key.trim(), "floor"]).trim().parse().expect("a floor is stored")
    }

    async fn register(&mut self, stream: &str) {
        let start = Instant::now();
        let request = pb::RegisterStreamRequest { stream: Some(keeping(stream)) };
        while let Err(status) = self.any().registry.register_stream(request.clone()).await {
            if status.code() == Code::AlreadyExists {
                return;
            }
            assert!(is_passing(&status) && start.elapsed() < DEADLINE, "{status:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asserts that no server finds frames of the ended registration by sequence.
    async fn assert_gone(&mut self, stream: &str, floor: u64) {
        let sequences: Vec<u64> = (1..=floor).rev().take(100).collect();
        if sequences.is_empty() {
            return;
        }
        let request = pb::GetFramesRequest { stream_id: stream.to_owned(), sequences, ..Default::default() };
        // A dying server does not answer.
        let Ok(answer) = self.any().streaming.get_frames(request).await else { return };
        for lookup in answer.into_inner().results {
            if let Some(Lookup::Frame(frame)) = lookup.outcome {
                self.ledger
                    .fault(format!("{stream}/{} is found, removed with all up to {floor}", frame.sequence));
            }
        }
    }

    /// Unregisters and registers each stream once, while some of its frames are published and
    /// others are in flight.
    async fn round(&mut self, streams: &[String]) {
        for stream in streams {
            let of_it = std::slice::from_ref(stream);
            let before = self.ledger.promised_of(of_it);
            eventually("frames of this registration", || async {
                (self.ledger.promised_of(of_it) >= before + 5).then_some(())
            })
            .await;
            let floor = self.remove(stream).await;
            if self.rng.random() {
                self.assert_gone(stream, floor).await;
                tokio::time::sleep(Duration::from_millis(self.rng.random_range(0..300))).await;
            }
            self.register(stream).await;
            self.assert_gone(stream, floor).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_registered_again_under_load_and_kills_lose_no_frame_of_the_new_registration() {
    let mut rng = seeded_rng();
    let redis = Arc::new(RedisServer::start_with(Persistence::AofAlways));
    let url = redis.url();
    let api = ["--role", "api", "--redis-url", &url];
    let mut servers = [Process::server(&api), Process::server(&api)];
    let mut worker = Process::worker(&["--redis-url", &url, "--lease-term", "500ms"]);
    let urls: Vec<String> = servers.iter().map(Process::url).collect();
    let clients: Vec<Client> = urls.iter().map(|url| client(url)).collect();
    let operator = client(&urls[0]);
    let (ledger, streams, records) =
        (Arc::new(Ledger::default()), streams(3), Arc::new(GroupLedger::default()));
    ledger.allow(&[GapReason::Unregistered]);
    register(&clients[0], &streams).await;
    create_group(&operator, 100).await;
    subscribe(clients[0].clone(), Arc::clone(&ledger), streams.clone());
    let (stop, stopping) = watch::channel(false);
    let members = members(2, &urls, &records, 0, &stopping);
    let mut publisher = Publisher::new(clients[1].clone(), Arc::clone(&ledger), &streams);
    publisher.waits_for_streams = true;
    let load = publisher.keep_submitting(1);

    let rounds = rounds(3);
    let mut remover = Remover {
        redis: Arc::clone(&redis),
        clients,
        ledger: Arc::clone(&ledger),
        rng: StdRng::seed_from_u64(seed().wrapping_add(1)),
    };
    let removed = streams.clone();
    let remover = spawn(async move {
        for _ in 0..rounds {
            remover.round(&removed).await;
        }
    });
    let mut kills = 0;
    while !remover.is_finished() {
        tokio::time::sleep(Duration::from_millis(rng.random_range(200..1_200))).await;
        let dies = rng.random_range(0..=servers.len());
        tokio::task::block_in_place(|| servers.get_mut(dies).unwrap_or(&mut worker).restart());
        kills += 1;
    }
    remover.await.expect("all streams were unregistered and registered again");
    let start = Instant::now();
    let mut publisher = load.stop().await;
    publisher.submit(2).await;
    accounted(&ledger).await;
    let recovery = start.elapsed();
    let group = settled(&operator, &records, &ledger).await;
    stop.send_replace(true);
    for member in members {
        member.await.expect("the member ends well");
    }
    let verdict = ledger.check();
    let stale = records.stale(&ledger);
    assert!(stale.is_empty(), "a group got frames of an earlier registration after newer ones: {stale:?}");
    let reported = ledger.missing_for(GapReason::Unregistered);
    let note = format!(
        "{} registrations ended, {kills} kills; {reported} frames reported as removed; a group: {} acknowledged, {} reported",
        rounds as usize * streams.len(),
        group.acknowledged,
        group.reported
    );
    record(Row::of(34, "unregister under load", rounds, &verdict).recovered(recovery).note(note));
}

/// Returns settings of the maximum size: about 100 kB.
fn largest(stream: &str) -> pb::Stream {
    let labels = (0..32).map(|n| (format!("{n:064}"), "x".repeat(256))).collect();
    let angle = |n: u32| f64::from(n) / 64.0 * std::f64::consts::TAU;
    let point = |n| pb::NormalizedPoint { x: 0.5 + 0.4 * angle(n).cos(), y: 0.5 + 0.4 * angle(n).sin() };
    let polygon: Vec<_> = (0..64).map(point).collect();
    let mask = |n| pb::PrivacyMask { mask_id: format!("{n:064}"), polygon: polygon.clone() };
    let region = |n| pb::Roi { roi_id: format!("{n:064}"), polygon: polygon.clone(), ..Default::default() };
    pb::Stream {
        stream_id: stream.to_owned(),
        labels,
        privacy_masks: (0..32).map(mask).collect(),
        rois: (0..32).map(region).collect(),
        ..Default::default()
    }
}

/// One in this many streams of the flood has settings of the maximum size; the others have 10 kB of
/// labels and one or two masks.
const LARGE: u32 = 64;
/// One in this many streams gets a frame.
const WITH_FRAMES: u32 = 16;
/// The number of concurrent callers.
const CALLERS: u32 = 8;
/// The bytes that may remain of each remembered stream of the flood: a tenth of its settings.
const LEFT_OF_EACH: u64 = 1 << 10;
/// The maximum remembered streams.
const REMEMBERED: u64 = 8_192;
/// The bytes by which feeds and buffers of Redis may have grown.
const LEFT_BESIDE: u64 = 4 << 20;

async fn pair(client: &Client, n: u32, picture: &bytes::Bytes) {
    let stream_id = format!("flood-{n}");
    let mut stream = largest(&stream_id);
    if !n.is_multiple_of(LARGE) {
        stream.rois.clear();
        stream.privacy_masks.truncate(n as usize % 3);
    }
    let mut client = client.clone();
    let request = pb::RegisterStreamRequest { stream: Some(stream) };
    client.registry.register_stream(request).await.expect("registers");
    if n.is_multiple_of(WITH_FRAMES) {
        let frame = pb::Frame { stream_id: stream_id.clone(), data: picture.clone(), ..Default::default() };
        let batch = pb::SubmitFrameBatchRequest { frames: vec![frame] };
        let answer = client.streaming.submit_frame_batch(batch).await.expect("is answered").into_inner();
        use pb::frame_result::Outcome;
        match answer.results.into_iter().next().and_then(|one| one.outcome) {
            Some(Outcome::Accepted(_)) => {}
            // The worker is overloaded, which passes.
            Some(Outcome::Rejected(error)) if error.retry_delay.is_some() => {}
            other => panic!("{other:?}"),
        }
    }
    let request = pb::UnregisterStreamRequest { stream_id, ..Default::default() };
    client.registry.unregister_stream(request).await.expect("unregisters");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_registered_and_removed_streams_leaves_little_data() {
    let pairs = pairs(1_000);
    let redis = RedisServer::start();
    let url = redis.url();
    let flags = ["--partitions", "2", "--memory-budget", "40MiB", "--max-picture-bytes", "1MiB"];
    let server = Process::server(&[&["--redis-url", url.as_str()], flags.as_slice()].concat());
    let (client, ledger, streams) = (client(&server.url()), Arc::new(Ledger::default()), streams(2));
    register(&client, &streams).await;
    subscribe(client.clone(), Arc::clone(&ledger), streams.clone());
    let mut publisher = Publisher::new(client.clone(), Arc::clone(&ledger), &streams);
    publisher.submit(4).await;
    delivered(&ledger, ledger.promised_count()).await;
    let used = || redis.info("memory", "used_memory").expect("Redis answers");
    let before = used();

    let start = Instant::now();
    let (next, picture) = (Arc::new(AtomicU32::new(0)), pictures(1).remove(0));
    let callers = (0..CALLERS).map(|_| {
        let (client, next, picture) = (client.clone(), Arc::clone(&next), picture.clone());
        spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= pairs {
                    return;
                }
                pair(&client, n, &picture).await;
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.expect("no pair fails");
    }
    let took = start.elapsed();

    let start = Instant::now();
    publisher.submit(4).await;
    delivered(&ledger, ledger.promised_count()).await;
    let recovery = start.elapsed();
    let keys = |pattern: &str| redis.cli(&["KEYS", pattern]).split_whitespace().count();
    eventually("what the streams had is removed", || async {
        (keys("frameway:*:old*") + keys("frameway:*:gone") == 0).then_some(())
    })
    .await;
    let (after, remembered) = (used(), keys("frameway:*:stream:flood-*"));
    assert!(remembered as u64 <= REMEMBERED, "{remembered} streams are remembered");
    let left = LEFT_BESIDE + LEFT_OF_EACH * REMEMBERED.min(pairs.into());
    assert!(after < before + left, "{before} bytes before, {after} after");
    let verdict = ledger.check();
    let note = format!(
        "{pairs} pairs, {:.0} a second; Redis used {:.1} MiB before, {:.1} after; {remembered} streams remembered",
        f64::from(pairs) / took.as_secs_f64(),
        before as f64 / f64::from(1 << 20),
        after as f64 / f64::from(1 << 20)
    );
    record(Row::of(35, "registry flood", 1, &verdict).recovered(recovery).note(note));
}
