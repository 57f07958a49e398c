use std::time::Duration;

use tokio::time::Instant;

use super::client::*;
use super::world::*;
use crate::domain::StartPosition;
use crate::hub::TailState;

#[tokio::test(start_paused = true)]
async fn a_subscription_waits_out_an_outage_and_continues_its_heartbeats() {
    let world = World::new();
    world.register(&["cam"]).await;
    let mut asked = request(vec![ids(&["cam"])]);
    asked.heartbeat_interval = Duration::from_secs(2);
    let mut live = world.subscribe(asked).await;
    world.publish("cam", 1).await;
    expect(&mut live, &["checkpoint cam@1", "cam#1"]).await;
    world.queue.set_down(true);
    world.publish("cam", 2).await;
    expect(&mut live, &["heartbeat cam:1 lag 0", "heartbeat cam:1 lag 0"]).await;
    assert!(matches!(*world.hub.tail_state().borrow(), TailState::Down { .. }));
    world.queue.set_down(false);
    let received = received(&mut live, 4).await;
    let frames: Vec<&String> = received.iter().filter(|received| received.contains('#')).collect();
    assert_eq!(frames, ["cam#2", "cam#3"]);
    let mut state = world.hub.tail_state();
    state.wait_for(|state| *state == TailState::Connected).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_long_outage_ends_a_subscription_that_waits() {
    let world = World::new();
    world.register(&["cam"]).await;
    let mut live = world.subscribe(request(vec![ids(&["cam"])])).await;
    expect(&mut live, &["checkpoint cam@1"]).await;
    world.queue.set_down(true);
    let start = Instant::now();
    expect(&mut live, &["checkpoint cam@1", "error: queue backend unreachable: as ordered", "end"]).await;
    let waited = start.elapsed().as_secs();
    assert!((10..=20).contains(&waited), "{waited} s");
}

#[tokio::test(start_paused = true)]
async fn a_long_outage_ends_a_subscription_that_reads() {
    let world = World::new();
    world.register(&["cam"]).await;
    world.publish("cam", 3).await;
    let mut early = world.subscribe(request(vec![ids(&["cam"]).earliest()])).await;
    expect(&mut early, &["checkpoint cam@1", "cam#1"]).await;
    world.queue.set_down(true);
    expect(&mut early, &["checkpoint cam@2", "error: queue backend unreachable: as ordered", "end"]).await;
}

#[tokio::test(start_paused = true)]
async fn frames_that_the_feed_missed_are_read_from_the_outputs() {
    let world = World::new();
    world.register(&["cam"]).await;
    let mut live = world.subscribe(request(vec![glob("*")])).await;
    world.publish("cam", 2).await;
    expect(&mut live, &["checkpoint cam@1", "cam#1", "cam#2"]).await;
    world.queue.set_feed_lossy(true);
    world.publish("cam", 3).await;
    world.register(&["new"]).await;
    world.publish("new", 2).await;
    let mut found = received(&mut live, 5).await;
    found.sort();
    assert_eq!(found, ["cam#3", "cam#4", "cam#5", "new#1", "new#2"]);
    world.queue.set_feed_lossy(false);
    world.publish("cam", 1).await;
    expect(&mut live, &["cam#6"]).await;
    assert!(is_quiet(&mut live).await);
}

#[tokio::test(start_paused = true)]
async fn a_lost_picture_is_reported_as_a_gap_with_its_reason() {
    let world = World::new();
    world.register(&["cam"]).await;
    let mut live = world.subscribe(request(vec![ids(&["cam"])])).await;
    expect(&mut live, &["checkpoint cam@1"]).await;
    world.publish("cam", 3).await;
    world.settle().await; // all are in the ring
    world.trim_to("cam", 1).await;
    expect(&mut live, &["cam gap 1-2 Retention:2", "cam#3"]).await;

    world.queue.set_payloads_lost(true);
    world.publish("cam", 2).await;
    expect(&mut live, &["cam gap 4-5 PayloadLost:2"]).await;
    world.queue.set_payloads_lost(false);

    let again = ids(&["cam"]).from(StartPosition::Sequence(sequence(5)));
    let mut again = world.subscribe(request(vec![again])).await;
    expect(&mut again, &["checkpoint cam@5", "cam#5"]).await; // a miss is not remembered
}
