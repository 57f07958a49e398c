//! Sequences, order and limits of accepted frames.

use frameway::domain::limits::MAX_PUBLISHERS_PER_STREAM;
use frameway::domain::{StreamSettings, Timestamp};
use frameway::queue::{AcceptResult, Budget, NewFrame, Refusal};

use crate::backend::{Backend, Settings};
use crate::common::{DEADLINE, eventually};
use crate::support::*;

fn budget(work_frames: u64, work_bytes: u64) -> Settings {
    let budget =
        Budget { work_bytes, work_frames, output_bytes: 1 << 20, dead_bytes: 1 << 20, ..Budget::default() };
    Settings { partitions: 1, budget, ..Settings::default() }
}

pub(crate) async fn sequences_have_no_holes_and_follow_call_order(backend: Backend) {
    let store = backend.open().await;
    for name in ["a", "b", "c", "d", "e"] {
        register(&*store, name).await;
    }
    let mixed = ["a", "b", "a", "c", "d", "e", "a", "b"].map(|name| frame(name, format!("mixed {name}")));
    assert_eq!(accept(&*store, mixed.to_vec()).await, [1, 1, 2, 1, 1, 1, 3, 2]);
    assert_eq!(accept(&*store, vec![frame("b", "x"), frame("a", "y")]).await, [3, 4]);
    assert!(store.accept(Vec::new()).await.is_empty());
    let lease = lease_of(&*store, "a", "w").await;
    let taken = take_all(&*store, &lease).await;
    let of_a: Vec<_> = taken.iter().filter(|item| item.stream_id == id("a")).collect();
    assert_eq!(of_a.iter().map(|item| item.sequence.get()).collect::<Vec<_>>(), [1, 2, 3, 4]);
    audit(&*store).await;
}

pub(crate) async fn accepted_frames_are_taken_unchanged(backend: Backend) {
    let store = backend.open().await;
    let first = register(&*store, "cam").await;
    let settings = StreamSettings { display_name: "gate".to_owned(), ..StreamSettings::default() };
    let updated = store.update_stream(&id("cam"), &settings, first.etag()).await.unwrap();
    let sent = marked("cam", "agent", 41, "the picture");
    accept(&*store, vec![sent.clone()]).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let item = take_all(&*store, &lease).await.remove(0);
    assert_eq!((&item.header, item.payload), (&sent.header, sent.upload.payload));
    assert_eq!((item.sequence.get(), item.settings_revision), (1, updated.revision));
    let fetched = store.fetch(lease.partition, &[item.payload]).await.unwrap();
    assert_eq!(fetched, [sent.upload.bytes]);
    let counters = record(&*store, "cam").await.counters;
    assert_eq!((counters.accepted_sequence, counters.queued_frames, counters.queued_bytes), (1, 1, 11));
    assert_eq!(counters.last_receive_time, Some(item.receive_time));
}

pub(crate) async fn accept_returns_the_receive_time_of_the_published_frame(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let before = Timestamp::now();
    let mut answered = Vec::new();
    for round in 0..5 {
        let results =
            store.accept(vec![numbered("cam", 2 * round + 1), numbered("cam", 2 * round + 2)]).await;
        answered.extend(results.into_iter().map(|result| match result {
            AcceptResult::Accepted(sequence, received) => (sequence, received),
            other => panic!("{other:?}"),
        }));
    }
    assert!(answered[0].1.distance(before).as_secs() < 60, "{answered:?}");
    let lease = lease_of(&*store, "cam", "w").await;
    work_off(&*store, &lease).await;
    let page = store.read_outputs(&id("cam"), number(1), 100).await.unwrap();
    let published: Vec<_> = page.entries.iter().map(|entry| (entry.sequence, entry.receive_time)).collect();
    assert_eq!(answered, published);
}

pub(crate) async fn receive_times_never_go_back(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    for i in 0..20 {
        accept(&*store, vec![frame("cam", format!("{i} a")), frame("cam", format!("{i} b"))]).await;
    }
    let lease = lease_of(&*store, "cam", "w").await;
    let times: Vec<_> = take_all(&*store, &lease).await.iter().map(|item| item.receive_time).collect();
    assert_eq!(times.len(), 40);
    assert!(times.is_sorted(), "{times:?}");
    let newest = frameway::domain::Timestamp::now();
    assert!(times.iter().all(|time| time.distance(newest).as_secs() < 120), "not the time of day: {times:?}");
}

pub(crate) async fn a_frame_for_an_unknown_stream_affects_no_other_frame(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lost = frame("nobody", "x");
    let results = answers(&*store, vec![frame("cam", "a"), lost.clone(), frame("cam", "b")]).await;
    assert_eq!(results, [accepted(1), refused(Refusal::StreamNotFound), accepted(2)]);
    assert!(!is_stored(&*store, "nobody", lost.upload.payload).await, "its bytes are removed");
    audit(&*store).await;
}

pub(crate) async fn a_full_stream_refuses_until_work_is_finished(backend: Backend) {
    let store = backend.open().await;
    register_bounded(&*store, "cam", 2, 1 << 20).await;
    accept(&*store, vec![frame("cam", "a"), frame("cam", "b")]).await;
    let third = frame("cam", "c");
    assert_eq!(accept_one(&*store, third.clone()).await, refused(Refusal::StreamQueueFull));
    assert!(!is_stored(&*store, "cam", third.upload.payload).await, "its bytes are removed");
    let lease = lease_of(&*store, "cam", "w").await;
    let items = take_all(&*store, &lease).await;
    assert_eq!(
        accept_one(&*store, again(&third)).await,
        refused(Refusal::StreamQueueFull),
        "a taken frame is not finished"
    );
    store.finish(&lease, &[processed(&items[0])]).await.unwrap();
    assert_eq!(accept_one(&*store, again(&third)).await, accepted(3));
    audit(&*store).await;
}

pub(crate) async fn a_stream_can_be_full_in_bytes(backend: Backend) {
    let store = backend.open().await;
    register_bounded(&*store, "cam", 100, 10).await;
    assert_eq!(accept(&*store, vec![frame("cam", "123456"), frame("cam", "1234")]).await, [1, 2]);
    assert_eq!(accept_one(&*store, frame("cam", "1")).await, refused(Refusal::StreamQueueFull));
    let lease = lease_of(&*store, "cam", "w").await;
    work_off(&*store, &lease).await;
    assert_eq!(accept_one(&*store, frame("cam", "1234567890")).await, accepted(3));
}

pub(crate) async fn a_full_partition_refuses_until_work_is_finished(backend: Backend) {
    for settings in [budget(2, 1 << 20), budget(100, 2)] {
        let store = backend.open_with(settings).await;
        register(&*store, "a").await;
        register(&*store, "b").await;
        let results = answers(&*store, vec![frame("a", "1"), frame("b", "2"), frame("b", "3")]).await;
        assert_eq!(results, [accepted(1), accepted(1), refused(Refusal::PartitionFull)]);
        let lease = lease_of(&*store, "a", "w").await;
        let items = take_all(&*store, &lease).await;
        store.finish(&lease, &[failed(&items[0])]).await.unwrap();
        assert_eq!(accept_one(&*store, frame("b", "3")).await, refused(Refusal::PartitionFull), "it has one");
        assert_eq!(accept_one(&*store, frame("a", "3")).await, accepted(2));
        audit(&*store).await;
    }
}

pub(crate) async fn a_stream_leaves_room_in_its_partition_for_others(backend: Backend) {
    for settings in [budget(20, 1 << 20), budget(100, 20)] {
        let store = backend.open_with(settings).await;
        register(&*store, "flood").await;
        register(&*store, "quiet").await;
        let flood: Vec<_> = (0..20).map(|n| frame("flood", vec![n])).collect();
        let bare: Vec<_> = flood.iter().map(rerun).collect();
        let asked = store.would_refuse(&bare).await.unwrap();
        assert_eq!(asked.iter().filter(|one| one.is_none()).count(), 15, "three quarters");
        let results = answers(&*store, flood).await;
        assert_eq!(results[14..16], [accepted(15), refused(Refusal::PartitionFull)]);
        for n in 1..=4 {
            assert_eq!(accept_one(&*store, numbered_byte("quiet", n)).await, accepted(n));
        }
        assert_eq!(accept_one(&*store, frame("flood", "x")).await, refused(Refusal::PartitionFull));
        audit(&*store).await;
    }
}

fn numbered_byte(stream: &str, number: u64) -> NewFrame {
    frame(stream, vec![number as u8])
}

pub(crate) async fn after_a_retryable_refusal_only_that_stream_waits(backend: Backend) {
    let store = backend.open().await;
    register_bounded(&*store, "narrow", 100, 10).await;
    register(&*store, "wide").await;
    let frames = vec![
        frame("narrow", "12345"),
        frame("wide", "1"),
        frame("narrow", "too much now"),
        frame("narrow", "fits"),
        frame("wide", "2"),
    ];
    let results = answers(&*store, frames).await;
    let full = refused(Refusal::StreamQueueFull);
    assert_eq!(results, [accepted(1), accepted(1), full, refused(Refusal::AfterRefused), accepted(2)]);
    // The next call is not affected.
    assert_eq!(accept_one(&*store, frame("narrow", "fits")).await, accepted(2));
    audit(&*store).await;
}

pub(crate) async fn after_a_final_refusal_the_stream_continues(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, vec![numbered("cam", 5)]).await;
    let results = answers(&*store, vec![numbered("cam", 4), numbered("cam", 6)]).await;
    assert_eq!(results, [refused(Refusal::SequenceOutOfOrder { last: 5 }), accepted(2)]);
}

pub(crate) async fn a_stream_remembers_a_limited_number_of_publishers(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let by = |publisher: usize, sequence| marked("cam", &format!("agent-{publisher}"), sequence, "picture");
    let frames = (0..MAX_PUBLISHERS_PER_STREAM).map(|publisher| by(publisher, 1)).collect();
    assert_eq!(accept(&*store, frames).await.len(), MAX_PUBLISHERS_PER_STREAM);
    let one_more = by(MAX_PUBLISHERS_PER_STREAM, 1);
    assert_eq!(accept_one(&*store, one_more).await, refused(Refusal::TooManyPublishers));
    let results = store.accept(vec![by(3, 2), frame("cam", "without publisher")]).await;
    assert!(results.iter().all(|result| matches!(result, AcceptResult::Accepted(..))), "{results:?}");
}

pub(crate) async fn would_refuse_predicts_refusals_and_changes_nothing(backend: Backend) {
    let store = backend.open().await;
    register_bounded(&*store, "cam", 100, 60).await;
    register(&*store, "other").await;
    accept(&*store, vec![numbered("cam", 10), numbered("other", 1)]).await;
    let before = (record(&*store, "cam").await, record(&*store, "other").await);
    let frames = vec![
        numbered("cam", 10),
        marked("cam", "agent", 10, "other bytes"),
        numbered("cam", 9),
        numbered("nobody", 1),
        numbered("cam", 11),
        numbered("cam", 11),
        marked("cam", "agent", 12, vec![0; 60]),
        numbered("cam", 13),
        numbered("other", 2),
    ];
    let bare: Vec<_> = frames.iter().map(rerun).collect();
    let expected = [
        Some(duplicate(1)),
        Some(refused(Refusal::SequenceReused { stored_as: number(1) })),
        Some(refused(Refusal::SequenceOutOfOrder { last: 10 })),
        Some(refused(Refusal::StreamNotFound)),
        None,
        Some(duplicate(2)),
        Some(refused(Refusal::StreamQueueFull)),
        Some(refused(Refusal::AfterRefused)),
        None,
    ];
    for _ in 0..2 {
        assert_eq!(store.would_refuse(&bare).await.unwrap(), expected);
    }
    assert_eq!(before, (record(&*store, "cam").await, record(&*store, "other").await));
    let answered: Vec<_> = store.accept(frames).await;
    let refusals: Vec<_> = answered
        .into_iter()
        .map(|result| if matches!(result, AcceptResult::Accepted(..)) { None } else { Some(result) })
        .collect();
    assert_eq!(refusals, expected, "the frames are refused as predicted");
    audit(&*store).await;
}

pub(crate) async fn a_full_store_refuses_new_frames_and_nothing_else(backend: Backend) {
    // Frames may take 36 of 48 MiB; Redis needs the rest for itself, each server of a cluster.
    let budget = Budget { store_bytes: 36 << 20, ..Settings::default().budget };
    let store = backend.open_with(Settings { budget, ..Settings::default() }).await;
    for name in ["a", "b", "c", "d"] {
        register_bounded(&*store, name, 100, 1 << 30).await;
    }
    assert!(!store.memory().is_full());
    let frame = |stream: &str, n: u64| marked(stream, "agent", n, vec![n as u8; 3 << 20]);
    let mut sent = 0;
    // The store is measured now and then, so it refuses some frames too late.
    let start = std::time::Instant::now();
    let full = loop {
        let stream = ["a", "b", "c", "d"][sent as usize % 4];
        match accept_one(&*store, frame(stream, sent + 1)).await {
            AcceptResult::Accepted(..) => sent += 1,
            other => {
                assert_eq!(other, refused(Refusal::PartitionFull));
                break stream;
            }
        }
        assert!(sent <= 16 && start.elapsed() < DEADLINE, "far more than the store may hold");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert!(sent > 4, "only {sent} frames found room");
    // In a cluster, only one of the servers is full.
    assert!(store.memory_of(store.partitions().of(&id(full))).is_full());
    let asked = store.would_refuse(&[frame(full, 100)]).await.unwrap();
    assert_eq!(asked, [Some(refused(Refusal::PartitionFull))]);
    assert!(
        matches!(accept_one(&*store, frame("a", 1)).await, AcceptResult::Duplicate(_)),
        "stored frames are still recognised"
    );
    // Finishing the frames makes room.
    for name in ["a", "b", "c", "d"] {
        if let Ok(Some(lease)) = store
            .acquire_lease(store.partitions().of(&id(name)), name, std::time::Duration::from_secs(60))
            .await
        {
            work_off(&*store, &lease).await;
        }
    }
    eventually("room", || async {
        matches!(accept_one(&*store, frame("a", 100)).await, AcceptResult::Accepted(..)).then_some(())
    })
    .await;
}
