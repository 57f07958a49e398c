//! Reads the entropy-coded data of a JPEG without decoding pixels, to check that all blocks of the
//! picture exist.
//!
//! libjpeg-turbo reports only its first warning. If that one is harmless (extraneous bytes after a
//! restart interval or a scan), this reader looks for further problems: truncated data, invalid
//! codes, missing restart markers. It also finds the end of a picture without an end marker. It
//! supports Huffman codes only, sequential and progressive (ITU-T T.81, annexes F and G), and
//! accepts the same data as libjpeg-turbo.

mod bits;
mod scan;

use self::bits::Table;
use super::jpeg_markers::{DHT, EOI, Marker, Markers, SOI, SOS, is_frame};
use super::{DecodeError, Limits};

const DRI: u8 = 0xDD;
const SEQUENTIAL: [u8; 2] = [0xC0, 0xC1];
const PROGRESSIVE: u8 = 0xC2;
/// The coefficients of a block.
const BLOCK_SIZE: usize = 64;
/// The maximum number of components of a scan.
const MAX_SCAN_COMPONENTS: usize = 4;
/// The maximum number of Huffman tables of a class.
const MAX_TABLES: usize = 4;
/// Marks a coefficient that no scan has contained yet.
const UNKNOWN: u8 = u8::MAX;

/// The result of reading all scans of a picture to their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scans {
    /// The offset of the end of the last scan's data.
    pub(super) end: usize,
    /// The scans contain all bits of all coefficients of all components.
    pub(super) complete: bool,
    /// The last scan is padded with 1 bits, as the standard requires, or ends on a byte boundary.
    pub(super) padded_with_ones: bool,
}

/// Reads all scans of a file that begins with SOI, up to EOI or as far as its markers can be
/// followed. Extraneous bytes after a scan or a restart interval are skipped.
///
/// # Errors
///
/// Fails if a scan does not contain all its blocks or is of an unsupported kind, or if there is no
/// scan.
pub(super) fn read(data: &[u8], limits: &Limits) -> Result<Scans, DecodeError> {
    let mut markers = Markers::new(data);
    let mut picture = Picture::default();
    let mut scans = None;
    let mut count = 0;
    loop {
        let marker = match markers.next() {
            Ok(marker) if !matches!(marker.code, EOI | SOI) => marker,
            // If nothing more can be read, the scans read so far are all there are.
            Ok(_) | Err(_) if scans.is_some() => break,
            Ok(_) => return Err(corrupt("no scan")),
            Err(error) => return Err(error),
        };
        match marker.code {
            DHT => picture.read_tables(marker.payload)?,
            DRI => {
                let [high, low] = *marker.payload else { return Err(corrupt("invalid restart interval")) };
                picture.restart_interval = usize::from(u16::from_be_bytes([high, low]));
            }
            SOS => {
                count += 1;
                if count > limits.max_scans {
                    return Err(DecodeError::TooManyScans { max_scans: limits.max_scans });
                }
                limits.check_scan_pixels(picture.size.0, picture.size.1, count)?;
                let (end, padded_with_ones) = picture.read_scan(data, &marker)?;
                scans = Some(Scans { end, complete: picture.is_complete(), padded_with_ones });
                markers.go_to(end);
            }
            code if is_frame(code) => picture.read_frame(&marker, limits)?,
            _ => {}
        }
    }
    scans.ok_or_else(|| corrupt("no scan"))
}

#[derive(Default)]
struct Picture {
    progressive: bool,
    /// Width and height in pixels.
    size: (u32, u32),
    components: Vec<Component>,
    /// The number of MCUs, across and down. An MCU contains as many blocks of each component as its
    /// sampling factors say.
    mcus: (usize, usize),
    restart_interval: usize,
    dc: [Option<Table>; MAX_TABLES],
    ac: [Option<Table>; MAX_TABLES],
}

struct Component {
    id: u8,
    /// The sampling factors, across and down.
    factors: (usize, usize),
    /// The number of blocks, across and down, in a scan of this component alone.
    blocks: (usize, usize),
    /// For each coefficient, the lowest bit that the scans have contained so far; `UNKNOWN` at
    /// first.
    bits: [u8; BLOCK_SIZE],
    /// For a progressive picture: the non-zero coefficients of each block, one bit each.
    nonzero: Vec<u64>,
}

impl Picture {
    fn read_frame(&mut self, marker: &Marker<'_>, limits: &Limits) -> Result<(), DecodeError> {
        self.progressive = marker.code == PROGRESSIVE;
        if !self.progressive && !SEQUENTIAL.contains(&marker.code) {
            return Err(corrupt("extraneous bytes in a JPEG without Huffman codes"));
        }
        let [8, h1, h0, w1, w0, count, list @ ..] = marker.payload else {
            return Err(corrupt("invalid frame header"));
        };
        let (width, height) = (u16::from_be_bytes([*w1, *w0]), u16::from_be_bytes([*h1, *h0]));
        self.size = (u32::from(width), u32::from(height));
        limits.check_dimensions(self.size.0, self.size.1)?;
        let list = list.as_chunks::<3>().0;
        if !self.components.is_empty()
            || list.len() != usize::from(*count)
            || list.len() > MAX_SCAN_COMPONENTS
        {
            return Err(corrupt("invalid frame header"));
        }
        let factors = |factors: u8| (usize::from(factors >> 4), usize::from(factors & 0x0F));
        let is_factor = |factor| (1..=4).contains(&factor);
        if !list.iter().map(|[_, f, _]| factors(*f)).all(|(h, v)| is_factor(h) && is_factor(v)) {
            return Err(corrupt("invalid sampling factors"));
        }
        let largest =
            |pick: fn((usize, usize)) -> usize| list.iter().map(|[_, f, _]| pick(factors(*f))).max();
        let (h_max, v_max) = (largest(|f| f.0).unwrap_or(1), largest(|f| f.1).unwrap_or(1));
        let (width, height) = (usize::from(width), usize::from(height));
        self.mcus = (width.div_ceil(8 * h_max), height.div_ceil(8 * v_max));
        for [id, sampling, _] in list {
            let (h, v) = factors(*sampling);
            let blocks = ((width * h).div_ceil(8 * h_max), (height * v).div_ceil(8 * v_max));
            let nonzero = if self.progressive { vec![0; blocks.0 * blocks.1] } else { Vec::new() };
            self.components.push(Component {
                id: *id,
                factors: (h, v),
                blocks,
                bits: [UNKNOWN; BLOCK_SIZE],
                nonzero,
            });
        }
        Ok(())
    }

    fn read_tables(&mut self, mut payload: &[u8]) -> Result<(), DecodeError> {
        while let [kind, rest @ ..] = payload {
            let tables = if kind >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            let place = tables.get_mut(usize::from(kind & 0x0F)).filter(|_| *kind < 0x20);
            let place = place.ok_or_else(|| corrupt("Huffman table of an unknown class"))?;
            let (table, len) = Table::read(rest).ok_or_else(|| corrupt("invalid Huffman table"))?;
            *place = Some(table);
            payload = &rest[len..];
        }
        Ok(())
    }

    /// Reports whether the scans have contained the last bit of each coefficient.
    fn is_complete(&self) -> bool {
        !self.components.is_empty()
            && self.components.iter().all(|component| component.bits.iter().all(|bits| *bits == 0))
    }
}

fn corrupt(what: &str) -> DecodeError {
    DecodeError::Corrupt(what.to_owned())
}
