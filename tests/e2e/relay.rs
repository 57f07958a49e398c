//! Streams whose pictures are relayed.

use bytes::Bytes;
use frameway::pb::v1 as pb;
use frameway::pb::v1::subscribe_frames_response::Event;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::outputs::{data, decode, frame, processed, scene, selection};
use crate::server::{PATIENCE, TestServer};

fn relaying(id: &str) -> pb::Stream {
    let output = pb::OutputPolicy { reencode_mode: pb::ReencodeMode::Relay.into(), ..Default::default() };
    pb::Stream { stream_id: id.to_owned(), output: Some(output), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn relayed_pictures_are_delivered_unchanged_and_in_order() {
    let server = TestServer::start(|_| {}).await;
    let shown = server.register_with(relaying("cam")).await.output.expect("in force");
    assert_eq!(shown.reencode_mode(), pb::ReencodeMode::Relay);
    let whole = scene(95);
    // Even a picture that no decoder accepts is unchanged.
    let cut = whole.slice(..whole.len() / 2);
    let junk = Bytes::from_static(b"no picture at all");
    let pixels = pb::Frame {
        format: pb::PictureFormat::Gray8.into(),
        width: 64,
        height: 48,
        ..frame("cam", &Bytes::from(vec![90; 64 * 48]))
    };
    let subscribe = pb::SubscribeFramesRequest {
        selectors: vec![pb::StreamSelector {
            streams: vec![pb::StreamMatch {
                selector: Some(pb::stream_match::Selector::Id("cam".to_owned())),
            }],
            ..Default::default()
        }],
        stop_after_frames: Some(4),
        ..Default::default()
    };
    let mut events = server.streaming().subscribe_frames(subscribe).await.expect("opens").into_inner();
    let first = events.message().await.expect("continues").expect("an event");
    assert!(matches!(first.event, Some(Event::Checkpoint(_))));
    server.submit(vec![frame("cam", &whole), frame("cam", &cut), frame("cam", &junk), pixels]).await;

    let mut frames = Vec::new();
    let receive = async {
        while let Some(event) = events.message().await.expect("continues") {
            if let Some(Event::Frame(delivered)) = event.event {
                frames.push(delivered.frame.expect("a frame"));
            }
        }
    };
    tokio::time::timeout(PATIENCE, receive).await.expect("they come in time");
    let numbers: Vec<u64> = frames.iter().map(|frame| frame.sequence).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    for (frame, sent, size) in
        [(&frames[0], &whole, (640, 360)), (&frames[1], &cut, (640, 360)), (&frames[2], &junk, (0, 0))]
    {
        assert_eq!(frame.reencode_outcome(), pb::ReencodeOutcome::Relayed);
        let [picture] = frame.pictures.as_slice() else { panic!("{frame:?}") };
        assert_eq!(data(picture), sent);
        assert_eq!((picture.width, picture.height), size);
        let source = frame.source.as_ref().expect("a source");
        assert_eq!((source.width, source.height), size);
        assert_eq!(source.blake3_digest[..], blake3::hash(sent).as_bytes()[..]);
        assert_eq!(
            (&frame.quality, &frame.scene, frame.rois.len()),
            (&None, &None, 0),
            "nothing is measured"
        );
        assert!(frame.publish_time.is_some() && frame.lease_time.is_some());
    }
    let raw = &frames[3];
    assert_eq!(
        raw.reencode_outcome(),
        pb::ReencodeOutcome::Reencoded,
        "raw pixels need a layout, so they are encoded"
    );
    assert!(raw.quality.is_some());
    assert_eq!(decode(data(&raw.pictures[0])).width(), 64);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relayed_picture_has_renditions_and_no_thumbnail() {
    let server = TestServer::start(|_| {}).await;
    server.register_with(relaying("cam")).await;
    let whole = scene(80);
    server.submit(vec![frame("cam", &whole)]).await;
    let roles = [pb::PictureRole::Processed, pb::PictureRole::Thumbnail, pb::PictureRole::Rendition];
    let small = pb::Rendition { max_width: Some(160), ..Default::default() };
    let made = processed(&server, "cam", 1, selection(&roles, Some(small))).await;
    for picture in &made.pictures {
        match picture.role() {
            pb::PictureRole::Processed => assert_eq!(data(picture), &whole),
            pb::PictureRole::Rendition => assert_eq!(decode(data(picture)).width(), 160),
            _ => {
                let not_kept = pb::OmittedReason::NotKept.into();
                assert_eq!(picture.content, Some(pb::picture::Content::OmittedReason(not_kept)));
            }
        }
    }
    assert_eq!(made.pictures.len(), 3);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_refuses_settings_that_need_the_decoded_picture() {
    let server = TestServer::start(|_| {}).await;
    let corner = |x, y| pb::NormalizedPoint { x, y };
    let mask = pb::PrivacyMask {
        mask_id: "door".to_owned(),
        polygon: vec![corner(0.0, 0.0), corner(0.5, 0.0), corner(0.0, 0.5)],
    };
    let steered = pb::AdaptiveQuality { max_bytes_per_frame: Some(9_000), ..Default::default() };
    let mut adaptive = relaying("cam");
    if let Some(output) = &mut adaptive.output {
        output.adaptive = Some(steered);
    }
    let least = pb::ValidationPolicy { min_quality_score: Some(0.5), ..Default::default() };
    for (stream, field) in [
        (pb::Stream { privacy_masks: vec![mask], ..relaying("cam") }, "stream.output.reencode_mode"),
        (adaptive, "stream.output.adaptive"),
        (pb::Stream { validation: Some(least), ..relaying("cam") }, "stream.validation.min_quality_score"),
    ] {
        let request = pb::RegisterStreamRequest { stream: Some(stream) };
        let refused = server.registry().register_stream(request).await.expect_err(field);
        let details = refused.get_error_details();
        let violation = &details.bad_request().expect("says which field").field_violations[0];
        assert_eq!((refused.code(), violation.field.as_str()), (Code::InvalidArgument, field));
    }
    server.stop().await;
}
