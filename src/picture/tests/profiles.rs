//! Tests that pictures with ICC profiles keep the colours that viewers show.

use std::io::Cursor;

use image::codecs::png::{PngDecoder, PngEncoder};
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageDecoder as _, ImageEncoder};
use moxcms::ColorProfile;
use turbojpeg::Subsamp;

use super::super::preserved_metadata::MAX_METADATA_BYTES;
use super::super::{Metadata, Orientation, Plane, PreservedMetadata, paint, stripped};
use super::formats::{gradient, turbo};
use super::preserved_metadata::icc_segments;
use super::*;
use crate::domain::{NormalizedPoint, OutputFormat, Polygon};

const SIZE: (u32, u32) = (64, 48);
const SECRET: &[u8] = b"camera 4711 of J. Doe";

/// sRGB with red and blue exchanged.
pub(crate) fn swapped() -> Vec<u8> {
    let mut profile = ColorProfile::new_srgb();
    std::mem::swap(&mut profile.red_colorant, &mut profile.blue_colorant);
    profile.cicp = None;
    with_device_name(&profile.encode().unwrap())
}

fn srgb() -> Vec<u8> {
    with_device_name(&ColorProfile::new_srgb().encode().unwrap())
}

fn gray(gamma: f32) -> Vec<u8> {
    with_device_name(&ColorProfile::new_gray_with_gamma(gamma).encode().unwrap())
}

/// Returns the profile with an additional tag and a header field that name a device.
fn with_device_name(icc: &[u8]) -> Vec<u8> {
    let count = u32::from_be_bytes(icc[128..132].try_into().unwrap());
    let mut talking = icc[..132].to_vec();
    talking[48..56].copy_from_slice(&SECRET[..8]);
    talking[128..132].copy_from_slice(&(count + 1).to_be_bytes());
    for entry in icc[132..132 + 12 * count as usize].as_chunks::<12>().0 {
        let place = u32::from_be_bytes(entry[4..8].try_into().unwrap()) + 12;
        talking.extend([&entry[..4], &place.to_be_bytes(), &entry[8..]].concat());
    }
    talking.extend(b"dmdd");
    talking.extend((icc.len() as u32 + 12).to_be_bytes());
    talking.extend((SECRET.len() as u32).to_be_bytes());
    talking.extend(&icc[132 + 12 * count as usize..]);
    talking.extend(SECRET);
    let size = (talking.len() as u32).to_be_bytes();
    talking[..4].copy_from_slice(&size);
    talking
}

/// Returns the same conversion as [`swapped`] with a table (mft2) instead of three colorants.
fn swapped_by_table() -> Vec<u8> {
    let colorants = {
        let srgb = ColorProfile::new_srgb();
        [srgb.blue_colorant, srgb.green_colorant, srgb.red_colorant].map(|c| [c.x, c.y, c.z])
    };
    let mut lut = b"mft2\0\0\0\0\x03\x03\x02\0".to_vec();
    for entry in [1_i32, 0, 0, 0, 1, 0, 0, 0, 1] {
        lut.extend((entry << 16).to_be_bytes());
    }
    const ENTRIES: u16 = 1_024;
    lut.extend(ENTRIES.to_be_bytes());
    lut.extend(2_u16.to_be_bytes());
    let linear = |value: f64| {
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    let word = |value: f64| (value.clamp(0.0, 1.0) * 65_535.0).round() as u16;
    for _ in 0..3 {
        lut.extend(
            (0..ENTRIES).flat_map(|at| word(linear(f64::from(at) / f64::from(ENTRIES - 1))).to_be_bytes()),
        );
    }
    for corner in 0..8 {
        lut.extend((0..3_usize).flat_map(|axis| {
            let parts = (0..3_usize).filter(|channel| corner >> (2 - channel) & 1 == 1);
            let sum: f64 = parts.map(|channel| colorants[channel][axis]).sum();
            // XYZ has one integer bit.
            word(sum / (1.0 + 32_767.0 / 32_768.0)).to_be_bytes()
        }));
    }
    for _ in 0..3 {
        lut.extend([0, 0, 0xFF, 0xFF]);
    }
    let mut icc = ColorProfile::new_srgb().encode().unwrap()[..128].to_vec();
    icc.extend(1_u32.to_be_bytes());
    icc.extend(b"A2B0");
    icc.extend(144_u32.to_be_bytes());
    icc.extend((lut.len() as u32).to_be_bytes());
    icc.extend(&lut);
    let size = (icc.len() as u32).to_be_bytes();
    icc[..4].copy_from_slice(&size);
    icc
}

fn with_red_and_blue_swapped(rgb: &[u8]) -> Vec<u8> {
    rgb.as_chunks::<3>().0.iter().flat_map(|[r, g, b]| [*b, *g, *r]).collect()
}

/// Returns files of these pixels in each format and several subsamplings, with or without a
/// profile.
fn files(rgb: &[u8], icc: Option<&[u8]>) -> Vec<(String, PictureFormat, Vec<u8>)> {
    let (width, height) = SIZE;
    let mut files = Vec::new();
    for subsamp in [Subsamp::None, Subsamp::Sub2x1, Subsamp::Sub2x2, Subsamp::Sub1x2, Subsamp::Sub4x1] {
        let jpeg = turbo(rgb, width, height, |c| c.set_subsamp(subsamp).unwrap());
        files.push((format!("JPEG {subsamp:?}"), PictureFormat::Jpeg, with_profile(&jpeg, icc)));
    }
    let jpeg = turbo(rgb, width, height, |c| c.set_colorspace(turbojpeg::Colorspace::RGB).unwrap());
    files.push(("JPEG of RGB".to_owned(), PictureFormat::Jpeg, with_profile(&jpeg, icc)));
    let mut png = Vec::new();
    let mut encoder = PngEncoder::new(&mut png);
    if let Some(icc) = icc {
        encoder.set_icc_profile(icc.to_vec()).unwrap();
    }
    encoder.write_image(rgb, width, height, ExtendedColorType::Rgb8).unwrap();
    files.push(("PNG".to_owned(), PictureFormat::Png, png));
    let mut webp = Vec::new();
    let mut encoder = WebPEncoder::new_lossless(&mut webp);
    if let Some(icc) = icc {
        encoder.set_icc_profile(icc.to_vec()).unwrap();
    }
    encoder.write_image(rgb, width, height, ExtendedColorType::Rgb8).unwrap();
    files.push(("WebP".to_owned(), PictureFormat::WebP, webp));
    files
}

pub(crate) fn with_profile(jpeg: &[u8], icc: Option<&[u8]>) -> Vec<u8> {
    [
        &jpeg[..2],
        &icc.map(|icc| icc_segments(icc, 1_000.max(icc.len().div_ceil(250)))).unwrap_or_default(),
        &jpeg[2..],
    ]
    .concat()
}

fn decode(format: PictureFormat, data: &[u8]) -> Planes {
    codec().decode(&encoded(format, data)).unwrap()
}

/// Returns the maximum difference between the samples of two pictures.
fn max_difference(a: &Planes, b: &Planes) -> u8 {
    let planes = |planes: &Planes| -> Vec<Vec<u8>> {
        let all = [planes.luma()].into_iter().chain(planes.chroma().into_iter().flatten());
        all.map(|plane: Plane<'_>| plane.rows().flatten().copied().collect()).collect()
    };
    let (a, b) = (planes(a), planes(b));
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn colours_of_a_profile_become_srgb_in_every_format() {
    let rgb = gradient(SIZE.0, SIZE.1);
    for (kind, icc) in [("colorants", swapped()), ("a table", swapped_by_table())] {
        let shown = files(&with_red_and_blue_swapped(&rgb), None);
        for ((case, format, file), (.., expected)) in files(&rgb, Some(&icc)).into_iter().zip(shown) {
            let (found, expected) = (decode(format, &file), decode(format, &expected));
            assert_eq!(found.subsampling(), expected.subsampling());
            let difference = max_difference(&found, &expected);
            // Both were encoded with loss.
            assert!(difference <= 10, "{case}, {kind}: off by {difference}");
        }
    }
}

#[test]
fn srgb_and_invalid_profiles_change_nothing() {
    let rgb = gradient(SIZE.0, SIZE.1);
    let broken = swapped()[..200].to_vec();
    let mut other_colours = swapped();
    other_colours[16..20].copy_from_slice(b"CMYK");
    let mut too_large = swapped();
    too_large.resize(MAX_METADATA_BYTES + 1, 0);
    let many_tags = [&swapped()[..128], &[0xFF; 400][..]].concat();
    for (name, icc) in [
        ("sRGB", srgb()),
        ("broken", broken),
        ("other colours", other_colours),
        ("too large", too_large),
        ("many tags", many_tags),
        ("grey", gray(1.0)),
        ("empty", vec![0; 4]),
    ] {
        for ((case, format, file), (.., plain)) in files(&rgb, Some(&icc)).into_iter().zip(files(&rgb, None))
        {
            assert_eq!(decode(format, &file), decode(format, &plain), "{case}: {name}");
        }
    }
}

#[test]
fn grey_pictures_use_only_grey_profiles() {
    let levels: Vec<u8> = (0..SIZE.0 * SIZE.1).map(|at| (at % SIZE.0 * 4) as u8).collect();
    let mut png = Vec::new();
    let mut encoder = PngEncoder::new(&mut png);
    encoder.set_icc_profile(gray(1.0)).unwrap();
    encoder.write_image(&levels, SIZE.0, SIZE.1, ExtendedColorType::L8).unwrap();
    let rgb: Vec<u8> = levels.iter().flat_map(|level| [*level; 3]).collect();
    let plain = turbo(&rgb, SIZE.0, SIZE.1, |c| c.set_subsamp(Subsamp::Gray).unwrap());
    let jpeg = with_profile(&plain, Some(&gray(1.0)));
    for (format, file) in [(PictureFormat::Png, &png), (PictureFormat::Jpeg, &jpeg)] {
        let planes = decode(format, file);
        assert!(planes.chroma().is_none());
        for (level, sample) in levels.iter().zip(planes.luma().rows().flatten()) {
            let linear = f64::from(*level) / 255.0;
            let shown =
                if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 };
            // In dark colours one level of light is many levels of sRGB, and JPEG may be off by one
            // level.
            let tolerance = if format == PictureFormat::Jpeg { 14.0 } else { 2.0 };
            assert!((255.0 * shown - f64::from(*sample)).abs() <= tolerance, "{format}: {level} is {sample}");
        }
    }
    // A colour profile does not apply to grey pictures.
    let jpeg = with_profile(&plain, Some(&swapped()));
    assert_eq!(decode(PictureFormat::Jpeg, &jpeg), decode(PictureFormat::Jpeg, &plain));
}

#[test]
fn a_copy_keeps_the_colours_and_no_private_data() {
    let rgb = gradient(SIZE.0, SIZE.1);
    let has_secret = |data: &[u8]| data.windows(8).any(|part| part == &SECRET[..8]);
    for (kind, icc) in [("colorants", swapped()), ("a table", swapped_by_table())] {
        for (case, format, file) in files(&rgb, Some(&icc)) {
            assert!(Metadata::of(format, &file).extras, "{case}");
            let copy = stripped(format, &file, Orientation::UPRIGHT).unwrap();
            assert!(!has_secret(&copy), "{case}, {kind}");
            assert_eq!(decode(format, &copy), decode(format, &file), "{case}, {kind}: the same colours");
            if format == PictureFormat::Png {
                // Compressed profiles cannot be searched for the text.
                let mut others = PngDecoder::new(Cursor::new(&copy[..])).unwrap();
                let icc = others.icc_profile().unwrap().unwrap();
                assert!(!has_secret(&icc), "{case}, {kind}");
                assert!(icc.len() < swapped().len().max(swapped_by_table().len() + 300));
            }
            assert_eq!(
                stripped(format, &copy, Orientation::UPRIGHT).unwrap(),
                copy,
                "{case}: a copy of a copy"
            );
        }
    }
    for (case, format, file) in files(&rgb, Some(&srgb())) {
        let copy = stripped(format, &file, Orientation::UPRIGHT).unwrap();
        assert!(
            !copy.windows(4).any(|part| part == b"acsp" || part == b"iCCP"),
            "{case}: sRGB needs no profile"
        );
        assert_eq!(decode(format, &copy), decode(format, &file), "{case}");
    }
}

#[test]
fn a_profile_that_was_applied_is_not_inserted_again() {
    let rgb = gradient(SIZE.0, SIZE.1);
    for (icc, is_kept) in [(swapped(), false), (srgb(), true)] {
        for (case, format, file) in files(&rgb, Some(&icc)) {
            let kept = PreservedMetadata::of(format, &file);
            let encoded = codec().encode(&decode(format, &file), OutputFormat::Jpeg, 90).unwrap();
            let made = kept.insert_into(PictureFormat::Jpeg, encoded).unwrap();
            assert_eq!(made.windows(12).any(|part| part == b"ICC_PROFILE\0"), is_kept, "{case}");
        }
    }
}

#[test]
fn masks_and_scaling_work_on_converted_colours() {
    let rgb = gradient(SIZE.0, SIZE.1);
    let mut codec = codec();
    let all =
        [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)].map(|(x, y)| NormalizedPoint { x, y }).to_vec();
    let mask = Polygon::new(all).unwrap();
    for (case, format, file) in files(&rgb, Some(&swapped())) {
        let mut planes = codec.decode(&encoded(format, &file)).unwrap();
        let small = codec.decode_at_least(&encoded(format, &file), 32, 24).unwrap();
        let after = codec.scale(&planes, 32, 24).unwrap();
        let early = codec.scale(&small, 32, 24).unwrap();
        assert!(max_difference(&early, &after) <= 8, "{case}: off by {}", max_difference(&early, &after));
        paint(&mut planes, [&mask]);
        assert!(planes.luma().rows().flatten().all(|luma| *luma == 0), "{case}");
    }
}

/// Applies all truncations and many single changes: with any profile, the picture is decoded, with
/// the same size.
#[test]
fn no_profile_prevents_decoding() {
    let jpeg = turbo(&gradient(16, 16), 16, 16, |_| {});
    for icc in [swapped(), swapped_by_table(), gray(2.2)] {
        let mut random = 7_usize;
        for at in 0..600 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut changed = icc.clone();
            let place = (random >> 20) % changed.len().min(600);
            changed[place] = (random >> 50) as u8;
            if at % 4 == 0 {
                changed.truncate((random >> 30) % icc.len());
            }
            let planes = decode_jpeg(&with_profile(&jpeg, Some(&changed))).unwrap();
            assert_eq!((planes.width(), planes.height()), (16, 16));
        }
    }
}
