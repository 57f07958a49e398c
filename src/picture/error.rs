//! The errors of decoding and encoding.

use std::fmt;

use crate::domain::picture::PictureFormat;

/// The reason why a picture could not be decoded. Each variant is a fact about the bytes, or about
/// the limits that they exceed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There are no bytes.
    #[error("the picture is empty")]
    Empty,
    /// The signature is not that of an accepted format.
    #[error("the data is not a JPEG, PNG or WebP picture")]
    UnknownFormat,
    /// The bytes have another format than declared.
    #[error("declared as {declared}, but the data is {found}")]
    FormatMismatch {
        /// The format that the publisher declared.
        declared: PictureFormat,
        /// The format by the signature of the bytes.
        found: PictureFormat,
    },
    /// The picture ends before it is complete.
    #[error("the picture is truncated")]
    Truncated,
    /// The bytes break the rules of their format.
    #[error("the picture is corrupt: {0}")]
    Corrupt(String),
    /// The picture has more pixels than allowed.
    #[error("{width}x{height} is more than {max_pixels} pixels")]
    TooManyPixels {
        /// Width in the header, in pixels.
        width: u32,
        /// Height in the header, in pixels.
        height: u32,
        /// The limit.
        max_pixels: u64,
    },
    /// Another limit is exceeded.
    #[error("{value} {what}, but at most {limit} are allowed")]
    TooLarge {
        /// The quantity that is limited.
        what: LimitKind,
        /// The value of the picture.
        value: u64,
        /// The limit.
        limit: u64,
    },
    /// The JPEG has more scans than allowed.
    #[error("more than {max_scans} JPEG scans")]
    TooManyScans {
        /// The limit.
        max_scans: u32,
    },
    /// A part of the file decompresses to more than a decoder may hold. The amount is not known in
    /// advance.
    #[error("decoding needs too much memory: {0}")]
    TooComplex(String),
    /// The file is an animation; a frame is a single picture.
    #[error("animated {0} is not supported; send single frames")]
    Animated(PictureFormat),
    /// The picture is valid, but this variant of its format is not supported.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// The length of the raw pixels does not match their geometry.
    #[error("raw pixels must have {expected_bytes} bytes, but have {found_bytes}")]
    SizeMismatch {
        /// The bytes that follow from width, height and stride.
        expected_bytes: u64,
        /// The bytes that were submitted.
        found_bytes: u64,
    },
    /// The raw picture has an empty side, or its rows are shorter than its width.
    #[error("a raw picture cannot be {width}x{height} with a stride of {stride} bytes")]
    BadGeometry {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Bytes from one row to the next; 0 for rows without padding.
        stride: u32,
    },
    /// The encoded picture has another size than declared.
    #[error("declared as {declared_width}x{declared_height}, but the picture is {width}x{height}")]
    DimensionMismatch {
        /// The size that the publisher declared, in pixels.
        declared_width: u32,
        /// The size that the publisher declared, in pixels.
        declared_height: u32,
        /// The size in the header, in pixels.
        width: u32,
        /// The size in the header, in pixels.
        height: u32,
    },
    /// The decoder panicked. The codec can still be used.
    #[error("the decoder panicked: {0}")]
    Panicked(String),
    /// The codec failed for a reason other than the picture, such as lack of memory.
    #[error("the codec failed: {0}")]
    Codec(String),
}

/// The quantity that a limit applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind {
    /// Bytes of the submitted picture.
    EncodedBytes,
    /// Pixels of the longer side.
    Side,
    /// Pixels times scans of a JPEG.
    ScanPixels,
    /// Bytes of memory that decoding would hold.
    MemoryBytes,
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EncodedBytes => "encoded bytes",
            Self::Side => "pixels per side",
            Self::ScanPixels => "pixels in all scans",
            Self::MemoryBytes => "bytes of memory",
        })
    }
}

/// The reason why planes could not be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The encoder returned an error, or got no memory.
    #[error("the encoder failed: {0}")]
    Codec(String),
    /// The encoder panicked. The codec can still be used.
    #[error("the encoder panicked: {0}")]
    Panicked(String),
}
