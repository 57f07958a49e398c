//! Reads the entropy-coded data of a JPEG without making pixels of it, to tell whether every block of the picture is there.
//!
//! libjpeg-turbo reports the first of its warnings only. Where that one is harmless (bytes that belong to nothing, behind an
//! interval or a scan), this reader looks for what may follow it: data that ends too early, codes that do not exist, restart
//! markers that are missing. It also finds the end of a picture that has no end marker. Huffman codes only, sequential and
//! progressive (ITU-T T.81, annexes F and G); it judges as libjpeg-turbo does.

mod bits;
mod scan;

use self::bits::Table;
use super::jpeg_markers::{DHT, EOI, Marker, Markers, SOI, SOS, is_frame};
use super::{DecodeError, Limits};

const DRI: u8 = 0xDD;
const SEQUENTIAL: [u8; 2] = [0xC0, 0xC1];
const PROGRESSIVE: u8 = 0xC2;
/// Coefficients of a block.
const BLOCK: usize = 64;
/// Most components that a scan may have.
const MOST_IN_SCAN: usize = 4;
/// Most Huffman tables of a kind.
const MOST_TABLES: usize = 4;
/// Of a coefficient that no scan has told yet.
const UNKNOWN: u8 = u8::MAX;

/// What the scans of a picture hold, all of which could be read to their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scans {
    /// Where the data of the last scan ends.
    pub(super) end: usize,
    /// Every coefficient of every component is there with all its bits.
    pub(super) complete: bool,
    /// The last scan ends with bits of 1 only, as it should, or on a whole byte.
    pub(super) filled_with_ones: bool,
}

/// Reads every scan of a file that begins with SOI, up to EOI or to where its markers cannot be followed any further. Bytes
/// behind the data of a scan or of a restart interval are skipped.
///
/// # Errors
///
/// If a scan does not hold all its blocks, or is not of a kind that can be read; or if there is none.
pub(super) fn read(data: &[u8], limits: &Limits) -> Result<Scans, DecodeError> {
    let mut markers = Markers::new(data);
    let mut picture = Picture::default();
    let mut scans = None;
    let mut count = 0;
    loop {
        let marker = match markers.next() {
            Ok(marker) if !matches!(marker.code, EOI | SOI) => marker,
            // Where nothing more can be read, what has been read is all there is.
            Ok(_) | Err(_) if scans.is_some() => break,
            Ok(_) => return Err(corrupt("no scan")),
            Err(error) => return Err(error),
        };
        match marker.code {
            DHT => picture.read_tables(marker.payload)?,
            DRI => {
                let [high, low] = *marker.payload else { return Err(corrupt("a wrong restart interval")) };
                picture.restart_interval = usize::from(u16::from_be_bytes([high, low]));
            }
            SOS => {
                count += 1;
                if count > limits.max_scans {
                    return Err(DecodeError::TooManyScans { max_scans: limits.max_scans });
                }
                limits.check_scan_pixels(picture.size.0, picture.size.1, count)?;
                let (end, filled_with_ones) = picture.read_scan(data, &marker)?;
                scans = Some(Scans { end, complete: picture.is_complete(), filled_with_ones });
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
    /// Blocks of the largest sampling factors, across and down.
    mcus: (usize, usize),
    restart_interval: usize,
    dc: [Option<Table>; MOST_TABLES],
    ac: [Option<Table>; MOST_TABLES],
}

struct Component {
    id: u8,
    /// Sampling factors, across and down.
    factors: (usize, usize),
    /// Blocks that a scan of this component alone has, across and down.
    blocks: (usize, usize),
    /// The lowest bit of each coefficient that a scan has told; `UNKNOWN` before.
    bits: [u8; BLOCK],
    /// Of a progressive picture, the coefficients of each block that are not 0, one bit each.
    nonzero: Vec<u64>,
}

impl Picture {
    fn read_frame(&mut self, marker: &Marker<'_>, limits: &Limits) -> Result<(), DecodeError> {
        self.progressive = marker.code == PROGRESSIVE;
        if !self.progressive && !SEQUENTIAL.contains(&marker.code) {
            return Err(corrupt("superfluous bytes in a JPEG that is not coded by Huffman"));
        }
        let [8, h1, h0, w1, w0, count, list @ ..] = marker.payload else {
            return Err(corrupt("a wrong frame header"));
        };
        let (width, height) = (u16::from_be_bytes([*w1, *w0]), u16::from_be_bytes([*h1, *h0]));
        self.size = (u32::from(width), u32::from(height));
        limits.check_dimensions(self.size.0, self.size.1)?;
        let list = list.as_chunks::<3>().0;
        if !self.components.is_empty() || list.len() != usize::from(*count) || list.len() > MOST_IN_SCAN {
            return Err(corrupt("a wrong frame header"));
        }
        let factors = |factors: u8| (usize::from(factors >> 4), usize::from(factors & 0x0F));
        let is_factor = |factor| (1..=4).contains(&factor);
        if !list.iter().map(|[_, f, _]| factors(*f)).all(|(h, v)| is_factor(h) && is_factor(v)) {
            return Err(corrupt("wrong sampling factors"));
        }
        let most = |pick: fn((usize, usize)) -> usize| list.iter().map(|[_, f, _]| pick(factors(*f))).max();
        let (h_most, v_most) = (most(|f| f.0).unwrap_or(1), most(|f| f.1).unwrap_or(1));
        let (width, height) = (usize::from(width), usize::from(height));
        self.mcus = (width.div_ceil(8 * h_most), height.div_ceil(8 * v_most));
        for [id, sampling, _] in list {
            let (h, v) = factors(*sampling);
            let blocks = ((width * h).div_ceil(8 * h_most), (height * v).div_ceil(8 * v_most));
            let nonzero = if self.progressive { vec![0; blocks.0 * blocks.1] } else { Vec::new() };
            self.components.push(Component {
                id: *id,
                factors: (h, v),
                blocks,
                bits: [UNKNOWN; BLOCK],
                nonzero,
            });
        }
        Ok(())
    }

    fn read_tables(&mut self, mut payload: &[u8]) -> Result<(), DecodeError> {
        while let [kind, rest @ ..] = payload {
            let tables = if kind >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            let place = tables.get_mut(usize::from(kind & 0x0F)).filter(|_| *kind < 0x20);
            let place = place.ok_or_else(|| corrupt("a Huffman table of an unknown kind"))?;
            let (table, len) = Table::read(rest).ok_or_else(|| corrupt("a wrong Huffman table"))?;
            *place = Some(table);
            payload = &rest[len..];
        }
        Ok(())
    }

    /// Whether a scan has told the last bit of every coefficient.
    fn is_complete(&self) -> bool {
        !self.components.is_empty()
            && self.components.iter().all(|component| component.bits.iter().all(|bits| *bits == 0))
    }
}

fn corrupt(what: &str) -> DecodeError {
    DecodeError::Corrupt(what.to_owned())
}
