//! Gaps of consumer groups: they are the group's until a member's client has them.

use frameway::queue::{
    AnswerResult, Claim, Claimed, GapRun, Queue, Seat, Settled, Settlement, StreamOffer, UntoldGaps, Verdict,
};

use crate::backend::Backend;
use crate::groups::{claim, create, given, group_id, join, offer, say, settings};
use crate::support::*;

const PURGED: u16 = 7;
const LOST: u16 = 8;
const GONE: u16 = 11;

fn run(from: u64, to: u64, reason: u16) -> GapRun {
    GapRun { from: number(from), to: number(to), reason }
}

fn untold(stream: &str, runs: &[GapRun]) -> UntoldGaps {
    UntoldGaps { stream_id: id(stream), runs: runs.to_vec() }
}

/// An offer of the numbers from 1 to `last`, all passed over but the last one.
fn passing_over(stream: &str, last: u64) -> StreamOffer {
    let mut offer = offer(stream, 1, 1..=last);
    for candidate in offer.candidates.iter_mut().filter(|one| one.sequence.get() < last) {
        candidate.skip = true;
        candidate.gaps = vec![run(candidate.sequence.get(), candidate.sequence.get(), PURGED)];
    }
    offer
}

async fn next(store: &dyn Queue, seat: &Seat, claim: &Claim) -> Claimed {
    store.claim_frames(seat, claim).await.unwrap()
}

pub(crate) async fn a_gap_goes_to_another_call_until_a_client_has_it(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam"]).await;
    let seat = |member: &str, session| Seat { group: group_id(), member: member.parse().unwrap(), session };
    let a = join(&*store, "a", 1, LONG).await;
    let first = next(&*store, &a, &claim(&record, vec![passing_over("cam", 4)])).await;
    assert_eq!((given(&first), &first.gaps), (vec![(4, 1)], &vec![]), "its own offers tell it");
    let b = join(&*store, "b", 2, LONG).await;
    assert!(next(&*store, &b, &claim(&record, vec![])).await.gaps.is_empty(), "the first call lives");
    let all = [untold("cam", &[run(1, 3, PURGED)])];
    // Its call ends; another call of it takes its place; its seat lapses: each time they are somebody else's to tell.
    store.leave_group(&a, &[]).await.unwrap();
    assert_eq!(next(&*store, &b, &claim(&record, vec![])).await.gaps, all);
    assert!(next(&*store, &b, &claim(&record, vec![])).await.gaps.is_empty(), "once");
    let b = seat("b", 3);
    store.join_group(&b, LONG).await.unwrap();
    let short = Claim { ttl: std::time::Duration::from_millis(50), ..claim(&record, vec![]) };
    assert_eq!(next(&*store, &b, &short).await.gaps, all);
    let c = join(&*store, "c", 4, LONG).await;
    let taken = crate::common::eventually("the seat lapses", || async {
        Some(next(&*store, &c, &claim(&record, vec![])).await.gaps).filter(|gaps| !gaps.is_empty())
    })
    .await;
    assert_eq!(taken, all);
    // A part that the client has is forgotten, and nothing else.
    let told = vec![(id("cam"), number(1), number(3)), (id("other"), number(1), number(9))];
    next(&*store, &c, &Claim { told, ..claim(&record, vec![]) }).await;
    store.leave_group(&c, &[]).await.unwrap();
    let d = join(&*store, "d", 5, LONG).await;
    assert!(next(&*store, &d, &claim(&record, vec![])).await.gaps.is_empty());
}

pub(crate) async fn an_ack_of_a_frame_proves_the_gaps_below_it(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam", "other"]).await;
    let a = join(&*store, "a", 1, LONG).await;
    let offers = vec![passing_over("cam", 3), passing_over("other", 3)];
    let first = next(&*store, &a, &claim(&record, offers)).await;
    let behind = StreamOffer { from: number(4), ..passing_over("cam", 6) };
    let behind = StreamOffer { candidates: behind.candidates[3..].to_vec(), ..behind };
    next(&*store, &a, &claim(&record, vec![behind])).await;
    let cam = first.deliveries.iter().find(|one| one.stream_id == id("cam")).unwrap();
    assert_eq!(say(&*store, &record, cam, Verdict::Acknowledge).await, AnswerResult::Done(None));
    store.leave_group(&a, &[]).await.unwrap();
    let b = join(&*store, "b", 2, LONG).await;
    let mut gaps = next(&*store, &b, &claim(&record, vec![])).await.gaps;
    gaps.sort_unstable_by(|a, b| a.stream_id.cmp(&b.stream_id));
    assert_eq!(gaps, [untold("cam", &[run(4, 5, PURGED)]), untold("other", &[run(1, 2, PURGED)])]);
    // What was another call's before is told in no order with frames: an ack proves nothing.
    let frame = offer("cam", 7, 7..=7);
    let frame = next(&*store, &b, &claim(&record, vec![frame])).await.deliveries.remove(0);
    say(&*store, &record, &frame, Verdict::Acknowledge).await;
    store.leave_group(&b, &[]).await.unwrap();
    let c = join(&*store, "c", 3, LONG).await;
    assert_eq!(next(&*store, &c, &claim(&record, vec![])).await.gaps.len(), 2);
}

pub(crate) async fn frames_that_are_lost_and_streams_that_go_are_told(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam", "gone"]).await;
    let a = join(&*store, "a", 1, LONG).await;
    let offers = vec![offer("cam", 1, 1..=2), offer("gone", 1, 1..=3)];
    let first = next(&*store, &a, &claim(&record, offers)).await;
    let lost = Settled {
        stream_id: id("cam"),
        sequence: number(2),
        attempt: 1,
        letter: None,
        settlement: Settlement::Lost(LOST),
    };
    for _ in 0..2 {
        store.settle_frames(&group_id(), std::slice::from_ref(&lost)).await.unwrap();
    }
    let done = first.deliveries.iter().find(|one| one.stream_id == id("gone") && one.sequence == number(2));
    say(&*store, &record, done.unwrap(), Verdict::Acknowledge).await;
    // Its output had five: 2 is done, 1 and 3 are outstanding, the group did not come to 4 and 5.
    for _ in 0..2 {
        store.drop_group_streams(&group_id(), &[removed("gone", 5)], GONE).await.unwrap();
    }
    let mut gaps = next(&*store, &a, &claim(&record, vec![])).await.gaps;
    gaps.sort_unstable_by(|a, b| a.stream_id.cmp(&b.stream_id));
    let expected = [untold("cam", &[run(2, 2, LOST)]), untold("gone", &[run(1, 1, GONE), run(3, 5, GONE)])];
    assert_eq!(gaps, expected);
    let late = first.deliveries.iter().find(|one| one.stream_id == id("cam") && one.sequence == number(2));
    let late = say(&*store, &record, late.unwrap(), Verdict::Acknowledge).await;
    assert_eq!(late, AnswerResult::Ended(frameway::queue::Ended::Lost));
    // A seek reads the stream again: nothing is left to tell of it.
    store.leave_group(&a, &[]).await.unwrap();
    store.seek_group(&group_id(), &[(id("cam"), number(1)), (id("gone"), number(1))], None).await.unwrap();
    let b = join(&*store, "b", 2, LONG).await;
    assert!(next(&*store, &b, &claim(&record, vec![])).await.gaps.is_empty());
}

pub(crate) async fn gaps_that_nobody_takes_are_bounded_and_none_is_lost(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam"]).await;
    let a = join(&*store, "a", 1, LONG).await;
    let mut many = offer("cam", 1, 30_001..=30_004);
    for candidate in &mut many.candidates {
        candidate.skip = true;
    }
    many.candidates[0].gaps = (1..=9_999).map(|n| run(2 * n, 2 * n, LOST)).collect();
    many.candidates[1].gaps = vec![run(30_002, 30_002, PURGED)];
    many.candidates[2].gaps = vec![run(30_003, 30_003, LOST)];
    let claimed = next(&*store, &a, &claim(&record, vec![many])).await;
    let at = store.group_state(&group_id()).await.unwrap().positions[&id("cam")].next;
    assert_eq!(at, number(30_003), "the group comes to no further gap: {:?}", claimed.offers);
    let told = vec![(id("cam"), number(1), number(29_999))];
    let mut rest = offer("cam", 30_003, 30_003..=30_003);
    rest.candidates[0].skip = true;
    rest.candidates[0].gaps = vec![run(30_003, 30_003, LOST)];
    next(&*store, &a, &Claim { told, ..claim(&record, vec![rest]) }).await;
    store.leave_group(&a, &[]).await.unwrap();
    let b = join(&*store, "b", 2, LONG).await;
    let gaps = next(&*store, &b, &claim(&record, vec![])).await.gaps;
    assert_eq!(gaps, [untold("cam", &[run(30_002, 30_002, PURGED), run(30_003, 30_003, LOST)])]);
}
