//! Consumer groups, and streams that are unregistered under them.

use bytes::Bytes;
use frameway::queue::{AnswerResult, Claim, GapRun, Offer, Queue, RemovedStream, Seat, UntoldGaps, Verdict};

use crate::backend::Backend;
use crate::group_replay::dead;
use crate::groups::{claim, create, given, group_id, join, offer, say, settings};
use crate::support::*;

const GONE: u16 = 11;

fn runs(stream: &str, runs: &[(u64, u64)]) -> UntoldGaps {
    let run = |&(from, to): &(u64, u64)| GapRun { from: number(from), to: number(to), reason: GONE };
    UntoldGaps { stream_id: id(stream), runs: runs.iter().map(run).collect() }
}

async fn gaps(store: &dyn Queue, seat: &Seat, claim: &Claim) -> Vec<UntoldGaps> {
    store.claim_frames(seat, claim).await.unwrap().gaps
}

async fn drop_stream(store: &dyn Queue, stream: RemovedStream) {
    store.drop_group_streams(&group_id(), &[stream], GONE).await.unwrap();
}

pub(crate) async fn a_group_goes_on_behind_what_was_removed(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam"]).await;
    let a = join(&*store, "a", 1, LONG).await;
    let first = store.claim_frames(&a, &claim(&record, vec![offer("cam", 1, 1..=2)])).await.unwrap();
    say(&*store, &record, &first.deliveries[0], Verdict::Acknowledge).await;
    // Removed behind 5, and registered again: 1 is done, 2 is outstanding, the group did not come to 3 to 5.
    let back = RemovedStream { goes_on: true, ..removed("cam", 5) };
    drop_stream(&*store, back.clone()).await;
    assert_eq!(gaps(&*store, &a, &claim(&record, vec![])).await, [runs("cam", &[(2, 5)])]);
    let late = say(&*store, &record, &first.deliveries[1], Verdict::Acknowledge).await;
    assert_eq!(late, AnswerResult::Before);
    let new = store.claim_frames(&a, &claim(&record, vec![offer("cam", 6, 6..=7)])).await.unwrap();
    assert_eq!(given(&new), [(6, 1), (7, 1)]);
    // Who hears of the removal late takes nothing of the new life away.
    for late in [back, removed("cam", 5)] {
        drop_stream(&*store, late).await;
        assert!(gaps(&*store, &a, &claim(&record, vec![])).await.is_empty());
        let state = store.group_state(&group_id()).await.unwrap();
        assert_eq!(state.positions[&id("cam")].next, number(8));
        assert_eq!((state.members[0].outstanding_frames, state.counters.lost), (2, 1));
    }
    let done = say(&*store, &record, &new.deliveries[1], Verdict::Acknowledge).await;
    assert_eq!(done, AnswerResult::Done(None));
    // Of one that nobody knows any more, what is outstanding is all that can be told.
    drop_stream(&*store, RemovedStream { last: None, ..removed("cam", 0) }).await;
    assert_eq!(gaps(&*store, &a, &claim(&record, vec![])).await, [runs("cam", &[(6, 6)])]);
    assert!(store.group_state(&group_id()).await.unwrap().positions.is_empty());
}

pub(crate) async fn positions_wait_where_too_many_gaps_are_untold(backend: Backend) {
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
    assert_eq!(drop_all().await, 5, "so many have no room");
    let a = join(&*store, "a", 1, LONG).await;
    let taken = gaps(&*store, &a, &claim(&record, vec![])).await;
    let told = taken.iter().map(|one| (one.stream_id.clone(), number(1), number(3))).collect();
    gaps(&*store, &a, &Claim { told, ..claim(&record, vec![]) }).await;
    assert_eq!(drop_all().await, 0, "there is room again");
}

pub(crate) async fn a_frame_of_a_removed_stream_becomes_no_dead_letter(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    publish(&*store, &lease, "cam", 1).await;
    let entry = store.read_outputs(&id("cam"), number(1), 1).await.unwrap().entries.remove(0);
    // It is given up just as its stream goes.
    store.unregister_stream(&id("cam"), None).await.unwrap();
    for comes_back in [false, true] {
        if comes_back {
            register(&*store, "cam").await;
        }
        let copy = Offer::new(Bytes::from_static(b"a copy"));
        let payload = copy.payload;
        assert!(!store.bury_frame(&dead(&entry, &copy), Some(&copy), "once").await.unwrap());
        assert!(!is_stored(&*store, "cam", payload).await);
    }
    assert_eq!(store.dead_letter_totals().await.unwrap().letters, 0);
    publish(&*store, &lease, "cam", 1).await;
    let entry = store.read_outputs(&id("cam"), number(1), 1).await.unwrap().entries.remove(0);
    let copy = Offer::new(Bytes::from_static(b"a copy"));
    assert!(store.bury_frame(&dead(&entry, &copy), Some(&copy), "once").await.unwrap());
    assert_eq!(store.dead_letter_totals().await.unwrap().letters, 1);
    remove_leftovers(&*store, &lease).await;
    audit(&*store).await;
}
