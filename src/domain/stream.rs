use std::time::Duration;

use super::{Etag, StreamId, StreamPolicies, StreamSettings, Timestamp};

/// How much of a stream's output is kept; the first bound reached counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// Most entries.
    pub max_frames: u64,
    /// Oldest entry.
    pub max_age: Duration,
    /// Most bytes of pictures.
    pub max_bytes: u64,
}

impl Default for RetentionPolicy {
    fn default() -> Self {
        Self { max_frames: 10_000, max_age: Duration::from_secs(3600), max_bytes: 256 << 20 }
    }
}

/// How much of a stream's work may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuePolicy {
    /// Most frames.
    pub max_frames: u64,
    /// Most bytes of pictures.
    pub max_bytes: u64,
    /// Above these bounds the oldest waiting frames are dropped; otherwise new ones are refused.
    pub drop_oldest: bool,
}

impl Default for QueuePolicy {
    fn default() -> Self {
        Self { max_frames: 1_000, max_bytes: 256 << 20, drop_oldest: false }
    }
}

impl QueuePolicy {
    /// How many unfinished frames a dropping stream may have beyond twice its bound: room for those in a worker's hands.
    pub(crate) const SPARE_FRAMES: u64 = 64;

    /// Unfinished frames at which new ones are refused. Dropping takes a worker, and a moment; so a dropping stream may
    /// grow beyond its bound, but not without bound.
    #[must_use]
    pub fn refusal_frames(&self) -> u64 {
        if self.drop_oldest {
            self.max_frames.saturating_mul(2) + Self::SPARE_FRAMES
        } else {
            self.max_frames
        }
    }

    /// Their bytes at which new ones are refused.
    #[must_use]
    pub fn refusal_bytes(&self) -> u64 {
        if self.drop_oldest { self.max_bytes.saturating_mul(2) } else { self.max_bytes }
    }
}

/// What happens to a frame whose capture time is far off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClockAction {
    /// It is flagged.
    #[default]
    Flag,
    /// It is refused.
    Reject,
    /// Nothing.
    Ignore,
}

/// What to do about a camera whose clock is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockPolicy {
    /// How far off is fine.
    pub tolerance: Duration,
    /// What happens beyond it.
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

/// What a stream has gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamCounters {
    /// Number of the last accepted frame; 0 = none yet.
    pub accepted_sequence: u64,
    /// Number of the last frame in the output, or the floor, where that is higher; 0 = none yet.
    pub published_sequence: u64,
    /// Number of the oldest entry in the output; one past the newest if it is empty.
    pub oldest_sequence: u64,
    /// Frames accepted since the stream was registered, with those of an earlier registration that still waited then: less
    /// than their last number where the stream was registered before, and where the backend failed over and numbers were
    /// passed over, so that none is given out twice.
    pub accepted_frames: u64,
    /// Accepted frames that no worker has finished.
    pub queued_frames: u64,
    /// Bytes of pictures waiting for a worker.
    pub queued_bytes: u64,
    /// Entries in the output.
    pub output_frames: u64,
    /// Bytes of pictures in the output.
    pub output_bytes: u64,
    /// Entries that retention has taken since the stream began.
    pub trimmed_frames: u64,
    /// When the newest frame was received that retention, or an unregistration, has taken; `None` if none was, or an earlier
    /// version took it.
    pub trimmed_until: Option<Timestamp>,
    /// Tombstones of failed frames since the stream began.
    pub failed_frames: u64,
    /// Tombstones of frames that the stream's queue policy dropped.
    pub dropped_frames: u64,
    /// Tombstones of frames that operators purged.
    pub purged_frames: u64,
    /// Frames that were still queued when the stream was unregistered, and that no worker has worked on.
    pub removed_frames: u64,
    /// Number of the last frame that was accepted before the stream was last unregistered; 0 = it never was. Nothing up to
    /// it is readable.
    pub floor_sequence: u64,
    /// Bytes of the pictures accepted since the stream began.
    pub accepted_bytes: u64,
    /// Bytes of the pictures published since the stream began.
    pub published_bytes: u64,
    /// Failed frames since the last processed one.
    pub failed_in_row: u64,
    /// Processed frames whose picture took more than the stream's budget of bytes had left.
    pub over_budget_frames: u64,
    /// The same since the last processed frame that kept to the budget.
    pub over_budget_in_row: u64,
    /// Frames answered DUPLICATE since the stream began.
    pub duplicate_frames: u64,
    /// When the last frame was accepted.
    pub last_receive_time: Option<Timestamp>,
}

impl StreamCounters {
    /// Frames published with a picture.
    #[must_use]
    pub fn processed_frames(&self) -> u64 {
        let others = self.failed_frames + self.dropped_frames + self.purged_frames + self.removed_frames;
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
    /// Its name.
    pub id: StreamId,
    /// What the operator says.
    pub settings: StreamSettings,
    /// The policies in force: the settings, completed by this server's defaults.
    pub effective: StreamPolicies,
    /// Random: tells this registration from others of the same name.
    pub incarnation: u64,
    /// Rises with every change of the settings.
    pub revision: u64,
    /// When it was registered.
    pub create_time: Timestamp,
    /// When its settings last changed.
    pub update_time: Timestamp,
    /// Unregistered: takes no frames, and nothing of it is readable. Of its settings only the privacy masks are left.
    pub removed: bool,
    /// What it has gone through.
    pub counters: StreamCounters,
}

/// So many failed frames in a row mean that something is wrong with the stream, not with a frame.
const FAILED_IN_ROW: u64 = 3;

/// What a stream is doing, as far as its frames tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamState {
    /// No frame has come since it was registered.
    Idle,
    /// Frames come.
    Live,
    /// None has come for its stall timeout.
    Stalled,
    /// Frames come, and the last ones could not be processed.
    Error,
}

impl StreamRecord {
    /// Names the settings as they are.
    #[must_use]
    pub fn etag(&self) -> Etag {
        Etag { incarnation: self.incarnation, version: self.revision }
    }

    /// When the stream stalls, or stalled, if no other frame comes; `None` while none has come since it was registered.
    #[must_use]
    pub fn stall_time(&self) -> Option<Timestamp> {
        let last = self.counters.last_receive_time.filter(|last| *last >= self.create_time)?;
        Some(last.after(self.effective.stall_timeout.0))
    }

    /// What the stream is doing at a moment.
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
    fn the_state_follows_the_frames_since_it_was_registered() {
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
        assert_eq!(record.state(at(101)), StreamState::Idle, "what came in an earlier life does not count");
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
