//! Dead letters of consumer groups that go back to their group.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use frameway::domain::{
    DeadFrame, DeadLetterFilter, DeadLetterId, DeadLetterReason, DeadLetterSource, DeadOutput, DeadPicture,
    GroupRecord, GroupSettings, OutputBody, OutputEntry, ProcessedFrame, Timestamp,
};
use frameway::queue::{
    Answer, AnswerResult, DeadLetterOrder, Delivery, Lease, ListDeadLetters, Offer, Queue, ReplayResult,
    Seat, Settled, Settlement, Verdict,
};

use crate::backend::{Backend, Store};
use crate::common::spawn;
use crate::groups::{START, claim, create, given, group_id, join, offer, say, settings};
use crate::support::*;

/// A group with one member, and one frame that it has given up, which is a dead letter.
struct Scene {
    store: Store,
    lease: Lease,
    record: GroupRecord,
    seat: Seat,
    letter: DeadLetterId,
    entry: Arc<OutputEntry>,
}

fn never() -> Verdict {
    Verdict::GiveUp { message: "no road".to_owned() }
}

/// The dead letter of an output entry, with a picture of its own.
pub(crate) fn dead(entry: &OutputEntry, copy: &Offer) -> DeadFrame {
    let OutputBody::Frame(frame) = &entry.body else { panic!("a frame") };
    let picture = &frame.pictures[0];
    DeadFrame {
        source: DeadLetterSource::Group(group_id()),
        stream_id: entry.stream_id.clone(),
        sequence: entry.sequence,
        receive_time: entry.receive_time,
        header: frame.header.clone(),
        reason: DeadLetterReason::Rejected,
        message: "no road".to_owned(),
        attempts: 1,
        picture: Some(DeadPicture {
            format: picture.format,
            width: picture.width,
            height: picture.height,
            payload: copy.payload,
        }),
        output: Some(Box::new(DeadOutput {
            frame: ProcessedFrame { pictures: Vec::new(), ..(**frame).clone() },
            previous_sequence: entry.previous_sequence,
            publish_time: entry.publish_time,
        })),
    }
}

fn settled(attempt: u32, letter: Option<DeadLetterId>) -> Settled {
    let settlement = Settlement::DeadLetter;
    Settled { stream_id: id("cam"), sequence: number(1), attempt, letter, settlement }
}

impl Scene {
    /// The frame is still the group's: nobody has taken it off.
    async fn unsettled(backend: Backend, settings: GroupSettings) -> Self {
        let store = backend.open().await;
        register(&*store, "cam").await;
        let lease = lease_of(&*store, "cam", "w").await;
        publish(&*store, &lease, "cam", 3).await;
        let record = create(&*store, &settings, &["cam"]).await;
        let seat = join(&*store, "a", 1, LONG).await;
        let first = store.claim_frames(&seat, &claim(&record, vec![offer("cam", 1, 1..=1)])).await.unwrap();
        let said = say(&*store, &record, &first.deliveries[0], never()).await;
        assert!(matches!(said, AnswerResult::Exhausted(_)), "{said:?}");
        let entry = store.read_outputs(&id("cam"), number(1), 1).await.unwrap().entries.remove(0);
        let copy = Offer::new(Bytes::from_static(b"a copy"));
        store.bury_frame(&dead(&entry, &copy), Some(&copy), "first").await.unwrap();
        let letter = letters(&*store).await[0];
        Self { store, lease, record, seat, letter, entry }
    }

    async fn of(backend: Backend, settings: GroupSettings) -> Self {
        let scene = Self::unsettled(backend, settings).await;
        scene.store.settle_frames(&group_id(), &[settled(1, None)]).await.unwrap();
        scene
    }

    async fn replay(&self) -> ReplayResult {
        self.store.replay_dead_letter(self.letter).await.unwrap()
    }

    /// What is due now.
    async fn due(&self) -> Vec<Delivery> {
        self.store.claim_frames(&self.seat, &claim(&self.record, vec![])).await.unwrap().deliveries
    }

    async fn trim(&self) {
        let all = Timestamp::from_micros(0);
        self.store.trim_output(&self.lease, &id("cam"), None, 0, u64::MAX, all).await.unwrap();
    }

    async fn is_marked(&self) -> bool {
        self.store.get_dead_letter(self.letter).await.unwrap().expect("it is kept").replay.is_some()
    }
}

async fn letters(queue: &dyn Queue) -> Vec<DeadLetterId> {
    let filter = DeadLetterFilter::default();
    let query = ListDeadLetters { filter, order: DeadLetterOrder::OldestFirst, after: None, limit: 100 };
    queue
        .list_dead_letters(&query)
        .await
        .unwrap()
        .letters
        .into_iter()
        .filter(|letter| letter.frame.source == DeadLetterSource::Group(group_id()))
        .map(|letter| letter.id)
        .collect()
}

pub(crate) async fn the_group_gets_the_frame_again_once(backend: Backend) {
    let scene = Scene::of(backend, settings()).await;
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let (queue, letter) = (Arc::clone(&scene.store.queue), scene.letter);
            spawn(async move { queue.replay_dead_letter(letter).await.unwrap() })
        })
        .collect();
    for one in tries {
        assert_eq!(one.await.unwrap(), ReplayResult::Redelivered);
    }
    let due = scene.due().await;
    let seen: Vec<_> = due.iter().map(|one| (one.sequence.get(), one.attempt, one.letter)).collect();
    assert_eq!(seen, [(1, 1, Some(scene.letter))], "as if it were new");
    let state = scene.store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.members[0].outstanding_frames, state.counters.redelivered), (1, 0));
    assert_eq!(state.members[0].outstanding_bytes, 6, "as large as the kept picture");
    let said = say(&*scene.store, &scene.record, &due[0], Verdict::Acknowledge).await;
    assert_eq!(said, AnswerResult::Done(None));
    // Also when it is done: the answer stays the same, and nothing comes again.
    assert_eq!(scene.replay().await, ReplayResult::Redelivered);
    assert!(scene.due().await.is_empty());
    let letter = scene.store.get_dead_letter(scene.letter).await.unwrap().expect("it is kept");
    assert_eq!(letter.replay.map(|replay| replay.sequence), Some(None));
    let state = scene.store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.members[0].outstanding_frames, state.counters.acknowledged), (0, 1));
    assert!(state.positions[&id("cam")].pending.is_empty());
}

pub(crate) async fn the_letter_has_the_frame_when_its_output_is_gone(backend: Backend) {
    let scene = Scene::of(backend, settings()).await;
    scene.trim().await;
    assert_eq!(scene.replay().await, ReplayResult::Redelivered);
    let due = scene.due().await;
    assert_eq!((due[0].attempt, due[0].letter), (1, Some(scene.letter)));
    let letter = scene.store.get_dead_letter(scene.letter).await.unwrap().expect("it is kept");
    let held = letter.frame.output_entry().expect("all that a member is given");
    let picture = held.body.pictures()[0].payload;
    let bytes = scene.store.fetch(scene.lease.partition, &[picture]).await.unwrap().remove(0);
    assert_eq!(bytes.as_deref(), Some(&b"a copy"[..]));
    // But for the pictures it is what the output had.
    let OutputBody::Frame(published) = &scene.entry.body else { panic!("a frame") };
    let pictures = held.body.pictures().to_vec();
    let body = OutputBody::Frame(Box::new(ProcessedFrame { pictures, ..(**published).clone() }));
    assert_eq!(held, OutputEntry { body, ..(*scene.entry).clone() });
    let said = say(&*scene.store, &scene.record, &due[0], Verdict::Acknowledge).await;
    assert_eq!(said, AnswerResult::Done(None));
}

pub(crate) async fn a_replay_that_cannot_reach_its_group_changes_nothing(backend: Backend) {
    let scene = Scene::of(backend, GroupSettings { max_outstanding_frames: Some(1), ..settings() }).await;
    let Scene { store, record, seat, .. } = &scene;
    let in_the_way = store.claim_frames(seat, &claim(record, vec![offer("cam", 2, 2..=2)])).await.unwrap();
    assert_eq!(given(&in_the_way), [(2, 1)]);
    assert_eq!(scene.replay().await, ReplayResult::GroupFull);
    store.drop_group_streams(&group_id(), &[removed("cam", 3)], 11).await.unwrap();
    assert_eq!(scene.replay().await, ReplayResult::TargetGone, "the group does not read the stream");
    store.delete_group(&group_id(), None).await.unwrap();
    assert_eq!(scene.replay().await, ReplayResult::TargetGone);
    assert!(!scene.is_marked().await);
    // A group that is made again under the name takes it.
    let again =
        store.create_group(&group_id(), &settings(), START, &[(id("cam"), number(9))]).await.unwrap().record;
    let seat = join(&**store, "a", 2, LONG).await;
    assert_eq!(scene.replay().await, ReplayResult::Redelivered);
    let due = store.claim_frames(&seat, &claim(&again, vec![])).await.unwrap();
    assert_eq!(given(&due), [(1, 1)]);
    // Without its picture, and without its output.
    let bare = DeadFrame { picture: None, ..dead(&scene.entry, &Offer::new(Bytes::from_static(b"x"))) };
    store.bury_frame(&bare, None, "bare").await.unwrap();
    let bare = letters(&**store).await[1];
    scene.trim().await;
    assert_eq!(store.replay_dead_letter(bare).await.unwrap(), ReplayResult::NoPicture);
    let unknown = DeadLetterId { number: bare.number + 1, ..bare };
    assert_eq!(store.replay_dead_letter(unknown).await.unwrap(), ReplayResult::NotFound);
}

pub(crate) async fn a_late_settlement_is_not_of_a_replayed_frame(backend: Backend) {
    let scene =
        Scene::unsettled(backend, GroupSettings { max_delivery_attempts: Some(1), ..settings() }).await;
    // Between the dead letter and its settlement: it begins anew at once.
    assert_eq!(scene.replay().await, ReplayResult::Redelivered);
    let due = scene.due().await;
    assert_eq!((due.len(), due[0].attempt), (1, 1));
    scene.store.settle_frames(&group_id(), &[settled(1, None)]).await.unwrap();
    let state = scene.store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.positions[&id("cam")].pending.len(), state.counters.dead), (1, 1));
    // Given up again: whoever buries it knows that it is another death.
    let AnswerResult::Exhausted(again) = say(&*scene.store, &scene.record, &due[0], never()).await else {
        panic!("it is given up")
    };
    assert_eq!((again.attempts, again.letter), (1, Some(scene.letter)));
    scene.store.settle_frames(&group_id(), &[settled(1, again.letter)]).await.unwrap();
    let state = scene.store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.positions[&id("cam")].pending.len(), state.counters.dead), (0, 2));
    // A member that finds it due is told as well.
    let copy = Offer::new(Bytes::from_static(b"a copy"));
    scene.store.bury_frame(&dead(&scene.entry, &copy), Some(&copy), "second").await.unwrap();
    let second = letters(&*scene.store).await[1];
    assert_eq!(scene.store.replay_dead_letter(second).await.unwrap(), ReplayResult::Redelivered);
    let due = scene.due().await;
    let soon = Verdict::Retry { delay: Some(Duration::ZERO), message: String::new() };
    let AnswerResult::Exhausted(again) = say(&*scene.store, &scene.record, &due[0], soon).await else {
        panic!("one attempt is all there is")
    };
    assert_eq!(again.letter, Some(second));
}

pub(crate) async fn a_group_behind_the_frame_gets_it_once(backend: Backend) {
    let scene = Scene::of(backend, settings()).await;
    let sought = scene.store.seek_group(&group_id(), &[(id("cam"), number(1))], None).await.unwrap();
    assert_eq!(scene.replay().await, ReplayResult::Ahead);
    let letter = scene.store.get_dead_letter(scene.letter).await.unwrap().expect("it stays");
    assert!(letter.replay.is_none(), "the group's filter may pass the frame over: it can be replayed then");
    let offers = vec![offer("cam", 1, 1..=3)];
    let claimed = scene.store.claim_frames(&scene.seat, &claim(&sought, offers)).await.unwrap();
    assert_eq!(given(&claimed), [(1, 1), (2, 1), (3, 1)], "it comes to it by itself");
    // What has no output any more it does not come to.
    let copy = Offer::new(Bytes::from_static(b"a copy"));
    scene.store.bury_frame(&dead(&scene.entry, &copy), Some(&copy), "second").await.unwrap();
    let second = letters(&*scene.store).await[1];
    let sought = scene.store.seek_group(&group_id(), &[(id("cam"), number(1))], None).await.unwrap();
    scene.trim().await;
    assert_eq!(scene.store.replay_dead_letter(second).await.unwrap(), ReplayResult::Redelivered);
    let due = scene.due().await;
    assert_eq!(due.iter().map(|one| one.sequence.get()).collect::<Vec<_>>(), [1]);
    let answer = Answer {
        stream_id: id("cam"),
        sequence: number(1),
        attempt: 1,
        generation: sought.generation,
        incarnation: sought.incarnation,
        verdict: Verdict::Acknowledge,
    };
    let said = scene.store.answer_frames(&group_id(), &[answer]).await.unwrap();
    assert_eq!(said, [AnswerResult::Done(None)]);
}

pub(crate) async fn what_the_group_would_get_again_is_asked_without_giving_it(backend: Backend) {
    let one_at_a_time = GroupSettings { max_outstanding_frames: Some(1), ..settings() };
    let scene = Scene::of(backend, one_at_a_time).await;
    let store = &scene.store;
    // A second one, of the next frame.
    let offers = vec![offer("cam", 2, 2..=2)];
    let next = store.claim_frames(&scene.seat, &claim(&scene.record, offers)).await.unwrap();
    let said = say(&**store, &scene.record, &next.deliveries[0], never()).await;
    assert!(matches!(said, AnswerResult::Exhausted(_)), "{said:?}");
    let entry = store.read_outputs(&id("cam"), number(2), 1).await.unwrap().entries.remove(0);
    let copy = Offer::new(Bytes::from_static(b"a copy"));
    store.bury_frame(&dead(&entry, &copy), Some(&copy), "second").await.unwrap();
    store.settle_frames(&group_id(), &[Settled { sequence: number(2), ..settled(1, None) }]).await.unwrap();
    let both = letters(&**store).await;
    assert_eq!(both.len(), 2);

    let full = Some(ReplayResult::GroupFull);
    for _ in 0..2 {
        assert_eq!(store.would_replay(&both).await.unwrap(), [None, full.clone()]);
    }
    assert!(!scene.is_marked().await);
    assert_eq!(scene.due().await, []);
    assert_eq!(scene.replay().await, ReplayResult::Redelivered);
    let redelivered = Some(ReplayResult::Redelivered);
    assert_eq!(store.would_replay(&both).await.unwrap(), [redelivered.clone(), full]);
    store.delete_group(&group_id(), None).await.unwrap();
    let gone = Some(ReplayResult::TargetGone);
    assert_eq!(store.would_replay(&both).await.unwrap(), [redelivered, gone]);
}
