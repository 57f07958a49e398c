//! Encodes planes as PNG and WebP. The planes are converted to 8-bit RGB first. So "lossless" means
//! that nothing is lost except by this conversion and by the chroma subsampling of the planes.

use bytes::Bytes;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _};

use super::{EncodeError, Planes, rgb};

/// The effort of libwebp, 0..=6. Its default, 4, takes several times as long and saves a twentieth
/// of the bytes.
const WEBP_METHOD: i32 = 2;
/// The effort of lossless WebP, 0..=100, which libwebp reads from "quality".
const WEBP_LOSSLESS_EFFORT: f32 = 20.0;

pub(super) fn png(planes: &Planes) -> Result<Bytes, EncodeError> {
    let (width, height) = (planes.width(), planes.height());
    let mut encoded = Vec::new();
    // A frame is written once and read a few times, so speed matters more than size.
    let encoder = PngEncoder::new_with_quality(&mut encoded, CompressionType::Fast, FilterType::Adaptive);
    let written = if planes.chroma().is_none() {
        let luma: Vec<u8> = planes.luma().rows().flatten().copied().collect();
        encoder.write_image(&luma, width, height, ExtendedColorType::L8)
    } else {
        encoder.write_image(&rgb::to_rgb(planes)?, width, height, ExtendedColorType::Rgb8)
    };
    written.map_err(|error| EncodeError::Codec(error.to_string()))?;
    Ok(encoded.into())
}

/// Encodes a WebP; lossless if `quality` is `None`.
pub(super) fn webp(planes: &Planes, quality: Option<u8>) -> Result<Bytes, EncodeError> {
    let failed = |what: &str| EncodeError::Codec(format!("WebP: {what}"));
    let mut config = webp::WebPConfig::new().map_err(|()| failed("no configuration"))?;
    match quality {
        Some(quality) => {
            config.quality = f32::from(quality.clamp(1, 100));
            config.method = WEBP_METHOD;
        }
        None => {
            config.lossless = 1;
            config.quality = WEBP_LOSSLESS_EFFORT;
            config.method = 0;
        }
    }
    let pixels = rgb::to_rgb(planes)?;
    let encoder = webp::Encoder::from_rgb(&pixels, planes.width(), planes.height());
    let encoded = encoder.encode_advanced(&config).map_err(|error| failed(&format!("{error:?}")))?;
    Ok(Bytes::copy_from_slice(&encoded))
}
