//! The throttle of SubmitFrames, with publishers that obey it and publishers that do not.

use std::time::Duration;

use frameway::config::Role;
use frameway::pb::v1 as pb;
use frameway::pb::v1::ErrorReason as R;
use frameway::pb::v1::frame_result::Outcome;
use frameway::pb::v1::submit_frames_response::Event;
use tokio::time::Instant;

use crate::server::{PATIENCE, TestServer};
use crate::submit_frames::{Call, bounded, numbered, rejected};

/// Sends single frames, and waits for the result of each, until `done` is true of the numbers of
/// results and throttles. Obeys throttles if `obey` is set, and otherwise ends at the first refusal.
async fn publish(
    call: &mut Call,
    obey: bool,
    done: impl Fn(usize, usize) -> bool,
) -> (Vec<Outcome>, Vec<pb::SubmitThrottle>) {
    let (mut outcomes, mut throttles) = (Vec::new(), Vec::new());
    let start = Instant::now();
    let mut not_before = start;
    // The time between two frames while a throttle lasts.
    let mut spacing = Duration::ZERO;
    let mut number = 0;
    while !done(outcomes.len(), throttles.len()) {
        assert!(start.elapsed() < PATIENCE, "{} results, {throttles:?}", outcomes.len());
        if obey && Instant::now() < not_before {
            // Throttles that arrive while it waits count, too.
            let Ok(message) = tokio::time::timeout_at(not_before, call.responses.message()).await else {
                continue;
            };
            let event = message.expect("no error").expect("not the end").event;
            let Some(Event::Throttle(throttle)) = event else { continue };
            (not_before, spacing) = bounds(&throttle);
            throttles.push(throttle);
            continue;
        }
        number += 1;
        not_before = Instant::now() + spacing;
        call.batch(number, vec![numbered("cam", number)]).await;
        loop {
            match call.next().await {
                Event::BatchResult(result) => {
                    outcomes.extend(result.results.into_iter().filter_map(|one| one.outcome));
                    break;
                }
                Event::Throttle(throttle) => {
                    (not_before, spacing) = bounds(&throttle);
                    throttles.push(throttle);
                }
                _ => {}
            }
        }
        if !obey && matches!(outcomes.last(), Some(Outcome::Rejected(_))) {
            break;
        }
    }
    (outcomes, throttles)
}

/// Returns the time of the next frame, and the interval between the frames after it.
fn bounds(throttle: &pb::SubmitThrottle) -> (Instant, Duration) {
    let pause = throttle.pause.map_or(Duration::ZERO, |pause| pause.try_into().expect("a span"));
    let spacing = throttle.max_fps.map_or(Duration::ZERO, |fps| Duration::from_secs_f64(1.0 / fps));
    (Instant::now() + pause.max(spacing), spacing)
}

/// Returns the first frame that was not accepted.
fn refused(outcomes: &[Outcome]) -> Option<(usize, &Outcome)> {
    outcomes.iter().enumerate().find(|(_, one)| !matches!(one, Outcome::Accepted(_)))
}

#[tokio::test]
async fn a_publisher_that_obeys_the_throttle_is_not_refused() {
    let server = bounded(40).await;
    let mut call = Call::open(&server).await;
    let (outcomes, throttles) = publish(&mut call, true, |_, throttles| throttles > 2).await;
    assert_eq!(refused(&outcomes), None);
    assert!((30..40).contains(&outcomes.len()), "{} frames in a queue of 40", outcomes.len());
    let first = throttles.first().expect("it was throttled");
    assert_eq!(first.stream_id, "cam");
    assert!((0.75..1.0).contains(&first.queue_fill), "{first:?}");

    // There is room again: the throttle ends, although no frame is submitted.
    let policy = pb::QueuePolicy { max_frames: Some(1_000), ..Default::default() };
    let stream = pb::Stream { stream_id: "cam".into(), queue: Some(policy), ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["queue.max_frames".into()] });
    let request = pb::UpdateStreamRequest { stream: Some(stream), update_mask, ..Default::default() };
    server.registry().update_stream(request).await.expect("updates");
    loop {
        let Event::Throttle(throttle) = call.next().await else { continue };
        if throttle.pause.is_none() && throttle.max_fps.is_none() && throttle.max_bytes_per_second.is_none() {
            assert!(throttle.queue_fill < 0.6, "{throttle:?}");
            break;
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_publisher_that_ignores_the_throttle_is_refused_later() {
    // First the queue of the stream limits the frames, then that of its partition.
    for (partition_frames, why) in [(100_000, R::StreamQueueFull), (20, R::QueueFull)] {
        let server = TestServer::start(|config| {
            config.server.role = Role::Api;
            config.queue.budget.work_frames = partition_frames;
        })
        .await;
        let queue = Some(pb::QueuePolicy { max_frames: Some(40), ..Default::default() });
        server.register_with(pb::Stream { stream_id: "cam".into(), queue, ..Default::default() }).await;
        let mut call = Call::open(&server).await;
        let (outcomes, throttles) = publish(&mut call, false, |_, _| false).await;
        assert!(throttles.first().is_some_and(|reported| reported.queue_fill >= 0.75), "{throttles:?}");
        assert_eq!(outcomes.last().map(rejected), Some((why, true)));
        server.stop().await;
    }
}

#[tokio::test]
async fn a_throttled_publisher_keeps_up_with_the_worker() {
    let server = TestServer::start(|_| {}).await;
    let queue = Some(pb::QueuePolicy { max_frames: Some(40), ..Default::default() });
    server.register_with(pb::Stream { stream_id: "cam".into(), queue, ..Default::default() }).await;
    let mut call = Call::open(&server).await;
    let (outcomes, _) = publish(&mut call, true, |results, _| results == 60).await;
    assert_eq!(refused(&outcomes), None);
    server.stop().await;
}
