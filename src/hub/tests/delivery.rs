use std::time::Duration;

use super::client::*;
use super::world::*;
use crate::hub::{Event, HubConfig, PictureContent, PictureWant};

#[tokio::test(start_paused = true)]
async fn nothing_after_the_first_checkpoint_is_missed() {
    let world = World::new();
    world.register(&["cam"]).await;
    world.publish("cam", 3).await;
    let mut live = world.subscribe(request(vec![ids(&["cam"])])).await;
    world.publish("cam", 1).await;
    expect(&mut live, &["checkpoint cam@4", "cam#4"]).await;
    world.publish("cam", 2).await;
    expect(&mut live, &["cam#5", "cam#6"]).await;
    assert!(is_quiet(&mut live).await);
}

#[tokio::test(start_paused = true)]
async fn a_lagging_subscriber_receives_frames_in_order() {
    let world = World::with(HubConfig { ring_entries: 4, page_entries: 7, ..HubConfig::default() });
    world.register(&["cam"]).await;
    let mut live = world.subscribe(request(vec![ids(&["cam"])])).await;
    for _ in 0..20 {
        world.publish("cam", 5).await;
        world.settle().await; // the tail reads, and the ring overflows
    }
    expect(&mut live, &["checkpoint cam@1"]).await;
    for sequence in 1..=100 {
        if sequence == 50 {
            world.publish("cam", 20).await;
        }
        assert_eq!(received(&mut live, 1).await, [format!("cam#{sequence}")]);
    }
    assert!(world.hub.stats().output_reads > 0, "pages were read");
    assert_eq!(received(&mut live, 20).await.last().unwrap(), "cam#120");
    assert!(is_quiet(&mut live).await);
}

#[tokio::test(start_paused = true)]
async fn tombstones_are_reported_as_one_gap_before_the_next_frame() {
    let world = World::new();
    world.register(&["cam"]).await;
    let mut live = world.subscribe(request(vec![ids(&["cam"])])).await;
    let kinds = [
        Publish::Frame,
        Publish::Failed,
        Publish::Dropped,
        Publish::Purged,
        Publish::Failed,
        Publish::Frame,
        Publish::Failed,
    ];
    world.publish_as("cam", &kinds).await;
    expect(
        &mut live,
        &[
            "checkpoint cam@1",
            "cam#1",
            "cam gap 2-5 Failed:2 Overflow:1 Purged:1",
            "cam#6",
            "cam gap 7-7 Failed:1", // without heartbeats, a gap does not wait for a frame for ever
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn heartbeats_and_checkpoints_come_at_their_time_with_gaps_before_them() {
    let world = World::new();
    world.register(&["cam"]).await;
    let mut asked = request(vec![ids(&["cam"])]);
    asked.heartbeat_interval = Duration::from_secs(2);
    asked.checkpoint_interval = Duration::from_secs(5);
    let mut live = world.subscribe(asked).await;
    expect(&mut live, &["checkpoint cam@1", "heartbeat cam:0 lag 0"]).await;
    world.publish_as("cam", &[Publish::Failed, Publish::Failed]).await;
    expect(&mut live, &["cam gap 1-2 Failed:2", "heartbeat cam:2 lag 0", "checkpoint cam@3"]).await;
    world.publish("cam", 3).await;
    expect(&mut live, &["cam#3"]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    expect(&mut live, &["heartbeat cam:5 lag 2", "cam#4", "cam#5"]).await;
}

#[tokio::test(start_paused = true)]
async fn streams_take_turns() {
    let world = World::new();
    world.register(&["busy", "calm"]).await;
    world.publish("busy", 200).await;
    world.publish("calm", 3).await;
    let mut all = world.subscribe(request(vec![ids(&["busy", "calm"]).earliest()])).await;
    let received = received(&mut all, 8).await;
    assert!(received.contains(&"calm#3".to_owned()), "{received:?}");
}

#[tokio::test(start_paused = true)]
async fn a_subscription_ends_at_its_stops() {
    let world = World::new();
    world.register(&["a", "b"]).await;
    world.publish_as("a", &[Publish::Frame, Publish::Frame, Publish::Failed, Publish::Frame]).await;
    world.publish("b", 4).await;

    let mut selector = ids(&["a"]).earliest();
    selector.stop_sequence = Some(sequence(3));
    let mut one = world.subscribe(request(vec![selector.clone()])).await;
    let rest = ["a#1", "a#2", "a gap 3-3 Failed:1", "checkpoint a@4", "end", "end"];
    expect(&mut one, &["checkpoint a@1"]).await;
    expect(&mut one, &rest).await;

    let mut counted = ids(&["b"]).earliest();
    counted.stop_after_frames = Some(2);
    let mut two = world.subscribe(request(vec![selector, counted])).await;
    let received_all = received(&mut two, 8).await;
    assert_eq!(received_all[6..], ["checkpoint a@4 b@3", "end"], "{received_all:?}");

    let mut asked = request(vec![glob("*").earliest()]);
    asked.stop_after_frames = Some(3);
    let mut three = world.subscribe(asked).await;
    expect(&mut three, &["checkpoint a@1 b@1", "a#1", "b#1", "a#2", "checkpoint a@3 b@2", "end"]).await;

    // Frames after the stop that retention removed do not concern this subscriber.
    world.trim_to("b", 0).await;
    let mut selector = ids(&["b"]).from(crate::domain::StartPosition::Sequence(sequence(1)));
    selector.stop_sequence = Some(sequence(2));
    let mut four = world.subscribe(request(vec![selector])).await;
    expect(&mut four, &["checkpoint b@1", "b gap 1-2 Retention:2", "checkpoint b@3", "end"]).await;
}

#[tokio::test(start_paused = true)]
async fn the_requested_pictures_are_delivered() {
    let world = World::new();
    world.register(&["cam"]).await;
    let mut selector = ids(&["cam"]);
    selector.want = PictureWant {
        thumbnail: true,
        processed: true,
        original: true,
        rendition: None,
        max_picture_bytes: 1000,
        originals: None,
    };
    let mut all = world.subscribe(request(vec![selector.clone()])).await;
    selector.want = PictureWant::default();
    let mut none = world.subscribe(request(vec![selector])).await;
    world.publish_as("cam", &[Publish::Sized(1000), Publish::Sized(1001)]).await;
    expect(&mut all, &["checkpoint cam@1"]).await;
    expect(&mut none, &["checkpoint cam@1"]).await;

    let mut contents = Vec::new();
    for _ in 0..2 {
        let Event::Frame(frame) = event(&mut all).await else { panic!("a frame") };
        contents.extend(frame.pictures.into_iter().map(|picture| match picture.content {
            PictureContent::Data(bytes) => bytes.len().to_string(),
            none => format!("{none:?}"),
        }));
    }
    assert_eq!(contents, ["9", "1000", "NotKept", "9", "TooLarge", "NotKept"]);
    assert_eq!(world.hub.stats().payload_reads, 3, "a picture that is too large is not read");
    let Event::Frame(frame) = event(&mut none).await else { panic!("a frame") };
    assert!(frame.pictures.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_wait_loses_nothing() {
    let world = World::new();
    world.register(&["cam"]).await;
    let mut live = world.subscribe(request(vec![ids(&["cam"])])).await;
    expect(&mut live, &["checkpoint cam@1"]).await;
    world.queue.set_slow(true);
    world.publish("cam", 5).await;
    let mut got = Vec::new();
    while got.len() < 5 {
        // The timeout is shorter than any read.
        if let Ok(next) = tokio::time::timeout(Duration::from_millis(90), live.next()).await
            && let Event::Frame(frame) = next.unwrap().unwrap()
        {
            got.push(frame.entry.sequence.get());
        }
    }
    assert_eq!(got, [1, 2, 3, 4, 5]);
    assert_eq!(world.hub.stats().payload_reads, 5, "a read continues after its caller has stopped waiting");
}
