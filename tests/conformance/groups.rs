//! Consumer groups: which member gets which frame, and for how long.

use std::time::Duration;

use frameway::domain::{
    DeadFrame, DeadLetterReason, DeadLetterSource, DeadPicture, Digest, GroupAffinity, GroupId, GroupRecord,
    GroupSettings, Sequence, StreamMatch,
};
use frameway::queue::{
    Ack, AckAction, AckResult, Candidate, CandidateResult, Claim, ClaimCandidates, Claimed, Delivery,
    EndReason, EndedFrame, Error, FrameEnd, Membership, Queue, SpanQuery, Upload,
};

use crate::backend::Backend;
use crate::common::eventually;
use crate::support::*;

pub(crate) const SHORT: Duration = Duration::from_millis(50);
/// The digest of the requested start of the groups here.
pub(crate) const START: Digest = Digest([7; 32]);

pub(crate) fn group_id() -> GroupId {
    "site".parse().unwrap()
}

pub(crate) fn settings() -> GroupSettings {
    GroupSettings { streams: vec![StreamMatch::Glob("*".to_owned())], ..GroupSettings::default() }
}

pub(crate) async fn create(queue: &dyn Queue, settings: &GroupSettings, streams: &[&str]) -> GroupRecord {
    let positions: Vec<_> = streams.iter().map(|stream| (id(stream), Sequence::FIRST)).collect();
    queue.create_group(&group_id(), settings, START, &positions).await.unwrap().record
}

pub(crate) async fn join(queue: &dyn Queue, member: &str, session: u64, ttl: Duration) -> Membership {
    let membership = Membership { group: group_id(), member: member.parse().unwrap(), session };
    queue.join_group(&membership, ttl).await.unwrap();
    membership
}

/// Returns candidates with these sequences of a stream, a hundred bytes each.
pub(crate) fn offer(stream: &str, from: u64, numbers: std::ops::RangeInclusive<u64>) -> ClaimCandidates {
    let candidate = |n| Candidate {
        sequence: number(n),
        size_bytes: 100,
        skip: false,
        sampler_state: String::new(),
        gaps: Vec::new(),
    };
    ClaimCandidates {
        stream_id: id(stream),
        from: number(from),
        is_new: false,
        lost: 0,
        candidates: numbers.map(candidate).collect(),
    }
}

pub(crate) fn claim(record: &GroupRecord, offers: Vec<ClaimCandidates>) -> Claim {
    Claim {
        revision: record.revision,
        incarnation: record.incarnation,
        max_frames: 100,
        max_bytes: 1 << 20,
        paced: false,
        max_deliveries: 100,
        ttl: LONG,
        received_gaps: Vec::new(),
        streams: offers,
    }
}

pub(crate) fn delivered(claimed: &Claimed) -> Vec<(u64, u32)> {
    claimed.deliveries.iter().map(|one| (one.sequence.get(), one.attempt)).collect()
}

fn ack_of(record: &GroupRecord, delivery: &Delivery, action: AckAction) -> Ack {
    Ack {
        stream_id: delivery.stream_id.clone(),
        sequence: delivery.sequence,
        attempt: delivery.attempt,
        generation: record.generation,
        incarnation: record.incarnation,
        action,
    }
}

pub(crate) async fn answer(
    queue: &dyn Queue,
    record: &GroupRecord,
    delivery: &Delivery,
    action: AckAction,
) -> AckResult {
    queue.acknowledge(&group_id(), &[ack_of(record, delivery, action)]).await.unwrap().remove(0)
}

/// Claims until a frame is delivered again.
pub(crate) async fn wait_for_due(queue: &dyn Queue, membership: &Membership, claim: &Claim) -> Claimed {
    eventually("a frame that is due", || async {
        let claimed = queue.claim_frames(membership, claim).await.unwrap();
        (!claimed.deliveries.is_empty() || !claimed.exhausted.is_empty()).then_some(claimed)
    })
    .await
}

pub(crate) async fn each_frame_goes_to_one_member(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam"]).await;
    let (a, b) = (join(&*store, "a", 1, LONG).await, join(&*store, "b", 2, LONG).await);
    let most = |most, offers| Claim { max_deliveries: most, ..claim(&record, offers) };
    let first = store.claim_frames(&a, &most(2, vec![offer("cam", 1, 1..=4)])).await.unwrap();
    assert_eq!(delivered(&first), [(1, 1), (2, 1)]);
    assert_eq!(first.streams, [CandidateResult::At(number(3), String::new())]);
    // A claim with an old position gets nothing and returns the new one.
    let late = store.claim_frames(&b, &most(9, vec![offer("cam", 1, 1..=4)])).await.unwrap();
    assert_eq!(
        (delivered(&late), late.streams),
        (vec![], vec![CandidateResult::Moved(number(3), String::new())])
    );
    let second = store.claim_frames(&b, &most(9, vec![offer("cam", 3, 3..=4)])).await.unwrap();
    assert_eq!(delivered(&second), [(3, 1), (4, 1)]);
    let state = store.group_state(&group_id()).await.unwrap();
    let position = &state.positions[&id("cam")];
    assert_eq!((position.next, position.delivered, position.pending.len()), (number(5), 4, 4));
    let held: Vec<_> =
        state.members.iter().map(|one| (one.outstanding_frames, one.outstanding_bytes)).collect();
    assert_eq!(held, [(2, 200), (2, 200)]);
    // Acks may arrive out of order: everything below the first outstanding frame counts as
    // acknowledged.
    assert_eq!(
        answer(&*store, &record, &second.deliveries[0], AckAction::Acknowledge).await,
        AckResult::Done(None)
    );
    let acknowledged =
        async || store.group_state(&group_id()).await.unwrap().positions[&id("cam")].acknowledged();
    assert_eq!(acknowledged().await, 0);
    answer(&*store, &record, &first.deliveries[0], AckAction::Acknowledge).await;
    assert_eq!(acknowledged().await, 1);
    answer(&*store, &record, &first.deliveries[1], AckAction::Acknowledge).await;
    assert_eq!(acknowledged().await, 3);
    let again = answer(&*store, &record, &first.deliveries[1], AckAction::Acknowledge).await;
    assert_eq!(again, AckResult::AlreadyAcknowledged);
    let state = store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.counters.acknowledged, state.members[0].outstanding_frames), (3, 0));
}

pub(crate) async fn a_frame_is_redelivered_after_its_deadline(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &GroupSettings { ack_deadline: Some(SHORT), ..settings() }, &["cam"]).await;
    let (a, b) = (join(&*store, "a", 1, LONG).await, join(&*store, "b", 2, LONG).await);
    let first = store.claim_frames(&a, &claim(&record, vec![offer("cam", 1, 1..=2)])).await.unwrap();
    assert!(first.next_due.is_some_and(|due| due <= SHORT), "{:?}", first.next_due);
    let again = wait_for_due(&*store, &b, &claim(&record, vec![])).await;
    assert_eq!(delivered(&again), [(1, 2), (2, 2)]);
    let stale = answer(&*store, &record, &first.deliveries[0], AckAction::Acknowledge).await;
    assert_eq!(stale, AckResult::Stale, "it was delivered again since");
    let state = store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.members[0].outstanding_frames, state.counters.redelivered), (0, 2));
    // The ack is late, but no other member has the frame.
    tokio::time::sleep(SHORT * 2).await;
    let late = answer(&*store, &record, &again.deliveries[0], AckAction::Acknowledge).await;
    assert_eq!(late, AckResult::Done(None));
    let state = store.group_state(&group_id()).await.unwrap();
    assert_eq!(state.positions[&id("cam")].pending, [number(2)]);
}

pub(crate) async fn a_seek_makes_old_deliveries_stale(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam", "other"]).await;
    let a = join(&*store, "a", 1, LONG).await;
    let offers = vec![offer("cam", 1, 1..=2), offer("other", 1, 1..=1)];
    let first = store.claim_frames(&a, &claim(&record, offers)).await.unwrap();
    let sought = store.seek_group(&group_id(), &[(id("cam"), number(2))], None).await.unwrap();
    assert_eq!((sought.generation, sought.revision), (2, 1));
    for delivery in &first.deliveries {
        let said = answer(&*store, &record, delivery, AckAction::Acknowledge).await;
        // Deliveries of other streams stay valid.
        let expected = if delivery.stream_id == id("cam") { AckResult::Stale } else { AckResult::Done(None) };
        assert_eq!(said, expected, "{delivery:?}");
    }
    let state = store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.members[0].outstanding_frames, state.members[0].outstanding_bytes), (0, 0));
    let second = store.claim_frames(&a, &claim(&sought, vec![offer("cam", 2, 2..=2)])).await.unwrap();
    assert_eq!((delivered(&second), second.generation), (vec![(2, 1)], 2));
    let stale = answer(&*store, &record, &second.deliveries[0], AckAction::Acknowledge).await;
    assert_eq!(stale, AckResult::Stale, "the generation of the delivery counts");
    let done = answer(&*store, &sought, &second.deliveries[0], AckAction::Acknowledge).await;
    assert_eq!(done, AckResult::Done(None));
    let wrong = store.seek_group(&group_id(), &[], Some(record.etag())).await;
    assert_eq!(wrong.unwrap_err(), Error::EtagMismatch { current: sought.etag() });
}

/// The time to live of memberships that expire here, long enough for a busy machine.
pub(crate) const AWAY: Duration = Duration::from_secs(2);

pub(crate) async fn outstanding_frames_are_bounded(backend: Backend) {
    let store = backend.open().await;
    let record =
        create(&*store, &GroupSettings { max_outstanding_frames: Some(5), ..settings() }, &["cam"]).await;
    let (a, b) = (join(&*store, "a", 1, LONG).await, join(&*store, "b", 2, LONG).await);
    // A member's frames.
    let frames = Claim { max_frames: 2, ..claim(&record, vec![offer("cam", 1, 1..=9)]) };
    let first = store.claim_frames(&a, &frames).await.unwrap();
    assert_eq!(delivered(&first), [(1, 1), (2, 1)]);
    // A member's bytes: one frame is always returned.
    let bytes = Claim { max_bytes: 50, ..claim(&record, vec![offer("cam", 3, 3..=9)]) };
    assert_eq!(delivered(&store.claim_frames(&b, &bytes).await.unwrap()), [(3, 1)]);
    // The frames of all members together.
    let rest = store.claim_frames(&b, &claim(&record, vec![offer("cam", 4, 4..=9)])).await.unwrap();
    assert_eq!(delivered(&rest), [(4, 1), (5, 1)]);
    let none = store.claim_frames(&b, &claim(&record, vec![offer("cam", 6, 6..=9)])).await.unwrap();
    assert!(none.deliveries.is_empty());
    answer(&*store, &record, &first.deliveries[0], AckAction::Acknowledge).await;
    let one = store.claim_frames(&b, &claim(&record, vec![offer("cam", 6, 6..=9)])).await.unwrap();
    assert_eq!(delivered(&one), [(6, 1)]);
}

pub(crate) async fn a_stream_stays_with_a_live_member(backend: Backend) {
    let store = backend.open().await;
    let affine =
        GroupSettings { affinity: Some(GroupAffinity::Stream), ack_deadline: Some(AWAY), ..settings() };
    let record = create(&*store, &affine, &["x", "y"]).await;
    let (a, b) = (join(&*store, "a", 1, LONG).await, join(&*store, "b", 2, LONG).await);
    let offers = || vec![offer("x", 1, 1..=1), offer("y", 1, 1..=1)];
    let first = store.claim_frames(&a, &claim(&record, offers())).await.unwrap();
    assert_eq!(delivered(&first), [(1, 1)]);
    assert_eq!(
        first.streams[1],
        CandidateResult::Later,
        "each claim adds one new stream, so that members share the streams"
    );
    let second = store.claim_frames(&b, &claim(&record, vec![offer("y", 1, 1..=1)])).await.unwrap();
    assert_eq!(delivered(&second), [(1, 1)]);
    let foreign = store.claim_frames(&b, &claim(&record, vec![offer("x", 2, 2..=2)])).await.unwrap();
    assert_eq!(foreign.streams, [CandidateResult::Owned(number(2), String::new())]);
    answer(&*store, &record, &second.deliveries[0], AckAction::Acknowledge).await;
    store.leave_group(&a, &[]).await.unwrap();
    // Until its frames are due or done, the member keeps the stream: later frames are not delivered
    // before them.
    let foreign = store.claim_frames(&b, &claim(&record, vec![offer("x", 2, 2..=2)])).await.unwrap();
    assert_eq!(foreign.streams, [CandidateResult::Owned(number(2), String::new())]);
    // The next member first gets the frames that were not done, in order.
    let heir = eventually("the stream goes to another", || async {
        let heir = store.claim_frames(&b, &claim(&record, vec![offer("x", 2, 2..=2)])).await.unwrap();
        (!heir.deliveries.is_empty()).then_some(heir)
    })
    .await;
    assert_eq!(delivered(&heir), [(1, 2), (2, 1)]);
    let state = store.group_state(&group_id()).await.unwrap();
    assert_eq!(state.positions[&id("x")].owner.as_ref().map(|owner| owner.as_str()), Some("b"));
}

pub(crate) async fn rejected_frames_wait_and_are_finally_given_up(backend: Backend) {
    let store = backend.open().await;
    let record =
        create(&*store, &GroupSettings { max_delivery_attempts: Some(2), ..settings() }, &["cam"]).await;
    let a = join(&*store, "a", 1, LONG).await;
    let first = store.claim_frames(&a, &claim(&record, vec![offer("cam", 1, 1..=2)])).await.unwrap();
    let retry = |delay| AckAction::Retry { delay, message: "busy".to_owned() };
    let said = answer(&*store, &record, &first.deliveries[0], retry(Some(SHORT))).await;
    assert_eq!(said, AckResult::Done(None));
    // A repeated answer changes nothing, not even the delay.
    answer(&*store, &record, &first.deliveries[0], retry(Some(LONG))).await;
    let stale = answer(&*store, &record, &first.deliveries[0], AckAction::Extend(None)).await;
    assert_eq!(stale, AckResult::Rejected, "it waits for its delay");
    let again = wait_for_due(&*store, &a, &claim(&record, vec![])).await;
    assert_eq!(delivered(&again), [(1, 2)]);
    let AckResult::Exhausted(given_up) = answer(&*store, &record, &again.deliveries[0], retry(None)).await
    else {
        panic!("there are only two attempts")
    };
    assert_eq!((given_up.attempts, given_up.rejected, given_up.message.as_str()), (2, false, "busy"));
    let never = AckAction::GiveUp { message: "no road".to_owned() };
    let AckResult::Exhausted(rejected) = answer(&*store, &record, &first.deliveries[1], never).await else {
        panic!("the dead letter was requested")
    };
    assert_eq!((rejected.attempts, rejected.rejected, rejected.message.as_str()), (1, true, "no road"));
    let settled = |sequence, attempt| EndedFrame {
        stream_id: id("cam"),
        sequence: number(sequence),
        attempt,
        letter: None,
        end: FrameEnd::DeadLetter,
    };
    for _ in 0..2 {
        store.end_frames(&group_id(), &[settled(1, 2), settled(2, 1)]).await.unwrap();
    }
    let state = store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.counters.dead, state.positions[&id("cam")].acknowledged()), (2, 2));
    // An ack of any attempt returns how the frame ended, and not that it was acknowledged.
    for (delivery, how) in [
        (&first.deliveries[0], EndReason::GivenUp),
        (&again.deliveries[0], EndReason::GivenUp),
        (&first.deliveries[1], EndReason::Rejected),
    ] {
        let late = answer(&*store, &record, delivery, AckAction::Acknowledge).await;
        assert_eq!(late, AckResult::Ended(how), "{delivery:?}");
    }
}

pub(crate) async fn the_last_member_of_a_frame_can_give_it_up(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &GroupSettings { ack_deadline: Some(AWAY), ..settings() }, &["cam"]).await;
    let a = join(&*store, "a", 1, LONG).await;
    let first = store.claim_frames(&a, &claim(&record, vec![offer("cam", 1, 1..=2)])).await.unwrap();
    store.leave_group(&a, &[]).await.unwrap();
    let never = || AckAction::GiveUp { message: "no road".to_owned() };
    for _ in 0..2 {
        let said = answer(&*store, &record, &first.deliveries[0], never()).await;
        assert!(matches!(said, AckResult::Exhausted(_) | AckResult::Done(None)), "{said:?}");
    }
    // The frame is not delivered again, but the other one is.
    let b = join(&*store, "b", 2, LONG).await;
    let again = wait_for_due(&*store, &b, &claim(&record, vec![])).await;
    assert_eq!(delivered(&again), [(2, 2)]);
    let late = answer(&*store, &record, &first.deliveries[1], never()).await;
    assert_eq!(late, AckResult::Stale, "it was delivered again since");
    // Frames that are lost with their stream are counted: one that is being given up, and one that
    // is outstanding.
    store.drop_group_streams(&group_id(), &[removed("cam", 2)], 11).await.unwrap();
    let state = store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.counters.lost, state.members[0].outstanding_frames), (2, 0));
}

pub(crate) async fn a_given_up_frame_becomes_one_dead_letter_with_a_picture_of_its_own(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    publish(&*store, &lease, "cam", 1).await;
    let entry = store.read_outputs(&id("cam"), number(1), 1).await.unwrap().entries.remove(0);
    let copy = Upload::new(bytes::Bytes::from_static(b"a copy"));
    let picture = &entry.body.pictures()[0];
    let dead = DeadFrame {
        source: DeadLetterSource::Group(group_id()),
        stream_id: id("cam"),
        sequence: number(1),
        receive_time: entry.receive_time,
        header: entry.body.header().clone(),
        reason: DeadLetterReason::Rejected,
        message: "no road".to_owned(),
        attempts: 2,
        picture: Some(DeadPicture {
            format: picture.format,
            width: picture.width,
            height: picture.height,
            payload: copy.payload,
        }),
        output: None,
    };
    for _ in 0..2 {
        store.insert_dead_letter(&dead, Some(&copy), "once").await.unwrap();
    }
    assert_eq!(store.dead_letter_totals().await.unwrap().letters, 1);
    // The retention of the output does not remove the copy.
    keep_newest(&*store, &lease, "cam", 0).await;
    assert!(is_stored(&*store, "cam", copy.payload).await);
    // A second copy of the same frame is not kept.
    let again = Upload::new(bytes::Bytes::from_static(b"another"));
    let payload = again.payload;
    store.insert_dead_letter(&dead, Some(&again), "once").await.unwrap();
    assert_eq!(store.dead_letter_totals().await.unwrap().letters, 1);
    assert!(!is_stored(&*store, "cam", payload).await);
}

pub(crate) async fn lag_is_exact_after_trimming(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    publish(&*store, &lease, "cam", 10).await;
    let record = create(&*store, &settings(), &["cam"]).await;
    let a = join(&*store, "a", 1, LONG).await;
    let first = store.claim_frames(&a, &claim(&record, vec![offer("cam", 1, 1..=6)])).await.unwrap();
    answer(&*store, &record, &first.deliveries[2], AckAction::Acknowledge).await;
    let lag = async || {
        let state = store.group_state(&group_id()).await.unwrap();
        let position = &state.positions[&id("cam")];
        let span = store.count_outputs(&[SpanQuery::from(id("cam"), position.next)]).await.unwrap()[0];
        frameway::hub::lag_of(position, &span)
    };
    assert_eq!(lag().await, 9);
    // The trim removes 1 to 5, of which 3 is done: 6 is pending, and 7 to 10 wait.
    keep_newest(&*store, &lease, "cam", 5).await;
    assert_eq!(lag().await, 5);
    keep_newest(&*store, &lease, "cam", 2).await;
    assert_eq!(lag().await, 2);
    let apart = SpanQuery { oldest_from: number(3), ..SpanQuery::from(id("cam"), number(10)) };
    let queries = [apart, SpanQuery::from(id("cam"), number(99))];
    let span = store.count_outputs(&queries).await.unwrap();
    assert_eq!((span[0].oldest, span[0].head, span[0].entries, span[1].entries), (9, 10, 1, 0));
    let kept = store.read_outputs(&id("cam"), number(1), 10).await.unwrap().entries;
    assert_eq!(span[0].oldest_receive_time, Some(kept[0].receive_time));
    assert_eq!(span[1].oldest_receive_time, None);
}

pub(crate) async fn groups_are_created_changed_listed_and_deleted(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam", "old"]).await;
    assert_eq!((record.revision, record.generation), (1, 1));
    for name in ["b.2", "a-1"] {
        store.create_group(&name.parse().unwrap(), &settings(), START, &[]).await.unwrap();
    }
    let names = async |after: Option<&GroupId>, limit| {
        let page = store.list_groups(after, limit).await.unwrap();
        page.into_iter().map(|group| group.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(None, 10).await, ["a-1", "b.2", "site"]);
    assert_eq!(names(Some(&"a-1".parse().unwrap()), 1).await, ["b.2"]);

    let changed = GroupSettings { display_name: "north".to_owned(), ..settings() };
    let streams = [(id("old"), None), (id("new"), Some(number(7))), (id("cam"), Some(number(9)))];
    let updated = store.update_group(&group_id(), &changed, record.etag(), &streams).await.unwrap();
    assert_eq!((updated.revision, &updated.settings), (2, &changed));
    let state = store.group_state(&group_id()).await.unwrap();
    let positions: Vec<_> = state.positions.iter().map(|(id, at)| (id.as_str(), at.next.get())).collect();
    assert_eq!(positions, [("cam", 1), ("new", 7)], "an existing position is kept");
    let stale = store.update_group(&group_id(), &changed, record.etag(), &[]).await;
    assert_eq!(stale.unwrap_err(), Error::EtagMismatch { current: updated.etag() });
    // A claim with the old settings gets nothing.
    let a = join(&*store, "a", 1, LONG).await;
    let old = store.claim_frames(&a, &claim(&record, vec![offer("cam", 1, 1..=1)])).await;
    assert_eq!(old.unwrap_err(), Error::RevisionMismatch { current: 2 });
    // A stream without a position begins where its first offer says.
    let fresh = ClaimCandidates { is_new: true, ..offer("fresh", 4, 4..=4) };
    let plain = offer("strange", 1, 1..=1);
    let claimed = store.claim_frames(&a, &claim(&updated, vec![fresh, plain])).await.unwrap();
    assert_eq!(delivered(&claimed), [(4, 1)]);
    assert_eq!(claimed.streams[1], CandidateResult::Unknown);

    assert_eq!(
        store.delete_group(&group_id(), Some(record.etag())).await.unwrap_err(),
        Error::EtagMismatch { current: updated.etag() }
    );
    store.delete_group(&group_id(), None).await.unwrap();
    let gone = || Error::GroupNotFound(group_id());
    assert_eq!(store.delete_group(&group_id(), None).await.unwrap_err(), gone());
    assert_eq!(store.claim_frames(&a, &claim(&updated, vec![])).await.unwrap_err(), gone());
    assert_eq!(store.renew_membership(&a, LONG).await.unwrap_err(), gone());
    assert_eq!(store.group_state(&group_id()).await.unwrap_err(), gone());
    assert_eq!(names(None, 10).await, ["a-1", "b.2"]);
    // A later group of that name is another one: nothing of the old one is valid.
    let next = create(&*store, &settings(), &["fresh"]).await;
    assert_ne!(next.incarnation, updated.incarnation);
    assert_eq!(store.claim_frames(&a, &claim(&updated, vec![])).await.unwrap_err(), gone());
    let stale = answer(&*store, &updated, &claimed.deliveries[0], AckAction::Acknowledge).await;
    assert_eq!(stale, AckResult::Stale);
}

pub(crate) async fn skipped_entries_count_as_acknowledged(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam"]).await;
    let a = join(&*store, "a", 1, LONG).await;
    let mut skipping = ClaimCandidates { lost: 3, ..offer("cam", 1, 4..=6) };
    for (candidate, sampler_state) in skipping.candidates.iter_mut().zip(["1:0", "1:1", "1:2"]) {
        candidate.skip = candidate.sequence != number(5);
        candidate.sampler_state = sampler_state.to_owned();
    }
    let claimed = store.claim_frames(&a, &claim(&record, vec![skipping])).await.unwrap();
    assert_eq!(
        (delivered(&claimed), claimed.streams),
        (vec![(5, 1)], vec![CandidateResult::At(number(7), "1:2".to_owned())])
    );
    let state = store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.counters.acknowledged, state.counters.lost), (2, 3));
    assert_eq!(state.positions[&id("cam")].sampler_state, "1:2");
}

pub(crate) async fn all_servers_share_one_key_for_ack_ids(backend: Backend) {
    let store = backend.open().await;
    let key = store.ack_key().await.unwrap();
    assert_ne!(key, [0; 32]);
    assert_eq!(store.ack_key().await.unwrap(), key);
}

pub(crate) async fn the_state_of_sampling_is_stored_with_the_position(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam"]).await;
    let a = join(&*store, "a", 1, LONG).await;
    let sampled = |from, states: &[&str]| {
        let mut offer = offer("cam", from, from..=from + states.len() as u64 - 1);
        for (candidate, sampler_state) in offer.candidates.iter_mut().zip(states) {
            candidate.sampler_state = (*sampler_state).to_owned();
        }
        offer
    };
    let kept =
        async || store.group_state(&group_id()).await.unwrap().positions[&id("cam")].sampler_state.clone();
    let take = async |most, offer| {
        let claimed = store
            .claim_frames(&a, &Claim { max_deliveries: most, ..claim(&record, vec![offer]) })
            .await
            .unwrap();
        claimed.streams[0].clone()
    };
    // The state of sampling is that after the last claimed frame.
    assert_eq!(take(1, sampled(1, &["1:10", "0:20"])).await, CandidateResult::At(number(2), "1:10".into()));
    assert_eq!(kept().await, "1:10");
    // A claim with an old position returns the new position and its state of sampling.
    assert_eq!(take(9, sampled(1, &["2:30"])).await, CandidateResult::Moved(number(2), "1:10".into()));
    assert_eq!(take(9, sampled(2, &["0:20", "1:20"])).await, CandidateResult::At(number(4), "1:20".into()));
    assert_eq!(kept().await, "1:20");
    // The state of sampling is empty again.
    assert_eq!(take(9, sampled(4, &[""])).await, CandidateResult::At(number(5), String::new()));
    assert_eq!(kept().await, "");
    assert_eq!(take(9, sampled(5, &["2:50"])).await, CandidateResult::At(number(6), "2:50".into()));
    // A seek resets the state of sampling.
    store.seek_group(&group_id(), &[(id("cam"), number(2))], None).await.unwrap();
    assert_eq!(kept().await, "");
}
