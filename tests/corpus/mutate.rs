//! Seeded mutations of valid pictures. `SEED=n` repeats a run, `ITERATIONS=n` makes it longer.

use std::time::Duration;

use frameway::domain::PictureFormat;
use frameway::picture::{Codec, DecodeError, Limits, PreservedMetadata, SourcePicture};

use crate::alone;
use crate::case::{Random, valid};
use crate::memory::timed;

const ITERATIONS: u64 = 4_000;
const MAX_TIME: Duration = Duration::from_secs(2);

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=random.below(6) {
        let length = bytes.len().max(1);
        let at = random.below(length);
        // Half of the changes are in the header, which contains sizes and tables.
        let at = if random.below(2) == 0 { at % 700.min(length) } else { at };
        let span = random.below(64).min(bytes.len().saturating_sub(at));
        match random.below(9) {
            0 | 1 => bytes[at..].iter_mut().take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
            2 => bytes[at..].iter_mut().take(1).for_each(|byte| *byte = random.below(256) as u8),
            3 => bytes[at..at + span].fill([0, 0xFF][random.below(2)]),
            4 => drop(bytes.drain(at..at + span)),
            5 => {
                let copy = bytes[at..at + span].to_vec();
                bytes.splice(at..at, copy);
            }
            6 => bytes.truncate(length - span),
            7 => bytes.extend((0..span).map(|_| random.below(256) as u8)),
            _ => {
                let from = random.below(other.len());
                let taken = &other[from..(from + span).min(other.len())];
                bytes.splice(at..at + span, taken.iter().copied());
            }
        }
        if bytes.is_empty() {
            return;
        }
    }
}

/// Adds metadata to the pictures: an EXIF block with an orientation that swaps the sides, and an
/// ICC profile that is only a header, in two parts.
fn with_metadata(plain: &[(PictureFormat, Vec<u8>)]) -> Vec<(PictureFormat, Vec<u8>)> {
    let segment = |code, parts: &[&[u8]]| {
        let payload = parts.concat();
        [&[0xFF, code][..], &(payload.len() as u16 + 2).to_be_bytes(), &payload].concat()
    };
    let tiff = b"Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let mut profile = [0; 128];
    profile[16..20].copy_from_slice(b"RGB ");
    profile[36..40].copy_from_slice(b"acsp");
    let metadata = [
        segment(0xE1, &[tiff]),
        segment(0xE2, &[b"ICC_PROFILE\0\x01\x02", &profile[..50]]),
        segment(0xE2, &[b"ICC_PROFILE\0\x02\x02", &profile[50..]]),
    ];
    let (_, jpeg) = &plain[0];
    let jpeg = [&jpeg[..2], &metadata.concat(), &jpeg[2..]].concat();
    let kept = PreservedMetadata::of(PictureFormat::Jpeg, &jpeg);
    let with_it = plain.iter().map(|(format, plain)| {
        let file = kept.insert_into(*format, plain.clone().into()).expect("it was just encoded");
        assert_eq!(
            PreservedMetadata::of(*format, &file),
            PreservedMetadata::of(PictureFormat::Jpeg, &jpeg),
            "{format}"
        );
        (*format, file.to_vec())
    });
    with_it.collect()
}

#[test]
fn mutated_pictures_end_as_pictures_or_typed_errors() {
    let _alone = alone();
    let seed = number("SEED").unwrap_or(1);
    let iterations = number("ITERATIONS").unwrap_or(ITERATIONS);
    let mut originals = valid();
    // New pictures without metadata, as encoders write them.
    let fresh = originals.clone();
    originals.extend(with_metadata(&originals));
    originals.push((PictureFormat::Nv12, vec![80; 160 * 90 * 3 / 2]));
    // Small limits keep each case fast, and a limit that is not applied shows in the planes.
    let limits = Limits { max_pixels: 100_000, max_alloc_bytes: 4 << 20, ..Limits::default() };
    let mut codec = Codec::new(limits);
    let (mut decoded, mut refused) = (0, 0);
    for iteration in 0..iterations {
        // Each iteration depends on its own seed only: `SEED=<seed> ITERATIONS=1` repeats it.
        let own = seed.wrapping_add(iteration);
        let mut random = Random::new(own);
        let (format, original) = &originals[random.below(originals.len())];
        let other = &originals[random.below(originals.len())].1;
        let mut data = original.clone();
        mutate(&mut random, &mut data, other);
        let (width, height) = if format.is_raw() { (160, 90) } else { (0, 0) };
        let source = SourcePicture {
            format: *format,
            width,
            height,
            stride: 0,
            colors: Default::default(),
            data: &data,
        };
        let (result, time) = timed(|| codec.decode(&source));
        assert!(time < MAX_TIME, "SEED={own} ITERATIONS=1: {format} took {time:?}");
        match result {
            Ok(planes) => {
                decoded += 1;
                let pixels = u64::from(planes.width()) * u64::from(planes.height());
                assert!(pixels <= limits.max_pixels, "SEED={own} ITERATIONS=1: {pixels} pixels");
                // A scaled decode must work as well, with at least the requested size.
                let (width, height) = (planes.width() / 3, planes.height() / 3);
                let small = codec.decode_at_least(&source, width, height);
                let small = small.unwrap_or_else(|error| panic!("SEED={own} ITERATIONS=1: scaled: {error}"));
                assert!(small.width() >= width && small.height() >= height, "SEED={own} ITERATIONS=1");
                assert!(small.width() <= planes.width() && small.height() <= planes.height());
                codec.recycle(small);
                // Its preserved metadata can be inserted into another picture, which stays valid.
                let kept = PreservedMetadata::of(*format, &data);
                for (format, plain) in &fresh {
                    if !format.is_raw() && kept != PreservedMetadata::default() {
                        let made = kept.insert_into(*format, plain.clone().into());
                        let made =
                            made.unwrap_or_else(|error| panic!("SEED={own} ITERATIONS=1: kept: {error}"));
                        let again = codec.decode(&SourcePicture {
                            data: &made,
                            width: 0,
                            height: 0,
                            format: *format,
                            stride: 0,
                            colors: Default::default(),
                        });
                        assert!(
                            again.is_ok(),
                            "SEED={own} ITERATIONS=1: {format} with what was kept: {again:?}"
                        );
                    }
                }
                codec.recycle(planes);
            }
            Err(error @ (DecodeError::Codec(_) | DecodeError::Panicked(_))) => {
                panic!("SEED={own} ITERATIONS=1: {format}: {error}")
            }
            Err(_) => refused += 1,
        }
    }
    eprintln!("seed {seed}: {decoded} decoded, {refused} refused");
    for (format, original) in &originals {
        let (width, height) = if format.is_raw() { (160, 90) } else { (0, 0) };
        let source = SourcePicture {
            format: *format,
            width,
            height,
            stride: 0,
            colors: Default::default(),
            data: original,
        };
        assert!(codec.decode(&source).is_ok(), "SEED={seed}: the codec no longer works: {format}");
    }
}
