//! Deduplication by publisher sequences.

use std::sync::Arc;

use frameway::domain::limits::DEDUP_WINDOW;
use frameway::queue::{AcceptResult, PublisherPosition, Refusal};

use crate::backend::Backend;
use crate::common::spawn;
use crate::support::*;

pub(crate) async fn the_same_publisher_sequence_with_the_same_bytes_is_a_duplicate(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    register(&*store, "other").await;
    let first = numbered("cam", 7);
    assert_eq!(accept(&*store, vec![first.clone(), numbered("cam", 8)]).await, [1, 2]);
    let repeat = again(&first);
    assert_eq!(accept_one(&*store, repeat.clone()).await, duplicate(1));
    assert!(!is_stored(&*store, "cam", repeat.upload.payload).await, "the second copy is removed");
    assert!(is_stored(&*store, "cam", first.upload.payload).await, "the first copy is kept");
    assert_eq!(record(&*store, "cam").await.counters.duplicate_frames, 1);
    // Publisher sequences of another publisher, or of the same one on another stream, are separate.
    assert_eq!(accept_one(&*store, marked("cam", "second", 7, "cam 7")).await, accepted(3));
    assert_eq!(accept_one(&*store, marked("other", "agent", 7, "cam 7")).await, accepted(1));
    let publisher = "agent".parse().unwrap();
    let position = |publisher_sequence, sequence| {
        Some(PublisherPosition { publisher_sequence, sequence: number(sequence) })
    };
    assert_eq!(store.publisher_position(&id("cam"), &publisher).await.unwrap(), position(8, 2));
    assert_eq!(store.publisher_position(&id("nobody"), &publisher).await.unwrap(), None);
    assert_eq!(store.publisher_position(&id("cam"), &"nobody".parse().unwrap()).await.unwrap(), None);
    // Publisher sequences may skip any number, even as many as are remembered.
    for (leap, sequence) in [(8 + DEDUP_WINDOW, 4), (10_000 * DEDUP_WINDOW, 5)] {
        assert_eq!(accept_one(&*store, numbered("cam", leap)).await, accepted(sequence));
        assert_eq!(store.publisher_position(&id("cam"), &publisher).await.unwrap(), position(leap, sequence));
    }
    audit(&*store).await;
}

pub(crate) async fn a_duplicate_is_recognised_after_its_frame_is_finished(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, vec![numbered("cam", 1)]).await;
    let lease = lease_of(&*store, "cam", "w").await;
    work_off(&*store, &lease).await;
    assert_eq!(accept_one(&*store, numbered("cam", 1)).await, duplicate(1));
    assert!(take_all(&*store, &lease).await.is_empty());
}

pub(crate) async fn a_batch_can_contain_its_own_duplicate(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let results = answers(&*store, vec![numbered("cam", 1), numbered("cam", 1), numbered("cam", 2)]).await;
    assert_eq!(results, [accepted(1), duplicate(1), accepted(2)]);
}

pub(crate) async fn the_same_publisher_sequence_with_other_bytes_is_refused(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, vec![numbered("cam", 1), numbered("cam", 2)]).await;
    let other = marked("cam", "agent", 2, "other bytes");
    let reused = refused(Refusal::SequenceReused { stored_as: number(2) });
    assert_eq!(accept_one(&*store, other.clone()).await, reused);
    assert!(!is_stored(&*store, "cam", other.upload.payload).await);
    assert_eq!(record(&*store, "cam").await.counters.duplicate_frames, 0);
}

pub(crate) async fn a_skipped_publisher_sequence_is_out_of_order(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, vec![numbered("cam", 10), numbered("cam", 20)]).await;
    let out_of_order = refused(Refusal::SequenceOutOfOrder { last: 20 });
    assert_eq!(accept_one(&*store, numbered("cam", 15)).await, out_of_order);
    assert_eq!(accept_one(&*store, numbered("cam", 5)).await, out_of_order);
    assert_eq!(accept_one(&*store, numbered("cam", 10)).await, duplicate(1));
}

pub(crate) async fn the_dedup_window_has_exactly_its_length(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let top = 2 * DEDUP_WINDOW;
    for from in (1..=top).step_by(512) {
        accept(&*store, (from..from + 512).map(|n| marked("cam", "agent", n, "same")).collect()).await;
        let lease = store.acquire_lease(store.partitions().of(&id("cam")), "w", LONG).await.unwrap();
        let lease = lease.unwrap();
        work_off(&*store, &lease).await;
        store.release_lease(&lease).await.unwrap();
    }
    let oldest = top - DEDUP_WINDOW + 1;
    assert_eq!(accept_one(&*store, marked("cam", "agent", oldest, "same")).await, duplicate(oldest));
    let too_old = refused(Refusal::SequenceTooOld { last: top });
    assert_eq!(accept_one(&*store, marked("cam", "agent", oldest - 1, "same")).await, too_old);
    // One further publisher sequence moves the window by one.
    assert_eq!(accept_one(&*store, marked("cam", "agent", top + 1, "same")).await, accepted(top + 1));
    let too_old = refused(Refusal::SequenceTooOld { last: top + 1 });
    assert_eq!(accept_one(&*store, marked("cam", "agent", oldest, "same")).await, too_old);
}

pub(crate) async fn a_jump_of_publisher_sequences_forgets_old_ones(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let top = (1 << 53) - 1;
    accept(&*store, vec![numbered("cam", 3), numbered("cam", top)]).await;
    assert_eq!(accept_one(&*store, numbered("cam", 4)).await, refused(Refusal::SequenceTooOld { last: top }));
    assert_eq!(accept_one(&*store, numbered("cam", top)).await, duplicate(2));
}

pub(crate) async fn a_thousand_concurrent_accepts_store_one_frame(backend: Backend) {
    let store = Arc::new(backend.open().await);
    register(&**store, "cam").await;
    let tasks: Vec<_> = (0..1_000)
        .map(|_| {
            let queue = Arc::clone(&store.queue);
            spawn(async move { accept_one(&*queue, numbered("cam", 1)).await })
        })
        .collect();
    let (mut stored, mut duplicates) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            AcceptResult::Accepted(sequence, _) if sequence == number(1) => stored += 1,
            AcceptResult::Duplicate(sequence) if sequence == number(1) => duplicates += 1,
            other @ (AcceptResult::Accepted(..)
            | AcceptResult::Duplicate(_)
            | AcceptResult::Refused(_)
            | AcceptResult::Unconfirmed(_)
            | AcceptResult::NotDurable(_)) => panic!("answered {other:?}"),
        }
    }
    assert_eq!((stored, duplicates), (1, 999));
    let counters = record(&**store, "cam").await.counters;
    assert_eq!((counters.accepted_sequence, counters.duplicate_frames), (1, 999));
    audit(&**store).await;
}
