//! Decodes and encodes JPEGs with libjpeg-turbo.

use std::sync::Arc;

use bytes::Bytes;
use turbojpeg::{Colorspace, Compressor, Decompressor, Image, PixelFormat, ScalingFactor, Subsamp, YuvImage};

use super::jpeg_markers::{self, FrameHeader, Survey};
use super::planes::VisibleArea;
use super::profile::{Conversion, Profile};
use super::raw::{self, Order};
use super::{
    DecodeError, EncodeError, Limits, Planes, Subsampling, jpeg_copy, jpeg_entropy, jpeg_repair,
    jpeg_sampling,
};

/// The maximum number of bytes of an encoder's scratch buffer that is kept after use.
const KEPT_SCRATCH_BYTES: usize = 32 * 1024 * 1024;

/// The scales, in eighths of the size, at which a picture may be decoded in addition to its full
/// size. At these scales libjpeg-turbo averages 2, 4 or 8 pixels per side and is faster; at others
/// its result is sharper, and it is slower than at full size.
const SCALES: [u32; 3] = [1, 2, 4];

/// Decodes a JPEG that has passed [`super::probe()`]. The planes use `buffer` if it is large
/// enough.
///
/// Each picture gets a new decoder (a few microseconds), because libjpeg keeps state for the next
/// picture on the same handle: quantisation and Huffman tables and, after an error in a header,
/// even partly read markers. A broken frame of one camera must not affect the frames of another.
///
/// If only `wanted` = (width, height) pixels are needed, the planes may be smaller than the
/// picture, but not smaller than that.
pub(super) fn decode(
    data: &[u8],
    limits: &Limits,
    buffer: &mut Vec<u8>,
    wanted: Option<(u32, u32)>,
) -> Result<Planes, DecodeError> {
    let repaired = jpeg_repair::repaired(data, limits);
    let survey = jpeg_markers::survey(repaired.as_deref().unwrap_or(data), limits)?;
    limits.check_scan_pixels(survey.frame.width, survey.frame.height, survey.scans)?;
    let handle = Decompressor::new().map_err(|error| DecodeError::Codec(error.to_string()))?;
    decode_surveyed(handle, &survey, limits, buffer, wanted)
}

fn decode_surveyed(
    mut handle: Decompressor,
    survey: &Survey<'_>,
    limits: &Limits,
    buffer: &mut Vec<u8>,
    wanted: Option<(u32, u32)>,
) -> Result<Planes, DecodeError> {
    let (data, frame) = (survey.data, survey.frame);
    if frame.bits != 8 || !matches!(frame.components, 1 | 3) {
        // Four components are CMYK or YCCK, which are for print; cameras do not write them.
        let (bits, components) = (frame.bits, frame.components);
        return Err(DecodeError::Unsupported(format!("JPEG of {components} components of {bits} bits")));
    }
    // The header must be read without a warning here. The binding reads it again before it decodes,
    // and a warning at that point would mean that nothing was decoded. So any warning of the decode
    // below refers to the pixels.
    let header = handle.read_header(data).map_err(map_error)?;
    if header.is_lossless {
        return Err(DecodeError::Unsupported("lossless JPEG".to_owned()));
    }
    if (header.width, header.height) != (frame.width as usize, frame.height as usize) {
        return Err(DecodeError::Corrupt("two different sizes in one file".to_owned()));
    }
    let subsampling = match header.colorspace {
        Colorspace::RGB => return decode_pixels(handle, survey, limits, buffer),
        Colorspace::YCbCr | Colorspace::Gray => match from_subsamp(header.subsamp) {
            Some(subsampling) => subsampling,
            None => return decode_pixels(handle, survey, limits, buffer),
        },
        Colorspace::CMYK | Colorspace::YCCK => {
            return Err(DecodeError::Unsupported("CMYK JPEG".to_owned()));
        }
    };
    let eighths = wanted.map_or(8, |wanted| eighths(frame, subsampling, wanted));
    let (width, height) = (scaled(frame.width, eighths), scaled(frame.height, eighths));
    // The decoder holds the coefficients of the whole picture, however small the planes are.
    let whole = Planes::len_for(frame.width, frame.height, subsampling);
    limits.check_alloc(Planes::len_for(width, height, subsampling) + coefficient_bytes(survey, whole))?;
    handle.set_scaling_factor(ScalingFactor::new(eighths as usize, 8)).map_err(map_error)?;
    let mut planes = Planes::in_buffer(width, height, subsampling, std::mem::take(buffer));
    let target = YuvImage {
        pixels: planes.samples_mut(),
        width: width as usize,
        align: 1,
        height: height as usize,
        subsamp: header.subsamp,
    };
    match check_result(handle.decompress_to_yuv(data, target), data, limits) {
        Ok(()) => {
            if let Some(conversion) = conversion(data, planes.chroma().is_none()) {
                conversion.convert_planes(&mut planes, limits, coefficient_bytes(survey, whole))?;
            }
            if eighths < 8 {
                // The library may leave the padding of a scaled picture unwritten.
                planes.pad_luma();
                let (width, height) = (frame.width * eighths, frame.height * eighths);
                planes.set_visible_area(VisibleArea { left: 0, top: 0, width, height });
            }
            Ok(planes)
        }
        Err(error) => {
            *buffer = planes.into_buffer();
            Err(error)
        }
    }
}

/// Returns the scale, in eighths, at which to decode a picture of which only `wanted` pixels are
/// needed.
fn eighths(frame: FrameHeader, subsampling: Subsampling, wanted: (u32, u32)) -> u32 {
    let suffices = |eighths: &u32| {
        // A partial last pixel does not count.
        let enough = |side: u32, wanted: u32| side * eighths / 8 >= wanted;
        // The library copies luma rows, padded to whole chroma samples, from rows of whole blocks;
        // longer rows would make it read beyond the end of those.
        let padded = scaled(frame.width, *eighths).next_multiple_of(subsampling.factors().0 as u32);
        enough(frame.width, wanted.0)
            && enough(frame.height, wanted.1)
            && padded <= frame.width.div_ceil(8) * eighths
    };
    SCALES.into_iter().find(suffices).unwrap_or(8)
}

/// Returns the length of a side at this scale, in eighths.
fn scaled(side: u32, eighths: u32) -> u32 {
    (side * eighths).div_ceil(8)
}

/// Decodes a JPEG with components that [`Planes`] cannot represent: R, G and B, or an unusual
/// subsampling. The JPEG is decoded to RGB pixels, which are converted to planes with the
/// resolution of the finer chroma component.
fn decode_pixels(
    mut handle: Decompressor,
    survey: &Survey<'_>,
    limits: &Limits,
    buffer: &mut Vec<u8>,
) -> Result<Planes, DecodeError> {
    let (width, height) = (survey.frame.width, survey.frame.height);
    let sampling = jpeg_sampling::read(survey.data)?;
    let subsampling = sampling.nearest();
    let pixel_bytes = 3 * u64::from(width) * u64::from(height);
    let len = Planes::len_for(width, height, subsampling);
    limits.check_alloc(len + pixel_bytes + coefficient_bytes(survey, pixel_bytes))?;
    // Samples are repeated, not interpolated, because a privacy mask must know which pixels a
    // sample affects.
    handle.set_fast_upsample(true).map_err(map_error)?;
    let pitch = 3 * width as usize;
    let mut pixels = vec![0; pixel_bytes as usize];
    let target = Image {
        pixels: &mut pixels[..],
        width: width as usize,
        pitch,
        height: height as usize,
        format: PixelFormat::RGB,
    };
    check_result(handle.decompress(survey.data, target), survey.data, limits)?;
    if let Some(conversion) = conversion(survey.data, false) {
        conversion.convert(&mut pixels)?;
    }
    let mut planes = Planes::in_buffer(width, height, subsampling, std::mem::take(buffer));
    raw::from_packed(&pixels, pitch, Order::Rgb, &mut planes)?;
    planes.set_chroma_spread(sampling.chroma_spread(subsampling));
    Ok(planes)
}

/// Returns the conversion that the file's ICC profile needs, if any.
pub(super) fn conversion(data: &[u8], gray: bool) -> Option<Arc<Conversion>> {
    Profile::read(&jpeg_copy::icc(data)?, gray).conversion()
}

/// A reusable encoder.
#[derive(Debug)]
pub(super) struct JpegEncoder {
    handle: Compressor,
    scratch: Vec<u8>,
}

impl JpegEncoder {
    pub(super) fn new() -> Result<Self, EncodeError> {
        Ok(Self { handle: Compressor::new().map_err(encode_error)?, scratch: Vec::new() })
    }

    /// Encodes planes with their subsampling; `quality` is 1..=100.
    pub(super) fn encode(&mut self, planes: &Planes, quality: u8) -> Result<Bytes, EncodeError> {
        let subsamp = to_subsamp(planes.subsampling());
        let (width, height) = (planes.width() as usize, planes.height() as usize);
        // Large enough for the worst case, so that libjpeg never grows and copies it. Pages that
        // are not written take no memory.
        let room = turbojpeg::compressed_buf_len(width, height, subsamp).map_err(encode_error)?;
        if self.scratch.len() < room {
            self.scratch = vec![0; room];
        }
        self.handle.set_quality(i32::from(quality.clamp(1, 100))).map_err(encode_error)?;
        let image = YuvImage { pixels: planes.samples(), width, align: 1, height, subsamp };
        let len = self.handle.compress_yuv_to_slice(image, &mut self.scratch).map_err(encode_error)?;
        let encoded = Bytes::copy_from_slice(&self.scratch[..len]);
        if self.scratch.len() > KEPT_SCRATCH_BYTES {
            self.scratch = Vec::new();
        }
        Ok(encoded)
    }
}

/// Returns the bytes of coefficients that libjpeg holds: 2 per sample for a JPEG with several
/// scans, otherwise none.
fn coefficient_bytes(survey: &Survey<'_>, samples: u64) -> u64 {
    if survey.frame.progressive || survey.scans > 1 { 2 * samples } else { 0 }
}

/// Distinguishes a picture that libjpeg-turbo decoded with a harmless warning from one with missing
/// data that it filled in.
///
/// For any warning, the library returns an error with the text of the first warning, although all
/// rows are decoded. If an error ended the decode early, its text replaces that of the warning.
/// Only the warning about extraneous bytes is harmless: some cameras pad their scans. Since it may
/// hide later warnings, the data is checked for damage here.
fn check_result(result: turbojpeg::Result<()>, data: &[u8], limits: &Limits) -> Result<(), DecodeError> {
    match result.map_err(map_error) {
        Err(DecodeError::Corrupt(text)) if text.contains("extraneous bytes before marker") => {
            jpeg_entropy::read(data, limits).map(drop)
        }
        other => other,
    }
}

fn map_error(error: turbojpeg::Error) -> DecodeError {
    let turbojpeg::Error::TurboJpegError(text) = error else {
        return DecodeError::Codec(error.to_string());
    };
    if text.contains("ractional sampling") {
        // "Fractional sampling not implemented yet": sampling factors that do not divide the
        // largest one.
        return DecodeError::Unsupported("JPEG with fractional chroma sampling".to_owned());
    }
    // "Premature end of JPEG file" and "premature end of data segment".
    if text.contains("remature end") { DecodeError::Truncated } else { DecodeError::Corrupt(text) }
}

fn encode_error(error: turbojpeg::Error) -> EncodeError {
    EncodeError::Codec(error.to_string())
}

/// Returns `None` for sampling factors without a name.
fn from_subsamp(subsamp: Subsamp) -> Option<Subsampling> {
    match subsamp {
        Subsamp::Gray => Some(Subsampling::Gray),
        Subsamp::None => Some(Subsampling::S444),
        Subsamp::Sub2x1 => Some(Subsampling::S422),
        Subsamp::Sub2x2 => Some(Subsampling::S420),
        Subsamp::Sub1x2 => Some(Subsampling::S440),
        Subsamp::Sub4x1 => Some(Subsampling::S411),
        Subsamp::Sub1x4 => Some(Subsampling::S441),
        // The binding's enum is non-exhaustive.
        Subsamp::Unknown | _ => None,
    }
}

fn to_subsamp(subsampling: Subsampling) -> Subsamp {
    match subsampling {
        Subsampling::Gray => Subsamp::Gray,
        Subsampling::S444 => Subsamp::None,
        Subsampling::S422 => Subsamp::Sub2x1,
        Subsampling::S420 => Subsamp::Sub2x2,
        Subsampling::S440 => Subsamp::Sub1x2,
        Subsampling::S411 => Subsamp::Sub4x1,
        Subsampling::S441 => Subsamp::Sub1x4,
    }
}
