//! The one thing that is read of EXIF: which way up the picture is shown.

use super::{Planes, Subsampling};

/// The orientation tag of TIFF, and its type.
const TAG: u16 = 0x0112;
const SHORT: u16 = 3;
/// Most entries of a directory that are looked at.
const MOST_ENTRIES: usize = 512;

/// How stored rows and columns are shown, numbered as EXIF does: 1 = as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orientation(u8);

impl Orientation {
    /// As stored.
    pub const UPRIGHT: Self = Self(1);

    /// `None` for a number that EXIF does not know.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        (1..=8).contains(&number).then_some(Self(number))
    }

    /// EXIF's number, 1..=8.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// Rows are shown as columns.
    #[must_use]
    pub fn swaps_sides(self) -> bool {
        self.0 >= 5
    }

    /// Width and height as shown of what is stored as `width` x `height`, and the other way round.
    #[must_use]
    pub fn turned(self, width: u32, height: u32) -> (u32, u32) {
        if self.swaps_sides() { (height, width) } else { (width, height) }
    }
}

/// What a TIFF block says of the orientation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) orientation: Orientation,
    /// Where its two bytes stand in the block.
    at: usize,
    little_endian: bool,
}

/// Looks for the orientation in a TIFF block (what follows `Exif\0\0`).
pub(super) fn find(tiff: &[u8]) -> Option<Found> {
    let little_endian = match tiff.get(..4)? {
        [b'I', b'I', 42, 0] => true,
        [b'M', b'M', 0, 42] => false,
        _ => return None,
    };
    let short = |at: usize| {
        let pair = [*tiff.get(at)?, *tiff.get(at.checked_add(1)?)?];
        Some(if little_endian { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let long: [u8; 4] = tiff.get(4..8)?.try_into().ok()?;
    let directory = if little_endian { u32::from_le_bytes(long) } else { u32::from_be_bytes(long) } as usize;
    let entries = usize::from(short(directory)?).min(MOST_ENTRIES);
    for index in 0..entries {
        let entry = directory.checked_add(2 + 12 * index)?;
        if short(entry)? == TAG && short(entry + 2)? == SHORT {
            let number = u8::try_from(short(entry + 8)?).ok()?;
            let orientation = Orientation::new(number)?;
            return Some(Found { orientation, at: entry + 8, little_endian });
        }
    }
    None
}

/// Whether bytes begin like a TIFF block.
pub(super) fn is_tiff(bytes: &[u8]) -> bool {
    bytes.starts_with(b"II\x2A\0") || bytes.starts_with(b"MM\0\x2A")
}

/// A copy of a TIFF block that says "as stored".
pub(super) fn made_upright(tiff: &[u8]) -> Vec<u8> {
    let mut copy = tiff.to_vec();
    if let Some(found) = find(tiff) {
        let value = if found.little_endian { 1_u16.to_le_bytes() } else { 1_u16.to_be_bytes() };
        copy[found.at..found.at + 2].copy_from_slice(&value);
    }
    copy
}

/// A TIFF block that says nothing but the orientation.
pub(super) fn only(orientation: Orientation) -> [u8; 26] {
    let mut tiff = *b"MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0";
    tiff[19] = orientation.number();
    tiff
}

/// The picture as it is to be shown. Of an odd side that is turned round, chroma moves by at most half a pixel.
pub(super) fn upright(planes: &Planes, orientation: Orientation, buffer: Vec<u8>) -> Planes {
    let (mut width, mut height, mut subsampling) = (planes.width(), planes.height(), planes.subsampling());
    if orientation.swaps_sides() {
        (width, height) = (height, width);
        subsampling = match subsampling {
            Subsampling::S422 => Subsampling::S440,
            Subsampling::S440 => Subsampling::S422,
            Subsampling::S411 => Subsampling::S441,
            Subsampling::S441 => Subsampling::S411,
            same @ (Subsampling::Gray | Subsampling::S444 | Subsampling::S420) => same,
        };
    }
    let mut turned = Planes::in_buffer(width, height, subsampling, buffer);
    let (luma_stride, _) = turned.luma_size();
    let (chroma_width, _) = turned.chroma_size();
    let [y, cb, cr] = turned.split_mut();
    turn(planes.luma(), orientation, y, width as usize, luma_stride);
    if let Some([from_cb, from_cr]) = planes.chroma() {
        turn(from_cb, orientation, cb, chroma_width, chroma_width);
        turn(from_cr, orientation, cr, chroma_width, chroma_width);
    }
    turned.pad_luma();
    turned
}

fn turn(from: super::Plane<'_>, orientation: Orientation, to: &mut [u8], width: usize, stride: usize) {
    let (right, down) = (1_isize, from.stride as isize);
    let last_column = from.width as isize - 1;
    let last_row = (from.height as isize - 1) * down;
    // Where the first shown sample is stored, and the steps to the next column and row.
    let (start, column, row) = match orientation.number() {
        2 => (last_column, -right, down),
        3 => (last_row + last_column, -right, -down),
        4 => (last_row, right, -down),
        5 => (0, down, right),
        6 => (last_row, -down, right),
        7 => (last_row + last_column, -down, -right),
        8 => (last_column, down, -right),
        _ => (0, right, down),
    };
    let rows = if orientation.swaps_sides() { from.width } else { from.height };
    for (line, to) in to.chunks_exact_mut(stride).take(rows).enumerate() {
        let mut at = start + line as isize * row;
        for sample in &mut to[..width] {
            *sample = from.data[at as usize];
            at += column;
        }
    }
}
