//! JPEG: faults between SOI and EOI.

use frameway::domain::PictureFormat;
use turbojpeg::{Colorspace, Compressor, Image, PixelFormat};

use crate::case::{Case, Want, road};

const SOF: u8 = 0xC0;
const DQT: u8 = 0xDB;
const SOS: u8 = 0xDA;
const EOI: [u8; 2] = [0xFF, 0xD9];

fn turbo(pixels: &[u8], width: usize, format: PixelFormat, set: impl FnOnce(&mut Compressor)) -> Vec<u8> {
    let mut compressor = Compressor::new().expect("an encoder");
    set(&mut compressor);
    let pitch = width * format.size();
    let image = Image { pixels, width, pitch, height: pixels.len() / pitch, format };
    compressor.compress_to_vec(image).expect("it encodes")
}

fn of_road(width: u32, height: u32, set: impl FnOnce(&mut Compressor)) -> Vec<u8> {
    turbo(&road(width, height), width as usize, PixelFormat::RGB, set)
}

pub(crate) fn baseline(width: u32, height: u32) -> Vec<u8> {
    of_road(width, height, |c| c.set_subsamp(turbojpeg::Subsamp::Sub2x2).expect("sets"))
}

pub(crate) fn progressive(width: u32, height: u32) -> Vec<u8> {
    of_road(width, height, |c| c.set_progressive(true).expect("sets"))
}

/// Returns header segments and scans: (code, start, end).
fn segments(jpeg: &[u8]) -> Vec<(u8, usize, usize)> {
    let (mut found, mut at) = (Vec::new(), 2);
    while let Some(&[0xFF, code, high, low]) = jpeg.get(at..at + 4) {
        if code == 0xD9 {
            break;
        }
        let mut end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
        if code == SOS {
            while jpeg[end] != 0xFF || matches!(jpeg[end + 1], 0 | 0xD0..=0xD7) {
                end += 1;
            }
        }
        found.push((code, at, end));
        at = end;
    }
    found
}

fn first(jpeg: &[u8], code: u8) -> (usize, usize) {
    let found = segments(jpeg).into_iter().find(|segment| segment.0 == code);
    let (_, start, end) = found.expect("an encoder writes it");
    (start, end)
}

/// Inserts `bytes` into the JPEG at an offset.
fn with(jpeg: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    [&jpeg[..at], bytes, &jpeg[at..]].concat()
}

/// Replaces the bytes of the JPEG from `at` on.
fn patched(jpeg: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut jpeg = jpeg.to_vec();
    jpeg[at..at + bytes.len()].copy_from_slice(bytes);
    jpeg
}

/// Returns a progressive JPEG with the last scan repeated `times` times.
fn scans(width: u32, height: u32, times: usize) -> Vec<u8> {
    let whole = progressive(width, height);
    let (_, start, end) = segments(&whole).into_iter().rfind(|s| s.0 == SOS).expect("a scan");
    [&whole[..end], &whole[start..end].repeat(times), &EOI].concat()
}

pub(crate) fn cases() -> Vec<Case> {
    let plain = baseline(160, 90);
    let (frame, frame_end) = first(&plain, SOF);
    let (scan, _) = first(&plain, SOS);
    let (tables, _) = first(&plain, DQT);
    let end = plain.len() - 2;
    // Height and width follow marker, length and precision.
    let sized = |height: u16, width: u16| {
        patched(&plain, frame + 5, &[height.to_be_bytes(), width.to_be_bytes()].concat())
    };
    let cmyk = turbo(&[90; 64], 4, PixelFormat::CMYK, |c| c.set_colorspace(Colorspace::CMYK).expect("sets"));
    let lossless = of_road(64, 48, |c| c.set_lossless(true).expect("sets"));
    let arithmetic = of_road(64, 48, |c| c.set_arithmetic(true).expect("sets"));
    let thin = |width: usize, progressive: bool| {
        turbo(&vec![99; width], width, PixelFormat::GRAY, |c| {
            c.set_subsamp(turbojpeg::Subsamp::Gray).expect("sets");
            c.set_progressive(progressive).expect("sets");
        })
    };
    // DNL defines the number of lines after the first scan.
    let lines = [0xFF, 0xDC, 0, 4, 0, 90];
    let late = with(&sized(0, 160), end, &lines);
    let tables_end = segments(&plain).into_iter().find(|segment| segment.0 > 0xC0 && segment.1 > frame);
    let codes = tables_end.map_or(scan, |(_, start, _)| start);
    // A quarter of the data is missing, but there is an end marker.
    let closed = |jpeg: &[u8]| [jpeg[..jpeg.len() * 3 / 4].trim_ascii_end(), &EOI].concat();
    let odd_scan = patched(&plain, scan + 11, &[0, 0, 0]);
    let half_a_profile = [&[0xFF, 0xE2, 0, 17][..], b"ICC_PROFILE\0\x01\x02A"].concat();
    let many = progressive(160, 90);
    let (first_scan, first_scan_end) = first(&many, SOS);
    let junk_after_a_scan = with(&many, first_scan_end, &[0x5A; 40]);
    [
        ("nothing but the end marker is missing", plain[..end].to_vec(), Want::Picture),
        ("the end marker is missing, filled with zeros", [&plain[..end], &[0; 512]].concat(), Want::Picture),
        ("the end marker and a byte are missing", plain[..end - 1].to_vec(), Want::Truncated),
        (
            "the end marker and bytes are missing, filled with zeros",
            [&plain[..end - 40], &[0; 512]].concat(),
            Want::Truncated,
        ),
        ("no Huffman tables", [&plain[..codes], &plain[scan..]].concat(), Want::Picture),
        ("no Huffman tables, cut", closed(&[&plain[..codes], &plain[scan..]].concat()), Want::Truncated),
        ("scan parameters of a sequential picture", odd_scan.clone(), Want::Picture),
        ("scan parameters of a sequential picture, cut", closed(&odd_scan), Want::Truncated),
        ("half a profile", with(&plain, tables, &half_a_profile), Want::Picture),
        ("half a profile, cut", closed(&with(&plain, tables, &half_a_profile)), Want::Truncated),
        (
            "a progressive scan twice",
            with(&many, first_scan_end, &many[first_scan..first_scan_end]),
            Want::Picture,
        ),
        ("junk after a scan", junk_after_a_scan.clone(), Want::Picture),
        ("junk after a scan, the last one cut", closed(&junk_after_a_scan), Want::Truncated),
        ("two start markers", with(&plain, 0, &plain[..2]), Want::Corrupt),
        ("a byte before the start marker", with(&plain, 0, &[0xFF]), Want::Format),
        ("trailing garbage", [&plain[..], &[0x5A; 9_999]].concat(), Want::Picture),
        ("a second picture after the first", plain.repeat(2), Want::Picture),
        ("a second picture in the first", with(&plain, scan, &plain), Want::Corrupt),
        ("two frame headers", with(&plain, frame_end, &plain[frame..frame_end]), Want::Corrupt),
        ("a segment of length 0", with(&plain, tables, &[0xFF, 0xE5, 0, 0]), Want::Picture),
        ("a segment of length 1", with(&plain, tables, &[0xFF, 0xE5, 0, 1]), Want::Picture),
        ("empty segments", with(&plain, tables, &[0xFF, 0xE5, 0, 2].repeat(5_000)), Want::Picture),
        (
            "comments",
            with(&plain, tables, &[&[0xFF, 0xFE, 0xFF, 0xFF][..], &[65; 65_533]].concat()),
            Want::Picture,
        ),
        ("fill bytes", with(&plain, tables, &[0xFF; 100_000]), Want::Picture),
        ("the number of lines comes late", late, Want::Corrupt),
        ("the number of lines comes again", with(&plain, end, &lines), Want::Anything),
        ("no quantisation tables", [&plain[..tables], &plain[frame..]].concat(), Want::Corrupt),
        ("no scan", [&plain[..scan], &EOI].concat(), Want::Corrupt),
        ("a scan before the frame header", [&plain[..frame], &plain[scan..]].concat(), Want::Corrupt),
        ("no components", patched(&plain, frame + 9, &[0]), Want::Unsupported),
        ("255 components", patched(&plain, frame + 9, &[255]), Want::Unsupported),
        ("sampling factors of 0", patched(&plain, frame + 11, &[0]), Want::Corrupt),
        ("12 bits", patched(&patched(&plain, frame + 1, &[0xC1]), frame + 4, &[12]), Want::Unsupported),
        ("CMYK", cmyk, Want::Unsupported),
        ("lossless", lossless, Want::Unsupported),
        ("arithmetic coding", arithmetic, Want::Picture),
        ("hierarchical", patched(&plain, frame + 1, &[0xC5]), Want::Corrupt),
        ("65535 x 65535 in a header", sized(65_535, 65_535), Want::TooLarge),
        ("65500 x 1", thin(65_500, false), Want::TooLarge), // the encoder's own limit
        ("65535 x 1 in a header", sized(1, 65_535), Want::TooLarge),
        ("8192 x 4800 in a header", sized(4_800, 8_192), Want::Truncated),
        ("0 x 0", sized(0, 0), Want::Corrupt),
        ("1 x 1", thin(1, false), Want::Picture),
        ("8192 x 1", thin(8_192, false), Want::Picture),
        ("8192 x 1, progressive", thin(8_192, true), Want::Picture),
        ("500 scans more", scans(320, 180, 500), Want::TooComplex),
        ("40 scans more", scans(320, 180, 40), Want::Anything),
    ]
    .into_iter()
    .map(|(name, data, want)| Case::new(name, PictureFormat::Jpeg, data, want))
    .chain([scan_bomb()])
    .collect()
}

/// Returns a few kilobytes with a size of 8192 x 4880 and 54 scans, which take a lot of time to
/// decode.
fn scan_bomb() -> Case {
    let mut jpeg = scans(64, 48, 44);
    let (frame, _) = first(&jpeg, 0xC2);
    jpeg[frame + 5..frame + 9].copy_from_slice(&[4_880_u16.to_be_bytes(), 8_192_u16.to_be_bytes()].concat());
    Case::new("many scans over many pixels", PictureFormat::Jpeg, jpeg, Want::TooComplex)
}
