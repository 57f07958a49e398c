//! Leases: which worker may process a partition, and what a former holder cannot do any more.

use std::time::Duration;

use frameway::queue::{Error, FinishResult, Lease, WorkPosition, WorkerReport};

use crate::backend::{Backend, Store};
use crate::common::{eventually, spawn};
use crate::support::*;

const BRIEF: Duration = Duration::from_millis(100);

async fn acquire(store: &Store, worker: &str, term: Duration) -> Option<Lease> {
    store.acquire_lease(store.partitions().of(&id("cam")), worker, term).await.unwrap()
}

/// Acquires a lease as soon as the old one's term is over.
async fn take_over(store: &Store, worker: &str) -> Lease {
    eventually("the lease is free", || acquire(store, worker, LONG)).await
}

fn report(worker: &str) -> WorkerReport {
    WorkerReport { worker_id: worker.to_owned(), in_flight: 3, ..WorkerReport::default() }
}

pub(crate) async fn a_partition_has_one_holder(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = acquire(&store, "a", LONG).await.unwrap();
    assert_eq!(lease.partition, store.partitions().of(&id("cam")));
    assert_eq!(acquire(&store, "b", LONG).await, None);
    let other = store.partitions().all().find(|partition| *partition != lease.partition).unwrap();
    assert!(store.acquire_lease(other, "b", LONG).await.unwrap().is_some(), "partitions are apart");
    store.release_lease(&lease).await.unwrap();
    let next = acquire(&store, "b", LONG).await.unwrap();
    assert!(next.fence > lease.fence, "{next:?} after {lease:?}");
    // Releasing a lost lease does not affect the new holder.
    store.release_lease(&lease).await.unwrap();
    assert!(store.take(&next, WorkPosition::default(), 1).await.is_ok());
}

pub(crate) async fn a_holder_that_asks_again_gets_a_new_lease(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lost = acquire(&store, "a", LONG).await.unwrap();
    let lease = acquire(&store, "a", LONG).await.expect("the first answer may be lost");
    assert!(lease.fence > lost.fence);
    assert_eq!(store.take(&lost, WorkPosition::default(), 1).await.unwrap_err(), Error::LeaseLost);
    assert!(store.take(&lease, WorkPosition::default(), 1).await.is_ok());
}

pub(crate) async fn of_many_concurrent_attempts_one_gets_the_lease(backend: Backend) {
    let store = backend.open().await;
    let partition = store.partitions().get(0).unwrap();
    let tries: Vec<_> = (0..50)
        .map(|worker| {
            let queue = std::sync::Arc::clone(&store.queue);
            spawn(async move { queue.acquire_lease(partition, &format!("w{worker}"), LONG).await.unwrap() })
        })
        .collect();
    let mut holders = 0;
    for one in tries {
        holders += usize::from(one.await.unwrap().is_some());
    }
    assert_eq!(holders, 1);
}

pub(crate) async fn a_lease_ends_with_its_term_unless_renewed(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = acquire(&store, "a", BRIEF).await.unwrap();
    let next = take_over(&store, "b").await;
    assert!(next.fence > lease.fence);
    assert_eq!(store.take(&lease, WorkPosition::default(), 1).await.unwrap_err(), Error::LeaseLost);
    store.release_lease(&next).await.unwrap();

    let lease = acquire(&store, "a", Duration::from_secs(2)).await.unwrap();
    let start = tokio::time::Instant::now();
    store.renew_lease(&lease, LONG, &report("a")).await.unwrap();
    eventually("the first term is over", || async {
        (start.elapsed() > Duration::from_millis(2_100)).then_some(())
    })
    .await;
    assert_eq!(acquire(&store, "b", LONG).await, None, "a renewed lease outlives its first term");
    store.renew_lease(&lease, BRIEF, &report("a")).await.unwrap();
    take_over(&store, "b").await;
    assert_eq!(store.renew_lease(&lease, LONG, &report("a")).await, Err(Error::LeaseLost));
}

pub(crate) async fn a_holders_report_is_returned_while_it_has_the_lease(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let partition = store.partitions().of(&id("cam"));
    assert_eq!(store.partition_stats(partition).await.unwrap().report, None);
    let lease = acquire(&store, "a", LONG).await.unwrap();
    store.renew_lease(&lease, LONG, &report("a")).await.unwrap();
    assert_eq!(store.partition_stats(partition).await.unwrap().report, Some(report("a")));
    store.release_lease(&lease).await.unwrap();
    assert_eq!(store.partition_stats(partition).await.unwrap().report, None);
}

pub(crate) async fn forgetting_a_worker_ends_its_leases_and_no_others(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let partitions: Vec<_> = store.partitions().all().collect();
    assert_eq!(store.announce_worker("dead", LONG).await.unwrap(), 1);
    assert_eq!(store.announce_worker("live", LONG).await.unwrap(), 2);
    assert_eq!(
        store.announce_worker("dead", LONG).await.unwrap(),
        2,
        "a worker that is announced twice is one worker"
    );
    let mut dead = Vec::new();
    for partition in &partitions[..2] {
        dead.push(store.acquire_lease(*partition, "dead", LONG).await.unwrap().unwrap());
    }
    let live = store.acquire_lease(partitions[2], "live", LONG).await.unwrap().unwrap();
    store.forget_worker("dead").await.unwrap();
    for lease in &dead {
        let lost = store.renew_lease(lease, LONG, &report("dead")).await;
        assert_eq!(lost, Err(Error::LeaseLost));
        assert!(store.acquire_lease(lease.partition, "live", LONG).await.unwrap().is_some());
    }
    store.renew_lease(&live, LONG, &report("live")).await.unwrap();
    assert_eq!(store.announce_worker("live", LONG).await.unwrap(), 1);
    store.forget_worker("never seen").await.unwrap();
}

pub(crate) async fn a_worker_that_falls_silent_is_not_counted(backend: Backend) {
    let store = backend.open().await;
    store.announce_worker("silent", BRIEF).await.unwrap();
    eventually("the silent one is forgotten", || async {
        (store.announce_worker("live", LONG).await.unwrap() == 1).then_some(())
    })
    .await;
}

pub(crate) async fn a_worker_with_an_old_fence_changes_nothing(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let zombie = acquire(&store, "zombie", LONG).await.unwrap();
    publish(&*store, &zombie, "cam", 2).await;
    accept(&*store, vec![frame("cam", "a"), frame("cam", "b")]).await;
    let stale: Vec<_> = take_all(&*store, &zombie).await.iter().map(processed).collect();
    store.forget_worker("zombie").await.unwrap();
    let before = record(&*store, "cam").await;
    // The lease is lost even before another worker has it, and knowing the new lease's number is
    // not enough.
    for successor in [None, Some("b")] {
        if let Some(worker) = successor {
            acquire(&store, worker, LONG).await.unwrap();
        }
        let guess = Lease { fence: zombie.fence + 1, ..zombie.clone() };
        for lease in [&zombie, &guess] {
            let taken = store.take(lease, WorkPosition::default(), 10).await;
            assert_eq!(taken.unwrap_err(), Error::LeaseLost);
            let renewed = store.renew_lease(lease, LONG, &report("zombie")).await;
            assert_eq!(renewed, Err(Error::LeaseLost));
            let trimmed = store.trim_output(lease, &id("cam"), None, number(2)).await;
            assert_eq!(trimmed, Err(Error::LeaseLost));
            assert_eq!(store.finish(lease, &stale).await, Err(Error::LeaseLost));
            store.release_lease(lease).await.unwrap();
        }
        assert_eq!(record(&*store, "cam").await, before);
        audit(&*store).await;
    }
    assert_eq!(acquire(&store, "c", LONG).await, None, "the successor still holds it");
}

pub(crate) async fn a_successor_gets_all_unfinished_frames_in_order(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let first = acquire(&store, "first", LONG).await.unwrap();
    accept(&*store, (1..=6).map(|n| numbered("cam", n)).collect()).await;
    let items = take_all(&*store, &first).await;
    let finished: Vec<_> = items.iter().map(processed).collect();
    store.finish(&first, &finished[..2]).await.unwrap();
    // The worker crashes with four frames in work; two more are accepted meanwhile.
    store.forget_worker("first").await.unwrap();
    accept(&*store, vec![numbered("cam", 7), numbered("cam", 8)]).await;

    let second = acquire(&store, "second", LONG).await.unwrap();
    let inherited = take_all(&*store, &second).await;
    let sequences: Vec<_> = inherited.iter().map(|item| item.sequence.get()).collect();
    assert_eq!(sequences, [3, 4, 5, 6, 7, 8]);
    assert_eq!(store.finish(&first, &finished[2..]).await, Err(Error::LeaseLost));
    let results = store.finish(&second, &inherited.iter().map(processed).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(results, [FinishResult::Published; 6]);
    let page = store.read_outputs(&id("cam"), number(1), 100).await.unwrap();
    assert_eq!(numbers(&page.entries), [1, 2, 3, 4, 5, 6, 7, 8]);
    audit(&*store).await;
}
