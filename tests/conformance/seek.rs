//! Finding a place in an output by time, and what a stream's counters say of it.

use std::time::Duration;

use frameway::domain::{StallTimeout, StreamSettings, Timestamp};

use crate::backend::Backend;
use crate::support::*;

pub(crate) async fn the_first_entry_since_a_time_is_found(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let first_at = async |time| {
        let found = store.first_at(&id("cam"), time).await.unwrap();
        found.map(|entry| entry.sequence.get())
    };
    let begin = Timestamp::from_micros(0);
    assert_eq!(first_at(begin).await, None);
    assert!(store.first_at(&id("nobody"), begin).await.unwrap().is_none());
    let lease = lease_of(&*store, "cam", "w").await;
    for count in [1, 4, 2, 9, 1] {
        publish(&*store, &lease, "cam", count).await; // those of one call are received at the same time, or nearly
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for trimmed in [0, 3] {
        if trimmed > 0 {
            store.trim_output(&lease, &id("cam"), None, 17 - trimmed, u64::MAX, begin).await.unwrap();
        }
        let entries = store.read_outputs(&id("cam"), number(1), 100).await.unwrap().entries;
        assert_eq!(entries.len() as u64, 17 - trimmed);
        for entry in &entries {
            for time in [entry.received_time, entry.received_time.after(Duration::from_micros(1))] {
                let wanted = entries.iter().find(|entry| entry.received_time >= time);
                assert_eq!(first_at(time).await, wanted.map(|entry| entry.sequence.get()));
            }
        }
        assert_eq!(first_at(begin).await, Some(1 + trimmed));
        let whole = store.first_at(&id("cam"), begin).await.unwrap().unwrap();
        assert_eq!(whole, entries[0]);
    }
    audit(&*store).await;
}

pub(crate) async fn failures_in_a_row_are_counted(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    for (fails, in_row) in [(false, 0), (true, 1), (true, 2), (true, 3), (false, 0), (true, 1)] {
        accept(&*store, vec![frame("cam", "x")]).await;
        let items = take_all(&*store, &lease).await;
        let done = if fails { failed(&items[0]) } else { processed(&items[0]) };
        store.finish(&lease, &[done]).await.unwrap();
        assert_eq!(record(&*store, "cam").await.counters.failed_in_row, in_row);
    }
}

pub(crate) async fn a_stall_timeout_is_kept(backend: Backend) {
    let store = backend.open().await;
    let stall_timeout = StallTimeout(Duration::from_millis(2_500));
    let settings = StreamSettings { stall_timeout, ..StreamSettings::default() };
    store.register_stream(&id("cam"), &settings).await.unwrap();
    assert_eq!(record(&*store, "cam").await.settings, settings);
    register(&*store, "plain").await;
    assert_eq!(record(&*store, "plain").await.settings.stall_timeout, StallTimeout::default());
}
