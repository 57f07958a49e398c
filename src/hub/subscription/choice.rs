//! Decides which frames a selector leaves out.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::{FrameFilter, OutputEntry, ProcessedFrame, Timestamp};
use crate::hub::event::GapReason;

/// The options by which the frames of a selector's streams are chosen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Choice {
    /// Limits the number of frames.
    pub sampling: Sampling,
    /// Leaves out frames by their content.
    pub filter: FrameFilter,
    /// Leaves out frames that are older than this when they are about to be sent.
    pub max_age: Option<Duration>,
    /// The policy if the subscriber is too slow.
    pub overflow: OverflowPolicy,
}

/// Limits the number of frames of each stream. All limits that are set apply to the frames that
/// pass the filter: first `every_nth`, then `latest_only`, then `max_fps`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sampling {
    /// The maximum average number of frames per second, by receive time. Above 0.
    pub max_fps: Option<f64>,
    /// The first frame and then every nth; 0 and 1 = every frame.
    pub every_nth: u32,
    /// Only the newest available frame.
    pub latest_only: bool,
}

/// The policy for a stream if the subscriber's backlog is larger than
/// [`HubConfig::overflow_bytes`](crate::hub::HubConfig::overflow_bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OverflowPolicy {
    /// The oldest unsent frames are left out until the rest is within the limit.
    #[default]
    DropOldest,
    /// All unsent frames of the stream except the newest are left out.
    LatestOnly,
    /// The subscription ends.
    Disconnect,
}

impl Choice {
    /// Returns the reason why a frame is left out for its age or content; `None` if it is not.
    pub(super) fn gap_reason(
        &self,
        entry: &OutputEntry,
        frame: &ProcessedFrame,
        labels: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Option<GapReason> {
        if self.is_stale(entry, now) {
            return Some(GapReason::Stale);
        }
        (!self.filter.passes(frame, labels)).then_some(GapReason::Filtered)
    }

    /// Reports whether an entry is too old to be sent.
    pub(super) fn is_stale(&self, entry: &OutputEntry, now: Timestamp) -> bool {
        self.max_age.is_some_and(|max_age| now.since(entry.receive_time) > max_age)
    }
}
