//! Many streams, workers that lose their leases at any moment, and publishers that send everything
//! twice: in the end, every accepted frame is in its output once, in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use frameway::domain::Sequence;
use frameway::queue::{AcceptResult, Error, FinishResult, Lease, Queue, WorkPosition};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::Instant;

use crate::backend::{Backend, Settings};
use crate::common::spawn;
use crate::support::*;

const STREAMS: usize = 24;
const FRAMES: u64 = 40;
const WORKERS: u64 = 4;
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(120);

fn stream(index: usize) -> String {
    format!("cam-{index}")
}

/// Sends all frames of some streams, in batches, many of them more than once.
async fn publisher(queue: Arc<dyn Queue>, mut rng: StdRng, streams: Vec<String>) {
    let mut next = vec![1; streams.len()];
    while next.iter().any(|&next| next <= FRAMES) {
        let mut batch = Vec::new();
        for (stream, next) in streams.iter().zip(&mut next) {
            for _ in 0..rng.random_range(0..4) {
                if *next <= FRAMES {
                    batch.push(numbered(stream, *next));
                    *next += 1;
                }
            }
        }
        let repeats = rng.random_range(1..3);
        for _ in 0..repeats {
            for result in queue.accept(batch.clone()).await {
                assert!(
                    matches!(result, AcceptResult::Accepted(..) | AcceptResult::Duplicate(_)),
                    "answered {result:?}"
                );
            }
        }
    }
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// The number of frames that finish calls reported as published.
    published: AtomicU64,
}

/// Works until it is asked to stop. Loses its leases to others, takes theirs, and does much of its
/// work twice.
async fn worker(queue: Arc<dyn Queue>, name: u64, mut rng: StdRng, shared: Arc<Shared>) {
    // Leases that this worker may have lost: it uses them nevertheless.
    let mut leases: Vec<Lease> = Vec::new();
    let partitions: Vec<_> = queue.partitions().all().collect();
    while !shared.stop.load(Ordering::Relaxed) {
        // The embedded backend never waits: let the other tasks run.
        tokio::task::yield_now().await;
        if rng.random_bool(0.1) {
            let victim = rng.random_range(0..WORKERS);
            queue.forget_worker(&format!("w{victim}")).await.unwrap();
        }
        let partition = partitions[rng.random_range(0..partitions.len())];
        if let Some(lease) = queue.acquire_lease(partition, &format!("w{name}"), LONG).await.unwrap() {
            leases.retain(|old| old.partition != partition || rng.random_bool(0.5));
            leases.push(lease);
        }
        if leases.is_empty() {
            continue;
        }
        let lease = leases[rng.random_range(0..leases.len())].clone();
        match work_on(&*queue, &lease, &mut rng, &shared.published).await {
            Ok(()) => {}
            Err(Error::LeaseLost) => leases.retain(|other| *other != lease),
            Err(other) => panic!("{other}"),
        }
        if rng.random_bool(0.2) {
            queue.release_lease(&lease).await.unwrap();
        }
    }
}

/// Takes some frames and finishes them, in shuffled and repeated pieces.
async fn work_on(
    queue: &dyn Queue,
    lease: &Lease,
    rng: &mut StdRng,
    published: &AtomicU64,
) -> Result<(), Error> {
    let items = queue.take(lease, WorkPosition::default(), rng.random_range(1..20)).await?;
    let frames: Vec<_> = items.iter().map(processed).collect();
    let mut pieces: Vec<_> = frames.chunks(rng.random_range(1..6)).collect();
    if rng.random_bool(0.3) {
        pieces.shuffle(rng);
    }
    for piece in pieces {
        if rng.random_bool(0.3) {
            tokio::task::yield_now().await;
        }
        for _ in 0..rng.random_range(1..3) {
            let results = queue.finish(lease, piece).await?;
            assert!(!results.contains(&FinishResult::PayloadGone), "{results:?}");
            let count = results.iter().filter(|result| **result == FinishResult::Published).count();
            published.fetch_add(count as u64, Ordering::Relaxed);
        }
    }
    Ok(())
}

pub(crate) async fn every_frame_is_published_once_in_order(backend: Backend) {
    let seed = std::env::var("CONFORMANCE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    println!("CONFORMANCE_SEED={seed}");
    let rng = |salt: u64| StdRng::seed_from_u64(seed.wrapping_add(salt));

    let store = backend.open_with(Settings { partitions: 8, ..Settings::default() }).await;
    let names: Vec<_> = (0..STREAMS).map(stream).collect();
    for name in &names {
        register(&*store, name).await;
    }
    let shared = Arc::new(Shared::default());
    let workers: Vec<_> = (0..WORKERS)
        .map(|name| spawn(worker(Arc::clone(&store.queue), name, rng(name), Arc::clone(&shared))))
        .collect();
    let publishers: Vec<_> = names
        .chunks(STREAMS / 3)
        .enumerate()
        .map(|(i, names)| spawn(publisher(Arc::clone(&store.queue), rng(100 + i as u64), names.to_vec())))
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let start = Instant::now();
    let ids: Vec<_> = names.iter().map(|name| id(name)).collect();
    while !store.get_streams(&ids).await.unwrap().iter().flatten().all(|record| {
        assert_eq!(record.counters.accepted_sequence, FRAMES, "{}", record.id);
        record.counters.published_sequence == FRAMES
    }) {
        assert!(!workers.iter().any(tokio::task::JoinHandle::is_finished), "a worker died");
        assert!(start.elapsed() < DEADLINE, "the work does not come to an end");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    shared.stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    let published = shared.published.load(Ordering::Relaxed);
    assert_eq!(published, STREAMS as u64 * FRAMES, "each frame is published by one call");
    for id in &ids {
        let page = store.read_outputs(id, Sequence::FIRST, 1_000).await.unwrap();
        assert_eq!(numbers(&page.entries), (1..=FRAMES).collect::<Vec<_>>());
        let marks: Vec<_> = page.entries.iter().map(|entry| entry.body.header().publisher.clone()).collect();
        let marks: Vec<_> = marks.into_iter().map(|mark| mark.unwrap().sequence).collect();
        assert_eq!(marks, (1..=FRAMES).collect::<Vec<_>>(), "{id}: not the publisher's order");
    }
    audit(&*store).await;
}
