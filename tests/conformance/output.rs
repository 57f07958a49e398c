//! Reading outputs, and retention.

use frameway::domain::{OutputBody, Sequence, Timestamp};
use frameway::queue::{Error, Trimmed};

use crate::backend::Backend;
use crate::support::*;

const NOTHING_IS_TOO_OLD: Timestamp = Timestamp::from_micros(0);

pub(crate) async fn pages_begin_where_asked(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    let empty = store.read_outputs(&id("cam"), number(1), 10).await.unwrap();
    assert_eq!((empty.entries.len(), empty.counters.oldest_sequence, empty.removed), (0, 1, false));
    publish(&*store, &lease, "cam", 7).await;
    let mut read = Vec::new();
    loop {
        let from = Sequence::after(read.len() as u64);
        let page = store.read_outputs(&id("cam"), from, 3).await.unwrap();
        assert_eq!(page.counters.published_sequence, 7);
        if page.entries.is_empty() {
            break;
        }
        assert!(page.entries.len() <= 3);
        read.extend(numbers(&page.entries));
    }
    assert_eq!(read, [1, 2, 3, 4, 5, 6, 7]);
    let beyond = store.read_outputs(&id("cam"), number(100), 3).await.unwrap();
    assert!(beyond.entries.is_empty());
    let unknown = store.read_outputs(&id("nobody"), number(1), 3).await;
    assert_eq!(unknown.unwrap_err(), Error::StreamNotFound(id("nobody")));
}

pub(crate) async fn a_page_below_what_is_kept_begins_at_the_oldest(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    publish(&*store, &lease, "cam", 10).await;
    store.trim_output(&lease, &id("cam"), None, 4, u64::MAX, NOTHING_IS_TOO_OLD).await.unwrap();
    let page = store.read_outputs(&id("cam"), number(2), 2).await.unwrap();
    assert_eq!(numbers(&page.entries), [7, 8]);
    assert_eq!((page.counters.oldest_sequence, page.counters.trimmed_frames), (7, 6));
    audit(&*store).await;
}

pub(crate) async fn the_newest_come_first_when_asked_for(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    assert!(store.latest_outputs(&id("cam"), 3).await.unwrap().is_empty());
    publish(&*store, &lease, "cam", 5).await;
    assert_eq!(numbers(&store.latest_outputs(&id("cam"), 3).await.unwrap()), [5, 4, 3]);
    assert_eq!(numbers(&store.latest_outputs(&id("cam"), 99).await.unwrap()), [5, 4, 3, 2, 1]);
    assert!(store.latest_outputs(&id("nobody"), 3).await.unwrap().is_empty());
}

pub(crate) async fn the_newest_frame_is_found_behind_any_number_of_tombstones(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    let newest = async || {
        let entry = store.latest_frame(&id("cam")).await.unwrap();
        assert!(entry.iter().all(|entry| matches!(entry.body, OutputBody::Frame(_))));
        entry.map(|entry| entry.sequence.get())
    };
    let finish = async |count: usize, fails: bool| {
        accept(&*store, (0..count).map(|_| frame("cam", "x")).collect()).await;
        for item in take_all(&*store, &lease).await {
            let done = if fails { failed(&item) } else { processed(&item) };
            store.finish(&lease, &[done]).await.unwrap();
        }
    };
    assert_eq!(newest().await, None);
    assert_eq!(store.latest_frame(&id("nobody")).await.unwrap(), None);
    finish(40, true).await;
    assert_eq!(newest().await, None);
    finish(2, false).await;
    assert_eq!(newest().await, Some(42));
    finish(40, true).await;
    assert_eq!(newest().await, Some(42));
    let page = store.read_outputs(&id("cam"), number(42), 1).await.unwrap();
    assert_eq!(store.latest_frame(&id("cam")).await.unwrap().as_ref(), page.entries.first());
    // Retention leaves it, and takes it.
    store.trim_output(&lease, &id("cam"), None, 41, u64::MAX, NOTHING_IS_TOO_OLD).await.unwrap();
    assert_eq!(newest().await, Some(42));
    store.trim_output(&lease, &id("cam"), None, 40, u64::MAX, NOTHING_IS_TOO_OLD).await.unwrap();
    assert_eq!(newest().await, None);
    finish(1, false).await;
    assert_eq!(newest().await, Some(83));
    audit(&*store).await;
    // What was unregistered is not found, also when the stream comes back.
    store.unregister_stream(&id("cam"), None).await.unwrap();
    assert_eq!(newest().await, None);
    register(&*store, "cam").await;
    assert_eq!(newest().await, None);
    finish(1, true).await;
    assert_eq!(newest().await, None);
    finish(1, false).await;
    assert_eq!(newest().await, Some(85));
}

pub(crate) async fn fetching_answers_in_the_order_asked(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let (a, b) = (frame("cam", "a"), frame("cam", "b"));
    accept(&*store, vec![a.clone(), b.clone()]).await;
    let home = store.partitions().of(&id("cam"));
    let never = frame("cam", "never sent").offer.payload;
    let fetched = store.fetch(home, &[b.offer.payload, never, a.offer.payload]).await.unwrap();
    assert_eq!(fetched, [b.offer.bytes, None, a.offer.bytes]);
    assert!(store.fetch(home, &[]).await.unwrap().is_empty());
}

pub(crate) async fn retention_takes_the_oldest_by_count_and_bytes(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    publish(&*store, &lease, "cam", 10).await;
    let oldest = store.read_outputs(&id("cam"), number(1), 1).await.unwrap().entries.remove(0);
    let trim = |max_frames, max_bytes| {
        let (store, lease) = (&store, &lease);
        async move {
            store
                .trim_output(lease, &id("cam"), None, max_frames, max_bytes, NOTHING_IS_TOO_OLD)
                .await
                .unwrap()
        }
    };
    let nothing = Trimmed { oldest: Some(oldest.receive_time), ..Trimmed::default() };
    assert_eq!(trim(10, 1_000).await, nothing, "at the bound is within it");
    assert!(is_stored(&*store, "cam", oldest.body.pictures()[0].payload).await);
    let third = store.read_outputs(&id("cam"), number(3), 1).await.unwrap().entries.remove(0).receive_time;
    assert_eq!(trim(8, u64::MAX).await, Trimmed { frames: 2, bytes: 200, more: false, oldest: Some(third) });
    assert!(!is_stored(&*store, "cam", oldest.body.pictures()[0].payload).await, "pictures go with entries");
    let taken = trim(u64::MAX, 550).await;
    assert_eq!((taken.frames, taken.bytes, taken.more), (3, 300, false));
    let page = store.read_outputs(&id("cam"), number(1), 100).await.unwrap();
    assert_eq!(numbers(&page.entries), [6, 7, 8, 9, 10]);
    let stats = store.partition_stats(lease.partition).await.unwrap();
    assert_eq!((stats.trimmed, stats.output_bytes), (5, 500));
    audit(&*store).await;
}

pub(crate) async fn retention_takes_what_was_received_before_a_moment(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    for _ in 0..4 {
        publish(&*store, &lease, "cam", 1).await;
    }
    let third = store.read_outputs(&id("cam"), number(3), 1).await.unwrap().entries.remove(0);
    let second = store.read_outputs(&id("cam"), number(2), 1).await.unwrap().entries.remove(0);
    assert!(second.receive_time < third.receive_time);
    let trimmed =
        store.trim_output(&lease, &id("cam"), None, 100, u64::MAX, third.receive_time).await.unwrap();
    assert_eq!((trimmed.frames, trimmed.more), (2, false));
    let page = store.read_outputs(&id("cam"), number(1), 100).await.unwrap();
    assert_eq!(numbers(&page.entries), [3, 4]);
    audit(&*store).await;
}

pub(crate) async fn retention_takes_tombstones_too(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    accept(&*store, (1..=3).map(|n| numbered("cam", n)).collect()).await;
    let frames: Vec<_> = take_all(&*store, &lease).await.iter().map(failed).collect();
    store.finish(&lease, &frames).await.unwrap();
    let trimmed = store.trim_output(&lease, &id("cam"), None, 1, u64::MAX, NOTHING_IS_TOO_OLD).await.unwrap();
    assert_eq!((trimmed.frames, trimmed.bytes, trimmed.more), (2, 0, false));
    let page = store.read_outputs(&id("cam"), number(1), 10).await.unwrap();
    assert_eq!((numbers(&page.entries), page.counters.trimmed_frames), (vec![3], 2));
    audit(&*store).await;
}

pub(crate) async fn retention_does_a_bounded_piece_at_a_time(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    publish(&*store, &lease, "cam", 600).await;
    let (mut pieces, mut taken) = (0, 0);
    loop {
        let trimmed =
            store.trim_output(&lease, &id("cam"), None, 50, u64::MAX, NOTHING_IS_TOO_OLD).await.unwrap();
        assert!(trimmed.frames <= 256, "{} at once", trimmed.frames);
        taken += trimmed.frames;
        pieces += 1;
        if !trimmed.more {
            break;
        }
        assert!(pieces < 100, "it says that there is always more");
    }
    assert_eq!(taken, 550);
    assert!(pieces >= 3);
    audit(&*store).await;
}

pub(crate) async fn the_backend_says_how_it_is(backend: Backend) {
    let store = backend.open().await;
    let status = store.status().await.unwrap();
    let (kind, durability) = match backend {
        Backend::Memory => ("memory", frameway::queue::Durability::Memory),
        Backend::Redis => ("redis", frameway::queue::Durability::RedisMemory),
    };
    assert_eq!((status.kind, status.durability), (kind, durability));
    assert!(!status.version.is_empty());
    register(&*store, "cam").await;
    accept(&*store, vec![frame("cam", vec![1; 1 << 20])]).await;
    let used = store.status().await.unwrap().used_bytes;
    assert!(used >= status.used_bytes + (1 << 20), "a mebibyte is to be seen: {used}");
}
