//! Taking and finishing work.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use frameway::domain::{OutputBody, PictureRole, TombstoneKind};
use frameway::queue::{Error, FinishResult, Finished, Upload, WorkPosition};
use tokio::time::{Instant, timeout};

use crate::backend::Backend;
use crate::common::{DEADLINE, spawn};
use crate::support::*;

/// A time after which a call is certainly waiting.
const A_MOMENT: Duration = Duration::from_millis(50);
const ROUNDS: usize = 200;

pub(crate) async fn taking_continues_after_a_position(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, (1..=5).map(|n| numbered("cam", n)).collect()).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let first = store.take(&lease, WorkPosition::default(), 2).await.unwrap();
    assert_eq!(first.iter().map(|item| item.sequence.get()).collect::<Vec<_>>(), [1, 2]);
    let rest = store.take(&lease, first[1].position, 100).await.unwrap();
    assert_eq!(rest.iter().map(|item| item.sequence.get()).collect::<Vec<_>>(), [3, 4, 5]);
    assert!(rest.iter().map(|item| item.position).is_sorted());
    assert!(store.take(&lease, rest[2].position, 100).await.unwrap().is_empty());
    assert_eq!(take_all(&*store, &lease).await.len(), 5, "taking removes nothing");
}

pub(crate) async fn listed_frames_are_taken_in_any_order_of_streams(backend: Backend) {
    let store = backend.open().await;
    let partitions = store.partitions();
    let neighbour =
        (0..).map(|i| format!("n{i}")).find(|n| partitions.of(&id(n)) == partitions.of(&id("cam")));
    let neighbour = neighbour.unwrap();
    register(&*store, "cam").await;
    register(&*store, &neighbour).await;
    accept(&*store, vec![numbered("cam", 1), numbered("cam", 2), numbered(&neighbour, 1)]).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let first = store.list_work(lease.partition, WorkPosition::default(), 2).await.unwrap();
    let rest = store.list_work(lease.partition, first[1].0, 100).await.unwrap();
    let streams: Vec<_> = first.iter().chain(&rest).map(|(_, stream)| stream.to_string()).collect();
    assert_eq!(streams, ["cam", "cam", &neighbour]);
    assert!(store.list_work(lease.partition, rest[0].0, 100).await.unwrap().is_empty());
    assert!(store.take_chosen(&lease, &[]).await.unwrap().is_empty());
    let items = store.take_chosen(&lease, &[rest[0].0, first[0].0]).await.unwrap();
    let taken: Vec<_> = items.iter().map(|item| (item.stream_id.to_string(), item.sequence.get())).collect();
    assert_eq!(taken, [(neighbour.clone(), 1), ("cam".to_owned(), 1)]);
    let frames: Vec<_> = items.iter().map(processed).collect();
    assert_eq!(store.finish(&lease, &frames).await.unwrap(), [FinishResult::Published; 2]);
    // One of these is gone.
    let items = store.take_chosen(&lease, &[first[0].0, first[1].0]).await.unwrap();
    assert_eq!(items.iter().map(|item| item.sequence.get()).collect::<Vec<_>>(), [2]);
    store.release_lease(&lease).await.unwrap();
    assert_eq!(store.take_chosen(&lease, &[first[1].0]).await.unwrap_err(), Error::LeaseLost);
    assert_eq!(store.list_work(lease.partition, WorkPosition::default(), 9).await.unwrap().len(), 1);
    audit(&*store).await;
}

pub(crate) async fn a_frame_is_published_only_after_those_before_it(backend: Backend) {
    let store = backend.open().await;
    let partitions = store.partitions();
    // Two streams of one partition: a frame that must wait does not block the other stream.
    let neighbour =
        (0..).map(|i| format!("n{i}")).find(|n| partitions.of(&id(n)) == partitions.of(&id("cam")));
    let neighbour = neighbour.unwrap();
    register(&*store, "cam").await;
    register(&*store, &neighbour).await;
    accept(&*store, vec![numbered("cam", 1), numbered("cam", 2), numbered(&neighbour, 1)]).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let items = take_all(&*store, &lease).await;
    let frames: Vec<_> = items.iter().map(processed).collect();
    let results = store.finish(&lease, &[frames[1].clone(), frames[2].clone()]).await.unwrap();
    assert_eq!(results, [FinishResult::NotNext, FinishResult::Published]);
    assert_eq!(record(&*store, "cam").await.counters.published_sequence, 0);
    audit(&*store).await;
    // The bytes of the refused frame are stored for a while.
    let results = store.finish(&lease, &[frames[0].clone(), refinish(&frames[1])]).await.unwrap();
    assert_eq!(results, [FinishResult::Published; 2]);
    audit(&*store).await;
}

pub(crate) async fn a_frame_that_was_never_accepted_is_not_published(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, vec![numbered("cam", 1)]).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let item = take_all(&*store, &lease).await.remove(0);
    work_off(&*store, &lease).await;
    let invented = Finished { sequence: item.sequence.next(), ..processed(&item) };
    assert_eq!(store.finish(&lease, &[invented]).await.unwrap(), [FinishResult::NotNext]);
    assert!(store.finish(&lease, &[]).await.unwrap().is_empty());
    audit(&*store).await;
}

pub(crate) async fn a_published_frame_has_the_workers_result(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let sent = numbered("cam", 1);
    accept(&*store, vec![sent.clone()]).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let item = take_all(&*store, &lease).await.remove(0);
    let thumbnail = Upload::new(Bytes::from_static(b"small"));
    let large = Upload::new(Bytes::from_static(b"not so small"));
    let pictures = [(PictureRole::Thumbnail, thumbnail.payload), (PictureRole::Processed, large.payload)];
    let frame = finished_with(&item, &pictures, vec![thumbnail.clone(), large.clone()]);
    store.finish(&lease, std::slice::from_ref(&frame)).await.unwrap();

    let page = store.read_outputs(&id("cam"), number(1), 10).await.unwrap();
    let entry = &page.entries[0];
    assert_eq!((&entry.stream_id, entry.sequence, &entry.body), (&id("cam"), number(1), &frame.body));
    assert_eq!(entry.receive_time, item.receive_time);
    assert!(entry.publish_time >= entry.receive_time);
    let payloads: Vec<_> = entry.body.pictures().iter().map(|picture| picture.payload).collect();
    let fetched = store.fetch(lease.partition, &payloads).await.unwrap();
    assert_eq!(fetched, [thumbnail.bytes, large.bytes]);
    assert!(!is_stored(&*store, "cam", sent.upload.payload).await, "the source is used up");
    let counters = record(&*store, "cam").await.counters;
    assert_eq!((counters.output_frames, counters.output_bytes, counters.queued_bytes), (1, 17, 0));
    audit(&*store).await;
}

pub(crate) async fn a_failed_frame_leaves_a_tombstone_in_its_place(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, (1..=3).map(|n| numbered("cam", n)).collect()).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let items = take_all(&*store, &lease).await;
    let frames = [processed(&items[0]), failed(&items[1]), processed(&items[2])];
    assert_eq!(store.finish(&lease, &frames).await.unwrap(), [FinishResult::Published; 3]);
    let page = store.read_outputs(&id("cam"), number(1), 10).await.unwrap();
    assert_eq!(numbers(&page.entries), [1, 2, 3]);
    assert_eq!(page.entries[1].body, frames[1].body);
    let OutputBody::Tombstone(tombstone) = &page.entries[1].body else { panic!("not a tombstone") };
    assert!(matches!(tombstone.kind, TombstoneKind::Failed(_)));
    assert!(is_stored(&*store, "cam", items[1].payload).await, "its dead letter keeps the picture");
    assert_eq!(page.counters.failed_frames, 1);
    let stats = store.partition_stats(lease.partition).await.unwrap();
    assert_eq!((stats.accepted, stats.processed, stats.failed, stats.depth), (3, 2, 1, 0));
    audit(&*store).await;
}

pub(crate) async fn a_source_that_a_picture_refers_to_is_kept(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let sent = frame("cam", "sixteen bytes ab");
    accept(&*store, vec![sent.clone()]).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let item = take_all(&*store, &lease).await.remove(0);
    // Passed on by reference: the same bytes are original and processed picture.
    let pictures = [(PictureRole::Original, item.payload), (PictureRole::Processed, item.payload)];
    let frame = finished_with(&item, &pictures, Vec::new());
    assert_eq!(store.finish(&lease, &[frame]).await.unwrap(), [FinishResult::Published]);
    let fetched = store.fetch(lease.partition, &[item.payload]).await.unwrap();
    assert_eq!(fetched, [sent.upload.bytes]);
    assert_eq!(record(&*store, "cam").await.counters.output_bytes, 16, "shared bytes count once");
    audit(&*store).await;
    let trimmed = keep_newest(&*store, &lease, "cam", 0).await;
    assert_eq!((trimmed.frames, trimmed.bytes), (1, 16));
    assert!(!is_stored(&*store, "cam", item.payload).await);
    audit(&*store).await;
}

pub(crate) async fn waiting_for_work_ends_when_work_arrives(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let partitions: Vec<_> = store.partitions().all().map(|p| (p, WorkPosition::default())).collect();
    let start = Instant::now();
    let mut waiting = pin!(store.wait_for_work(&partitions, DEADLINE));
    assert!(timeout(A_MOMENT, &mut waiting).await.is_err(), "there is no work yet");
    accept(&*store, vec![numbered("cam", 1)]).await;
    let found = waiting.await.unwrap();
    assert!(start.elapsed() < DEADLINE / 2, "it waited for the whole time");
    let home = store.partitions().of(&id("cam"));
    let lease = lease_of(&*store, "cam", "w").await;
    let item = take_all(&*store, &lease).await.remove(0);
    assert_eq!(found, [(home, item.position)]);
    // Work that waits already is returned at once, and work that was seen is not.
    assert_eq!(store.wait_for_work(&partitions, DEADLINE).await.unwrap(), found);
    assert!(start.elapsed() < DEADLINE / 2);
    assert_eq!(store.wait_for_work(&found, A_MOMENT).await.unwrap(), []);
}

pub(crate) async fn no_wake_up_is_lost(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let home = store.partitions().of(&id("cam"));
    let (seen, mut acknowledged) = tokio::sync::mpsc::channel(1);
    let queue = std::sync::Arc::clone(&store.queue);
    let reader = spawn(async move {
        let mut position = WorkPosition::default();
        for round in 0..ROUNDS {
            let found = queue.wait_for_work(&[(home, position)], DEADLINE).await.unwrap();
            let [(_, newest)] = found[..] else { panic!("the wait missed the frame of round {round}") };
            assert!(newest > position);
            position = newest;
            seen.send(()).await.unwrap();
        }
    });
    for round in 0..ROUNDS {
        // The frame is accepted while the reader is about to wait.
        accept(&*store, vec![frame("cam", format!("round {round}"))]).await;
        assert!(acknowledged.recv().await.is_some(), "the reader gave up");
    }
    reader.await.unwrap();
}
