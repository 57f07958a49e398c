//! Carries the EXIF block and the ICC profile of a file over to another file. Each format stores
//! them differently.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::chunks::{self, PNG_SIGNATURE_BYTES, RIFF_HEADER_BYTES};
use super::{EncodeError, exif, jpeg_copy, jpeg_markers, orientation, probe, profile, tiff};
use crate::domain::PictureFormat;

/// The maximum number of bytes of an EXIF block, and of an uncompressed ICC profile. Profiles of
/// cameras and screens take a few thousand bytes.
pub(super) const MAX_METADATA_BYTES: usize = 1 << 20;
/// The maximum length of a profile's name in a PNG.
const MAX_PROFILE_NAME_BYTES: usize = 79;
/// The length of the signature and of IHDR, which has a body of 13 bytes.
const PNG_HEADER_BYTES: usize = PNG_SIGNATURE_BYTES + 25;
/// The offset of a PNG's colour type, and the colour type of grey pixels.
pub(super) const PNG_COLOR: usize = 25;
const PNG_GRAY: u8 = 0;
/// The length of an ICC profile's header (ICC.1, 7.2), and the offsets of its signature and its
/// colour space.
const ICC_HEADER_BYTES: usize = 128;
const ICC_SIGNATURE: std::ops::Range<usize> = 36..40;
const ICC_COLORS: std::ops::Range<usize> = 16..20;
/// Flags in the VP8X chunk of a WebP.
pub(super) const WEBP_ICC: u8 = 0x20;
const WEBP_ALPHA: u8 = 0x10;
const WEBP_EXIF: u8 = 0x08;

/// The EXIF block and the ICC profile of a picture.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PreservedMetadata {
    /// A TIFF block with the orientation "as stored", because output pictures are stored upright.
    exif: Option<Vec<u8>>,
    icc: Option<Vec<u8>>,
}

impl PreservedMetadata {
    /// Reads the metadata of a file that has been decoded. Metadata that cannot be read, or is
    /// larger than 1 MiB, is left out, and so is a profile whose colours the decoder converted to
    /// sRGB.
    #[must_use]
    pub fn of(format: PictureFormat, data: &[u8]) -> Self {
        let exif = orientation::exif_block(format, data);
        let is_small = |bytes: usize| bytes <= MAX_METADATA_BYTES;
        Self {
            exif: exif.filter(|tiff| is_small(tiff.len())).map(|tiff| exif::made_upright(&tiff)),
            icc: profile::unapplied(format, data),
        }
    }

    /// Returns a copy of `encoded` with this metadata. `encoded` must be a newly encoded file of
    /// this format, without metadata.
    ///
    /// Leaves out metadata that the format cannot hold, a profile of another colour space than the
    /// picture's, and the EXIF thumbnail; corrects the sizes in EXIF.
    ///
    /// # Errors
    ///
    /// Fails if `encoded` is not such a file.
    pub fn insert_into(&self, format: PictureFormat, encoded: Bytes) -> Result<Bytes, EncodeError> {
        if *self == Self::default() {
            return Ok(encoded);
        }
        let exif = probe::size_of(format, &encoded)
            .and_then(|(width, height)| Some(tiff::corrected(self.exif.as_deref()?, width, height)));
        let corrected = Self { exif, icc: self.icc.clone() };
        let written = match format {
            PictureFormat::Jpeg => corrected.insert_into_jpeg(&encoded),
            PictureFormat::Png => corrected.insert_into_png(&encoded),
            PictureFormat::WebP => corrected.insert_into_webp(&encoded),
            PictureFormat::Rgb8
            | PictureFormat::Bgr8
            | PictureFormat::Gray8
            | PictureFormat::Nv12
            | PictureFormat::I420 => None,
        };
        let unknown = || EncodeError::Codec(format!("no plain {format} to put metadata into"));
        written.map(Bytes::from).ok_or_else(unknown)
    }

    /// Returns the profile if it is valid and of this colour space.
    fn profile(&self, colors: &[u8; 4]) -> Option<&[u8]> {
        let icc = self.icc.as_deref().filter(|icc| icc.len() >= ICC_HEADER_BYTES)?;
        (icc[ICC_SIGNATURE] == *b"acsp" && icc[ICC_COLORS] == *colors).then_some(icc)
    }

    fn insert_into_jpeg(&self, encoded: &[u8]) -> Option<Vec<u8>> {
        let gray = jpeg_markers::frame_header(encoded).ok()?.components == 1;
        let icc = self.profile(if gray { b"GRAY" } else { b"RGB " });
        jpeg_copy::with_metadata(encoded, self.exif.as_deref(), icc).ok()
    }

    fn insert_into_png(&self, encoded: &[u8]) -> Option<Vec<u8>> {
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

    fn insert_into_webp(&self, encoded: &[u8]) -> Option<Vec<u8>> {
        let (width, height) = probe::webp_size(encoded).ok()?;
        let [pixels] = &chunks::webp(encoded)?.list[..] else { return None };
        let mut flags = match pixels.name {
            // The bit after the signature (one byte) and the two sides (14 bits each).
            name if name == *b"VP8L" && pixels.body.get(4)? & 0x10 != 0 => WEBP_ALPHA,
            name if name == *b"VP8L" || name == *b"VP8 " => 0,
            _ => return None,
        };
        let icc = self.profile(b"RGB ");
        flags |= icc.map_or(0, |_| WEBP_ICC) | self.exif.as_ref().map_or(0, |_| WEBP_EXIF);
        let side = |side: u32| side.checked_sub(1).map(u32::to_le_bytes);
        let (width, height) = (side(width)?, side(height)?);
        let mut file = encoded[..RIFF_HEADER_BYTES].to_vec();
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

/// Decompresses the profile in an iCCP chunk: a name, 0, the method (0 is the only one), and zlib
/// data.
pub(super) fn unpacked(chunk: &[u8]) -> Option<Vec<u8>> {
    let name = chunk.iter().take(MAX_PROFILE_NAME_BYTES + 1).position(|byte| *byte == 0)?;
    let [0, packed @ ..] = chunk.get(name + 1..)? else { return None };
    let mut icc = Vec::new();
    // One byte more than the maximum, so that callers can tell that a profile is too large.
    ZlibDecoder::new(packed).take(MAX_METADATA_BYTES as u64 + 1).read_to_end(&mut icc).ok()?;
    Some(icc)
}

/// Appends a profile to a PNG.
pub(super) fn push_png_profile(file: &mut Vec<u8>, icc: &[u8]) -> Option<()> {
    // An arbitrary name, and method 0: zlib.
    chunks::push_png(file, b"iCCP", &[b"ICC profile\0\0", &packed(icc)?[..]].concat());
    Some(())
}

fn packed(icc: &[u8]) -> Option<Vec<u8>> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::default());
    packer.write_all(icc).ok()?;
    packer.finish().ok()
}
