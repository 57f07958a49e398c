//! What streams and frames are selected by.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ProcessedFrame;

/// Terms about a stream's labels that must all hold. None = any stream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LabelMatch {
    /// These are there with these values.
    pub equal: BTreeMap<String, String>,
    /// These are there.
    pub present: Vec<String>,
    /// These are not.
    pub absent: Vec<String>,
}

impl LabelMatch {
    /// Whether all terms hold.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.equal.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.present.iter().all(|key| labels.contains_key(key))
            && !self.absent.iter().any(|key| labels.contains_key(key))
    }
}

/// Omits frames by their content: all that are set must hold, and a measure that was not made does not.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FrameFilter {
    /// Least quality score, 0..1.
    pub min_quality_score: Option<f64>,
    /// Least motion intensity, 0..1.
    pub min_motion_intensity: Option<f64>,
    /// Least foreground ratio, 0..1.
    pub min_foreground_ratio: Option<f64>,
    /// The frame has these attributes.
    pub attributes: BTreeMap<String, String>,
    /// Its stream has these labels when the frame is about to be sent.
    pub stream_labels: BTreeMap<String, String>,
    /// Without frames that failed a check.
    pub valid_only: bool,
}

impl FrameFilter {
    /// Whether a frame of a stream with these labels passes.
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
        let at_least = |least: &Option<f64>, measured: Option<f64>| {
            least.is_none_or(|least| measured.is_some_and(|measured| measured >= least))
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
