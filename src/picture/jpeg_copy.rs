//! Copies JPEG files segment by segment without changing the pixels: reads, removes and inserts
//! metadata.

use super::DecodeError;
use super::exif::{self, Orientation};
use super::jpeg_markers::{APP0, APP14, EOI, Marker, Markers, SOI, SOS, is_metadata};
use super::preserved_metadata::MAX_METADATA_BYTES;

const APP1: u8 = 0xE1;
const APP2: u8 = 0xE2;
const DQT: u8 = 0xDB;
/// The prefixes of the APP1 segments with an EXIF block and with an XMP packet.
pub(super) const EXIF: &[u8] = b"Exif\0\0";
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const ICC: &[u8] = b"ICC_PROFILE\0";
/// The bytes of a JFIF segment without a thumbnail.
const JFIF_BYTES: usize = 14;
const ADOBE_BYTES: usize = 12;
/// The maximum number of bytes of a segment after its length.
const MAX_PAYLOAD_BYTES: usize = 65_533;
/// The maximum number of bytes of a profile in one segment, which also contains the number of the
/// part and the number of parts.
const ICC_PART_BYTES: usize = MAX_PAYLOAD_BYTES - ICC.len() - 2;
const MAX_ICC_PARTS: usize = 255;
// No preserved profile has more parts than can be numbered.
const _: () = assert!(MAX_METADATA_BYTES / ICC_PART_BYTES < MAX_ICC_PARTS);

/// Reports whether the file contains bytes that a decoder does not need.
pub(super) fn has_extras(data: &[u8]) -> Result<bool, DecodeError> {
    let mut found = false;
    walk(data, |segment| match segment {
        Segment::Marker(marker) => {
            found |=
                marker.after_garbage || needed_bytes(marker).is_none_or(|len| len < marker.payload.len());
        }
        Segment::Scan(_) => {}
        Segment::Trailer(bytes) => found |= !bytes.is_empty(),
    })?;
    Ok(found)
}

/// Iterates over the EXIF blocks before the first scan, as TIFF.
pub(super) fn exif_blocks(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    app1(data, EXIF)
}

/// Iterates over the XMP packets before the first scan.
pub(super) fn xmp_packets(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    app1(data, XMP)
}

/// Iterates over the data after `prefix` in the APP1 segments of the header, as far as the header
/// can be read.
fn app1<'a>(data: &'a [u8], prefix: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut markers = Markers::new(data);
    let header =
        std::iter::from_fn(move || markers.next().ok().filter(|marker| !matches!(marker.code, SOS | EOI)));
    header.filter(|marker| marker.code == APP1).filter_map(move |marker| marker.payload.strip_prefix(prefix))
}

/// Returns a copy with only the data that a decoder needs, and the orientation.
pub(super) fn stripped(data: &[u8], orientation: Orientation) -> Result<Vec<u8>, DecodeError> {
    let mut copy = Vec::with_capacity(data.len());
    copy.extend_from_slice(&[0xFF, SOI]);
    if orientation != Orientation::UPRIGHT {
        push(&mut copy, APP1, &[EXIF, &exif::only(orientation)].concat());
    }
    walk(data, |segment| match segment {
        Segment::Marker(marker) => match needed_bytes(marker) {
            Some(len) if marker.payload.is_empty() && len == 0 => {
                copy.extend_from_slice(&data[marker.start..marker.end]);
            }
            Some(len) if marker.code == APP0 => {
                // The last two bytes are the size of the thumbnail, which is removed.
                push(&mut copy, APP0, &[&marker.payload[..len - 2], &[0, 0]].concat());
            }
            Some(len) => push(&mut copy, marker.code, &marker.payload[..len]),
            None => {}
        },
        Segment::Scan(bytes) => copy.extend_from_slice(bytes),
        Segment::Trailer(_) => {}
    })?;
    Ok(copy)
}

/// Returns the ICC profile in the header of a file, joined from its parts.
pub(super) fn icc(data: &[u8]) -> Option<Vec<u8>> {
    let mut markers = Markers::new(data);
    let mut parts: Vec<(u8, u8, &[u8])> = Vec::new();
    while let Ok(marker) = markers.next() {
        if marker.code == SOS || marker.code == EOI {
            break;
        }
        if let Some([number, count, part @ ..]) = icc_of(&marker).filter(|_| parts.len() < MAX_ICC_PARTS) {
            parts.push((*number, *count, part));
        }
    }
    join_parts(parts)
}

/// Joins the parts of a profile; `None` if one is missing or appears twice.
fn join_parts(mut parts: Vec<(u8, u8, &[u8])>) -> Option<Vec<u8>> {
    parts.sort_unstable_by_key(|(number, ..)| *number);
    let total = u8::try_from(parts.len()).ok()?;
    let in_order = (1..=total).zip(&parts).all(|(at, (number, count, _))| (*number, *count) == (at, total));
    let bytes: usize = parts.iter().map(|(.., part)| part.len()).sum();
    (total > 0 && in_order && bytes <= MAX_METADATA_BYTES)
        .then(|| parts.iter().flat_map(|(.., part)| *part).copied().collect())
}

/// Returns a copy of `encoded` with an EXIF block, if it fits in a segment, and an ICC profile in
/// as many segments as needed.
pub(super) fn with_metadata(
    encoded: &[u8],
    tiff: Option<&[u8]>,
    icc: Option<&[u8]>,
) -> Result<Vec<u8>, DecodeError> {
    let mut blocks = Vec::new();
    if let Some(tiff) = tiff.filter(|tiff| tiff.len() <= MAX_PAYLOAD_BYTES - EXIF.len()) {
        push(&mut blocks, APP1, &[EXIF, tiff].concat());
    }
    let parts = icc.unwrap_or_default().chunks(ICC_PART_BYTES);
    let count = parts.len() as u8;
    for (number, part) in (1..=count).zip(parts) {
        push(&mut blocks, APP2, &[ICC, &[number, count], part].concat());
    }
    // After the JFIF segment, which must be the first one if there is one.
    let first = Markers::new(encoded).next()?;
    let insert_at = if first.code == APP0 { first.end } else { 2 };
    Ok([&encoded[..insert_at], &blocks, &encoded[insert_at..]].concat())
}

/// The quantisation tables of a file, for luma and for chroma, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tables {
    luma: [u16; 64],
    chroma: Option<[u16; 64]>,
}

impl Tables {
    /// Reads the tables; `None` for a file that not all viewers show in the same way (arithmetic
    /// coding, RGB, tables that change).
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let (mut tables, mut used) = ([None::<[u16; 64]>; 4], None::<Vec<usize>>);
        let mut plain = true;
        walk(data, |segment| {
            let Segment::Marker(marker) = segment else { return };
            match (marker.code, marker.payload) {
                (DQT, payload) => plain &= read_tables(payload, &mut tables).is_some(),
                // Baseline, extended and progressive with Huffman codes.
                (0xC0..=0xC2, [_, _, _, _, _, count, components @ ..]) => {
                    let components = components.as_chunks::<3>().0;
                    let rgb = components.iter().map(|c| c[0]).eq(*b"RGB");
                    plain &= !rgb && components.len() == usize::from(*count);
                    used = Some(components.iter().map(|c| usize::from(c[2])).collect());
                }
                (0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF, _) => plain = false,
                (APP14, [b'A', b'd', b'o', b'b', b'e', _, _, _, _, _, _, transform, ..]) => {
                    plain &= *transform == 1;
                }
                _ => {}
            }
        })
        .ok()?;
        let used = used.filter(|_| plain)?;
        let table = |index: usize| tables.get(index).copied().flatten();
        match used[..] {
            [y] => Some(Self { luma: table(y)?, chroma: None }),
            // For each coefficient, the finer step of the two tables counts.
            [y, cb, cr] => {
                let (mut chroma, other) = (table(cb)?, table(cr)?);
                chroma.iter_mut().zip(other).for_each(|(one, other)| *one = other.min(*one));
                Some(Self { luma: table(y)?, chroma: Some(chroma) })
            }
            _ => None,
        }
    }

    /// Reports whether the steps are, overall, at least as coarse as those of `target`. A few finer
    /// steps do not make the picture larger if the others are coarser.
    pub(super) fn as_coarse_as(&self, target: &Self) -> bool {
        let chroma = match (&self.chroma, &target.chroma) {
            (None, _) => 0.0,
            (Some(one), Some(other)) => coarser(one, other),
            (Some(_), None) => return false,
        };
        // In 4:2:0, two thirds of the samples are luma.
        2.0 * coarser(&self.luma, &target.luma) + chroma >= 0.0
    }
}

/// Returns how much coarser one table is than another, in octaves: 0 = equally coarse overall. Low
/// frequencies have more weight, because they take most of a picture's bits. Each step is limited
/// to one octave, because a coefficient that became 0 cannot shrink further.
fn coarser(one: &[u16; 64], other: &[u16; 64]) -> f64 {
    let octaves = |(one, other): (&u16, &u16)| (f64::from(*one).max(1.0) / f64::from(*other).max(1.0)).log2();
    let steps = one.iter().zip(other).map(octaves).zip(1_u32..);
    steps.map(|(octaves, place)| octaves.clamp(-1.0, 1.0) / f64::from(place)).sum()
}

/// Reads the tables of a DQT segment; `None` if it is malformed, or replaces a table with another.
fn read_tables(mut payload: &[u8], tables: &mut [Option<[u16; 64]>; 4]) -> Option<()> {
    while let [kind, rest @ ..] = payload {
        let (wide, index) = (kind >> 4, usize::from(kind & 0x0F));
        let mut table = [0; 64];
        let size = if wide == 0 { 64 } else { 128 };
        let steps = rest.get(..size)?;
        for (at, step) in table.iter_mut().enumerate() {
            *step = match wide {
                0 => u16::from(steps[at]),
                _ => u16::from_be_bytes([steps[2 * at], steps[2 * at + 1]]),
            };
        }
        let place = tables.get_mut(index)?;
        if place.is_some_and(|before| before != table) {
            return None;
        }
        *place = Some(table);
        payload = &rest[size..];
    }
    Some(())
}

/// Returns the number of bytes of a segment's payload that a decoder needs; `None` if it does not
/// need the segment.
fn needed_bytes(marker: &Marker<'_>) -> Option<usize> {
    match (marker.code, marker.payload) {
        (APP0, [b'J', b'F', b'I', b'F', 0, ..]) if marker.payload.len() >= JFIF_BYTES => Some(JFIF_BYTES),
        (APP14, [b'A', b'd', b'o', b'b', b'e', ..]) if marker.payload.len() >= ADOBE_BYTES => {
            Some(ADOBE_BYTES)
        }
        (code, payload) => (!is_metadata(code)).then_some(payload.len()),
    }
}

pub(super) fn icc_of<'a>(marker: &Marker<'a>) -> Option<&'a [u8]> {
    (marker.code == APP2).then(|| marker.payload.strip_prefix(ICC)).flatten()
}

pub(super) fn push(copy: &mut Vec<u8>, code: u8, payload: &[u8]) {
    // Every payload comes from a segment, or is a few bytes long, so its length fits.
    let len = u16::try_from(payload.len() + 2).unwrap_or(u16::MAX);
    copy.extend_from_slice(&[0xFF, code]);
    copy.extend_from_slice(&len.to_be_bytes());
    copy.extend_from_slice(payload);
}

enum Segment<'a, 'b> {
    Marker(&'b Marker<'a>),
    /// The entropy-coded data of a scan.
    Scan(&'a [u8]),
    /// The bytes after EOI.
    Trailer(&'a [u8]),
}

/// Calls `visit` for each part of the file after SOI, in order.
fn walk<'a>(data: &'a [u8], mut visit: impl FnMut(Segment<'a, '_>)) -> Result<(), DecodeError> {
    let mut markers = Markers::new(data);
    loop {
        let marker = markers.next()?;
        visit(Segment::Marker(&marker));
        if marker.code == EOI {
            visit(Segment::Trailer(&data[marker.end..]));
            return Ok(());
        }
        if marker.code == SOS {
            markers.skip_entropy_coded()?;
            visit(Segment::Scan(&data[marker.end..markers.position()]));
        }
    }
}
