//! Consumer groups: named, stored readers whose members share the frames of some streams and acknowledge each.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Digest, Etag, FrameFilter, GroupId, LabelMatch, StreamId, Timestamp};

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
    Any,
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

/// How long a rejected frame is to wait; `None` = the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BackoffSettings {
    /// The wait before the second attempt.
    pub min_delay: Option<Duration>,
    /// The longest wait; by default at least the shortest.
    pub max_delay: Option<Duration>,
}

impl BackoffSettings {
    /// Fills in what is unset.
    #[must_use]
    pub fn effective(&self) -> RetryBackoff {
        let default = RetryBackoff::default();
        let min_delay = self.min_delay.unwrap_or(default.min_delay);
        RetryBackoff { min_delay, max_delay: self.max_delay.unwrap_or(default.max_delay.max(min_delay)) }
    }
}

impl From<RetryBackoff> for BackoffSettings {
    fn from(backoff: RetryBackoff) -> Self {
        let RetryBackoff { min_delay, max_delay } = backoff;
        Self { min_delay: Some(min_delay), max_delay: Some(max_delay) }
    }
}

/// What an operator says of a group; `None` = the default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
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
    pub ack_deadline: Option<Duration>,
    /// Deliveries before a frame is given up.
    pub max_delivery_attempts: Option<u32>,
    /// The wait after a rejection.
    pub backoff: BackoffSettings,
    /// How frames are spread.
    pub affinity: Option<GroupAffinity>,
    /// Most unacknowledged frames of all members together.
    pub max_outstanding_frames: Option<u32>,
}

impl GroupSettings {
    /// Fills in what is unset. The defaults are those of the contract, the same on every server.
    #[must_use]
    pub fn effective(&self) -> GroupPolicies {
        let default = GroupPolicies::default();
        GroupPolicies {
            ack_deadline: self.ack_deadline.unwrap_or(default.ack_deadline),
            max_delivery_attempts: self.max_delivery_attempts.unwrap_or(default.max_delivery_attempts),
            backoff: self.backoff.effective(),
            affinity: self.affinity.unwrap_or(default.affinity),
            max_outstanding_frames: self.max_outstanding_frames.unwrap_or(default.max_outstanding_frames),
        }
    }
}

/// A group's settings in force, as far as they have defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupPolicies {
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

impl Default for GroupPolicies {
    fn default() -> Self {
        Self {
            ack_deadline: Duration::from_secs(30),
            max_delivery_attempts: 5,
            backoff: RetryBackoff::default(),
            affinity: GroupAffinity::Any,
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
    /// Of where the group was asked to begin when it was made.
    pub start: Digest,
    /// Rises by one with every change of the settings; 1 at first.
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

impl GroupRecord {
    /// Names the group's settings and its last seek as they are: each change and each seek raises the version by one.
    #[must_use]
    pub fn etag(&self) -> Etag {
        Etag { incarnation: self.incarnation, version: self.revision + self.generation }
    }
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

    #[test]
    fn what_is_unset_is_the_default_of_the_contract() {
        assert_eq!(GroupSettings::default().effective(), GroupPolicies::default());
        let five_minutes = Duration::from_secs(300);
        let said = GroupSettings {
            backoff: BackoffSettings { min_delay: Some(five_minutes), max_delay: None },
            max_delivery_attempts: Some(2),
            ..GroupSettings::default()
        };
        let backoff = RetryBackoff { min_delay: five_minutes, max_delay: five_minutes };
        let expected = GroupPolicies { max_delivery_attempts: 2, backoff, ..GroupPolicies::default() };
        assert_eq!(said.effective(), expected);
    }
}
