use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::future::join_all;

use super::world::*;
use crate::domain::OutputEntry;
use crate::hub::{HubConfig, SubscribeError};
use crate::queue::Queue as _;

#[tokio::test(start_paused = true)]
async fn two_hundred_subscribers_cost_one_read_of_each_picture() {
    let world = World::new();
    world.register(&["cam"]).await;
    world.queue.set_slow(true);
    let mut subscriptions = Vec::new();
    for _ in 0..200 {
        subscriptions.push(world.subscribe(request(vec![ids(&["cam"])])).await);
    }
    let stalled = subscriptions.split_off(199).pop();
    let mut stalled = stalled.unwrap();
    expect(&mut stalled, &["checkpoint cam@1"]).await;
    world.publish("cam", 1).await;
    // Whoever comes first begins the read, and this one then never comes again: the others must not wait for it.
    let first = tokio::time::timeout(Duration::from_millis(100), stalled.next()).await;
    assert!(first.is_err());
    world.publish("cam", 2).await;
    let all = join_all(subscriptions.iter_mut().map(|subscription| told(subscription, 4))).await;
    assert!(all.iter().all(|told| *told == ["checkpoint cam@1", "cam#1", "cam#2", "cam#3"]));
    assert_eq!(world.hub.stats().payload_reads, 3);
    assert_eq!(world.hub.stats().output_reads, 0, "entries came by the feed");
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_never_pulls_holds_nothing() {
    let world = World::with(HubConfig { ring_entries: 8, ..HubConfig::default() });
    world.register(&["cam"]).await;
    let _idle = world.subscribe(request(vec![ids(&["cam"]), glob("*")])).await;
    let mut entries: Vec<Weak<OutputEntry>> = Vec::new();
    for _ in 0..50 {
        world.publish("cam", 20).await;
        let page = world.memory.read_outputs(&stream("cam"), number(1), 100).await.unwrap();
        entries.extend(page.entries.iter().map(Arc::downgrade));
        world.keep("cam", 0).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The backend's feed holds on to its events by itself: push them out of it.
    for n in 0..4200 {
        world.relabel("cam", &[("round", &n.to_string())]).await;
        if n % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let held = entries.iter().filter(|entry| entry.strong_count() > 0).count();
    assert_eq!(entries.len(), 1000);
    assert!(held <= 8, "{held} entries are held, but only the ring may");
    assert_eq!(world.hub.stats().payload_reads, 0);
    assert_eq!(world.hub.stats().cache_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn the_cache_keeps_within_its_bytes() {
    let world = World::with(HubConfig { cache_bytes: 100_000, ..HubConfig::default() });
    world.register(&["cam"]).await;
    let mut live = world.subscribe(request(vec![ids(&["cam"])])).await;
    world.publish_as("cam", &vec![Publish::Sized(10_000); 50]).await;
    world.publish_as("cam", &[Publish::Sized(50_000)]).await; // above an eighth: passes by
    told(&mut live, 52).await;
    let cached = world.hub.stats().cache_bytes;
    assert!((10_000..=100_000).contains(&cached), "{cached}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_subscription_leaves_nothing_behind() {
    let world = World::new();
    world.register(&["a", "b"]).await;
    let by_id = world.subscribe(request(vec![ids(&["a", "b"])])).await;
    let by_glob = world.subscribe(request(vec![glob("a*")])).await;
    let stats = world.hub.stats();
    assert_eq!((stats.subscriptions, stats.followed_streams), (2, 2));
    drop(by_id);
    let stats = world.hub.stats();
    assert_eq!((stats.subscriptions, stats.followed_streams), (1, 1));
    drop(by_glob);
    let stats = world.hub.stats();
    assert_eq!((stats.subscriptions, stats.followed_streams), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn draining_ends_subscriptions_with_their_positions() {
    let world = World::new();
    world.register(&["cam"]).await;
    let mut live = world.subscribe(request(vec![ids(&["cam"])])).await;
    world.publish_as("cam", &[Publish::Frame, Publish::Failed, Publish::Frame]).await;
    expect(&mut live, &["checkpoint cam@1", "cam#1"]).await;
    world.hub.drain();
    expect(&mut live, &["draining cam@2", "end"]).await;
    assert_eq!(world.refusal(request(vec![ids(&["cam"])])).await, SubscribeError::Draining);
}
