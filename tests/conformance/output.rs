//! Reading and trimming outputs.

use frameway::domain::{OutputBody, Sequence};
use frameway::queue::{Error, MAX_TRIMMED, Trimmed};

use crate::backend::Backend;
use crate::support::*;

pub(crate) async fn pages_begin_at_the_requested_sequence(backend: Backend) {
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

pub(crate) async fn a_page_before_the_oldest_entry_begins_at_it(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    publish(&*store, &lease, "cam", 10).await;
    keep_newest(&*store, &lease, "cam", 4).await;
    let page = store.read_outputs(&id("cam"), number(2), 2).await.unwrap();
    assert_eq!(numbers(&page.entries), [7, 8]);
    assert_eq!((page.counters.oldest_sequence, page.counters.trimmed_frames), (7, 6));
    audit(&*store).await;
}

pub(crate) async fn entries_can_be_read_newest_first(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    assert!(store.latest_outputs(&id("cam"), 3).await.unwrap().is_empty());
    publish(&*store, &lease, "cam", 5).await;
    assert_eq!(numbers(&store.latest_outputs(&id("cam"), 3).await.unwrap()), [5, 4, 3]);
    assert_eq!(numbers(&store.latest_outputs(&id("cam"), 99).await.unwrap()), [5, 4, 3, 2, 1]);
    assert!(store.latest_outputs(&id("nobody"), 3).await.unwrap().is_empty());
}

pub(crate) async fn the_newest_frame_is_found_before_any_number_of_tombstones(backend: Backend) {
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
    // A trim may keep it, or remove it.
    keep_newest(&*store, &lease, "cam", 41).await;
    assert_eq!(newest().await, Some(42));
    keep_newest(&*store, &lease, "cam", 40).await;
    assert_eq!(newest().await, None);
    finish(1, false).await;
    assert_eq!(newest().await, Some(83));
    audit(&*store).await;
    // Nothing of an unregistered stream is found, even after it is registered again.
    store.unregister_stream(&id("cam"), None).await.unwrap();
    assert_eq!(newest().await, None);
    register(&*store, "cam").await;
    assert_eq!(newest().await, None);
    finish(1, true).await;
    assert_eq!(newest().await, None);
    finish(1, false).await;
    assert_eq!(newest().await, Some(85));
}

pub(crate) async fn payloads_are_fetched_in_the_requested_order(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let (a, b) = (frame("cam", "a"), frame("cam", "b"));
    accept(&*store, vec![a.clone(), b.clone()]).await;
    let home = store.partitions().of(&id("cam"));
    let never = frame("cam", "never sent").upload.payload;
    let fetched = store.fetch(home, &[b.upload.payload, never, a.upload.payload]).await.unwrap();
    assert_eq!(fetched, [b.upload.bytes, None, a.upload.bytes]);
    assert!(store.fetch(home, &[]).await.unwrap().is_empty());
}

pub(crate) async fn a_trim_removes_entries_before_a_sequence(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    publish(&*store, &lease, "cam", 10).await;
    let oldest = store.read_outputs(&id("cam"), number(1), 1).await.unwrap().entries.remove(0);
    let trim =
        async |keep_from| store.trim_output(&lease, &id("cam"), None, number(keep_from)).await.unwrap();
    assert_eq!(trim(1).await, Trimmed::default());
    assert!(is_stored(&*store, "cam", oldest.body.pictures()[0].payload).await);
    assert_eq!(trim(3).await, Trimmed { frames: 2, bytes: 200, more: false });
    assert!(!is_stored(&*store, "cam", oldest.body.pictures()[0].payload).await, "pictures go with entries");
    assert_eq!(trim(3).await, Trimmed::default(), "it was trimmed before");
    assert_eq!(trim(6).await, Trimmed { frames: 3, bytes: 300, more: false });
    let page = store.read_outputs(&id("cam"), number(1), 100).await.unwrap();
    assert_eq!(numbers(&page.entries), [6, 7, 8, 9, 10]);
    let stats = store.partition_stats(lease.partition).await.unwrap();
    assert_eq!((stats.trimmed, stats.output_bytes), (5, 500));
    audit(&*store).await;
    assert_eq!(trim(99).await, Trimmed { frames: 5, bytes: 500, more: false }, "all of it");
    let nobody = store.trim_output(&lease, &id("nobody"), None, number(9)).await.unwrap();
    assert_eq!(nobody, Trimmed::default());
    audit(&*store).await;
}

pub(crate) async fn a_trim_removes_tombstones_too(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    accept(&*store, (1..=3).map(|n| numbered("cam", n)).collect()).await;
    let frames: Vec<_> = take_all(&*store, &lease).await.iter().map(failed).collect();
    store.finish(&lease, &frames).await.unwrap();
    let trimmed = store.trim_output(&lease, &id("cam"), None, number(3)).await.unwrap();
    assert_eq!(trimmed, Trimmed { frames: 2, bytes: 0, more: false });
    let page = store.read_outputs(&id("cam"), number(1), 10).await.unwrap();
    assert_eq!((numbers(&page.entries), page.counters.trimmed_frames), (vec![3], 2));
    audit(&*store).await;
}

pub(crate) async fn a_trim_removes_a_bounded_number_at_a_time(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    publish(&*store, &lease, "cam", MAX_TRIMMED + 100).await;
    let keep_from = number(MAX_TRIMMED as u64 + 51);
    let trim = async || store.trim_output(&lease, &id("cam"), None, keep_from).await.unwrap();
    let first = trim().await;
    assert_eq!((first.frames, first.more), (MAX_TRIMMED as u64, true));
    audit(&*store).await;
    let second = trim().await;
    assert_eq!((second.frames, second.more), (50, false));
    audit(&*store).await;
}

pub(crate) async fn the_backend_reports_its_status(backend: Backend) {
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
