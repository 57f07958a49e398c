//! What is carried over from one file into another beside the pixels: the EXIF block and the ICC profile. Every format has
//! its own place for them.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::chunks::{self, PNG_SIGNATURE, RIFF_HEADER};
use super::{EncodeError, exif, jpeg_copy, jpeg_markers, orientation, probe, profile, tiff};
use crate::domain::PictureFormat;

/// Most bytes of an EXIF block, and of a profile as it is when it is unpacked. Profiles of cameras and screens take a few
/// thousand.
pub(super) const MOST_KEPT_BYTES: usize = 1 << 20;
/// Longest name of a profile in a PNG.
const MOST_NAME_BYTES: usize = 79;
/// Signature, then IHDR, whose body is 13 bytes.
const PNG_HEADER_BYTES: usize = PNG_SIGNATURE + 25;
/// Where PNG's header says how its pixels are coloured, and what it says of grey ones.
pub(super) const PNG_COLOR: usize = 25;
const PNG_GRAY: u8 = 0;
/// An ICC profile's header (ICC.1, 7.2), where it has its signature and where it names its colours.
const ICC_HEADER_BYTES: usize = 128;
const ICC_SIGNATURE: std::ops::Range<usize> = 36..40;
const ICC_COLORS: std::ops::Range<usize> = 16..20;
/// Flags of VP8X.
pub(super) const WEBP_ICC: u8 = 0x20;
const WEBP_ALPHA: u8 = 0x10;
const WEBP_EXIF: u8 = 0x08;

/// The EXIF block and the ICC profile of a picture.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeptMetadata {
    /// A TIFF block that says "as stored": what it belongs to is stored upright.
    exif: Option<Vec<u8>>,
    icc: Option<Vec<u8>>,
}

impl KeptMetadata {
    /// Reads them of a file that has been decoded. What cannot be read, or is larger than a mebibyte, is not kept; nor is a
    /// profile whose colours were converted to sRGB.
    #[must_use]
    pub fn of(format: PictureFormat, data: &[u8]) -> Self {
        let exif = orientation::exif_block(format, data);
        let is_small = |bytes: usize| bytes <= MOST_KEPT_BYTES;
        Self {
            exif: exif.filter(|tiff| is_small(tiff.len())).map(|tiff| exif::made_upright(&tiff)),
            icc: profile::unapplied(format, data),
        }
    }

    /// The picture with them in it: a file of this format that was just encoded, and has none. Left out is what the format
    /// cannot hold, a profile of other colours than the picture's, and what EXIF says of another picture: other sizes, a
    /// thumbnail.
    ///
    /// # Errors
    ///
    /// If it is no such file.
    pub fn put_into(&self, format: PictureFormat, encoded: Bytes) -> Result<Bytes, EncodeError> {
        if *self == Self::default() {
            return Ok(encoded);
        }
        let exif = probe::size_of(format, &encoded)
            .and_then(|(width, height)| Some(tiff::corrected(self.exif.as_deref()?, width, height)));
        let it = Self { exif, icc: self.icc.clone() };
        let written = match format {
            PictureFormat::Jpeg => it.put_into_jpeg(&encoded),
            PictureFormat::Png => it.put_into_png(&encoded),
            PictureFormat::WebP => it.put_into_webp(&encoded),
            PictureFormat::Rgb8
            | PictureFormat::Bgr8
            | PictureFormat::Gray8
            | PictureFormat::Nv12
            | PictureFormat::I420 => None,
        };
        let unknown = || EncodeError::Codec(format!("no plain {format} to put metadata into"));
        written.map(Bytes::from).ok_or_else(unknown)
    }

    /// The profile, if it is one, and of these colours.
    fn profile(&self, colors: &[u8; 4]) -> Option<&[u8]> {
        let icc = self.icc.as_deref().filter(|icc| icc.len() >= ICC_HEADER_BYTES)?;
        (icc[ICC_SIGNATURE] == *b"acsp" && icc[ICC_COLORS] == *colors).then_some(icc)
    }

    fn put_into_jpeg(&self, encoded: &[u8]) -> Option<Vec<u8>> {
        let gray = jpeg_markers::frame_header(encoded).ok()?.components == 1;
        let icc = self.profile(if gray { b"GRAY" } else { b"RGB " });
        jpeg_copy::with_blocks(encoded, self.exif.as_deref(), icc).ok()
    }

    fn put_into_png(&self, encoded: &[u8]) -> Option<Vec<u8>> {
        let (header, pixels) = encoded.split_at_checked(PNG_HEADER_BYTES)?;
        let gray = header[PNG_COLOR] == PNG_GRAY;
        let mut file = header.to_vec();
        if let Some(icc) = self.profile(if gray { b"GRAY" } else { b"RGB " }) {
            push_png_profile(&mut file, icc)?;
        }
        if let Some(exif) = &self.exif {
            chunks::push_png(&mut file, b"eXIf", exif);
        }
        file.extend_from_slice(pixels);
        Some(file)
    }

    fn put_into_webp(&self, encoded: &[u8]) -> Option<Vec<u8>> {
        let (width, height) = probe::webp_size(encoded).ok()?;
        let [pixels] = &chunks::webp(encoded)?.list[..] else { return None };
        let mut flags = match pixels.name {
            // The bit behind the two sides, of 14 bits each and behind a byte of signature.
            name if name == *b"VP8L" && pixels.body.get(4)? & 0x10 != 0 => WEBP_ALPHA,
            name if name == *b"VP8L" || name == *b"VP8 " => 0,
            _ => return None,
        };
        let icc = self.profile(b"RGB ");
        flags |= icc.map_or(0, |_| WEBP_ICC) | self.exif.as_ref().map_or(0, |_| WEBP_EXIF);
        let side = |side: u32| side.checked_sub(1).map(u32::to_le_bytes);
        let (width, height) = (side(width)?, side(height)?);
        let mut file = encoded[..RIFF_HEADER].to_vec();
        let header = [&[flags, 0, 0, 0], &width[..3], &height[..3]].concat();
        chunks::push_webp(&mut file, b"VP8X", &header);
        if let Some(icc) = icc {
            chunks::push_webp(&mut file, b"ICCP", icc);
        }
        chunks::push_webp(&mut file, &pixels.name, pixels.body);
        if let Some(exif) = &self.exif {
            chunks::push_webp(&mut file, b"EXIF", exif);
        }
        let size = u32::try_from(file.len() - 8).ok()?;
        file[4..8].copy_from_slice(&size.to_le_bytes());
        Some(file)
    }
}

/// The profile in an iCCP chunk: a name, 0, the method (0 is the only one), and the profile packed by zlib.
pub(super) fn unpacked(chunk: &[u8]) -> Option<Vec<u8>> {
    let name = chunk.iter().take(MOST_NAME_BYTES + 1).position(|byte| *byte == 0)?;
    let [0, packed @ ..] = chunk.get(name + 1..)? else { return None };
    let mut icc = Vec::new();
    // A byte beyond what is kept tells that there is more.
    ZlibDecoder::new(packed).take(MOST_KEPT_BYTES as u64 + 1).read_to_end(&mut icc).ok()?;
    Some(icc)
}

/// Writes a profile into a PNG.
pub(super) fn push_png_profile(file: &mut Vec<u8>, icc: &[u8]) -> Option<()> {
    // A name, which nobody reads, and method 0: zlib.
    chunks::push_png(file, b"iCCP", &[b"ICC profile\0\0", &packed(icc)?[..]].concat());
    Some(())
}

fn packed(icc: &[u8]) -> Option<Vec<u8>> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::default());
    packer.write_all(icc).ok()?;
    packer.finish().ok()
}
