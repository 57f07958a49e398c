//! What files say beside their pixels: which way up, and things that tell more than the picture shows.

use bytes::Bytes;

use super::chunks::{self, Chunk, Chunks, PNG_SIGNATURE, RIFF_HEADER};
use super::exif::Orientation;
use super::{jpeg_copy, kept, orientation, profile};
use crate::domain::PictureFormat;

/// PNG chunks that say how to show the pixels and nothing else. An ICC profile is not among them: it may name a device, and a
/// copy has a profile that does not.
const PNG_KEPT: [&[u8; 4]; 14] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI",
    b"sBIT", b"pHYs", b"bKGD",
];
const WEBP_KEPT: [&[u8; 4]; 4] = [b"VP8X", b"ALPH", b"VP8 ", b"VP8L"];
/// Flags of VP8X for chunks that do not stay: ICC, EXIF, XMP.
const WEBP_FLAGS: u8 = 0x2C;

/// What a file of an encoded format says beside its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Which way up the pixels are shown.
    pub orientation: Orientation,
    /// There are bytes that no decoder needs.
    pub extras: bool,
}

impl Metadata {
    /// Looks at a file that has been decoded. Of one that cannot be read so far all the same, it has extras.
    #[must_use]
    pub fn of(format: PictureFormat, data: &[u8]) -> Self {
        let has_extras = |chunks: Option<Chunks<'_>>, kept: &[&[u8; 4]]| {
            let is_kept = |chunk: &Chunk<'_>| kept.iter().any(|name| chunk.name == **name);
            chunks.map(|chunks| chunks.trailer || !chunks.list.iter().all(is_kept))
        };
        let extras = match format {
            PictureFormat::Jpeg => jpeg_copy::has_extras(data).ok(),
            PictureFormat::Png => has_extras(chunks::png(data), &PNG_KEPT),
            PictureFormat::WebP => has_extras(chunks::webp(data), &WEBP_KEPT),
            PictureFormat::Rgb8
            | PictureFormat::Bgr8
            | PictureFormat::Gray8
            | PictureFormat::Nv12
            | PictureFormat::I420 => Some(false),
        };
        Self { orientation: orientation::find(format, data), extras: extras.unwrap_or(true) }
    }
}

/// A copy of the file without its extras, the pixels as they are; `None` if it cannot be made. A JPEG goes on saying which
/// way up it is. Colours that are not sRGB keep their profile, without what it tells beside them.
#[must_use]
pub fn stripped(format: PictureFormat, data: &[u8], orientation: Orientation) -> Option<Bytes> {
    let icc = profile::to_carry(format, data);
    match format {
        PictureFormat::Jpeg => {
            let copy = jpeg_copy::stripped(data, orientation).ok()?;
            let with_profile = icc.map(|icc| jpeg_copy::with_blocks(&copy, None, Some(&icc)).ok());
            with_profile.unwrap_or(Some(copy)).map(Bytes::from)
        }
        PictureFormat::Png => {
            let mut copy = data.get(..PNG_SIGNATURE)?.to_vec();
            for chunk in chunks::png(data)?.list {
                if PNG_KEPT.iter().any(|name| chunk.name == **name) {
                    copy.extend_from_slice(chunk.whole);
                }
                if let Some(icc) = icc.as_ref().filter(|_| chunk.name == *b"IHDR") {
                    kept::push_png_profile(&mut copy, icc)?;
                }
            }
            Some(copy.into())
        }
        PictureFormat::WebP => {
            let mut copy = data.get(..RIFF_HEADER)?.to_vec();
            for chunk in chunks::webp(data)?.list {
                let at = copy.len();
                if WEBP_KEPT.iter().any(|name| chunk.name == **name) {
                    copy.extend_from_slice(chunk.whole);
                    if chunk.name == *b"VP8X" && !chunk.body.is_empty() {
                        copy[at + 8] &= !WEBP_FLAGS;
                        if let Some(icc) = &icc {
                            copy[at + 8] |= kept::WEBP_ICC;
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
