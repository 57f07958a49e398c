//! Consumer groups: named, stored readers whose members share the frames of some streams and acknowledge each.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{FrameFilter, GroupId, LabelMatch, StreamId, Timestamp};

/// Selects streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamMatch {
    /// This one, which need not be registered yet.
    Id(StreamId),
    /// Those whose id matches, also such as are registered later.
    Glob(String),
    /// Those whose labels match, also such as get them later.
    Labels(LabelMatch),
}

/// Thins a stream's frames out. All that are set apply.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// At most so many frames a second, by received time; above 0.
    pub max_fps: Option<f64>,
    /// The first frame and then each nth; 0 and 1 = every frame.
    pub every_nth: u32,
}

impl Sampling {
    /// Whether it may leave frames out at all.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.max_fps.is_some() || self.every_nth > 1
    }
}

/// How a group's frames are spread over its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum GroupAffinity {
    /// Any frame to any member that has room.
    #[default]
    None,
    /// All frames of a stream to one member, in order, as long as it lives.
    Stream,
}

/// How long a rejected frame waits before it is delivered again: doubled with every attempt, between two bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetryBackoff {
    /// The wait before the second attempt.
    pub min_delay: Duration,
    /// The longest wait.
    pub max_delay: Duration,
}

impl Default for RetryBackoff {
    fn default() -> Self {
        Self { min_delay: Duration::from_secs(1), max_delay: Duration::from_secs(60) }
    }
}

impl RetryBackoff {
    /// The wait after attempt number `attempt`, from 1.
    #[must_use]
    pub fn after(&self, attempt: u32) -> Duration {
        let doubled = 1u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        self.min_delay.saturating_mul(doubled).min(self.max_delay.max(self.min_delay))
    }
}

/// What an operator says of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupSettings {
    /// For people.
    pub display_name: String,
    /// One that any of them selects.
    pub streams: Vec<StreamMatch>,
    /// What it omits counts as acknowledged.
    pub filter: FrameFilter,
    /// What it leaves out counts as acknowledged.
    pub sampling: Sampling,
    /// Time that a member has to acknowledge a frame.
    pub ack_deadline: Duration,
    /// Deliveries before a frame is given up.
    pub max_delivery_attempts: u32,
    /// The wait after a rejection.
    pub backoff: RetryBackoff,
    /// How frames are spread.
    pub affinity: GroupAffinity,
    /// Most unacknowledged frames of all members together.
    pub max_outstanding_frames: u32,
}

impl Default for GroupSettings {
    fn default() -> Self {
        Self {
            display_name: String::new(),
            streams: Vec::new(),
            filter: FrameFilter::default(),
            sampling: Sampling::default(),
            ack_deadline: Duration::from_secs(30),
            max_delivery_attempts: 5,
            backoff: RetryBackoff::default(),
            affinity: GroupAffinity::None,
            max_outstanding_frames: 10_000,
        }
    }
}

/// A group as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupRecord {
    /// Its name.
    pub id: GroupId,
    /// What the operator says.
    pub settings: GroupSettings,
    /// Rises by one with every change of the settings; the etag is made of it.
    pub revision: u64,
    /// Rises by one with every seek; 1 at first.
    pub generation: u64,
    /// Random: tells the group from one of the same name before it.
    pub incarnation: u64,
    /// When it was made.
    pub create_time: Timestamp,
    /// When its settings last changed.
    pub update_time: Timestamp,
}

impl Serialize for StreamId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for StreamId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_between_its_bounds() {
        let backoff = RetryBackoff::default();
        let waits: Vec<u64> = [1, 2, 3, 6, 7, 40, 1000].map(|n| backoff.after(n).as_secs()).to_vec();
        assert_eq!(waits, [1, 2, 4, 32, 60, 60, 60]);
        let none = RetryBackoff { min_delay: Duration::ZERO, max_delay: Duration::ZERO };
        assert_eq!(none.after(9), Duration::ZERO);
    }
}
