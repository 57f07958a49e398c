//! A frame as JSON.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::save::role_name;
use crate::console::output::{ms_json, short, time_json};
use crate::pb::v1 as pb;
use crate::pb::v1::picture::Content;

/// Formats a frame as JSON, without the bytes of its pictures.
pub(in crate::cli) fn frame_json(
    frame: &pb::ProcessedFrame,
    saved: &[PathBuf],
    received: Option<Duration>,
    captured: Option<Duration>,
) -> Value {
    let pictures = frame.pictures.iter().map(|picture| {
        let omitted = omitted(picture);
        json!({
            "role": role_name(picture),
            "format": short(picture.format().as_str_name(), "PICTURE_FORMAT_").to_lowercase(),
            "width": picture.width,
            "height": picture.height,
            "size_bytes": picture.size_bytes,
            "omitted_reason": if omitted.is_empty() { Value::Null } else { omitted.into() },
        })
    });
    let source = frame.source.clone().unwrap_or_default();
    json!({
        "type": "frame",
        "stream_id": frame.stream_id,
        "sequence": frame.sequence,
        "publisher_id": frame.publisher_id,
        "publisher_sequence": frame.publisher_sequence,
        "capture_time": time_json(frame.capture_time.as_ref()),
        "receive_time": time_json(frame.receive_time.as_ref()),
        "publish_time": time_json(frame.publish_time.as_ref()),
        "received_to_now_ms": ms_json(received),
        "captured_to_now_ms": ms_json(captured),
        "attributes": frame.attributes,
        "source": {
            "format": short(source.format().as_str_name(), "PICTURE_FORMAT_").to_lowercase(),
            "width": source.width,
            "height": source.height,
            "size_bytes": source.size_bytes,
            "blake3": source.blake3_digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        },
        "pictures": pictures.collect::<Vec<_>>(),
        "reencode_outcome": short(frame.reencode_outcome().as_str_name(), "REENCODE_OUTCOME_"),
        "encoded_quality": frame.encoded_quality,
        "over_budget": frame.over_budget,
        "quality": frame.quality.as_ref().map(quality_json),
        "scene": frame.scene.as_ref().map(scene_json),
        "measures_version": frame.measures_version,
        "rois": frame.rois.iter().map(roi_json).collect::<Vec<_>>(),
        "validation_failures": failures(frame),
        "saved": saved.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
    })
}

fn quality_json(quality: &pb::QualityMetrics) -> Value {
    json!({
        "mean_luma": quality.mean_luma,
        "rms_contrast": quality.rms_contrast,
        "laplacian_variance": quality.laplacian_variance,
        "noise_sigma": quality.noise_sigma,
        "sharpness_score": quality.sharpness_score,
        "brightness_score": quality.brightness_score,
        "contrast_score": quality.contrast_score,
        "noise_cleanliness_score": quality.noise_cleanliness_score,
        "quality_score": quality.quality_score,
    })
}

fn scene_json(scene: &pb::SceneMeasures) -> Value {
    json!({
        "motion_intensity": scene.motion_intensity,
        "foreground_ratio": scene.foreground_ratio,
        "congestion": short(scene.congestion().as_str_name(), "CONGESTION_"),
        "congestion_confidence": scene.congestion_confidence,
        "lighting": short(scene.lighting().as_str_name(), "LIGHTING_"),
        "lighting_confidence": scene.lighting_confidence,
        "weather": short(scene.weather().as_str_name(), "WEATHER_"),
        "weather_confidence": scene.weather_confidence,
        "model_frames": scene.model_frames,
    })
}

fn roi_json(roi: &pb::RoiMeasures) -> Value {
    json!({
        "roi_id": roi.roi_id,
        "mean_luma": roi.mean_luma,
        "rms_contrast": roi.rms_contrast,
        "foreground_ratio": roi.foreground_ratio,
        "motion_intensity": roi.motion_intensity,
        "congestion": short(roi.congestion().as_str_name(), "CONGESTION_"),
        "congestion_confidence": roi.congestion_confidence,
    })
}

/// Returns the names of the validation rules that a frame failed.
pub(in crate::cli) fn failures(frame: &pb::ProcessedFrame) -> Vec<String> {
    frame.validation_failures().map(|failure| short(failure.as_str_name(), "VALIDATION_FAILURE_")).collect()
}

/// Returns why a picture has no data; empty if it has data.
pub(in crate::cli) fn omitted(picture: &pb::Picture) -> String {
    match picture.content {
        Some(Content::OmittedReason(reason)) => pb::OmittedReason::try_from(reason)
            .map_or("unknown".to_owned(), |reason| short(reason.as_str_name(), "OMITTED_REASON_")),
        Some(Content::Data(_)) | None => String::new(),
    }
}
