//! Responses of the maximum size, for clients with the default limit of 4 MiB.

use std::collections::BTreeMap;

use frameway::pb::v1 as pb;
use frameway::pb::v1::frame_lookup::Outcome;
use frameway::pb::v1::picture::Content;
use frameway::pb::v1::stream_registry_service_client::StreamRegistryServiceClient;
use frameway::pb::v1::streaming_service_client::StreamingServiceClient;
use frameway::picture::{Canvas, Codec, Limits};
use prost::Message as _;

use crate::published;
use crate::server::TestServer;

const EVERY_CLIENTS_LIMIT: usize = 4 << 20;

fn outline(points: u32) -> Vec<pb::NormalizedPoint> {
    let angle = |n: u32| f64::from(n) / f64::from(points) * std::f64::consts::TAU;
    (0..points)
        .map(|n| pb::NormalizedPoint { x: 0.5 + 0.4 * angle(n).cos(), y: 0.5 + 0.4 * angle(n).sin() })
        .collect()
}

fn rois(points: u32) -> Vec<pb::Roi> {
    (0..32).map(|n| pb::Roi { roi_id: format!("{n:064}"), kind: 1, polygon: outline(points) }).collect()
}

fn masks() -> Vec<pb::PrivacyMask> {
    (0..32).map(|n| pb::PrivacyMask { mask_id: format!("{n:064}"), polygon: outline(64) }).collect()
}

fn words() -> BTreeMap<String, String> {
    (0..32).map(|n| (format!("{n:064}"), "x".repeat(256))).collect()
}

/// Returns a picture that takes more than a hundredth of a response.
fn large_picture() -> Vec<u8> {
    let mut canvas = Canvas::new(200, 160, [90, 90, 90]);
    let mut noise = 1_u32;
    for value in canvas.pixels_mut() {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        [*value, ..] = noise.to_be_bytes();
    }
    Codec::new(Limits::default()).encode_canvas(&canvas, 100).expect("encodes").to_vec()
}

#[tokio::test]
async fn a_hundred_frames_with_the_longest_texts_fit_every_clients_message() {
    let server = TestServer::start(|_| {}).await;
    let longest = "c".repeat(64);
    // The pictures are relayed unchanged, and measured.
    let output = pb::OutputPolicy { reencode_mode: pb::ReencodeMode::Never.into(), ..Default::default() };
    let rois = rois(3);
    let stream = pb::Stream { stream_id: longest.clone(), rois, output: Some(output), ..Default::default() };
    server.register_with(stream).await;
    let picture = large_picture();
    assert!(picture.len() * 100 > EVERY_CLIENTS_LIMIT, "{} bytes", picture.len());
    let frame = |number: u64| pb::Frame {
        stream_id: longest.clone(),
        publisher_id: "p".repeat(64),
        publisher_sequence: Some(number),
        data: picture.clone().into(),
        attributes: words(),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        tracestate: format!("vendor={}", "x".repeat(200)),
        ..Default::default()
    };
    for batch in 0..10 {
        let outcomes = server.submit((1..=10).map(|n| frame(batch * 10 + n)).collect()).await;
        let accepted =
            |outcome: &pb::frame_result::Outcome| matches!(outcome, pb::frame_result::Outcome::Accepted(_));
        assert!(outcomes.iter().all(accepted), "{outcomes:?}");
        published(&server, &longest, (batch + 1) * 10).await;
    }
    let request =
        pb::GetFramesRequest { stream_id: longest.clone(), sequences: (1..=100).collect(), pictures: None };
    let mut client = StreamingServiceClient::new(server.channel());
    let answer = client.get_frames(request).await.expect("fits into a message").into_inner();
    assert!(answer.encoded_len() < EVERY_CLIENTS_LIMIT, "{} bytes", answer.encoded_len());
    let mut contents = Vec::new();
    for result in answer.results {
        let Some(Outcome::Frame(mut frame)) = result.outcome else { panic!("{:?}", result.outcome) };
        assert_eq!((frame.attributes.len(), frame.rois.len()), (32, 32), "words are whole");
        contents.push(frame.pictures.remove(0).content.expect("a content"));
    }
    let full = Content::OmittedReason(pb::OmittedReason::MessageFull.into());
    let omitted = contents.iter().filter(|content| **content == full).count();
    let sent = contents.iter().filter(|content| matches!(content, Content::Data(_))).count();
    assert!(sent > 10 && omitted > 10 && sent + omitted == 100, "{sent} sent, {omitted} omitted");
    server.stop().await;
}

#[tokio::test]
async fn pages_of_streams_with_the_maximum_of_regions_fit_every_clients_message() {
    let server = TestServer::start(|_| {}).await;
    let ids: Vec<String> = (0..80).map(|n| format!("cam-{n:03}")).collect();
    for id in &ids {
        let stream_id = id.clone();
        let stream = pb::Stream {
            stream_id,
            rois: rois(64),
            privacy_masks: masks(),
            labels: words(),
            ..Default::default()
        };
        server.register_with(stream).await;
    }
    let mut client = StreamRegistryServiceClient::new(server.channel());
    let (mut listed, mut page_token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let request = pb::ListStreamsRequest { page_size: 1_000, page_token, ..Default::default() };
        let page = client.list_streams(request).await.expect("fits into a message").into_inner();
        assert!(page.encoded_len() < EVERY_CLIENTS_LIMIT, "{} bytes", page.encoded_len());
        listed.extend(page.streams.into_iter().map(|stream| stream.stream_id));
        pages += 1;
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, ids);
    assert!(pages > 1, "they are too large for one page");
    server.stop().await;
}
