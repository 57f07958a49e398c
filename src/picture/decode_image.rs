//! Decodes PNG and WebP with the `image` crate: first to 8-bit pixels, then to planes.

use std::io::{Cursor, ErrorKind};

use image::codecs::{png::PngDecoder, webp::WebPDecoder};
use image::{ColorType, ImageDecoder, ImageError};

use super::profile::Profile;
use super::raw::{self, Order};
use super::{DecodeError, Limits, PictureInfo, Planes, Subsampling, container_repair, webp_codes};
use crate::domain::picture::PictureFormat;

/// Packed 8-bit pixels: grey or RGB.
pub(super) struct Pixels {
    gray: bool,
    data: Vec<u8>,
}

/// Decodes a PNG.
pub(super) fn decode_png(data: &[u8], info: &PictureInfo, limits: &Limits) -> Result<Pixels, DecodeError> {
    let data = container_repair::png(data)?;
    match decode_still_png(&data, info, limits) {
        // The pixels may be complete although the end of the file is missing. Viewers show such
        // pictures.
        Err(DecodeError::Truncated) => container_repair::png_with_end(&data)
            .and_then(|whole| decode_still_png(&whole, info, limits).ok())
            .ok_or(DecodeError::Truncated),
        decoded => decoded,
    }
}

fn decode_still_png(data: &[u8], info: &PictureInfo, limits: &Limits) -> Result<Pixels, DecodeError> {
    // Inside the decoder, this limits chunks and rows, not the output. Twice the input suffices,
    // and stops a compressed profile that unpacks to gigabytes.
    let mut inner = image::Limits::no_limits();
    inner.max_image_width = Some(limits.max_side);
    inner.max_image_height = Some(limits.max_side);
    inner.max_alloc = Some(2 * limits.max_encoded_bytes);
    let decoder = PngDecoder::with_limits(Cursor::new(data), inner).map_err(map_error)?;
    if decoder.is_apng().map_err(map_error)? {
        return Err(DecodeError::Animated(PictureFormat::Png));
    }
    unpack(decoder, info, limits, 0)
}

/// Decodes a WebP.
pub(super) fn decode_webp(data: &[u8], info: &PictureInfo, limits: &Limits) -> Result<Pixels, DecodeError> {
    let data = &container_repair::webp(data)?[..];
    let decoder = WebPDecoder::new(Cursor::new(data)).map_err(map_error)?;
    if decoder.has_animation() {
        return Err(DecodeError::Animated(PictureFormat::WebP));
    }
    let scratch_bytes = webp_scratch_bytes(data, info, decoder.color_type().has_alpha());
    let code_bytes = webp_codes::code_bytes(data, info, limits.max_alloc_bytes)?;
    unpack(decoder, info, limits, scratch_bytes + code_bytes)
}

/// Returns the bytes that the decoder holds in addition to its output. For a lossless picture,
/// these are tables of up to one byte per pixel and, if a pixel of the output has three bytes, the
/// pixels with four bytes each. For a lossy picture, they are its planes, and an alpha plane if it
/// has one.
fn webp_scratch_bytes(data: &[u8], info: &PictureInfo, alpha: bool) -> u64 {
    let pixels = u64::from(info.width) * u64::from(info.height);
    // Sides are rounded up to blocks of 16.
    let lossy =
        u64::from(info.width).next_multiple_of(16) * u64::from(info.height).next_multiple_of(16) * 3 / 2;
    match (data.get(12..16), alpha) {
        (Some(b"VP8 "), false) => lossy,
        (Some(b"VP8L"), true) => pixels,
        (_, false) => 5 * pixels,
        (_, true) => 5 * pixels + lossy,
    }
}

impl Pixels {
    /// Returns the subsampling of the planes for these pixels: 4:4:4 if the memory limit allows it.
    pub(super) fn subsampling(&self, info: &PictureInfo, limits: &Limits) -> Subsampling {
        if self.gray {
            return Subsampling::Gray;
        }
        let whole = Planes::len_for(info.width, info.height, Subsampling::S444);
        let is_allowed = limits.check_alloc(self.data.capacity() as u64 + whole).is_ok();
        if is_allowed { Subsampling::S444 } else { Subsampling::S420 }
    }

    /// Converts the colours from this ICC profile to sRGB.
    pub(super) fn convert_to_srgb(&mut self, icc: &[u8]) -> Result<(), DecodeError> {
        match Profile::read(icc, self.gray).conversion() {
            Some(conversion) => conversion.convert(&mut self.data),
            None => Ok(()),
        }
    }

    /// Converts the pixels to planes of the same size.
    pub(super) fn fill(&self, planes: &mut Planes) -> Result<(), DecodeError> {
        let width = planes.width() as usize;
        if self.gray {
            planes.samples_mut().copy_from_slice(&self.data);
            return Ok(());
        }
        raw::from_packed(&self.data, width * 3, Order::Rgb, planes)
    }
}

/// Decodes to 8-bit pixels. `scratch_bytes` are the bytes that the decoder itself holds.
fn unpack(
    decoder: impl ImageDecoder,
    info: &PictureInfo,
    limits: &Limits,
    scratch_bytes: u64,
) -> Result<Pixels, DecodeError> {
    if decoder.dimensions() != (info.width, info.height) {
        return Err(DecodeError::Corrupt("two different sizes in one file".to_owned()));
    }
    let color = decoder.color_type();
    let unpacked = decoder.total_bytes();
    let planes = Planes::len_for(info.width, info.height, Subsampling::S420);
    limits.check_alloc(unpacked + planes.max(scratch_bytes))?;
    let mut data = vec![0; unpacked as usize];
    decoder.read_image(&mut data).map_err(map_error)?;
    // 16-bit samples are in the machine's byte order. The high byte is the 8-bit sample.
    let high = |pair: &[u8]| u16::from_ne_bytes([pair[0], pair[1]]).to_be_bytes()[0];
    match color {
        ColorType::L8 => Ok(Pixels { gray: true, data }),
        ColorType::Rgb8 => Ok(Pixels { gray: false, data }),
        ColorType::La8 => Ok(Pixels { gray: true, data: over_black::<2>(data) }),
        ColorType::Rgba8 => Ok(Pixels { gray: false, data: over_black::<4>(data) }),
        ColorType::L16 => Ok(Pixels { gray: true, data: to_8_bits(data, high) }),
        ColorType::Rgb16 => Ok(Pixels { gray: false, data: to_8_bits(data, high) }),
        ColorType::La16 => Ok(Pixels { gray: true, data: over_black::<2>(to_8_bits(data, high)) }),
        ColorType::Rgba16 => Ok(Pixels { gray: false, data: over_black::<4>(to_8_bits(data, high)) }),
        // Neither format has floating-point pixels.
        ColorType::Rgb32F | ColorType::Rgba32F => Err(DecodeError::Unsupported("float pixels".to_owned())),
        _ => Err(DecodeError::Unsupported(format!("{color:?} pixels"))),
    }
}

/// Reduces 16-bit samples to 8 bits, in place.
fn to_8_bits(mut data: Vec<u8>, high: impl Fn(&[u8]) -> u8) -> Vec<u8> {
    let samples = data.len() / 2;
    for at in 0..samples {
        data[at] = high(&data[2 * at..2 * at + 2]);
    }
    data.truncate(samples);
    data
}

/// Composites pixels of `N` samples, the last of which is alpha, over black and removes the alpha,
/// in place.
fn over_black<const N: usize>(mut data: Vec<u8>) -> Vec<u8> {
    let pixels = data.len() / N;
    for pixel in 0..pixels {
        let alpha = u32::from(data[pixel * N + N - 1]);
        for sample in 0..N - 1 {
            let value = u32::from(data[pixel * N + sample]);
            data[pixel * (N - 1) + sample] = ((value * alpha + 127) / 255) as u8;
        }
    }
    data.truncate(pixels * (N - 1));
    data
}

fn map_error(error: ImageError) -> DecodeError {
    match error {
        ImageError::IoError(io) if io.kind() == ErrorKind::UnexpectedEof => DecodeError::Truncated,
        ImageError::Unsupported(what) => DecodeError::Unsupported(what.to_string()),
        ImageError::Limits(what) => DecodeError::TooComplex(what.to_string()),
        other @ (ImageError::IoError(_)
        | ImageError::Decoding(_)
        | ImageError::Encoding(_)
        | ImageError::Parameter(_)) => DecodeError::Corrupt(other.to_string()),
    }
}
