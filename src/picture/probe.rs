//! Reads the format and the size from the first bytes, without decoding.

use super::{DecodeError, Limits, SourcePicture, container_repair, jpeg_markers};
use crate::domain::picture::PictureFormat;

/// The format and the size in a picture's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureInfo {
    /// The format of the bytes.
    pub format: PictureFormat,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// Returns the format by the signature of the bytes. Raw pixels have none.
#[must_use]
pub fn sniff(data: &[u8]) -> Option<PictureFormat> {
    match data {
        [0xFF, 0xD8, 0xFF, ..] => Some(PictureFormat::Jpeg),
        [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => Some(PictureFormat::Png),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(PictureFormat::WebP),
        _ => None,
    }
}

/// Checks everything that can be checked without decoding: format, size, geometry and limits.
///
/// It is fast, because it reads headers only. It never panics, and does not allocate memory
/// depending on the header.
///
/// # Errors
///
/// Any [`DecodeError`] except those of the pixels themselves. A picture that passes may still be
/// truncated or corrupt.
pub fn probe(source: &SourcePicture<'_>, limits: &Limits) -> Result<PictureInfo, DecodeError> {
    if source.data.is_empty() {
        return Err(DecodeError::Empty);
    }
    limits.check_encoded_bytes(source.data.len())?;
    let (width, height) = match source.format {
        PictureFormat::Jpeg | PictureFormat::Png | PictureFormat::WebP => encoded_size(source, limits)?,
        PictureFormat::Rgb8
        | PictureFormat::Bgr8
        | PictureFormat::Gray8
        | PictureFormat::Nv12
        | PictureFormat::I420 => raw_size(source, limits)?,
    };
    Ok(PictureInfo { format: source.format, width, height })
}

/// Returns width and height in the header of an encoded picture; `None` for raw pixels, or if the
/// header cannot be read.
#[must_use]
pub fn size_of(format: PictureFormat, data: &[u8]) -> Option<(u32, u32)> {
    let source = SourcePicture { format, width: 0, height: 0, stride: 0, colors: Default::default(), data };
    let info = (!format.is_raw()).then(|| probe(&source, &Limits::default()))?.ok()?;
    Some((info.width, info.height))
}

fn encoded_size(source: &SourcePicture<'_>, limits: &Limits) -> Result<(u32, u32), DecodeError> {
    let data = source.data;
    let (width, height) = match sniff(data) {
        None => return Err(DecodeError::UnknownFormat),
        Some(found) if found != source.format => {
            return Err(DecodeError::FormatMismatch { declared: source.format, found });
        }
        Some(PictureFormat::Png) => png_size(data)?,
        Some(PictureFormat::WebP) => webp_size(data)?,
        Some(_) => {
            let frame = jpeg_markers::frame_header(data)?;
            (frame.width, frame.height)
        }
    };
    limits.check_dimensions(width, height)?;
    let declared = (source.width, source.height);
    if declared != (0, 0) && declared != (width, height) {
        return Err(DecodeError::DimensionMismatch {
            declared_width: source.width,
            declared_height: source.height,
            width,
            height,
        });
    }
    Ok((width, height))
}

fn raw_size(source: &SourcePicture<'_>, limits: &Limits) -> Result<(u32, u32), DecodeError> {
    let SourcePicture { format, width, height, stride, colors: _, data } = *source;
    let Some(expected_bytes) = format.raw_size(width, height, stride) else {
        return Err(DecodeError::BadGeometry { width, height, stride });
    };
    limits.check_dimensions(width, height)?;
    let found_bytes = data.len() as u64;
    if expected_bytes != found_bytes {
        return Err(DecodeError::SizeMismatch { expected_bytes, found_bytes });
    }
    Ok((width, height))
}

/// Reads the size of a PNG. IHDR follows the signature: length, name, width, height.
pub(super) fn png_size(data: &[u8]) -> Result<(u32, u32), DecodeError> {
    match data.get(8..24) {
        None => Err(DecodeError::Truncated),
        Some(&[_, _, _, _, b'I', b'H', b'D', b'R', w3, w2, w1, w0, h3, h2, h1, h0]) => {
            Ok((u32::from_be_bytes([w3, w2, w1, w0]), u32::from_be_bytes([h3, h2, h1, h0])))
        }
        Some(_) => Err(DecodeError::Corrupt("the first PNG chunk is not IHDR".to_owned())),
    }
}

/// Reads the size of a WebP. "RIFF", a size and "WEBP" are followed by the first chunk, which is
/// one of three kinds (<https://developers.google.com/speed/webp/docs/riff_container>).
pub(super) fn webp_size(data: &[u8]) -> Result<(u32, u32), DecodeError> {
    const ANIMATION: u8 = 0x02;
    // The shortest WebP (lossless, 1x1) has fewer than 30 bytes: missing bytes read as 0.
    let mut chunk = [0; 18];
    let available = data.len().min(30);
    if available < 25 {
        return Err(DecodeError::Truncated);
    }
    chunk[..available - 12].copy_from_slice(&data[12..available]);
    let riff_bytes = u64::from(u32::from_le_bytes([data[4], data[5], data[6], data[7]]));
    let (name, body) = (&chunk[..4], &chunk[8..]);
    let size = match name {
        b"VP8X" => {
            // An animation of a single frame is a still picture.
            if body[0] & ANIMATION != 0 && container_repair::webp_frames(data) != 1 {
                return Err(DecodeError::Animated(PictureFormat::WebP));
            }
            let side = |at: usize| 1 + u32::from_le_bytes([body[at], body[at + 1], body[at + 2], 0]);
            (side(4), side(7))
        }
        b"VP8L" => {
            let bits = u32::from_le_bytes([body[1], body[2], body[3], body[4]]);
            (1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
        }
        b"VP8 " => {
            let side = |at: usize| u32::from(u16::from_le_bytes([body[at], body[at + 1]]) & 0x3FFF);
            (side(6), side(8))
        }
        _ => return Err(DecodeError::Corrupt("an unknown first WebP chunk".to_owned())),
    };
    if data.len() as u64 - 8 < riff_bytes {
        return Err(DecodeError::Truncated);
    }
    Ok(size)
}
