//! The blocks of one scan.

use super::bits::{Bits, Table};
use super::{BLOCK, MOST_IN_SCAN, Picture, UNKNOWN, corrupt};
use crate::picture::DecodeError;
use crate::picture::jpeg_markers::Marker;

/// A run of zeros of the longest length, without a coefficient behind it.
const LONGEST_RUN: usize = 15;

/// What a scan header says.
struct Header {
    /// The components' places in the frame, with their tables of DC and AC.
    components: Vec<(usize, usize, usize)>,
    first: usize,
    last: usize,
    /// The lowest bit that was told before, 0 if none was; and the lowest that this scan tells.
    high: u8,
    low: u8,
}

/// How a block is coded.
#[derive(Clone, Copy)]
enum Coding {
    Sequential,
    DcFirst,
    DcMore,
    AcFirst,
    AcMore,
}

impl Picture {
    /// Reads all blocks of a scan. Returns where its data ends, and whether it is filled up with ones.
    pub(super) fn read_scan(
        &mut self,
        data: &[u8],
        marker: &Marker<'_>,
    ) -> Result<(usize, bool), DecodeError> {
        let header = self.header(marker.payload)?;
        let coding = self.coding(&header)?;
        self.progress(&header, coding)?;
        let alone = header.components.len() == 1;
        let (index, ..) = header.components[0];
        let (across, down) = if alone { self.components[index].blocks } else { self.mcus };
        let mut bits = Bits::new(data, marker.end);
        let mut run = 0_u32;
        for mcu in 0..across * down {
            if self.restart_interval > 0 && mcu > 0 && mcu % self.restart_interval == 0 {
                bits.restart(mcu / self.restart_interval - 1)?;
                run = 0;
            }
            for (index, dc, ac) in &header.components {
                let component = &mut self.components[*index];
                let (h, v) = if alone { (1, 1) } else { component.factors };
                for _ in 0..h * v {
                    match coding {
                        Coding::Sequential => {
                            skip_value(&mut bits, table(&self.dc, *dc)?)?;
                            sequential(&mut bits, table(&self.ac, *ac)?)?;
                        }
                        Coding::DcFirst => skip_value(&mut bits, table(&self.dc, *dc)?)?,
                        Coding::DcMore => {
                            bits.take(1)?;
                        }
                        Coding::AcFirst | Coding::AcMore => {
                            let block = Block {
                                nonzero: &mut component.nonzero[mcu],
                                header: &header,
                                run: &mut run,
                            };
                            let table = table(&self.ac, *ac)?;
                            if matches!(coding, Coding::AcFirst) {
                                block.first(&mut bits, table)?;
                            } else {
                                block.more(&mut bits, table)?;
                            }
                        }
                    }
                }
            }
        }
        Ok(bits.end())
    }

    fn header(&self, payload: &[u8]) -> Result<Header, DecodeError> {
        let wrong = || corrupt("a wrong scan header");
        let [count, rest @ ..] = payload else { return Err(wrong()) };
        let count = usize::from(*count);
        let (list, rest) = rest.split_at_checked(2 * count).ok_or_else(wrong)?;
        let [first, last, bits] = *rest else { return Err(wrong()) };
        if !(1..=MOST_IN_SCAN).contains(&count) {
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
        let band = if first == 0 { last == 0 } else { first <= last && last < BLOCK };
        let alone = first == 0 || header.components.len() == 1;
        if !band || !alone || high != 0 && low + 1 != high || low > 13 {
            return Err(corrupt("a wrong scan header"));
        }
        Ok(match (first, high) {
            (0, 0) => Coding::DcFirst,
            (0, _) => Coding::DcMore,
            (_, 0) => Coding::AcFirst,
            _ => Coding::AcMore,
        })
    }

    /// Notes what the scan tells.
    fn progress(&mut self, header: &Header, coding: Coding) -> Result<(), DecodeError> {
        for (index, ..) in &header.components {
            let told = &mut self.components[*index].bits;
            if matches!(coding, Coding::Sequential) {
                told.fill(0);
                continue;
            }
            let dc_is_known = header.first == 0 || told[0] != UNKNOWN;
            let band = &mut told[header.first..=header.last];
            let in_order = band.iter().all(|low| header.high == if *low == UNKNOWN { 0 } else { *low });
            if !dc_is_known || !in_order {
                return Err(corrupt("scans that do not follow one another"));
            }
            band.fill(header.low);
        }
        Ok(())
    }
}

fn table(tables: &[Option<Table>], index: usize) -> Result<&Table, DecodeError> {
    tables.get(index).and_then(Option::as_ref).ok_or_else(|| corrupt("a Huffman table is missing"))
}

/// The difference of a DC coefficient: how many bits it has, and the bits.
fn skip_value(bits: &mut Bits<'_>, table: &Table) -> Result<(), DecodeError> {
    let size = u32::from(bits.symbol(table)?);
    if size > 15 {
        return Err(corrupt("a wrong Huffman table"));
    }
    bits.take(size).map(drop)
}

/// The AC coefficients of a block.
fn sequential(bits: &mut Bits<'_>, table: &Table) -> Result<(), DecodeError> {
    let mut at = 1;
    while at < BLOCK {
        let symbol = bits.symbol(table)?;
        let (zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 0x0F));
        if size > 0 {
            bits.take(size)?;
        } else if zeros != LONGEST_RUN {
            return Ok(());
        }
        at += zeros + 1;
    }
    Ok(())
}

/// A band of coefficients of one block in a progressive scan.
struct Block<'a> {
    /// The coefficients that are not 0, bit `n` for the one at `n` in zigzag order.
    nonzero: &'a mut u64,
    header: &'a Header,
    /// Blocks in a row that have nothing (more) in this band.
    run: &'a mut u32,
}

impl Block<'_> {
    fn first(self, bits: &mut Bits<'_>, table: &Table) -> Result<(), DecodeError> {
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
                if at + zeros < BLOCK {
                    *self.nonzero |= 1 << (at + zeros);
                }
            } else if zeros != LONGEST_RUN {
                *self.run = (1 << zeros) + bits.take(zeros as u32)? - 1;
                return Ok(());
            }
            at += zeros + 1;
        }
        Ok(())
    }

    fn more(self, bits: &mut Bits<'_>, table: &Table) -> Result<(), DecodeError> {
        let Self { nonzero, header, run } = self;
        let mut at = header.first;
        if *run == 0 {
            while at <= header.last {
                let symbol = bits.symbol(table)?;
                let (mut zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 0x0F));
                if size > 1 {
                    return Err(corrupt("a code that does not exist"));
                }
                if size == 1 {
                    bits.take(1)?;
                } else if zeros != LONGEST_RUN {
                    *run = (1 << zeros) + bits.take(zeros as u32)?;
                    break;
                }
                // One more bit of each that is not 0 already, up to the place behind so many that are 0.
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
                if size == 1 && at < BLOCK {
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
