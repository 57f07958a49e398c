//! WebP: wrong RIFF chunks, animations, large pictures in few bytes.

use frameway::domain::PictureFormat;
use image::ExtendedColorType::{L8, Rgba8};

use crate::case::{Case, Want, webp_of};
use crate::webp_codes;

/// The body of the smallest lossy picture: one black pixel.
const LOSSY_PIXEL: [u8; 22] = [
    0x30, 0x01, 0x00, 0x9D, 0x01, 0x2A, 0x01, 0x00, 0x01, 0x00, 0x0E, 0xC0, 0xFE, 0x25, 0xA4, 0x00, 0x03,
    0x70, 0x00, 0x00, 0x00, 0x00,
];
const ANIMATION: u8 = 0x02;
const ALPHA: u8 = 0x10;

pub(crate) fn riff(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (name, data) in chunks {
        body.extend_from_slice(*name);
        body.extend_from_slice(&(data.len() as u32).to_le_bytes());
        body.extend_from_slice(data);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
}

fn extended(flags: u8, width: u32, height: u32) -> Vec<u8> {
    let (width, height) = ((width - 1).to_le_bytes(), (height - 1).to_le_bytes());
    [&[flags, 0, 0, 0], &width[..3], &height[..3]].concat()
}

/// Returns a lossy picture of this size: its header, followed by almost no data.
fn lossy(width: u16, height: u16) -> Vec<u8> {
    let mut body = LOSSY_PIXEL;
    body[6..8].copy_from_slice(&width.to_le_bytes());
    body[8..10].copy_from_slice(&height.to_le_bytes());
    body.to_vec()
}

/// Returns the VP8L body of a lossless picture of one colour: a few bytes for any size.
fn flat(width: u32, height: u32) -> Vec<u8> {
    let whole = webp_of(&vec![0; (width * height) as usize], width, height, L8);
    let length = u32::from_le_bytes([whole[16], whole[17], whole[18], whole[19]]) as usize;
    whole[20..20 + length].to_vec()
}

/// Returns an animation frame: position and duration, then its chunk.
fn hidden_lossless(body: &[u8]) -> Vec<u8> {
    [&[0; 16], &b"VP8L"[..], &(body.len() as u32).to_le_bytes(), body].concat()
}

pub(crate) fn cases() -> Vec<Case> {
    let pixel = &LOSSY_PIXEL[..];
    let plane = flat(4_000, 4_000);
    // Compressed alpha: a byte of flags, then VP8L without its header of five bytes.
    let alpha = [&[1], &plane[5..]].concat();
    let mut huge = flat(16, 16);
    huge[1..5].copy_from_slice(&0x0FFF_FFFF_u32.to_le_bytes());
    let mut long = riff(&[(b"VP8 ", pixel)]);
    long[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    let moving = [(b"VP8X", &extended(ANIMATION, 10, 10)[..]), (b"ANIM", &[0; 6]), (b"ANMF", &[0; 24])];
    let hidden = [(b"VP8X", &extended(0, 10, 10)[..]), (b"ANIM", &[0; 6]), (b"ANMF", &[0; 24])];
    let of_two_sizes = [(b"VP8X", &extended(0, 9, 9)[..]), (b"VP8 ", pixel)];
    let transparent =
        [(b"VP8X", &extended(ALPHA, 4_000, 4_000)[..]), (b"ALPH", &alpha), (b"VP8 ", &lossy(4_000, 4_000))];
    let single = extended(0, 1, 1);
    let many_groups = webp_codes::groups(65_536);
    let beside = [(b"VP8X", &single[..]), (b"VP8 ", pixel), (b"ANMF", &hidden_lossless(&many_groups)[..])];
    let behind_alpha = [&[1], &many_groups[5..]].concat();
    let in_alpha = [(b"VP8X", &extended(ALPHA, 1, 1)[..]), (b"ALPH", &behind_alpha), (b"VP8 ", pixel)];
    let many: Vec<(&[u8; 4], &[u8])> = std::iter::once((b"VP8X", &single[..]))
        .chain(std::iter::repeat_n((b"JUNK", &[0; 2][..]), 20_000))
        .chain([(b"VP8 ", pixel)])
        .collect();
    [
        ("lossy, 1 x 1", riff(&[(b"VP8 ", pixel)]), Want::Picture),
        ("lossy, 16383 x 16383 in a header", riff(&[(b"VP8 ", &lossy(16_383, 16_383))]), Want::TooLarge),
        ("lossy, 8192 x 4800 of next to nothing", riff(&[(b"VP8 ", &lossy(8_192, 4_800))]), Want::Anything),
        ("lossless, 16384 x 16384 in a header", riff(&[(b"VP8L", &huge)]), Want::TooLarge),
        ("lossless, 4000 x 4000 of one colour", riff(&[(b"VP8L", &plane)]), Want::Picture),
        ("lossy with alpha, 4000 x 4000 of next to nothing", riff(&transparent), Want::Anything),
        ("lossless with alpha", webp_of(&[9; 80], 5, 4, Rgba8), Want::Picture),
        ("an animation", riff(&moving), Want::Animated),
        ("an animation that says it is none", riff(&hidden), Want::Corrupt),
        ("two different sizes", riff(&of_two_sizes), Want::Corrupt),
        ("longer than it is", long, Want::Truncated),
        ("20000 chunks", riff(&many), Want::Picture),
        ("an unknown first chunk", riff(&[(b"ZZZZ", &[0; 40])]), Want::Corrupt),
        ("an empty lossy chunk", riff(&[(b"VP8 ", &[]), (b"ZZZZ", &[0; 40])]), Want::Corrupt),
        ("an empty lossless chunk", riff(&[(b"VP8L", &[]), (b"ZZZZ", &[0; 40])]), Want::Anything),
        ("65536 groups of codes for 1 x 1", riff(&[(b"VP8L", &many_groups)]), Want::TooComplex),
        ("65536 groups of codes for an alpha of 1 x 1", riff(&in_alpha), Want::TooComplex),
        ("65536 groups of codes where an animation hides them", riff(&beside), Want::Corrupt),
        (
            "as many groups of codes as memory allows",
            riff(&[(b"VP8L", &webp_codes::groups(3_790))]),
            Want::Picture,
        ),
        ("a few groups of codes more", riff(&[(b"VP8L", &webp_codes::groups(3_810))]), Want::TooComplex),
        (
            "groups of codes that are cut off",
            riff(&[(b"VP8L", &webp_codes::groups(3_000)[..99])]),
            Want::Truncated,
        ),
        ("8192 groups of no codes", riff(&[(b"VP8L", &webp_codes::empty_groups(8_192))]), Want::Picture),
        ("8193 groups of no codes", riff(&[(b"VP8L", &webp_codes::empty_groups(8_193))]), Want::TooComplex),
        ("1 x 8192", riff(&[(b"VP8L", &flat(1, 8_192))]), Want::Picture),
    ]
    .into_iter()
    .map(|(name, data, want)| Case::new(name, PictureFormat::WebP, data, want))
    .collect()
}
