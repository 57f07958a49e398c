//! Finds the orientation of a picture in all the forms that common readers accept: EXIF where the
//! format stores it, EXIF in the text chunks of a PNG, and XMP. Decoding, masks, passthrough and
//! renditions all use this module.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::read::ZlibDecoder;

use super::chunks::{self, Chunk, RIFF_HEADER_BYTES};
use super::container_repair::{WEBP_EXIF, WEBP_FLAGS_OFFSET, WEBP_XMP};
use super::preserved_metadata::MAX_METADATA_BYTES;
use super::{Orientation, exif, jpeg_copy, xmp};
use crate::domain::PictureFormat;

/// The maximum number of bytes of an uncompressed text in a PNG: two hexadecimal digits for each
/// byte of metadata, and line breaks.
const MAX_TEXT_BYTES: usize = MAX_METADATA_BYTES * 5 / 2;
/// The maximum number of texts of a PNG that are decompressed or read as digits. Without it, a
/// small file could decompress to gigabytes.
const MAX_TEXTS: usize = 8;
/// The prefix of the name of a text with a raw profile, as ImageMagick writes it; the kind of
/// profile follows.
const RAW_PROFILE: &[u8] = b"Raw profile type ";
const XMP_TEXT: &[u8] = b"XML:com.adobe.xmp";

type Blocks<'a> = Box<dyn Iterator<Item = Cow<'a, [u8]>> + 'a>;

/// Returns the orientation of a file: that of the first EXIF block with one, otherwise that of the
/// first XMP packet with one, otherwise upright.
pub(super) fn find(format: PictureFormat, data: &[u8]) -> Orientation {
    let in_exif = exif_blocks(format, data).find_map(|tiff| exif::find(&tiff));
    let found = in_exif.or_else(|| xmp_packets(format, data).find_map(|packet| xmp::orientation(&packet)));
    found.unwrap_or(Orientation::UPRIGHT)
}

/// Returns the EXIF block to preserve, as TIFF: the first one with entries, otherwise the first
/// one.
pub(super) fn exif_block(format: PictureFormat, data: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut blocks = exif_blocks(format, data).filter(|tiff| exif::is_tiff(tiff));
    let first = blocks.next()?;
    if exif::has_entries(&first) {
        return Some(first);
    }
    blocks.find(|tiff| exif::has_entries(tiff)).or(Some(first))
}

/// Iterates over all EXIF blocks of a file, as TIFF.
fn exif_blocks(format: PictureFormat, data: &[u8]) -> Blocks<'_> {
    match format {
        PictureFormat::Jpeg => Box::new(jpeg_copy::exif_blocks(data).map(Cow::Borrowed)),
        PictureFormat::Png => {
            let chunks = bodies(chunks::png_chunks(data), *b"eXIf");
            let texts = png_texts(data, |kind| kind == b"exif" || kind == b"APP1");
            Box::new(chunks.map(Cow::Borrowed).chain(texts).map(without_exif_prefix))
        }
        PictureFormat::WebP => {
            // Viewers ignore the chunk if its flag is not set in the header.
            let chunks =
                bodies(chunks::webp_chunks(data), *b"EXIF").filter(|_| has_webp_flag(data, WEBP_EXIF));
            Box::new(chunks.map(Cow::Borrowed).map(without_exif_prefix))
        }
        PictureFormat::Rgb8
        | PictureFormat::Bgr8
        | PictureFormat::Gray8
        | PictureFormat::Nv12
        | PictureFormat::I420 => Box::new(std::iter::empty()),
    }
}

/// Iterates over all XMP packets of a file.
fn xmp_packets(format: PictureFormat, data: &[u8]) -> Blocks<'_> {
    match format {
        PictureFormat::Jpeg => Box::new(jpeg_copy::xmp_packets(data).map(Cow::Borrowed)),
        PictureFormat::Png => {
            Box::new(png_texts(data, |kind| kind == XMP_TEXT || kind == b"xmp" || kind == b"APP1"))
        }
        PictureFormat::WebP => {
            let chunks =
                bodies(chunks::webp_chunks(data), *b"XMP ").filter(|_| has_webp_flag(data, WEBP_XMP));
            Box::new(chunks.map(Cow::Borrowed))
        }
        PictureFormat::Rgb8
        | PictureFormat::Bgr8
        | PictureFormat::Gray8
        | PictureFormat::Nv12
        | PictureFormat::I420 => Box::new(std::iter::empty()),
    }
}

/// Reports whether a flag is set in the extended header of a WebP.
fn has_webp_flag(data: &[u8], flag: u8) -> bool {
    data.get(RIFF_HEADER_BYTES..RIFF_HEADER_BYTES + 4) == Some(b"VP8X")
        && data.get(WEBP_FLAGS_OFFSET).is_some_and(|flags| flags & flag != 0)
}

fn bodies<'a>(
    chunks: impl Iterator<Item = Chunk<'a>> + 'a,
    name: [u8; 4],
) -> impl Iterator<Item = &'a [u8]> + 'a {
    chunks.filter(move |chunk| chunk.name == name).map(|chunk| chunk.body)
}

/// Removes the `Exif\0\0` prefix of JPEG, which some writers of WebP and PNG include.
fn without_exif_prefix(block: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let prefix = if block.starts_with(jpeg_copy::EXIF) { jpeg_copy::EXIF.len() } else { 0 };
    match block {
        Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[prefix..]),
        Cow::Owned(bytes) => Cow::Owned(bytes[prefix..].to_vec()),
    }
}

/// Iterates over the texts of a PNG with a wanted name, or a raw profile of a wanted kind. Raw
/// profiles are decoded to bytes.
fn png_texts<'a>(
    data: &'a [u8],
    is_wanted: impl Fn(&[u8]) -> bool + 'a,
) -> impl Iterator<Item = Cow<'a, [u8]>> + 'a {
    let named = chunks::png_chunks(data).filter_map(move |chunk| {
        let (name, rest) = named_text(&chunk)?;
        let kind = name.strip_prefix(RAW_PROFILE);
        is_wanted(kind.unwrap_or(name)).then_some((chunk.name, kind.is_some(), rest))
    });
    named.take(MAX_TEXTS).filter_map(|(chunk, is_raw_profile, rest)| {
        let text = text_body(&chunk, rest)?;
        if is_raw_profile { raw_profile(&text).map(Cow::Owned) } else { Some(text) }
    })
}

/// Splits a text chunk into the name and the rest.
fn named_text<'a>(chunk: &Chunk<'a>) -> Option<(&'a [u8], &'a [u8])> {
    if !matches!(&chunk.name, b"tEXt" | b"zTXt" | b"iTXt") {
        return None;
    }
    split_at_zero(chunk.body)
}

/// Returns the text of a chunk; `rest` is the part after the name.
fn text_body<'a>(chunk: &[u8; 4], rest: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    match (chunk, rest) {
        (b"tEXt", text) => Some(Cow::Borrowed(text)),
        // Method 0, the only one, is zlib.
        (b"zTXt", [0, packed @ ..]) => unpacked(packed).map(Cow::Owned),
        // A compression flag, the method, a language, and the name in this language.
        (b"iTXt", [is_packed, _, rest @ ..]) => {
            let (_, rest) = split_at_zero(rest)?;
            let (_, text) = split_at_zero(rest)?;
            if *is_packed == 0 { Some(Cow::Borrowed(text)) } else { unpacked(text).map(Cow::Owned) }
        }
        _ => None,
    }
}

fn split_at_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(0, bytes)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

fn unpacked(packed: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    ZlibDecoder::new(packed).take(MAX_TEXT_BYTES as u64).read_to_end(&mut text).ok()?;
    Some(text)
}

/// Decodes a raw profile: the kind and the length on lines of their own, then hexadecimal digits.
fn raw_profile(text: &[u8]) -> Option<Vec<u8>> {
    let mut lines = text.trim_ascii_start().splitn(3, |byte| *byte == b'\n');
    let digits = lines.nth(2)?.iter().filter_map(|byte| (*byte as char).to_digit(16));
    let digits: Vec<u8> = digits.take(2 * MAX_METADATA_BYTES).map(|digit| digit as u8).collect();
    Some(digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect())
}
