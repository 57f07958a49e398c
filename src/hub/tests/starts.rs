use std::time::Duration;

use super::client::*;
use super::world::*;
use crate::domain::{Cursor, LabelMatch, StartPosition};
use crate::hub::{Event, HubConfig, Selector, StreamSet, SubscribeError, Subscription, SubscriptionRequest};

fn cursor(id: &str, next: u64) -> Cursor {
    Cursor::new(stream(id), sequence(next))
}

#[tokio::test(start_paused = true)]
async fn each_start_begins_at_its_position() {
    let world = World::new();
    world.register(&["cam", "other"]).await;
    world.publish("cam", 10).await;
    world.trim_to("cam", 4).await;

    let starts = [
        (StartPosition::Earliest, ["checkpoint cam@7", "cam#7"]),
        (StartPosition::Sequence(sequence(9)), ["checkpoint cam@9", "cam#9"]),
        (StartPosition::Sequence(sequence(3)), ["checkpoint cam@3", "cam gap 3-6 Retention:4"]),
        (StartPosition::Cursor(cursor("cam", 8)), ["checkpoint cam@8", "cam#8"]),
    ];
    for (start, expected) in starts {
        let mut subscription = world.subscribe(request(vec![ids(&["cam"]).from(start)])).await;
        expect(&mut subscription, &expected).await;
    }
    for start in [StartPosition::Live, StartPosition::Sequence(sequence(12))] {
        let mut waiting = world.subscribe(request(vec![ids(&["cam"]).from(start)])).await;
        received(&mut waiting, 1).await;
        assert!(is_quiet(&mut waiting).await);
    }

    let mut selector = ids(&["cam", "other"]).earliest();
    selector.cursors = vec![cursor("cam", 10)];
    let mut subscription = world.subscribe(request(vec![selector])).await;
    expect(&mut subscription, &["checkpoint cam@10 other@1", "cam#10"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_start_beyond_the_head_waits_for_its_frame() {
    let world = World::new();
    world.register(&["cam"]).await;
    let start = StartPosition::Sequence(sequence(4));
    let mut waiting = world.subscribe(request(vec![ids(&["cam"]).from(start)])).await;
    expect(&mut waiting, &["checkpoint cam@4"]).await;
    world.publish("cam", 3).await;
    assert!(is_quiet(&mut waiting).await);
    world.publish("cam", 2).await;
    expect(&mut waiting, &["cam#4", "cam#5"]).await;
}

#[tokio::test(start_paused = true)]
async fn invalid_subscriptions_are_refused() {
    let world = World::with(HubConfig { max_subscriptions: 1, ..HubConfig::default() });
    world.register(&["cam"]).await;
    world.publish("cam", 10).await;
    world.trim_to("cam", 4).await;

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
        SubscribeError::CursorTrimmed { stream: stream("cam"), oldest: sequence(7), oldest_time: None };
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

/// Returns the cursors and the count of unfollowed streams of the next checkpoint.
async fn checkpoint(subscription: &mut Subscription) -> (Vec<Cursor>, u64) {
    match event(subscription).await {
        Event::Checkpoint { cursors, unfollowed_streams } => (cursors, unfollowed_streams),
        other => panic!("{other:?}"),
    }
}

/// Returns the count of unfollowed streams of the next heartbeat.
async fn unfollowed(subscription: &mut Subscription) -> u64 {
    loop {
        if let Event::Heartbeat { unfollowed_streams, heads } = event(subscription).await {
            assert!(heads.len() <= 2000);
            return unfollowed_streams;
        }
    }
}

/// Reads until this event comes.
async fn until(subscription: &mut Subscription, wanted: &str) {
    for _ in 0..200 {
        if received(subscription, 1).await == [wanted] {
            return;
        }
    }
    panic!("{wanted} does not come");
}

/// Reads until a heartbeat has this count of unfollowed streams.
async fn until_unfollowed(subscription: &mut Subscription, wanted: u64) {
    for _ in 0..20 {
        if unfollowed(subscription).await == wanted {
            return;
        }
    }
    panic!("no heartbeat has {wanted} unfollowed streams");
}

#[tokio::test(start_paused = true)]
async fn too_many_streams_are_refused_unless_the_subscription_resumes() {
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

    // Streams with cursors come first.
    let mut selector = glob("cam-*").earliest();
    selector.cursors = vec![cursor("cam-2002", 4)];
    let mut asked = request(vec![selector.clone()]);
    asked.heartbeat_interval = Duration::from_secs(1);
    let mut all = world.subscribe(asked.clone()).await;
    let (cursors, waiting) = checkpoint(&mut all).await;
    assert_eq!((cursors.len(), waiting), (2000, 3));
    assert!(cursors.contains(&cursor("cam-2002", 4)));
    expect(&mut all, &["cam-2002#4", "cam-2002#5"]).await;
    // The others follow as some leave: from their oldest frame on, or from their cursors.
    world.unregister("cam-0000").await;
    world.unregister("cam-0001").await;
    until_unfollowed(&mut all, 1).await;
    world.unregister("cam-0002").await;
    until(&mut all, "cam-2001#1").await;
    until_unfollowed(&mut all, 0).await;

    // More cursors than slots.
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
async fn the_first_of_several_cursors_of_one_stream_counts() {
    let world = World::new();
    register_many(&world, 2001).await;
    world.publish("cam-0000", 5).await;
    world.publish("cam-2000", 5).await;
    let mut asked = request(vec![glob("*").earliest()]);
    asked.heartbeat_interval = Duration::from_secs(1);

    // Followed at once, and registered later.
    asked.selectors[0].cursors = vec![cursor("cam-0000", 3), cursor("late", 3)];
    asked.selectors[0].cursors.extend([cursor("late", 5), cursor("cam-0000", 5)]);
    let mut all = world.subscribe(asked.clone()).await;
    until(&mut all, "cam-0000#3").await;
    world.unregister("cam-0001").await;
    world.unregister("cam-0002").await;
    until_unfollowed(&mut all, 0).await;
    world.register(&["late"]).await;
    world.publish("late", 5).await;
    until(&mut all, "late#3").await;
    register_many(&world, 3).await;

    // It waits until there is a slot for it.
    world.unregister("late").await;
    asked.selectors[0].cursors = (0..2001).map(|n| cursor(&format!("cam-{n:04}"), 3)).collect();
    asked.selectors[0].cursors.push(cursor("cam-2000", 5));
    let mut all = world.subscribe(asked).await;
    assert_eq!(checkpoint(&mut all).await.1, 1);
    world.unregister("cam-0003").await;
    until(&mut all, "cam-2000#3").await;
}

#[tokio::test(start_paused = true)]
async fn a_waiting_stream_continues_at_the_cursor_of_its_own_selector() {
    let world = World::new();
    register_many(&world, 2000).await;
    world.register_labelled("last", &[("site", "north")]).await;
    world.publish("last", 5).await;
    let labels = LabelMatch { equal: labels_of(&[("site", "south")]), ..LabelMatch::default() };
    let mut south = select(StreamSet::Labels(labels)).earliest();
    south.cursors = (0..2000).map(|n| cursor(&format!("cam-{n:04}"), 1)).collect();
    // It belongs to another site now.
    south.cursors.push(cursor("last", 2));
    let mut all = glob("*").earliest();
    all.cursors = vec![cursor("last", 4)];
    let mut asked = request(vec![south, all]);
    asked.heartbeat_interval = Duration::from_secs(1);
    let mut subscription = world.subscribe(asked).await;
    assert_eq!(checkpoint(&mut subscription).await.1, 1);
    world.unregister("cam-0000").await;
    until(&mut subscription, "last#4").await;
}

#[tokio::test(start_paused = true)]
async fn a_position_beyond_the_store_is_reported_even_if_its_stream_waits() {
    let world = World::new();
    register_many(&world, 2003).await;
    let mut selector = glob("cam-*").earliest();
    selector.cursors = (1..2000).map(|n| cursor(&format!("cam-{n:04}"), 1)).collect();
    selector.cursors.push(cursor("cam-0000", 9));
    // There is no slot for these yet.
    selector.cursors.push(cursor("cam-2000", 9));
    selector.cursors.push(Cursor { foreign: Some("theirs".into()), ..cursor("cam-2001", 46) });
    selector.cursors.push(Cursor { awaited: true, ..cursor("cam-2002", 9) });
    let mut asked = request(vec![selector]);
    asked.heartbeat_interval = Duration::from_secs(1);
    asked.checkpoint_interval = Duration::from_secs(1);
    let mut all = world.subscribe(asked).await;
    assert_eq!(checkpoint(&mut all).await.1, 3);
    // Its sequences must jump: none up to there may be issued again.
    let issued = |id: &str| (stream(id), sequence(8));
    assert_eq!(*world.queue.issued.lock().unwrap(), [issued("cam-0000"), issued("cam-2000")]);
    until(&mut all, "cam-0000 gap 9-8 BackendFailover:0").await;
    world.unregister("cam-0001").await;
    until(&mut all, "cam-2000 gap 9-8 BackendFailover:0").await;
    world.unregister("cam-0002").await;
    until(&mut all, "cam-2001 gap 1-0 StoreReplaced:0").await;
    world.unregister("cam-0003").await;
    until_unfollowed(&mut all, 0).await;
    let cursors = loop {
        if let Event::Checkpoint { cursors, .. } = event(&mut all).await {
            break cursors;
        }
    };
    let awaited: Vec<_> = cursors.into_iter().filter(|cursor| cursor.awaited).collect();
    assert_eq!(awaited, [Cursor { awaited: true, ..cursor("cam-2002", 9) }], "the sequence was never issued");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_comes_back_is_still_awaited_at_its_sequence() {
    let world = World::new();
    world.register(&["cam"]).await;
    let mut asked = request(vec![glob("cam").from(StartPosition::Sequence(sequence(9)))]);
    asked.checkpoint_interval = Duration::from_secs(1);
    let mut some = world.subscribe(asked).await;
    let awaited = Cursor { awaited: true, ..cursor("cam", 9) };
    assert_eq!(checkpoint(&mut some).await.0, std::slice::from_ref(&awaited));
    world.unregister("cam").await;
    while !checkpoint(&mut some).await.0.is_empty() {}
    world.register(&["cam"]).await;
    let back = loop {
        let cursors = checkpoint(&mut some).await.0;
        if !cursors.is_empty() {
            break cursors;
        }
    };
    assert_eq!(back, [awaited]);
}

#[tokio::test(start_paused = true)]
async fn streams_registered_beyond_the_maximum_wait_for_a_slot() {
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
    world.settle_polls().await;
    assert_eq!(unfollowed(&mut all).await, 3);
    // One is unregistered before its turn comes.
    world.unregister("cam-2000").await;
    world.settle_polls().await;
    assert_eq!(unfollowed(&mut all).await, 2);
    world.publish("cam-0007", 1).await;
    until(&mut all, "cam-0007#1").await;
    // Nothing that it published in the meantime is lost.
    world.unregister("cam-0001").await;
    until(&mut all, "cam-2001#1").await;
    expect(&mut all, &["cam-2001#2"]).await;
    until_unfollowed(&mut all, 1).await;
    world.publish("cam-2001", 1).await;
    until(&mut all, "cam-2001#3").await;
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_stops_at_the_head_ends_with_the_frames_published_before() {
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
    // Frames that come now are too late, in any stream.
    for id in ["cam-1", "cam-2", "cam-3"] {
        world.publish(id, 2).await;
    }
    world.register(&["cam-4"]).await;
    world.publish("cam-4", 2).await;
    world.settle_polls().await;
    let mut rest = Vec::new();
    while rest.last().is_none_or(|last| last != "end") {
        rest.extend(received(&mut some, 1).await);
    }
    let end = rest.split_off(rest.len() - 2);
    assert_eq!(end, ["checkpoint cam-1@5 cam-2@3 cam-3@1 cam-4@1", "end"]);
    rest.sort();
    assert_eq!(rest, ["cam-1#1", "cam-1#2", "cam-1#3", "cam-1#4", "cam-2 gap 2-2 Failed:1", "cam-2#1"]);

    // There is nothing to send.
    for selector in [glob("nobody-*").earliest(), glob("cam-*")] {
        let mut none = world.subscribe(stopping(selector)).await;
        let received = received(&mut none, 3).await;
        assert_eq!(received[0], received[1]);
        assert_eq!(received[2], "end");
    }
    // An earlier stop applies.
    let mut selector = ids(&["cam-1"]).earliest();
    selector.stop_sequence = Some(sequence(2));
    let mut some = world.subscribe(stopping(selector)).await;
    expect(&mut some, &["checkpoint cam-1@1", "cam-1#1", "cam-1#2", "checkpoint cam-1@3", "end"]).await;
    // A stream that continues to publish does not keep it open.
    let mut some = world.subscribe(stopping(ids(&["cam-1"]).earliest())).await;
    expect(&mut some, &["checkpoint cam-1@1"]).await;
    for number in 1..=6 {
        world.publish("cam-1", 1).await;
        assert_eq!(received(&mut some, 1).await, [format!("cam-1#{number}")]);
    }
    expect(&mut some, &["checkpoint cam-1@7", "end"]).await;
    // Published frames that are gone are reported, also at the end.
    world.trim_to("cam-1", 0).await;
    let mut some =
        world.subscribe(stopping(ids(&["cam-1"]).from(StartPosition::Sequence(sequence(5))))).await;
    expect(&mut some, &["checkpoint cam-1@5", "cam-1 gap 5-12 Retention:8", "checkpoint cam-1@13", "end"])
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_gets_its_slot_before_the_first_event_also_ends_at_its_head() {
    let world = World::new();
    register_many(&world, 2000).await;
    world.publish("cam-1999", 3).await;
    let mut selector = glob("cam-*").earliest();
    // It takes the last slot until it turns out that there is no such stream.
    selector.cursors = vec![cursor("cam-9999", 1)];
    let asked = SubscriptionRequest { stop_at_head: true, ..request(vec![selector]) };
    let mut all = world.subscribe(asked).await;
    let (cursors, waiting) = checkpoint(&mut all).await;
    assert_eq!((cursors.len(), waiting), (2000, 0));
    for number in 1..=3 {
        expect(&mut all, &[&format!("cam-1999#{number}")]).await;
        world.publish("cam-1999", 1).await;
        world.settle().await;
    }
    checkpoint(&mut all).await;
    expect(&mut all, &["end"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_position_of_another_store_is_reported_and_all_frames_here_are_sent() {
    let world = World::new();
    world.register(&["cam"]).await;
    world.publish("cam", 4).await;
    let foreign = Cursor { foreign: Some("theirs".into()), ..cursor("cam", 46) };
    let mut selector = ids(&["cam"]).earliest();
    selector.cursors = vec![foreign];
    let mut subscription = world.subscribe(request(vec![selector.clone()])).await;
    let replaced = "cam gap 1-0 StoreReplaced:0";
    expect(&mut subscription, &["checkpoint cam@46", replaced, "cam#1", "cam#2"]).await;

    // Frames that retention removed here are reported in the same gap.
    world.trim_to("cam", 2).await;
    let mut subscription = world.subscribe(request(vec![selector.clone()])).await;
    let received = "cam gap 1-2 StoreReplaced:0 Retention:2";
    expect(&mut subscription, &["checkpoint cam@46", received, "cam#3"]).await;

    selector.fail_if_trimmed = true;
    let refusal = world.refusal(request(vec![selector])).await;
    assert_eq!(refusal, SubscribeError::CursorOfAnotherStore { stream: stream("cam"), oldest: sequence(3) });
}
