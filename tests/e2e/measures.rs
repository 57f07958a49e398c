//! The measures of a scene from submit to subscriber: foreground, motion, regions of interest,
//! flags, filters.

use std::time::Duration;

use bytes::Bytes;
use frameway::pb::v1 as pb;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::subscribe_frames_response::Event;
use frameway::picture::{Codec, Limits};
use frameway::scene::{Scene, Truth};
use tokio::time::Instant;
use tonic::Code;

use crate::frames::{next, selector, subscribe};
use crate::reason;
use crate::server::{PATIENCE, TestServer, frame};

const FRAMES: u64 = 60;

fn earliest() -> Position {
    Position::Earliest(pb::StartEarliest {})
}

fn roi(roi_id: &str, kind: pb::RoiKind, points: &[(f64, f64)]) -> pb::Roi {
    let polygon = points.iter().map(|&(x, y)| pb::NormalizedPoint { x, y }).collect();
    pb::Roi { roi_id: roi_id.to_owned(), kind: kind.into(), polygon }
}

fn road() -> pb::Roi {
    roi("road", pb::RoiKind::Road, &[(0.05, 1.0), (0.5, 0.4), (0.56, 0.4), (0.9, 1.0)])
}

fn sky() -> pb::Roi {
    roi("sky", pb::RoiKind::Other, &[(0.4, 0.0), (1.0, 0.0), (1.0, 0.1), (0.4, 0.1)])
}

/// Receives frames of an output.
async fn receive(server: &TestServer, selector: pb::StreamSelector, frames: u64) -> Vec<pb::ProcessedFrame> {
    let mut events = subscribe(server, selector, frames).await;
    let mut arrived = Vec::new();
    while let Some(event) = next(&mut events).await {
        if let Event::Frame(delivered) = event {
            arrived.extend(delivered.frame);
        }
    }
    arrived
}

fn drawn(scene: &Scene, frames: u64) -> Vec<(Bytes, Truth)> {
    let mut codec = Codec::new(Limits::default());
    (0..frames).map(|number| scene.jpeg(&mut codec, number, 85).expect("it encodes")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_over_a_road_is_measured() {
    let server = TestServer::start(|_| {}).await;
    let validation = pb::ValidationPolicy {
        min_quality_score: Some(1.0),
        min_width: Some(321),
        max_age: Some(prost_types::Duration { seconds: 3600, nanos: 0 }),
        ..Default::default()
    };
    let output = pb::OutputPolicy { reencode_mode: pb::ReencodeMode::Always.into(), ..Default::default() };
    let stream = pb::Stream {
        stream_id: "cam".into(),
        rois: vec![road(), sky()],
        validation: Some(validation),
        output: Some(output),
        ..Default::default()
    };
    let stream = server.register_with(stream).await;
    assert_eq!(stream.rois, [road(), sky()]);
    let scene = Scene::with_conditions(11, 320, 180, 0.9, 0.4);
    let drawn = drawn(&scene, FRAMES);
    for batch in drawn.chunks(20) {
        let frames = batch.iter().map(|(data, _)| pb::Frame { data: data.clone(), ..frame("cam", 0) });
        server.submit(frames.collect()).await;
    }
    let arrived = receive(&server, selector("cam", earliest()), FRAMES).await;
    assert_eq!(arrived.len() as u64, FRAMES);
    for (index, (frame, (_, truth))) in arrived.iter().zip(&drawn).enumerate() {
        let measured = frame.scene.expect("measures of the scene");
        assert_eq!(measured.model_frames, index as u64 + 1, "frames are learnt in order, each once");
        assert_eq!(measured.lighting(), pb::Lighting::Daylight);
        assert!(measured.lighting_confidence.is_some() && measured.weather_confidence.is_some());
        assert_eq!(measured.motion_intensity.is_some(), index > 0);
        assert_eq!(measured.foreground_ratio.is_some(), index >= 15);
        let [road, sky] = frame.rois.as_slice() else { panic!("{:?}", frame.rois) };
        assert_eq!((road.roi_id.as_str(), sky.roi_id.as_str()), ("road", "sky"));
        assert!(sky.mean_luma > road.mean_luma && road.rms_contrast > Some(0.0));
        assert_eq!(
            (road.foreground_ratio, road.congestion),
            (measured.foreground_ratio, measured.congestion)
        );
        if index >= 40 {
            assert_eq!(sky.foreground_ratio, Some(0.0));
            assert!(truth.covered_share == 0.0 || road.foreground_ratio > Some(truth.covered_share / 2.0));
            assert!(road.motion_intensity > Some(0.0));
        }
        let failures: Vec<_> = frame.validation_failures().collect();
        assert_eq!(failures, [pb::ValidationFailure::LowQuality, pb::ValidationFailure::TooSmall]);
        let kinds: Vec<_> = frame.stages.iter().map(pb::ProcessingStage::kind).collect();
        use pb::StageKind::{Analysis, Fetch, OrderWait, QueueWait, Thumbnail, Transcode};
        assert_eq!(kinds, [QueueWait, Fetch, Transcode, Analysis, Thumbnail, OrderWait]);
        let times = [frame.receive_time, frame.lease_time, frame.process_time, frame.publish_time];
        let times = times.map(|time| time.map(|time| (time.seconds, time.nanos)).expect("a time"));
        assert!(times.is_sorted(), "{times:?}");
    }
    // A filter can use the measures.
    let ratios = arrived.iter().filter_map(|frame| frame.scene?.foreground_ratio);
    let mean = { ratios.clone().sum::<f64>() / ratios.clone().count() as f64 };
    let above = ratios.filter(|ratio| *ratio >= mean).count() as u64;
    assert!(above > 0 && above < 45, "{above}");
    let filter = pb::FrameFilter { min_foreground_ratio: Some(mean), ..Default::default() };
    let asked = pb::StreamSelector { filter: Some(filter), ..selector("cam", earliest()) };
    let filtered = receive(&server, asked, above).await;
    assert!(filtered.iter().all(|frame| frame.scene.unwrap().foreground_ratio >= Some(mean)));
    let filter = pb::FrameFilter { min_motion_intensity: Some(0.0), ..Default::default() };
    let asked = pb::StreamSelector { filter: Some(filter), ..selector("cam", earliest()) };
    assert_eq!(receive(&server, asked, 1).await[0].sequence, 2, "the first has no motion");
    server.stop().await;
}

#[tokio::test]
async fn bounds_and_regions_can_be_changed() {
    let server = TestServer::start(|_| {}).await;
    server
        .register_with(pb::Stream { stream_id: "cam".into(), rois: vec![road()], ..Default::default() })
        .await;
    let an_hour_ago = std::time::SystemTime::now() - Duration::from_secs(3_600);
    let late = pb::Frame { capture_time: Some(an_hour_ago.into()), ..frame("cam", 9) };
    server.submit(vec![late.clone()]).await;
    let first = receive(&server, selector("cam", earliest()), 1).await.remove(0);
    let failures: Vec<_> = first.validation_failures().collect();
    assert_eq!(failures, [pb::ValidationFailure::ClockSkew], "the defaults apply");

    let update = async |stream: pb::Stream, paths: &[&str]| {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let request = pb::UpdateStreamRequest {
            stream: Some(pb::Stream { stream_id: "cam".into(), ..stream }),
            update_mask: Some(prost_types::FieldMask { paths }),
            ..Default::default()
        };
        server
            .registry()
            .update_stream(request)
            .await
            .map(|answer| answer.into_inner().stream.expect("the stream"))
    };
    let bounds = |policy| pb::Stream { validation: Some(policy), ..Default::default() };
    let strict = pb::ValidationPolicy {
        min_height: Some(1_000),
        clock_policy: pb::ClockPolicy::Ignore.into(),
        ..Default::default()
    };
    let stream = update(bounds(strict), &["validation.min_height", "validation.clock_policy"]).await.unwrap();
    let validation = stream.validation.expect("the policy in force");
    assert_eq!((validation.min_height, validation.clock_policy()), (Some(1_000), pb::ClockPolicy::Ignore));
    assert_eq!(stream.rois, [road()], "the regions are unchanged");
    let stream = update(pb::Stream { rois: vec![sky()], ..Default::default() }, &["rois"]).await.unwrap();
    assert_eq!(stream.rois, [sky()]);
    let twice = pb::Stream { rois: vec![road(), road()], ..Default::default() };
    let refused = update(twice, &["rois"]).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (Code::InvalidArgument, "ERROR_REASON_INVALID_FIELD".to_owned())
    );
    assert!(refused.message().contains("rois[1].roi_id"), "{refused:?}");

    // The new settings apply to the frames that are accepted after the change; a clock policy
    // applies within a second or two.
    let deadline = Instant::now() + PATIENCE;
    for submitted in 2.. {
        server.submit(vec![late.clone()]).await;
        let arrived = receive(&server, selector("cam", earliest()), submitted).await.pop().expect("a frame");
        assert_eq!(arrived.rois.iter().map(|roi| roi.roi_id.as_str()).collect::<Vec<_>>(), ["sky"]);
        let failures: Vec<_> = arrived.validation_failures().collect();
        if failures == [pb::ValidationFailure::TooSmall] {
            assert_eq!(arrived.clock_skew, None, "the clock is ignored");
            break;
        }
        assert_eq!(failures, [pb::ValidationFailure::TooSmall, pb::ValidationFailure::ClockSkew]);
        assert!(Instant::now() < deadline, "the clock policy of the stream does not change");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_frame_that_waited_too_long_and_a_clock_that_is_off_are_flagged() {
    let server = TestServer::start(|_| {}).await;
    let max_age = Some(prost_types::Duration { seconds: 0, nanos: 10_000_000 });
    let validation = Some(pb::ValidationPolicy { max_age, ..Default::default() });
    server.register_with(pb::Stream { stream_id: "cam".into(), validation, ..Default::default() }).await;
    // More pictures at once than any machine processes in 10 ms.
    let data = drawn(&Scene::new(3, 1_280, 720), 1).remove(0).0;
    let an_hour_ago = std::time::SystemTime::now() - Duration::from_secs(3_600);
    let late = pb::Frame { capture_time: Some(an_hour_ago.into()), data, ..frame("cam", 0) };
    server.submit(vec![late; 24]).await;
    let arrived = receive(&server, selector("cam", earliest()), 24).await;
    let failures: Vec<_> = arrived[23].validation_failures().collect();
    assert_eq!(failures, [pb::ValidationFailure::TooOld, pb::ValidationFailure::ClockSkew]);
    assert_eq!(arrived[23].clock_skew.map(|skew| skew.seconds.abs() / 100), Some(36));
    server.stop().await;
}
