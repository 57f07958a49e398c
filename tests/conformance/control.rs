//! Operating the queues: pausing, draining and purging, and counters that must be right.

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

fn purge_all(reason: &str) -> Purge {
    Purge { reason: reason.to_owned(), ..Purge::default() }
}

fn of_stream(stream: &str) -> Purge {
    Purge { stream_id: Some(id(stream)), ..Purge::default() }
}

/// Describes taken frames as `stream sequence`, with a `!` for those to be purged.
fn describe(items: &[WorkItem]) -> Vec<String> {
    let fate = |item: &WorkItem| {
        let mark = if matches!(item.fate, Some(TombstoneKind::Purged(_))) { "!" } else { "" };
        format!("{} {}{mark}", item.stream_id, item.sequence)
    };
    items.iter().map(fate).collect()
}

/// Finishes a frame: purged if it is to be purged, processed otherwise.
fn finished_as_marked(item: &WorkItem) -> Finished {
    let Some(kind) = item.fate.clone() else { return processed(item) };
    let body = OutputBody::Tombstone(Box::new(Tombstone { header: item.header.clone(), kind, attempts: 0 }));
    Finished { body, uploads: Vec::new(), ..processed(item) }
}

async fn finish_as_marked(store: &Store, lease: &Lease, items: &[WorkItem]) {
    let frames: Vec<_> = items.iter().map(finished_as_marked).collect();
    let results = store.finish(lease, &frames).await.unwrap();
    assert_eq!(results, vec![FinishResult::Published; items.len()]);
}

async fn submit(store: &Store, stream: &str, numbers: std::ops::RangeInclusive<u64>) {
    accept(&**store, numbers.map(|n| numbered(stream, n)).collect()).await;
}

pub(crate) async fn a_paused_queue_accepts_frames_and_gives_workers_none(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    register(&*store, "cam").await;
    submit(&store, "cam", 1..=2).await;
    let lease = lease_of(&*store, "cam", "w").await;
    let taken = store.take(&lease, WorkPosition::default(), 1).await.unwrap();
    store.set_queue_state(partition, QueueState::Paused, "maintenance").await.unwrap();
    store.set_queue_state(partition, QueueState::Paused, "another reason").await.unwrap();
    let control = store.partition_stats(partition).await.unwrap().control;
    assert_eq!((control.state, control.reason.as_str()), (QueueState::Paused, "maintenance"));
    assert_eq!(take_all(&*store, &lease).await.len(), 0);
    let swept = store.scan_purged(&lease, WorkPosition::default(), 0).await.unwrap();
    assert!(swept.paused && !swept.work_waits);
    // Frames in work are finished, and new ones wait.
    finish_as_marked(&store, &lease, &taken).await;
    submit(&store, "cam", 3..=3).await;
    assert_eq!(take_all(&*store, &lease).await.len(), 0);
    audit(&*store).await;
    store.set_queue_state(partition, QueueState::Running, "done").await.unwrap();
    let control = store.partition_stats(partition).await.unwrap().control;
    assert_eq!((control.state, control.reason.as_str()), (QueueState::Running, "done"));
    let swept = store.scan_purged(&lease, WorkPosition::default(), 0).await.unwrap();
    assert!(!swept.paused && swept.work_waits, "{swept:?}");
    assert_eq!(describe(&take_all(&*store, &lease).await), ["cam 2", "cam 3"]);
}

pub(crate) async fn pausing_one_queue_does_not_affect_the_others(backend: Backend) {
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

pub(crate) async fn a_draining_queue_refuses_new_frames_and_gives_workers_the_rest(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    register(&*store, "cam").await;
    submit(&store, "cam", 1..=2).await;
    store.set_queue_state(partition, QueueState::Draining, "moving house").await.unwrap();
    let draining = refused(Refusal::QueueDraining);
    let frames = vec![numbered("cam", 2), numbered("cam", 3), numbered("cam", 4), numbered("nobody", 1)];
    let asked = store.would_refuse(&frames).await.unwrap();
    let results = store.accept(frames.clone()).await;
    // A stored frame is a duplicate in any state of the queue.
    let behind = refused(Refusal::AfterRefused);
    let expected = [duplicate(2), draining, behind, refused(Refusal::StreamNotFound)];
    assert_eq!(results, expected);
    assert_eq!(asked.into_iter().flatten().collect::<Vec<_>>(), expected);
    assert!(!is_stored(&*store, "cam", frames[1].upload.payload).await, "a refused picture is not kept");
    let lease = lease_of(&*store, "cam", "w").await;
    assert_eq!(work_off(&*store, &lease).await, 2);
    assert_eq!(store.partition_stats(partition).await.unwrap().depth, 0);
    store.set_queue_state(partition, QueueState::Running, "").await.unwrap();
    assert_eq!(accept_one(&*store, again(&frames[1])).await, accepted(3));
    audit(&*store).await;
}

pub(crate) async fn a_dry_purge_marks_nothing(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    register(&*store, "a").await;
    register(&*store, "b").await;
    submit(&store, "a", 1..=3).await;
    submit(&store, "b", 1..=2).await;
    let lease = lease_of(&*store, "a", "w").await;
    assert_eq!(store.take(&lease, WorkPosition::default(), 1).await.unwrap().len(), 1);
    // Frames that a worker has taken are not marked.
    for (purge, expected) in [(purge_all("too much"), 4), (of_stream("b"), 2), (of_stream("nobody"), 0)] {
        let asked = Purge { dry_run: true, ..purge };
        let answered = store.purge(partition, &asked).await.unwrap();
        assert_eq!(store.purge(partition, &asked).await.unwrap(), answered, "asking changes nothing");
        let (frames, bytes): (u64, u64) =
            answered.iter().fold((0, 0), |sum, mark| (sum.0 + mark.frames, sum.1 + mark.bytes));
        assert_eq!((frames, bytes), (expected, expected * "a 1".len() as u64), "{asked:?}");
    }
    assert_eq!(describe(&take_all(&*store, &lease).await), ["a 1", "a 2", "a 3", "b 1", "b 2"]);
}

pub(crate) async fn a_purge_marks_what_the_dry_run_reported(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    register(&*store, "a").await;
    register(&*store, "b").await;
    submit(&store, "a", 1..=3).await;
    submit(&store, "b", 1..=2).await;
    for purge in [of_stream("b"), purge_all("too much")] {
        let asked = store.purge(partition, &Purge { dry_run: true, ..purge.clone() }).await.unwrap();
        assert_eq!(store.purge(partition, &purge).await.unwrap(), asked);
        assert!(!asked.is_empty());
        let rest = store.purge(partition, &Purge { dry_run: true, ..purge }).await.unwrap();
        assert_eq!(rest, [], "nothing is left to be marked");
    }
    let lease = lease_of(&*store, "a", "w").await;
    assert_eq!(describe(&take_all(&*store, &lease).await), ["a 1!", "a 2!", "a 3!", "b 1!", "b 2!"]);
}

pub(crate) async fn a_purge_leaves_tombstones_in_order_and_spares_later_frames(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    register(&*store, "a").await;
    register(&*store, "b").await;
    submit(&store, "a", 1..=3).await;
    submit(&store, "b", 1..=2).await;
    let lease = lease_of(&*store, "a", "w").await;
    let taken = store.take(&lease, WorkPosition::default(), 1).await.unwrap();
    let marks = store.purge(partition, &purge_all("too much")).await.unwrap();
    let reported: Vec<_> =
        marks.iter().map(|one| (one.stream_id.as_str(), one.to.get(), one.frames)).collect();
    assert_eq!(reported, [("a", 3, 2), ("b", 2, 2)]);
    assert_eq!(marks[0].bytes, "a 2".len() as u64 * 2);
    submit(&store, "a", 4..=4).await;
    // A repeat marks only the frames that arrived in the meantime.
    let again = store.purge(partition, &of_stream("b")).await.unwrap();
    assert_eq!(again, []);
    let waiting = store.take(&lease, taken[0].position, 100).await.unwrap();
    assert_eq!(describe(&waiting), ["a 2!", "a 3!", "b 1!", "b 2!", "a 4"]);
    assert_eq!(waiting[0].fate, Some(TombstoneKind::Purged("too much".to_owned())));
    finish_as_marked(&store, &lease, &taken).await;
    finish_as_marked(&store, &lease, &waiting).await;
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
    // A mark does not apply to frames that are accepted later.
    submit(&store, "b", 3..=3).await;
    assert_eq!(describe(&take_all(&*store, &lease).await), ["b 3"]);
    audit(&*store).await;
}

pub(crate) async fn a_purge_can_select_a_stream_and_a_time(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    register(&*store, "a").await;
    register(&*store, "b").await;
    submit(&store, "a", 1..=2).await;
    submit(&store, "b", 1..=1).await;
    let last = record(&*store, "a").await.counters.last_receive_time.unwrap();
    // The clock may show the same time twice: wait until it has moved.
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

pub(crate) async fn a_paused_queue_can_be_purged(backend: Backend) {
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
    assert_eq!(store.scan_purged(&lease, start, 8).await.unwrap().items.len(), 0, "nothing is marked");
    assert_eq!(store.purge(partition, &of_stream("a")).await.unwrap()[0].frames, 20);
    submit(&store, "a", 21..=21).await;
    let (mut from, mut swept) = (Some(start), 0);
    while let Some(after) = from {
        let found = store.scan_purged(&lease, after, 8).await.unwrap();
        assert!(found.paused && found.items.len() <= 8);
        assert!(found.items.iter().all(|item| item.stream_id == id("a") && item.fate.is_some()));
        finish_as_marked(&store, &lease, &found.items).await;
        (from, swept) = (found.next, swept + found.items.len());
    }
    assert_eq!(swept, 20);
    let page = store.read_outputs(&id("a"), number(1), 100).await.unwrap();
    assert_eq!(numbers(&page.entries), (1..=20).collect::<Vec<_>>());
    assert_eq!(store.scan_purged(&lease, start, 8).await.unwrap().items.len(), 0, "it is done");
    audit(&*store).await;
    store.set_queue_state(partition, QueueState::Running, "").await.unwrap();
    let left = take_all(&*store, &lease).await;
    assert_eq!(left.len(), 21);
    assert!(left.iter().all(|item| item.fate.is_none()));
}

pub(crate) async fn a_purge_mark_waits_for_a_worker_and_survives_its_crash(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    register(&*store, "cam").await;
    submit(&store, "cam", 1..=3).await;
    assert_eq!(store.purge(partition, &purge_all("nobody works")).await.unwrap()[0].frames, 3);
    let first = lease_of(&*store, "cam", "first").await;
    let taken = store.take(&first, WorkPosition::default(), 2).await.unwrap();
    assert_eq!(describe(&taken), ["cam 1!", "cam 2!"]);
    finish_as_marked(&store, &first, &taken[..1]).await;
    store.forget_worker("first").await.unwrap();
    let second = lease_of(&*store, "cam", "second").await;
    let taken = take_all(&*store, &second).await;
    assert_eq!(describe(&taken), ["cam 2!", "cam 3!"]);
    finish_as_marked(&store, &second, &taken).await;
    assert!(store.scan_purged(&first, WorkPosition::default(), 8).await.is_err(), "the lease is checked");
    audit(&*store).await;
}

pub(crate) async fn a_purge_skips_frames_that_were_taken_out_of_order(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    register(&*store, "a").await;
    register(&*store, "b").await;
    submit(&store, "a", 1..=3).await;
    submit(&store, "b", 1..=2).await;
    let lease = lease_of(&*store, "a", "w").await;
    let listed = store.list_work(partition, WorkPosition::default(), 100).await.unwrap();
    let [first_of_a, both_of_b] = [&listed[..1], &listed[3..]]
        .map(|some| some.iter().map(|(position, _)| *position).collect::<Vec<_>>());
    let mut in_hand = store.take_chosen(&lease, &both_of_b).await.unwrap();
    in_hand.extend(store.take_chosen(&lease, &first_of_a).await.unwrap());
    assert_eq!(describe(&in_hand), ["b 1", "b 2", "a 1"]);
    let marks = store.purge(partition, &purge_all("too much")).await.unwrap();
    let marks: Vec<_> = marks.iter().map(|mark| (mark.stream_id.to_string(), mark.frames)).collect();
    assert_eq!(marks, [("a".to_owned(), 2)]);
    store.set_queue_state(partition, QueueState::Paused, "").await.unwrap();
    let waiting: Vec<_> = listed[1..3].iter().map(|(position, _)| *position).collect();
    assert!(store.take_chosen(&lease, &waiting).await.unwrap().is_empty(), "it is paused");
    store.set_queue_state(partition, QueueState::Running, "").await.unwrap();
    assert_eq!(describe(&store.take_chosen(&lease, &waiting).await.unwrap()), ["a 2!", "a 3!"]);
}

pub(crate) async fn frames_of_a_crashed_worker_wait_again(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    register(&*store, "cam").await;
    submit(&store, "cam", 1..=2).await;
    let lease = store.acquire_lease(partition, "w", LONG).await.unwrap().unwrap();
    assert_eq!(take_all(&*store, &lease).await.len(), 2);
    assert_eq!(store.purge(partition, &Purge::default()).await.unwrap(), [], "a worker has taken all");
    store.forget_worker("w").await.unwrap();
    assert_eq!(store.purge(partition, &Purge::default()).await.unwrap()[0].frames, 2);
}

pub(crate) async fn a_dropping_stream_exceeds_its_policy_up_to_a_bound(backend: Backend) {
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
    // The stream refuses frames again: the limit is again that of the policy.
    settings.queue.drop_oldest = Some(false);
    store.update_stream(&id("cam"), &settings, stored.etag()).await.unwrap();
    let lease = lease_of(&*store, "cam", "w").await;
    let items = take_all(&*store, &lease).await;
    let dropped = |item: &WorkItem| {
        finished_as_marked(&WorkItem { fate: Some(TombstoneKind::Dropped), ..item.clone() })
    };
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
    store.purge(partition, &purge_all("")).await.unwrap();
    items.extend(store.take(&lease, items[2].position, 2).await.unwrap());
    items[1].fate = Some(TombstoneKind::Dropped);
    let mut frames: Vec<_> = items.iter().map(finished_as_marked).collect();
    frames[2] = failed(&items[2]);
    assert_eq!(store.finish(&lease, &frames).await.unwrap(), [FinishResult::Published; 5]);
    // Nothing is counted twice after a lost reply.
    let repeat: Vec<_> = frames.iter().map(refinish).collect();
    assert_eq!(store.finish(&lease, &repeat).await.unwrap(), [FinishResult::AlreadyPublished; 5]);
    let stats = store.partition_stats(partition).await.unwrap();
    let reported = (stats.accepted, stats.processed, stats.failed, stats.dropped, stats.purged, stats.depth);
    assert_eq!(reported, (6, 1, 1, 1, 2, 1));
    assert_eq!((stats.duplicates, stats.accepted_bytes, stats.published_bytes), (1, 6 * 5, 100));
    let counters = record(&*store, "cam").await.counters;
    let reported = (counters.processed_frames(), counters.failed_frames, counters.dropped_frames);
    assert_eq!((reported, counters.purged_frames, counters.queued_frames), ((1, 1, 1), 2, 1));
    assert_eq!((counters.accepted_bytes, counters.published_bytes), (6 * 5, 100));
    audit(&*store).await;
}

pub(crate) async fn the_holder_and_the_live_workers_are_reported(backend: Backend) {
    let (store, partition) = one_partition(backend).await;
    assert_eq!(store.partition_stats(partition).await.unwrap().control.holder, None);
    assert_eq!(store.live_workers().await.unwrap(), Vec::<String>::new());
    store.announce_worker("b", LONG).await.unwrap();
    store.announce_worker("a", LONG).await.unwrap();
    store.announce_worker("gone", Duration::from_millis(1)).await.unwrap();
    eventually("the silent worker is not reported", || async {
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

/// Purges while a worker takes frames and others submit them: exactly the marked frames are purged.
pub(crate) async fn a_purge_during_work_marks_exactly_what_it_reports(backend: Backend) {
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
            let frames: Vec<_> = items.iter().map(finished_as_marked).collect();
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
