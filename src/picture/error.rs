//! Why a picture could not be decoded or encoded.

use std::fmt;

use crate::domain::picture::PictureFormat;

/// Why a picture has no planes. Each variant is a fact about the bytes, or about the limits they met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There are no bytes.
    #[error("the picture is empty")]
    Empty,
    /// The bytes begin like no format that is accepted.
    #[error("the bytes are no JPEG, PNG or WebP")]
    UnknownFormat,
    /// The bytes are of another format than was said.
    #[error("said to be {declared}, but the bytes are {found}")]
    FormatMismatch {
        /// What the submitter said.
        declared: PictureFormat,
        /// What the bytes begin like.
        found: PictureFormat,
    },
    /// The picture ends before it is complete.
    #[error("the picture is cut off")]
    Truncated,
    /// The bytes break the rules of their format.
    #[error("the picture is corrupt: {0}")]
    Corrupt(String),
    /// More pixels than allowed.
    #[error("{width}x{height} is more than {max_pixels} pixels")]
    TooManyPixels {
        /// Width in the header, pixels.
        width: u32,
        /// Height in the header, pixels.
        height: u32,
        /// The limit.
        max_pixels: u64,
    },
    /// Another limit is exceeded.
    #[error("{value} {what}, at most {limit} are allowed")]
    TooLarge {
        /// What was counted.
        what: Counted,
        /// What the picture has or would need.
        value: u64,
        /// The limit.
        limit: u64,
    },
    /// A JPEG of more scans than allowed.
    #[error("more than {max_scans} JPEG scans")]
    TooManyScans {
        /// The limit.
        max_scans: u32,
    },
    /// A part of the file unpacks to more than a decoder may hold; how much is not known before.
    #[error("decoding takes too much: {0}")]
    TooComplex(String),
    /// An animation: a frame is one picture.
    #[error("an animated {0} is not one frame")]
    Animated(PictureFormat),
    /// A legal picture of a kind that is not supported.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// Raw pixels of another length than their geometry asks for.
    #[error("raw pixels should be {expected_bytes} bytes, but are {found_bytes}")]
    SizeMismatch {
        /// What width, height and stride make.
        expected_bytes: u64,
        /// What came.
        found_bytes: u64,
    },
    /// Raw pixels without a side, or with rows shorter than the width.
    #[error("raw {width}x{height} with a stride of {stride} bytes is no picture")]
    BadGeometry {
        /// Width, pixels.
        width: u32,
        /// Height, pixels.
        height: u32,
        /// Bytes between rows, 0 for tight ones.
        stride: u32,
    },
    /// An encoded picture of another size than was said.
    #[error("said to be {declared_width}x{declared_height}, but the picture is {width}x{height}")]
    DimensionMismatch {
        /// What the submitter said, pixels.
        declared_width: u32,
        /// What the submitter said, pixels.
        declared_height: u32,
        /// What the header says, pixels.
        width: u32,
        /// What the header says, pixels.
        height: u32,
    },
    /// The decoder panicked. The frame is lost, the codec is not.
    #[error("the decoder panicked: {0}")]
    Panicked(String),
    /// The codec itself failed, whatever the picture: it got no memory.
    #[error("the codec failed: {0}")]
    Codec(String),
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Bytes of the submitted picture.
    EncodedBytes,
    /// Pixels of the longer side.
    Side,
    /// Pixels times scans of a JPEG.
    ScanPixels,
    /// Bytes that the decode would hold.
    MemoryBytes,
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EncodedBytes => "encoded bytes",
            Self::Side => "pixels a side",
            Self::ScanPixels => "pixels in all scans",
            Self::MemoryBytes => "bytes of memory",
        })
    }
}

/// Why planes could not be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The encoder refused or got no memory.
    #[error("the encoder failed: {0}")]
    Codec(String),
    /// The encoder panicked. The frame is lost, the codec is not.
    #[error("the encoder panicked: {0}")]
    Panicked(String),
}
