use super::client::*;
use super::world::*;
use crate::domain::LabelMatch;
use crate::domain::{Cursor, StartPosition};
use crate::hub::{Event, PictureWant, StreamSet};

#[tokio::test(start_paused = true)]
async fn a_glob_picks_up_new_streams_from_their_first_frame() {
    let world = World::new();
    world.settle().await;
    world.register(&["cam-1", "door"]).await;
    let mut cams = world.subscribe(request(vec![glob("cam-*")])).await;
    expect(&mut cams, &["checkpoint cam-1@1"]).await;
    world.register(&["cam-2", "door-2"]).await;
    world.publish("cam-2", 2).await;
    world.publish("door", 1).await;
    expect(&mut cams, &["cam-2#1", "cam-2#2"]).await;
    assert!(is_quiet(&mut cams).await);
}

#[tokio::test(start_paused = true)]
async fn streams_join_and_leave_as_their_labels_change() {
    let world = World::new();
    world.register_labelled("a", &[("site", "north"), ("lane", "1")]).await;
    world.register_labelled("b", &[("site", "south")]).await;
    world.publish("b", 3).await;
    world.settle().await;
    let north = select(StreamSet::Labels(LabelMatch {
        equal: labels_of(&[("site", "north")]),
        ..LabelMatch::default()
    }));
    let mut subscription = world.subscribe(request(vec![north.earliest()])).await;
    expect(&mut subscription, &["checkpoint a@1"]).await;

    world.relabel("b", &[("site", "north")]).await;
    world.publish("b", 2).await;
    expect(&mut subscription, &["b#4", "b#5"]).await; // not what it had published before

    world.publish("a", 1).await;
    world.relabel("a", &[("site", "south")]).await;
    world.publish("a", 1).await;
    expect(&mut subscription, &["a#1"]).await;
    let rest = events_until_quiet(&mut subscription).await;
    assert!(rest.len() <= 1, "at most the frame published before the hub saw the change: {rest:?}");
    world.publish("a", 3).await;
    assert!(is_quiet(&mut subscription).await);
    assert_eq!(world.hub.stats().followed_streams, 1);
}

async fn events_until_quiet(subscription: &mut crate::hub::Subscription) -> Vec<Event> {
    let mut events = Vec::new();
    let pause = std::time::Duration::from_secs(3);
    while let Ok(Some(event)) = tokio::time::timeout(pause, subscription.next()).await {
        events.push(event.unwrap());
    }
    events
}

#[tokio::test(start_paused = true)]
async fn an_unregistered_stream_delivers_nothing_more() {
    let world = World::new();
    world.settle().await;
    world.register(&["cam"]).await;
    let mut by_glob = world.subscribe(request(vec![glob("*")])).await;
    let mut by_id = world.subscribe(request(vec![ids(&["cam"])])).await;
    expect(&mut by_id, &["checkpoint cam@1"]).await;
    world.publish("cam", 2).await;
    expect(&mut by_id, &["cam#1"]).await; // both are in the ring and the cache now
    world.accept("cam", 2).await;
    world.unregister("cam").await;
    world.settle_polls().await;
    expect(&mut by_glob, &["checkpoint cam@1", "cam gap 1-4 Unregistered:4"]).await;
    expect(&mut by_id, &["cam gap 2-4 Unregistered:3"]).await;
    world.finish("cam", &[]).await;
    assert!(is_quiet(&mut by_glob).await && is_quiet(&mut by_id).await, "what waited is not published");

    // The stream is followed again at once, whoever registers it.
    world.register(&["cam"]).await;
    let earliest = ids(&["cam"]).from(StartPosition::Earliest);
    let old = ids(&["cam"]).from(StartPosition::Cursor(Cursor::new(stream("cam"), sequence(3))));
    let mut earliest = world.subscribe(request(vec![earliest])).await;
    let mut old = world.subscribe(request(vec![old])).await;
    world.publish("cam", 1).await;
    expect(&mut by_glob, &["cam#5"]).await;
    expect(&mut by_id, &["cam#5"]).await;
    expect(&mut earliest, &["checkpoint cam@5", "cam#5"]).await;
    expect(&mut old, &["checkpoint cam@3", "cam gap 3-4 Unregistered:2", "cam#5"]).await;
}

#[tokio::test(start_paused = true)]
async fn frames_lost_to_unregistration_and_to_retention_are_distinguished() {
    let world = World::new();
    world.register(&["cam"]).await;
    world.publish("cam", 5).await;
    let from_2 = ids(&["cam"]).from(StartPosition::Sequence(sequence(2)));
    let mut subscription = world.subscribe(request(vec![from_2])).await;
    world.unregister("cam").await;
    world.register(&["cam"]).await;
    world.publish("cam", 5).await;
    world.trim_to("cam", 2).await;
    world.settle_polls().await;
    let gap = "cam gap 2-8 Unregistered:4 Retention:3";
    expect(&mut subscription, &["checkpoint cam@2", gap, "cam#9", "cam#10"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_cursor_of_a_glob_resumes_a_stream_that_was_unregistered_meanwhile() {
    let world = World::new();
    world.register(&["cam", "other"]).await;
    world.publish("cam", 3).await;
    world.unregister("cam").await;
    let mut selector = glob("*");
    selector.cursors = vec![Cursor::new(stream("cam"), sequence(2))];
    let mut subscription = world.subscribe(request(vec![selector])).await;
    expect(&mut subscription, &["checkpoint cam@2 other@1", "cam gap 2-3 Unregistered:2"]).await;
    assert!(is_quiet(&mut subscription).await);
    assert_eq!(world.hub.stats().followed_streams, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_belongs_to_the_first_selector_that_selects_it() {
    let world = World::new();
    world.register(&["cam-1", "cam-2"]).await;
    let mut plain = ids(&["cam-1"]);
    plain.want = PictureWant::default();
    let mut subscription = world.subscribe(request(vec![plain, glob("cam-*")])).await;
    expect(&mut subscription, &["checkpoint cam-1@1 cam-2@1"]).await;
    world.publish("cam-1", 1).await;
    world.publish("cam-2", 1).await;
    for _ in 0..2 {
        let Event::Frame(frame) = event(&mut subscription).await else { panic!("a frame") };
        let selector = usize::from(frame.entry.stream_id == stream("cam-2"));
        assert_eq!((frame.selector, frame.pictures.len()), (selector, selector));
    }
    assert!(is_quiet(&mut subscription).await);
}
