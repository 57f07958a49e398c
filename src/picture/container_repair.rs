//! Repairs PNG and WebP files that common viewers show although they break a rule: animations of a
//! single frame, PNG files without their last chunk, WebP files with flags for chunks that do not
//! exist.

use std::borrow::Cow;

use flate2::{Decompress, FlushDecompress, Status};

use super::chunks::{self, PNG_SIGNATURE_BYTES, RIFF_HEADER_BYTES};
use super::{DecodeError, jpeg_markers, probe};
use crate::domain::PictureFormat;

/// Bytes of the length and the name before the body of a PNG chunk, and of the checksum after it.
const PNG_HEAD: usize = 8;
const PNG_CHECKSUM: usize = 4;
/// Chunks of an animated PNG.
const APNG: [&[u8; 4]; 3] = [b"acTL", b"fcTL", b"fdAT"];
/// The offset in the file of the flags in the VP8X chunk, and the flags.
pub(super) const WEBP_FLAGS_OFFSET: usize = RIFF_HEADER_BYTES + 8;
const WEBP_ANIMATION: u8 = 0x02;
pub(super) const WEBP_XMP: u8 = 0x04;
pub(super) const WEBP_EXIF: u8 = 0x08;
const WEBP_ALPHA: u8 = 0x10;
/// Bytes of the position, size, duration and flags before the chunks of a frame.
const ANMF_HEADER: usize = 16;
/// The maximum number of bytes of a pixel (four samples of 16 bits) and of the filter types of a
/// row (one for each of seven passes) in a PNG.
const MAX_PIXEL_BYTES: u64 = 8;
const MAX_ROW_FILTER_BYTES: u64 = 8;

/// Reports whether all common viewers show this file, which has been decoded. Some viewers are
/// stricter than the decoder.
#[must_use]
pub fn is_widely_viewable(format: PictureFormat, data: &[u8]) -> bool {
    match format {
        PictureFormat::Png => {
            chunks::png(data).is_some() && matches!(png(data), Ok(Cow::Borrowed(_))) && has_png_checksum(data)
        }
        PictureFormat::WebP => chunks::webp(data).is_some() && matches!(webp(data), Ok(Cow::Borrowed(_))),
        // Other flaws are repaired in the published copy.
        PictureFormat::Jpeg => jpeg_markers::frame_header(data).is_ok_and(|frame| frame.common),
        PictureFormat::Rgb8
        | PictureFormat::Bgr8
        | PictureFormat::Gray8
        | PictureFormat::Nv12
        | PictureFormat::I420 => true,
    }
}

/// A chunk of a PNG, which may be truncated by the end of the file.
struct PngChunk<'a> {
    name: [u8; 4],
    body: &'a [u8],
    whole: &'a [u8],
    /// The file ends before the end of the chunk.
    is_truncated: bool,
}

/// Iterates over the chunks up to IEND, or to the end of the file.
fn png_chunks(data: &[u8]) -> impl Iterator<Item = PngChunk<'_>> {
    let mut rest = data.get(PNG_SIGNATURE_BYTES..).unwrap_or_default();
    std::iter::from_fn(move || {
        let [l3, l2, l1, l0, n0, n1, n2, n3] = *rest.first_chunk::<PNG_HEAD>()?;
        let (len, name) = (u32::from_be_bytes([l3, l2, l1, l0]) as usize, [n0, n1, n2, n3]);
        let end = len.saturating_add(PNG_HEAD + PNG_CHECKSUM);
        let body = &rest[PNG_HEAD..rest.len().min(len.saturating_add(PNG_HEAD))];
        let chunk =
            PngChunk { name, body, whole: &rest[..rest.len().min(end)], is_truncated: rest.len() < end };
        rest = if name == *b"IEND" { &[] } else { &rest[chunk.whole.len()..] };
        Some(chunk)
    })
}

/// Returns a PNG as a still picture: without the animation chunks, if it is an animation of one
/// frame.
///
/// # Errors
///
/// Fails if it is an animation of several frames, or if its only frame is not the picture that
/// viewers without support for animations show.
pub(super) fn png(data: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    let (mut frames, mut has_control) = (None, false);
    for chunk in png_chunks(data).take_while(|chunk| chunk.name != *b"IDAT") {
        match (&chunk.name, chunk.body) {
            (b"acTL", [f3, f2, f1, f0, ..]) => frames = Some(u32::from_be_bytes([*f3, *f2, *f1, *f0])),
            (b"fcTL", _) => has_control = true,
            _ => {}
        }
    }
    match frames {
        None => Ok(Cow::Borrowed(data)),
        Some(1) if has_control => {
            let mut still = data[..PNG_SIGNATURE_BYTES].to_vec();
            for chunk in png_chunks(data).filter(|chunk| !APNG.contains(&&chunk.name)) {
                still.extend_from_slice(chunk.whole);
            }
            Ok(Cow::Owned(still))
        }
        Some(_) => Err(DecodeError::Animated(PictureFormat::Png)),
    }
}

/// Returns the chunk with the ICC profile of a PNG, which precedes the pixels.
pub(super) fn png_icc(data: &[u8]) -> Option<&[u8]> {
    let mut header = png_chunks(data).take_while(|chunk| chunk.name != *b"IDAT");
    header.find(|chunk| chunk.name == *b"iCCP").map(|chunk| chunk.body)
}

/// Completes a truncated PNG: returns it with the pixel data that exists, and IEND. `None` if there
/// is no pixel data, or if the file is not truncated.
pub(super) fn png_with_end(data: &[u8]) -> Option<Vec<u8>> {
    let mut file = data.get(..PNG_SIGNATURE_BYTES)?.to_vec();
    let mut has_pixels = false;
    for chunk in png_chunks(data) {
        let is_pixels = chunk.name == *b"IDAT";
        has_pixels |= is_pixels;
        if !chunk.is_truncated {
            file.extend_from_slice(chunk.whole);
        } else if is_pixels {
            chunks::push_png(&mut file, b"IDAT", chunk.body);
        }
        if chunk.name == *b"IEND" && !chunk.is_truncated {
            return None;
        }
    }
    chunks::push_png(&mut file, b"IEND", &[]);
    has_pixels.then_some(file)
}

/// Reports whether the compressed pixels of a PNG are followed by their correct checksum
/// (Adler-32).
fn has_png_checksum(data: &[u8]) -> bool {
    let Ok((width, height)) = probe::png_size(data) else { return false };
    let max_bytes = (u64::from(width) * MAX_PIXEL_BYTES + MAX_ROW_FILTER_BYTES) * u64::from(height);
    let (mut unpacker, mut rows) = (Decompress::new(true), vec![0; 1 << 15]);
    for chunk in png_chunks(data).filter(|chunk| chunk.name == *b"IDAT") {
        let mut packed = chunk.body;
        while !packed.is_empty() {
            let before = (unpacker.total_in(), unpacker.total_out());
            let Ok(status) = unpacker.decompress(packed, &mut rows, FlushDecompress::None) else {
                return false;
            };
            packed = &packed[(unpacker.total_in() - before.0) as usize..];
            match status {
                Status::StreamEnd => return true,
                _ if unpacker.total_out() > max_bytes => return false,
                _ if before == (unpacker.total_in(), unpacker.total_out()) => return false,
                Status::Ok | Status::BufError => {}
            }
        }
    }
    // The rows that are decompressed but not yet returned.
    loop {
        let before = unpacker.total_out();
        match unpacker.decompress(&[], &mut rows, FlushDecompress::Finish) {
            Ok(Status::StreamEnd) => return true,
            Ok(_) if before < unpacker.total_out() && unpacker.total_out() <= max_bytes => {}
            Ok(_) | Err(_) => return false,
        }
    }
}

/// Returns a WebP as a still picture with correct flags.
///
/// # Errors
///
/// Fails if it is an animation of several frames, or of one frame that does not cover the whole
/// picture.
pub(super) fn webp(data: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    let is_extended = data.get(RIFF_HEADER_BYTES..RIFF_HEADER_BYTES + 4) == Some(b"VP8X");
    let (true, Some(&flags)) = (is_extended, data.get(WEBP_FLAGS_OFFSET)) else {
        return Ok(Cow::Borrowed(data));
    };
    let Some(chunks) = chunks::webp(data) else { return Ok(Cow::Borrowed(data)) };
    let has = |name: &[u8; 4]| chunks.list.iter().any(|chunk| chunk.name == *name);
    if flags & WEBP_ANIMATION != 0 {
        let header = chunks.body(b"VP8X").filter(|header| header.len() >= 10);
        let still = header.and_then(|header| only_frame(header, &chunks));
        return still.map(Cow::Owned).ok_or(DecodeError::Animated(PictureFormat::WebP));
    }
    let mut correct_flags = flags;
    for (flag, exists) in [
        (WEBP_EXIF, has(b"EXIF")),
        (WEBP_XMP, has(b"XMP ")),
        // Lossless pixels contain their alpha.
        (WEBP_ALPHA, has(b"ALPH") || has(b"VP8L")),
    ] {
        correct_flags &= if exists { 0xFF } else { !flag };
    }
    if correct_flags == flags {
        return Ok(Cow::Borrowed(data));
    }
    let mut copy = data.to_vec();
    copy[WEBP_FLAGS_OFFSET] = correct_flags;
    Ok(Cow::Owned(copy))
}

/// Counts the frames of an animated WebP, up to 2.
pub(super) fn webp_frames(data: &[u8]) -> usize {
    let list = chunks::webp(data).map(|chunks| chunks.list).unwrap_or_default();
    list.iter().filter(|chunk| chunk.name == *b"ANMF").take(2).count()
}

/// Returns the only frame of an animation as a file of its own.
fn only_frame(header: &[u8], chunks: &chunks::Chunks<'_>) -> Option<Vec<u8>> {
    let mut frames = chunks.list.iter().filter(|chunk| chunk.name == *b"ANMF");
    let (frame, None) = (frames.next()?, frames.next()) else { return None };
    let (place, list) = (frame.body.get(..12)?, frame.body.get(ANMF_HEADER..)?);
    // The frame must cover the whole picture.
    if place[..6] != [0; 6] || place[6..] != header[4..10] {
        return None;
    }
    let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
    let mut body = header.to_vec();
    let has_alpha = matches!(list.first_chunk(), Some(b"ALPH" | b"VP8L"));
    body[0] = if has_alpha { header[0] & WEBP_ALPHA } else { 0 };
    chunks::push_webp(&mut file, b"VP8X", &body);
    file.extend_from_slice(list);
    let size = u32::try_from(file.len() - 8).ok()?;
    file[4..8].copy_from_slice(&size.to_le_bytes());
    Some(file)
}
