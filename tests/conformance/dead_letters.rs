//! Dead letters, their replay and their removal.

use std::sync::Arc;

use bytes::Bytes;
use frameway::domain::{
    DeadLetterFilter, DeadLetterId, DeadLetterReason, DeadLetterSource, FailureReason, OutputBody, StreamId,
    TombstoneKind,
};
use frameway::queue::{
    Budget, DeadLetterOrder, DeadLetterTotals, Error, FinishResult, Finished, Lease, ListDeadLetters, Queue,
    QueueState, Refusal, ReplayResult,
};

use crate::backend::{Backend, Settings};
use crate::common::spawn;
use crate::support::*;

/// Publishes frames with these pictures as failed; returns the ids of their dead letters.
async fn fail(queue: &dyn Queue, lease: &Lease, stream: &str, pictures: &[&str]) -> Vec<DeadLetterId> {
    accept(queue, pictures.iter().map(|&picture| frame(stream, picture.to_owned())).collect()).await;
    let items = take_all(queue, lease).await;
    let frames: Vec<_> = items.iter().map(failed).collect();
    let results = queue.finish(lease, &frames).await.unwrap();
    assert_eq!(results, vec![FinishResult::Published; items.len()]);
    let newest = queue.latest_outputs(&id(stream), pictures.len()).await.unwrap();
    newest.iter().rev().map(|entry| entry.dead_letter.expect("a failed frame has a dead letter")).collect()
}

async fn ids(queue: &dyn Queue, filter: DeadLetterFilter) -> Vec<DeadLetterId> {
    let query = ListDeadLetters { filter, order: DeadLetterOrder::OldestFirst, after: None, limit: 1_000 };
    queue.list_dead_letters(&query).await.unwrap().letters.into_iter().map(|letter| letter.id).collect()
}

pub(crate) async fn a_failed_frame_becomes_a_dead_letter_with_its_picture(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let sent = marked("cam", "agent", 7, "a broken picture");
    accept(&*store, vec![sent.clone()]).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let item = take_all(&*store, &lease).await.remove(0);
    let finished = failed(&item);
    assert_eq!(
        store.finish(&lease, std::slice::from_ref(&finished)).await.unwrap(),
        [FinishResult::Published]
    );
    // The reply was lost: there is still one.
    let again = store.finish(&lease, &[finished]).await.unwrap();
    assert_eq!(again, [FinishResult::AlreadyPublished]);
    let entry = store.read_outputs(&id("cam"), number(1), 1).await.unwrap().entries.remove(0);
    let name = entry.dead_letter.expect("its tombstone names it");
    let letter = store.get_dead_letter(name).await.unwrap().expect("it is there");
    let frame = &letter.frame;
    assert_eq!((letter.id, letter.replay), (name, None));
    assert_eq!(
        (&frame.source, &frame.stream_id, frame.sequence),
        (&DeadLetterSource::Worker, &id("cam"), number(1))
    );
    assert_eq!((&frame.header, frame.receive_time), (&sent.header, item.receive_time));
    let reason = DeadLetterReason::Failed(FailureReason::Truncated);
    assert_eq!((frame.reason, frame.message.as_str(), frame.attempts), (reason, "ends early", 1));
    let picture = frame.picture.expect("it has a picture");
    assert_eq!((picture.width, picture.height, picture.payload), (64, 48, item.payload));
    let bytes = store.fetch(lease.partition, &[picture.payload]).await.unwrap().remove(0);
    assert_eq!(bytes, sent.upload.bytes);
    let totals = DeadLetterTotals { letters: 1, bytes: frame.size_bytes() };
    assert_eq!(store.dead_letter_totals().await.unwrap(), totals);
    let stats = store.partition_stats(lease.partition).await.unwrap();
    assert_eq!((stats.dead_letters, stats.dead_letter_bytes), (1, frame.size_bytes()));
    audit(&*store).await;
}

pub(crate) async fn only_failed_frames_become_dead_letters(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, (1..=3).map(|n| numbered("cam", n)).collect()).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let items = take_all(&*store, &lease).await;
    let as_kind = |item, kind: TombstoneKind| {
        let Finished { body: OutputBody::Tombstone(mut tombstone), .. } = failed(item) else {
            panic!("a tombstone")
        };
        tombstone.kind = kind;
        Finished { body: OutputBody::Tombstone(tombstone), ..failed(item) }
    };
    let frames = [
        processed(&items[0]),
        as_kind(&items[1], TombstoneKind::Dropped),
        as_kind(&items[2], TombstoneKind::Purged("because".to_owned())),
    ];
    assert_eq!(store.finish(&lease, &frames).await.unwrap(), [FinishResult::Published; 3]);
    assert_eq!(store.dead_letter_totals().await.unwrap(), DeadLetterTotals::default());
    let page = store.read_outputs(&id("cam"), number(1), 9).await.unwrap();
    assert!(page.entries.iter().all(|entry| entry.dead_letter.is_none()));
    for item in items {
        assert!(!is_stored(&*store, "cam", item.payload).await, "nobody keeps the source");
    }
}

pub(crate) async fn a_withheld_picture_is_not_kept(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, vec![frame("cam", "what a mask would hide".to_owned())]).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let item = take_all(&*store, &lease).await.remove(0);
    let finished = Finished { source_withheld: true, ..failed(&item) };
    assert_eq!(store.finish(&lease, &[finished]).await.unwrap(), [FinishResult::Published]);
    let entry = store.read_outputs(&id("cam"), number(1), 1).await.unwrap().entries.remove(0);
    let name = entry.dead_letter.expect("its tombstone names it");
    let letter = store.get_dead_letter(name).await.unwrap().expect("it is there");
    assert_eq!(letter.frame.picture, None);
    assert!(!is_stored(&*store, "cam", item.payload).await, "nobody keeps the source");
    assert_eq!(store.replay_dead_letter(name).await.unwrap(), ReplayResult::NoPicture);
    audit(&*store).await;
}

pub(crate) async fn dead_letters_are_listed_in_pages_in_both_orders(backend: Backend) {
    let store = backend.open().await;
    let streams = ["a", "b", "c", "d", "e", "f"];
    let mut made = Vec::new();
    for stream in streams {
        register(&*store, stream).await;
    }
    // More dead letters of one partition than a backend reads at once, with those of others in
    // between.
    for round in 0..3 {
        for stream in streams {
            let lease = lease_of(&*store, stream, "w").await;
            let many = if stream == "b" { 40 } else { 2 };
            let pictures: Vec<String> = (0..many).map(|n| format!("{stream} {round} {n}")).collect();
            let pictures: Vec<&str> = pictures.iter().map(String::as_str).collect();
            made.extend(fail(&*store, &lease, stream, &pictures).await);
            store.release_lease(&lease).await.unwrap();
        }
    }
    made.sort_unstable();
    assert_eq!(made.len(), 150);
    for (order, limit) in [
        (DeadLetterOrder::OldestFirst, 7),
        (DeadLetterOrder::NewestFirst, 7),
        (DeadLetterOrder::NewestFirst, 1_000),
        (DeadLetterOrder::OldestFirst, 150),
    ] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let query = ListDeadLetters { filter: DeadLetterFilter::default(), order, after, limit };
            let page = store.list_dead_letters(&query).await.unwrap();
            assert!(page.letters.len() <= limit);
            seen.extend(page.letters.iter().map(|letter| letter.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if order == DeadLetterOrder::NewestFirst {
            seen.reverse();
        }
        assert_eq!(seen, made, "{order:?} by {limit}");
    }
}

pub(crate) async fn a_filter_selects_dead_letters(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "a").await;
    let lease = lease_of(&*store, "a", "w").await;
    let of_a = fail(&*store, &lease, "a", &["1", "2", "3"]).await;
    store.release_lease(&lease).await.unwrap();
    register(&*store, "b").await;
    let lease = lease_of(&*store, "b", "w").await;
    let of_b = fail(&*store, &lease, "b", &["4"]).await;
    let all: Vec<_> = of_a.iter().chain(&of_b).copied().collect();
    let any = DeadLetterFilter::default;
    let stream: fn(&str) -> Option<StreamId> = |name| Some(id(name));
    for (filter, expected) in [
        (any(), all.clone()),
        (DeadLetterFilter { stream: stream("a"), ..any() }, of_a.clone()),
        (DeadLetterFilter { stream: stream("c"), ..any() }, vec![]),
        (
            DeadLetterFilter { partition: Some(of_b[0].partition), ..any() },
            all.iter().filter(|one| one.partition == of_b[0].partition).copied().collect(),
        ),
    ] {
        assert_eq!(ids(&*store, filter.clone()).await, expected, "{filter:?}");
    }
}

pub(crate) async fn a_replay_is_a_new_frame_and_happens_once(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let sent = marked("cam", "agent", 7, "try me again");
    accept(&*store, vec![sent.clone()]).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let item = take_all(&*store, &lease).await.remove(0);
    store.finish(&lease, &[failed(&item)]).await.unwrap();
    let name = ids(&*store, DeadLetterFilter::default()).await.remove(0);
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let queue = Arc::clone(&store.queue);
            spawn(async move { queue.replay_dead_letter(name).await.unwrap() })
        })
        .collect();
    for one in tries {
        assert_eq!(one.await.unwrap(), ReplayResult::Replayed(number(2)));
    }
    let items = take_all(&*store, &lease).await;
    assert_eq!(items.len(), 1, "accepted once");
    let anew = &items[0];
    assert_eq!((anew.sequence, anew.header.replayed_from), (number(2), Some(number(1))));
    assert_eq!(anew.header.publisher, sent.header.publisher, "its publisher is still known");
    assert_ne!(anew.payload, item.payload, "the dead letter keeps its own picture");
    let bytes = store.fetch(lease.partition, &[anew.payload]).await.unwrap().remove(0);
    assert_eq!(bytes, sent.upload.bytes);
    let letter = store.get_dead_letter(name).await.unwrap().expect("it is kept");
    assert_eq!(letter.replay.unwrap().sequence, Some(number(2)));
    // A frame that the publisher sends again is still a duplicate of the first one.
    assert_eq!(store.accept(vec![again(&sent)]).await, [duplicate(1)]);
    let next = marked("cam", "agent", 8, "the next");
    assert_eq!(answers(&*store, vec![next]).await, [accepted(3)]);
    work_off(&*store, &lease).await;
    let page = store.read_outputs(&id("cam"), number(2), 1).await.unwrap();
    assert_eq!(page.entries[0].body.header().replayed_from, Some(number(1)));
    // The same holds when the replayed frame is published.
    assert_eq!(store.replay_dead_letter(name).await.unwrap(), ReplayResult::Replayed(number(2)));
    audit(&*store).await;
}

pub(crate) async fn failed_replays_leave_the_state_of_their_stream(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    let names = fail(&*store, &lease, "cam", &["one", "two", "three", "four"]).await;
    let in_row = async || record(&*store, "cam").await.counters.failed_in_row;
    assert_eq!(in_row().await, 4);
    publish(&*store, &lease, "cam", 1).await;
    assert_eq!(in_row().await, 0, "a processed frame ends the row");
    for name in names {
        assert!(matches!(store.replay_dead_letter(name).await.unwrap(), ReplayResult::Replayed(_)));
    }
    let items = take_all(&*store, &lease).await;
    let frames: Vec<_> = items.iter().map(failed).collect();
    assert_eq!(store.finish(&lease, &frames).await.unwrap(), vec![FinishResult::Published; 4]);
    let counters = record(&*store, "cam").await.counters;
    assert_eq!((counters.failed_in_row, counters.failed_frames), (0, 8), "they count as failed all the same");
    fail(&*store, &lease, "cam", &["five"]).await;
    assert_eq!(in_row().await, 1);
    audit(&*store).await;
}

pub(crate) async fn successful_replays_leave_the_state_of_their_stream(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    let names = fail(&*store, &lease, "cam", &["one", "two", "three"]).await;
    let before = record(&*store, "cam").await.counters;
    assert!(matches!(store.replay_dead_letter(names[0]).await.unwrap(), ReplayResult::Replayed(_)));
    let waiting = record(&*store, "cam").await.counters;
    assert_eq!(waiting.last_receive_time, before.last_receive_time, "the camera sent nothing");
    work_off(&*store, &lease).await;
    let counters = record(&*store, "cam").await.counters;
    assert_eq!((counters.failed_in_row, counters.processed_frames()), (3, 1));
    assert_eq!(counters.last_receive_time, before.last_receive_time);
    let newest = store.latest_frame(&id("cam")).await.unwrap().expect("it is the newest frame");
    assert!(Some(newest.receive_time) > before.last_receive_time);
    // A frame of the camera counts, and times of receipt still do not decrease.
    publish(&*store, &lease, "cam", 1).await;
    let counters = record(&*store, "cam").await.counters;
    assert_eq!(counters.failed_in_row, 0);
    assert!(counters.last_receive_time >= Some(newest.receive_time));
    audit(&*store).await;
}

pub(crate) async fn an_impossible_replay_changes_nothing(backend: Backend) {
    let store = backend.open().await;
    register_bounded(&*store, "cam", 1, 1 << 20).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let name = fail(&*store, &lease, "cam", &["broken"]).await.remove(0);
    accept(&*store, vec![frame("cam", "in the way")]).await;
    let full = ReplayResult::Refused(Refusal::StreamQueueFull);
    assert_eq!(store.replay_dead_letter(name).await.unwrap(), full);
    work_off(&*store, &lease).await;
    assert_eq!(store.get_dead_letter(name).await.unwrap().unwrap().replay, None);
    let unknown = DeadLetterId { number: name.number + 1, ..name };
    assert_eq!(store.replay_dead_letter(unknown).await.unwrap(), ReplayResult::NotFound);
    audit(&*store).await;
}

pub(crate) async fn a_dry_replay_predicts_the_results_and_changes_nothing(backend: Backend) {
    let budget = Budget {
        work_bytes: 64 << 20,
        work_frames: 1_000,
        output_bytes: 64 << 20,
        dead_bytes: 10_000,
        ..Budget::default()
    };
    let store = backend.open_with(Settings { partitions: 1, budget, ..Settings::default() }).await;
    register_bounded(&*store, "cam", 2, 1 << 20).await;
    register(&*store, "other").await;
    register(&*store, "gone").await;
    let lease = lease_of(&*store, "cam", "w").await;
    let mut asked = fail(&*store, &lease, "cam", &["1", "2"]).await;
    asked.extend(fail(&*store, &lease, "cam", &["3", "4"]).await);
    asked.extend(fail(&*store, &lease, "other", &["done before", &"no room for it".repeat(1_000)]).await);
    asked.extend(fail(&*store, &lease, "gone", &["5"]).await);
    asked.push(DeadLetterId { number: 1_000, ..asked[0] });
    let ReplayResult::Replayed(before) = store.replay_dead_letter(asked[4]).await.unwrap() else { panic!() };
    store.unregister_stream(&id("gone"), None).await.unwrap();

    let state = async || {
        let letters = ids(&*store, DeadLetterFilter::default()).await;
        (record(&*store, "cam").await, letters, take_all(&*store, &lease).await.len())
    };
    let was = state().await;
    let refused = |refusal| Some(ReplayResult::Refused(refusal));
    let expected = [
        None,
        None,
        refused(Refusal::StreamQueueFull),
        refused(Refusal::AfterRefused),
        Some(ReplayResult::Replayed(before)),
        Some(ReplayResult::NoPicture),
        Some(ReplayResult::NotFound),
        Some(ReplayResult::NotFound),
    ];
    for _ in 0..2 {
        assert_eq!(store.would_replay(&asked).await.unwrap(), expected);
    }
    assert_eq!(state().await, was);
    assert_eq!(store.would_replay(&[]).await.unwrap(), []);
    // The replays have the results that were predicted.
    for (name, would) in asked.iter().zip(expected) {
        let answer = store.replay_dead_letter(*name).await.unwrap();
        match would {
            None => assert!(matches!(answer, ReplayResult::Replayed(_)), "{answer:?}"),
            Some(ReplayResult::Refused(_)) => {
                assert_eq!(answer, ReplayResult::Refused(Refusal::StreamQueueFull));
            }
            Some(would) => assert_eq!(answer, would),
        }
    }
    store.set_queue_state(lease.partition, QueueState::Draining, "").await.unwrap();
    assert_eq!(store.would_replay(&asked[2..3]).await.unwrap(), [refused(Refusal::QueueDraining)]);
    audit(&*store).await;
}

pub(crate) async fn a_discarded_dead_letter_is_removed_with_its_picture(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    let names = fail(&*store, &lease, "cam", &["one", "two"]).await;
    let picture = store.get_dead_letter(names[0]).await.unwrap().unwrap().frame.picture.unwrap();
    store.replay_dead_letter(names[0]).await.unwrap();
    assert!(store.discard_dead_letter(names[0]).await.unwrap());
    assert!(!store.discard_dead_letter(names[0]).await.unwrap(), "once");
    assert_eq!(store.get_dead_letter(names[0]).await.unwrap(), None);
    assert_eq!(store.replay_dead_letter(names[0]).await.unwrap(), ReplayResult::NotFound);
    assert!(!is_stored(&*store, "cam", picture.payload).await);
    assert_eq!(ids(&*store, DeadLetterFilter::default()).await, [names[1]]);
    let left = store.get_dead_letter(names[1]).await.unwrap().unwrap().frame.size_bytes();
    assert_eq!(store.dead_letter_totals().await.unwrap(), DeadLetterTotals { letters: 1, bytes: left });
    work_off(&*store, &lease).await;
    audit(&*store).await;
}

pub(crate) async fn the_bytes_of_dead_letters_are_bounded(backend: Backend) {
    let budget = Budget {
        work_bytes: 64 << 20,
        work_frames: 1_000,
        output_bytes: 64 << 20,
        dead_bytes: 10_000,
        ..Budget::default()
    };
    let store = backend.open_with(Settings { budget, ..Settings::default() }).await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    let large = "x".repeat(4_000);
    let names = fail(&*store, &lease, "cam", &[&large, &large, &large]).await;
    let mut kept = Vec::new();
    for &name in &names {
        let letter = store.get_dead_letter(name).await.unwrap().expect("a failed frame always has one");
        kept.push(letter.frame.picture.is_some());
    }
    assert_eq!(kept, [true, true, false], "the last had no room for its picture");
    assert_eq!(store.replay_dead_letter(names[2]).await.unwrap(), ReplayResult::NoPicture);
    // The oldest are removed first, and no more than needed.
    let first = store.get_dead_letter(names[0]).await.unwrap().unwrap().frame;
    let trimmed = store.trim_dead_letters(&lease, 6_000).await.unwrap();
    assert_eq!((trimmed.frames, trimmed.bytes, trimmed.more), (1, first.size_bytes(), false));
    assert!(!is_stored(&*store, "cam", first.picture.unwrap().payload).await);
    assert_eq!(ids(&*store, DeadLetterFilter::default()).await, names[1..]);
    let stats = store.partition_stats(lease.partition).await.unwrap();
    assert_eq!((stats.dead_letters, stats.dead_letters_expired), (2, 1));
    assert_eq!(store.trim_dead_letters(&lease, 6_000).await.unwrap().frames, 0);
    // There is room again.
    let name = fail(&*store, &lease, "cam", &[&large]).await.remove(0);
    let letter = store.get_dead_letter(name).await.unwrap().unwrap();
    let bytes =
        store.fetch(lease.partition, &[letter.frame.picture.unwrap().payload]).await.unwrap().remove(0);
    assert_eq!(bytes, Some(Bytes::from(large)));
    // All of them can be removed, a bounded number at a time, but not by a worker that lost the
    // lease.
    store.release_lease(&lease).await.unwrap();
    assert_eq!(store.trim_dead_letters(&lease, 0).await.unwrap_err(), Error::LeaseLost);
    let lease = lease_of(&*store, "cam", "v").await;
    while store.trim_dead_letters(&lease, 0).await.unwrap().more {}
    assert_eq!(store.dead_letter_totals().await.unwrap(), DeadLetterTotals::default());
}
