//! Tests that each input format is decoded to the right pixels, with any size and stride.

use image::codecs::{png::PngEncoder, webp::WebPEncoder};
use image::{ExtendedColorType, ImageEncoder as _};
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

use super::super::{Planes, Subsampling, probe, sniff};
use super::*;

/// Smooth colours, which chroma subsampling hardly changes.
pub(super) fn gradient(width: u32, height: u32) -> Vec<u8> {
    let pixel = |i: u32| {
        let (x, y) = (i % width, i / width);
        [(60 + x * 120 / width) as u8, (200 - y * 120 / height) as u8, 90 + ((x + y) % 40) as u8]
    };
    (0..width * height).flat_map(pixel).collect()
}

/// Returns the BT.601 full-range luma of a packed RGB pixel.
fn luma_of(pixel: &[u8]) -> f64 {
    0.299 * f64::from(pixel[0]) + 0.587 * f64::from(pixel[1]) + 0.114 * f64::from(pixel[2])
}

fn assert_luma_of(planes: &Planes, rgb: &[u8], tolerance: f64) {
    let pixels = planes.luma().rows().flatten().zip(rgb.chunks_exact(3));
    for (luma, pixel) in pixels {
        assert!((f64::from(*luma) - luma_of(pixel)).abs() <= tolerance, "{luma} for {pixel:?}");
    }
}

fn chroma_at(planes: &Planes, x: usize, y: usize) -> (u8, u8) {
    let [cb, cr] = planes.chroma().unwrap();
    (cb.data[y * cb.stride + x], cr.data[y * cr.stride + x])
}

#[test]
fn raw_rgb_and_bgr_become_the_same_planes() {
    for (width, height) in [(1, 1), (1, 2), (2, 1), (3, 3), (17, 5), (64, 48), (127, 33), (640, 3)] {
        let rgb = gradient(width, height);
        let bgr: Vec<u8> = rgb.chunks_exact(3).flat_map(|p| [p[2], p[1], p[0]]).collect();
        let planes = codec().decode(&raw(PictureFormat::Rgb8, width, height, 0, &rgb)).unwrap();
        assert_eq!(planes.subsampling(), Subsampling::S444);
        assert_luma_of(&planes, &rgb, 1.5);
        assert_eq!(planes, codec().decode(&raw(PictureFormat::Bgr8, width, height, 0, &bgr)).unwrap());
    }
}

#[test]
fn strides_are_skipped() {
    let (width, height) = (5_u32, 4_u32);
    let rgb = gradient(width, height);
    let tight = codec().decode(&raw(PictureFormat::Rgb8, width, height, 0, &rgb)).unwrap();
    let padded: Vec<u8> = rgb.chunks_exact(15).flat_map(|row| row.iter().copied().chain([0xEE; 4])).collect();
    assert_eq!(tight, codec().decode(&raw(PictureFormat::Rgb8, width, height, 19, &padded)).unwrap());
    let gray = codec().decode(&raw(PictureFormat::Gray8, 2, 2, 3, &[1, 2, 9, 3, 4, 9])).unwrap();
    assert_eq!(gray.luma().data, [1, 2, 3, 4]);
    assert!(gray.chroma().is_none());
}

#[test]
fn nv12_and_i420_of_odd_sizes_agree() {
    // 3 x 3 with a stride of 5: NV12 has chroma rows of 6, I420 of 3.
    let luma = [10, 20, 30, 0, 0, 40, 50, 60, 0, 0, 70, 80, 90, 0, 0];
    let nv12 = [&luma[..], &[101, 201, 102, 202, 0, 0, 103, 203, 104, 204, 0, 0]].concat();
    let i420 = [&luma[..], &[101, 102, 0, 103, 104, 0], &[201, 202, 0, 203, 204, 0]].concat();
    let from_nv12 = codec().decode(&raw(PictureFormat::Nv12, 3, 3, 5, &nv12)).unwrap();
    let from_i420 = codec().decode(&raw(PictureFormat::I420, 3, 3, 5, &i420)).unwrap();
    assert_eq!(from_nv12, from_i420);
    let rows: Vec<&[u8]> = from_nv12.luma().rows().collect();
    assert_eq!(rows, [&[10, 20, 30][..], &[40, 50, 60], &[70, 80, 90]]);
    assert_eq!(chroma_at(&from_nv12, 1, 1), (104, 204));
}

#[test]
fn raw_sizes_must_be_exact() {
    let short = raw(PictureFormat::Rgb8, 2, 2, 0, &[0; 11]);
    let expected = DecodeError::SizeMismatch { expected_bytes: 12, found_bytes: 11 };
    assert_eq!(codec().decode(&short).unwrap_err(), expected);
    let narrow = raw(PictureFormat::Rgb8, 2, 2, 5, &[0; 10]);
    assert!(matches!(codec().decode(&narrow), Err(DecodeError::BadGeometry { .. })));
    let flat = raw(PictureFormat::Gray8, 0, 2, 0, &[0; 2]);
    assert!(matches!(codec().decode(&flat), Err(DecodeError::BadGeometry { .. })));
    let vast = raw(PictureFormat::Nv12, u32::MAX, u32::MAX, 0, &[0; 2]);
    assert!(codec().decode(&vast).is_err());
}

#[test]
fn png_pictures_of_every_kind_are_decoded() {
    let rgb = gradient(31, 17);
    let sixteen: Vec<u8> = rgb.iter().flat_map(|s| [*s, 0x12]).collect();
    let wide: Vec<u8> =
        if cfg!(target_endian = "big") { sixteen } else { rgb.iter().flat_map(|s| [0x12, *s]).collect() };
    let rgba: Vec<u8> = rgb.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect();
    for (pixels, color) in [
        (&rgb, ExtendedColorType::Rgb8),
        (&wide, ExtendedColorType::Rgb16),
        (&rgba, ExtendedColorType::Rgba8),
    ] {
        let mut png = Vec::new();
        PngEncoder::new(&mut png).write_image(pixels, 31, 17, color).unwrap();
        assert_luma_of(&codec().decode(&encoded(PictureFormat::Png, &png)).unwrap(), &rgb, 1.5);
    }
    let mut png = Vec::new();
    PngEncoder::new(&mut png).write_image(&[7, 80, 255], 3, 1, ExtendedColorType::L8).unwrap();
    let gray = codec().decode(&encoded(PictureFormat::Png, &png)).unwrap();
    assert_eq!((gray.subsampling(), gray.luma().data), (Subsampling::Gray, &[7, 80, 255][..]));
}

#[test]
fn transparent_pixels_become_black() {
    let mut png = Vec::new();
    let pixels = [200, 200, 200, 0, 200, 200, 200, 255, 200, 200, 200, 128];
    PngEncoder::new(&mut png).write_image(&pixels, 3, 1, ExtendedColorType::Rgba8).unwrap();
    let planes = codec().decode(&encoded(PictureFormat::Png, &png)).unwrap();
    let luma: Vec<u8> = planes.luma().rows().flatten().copied().collect();
    assert!(luma[0] <= 1 && luma[1].abs_diff(200) <= 1 && luma[2].abs_diff(100) <= 1, "{luma:?}");
}

#[test]
fn lossless_webp_pictures_are_decoded() {
    for (width, height) in [(1, 1), (37, 21)] {
        let rgb = gradient(width, height);
        let mut webp = Vec::new();
        WebPEncoder::new_lossless(&mut webp)
            .write_image(&rgb, width, height, ExtendedColorType::Rgb8)
            .unwrap();
        assert_eq!(sniff(&webp), Some(PictureFormat::WebP));
        assert_luma_of(&codec().decode(&encoded(PictureFormat::WebP, &webp)).unwrap(), &rgb, 1.5);
    }
}

#[test]
fn jpegs_of_every_subsampling_and_both_modes_are_decoded() {
    let cases = [
        (Subsamp::None, Subsampling::S444),
        (Subsamp::Sub2x1, Subsampling::S422),
        (Subsamp::Sub2x2, Subsampling::S420),
        (Subsamp::Sub1x2, Subsampling::S440),
        (Subsamp::Sub4x1, Subsampling::S411),
        (Subsamp::Sub1x4, Subsampling::S441),
        (Subsamp::Gray, Subsampling::Gray),
    ];
    for (width, height) in [(1, 1), (16, 16), (35, 23), (97, 61)] {
        let rgb = gradient(width, height);
        for (subsamp, subsampling) in cases {
            for progressive in [false, true] {
                let jpeg = turbo(&rgb, width, height, |c| {
                    c.set_subsamp(subsamp).unwrap();
                    c.set_progressive(progressive).unwrap();
                });
                let mut codec = codec();
                let planes = codec.decode(&encoded(PictureFormat::Jpeg, &jpeg)).unwrap();
                assert_eq!(
                    (planes.width(), planes.height(), planes.subsampling()),
                    (width, height, subsampling)
                );
                assert_luma_of(&planes, &rgb, 8.0);
                let again = codec.encode_jpeg(&planes, 95).unwrap();
                let again = codec.decode(&encoded(PictureFormat::Jpeg, &again)).unwrap();
                assert_eq!(again.subsampling(), subsampling);
                assert_luma_of(&again, &rgb, 10.0);
            }
        }
    }
}

#[test]
fn jpeg_of_rgb_components_is_converted() {
    let rgb = gradient(40, 30);
    let jpeg = turbo(&rgb, 40, 30, |c| c.set_colorspace(turbojpeg::Colorspace::RGB).unwrap());
    assert_luma_of(&decode_jpeg(&jpeg).unwrap(), &rgb, 8.0);
}

#[test]
fn cmyk_is_not_supported() {
    let mut compressor = Compressor::new().unwrap();
    let image = Image { pixels: &[90; 64][..], width: 4, pitch: 16, height: 4, format: PixelFormat::CMYK };
    compressor.set_colorspace(turbojpeg::Colorspace::CMYK).unwrap();
    let jpeg = compressor.compress_to_vec(image).unwrap();
    assert!(matches!(decode_jpeg(&jpeg), Err(DecodeError::Unsupported(_))));
}

#[test]
fn declared_format_and_size_must_be_right() {
    let jpeg = road_jpeg(64, 36);
    let info = probe(&SourcePicture::encoded(&jpeg).unwrap(), &Limits::default()).unwrap();
    assert_eq!((info.format, info.width, info.height), (PictureFormat::Jpeg, 64, 36));
    let wrong = codec().decode(&encoded(PictureFormat::Png, &jpeg)).unwrap_err();
    let expected = DecodeError::FormatMismatch { declared: PictureFormat::Png, found: PictureFormat::Jpeg };
    assert_eq!(wrong, expected);
    assert!(codec().decode(&raw(PictureFormat::Jpeg, 64, 36, 0, &jpeg)).is_ok());
    let lie = codec().decode(&raw(PictureFormat::Jpeg, 64, 35, 0, &jpeg)).unwrap_err();
    assert!(matches!(lie, DecodeError::DimensionMismatch { height: 36, .. }));
}

pub(super) fn turbo(rgb: &[u8], width: u32, height: u32, set: impl FnOnce(&mut Compressor)) -> Vec<u8> {
    let mut compressor = Compressor::new().unwrap();
    compressor.set_quality(97).unwrap();
    set(&mut compressor);
    let (width, height) = (width as usize, height as usize);
    let image = Image { pixels: rgb, width, pitch: 3 * width, height, format: PixelFormat::RGB };
    compressor.compress_to_vec(image).unwrap()
}
