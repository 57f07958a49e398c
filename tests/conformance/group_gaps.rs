//! Gaps of consumer groups: the group keeps them until a client has received them.

use frameway::queue::{
    AckAction, AckResult, Claim, ClaimCandidates, Claimed, EndedFrame, FrameEnd, GapRun, Membership, Queue,
    UnsentGaps,
};

use crate::backend::Backend;
use crate::groups::{answer, claim, create, delivered, group_id, join, offer, settings};
use crate::support::*;

const PURGED: u16 = 7;
const LOST: u16 = 8;
const GONE: u16 = 11;

fn run(from: u64, to: u64, reason: u16) -> GapRun {
    GapRun { from: number(from), to: number(to), reason }
}

fn unsent(stream: &str, runs: &[GapRun]) -> UnsentGaps {
    UnsentGaps { stream_id: id(stream), runs: runs.to_vec() }
}

/// Returns candidates from 1 to `last`, all skipped except for the last one.
fn passing_over(stream: &str, last: u64) -> ClaimCandidates {
    let mut offer = offer(stream, 1, 1..=last);
    for candidate in offer.candidates.iter_mut().filter(|one| one.sequence.get() < last) {
        candidate.skip = true;
        candidate.gaps = vec![run(candidate.sequence.get(), candidate.sequence.get(), PURGED)];
    }
    offer
}

async fn next(store: &dyn Queue, membership: &Membership, claim: &Claim) -> Claimed {
    store.claim_frames(membership, claim).await.unwrap()
}

pub(crate) async fn a_gap_is_sent_again_until_a_client_has_it(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam"]).await;
    let membership =
        |member: &str, session| Membership { group: group_id(), member: member.parse().unwrap(), session };
    let a = join(&*store, "a", 1, LONG).await;
    let first = next(&*store, &a, &claim(&record, vec![passing_over("cam", 4)])).await;
    assert_eq!(
        (delivered(&first), &first.gaps),
        (vec![(4, 1)], &vec![]),
        "a claim does not return the gaps of its own candidates"
    );
    let b = join(&*store, "b", 2, LONG).await;
    assert!(next(&*store, &b, &claim(&record, vec![])).await.gaps.is_empty(), "the first call is still open");
    let all = [unsent("cam", &[run(1, 3, PURGED)])];
    // The call ends, another call of the member replaces it, or the membership expires: each time
    // another call must send the gaps.
    store.leave_group(&a, &[]).await.unwrap();
    assert_eq!(next(&*store, &b, &claim(&record, vec![])).await.gaps, all);
    assert!(next(&*store, &b, &claim(&record, vec![])).await.gaps.is_empty(), "once");
    let b = membership("b", 3);
    store.join_group(&b, LONG).await.unwrap();
    let short = Claim { ttl: std::time::Duration::from_millis(50), ..claim(&record, vec![]) };
    assert_eq!(next(&*store, &b, &short).await.gaps, all);
    let c = join(&*store, "c", 4, LONG).await;
    let taken = crate::common::eventually("the membership expires", || async {
        Some(next(&*store, &c, &claim(&record, vec![])).await.gaps).filter(|gaps| !gaps.is_empty())
    })
    .await;
    assert_eq!(taken, all);
    // Gaps that the client has received are forgotten.
    let received_gaps = vec![(id("cam"), number(1), number(3)), (id("other"), number(1), number(9))];
    next(&*store, &c, &Claim { received_gaps, ..claim(&record, vec![]) }).await;
    store.leave_group(&c, &[]).await.unwrap();
    let d = join(&*store, "d", 5, LONG).await;
    assert!(next(&*store, &d, &claim(&record, vec![])).await.gaps.is_empty());
}

pub(crate) async fn an_ack_proves_that_earlier_gaps_were_received(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam", "other"]).await;
    let a = join(&*store, "a", 1, LONG).await;
    let offers = vec![passing_over("cam", 3), passing_over("other", 3)];
    let first = next(&*store, &a, &claim(&record, offers)).await;
    let behind = ClaimCandidates { from: number(4), ..passing_over("cam", 6) };
    let behind = ClaimCandidates { candidates: behind.candidates[3..].to_vec(), ..behind };
    next(&*store, &a, &claim(&record, vec![behind])).await;
    let cam = first.deliveries.iter().find(|one| one.stream_id == id("cam")).unwrap();
    assert_eq!(answer(&*store, &record, cam, AckAction::Acknowledge).await, AckResult::Done(None));
    store.leave_group(&a, &[]).await.unwrap();
    let b = join(&*store, "b", 2, LONG).await;
    let mut gaps = next(&*store, &b, &claim(&record, vec![])).await.gaps;
    gaps.sort_unstable_by(|a, b| a.stream_id.cmp(&b.stream_id));
    assert_eq!(gaps, [unsent("cam", &[run(4, 5, PURGED)]), unsent("other", &[run(1, 2, PURGED)])]);
    // Gaps that another call had before are sent in any order relative to frames, so an ack does
    // not prove that they were received.
    let frame = offer("cam", 7, 7..=7);
    let frame = next(&*store, &b, &claim(&record, vec![frame])).await.deliveries.remove(0);
    answer(&*store, &record, &frame, AckAction::Acknowledge).await;
    store.leave_group(&b, &[]).await.unwrap();
    let c = join(&*store, "c", 3, LONG).await;
    assert_eq!(next(&*store, &c, &claim(&record, vec![])).await.gaps.len(), 2);
}

pub(crate) async fn lost_frames_and_removed_streams_are_reported(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam", "gone"]).await;
    let a = join(&*store, "a", 1, LONG).await;
    let offers = vec![offer("cam", 1, 1..=2), offer("gone", 1, 1..=3)];
    let first = next(&*store, &a, &claim(&record, offers)).await;
    let lost = EndedFrame {
        stream_id: id("cam"),
        sequence: number(2),
        attempt: 1,
        letter: None,
        end: FrameEnd::Lost(LOST),
    };
    for _ in 0..2 {
        store.end_frames(&group_id(), std::slice::from_ref(&lost)).await.unwrap();
    }
    let done = first.deliveries.iter().find(|one| one.stream_id == id("gone") && one.sequence == number(2));
    answer(&*store, &record, done.unwrap(), AckAction::Acknowledge).await;
    // The output had five entries: 2 is done, 1 and 3 are outstanding, and the group has not
    // reached 4 and 5.
    for _ in 0..2 {
        store.drop_group_streams(&group_id(), &[removed("gone", 5)], GONE).await.unwrap();
    }
    let mut gaps = next(&*store, &a, &claim(&record, vec![])).await.gaps;
    gaps.sort_unstable_by(|a, b| a.stream_id.cmp(&b.stream_id));
    let expected = [unsent("cam", &[run(2, 2, LOST)]), unsent("gone", &[run(1, 1, GONE), run(3, 5, GONE)])];
    assert_eq!(gaps, expected);
    let late = first.deliveries.iter().find(|one| one.stream_id == id("cam") && one.sequence == number(2));
    let late = answer(&*store, &record, late.unwrap(), AckAction::Acknowledge).await;
    assert_eq!(late, AckResult::Ended(frameway::queue::EndReason::Lost));
    // After a seek the stream is read again: no gaps of it are left to send.
    store.leave_group(&a, &[]).await.unwrap();
    store.seek_group(&group_id(), &[(id("cam"), number(1)), (id("gone"), number(1))], None).await.unwrap();
    let b = join(&*store, "b", 2, LONG).await;
    assert!(next(&*store, &b, &claim(&record, vec![])).await.gaps.is_empty());
}

pub(crate) async fn unsent_gaps_are_bounded_and_none_is_lost(backend: Backend) {
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
    assert_eq!(at, number(30_003), "the group does not advance to another gap: {:?}", claimed.streams);
    let received_gaps = vec![(id("cam"), number(1), number(29_999))];
    let mut rest = offer("cam", 30_003, 30_003..=30_003);
    rest.candidates[0].skip = true;
    rest.candidates[0].gaps = vec![run(30_003, 30_003, LOST)];
    next(&*store, &a, &Claim { received_gaps, ..claim(&record, vec![rest]) }).await;
    store.leave_group(&a, &[]).await.unwrap();
    let b = join(&*store, "b", 2, LONG).await;
    let gaps = next(&*store, &b, &claim(&record, vec![])).await.gaps;
    assert_eq!(gaps, [unsent("cam", &[run(30_002, 30_002, PURGED), run(30_003, 30_003, LOST)])]);
}
