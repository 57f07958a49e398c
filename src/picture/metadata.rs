//! Reads and removes the metadata of files: the orientation, and data that reveals more than the
//! picture shows.

use bytes::Bytes;

use super::chunks::{self, Chunk, Chunks, PNG_SIGNATURE_BYTES, RIFF_HEADER_BYTES};
use super::exif::Orientation;
use super::{jpeg_copy, orientation, preserved_metadata, profile};
use crate::domain::PictureFormat;

/// The PNG chunks that are needed to show the picture. The ICC profile is not among them, because
/// it may name a device; a copy gets a profile that does not.
const PNG_DISPLAY_CHUNKS: [&[u8; 4]; 14] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI",
    b"sBIT", b"pHYs", b"bKGD",
];
const WEBP_DISPLAY_CHUNKS: [&[u8; 4]; 4] = [b"VP8X", b"ALPH", b"VP8 ", b"VP8L"];
/// The VP8X flags of removed chunks: ICC, EXIF, XMP.
const REMOVED_WEBP_FLAGS: u8 = 0x2C;

/// The metadata of an encoded file, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// The orientation in which the pixels are shown.
    pub orientation: Orientation,
    /// The file contains bytes that no decoder needs.
    pub extras: bool,
}

impl Metadata {
    /// Reads the metadata of a file that has been decoded. If its structure cannot be read, it
    /// counts as having extras.
    #[must_use]
    pub fn of(format: PictureFormat, data: &[u8]) -> Self {
        let has_extras = |chunks: Option<Chunks<'_>>, kept: &[&[u8; 4]]| {
            let is_kept = |chunk: &Chunk<'_>| kept.iter().any(|name| chunk.name == **name);
            chunks.map(|chunks| chunks.trailer || !chunks.list.iter().all(is_kept))
        };
        let extras = match format {
            PictureFormat::Jpeg => jpeg_copy::has_extras(data).ok(),
            PictureFormat::Png => has_extras(chunks::png(data), &PNG_DISPLAY_CHUNKS),
            PictureFormat::WebP => has_extras(chunks::webp(data), &WEBP_DISPLAY_CHUNKS),
            PictureFormat::Rgb8
            | PictureFormat::Bgr8
            | PictureFormat::Gray8
            | PictureFormat::Nv12
            | PictureFormat::I420 => Some(false),
        };
        Self { orientation: orientation::find(format, data), extras: extras.unwrap_or(true) }
    }
}

/// Returns a copy of the file without its extras and with unchanged pixels; `None` if it cannot be
/// made. A JPEG keeps its orientation. Colours other than sRGB keep a profile, which is reduced to
/// the colours.
#[must_use]
pub fn stripped(format: PictureFormat, data: &[u8], orientation: Orientation) -> Option<Bytes> {
    let icc = profile::required_profile(format, data);
    match format {
        PictureFormat::Jpeg => {
            let copy = jpeg_copy::stripped(data, orientation).ok()?;
            let with_profile = icc.map(|icc| jpeg_copy::with_metadata(&copy, None, Some(&icc)).ok());
            with_profile.unwrap_or(Some(copy)).map(Bytes::from)
        }
        PictureFormat::Png => {
            let mut copy = data.get(..PNG_SIGNATURE_BYTES)?.to_vec();
            for chunk in chunks::png(data)?.list {
                if PNG_DISPLAY_CHUNKS.iter().any(|name| chunk.name == **name) {
                    copy.extend_from_slice(chunk.whole);
                }
                if let Some(icc) = icc.as_ref().filter(|_| chunk.name == *b"IHDR") {
                    preserved_metadata::push_png_profile(&mut copy, icc)?;
                }
            }
            Some(copy.into())
        }
        PictureFormat::WebP => {
            let mut copy = data.get(..RIFF_HEADER_BYTES)?.to_vec();
            for chunk in chunks::webp(data)?.list {
                let at = copy.len();
                if WEBP_DISPLAY_CHUNKS.iter().any(|name| chunk.name == **name) {
                    copy.extend_from_slice(chunk.whole);
                    if chunk.name == *b"VP8X" && !chunk.body.is_empty() {
                        copy[at + 8] &= !REMOVED_WEBP_FLAGS;
                        if let Some(icc) = &icc {
                            copy[at + 8] |= preserved_metadata::WEBP_ICC;
                            chunks::push_webp(&mut copy, b"ICCP", icc);
                        }
                    }
                }
            }
            let size = u32::try_from(copy.len() - 8).ok()?;
            copy[4..8].copy_from_slice(&size.to_le_bytes());
            Some(copy.into())
        }
        PictureFormat::Rgb8
        | PictureFormat::Bgr8
        | PictureFormat::Gray8
        | PictureFormat::Nv12
        | PictureFormat::I420 => None,
    }
}
