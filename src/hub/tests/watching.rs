//! Watches of streams: snapshots, changes, stalls, resuming.

use std::time::Duration;

use super::client::glob;
use super::world::*;
use crate::domain::LabelMatch;
use crate::hub::{HubConfig, StreamSet, SubscribeError, Watch, WatchBody, WatchEvent, WatchToken};

const HEARTBEAT: Duration = Duration::from_secs(60);

fn all() -> StreamSet {
    StreamSet::Labels(LabelMatch::default())
}

async fn watch(world: &World, streams: &StreamSet) -> Watch {
    world.hub.watch(streams, None, HEARTBEAT).await.unwrap()
}

async fn resume(world: &World, streams: &StreamSet, token: &str) -> Watch {
    let token = token.parse::<WatchToken>().unwrap();
    world.hub.watch(streams, Some(token), HEARTBEAT).await.unwrap()
}

/// Returns the next event in short notation, and its token.
async fn next(watch: &mut Watch) -> (String, Option<String>) {
    let event = tokio::time::timeout(Duration::from_secs(120), watch.next()).await.expect("an event in time");
    let event = event.expect("no error");
    let received = short_form(&event);
    (received, event.token.map(|token| token.encode()))
}

fn short_form(event: &WatchEvent) -> String {
    match &event.body {
        WatchBody::SnapshotStart => "start".to_owned(),
        WatchBody::Existing(record) => format!("existing {}", record.record().id),
        WatchBody::SnapshotEnd(count) => format!("end {count}"),
        WatchBody::Change(change) => {
            let why =
                change.failure.as_ref().map(|failure| format!(": {}", failure.message)).unwrap_or_default();
            format!("{} {:?} {:?}{why}", change.record.record().id, change.kind, change.state)
        }
        WatchBody::Heartbeat => "heartbeat".to_owned(),
    }
}

async fn expect(watch: &mut Watch, expected: &[&str]) -> String {
    let mut last = String::new();
    for (place, expected) in expected.iter().enumerate() {
        let (received, token) = next(watch).await;
        assert_eq!(received, *expected, "at {place}");
        let within_snapshot = received == "start" || received.starts_with("existing");
        assert_eq!(token.is_none(), within_snapshot, "{received}");
        last = token.unwrap_or(last);
    }
    last
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_comes_first_and_then_each_change() {
    let world = World::new();
    world.register(&["b", "a"]).await;
    let mut all = watch(&world, &all()).await;
    expect(&mut all, &["start", "existing a", "existing b", "end 2"]).await;
    world.register(&["c"]).await;
    expect(&mut all, &["c Registered Idle"]).await;
    world.publish("c", 3).await;
    expect(&mut all, &["c Live Live"]).await;
    world.relabel("c", &[("site", "north")]).await;
    expect(&mut all, &["c Updated Live"]).await;
    world.publish_as("c", &[Publish::Failed, Publish::Failed]).await;
    world.publish_as("c", &[Publish::Failed, Publish::Failed]).await;
    expect(&mut all, &["c Error Error: as ordered"]).await;
    world.publish("c", 1).await;
    expect(&mut all, &["c Live Live"]).await;
    tokio::time::sleep(Duration::from_secs(12)).await;
    expect(&mut all, &["c Stalled Stalled"]).await;
    world.publish("c", 1).await;
    expect(&mut all, &["c Live Live"]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.unregister("c").await;
    expect(&mut all, &["c Removed Live"]).await;
    world.register(&["c"]).await;
    expect(&mut all, &["c Registered Idle", "heartbeat"]).await;
    drop(all);
    assert_eq!(world.hub.stats().watches, 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_watcher_gets_the_last_of_several_changes() {
    let world = World::new();
    let mut slow = watch(&world, &all()).await;
    expect(&mut slow, &["start", "end 0"]).await;
    world.register(&["a", "b", "gone"]).await;
    for round in 0..500 {
        world.relabel("a", &[("round", &round.to_string())]).await;
        world.settle().await;
    }
    world.publish("b", 2).await;
    world.unregister("gone").await;
    world.settle().await;
    expect(&mut slow, &["a Registered Idle", "a Updated Idle", "b Registered Live", "b Live Live"]).await;
    expect(&mut slow, &["b Stalled Stalled"]).await;
}

#[tokio::test(start_paused = true)]
async fn watches_that_begin_together_read_each_stream_once() {
    let world = World::new();
    let ids: Vec<String> = (0..250).map(|n| format!("cam-{n:03}")).collect();
    for id in &ids {
        world.register_labelled(id, &[("site", &"x".repeat(200))]).await;
    }
    world.register(&["other"]).await;
    world.settle().await;
    let read = || world.queue.records_read.load(std::sync::atomic::Ordering::SeqCst);
    let before = read();
    let mut watches = Vec::new();
    for _ in 0..40 {
        watches.push(watch(&world, &StreamSet::Glob("cam-*".to_owned())).await);
    }
    let mut expected = vec!["start".to_owned()];
    expected.extend(ids.iter().map(|id| format!("existing {id}")));
    expected.push("end 250".to_owned());
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    let mut shared = Vec::new();
    for watch in &mut watches {
        for expected in &expected {
            let event = watch.next().await.unwrap();
            if let WatchBody::Existing(record) = &event.body
                && record.record().id == ids[7].parse().unwrap()
            {
                shared.push(std::sync::Arc::clone(record));
            }
            assert_eq!(short_form(&event), *expected);
        }
    }
    assert_eq!(read() - before, 250, "one read for 40 watches");
    assert!(shared.iter().all(|one| std::sync::Arc::ptr_eq(one, &shared[0])), "one record for all watches");

    // A change is reported with the current settings, and its record is read once, too.
    let before = read();
    world.relabel("cam-007", &[("site", "north")]).await;
    world.settle().await;
    for watch in &mut watches {
        let event = watch.next().await.unwrap();
        assert_eq!(short_form(&event), "cam-007 Updated Idle");
        let WatchBody::Change(change) = event.body else { unreachable!() };
        assert_eq!(change.record.record().settings.labels["site"], "north");
    }
    assert!(read() - before <= 3, "{} records", read() - before);
}

#[tokio::test(start_paused = true)]
async fn changes_during_a_snapshot_are_reported_once() {
    let world = World::new();
    world.register(&["a", "b", "c", "d"]).await;
    world.settle().await;
    let mut slow = watch(&world, &all()).await;
    expect(&mut slow, &["start", "existing a", "existing b"]).await;
    world.register(&["bb", "e"]).await;
    world.unregister("c").await;
    world.unregister("a").await;
    world.settle().await; // the feeds of two streams are read in any order
    world.relabel("d", &[("site", "north")]).await;
    world.settle().await;
    // "c" was never reported, and "bb" and "e" are reported as new.
    let rest = [
        "existing d",
        "end 3",
        "bb Registered Idle",
        "e Registered Idle",
        "a Removed Idle",
        "d Updated Idle",
    ];
    expect(&mut slow, &rest).await;
    // A stream that was removed and registered again is known once.
    world.register(&["a"]).await;
    world.settle().await;
    expect(&mut slow, &["a Registered Idle", "heartbeat"]).await;
}

#[tokio::test(start_paused = true)]
async fn streams_come_and_go_as_they_are_selected() {
    let world = World::new();
    world.register_labelled("a", &[("site", "north")]).await;
    world.register(&["b"]).await;
    let north = LabelMatch { equal: labels_of(&[("site", "north")]), ..LabelMatch::default() };
    let mut some = watch(&world, &StreamSet::Labels(north)).await;
    expect(&mut some, &["start", "existing a", "end 1"]).await;
    world.relabel("b", &[("site", "north")]).await;
    expect(&mut some, &["b Updated Idle"]).await;
    world.relabel("b", &[]).await;
    expect(&mut some, &["b Removed Idle"]).await;
    world.publish("b", 1).await;
    world.publish("a", 1).await;
    expect(&mut some, &["a Live Live"]).await;

    // A stream that is not registered yet.
    let mut later = watch(&world, &StreamSet::Ids(vec![stream("later")])).await;
    expect(&mut later, &["start", "end 0"]).await;
    world.register(&["later", "other"]).await;
    expect(&mut later, &["later Registered Idle", "heartbeat"]).await;
}

#[tokio::test(start_paused = true)]
async fn frames_that_wait_for_a_worker_keep_a_stream_live() {
    let world = World::new();
    world.register(&["cam"]).await;
    let mut all = watch(&world, &all()).await;
    expect(&mut all, &["start", "existing cam", "end 1"]).await;
    world.accept("cam", 1).await;
    expect(&mut all, &["cam Live Live"]).await; // no worker has touched it
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(4)).await;
        world.accept("cam", 1).await;
    }
    tokio::time::sleep(Duration::from_secs(12)).await;
    expect(&mut all, &["cam Stalled Stalled"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_token_resumes_with_the_missed_changes() {
    let world = World::new();
    world.register(&["a", "b", "c", "d"]).await;
    world.publish("d", 1).await;
    let mut first = watch(&world, &all()).await;
    let streams = ["existing a", "existing b", "existing c", "existing d"];
    let received = [&["start"][..], &streams, &["end 4"]].concat();
    let token = expect(&mut first, &received).await;
    drop(first);
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.register(&["e"]).await;
    world.relabel("a", &[("x", "y")]).await;
    world.publish("b", 2).await;
    world.unregister("c").await;
    world.settle().await;
    let mut again = resume(&world, &all(), &token).await;
    let missed = ["a Updated Idle", "b Live Live", "e Registered Idle", "c Removed Idle"];
    let token = expect(&mut again, &missed).await;
    // The next changes are those after that.
    world.publish("e", 1).await;
    expect(&mut again, &["e Live Live"]).await;
    drop(again);
    // Nobody watches, and time alone passes: streams that were live no longer are.
    tokio::time::sleep(Duration::from_secs(30)).await;
    let mut third = resume(&world, &all(), &token).await;
    let mut received = Vec::new();
    for _ in 0..3 {
        received.push(next(&mut third).await.0);
    }
    assert_eq!(received, ["b Stalled Stalled", "d Stalled Stalled", "e Stalled Stalled"]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_resumed_starts_with_a_snapshot() {
    let world = World::new();
    world.register(&["a"]).await;
    let mut first = watch(&world, &all()).await;
    let token = expect(&mut first, &["start", "existing a", "end 1"]).await;
    let selection = glob("cam-*").streams;
    let refusal = world.hub.watch(&selection, Some(token.parse().unwrap()), HEARTBEAT).await.unwrap_err();
    assert_eq!(refusal, SubscribeError::OtherSelection);
    // Another store, which has seen less.
    let other = World::new();
    let mut begun = resume(&other, &all(), &token).await;
    expect(&mut begun, &["start", "end 0"]).await;
    // Too much has happened since then.
    for round in 0..5_100 {
        world.relabel("a", &[("round", &round.to_string())]).await;
    }
    world.settle().await;
    let mut late = resume(&world, &all(), &token).await;
    expect(&mut late, &["start", "existing a", "end 1"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_waits_out_an_outage_but_ends_after_a_long_one() {
    let world = World::with(HubConfig::default());
    world.register(&["a"]).await;
    let mut all = watch(&world, &all()).await;
    expect(&mut all, &["start", "existing a", "end 1"]).await;
    world.queue.set_down(true);
    world.register(&["b"]).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    world.queue.set_down(false);
    expect(&mut all, &["b Registered Idle"]).await;
    world.queue.set_feed_lossy(true);
    world.register(&["c"]).await;
    world.unregister("a").await;
    let mut received = vec![next(&mut all).await.0, next(&mut all).await.0];
    received.sort();
    assert_eq!(received, ["a Removed Idle", "c Registered Idle"]);
    world.queue.set_down(true);
    let error = tokio::time::timeout(Duration::from_secs(100), async {
        loop {
            if let Err(error) = all.next().await {
                return error;
            }
        }
    });
    assert!(matches!(error.await.unwrap(), SubscribeError::Backend(_)));
}

#[tokio::test(start_paused = true)]
async fn watches_are_bounded_and_end_when_the_server_drains() {
    let world = World::with(HubConfig { max_subscriptions: 1, ..HubConfig::default() });
    let mut only = watch(&world, &all()).await;
    expect(&mut only, &["start", "end 0"]).await;
    let refusal = world.hub.watch(&all(), None, HEARTBEAT).await.unwrap_err();
    assert_eq!(refusal, SubscribeError::TooManySubscriptions { limit: 1 });
    world.hub.drain();
    assert_eq!(only.next().await.unwrap_err(), SubscribeError::Draining);
    drop(only);
    assert_eq!(world.hub.watch(&all(), None, HEARTBEAT).await.unwrap_err(), SubscribeError::Draining);
}
