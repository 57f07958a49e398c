//! Which frames a subscriber wants of its streams.

use std::collections::BTreeMap;

use super::checked_entries;
use super::subscription::too_many;
use crate::domain::FrameFilter;
use crate::grpc::fault::{Fault, Result};
use crate::hub::Sampling;
use crate::pb::v1 as pb;

const MAX_FPS: f64 = 1000.0;
const MAX_TERMS: usize = 16;

pub(super) fn sampling(sampling: pb::Sampling) -> Result<Sampling> {
    let pb::Sampling { max_fps, every_nth, latest_only } = sampling;
    if every_nth == Some(0) {
        return Err(Fault::invalid("every_nth", "must be at least 1"));
    }
    if max_fps.is_some_and(|fps| !(fps > 0.0 && fps <= MAX_FPS)) {
        return Err(Fault::invalid("max_fps", "must be above 0, and at most 1,000"));
    }
    Ok(Sampling { max_fps, every_nth: every_nth.unwrap_or_default(), latest_only })
}

pub(super) fn filter(filter: pb::FrameFilter) -> Result<FrameFilter> {
    let pb::FrameFilter {
        min_quality_score,
        min_motion_intensity,
        min_foreground_ratio,
        attributes,
        stream_labels,
        valid_only,
    } = filter;
    Ok(FrameFilter {
        min_quality_score: share("min_quality_score", min_quality_score)?,
        min_motion_intensity: share("min_motion_intensity", min_motion_intensity)?,
        min_foreground_ratio: share("min_foreground_ratio", min_foreground_ratio)?,
        attributes: terms("attributes", attributes)?,
        stream_labels: terms("stream_labels", stream_labels)?,
        valid_only,
    })
}

fn share(field: &str, value: Option<f64>) -> Result<Option<f64>> {
    match value {
        Some(value) if !(0.0..=1.0).contains(&value) => Err(Fault::invalid(field, "must be from 0 to 1")),
        value => Ok(value),
    }
}

fn terms(field: &str, terms: BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    if terms.len() > MAX_TERMS { Err(too_many(field, MAX_TERMS)) } else { checked_entries(field, terms) }
}
