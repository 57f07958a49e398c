use std::collections::BTreeMap;
use std::fmt;

use super::{PictureFormat, PublisherId, RawColors, Sequence, Timestamp};

/// BLAKE3 of some bytes: of a picture's as the camera sent them, or of a request that is compared with another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Digests `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// Who submitted a frame, and under which number of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublisherMark {
    /// The publisher.
    pub id: PublisherId,
    /// Its number for this frame: rises by any step, per stream; 1 to 2^53 - 1.
    pub sequence: u64,
}

/// The submitted picture, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceInfo {
    /// Encoding.
    pub format: PictureFormat,
    /// Pixels across. 0 where the sender did not say and the header was not read.
    pub width: u32,
    /// Pixels down. 0 likewise.
    pub height: u32,
    /// Bytes from one row of a raw picture to the next; 0 = rows lie tight.
    pub row_stride_bytes: u32,
    /// What the numbers of raw luma and chroma mean.
    pub colors: RawColors,
    /// Size of the bytes.
    pub size_bytes: u64,
    /// BLAKE3 of the bytes.
    pub digest: Digest,
}

/// Everything said of a frame but its stream, its numbers and its pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameHeader {
    /// Who sent it. Without it there is no deduplication.
    pub publisher: Option<PublisherMark>,
    /// When the camera says it saw this. Not trusted.
    pub capture_time: Option<Timestamp>,
    /// The capture time was further from the server's clock than the stream tolerates.
    pub clock_skewed: bool,
    /// The submitted picture.
    pub source: SourceInfo,
    /// The sender's own key-value pairs.
    pub attributes: BTreeMap<String, String>,
    /// W3C trace context of the submit call; empty if none.
    pub traceparent: String,
    /// Number of the dead letter's frame that this one is a replay of.
    pub replayed_from: Option<Sequence>,
}
