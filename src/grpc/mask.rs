//! Update masks of streams and groups: which settings change, and to what.

use super::fault::{Fault, Result};
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;

/// A message whose settings can be changed one by one.
pub(crate) trait Settings {
    /// What it is, for callers.
    const NAME: &'static str;

    /// Copies one field of `wanted`; false if the path is no setting.
    fn copy(&mut self, wanted: &Self, path: &str) -> bool;

    /// Draws the consequences once all fields are copied.
    fn settle(&mut self, _paths: &[String]) {}
}

/// Copies the named fields of `wanted` over `current`.
///
/// Both are wire messages: a mask names wire fields, and the result is checked as a whole when it is converted.
///
/// # Errors
/// A path that is no setting, or none at all.
pub(crate) fn apply<M: Settings>(current: &mut M, wanted: &M, paths: &[String]) -> Result<()> {
    let bad = |message: String| Fault::new(ErrorReason::UpdateMaskInvalid, message).field("update_mask");
    if paths.is_empty() {
        return Err(bad("update_mask must name at least one field".to_owned()));
    }
    match paths.iter().find(|path| !current.copy(wanted, path)) {
        Some(path) => Err(bad(format!("`{path}` is not a setting of a {} that can be changed", M::NAME))),
        None => {
            current.settle(paths);
            Ok(())
        }
    }
}

/// Copies one field of a nested message, making the message where it is not there.
macro_rules! nested {
    ($current:ident, $wanted:ident, $message:ident . $field:ident) => {{
        let value = $wanted.$message.clone().unwrap_or_default().$field;
        $current.$message.get_or_insert_default().$field = value;
    }};
}

/// Copies one field of the byte budget.
macro_rules! budget {
    ($current:ident, $wanted:ident, $field:ident) => {{
        let value = $wanted.output.and_then(|output| output.adaptive).unwrap_or_default().$field;
        $current.output.get_or_insert_default().adaptive.get_or_insert_default().$field = value;
    }};
}

impl Settings for pb::Stream {
    const NAME: &'static str = "stream";

    fn copy(&mut self, wanted: &Self, path: &str) -> bool {
        let current = self;
        match path {
            "display_name" => current.display_name.clone_from(&wanted.display_name),
            "labels" => current.labels.clone_from(&wanted.labels),
            "location" => current.location = wanted.location,
            "location.latitude_degrees" => nested!(current, wanted, location.latitude_degrees),
            "location.longitude_degrees" => nested!(current, wanted, location.longitude_degrees),
            "location.altitude_meters" => nested!(current, wanted, location.altitude_meters),
            "location.heading_degrees" => nested!(current, wanted, location.heading_degrees),
            "rois" => current.rois.clone_from(&wanted.rois),
            "privacy_masks" => current.privacy_masks.clone_from(&wanted.privacy_masks),
            "retention" => current.retention = wanted.retention,
            "retention.max_frames" => nested!(current, wanted, retention.max_frames),
            "retention.max_age" => nested!(current, wanted, retention.max_age),
            "retention.max_bytes" => nested!(current, wanted, retention.max_bytes),
            "output" => current.output = wanted.output,
            "output.format" => nested!(current, wanted, output.format),
            "output.quality" => nested!(current, wanted, output.quality),
            "output.lossless" => nested!(current, wanted, output.lossless),
            "output.max_width" => nested!(current, wanted, output.max_width),
            "output.max_height" => nested!(current, wanted, output.max_height),
            "output.thumbnail_size" => nested!(current, wanted, output.thumbnail_size),
            "output.keep_original" => nested!(current, wanted, output.keep_original),
            "output.reencode_mode" => nested!(current, wanted, output.reencode_mode),
            "output.adaptive" => nested!(current, wanted, output.adaptive),
            "output.adaptive.max_bytes_per_frame" => budget!(current, wanted, max_bytes_per_frame),
            "output.adaptive.max_bytes_per_second" => budget!(current, wanted, max_bytes_per_second),
            "output.adaptive.min_quality" => budget!(current, wanted, min_quality),
            "output.adaptive.min_scale_percent" => budget!(current, wanted, min_scale_percent),
            "output.keep_metadata" => nested!(current, wanted, output.keep_metadata),
            "output.keep_unmasked_original" => nested!(current, wanted, output.keep_unmasked_original),
            "output.chroma_subsampling" => nested!(current, wanted, output.chroma_subsampling),
            "validation" => current.validation = wanted.validation,
            "validation.min_quality_score" => nested!(current, wanted, validation.min_quality_score),
            "validation.min_width" => nested!(current, wanted, validation.min_width),
            "validation.min_height" => nested!(current, wanted, validation.min_height),
            "validation.max_age" => nested!(current, wanted, validation.max_age),
            "validation.clock_policy" => nested!(current, wanted, validation.clock_policy),
            "validation.clock_tolerance" => nested!(current, wanted, validation.clock_tolerance),
            "queue" => current.queue = wanted.queue,
            "queue.max_frames" => nested!(current, wanted, queue.max_frames),
            "queue.max_bytes" => nested!(current, wanted, queue.max_bytes),
            "queue.overflow" => nested!(current, wanted, queue.overflow),
            "stall_timeout" => current.stall_timeout = wanted.stall_timeout,
            _ => return false,
        }
        true
    }

    /// A budget whose last bound was taken away is none.
    fn settle(&mut self, paths: &[String]) {
        let Some(output) = &mut self.output else { return };
        let bounds = |path: &String| path.starts_with("output.adaptive.max_bytes_per_");
        let is_unbounded = |one: pb::AdaptiveQuality| {
            one.max_bytes_per_frame.is_none() && one.max_bytes_per_second.is_none()
        };
        if output.adaptive.is_some_and(is_unbounded) && paths.iter().any(bounds) {
            output.adaptive = None;
        }
    }
}

impl Settings for pb::ConsumerGroup {
    const NAME: &'static str = "group";

    fn copy(&mut self, wanted: &Self, path: &str) -> bool {
        let current = self;
        match path {
            "display_name" => current.display_name.clone_from(&wanted.display_name),
            "streams" => current.streams.clone_from(&wanted.streams),
            "filter" => current.filter.clone_from(&wanted.filter),
            "filter.min_quality_score" => nested!(current, wanted, filter.min_quality_score),
            "filter.min_motion_intensity" => nested!(current, wanted, filter.min_motion_intensity),
            "filter.min_foreground_ratio" => nested!(current, wanted, filter.min_foreground_ratio),
            "filter.attributes" => nested!(current, wanted, filter.attributes),
            "filter.stream_labels" => nested!(current, wanted, filter.stream_labels),
            "filter.valid_only" => nested!(current, wanted, filter.valid_only),
            "sampling" => current.sampling = wanted.sampling,
            "sampling.max_fps" => nested!(current, wanted, sampling.max_fps),
            "sampling.every_nth" => nested!(current, wanted, sampling.every_nth),
            "sampling.latest_only" => nested!(current, wanted, sampling.latest_only),
            "ack_deadline" => current.ack_deadline = wanted.ack_deadline,
            "max_delivery_attempts" => current.max_delivery_attempts = wanted.max_delivery_attempts,
            "backoff" => current.backoff = wanted.backoff,
            "backoff.min_delay" => nested!(current, wanted, backoff.min_delay),
            "backoff.max_delay" => nested!(current, wanted, backoff.max_delay),
            "affinity" => current.affinity = wanted.affinity,
            "max_outstanding_frames" => current.max_outstanding_frames = wanted.max_outstanding_frames,
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn only_named_fields_change() {
        let retention = pb::RetentionPolicy { max_frames: Some(5), max_bytes: Some(7 << 20), max_age: None };
        let mut current = pb::Stream {
            display_name: "old".into(),
            labels: [("a".into(), "1".into())].into(),
            retention: Some(retention),
            ..Default::default()
        };
        let wanted = pb::Stream {
            display_name: "new".into(),
            retention: Some(pb::RetentionPolicy { max_frames: Some(9), ..Default::default() }),
            ..Default::default()
        };
        apply(&mut current, &wanted, &paths(&["retention.max_frames"])).unwrap();
        assert_eq!(current.display_name, "old");
        assert_eq!(current.retention, Some(pb::RetentionPolicy { max_frames: Some(9), ..retention }));
        apply(&mut current, &wanted, &paths(&["labels", "display_name", "retention"])).unwrap();
        assert_eq!(current.display_name, "new");
        assert!(current.labels.is_empty());
        assert_eq!(current.retention, wanted.retention);
    }

    #[test]
    fn what_is_not_named_of_a_byte_budget_stays_as_it_is() {
        let budget = pb::AdaptiveQuality {
            max_bytes_per_second: Some(9_000),
            min_quality: Some(40),
            ..Default::default()
        };
        let with = |adaptive| pb::Stream {
            output: Some(pb::OutputPolicy { quality: Some(77), adaptive, ..Default::default() }),
            ..Default::default()
        };
        let changed = |wanted, names: &[&str]| {
            let mut current = with(Some(budget));
            let names: Vec<_> = names.iter().map(|name| format!("output.adaptive.{name}")).collect();
            apply(&mut current, &with(Some(wanted)), &names).unwrap();
            let output = current.output.unwrap();
            assert_eq!(output.quality, Some(77));
            output.adaptive
        };
        let wanted =
            pb::AdaptiveQuality { min_quality: Some(20), min_scale_percent: Some(50), ..Default::default() };
        assert_eq!(
            changed(wanted, &["min_quality"]),
            Some(pb::AdaptiveQuality { min_quality: Some(20), ..budget })
        );
        let scaled = pb::AdaptiveQuality { min_scale_percent: Some(50), ..budget };
        assert_eq!(changed(wanted, &["min_scale_percent"]), Some(scaled));
        assert_eq!(changed(wanted, &["max_bytes_per_second"]), None, "nothing bounds it any more");
        let wanted = pb::AdaptiveQuality { max_bytes_per_frame: Some(5_000), ..Default::default() };
        let other =
            pb::AdaptiveQuality { max_bytes_per_frame: Some(5_000), max_bytes_per_second: None, ..budget };
        assert_eq!(changed(wanted, &["max_bytes_per_second", "max_bytes_per_frame"]), Some(other));
    }

    #[test]
    fn unknown_and_read_only_fields_are_refused() {
        let mut current = pb::Stream::default();
        for bad in ["", "stream_id", "etag", "status", "create_time", "retention.nothing", "labels.a"] {
            let fault = apply(&mut current, &pb::Stream::default(), &paths(&[bad])).unwrap_err();
            assert_eq!(fault.reason, ErrorReason::UpdateMaskInvalid, "{bad}");
        }
        assert!(apply(&mut current, &pb::Stream::default(), &[]).is_err());
    }

    #[test]
    fn a_groups_start_and_name_cannot_be_changed() {
        let mut current = pb::ConsumerGroup::default();
        let wanted = pb::ConsumerGroup {
            display_name: "new".into(),
            max_delivery_attempts: Some(9),
            ..Default::default()
        };
        apply(&mut current, &wanted, &paths(&["max_delivery_attempts"])).unwrap();
        assert_eq!((current.display_name.as_str(), current.max_delivery_attempts), ("", Some(9)));
        for bad in ["", "start", "group_id", "etag", "status", "generation", "filter.nothing"] {
            let fault = apply(&mut current, &wanted, &paths(&[bad])).unwrap_err();
            assert_eq!(fault.reason, ErrorReason::UpdateMaskInvalid, "{bad}");
        }
    }
}
