//! PNG: chunks that are wrong, decompress to too much, or are missing.

use frameway::domain::PictureFormat;
use image::ExtendedColorType::{L8, L16, Rgba16};

use crate::case::{Case, Want, png_of};

/// The offset of the end of IHDR.
const HEADER_END: usize = 33;

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |mut crc, &byte| {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
        crc
    })
}

fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let named = [&name[..], body].concat();
    [&(body.len() as u32).to_be_bytes()[..], &named, &crc(&named).to_be_bytes()].concat()
}

/// Returns the bodies of all IDAT chunks.
fn packed(png: &[u8]) -> Vec<u8> {
    let (mut found, mut at) = (Vec::new(), HEADER_END);
    while let Some(head) = png.get(at..at + 8) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if &head[4..] == b"IDAT" {
            found.extend_from_slice(&png[at + 8..at + 8 + length]);
        }
        at += length + 12;
    }
    found
}

fn header(width: u32, height: u32, depth: u8, color: u8, interlaced: bool) -> Vec<u8> {
    let sides = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let ihdr = chunk(b"IHDR", &[&sides[..], &[depth, color, 0, 0, u8::from(interlaced)]].concat());
    [b"\x89PNG\r\n\x1A\n", &ihdr[..]].concat()
}

fn png(header: Vec<u8>, chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let chunks = chunks.iter().flat_map(|(name, body)| chunk(name, body));
    header.into_iter().chain(chunks).chain(chunk(b"IEND", &[])).collect()
}

/// Inserts a chunk after the header of a PNG.
fn with(png: &[u8], name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&png[..HEADER_END], &chunk(name, body), &png[HEADER_END..]].concat()
}

/// Returns a zlib stream of this many bytes, nearly all zeros: one row of a grey picture.
fn zeros(bytes: u32) -> Vec<u8> {
    packed(&png_of(&vec![0; bytes as usize - 1], bytes - 1, 1, L8))
}

/// Returns complete pictures of one colour in variants that the encoder does not write. Their
/// decoded size differs from the stored one.
pub(crate) fn unusual(width: u32, height: u32) -> Vec<(&'static str, Vec<u8>)> {
    // For each pass, the first column and row, and the distances to the next ones.
    const PASSES: [(u32, u32, u32, u32); 7] =
        [(0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2), (0, 1, 1, 2)];
    let interlaced = |pixel_bytes: u32| {
        let rows = PASSES.iter().map(|&(x, dx, y, dy)| {
            let (columns, rows) = ((width - x).div_ceil(dx), (height - y).div_ceil(dy));
            rows * (1 + columns * pixel_bytes)
        });
        zeros(rows.sum())
    };
    let plain = |row_bytes: u32| zeros(height * (1 + row_bytes));
    vec![
        ("interlaced, 64 bits", png(header(width, height, 16, 6, true), &[(b"IDAT", &interlaced(8))])),
        ("interlaced, 24 bits", png(header(width, height, 8, 2, true), &[(b"IDAT", &interlaced(3))])),
        (
            "48 bits and a transparent colour",
            png(header(width, height, 16, 2, false), &[(b"tRNS", &[0; 6]), (b"IDAT", &plain(width * 6))]),
        ),
        (
            "1 bit of grey and a transparent one",
            png(
                header(width, height, 1, 0, false),
                &[(b"tRNS", &[0; 2]), (b"IDAT", &plain(width.div_ceil(8)))],
            ),
        ),
        (
            "2 bits of transparent palette",
            png(
                header(width, height, 2, 3, false),
                &[(b"PLTE", &[9; 12]), (b"tRNS", &[7; 4]), (b"IDAT", &plain(width.div_ceil(4)))],
            ),
        ),
    ]
}

pub(crate) fn cases() -> Vec<Case> {
    let small = png_of(&[0; 4], 2, 2, L8);
    // 64 MB of zeros in some kilobytes.
    let bomb = packed(&png_of(&vec![0; 8_000 * 8_000], 8_000, 8_000, L8));
    let profile = [b"profile\0\0", &bomb[..]].concat();
    let text = [b"Comment\0\0", &bomb[..]].concat();
    let international = [b"Comment\0\x01\0\0\0", &bomb[..]].concat();
    let tiny = packed(&small);
    let animated = with(&small, b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]);
    let endless = [&small[..HEADER_END], &0x7FFF_FFFF_u32.to_be_bytes(), b"tEXt", b"and so on"].concat();
    let mut unchecked = small.clone();
    unchecked[HEADER_END - 1] ^= 1;
    [
        (
            "100000 x 100000 in a header",
            png(header(100_000, 100_000, 8, 2, false), &[(b"IDAT", &tiny)]),
            Want::TooLarge,
        ),
        ("0 x 9", png(header(0, 9, 8, 2, false), &[(b"IDAT", &tiny)]), Want::Corrupt),
        (
            "8192 x 4800 of next to nothing",
            png(header(8_192, 4_800, 8, 2, false), &[(b"IDAT", &tiny)]),
            Want::Anything,
        ),
        (
            "8192 x 4800 of 64 bits",
            png(header(8_192, 4_800, 16, 6, false), &[(b"IDAT", &tiny)]),
            Want::TooComplex,
        ),
        (
            "8192 x 4800, interlaced",
            png(header(8_192, 4_800, 8, 0, true), &[(b"IDAT", &tiny)]),
            Want::Anything,
        ),
        ("64 MB of zeros for 2 x 2", png(header(2, 2, 8, 0, false), &[(b"IDAT", &bomb)]), Want::Anything),
        ("a profile of 64 MB", with(&small, b"iCCP", &profile), Want::Anything),
        ("a text of 64 MB", with(&small, b"zTXt", &text), Want::Anything),
        ("an international text of 64 MB", with(&small, b"iTXt", &international), Want::Anything),
        (
            "10000 texts",
            small[..HEADER_END]
                .iter()
                .copied()
                .chain(chunk(b"tEXt", b"key\0value").repeat(10_000))
                .chain(small[HEADER_END..].iter().copied())
                .collect(),
            Want::Picture,
        ),
        ("a chunk of 2 GB", endless, Want::Truncated),
        ("no pixels", png(header(2, 2, 8, 0, false), &[]), Want::Anything),
        ("a palette that is not there", png(header(2, 2, 8, 3, false), &[(b"IDAT", &tiny)]), Want::Corrupt),
        ("a depth of 7", png(header(2, 2, 7, 0, false), &[(b"IDAT", &tiny)]), Want::Corrupt),
        ("a checksum that is wrong", unchecked, Want::Corrupt),
        ("an animation", animated, Want::Animated),
        ("16 bits of grey", png_of(&[9; 40], 5, 4, L16), Want::Picture),
        ("16 bits with alpha", png_of(&[9; 160], 5, 4, Rgba16), Want::Picture),
        ("1 x 1", png_of(&[7], 1, 1, L8), Want::Picture),
        ("65535 x 1", png_of(&[7; 65_535], 65_535, 1, L8), Want::TooLarge),
        ("1 x 8192", png_of(&[7; 8_192], 1, 8_192, L8), Want::Picture),
        ("a PNG signature before JPEG bytes", b"\x89PNG\r\n\x1A\n\xFF\xD8\xFF".repeat(9), Want::Corrupt),
    ]
    .into_iter()
    .chain(
        [unusual(161, 91), unusual(4_000, 3_000)]
            .concat()
            .into_iter()
            .map(|(name, data)| (name, data, Want::Picture)),
    )
    .map(|(name, data, want)| Case::new(name, PictureFormat::Png, data, want))
    .collect()
}
