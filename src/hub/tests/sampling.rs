//! A subscription and a consumer group with the same filter, sampling and start receive the same
//! frames.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio_util::sync::CancellationToken;

use super::client::*;
use super::world::*;
use crate::domain::{self, FrameFilter, GroupId, GroupSettings, Sequence, StreamMatch};
use crate::hub::{
    Choice, Consumers, Event, GroupCall, GroupEvent, GroupStart, Hub, HubConfig, MemberRequest, PictureWant,
    Sampling, Selector, Subscription,
};
use crate::queue::Groups as _;
use crate::shutdown::Tasks;

const SEEDS: u64 = 60;

fn group() -> GroupId {
    "site".parse().unwrap()
}

/// The consumers of two servers on one store.
struct Servers([Arc<Consumers>; 2], CancellationToken);

impl Drop for Servers {
    fn drop(&mut self) {
        self.1.cancel();
    }
}

impl Servers {
    fn new(world: &World) -> Self {
        let second = Hub::new(Arc::clone(&world.memory) as _, HubConfig::default());
        let stop = CancellationToken::new();
        spawn(Arc::clone(&second).run(stop.clone()));
        let consumers = |hub: &Arc<Hub>| Consumers::new(Arc::clone(hub), Tasks::new());
        Self([consumers(&world.hub), consumers(&second)], stop)
    }

    async fn join(&self, server: usize) -> GroupCall {
        let request = MemberRequest {
            group: group(),
            member: "a".parse().unwrap(),
            max_frames: 10_000,
            paced: false,
            max_bytes: 1 << 20,
            want: PictureWant::default(),
            heartbeat_interval: Duration::from_secs(10),
            stop_after_frames: None,
        };
        let mut call = self.0[server].subscribe(request).await.unwrap();
        assert!(matches!(call.next().await, Some(Ok(GroupEvent::Opened(_)))));
        call
    }
}

/// Collects the sequences of the frames that come, each once, until none comes for a while.
async fn collect_frames(call: &mut GroupCall, numbers: &mut Vec<u64>) {
    while let Ok(event) = tokio::time::timeout(Duration::from_secs(3), call.next()).await {
        if let GroupEvent::Frame(frame) = event.expect("not the end").expect("no error") {
            let number = frame.entry.sequence.get();
            // Frames that are not acknowledged are redelivered when the member joins again.
            if numbers.last().is_none_or(|last| *last < number) {
                numbers.push(number);
            }
        }
    }
}

async fn frames_received(subscription: &mut Subscription) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Ok(event) = tokio::time::timeout(Duration::from_secs(3), subscription.next()).await {
        if let Event::Frame(frame) = event.expect("not the end").expect("no error") {
            numbers.push(frame.entry.sequence.get());
        }
    }
    numbers
}

async fn create_group_of(world: &World, filter: &FrameFilter, sampling: Sampling) {
    let Sampling { max_fps, every_nth, .. } = sampling;
    let settings = GroupSettings {
        streams: vec![StreamMatch::Id(stream("cam"))],
        filter: filter.clone(),
        sampling: domain::Sampling { max_fps, every_nth },
        ..GroupSettings::default()
    };
    let positions = [(stream("cam"), Sequence::FIRST)];
    world.memory.create_group(&group(), &settings, GroupStart::Earliest.digest(), &positions).await.unwrap();
}

fn selector(filter: &FrameFilter, sampling: Sampling) -> Selector {
    Selector {
        choice: Choice { sampling, filter: filter.clone(), ..Choice::default() },
        ..ids(&["cam"]).earliest()
    }
}

async fn campaign(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let world = World::with(HubConfig { ring_entries: rng.random_range(1..40), ..HubConfig::default() });
    world.register(&["cam"]).await;
    let sampling = Sampling {
        max_fps: rng.random_bool(0.7).then(|| rng.random_range(0.5..20.0)),
        every_nth: if rng.random() { rng.random_range(0..5) } else { 0 },
        latest_only: false,
    };
    let filter =
        FrameFilter { min_quality_score: rng.random_bool(0.5).then_some(0.3), ..FrameFilter::default() };
    create_group_of(&world, &filter, sampling).await;
    let servers = Servers::new(&world);
    let mut live = world.subscribe(request(vec![selector(&filter, sampling)])).await;
    let (mut received, mut grouped) = (Vec::new(), Vec::new());
    let longest = rng.random_range(2..400);
    for round in 0..4 {
        if rng.random_bool(0.2) {
            world.unregister("cam").await;
            world.register(&["cam"]).await;
        }
        // The member is there while the frames come, or finds them later.
        let mut member_call = if rng.random() { Some(servers.join(round % 2).await) } else { None };
        for _ in 0..rng.random_range(1..40) {
            let what = match rng.random_range(0..10) {
                0 => Publish::Failed,
                1 => Publish::Purged,
                _ => Publish::Quality(rng.random()),
            };
            world.publish_as("cam", &[what]).await;
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..longest))).await;
        }
        if member_call.is_none() {
            member_call = Some(servers.join(round % 2).await);
        }
        if let Some(mut call) = member_call {
            collect_frames(&mut call, &mut grouped).await;
        }
        received.extend(frames_received(&mut live).await);
    }
    assert_eq!(received, grouped, "seed {seed}: {sampling:?} {filter:?}");

    // After a seek to its start, the group receives the same as another subscription with that start.
    let again = frames_received(&mut world.subscribe(request(vec![selector(&filter, sampling)])).await).await;
    world.memory.seek_group(&group(), &[(stream("cam"), Sequence::FIRST)], None).await.unwrap();
    let mut sought = Vec::new();
    collect_frames(&mut servers.join(0).await, &mut sought).await;
    assert_eq!(again, sought, "seed {seed}, after a seek: {sampling:?} {filter:?}");
}

#[tokio::test(start_paused = true)]
async fn a_group_and_a_subscription_choose_the_same_frames() {
    for seed in 0..SEEDS {
        campaign(seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_nine_frames_per_second_is_used_up_by_both() {
    let world = World::new();
    world.register(&["cam"]).await;
    let nine = Sampling { max_fps: Some(9.0), ..Sampling::default() };
    create_group_of(&world, &FrameFilter::default(), nine).await;
    for _ in 0..10 {
        world.publish("cam", 1).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut subscription = world.subscribe(request(vec![selector(&FrameFilter::default(), nine)])).await;
    assert_eq!(frames_received(&mut subscription).await.len(), 9);
    let mut grouped = Vec::new();
    collect_frames(&mut Servers::new(&world).join(0).await, &mut grouped).await;
    assert_eq!(grouped.len(), 9);
}
