use std::fmt;
use std::time::Duration;

use rand::RngExt as _;

use super::{
    DeadLetterId, FrameHeader, PictureFormat, QualityMeasures, RoiMeasures, SceneMeasures, Sequence,
    StreamId, Timestamp, ValidationFailure,
};

/// The name of a payload: random, new for each attempt to store it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PayloadKey(u128);

impl PayloadKey {
    /// Returns a new key of 128 random bits.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::rng().random())
    }

    /// Returns the key with these bits.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Returns the bits of the key.
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

/// A reference to a payload in the partition of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PayloadRef {
    /// The key of the payload.
    pub key: PayloadKey,
    /// The size of the payload.
    pub size_bytes: u64,
}

/// The purpose of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PictureRole {
    /// A small picture for overviews.
    Thumbnail,
    /// The picture that the stream's output policy asks for.
    Processed,
    /// The submitted bytes, unchanged.
    Original,
    /// A rendition: made on demand from the processed picture; never stored.
    Rendition,
}

/// A picture of a processed frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPicture {
    /// The purpose of the picture.
    pub role: PictureRole,
    /// The encoding of the bytes.
    pub format: PictureFormat,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The payload, which two roles may share.
    pub payload: PayloadRef,
}

/// A step in the processing of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Waiting in the work queue, from the acceptance of the frame until a worker takes it.
    QueueWait,
    /// Reading the payload from the queue.
    Fetch,
    /// Decoding the picture to planes.
    Decode,
    /// Encoding the processed picture from the coefficients of the submitted JPEG, without decoding
    /// it to planes.
    Transcode,
    /// Measuring the planes.
    Analyze,
    /// Encoding the processed picture.
    Encode,
    /// Painting privacy masks.
    Mask,
    /// Scaling to the size of the output.
    Resize,
    /// Making the thumbnail.
    Thumbnail,
    /// Waiting for earlier frames of the partition.
    OrderWait,
}

/// The duration of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageTiming {
    /// The stage.
    pub stage: Stage,
    /// The elapsed time.
    pub duration: Duration,
}

/// The way in which the processed picture was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reencode {
    /// The submitted picture was decoded and encoded again.
    Encoded,
    /// The submitted bytes were passed through, by reference or as a copy without their metadata.
    /// Encoding them again would have made the picture worse and not smaller.
    PassedThrough,
    /// The submitted bytes were passed through because the stream's policy disables encoding.
    Disabled,
    /// The submitted bytes were passed through by reference, without being decoded (relay).
    Relayed,
}

/// A frame as a worker processed it.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessedFrame {
    /// The header: everything that the publisher stated about the frame.
    pub header: FrameHeader,
    /// Width of the decoded picture in pixels. For a relayed picture, the width in its header, or 0
    /// if that cannot be read.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The time when a worker took the frame.
    pub lease_time: Timestamp,
    /// The time when the worker finished the pictures and the measures.
    pub process_time: Timestamp,
    /// The pictures, at most one of each role.
    pub pictures: Vec<StoredPicture>,
    /// The quality of the decoded picture; `None` if it was relayed.
    pub quality: Option<QualityMeasures>,
    /// The measures of the scene; `None` if they were not made.
    pub scene: Option<SceneMeasures>,
    /// The measures of each region of interest, in the order of the stream's settings.
    pub rois: Vec<RoiMeasures>,
    /// The version of the formulas of the measures; 0 = the frame was not measured.
    pub measures_version: u32,
    /// The validation bounds that the frame fails. A wrong capture time is recorded in the header
    /// instead.
    pub validation_failures: Vec<ValidationFailure>,
    /// The duration of each stage.
    pub stages: Vec<StageTiming>,
    /// The way in which the processed picture was made.
    pub reencode: Reencode,
    /// The quality of the encoding, 1..=100; `None` if the picture was passed through, the format
    /// has no quality, or an older worker did not record it.
    pub encoded_quality: Option<u8>,
    /// True if the processed picture exceeded the remaining budget of bytes of its stream.
    pub over_budget: bool,
    /// The version of the privacy masks that were painted; 0 = none.
    pub mask_version: u64,
    /// The version of the worker's software.
    pub worker_version: String,
    /// The number of this attempt: one more than the frame's strikes. 0 = an older worker did not
    /// record it.
    pub attempt: u32,
}

impl ProcessedFrame {
    /// Reports whether the frame fails a validation bound or has a wrong capture time.
    #[must_use]
    pub fn has_validation_failures(&self) -> bool {
        self.header.clock_skewed || !self.validation_failures.is_empty()
    }

    /// Returns the quality score, if it was measured.
    #[must_use]
    pub fn quality_score(&self) -> Option<f64> {
        self.quality.map(|quality| quality.quality_score)
    }

    /// Returns the motion intensity, if it was measured.
    #[must_use]
    pub fn motion_intensity(&self) -> Option<f64> {
        self.scene.and_then(|scene| scene.motion_intensity)
    }

    /// Returns the foreground ratio, if it was measured.
    #[must_use]
    pub fn foreground_ratio(&self) -> Option<f64> {
        self.scene.and_then(|scene| scene.foreground_ratio)
    }
}

/// The reason for which a frame could not be processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureReason {
    /// The bytes end before the picture is complete.
    Truncated,
    /// The bytes break the format's rules.
    Corrupt,
    /// The format is unknown, or differs from the declared one.
    UnknownFormat,
    /// The picture has more pixels, or a longer side, than allowed.
    TooManyPixels,
    /// The picture has more encoded bytes than allowed.
    TooManyBytes,
    /// Decoding takes more scans or more memory than allowed.
    TooComplex,
    /// The file contains more than one picture.
    Animated,
    /// The format is known, but the variant is not supported (CMYK, 12 bits).
    Unsupported,
    /// The declared size differs from the actual one.
    SizeMismatch,
    /// Processing took longer than the time limit.
    TimedOut,
    /// The decoder panicked.
    DecoderPanicked,
    /// Workers crashed on the frame three times.
    KilledWorker,
    /// The payload was no longer in the queue.
    PayloadLost,
    /// The picture was decoded, but the output picture could not be encoded.
    EncodeFailed,
    /// Every thread of the worker hangs: each is still busy with a picture that it cannot finish.
    WorkerExhausted,
}

impl FailureReason {
    /// Returns the name that the contract gives the reason, without the prefix of the enum.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Truncated => "DECODE_TRUNCATED",
            Self::Corrupt => "DECODE_CORRUPT",
            Self::UnknownFormat => "PICTURE_FORMAT_UNKNOWN",
            Self::TooManyPixels => "DECODE_TOO_MANY_PIXELS",
            Self::TooManyBytes => "PICTURE_TOO_LARGE",
            Self::TooComplex => "DECODE_TOO_COMPLEX",
            Self::Animated => "DECODE_ANIMATED",
            Self::Unsupported => "DECODE_UNSUPPORTED",
            Self::SizeMismatch => "DECODE_SIZE_MISMATCH",
            Self::TimedOut => "DECODE_TIMEOUT",
            Self::DecoderPanicked => "DECODE_PANICKED",
            Self::KilledWorker => "WORKER_KILLED",
            Self::PayloadLost => "PAYLOAD_LOST",
            Self::EncodeFailed => "ENCODE_FAILED",
            Self::WorkerExhausted => "WORKER_EXHAUSTED",
        }
    }
}

/// A failure: the reason for programs and a message for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The reason, for programs.
    pub reason: FailureReason,
    /// The details, for people; at most 512 bytes.
    pub message: String,
}

/// The reason for which an accepted frame has no picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TombstoneKind {
    /// The frame could not be processed.
    Failed(Failure),
    /// The stream's queue policy dropped the frame.
    Dropped,
    /// An operator purged the frame; the text is the operator's reason, which may be empty.
    Purged(String),
    /// The frame was erased.
    Erased,
}

/// The output entry of a frame without a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The header: everything that the publisher stated about the frame.
    pub header: FrameHeader,
    /// The reason for which the frame has no picture.
    pub kind: TombstoneKind,
    /// The number of attempts, counted as in [`ProcessedFrame::attempt`]. 0 = no attempt was made,
    /// or an older worker did not record it.
    pub attempts: u32,
}

/// The result of an accepted frame.
#[derive(Debug, Clone, PartialEq)]
pub enum OutputBody {
    /// The frame was processed.
    Frame(Box<ProcessedFrame>),
    /// The frame has no picture.
    Tombstone(Box<Tombstone>),
}

impl OutputBody {
    /// Returns what the publisher stated about the frame.
    #[must_use]
    pub fn header(&self) -> &FrameHeader {
        match self {
            Self::Frame(frame) => &frame.header,
            Self::Tombstone(tombstone) => &tombstone.header,
        }
    }

    /// Returns the payloads of the pictures. A payload that two roles share is returned once.
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

    /// Returns the stored pictures; none for a tombstone.
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
    /// The sequence of the frame.
    pub sequence: Sequence,
    /// The sequence of the entry before it in its stream, 0 if it is the first. It is one less than
    /// `sequence`, except after a failover of the backend, when sequences may have been skipped or
    /// lost.
    pub previous_sequence: u64,
    /// For the first frame after a failover: the highest sequence that was issued before the
    /// failover, if a server knew it. No frame ever had a sequence between `issued_before` and
    /// `sequence`.
    pub issued_before: Option<u64>,
    /// The time when the frame was accepted; never decreases within a stream.
    pub receive_time: Timestamp,
    /// The time when this entry was written.
    pub publish_time: Timestamp,
    /// The result of the frame.
    pub body: OutputBody,
    /// The dead letter of a failed frame, which may have been removed since.
    pub dead_letter: Option<DeadLetterId>,
}

impl OutputEntry {
    /// Returns the tombstone that takes the entry's place when the frame is erased; `None` if the
    /// entry is the tombstone of a frame that was dropped, purged or erased before, which stays.
    #[must_use]
    pub fn erased(&self) -> Option<Self> {
        let attempts = match &self.body {
            OutputBody::Frame(frame) => frame.attempt,
            OutputBody::Tombstone(tombstone) => match tombstone.kind {
                TombstoneKind::Failed(_) => tombstone.attempts,
                TombstoneKind::Dropped | TombstoneKind::Purged(_) | TombstoneKind::Erased => return None,
            },
        };
        let tombstone =
            Tombstone { header: self.body.header().clone(), kind: TombstoneKind::Erased, attempts };
        let body = OutputBody::Tombstone(Box::new(tombstone));
        Some(Self { stream_id: self.stream_id.clone(), body, dead_letter: None, ..*self })
    }
}
