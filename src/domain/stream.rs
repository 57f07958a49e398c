use std::time::Duration;

use super::{Etag, StreamId, StreamPolicies, StreamSettings, Timestamp};

/// The bounds of the kept output of a stream. The bound that is reached first applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// The maximum number of entries.
    pub max_frames: u64,
    /// The maximum age of an entry.
    pub max_age: Duration,
    /// The maximum bytes of pictures.
    pub max_bytes: u64,
}

impl Default for RetentionPolicy {
    fn default() -> Self {
        Self { max_frames: 10_000, max_age: Duration::from_secs(3600), max_bytes: 256 << 20 }
    }
}

/// The bounds of the waiting frames of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuePolicy {
    /// The maximum number of frames.
    pub max_frames: u64,
    /// The maximum bytes of pictures.
    pub max_bytes: u64,
    /// True if the oldest waiting frames are dropped when a bound is exceeded. Otherwise, new
    /// frames are refused.
    pub drop_oldest: bool,
}

impl Default for QueuePolicy {
    fn default() -> Self {
        Self { max_frames: 1_000, max_bytes: 256 << 20, drop_oldest: false }
    }
}

impl QueuePolicy {
    /// The number of unfinished frames that a stream with `drop_oldest` may have in addition to
    /// twice its bound. It leaves room for the frames that a worker has taken.
    pub(crate) const SPARE_FRAMES: u64 = 64;

    /// Returns the number of unfinished frames at which new ones are refused. A stream with
    /// `drop_oldest` may exceed its bound, because workers drop frames with a delay; this number
    /// limits the excess.
    #[must_use]
    pub fn refusal_frames(&self) -> u64 {
        if self.drop_oldest {
            self.max_frames.saturating_mul(2) + Self::SPARE_FRAMES
        } else {
            self.max_frames
        }
    }

    /// Returns the bytes of unfinished frames at which new ones are refused.
    #[must_use]
    pub fn refusal_bytes(&self) -> u64 {
        if self.drop_oldest { self.max_bytes.saturating_mul(2) } else { self.max_bytes }
    }
}

/// The action for a frame with a wrong capture time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClockAction {
    /// The frame is flagged.
    #[default]
    Flag,
    /// The frame is refused.
    Reject,
    /// The frame is accepted like any other.
    Ignore,
}

/// The handling of wrong capture times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockPolicy {
    /// The maximum difference between the capture time and the server's clock.
    pub tolerance: Duration,
    /// The action if the difference is larger.
    pub action: ClockAction,
}

impl Default for ClockPolicy {
    fn default() -> Self {
        Self { tolerance: Duration::from_secs(60), action: ClockAction::Flag }
    }
}

/// The time without a frame after which a stream counts as stalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StallTimeout(pub Duration);

impl Default for StallTimeout {
    fn default() -> Self {
        Self(Duration::from_secs(10))
    }
}

/// The counters of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamCounters {
    /// The sequence of the last accepted frame; 0 = none yet.
    pub accepted_sequence: u64,
    /// The head: the sequence of the last frame in the output, or the floor if that is higher; 0 =
    /// none yet.
    pub published_sequence: u64,
    /// The sequence of the oldest entry in the output; one more than the head if the output is
    /// empty.
    pub oldest_sequence: u64,
    /// Frames accepted since the stream was registered, and frames of an earlier registration that
    /// were still waiting when this one began. The count is below `accepted_sequence` if there was
    /// an earlier registration, or if a failover of the backend skipped sequences.
    pub accepted_frames: u64,
    /// Accepted frames that no worker has finished.
    pub queued_frames: u64,
    /// Bytes of pictures waiting for a worker.
    pub queued_bytes: u64,
    /// Entries in the output.
    pub output_frames: u64,
    /// Bytes of pictures in the output.
    pub output_bytes: u64,
    /// Entries that retention has removed since the stream was registered.
    pub trimmed_frames: u64,
    /// The receive time of the newest frame that retention or an unregistration has removed; `None`
    /// if none was removed, or an older version removed it.
    pub trimmed_until: Option<Timestamp>,
    /// Tombstones of failed frames since the stream was registered.
    pub failed_frames: u64,
    /// Tombstones of frames that the stream's queue policy dropped.
    pub dropped_frames: u64,
    /// Tombstones of frames that operators purged.
    pub purged_frames: u64,
    /// Tombstones of frames that were erased. A frame that was erased after it was published does not
    /// count as processed or failed any more.
    pub erased_frames: u64,
    /// Frames that no worker processed, because the stream was unregistered while they were queued.
    pub removed_frames: u64,
    /// The floor: the sequence of the last frame that was accepted before the stream was last
    /// unregistered; 0 = it never was. Frames up to the floor cannot be read.
    pub floor_sequence: u64,
    /// Bytes of the pictures accepted since the stream was registered.
    pub accepted_bytes: u64,
    /// Bytes of the pictures published since the stream was registered.
    pub published_bytes: u64,
    /// Failed frames since the last processed one, without replayed ones.
    pub failed_in_row: u64,
    /// Processed frames with a picture that exceeded the remaining budget of bytes.
    pub over_budget_frames: u64,
    /// Over-budget frames since the last processed frame that fitted in the budget.
    pub over_budget_in_row: u64,
    /// Frames answered with DUPLICATE since the stream was registered.
    pub duplicate_frames: u64,
    /// The time when the last frame was accepted.
    pub last_receive_time: Option<Timestamp>,
}

impl StreamCounters {
    /// Returns the number of frames published with a picture and not erased.
    #[must_use]
    pub fn processed_frames(&self) -> u64 {
        let others = self.failed_frames
            + self.dropped_frames
            + self.purged_frames
            + self.erased_frames
            + self.removed_frames;
        self.accepted_frames.saturating_sub(self.queued_frames + others)
    }
}

impl Default for StreamCounters {
    fn default() -> Self {
        Self {
            accepted_sequence: 0,
            published_sequence: 0,
            oldest_sequence: 1,
            accepted_frames: 0,
            queued_frames: 0,
            queued_bytes: 0,
            output_frames: 0,
            output_bytes: 0,
            trimmed_frames: 0,
            trimmed_until: None,
            failed_frames: 0,
            failed_in_row: 0,
            dropped_frames: 0,
            purged_frames: 0,
            erased_frames: 0,
            removed_frames: 0,
            floor_sequence: 0,
            accepted_bytes: 0,
            published_bytes: 0,
            over_budget_frames: 0,
            over_budget_in_row: 0,
            duplicate_frames: 0,
            last_receive_time: None,
        }
    }
}

/// A registered stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamRecord {
    /// The name of the stream.
    pub id: StreamId,
    /// The settings as the operator gave them.
    pub settings: StreamSettings,
    /// The effective policies: the settings with this server's defaults for unset values.
    pub effective: StreamPolicies,
    /// A random number that distinguishes this registration from others of the same name.
    pub incarnation: u64,
    /// The revision; rises with each change of the settings.
    pub revision: u64,
    /// The time when the stream was registered.
    pub create_time: Timestamp,
    /// The time when the settings last changed.
    pub update_time: Timestamp,
    /// True if the stream is unregistered: it accepts no frames, and its frames cannot be read.
    /// Only the privacy masks are left of its settings.
    pub removed: bool,
    /// The counters of the stream.
    pub counters: StreamCounters,
}

/// The number of failed frames in a row that indicates a problem of the stream, not of a frame.
pub const FAILED_IN_ROW: u64 = 3;

/// The state of a stream, derived from its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamState {
    /// No frame was accepted since the stream was registered.
    Idle,
    /// Frames arrive.
    Live,
    /// No frame has arrived for the stall timeout.
    Stalled,
    /// Frames arrive, but the last ones could not be processed.
    Error,
}

impl StreamRecord {
    /// Returns the record of an unknown stream: it is not registered, and both times are `time`.
    #[must_use]
    pub fn unknown(id: StreamId, time: Timestamp) -> Self {
        Self {
            id,
            settings: StreamSettings::default(),
            effective: StreamPolicies::default(),
            incarnation: 0,
            revision: 0,
            create_time: time,
            update_time: time,
            removed: true,
            counters: StreamCounters::default(),
        }
    }

    /// Returns the etag of the current settings.
    #[must_use]
    pub fn etag(&self) -> Etag {
        Etag { incarnation: self.incarnation, version: self.revision }
    }

    /// Returns the time after which the stream counts as stalled if no further frame arrives; this
    /// may be in the past. `None` if no frame has arrived since the stream was registered.
    #[must_use]
    pub fn stall_time(&self) -> Option<Timestamp> {
        let last = self.counters.last_receive_time.filter(|last| *last >= self.create_time)?;
        Some(last.after(self.effective.stall_timeout.0))
    }

    /// Returns the state of the stream at the time `now`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> StreamState {
        match self.stall_time() {
            None => StreamState::Idle,
            Some(stall) if now > stall => StreamState::Stalled,
            Some(_) if self.counters.failed_in_row >= FAILED_IN_ROW => StreamState::Error,
            Some(_) => StreamState::Live,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_follows_the_frames_since_the_registration() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let mut record = StreamRecord {
            id: "cam".parse().unwrap(),
            settings: StreamSettings::default(),
            effective: StreamPolicies::default(),
            incarnation: 1,
            revision: 1,
            create_time: at(100),
            update_time: at(100),
            removed: false,
            counters: StreamCounters { last_receive_time: Some(at(99)), ..StreamCounters::default() },
        };
        assert_eq!(
            record.state(at(101)),
            StreamState::Idle,
            "frames of an earlier registration do not count"
        );
        record.counters.last_receive_time = Some(at(105));
        assert_eq!(record.state(at(115)), StreamState::Live);
        assert_eq!(record.state(at(116)), StreamState::Stalled);
        record.counters.failed_in_row = 2;
        assert_eq!(record.state(at(106)), StreamState::Live);
        record.counters.failed_in_row = 3;
        assert_eq!(record.state(at(106)), StreamState::Error);
        assert_eq!(record.state(at(116)), StreamState::Stalled);
    }
}
