use std::fmt;
use std::time::Duration;

use rand::RngExt as _;

use super::{
    DeadLetterId, FrameHeader, PictureFormat, QualityMeasures, RoiMeasures, SceneMeasures, Sequence,
    StreamId, Timestamp, ValidationFailure,
};

/// Name of stored bytes: random, new for every attempt to store them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PayloadKey(u128);

impl PayloadKey {
    /// A key that nobody has used: 128 random bits.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::rng().random())
    }

    /// The key with these bits.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Its bits.
    #[must_use]
    pub const fn bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for PayloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for PayloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Where a picture's bytes lie, in the partition of their stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PayloadRef {
    /// Their name.
    pub key: PayloadKey,
    /// Their size.
    pub size_bytes: u64,
}

/// What a stored picture is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PictureRole {
    /// Small, for overviews.
    Thumbnail,
    /// What the stream's output policy asks for.
    Processed,
    /// The submitted bytes, untouched.
    Original,
    /// Made on demand of the processed one; never stored.
    Rendition,
}

/// A picture of a processed frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPicture {
    /// What it is for.
    pub role: PictureRole,
    /// Its encoding.
    pub format: PictureFormat,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Its bytes. Two roles may share them.
    pub payload: PayloadRef,
}

/// A step of a worker's work on one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// From accepted to taken by a worker.
    QueueWait,
    /// Reading the picture's bytes from the queue.
    Fetch,
    /// Compressed bytes to planes.
    Decode,
    /// Planes to numbers.
    Analyze,
    /// Planes to the processed picture.
    Encode,
    /// Painting privacy masks over.
    Mask,
    /// Scaling to the output's size.
    Resize,
    /// Planes to the thumbnail.
    Thumbnail,
    /// Waiting for earlier frames of the partition.
    OrderWait,
}

/// How long a stage took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageTiming {
    /// Which.
    pub stage: Stage,
    /// How long, by the clock.
    pub duration: Duration,
}

/// Whether the processed picture was made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reencode {
    /// Decoded and encoded again.
    Encoded,
    /// The submitted bytes, passed on by reference: they are as coarse and as small as what would be made of them. Or a
    /// copy without their metadata.
    PassedThrough,
    /// As [`Reencode::PassedThrough`], whatever they are like: the stream's policy says so.
    Disabled,
    /// The submitted bytes by reference, unread.
    Relayed,
}

/// What a worker made of a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessedFrame {
    /// What the camera said.
    pub header: FrameHeader,
    /// Size of the decoded picture, pixels across; of a relayed one what its header says, 0 if that cannot be read.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// When a worker took it.
    pub lease_time: Timestamp,
    /// When the worker was done with its pictures and measures.
    pub process_time: Timestamp,
    /// At most one of each role.
    pub pictures: Vec<StoredPicture>,
    /// Quality of the decoded picture; `None` if it was relayed.
    pub quality: Option<QualityMeasures>,
    /// Measures of the scene, where they were made.
    pub scene: Option<SceneMeasures>,
    /// Measures of each region, in the order of the stream's.
    pub rois: Vec<RoiMeasures>,
    /// Version of the formulas behind its measures; 0 = it was not measured.
    pub measures_version: u32,
    /// Bounds of its stream that it fails, but for the clock's: the header holds that.
    pub validation_failures: Vec<ValidationFailure>,
    /// What took how long.
    pub stages: Vec<StageTiming>,
    /// How the processed picture came about.
    pub reencode: Reencode,
    /// The quality it was encoded at, 1..=100; `None` if it was passed on, its format has none, or its worker did not tell.
    pub encoded_quality: Option<u8>,
    /// The processed picture takes more than its stream's budget of bytes has left.
    pub over_budget: bool,
    /// Version of the privacy masks that were painted into it; 0 = none were.
    pub mask_version: u64,
    /// Version of the worker's software.
    pub worker_version: String,
    /// Which try this was: one more than workers have died over this frame alone. 0 = not known, of an older worker.
    pub attempt: u32,
}

impl ProcessedFrame {
    /// Whether something about it was flagged.
    #[must_use]
    pub fn has_validation_failures(&self) -> bool {
        self.header.clock_skewed || !self.validation_failures.is_empty()
    }

    /// Quality score, where it was measured.
    #[must_use]
    pub fn quality_score(&self) -> Option<f64> {
        self.quality.map(|quality| quality.quality_score)
    }

    /// Motion intensity, where it was measured.
    #[must_use]
    pub fn motion_intensity(&self) -> Option<f64> {
        self.scene.and_then(|scene| scene.motion_intensity)
    }

    /// Foreground ratio, where it was measured.
    #[must_use]
    pub fn foreground_ratio(&self) -> Option<f64> {
        self.scene.and_then(|scene| scene.foreground_ratio)
    }
}

/// Why a frame could not be processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureReason {
    /// The bytes end before the picture does.
    Truncated,
    /// The bytes break the format's rules.
    Corrupt,
    /// No known format, or another than the frame says.
    UnknownFormat,
    /// More pixels, or a longer side, than the limits allow.
    TooManyPixels,
    /// More encoded bytes than the limits allow.
    TooManyBytes,
    /// More scans, or more memory, than a decode may take.
    TooComplex,
    /// More than one picture in the file.
    Animated,
    /// A known format in a variant that is not decoded (CMYK, 12 bits).
    Unsupported,
    /// Declared and real size differ.
    SizeMismatch,
    /// Took longer than the time limit.
    TimedOut,
    /// The decoder failed in a way that it should not.
    DecoderPanicked,
    /// The worker died of it, three times over.
    KilledWorker,
    /// Its bytes were not in the queue any more.
    PayloadLost,
    /// It was decoded, but its output picture could not be made.
    EncodeFailed,
    /// Pictures hang in all threads of the worker.
    WorkerExhausted,
}

/// A failure: the fact, and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The fact.
    pub reason: FailureReason,
    /// What exactly, for people; at most 512 bytes.
    pub message: String,
}

/// Why an accepted frame has no picture to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TombstoneKind {
    /// It could not be processed.
    Failed(Failure),
    /// The stream's overflow policy dropped it.
    Dropped,
    /// An operator purged it, and may have said why.
    Purged(String),
}

/// The output entry of a frame without a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// What the camera said.
    pub header: FrameHeader,
    /// Why there is no picture.
    pub kind: TombstoneKind,
    /// How often a worker tried, as [`ProcessedFrame::attempt`] counts. 0 = nobody tried, or not known, of an older worker.
    pub attempts: u32,
}

/// What became of an accepted frame.
#[derive(Debug, Clone, PartialEq)]
pub enum OutputBody {
    /// Processed.
    Frame(Box<ProcessedFrame>),
    /// No picture.
    Tombstone(Box<Tombstone>),
}

impl OutputBody {
    /// What the camera said of it.
    #[must_use]
    pub fn header(&self) -> &FrameHeader {
        match self {
            Self::Frame(frame) => &frame.header,
            Self::Tombstone(tombstone) => &tombstone.header,
        }
    }

    /// The bytes that its pictures are, each once: two roles may share them.
    #[must_use]
    pub fn payloads(&self) -> Vec<PayloadRef> {
        let mut payloads: Vec<PayloadRef> = Vec::with_capacity(self.pictures().len());
        for picture in self.pictures() {
            if !payloads.contains(&picture.payload) {
                payloads.push(picture.payload);
            }
        }
        payloads
    }

    /// Its stored pictures; none for a tombstone.
    #[must_use]
    pub fn pictures(&self) -> &[StoredPicture] {
        match self {
            Self::Frame(frame) => &frame.pictures,
            Self::Tombstone(_) => &[],
        }
    }
}

/// One entry of a stream's output.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputEntry {
    /// The stream.
    pub stream_id: StreamId,
    /// The frame's number.
    pub sequence: Sequence,
    /// The number before it in its stream, 0 if it is the first: one less, but where the backend failed over and numbers
    /// were passed over or lost.
    pub previous_sequence: u64,
    /// Behind a failover: the highest number that was given out before it, where a server knew that. Numbers from there to this
    /// one were never frames.
    pub given_before: Option<u64>,
    /// When the frame was accepted; never goes back within a stream.
    pub receive_time: Timestamp,
    /// When this entry was written.
    pub publish_time: Timestamp,
    /// What became of the frame.
    pub body: OutputBody,
    /// The dead letter that was made of a failed frame; it may be gone by now.
    pub dead_letter: Option<DeadLetterId>,
}
