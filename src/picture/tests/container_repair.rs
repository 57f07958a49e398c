//! Tests that PNG and WebP files with flaws that common viewers accept are decoded, but never
//! passed through.

use turbojpeg::Subsamp;

use super::super::chunks::{push_png, push_webp};
use super::super::{Metadata, Orientation, is_widely_viewable, stripped};
use super::formats::{gradient, turbo};
use super::*;
use crate::domain::OutputFormat;

const SIZE: (u32, u32) = (40, 30);

fn picture() -> Planes {
    decode_jpeg(&turbo(&gradient(SIZE.0, SIZE.1), SIZE.0, SIZE.1, |c| c.set_subsamp(Subsamp::None).unwrap()))
        .unwrap()
}

fn file(format: OutputFormat) -> Vec<u8> {
    codec().encode(&picture(), format, 90).unwrap().to_vec()
}

fn decode(format: PictureFormat, data: &[u8]) -> Result<Planes, DecodeError> {
    codec().decode(&encoded(format, data))
}

/// Returns the name, body and offset of each chunk of a PNG.
fn png_chunks(data: &[u8]) -> Vec<([u8; 4], &[u8], usize)> {
    let (mut chunks, mut at) = (Vec::new(), 8);
    while at < data.len() {
        let len = u32::from_be_bytes(data[at..at + 4].try_into().unwrap()) as usize;
        chunks.push((data[at + 4..at + 8].try_into().unwrap(), &data[at + 8..at + 8 + len], at));
        at += 12 + len;
    }
    chunks
}

fn animation_control(frames: u32) -> Vec<u8> {
    [frames.to_be_bytes(), [0; 4]].concat()
}

fn frame_control() -> Vec<u8> {
    let numbers = [0, SIZE.0, SIZE.1, 0, 0].map(u32::to_be_bytes).concat();
    [&numbers[..], &[0, 1, 0, 10, 0, 0]].concat()
}

/// Returns a PNG with these chunks inserted before its pixels.
fn png_with(png: &[u8], chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut file = png[..33].to_vec();
    for (name, body) in chunks {
        push_png(&mut file, name, body);
    }
    file.extend_from_slice(&png[33..]);
    file
}

#[test]
fn a_png_animation_of_one_frame_is_a_picture() {
    let png = file(OutputFormat::Png);
    let one = png_with(&png, &[(b"acTL", animation_control(1)), (b"fcTL", frame_control())]);
    assert_eq!(decode(PictureFormat::Png, &one), decode(PictureFormat::Png, &png));
    assert!(is_widely_viewable(PictureFormat::Png, &png) && !is_widely_viewable(PictureFormat::Png, &one));
    let copy = stripped(PictureFormat::Png, &one, Orientation::UPRIGHT).unwrap();
    assert_eq!(copy, png, "a copy is not an animation");
    // Several frames; a frame that is not the picture that viewers without animation support show;
    // no frame.
    for chunks in [
        vec![(b"acTL", animation_control(2)), (b"fcTL", frame_control())],
        vec![(b"acTL", animation_control(1))],
        vec![(b"acTL", animation_control(0)), (b"fcTL", frame_control())],
    ] {
        let animated = Err(DecodeError::Animated(PictureFormat::Png));
        assert_eq!(decode(PictureFormat::Png, &png_with(&png, &chunks)), animated);
    }
}

fn number(value: u32) -> Vec<u8> {
    value.to_le_bytes()[..3].to_vec()
}

fn webp(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
    for (name, body) in chunks {
        push_webp(&mut file, name, body);
    }
    let size = (file.len() as u32 - 8).to_le_bytes();
    file[4..8].copy_from_slice(&size);
    file
}

fn extended(flags: u8) -> (&'static [u8; 4], Vec<u8>) {
    (b"VP8X", [vec![flags, 0, 0, 0], number(SIZE.0 - 1), number(SIZE.1 - 1)].concat())
}

/// Returns the chunk with the pixels of a plain WebP.
fn pixels(plain: &[u8]) -> Vec<u8> {
    let len = u32::from_le_bytes(plain[16..20].try_into().unwrap()) as usize;
    plain[20..20 + len].to_vec()
}

#[test]
fn a_webp_animation_of_one_frame_is_a_picture() {
    for (format, name) in [(OutputFormat::WebPLossless, b"VP8L"), (OutputFormat::WebP, b"VP8 ")] {
        let plain = file(format);
        let frame = |left: u32, width: u32| {
            let mut body =
                [number(left), number(0), number(width - 1), number(SIZE.1 - 1), vec![0; 4]].concat();
            push_webp(&mut body, name, &pixels(&plain));
            (b"ANMF", body)
        };
        let start = || vec![extended(0x02), (b"ANIM", vec![0; 6])];
        let one = webp(&[start(), vec![frame(0, SIZE.0)]].concat());
        assert_eq!(decode(PictureFormat::WebP, &one), decode(PictureFormat::WebP, &plain), "{format:?}");
        assert!(
            is_widely_viewable(PictureFormat::WebP, &plain) && !is_widely_viewable(PictureFormat::WebP, &one)
        );
        let two = webp(&[start(), vec![frame(0, SIZE.0), frame(0, SIZE.0)]].concat());
        let part = webp(&[start(), vec![frame(2, SIZE.0 - 2)]].concat());
        for animated in [two, part, webp(&start())] {
            let expected = Err(DecodeError::Animated(PictureFormat::WebP));
            assert_eq!(decode(PictureFormat::WebP, &animated), expected, "{format:?}");
        }
    }
}

#[test]
fn a_webp_header_may_have_flags_for_missing_chunks() {
    let plain = file(OutputFormat::WebP);
    for flags in [0x10, 0x08, 0x04, 0x1C, 0x20] {
        let flagged = webp(&[extended(flags), (b"VP8 ", pixels(&plain))]);
        assert_eq!(decode(PictureFormat::WebP, &flagged), decode(PictureFormat::WebP, &plain), "{flags:#x}");
    }
    let flagged = webp(&[extended(0x10), (b"VP8 ", pixels(&plain))]);
    assert!(!is_widely_viewable(PictureFormat::WebP, &flagged));
}

#[test]
fn a_webp_is_rotated_only_if_its_header_has_the_exif_flag() {
    let plain = file(OutputFormat::WebP);
    let tiff = super::outputs::exif(6)[6..].to_vec();
    for (flags, orientation) in [(0x08, 6), (0x00, 1)] {
        let file = webp(&[extended(flags), (b"VP8 ", pixels(&plain)), (b"EXIF", tiff.clone())]);
        let found = Metadata::of(PictureFormat::WebP, &file);
        assert_eq!((found.orientation.number(), found.extras), (orientation, true));
    }
}

#[test]
fn a_png_that_lacks_only_its_end_is_decoded() {
    let png = file(OutputFormat::Png);
    let whole = decode(PictureFormat::Png, &png).unwrap();
    let chunks = png_chunks(&png);
    let (.., end) = *chunks.last().unwrap();
    // Without IEND, without its last bytes, without the checksum of the pixels' chunk and of the
    // pixels.
    for len in [end, end + 3, end + 8, png.len() - 1, end - 1, end - 4] {
        assert_eq!(decode(PictureFormat::Png, &png[..len]).as_ref(), Ok(&whole), "{len} of {}", png.len());
        assert!(!is_widely_viewable(PictureFormat::Png, &png[..len]));
    }
    // With missing pixels, the file is truncated.
    let (.., first) = *chunks.iter().find(|(name, ..)| name == b"IDAT").unwrap();
    for len in (33..first + 8).chain((first + 8..end - 40).step_by(7)) {
        assert_eq!(decode(PictureFormat::Png, &png[..len]), Err(DecodeError::Truncated), "{len}");
    }
}

/// Returns a PNG with compressed pixels that `change` has changed, in chunks of this many bytes.
fn repacked(png: &[u8], chunk_bytes: usize, change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let chunks = png_chunks(png);
    let bodies = chunks.iter().filter(|(name, ..)| name == b"IDAT").map(|(_, body, _)| *body);
    let mut packed: Vec<u8> = bodies.flatten().copied().collect();
    change(&mut packed);
    let mut file = png[..33].to_vec();
    for part in packed.chunks(chunk_bytes) {
        push_png(&mut file, b"IDAT", part);
    }
    push_png(&mut file, b"IEND", &[]);
    file
}

#[test]
fn the_checksum_of_compressed_pixels_is_checked() {
    let png = file(OutputFormat::Png);
    let whole = decode(PictureFormat::Png, &png).unwrap();
    for chunk_bytes in [1_usize, 7, 1 << 20] {
        assert!(
            is_widely_viewable(PictureFormat::Png, &repacked(&png, chunk_bytes, |_| {})),
            "{chunk_bytes} bytes a chunk"
        );
        let wrong = repacked(&png, chunk_bytes, |packed| *packed.last_mut().unwrap() ^= 1);
        let missing = repacked(&png, chunk_bytes, |packed| packed.truncate(packed.len() - 4));
        for file in [wrong, missing] {
            assert!(!is_widely_viewable(PictureFormat::Png, &file), "{chunk_bytes} bytes a chunk");
            assert_eq!(decode(PictureFormat::Png, &file).as_ref(), Ok(&whole), "it is decoded all the same");
        }
    }
    // More pixels than the picture has.
    let bomb = {
        use std::io::Write as _;
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&vec![0; 1 << 20]).unwrap();
        packer.finish().unwrap()
    };
    assert!(!is_widely_viewable(
        PictureFormat::Png,
        &repacked(&png, 1 << 20, |packed| *packed = bomb.clone())
    ));
}
