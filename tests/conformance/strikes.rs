//! Isolation of the frames of a crashed worker, and what counts as a strike.

use std::time::Duration;

use frameway::queue::{Error, Lease, Queue, WorkItem, WorkPosition};

use crate::backend::Backend;
use crate::common::eventually;
use crate::support::*;

const IN_FLIGHT: usize = 16;

/// Crashes a worker: its supervisor removes it.
async fn crash(queue: &dyn Queue, worker: &str) {
    queue.forget_worker(worker).await.unwrap();
}

/// Acquires the lease for a process with this id; returns the positions that it must isolate.
async fn next(queue: &dyn Queue, worker: &str, life: u64) -> (Lease, usize, Vec<WorkItem>) {
    let lease = lease_of(queue, "cam", worker).await;
    let suspects = queue.take_over(&lease, life, IN_FLIGHT).await.unwrap();
    let items = take_all(queue, &lease).await;
    let careful = items.iter().filter(|item| suspects.contains(&item.position)).count();
    (lease, careful, items)
}

pub(crate) async fn a_successor_isolates_the_frames_that_were_in_work(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, (1..=20).map(|n| numbered("cam", n)).collect()).await;
    let (lease, careful, items) = next(&*store, "a", 1).await;
    assert_eq!((careful, items.len()), (0, 20), "nobody was there before");
    store.finish(&lease, &[processed(&items[0])]).await.unwrap();
    // Later frames were not taken.
    accept(&*store, (21..=40).map(|n| numbered("cam", n)).collect()).await;
    crash(&*store, "a").await;
    let (lease, careful, items) = next(&*store, "b", 2).await;
    assert_eq!((careful, items.len()), (19, 39), "all that were taken and not finished");
    let suspects: Vec<_> = items[..19].iter().map(|item| item.position).collect();
    let again = || async { sorted(store.take_over(&lease, 2, IN_FLIGHT).await.unwrap()) };
    assert_eq!(again().await, suspects, "the answer may be lost");
    // Later frames are not isolated.
    accept(&*store, vec![numbered("cam", 41)]).await;
    assert_eq!(again().await, suspects);
    // A holder that releases its lease leaves only the frames that it had to isolate itself.
    work_off(&*store, &lease).await;
    accept(&*store, vec![numbered("cam", 42)]).await;
    store.release_lease(&lease).await.unwrap();
    let (lease, careful, _) = next(&*store, "c", 3).await;
    assert_eq!(careful, 0);
    store.release_lease(&lease).await.unwrap();
    assert_eq!(store.take_over(&lease, 3, IN_FLIGHT).await.unwrap_err(), Error::LeaseLost);
}

pub(crate) async fn an_expired_lease_was_not_released_cleanly(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, vec![numbered("cam", 1)]).await;
    let partition = store.partitions().of(&id("cam"));
    store.acquire_lease(partition, "a", Duration::from_millis(50)).await.unwrap().expect("it is free");
    let lease =
        eventually("the term is over", || async { store.acquire_lease(partition, "b", LONG).await.unwrap() })
            .await;
    assert_eq!(store.take_over(&lease, 2, IN_FLIGHT).await.unwrap().len(), 1, "though it took nothing");
}

pub(crate) async fn frames_taken_out_of_order_are_isolated(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, (1..=60).map(|n| numbered("cam", n)).collect()).await;
    let lease = lease_of(&*store, "cam", "a").await;
    let listed = store.list_work(lease.partition, WorkPosition::default(), 100).await.unwrap();
    let position = |number: usize| listed[number - 1].0;
    let taken = store.take(&lease, WorkPosition::default(), 2).await.unwrap();
    for pair in [[40, 41], [50, 51]] {
        assert_eq!(store.take_chosen(&lease, &pair.map(position)).await.unwrap().len(), 2);
    }
    store.finish(&lease, &[processed(&taken[0])]).await.unwrap();
    crash(&*store, "a").await;
    let lease = lease_of(&*store, "cam", "b").await;
    let suspects = sorted(store.take_over(&lease, 2, 3).await.unwrap());
    assert_eq!(suspects, [2, 3, 4, 40, 41, 50, 51].map(position), "the oldest three, and the taken ones");
}

fn sorted(mut positions: Vec<WorkPosition>) -> Vec<WorkPosition> {
    positions.sort_unstable();
    positions
}

pub(crate) async fn a_crash_is_a_strike_for_the_isolated_frame(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, (1..=2).map(|n| numbered("cam", n)).collect()).await;
    let (_, _, items) = next(&*store, "w0", 100).await;
    crash(&*store, "w0").await; // with both in work: no frame gets a strike
    let suspect = items[0].position;
    for strikes in 0..3 {
        let (worker, life) = (format!("w{}", strikes + 1), u64::from(strikes));
        let (lease, careful, _) = next(&*store, &worker, life).await;
        assert_eq!(careful, 2);
        assert_eq!(store.begin_isolated(&lease, suspect, life).await.unwrap(), strikes);
        assert_eq!(
            store.begin_isolated(&lease, suspect, life).await.unwrap(),
            strikes,
            "the answer may be lost"
        );
        crash(&*store, &worker).await;
    }
    let (lease, _, _) = next(&*store, "w4", 4).await;
    assert_eq!(store.begin_isolated(&lease, suspect, 4).await.unwrap(), 3, "it must not be processed again");
    assert_eq!(
        store.begin_isolated(&lease, items[1].position, 4).await.unwrap(),
        0,
        "the other frame has no strike"
    );
    store.finish(&lease, &[failed(&items[0]), processed(&items[1])]).await.unwrap();
    audit(&*store).await;
}

pub(crate) async fn other_ends_of_a_worker_are_no_strike(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, (1..=3).map(|n| numbered("cam", n)).collect()).await;
    let (lease, _, items) = next(&*store, "a", 1).await;
    // A released lease.
    store.begin_isolated(&lease, items[0].position, 1).await.unwrap();
    store.release_lease(&lease).await.unwrap();
    let (lease, _, _) = next(&*store, "b", 2).await;
    assert_eq!(
        store.begin_isolated(&lease, items[0].position, 2).await.unwrap(),
        0,
        "the lease was released cleanly"
    );
    // A crash after the frame was finished.
    store.finish(&lease, &[processed(&items[0])]).await.unwrap();
    crash(&*store, "b").await;
    let (lease, _, _) = next(&*store, "c", 3).await;
    assert_eq!(store.begin_isolated(&lease, items[1].position, 3).await.unwrap(), 0, "another had died");
    // A lease that is lost by a worker that keeps running.
    crash(&*store, "c").await;
    let (lease, careful, _) = next(&*store, "c", 3).await;
    assert_eq!(careful, 2);
    assert_eq!(store.begin_isolated(&lease, items[1].position, 3).await.unwrap(), 0, "it has not died");
    // A strike survives a released lease.
    crash(&*store, "c").await;
    let (lease, _, _) = next(&*store, "d", 4).await;
    assert_eq!(store.begin_isolated(&lease, items[1].position, 4).await.unwrap(), 1);
    store.release_lease(&lease).await.unwrap();
    let (lease, _, _) = next(&*store, "e", 5).await;
    assert_eq!(store.begin_isolated(&lease, items[1].position, 5).await.unwrap(), 1);
}
