//! The scenario `slow-consumer`, in a process of its own: it measures the memory of the whole process.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test fails with a panic")]

mod support;

use std::time::Duration;

use frameway::client::publish::PublishOptions;
use frameway::client::subscribe::{Event, Subscription};
use frameway::pb::v1 as pb;
use support::frames::{frame, register, request, stream};
use support::processes::Server;
use support::{scenario, soon};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const PICTURE_BYTES: usize = 1 << 20;
const FRAMES: u64 = 400;
/// The windows of a connection, some pictures at work, and the allocator's own.
const MAX_GROWTH_BYTES: u64 = 96 << 20;

/// Returns the memory of this process in bytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[tokio::test]
#[ignore = "check.sh all"]
async fn slow_consumer() {
    scenario("slow-consumer", async {
        let server = Server::start(&["--memory-budget", "512MiB"]).await;
        let client = server.client().await;
        // A picture is passed on as it is, so its size is that of the submitted one.
        let output = pb::OutputPolicy { reencode_mode: pb::ReencodeMode::Relay.into(), ..Default::default() };
        let retention = pb::RetentionPolicy { max_bytes: Some(64 << 20), ..Default::default() };
        let stream = pb::Stream { output: Some(output), retention: Some(retention), ..stream("cam") };
        register(&client, stream).await;
        let picture = bytes::Bytes::from(support::frames::large_jpeg(PICTURE_BYTES));
        let (camera, intake) = mpsc::channel(1);
        let publisher = client.clone();
        let publishing = tokio::spawn(async move {
            let feed = async move {
                for number in 1..=FRAMES {
                    let frame = pb::Frame {
                        format: pb::PictureFormat::Jpeg.into(),
                        width: 0,
                        height: 0,
                        data: picture.clone(),
                        ..frame("cam", number)
                    };
                    if camera.send(frame).await.is_err() {
                        return;
                    }
                }
            };
            let options = PublishOptions {
                publisher_id: "camera".to_owned(),
                max_bytes: 8 << 20,
                batch_frames: 2,
                ..Default::default()
            };
            let publishing = publisher.publish(options, intake, CancellationToken::new(), |_, _| {});
            tokio::join!(feed, publishing).1
        });

        let mut subscription = Subscription::new(&client, request(&["cam"]));
        let (mut received, mut missed, mut next) = (0, 0, 1);
        let (mut first, mut most) = (None, 0);
        while next <= FRAMES {
            match soon("an event comes", subscription.next()).await.unwrap() {
                Event::Frame(delivered) => {
                    let frame = delivered.frame.unwrap();
                    assert_eq!(frame.sequence, next);
                    next += 1;
                    received += 1;
                    most = most.max(memory());
                    if received == 10 {
                        first = Some(memory());
                    }
                    if !publishing.is_finished() {
                        // It is much slower than the camera.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
                Event::Gap(pb::DeliveredGap { gap: Some(gap), .. }) => {
                    assert_eq!(gap.from_sequence, next, "{gap:?}");
                    next = gap.to_sequence + 1;
                    missed += next - gap.from_sequence;
                }
                _ => {}
            }
        }
        let summary = publishing.await.unwrap().unwrap();
        assert_eq!(summary.given_up, None);
        assert!(missed > 0 && received + missed == FRAMES, "{received} received, {missed} missed");
        let growth = most.saturating_sub(first.unwrap_or(most));
        assert!(growth < MAX_GROWTH_BYTES, "the memory grew by {} MiB", growth >> 20);
    })
    .await;
}
