//! A stream that is unregistered, and comes back at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use frameway::domain::{RetentionPolicy, StreamSettings, Timestamp};
use frameway::queue::{AcceptResult, Queue};
use frameway::worker::{Worker, WorkerConfig};
use tokio_util::sync::CancellationToken;

use crate::backend::Backend;
use crate::common::{DEADLINE, spawn};
use crate::support::*;

/// Between two passes of retention. It reads all streams in one pass out of ten: what it read is old in between.
const PASS: Duration = Duration::from_millis(100);

/// A stream of the same partition that keeps one frame: what it loses shows that retention has passed.
const WITNESS: &str = "witness";

async fn wait_for_output(store: &dyn Queue, stream: &str, expected: &[u64]) {
    let start = Instant::now();
    loop {
        let page = store.read_outputs(&id(stream), number(1), 1_000).await.unwrap();
        if numbers(&page.entries) == expected {
            return;
        }
        assert!(start.elapsed() < DEADLINE, "{stream}: {:?} is not {expected:?}", numbers(&page.entries));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn it_keeps_every_frame_while_retention_runs(backend: Backend) {
    let store = backend.open_with(crate::backend::Settings { partitions: 1, ..Default::default() }).await;
    let one = RetentionPolicy { max_frames: 1, ..RetentionPolicy::default() };
    let witness = StreamSettings { retention: one, ..StreamSettings::default() };
    store.register_stream(&id(WITNESS), &witness).await.unwrap();
    register(&*store, "cam").await;
    let config = WorkerConfig { retention_interval: PASS, threads: 1, ..WorkerConfig::default() };
    let (worker, stop) = (Worker::new(Arc::clone(&store.queue), config).unwrap(), CancellationToken::new());
    let worker = spawn(worker.run(stop.clone()));

    let (mut expected, mut seen) = (Vec::new(), 0);
    for _ in 0..3 {
        expected.extend(accept(&*store, vec![frame("cam", "old"), frame("cam", "older")]).await);
        wait_for_output(&*store, "cam", &expected).await;
        let last = expected.pop().unwrap();
        store.unregister_stream(&id("cam"), None).await.unwrap();
        wait_for_output(&*store, "cam", &[]).await;
        register(&*store, "cam").await;
        expected.clear();
        for picture in ["a", "b", "c"] {
            match accept_one(&*store, frame("cam", picture)).await {
                AcceptResult::Accepted(sequence) => expected.push(sequence.get()),
                other => panic!("not accepted: {other:?}"),
            }
            wait_for_output(&*store, "cam", &expected).await;
            // Two more passes at least.
            for _ in 0..2 {
                accept(&*store, vec![frame(WITNESS, "x"), frame(WITNESS, "y")]).await;
                seen += 2;
                wait_for_output(&*store, WITNESS, &[seen]).await;
            }
            wait_for_output(&*store, "cam", &expected).await;
        }
        assert!(expected[0] > last, "its numbers go on");
    }
    stop.cancel();
    worker.await.unwrap();
    audit(&*store).await;
}

pub(crate) async fn what_was_asked_of_an_unregistered_stream_is_decided_anew(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    store.unregister_stream(&id("cam"), None).await.unwrap();
    register(&*store, "cam").await;
    publish(&*store, &lease, "cam", 3).await;
    let never = Timestamp::from_micros(0);
    let trimmed = store.trim_output(&lease, &id("cam"), u64::MAX, u64::MAX, never).await.unwrap();
    assert_eq!((trimmed.frames, trimmed.more), (0, false), "it is registered");
    store.unregister_stream(&id("cam"), None).await.unwrap();
    let trimmed = store.trim_output(&lease, &id("cam"), u64::MAX, u64::MAX, never).await.unwrap();
    assert_eq!((trimmed.frames, trimmed.more), (3, false), "of an unregistered one all goes");
    audit(&*store).await;
}
