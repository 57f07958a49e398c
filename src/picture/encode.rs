//! PNG and WebP from planes. They are written through 8-bit RGB, so that "lossless" means: without loss beyond that of
//! 4:2:0 planes.

use bytes::Bytes;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _};

use super::{EncodeError, Planes, rgb};

/// libwebp's effort, 0..=6. Its own default, 4, takes several times as long for a twentieth fewer bytes.
const WEBP_METHOD: i32 = 2;
/// Effort of lossless WebP, 0..=100, where libwebp takes "quality" for it.
const WEBP_LOSSLESS_EFFORT: f32 = 20.0;

pub(super) fn png(planes: &Planes) -> Result<Bytes, EncodeError> {
    let (width, height) = (planes.width(), planes.height());
    let mut encoded = Vec::new();
    // A frame is written once and read a few times: fast rather than smallest.
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

/// `quality` `None` = lossless.
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
