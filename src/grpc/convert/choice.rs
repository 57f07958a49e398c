//! The frames that a subscriber wants from its streams: sampling and filters.

use std::collections::BTreeMap;

use super::checked_entries;
use super::policy::bounded;
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
        min_quality_score: bounded("min_quality_score", min_quality_score, 0.0, 1.0)?,
        min_motion_intensity: bounded("min_motion_intensity", min_motion_intensity, 0.0, 1.0)?,
        min_foreground_ratio: bounded("min_foreground_ratio", min_foreground_ratio, 0.0, 1.0)?,
        attributes: terms("attributes", attributes)?,
        stream_labels: terms("stream_labels", stream_labels)?,
        valid_only,
    })
}

fn terms(field: &str, terms: BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    if terms.len() > MAX_TERMS {
        Err(Fault::too_many(field, MAX_TERMS))
    } else {
        checked_entries(field, terms)
    }
}
