//! Dead letters that return to their consumer group.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use frameway::domain::{
    DeadFrame, DeadLetterFilter, DeadLetterId, DeadLetterReason, DeadLetterSource, DeadOutput, DeadPicture,
    GroupRecord, GroupSettings, OutputBody, OutputEntry, ProcessedFrame,
};
use frameway::queue::{
    Ack, AckAction, AckResult, DeadLetterOrder, Delivery, EndedFrame, FrameEnd, Lease, ListDeadLetters,
    Membership, Queue, ReplayResult, Upload,
};

use crate::backend::{Backend, Store};
use crate::common::spawn;
use crate::groups::{START, answer, claim, create, delivered, group_id, join, offer, settings};
use crate::support::*;

/// A group with one member, and one frame that it has given up, which is a dead letter.
struct Scene {
    store: Store,
    lease: Lease,
    record: GroupRecord,
    membership: Membership,
    letter: DeadLetterId,
    entry: Arc<OutputEntry>,
}

fn never() -> AckAction {
    AckAction::GiveUp { message: "no road".to_owned() }
}

/// Returns the dead letter of an output entry, with a picture of its own.
pub(crate) fn dead(entry: &OutputEntry, copy: &Upload) -> DeadFrame {
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

fn settled(attempt: u32, letter: Option<DeadLetterId>) -> EndedFrame {
    let end = FrameEnd::DeadLetter;
    EndedFrame { stream_id: id("cam"), sequence: number(1), attempt, letter, end }
}

impl Scene {
    /// Creates the scene with the frame still in the group.
    async fn unsettled(backend: Backend, settings: GroupSettings) -> Self {
        let store = backend.open().await;
        register(&*store, "cam").await;
        let lease = lease_of(&*store, "cam", "w").await;
        publish(&*store, &lease, "cam", 3).await;
        let record = create(&*store, &settings, &["cam"]).await;
        let membership = join(&*store, "a", 1, LONG).await;
        let first =
            store.claim_frames(&membership, &claim(&record, vec![offer("cam", 1, 1..=1)])).await.unwrap();
        let said = answer(&*store, &record, &first.deliveries[0], never()).await;
        assert!(matches!(said, AckResult::Exhausted(_)), "{said:?}");
        let entry = store.read_outputs(&id("cam"), number(1), 1).await.unwrap().entries.remove(0);
        let copy = Upload::new(Bytes::from_static(b"a copy"));
        store.insert_dead_letter(&dead(&entry, &copy), Some(&copy), "first").await.unwrap();
        let letter = letters(&*store).await[0];
        Self { store, lease, record, membership, letter, entry }
    }

    async fn of(backend: Backend, settings: GroupSettings) -> Self {
        let scene = Self::unsettled(backend, settings).await;
        scene.store.end_frames(&group_id(), &[settled(1, None)]).await.unwrap();
        scene
    }

    async fn replay(&self) -> ReplayResult {
        self.store.replay_dead_letter(self.letter).await.unwrap()
    }

    /// Claims what is due now.
    async fn due(&self) -> Vec<Delivery> {
        self.store.claim_frames(&self.membership, &claim(&self.record, vec![])).await.unwrap().deliveries
    }

    async fn trim(&self) {
        keep_newest(&*self.store, &self.lease, "cam", 0).await;
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

pub(crate) async fn a_replayed_frame_is_delivered_to_its_group_once(backend: Backend) {
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
    let said = answer(&*scene.store, &scene.record, &due[0], AckAction::Acknowledge).await;
    assert_eq!(said, AckResult::Done(None));
    // After the frame is acknowledged, a replay has the same result, and nothing is delivered.
    assert_eq!(scene.replay().await, ReplayResult::Redelivered);
    assert!(scene.due().await.is_empty());
    let letter = scene.store.get_dead_letter(scene.letter).await.unwrap().expect("it is kept");
    assert_eq!(letter.replay.map(|replay| replay.sequence), Some(None));
    let state = scene.store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.members[0].outstanding_frames, state.counters.acknowledged), (0, 1));
    assert!(state.positions[&id("cam")].pending.is_empty());
}

pub(crate) async fn a_frame_without_an_output_entry_comes_from_its_dead_letter(backend: Backend) {
    let scene = Scene::of(backend, settings()).await;
    scene.trim().await;
    assert_eq!(scene.replay().await, ReplayResult::Redelivered);
    let due = scene.due().await;
    assert_eq!((due[0].attempt, due[0].letter), (1, Some(scene.letter)));
    let letter = scene.store.get_dead_letter(scene.letter).await.unwrap().expect("it is kept");
    let held = letter.frame.output_entry().expect("everything that a member gets");
    let picture = held.body.pictures()[0].payload;
    let bytes = scene.store.fetch(scene.lease.partition, &[picture]).await.unwrap().remove(0);
    assert_eq!(bytes.as_deref(), Some(&b"a copy"[..]));
    // Except for its pictures, the entry is that of the output.
    let OutputBody::Frame(published) = &scene.entry.body else { panic!("a frame") };
    let pictures = held.body.pictures().to_vec();
    let body = OutputBody::Frame(Box::new(ProcessedFrame { pictures, ..(**published).clone() }));
    assert_eq!(held, OutputEntry { body, ..(*scene.entry).clone() });
    let said = answer(&*scene.store, &scene.record, &due[0], AckAction::Acknowledge).await;
    assert_eq!(said, AckResult::Done(None));
}

pub(crate) async fn a_replay_that_cannot_reach_its_group_changes_nothing(backend: Backend) {
    let scene = Scene::of(backend, GroupSettings { max_outstanding_frames: Some(1), ..settings() }).await;
    let Scene { store, record, membership, .. } = &scene;
    let in_the_way =
        store.claim_frames(membership, &claim(record, vec![offer("cam", 2, 2..=2)])).await.unwrap();
    assert_eq!(delivered(&in_the_way), [(2, 1)]);
    assert_eq!(scene.replay().await, ReplayResult::GroupFull);
    store.drop_group_streams(&group_id(), &[removed("cam", 3)], 11).await.unwrap();
    assert_eq!(scene.replay().await, ReplayResult::TargetGone, "the group does not read the stream");
    store.delete_group(&group_id(), None).await.unwrap();
    assert_eq!(scene.replay().await, ReplayResult::TargetGone);
    assert!(!scene.is_marked().await);
    // A later group of the same name gets the frame.
    let again =
        store.create_group(&group_id(), &settings(), START, &[(id("cam"), number(9))]).await.unwrap().record;
    let membership = join(&**store, "a", 2, LONG).await;
    assert_eq!(scene.replay().await, ReplayResult::Redelivered);
    let due = store.claim_frames(&membership, &claim(&again, vec![])).await.unwrap();
    assert_eq!(delivered(&due), [(1, 1)]);
    // A dead letter without a picture, whose output entry is removed.
    let bare = DeadFrame { picture: None, ..dead(&scene.entry, &Upload::new(Bytes::from_static(b"x"))) };
    store.insert_dead_letter(&bare, None, "bare").await.unwrap();
    let bare = letters(&**store).await[1];
    scene.trim().await;
    assert_eq!(store.replay_dead_letter(bare).await.unwrap(), ReplayResult::NoPicture);
    let unknown = DeadLetterId { number: bare.number + 1, ..bare };
    assert_eq!(store.replay_dead_letter(unknown).await.unwrap(), ReplayResult::NotFound);
}

pub(crate) async fn a_late_operation_does_not_affect_a_replayed_frame(backend: Backend) {
    let scene =
        Scene::unsettled(backend, GroupSettings { max_delivery_attempts: Some(1), ..settings() }).await;
    // Replayed before it is removed from the group, the frame is due at once.
    assert_eq!(scene.replay().await, ReplayResult::Redelivered);
    let due = scene.due().await;
    assert_eq!((due.len(), due[0].attempt), (1, 1));
    scene.store.end_frames(&group_id(), &[settled(1, None)]).await.unwrap();
    let state = scene.store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.positions[&id("cam")].pending.len(), state.counters.dead), (1, 1));
    // The frame is given up again: the result names the dead letter that it was replayed from.
    let AckResult::Exhausted(again) = answer(&*scene.store, &scene.record, &due[0], never()).await else {
        panic!("it is given up")
    };
    assert_eq!((again.attempts, again.letter), (1, Some(scene.letter)));
    scene.store.end_frames(&group_id(), &[settled(1, again.letter)]).await.unwrap();
    let state = scene.store.group_state(&group_id()).await.unwrap();
    assert_eq!((state.positions[&id("cam")].pending.len(), state.counters.dead), (0, 2));
    // A retry that uses up the attempts names the dead letter, too.
    let copy = Upload::new(Bytes::from_static(b"a copy"));
    scene.store.insert_dead_letter(&dead(&scene.entry, &copy), Some(&copy), "second").await.unwrap();
    let second = letters(&*scene.store).await[1];
    assert_eq!(scene.store.replay_dead_letter(second).await.unwrap(), ReplayResult::Redelivered);
    let due = scene.due().await;
    let soon = AckAction::Retry { delay: Some(Duration::ZERO), message: String::new() };
    let AckResult::Exhausted(again) = answer(&*scene.store, &scene.record, &due[0], soon).await else {
        panic!("there is only one attempt")
    };
    assert_eq!(again.letter, Some(second));
}

pub(crate) async fn a_group_that_has_yet_to_reach_the_frame_gets_it_once(backend: Backend) {
    let scene = Scene::of(backend, settings()).await;
    let sought = scene.store.seek_group(&group_id(), &[(id("cam"), number(1))], None).await.unwrap();
    assert_eq!(scene.replay().await, ReplayResult::Ahead);
    let letter = scene.store.get_dead_letter(scene.letter).await.unwrap().expect("it stays");
    assert!(letter.replay.is_none(), "the group's filter may skip the frame, so it can be replayed");
    let offers = vec![offer("cam", 1, 1..=3)];
    let claimed = scene.store.claim_frames(&scene.membership, &claim(&sought, offers)).await.unwrap();
    assert_eq!(delivered(&claimed), [(1, 1), (2, 1), (3, 1)], "the group reaches the frame by itself");
    // The group cannot reach a frame whose output entry is removed.
    let copy = Upload::new(Bytes::from_static(b"a copy"));
    scene.store.insert_dead_letter(&dead(&scene.entry, &copy), Some(&copy), "second").await.unwrap();
    let second = letters(&*scene.store).await[1];
    let sought = scene.store.seek_group(&group_id(), &[(id("cam"), number(1))], None).await.unwrap();
    scene.trim().await;
    assert_eq!(scene.store.replay_dead_letter(second).await.unwrap(), ReplayResult::Redelivered);
    let due = scene.due().await;
    assert_eq!(due.iter().map(|one| one.sequence.get()).collect::<Vec<_>>(), [1]);
    let answer = Ack {
        stream_id: id("cam"),
        sequence: number(1),
        attempt: 1,
        generation: sought.generation,
        incarnation: sought.incarnation,
        action: AckAction::Acknowledge,
    };
    let said = scene.store.acknowledge(&group_id(), &[answer]).await.unwrap();
    assert_eq!(said, [AckResult::Done(None)]);
}

pub(crate) async fn a_dry_replay_to_a_group_delivers_nothing(backend: Backend) {
    let one_at_a_time = GroupSettings { max_outstanding_frames: Some(1), ..settings() };
    let scene = Scene::of(backend, one_at_a_time).await;
    let store = &scene.store;
    // A second dead letter, of the next frame.
    let offers = vec![offer("cam", 2, 2..=2)];
    let next = store.claim_frames(&scene.membership, &claim(&scene.record, offers)).await.unwrap();
    let said = answer(&**store, &scene.record, &next.deliveries[0], never()).await;
    assert!(matches!(said, AckResult::Exhausted(_)), "{said:?}");
    let entry = store.read_outputs(&id("cam"), number(2), 1).await.unwrap().entries.remove(0);
    let copy = Upload::new(Bytes::from_static(b"a copy"));
    store.insert_dead_letter(&dead(&entry, &copy), Some(&copy), "second").await.unwrap();
    store.end_frames(&group_id(), &[EndedFrame { sequence: number(2), ..settled(1, None) }]).await.unwrap();
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
