use super::client::*;
use super::world::*;
use crate::domain::{Cursor, StartPosition};
use crate::hub::{HubConfig, SubscribeError};

fn cursor(id: &str, next: u64) -> Cursor {
    Cursor::new(stream(id), number(next))
}

#[tokio::test(start_paused = true)]
async fn every_start_begins_where_it_says() {
    let world = World::new();
    world.register(&["cam", "other"]).await;
    world.publish("cam", 10).await;
    world.keep("cam", 4).await;

    let starts = [
        (StartPosition::Earliest, ["checkpoint cam@7", "cam#7"]),
        (StartPosition::Sequence(number(9)), ["checkpoint cam@9", "cam#9"]),
        (StartPosition::Sequence(number(3)), ["checkpoint cam@3", "cam gap 3-6 Retention:4"]),
        (StartPosition::Cursor(cursor("cam", 8)), ["checkpoint cam@8", "cam#8"]),
    ];
    for (start, expected) in starts {
        let mut subscription = world.subscribe(request(vec![ids(&["cam"]).from(start)])).await;
        expect(&mut subscription, &expected).await;
    }
    for start in [StartPosition::Live, StartPosition::Sequence(number(12))] {
        let mut waiting = world.subscribe(request(vec![ids(&["cam"]).from(start)])).await;
        told(&mut waiting, 1).await;
        assert!(is_quiet(&mut waiting).await);
    }

    let mut selector = ids(&["cam", "other"]).earliest();
    selector.cursors = vec![cursor("cam", 10)];
    let mut subscription = world.subscribe(request(vec![selector])).await;
    expect(&mut subscription, &["checkpoint cam@10 other@1", "cam#10"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_number_beyond_the_head_waits_for_its_frame() {
    let world = World::new();
    world.register(&["cam"]).await;
    let start = StartPosition::Sequence(number(4));
    let mut waiting = world.subscribe(request(vec![ids(&["cam"]).from(start)])).await;
    expect(&mut waiting, &["checkpoint cam@4"]).await;
    world.publish("cam", 3).await;
    assert!(is_quiet(&mut waiting).await);
    world.publish("cam", 2).await;
    expect(&mut waiting, &["cam#4", "cam#5"]).await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_served_is_refused() {
    let world = World::with(HubConfig { max_subscriptions: 1, ..HubConfig::default() });
    world.register(&["cam"]).await;
    world.publish("cam", 10).await;
    world.keep("cam", 4).await;

    let refusal = world.refusal(request(vec![ids(&["cam", "ghost"])])).await;
    assert_eq!(refusal, SubscribeError::StreamNotFound(stream("ghost")));
    let refusal = world.refusal(request(vec![glob("cam[")])).await;
    assert!(matches!(refusal, SubscribeError::InvalidGlob { .. }), "{refusal}");
    let refusal = world.refusal(request(vec![glob(&"*a".repeat(1000))])).await;
    assert!(matches!(refusal, SubscribeError::InvalidGlob { .. }), "{refusal}");

    let mut selector = ids(&["cam"]).from(StartPosition::Cursor(cursor("cam", 6)));
    selector.fail_if_trimmed = true;
    let refusal = world.refusal(request(vec![selector.clone()])).await;
    let trimmed =
        SubscribeError::CursorTrimmed { stream: stream("cam"), oldest: number(7), oldest_time: None };
    assert_eq!(refusal, trimmed);
    selector.cursors = vec![cursor("north", 1)];
    let refusal = world.refusal(request(vec![selector])).await;
    assert_eq!(refusal, SubscribeError::CursorStreamNotSelected(stream("north")));

    world.unregister("cam").await;
    let refusal = world.refusal(request(vec![ids(&["cam"])])).await;
    assert_eq!(refusal, SubscribeError::StreamNotFound(stream("cam")));

    assert_eq!(world.hub.stats().subscriptions, 0, "refusals leave nothing behind");
    let _only = world.subscribe(request(vec![glob("*")])).await;
    let refusal = world.refusal(request(vec![glob("*")])).await;
    assert_eq!(refusal, SubscribeError::TooManySubscriptions { limit: 1 });
}

#[tokio::test(start_paused = true)]
async fn more_streams_than_one_may_follow_are_refused_and_end_those_that_grow_into_it() {
    let world = World::new();
    for n in 0..2000 {
        world.register_labelled(&format!("cam-{n}"), &[]).await;
    }
    let mut all = world.subscribe(request(vec![glob("cam-*")])).await;
    told(&mut all, 1).await;
    world.register(&["cam-2000"]).await;
    let last = told(&mut all, 3).await;
    assert_eq!(last[1..], ["error: more than 2000 streams are selected", "end"]);
    let refusal = world.refusal(request(vec![glob("cam-*")])).await;
    assert_eq!(refusal, SubscribeError::TooManyStreams { limit: 2000 });
}

#[tokio::test(start_paused = true)]
async fn a_position_of_another_store_is_told_and_everything_here_comes() {
    let world = World::new();
    world.register(&["cam"]).await;
    world.publish("cam", 4).await;
    let foreign = Cursor { foreign: Some("theirs".into()), ..cursor("cam", 46) };
    let mut selector = ids(&["cam"]).earliest();
    selector.cursors = vec![foreign];
    let mut subscription = world.subscribe(request(vec![selector.clone()])).await;
    let replaced = "cam gap 1-0 StoreReplaced:0";
    expect(&mut subscription, &["checkpoint cam@46", replaced, "cam#1", "cam#2"]).await;

    // What retention took here is told in the same gap.
    world.keep("cam", 2).await;
    let mut subscription = world.subscribe(request(vec![selector.clone()])).await;
    let told = "cam gap 1-2 StoreReplaced:0 Retention:2";
    expect(&mut subscription, &["checkpoint cam@46", told, "cam#3"]).await;

    selector.fail_if_trimmed = true;
    let refusal = world.refusal(request(vec![selector])).await;
    assert_eq!(refusal, SubscribeError::CursorOfAnotherStore { stream: stream("cam"), oldest: number(3) });
}
