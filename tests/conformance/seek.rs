//! Finding a position in an output by time, and a stream's counters.

use std::time::Duration;

use frameway::domain::{OutputBody, OutputEntry, StallTimeout, StreamSettings, Timestamp};
use frameway::queue::FoundAt;

use crate::backend::Backend;
use crate::support::*;

pub(crate) async fn the_first_entry_since_a_time_is_found(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let first_at = async |time| {
        let found = store.first_at(&id("cam"), time).await.unwrap();
        found.entry.map(|entry| entry.sequence.get())
    };
    let begin = Timestamp::from_micros(0);
    assert_eq!(first_at(begin).await, None);
    assert_eq!(store.first_at(&id("nobody"), begin).await.unwrap(), FoundAt::default());
    let lease = lease_of(&*store, "cam", "w").await;
    for count in [1, 4, 2, 9, 1] {
        publish(&*store, &lease, "cam", count).await; // received at nearly the same time
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for trimmed in [0, 3] {
        if trimmed > 0 {
            keep_newest(&*store, &lease, "cam", 17 - trimmed as usize).await;
        }
        let entries = store.read_outputs(&id("cam"), number(1), 100).await.unwrap().entries;
        assert_eq!(entries.len() as u64, 17 - trimmed);
        for entry in &entries {
            for time in [entry.receive_time, entry.receive_time.after(Duration::from_micros(1))] {
                let wanted = entries.iter().find(|entry| entry.receive_time >= time);
                assert_eq!(first_at(time).await, wanted.map(|entry| entry.sequence.get()));
            }
        }
        assert_eq!(first_at(begin).await, Some(1 + trimmed));
        let whole = store.first_at(&id("cam"), begin).await.unwrap();
        assert_eq!(whole.entry.as_ref(), Some(&entries[0]));
        assert_eq!(whole.oldest, Some(entries[0].receive_time));
    }
    audit(&*store).await;
}

pub(crate) async fn the_entries_before_a_sequence_are_read_newest_first(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let before = async |sequence, limit| {
        numbers(&store.outputs_before(&id("cam"), number(sequence), limit).await.unwrap())
    };
    assert!(store.outputs_before(&id("nobody"), number(9), 9).await.unwrap().is_empty());
    assert!(before(9, 9).await.is_empty());
    let lease = lease_of(&*store, "cam", "w").await;
    publish(&*store, &lease, "cam", 8).await;
    let all = [8, 7, 6, 5, 4, 3, 2, 1];
    for sequence in 1..=10 {
        let earlier: Vec<u64> = all.into_iter().filter(|&one| one < sequence).collect();
        for limit in [1, 3, 8, 100] {
            assert_eq!(before(sequence, limit).await, earlier[..earlier.len().min(limit)], "{sequence}");
        }
    }
    let entries = store.outputs_before(&id("cam"), number(4), 2).await.unwrap();
    let page = store.read_outputs(&id("cam"), number(2), 2).await.unwrap().entries;
    assert!(entries.iter().rev().eq(page.iter()), "the entries are those of a page");
    keep_newest(&*store, &lease, "cam", 3).await;
    assert_eq!(before(9, 100).await, [8, 7, 6]);
    assert_eq!(before(7, 100).await, [6]);
    assert!(before(6, 100).await.is_empty());
    // The frames of an earlier registration cannot be read.
    store.unregister_stream(&id("cam"), None).await.unwrap();
    assert!(before(9, 100).await.is_empty());
    register(&*store, "cam").await;
    publish(&*store, &lease, "cam", 2).await;
    assert_eq!(before(100, 100).await, [10, 9]);
    clean_up(&*store, &lease).await;
    audit(&*store).await;
}

pub(crate) async fn the_time_up_to_which_retention_removed_frames_is_known(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    register(&*store, "other").await;
    let begin = Timestamp::from_micros(0);
    let lease = lease_of(&*store, "cam", "w").await;
    for _ in 0..6 {
        publish(&*store, &lease, "cam", 1).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let entries = store.read_outputs(&id("cam"), number(1), 100).await.unwrap().entries;
    assert_eq!(store.first_at(&id("cam"), begin).await.unwrap().trimmed_until, None);
    for (keep, taken) in [(4, 1), (3, 2), (3, 2), (0, 5)] {
        keep_newest(&*store, &lease, "cam", keep).await;
        let (until, oldest) =
            (Some(entries[taken].receive_time), entries.get(taken + 1).map(|entry| entry.receive_time));
        // The same holds if the time is after that of all kept entries.
        for time in [begin, entries[5].receive_time.after(Duration::from_micros(1))] {
            let found = store.first_at(&id("cam"), time).await.unwrap();
            assert_eq!((found.trimmed_until, found.oldest), (until, oldest), "{keep} kept");
        }
        assert_eq!(record(&*store, "cam").await.counters.trimmed_until, until);
    }
    assert_eq!(store.first_at(&id("other"), begin).await.unwrap(), FoundAt::default());
    // A stream that is registered again does not forget what retention removed.
    store.unregister_stream(&id("cam"), None).await.unwrap();
    register(&*store, "cam").await;
    let until = store.first_at(&id("cam"), begin).await.unwrap().trimmed_until;
    assert_eq!(until, Some(entries[5].receive_time));
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

pub(crate) async fn frames_over_their_budget_are_counted(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    let steps = [(true, 1, 1), (true, 2, 2), (false, 2, 0), (true, 3, 1)];
    for (over, frames, in_row) in steps {
        accept(&*store, vec![frame("cam", "x")]).await;
        let items = take_all(&*store, &lease).await;
        let mut done = processed(&items[0]);
        let OutputBody::Frame(frame) = &mut done.body else { unreachable!("it is processed") };
        frame.over_budget = over;
        store.finish(&lease, &[done]).await.unwrap();
        let counters = record(&*store, "cam").await.counters;
        assert_eq!((counters.over_budget_frames, counters.over_budget_in_row), (frames, in_row));
    }
    // A failed frame does not change the counters of the budget.
    accept(&*store, vec![frame("cam", "x")]).await;
    let items = take_all(&*store, &lease).await;
    store.finish(&lease, &[failed(&items[0])]).await.unwrap();
    assert_eq!(record(&*store, "cam").await.counters.over_budget_in_row, 1);
    let stats = store.partition_stats(lease.partition).await.unwrap();
    assert_eq!((stats.over_budget, stats.processed, stats.failed), (3, 4, 1));
    let entries = store.read_outputs(&id("cam"), number(1), 100).await.unwrap().entries;
    let flagged = |entry: &OutputEntry| matches!(&entry.body, OutputBody::Frame(frame) if frame.over_budget);
    assert_eq!(
        entries.iter().map(|entry| flagged(entry)).collect::<Vec<_>>(),
        [true, true, false, true, false]
    );
    audit(&*store).await;
    // The counters of a stream that is registered again start from zero, even if a frame of it
    // still waits.
    accept(&*store, vec![frame("cam", "x")]).await;
    store.unregister_stream(&id("cam"), None).await.unwrap();
    register(&*store, "cam").await;
    let counters = record(&*store, "cam").await.counters;
    assert_eq!((counters.over_budget_frames, counters.over_budget_in_row), (0, 0));
}

pub(crate) async fn a_stall_timeout_is_kept(backend: Backend) {
    let store = backend.open().await;
    let stall_timeout = StallTimeout(Duration::from_millis(2_500));
    let settings = StreamSettings { stall_timeout: Some(stall_timeout), ..StreamSettings::default() };
    store.register_stream(&id("cam"), &settings).await.unwrap();
    assert_eq!(record(&*store, "cam").await.settings, settings);
    register(&*store, "plain").await;
    assert_eq!(record(&*store, "plain").await.settings.stall_timeout, None);
}
