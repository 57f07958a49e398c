//! Consumer groups whose streams are unregistered.

use bytes::Bytes;
use frameway::queue::{
    AckAction, AckResult, Claim, GapRun, Membership, Queue, RemovedStream, UnsentGaps, Upload,
};

use crate::backend::Backend;
use crate::group_replay::dead;
use crate::groups::{answer, claim, create, delivered, group_id, join, offer, settings};
use crate::support::*;

const GONE: u16 = 11;

fn runs(stream: &str, runs: &[(u64, u64)]) -> UnsentGaps {
    let run = |&(from, to): &(u64, u64)| GapRun { from: number(from), to: number(to), reason: GONE };
    UnsentGaps { stream_id: id(stream), runs: runs.iter().map(run).collect() }
}

async fn gaps(store: &dyn Queue, membership: &Membership, claim: &Claim) -> Vec<UnsentGaps> {
    store.claim_frames(membership, claim).await.unwrap().gaps
}

async fn drop_stream(store: &dyn Queue, stream: RemovedStream) {
    store.drop_group_streams(&group_id(), &[stream], GONE).await.unwrap();
}

pub(crate) async fn a_group_continues_after_the_removed_frames(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam"]).await;
    let a = join(&*store, "a", 1, LONG).await;
    let first = store.claim_frames(&a, &claim(&record, vec![offer("cam", 1, 1..=2)])).await.unwrap();
    answer(&*store, &record, &first.deliveries[0], AckAction::Acknowledge).await;
    // The stream was removed after 5 and registered again: 1 is done, 2 is outstanding, and the
    // group has not reached 3 to 5.
    let back = RemovedStream { continues: true, ..removed("cam", 5) };
    drop_stream(&*store, back.clone()).await;
    assert_eq!(gaps(&*store, &a, &claim(&record, vec![])).await, [runs("cam", &[(2, 5)])]);
    let late = answer(&*store, &record, &first.deliveries[1], AckAction::Acknowledge).await;
    assert_eq!(late, AckResult::AlreadyAcknowledged);
    let new = store.claim_frames(&a, &claim(&record, vec![offer("cam", 6, 6..=7)])).await.unwrap();
    assert_eq!(delivered(&new), [(6, 1), (7, 1)]);
    // A late report of the removal does not affect the new registration.
    for late in [back, removed("cam", 5)] {
        drop_stream(&*store, late).await;
        assert!(gaps(&*store, &a, &claim(&record, vec![])).await.is_empty());
        let state = store.group_state(&group_id()).await.unwrap();
        assert_eq!(state.positions[&id("cam")].next, number(8));
        assert_eq!((state.members[0].outstanding_frames, state.counters.lost), (2, 1));
    }
    let done = answer(&*store, &record, &new.deliveries[1], AckAction::Acknowledge).await;
    assert_eq!(done, AckResult::Done(None));
    // If the last sequence is not known any more, only the outstanding frames are reported as gaps.
    drop_stream(&*store, RemovedStream { last: None, ..removed("cam", 0) }).await;
    assert_eq!(gaps(&*store, &a, &claim(&record, vec![])).await, [runs("cam", &[(6, 6)])]);
    assert!(store.group_state(&group_id()).await.unwrap().positions.is_empty());
}

pub(crate) async fn positions_wait_while_too_many_gaps_are_unsent(backend: Backend) {
    const MAX_RUNS: usize = 10_000;
    let store = backend.open().await;
    let names: Vec<String> = (0..MAX_RUNS + 5).map(|n| format!("cam-{n}")).collect();
    let record = create(&*store, &settings(), &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let gone: Vec<RemovedStream> = names.iter().map(|name| removed(name, 3)).collect();
    let drop_all = async || {
        for some in gone.chunks(1_000) {
            store.drop_group_streams(&group_id(), some, GONE).await.unwrap();
        }
        store.group_state(&group_id()).await.unwrap().positions.len()
    };
    assert_eq!(drop_all().await, 5, "there is no room for so many gaps");
    let a = join(&*store, "a", 1, LONG).await;
    let taken = gaps(&*store, &a, &claim(&record, vec![])).await;
    let received_gaps = taken.iter().map(|one| (one.stream_id.clone(), number(1), number(3))).collect();
    gaps(&*store, &a, &Claim { received_gaps, ..claim(&record, vec![]) }).await;
    assert_eq!(drop_all().await, 0, "there is room again");
}

pub(crate) async fn a_frame_of_a_removed_stream_becomes_no_dead_letter(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    publish(&*store, &lease, "cam", 1).await;
    let entry = store.read_outputs(&id("cam"), number(1), 1).await.unwrap().entries.remove(0);
    // The frame is given up while its stream is unregistered.
    store.unregister_stream(&id("cam"), None).await.unwrap();
    for comes_back in [false, true] {
        if comes_back {
            register(&*store, "cam").await;
        }
        let copy = Upload::new(Bytes::from_static(b"a copy"));
        let payload = copy.payload;
        assert!(!store.insert_dead_letter(&dead(&entry, &copy), Some(&copy), "once").await.unwrap());
        assert!(!is_stored(&*store, "cam", payload).await);
    }
    assert_eq!(store.dead_letter_totals().await.unwrap().letters, 0);
    publish(&*store, &lease, "cam", 1).await;
    let entry = store.read_outputs(&id("cam"), number(1), 1).await.unwrap().entries.remove(0);
    let copy = Upload::new(Bytes::from_static(b"a copy"));
    assert!(store.insert_dead_letter(&dead(&entry, &copy), Some(&copy), "once").await.unwrap());
    assert_eq!(store.dead_letter_totals().await.unwrap().letters, 1);
    clean_up(&*store, &lease).await;
    audit(&*store).await;
}
