//! Frames that may have killed a worker: who is careful with which, and what counts as a strike.

use std::time::Duration;

use frameway::queue::{Error, Lease, Queue, WorkItem};

use crate::backend::Backend;
use crate::common::eventually;
use crate::support::*;

const IN_FLIGHT: usize = 16;

/// A worker that dies: its supervisor says so.
async fn die(queue: &dyn Queue, worker: &str) {
    queue.forget_worker(worker).await.unwrap();
}

/// The next holder, its life being `life`, and the places that it is to be careful with.
async fn next(queue: &dyn Queue, worker: &str, life: u64) -> (Lease, usize, Vec<WorkItem>) {
    let lease = lease_of(queue, "cam", worker).await;
    let until = queue.inherit(&lease, life, IN_FLIGHT).await.unwrap();
    let items = take_all(queue, &lease).await;
    let careful = items.iter().filter(|item| until.is_some_and(|until| item.position <= until)).count();
    (lease, careful, items)
}

pub(crate) async fn a_successor_is_careful_with_what_was_in_work(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, (1..=20).map(|n| numbered("cam", n)).collect()).await;
    let (lease, careful, items) = next(&*store, "a", 1).await;
    assert_eq!((careful, items.len()), (0, 20), "nobody was there before");
    store.finish(&lease, &[processed(&items[0])]).await.unwrap();
    die(&*store, "a").await;
    let (lease, careful, _) = next(&*store, "b", 2).await;
    assert_eq!(careful, IN_FLIGHT, "as many as a worker has in work");
    assert!(store.inherit(&lease, 2, IN_FLIGHT).await.unwrap().is_some(), "the answer may be lost");
    // What comes later is not inherited.
    accept(&*store, vec![numbered("cam", 21)]).await;
    assert_eq!(store.inherit(&lease, 2, IN_FLIGHT).await.unwrap(), Some(items[IN_FLIGHT].position));
    // Who gives back in good order leaves care to be taken only of what was inherited before.
    work_off(&*store, &lease).await;
    accept(&*store, vec![numbered("cam", 22)]).await;
    store.release_lease(&lease).await.unwrap();
    let (lease, careful, _) = next(&*store, "c", 3).await;
    assert_eq!(careful, 0);
    store.release_lease(&lease).await.unwrap();
    assert_eq!(store.inherit(&lease, 3, IN_FLIGHT).await.unwrap_err(), Error::LeaseLost);
}

pub(crate) async fn a_holder_whose_term_runs_out_has_not_left_cleanly(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, vec![numbered("cam", 1)]).await;
    let partition = store.partitions().of(&id("cam"));
    store.acquire_lease(partition, "a", Duration::from_millis(50)).await.unwrap().expect("it is free");
    let lease =
        eventually("the term is over", || async { store.acquire_lease(partition, "b", LONG).await.unwrap() })
            .await;
    assert!(store.inherit(&lease, 2, IN_FLIGHT).await.unwrap().is_some());
}

pub(crate) async fn a_death_counts_for_the_frame_that_was_alone(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, (1..=2).map(|n| numbered("cam", n)).collect()).await;
    let (_, _, items) = next(&*store, "w0", 100).await;
    die(&*store, "w0").await; // with both in work: nobody's fault yet
    let suspect = items[0].position;
    for strikes in 0..3 {
        let (worker, life) = (format!("w{}", strikes + 1), u64::from(strikes));
        let (lease, careful, _) = next(&*store, &worker, life).await;
        assert_eq!(careful, 2);
        assert_eq!(store.begin_alone(&lease, suspect, life).await.unwrap(), strikes);
        assert_eq!(
            store.begin_alone(&lease, suspect, life).await.unwrap(),
            strikes,
            "the answer may be lost"
        );
        die(&*store, &worker).await;
    }
    let (lease, _, _) = next(&*store, "w4", 4).await;
    assert_eq!(store.begin_alone(&lease, suspect, 4).await.unwrap(), 3, "it is not to be run");
    assert_eq!(store.begin_alone(&lease, items[1].position, 4).await.unwrap(), 0, "its neighbour has none");
    store.finish(&lease, &[failed(&items[0]), processed(&items[1])]).await.unwrap();
    audit(&*store).await;
}

pub(crate) async fn what_counts_as_no_strike(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    accept(&*store, (1..=3).map(|n| numbered("cam", n)).collect()).await;
    let (lease, _, items) = next(&*store, "a", 1).await;
    // A clean give-back.
    store.begin_alone(&lease, items[0].position, 1).await.unwrap();
    store.release_lease(&lease).await.unwrap();
    let (lease, _, _) = next(&*store, "b", 2).await;
    assert_eq!(store.begin_alone(&lease, items[0].position, 2).await.unwrap(), 0, "given back in good order");
    // A death after the frame was through.
    store.finish(&lease, &[processed(&items[0])]).await.unwrap();
    die(&*store, "b").await;
    let (lease, _, _) = next(&*store, "c", 3).await;
    assert_eq!(store.begin_alone(&lease, items[1].position, 3).await.unwrap(), 0, "another had died");
    // A lease lost by a worker that lives on.
    die(&*store, "c").await;
    let (lease, careful, _) = next(&*store, "c", 3).await;
    assert_eq!(careful, 2);
    assert_eq!(store.begin_alone(&lease, items[1].position, 3).await.unwrap(), 0, "it has not died");
    // A strike stays over a clean give-back.
    die(&*store, "c").await;
    let (lease, _, _) = next(&*store, "d", 4).await;
    assert_eq!(store.begin_alone(&lease, items[1].position, 4).await.unwrap(), 1);
    store.release_lease(&lease).await.unwrap();
    let (lease, _, _) = next(&*store, "e", 5).await;
    assert_eq!(store.begin_alone(&lease, items[1].position, 5).await.unwrap(), 1);
}
