//! Tests all outputs: formats, sizes, rotation, metadata, masks, and passthrough.

use turbojpeg::Subsamp;

use super::super::{Metadata, Orientation, Plane, fit_within, paint, stripped};
use super::formats::turbo;
use super::*;
use crate::domain::{NormalizedPoint, OutputFormat, Polygon};

const FORMATS: [OutputFormat; 4] =
    [OutputFormat::Jpeg, OutputFormat::Png, OutputFormat::WebP, OutputFormat::WebPLossless];
/// A text that must not remain in a picture without metadata.
const SECRET: &[u8] = b"GPS 52.5 N 13.4 E";

/// Returns an EXIF block with this orientation, which also contains the secret.
pub(super) fn exif(orientation: u8) -> Vec<u8> {
    let mut block = b"Exif\0\0II\x2A\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    block.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0, 0]);
    block.extend_from_slice(SECRET);
    block
}

pub(super) fn segment(code: u8, payload: &[u8]) -> Vec<u8> {
    [&[0xFF, code][..], &(payload.len() as u16 + 2).to_be_bytes(), payload].concat()
}

/// Returns a JPEG with all the metadata that cameras add.
fn with_camera_metadata(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut file = jpeg[..2].to_vec();
    file.extend(segment(0xE1, &exif(orientation)));
    file.extend(segment(0xE2, &[b"ICC_PROFILE\0\x01\x01", SECRET].concat()));
    file.extend(segment(0xFE, SECRET));
    file.extend(segment(0xED, SECRET));
    file.extend_from_slice(&jpeg[2..]);
    file.extend_from_slice(SECRET);
    file
}

fn contains_secret(data: &[u8]) -> bool {
    data.windows(SECRET.len()).any(|window| window == SECRET)
}

fn polygon(points: &[(f64, f64)]) -> Polygon {
    Polygon::new(points.iter().map(|&(x, y)| NormalizedPoint { x, y }).collect()).unwrap()
}

#[test]
fn every_output_format_decodes_to_the_original_picture() {
    let canvas = Scene::new(5, 321, 179).draw(40).0;
    let mut codec = codec();
    for subsamp in [
        Subsamp::Gray,
        Subsamp::None,
        Subsamp::Sub2x1,
        Subsamp::Sub2x2,
        Subsamp::Sub1x2,
        Subsamp::Sub4x1,
        Subsamp::Sub1x4,
    ] {
        let jpeg = turbo(canvas.pixels(), 321, 179, |c| c.set_subsamp(subsamp).unwrap());
        let planes = decode_jpeg(&jpeg).unwrap();
        for format in FORMATS {
            let bytes = codec.encode(&planes, format, 85).unwrap();
            let again = codec.decode(&encoded(format.picture_format(), &bytes)).unwrap();
            let found = psnr(&planes, &again);
            let minimum = if format.is_lossy() { 33.0 } else { 45.0 };
            assert!(found > minimum, "{format:?} {subsamp:?}: {found:.1} dB");
        }
    }
}

#[test]
fn a_lower_quality_is_smaller() {
    let planes = decode_jpeg(&road_jpeg(640, 360)).unwrap();
    let mut codec = codec();
    for format in [OutputFormat::Jpeg, OutputFormat::WebP] {
        let sizes = [20, 50, 85].map(|quality| codec.encode(&planes, format, quality).unwrap().len());
        assert!(sizes.is_sorted() && sizes[0] * 3 < sizes[2] * 2, "{format:?}: {sizes:?}");
    }
}

#[test]
fn sizes_fit_both_bounds_and_keep_the_shape() {
    for (size, bounds, expected) in [
        ((1920, 1080), (0, 0), (1920, 1080)),
        ((1920, 1080), (640, 0), (640, 360)),
        ((1920, 1080), (0, 540), (960, 540)),
        ((1920, 1080), (640, 100), (178, 100)),
        ((1920, 1080), (4000, 4000), (1920, 1080)),
        ((8192, 1), (10, 10), (10, 1)),
        ((3, 8192), (0, 10), (1, 10)),
    ] {
        assert_eq!(fit_within(size.0, size.1, bounds.0, bounds.1), expected, "{size:?} in {bounds:?}");
    }
}

#[test]
fn all_eight_orientations_end_upright() {
    // The shown position of the corner that is stored first: left or right, upper or lower.
    let shown = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0), (1, 0), (1, 1), (0, 1)];
    let (width, height) = (48_u32, 32_u32);
    let bright = |x: u32, y: u32| if x < 16 && y < 8 { 255 } else { 20 };
    let luma: Vec<u8> = (0..width * height).map(|i| bright(i % width, i / width)).collect();
    for (number, corner) in (1..=8).zip(shown) {
        let mut codec = codec();
        let planes = codec.decode(&raw(PictureFormat::Gray8, width, height, 0, &luma)).unwrap();
        let orientation = Orientation::new(number).unwrap();
        let upright = codec.upright(planes, orientation);
        let swapped = number >= 5;
        assert_eq!((upright.width(), upright.height()), if swapped { (32, 48) } else { (48, 32) });
        let rows: Vec<&[u8]> = upright.luma().rows().collect();
        let at = |right: usize, lower: usize| {
            rows[lower * (rows.len() - 1)][right * (upright.width() as usize - 1)]
        };
        for (right, lower) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let wanted = if (right, lower) == corner { 255 } else { 20 };
            assert_eq!(at(right, lower), wanted, "orientation {number}, corner {right} {lower}");
        }
        // 16 x 8 stored; a rotation by 90 degrees makes it 8 x 16.
        let (right, lower) = corner;
        let across = (0..upright.width() as usize).filter(|x| rows[lower * (rows.len() - 1)][*x] == 255);
        assert_eq!(across.count(), if swapped { 8 } else { 16 }, "orientation {number}, at {right}");
    }
    assert!(Orientation::new(0).is_none() && Orientation::new(9).is_none());
}

#[test]
fn colours_are_rotated_with_the_picture() {
    let jpeg = turbo(Scene::new(5, 80, 64).draw(40).0.pixels(), 80, 64, |c| {
        c.set_subsamp(Subsamp::Sub2x1).unwrap();
    });
    let mut codec = codec();
    let planes = decode_jpeg(&jpeg).unwrap();
    for (there, back) in [(2, 2), (3, 3), (4, 4), (5, 5), (6, 8), (7, 7), (8, 6)] {
        let turned = codec.upright(planes.clone(), Orientation::new(there).unwrap());
        let again = codec.upright(turned, Orientation::new(back).unwrap());
        assert_eq!(again, planes, "{there} and {back}");
    }
}

#[test]
fn metadata_of_a_jpeg_is_removed_without_touching_its_pixels() {
    let canvas = Scene::new(5, 160, 90).draw(40).0;
    for progressive in [false, true] {
        let jpeg = turbo(canvas.pixels(), 160, 90, |c| c.set_progressive(progressive).unwrap());
        let plain = Metadata { orientation: Orientation::UPRIGHT, extras: false };
        assert_eq!(Metadata::of(PictureFormat::Jpeg, &jpeg), plain);
        for number in 1..=8 {
            let file = with_camera_metadata(&jpeg, number);
            let orientation = Orientation::new(number).unwrap();
            assert_eq!(Metadata::of(PictureFormat::Jpeg, &file), Metadata { orientation, extras: true });
            let clean = stripped(PictureFormat::Jpeg, &file, orientation).unwrap();
            assert!(contains_secret(&file) && !contains_secret(&clean));
            assert_eq!(Metadata::of(PictureFormat::Jpeg, &clean).orientation, orientation);
            assert_eq!(decode_jpeg(&clean), decode_jpeg(&jpeg));
            if number == 1 {
                assert_eq!(&clean[..], &jpeg[..], "nothing else was there");
            }
        }
    }
    // A missing second half must not cause a panic.
    for end in 0..200 {
        let file = with_camera_metadata(&road_jpeg(64, 36), 6);
        let _ = stripped(PictureFormat::Jpeg, &file[..end], Orientation::UPRIGHT);
        let _ = Metadata::of(PictureFormat::Jpeg, &file[..end]);
    }
}

#[test]
fn metadata_of_png_and_webp_is_removed_too() {
    let planes = decode_jpeg(&road_jpeg(64, 36)).unwrap();
    let png = codec().encode(&planes, OutputFormat::Png, 0).unwrap();
    let mut chunk = (SECRET.len() as u32).to_be_bytes().to_vec();
    chunk.extend_from_slice(b"tEXt");
    chunk.extend_from_slice(SECRET);
    chunk.extend_from_slice(&[0; 4]);
    let file = [&png[..33], &chunk, &png[33..]].concat();
    assert!(Metadata::of(PictureFormat::Png, &file).extras && !Metadata::of(PictureFormat::Png, &png).extras);
    assert_eq!(stripped(PictureFormat::Png, &file, Orientation::UPRIGHT).unwrap(), png);

    let webp = codec().encode(&planes, OutputFormat::WebP, 80).unwrap();
    assert!(!Metadata::of(PictureFormat::WebP, &webp).extras);
    let tiff = &exif(6)[6..];
    let mut body = b"WEBPVP8X\x0a\0\0\0\x08\0\0\0\x3F\0\0\x23\0\0".to_vec();
    body.extend_from_slice(&webp[12..]);
    body.extend_from_slice(b"EXIF");
    body.extend_from_slice(&(tiff.len() as u32).to_le_bytes());
    body.extend_from_slice(tiff);
    body.resize(body.len().next_multiple_of(2), 0);
    let file = [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat();
    let found = Metadata::of(PictureFormat::WebP, &file);
    assert_eq!((found.orientation.number(), found.extras), (6, true));
    let clean = stripped(PictureFormat::WebP, &file, found.orientation).unwrap();
    assert!(
        contains_secret(&file)
            && !contains_secret(&clean)
            && !Metadata::of(PictureFormat::WebP, &clean).extras
    );
    let mut codec = codec();
    let decoded = [&webp[..], &clean].map(|data| codec.decode(&encoded(PictureFormat::WebP, data)));
    assert!(decoded[0].is_ok());
    assert_eq!(decoded[0], decoded[1]);
    for end in 0..file.len() {
        let _ = Metadata::of(PictureFormat::WebP, &file[..end]);
        let _ = Metadata::of(PictureFormat::Png, &png[..end.min(png.len())]);
    }
}

#[test]
fn a_jpeg_is_coarse_if_encoding_it_again_only_makes_it_worse() {
    let canvas = Scene::new(5, 160, 90).draw(40).0;
    let at = |quality, subsamp| {
        turbo(canvas.pixels(), 160, 90, |c| {
            c.set_quality(quality).unwrap();
            c.set_subsamp(subsamp).unwrap();
        })
    };
    let mut codec = codec();
    for subsamp in [Subsamp::Sub2x2, Subsamp::None, Subsamp::Gray] {
        for (quality, target, coarse) in
            [(70, 85, true), (85, 85, true), (86, 85, false), (95, 85, false), (30, 20, false), (1, 1, true)]
        {
            let found = codec.is_as_coarse(&at(quality, subsamp), target);
            assert_eq!(found, coarse, "{quality} for {target}, {subsamp:?}");
        }
    }
    assert!(!codec.is_as_coarse(b"\xFF\xD8\xFF", 85));
    assert!(!codec.is_as_coarse(b"", 85));
}

/// Counts the samples of a plane that differ from `flat`.
fn count_unlike(plane: Plane<'_>, flat: u8) -> usize {
    plane.rows().flatten().filter(|sample| **sample != flat).count()
}

#[test]
fn a_mask_covers_every_pixel_that_it_touches() {
    let all = polygon(&[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]);
    for subsamp in [Subsamp::Gray, Subsamp::None, Subsamp::Sub2x2, Subsamp::Sub4x1, Subsamp::Sub1x4] {
        for (width, height) in [(1, 1), (35, 23), (64, 36)] {
            let pixels: Vec<u8> = (0..width * height * 3).map(|index| (index * 7919 % 251) as u8).collect();
            let jpeg = turbo(&pixels, width, height, |c| {
                c.set_subsamp(subsamp).unwrap();
            });
            let mut planes = decode_jpeg(&jpeg).unwrap();
            paint(&mut planes, [&all]);
            assert_eq!(count_unlike(planes.luma(), 0), 0);
            for chroma in planes.chroma().into_iter().flatten() {
                assert_eq!(count_unlike(chroma, 128), 0);
            }
        }
    }
}

/// Two pictures that differ only in masked pixels become identical, whatever their orientation.
#[test]
fn nothing_of_a_masked_pixel_is_left_in_a_rotated_picture() {
    let mask = polygon(&[(0.2, 0.25), (0.6, 0.25), (0.6, 0.7), (0.2, 0.7)]);
    let mut codec = codec();
    for (width, height) in [(35_u32, 23_u32), (34, 23), (35, 22), (34, 22)] {
        let pixels = (width * height) as usize;
        for orientation in (1..=8).filter_map(Orientation::new) {
            // Two grey pictures contain the number of each pixel, to find its shown position.
            let mut shown = |part: fn(usize) -> u8| -> Planes {
                let numbers: Vec<u8> = (0..pixels).map(part).collect();
                let planes = codec.decode(&raw(PictureFormat::Gray8, width, height, 0, &numbers)).unwrap();
                codec.upright(planes, orientation)
            };
            let (high, low) = (shown(|index| (index >> 8) as u8), shown(|index| (index & 0xFF) as u8));
            let mut painted = high.clone();
            let mut cover = high.clone();
            paint(&mut painted, [&mask]);
            // The pixels that become black in any case.
            cover.split_mut()[0].fill(255);
            paint(&mut cover, [&mask]);
            let samples = |planes: &Planes| planes.luma().rows().flatten().copied().collect::<Vec<u8>>();
            let number = samples(&high).into_iter().zip(samples(&low));
            let masked: Vec<usize> = number
                .zip(samples(&cover))
                .filter(|(_, cover)| *cover == 0)
                .map(|((high, low), _)| usize::from(high) << 8 | usize::from(low))
                .collect();
            assert!(masked.len() > 100);
            let mut look = |colour: [u8; 3]| -> Planes {
                let mut rgb: Vec<u8> = (0..pixels * 3).map(|index| (index * 7919 % 251) as u8).collect();
                for index in &masked {
                    rgb[index * 3..][..3].copy_from_slice(&colour);
                }
                let planes = codec.decode(&raw(PictureFormat::Rgb8, width, height, 0, &rgb)).unwrap();
                let mut planes = codec.upright(planes, orientation);
                paint(&mut planes, [&mask]);
                planes
            };
            assert!(
                look([255, 0, 0]) == look([0, 0, 255]),
                "{width} x {height}, orientation {}",
                orientation.number()
            );
        }
    }
}

#[test]
fn a_mask_thinner_than_a_pixel_still_covers_pixels() {
    let white = vec![255; 40 * 30];
    let painted = |mask: &Polygon| {
        let mut planes = codec().decode(&raw(PictureFormat::Gray8, 40, 30, 0, &white)).unwrap();
        paint(&mut planes, [mask]);
        planes
    };
    // A very thin mask across the picture, between pixel centres.
    let hair = painted(&polygon(&[(0.0, 0.501), (1.0, 0.501), (1.0, 0.502), (0.0, 0.502)]));
    let rows: Vec<&[u8]> = hair.luma().rows().collect();
    assert!(rows[15].iter().all(|luma| *luma == 0), "the row in which it lies");
    assert_eq!(count_unlike(hair.luma(), 255), 40, "no other pixel");
    let dot = painted(&polygon(&[(0.51, 0.51), (0.512, 0.51), (0.511, 0.512)]));
    assert_eq!(count_unlike(dot.luma(), 255), 1);
    // Each pixel that a diagonal edge crosses is covered completely.
    let slanted = polygon(&[(0.1, 0.1), (0.9, 0.35), (0.3, 0.9)]);
    let planes = painted(&slanted);
    for (index, a) in slanted.points().iter().enumerate() {
        let b = slanted.points()[(index + 1) % 3];
        for step in 0..=1000 {
            let share = f64::from(step) / 1000.0;
            let (x, y) = (a.x + share * (b.x - a.x), a.y + share * (b.y - a.y));
            let row = planes.luma().rows().nth((y * 30.0) as usize).unwrap();
            assert_eq!(row[(x * 40.0) as usize], 0, "at {x} {y}");
        }
    }
}
