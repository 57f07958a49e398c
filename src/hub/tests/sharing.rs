use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::future::join_all;

use super::client::*;
use super::world::*;
use crate::domain::OutputEntry;
use crate::hub::{Event, HubConfig, HubLag, SubscribeError};
use crate::queue::Queue as _;

#[tokio::test(start_paused = true)]
async fn two_hundred_subscribers_cost_one_read_of_each_picture() {
    let world = World::new();
    world.settle().await;
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
    // The first subscriber begins the read and is then never polled again: the others must not wait
    // for it.
    let first = tokio::time::timeout(Duration::from_millis(100), stalled.next()).await;
    assert!(first.is_err());
    world.publish("cam", 2).await;
    let all = join_all(subscriptions.iter_mut().map(|subscription| received(subscription, 4))).await;
    assert!(all.iter().all(|received| *received == ["checkpoint cam@1", "cam#1", "cam#2", "cam#3"]));
    assert_eq!(world.hub.stats().payload_reads, 3);
    assert_eq!(world.hub.stats().output_reads, 0, "entries came by the feed");
}

#[tokio::test(start_paused = true)]
async fn the_lag_of_a_subscriber_that_stops_reading_grows() {
    let world = World::new();
    world.settle().await;
    world.register(&["cam"]).await;
    let mut reader = world.subscribe(request(vec![ids(&["cam"])])).await;
    let mut stalled = world.subscribe(request(vec![ids(&["cam"])])).await;
    world.publish("cam", 1).await;
    for subscription in [&mut reader, &mut stalled] {
        expect(subscription, &["checkpoint cam@1", "cam#1"]).await;
    }
    world.publish("cam", 5).await;
    expect(&mut reader, &["cam#2", "cam#3", "cam#4", "cam#5", "cam#6"]).await;
    // Until a reader asks again, the frame that it got last counts.
    assert_eq!(world.hub.lag(), Some(HubLag { sum: 7, max: 6 }));
    let more = tokio::time::timeout(Duration::from_millis(100), reader.next()).await;
    assert!(more.is_err());
    assert_eq!(world.hub.lag(), Some(HubLag { sum: 6, max: 6 }));
    drop(stalled);
    assert_eq!(world.hub.lag(), Some(HubLag::default()));
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_never_pulls_holds_nothing() {
    let world = World::with(HubConfig { ring_entries: 8, ..HubConfig::default() });
    world.settle().await;
    world.register(&["cam"]).await;
    let _idle = world.subscribe(request(vec![ids(&["cam"]), glob("*")])).await;
    let mut entries: Vec<Weak<OutputEntry>> = Vec::new();
    for _ in 0..50 {
        world.publish("cam", 20).await;
        let page = world.memory.read_outputs(&stream("cam"), sequence(1), 100).await.unwrap();
        entries.extend(page.entries.iter().map(Arc::downgrade));
        world.trim_to("cam", 0).await;
        world.settle().await;
    }
    // The backend's feed keeps a number of events: push these out of it.
    for n in 0..4200 {
        world.relabel("cam", &[("round", &n.to_string())]).await;
        if n % 100 == 0 {
            world.settle().await;
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
    world.publish_as("cam", &[Publish::Sized(50_000)]).await; // above a quarter of the cache: not kept
    received(&mut live, 52).await;
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

/// In real time, on several threads: with every interleaving, every subscriber receives every frame
/// once, in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_interleaving_loses_or_repeats_a_frame() {
    const STREAMS: usize = 6;
    const FRAMES: usize = 120;
    let world = World::with(HubConfig { ring_entries: 5, page_entries: 3, ..HubConfig::default() });
    let names: Vec<String> = (0..STREAMS).map(|n| format!("cam-{n}")).collect();
    world.register(&["cam-0", "cam-1"]).await; // the others join while frames flow
    let publish = async {
        for round in 0..FRAMES / 4 {
            for (n, name) in names.iter().enumerate() {
                if round == 0 && n >= 2 {
                    world.register(&[name.as_str()]).await;
                }
                world.publish(name, 4).await;
            }
            tokio::task::yield_now().await;
        }
    };
    let mut asked = request(vec![glob("cam-*").earliest()]);
    asked.stop_after_frames = Some((STREAMS * FRAMES) as u64);
    let mut subscriptions = Vec::new();
    for _ in 0..20 {
        subscriptions.push(world.subscribe(asked.clone()).await);
    }
    let (results, received) = tokio::sync::mpsc::unbounded_channel();
    for mut subscription in subscriptions {
        let results = results.clone();
        spawn(async move {
            let mut next = [1; STREAMS];
            while let Some(event) = subscription.next().await {
                let Event::Frame(frame) = event.unwrap() else { continue };
                let stream: usize = frame.entry.stream_id.as_str()[4..].parse().unwrap();
                assert_eq!(frame.entry.sequence.get(), next[stream]);
                next[stream] += 1;
            }
            results.send(next).unwrap();
        });
    }
    drop(results);
    publish.await;
    let all = collect_within(Duration::from_secs(60), received).await;
    assert_eq!(all, vec![[FRAMES as u64 + 1; STREAMS]; 20]);
}

/// Returns everything that is sent until all senders are dropped.
async fn collect_within<T>(deadline: Duration, mut sent: tokio::sync::mpsc::UnboundedReceiver<T>) -> Vec<T> {
    let collect = async {
        let mut all = Vec::new();
        while let Some(one) = sent.recv().await {
            all.push(one);
        }
        all
    };
    tokio::time::timeout(deadline, collect).await.expect("all in time")
}
