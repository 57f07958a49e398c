//! Tests that EXIF and ICC are carried over from each format to each other one. PNG and WebP are
//! written and read with the `image` crate.

use std::io::Cursor;

use bytes::Bytes;
use image::codecs::png::{PngDecoder, PngEncoder};
use image::codecs::webp::{WebPDecoder, WebPEncoder};
use image::{ExtendedColorType, ImageDecoder, ImageEncoder};

use super::super::preserved_metadata::MAX_METADATA_BYTES;
use super::super::{Metadata, Orientation, PreservedMetadata};
use super::formats::gradient;
use super::outputs::{exif, segment};
use super::*;
use crate::domain::OutputFormat;

const FILES: [PictureFormat; 3] = [PictureFormat::Jpeg, PictureFormat::Png, PictureFormat::WebP];
const OUTPUTS: [OutputFormat; 4] =
    [OutputFormat::Jpeg, OutputFormat::Png, OutputFormat::WebP, OutputFormat::WebPLossless];
const SIZE: (u32, u32) = (35, 22);

/// Returns a profile header of this colour space followed by incompressible bytes.
fn profile(colors: &[u8; 4], bytes: usize) -> Vec<u8> {
    let mut random = 7_u32;
    let mut noise = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 24) as u8
    };
    let mut icc: Vec<u8> = (0..bytes).map(|_| noise()).collect();
    icc[16..20].copy_from_slice(colors);
    icc[36..40].copy_from_slice(b"acsp");
    icc
}

pub(super) fn icc_segments(icc: &[u8], part_bytes: usize) -> Vec<u8> {
    let parts = icc.chunks(part_bytes);
    let count = parts.len() as u8;
    (1..)
        .zip(parts)
        .flat_map(|(at, part)| segment(0xE2, &[&b"ICC_PROFILE\0"[..], &[at, count], part].concat()))
        .collect()
}

/// Writes a file with a TIFF block and a profile with other libraries.
fn file(format: PictureFormat, tiff: &[u8], icc: &[u8]) -> Vec<u8> {
    fn written(mut encoder: impl ImageEncoder, tiff: &[u8], icc: &[u8]) {
        encoder.set_icc_profile(icc.to_vec()).unwrap();
        encoder.set_exif_metadata(tiff.to_vec()).unwrap();
        let (width, height) = SIZE;
        encoder.write_image(&gradient(width, height), width, height, ExtendedColorType::Rgb8).unwrap();
    }
    let mut file = Vec::new();
    if format == PictureFormat::Png {
        written(PngEncoder::new(&mut file), tiff, icc);
    } else if format == PictureFormat::WebP {
        written(WebPEncoder::new_lossless(&mut file), tiff, icc);
    } else {
        let jpeg = road_jpeg(SIZE.0, SIZE.1);
        let exif = segment(0xE1, &[b"Exif\0\0", tiff].concat());
        file = [&jpeg[..2], &icc_segments(icc, 1000), &exif, &jpeg[2..]].concat();
    }
    file
}

/// Reads the TIFF block and the profile of a file with other libraries.
fn read(format: PictureFormat, data: &[u8]) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    fn both(mut decoder: impl ImageDecoder) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        (decoder.exif_metadata().unwrap(), decoder.icc_profile().unwrap())
    }
    if format == PictureFormat::Png {
        return both(PngDecoder::new(Cursor::new(data)).unwrap());
    }
    if format == PictureFormat::WebP {
        return both(WebPDecoder::new(Cursor::new(data)).unwrap());
    }
    let (mut tiff, mut icc) = (None, None::<Vec<u8>>);
    let mut at = 2;
    while data[at + 1] != 0xDA {
        let end = at + 2 + usize::from(u16::from_be_bytes([data[at + 2], data[at + 3]]));
        let payload = &data[at + 4..end];
        if data[at + 1] == 0xE1 {
            tiff = payload.strip_prefix(b"Exif\0\0").map(<[u8]>::to_vec);
        } else if data[at + 1] == 0xE2 {
            icc.get_or_insert_default().extend_from_slice(&payload[14..]);
        }
        at = end;
    }
    (tiff, icc)
}

fn encode(source: &[u8], output: OutputFormat) -> Bytes {
    let mut codec = codec();
    let planes = codec.decode(&SourcePicture::encoded(source).unwrap()).unwrap();
    codec.encode(&planes, output, 85).unwrap()
}

#[test]
fn exif_and_icc_are_carried_over_between_all_formats() {
    let turned = exif(6)[6..].to_vec();
    let icc = profile(b"RGB ", 3_144);
    for from in FILES {
        let source = file(from, &turned, &icc);
        assert_eq!(Metadata::of(from, &source).orientation.number(), 6, "{from}");
        let kept = PreservedMetadata::of(from, &source);
        for output in OUTPUTS {
            let to = output.picture_format();
            let plain = encode(&source, output);
            let made = kept.insert_into(to, plain.clone()).unwrap();
            let case = format!("{from} to {output:?}");
            let (tiff, profile) = read(to, &made);
            assert_eq!(profile.as_ref(), Some(&icc), "{case}");
            // The same block, but with an upright orientation.
            assert_eq!(tiff.as_deref(), Some(&exif(1)[6..]), "{case}");
            let upright = Metadata { orientation: Orientation::UPRIGHT, extras: true };
            assert_eq!(Metadata::of(to, &made), upright, "{case}");
            assert_eq!(PreservedMetadata::of(to, &made), kept, "{case}: read again");
            let mut codec = codec();
            assert_eq!(
                codec.decode(&encoded(to, &made)),
                codec.decode(&encoded(to, &plain)),
                "{case}: the same pixels"
            );
        }
    }
}

#[test]
fn a_large_profile_takes_many_segments_and_one_chunk() {
    let (tiff, icc) = (exif(1)[6..].to_vec(), profile(b"RGB ", 300_001));
    let kept = PreservedMetadata::of(PictureFormat::Png, &file(PictureFormat::Png, &tiff, &icc));
    for output in OUTPUTS {
        let to = output.picture_format();
        let made = kept.insert_into(to, encode(&road_jpeg(64, 36), output)).unwrap();
        assert_eq!(read(to, &made), (Some(tiff.clone()), Some(icc.clone())), "{output:?}");
    }
    let segments =
        kept.insert_into(PictureFormat::Jpeg, encode(&road_jpeg(64, 36), OutputFormat::Jpeg)).unwrap();
    assert_eq!(segments.windows(12).filter(|part| part == b"ICC_PROFILE\0").count(), 5);
}

#[test]
fn metadata_that_a_file_cannot_have_is_left_out() {
    let tiff = exif(1)[6..].to_vec();
    let mut codec = codec();
    let gray = codec.decode(&raw(PictureFormat::Gray8, 3, 2, 0, &[0, 50, 100, 150, 200, 250])).unwrap();
    let color = decode_jpeg(&road_jpeg(64, 36)).unwrap();
    for (colors, of_gray, of_color) in
        [(b"RGB ", false, true), (b"GRAY", true, false), (b"CMYK", false, false)]
    {
        let kept = PreservedMetadata::of(
            PictureFormat::Jpeg,
            &file(PictureFormat::Jpeg, &tiff, &profile(colors, 400)),
        );
        for output in OUTPUTS {
            let to = output.picture_format();
            let mut has = |planes: &Planes| {
                let made = kept.insert_into(to, codec.encode(planes, output, 85).unwrap()).unwrap();
                let (exif, icc) = read(to, &made);
                assert_eq!(exif.as_ref(), Some(&tiff), "EXIF is kept whatever the colours");
                icc.is_some()
            };
            // WebP does not support grey pictures.
            let gray_file = to != PictureFormat::WebP;
            assert_eq!(has(&gray), if gray_file { of_gray } else { of_color }, "{output:?} {colors:?}");
            assert_eq!(has(&color), of_color, "{output:?} {colors:?}");
        }
    }
    // Other formats can contain an EXIF block that is larger than a JPEG segment.
    let large = [&tiff[..], &[9; 70_000]].concat();
    let kept = PreservedMetadata::of(
        PictureFormat::WebP,
        &file(PictureFormat::WebP, &large, &profile(b"RGB ", 400)),
    );
    for output in OUTPUTS {
        let to = output.picture_format();
        let made = kept.insert_into(to, encode(&road_jpeg(64, 36), output)).unwrap();
        let (exif, icc) = read(to, &made);
        assert_eq!(
            exif.map_or(0, |exif| exif.len()),
            if to == PictureFormat::Jpeg { 0 } else { large.len() }
        );
        assert!(icc.is_some());
    }
}

#[test]
fn metadata_that_is_unreadable_or_too_large_is_not_preserved() {
    let (tiff, none) = (exif(1)[6..].to_vec(), PreservedMetadata::default());
    let jpeg = road_jpeg(64, 36);
    // A missing part, a repeated part, an invalid part 0, and a count that changes.
    let icc = profile(b"RGB ", 4_000);
    let parts = icc_segments(&icc, 1000);
    let part = parts.len() / 4;
    let mut other_count = parts.clone();
    other_count[part + 17] = 9;
    let mut zero = parts.clone();
    zero[16] = 0;
    for broken in
        [&parts[..3 * part], &parts[part..], &[&parts[..], &parts[..part]].concat(), &other_count, &zero]
    {
        let file = [&jpeg[..2], broken, &jpeg[2..]].concat();
        assert_eq!(PreservedMetadata::of(PictureFormat::Jpeg, &file), none);
    }
    // The order of the parts does not matter.
    let file = [&jpeg[..2], &parts[2 * part..], &parts[..2 * part], &jpeg[2..]].concat();
    let kept = PreservedMetadata::of(PictureFormat::Jpeg, &file);
    let made = kept.insert_into(PictureFormat::Jpeg, jpeg.clone().into()).unwrap();
    assert_eq!(read(PictureFormat::Jpeg, &made).1, Some(icc));
    // Not a TIFF block.
    let file = [&jpeg[..2], &segment(0xE1, b"Exif\0\0nothing"), &jpeg[2..]].concat();
    assert_eq!(PreservedMetadata::of(PictureFormat::Jpeg, &file), none);
    // The maximum size, and one byte more. Zeros compress to a thousandth of their size in a PNG.
    for (bytes, is_kept) in [(MAX_METADATA_BYTES, true), (MAX_METADATA_BYTES + 1, false), (8 << 20, false)] {
        let mut icc = vec![0; bytes];
        icc[..400].copy_from_slice(&profile(b"RGB ", 400));
        for format in [PictureFormat::Png, PictureFormat::WebP] {
            let source = super::preserved_metadata::file(format, &tiff, &icc);
            let made =
                PreservedMetadata::of(format, &source).insert_into(format, encode(&jpeg, OutputFormat::Png));
            if format == PictureFormat::Png {
                let (exif, icc) = read(format, &made.unwrap());
                assert_eq!((exif.as_ref(), icc.is_some()), (Some(&tiff), is_kept), "{bytes} bytes");
            } else {
                assert!(made.is_err(), "a PNG is not a WebP");
            }
        }
    }
}

#[test]
fn truncated_files_cause_no_panic_in_readers_and_writers_of_metadata() {
    let (tiff, icc) = (exif(6)[6..].to_vec(), profile(b"RGB ", 300));
    for format in FILES {
        let source = file(format, &tiff, &icc);
        let whole = PreservedMetadata::of(format, &source);
        for end in 0..source.len() {
            let part = &source[..end];
            for read_as in FILES {
                let _ = PreservedMetadata::of(read_as, part);
                let _ = whole.insert_into(read_as, Bytes::copy_from_slice(part));
            }
        }
    }
}
