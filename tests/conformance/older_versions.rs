//! Servers and workers of a version that does not know erased frames, on the same store. Only Redis has
//! that case: the embedded queue ends with its program.
//!
//! The older worker is the present one, run while the erased ranges are out of its sight.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use frameway::domain::{PayloadRef, Sequence};
use frameway::queue::{Error, Lease};

use crate::backend::{Backend, Store};
use crate::erasure::{erase_all, one_partition, output, range};
use crate::support::*;

const STREAM: &str = "frameway:{p00}:stream:cam";
const COUNTS: &str = "frameway:{p00}:counts";

fn cli(store: &Store, command: &[&str]) -> String {
    store.redis(command).unwrap()
}

/// Erases four frames that wait, and lets an older worker publish them: three pictures and a failure.
async fn published_by_an_older_worker() -> (Store, Lease, Vec<PayloadRef>) {
    let (store, lease) = one_partition(Backend::Redis).await;
    accept(&*store, (0..4).map(|n| frame("cam", format!("waiting {n}"))).collect()).await;
    store.erase(&id("cam"), range(1, 4)).await.unwrap();
    erase_all(&store, &lease).await;
    let ranges = cli(&store, &["HGET", STREAM, "erased_ranges"]);
    cli(&store, &["HDEL", STREAM, "erased_ranges"]);
    let items = take_all(&*store, &lease).await;
    let mut frames: Vec<_> = items[..3].iter().map(processed).collect();
    let pictures: Vec<_> = frames.iter().map(|frame| frame.uploads[0].payload).collect();
    frames.push(failed(&items[3]));
    store.finish(&lease, &frames).await.unwrap();
    cli(&store, &["HSET", STREAM, "erased_ranges", &ranges]);
    assert_eq!(output(&store, "cam").await, "1x 2x 3x 4x");
    for picture in &pictures {
        assert!(is_stored(&*store, "cam", *picture).await);
    }
    (store, lease, pictures)
}

/// Returns the number of pictures in the store.
fn stored_pictures(store: &Store) -> usize {
    cli(store, &["KEYS", "frameway:*:pay:*"]).split_whitespace().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_erases_what_an_older_worker_published() {
    let (store, lease, pictures) = published_by_an_older_worker().await;
    assert_eq!(stored_pictures(&store), pictures.len() + 1, "that of the dead letter as well");
    store.erase(&id("cam"), range(1, 4)).await.unwrap();
    assert!(store.is_erasing(&id("cam")).await.unwrap());
    erase_all(&store, &lease).await;
    assert_eq!(stored_pictures(&store), 0);
    assert_eq!(store.dead_letter_totals().await.unwrap().letters, 0);
    let counters = record(&*store, "cam").await.counters;
    assert_eq!((counters.erased_frames, counters.failed_frames, counters.output_bytes), (4, 0, 0));
    audit(&*store).await;
    // A further one finds nothing.
    store.erase(&id("cam"), range(1, 4)).await.unwrap();
    assert_eq!(erase_all(&store, &lease).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trim_leaves_no_picture_that_an_older_worker_published() {
    let (store, lease, pictures) = published_by_an_older_worker().await;
    let trimmed = keep_newest(&*store, &lease, "cam", 0).await;
    assert_eq!((trimmed.frames, trimmed.bytes), (4, 300));
    for picture in pictures {
        assert!(!is_stored(&*store, "cam", picture).await);
    }
    audit(&*store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_pictures_that_are_there_count_when_they_are_removed() {
    let (store, lease) = one_partition(Backend::Redis).await;
    publish(&*store, &lease, "cam", 4).await;
    store.erase(&id("cam"), range(1, 2)).await.unwrap();
    erase_all(&store, &lease).await;
    let bytes = async || record(&*store, "cam").await.counters.output_bytes;
    assert_eq!(bytes().await, 200);
    // A step that is done again, and a trim that does not know the erased ranges.
    cli(&store, &["HSET", "frameway:{p00}:erasing", "cam", "1-2"]);
    erase_all(&store, &lease).await;
    assert_eq!(bytes().await, 200);
    cli(&store, &["HDEL", STREAM, "erased_ranges"]);
    let trimmed = keep_newest(&*store, &lease, "cam", 2).await;
    assert_eq!((trimmed.frames, trimmed.bytes, bytes().await), (2, 0, 200));
    let stats = store.partition_stats(lease.partition).await.unwrap();
    assert_eq!(stats.output_bytes, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_an_older_worker_subtracted_twice_read_as_none() {
    let (store, lease) = one_partition(Backend::Redis).await;
    publish(&*store, &lease, "cam", 2).await;
    for key in [STREAM, COUNTS] {
        cli(&store, &["HINCRBY", key, "output_bytes", "-38920"]);
    }
    assert_eq!(record(&*store, "cam").await.counters.output_bytes, 0);
    assert_eq!(store.partition_stats(lease.partition).await.unwrap().output_bytes, 0);
    let page = store.read_outputs(&id("cam"), Sequence::FIRST, 10).await.unwrap();
    assert_eq!((page.entries.len(), page.counters.output_bytes), (2, 0));
    assert_eq!(keep_newest(&*store, &lease, "cam", 1).await.bytes, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erasing_is_refused_while_an_older_process_is_present() {
    let (store, lease) = one_partition(Backend::Redis).await;
    publish(&*store, &lease, "cam", 2).await;
    store.announce_worker("new-worker", Duration::from_secs(60)).await.unwrap();
    let in_seconds = |seconds: u64| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        (now + seconds * 1_000).to_string()
    };
    for (key, kind) in [("frameway:workers", "1 workers (old)"), ("frameway:servers", "1 servers (old)")] {
        cli(&store, &["ZADD", key, &in_seconds(30), "old"]);
        match store.erase(&id("cam"), range(1, 2)).await {
            Err(Error::OlderVersions(which)) => assert_eq!(which, kind),
            other => panic!("not refused: {other:?}"),
        }
        assert!(!store.is_erasing(&id("cam")).await.unwrap(), "nothing was done");
        cli(&store, &["ZREM", key, "old"]);
    }
    // An older one that starts under the name of a newer one.
    cli(&store, &["ZADD", "frameway:workers", &in_seconds(90), "new-worker"]);
    let refused = store.erase(&id("cam"), range(1, 2)).await;
    assert_eq!(refused, Err(Error::OlderVersions("1 workers (new-worker)".to_owned())));
    store.announce_worker("new-worker", Duration::from_secs(60)).await.unwrap();
    store.join().await.unwrap();
    store.erase(&id("cam"), range(1, 2)).await.unwrap();
    erase_all(&store, &lease).await;
    assert_eq!(output(&store, "cam").await, "1x 2x");
}
