//! The feed of a partition.

use std::pin::pin;
use std::time::Duration;

use frameway::domain::{PartitionId, StreamSettings};
use frameway::queue::{FeedEvent, FeedPosition, Queue};
use tokio::time::{Instant, timeout};

use crate::backend::Backend;
use crate::common::DEADLINE;
use crate::support::*;

/// A time after which a call is certainly waiting.
const A_MOMENT: Duration = Duration::from_millis(50);

/// Reads the feed to its end; returns the events as words, the position reached, and whether events
/// were missed.
async fn drain(
    queue: &dyn Queue,
    partition: PartitionId,
    mut position: FeedPosition,
) -> (Vec<String>, FeedPosition, bool) {
    let (mut events, mut missed) = (Vec::new(), false);
    loop {
        let pages = queue.read_feed(&[(partition, position)], Duration::ZERO).await.unwrap();
        let Some(page) = pages.into_iter().next() else { return (events, position, missed) };
        assert_eq!(page.partition, partition);
        assert!(page.next > position, "a page continues");
        position = page.next;
        missed |= page.missed;
        events.extend(page.events.iter().map(|event| match event {
            FeedEvent::Output(entry) => format!("{} {}", entry.stream_id, entry.sequence),
            FeedEvent::StreamChanged(stream) => format!("{stream} changed"),
            FeedEvent::StreamRemoved(stream, last) => format!("{stream} removed after {last}"),
        }));
    }
}

pub(crate) async fn the_feed_has_all_events_in_order(backend: Backend) {
    let store = backend.open().await;
    let partition = store.partitions().of(&id("cam"));
    let ends = store.feed_ends().await.unwrap();
    assert_eq!(
        ends.iter().map(|end| end.0).collect::<Vec<_>>(),
        store.partitions().all().collect::<Vec<_>>()
    );
    let (_, start) = ends[partition.index()];
    let first = register(&*store, "cam").await;
    store.update_stream(&id("cam"), &StreamSettings::default(), first.etag()).await.unwrap();
    accept(&*store, vec![numbered("cam", 1), numbered("cam", 2)]).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let items = take_all(&*store, &lease).await;
    let frames = [processed(&items[0]), failed(&items[1])];
    store.finish(&lease, &frames).await.unwrap();
    store.finish(&lease, &frames).await.unwrap();
    store.unregister_stream(&id("cam"), None).await.unwrap();
    let reported = ["cam changed", "cam changed", "cam 1", "cam 2", "cam removed after 2"];
    let (events, end, missed) = drain(&*store, partition, start).await;
    assert_eq!((events, missed), (reported.map(str::to_owned).to_vec(), false));
    assert_eq!(store.feed_ends().await.unwrap()[partition.index()], (partition, end));
    assert_eq!(
        drain(&*store, partition, FeedPosition::default()).await.0,
        reported,
        "and from the very start"
    );
}

pub(crate) async fn an_event_carries_the_whole_entry(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let partition = store.partitions().of(&id("cam"));
    let (_, start) = store.feed_ends().await.unwrap()[partition.index()];
    let lease = lease_of(&*store, "cam", "w").await;
    publish(&*store, &lease, "cam", 1).await;
    let pages = store.read_feed(&[(partition, start)], Duration::ZERO).await.unwrap();
    let [FeedEvent::Output(reported)] = &pages[0].events[..] else { panic!("reported {pages:?}") };
    assert_eq!(*reported, store.latest_outputs(&id("cam"), 1).await.unwrap()[0]);
}

pub(crate) async fn a_reader_learns_that_it_missed_events(backend: Backend) {
    let store = backend.open().await;
    let mut etag = register(&*store, "cam").await.etag();
    let partition = store.partitions().of(&id("cam"));
    let (_, start) = store.feed_ends().await.unwrap()[partition.index()];
    for _ in 0..5_000 {
        let updated = store.update_stream(&id("cam"), &StreamSettings::default(), etag).await.unwrap();
        etag = updated.etag();
    }
    let (events, end, missed) = drain(&*store, partition, start).await;
    assert!(missed, "5,000 events are more than a feed keeps");
    assert!((100..5_000).contains(&events.len()), "{} events were kept", events.len());
    assert_eq!(store.feed_ends().await.unwrap()[partition.index()], (partition, end));
    // From the end on, nothing is missed.
    store.update_stream(&id("cam"), &StreamSettings::default(), etag).await.unwrap();
    let (events, _, missed) = drain(&*store, partition, end).await;
    assert_eq!((events.len(), missed), (1, false));
}

pub(crate) async fn waiting_for_an_event_ends_with_it(backend: Backend) {
    let store = backend.open().await;
    let ends = store.feed_ends().await.unwrap();
    let quiet = store.read_feed(&ends, A_MOMENT).await.unwrap();
    assert!(quiet.is_empty(), "{quiet:?}");
    let start = Instant::now();
    let mut waiting = pin!(store.read_feed(&ends, DEADLINE));
    assert!(timeout(A_MOMENT, &mut waiting).await.is_err(), "nothing has happened yet");
    register(&*store, "cam").await;
    let pages = waiting.await.unwrap();
    assert!(start.elapsed() < DEADLINE / 2, "it waited for the whole time");
    assert_eq!(pages.len(), 1, "only partitions with news");
    assert_eq!(pages[0].partition, store.partitions().of(&id("cam")));
    assert_eq!(pages[0].events.len(), 1);
}
