//! Publishing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use frameway::client::publish::{Decision, PublishOptions};
use frameway::client::subscribe::Subscription;
use frameway::pb::v1 as pb;
use nix::sys::signal::Signal;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::support::frames::{
    follow, frame, frames, is_stored, next_frame, number, publish, publish_with, register, request, stream,
};
use crate::support::processes::{Redis, Server, Worker};
use crate::support::{scenario, soon, until};

#[tokio::test]
async fn submit_and_subscribe() {
    scenario("submit-and-subscribe", async {
        let server = Server::start(&["--auto-register"]).await;
        let client = server.client().await;
        let mixed = (1..=10).flat_map(|number| [frame("a", number), frame("b", number)]).collect();
        let decisions = publish(&client, mixed).await;
        assert_eq!(decisions.len(), 20);
        for (stream, number, decision) in &decisions {
            assert_eq!(*decision, Decision::Accepted { sequence: *number }, "{stream}");
        }
        let mut subscription = Subscription::new(&client, request(&["a", "b"]));
        for _ in 0..20 {
            let frame = next_frame(&mut subscription).await;
            assert_eq!(frame.sequence, number(&frame), "{}", frame.stream_id);
            let picture = frameway_client::picture(&frame, pb::PictureRole::Processed).unwrap();
            let expected = u8::try_from(number(&frame)).unwrap();
            let brightness = picture.to_luma8().get_pixel(0, 0).0[0];
            assert!(brightness.abs_diff(expected) <= 3, "{brightness} is not {expected}");
        }
        // No frame comes twice.
        publish(&client, frames("a", 11..=11)).await;
        assert_eq!(next_frame(&mut subscription).await.sequence, 11);
    })
    .await;
}

#[tokio::test]
async fn duplicate() {
    scenario("duplicate", async {
        let server = Server::start(&["--auto-register"]).await;
        let client = server.client().await;
        publish(&client, frames("cam", 1..=5)).await;
        for (_, number, decision) in publish(&client, frames("cam", 1..=6)).await {
            let expected = match number {
                6 => Decision::Accepted { sequence: 6 },
                _ => Decision::Duplicate { sequence: number },
            };
            assert_eq!(decision, expected);
        }
        follow(&mut Subscription::new(&client, request(&["cam"])), 6).await;
    })
    .await;
}

#[tokio::test]
async fn bad_frame() {
    scenario("bad-frame", async {
        let server = Server::start(&["--auto-register"]).await;
        let client = server.client().await;
        let mut all = frames("cam", 1..=5);
        all[2].format = pb::PictureFormat::Unspecified.into();
        all[2].data = b"this is no picture".as_slice().into();
        for (stream, number, decision) in publish(&client, all).await {
            match decision {
                Decision::Refused(error) => {
                    assert_eq!((stream.as_str(), number), ("cam", 3));
                    assert!(frameway::client::reason_name(&error).contains("PICTURE"), "{error:?}");
                }
                other => assert!(is_stored(&other) && number != 3, "{number}: {other:?}"),
            }
        }
    })
    .await;
}

/// The queue of a stream is full until a worker starts.
#[tokio::test]
async fn order_after_refusal() {
    scenario("order-after-refusal", async {
        let redis = Redis::start().await;
        let server = Server::start(&["--role", "api", "--redis-url", &redis.url()]).await;
        let client = server.client().await;
        let queue = pb::QueuePolicy { max_frames: Some(5), ..Default::default() };
        register(&client, pb::Stream { queue: Some(queue), ..stream("cam") }).await;

        let (publisher, stored) = (client.clone(), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&stored);
        let publishing = tokio::spawn(async move {
            let (camera, intake) = mpsc::channel(40);
            for frame in frames("cam", 1..=40) {
                camera.send(frame).await.unwrap();
            }
            drop(camera);
            let options = PublishOptions { publisher_id: "camera".to_owned(), ..Default::default() };
            let decided = move |_, decision| {
                assert!(is_stored(&decision), "{decision:?}");
                counted.fetch_add(1, Ordering::Relaxed);
            };
            publisher.publish(options, intake, CancellationToken::new(), decided).await
        });
        until("the queue is full", async || stored.load(Ordering::Relaxed) == 5).await;
        let worker = Worker::start(&redis);
        let summary = soon("everything is decided", publishing).await.unwrap().unwrap();
        assert!(summary.retries > 0 && summary.given_up.is_none(), "{summary:?}");
        assert_eq!(stored.load(Ordering::Relaxed), 40);
        follow(&mut Subscription::new(&client, request(&["cam"])), 40).await;
        drop(worker);
    })
    .await;
}

#[tokio::test]
#[ignore = "check.sh all"]
async fn publisher_restart() {
    scenario("publisher-restart", async {
        let server = Server::start(&["--auto-register"]).await;
        let client = server.client().await;
        let options = || PublishOptions {
            publisher_id: "camera".to_owned(),
            number_frames: true,
            streams: vec!["a".to_owned()],
            ..Default::default()
        };
        let unnumbered = |stream: &str, numbers| -> Vec<pb::Frame> {
            let without = |frame: pb::Frame| pb::Frame { publisher_sequence: None, ..frame };
            frames(stream, numbers).into_iter().map(without).collect()
        };
        // The position of the stream b is not read before its first frame comes.
        let first = [unnumbered("a", 1..=10), unnumbered("b", 1..=10)].concat();
        publish_with(&client, options(), first).await;
        let second = [unnumbered("b", 11..=15), unnumbered("a", 11..=15)].concat();
        let (decisions, summary) = publish_with(&client, options(), second).await;
        assert_eq!((summary.reconnects, decisions.len()), (0, 10));
        for (_, number, decision) in decisions {
            assert_eq!(decision, Decision::Accepted { sequence: number });
        }
        follow(&mut Subscription::new(&client, request(&["a", "b"])), 30).await;
    })
    .await;
}

#[tokio::test]
async fn bounded_publisher() {
    const PICTURE_BYTES: u64 = 256 << 10;
    const MAX_BYTES: u64 = 8 << 20;
    scenario("bounded-publisher", async {
        let server = Server::start(&["--auto-register"]).await;
        let client = server.client().await;
        let options =
            PublishOptions { publisher_id: "camera".to_owned(), max_bytes: MAX_BYTES, ..Default::default() };
        let (camera, intake) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let (publisher, ends) = (client.clone(), stop.clone());
        let publishing = tokio::spawn(async move {
            let mut stored = 0_u64;
            let decided = |_, decision| {
                assert!(is_stored(&decision), "{decision:?}");
                stored += 1;
            };
            let summary = publisher.publish(options, intake, ends, decided).await.unwrap();
            (stored, summary)
        });
        let large = |number| pb::Frame {
            width: 512,
            height: 512,
            data: vec![7; PICTURE_BYTES as usize].into(),
            ..frame("cam", number)
        };
        camera.send(large(1)).await.unwrap();
        // The call is open: the intake is empty again.
        until("the first frame is taken", async || camera.capacity() == 1).await;
        server.signal(Signal::SIGSTOP);
        let mut sent = 1;
        // Sending waits when the bound is reached.
        while let Ok(Ok(())) =
            tokio::time::timeout(Duration::from_secs(2), camera.send(large(sent + 1))).await
        {
            sent += 1;
            assert!(sent < 200, "the publisher takes any number of frames");
        }
        // One frame may exceed the bound, one is in the intake, and the first may be stored.
        let most = MAX_BYTES / PICTURE_BYTES + 3;
        assert!(sent <= most && sent > most / 2, "{sent} frames");
        server.signal(Signal::SIGCONT);
        drop(camera);
        let (stored, summary) = soon("everything is decided", publishing).await.unwrap();
        assert_eq!((stored, summary.given_up), (sent, None));
    })
    .await;
}
