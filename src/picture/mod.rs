//! Pictures: bytes in, planes out, and back. CPU only, no async, nothing of the queue or the wire.
//!
//! A thread that works on pictures owns a [`Codec`]. All codec crates stay behind it. Decoders meet hostile bytes, so
//! each is bounded by [`Limits`] before it takes memory, and a panic inside one fails that picture only.

mod canvas;
mod chroma;
mod chunks;
mod codec;
mod encode;
mod error;
mod exif;
mod font;
mod jpeg;
mod jpeg_copy;
mod jpeg_entropy;
mod jpeg_markers;
mod jpeg_repair;
mod jpeg_sampling;
mod jpeg_scans;
mod kept;
mod limits;
mod mask;
mod mended;
mod metadata;
mod orientation;
mod passing;
mod planes;
mod probe;
mod profile;
mod raw;
mod raw_colors;
mod resize;
mod rgb;
mod sheet;
mod still;
#[cfg(test)]
pub(crate) mod tests;
mod tiff;
mod turn;
mod webp_codes;
mod xmp;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use crate::domain::picture::{PictureFormat, RawColors};

pub use canvas::{Canvas, Color};
pub use codec::Codec;
pub use error::{Counted, DecodeError, EncodeError};
pub use exif::Orientation;
pub use kept::KeptMetadata;
pub use limits::Limits;
pub use mask::paint;
pub use mended::is_sound;
pub use metadata::{Metadata, stripped};
pub use passing::Standing;
pub use planes::{Plane, Planes, Subsampling};
pub use probe::{PictureInfo, probe, size_of, sniff};
pub use resize::{fit, fit_within};
pub use sheet::Tile;

/// JPEG quality of processed pictures where a stream does not say otherwise.
pub const DEFAULT_JPEG_QUALITY: u8 = 85;

/// Longest side of a thumbnail, in pixels, where a stream does not say otherwise.
pub const DEFAULT_THUMBNAIL_SIDE: u32 = 128;

/// A copy of a picture without the flaws that take nothing from it, but over which some viewers stumble; `None` if it has none,
/// or if they cannot be repaired. Only JPEGs are repaired.
#[must_use]
pub fn repaired(format: PictureFormat, data: &[u8], limits: &Limits) -> Option<Bytes> {
    if format != PictureFormat::Jpeg {
        return None;
    }
    // What cannot be repaired goes to the decoder as it is.
    let repaired = catch_unwind(AssertUnwindSafe(|| jpeg_repair::repaired(data, limits)));
    repaired.ok().flatten().map(Bytes::from)
}

/// A submitted picture: its bytes and what was said of them.
#[derive(Debug, Clone, Copy)]
pub struct SourcePicture<'a> {
    /// How to read the bytes.
    pub format: PictureFormat,
    /// Width in pixels. Of an encoded picture 0 x 0 means "as its header says"; anything else must agree with it.
    pub width: u32,
    /// Height in pixels, as `width`.
    pub height: u32,
    /// Bytes between the rows of raw pixels, see [`PictureFormat::raw_size`]; 0 for tight rows and encoded pictures.
    pub stride: u32,
    /// What the numbers of NV12, I420 and Gray8 mean; the default for all others.
    pub colors: RawColors,
    /// The bytes.
    pub data: &'a [u8],
}

impl<'a> SourcePicture<'a> {
    /// An encoded picture whose size nobody told; `None` if the bytes begin like no known format.
    #[must_use]
    pub fn encoded(data: &'a [u8]) -> Option<Self> {
        Some(Self {
            format: sniff(data)?,
            width: 0,
            height: 0,
            stride: 0,
            colors: RawColors::default(),
            data,
        })
    }
}
