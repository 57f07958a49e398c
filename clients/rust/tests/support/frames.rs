//! Streams, frames and pictures.

use std::collections::BTreeMap;
use std::time::Duration;

use frameway::client::Client;
use frameway::client::publish::{Decision, PublishOptions, PublishSummary};
use frameway::client::subscribe::{Event, Subscription, selector};
use frameway::pb::v1 as pb;
use frameway::pb::v1::start_position::Position;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::soon;

/// The width and the height of a picture.
pub const SIDE: u32 = 16;

/// Returns a frame with a raw grey picture. The brightness tells its number.
pub fn frame(stream: &str, number: u64) -> pb::Frame {
    pb::Frame {
        stream_id: stream.to_owned(),
        publisher_sequence: Some(number),
        format: pb::PictureFormat::Gray8.into(),
        width: SIDE,
        height: SIDE,
        data: vec![u8::try_from(number % 251).unwrap(); (SIDE * SIDE) as usize].into(),
        attributes: BTreeMap::from([("number".to_owned(), number.to_string())]),
        ..Default::default()
    }
}

/// Returns the number that [`frame`] has given to a frame.
pub fn number(frame: &pb::ProcessedFrame) -> u64 {
    frame.attributes["number"].parse().unwrap()
}

/// Registers a stream with the default settings, or with others.
pub async fn register(client: &Client, stream: pb::Stream) {
    let request = pb::RegisterStreamRequest { stream: Some(stream) };
    client.registry.clone().register_stream(request).await.unwrap();
}

pub fn stream(id: &str) -> pb::Stream {
    pb::Stream { stream_id: id.to_owned(), ..Default::default() }
}

/// Publishes frames until each is decided. Returns the decisions in the order in which they came, with
/// the publisher sequences.
pub async fn publish(client: &Client, frames: Vec<pb::Frame>) -> Vec<(String, u64, Decision)> {
    let options = PublishOptions { publisher_id: "camera".to_owned(), ..Default::default() };
    let (decisions, summary) = soon("everything is decided", publish_with(client, options, frames)).await;
    assert_eq!(summary.given_up, None);
    decisions
}

pub async fn publish_with(
    client: &Client,
    options: PublishOptions,
    frames: Vec<pb::Frame>,
) -> (Vec<(String, u64, Decision)>, PublishSummary) {
    let (camera, intake) = mpsc::channel(4);
    let feed = async move {
        for frame in frames {
            if camera.send(frame).await.is_err() {
                return;
            }
        }
    };
    let mut decisions = Vec::new();
    let decided = |frame: pb::Frame, decision| {
        let number = frame.publisher_sequence.unwrap_or_default();
        decisions.push((frame.stream_id, number, decision));
    };
    let publishing = client.publish(options, intake, CancellationToken::new(), decided);
    let ((), summary) = tokio::join!(feed, publishing);
    (decisions, summary.unwrap())
}

/// Returns the frames `from..=to` of a stream.
pub fn frames(stream: &str, numbers: std::ops::RangeInclusive<u64>) -> Vec<pb::Frame> {
    numbers.map(|number| frame(stream, number)).collect()
}

/// Returns a request for streams from their oldest frames on, with heartbeats each second.
pub fn request(streams: &[&str]) -> pb::SubscribeFramesRequest {
    let earliest = |stream: &&str| {
        let start = pb::StartPosition { position: Some(Position::Earliest(pb::StartEarliest {})) };
        pb::StreamSelector { start: Some(start), ..selector(stream) }
    };
    pb::SubscribeFramesRequest {
        selectors: streams.iter().map(earliest).collect(),
        heartbeat_interval: Some(frameway::client::time::pb_duration(Duration::from_secs(1))),
        ..Default::default()
    }
}

/// Waits for the next frame; a gap is an error.
pub async fn next_frame(subscription: &mut Subscription) -> pb::ProcessedFrame {
    loop {
        match soon("a frame comes", subscription.next()).await.unwrap() {
            Event::Frame(delivered) => return delivered.frame.unwrap(),
            Event::Gap(gap) => panic!("{gap:?}"),
            Event::End => panic!("the subscription has ended"),
            Event::Started { .. } | Event::Checkpoint(_) | Event::Lag(_) | Event::Reconnecting(_) => {}
        }
    }
}

/// Waits for that many frames, and checks that the numbers of each stream are 1, 2, 3 and so on.
pub async fn follow(subscription: &mut Subscription, count: u64) {
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..count {
        let frame = next_frame(subscription).await;
        let last = last.entry(frame.stream_id.clone()).or_default();
        assert_eq!(number(&frame), *last + 1, "{}", frame.stream_id);
        *last += 1;
    }
}

/// Reports whether a frame is stored.
pub fn is_stored(decision: &Decision) -> bool {
    matches!(decision, Decision::Accepted { .. } | Decision::Duplicate { .. })
}

/// Returns a JPEG.
pub fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let image = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 128]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

/// Returns a valid JPEG of at least `size` bytes: a small picture with comments.
pub fn large_jpeg(size: usize) -> Vec<u8> {
    let small = jpeg(64, 48);
    let mut bytes = small[..2].to_vec();
    while bytes.len() < size {
        bytes.extend([0xff, 0xfe, 0xff, 0xff]);
        bytes.resize(bytes.len() + 0xffff - 2, b'x');
    }
    bytes.extend(&small[2..]);
    bytes
}

/// Creates a group that reads a stream from its oldest frame on.
pub async fn create_group(
    client: &Client,
    stream: &str,
    change: impl FnOnce(&mut pb::ConsumerGroup),
) -> String {
    let mut group = pb::ConsumerGroup {
        group_id: format!("{stream}-group"),
        streams: vec![frameway::client::subscribe::stream_match(stream)],
        start: Some(pb::StartPosition { position: Some(Position::Earliest(pb::StartEarliest {})) }),
        ..Default::default()
    };
    change(&mut group);
    let group_id = group.group_id.clone();
    let request = pb::CreateConsumerGroupRequest { group: Some(group) };
    client.groups.clone().create_consumer_group(request).await.unwrap();
    group_id
}

/// Returns the status of a group.
pub async fn group_status(client: &Client, group_id: &str) -> pb::ConsumerGroupStatus {
    let request = pb::GetConsumerGroupRequest { group_id: group_id.to_owned() };
    client
        .groups
        .clone()
        .get_consumer_group(request)
        .await
        .unwrap()
        .into_inner()
        .group
        .unwrap()
        .status
        .unwrap()
}
