use std::time::Duration;

use super::client::*;
use super::world::*;
use crate::domain::{Cursor, LabelMatch, StartPosition};
use crate::hub::{Event, HubConfig, Selector, StreamSet, SubscribeError, Subscription, SubscriptionRequest};

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

    world.unregister("cam").await;
    let refusal = world.refusal(request(vec![ids(&["cam"])])).await;
    assert_eq!(refusal, SubscribeError::StreamNotFound(stream("cam")));

    assert_eq!(world.hub.stats().subscriptions, 0, "refusals leave nothing behind");
    let _only = world.subscribe(request(vec![glob("*")])).await;
    let refusal = world.refusal(request(vec![glob("*")])).await;
    assert_eq!(refusal, SubscribeError::TooManySubscriptions { limit: 1 });
}

#[tokio::test(start_paused = true)]
async fn cursors_of_streams_that_are_not_selected_are_ignored() {
    let world = World::new();
    world.register_labelled("cam", &[("site", "north")]).await;
    world.register_labelled("other", &[("site", "south")]).await;
    world.publish("cam", 3).await;
    world.publish("other", 3).await;
    let labels = LabelMatch { equal: labels_of(&[("site", "north")]), ..LabelMatch::default() };
    for selector in [ids(&["cam"]), glob("c*"), select(StreamSet::Labels(labels))] {
        let mut selector = selector.earliest();
        selector.cursors = vec![cursor("cam", 3), cursor("other", 2), cursor("nobody", 9)];
        let mut some = world.subscribe(request(vec![selector.clone()])).await;
        expect(&mut some, &["checkpoint cam@3", "cam#3"]).await;
        assert!(is_quiet(&mut some).await);
        let other = selector.from(StartPosition::Cursor(cursor("other", 2)));
        let mut some = world.subscribe(request(vec![Selector { cursors: Vec::new(), ..other }])).await;
        expect(&mut some, &["checkpoint cam@4"]).await;
    }
}

/// Registers streams `cam-0000` and so on.
async fn register_many(world: &World, count: usize) {
    for n in 0..count {
        world.register_labelled(&format!("cam-{n:04}"), &[]).await;
    }
}

/// The cursors and the count of unfollowed streams of the checkpoint that comes next.
async fn checkpoint(subscription: &mut Subscription) -> (Vec<Cursor>, u64) {
    match event(subscription).await {
        Event::Checkpoint { cursors, unfollowed_streams } => (cursors, unfollowed_streams),
        other => panic!("{other:?}"),
    }
}

/// The count of unfollowed streams of the next heartbeat.
async fn unfollowed(subscription: &mut Subscription) -> u64 {
    loop {
        if let Event::Heartbeat { unfollowed_streams, heads } = event(subscription).await {
            assert!(heads.len() <= 2000);
            return unfollowed_streams;
        }
    }
}

/// Reads on until this comes.
async fn until(subscription: &mut Subscription, wanted: &str) {
    for _ in 0..200 {
        if told(subscription, 1).await == [wanted] {
            return;
        }
    }
    panic!("{wanted} does not come");
}

/// Reads on until a heartbeat has this count of unfollowed streams.
async fn until_unfollowed(subscription: &mut Subscription, wanted: u64) {
    for _ in 0..20 {
        if unfollowed(subscription).await == wanted {
            return;
        }
    }
    panic!("never are {wanted} unfollowed");
}

#[tokio::test(start_paused = true)]
async fn more_streams_than_one_may_follow_are_refused_unless_the_subscription_goes_on() {
    let world = World::new();
    register_many(&world, 2003).await;
    world.publish("cam-2001", 5).await;
    world.publish("cam-2002", 5).await;
    let refusal = world.refusal(request(vec![glob("cam-*")])).await;
    assert_eq!(refusal, SubscribeError::TooManyStreams { limit: 2000 });
    let named: Vec<String> = (0..2001).map(|n| format!("cam-{n:04}")).collect();
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    let refusal = world.refusal(request(vec![ids(&named)])).await;
    assert_eq!(refusal, SubscribeError::TooManyStreams { limit: 2000 });
    assert_eq!(world.hub.stats().subscriptions, 0, "refusals leave nothing behind");

    // Those that it has cursors of come first.
    let mut selector = glob("cam-*").earliest();
    selector.cursors = vec![cursor("cam-2002", 4)];
    let mut asked = request(vec![selector.clone()]);
    asked.heartbeat_interval = Duration::from_secs(1);
    let mut all = world.subscribe(asked.clone()).await;
    let (cursors, waiting) = checkpoint(&mut all).await;
    assert_eq!((cursors.len(), waiting), (2000, 3));
    assert!(cursors.contains(&cursor("cam-2002", 4)));
    expect(&mut all, &["cam-2002#4", "cam-2002#5"]).await;
    // The others follow as some leave: from their oldest frame on, or their cursors.
    world.unregister("cam-0000").await;
    world.unregister("cam-0001").await;
    until_unfollowed(&mut all, 1).await;
    world.unregister("cam-0002").await;
    until(&mut all, "cam-2001#1").await;
    until_unfollowed(&mut all, 0).await;

    // More cursors than places.
    selector.cursors = (3..2003).map(|n| cursor(&format!("cam-{n:04}"), 1)).collect();
    register_many(&world, 3).await;
    selector.cursors.extend((0..3).map(|n| cursor(&format!("cam-{n:04}"), 1)));
    selector.cursors.push(cursor("cam-9999", 1));
    world.publish("cam-0000", 1).await;
    asked.selectors = vec![selector];
    let mut all = world.subscribe(asked).await;
    let (cursors, waiting) = checkpoint(&mut all).await;
    assert_eq!((cursors.len(), waiting), (2000, 3));
    assert!(!cursors.iter().any(|cursor| cursor.stream_id == stream("cam-9999")));
    for n in 3..6 {
        world.unregister(&format!("cam-{n:04}")).await;
    }
    until(&mut all, "cam-0000#1").await;
    until_unfollowed(&mut all, 0).await;
}

#[tokio::test(start_paused = true)]
async fn streams_that_others_register_beyond_the_most_wait_until_some_leave() {
    let world = World::new();
    register_many(&world, 2000).await;
    let mut asked = request(vec![glob("cam-*")]);
    asked.heartbeat_interval = Duration::from_secs(1);
    let mut all = world.subscribe(asked).await;
    assert_eq!(checkpoint(&mut all).await.1, 0);
    for id in ["cam-2000", "cam-2001", "cam-2002"] {
        world.register(&[id]).await;
        world.publish(id, 2).await;
    }
    world.register(&["other"]).await;
    world.heard().await;
    assert_eq!(unfollowed(&mut all).await, 3);
    // One goes before its turn comes.
    world.unregister("cam-2000").await;
    world.heard().await;
    assert_eq!(unfollowed(&mut all).await, 2);
    world.publish("cam-0007", 1).await;
    until(&mut all, "cam-0007#1").await;
    // Nothing of what it published meanwhile is lost.
    world.unregister("cam-0001").await;
    until(&mut all, "cam-2001#1").await;
    expect(&mut all, &["cam-2001#2"]).await;
    until_unfollowed(&mut all, 1).await;
    world.publish("cam-2001", 1).await;
    until(&mut all, "cam-2001#3").await;
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_stops_at_the_head_ends_with_what_was_there() {
    let world = World::new();
    world.register(&["cam-1", "cam-2", "cam-3"]).await;
    world.publish("cam-1", 3).await;
    world.publish_as("cam-2", &[Publish::Frame, Publish::Failed]).await;
    let stopping = |selector| SubscriptionRequest { stop_at_head: true, ..request(vec![selector]) };

    let mut some = world.subscribe(stopping(glob("cam-*").earliest())).await;
    // Published before the first event, though after the subscription was opened.
    world.publish("cam-1", 1).await;
    world.settle().await;
    expect(&mut some, &["checkpoint cam-1@1 cam-2@1 cam-3@1"]).await;
    // What comes now is for another time, of whichever stream.
    for id in ["cam-1", "cam-2", "cam-3"] {
        world.publish(id, 2).await;
    }
    world.register(&["cam-4"]).await;
    world.publish("cam-4", 2).await;
    world.heard().await;
    let mut rest = Vec::new();
    while rest.last().is_none_or(|last| last != "end") {
        rest.extend(told(&mut some, 1).await);
    }
    let end = rest.split_off(rest.len() - 2);
    assert_eq!(end, ["checkpoint cam-1@5 cam-2@3 cam-3@1 cam-4@1", "end"]);
    rest.sort();
    assert_eq!(rest, ["cam-1#1", "cam-1#2", "cam-1#3", "cam-1#4", "cam-2 gap 2-2 Failed:1", "cam-2#1"]);

    // Nothing is there to be sent.
    for selector in [glob("nobody-*").earliest(), glob("cam-*")] {
        let mut none = world.subscribe(stopping(selector)).await;
        let told = told(&mut none, 3).await;
        assert_eq!(told[0], told[1]);
        assert_eq!(told[2], "end");
    }
    // An earlier stop applies.
    let mut selector = ids(&["cam-1"]).earliest();
    selector.stop_sequence = Some(number(2));
    let mut some = world.subscribe(stopping(selector)).await;
    expect(&mut some, &["checkpoint cam-1@1", "cam-1#1", "cam-1#2", "checkpoint cam-1@3", "end"]).await;
    // A stream that keeps publishing does not keep it open.
    let mut some = world.subscribe(stopping(ids(&["cam-1"]).earliest())).await;
    expect(&mut some, &["checkpoint cam-1@1"]).await;
    for number in 1..=6 {
        world.publish("cam-1", 1).await;
        assert_eq!(told(&mut some, 1).await, [format!("cam-1#{number}")]);
    }
    expect(&mut some, &["checkpoint cam-1@7", "end"]).await;
    // What is published and gone is told, also at the end.
    world.keep("cam-1", 0).await;
    let mut some = world.subscribe(stopping(ids(&["cam-1"]).from(StartPosition::Sequence(number(5))))).await;
    expect(&mut some, &["checkpoint cam-1@5", "cam-1 gap 5-12 Retention:8", "checkpoint cam-1@13", "end"])
        .await;
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
