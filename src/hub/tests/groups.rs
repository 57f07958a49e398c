//! Tests of the members of consumer groups: which frames they keep and receive, and which frames a
//! draining server may send.

use std::sync::Arc;
use std::time::Duration;

use super::world::*;
use crate::domain::{GroupId, GroupSettings, Sequence, StreamMatch};
use crate::hub::{
    Consumers, GapReason, GroupCall, GroupDelivery, GroupEvent, GroupStart, Hub, HubConfig, MemberRequest,
    PictureWant,
};
use crate::queue::{Ack, AckAction, AckResult, Groups as _};
use crate::shutdown::Tasks;

const DEADLINE: Duration = Duration::from_secs(30);

pub(super) struct GroupWorld {
    pub(super) world: World,
    consumers: Arc<Consumers>,
}

fn group() -> GroupId {
    "site".parse().unwrap()
}

impl GroupWorld {
    pub(super) async fn new() -> Self {
        let world = World::new();
        world.register(&["cam"]).await;
        let settings = GroupSettings {
            streams: vec![StreamMatch::Glob("*".to_owned())],
            ack_deadline: Some(DEADLINE),
            ..GroupSettings::default()
        };
        let positions = [(stream("cam"), Sequence::FIRST)];
        world
            .memory
            .create_group(&group(), &settings, GroupStart::Earliest.digest(), &positions)
            .await
            .unwrap();
        let consumers = Consumers::new(Arc::clone(&world.hub), Tasks::new());
        Self { world, consumers }
    }

    pub(super) async fn join(&self, member: &str, max_frames: u32) -> GroupCall {
        join(&self.consumers, member, max_frames).await
    }

    async fn answer(&self, frame: &GroupDelivery, action: AckAction) -> AckResult {
        let answer = Ack {
            stream_id: frame.entry.stream_id.clone(),
            sequence: frame.entry.sequence,
            attempt: frame.attempt,
            generation: frame.generation,
            incarnation: frame.incarnation,
            action,
        };
        self.world.memory.acknowledge(&group(), &[answer]).await.unwrap().remove(0)
    }

    async fn acknowledge(&self, frame: &GroupDelivery) -> AckResult {
        self.answer(frame, AckAction::Acknowledge).await
    }

    /// Waits until this many frames are outstanding: the members' tasks have claimed all that they
    /// may.
    pub(super) async fn outstanding(&self, count: usize) {
        loop {
            let state = self.world.memory.group_state(&group()).await.unwrap();
            if state.positions[&stream("cam")].pending.len() == count {
                return self.world.settle().await;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Opens a call of a member that takes up to `max_frames`.
async fn join(consumers: &Arc<Consumers>, member: &str, max_frames: u32) -> GroupCall {
    let request = MemberRequest {
        group: group(),
        member: member.parse().unwrap(),
        max_frames,
        paced: false,
        max_bytes: 1 << 20,
        want: PictureWant::default(),
        heartbeat_interval: Duration::from_secs(10),
        stop_after_frames: None,
    };
    let mut call = consumers.subscribe(request).await.unwrap();
    assert!(matches!(call.next().await, Some(Ok(GroupEvent::Opened(_)))));
    call
}

pub(super) async fn frame(call: &mut GroupCall) -> GroupDelivery {
    loop {
        match call.next().await.expect("not the end").expect("no error") {
            GroupEvent::Frame(frame) => return frame,
            GroupEvent::Gap(_) | GroupEvent::Heartbeat { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Returns the frames that come until the call ends.
async fn rest(call: &mut GroupCall) -> Vec<GroupDelivery> {
    let mut frames = Vec::new();
    while let Some(event) = call.next().await {
        match event {
            Ok(GroupEvent::Frame(frame)) => frames.push(frame),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    frames
}

fn sequences_and_attempts(frames: &[GroupDelivery]) -> Vec<(u64, u32)> {
    frames.iter().map(|frame| (frame.entry.sequence.get(), frame.attempt)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_member_that_connects_again_gets_its_frames_as_the_same_attempts() {
    let site = GroupWorld::new().await;
    site.world.publish("cam", 3).await;
    let mut first = Vec::new();
    let mut call = site.join("a", 10).await;
    for _ in 0..3 {
        first.push(frame(&mut call).await);
    }
    for _ in 0..10 {
        drop(call);
        site.world.settle().await;
        call = site.join("a", 10).await;
        for before in &first {
            let again = frame(&mut call).await;
            assert_eq!((again.entry.sequence, again.attempt), (before.entry.sequence, 1));
            assert_eq!(again.generation, before.generation);
            // Two clocks agree to the millisecond or so.
            let moved = again.deadline.as_micros() - before.deadline.as_micros();
            assert!(moved.abs() < 1_000_000, "the deadline stays: moved by {moved} us");
        }
    }
    for frame in &first {
        assert_eq!(site.acknowledge(frame).await, AckResult::Done(None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_stays_away_loses_its_frames_at_their_deadlines() {
    let site = GroupWorld::new().await;
    site.world.publish("cam", 2).await;
    let mut a = site.join("a", 10).await;
    let began = tokio::time::Instant::now();
    frame(&mut a).await;
    frame(&mut a).await;
    drop(a);
    let mut b = site.join("b", 10).await;
    let again = frame(&mut b).await;
    assert!(began.elapsed() >= DEADLINE, "{:?}", began.elapsed());
    assert_eq!(sequences_and_attempts(&[again, frame(&mut b).await]), [(1, 2), (2, 2)]);
}

#[tokio::test(start_paused = true)]
async fn frames_of_a_draining_server_can_be_acknowledged_and_unsent_ones_are_given_back() {
    let site = GroupWorld::new().await;
    site.world.publish("cam", 8).await;
    let mut call = site.join("a", 10).await;
    let mut sent = vec![frame(&mut call).await];
    // All are claimed; one is in the channel.
    site.outstanding(8).await;
    site.world.hub.drain();
    site.world.settle().await;
    sent.extend(rest(&mut call).await);
    for frame in &sent {
        assert_eq!(site.acknowledge(frame).await, AckResult::Done(None), "{:?}", frame.entry.sequence);
    }
    // The others were never sent: another server delivers them as first attempts.
    let state = site.world.memory.group_state(&group()).await.unwrap();
    assert_eq!(state.positions[&stream("cam")].pending.len(), 8 - sent.len());
    let other =
        Consumers::new(Hub::new(Arc::clone(&site.world.memory) as _, HubConfig::default()), Tasks::new());
    let mut call = join(&other, "a", 10).await;
    let mut given_back = Vec::new();
    for _ in sent.len()..8 {
        given_back.push(frame(&mut call).await);
    }
    let mut all: Vec<_> = sequences_and_attempts(&sent);
    all.extend(sequences_and_attempts(&given_back));
    all.sort_unstable();
    assert_eq!(all, (1..=8).map(|number| (number, 1)).collect::<Vec<_>>(), "each came once");
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_waited_past_its_deadline_is_not_sent_after_another_member_acknowledged_it() {
    let site = GroupWorld::new().await;
    site.world.publish("cam", 3).await;
    // Its connection takes nothing: one frame is in the channel, the others wait after it.
    let mut slow = site.join("slow", 10).await;
    site.outstanding(3).await;
    tokio::time::sleep(DEADLINE + Duration::from_secs(1)).await;
    let mut quick = site.join("quick", 10).await;
    for number in 1..=3 {
        let again = frame(&mut quick).await;
        assert_eq!((again.entry.sequence.get(), again.attempt), (number, 2));
        assert_eq!(site.acknowledge(&again).await, AckResult::Done(None));
    }
    site.world.publish("cam", 1).await;
    let next = tokio::select! {
        frame = frame(&mut slow) => frame,
        frame = frame(&mut quick) => frame,
    };
    assert_eq!((next.entry.sequence.get(), next.attempt), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn the_delay_of_a_rejection_holds_after_the_call_has_ended() {
    let site = GroupWorld::new().await;
    site.world.publish("cam", 1).await;
    let mut a = site.join("a", 10).await;
    let first = frame(&mut a).await;
    drop(a);
    site.world.settle().await;
    let delay = Duration::from_secs(300);
    let rejected_at = tokio::time::Instant::now();
    let retry = AckAction::Retry { delay: Some(delay), message: String::new() };
    assert_eq!(site.answer(&first, retry).await, AckResult::Done(None));
    let mut a = site.join("a", 10).await;
    let again = frame(&mut a).await;
    assert!(rejected_at.elapsed() >= delay, "{:?}", rejected_at.elapsed());
    assert_eq!(again.attempt, 2);
}

/// Returns the gaps that come within a minute, without any frame.
async fn gaps_only(call: &mut GroupCall) -> Vec<(u64, u64, GapReason)> {
    let mut gaps = Vec::new();
    let listening = async {
        while let Some(event) = call.next().await {
            match event.expect("no error") {
                GroupEvent::Gap(gap) => gaps.push((gap.from.get(), gap.to, gap.causes[0].0)),
                GroupEvent::Heartbeat { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let _ended = tokio::time::timeout(Duration::from_secs(60), listening).await;
    gaps
}

#[tokio::test(start_paused = true)]
async fn a_gap_that_a_call_did_not_send_is_sent_to_the_next_member() {
    let site = GroupWorld::new().await;
    site.world.publish_as("cam", &[Publish::Frame, Publish::Purged, Publish::Purged, Publish::Frame]).await;
    let mut a = site.join("a", 10).await;
    let first = frame(&mut a).await;
    site.outstanding(2).await;
    drop(a);
    site.world.settle().await;
    assert_eq!(site.acknowledge(&first).await, AckResult::Done(None));
    let mut b = site.join("b", 10).await;
    let (mut gaps, mut frames) = (Vec::new(), Vec::new());
    while gaps.is_empty() || frames.is_empty() {
        match b.next().await.expect("not the end").expect("no error") {
            GroupEvent::Gap(gap) => gaps.push((gap.from.get(), gap.to, gap.causes)),
            GroupEvent::Frame(frame) => frames.push(frame),
            _ => {}
        }
    }
    assert_eq!(gaps, [(2, 3, vec![(GapReason::Purged, 2)])]);
    assert_eq!(sequences_and_attempts(&frames), [(4, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_sent_again_unless_the_client_has_received_it() {
    let site = GroupWorld::new().await;
    site.world.publish_as("cam", &[Publish::Purged, Publish::Frame]).await;
    let mut a = site.join("a", 10).await;
    let after_gap = frame(&mut a).await;
    // Sent, but the client may be gone: it acknowledged nothing after it.
    drop(a);
    site.world.settle().await;
    let mut b = site.join("b", 1).await;
    let gap = async {
        loop {
            if let GroupEvent::Gap(gap) = b.next().await.expect("not the end").expect("no error") {
                return gap;
            }
        }
    };
    assert_eq!(gap.await.to, 1);
    // The call continues for longer than a dead connection could.
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(site.acknowledge(&after_gap).await, AckResult::Done(None));
    assert!(gaps_only(&mut b).await.is_empty());
    drop(b);
    site.world.settle().await;
    let mut c = site.join("c", 10).await;
    assert!(gaps_only(&mut c).await.is_empty(), "the client is known to have received it");
}

#[tokio::test(start_paused = true)]
async fn an_acknowledged_frame_settles_the_gaps_before_it() {
    let site = GroupWorld::new().await;
    site.world.publish_as("cam", &[Publish::Purged, Publish::Frame, Publish::Failed]).await;
    let mut a = site.join("a", 10).await;
    let after_gap = frame(&mut a).await;
    assert_eq!(site.acknowledge(&after_gap).await, AckResult::Done(None));
    drop(a);
    site.world.settle().await;
    let mut b = site.join("b", 10).await;
    assert_eq!(gaps_only(&mut b).await, [(3, 3, GapReason::Failed)]);
}

#[tokio::test(start_paused = true)]
async fn frames_that_retention_removes_from_a_dead_member_are_reported() {
    let site = GroupWorld::new().await;
    site.world.publish("cam", 3).await;
    let mut a = site.join("a", 10).await;
    let first = frame(&mut a).await;
    assert_eq!(site.acknowledge(&first).await, AckResult::Done(None));
    frame(&mut a).await;
    drop(a);
    site.world.trim_to("cam", 0).await;
    let mut b = site.join("b", 10).await;
    let received = gaps_only(&mut b).await;
    let mut numbers: Vec<u64> = received.iter().flat_map(|(from, to, _)| *from..=*to).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [2, 3], "{received:?}");
}

/// Returns the count of unfollowed streams of the next heartbeat; notes the streams of the frames
/// before it.
async fn unfollowed(call: &mut GroupCall, frames: &mut Vec<String>) -> u64 {
    loop {
        match call.next().await.expect("not the end").expect("no error") {
            GroupEvent::Heartbeat { unfollowed_streams, heads, .. } => {
                assert!(heads.len() <= 2000);
                return unfollowed_streams;
            }
            // They are redelivered, because nobody acknowledges them.
            GroupEvent::Frame(frame) if frame.attempt > 1 => {}
            GroupEvent::Frame(frame) => {
                frames.push(format!("{}#{}", frame.entry.stream_id, frame.entry.sequence));
            }
            GroupEvent::Gap(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Reads until a heartbeat has this count of unfollowed streams.
async fn until_unfollowed(call: &mut GroupCall, wanted: u64, frames: &mut Vec<String>) {
    for _ in 0..20 {
        if unfollowed(call, frames).await == wanted {
            return;
        }
    }
    panic!("no heartbeat has {wanted} unfollowed streams");
}

#[tokio::test(start_paused = true)]
async fn a_group_follows_its_first_streams_by_id_and_others_as_these_leave() {
    let site = GroupWorld::new().await;
    site.world.unregister("cam").await;
    for n in 0..2001 {
        site.world.register(&[&format!("cam-{n:04}")]).await;
    }
    site.world.publish("cam-1999", 1).await;
    site.world.publish("cam-2000", 1).await;
    let mut frames = Vec::new();
    let mut call = site.join("a", 100).await;
    assert_eq!(unfollowed(&mut call, &mut frames).await, 1);
    assert_eq!(frames, ["cam-1999#1"]);
    // A stream with a lower id takes the slot of the last.
    site.world.register(&["a-new-one"]).await;
    site.world.publish("a-new-one", 1).await;
    site.world.settle_polls().await;
    site.world.publish("cam-1999", 1).await;
    assert_eq!(unfollowed(&mut call, &mut frames).await, 2);
    assert_eq!(frames[1..], ["a-new-one#1"]);
    // Another server follows the same streams.
    let other =
        Consumers::new(Hub::new(Arc::clone(&site.world.memory) as _, HubConfig::default()), Tasks::new());
    let mut elsewhere = join(&other, "b", 100).await;
    assert_eq!(unfollowed(&mut elsewhere, &mut frames).await, 2);
    assert_eq!(frames.len(), 2);
    drop(elsewhere);
    // A stream that waits is unregistered.
    site.world.unregister("cam-2000").await;
    site.world.settle_polls().await;
    until_unfollowed(&mut call, 1, &mut frames).await;
    // A followed stream is unregistered: the other stream's frames from the meantime come.
    site.world.unregister("cam-0000").await;
    site.world.settle_polls().await;
    until_unfollowed(&mut call, 0, &mut frames).await;
    assert_eq!(frames[2..], ["cam-1999#2"]);
}
