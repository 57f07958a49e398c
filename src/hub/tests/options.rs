//! Tests of what a selector leaves out although it is available.

use std::time::Duration;

use super::client::*;
use super::world::*;
use crate::domain::{FrameFilter, LabelMatch};
use crate::domain::{StartPosition, Timestamp};
use crate::hub::{
    Choice, HubConfig, OverflowPolicy, Sampling, Selector, StreamSet, SubscribeError, Subscription,
};

fn sampled(sampling: Sampling) -> Selector {
    Selector { choice: Choice { sampling, ..Choice::default() }, ..ids(&["cam"]) }
}

fn filtered(filter: FrameFilter) -> Selector {
    Selector { choice: Choice { filter, ..Choice::default() }, ..ids(&["cam"]) }
}

fn overflowing(overflow: OverflowPolicy) -> Selector {
    Selector { choice: Choice { overflow, ..Choice::default() }, ..ids(&["cam"]) }
}

/// Publishes frames that are received at this interval.
async fn publish_every(world: &World, milliseconds: u64, count: usize) {
    for _ in 0..count {
        world.publish("cam", 1).await;
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
}

async fn until_quiet(subscription: &mut Subscription) -> Vec<String> {
    let mut all = Vec::new();
    while let Ok(event) = tokio::time::timeout(Duration::from_secs(3), received(subscription, 1)).await {
        all.extend(event);
        if all.last().is_some_and(|last| last == "end") {
            break;
        }
    }
    all
}

#[tokio::test(start_paused = true)]
async fn every_nth_sends_the_first_and_then_each_nth() {
    let world = World::new();
    world.register(&["cam"]).await;
    let every_third = Sampling { every_nth: 3, ..Sampling::default() };
    let mut some = world.subscribe(request(vec![sampled(every_third)])).await;
    let frames = [vec![Publish::Frame; 2], vec![Publish::Failed], vec![Publish::Frame; 6]].concat();
    world.publish_as("cam", &frames).await;
    let received = until_quiet(&mut some).await;
    assert_eq!(
        received,
        [
            "checkpoint cam@1",
            "cam#1",
            "cam gap 2-4 Sampled:2 Failed:1",
            "cam#5",
            "cam gap 6-7 Sampled:2",
            "cam#8",
            "cam gap 9-9 Sampled:1",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn max_fps_goes_by_receive_time_and_keeps_the_rate() {
    let world = World::new();
    world.register(&["cam"]).await;
    publish_every(&world, 100, 40).await; // ten per second, for four seconds
    let four = Sampling { max_fps: Some(4.0), ..Sampling::default() };
    let mut some = world.subscribe(request(vec![sampled(four).earliest()])).await;
    let received = until_quiet(&mut some).await;
    let frames: Vec<&String> = received.iter().filter(|received| received.contains('#')).collect();
    assert!((14..=17).contains(&frames.len()), "{received:?}"); // not 13, as with a pause of 300 ms each time
    assert_eq!(frames.len() as u64 + omitted(&received)["Sampled"], 40);
}

#[tokio::test(start_paused = true)]
async fn latest_only_sends_the_newest_available_frame() {
    let world = World::with(HubConfig { ring_entries: 8, ..HubConfig::default() });
    world.register(&["cam"]).await;
    let latest = Sampling { latest_only: true, ..Sampling::default() };
    let mut live = world.subscribe(request(vec![sampled(latest)])).await;
    world.publish("cam", 1).await;
    expect(&mut live, &["checkpoint cam@1", "cam#1"]).await;
    world.publish("cam", 5).await;
    world.publish_as("cam", &[Publish::Failed]).await;
    world.settle().await;
    expect(&mut live, &["cam gap 2-5 Sampled:4", "cam#6"]).await;
    world.publish("cam", 100).await;
    world.settle().await;
    expect(&mut live, &["cam gap 7-106 Sampled:100", "cam#107"]).await; // most of the entries were not even read

    // This subscription reads the kept entries, because it starts after the feed has reported them.
    let mut early = world.subscribe(request(vec![sampled(latest).earliest()])).await;
    expect(&mut early, &["checkpoint cam@1", "cam gap 1-106 Sampled:106", "cam#107"]).await;
    assert!(is_quiet(&mut early).await);
}

#[tokio::test(start_paused = true)]
async fn latest_only_sends_the_newest_frame_that_passes_the_filter() {
    let world = World::new();
    world.register(&["cam"]).await;
    let mut selector = filtered(FrameFilter { min_quality_score: Some(0.5), ..FrameFilter::default() });
    selector.choice.sampling.latest_only = true;
    let mut live = world.subscribe(request(vec![selector])).await;
    let frames = [0.9, 0.8, 0.1, 0.7, 0.2].map(Publish::Quality);
    world.publish_as("cam", &frames).await;
    world.settle().await;
    let received = until_quiet(&mut live).await;
    let expected =
        ["checkpoint cam@1", "cam gap 1-3 Sampled:2 Filtered:1", "cam#4", "cam gap 5-5 Filtered:1"];
    assert_eq!(received, expected);
}

#[tokio::test(start_paused = true)]
async fn filters_leave_out_frames_that_do_not_match() {
    let world = World::new();
    world.register_labelled("cam", &[("site", "north")]).await;
    let lane = |lane: &str| [("lane".to_owned(), lane.to_owned())].into();
    let none = FrameFilter::default;
    let kinds = [Publish::Quality(0.4), Publish::Lane("2"), Publish::Skewed, Publish::Quality(0.6)];
    world.publish_as("cam", &kinds).await;
    for (filter, passed) in [
        (FrameFilter { min_quality_score: Some(0.5), ..none() }, vec![4]),
        (FrameFilter { min_quality_score: Some(0.0), ..none() }, vec![1, 2, 3, 4]),
        (FrameFilter { attributes: lane("2"), ..none() }, vec![2]),
        (FrameFilter { attributes: lane("3"), ..none() }, vec![]),
        (FrameFilter { valid_only: true, ..none() }, vec![1, 2, 4]),
        // A measure that is missing does not pass.
        (FrameFilter { min_motion_intensity: Some(0.0), ..none() }, vec![]),
        (FrameFilter { min_foreground_ratio: Some(0.0), ..none() }, vec![]),
    ] {
        let asked = format!("{filter:?}");
        let mut some = world.subscribe(request(vec![filtered(filter).earliest()])).await;
        let received = until_quiet(&mut some).await;
        let filtered = omitted(&received).get("Filtered").copied().unwrap_or_default();
        assert_eq!(filtered as usize, 4 - passed.len(), "{asked}");
        let frames: Vec<String> = received.into_iter().filter(|received| received.contains('#')).collect();
        assert_eq!(frames, passed.iter().map(|n| format!("cam#{n}")).collect::<Vec<_>>(), "{asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn filters_use_the_labels_at_the_time_of_sending() {
    let world = World::new();
    world.settle().await;
    world.register_labelled("cam", &[("mode", "day")]).await;
    let by_day = FrameFilter { stream_labels: labels_of(&[("mode", "day")]), ..FrameFilter::default() };
    let mut live = world.subscribe(request(vec![filtered(by_day)])).await;
    world.publish("cam", 1).await;
    expect(&mut live, &["checkpoint cam@1", "cam#1"]).await;
    world.relabel("cam", &[("mode", "night")]).await;
    world.publish("cam", 2).await;
    world.settle().await;
    expect(&mut live, &["cam gap 2-3 Filtered:2"]).await;
    world.relabel("cam", &[("mode", "day")]).await;
    world.publish("cam", 1).await;
    expect(&mut live, &["cam#4"]).await;
}

#[tokio::test(start_paused = true)]
async fn frames_that_are_too_old_when_they_would_be_sent_are_stale() {
    let world = World::new();
    world.register(&["cam"]).await;
    let choice = Choice { max_age: Some(Duration::from_secs(5)), ..Choice::default() };
    let mut live = world.subscribe(request(vec![Selector { choice, ..ids(&["cam"]) }])).await;
    world.publish("cam", 2).await;
    expect(&mut live, &["checkpoint cam@1", "cam#1"]).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    world.publish("cam", 1).await;
    expect(&mut live, &["cam gap 2-2 Stale:1", "cam#3"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_becomes_stale_while_its_picture_is_read_is_left_out() {
    let world = World::new();
    world.register(&["cam"]).await;
    let choice = Choice { max_age: Some(Duration::from_millis(500)), ..Choice::default() };
    let mut live = world.subscribe(request(vec![Selector { choice, ..ids(&["cam"]) }])).await;
    world.queue.set_slow(true);
    world.publish("cam", 1).await;
    expect(&mut live, &["checkpoint cam@1", "cam gap 1-1 Stale:1"]).await;
}

/// A limit that ten frames of a kilobyte (and a kilobyte for each entry) reach.
fn small_bound() -> HubConfig {
    HubConfig { overflow_bytes: 20 << 10, ring_entries: 4, ..HubConfig::default() }
}

const KILOBYTE: Publish = Publish::Sized(1024);

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_loses_the_oldest_frames() {
    let world = World::with(small_bound());
    world.register(&["cam"]).await;
    let mut slow = world.subscribe(request(vec![overflowing(OverflowPolicy::DropOldest)])).await;
    let mut fast = world.subscribe(request(vec![overflowing(OverflowPolicy::DropOldest)])).await;
    expect(&mut slow, &["checkpoint cam@1"]).await;
    expect(&mut fast, &["checkpoint cam@1"]).await;
    world.publish_as("cam", &[KILOBYTE]).await;
    expect(&mut slow, &["cam#1"]).await;
    expect(&mut fast, &["cam#1"]).await;
    assert!(is_quiet(&mut slow).await);
    for number in 2..=31 {
        world.publish_as("cam", &[KILOBYTE]).await;
        assert_eq!(
            received(&mut fast, 1).await,
            [format!("cam#{number}")],
            "one slow subscriber delays no other"
        );
    }
    let rest = until_quiet(&mut slow).await;
    let frames: Vec<String> = (22..=31).map(|number| format!("cam#{number}")).collect();
    assert_eq!(rest[0], "cam gap 2-21 SlowConsumer:20");
    assert_eq!(rest[1..], frames);
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_can_receive_only_the_newest_frame() {
    let world = World::with(small_bound());
    world.register(&["cam"]).await;
    let mut slow = world.subscribe(request(vec![overflowing(OverflowPolicy::LatestOnly)])).await;
    expect(&mut slow, &["checkpoint cam@1"]).await;
    assert!(is_quiet(&mut slow).await);
    world.publish_as("cam", &vec![KILOBYTE; 30]).await;
    world.settle().await;
    expect(&mut slow, &["cam gap 1-29 SlowConsumer:29", "cam#30"]).await;
    world.publish_as("cam", &vec![KILOBYTE; 5]).await;
    expect(&mut slow, &["cam#31", "cam#32", "cam#33", "cam#34", "cam#35"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_can_be_disconnected_and_resumes_without_loss() {
    let world = World::with(small_bound());
    world.register(&["cam"]).await;
    let selector = overflowing(OverflowPolicy::Disconnect);
    let mut slow = world.subscribe(request(vec![selector.clone()])).await;
    expect(&mut slow, &["checkpoint cam@1"]).await;
    assert!(is_quiet(&mut slow).await);
    world.publish_as("cam", &vec![KILOBYTE; 30]).await;
    world.settle().await;
    let error = SubscribeError::SlowConsumer { limit_bytes: 20 << 10 };
    expect(&mut slow, &["checkpoint cam@1", &format!("error: {error}"), "end"]).await;

    // It catches up from kept entries, which never overflows.
    let resumed = selector.from(StartPosition::Sequence(sequence(1)));
    let mut resumed = world.subscribe(request(vec![resumed])).await;
    expect(&mut resumed, &["checkpoint cam@1"]).await;
    for number in 1..=30 {
        if number == 15 {
            world.publish_as("cam", &vec![KILOBYTE; 30]).await;
        }
        assert_eq!(received(&mut resumed, 1).await, [format!("cam#{number}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_within_its_share_loses_nothing_to_a_busy_one() {
    let world = World::with(small_bound());
    world.register(&["busy", "calm"]).await;
    let mut slow = world.subscribe(request(vec![ids(&["busy", "calm"])])).await;
    expect(&mut slow, &["checkpoint busy@1 calm@1"]).await;
    assert!(is_quiet(&mut slow).await);
    world.publish_as("busy", &vec![KILOBYTE; 50]).await;
    world.publish_as("calm", &vec![KILOBYTE; 4]).await;
    world.settle().await;
    let received = until_quiet(&mut slow).await;
    for number in 1..=4 {
        assert!(received.contains(&format!("calm#{number}")), "{received:?}");
    }
    let omitted = omitted(&received);
    assert!(omitted["SlowConsumer"] >= 40, "{omitted:?}");
    let frames = received.iter().filter(|received| received.contains('#')).count() as u64;
    assert_eq!(frames + omitted.values().sum::<u64>(), 54);
}

#[tokio::test(start_paused = true)]
async fn a_start_by_time_begins_with_the_first_frame_received_since() {
    let world = World::new();
    world.register(&["cam"]).await;
    publish_every(&world, 1000, 10).await;
    let entries = world.kept_entries("cam").await;
    let since = entries[6].receive_time;
    let from = |time| ids(&["cam"]).from(StartPosition::Time(time));
    let mut some = world.subscribe(request(vec![from(since)])).await;
    expect(&mut some, &["checkpoint cam@7", "cam#7"]).await;
    let before = entries[5].receive_time.after(Duration::from_micros(1));
    let mut some = world.subscribe(request(vec![from(before)])).await;
    expect(&mut some, &["checkpoint cam@7", "cam#7"]).await;
    world.trim_to("cam", 2).await;
    let mut some = world.subscribe(request(vec![from(since)])).await;
    let after_removed = entries[7].receive_time.after(Duration::from_micros(1));
    let oldest = entries[8].receive_time;
    let gap = format!("cam gap {since}..{after_removed} Retention oldest {oldest} next 9");
    expect(&mut some, &["checkpoint cam@9", &gap, "cam#9"]).await;
    let mut strict = from(since);
    strict.fail_if_trimmed = true;
    let refusal = world.refusal(request(vec![strict.clone()])).await;
    let trimmed = SubscribeError::CursorTrimmed {
        stream: stream("cam"),
        oldest: sequence(9),
        oldest_time: Some(oldest),
    };
    assert_eq!(refusal, trimmed);
    assert!(
        refusal.to_string().ends_with(&format!("the oldest kept frame was received at {oldest}")),
        "{refusal}"
    );
    // Retention removed nothing that was received since then.
    let mut whole = Selector { start: StartPosition::Time(after_removed), ..strict };
    let mut some = world.subscribe(request(vec![whole.clone()])).await;
    expect(&mut some, &["checkpoint cam@9", "cam#9"]).await;
    whole.start = StartPosition::Earliest;
    let mut some = world.subscribe(request(vec![whole])).await;
    expect(&mut some, &["checkpoint cam@9", "cam#9"]).await;

    // Nothing was received since then: frames from before that wait for a worker are skipped.
    world.accept("cam", 2).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let now = entries[9].receive_time.after(Duration::from_millis(1500));
    let mut late = world.subscribe(request(vec![from(now)])).await;
    expect(&mut late, &["checkpoint cam@11"]).await;
    world.finish("cam", &[]).await;
    world.publish("cam", 1).await;
    expect(&mut late, &["cam#13"]).await;

    let future = Timestamp::now().after(Duration::from_secs(3600));
    let refusal = world.refusal(request(vec![from(future)])).await;
    assert!(matches!(refusal, SubscribeError::PositionInFuture { .. }), "{refusal}");
    let far = |number| request(vec![ids(&["cam"]).from(StartPosition::Sequence(number))]);
    world.subscribe(far(sequence(1_000_013))).await;
    let refusal = world.refusal(far(sequence(1_000_014))).await;
    assert!(matches!(refusal, SubscribeError::PositionInFuture { .. }), "{refusal}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_by_time_before_all_kept_frames_is_reported_and_ends() {
    let world = World::new();
    world.register(&["cam"]).await;
    publish_every(&world, 1000, 10).await;
    let entries = world.kept_entries("cam").await;
    let time = |place: usize| entries[place].receive_time;
    world.trim_to("cam", 2).await;
    world.register(&["later"]).await;
    let until = |start, stop| {
        let mut selector = ids(&["cam", "later"]).from(start);
        selector.stop_time = Some(stop);
        request(vec![selector])
    };
    let (stop, oldest, taken) = (time(4), time(8), time(7).after(Duration::from_micros(1)));
    for (start, begin) in
        [(StartPosition::Time(time(2)), time(2).to_string()), (StartPosition::Earliest, "?".into())]
    {
        let gap = format!("cam gap {begin}..{stop} Retention oldest {oldest} next 9");
        let mut some = world.subscribe(until(start, stop)).await;
        let received = until_quiet(&mut some).await;
        // A stream that was registered later never had frames at that time.
        assert_eq!(received[1..], [gap.as_str(), "checkpoint cam@9 later@1", "end"]);
    }
    // The kept entries reach back before the stop: only a start by time asks for more.
    let mut some = world.subscribe(until(StartPosition::Earliest, time(9))).await;
    assert_eq!(until_quiet(&mut some).await[1..], ["cam#9", "checkpoint cam@10 later@1", "end"]);
    let gap = format!("cam gap {}..{taken} Retention oldest {oldest} next 9", time(2));
    let mut some = world.subscribe(until(StartPosition::Time(time(2)), time(9))).await;
    assert_eq!(
        until_quiet(&mut some).await[1..],
        [gap.as_str(), "cam#9", "checkpoint cam@10 later@1", "end"]
    );

    // Nothing is kept at all; then the stream is unregistered and comes back.
    world.trim_to("cam", 0).await;
    let since = |start| request(vec![ids(&["cam"]).from(StartPosition::Time(start))]);
    let mut some = world.subscribe(since(time(5))).await;
    let end = time(9).after(Duration::from_micros(1));
    let gap = format!("cam gap {}..{end} Retention oldest ? next 11", time(5));
    expect(&mut some, &["checkpoint cam@11", &gap]).await;
    world.unregister("cam").await;
    world.register(&["cam"]).await;
    let mut some = world.subscribe(since(time(5))).await;
    let gap = format!("cam gap {}..{end} Unregistered oldest ? next 11", time(5));
    expect(&mut some, &["checkpoint cam@11", &gap]).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_by_time_waits_for_frames_received_before_it() {
    let world = World::new();
    world.register(&["cam", "idle"]).await;
    world.publish("cam", 2).await;
    let stop = world.kept_entries("cam").await[1].receive_time.after(Duration::from_secs(5));
    let mut selector = ids(&["cam", "idle"]).earliest();
    selector.stop_time = Some(stop);
    let mut some = world.subscribe(request(vec![selector.clone()])).await;
    expect(&mut some, &["checkpoint cam@1 idle@1", "cam#1", "cam#2"]).await;
    world.accept("cam", 2).await; // received before the stop, and published long after it
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(is_quiet(&mut some).await);
    world.accept("cam", 3).await;
    world.finish("cam", &[Publish::Frame, Publish::Failed]).await;
    let rest = ["cam#3", "cam gap 4-4 Failed:1", "checkpoint cam@5 idle@1", "end"];
    expect(&mut some, &rest).await;

    // All of this is long past.
    let mut again = world.subscribe(request(vec![selector])).await;
    let received = until_quiet(&mut again).await;
    assert_eq!(received.last().map(String::as_str), Some("end"));
    assert!(received.contains(&"checkpoint cam@5 idle@1".to_owned()), "{received:?}");
    let mut nobody = glob("nobody-*");
    nobody.stop_time = Some(stop);
    let mut nobody = world.subscribe(request(vec![nobody])).await;
    expect(&mut nobody, &["checkpoint", "checkpoint", "end"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_count_of_frames_stops_each_stream_separately() {
    let world = World::new();
    world.register(&["cam-1", "cam-2"]).await;
    world.publish("cam-1", 5).await;
    world.publish_as("cam-2", &[Publish::Frame, Publish::Failed, Publish::Frame, Publish::Frame]).await;
    let mut selector = glob("cam-*").earliest();
    selector.stop_after_frames = Some(2);
    let mut some = world.subscribe(request(vec![selector])).await;
    let mut received = until_quiet(&mut some).await;
    assert_eq!(received.split_off(received.len() - 2), ["checkpoint cam-1@3 cam-2@4", "end"]);
    received.sort();
    let expected =
        ["cam-1#1", "cam-1#2", "cam-2 gap 2-2 Failed:1", "cam-2#1", "cam-2#3", "checkpoint cam-1@1 cam-2@1"];
    assert_eq!(received, expected);
}

#[tokio::test(start_paused = true)]
async fn label_keys_can_be_required_or_excluded() {
    let world = World::new();
    world.settle().await;
    world.register_labelled("a", &[("site", "north")]).await;
    world.register_labelled("b", &[("site", "south"), ("retired", "yes")]).await;
    world.register(&["c"]).await;
    let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
    let labels = LabelMatch { present: keys(&["site"]), absent: keys(&["retired"]), ..LabelMatch::default() };
    let mut some = world.subscribe(request(vec![select(StreamSet::Labels(labels))])).await;
    expect(&mut some, &["checkpoint a@1"]).await;
    world.relabel("b", &[("site", "south")]).await;
    world.relabel("a", &[]).await;
    world.settle().await;
    for id in ["a", "b", "c"] {
        world.publish(id, 1).await;
    }
    let received = until_quiet(&mut some).await;
    assert_eq!(received, ["b#1"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_registered_by_its_first_frame_can_be_awaited() {
    let world = World::new();
    let mut asked = request(vec![ids(&["cam"])]);
    asked.allow_unregistered = true;
    let mut waiting = world.subscribe(asked.clone()).await;
    expect(&mut waiting, &["checkpoint cam@1"]).await;
    assert!(is_quiet(&mut waiting).await);
    world.register(&["cam"]).await;
    world.publish("cam", 2).await;
    expect(&mut waiting, &["cam#1", "cam#2"]).await;
    world.unregister("cam").await;
    let mut waiting = world.subscribe(asked).await;
    expect(&mut waiting, &["checkpoint cam@3"]).await;
    world.register(&["cam"]).await;
    world.publish("cam", 1).await;
    expect(&mut waiting, &["cam#3"]).await;
}
