//! Tests of the whole picture module, through a [`super::Codec`].

mod container_repair;
mod edges;
mod flaws;
mod formats;
mod hostile;
pub(crate) mod orientation;
mod outputs;
mod preserved_metadata;
pub(crate) mod profiles;
mod raw_colors;
mod round_trip;
mod sampling;
mod scaled;
mod stale_exif;

use std::path::PathBuf;

use super::{Codec, DEFAULT_JPEG_QUALITY, DecodeError, Limits, Planes, SourcePicture, Subsampling};
use crate::domain::picture::PictureFormat;
use crate::scene::Scene;

fn codec() -> Codec {
    Codec::new(Limits::default())
}

fn encoded(format: PictureFormat, data: &[u8]) -> SourcePicture<'_> {
    SourcePicture { format, width: 0, height: 0, stride: 0, colors: Default::default(), data }
}

fn raw(format: PictureFormat, width: u32, height: u32, stride: u32, data: &[u8]) -> SourcePicture<'_> {
    SourcePicture { format, width, height, stride, colors: Default::default(), data }
}

fn decode_jpeg(data: &[u8]) -> Result<Planes, DecodeError> {
    codec().decode(&encoded(PictureFormat::Jpeg, data))
}

/// Returns a JPEG of the drawn road.
fn road_jpeg(width: u32, height: u32) -> Vec<u8> {
    let scene = Scene::new(5, width, height);
    scene.jpeg(&mut codec(), 40, DEFAULT_JPEG_QUALITY).unwrap().0.to_vec()
}

/// Returns a real frame; `None`, with a note on standard error, if the test data does not exist.
pub(crate) fn real_frame(name: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("FRAMEWAY_TEST_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")), PathBuf::from);
    let path = root.join(name);
    let frame = std::fs::read(&path).ok();
    if frame.is_none() {
        eprintln!("not tested with real frames: {} is absent", path.display());
    }
    frame
}

/// Returns the peak signal-to-noise ratio of two luma planes in dB.
fn psnr(a: &Planes, b: &Planes) -> f64 {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    let pairs = a.luma().rows().flatten().zip(b.luma().rows().flatten());
    let squares: f64 = pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    let mean = squares / f64::from(a.width() * a.height());
    10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
}

/// Returns the offsets of the JPEG markers with this code. It searches bytes, which suffices for
/// encoder output.
fn find_markers(data: &[u8], code: u8) -> Vec<usize> {
    (0..data.len() - 1).filter(|at| data[*at] == 0xFF && data[at + 1] == code).collect()
}

/// The settings of another encoder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EncoderSettings {
    pub(crate) quality: i32,
    pub(crate) subsampling: Subsampling,
    pub(crate) progressive: bool,
    pub(crate) optimize: bool,
}

impl EncoderSettings {
    pub(crate) const PLAIN: Self =
        Self { quality: 90, subsampling: Subsampling::S420, progressive: false, optimize: false };
}

/// Encodes these pixels as JPEG with another encoder.
pub(crate) fn foreign_jpeg(rgb: &[u8], width: u32, height: u32, settings: EncoderSettings) -> Vec<u8> {
    let subsamp = match settings.subsampling {
        Subsampling::Gray => turbojpeg::Subsamp::Gray,
        Subsampling::S444 => turbojpeg::Subsamp::None,
        Subsampling::S422 => turbojpeg::Subsamp::Sub2x1,
        Subsampling::S420 => turbojpeg::Subsamp::Sub2x2,
        Subsampling::S440 => turbojpeg::Subsamp::Sub1x2,
        Subsampling::S411 => turbojpeg::Subsamp::Sub4x1,
        Subsampling::S441 => turbojpeg::Subsamp::Sub1x4,
    };
    formats::turbo(rgb, width, height, |c| {
        c.set_quality(settings.quality).unwrap();
        c.set_subsamp(subsamp).unwrap();
        c.set_progressive(settings.progressive).unwrap();
        c.set_optimize(settings.optimize).unwrap();
    })
}

/// Encodes these pixels as JPEG with arithmetic codes.
pub(crate) fn arithmetic_jpeg(rgb: &[u8], width: u32, height: u32) -> Vec<u8> {
    formats::turbo(rgb, width, height, |c| c.set_arithmetic(true).unwrap())
}

/// Encodes these pixels as PNG with another encoder.
pub(crate) fn foreign_png(rgb: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut file);
    let color = image::ExtendedColorType::Rgb8;
    image::ImageEncoder::write_image(encoder, rgb, width, height, color).unwrap();
    file
}

/// Decodes a PNG or WebP with another decoder.
pub(crate) fn pixels_of(file: &[u8]) -> Vec<u8> {
    image::load_from_memory(file).unwrap().to_rgb8().into_raw()
}
