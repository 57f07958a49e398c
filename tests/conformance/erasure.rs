//! Erasing frames: what is kept, what is in work, dead letters, and the accounts.

use std::sync::Arc;

use frameway::domain::{
    DeadFrame, DeadLetterFilter, DeadLetterReason, DeadLetterSource, DeadPicture, OutputBody, OutputEntry,
    PictureFormat, PictureRole, Sequence, SequenceRange, Timestamp, Tombstone, TombstoneKind,
};
use frameway::queue::{
    DeadLetterOrder, Error, FinishResult, Finished, Lease, ListDeadLetters, MAX_ERASED_RANGES, Queue,
    ReplayResult, Upload, WorkItem,
};

use crate::backend::{Backend, Settings, Store};
use crate::support::*;

pub(crate) async fn one_partition(backend: Backend) -> (Store, Lease) {
    let store = backend.open_with(Settings { partitions: 1, ..Default::default() }).await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    (store, lease)
}

pub(crate) fn range(first: u64, last: u64) -> SequenceRange {
    SequenceRange::new(number(first), number(last)).unwrap()
}

/// Carries out all erasures; returns the number of steps.
pub(crate) async fn erase_all(store: &Store, lease: &Lease) -> usize {
    let mut steps = 0;
    while store.erase_step(lease).await.unwrap() {
        steps += 1;
        assert!(steps < 1_000, "erasing does not end");
    }
    steps
}

/// Describes the output: a sequence, `x` for an erased frame, `!` for another tombstone.
pub(crate) async fn output(store: &Store, stream: &str) -> String {
    let page = store.read_outputs(&id(stream), Sequence::FIRST, 10_000).await.unwrap();
    let one = |entry: &Arc<OutputEntry>| match &entry.body {
        OutputBody::Frame(_) => entry.sequence.to_string(),
        OutputBody::Tombstone(tombstone) if tombstone.kind == TombstoneKind::Erased => {
            format!("{}x", entry.sequence)
        }
        OutputBody::Tombstone(_) => format!("{}!", entry.sequence),
    };
    page.entries.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Publishes frames with a thumbnail, a processed picture and the original.
async fn publish_whole(store: &Store, lease: &Lease, count: usize) -> Vec<frameway::domain::PayloadRef> {
    accept(&**store, (0..count).map(|n| frame("cam", format!("source {n}"))).collect()).await;
    let mut stored = Vec::new();
    for item in take_all(&**store, lease).await {
        let (small, large) = (Upload::new("small".into()), Upload::new("large".into()));
        let pictures = [
            (PictureRole::Thumbnail, small.payload),
            (PictureRole::Processed, large.payload),
            (PictureRole::Original, item.payload),
        ];
        stored.extend(pictures.iter().map(|(_, payload)| *payload));
        let finished = finished_with(&item, &pictures, vec![small, large]);
        assert_eq!(store.finish(lease, &[finished]).await.unwrap(), [FinishResult::Published]);
    }
    stored
}

fn erased(item: &WorkItem) -> Finished {
    let tombstone = Tombstone { header: item.header.clone(), kind: TombstoneKind::Erased, attempts: 1 };
    Finished { body: OutputBody::Tombstone(Box::new(tombstone)), uploads: Vec::new(), ..failed(item) }
}

async fn letters(queue: &dyn Queue) -> Vec<u64> {
    let filter = DeadLetterFilter::default();
    let query = ListDeadLetters { filter, order: DeadLetterOrder::OldestFirst, after: None, limit: 1_000 };
    let page = queue.list_dead_letters(&query).await.unwrap();
    page.letters.iter().map(|letter| letter.frame.sequence.get()).collect()
}

pub(crate) async fn erased_frames_become_tombstones_and_lose_all_pictures(backend: Backend) {
    let (store, lease) = one_partition(backend).await;
    let pictures = publish_whole(&store, &lease, 5).await;
    let before = store.read_outputs(&id("cam"), number(2), 1).await.unwrap().entries.remove(0);
    store.erase(&id("cam"), range(2, 3)).await.unwrap();
    assert!(store.is_erasing(&id("cam")).await.unwrap());
    let counted = store.erasures().await.unwrap();
    assert!(erase_all(&store, &lease).await > 0);
    assert!(!store.is_erasing(&id("cam")).await.unwrap());
    assert!(store.erasures().await.unwrap() > counted, "servers learn of it");

    assert_eq!(output(&store, "cam").await, "1 2x 3x 4 5");
    let entry = store.read_outputs(&id("cam"), number(2), 1).await.unwrap().entries.remove(0);
    assert_eq!((entry.receive_time, entry.body.header()), (before.receive_time, before.body.header()));
    assert!(entry.body.payloads().is_empty());
    for (at, picture) in pictures.iter().enumerate() {
        let is_erased = (3..9).contains(&at);
        assert_eq!(is_stored(&*store, "cam", *picture).await, !is_erased, "picture {at}");
    }
    let earlier = store.outputs_before(&id("cam"), number(4), 2).await.unwrap();
    let is_tombstone = |entry: &Arc<OutputEntry>| matches!(entry.body, OutputBody::Tombstone(_));
    assert_eq!(earlier.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [number(3), number(2)]);
    assert!(earlier.iter().all(is_tombstone), "those read backwards are erased as well");
    let found = store.first_at(&id("cam"), entry.receive_time).await.unwrap().entry.unwrap();
    assert!(found.sequence != number(2) || matches!(found.body, OutputBody::Tombstone(_)));
    let counters = record(&*store, "cam").await.counters;
    assert_eq!((counters.processed_frames(), counters.erased_frames, counters.output_frames), (3, 2, 5));
    let stats = store.partition_stats(lease.partition).await.unwrap();
    assert_eq!((stats.processed, stats.erased, stats.erased_processed, stats.erased_failed), (3, 2, 2, 0));
    audit(&*store).await;

    // A repeat finds nothing to do.
    store.erase(&id("cam"), range(1, 3)).await.unwrap();
    erase_all(&store, &lease).await;
    assert_eq!(output(&store, "cam").await, "1x 2x 3x 4 5");
    store.erase(&id("cam"), range(1, 3)).await.unwrap();
    assert_eq!(erase_all(&store, &lease).await, 0);
    assert_eq!(record(&*store, "cam").await.counters.erased_frames, 3);
    audit(&*store).await;
}

pub(crate) async fn frames_of_the_range_that_are_in_work_are_not_published(backend: Backend) {
    let (store, lease) = one_partition(backend).await;
    publish(&*store, &lease, "cam", 2).await;
    accept(&*store, (0..5).map(|n| frame("cam", format!("waiting {n}"))).collect()).await;
    let items = take_all(&*store, &lease).await;
    // 1 and 2 are kept, 3 to 7 in work. What is accepted after the call is not touched.
    store.erase(&id("cam"), range(2, 100)).await.unwrap();
    accept(&*store, vec![frame("cam", "later".to_owned())]).await;
    let finished = processed(&items[0]);
    let results = store.finish(&lease, &[finished.clone(), failed(&items[1])]).await.unwrap();
    assert_eq!(results[0], FinishResult::Erased);
    assert_ne!(results[1], FinishResult::Published, "not before the one before it");
    assert!(!is_stored(&*store, "cam", finished.uploads[0].payload).await, "its result is not kept");
    let frames: Vec<_> = items.iter().map(erased).collect();
    assert_eq!(store.finish(&lease, &frames).await.unwrap(), [FinishResult::Published; 5]);
    erase_all(&store, &lease).await;
    work_off(&*store, &lease).await;
    assert_eq!(output(&store, "cam").await, "1 2x 3x 4x 5x 6x 7x 8");
    for item in items {
        assert!(!is_stored(&*store, "cam", item.payload).await, "the submitted picture is gone");
    }
    assert_eq!(store.dead_letter_totals().await.unwrap().letters, 0);
    let stats = store.partition_stats(lease.partition).await.unwrap();
    assert_eq!((stats.processed, stats.erased, stats.erased_processed), (2, 6, 1));
    audit(&*store).await;
}

pub(crate) async fn failed_frames_are_erased_with_their_dead_letters(backend: Backend) {
    let (store, lease) = one_partition(backend).await;
    register(&*store, "other").await;
    for stream in ["cam", "other"] {
        accept(&*store, (0..3).map(|n| frame(stream, format!("broken {n}"))).collect()).await;
    }
    let items = take_all(&*store, &lease).await;
    let frames: Vec<_> = items.iter().map(failed).collect();
    store.finish(&lease, &frames).await.unwrap();
    let letter = store.read_outputs(&id("cam"), number(2), 1).await.unwrap().entries[0].dead_letter.unwrap();
    store.erase(&id("cam"), range(2, 3)).await.unwrap();
    // At once nobody reads or replays them, even before the lease holder has removed them.
    assert_eq!(letters(&*store).await.len(), 4);
    assert_eq!(store.get_dead_letter(letter).await.unwrap(), None);
    assert_eq!(store.replay_dead_letter(letter).await.unwrap(), ReplayResult::NotFound);
    erase_all(&store, &lease).await;
    assert_eq!(output(&store, "cam").await, "1! 2x 3x");
    assert_eq!(output(&store, "other").await, "1! 2! 3!");
    assert_eq!(store.dead_letter_totals().await.unwrap().letters, 4);
    for item in items {
        let is_erased = item.stream_id == id("cam") && item.sequence > number(1);
        assert_eq!(is_stored(&*store, item.stream_id.as_str(), item.payload).await, !is_erased);
    }
    let counters = record(&*store, "cam").await.counters;
    assert_eq!((counters.failed_frames, counters.erased_frames), (1, 2));
    let stats = store.partition_stats(lease.partition).await.unwrap();
    assert_eq!((stats.failed, stats.erased, stats.erased_failed), (4, 2, 2));
    audit(&*store).await;

    // A group that gives up an erased frame leaves no dead letter either.
    let copy = Upload::new("a copy".into());
    let entry = store.read_outputs(&id("cam"), number(2), 1).await.unwrap().entries.remove(0);
    let dead = DeadFrame {
        source: DeadLetterSource::Group("site".parse().unwrap()),
        stream_id: id("cam"),
        sequence: number(2),
        receive_time: entry.receive_time,
        header: entry.body.header().clone(),
        reason: DeadLetterReason::AttemptsExhausted,
        message: String::new(),
        attempts: 3,
        picture: Some(DeadPicture {
            format: PictureFormat::Jpeg,
            width: 1,
            height: 1,
            payload: copy.payload,
        }),
        output: None,
    };
    assert!(!store.insert_dead_letter(&dead, Some(&copy), "token").await.unwrap());
    assert!(!is_stored(&*store, "cam", copy.payload).await);
}

pub(crate) async fn a_successor_continues_an_erasure(backend: Backend) {
    let (store, lease) = one_partition(backend).await;
    publish(&*store, &lease, "cam", 500).await;
    store.erase(&id("cam"), range(1, 450)).await.unwrap();
    assert!(store.erase_step(&lease).await.unwrap());
    let counters = record(&*store, "cam").await.counters;
    assert!((1..450).contains(&counters.erased_frames), "{} in one step", counters.erased_frames);
    assert!(store.is_erasing(&id("cam")).await.unwrap());
    let lost = lease;
    store.forget_worker("w").await.unwrap();
    let lease = lease_of(&*store, "cam", "successor").await;
    assert_eq!(store.erase_step(&lost).await, Err(Error::LeaseLost));
    erase_all(&store, &lease).await;
    let counters = record(&*store, "cam").await.counters;
    assert_eq!((counters.erased_frames, counters.processed_frames()), (450, 50), "each counts once");
    audit(&*store).await;
}

pub(crate) async fn retention_removes_erased_frames_and_those_yet_to_be_erased(backend: Backend) {
    let (store, lease) = one_partition(backend).await;
    let pictures = publish_whole(&store, &lease, 8).await;
    store.erase(&id("cam"), range(1, 2)).await.unwrap();
    erase_all(&store, &lease).await;
    store.erase(&id("cam"), range(4, 6)).await.unwrap();
    // 4 and 5 are trimmed before they are erased.
    let trimmed = keep_newest(&*store, &lease, "cam", 3).await;
    assert_eq!(trimmed.frames, 5);
    erase_all(&store, &lease).await;
    assert_eq!(output(&store, "cam").await, "6x 7 8");
    for picture in &pictures[..18] {
        assert!(!is_stored(&*store, "cam", *picture).await);
    }
    assert_eq!(record(&*store, "cam").await.counters.erased_frames, 3);
    audit(&*store).await;
    store.unregister_stream(&id("cam"), None).await.unwrap();
    clean_up(&*store, &lease).await;
    for picture in pictures {
        assert!(!is_stored(&*store, "cam", picture).await);
    }
    assert_eq!(store.partition_stats(lease.partition).await.unwrap().output_bytes, 0);
}

pub(crate) async fn the_newest_frame_is_one_that_is_not_erased(backend: Backend) {
    let (store, lease) = one_partition(backend).await;
    publish(&*store, &lease, "cam", 100).await;
    store.erase(&id("cam"), range(10, 100)).await.unwrap();
    erase_all(&store, &lease).await;
    let newest = store.latest_frame(&id("cam")).await.unwrap().map(|entry| entry.sequence);
    assert_eq!(newest, Some(number(9)));
    let latest = store.latest_outputs(&id("cam"), 1).await.unwrap();
    assert!(matches!(latest[0].body, OutputBody::Tombstone(_)));
    store.erase(&id("cam"), range(1, 9)).await.unwrap();
    erase_all(&store, &lease).await;
    assert_eq!(store.latest_frame(&id("cam")).await.unwrap(), None);
    publish(&*store, &lease, "cam", 1).await;
    let newest = store.latest_frame(&id("cam")).await.unwrap().map(|entry| entry.sequence);
    assert_eq!(newest, Some(number(101)));
}

pub(crate) async fn erasures_of_unknown_streams_and_too_many_ranges_are_refused(backend: Backend) {
    let (store, lease) = one_partition(backend).await;
    let unknown = store.erase(&id("nobody"), range(1, 1)).await;
    assert_eq!(unknown, Err(Error::StreamNotFound(id("nobody"))));
    // A stream without frames has nothing to erase.
    store.erase(&id("cam"), range(1, 9)).await.unwrap();
    assert_eq!(erase_all(&store, &lease).await, 0);
    publish(&*store, &lease, "cam", 300).await;
    for n in 0..MAX_ERASED_RANGES as u64 {
        store.erase(&id("cam"), range(2 * n + 1, 2 * n + 1)).await.unwrap();
    }
    let refused = store.erase(&id("cam"), range(200, 200)).await;
    assert_eq!(refused, Err(Error::TooManyErasedRanges { limit: MAX_ERASED_RANGES }));
    // One that joins others is possible, and so is another after retention removed some.
    store.erase(&id("cam"), range(1, 9)).await.unwrap();
    store.erase(&id("cam"), range(200, 200)).await.unwrap();
    erase_all(&store, &lease).await;
    assert_eq!(record(&*store, "cam").await.counters.erased_frames, 64 + 4 + 1);
    keep_newest(&*store, &lease, "cam", 110).await;
    store.erase(&id("cam"), range(250, 250)).await.unwrap();
    erase_all(&store, &lease).await;
    audit(&*store).await;
    store.unregister_stream(&id("cam"), None).await.unwrap();
    assert_eq!(store.erase(&id("cam"), range(1, 1)).await, Err(Error::StreamNotFound(id("cam"))));
}

pub(crate) async fn waiting_frames_are_found_by_time(backend: Backend) {
    let (store, lease) = one_partition(backend).await;
    register(&*store, "other").await;
    let none = store.first_waiting_at(&id("cam"), Timestamp::default()).await.unwrap();
    assert_eq!(none, None);
    accept(&*store, vec![frame("other", "a".to_owned()), frame("cam", "b".to_owned())]).await;
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    accept(&*store, vec![frame("cam", "c".to_owned())]).await;
    let items = take_all(&*store, &lease).await;
    let times: Vec<_> =
        items.iter().filter(|item| item.stream_id == id("cam")).map(|item| item.receive_time).collect();
    assert!(times[0] < times[1]);
    for (time, found) in [
        (Timestamp::default(), Some(1)),
        (times[0], Some(1)),
        (times[1], Some(2)),
        (Timestamp::from_micros(times[1].as_micros() + 1), None),
    ] {
        let waiting = store.first_waiting_at(&id("cam"), time).await.unwrap();
        assert_eq!(waiting.map(Sequence::get), found);
    }
}

pub(crate) async fn dead_letters_are_erased_in_bounded_steps(backend: Backend) {
    let (store, lease) = one_partition(backend).await;
    register(&*store, "other").await;
    for stream in ["other", "cam"] {
        accept(&*store, (0..200).map(|n| frame(stream, format!("broken {n}"))).collect()).await;
    }
    let items = take_all(&*store, &lease).await;
    let frames: Vec<_> = items.iter().map(failed).collect();
    for frames in frames.chunks(50) {
        store.finish(&lease, frames).await.unwrap();
    }
    store.erase(&id("cam"), range(11, 100)).await.unwrap();
    let (mut steps, middle) = (0, if backend == Backend::Memory { 1 } else { 3 });
    while store.is_erasing(&id("cam")).await.unwrap() {
        let before = store.dead_letter_totals().await.unwrap().letters;
        assert!(store.erase_step(&lease).await.unwrap());
        let removed = before - store.dead_letter_totals().await.unwrap().letters;
        assert!(backend == Backend::Memory || removed <= 64, "{removed} in one step");
        steps += 1;
        // More may be stored while the dead letters are removed.
        if steps == middle {
            store.erase(&id("cam"), range(101, 150)).await.unwrap();
        }
    }
    assert!(backend == Backend::Memory || steps > 8, "{steps} steps");
    assert_eq!(store.dead_letter_totals().await.unwrap().letters, 260);
    assert_eq!(record(&*store, "cam").await.counters.erased_frames, 140);
    audit(&*store).await;
}

pub(crate) async fn the_newest_frame_is_found_below_any_number_of_erased_ones(backend: Backend) {
    let (store, lease) = one_partition(backend).await;
    for _ in 0..4 {
        publish(&*store, &lease, "cam", 500).await;
    }
    store.erase(&id("cam"), range(10, 2_000)).await.unwrap();
    erase_all(&store, &lease).await;
    let reads = || {
        let stats = store.redis(&["INFO", "commandstats"]).unwrap_or_default();
        let found = stats.lines().filter_map(|line| line.strip_prefix("cmdstat_xrevrange:calls="));
        found.map(|line| line.split(',').next().unwrap().parse::<u64>().unwrap()).sum::<u64>()
    };
    let before = reads();
    let newest = store.latest_frame(&id("cam")).await.unwrap().map(|entry| entry.sequence);
    assert_eq!(newest, Some(number(9)));
    assert!(reads() - before <= 1, "{} reads", reads() - before);
}
