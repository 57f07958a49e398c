//! Consumer groups: who gets which frame, and for how long.

use std::time::Duration;

use frameway::domain::{
    DeadFrame, DeadLetterReason, DeadLetterSource, DeadPicture, Digest, GroupAffinity, GroupId, GroupRecord,
    GroupSettings, Sequence, StreamMatch, Timestamp,
};
use frameway::queue::{
    Answer, AnswerResult, Candidate, Claim, Claimed, Delivery, Ended, Error, Offer, OfferResult, Queue, Seat,
    Settled, Settlement, StreamOffer, Verdict,
};

use crate::backend::Backend;
use crate::common::eventually;
use crate::support::*;

pub(crate) const SHORT: Duration = Duration::from_millis(50);
const NOTHING_IS_TOO_OLD: Timestamp = Timestamp::from_micros(0);

/// Of where groups are asked to begin here.
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

pub(crate) async fn join(queue: &dyn Queue, member: &str, session: u64, ttl: Duration) -> Seat {
    let seat = Seat { group: group_id(), member: member.parse().unwrap(), session };
    queue.join_group(&seat, ttl).await.unwrap();
    seat
}

/// An offer of these numbers of a stream, a hundred bytes each.
pub(crate) fn offer(stream: &str, from: u64, numbers: std::ops::RangeInclusive<u64>) -> StreamOffer {
    let candidate = |n| Candidate {
        sequence: number(n),
        size_bytes: 100,
        skip: false,
        mark: String::new(),
        gaps: Vec::new(),
    };
    StreamOffer {
        stream_id: id(stream),
        from: number(from),
        begin: false,
        lost: 0,
        candidates: numbers.map(candidate).collect(),
    }
}

pub(crate) fn claim(record: &GroupRecord, offers: Vec<StreamOffer>) -> Claim {
    Claim {
        revision: record.revision,
        incarnation: record.incarnation,
        max_frames: 100,
        max_bytes: 1 << 20,
        paced: false,
        most: 100,
        ttl: LONG,
        told: Vec::new(),
        offers,
    }
}

pub(crate) fn given(claimed: &Claimed) -> Vec<(u64, u32)> {
    claimed.deliveries.iter().map(|one| (one.sequence.get(), one.attempt)).collect()
}

fn answer(record: &GroupRecord, delivery: &Delivery, verdict: Verdict) -> Answer {
    Answer {
        stream_id: delivery.stream_id.clone(),
        sequence: delivery.sequence,
        attempt: delivery.attempt,
        generation: record.generation,
        incarnation: record.incarnation,
        verdict,
    }
}

pub(crate) async fn say(
    queue: &dyn Queue,
    record: &GroupRecord,
    delivery: &Delivery,
    verdict: Verdict,
) -> AnswerResult {
    queue.answer_frames(&group_id(), &[answer(record, delivery, verdict)]).await.unwrap().remove(0)
}

/// Claims until something comes that is due again.
pub(crate) async fn wait_for_due(queue: &dyn Queue, seat: &Seat, claim: &Claim) -> Claimed {
    eventually("a frame that is due", || async {
        let claimed = queue.claim_frames(seat, claim).await.unwrap();
        (!claimed.deliveries.is_empty() || !claimed.exhausted.is_empty()).then_some(claimed)
    })
    .await
}

pub(crate) async fn each_frame_goes_to_one_member(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam"]).await;
    let (a, b) = (join(&*store, "a", 1, LONG).await, join(&*store, "b", 2, LONG).await);
    let most = |most, offers| Claim { most, ..claim(&record, offers) };
    let first = store.claim_frames(&a, &most(2, vec![offer("cam", 1, 1..=4)])).await.unwrap();
    assert_eq!(given(&first), [(1, 1), (2, 1)]);
    assert_eq!(first.offers, [OfferResult::At(number(3), String::new())]);
    // Who knows an old position takes nothing and learns the new one.
    let late = store.claim_frames(&b, &most(9, vec![offer("cam", 1, 1..=4)])).await.unwrap();
    assert_eq!((given(&late), late.offers), (vec![], vec![OfferResult::Moved(number(3), String::new())]));
    let second = store.claim_frames(&b, &most(9, vec![offer("cam", 3, 3..=4)])).await.unwrap();
    assert_eq!(given(&second), [(3, 1), (4, 1)]);
    let state = store.group_state(&group_id()).await.unwrap();
    let position = &state.positions[&id("cam")];
    assert_eq!((position.next, position.delivered, position.pending.len()), (number(5), 4, 4));
    let held: Vec<_> =
        state.members.iter().map(|one| (one.outstanding_frames, one.outstanding_bytes)).collect();
    assert_eq!(held, [(2, 200), (2, 200)]);
    // Out of order: what is done is everything below the first that is not.
    assert_eq!(
        say(&*store, &record, &second.deliveries[0], Verdict::Acknowledge).await,
        AnswerResult::Done(None)
    );
    let acknowledged =
        async || store.group_state(&group_id()).await.unwrap().positions[&id("cam")].acknowledged();
    assert_eq!(acknowledged().await, 0);
    say(&*store, &record, &first.deliveries[0], Verdict::Acknowledge).await;
    assert_eq!(acknowledged().await, 1);
    say(&*store, &record, &first.deliveries[1], Verdict::Acknowledge).await;
    assert_eq!(acknowledged().await, 3);
    let again = say(&*store, &record, &first.deliveries[1], Verdict::Acknowledge).await;
    assert_eq!(again, AnswerResult::Before);
    let state = store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.counters.acknowledged, state.members[0].outstanding_frames), (3, 0));
}

pub(crate) async fn a_frame_comes_again_after_its_deadline(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &GroupSettings { ack_deadline: Some(SHORT), ..settings() }, &["cam"]).await;
    let (a, b) = (join(&*store, "a", 1, LONG).await, join(&*store, "b", 2, LONG).await);
    let first = store.claim_frames(&a, &claim(&record, vec![offer("cam", 1, 1..=2)])).await.unwrap();
    assert!(first.next_due.is_some_and(|due| due <= SHORT), "{:?}", first.next_due);
    let again = wait_for_due(&*store, &b, &claim(&record, vec![])).await;
    assert_eq!(given(&again), [(1, 2), (2, 2)]);
    let stale = say(&*store, &record, &first.deliveries[0], Verdict::Acknowledge).await;
    assert_eq!(stale, AnswerResult::Stale, "it was delivered again since");
    let state = store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.members[0].outstanding_frames, state.counters.redelivered), (0, 2));
    // Late, but nobody has it.
    tokio::time::sleep(SHORT * 2).await;
    let late = say(&*store, &record, &again.deliveries[0], Verdict::Acknowledge).await;
    assert_eq!(late, AnswerResult::Done(None));
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
        let said = say(&*store, &record, delivery, Verdict::Acknowledge).await;
        // What was not moved goes on.
        let expected =
            if delivery.stream_id == id("cam") { AnswerResult::Stale } else { AnswerResult::Done(None) };
        assert_eq!(said, expected, "{delivery:?}");
    }
    let state = store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.members[0].outstanding_frames, state.members[0].outstanding_bytes), (0, 0));
    let second = store.claim_frames(&a, &claim(&sought, vec![offer("cam", 2, 2..=2)])).await.unwrap();
    assert_eq!((given(&second), second.generation), (vec![(2, 1)], 2));
    let stale = say(&*store, &record, &second.deliveries[0], Verdict::Acknowledge).await;
    assert_eq!(stale, AnswerResult::Stale, "the generation of the delivery counts");
    let done = say(&*store, &sought, &second.deliveries[0], Verdict::Acknowledge).await;
    assert_eq!(done, AnswerResult::Done(None));
    let wrong = store.seek_group(&group_id(), &[], Some(record.etag())).await;
    assert_eq!(wrong.unwrap_err(), Error::EtagMismatch { current: sought.etag() });
}

/// How long a member may be away here: long enough for the machine to be busy in between.
pub(crate) const AWAY: Duration = Duration::from_secs(2);

pub(crate) async fn what_is_outstanding_is_bounded(backend: Backend) {
    let store = backend.open().await;
    let record =
        create(&*store, &GroupSettings { max_outstanding_frames: Some(5), ..settings() }, &["cam"]).await;
    let (a, b) = (join(&*store, "a", 1, LONG).await, join(&*store, "b", 2, LONG).await);
    // A member's frames.
    let frames = Claim { max_frames: 2, ..claim(&record, vec![offer("cam", 1, 1..=9)]) };
    let first = store.claim_frames(&a, &frames).await.unwrap();
    assert_eq!(given(&first), [(1, 1), (2, 1)]);
    // Its bytes: one frame always comes.
    let bytes = Claim { max_bytes: 50, ..claim(&record, vec![offer("cam", 3, 3..=9)]) };
    assert_eq!(given(&store.claim_frames(&b, &bytes).await.unwrap()), [(3, 1)]);
    // All members' together.
    let rest = store.claim_frames(&b, &claim(&record, vec![offer("cam", 4, 4..=9)])).await.unwrap();
    assert_eq!(given(&rest), [(4, 1), (5, 1)]);
    let none = store.claim_frames(&b, &claim(&record, vec![offer("cam", 6, 6..=9)])).await.unwrap();
    assert!(none.deliveries.is_empty());
    say(&*store, &record, &first.deliveries[0], Verdict::Acknowledge).await;
    let one = store.claim_frames(&b, &claim(&record, vec![offer("cam", 6, 6..=9)])).await.unwrap();
    assert_eq!(given(&one), [(6, 1)]);
}

pub(crate) async fn a_stream_stays_with_its_member_while_it_lives(backend: Backend) {
    let store = backend.open().await;
    let affine =
        GroupSettings { affinity: Some(GroupAffinity::Stream), ack_deadline: Some(AWAY), ..settings() };
    let record = create(&*store, &affine, &["x", "y"]).await;
    let (a, b) = (join(&*store, "a", 1, LONG).await, join(&*store, "b", 2, LONG).await);
    let offers = || vec![offer("x", 1, 1..=1), offer("y", 1, 1..=1)];
    let first = store.claim_frames(&a, &claim(&record, offers())).await.unwrap();
    assert_eq!(given(&first), [(1, 1)]);
    assert_eq!(first.offers[1], OfferResult::Later, "one new stream a claim, so that they spread");
    let second = store.claim_frames(&b, &claim(&record, vec![offer("y", 1, 1..=1)])).await.unwrap();
    assert_eq!(given(&second), [(1, 1)]);
    let foreign = store.claim_frames(&b, &claim(&record, vec![offer("x", 2, 2..=2)])).await.unwrap();
    assert_eq!(foreign.offers, [OfferResult::Owned(number(2), String::new())]);
    say(&*store, &record, &second.deliveries[0], Verdict::Acknowledge).await;
    store.leave_group(&a, &[]).await.unwrap();
    // Until its frames are due, or done, it may come back: frames behind them are not sent before them.
    let foreign = store.claim_frames(&b, &claim(&record, vec![offer("x", 2, 2..=2)])).await.unwrap();
    assert_eq!(foreign.offers, [OfferResult::Owned(number(2), String::new())]);
    // The heir gets what was not done first, in order.
    let heir = eventually("the stream goes to another", || async {
        let heir = store.claim_frames(&b, &claim(&record, vec![offer("x", 2, 2..=2)])).await.unwrap();
        (!heir.deliveries.is_empty()).then_some(heir)
    })
    .await;
    assert_eq!(given(&heir), [(1, 2), (2, 1)]);
    let state = store.group_state(&group_id()).await.unwrap();
    assert_eq!(state.positions[&id("x")].owner.as_ref().map(|owner| owner.as_str()), Some("b"));
}

pub(crate) async fn rejected_frames_wait_and_are_given_up_in_the_end(backend: Backend) {
    let store = backend.open().await;
    let record =
        create(&*store, &GroupSettings { max_delivery_attempts: Some(2), ..settings() }, &["cam"]).await;
    let a = join(&*store, "a", 1, LONG).await;
    let first = store.claim_frames(&a, &claim(&record, vec![offer("cam", 1, 1..=2)])).await.unwrap();
    let retry = |delay| Verdict::Retry { delay, message: "busy".to_owned() };
    let said = say(&*store, &record, &first.deliveries[0], retry(Some(SHORT))).await;
    assert_eq!(said, AnswerResult::Done(None));
    // Again: nothing changes, not even the wait.
    say(&*store, &record, &first.deliveries[0], retry(Some(LONG))).await;
    let stale = say(&*store, &record, &first.deliveries[0], Verdict::Extend(None)).await;
    assert_eq!(stale, AnswerResult::Rejected, "it waits for its delay");
    let again = wait_for_due(&*store, &a, &claim(&record, vec![])).await;
    assert_eq!(given(&again), [(1, 2)]);
    let AnswerResult::Exhausted(given_up) = say(&*store, &record, &again.deliveries[0], retry(None)).await
    else {
        panic!("two attempts are all there are")
    };
    assert_eq!((given_up.attempts, given_up.rejected, given_up.message.as_str()), (2, false, "busy"));
    let never = Verdict::GiveUp { message: "no road".to_owned() };
    let AnswerResult::Exhausted(rejected) = say(&*store, &record, &first.deliveries[1], never).await else {
        panic!("it was asked for")
    };
    assert_eq!((rejected.attempts, rejected.rejected, rejected.message.as_str()), (1, true, "no road"));
    let settled = |sequence, attempt| Settled {
        stream_id: id("cam"),
        sequence: number(sequence),
        attempt,
        letter: None,
        settlement: Settlement::DeadLetter,
    };
    for _ in 0..2 {
        store.settle_frames(&group_id(), &[settled(1, 2), settled(2, 1)]).await.unwrap();
    }
    let state = store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.counters.dead, state.positions[&id("cam")].acknowledged()), (2, 2));
    // An ack of any attempt says how it ended, and not that somebody acknowledged it.
    for (delivery, how) in [
        (&first.deliveries[0], Ended::GivenUp),
        (&again.deliveries[0], Ended::GivenUp),
        (&first.deliveries[1], Ended::Rejected),
    ] {
        let late = say(&*store, &record, delivery, Verdict::Acknowledge).await;
        assert_eq!(late, AnswerResult::Ended(how), "{delivery:?}");
    }
}

pub(crate) async fn a_frame_can_be_given_up_by_who_had_it_last(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &GroupSettings { ack_deadline: Some(AWAY), ..settings() }, &["cam"]).await;
    let a = join(&*store, "a", 1, LONG).await;
    let first = store.claim_frames(&a, &claim(&record, vec![offer("cam", 1, 1..=2)])).await.unwrap();
    store.leave_group(&a, &[]).await.unwrap();
    let never = || Verdict::GiveUp { message: "no road".to_owned() };
    for _ in 0..2 {
        let said = say(&*store, &record, &first.deliveries[0], never()).await;
        assert!(matches!(said, AnswerResult::Exhausted(_) | AnswerResult::Done(None)), "{said:?}");
    }
    // It is not delivered again, and the other one is.
    let b = join(&*store, "b", 2, LONG).await;
    let again = wait_for_due(&*store, &b, &claim(&record, vec![])).await;
    assert_eq!(given(&again), [(2, 2)]);
    let late = say(&*store, &record, &first.deliveries[1], never()).await;
    assert_eq!(late, AnswerResult::Stale, "it was delivered again since");
    // What goes with its stream is counted: one waits to be settled, one is out.
    store.drop_group_streams(&group_id(), &[removed("cam", 2)], 11).await.unwrap();
    let state = store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.counters.lost, state.members[0].outstanding_frames), (2, 0));
}

pub(crate) async fn a_given_up_frame_is_entered_once_with_a_copy_of_its_own(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    publish(&*store, &lease, "cam", 1).await;
    let entry = store.read_outputs(&id("cam"), number(1), 1).await.unwrap().entries.remove(0);
    let copy = Offer::new(bytes::Bytes::from_static(b"a copy"));
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
        store.bury_frame(&dead, Some(&copy), "once").await.unwrap();
    }
    assert_eq!(store.dead_letter_totals().await.unwrap().letters, 1);
    // The output's retention does not take it.
    store.trim_output(&lease, &id("cam"), None, 0, u64::MAX, NOTHING_IS_TOO_OLD).await.unwrap();
    assert!(is_stored(&*store, "cam", copy.payload).await);
    // A second copy of the same frame is not kept.
    let again = Offer::new(bytes::Bytes::from_static(b"another"));
    let payload = again.payload;
    store.bury_frame(&dead, Some(&again), "once").await.unwrap();
    assert_eq!(store.dead_letter_totals().await.unwrap().letters, 1);
    assert!(!is_stored(&*store, "cam", payload).await);
}

pub(crate) async fn lag_is_exact_also_after_trimming(backend: Backend) {
    let store = backend.open().await;
    register(&*store, "cam").await;
    let lease = lease_of(&*store, "cam", "w").await;
    publish(&*store, &lease, "cam", 10).await;
    let record = create(&*store, &settings(), &["cam"]).await;
    let a = join(&*store, "a", 1, LONG).await;
    let first = store.claim_frames(&a, &claim(&record, vec![offer("cam", 1, 1..=6)])).await.unwrap();
    say(&*store, &record, &first.deliveries[2], Verdict::Acknowledge).await;
    let lag = async || {
        let state = store.group_state(&group_id()).await.unwrap();
        let position = &state.positions[&id("cam")];
        let span = store.count_outputs(&[(id("cam"), position.next)]).await.unwrap()[0];
        frameway::hub::lag_of(position, &span)
    };
    assert_eq!(lag().await, 9);
    // Takes 1 to 5, of which 3 is done: 6 is pending, 7 to 10 wait.
    store.trim_output(&lease, &id("cam"), None, 5, u64::MAX, NOTHING_IS_TOO_OLD).await.unwrap();
    assert_eq!(lag().await, 5);
    store.trim_output(&lease, &id("cam"), None, 2, u64::MAX, NOTHING_IS_TOO_OLD).await.unwrap();
    assert_eq!(lag().await, 2);
    let span = store.count_outputs(&[(id("cam"), number(10)), (id("cam"), number(99))]).await.unwrap();
    assert_eq!((span[0].oldest, span[0].head, span[0].entries, span[1].entries), (9, 10, 1, 0));
}

pub(crate) async fn groups_are_made_changed_listed_and_deleted(backend: Backend) {
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
    assert_eq!(positions, [("cam", 1), ("new", 7)], "a position that is there stays");
    let stale = store.update_group(&group_id(), &changed, record.etag(), &[]).await;
    assert_eq!(stale.unwrap_err(), Error::EtagMismatch { current: updated.etag() });
    // A claim by the old settings takes nothing.
    let a = join(&*store, "a", 1, LONG).await;
    let old = store.claim_frames(&a, &claim(&record, vec![offer("cam", 1, 1..=1)])).await;
    assert_eq!(old.unwrap_err(), Error::RevisionMismatch { current: 2 });
    // A stream without a position begins where its first offer says.
    let begin = StreamOffer { begin: true, ..offer("fresh", 4, 4..=4) };
    let plain = offer("strange", 1, 1..=1);
    let claimed = store.claim_frames(&a, &claim(&updated, vec![begin, plain])).await.unwrap();
    assert_eq!(given(&claimed), [(4, 1)]);
    assert_eq!(claimed.offers[1], OfferResult::Unknown);

    assert_eq!(
        store.delete_group(&group_id(), Some(record.etag())).await.unwrap_err(),
        Error::EtagMismatch { current: updated.etag() }
    );
    store.delete_group(&group_id(), None).await.unwrap();
    let gone = || Error::GroupNotFound(group_id());
    assert_eq!(store.delete_group(&group_id(), None).await.unwrap_err(), gone());
    assert_eq!(store.claim_frames(&a, &claim(&updated, vec![])).await.unwrap_err(), gone());
    assert_eq!(store.keep_seat(&a, LONG).await.unwrap_err(), gone());
    assert_eq!(store.group_state(&group_id()).await.unwrap_err(), gone());
    assert_eq!(names(None, 10).await, ["a-1", "b.2"]);
    // The next of that name is another: nothing of the old one holds.
    let next = create(&*store, &settings(), &["fresh"]).await;
    assert_ne!(next.incarnation, updated.incarnation);
    assert_eq!(store.claim_frames(&a, &claim(&updated, vec![])).await.unwrap_err(), gone());
    let stale = say(&*store, &updated, &claimed.deliveries[0], Verdict::Acknowledge).await;
    assert_eq!(stale, AnswerResult::Stale);
}

pub(crate) async fn what_is_passed_over_counts_as_done(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam"]).await;
    let a = join(&*store, "a", 1, LONG).await;
    let mut skipping = StreamOffer { lost: 3, ..offer("cam", 1, 4..=6) };
    for (candidate, mark) in skipping.candidates.iter_mut().zip(["1:0", "1:1", "1:2"]) {
        candidate.skip = candidate.sequence != number(5);
        candidate.mark = mark.to_owned();
    }
    let claimed = store.claim_frames(&a, &claim(&record, vec![skipping])).await.unwrap();
    assert_eq!(
        (given(&claimed), claimed.offers),
        (vec![(5, 1)], vec![OfferResult::At(number(7), "1:2".to_owned())])
    );
    let state = store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.counters.acknowledged, state.counters.lost), (2, 3));
    assert_eq!(state.positions[&id("cam")].mark, "1:2");
}

pub(crate) async fn all_servers_have_one_key_for_ack_ids(backend: Backend) {
    let store = backend.open().await;
    let key = store.ack_key().await.unwrap();
    assert_ne!(key, [0; 32]);
    assert_eq!(store.ack_key().await.unwrap(), key);
}

pub(crate) async fn what_sampling_remembers_is_kept_with_the_position(backend: Backend) {
    let store = backend.open().await;
    let record = create(&*store, &settings(), &["cam"]).await;
    let a = join(&*store, "a", 1, LONG).await;
    let marked = |from, marks: &[&str]| {
        let mut offer = offer("cam", from, from..=from + marks.len() as u64 - 1);
        for (candidate, mark) in offer.candidates.iter_mut().zip(marks) {
            candidate.mark = (*mark).to_owned();
        }
        offer
    };
    let kept = async || store.group_state(&group_id()).await.unwrap().positions[&id("cam")].mark.clone();
    let take = async |most, offer| {
        let claimed = store.claim_frames(&a, &Claim { most, ..claim(&record, vec![offer]) }).await.unwrap();
        claimed.offers[0].clone()
    };
    // Only as far as frames were taken.
    assert_eq!(take(1, marked(1, &["1:10", "0:20"])).await, OfferResult::At(number(2), "1:10".into()));
    assert_eq!(kept().await, "1:10");
    // Whoever comes with an old position learns what is remembered at the new one.
    assert_eq!(take(9, marked(1, &["2:30"])).await, OfferResult::Moved(number(2), "1:10".into()));
    assert_eq!(take(9, marked(2, &["0:20", "1:20"])).await, OfferResult::At(number(4), "1:20".into()));
    assert_eq!(kept().await, "1:20");
    // Nothing to remember any more.
    assert_eq!(take(9, marked(4, &[""])).await, OfferResult::At(number(5), String::new()));
    assert_eq!(kept().await, "");
    assert_eq!(take(9, marked(5, &["2:50"])).await, OfferResult::At(number(6), "2:50".into()));
    // From another position on it is another selection.
    store.seek_group(&group_id(), &[(id("cam"), number(2))], None).await.unwrap();
    assert_eq!(kept().await, "");
}
