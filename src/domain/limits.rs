//! The limits of the contract, in one place. An operator may raise some of them: those are fields
//! of [`RequestLimits`], with the constants here as their defaults.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The maximum sequence. A double holds it exactly, so that every language can represent it.
pub const MAX_SEQUENCE: u64 = (1 << 53) - 1;
/// The maximum length in characters of the id of a stream, region, mask, publisher, consumer group
/// or member.
pub const MAX_ID_CHARS: usize = 64;
/// The maximum size of an encoded or raw picture, in bytes.
pub const MAX_PICTURE_BYTES: usize = 16 << 20;
/// The maximum size of a request message, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 32 << 20;
/// The maximum frames in one batch.
pub const MAX_BATCH_FRAMES: usize = 100;
/// The maximum unanswered batches on a SubmitFrames call.
pub const MAX_IN_FLIGHT_BATCHES: usize = 8;
/// The maximum bytes of unanswered batches on a SubmitFrames call. If the maximum size of a message
/// is larger, that size is the maximum instead.
pub const MAX_IN_FLIGHT_BYTES: usize = 64 << 20;
/// The maximum of each bound of a stream's retention.
pub const MAX_RETENTION_FRAMES: u64 = 1_000_000;
/// See [`MAX_RETENTION_FRAMES`].
pub const MAX_RETENTION_AGE: Duration = Duration::from_secs(30 * 24 * 3_600);
/// See [`MAX_RETENTION_FRAMES`].
pub const MAX_RETENTION_BYTES: u64 = 1 << 40;
/// The maximum streams that the setup of a SubmitFrames call may name.
pub const MAX_RESUME_STREAMS: usize = 1_000;
/// The maximum pixels of a picture.
pub const MAX_PIXELS: u64 = 40_000_000;
/// The maximum length of a picture's side, in pixels.
pub const MAX_SIDE: u32 = 8192;
/// The lengths that the longer side of a thumbnail may have, in pixels.
pub const THUMBNAIL_SIZES: std::ops::RangeInclusive<u32> = 16..=1024;
/// The maximum attributes of a frame, and the maximum labels of a stream.
pub const MAX_ATTRIBUTES: usize = 32;
/// The maximum length of an attribute or label key, in bytes.
pub const MAX_ATTRIBUTE_KEY_BYTES: usize = 64;
/// The maximum length of an attribute or label value, in bytes.
pub const MAX_ATTRIBUTE_VALUE_BYTES: usize = 256;
/// The maximum length of a display name, in bytes.
pub const MAX_DISPLAY_NAME_BYTES: usize = 256;
/// The maximum regions of interest of a stream.
pub const MAX_ROIS: usize = 32;
/// The maximum length of a W3C `tracestate`, in bytes: the length that the standard asks all
/// systems to propagate.
pub const MAX_TRACESTATE_BYTES: usize = 512;
/// The number of publisher sequences, each with a digest, that a stream remembers of one publisher.
pub const DEDUP_WINDOW: u64 = 1024;
/// The maximum publishers that a stream remembers; each takes 32 KiB.
pub const MAX_PUBLISHERS_PER_STREAM: usize = 64;
/// The maximum registered streams.
pub const MAX_STREAMS: usize = 10_000;
/// The maximum selectors of one subscription.
pub const MAX_SELECTORS: usize = 100;
/// The maximum items in a list of stream selections.
pub const MAX_STREAM_MATCHES: usize = 100;
/// The maximum length of a glob, in characters.
pub const MAX_GLOB_CHARS: usize = 128;
/// The maximum cursors in a request.
pub const MAX_CURSORS: usize = 10_000;
/// The maximum privacy masks of a stream.
pub const MAX_PRIVACY_MASKS: usize = 32;
/// The maximum points of a polygon.
pub const MAX_POLYGON_POINTS: usize = 64;
/// The maximum length of the filter of a list, in bytes.
pub const MAX_FILTER_BYTES: usize = 1_024;
/// The maximum size of a page in bytes, and of a response with pictures if the request leaves
/// `max_picture_bytes` at its default. It is the default receive limit of gRPC clients, 4 MiB.
pub const MAX_PAGE_BYTES: usize = 4 << 20;
/// The maximum streams that one subscription may follow.
pub const MAX_STREAMS_PER_SUBSCRIPTION: usize = 2_000;
/// The default of a subscriber's `max_picture_bytes`, in bytes. It is below the default receive
/// limit of gRPC clients, 4 MiB.
pub const DEFAULT_MAX_DELIVERED_PICTURE_BYTES: u32 = 3_670_016;
/// The maximum error of a camera's clock, in years; frames with a larger one are refused.
pub const MAX_CLOCK_ERROR_YEARS: u64 = 10;
/// The maximum strikes: a frame is given up after this many worker crashes while it was isolated.
pub const MAX_STRIKES: u32 = 3;
/// The maximum consumer groups.
pub const MAX_GROUPS: usize = 1_000;
/// The maximum members of one consumer group at a time.
pub const MAX_GROUP_MEMBERS: usize = 1_000;
/// The maximum unacknowledged frames of one group member.
pub const MAX_MEMBER_FRAMES: u32 = 10_000;
/// The maximum bytes of unacknowledged pictures of one group member.
pub const MAX_MEMBER_BYTES: u64 = 256 << 20;
/// The maximum unacknowledged frames of a consumer group.
pub const MAX_GROUP_FRAMES: u32 = 100_000;
/// The maximum ack ids in one request.
pub const MAX_ACK_IDS: usize = 1_000;
/// The maximum length of the reason text of a request, in bytes.
pub const MAX_REASON_BYTES: usize = 512;
/// The maximum number of sequences between the newest frame of a stream and the sequence at which a
/// reader asks to start.
pub const MAX_SEQUENCES_AHEAD: u64 = 1_000_000;

/// The limits of a request that are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestLimits {
    /// The maximum size of a picture, encoded or raw, in bytes.
    pub max_picture_bytes: usize,
    /// The maximum size of a request message, in bytes.
    pub max_message_bytes: usize,
    /// The maximum number of frames in one batch.
    pub max_batch_frames: usize,
    /// The maximum number of pixels of a picture.
    pub max_pixels: u64,
    /// The maximum side of a picture, in pixels.
    pub max_side: u32,
}

impl RequestLimits {
    /// Returns the maximum number of bytes of unanswered batches on a SubmitFrames call.
    #[must_use]
    pub fn max_in_flight_bytes(&self) -> usize {
        MAX_IN_FLIGHT_BYTES.max(self.max_message_bytes)
    }
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            max_picture_bytes: MAX_PICTURE_BYTES,
            max_message_bytes: MAX_MESSAGE_BYTES,
            max_batch_frames: MAX_BATCH_FRAMES,
            max_pixels: MAX_PIXELS,
            max_side: MAX_SIDE,
        }
    }
}
