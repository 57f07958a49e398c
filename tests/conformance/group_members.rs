//! Members of consumer groups: the frames that they keep after they left, and their windows.

use frameway::domain::GroupSettings;
use frameway::queue::{AckAction, AckResult, Claim, Delivery, Error, Membership};

use crate::backend::Backend;
use crate::common::eventually;
use crate::groups::{
    AWAY, SHORT, answer, claim, create, delivered, group_id, join, offer, settings, wait_for_due,
};
use crate::support::*;

pub(crate) async fn frames_of_an_absent_member_are_redelivered_at_their_deadlines(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &GroupSettings { ack_deadline: Some(AWAY), ..settings() }, &["cam"]).await;
    let (a, b) = (join(&*store, "a", 1, LONG).await, join(&*store, "b", 2, LONG).await);
    let dying = Claim { ttl: SHORT, ..claim(&record, vec![offer("cam", 1, 1..=3)]) };
    let given_at = std::time::Instant::now();
    store.claim_frames(&a, &dying).await.unwrap();
    eventually("the dead member is not counted", || async {
        store.claim_frames(&b, &claim(&record, vec![])).await.unwrap();
        let members = store.group_state(&group_id()).await.unwrap().members;
        members.iter().all(|one| one.id.as_str() == "b").then_some(())
    })
    .await;
    let again = wait_for_due(&*store, &b, &claim(&record, vec![])).await;
    assert!(given_at.elapsed() >= AWAY, "they were the dead member's until then");
    assert_eq!(delivered(&again), [(1, 2), (2, 2), (3, 2)]);
    // The member was only slow: it joins again, without its frames.
    store.renew_membership(&a, LONG).await.unwrap();
    let state = store.group_state(&group_id()).await.unwrap();
    assert_eq!(state.members[0].outstanding_frames, 0);
}

pub(crate) async fn a_leaving_member_returns_unsent_frames_without_an_attempt(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam"]).await;
    let (a, b) = (join(&*store, "a", 1, LONG).await, join(&*store, "b", 2, LONG).await);
    let first = store.claim_frames(&a, &claim(&record, vec![offer("cam", 1, 1..=3)])).await.unwrap();
    store.leave_group(&a, &[(id("cam"), number(3))]).await.unwrap();
    store.leave_group(&a, &[]).await.unwrap();
    let again = wait_for_due(&*store, &b, &claim(&record, vec![])).await;
    assert_eq!(delivered(&again), [(3, 1)], "what was sent is still the first member's");
    // The member acknowledges its frames, although it has no call.
    for delivery in &first.deliveries[..2] {
        assert_eq!(answer(&*store, &record, delivery, AckAction::Acknowledge).await, AckResult::Done(None));
    }
    let state = store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.counters.redelivered, state.counters.acknowledged), (0, 2));
}

pub(crate) async fn a_group_has_at_most_a_thousand_members(backend: Backend) {
    let store = backend.open().await;
    create(&*store, &settings(), &[]).await;
    let membership =
        |member: String| Membership { group: group_id(), member: member.parse().unwrap(), session: 1 };
    for index in 0..1_000 {
        store.join_group(&membership(format!("m-{index}")), LONG).await.unwrap();
    }
    let one_more = store.join_group(&membership("one-more".to_owned()), LONG).await;
    assert_eq!(one_more.err(), Some(Error::TooManyMembers { limit: 1_000 }));
    // A member that returns keeps its place, and one that leaves frees it.
    store.join_group(&Membership { session: 2, ..membership("m-7".to_owned()) }, LONG).await.unwrap();
    store.leave_group(&membership("m-8".to_owned()), &[]).await.unwrap();
    store.join_group(&membership("one-more".to_owned()), LONG).await.unwrap();
}

pub(crate) async fn a_returning_member_keeps_its_frames_and_attempts(backend: Backend) {
    let store = backend.open().await;
    let record =
        create(&*store, &GroupSettings { max_delivery_attempts: Some(2), ..settings() }, &["cam"]).await;
    let b = join(&*store, "b", 99, LONG).await;
    let mut membership = join(&*store, "a", 0, LONG).await;
    let first = store.claim_frames(&membership, &claim(&record, vec![offer("cam", 1, 1..=3)])).await.unwrap();
    // More often than a frame may be delivered, the call ends, the membership expires, or another
    // call replaces it.
    for session in 1..=6 {
        match session % 3 {
            0 => store.leave_group(&membership, &[]).await.unwrap(),
            1 => {
                store
                    .claim_frames(&membership, &Claim { ttl: SHORT, ..claim(&record, vec![]) })
                    .await
                    .unwrap();
                eventually("the membership has expired", || async {
                    store.claim_frames(&b, &claim(&record, vec![])).await.unwrap();
                    (store.group_state(&group_id()).await.unwrap().members.len() == 1).then_some(())
                })
                .await;
            }
            _ => {}
        }
        membership = Membership { group: group_id(), member: "a".parse().unwrap(), session };
        let held = store.join_group(&membership, LONG).await.unwrap().held;
        let same = |one: &Delivery| (one.stream_id.clone(), one.sequence, one.attempt, one.generation);
        assert_eq!(
            held.iter().map(same).collect::<Vec<_>>(),
            first.deliveries.iter().map(same).collect::<Vec<_>>()
        );
        let none = store.claim_frames(&b, &claim(&record, vec![])).await.unwrap();
        assert!(none.deliveries.is_empty() && none.exhausted.is_empty(), "no other member gets them");
    }
    let state = store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.members[0].outstanding_frames, state.counters.redelivered), (3, 0));
    for delivery in &first.deliveries {
        assert_eq!(answer(&*store, &record, delivery, AckAction::Acknowledge).await, AckResult::Done(None));
    }
    let again = Membership { session: 50, ..membership };
    assert!(store.join_group(&again, LONG).await.unwrap().held.is_empty(), "nothing is left");
}

pub(crate) async fn a_second_call_of_a_member_takes_over_its_membership(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam"]).await;
    let old = join(&*store, "a", 1, LONG).await;
    store.claim_frames(&old, &claim(&record, vec![offer("cam", 1, 1..=1)])).await.unwrap();
    let new = Membership { session: 2, ..old.clone() };
    let held = store.join_group(&new, LONG).await.unwrap().held;
    assert_eq!(held.iter().map(|one| (one.sequence.get(), one.attempt)).collect::<Vec<_>>(), [(1, 1)]);
    let replaced = store.claim_frames(&old, &claim(&record, vec![])).await;
    assert_eq!(replaced.unwrap_err(), Error::MemberReplaced);
    assert_eq!(store.renew_membership(&old, LONG).await.unwrap_err(), Error::MemberReplaced);
    store.leave_group(&old, &[(id("cam"), number(1))]).await.unwrap();
    let again = store.claim_frames(&new, &claim(&record, vec![])).await.unwrap();
    assert_eq!((delivered(&again), again.outstanding_frames), (vec![], 1), "it has it already");
}

pub(crate) async fn a_rejection_and_an_extension_apply_after_the_call_has_ended(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam"]).await;
    let (a, b) = (join(&*store, "a", 1, LONG).await, join(&*store, "b", 2, LONG).await);
    let first = store.claim_frames(&a, &claim(&record, vec![offer("cam", 1, 1..=2)])).await.unwrap();
    store.leave_group(&a, &[]).await.unwrap();
    let soon = AckAction::Retry { delay: Some(SHORT), message: "busy".to_owned() };
    assert_eq!(answer(&*store, &record, &first.deliveries[0], soon).await, AckResult::Done(None));
    let more = answer(&*store, &record, &first.deliveries[1], AckAction::Extend(Some(LONG))).await;
    assert!(matches!(more, AckResult::Done(Some(_))), "{more:?}");
    let again = wait_for_due(&*store, &b, &claim(&record, vec![])).await;
    assert_eq!(
        delivered(&again),
        [(1, 2)],
        "the rejected frame after its delay, and the extended one not at all"
    );
}

pub(crate) async fn a_rejection_and_an_extension_apply_after_the_deadline_while_no_member_has_the_frame(
    backend: Backend,
) {
    let store = backend.open().await;
    let record = create(&*store, &GroupSettings { ack_deadline: Some(SHORT), ..settings() }, &["cam"]).await;
    let (a, b) = (join(&*store, "a", 1, LONG).await, join(&*store, "b", 2, LONG).await);
    let first = store.claim_frames(&a, &claim(&record, vec![offer("cam", 1, 1..=2)])).await.unwrap();
    // Another member claims, which releases the frames, but has no room for them.
    eventually("the deadlines have passed", || async {
        store.claim_frames(&b, &Claim { max_deliveries: 0, ..claim(&record, vec![]) }).await.unwrap();
        let state = store.group_state(&group_id()).await.unwrap();
        (state.members[0].outstanding_frames == 0).then_some(())
    })
    .await;
    let later = AckAction::Retry { delay: Some(LONG), message: "busy".to_owned() };
    assert_eq!(answer(&*store, &record, &first.deliveries[0], later).await, AckResult::Done(None));
    let more = answer(&*store, &record, &first.deliveries[1], AckAction::Extend(Some(LONG))).await;
    assert!(matches!(more, AckResult::Done(Some(_))), "{more:?}");
    let none = store.claim_frames(&b, &claim(&record, vec![])).await.unwrap();
    assert!(none.deliveries.is_empty(), "both wait: {:?}", none.deliveries);
    let late = answer(&*store, &record, &first.deliveries[1], AckAction::Acknowledge).await;
    assert_eq!(late, AckResult::Done(None));
}

pub(crate) async fn a_member_is_given_no_more_than_it_handles_while_another_has_room(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam"]).await;
    let (slow, quick) = (join(&*store, "slow", 1, LONG).await, join(&*store, "quick", 2, LONG).await);
    let paced = |offers| Claim { paced: true, ..claim(&record, offers) };
    store.claim_frames(&quick, &paced(vec![])).await.unwrap();
    let first = store.claim_frames(&slow, &paced(vec![offer("cam", 1, 1..=50)])).await.unwrap();
    assert_eq!(delivered(&first), [(1, 1)], "it begins with one");
    let none = store.claim_frames(&slow, &paced(vec![offer("cam", 2, 2..=50)])).await.unwrap();
    assert!(none.deliveries.is_empty(), "the other one has room");
    // A member that acknowledges at once gets more and more frames.
    let mut next = 2;
    let mut most = 0;
    while next <= 40 {
        let got = store.claim_frames(&quick, &paced(vec![offer("cam", next, next..=50)])).await.unwrap();
        assert!(!got.deliveries.is_empty(), "stuck at {next}");
        most = most.max(got.deliveries.len());
        next += got.deliveries.len() as u64;
        for delivery in &got.deliveries {
            answer(&*store, &record, delivery, AckAction::Acknowledge).await;
        }
    }
    assert!(most >= 8, "its window grew to {most}");
    let state = store.group_state(&group_id()).await.unwrap();
    let windows: Vec<_> = state.members.iter().map(|one| (one.id.as_str(), one.window_frames >= 8)).collect();
    assert_eq!(windows, [("quick", true), ("slow", false)]);
    assert!(
        state.oldest_outstanding.is_some() && state.oldest_outstanding == state.members[1].oldest_outstanding
    );
    assert_eq!(state.members[0].oldest_outstanding, None);
    // Alone, it gets as many frames as it allows, step by step.
    store.leave_group(&quick, &[]).await.unwrap();
    eventually("it has its maximum", || async {
        let next = store.group_state(&group_id()).await.unwrap().positions[&id("cam")].next.get();
        let offers = vec![offer("cam", next, next..=next + 99)];
        let got = store.claim_frames(&slow, &Claim { max_frames: 20, ..paced(offers) }).await.unwrap();
        (got.outstanding_frames == 20).then_some(())
    })
    .await;
}
