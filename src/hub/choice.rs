//! Which frames a selector leaves out although they are there.

use std::collections::BTreeMap;
use std::time::Duration;

use super::event::GapReason;
use super::followed::Followed;
use crate::domain::{FrameFilter, OutputBody, OutputEntry, ProcessedFrame, Sequence, Timestamp};

/// Which frames of a selector's streams are delivered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Choice {
    /// Thins frames out.
    pub sampling: Sampling,
    /// Leaves frames out by their content.
    pub filter: FrameFilter,
    /// Leaves out frames that are older when they are about to be sent.
    pub max_age: Option<Duration>,
    /// What happens when the subscriber does not keep up.
    pub overflow: OverflowPolicy,
}

/// How a stream's frames are thinned out. All that are set apply: to what the filter passes, first `every_nth`, then
/// `latest_only`, then `max_fps`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sampling {
    /// Most frames a second, by received time, on average. Above 0.
    pub max_fps: Option<f64>,
    /// The first frame and then each nth; 0 and 1 = every frame.
    pub every_nth: u32,
    /// Only the newest frame that is there.
    pub latest_only: bool,
}

/// What happens to a stream whose subscriber has fallen behind by more than
/// [`HubConfig::overflow_bytes`](super::HubConfig::overflow_bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OverflowPolicy {
    /// The oldest unsent frames are left out, until the rest is within the bound.
    #[default]
    DropOldest,
    /// All unsent frames of the stream but the newest are left out.
    LatestOnly,
    /// The subscription ends.
    Disconnect,
}

impl Choice {
    /// Why a frame is left out by its age or content, if it is.
    fn omits(
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

    /// Whether an entry is too old to be sent.
    pub(super) fn is_stale(&self, entry: &OutputEntry, now: Timestamp) -> bool {
        self.max_age.is_some_and(|most| now.since(entry.receive_time) > most)
    }
}

impl Followed {
    /// Why the next frame of the stream is left out, if it is. `overflows`: frames must go until the rest fits.
    pub(super) fn left_out(
        &mut self,
        choice: &Choice,
        entry: &OutputEntry,
        frame: &ProcessedFrame,
        now: Timestamp,
        overflows: bool,
    ) -> Option<GapReason> {
        let labels = self.topic.labels();
        if let Some(reason) = choice.omits(entry, frame, &labels, now) {
            return Some(reason);
        }
        if !self.sampler.is_nth(choice.sampling.every_nth, entry.sequence) {
            return Some(GapReason::Sampled);
        }
        if overflows && entry.sequence.get() < self.topic.head() {
            return Some(GapReason::SlowConsumer);
        }
        if let Some(reason) = self.newest
            && self.is_superseded(choice, entry.sequence, &labels, now)
        {
            return Some(reason);
        }
        (!self.sampler.is_due(choice.sampling.max_fps, entry)).then_some(GapReason::Sampled)
    }

    /// Whether a later frame is there that is as good.
    fn is_superseded(
        &self,
        choice: &Choice,
        sequence: Sequence,
        labels: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> bool {
        let mut sampler = self.sampler.clone();
        self.later_than(sequence).iter().take_while(|entry| !self.stops.reached(entry)).any(|entry| {
            match &entry.body {
                OutputBody::Frame(frame) => {
                    choice.omits(entry, frame, labels, now).is_none()
                        && sampler.is_nth(choice.sampling.every_nth, entry.sequence)
                }
                OutputBody::Tombstone(_) => false,
            }
        })
    }
}
