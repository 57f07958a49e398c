//! Reads the blocks of one scan.

use super::bits::{BitReader, Table};
use super::{BLOCK_SIZE, MAX_SCAN_COMPONENTS, Picture, UNKNOWN, corrupt};
use crate::picture::DecodeError;
use crate::picture::jpeg_markers::Marker;

/// The maximum number of zeros before a coefficient. If the size is 0, this number stands for 16
/// zeros instead.
const MAX_ZERO_RUN: usize = 15;

/// A scan header; `first` and `last` are the first and last coefficient of the scan.
struct Header {
    /// For each component: its index in the frame, and its DC and AC tables.
    components: Vec<(usize, usize, usize)>,
    first: usize,
    last: usize,
    /// The lowest bit that earlier scans contain; 0 if there was none.
    high: u8,
    /// The lowest bit that this scan contains.
    low: u8,
}

/// The coding of a block.
#[derive(Clone, Copy)]
enum Coding {
    Sequential,
    DcFirst,
    DcRefine,
    AcFirst,
    AcRefine,
}

impl Picture {
    /// Reads all blocks of a scan. Returns the offset of the end of its data, and whether it is
    /// padded with ones.
    pub(super) fn read_scan(
        &mut self,
        data: &[u8],
        marker: &Marker<'_>,
    ) -> Result<(usize, bool), DecodeError> {
        let header = self.header(marker.payload)?;
        let coding = self.coding(&header)?;
        self.record_bits(&header, coding)?;
        let is_single = header.components.len() == 1;
        let (index, ..) = header.components[0];
        let (across, down) = if is_single { self.components[index].blocks } else { self.mcus };
        let mut bits = BitReader::new(data, marker.end);
        let mut run = 0_u32;
        for mcu in 0..across * down {
            if self.restart_interval > 0 && mcu > 0 && mcu % self.restart_interval == 0 {
                bits.restart(mcu / self.restart_interval - 1)?;
                run = 0;
            }
            for (index, dc, ac) in &header.components {
                let component = &mut self.components[*index];
                let (h, v) = if is_single { (1, 1) } else { component.factors };
                for _ in 0..h * v {
                    match coding {
                        Coding::Sequential => {
                            skip_value(&mut bits, table(&self.dc, *dc)?)?;
                            sequential(&mut bits, table(&self.ac, *ac)?)?;
                        }
                        Coding::DcFirst => skip_value(&mut bits, table(&self.dc, *dc)?)?,
                        Coding::DcRefine => {
                            bits.take(1)?;
                        }
                        Coding::AcFirst | Coding::AcRefine => {
                            let block = Block {
                                nonzero: &mut component.nonzero[mcu],
                                header: &header,
                                run: &mut run,
                            };
                            let table = table(&self.ac, *ac)?;
                            if matches!(coding, Coding::AcFirst) {
                                block.first_pass(&mut bits, table)?;
                            } else {
                                block.refine(&mut bits, table)?;
                            }
                        }
                    }
                }
            }
        }
        Ok(bits.end())
    }

    fn header(&self, payload: &[u8]) -> Result<Header, DecodeError> {
        let wrong = || corrupt("invalid scan header");
        let [count, rest @ ..] = payload else { return Err(wrong()) };
        let count = usize::from(*count);
        let (list, rest) = rest.split_at_checked(2 * count).ok_or_else(wrong)?;
        let [first, last, bits] = *rest else { return Err(wrong()) };
        if !(1..=MAX_SCAN_COMPONENTS).contains(&count) {
            return Err(wrong());
        }
        let mut components: Vec<(usize, usize, usize)> = Vec::with_capacity(count);
        for [id, tables] in list.as_chunks::<2>().0 {
            let index = self.components.iter().position(|component| component.id == *id);
            let index = index.filter(|index| components.iter().all(|(other, ..)| other != index));
            components.push((index.ok_or_else(wrong)?, usize::from(tables >> 4), usize::from(tables & 0x0F)));
        }
        let (first, last) = (usize::from(first), usize::from(last));
        Ok(Header { components, first, last, high: bits >> 4, low: bits & 0x0F })
    }

    fn coding(&self, header: &Header) -> Result<Coding, DecodeError> {
        let Header { first, last, high, low, .. } = *header;
        if !self.progressive {
            return Ok(Coding::Sequential);
        }
        let band = if first == 0 { last == 0 } else { first <= last && last < BLOCK_SIZE };
        let has_allowed_count = first == 0 || header.components.len() == 1;
        if !band || !has_allowed_count || high != 0 && low + 1 != high || low > 13 {
            return Err(corrupt("invalid scan header"));
        }
        Ok(match (first, high) {
            (0, 0) => Coding::DcFirst,
            (0, _) => Coding::DcRefine,
            (_, 0) => Coding::AcFirst,
            _ => Coding::AcRefine,
        })
    }

    /// Records the bits that the scan contains.
    fn record_bits(&mut self, header: &Header, coding: Coding) -> Result<(), DecodeError> {
        for (index, ..) in &header.components {
            let known = &mut self.components[*index].bits;
            if matches!(coding, Coding::Sequential) {
                known.fill(0);
                continue;
            }
            let dc_is_known = header.first == 0 || known[0] != UNKNOWN;
            let band = &mut known[header.first..=header.last];
            let in_order = band.iter().all(|low| header.high == if *low == UNKNOWN { 0 } else { *low });
            if !dc_is_known || !in_order {
                return Err(corrupt("scans in an invalid order"));
            }
            band.fill(header.low);
        }
        Ok(())
    }
}

fn table(tables: &[Option<Table>], index: usize) -> Result<&Table, DecodeError> {
    tables.get(index).and_then(Option::as_ref).ok_or_else(|| corrupt("missing Huffman table"))
}

/// Skips the difference of a DC coefficient: the number of its bits, and the bits.
fn skip_value(bits: &mut BitReader<'_>, table: &Table) -> Result<(), DecodeError> {
    let size = u32::from(bits.symbol(table)?);
    if size > 15 {
        return Err(corrupt("invalid Huffman table"));
    }
    bits.take(size).map(drop)
}

/// Skips the AC coefficients of a block.
fn sequential(bits: &mut BitReader<'_>, table: &Table) -> Result<(), DecodeError> {
    let mut at = 1;
    while at < BLOCK_SIZE {
        let symbol = bits.symbol(table)?;
        let (zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 0x0F));
        if size > 0 {
            bits.take(size)?;
        } else if zeros != MAX_ZERO_RUN {
            return Ok(());
        }
        at += zeros + 1;
    }
    Ok(())
}

/// A band of coefficients of one block in a progressive scan.
struct Block<'a> {
    /// The non-zero coefficients: bit `n` is the coefficient at index `n` in zigzag order.
    nonzero: &'a mut u64,
    header: &'a Header,
    /// The number of following blocks without further coefficients in this band.
    run: &'a mut u32,
}

impl Block<'_> {
    fn first_pass(self, bits: &mut BitReader<'_>, table: &Table) -> Result<(), DecodeError> {
        if *self.run > 0 {
            *self.run -= 1;
            return Ok(());
        }
        let mut at = self.header.first;
        while at <= self.header.last {
            let symbol = bits.symbol(table)?;
            let (zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 0x0F));
            if size > 0 {
                bits.take(size)?;
                if at + zeros < BLOCK_SIZE {
                    *self.nonzero |= 1 << (at + zeros);
                }
            } else if zeros != MAX_ZERO_RUN {
                *self.run = (1 << zeros) + bits.take(zeros as u32)? - 1;
                return Ok(());
            }
            at += zeros + 1;
        }
        Ok(())
    }

    fn refine(self, bits: &mut BitReader<'_>, table: &Table) -> Result<(), DecodeError> {
        let Self { nonzero, header, run } = self;
        let mut at = header.first;
        if *run == 0 {
            while at <= header.last {
                let symbol = bits.symbol(table)?;
                let (mut zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 0x0F));
                if size > 1 {
                    return Err(corrupt("invalid Huffman code"));
                }
                if size == 1 {
                    bits.take(1)?;
                } else if zeros != MAX_ZERO_RUN {
                    *run = (1 << zeros) + bits.take(zeros as u32)?;
                    break;
                }
                // There is a correction bit for each coefficient that is already not 0, until
                // `zeros` coefficients that are 0 have been skipped.
                while at <= header.last {
                    if *nonzero >> at & 1 == 1 {
                        bits.take(1)?;
                    } else if zeros == 0 {
                        break;
                    } else {
                        zeros -= 1;
                    }
                    at += 1;
                }
                if size == 1 && at < BLOCK_SIZE {
                    *nonzero |= 1 << at;
                }
                at += 1;
            }
        }
        if *run > 0 {
            while at <= header.last {
                bits.take(u32::from(*nonzero >> at & 1 == 1))?;
                at += 1;
            }
            *run -= 1;
        }
        Ok(())
    }
}
