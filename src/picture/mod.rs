//! Decodes, changes and encodes pictures: bytes in, planes out, and back. CPU only: no async, no
//! queue, no gRPC types.
//!
//! Each thread that works on pictures owns a [`Codec`], which hides all codec crates. Pictures are
//! untrusted, so each decoder checks [`Limits`] before it takes memory, and a panic inside a
//! decoder fails that picture only.

mod canvas;
mod chroma;
mod chunks;
mod codec;
mod container_repair;
mod decode_image;
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
mod limits;
mod mask;
mod metadata;
mod mjpeg;
mod orientation;
mod passthrough;
mod planes;
mod preserved_metadata;
mod probe;
mod profile;
mod raw;
mod raw_colors;
mod resize;
mod rgb;
mod rotate;
mod sheet;
#[cfg(test)]
pub(crate) mod tests;
mod tiff;
mod transcode;
mod transcoded;
mod webp_codes;
mod xmp;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use crate::domain::picture::{PictureFormat, RawColors};

pub use canvas::{Canvas, Color};
pub use codec::Codec;
pub use container_repair::is_widely_viewable;
pub use error::{DecodeError, EncodeError, LimitKind};
pub use exif::Orientation;
pub use limits::Limits;
pub use mask::paint;
pub use metadata::{Metadata, stripped};
pub use mjpeg::{Mjpeg, MjpegError};
pub use passthrough::Passthrough;
pub use planes::{Plane, Planes, Subsampling};
pub use preserved_metadata::PreservedMetadata;
pub use probe::{PictureInfo, probe, size_of, sniff};
pub use resize::{fit, fit_within};
pub use sheet::Tile;
pub use transcode::{Huffman, HuffmanCodes};
pub use transcoded::{TranscodeRequest, TranscodedPicture};

/// The default JPEG quality of processed pictures.
pub const DEFAULT_JPEG_QUALITY: u8 = 85;

/// The default length of a thumbnail's longer side, in pixels.
pub const DEFAULT_THUMBNAIL_SIDE: u32 = 128;

/// Returns a copy of a picture without harmless flaws that some viewers reject; `None` if it has
/// none, or if they cannot be repaired. Only JPEGs are repaired.
#[must_use]
pub fn repaired(format: PictureFormat, data: &[u8], limits: &Limits) -> Option<Bytes> {
    if format != PictureFormat::Jpeg {
        return None;
    }
    // A panic counts as "cannot be repaired": the decoder then gets the picture unchanged.
    let repaired = catch_unwind(AssertUnwindSafe(|| jpeg_repair::repaired(data, limits)));
    repaired.ok().flatten().map(Bytes::from)
}

/// A submitted picture: its bytes and the properties that the publisher declared.
#[derive(Debug, Clone, Copy)]
pub struct SourcePicture<'a> {
    /// The format of the bytes.
    pub format: PictureFormat,
    /// Width in pixels. For an encoded picture, 0 x 0 means "as in the header"; any other size must
    /// be that of the header.
    pub width: u32,
    /// Height in pixels; see `width`.
    pub height: u32,
    /// Bytes from one row of raw pixels to the next, see [`PictureFormat::raw_size`]; 0 for rows
    /// without padding and for encoded pictures.
    pub stride: u32,
    /// The range and the matrix of NV12, I420 and Gray8 samples; the default for all other formats.
    pub colors: RawColors,
    /// The bytes.
    pub data: &'a [u8],
}

impl<'a> SourcePicture<'a> {
    /// Creates an encoded picture without a declared size; `None` if the signature is not that of a
    /// known format.
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
