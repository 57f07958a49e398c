//! Consumer groups: named, stored readers whose members share the frames of some streams and
//! acknowledge each.

use std::time::Duration;

use super::{Digest, Etag, FrameFilter, GroupId, LabelMatch, StreamId, Timestamp};

/// A selection of streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamMatch {
    /// The stream with this id, which need not be registered yet.
    Id(StreamId),
    /// Streams whose id matches this glob, including those registered later.
    Glob(String),
    /// Streams whose labels match, including those that get the labels later.
    Labels(LabelMatch),
}

/// Rules that reduce the number of a stream's frames. All rules that are set apply.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sampling {
    /// The maximum frames per second, by receive time; above 0.
    pub max_fps: Option<f64>,
    /// The interval of the frames that are taken: the first frame and then each nth; 0 and 1 =
    /// every frame.
    pub every_nth: u32,
}

impl Sampling {
    /// Reports whether any rule is set.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.max_fps.is_some() || self.every_nth > 1
    }
}

/// The distribution of a group's frames over its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GroupAffinity {
    /// Any member with room receives any frame.
    #[default]
    Any,
    /// One member receives all frames of a stream, in order, as long as it is a member.
    Stream,
}

/// The delay before a rejected frame is redelivered: doubled with each attempt, between two bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBackoff {
    /// The delay before the second attempt.
    pub min_delay: Duration,
    /// The maximum delay.
    pub max_delay: Duration,
}

impl Default for RetryBackoff {
    fn default() -> Self {
        Self { min_delay: Duration::from_secs(1), max_delay: Duration::from_secs(60) }
    }
}

impl RetryBackoff {
    /// Returns the delay after attempt number `attempt`, counted from 1.
    #[must_use]
    pub fn after(&self, attempt: u32) -> Duration {
        let doubled = 1u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        self.min_delay.saturating_mul(doubled).min(self.max_delay.max(self.min_delay))
    }
}

/// The requested delays before a rejected frame is redelivered; `None` = the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackoffSettings {
    /// The delay before the second attempt.
    pub min_delay: Option<Duration>,
    /// The maximum delay; the default is at least `min_delay`.
    pub max_delay: Option<Duration>,
}

impl BackoffSettings {
    /// Returns the settings with defaults for all unset values.
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

/// The settings of a group as an operator gave them; `None` = the default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroupSettings {
    /// The name for people.
    pub display_name: String,
    /// The streams that the group reads: those that any of these selects.
    pub streams: Vec<StreamMatch>,
    /// The conditions on frames. Frames that fail them count as acknowledged.
    pub filter: FrameFilter,
    /// The sampling of frames. Frames that it leaves out count as acknowledged.
    pub sampling: Sampling,
    /// The time that a member has to acknowledge a frame.
    pub ack_deadline: Option<Duration>,
    /// The number of deliveries after which a frame is given up.
    pub max_delivery_attempts: Option<u32>,
    /// The delay after a reject.
    pub backoff: BackoffSettings,
    /// The distribution of frames over members.
    pub affinity: Option<GroupAffinity>,
    /// The maximum unacknowledged frames of all members together.
    pub max_outstanding_frames: Option<u32>,
}

impl GroupSettings {
    /// Returns the settings with defaults for all unset values. The defaults are those of the
    /// contract, the same on every server.
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

/// The effective values of those group settings that have defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupPolicies {
    /// The time that a member has to acknowledge a frame.
    pub ack_deadline: Duration,
    /// The number of deliveries after which a frame is given up.
    pub max_delivery_attempts: u32,
    /// The delay after a reject.
    pub backoff: RetryBackoff,
    /// The distribution of frames over members.
    pub affinity: GroupAffinity,
    /// The maximum unacknowledged frames of all members together.
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
    /// The name of the group.
    pub id: GroupId,
    /// The settings as the operator gave them.
    pub settings: GroupSettings,
    /// The hash of the start position in the request that created the group.
    pub start: Digest,
    /// The revision of the settings: 1 at first, one more after each change.
    pub revision: u64,
    /// The generation: 1 at first, one more after each seek.
    pub generation: u64,
    /// A random number that distinguishes the group from an earlier one of the same name.
    pub incarnation: u64,
    /// The time when the group was created.
    pub create_time: Timestamp,
    /// The time when the settings last changed.
    pub update_time: Timestamp,
}

impl GroupRecord {
    /// Returns the etag of the current settings and position: each change and each seek raises the
    /// version by one.
    #[must_use]
    pub fn etag(&self) -> Etag {
        Etag { incarnation: self.incarnation, version: self.revision + self.generation }
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
    fn unset_values_get_the_defaults_of_the_contract() {
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
