//! Operating the queues: pause, drain, purge, and the accounts that must add up.

use std::time::Duration;

use frameway::domain::{OutputBody, PartitionId, Sequence, StreamSettings, Tombstone, TombstoneKind};
use frameway::queue::{FinishResult, Finished, Lease, Purge, QueueState, Refusal, WorkItem, WorkPosition};

use crate::backend::{Backend, Settings, Store};
use crate::common::eventually;
use crate::support::*;

async fn one_partition(backend: Backend) -> (Store, PartitionId) {
    let store = backend.open_with(Settings { partitions: 1, ..Default::default() }).await;
    let partition = store.partitions().all().next().unwrap();
    (store, partition)
}

fn because(reason: &str) -> Purge {
    Purge { reason: reason.to_owned(), ..Purge::default() }
}

fn of_stream(stream: &str) -> Purge {
    Purge { stream_id: Some(id(stream)), ..Purge::default() }
}

/// What is to become of taken frames: `stream sequence`, with a `!` for those to be purged.
fn fates(items: &[WorkItem]) -> Vec<String> {
    let fate = |item: &WorkItem| {
        let mark = if matches!(item.fate, Some(TombstoneKind::Purged(_))) { "!" } else { "" };
        format!("{} {}{mark}", item.stream_id, item.sequence)
    };
    items.iter().map(fate).collect()
}

/// A frame as its fate wants it.
fn settled(item: &WorkItem) -> Finished {
    let Some(kind) = item.fate.clone() else { return processed(item) };
    let body = OutputBody::Tombstone(Box::new(Tombstone { header: item.header.clone(), kind, attempts: 0 }));
    Finished { body, offers: Vec::new(), ..processed(item) }
}

async fn settle(store: &Store, lease: &Lease, items: &[WorkItem]) {
    let frames: Vec<_> = items.iter().map(settled).collect();
    let results = store.finish(lease, &frames).await.unwrap();
    assert_eq!(results, vec![FinishResult::Published; items.len()]);
}

async fn submit(store: &Store, stream: &str, numbers: std::ops::RangeInclusive<u64>) {
    accept(&**store, numbers.map(|n| numbered(stream, n)).collect()).await;
}

pub(crate) async fn a_paused_queue_takes_frames_and_gives_none(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    register(&*store, "cam").await;
    submit(&store, "cam", 1..=2).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let in_hand = store.take(&lease, WorkPosition::default(), 1).await.unwrap();
    store.set_queue_state(partition, QueueState::Paused, "maintenance").await.unwrap();
    store.set_queue_state(partition, QueueState::Paused, "another reason").await.unwrap();
    let control = store.partition_stats(partition).await.unwrap().control;
    assert_eq!((control.state, control.reason.as_str()), (QueueState::Paused, "maintenance"));
    assert_eq!(take_all(&*store, &lease).await.len(), 0);
    let swept = store.sweep(&lease, WorkPosition::default(), 0).await.unwrap();
    assert!(swept.paused && !swept.work_waits);
    // What a worker has is finished, and what comes waits.
    settle(&store, &lease, &in_hand).await;
    submit(&store, "cam", 3..=3).await;
    assert_eq!(take_all(&*store, &lease).await.len(), 0);
    audit(&*store).await;
    store.set_queue_state(partition, QueueState::Running, "done").await.unwrap();
    let control = store.partition_stats(partition).await.unwrap().control;
    assert_eq!((control.state, control.reason.as_str()), (QueueState::Running, "done"));
    let swept = store.sweep(&lease, WorkPosition::default(), 0).await.unwrap();
    assert!(!swept.paused && swept.work_waits, "{swept:?}");
    assert_eq!(fates(&take_all(&*store, &lease).await), ["cam 2", "cam 3"]);
}

pub(crate) async fn pausing_one_queue_leaves_the_others(backend: Backend) {
    let store = backend.open().await;
    let streams: Vec<String> = (0..16).map(|n| format!("cam-{n}")).collect();
    let home = store.partitions().of(&id(&streams[0]));
    let other = streams.iter().find(|one| store.partitions().of(&id(one)) != home).unwrap();
    register(&*store, other).await;
    submit(&store, other, 1..=1).await;
    store.set_queue_state(home, QueueState::Paused, "").await.unwrap();
    let lease = lease_of(&*store, other, "w").await;
    assert_eq!(take_all(&*store, &lease).await.len(), 1);
}

pub(crate) async fn a_draining_queue_refuses_frames_and_gives_those_it_has(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    register(&*store, "cam").await;
    submit(&store, "cam", 1..=2).await;
    store.set_queue_state(partition, QueueState::Draining, "moving house").await.unwrap();
    let draining = refused(Refusal::QueueDraining);
    let frames = vec![numbered("cam", 2), numbered("cam", 3), numbered("cam", 4), numbered("nobody", 1)];
    let asked = store.would_refuse(&frames).await.unwrap();
    let results = store.accept(frames.clone()).await;
    // What is stored already is a duplicate, whatever the queue does.
    let behind = refused(Refusal::BehindRefused);
    let expected = [duplicate(2), draining, behind, refused(Refusal::StreamNotFound)];
    assert_eq!(results, expected);
    assert_eq!(asked.into_iter().flatten().collect::<Vec<_>>(), expected);
    assert!(!is_stored(&*store, "cam", frames[1].offer.payload).await, "a refused picture is not kept");
    let lease = lease_of(&*store, "cam", "w").await;
    assert_eq!(work_off(&*store, &lease).await, 2);
    assert_eq!(store.partition_stats(partition).await.unwrap().depth, 0);
    store.set_queue_state(partition, QueueState::Running, "").await.unwrap();
    assert_eq!(accept_one(&*store, again(&frames[1])).await, accepted(3));
    audit(&*store).await;
}

pub(crate) async fn a_purge_that_only_asks_marks_nothing(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    register(&*store, "a").await;
    register(&*store, "b").await;
    submit(&store, "a", 1..=3).await;
    submit(&store, "b", 1..=2).await;
    let lease = lease_of(&*store, "a", "w").await;
    assert_eq!(store.take(&lease, WorkPosition::default(), 1).await.unwrap().len(), 1);
    for purge in [because("too much"), of_stream("b"), of_stream("nobody")] {
        let asked = Purge { dry_run: true, ..purge.clone() };
        let answered = store.purge(partition, &asked).await.unwrap();
        assert_eq!(store.purge(partition, &asked).await.unwrap(), answered, "asking changes nothing");
        if purge == of_stream("b") {
            // Nothing of it was marked by the question before; then all of it is.
            assert_eq!(answered.iter().map(|mark| mark.frames).sum::<u64>(), 2);
            assert_eq!(fates(&take_all(&*store, &lease).await), ["a 1", "a 2", "a 3", "b 1", "b 2"]);
            return;
        }
        let (frames, bytes): (u64, u64) =
            answered.iter().fold((0, 0), |sum, mark| (sum.0 + mark.frames, sum.1 + mark.bytes));
        assert_eq!((frames, bytes), (4, 4 * "a 1".len() as u64), "but what a worker has taken");
    }
}

pub(crate) async fn a_purge_does_what_was_answered_when_it_was_asked_for(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    register(&*store, "a").await;
    register(&*store, "b").await;
    submit(&store, "a", 1..=3).await;
    submit(&store, "b", 1..=2).await;
    for purge in [of_stream("b"), because("too much")] {
        let asked = store.purge(partition, &Purge { dry_run: true, ..purge.clone() }).await.unwrap();
        assert_eq!(store.purge(partition, &purge).await.unwrap(), asked);
        assert!(!asked.is_empty());
        let rest = store.purge(partition, &Purge { dry_run: true, ..purge }).await.unwrap();
        assert_eq!(rest, [], "nothing is left to be marked");
    }
    let lease = lease_of(&*store, "a", "w").await;
    assert_eq!(fates(&take_all(&*store, &lease).await), ["a 1!", "a 2!", "a 3!", "b 1!", "b 2!"]);
}

pub(crate) async fn a_purge_leaves_tombstones_in_order_and_later_frames_alone(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    register(&*store, "a").await;
    register(&*store, "b").await;
    submit(&store, "a", 1..=3).await;
    submit(&store, "b", 1..=2).await;
    let lease = lease_of(&*store, "a", "w").await;
    let in_hand = store.take(&lease, WorkPosition::default(), 1).await.unwrap();
    let marks = store.purge(partition, &because("too much")).await.unwrap();
    let told: Vec<_> = marks.iter().map(|one| (one.stream_id.as_str(), one.to.get(), one.frames)).collect();
    assert_eq!(told, [("a", 3, 2), ("b", 2, 2)]);
    assert_eq!(marks[0].bytes, "a 2".len() as u64 * 2);
    submit(&store, "a", 4..=4).await;
    // A repeat marks what came in between, and only that.
    let again = store.purge(partition, &of_stream("b")).await.unwrap();
    assert_eq!(again, []);
    let waiting = store.take(&lease, in_hand[0].position, 100).await.unwrap();
    assert_eq!(fates(&waiting), ["a 2!", "a 3!", "b 1!", "b 2!", "a 4"]);
    assert_eq!(waiting[0].fate, Some(TombstoneKind::Purged("too much".to_owned())));
    settle(&store, &lease, &in_hand).await;
    settle(&store, &lease, &waiting).await;
    let page = store.read_outputs(&id("a"), number(1), 10).await.unwrap();
    assert_eq!(numbers(&page.entries), [1, 2, 3, 4]);
    let is_tombstone: Vec<_> =
        page.entries.iter().map(|entry| matches!(entry.body, OutputBody::Tombstone(_))).collect();
    assert_eq!(is_tombstone, [false, true, true, false]);
    let OutputBody::Tombstone(tombstone) = &page.entries[1].body else { panic!("not a tombstone") };
    assert_eq!(tombstone.kind, TombstoneKind::Purged("too much".to_owned()));
    assert!(!is_stored(&*store, "a", waiting[0].payload).await, "its picture goes");
    let stats = store.partition_stats(partition).await.unwrap();
    assert_eq!((stats.accepted, stats.processed, stats.purged, stats.depth), (6, 2, 4, 0));
    assert_eq!((page.counters.purged_frames, page.counters.processed_frames()), (2, 2));
    // No mark outlives what it marked.
    submit(&store, "b", 3..=3).await;
    assert_eq!(fates(&take_all(&*store, &lease).await), ["b 3"]);
    audit(&*store).await;
}

pub(crate) async fn a_purge_can_name_a_stream_and_a_moment(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    register(&*store, "a").await;
    register(&*store, "b").await;
    submit(&store, "a", 1..=2).await;
    submit(&store, "b", 1..=1).await;
    let last = record(&*store, "a").await.counters.last_receive_time.unwrap();
    // Clocks stand still at times: wait for one that has moved.
    eventually("the clock moves", || async {
        accept(&*store, vec![frame("a", "more")]).await;
        (record(&*store, "a").await.counters.last_receive_time.unwrap() > last).then_some(())
    })
    .await;
    let end = record(&*store, "a").await.counters.last_receive_time.unwrap();
    let purge = Purge { before_receive_time: Some(end), ..of_stream("a") };
    let marks = store.purge(partition, &purge).await.unwrap();
    assert_eq!(marks.len(), 1);
    assert!(marks[0].frames >= 2 && marks[0].frames == marks[0].to.get(), "{marks:?}");
    let lease = lease_of(&*store, "a", "w").await;
    for item in take_all(&*store, &lease).await {
        let asked_for = item.stream_id == id("a") && item.receive_time < end;
        assert_eq!(item.fate.is_some(), asked_for, "{item:?}");
    }
    let none = Purge { before_receive_time: Some(last), ..of_stream("b") };
    let early =
        store.purge(partition, &Purge { before_receive_time: Some(Default::default()), ..none }).await;
    assert_eq!(early.unwrap(), []);
}

pub(crate) async fn a_purge_of_a_paused_queue_is_swept(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    register(&*store, "a").await;
    register(&*store, "b").await;
    for n in 1..=20 {
        submit(&store, "a", n..=n).await;
        submit(&store, "b", n..=n).await;
    }
    store.set_queue_state(partition, QueueState::Paused, "").await.unwrap();
    let lease = lease_of(&*store, "a", "w").await;
    let start = WorkPosition::default();
    assert_eq!(store.sweep(&lease, start, 8).await.unwrap().items.len(), 0, "nothing is marked");
    assert_eq!(store.purge(partition, &of_stream("a")).await.unwrap()[0].frames, 20);
    submit(&store, "a", 21..=21).await;
    let (mut from, mut swept) = (Some(start), 0);
    while let Some(after) = from {
        let found = store.sweep(&lease, after, 8).await.unwrap();
        assert!(found.paused && found.items.len() <= 8);
        assert!(found.items.iter().all(|item| item.stream_id == id("a") && item.fate.is_some()));
        settle(&store, &lease, &found.items).await;
        (from, swept) = (found.next, swept + found.items.len());
    }
    assert_eq!(swept, 20);
    let page = store.read_outputs(&id("a"), number(1), 100).await.unwrap();
    assert_eq!(numbers(&page.entries), (1..=20).collect::<Vec<_>>());
    assert_eq!(store.sweep(&lease, start, 8).await.unwrap().items.len(), 0, "it is done");
    audit(&*store).await;
    store.set_queue_state(partition, QueueState::Running, "").await.unwrap();
    let left = take_all(&*store, &lease).await;
    assert_eq!(left.len(), 21);
    assert!(left.iter().all(|item| item.fate.is_none()));
}

pub(crate) async fn a_mark_waits_for_a_worker_and_outlives_one(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    register(&*store, "cam").await;
    submit(&store, "cam", 1..=3).await;
    assert_eq!(store.purge(partition, &because("nobody works")).await.unwrap()[0].frames, 3);
    let first = lease_of(&*store, "cam", "first").await;
    let taken = store.take(&first, WorkPosition::default(), 2).await.unwrap();
    assert_eq!(fates(&taken), ["cam 1!", "cam 2!"]);
    settle(&store, &first, &taken[..1]).await;
    store.forget_worker("first").await.unwrap();
    let second = lease_of(&*store, "cam", "second").await;
    let taken = take_all(&*store, &second).await;
    assert_eq!(fates(&taken), ["cam 2!", "cam 3!"]);
    settle(&store, &second, &taken).await;
    assert!(store.sweep(&first, WorkPosition::default(), 8).await.is_err(), "the lease is checked");
    audit(&*store).await;
}

pub(crate) async fn what_a_dead_worker_had_taken_waits_again(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    register(&*store, "cam").await;
    submit(&store, "cam", 1..=2).await;
    let lease = store.acquire_lease(partition, "w", LONG).await.unwrap().unwrap();
    assert_eq!(take_all(&*store, &lease).await.len(), 2);
    assert_eq!(store.purge(partition, &Purge::default()).await.unwrap(), [], "all is in hand");
    store.forget_worker("w").await.unwrap();
    assert_eq!(store.purge(partition, &Purge::default()).await.unwrap()[0].frames, 2);
}

pub(crate) async fn a_dropping_stream_takes_more_than_its_bound_but_not_without_end(backend: Backend) {
    let store = backend.open().await;
    let mut settings = StreamSettings::default();
    settings.queue.max_frames = Some(3);
    settings.queue.drop_oldest = Some(true);
    let stored = store.register_stream(&id("cam"), &settings).await.unwrap().record;
    assert_eq!(stored.settings, settings);
    let bound = stored.effective.queue.refusal_frames();
    assert!(bound > 3 && bound < 100);
    submit(&store, "cam", 1..=bound).await;
    assert_eq!(accept_one(&*store, numbered("cam", bound + 1)).await, refused(Refusal::StreamQueueFull));
    // Back to refusing: the bound is the policy's own again.
    settings.queue.drop_oldest = Some(false);
    store.update_stream(&id("cam"), &settings, stored.etag()).await.unwrap();
    let lease = lease_of(&*store, "cam", "w").await;
    let items = take_all(&*store, &lease).await;
    let dropped = |item: &WorkItem| settled(&WorkItem { fate: Some(TombstoneKind::Dropped), ..item.clone() });
    let frames: Vec<_> = items.iter().map(dropped).collect();
    let (last, others) = frames.split_last().unwrap();
    store.finish(&lease, others).await.unwrap();
    submit(&store, "cam", bound + 1..=bound + 2).await;
    assert_eq!(accept_one(&*store, numbered("cam", bound + 3)).await, refused(Refusal::StreamQueueFull));
    store.finish(&lease, std::slice::from_ref(last)).await.unwrap();
    let counters = record(&*store, "cam").await.counters;
    assert_eq!((counters.dropped_frames, counters.processed_frames()), (bound, 0));
    let stats = store.partition_stats(lease.partition).await.unwrap();
    assert_eq!((stats.accepted, stats.dropped, stats.depth), (bound + 2, bound, 2));
    audit(&*store).await;
}

pub(crate) async fn the_accounts_add_up(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    register(&*store, "cam").await;
    submit(&store, "cam", 1..=6).await;
    assert_eq!(accept_one(&*store, numbered("cam", 6)).await, duplicate(6));
    let lease = lease_of(&*store, "cam", "w").await;
    let mut items = store.take(&lease, WorkPosition::default(), 3).await.unwrap();
    store.purge(partition, &because("")).await.unwrap();
    items.extend(store.take(&lease, items[2].position, 2).await.unwrap());
    items[1].fate = Some(TombstoneKind::Dropped);
    let mut frames: Vec<_> = items.iter().map(settled).collect();
    frames[2] = failed(&items[2]);
    assert_eq!(store.finish(&lease, &frames).await.unwrap(), [FinishResult::Published; 5]);
    // A lost reply counts nothing twice.
    let repeat: Vec<_> = frames.iter().map(refinish).collect();
    assert_eq!(store.finish(&lease, &repeat).await.unwrap(), [FinishResult::AlreadyPublished; 5]);
    let stats = store.partition_stats(partition).await.unwrap();
    let told = (stats.accepted, stats.processed, stats.failed, stats.dropped, stats.purged, stats.depth);
    assert_eq!(told, (6, 1, 1, 1, 2, 1));
    assert_eq!((stats.duplicates, stats.accepted_bytes, stats.published_bytes), (1, 6 * 5, 100));
    let counters = record(&*store, "cam").await.counters;
    let told = (counters.processed_frames(), counters.failed_frames, counters.dropped_frames);
    assert_eq!((told, counters.purged_frames, counters.queued_frames), ((1, 1, 1), 2, 1));
    assert_eq!((counters.accepted_bytes, counters.published_bytes), (6 * 5, 100));
    audit(&*store).await;
}

pub(crate) async fn the_holder_and_the_live_workers_are_told(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    assert_eq!(store.partition_stats(partition).await.unwrap().control.holder, None);
    assert_eq!(store.live_workers().await.unwrap(), Vec::<String>::new());
    store.announce_worker("b", LONG).await.unwrap();
    store.announce_worker("a", LONG).await.unwrap();
    store.announce_worker("gone", Duration::from_millis(1)).await.unwrap();
    eventually("the silent one is not told", || async {
        (store.live_workers().await.unwrap() == ["a", "b"]).then_some(())
    })
    .await;
    store.acquire_lease(partition, "a", LONG).await.unwrap().unwrap();
    let holder = store.partition_stats(partition).await.unwrap().control.holder.unwrap();
    assert_eq!(holder.worker_id, "a");
    assert!(holder.expires_in <= LONG && holder.expires_in > LONG / 2, "{holder:?}");
    store.forget_worker("a").await.unwrap();
    assert_eq!(store.partition_stats(partition).await.unwrap().control.holder, None);
    assert_eq!(store.live_workers().await.unwrap(), ["b"]);
}

/// Purges while a worker takes and others submit: what was marked is purged, to the frame, and nothing else is.
pub(crate) async fn a_purge_beside_work_marks_exactly_what_it_tells(backend: Backend) {
    const FRAMES: u64 = 400;
    let (store, partition) = one_partition(backend).await;
    register(&*store, "cam").await;
    let queue = std::sync::Arc::clone(&store.queue);
    let lease = lease_of(&*store, "cam", "w").await;
    let worker = crate::common::spawn(async move {
        let mut after = WorkPosition::default();
        let mut purged = 0;
        loop {
            let items = queue.take(&lease, after, 7).await.unwrap();
            purged += items.iter().filter(|item| item.fate.is_some()).count() as u64;
            let frames: Vec<_> = items.iter().map(settled).collect();
            queue.finish(&lease, &frames).await.unwrap();
            if let Some(last) = items.last() {
                after = last.position;
                if last.sequence == Sequence::new(FRAMES).unwrap() {
                    return purged;
                }
            }
            tokio::task::yield_now().await;
        }
    });
    let mut marked = 0;
    for n in 0..FRAMES / 20 {
        submit(&store, "cam", n * 20 + 1..=n * 20 + 20).await;
        let marks = store.purge(partition, &Purge::default()).await.unwrap();
        marked += marks.iter().map(|mark| mark.frames).sum::<u64>();
    }
    let purged = worker.await.unwrap();
    assert_eq!(purged, marked);
    assert_eq!(record(&*store, "cam").await.counters.purged_frames, marked);
    audit(&*store).await;
}
