//! Tests that EXIF of a picture that was encoded again is correct for that picture.

use super::super::{PreservedMetadata, tiff};
use super::outputs::segment;
use super::*;
use crate::domain::OutputFormat;

const MAKER: &[u8] = b"what the maker noted";
const THUMBNAIL: &[u8] = b"\xFF\xD8a small copy of the picture as it was\xFF\xD9";

/// A TIFF block under construction in one byte order.
struct Writer {
    big_endian: bool,
    bytes: Vec<u8>,
}

impl Writer {
    fn short(&mut self, value: u16) {
        let pair = if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        self.bytes.extend(pair);
    }

    fn long(&mut self, value: u32) {
        let four = if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        self.bytes.extend(four);
    }

    fn entry(&mut self, tag: u16, kind: u16, value: u32) {
        self.short(tag);
        self.short(kind);
        self.long(1);
        if kind == 3 {
            self.short(value as u16);
            self.short(0);
        } else {
            self.long(value);
        }
    }

    fn directory(&mut self, entries: &[(u16, u16, u32)], next: u32) {
        self.short(entries.len() as u16);
        for (tag, kind, value) in entries {
            self.entry(*tag, *kind, *value);
        }
        self.long(next);
    }
}

/// Returns a block with orientation 6, 640 x 480 in four entries, a maker note, and a thumbnail;
/// `first` puts the thumbnail before the note.
fn block(big_endian: bool, first: bool) -> Vec<u8> {
    let mut writer = Writer { big_endian, bytes: if big_endian { b"MM".to_vec() } else { b"II".to_vec() } };
    writer.short(42);
    writer.long(8);
    // The offsets: directories of 4, 3 and 3 entries, then the two values.
    let (exif, small) = (8 + 2 + 4 * 12 + 4, 8 + 2 + 4 * 12 + 4 + 2 + 3 * 12 + 4);
    let values = small + 2 + 3 * 12 + 4;
    let (note, thumbnail) =
        if first { (values + THUMBNAIL.len() as u32, values) } else { (values, values + MAKER.len() as u32) };
    writer.directory(&[(0x0100, 4, 640), (0x0101, 3, 480), (0x0112, 3, 6), (0x8769, 4, exif)], small);
    writer.short(3);
    writer.short(0x927C);
    writer.short(7);
    writer.long(MAKER.len() as u32);
    writer.long(note);
    writer.entry(0xA002, 3, 640);
    writer.entry(0xA003, 4, 480);
    writer.long(0);
    writer.directory(&[(0x0112, 3, 6), (0x0201, 4, thumbnail), (0x0202, 4, THUMBNAIL.len() as u32)], 0);
    for value in if first { [THUMBNAIL, MAKER] } else { [MAKER, THUMBNAIL] } {
        writer.bytes.extend(value);
    }
    writer.bytes
}

fn has(data: &[u8], part: &[u8]) -> bool {
    data.windows(part.len()).any(|window| window == part)
}

/// Returns the value of an entry of a directory.
fn value(tiff: &[u8], directory: usize, tag: u16) -> u32 {
    let big_endian = tiff.starts_with(b"MM");
    let short = |at: usize| {
        let pair = [tiff[at], tiff[at + 1]];
        if big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
    };
    let long = |at: usize| {
        let four: [u8; 4] = tiff[at..at + 4].try_into().unwrap();
        if big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    };
    let entries = (0..usize::from(short(directory))).map(|index| directory + 2 + 12 * index);
    let entry = entries.into_iter().find(|entry| short(*entry) == tag).unwrap();
    if short(entry + 2) == 3 { u32::from(short(entry + 8)) } else { long(entry + 8) }
}

#[test]
fn sizes_are_those_of_the_picture_and_the_thumbnail_is_left_out() {
    let planes = decode_jpeg(&road_jpeg(64, 36)).unwrap();
    for (big_endian, first) in [(false, false), (false, true), (true, false), (true, true)] {
        let block = block(big_endian, first);
        let jpeg = road_jpeg(64, 36);
        let exif = segment(0xE1, &[b"Exif\0\0", &block[..]].concat());
        let kept = PreservedMetadata::of(PictureFormat::Jpeg, &[&jpeg[..2], &exif, &jpeg[2..]].concat());
        for output in [OutputFormat::Jpeg, OutputFormat::Png, OutputFormat::WebP, OutputFormat::WebPLossless]
        {
            let format = output.picture_format();
            let made = kept.insert_into(format, codec().encode(&planes, output, 85).unwrap()).unwrap();
            assert!(!has(&made, &THUMBNAIL[2..10]), "{output:?}: no thumbnail");
            assert!(has(&made, MAKER), "{output:?}: the rest stays");
            let start = made.windows(4).position(|part| part == &block[..4]).unwrap();
            let tiff = &made[start..];
            assert_eq!([value(tiff, 8, 0x0100), value(tiff, 8, 0x0101), value(tiff, 8, 0x0112)], [64, 36, 1]);
            let exif = value(tiff, 8, 0x8769) as usize;
            assert_eq!([value(tiff, exif, 0xA002), value(tiff, exif, 0xA003)], [64, 36]);
            assert_eq!(tiff[8 + 2 + 4 * 12..][..4], [0; 4], "no further directory");
        }
        let corrected = tiff::corrected(&block, 70_000, 9);
        assert_eq!(value(&corrected, 8 + 2 + 4 * 12 + 4, 0xA002), 70_000, "more than a SHORT can hold");
        assert!(corrected.len() < block.len() || first, "what is left out takes no bytes");
    }
}

/// Wrong offsets, cycles and truncated blocks cause no panic, and the copy is never longer.
#[test]
fn a_hostile_block_is_copied_within_its_bounds() {
    let whole = block(false, false);
    for end in 0..whole.len() {
        assert!(tiff::corrected(&whole[..end], 3, 2).len() <= end);
    }
    for at in 0..whole.len() {
        for byte in [0, 1, 8, 0x7F, 0xFF] {
            let mut changed = whole.clone();
            changed[at] = byte;
            assert!(tiff::corrected(&changed, 3, 2).len() <= whole.len());
        }
    }
}
