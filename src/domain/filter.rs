//! Conditions on the labels of streams and on the content of frames.

use std::collections::BTreeMap;

use super::ProcessedFrame;

/// Conditions on a stream's labels, all of which must hold. Without conditions, every stream
/// matches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelMatch {
    /// Labels that must exist with these values.
    pub equal: BTreeMap<String, String>,
    /// Labels that must exist.
    pub present: Vec<String>,
    /// Labels that must not exist.
    pub absent: Vec<String>,
}

impl LabelMatch {
    /// Reports whether all conditions hold.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.equal.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.present.iter().all(|key| labels.contains_key(key))
            && !self.absent.iter().any(|key| labels.contains_key(key))
    }
}

/// Conditions on the content of frames. All conditions that are set must hold. A frame without a
/// measure fails every condition on that measure.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FrameFilter {
    /// The minimum quality score, 0..=1.
    pub min_quality_score: Option<f64>,
    /// The minimum motion intensity, 0..=1.
    pub min_motion_intensity: Option<f64>,
    /// The minimum foreground ratio, 0..=1.
    pub min_foreground_ratio: Option<f64>,
    /// Attributes that the frame must have with these values.
    pub attributes: BTreeMap<String, String>,
    /// Labels that the stream must have with these values. They are compared when the frame is
    /// about to be sent.
    pub stream_labels: BTreeMap<String, String>,
    /// True if frames with validation failures are left out.
    pub valid_only: bool,
}

impl FrameFilter {
    /// Reports whether a frame of a stream with these labels passes.
    #[must_use]
    pub fn passes(&self, frame: &ProcessedFrame, labels: &BTreeMap<String, String>) -> bool {
        let Self {
            min_quality_score,
            min_motion_intensity,
            min_foreground_ratio,
            attributes,
            stream_labels,
            valid_only,
        } = self;
        let at_least = |minimum: &Option<f64>, measured: Option<f64>| {
            minimum.is_none_or(|minimum| measured.is_some_and(|measured| measured >= minimum))
        };
        let has_all = |wanted: &BTreeMap<String, String>, map: &BTreeMap<String, String>| {
            wanted.iter().all(|(key, value)| map.get(key) == Some(value))
        };
        at_least(min_quality_score, frame.quality_score())
            && at_least(min_motion_intensity, frame.motion_intensity())
            && at_least(min_foreground_ratio, frame.foreground_ratio())
            && has_all(attributes, &frame.header.attributes)
            && has_all(stream_labels, labels)
            && !(*valid_only && frame.has_validation_failures())
    }
}
