//! Reads the header of a JPEG that can be transcoded.
//!
//! Everything unusual is refused: the decoder of the normal path knows what to do with it.

use super::Refusal;

/// The coefficients of a block.
pub(super) const BLOCK_SIZE: usize = 64;
/// The maximum length of a Huffman code, in bits.
pub(super) const MAX_CODE_BITS: usize = 16;
const MAX_TABLES: usize = 4;
const JFIF_BYTES: usize = 14;
const ADOBE_BYTES: usize = 12;
/// The transform of an Adobe segment that stands for Y, Cb and Cr.
const ADOBE_YCC: u8 = 1;

/// A Huffman table as a file defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HuffmanSpec<'a> {
    /// The number of codes of each length, from 1 bit on.
    pub(super) counts: &'a [u8; MAX_CODE_BITS],
    /// The symbols in the order of their codes.
    pub(super) symbols: &'a [u8],
}

/// A colour component, and the tables of its scan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Component<'a> {
    /// The quantiser of each coefficient, in zigzag order, 1..=255.
    pub(super) quantisers: [u8; BLOCK_SIZE],
    pub(super) dc: HuffmanSpec<'a>,
    pub(super) ac: HuffmanSpec<'a>,
}

/// The header of a baseline JPEG with a single scan.
#[derive(Debug)]
pub(super) struct Header<'a> {
    pub(super) width: usize,
    pub(super) height: usize,
    /// The luma blocks of an MCU, across and down; the other components have one block each.
    pub(super) factors: (usize, usize),
    /// Y, or Y, Cb and Cr.
    pub(super) components: Vec<Component<'a>>,
    /// The number of MCUs between restart markers; 0 = none.
    pub(super) restart_interval: usize,
    /// The bytes after the header: the entropy-coded data, EOI, and all that follows.
    pub(super) rest: &'a [u8],
}

impl Header<'_> {
    /// Returns the number of MCUs, across and down.
    pub(super) fn mcus(&self) -> (usize, usize) {
        (self.width.div_ceil(8 * self.factors.0), self.height.div_ceil(8 * self.factors.1))
    }
}

#[derive(Default)]
struct Tables<'a> {
    quantisers: [Option<[u8; BLOCK_SIZE]>; MAX_TABLES],
    dc: [Option<HuffmanSpec<'a>>; MAX_TABLES],
    ac: [Option<HuffmanSpec<'a>>; MAX_TABLES],
    restart_interval: usize,
    has_other_colors: bool,
}

struct Frame {
    width: usize,
    height: usize,
    factors: (usize, usize),
    /// For each component: its id, and the index of its quantisers.
    components: Vec<(u8, usize)>,
}

/// Reads the header, up to and including the header of the only scan.
pub(super) fn read(data: &[u8]) -> Result<Header<'_>, Refusal> {
    let mut rest = data.strip_prefix(&[0xFF, 0xD8]).ok_or(Refusal::Unusual("no start marker"))?;
    let mut tables = Tables::default();
    let mut frame = None;
    loop {
        let [0xFF, code, high, low, after @ ..] = rest else {
            return Err(Refusal::Unusual("bytes between segments"));
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let payload = length.checked_sub(2).and_then(|length| after.get(..length));
        let payload = payload.ok_or(Refusal::Damaged("a segment of a wrong length"))?;
        rest = &after[payload.len()..];
        match code {
            0xDB => tables.read_quantisers(payload)?,
            0xC4 => tables.read_codes(payload)?,
            0xC0 | 0xC1 if frame.is_none() => frame = Some(read_frame(payload)?),
            0xDD => {
                let [high, low] = *payload else { return Err(Refusal::Damaged("a restart interval")) };
                tables.restart_interval = usize::from(u16::from_be_bytes([high, low]));
            }
            0xDA => {
                let frame = frame.ok_or(Refusal::Damaged("a scan before the frame header"))?;
                return tables.header(&frame, payload, rest);
            }
            0xE0 => check_jfif(payload)?,
            0xEE => tables.check_adobe(payload),
            0xE1..=0xEF | 0xFE => {}
            _ => return Err(Refusal::Unusual("a marker of another kind of JPEG")),
        }
    }
}

/// Refuses a version of JFIF that the decoder warns about.
fn check_jfif(payload: &[u8]) -> Result<(), Refusal> {
    match payload {
        [b'J', b'F', b'I', b'F', 0, major, ..] if payload.len() >= JFIF_BYTES && *major != 1 => {
            Err(Refusal::Unusual("an unknown version of JFIF"))
        }
        _ => Ok(()),
    }
}

fn read_frame(payload: &[u8]) -> Result<Frame, Refusal> {
    let [8, h1, h0, w1, w0, count, list @ ..] = payload else {
        return Err(Refusal::Unusual("not 8 bits a sample"));
    };
    let side = |high, low| usize::from(u16::from_be_bytes([high, low]));
    let (width, height) = (side(*w1, *w0), side(*h1, *h0));
    if width == 0 || height == 0 {
        return Err(Refusal::Unusual("a height that follows the scan"));
    }
    let (list, rest) = list.as_chunks::<3>();
    if list.len() != usize::from(*count) || !rest.is_empty() {
        return Err(Refusal::Damaged("the frame header"));
    }
    let factors = match list {
        // A single component has no MCUs of several blocks, whatever its factors are.
        [[_, factors, _]] if (1..=4).contains(&(factors >> 4)) && (1..=4).contains(&(factors & 15)) => (1, 1),
        [[_, luma @ (0x11 | 0x12 | 0x21 | 0x22), _], [_, 0x11, _], [_, 0x11, _]] => {
            (usize::from(luma >> 4), usize::from(luma & 15))
        }
        _ => return Err(Refusal::Unusual("another chroma subsampling")),
    };
    if list.iter().map(|[id, ..]| *id).eq(*b"RGB") {
        return Err(Refusal::Unusual("red, green and blue"));
    }
    let components: Vec<_> = list.iter().map(|[id, _, table]| (*id, usize::from(*table))).collect();
    let is_used_twice = |at: usize| components[..at].iter().any(|(id, _)| *id == components[at].0);
    if (0..components.len()).any(is_used_twice) {
        return Err(Refusal::Damaged("two components with one id"));
    }
    Ok(Frame { width, height, factors, components })
}

impl<'a> Tables<'a> {
    fn read_quantisers(&mut self, mut payload: &[u8]) -> Result<(), Refusal> {
        const WRONG: Refusal = Refusal::Damaged("the quantisers");
        while let [kind, rest @ ..] = payload {
            let place = self.quantisers.get_mut(usize::from(kind & 15)).ok_or(WRONG)?;
            let mut table = [0; BLOCK_SIZE];
            let bytes = match kind >> 4 {
                0 => {
                    table.copy_from_slice(rest.get(..BLOCK_SIZE).ok_or(WRONG)?);
                    BLOCK_SIZE
                }
                1 => {
                    let wide = rest.get(..2 * BLOCK_SIZE).ok_or(WRONG)?;
                    for (one, [high, low]) in table.iter_mut().zip(wide.as_chunks().0) {
                        if *high != 0 {
                            return Err(Refusal::Unusual("a quantiser above 255"));
                        }
                        *one = *low;
                    }
                    2 * BLOCK_SIZE
                }
                _ => return Err(WRONG),
            };
            if table.contains(&0) {
                return Err(WRONG);
            }
            *place = Some(table);
            payload = &rest[bytes..];
        }
        Ok(())
    }

    fn read_codes(&mut self, mut payload: &'a [u8]) -> Result<(), Refusal> {
        const WRONG: Refusal = Refusal::Damaged("a Huffman table");
        while let [kind, rest @ ..] = payload {
            let (counts, rest) = rest.split_first_chunk::<MAX_CODE_BITS>().ok_or(WRONG)?;
            let total: usize = counts.iter().map(|count| usize::from(*count)).sum();
            let symbols = rest.get(..total).filter(|_| total <= 256).ok_or(WRONG)?;
            let tables = match kind >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return Err(WRONG),
            };
            let place = tables.get_mut(usize::from(kind & 15)).ok_or(WRONG)?;
            *place = Some(HuffmanSpec { counts, symbols });
            payload = &rest[total..];
        }
        Ok(())
    }

    fn check_adobe(&mut self, payload: &[u8]) {
        if let [b'A', b'd', b'o', b'b', b'e', _, _, _, _, _, _, transform, ..] = payload
            && payload.len() >= ADOBE_BYTES
        {
            self.has_other_colors = *transform != ADOBE_YCC;
        }
    }

    fn header(&self, frame: &Frame, payload: &[u8], rest: &'a [u8]) -> Result<Header<'a>, Refusal> {
        const WRONG: Refusal = Refusal::Damaged("the scan header");
        let count = frame.components.len();
        let (list, bounds) = match payload {
            [scans, list @ ..] if usize::from(*scans) == count => {
                list.split_at_checked(2 * count).ok_or(WRONG)?
            }
            _ => return Err(Refusal::Unusual("several scans")),
        };
        if *bounds != [0, 63, 0] {
            return Err(Refusal::Unusual("a scan of some coefficients"));
        }
        if self.has_other_colors && count > 1 {
            return Err(Refusal::Unusual("other colours than Y, Cb and Cr"));
        }
        let table = |index: u8, tables: &[Option<HuffmanSpec<'a>>; MAX_TABLES]| {
            tables
                .get(usize::from(index))
                .copied()
                .flatten()
                .ok_or(Refusal::Unusual("a missing Huffman table"))
        };
        let mut components = Vec::with_capacity(count);
        for ((id, quantisers), [of, tables]) in frame.components.iter().zip(list.as_chunks::<2>().0) {
            if id != of {
                return Err(Refusal::Unusual("components in another order"));
            }
            let quantisers = self.quantisers.get(*quantisers).copied().flatten();
            components.push(Component {
                quantisers: quantisers.ok_or(Refusal::Damaged("missing quantisers"))?,
                dc: table(tables >> 4, &self.dc)?,
                ac: table(tables & 15, &self.ac)?,
            });
        }
        let Frame { width, height, factors, .. } = *frame;
        Ok(Header { width, height, factors, components, restart_interval: self.restart_interval, rest })
    }
}
