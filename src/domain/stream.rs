use std::collections::BTreeMap;
use std::time::Duration;

use super::{StreamId, Timestamp};

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
    const SPARE_FRAMES: u64 = 64;

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

/// What workers make of a stream's pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputPolicy {
    /// JPEG quality of the processed picture, 1..100.
    pub quality: u8,
    /// Longer side of the thumbnail in pixels; 0 = none.
    pub thumbnail_size: u32,
    /// Keep the submitted bytes with the output.
    pub keep_original: bool,
    /// Pass the submitted bytes on instead of encoding anew.
    pub never_reencode: bool,
}

impl Default for OutputPolicy {
    fn default() -> Self {
        Self { quality: 85, thumbnail_size: 128, keep_original: false, never_reencode: false }
    }
}

/// What to do about a camera whose clock is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockPolicy {
    /// How far off is fine.
    pub tolerance: Duration,
    /// Refuse the frame; otherwise it is flagged.
    pub reject: bool,
}

impl Default for ClockPolicy {
    fn default() -> Self {
        Self { tolerance: Duration::from_secs(60), reject: false }
    }
}

/// Where a camera stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Location {
    /// Degrees north, -90..90.
    pub latitude: f64,
    /// Degrees east, -180..180.
    pub longitude: f64,
    /// Degrees clockwise from north that it looks, 0..360.
    pub heading: Option<f64>,
}

/// What an operator says of a stream.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StreamSettings {
    /// For people.
    pub display_name: String,
    /// For selectors and filters.
    pub labels: BTreeMap<String, String>,
    /// Where the camera stands.
    pub location: Option<Location>,
    /// How much output is kept.
    pub retention: RetentionPolicy,
    /// How much work may wait.
    pub queue: QueuePolicy,
    /// What is made of the pictures.
    pub output: OutputPolicy,
    /// What to do about a wrong clock.
    pub clock: ClockPolicy,
}

/// What a stream has gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamCounters {
    /// Number of the last accepted frame; 0 = none yet.
    pub accepted_sequence: u64,
    /// Number of the last frame in the output; 0 = none yet.
    pub published_sequence: u64,
    /// Bytes of pictures waiting for a worker.
    pub queued_bytes: u64,
    /// Entries in the output.
    pub output_frames: u64,
    /// Bytes of pictures in the output.
    pub output_bytes: u64,
    /// Entries that retention has taken since the stream began.
    pub trimmed_frames: u64,
    /// Tombstones of failed frames since the stream began.
    pub failed_frames: u64,
    /// Tombstones of frames that the stream's queue policy dropped.
    pub dropped_frames: u64,
    /// Tombstones of frames that operators purged.
    pub purged_frames: u64,
    /// Bytes of the pictures accepted since the stream began.
    pub accepted_bytes: u64,
    /// Bytes of the pictures published since the stream began.
    pub published_bytes: u64,
    /// Frames answered DUPLICATE since the stream began.
    pub duplicate_frames: u64,
    /// When the last frame was accepted.
    pub last_received_time: Option<Timestamp>,
}

impl StreamCounters {
    /// Frames that no worker has finished.
    #[must_use]
    pub fn queued_frames(&self) -> u64 {
        self.accepted_sequence - self.published_sequence
    }

    /// Frames published with a picture.
    #[must_use]
    pub fn processed_frames(&self) -> u64 {
        let tombstones = self.failed_frames + self.dropped_frames + self.purged_frames;
        self.published_sequence.saturating_sub(tombstones)
    }

    /// Number of the oldest entry in the output; one past the newest if it is empty.
    #[must_use]
    pub fn oldest_sequence(&self) -> u64 {
        self.published_sequence + 1 - self.output_frames
    }
}

/// A registered stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamRecord {
    /// Its name.
    pub id: StreamId,
    /// What the operator says.
    pub settings: StreamSettings,
    /// Rises by one with every change of the settings; the etag is made of it.
    pub revision: u64,
    /// When it was registered.
    pub create_time: Timestamp,
    /// When its settings last changed.
    pub update_time: Timestamp,
    /// Unregistered: takes no frames; what is left of its output is going.
    pub removed: bool,
    /// What it has gone through.
    pub counters: StreamCounters,
}
