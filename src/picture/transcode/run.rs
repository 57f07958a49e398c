//! Processes a picture in batches of blocks, step by step.

use std::ops::Range;

use super::bits::Position;
use super::fitted::Counter;
use super::header::{BLOCK_SIZE, Header};
use super::huffman_decode::{self, Target};
use super::huffman_encode::{Block, EncodeTable, Writer};
use super::segments::Segments;
use super::small::Small;
use super::{Refusal, Scaling, Tables, scale};

/// The number of blocks that are processed together: 12 kB of coefficients.
const BATCH_BLOCKS: usize = 96;
/// The maximum of a DC coefficient, and of the difference of two, in a JPEG of 8 bits a sample.
const MAX_DC: i32 = 2047;
/// One of so many batches is counted for the codes of the next picture.
const COUNTED_EVERY: usize = 4;

/// The blocks of a batch.
#[derive(Debug, Default)]
pub(super) struct Batch {
    coefficients: Vec<[i16; BLOCK_SIZE]>,
    /// The coefficients in the order of [`scale::PLACES`], for components of which planes are made.
    placed: Vec<[i16; BLOCK_SIZE]>,
    bytes: Vec<[i8; BLOCK_SIZE]>,
    blocks: Vec<Decoded>,
}

/// A decoded block.
#[derive(Debug, Clone, Copy, Default)]
struct Decoded {
    /// The index of the last coefficient.
    last: usize,
    /// A bit for each coefficient that is not 0 after the division.
    nonzero: u64,
    /// The DC coefficient after the division.
    dc: i32,
}

/// A block of an MCU.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    component: usize,
    /// The place within the component's blocks of the MCU.
    column: usize,
    row: usize,
}

/// Returns the blocks of an MCU in their order.
pub(super) fn slots(header: &Header<'_>) -> Vec<Slot> {
    let (h, v) = header.factors;
    let luma = (0..v).flat_map(|row| (0..h).map(move |column| Slot { component: 0, column, row }));
    let chroma = (1..header.components.len()).map(|component| Slot { component, column: 0, row: 0 });
    luma.chain(chroma).collect()
}

/// The JPEG that is being made.
pub(super) struct Output<'a> {
    pub(super) file: &'a mut Vec<u8>,
    pub(super) writer: &'a mut Writer,
    pub(super) tables: &'a [EncodeTable; 2],
    pub(super) counter: Option<&'a mut Counter>,
    /// The DC coefficients of the blocks before.
    pub(super) before: [i32; 3],
}

/// The work on one picture.
pub(super) struct Run<'a> {
    pub(super) segments: &'a Segments,
    pub(super) batch: &'a mut Batch,
    pub(super) tables: &'a [Tables],
    pub(super) slots: &'a [Slot],
    pub(super) factors: (usize, usize),
    pub(super) mcus: (usize, usize),
    pub(super) interval: usize,
    pub(super) small: &'a mut Small,
    pub(super) scalings: &'a mut [Scaling],
    pub(super) output: Option<Output<'a>>,
}

/// The state of decoding between batches.
struct Decoding {
    position: Position,
    /// The DC coefficients of the blocks before.
    before: [i32; 3],
    /// The MCUs that are left in the segment.
    left: usize,
    segment: usize,
}

impl Run<'_> {
    /// Processes the whole picture.
    pub(super) fn all(&mut self) -> Result<(), Refusal> {
        self.batch.coefficients.resize(BATCH_BLOCKS, [0; BLOCK_SIZE]);
        self.batch.placed.resize(BATCH_BLOCKS, [0; BLOCK_SIZE]);
        self.batch.bytes.resize(BATCH_BLOCKS, [0; BLOCK_SIZE]);
        self.batch.blocks.resize(BATCH_BLOCKS, Decoded::default());
        let mut decoding =
            Decoding { position: Position::at(0), before: [0; 3], left: self.interval, segment: 0 };
        let batch = BATCH_BLOCKS / self.slots.len();
        for row in 0..self.mcus.1 {
            for (index, first) in (0..self.mcus.0).step_by(batch).enumerate() {
                let columns = first..(first + batch).min(self.mcus.0);
                self.decode(&mut decoding, columns.clone(), row)?;
                self.scale(columns.clone(), row);
                if self.output.is_some() {
                    self.divide(columns.len());
                    // Diagonally, so that all parts of the picture count.
                    let is_counted = (row + index).is_multiple_of(COUNTED_EVERY);
                    self.encode(columns.len(), is_counted)?;
                }
            }
            for Scaling { component, plan, scaler } in &mut *self.scalings {
                let v = if *component == 0 { self.factors.1 } else { 1 };
                scaler.finish_rows(plan, (row + 1) * v - 1);
            }
        }
        end_segment(self.segments, &decoding)?;
        if let Some(output) = &mut self.output {
            output.writer.finish(output.file);
            output.file.extend_from_slice(&[0xFF, 0xD9]);
        }
        Ok(())
    }

    #[inline(never)]
    fn decode(&mut self, decoding: &mut Decoding, columns: Range<usize>, row: usize) -> Result<(), Refusal> {
        let data = &self.segments.data[..];
        let placed_components =
            [0, 1, 2].map(|one| self.scalings.iter().any(|scaling| scaling.component == one));
        let mut places =
            self.batch.coefficients.iter_mut().zip(&mut self.batch.placed).zip(&mut self.batch.blocks);
        for column in columns {
            if decoding.left == 0 {
                end_segment(self.segments, decoding)?;
                let end = self.segments.ends.get(decoding.segment).copied().unwrap_or_default();
                decoding.position = Position::at(end);
                decoding.before = [0; 3];
                decoding.left = self.interval;
                decoding.segment += 1;
            }
            decoding.left -= 1;
            for slot in self.slots {
                let Some(((coefficients, placed), block)) = places.next() else { break };
                let tables = &self.tables[slot.component];
                *coefficients = [0; BLOCK_SIZE];
                let is_placed = placed_components[slot.component];
                let codes = (&tables.dc, &tables.ac);
                let (position, places) = (&mut decoding.position, &scale::PLACES);
                let (difference, last) = if is_placed {
                    *placed = [0; BLOCK_SIZE];
                    let target = Target { coefficients, placed, places };
                    huffman_decode::block::<true>(data, position, codes, target)?
                } else {
                    let target = Target { coefficients, placed, places };
                    huffman_decode::block::<false>(data, position, codes, target)?
                };
                let dc = decoding.before[slot.component] + difference;
                if dc.abs() > MAX_DC {
                    return Err(Refusal::Damaged("a DC coefficient out of range"));
                }
                decoding.before[slot.component] = dc;
                coefficients[0] = dc as i16;
                if is_placed {
                    placed[0] = dc as i16;
                }
                block.last = last;
                let dequantised = dc * i32::from(tables.quantisers[0]);
                let (h, v) = if slot.component == 0 { self.factors } else { (1, 1) };
                let at = (column * h + slot.column, row * v + slot.row);
                self.small.add(slot.component, at, dequantised);
            }
        }
        Ok(())
    }

    #[inline(never)]
    fn scale(&mut self, columns: Range<usize>, row: usize) {
        let slots = self.slots.len();
        for Scaling { component, plan, scaler } in &mut *self.scalings {
            let (h, v) = if *component == 0 { self.factors } else { (1, 1) };
            for (index, slot) in
                self.slots.iter().enumerate().filter(|(_, slot)| slot.component == *component)
            {
                let placed = self.batch.placed.iter().skip(index).step_by(slots);
                let blocks = self.batch.blocks.iter().skip(index).step_by(slots);
                for ((column, placed), block) in columns.clone().zip(placed).zip(blocks) {
                    let at = (column * h + slot.column, row * v + slot.row);
                    scaler.block(plan, at, placed, block.last);
                }
            }
        }
    }

    #[inline(never)]
    fn divide(&mut self, mcus: usize) {
        let Batch { coefficients, bytes, blocks, .. } = &mut *self.batch;
        let slots = self.slots.iter().cycle().take(mcus * self.slots.len());
        for (((coefficients, bytes), block), slot) in coefficients.iter().zip(bytes).zip(blocks).zip(slots) {
            let ratios = &self.tables[slot.component].ratios;
            block.nonzero = ratios.block(coefficients, block.last, bytes);
            block.dc = i32::from(ratios.one(0, coefficients[0]));
        }
    }

    #[inline(never)]
    fn encode(&mut self, mcus: usize, is_counted: bool) -> Result<(), Refusal> {
        let Some(output) = &mut self.output else { return Ok(()) };
        let mut counter = output.counter.as_deref_mut().filter(|_| is_counted);
        let Batch { coefficients, bytes, blocks, .. } = &mut *self.batch;
        let slots = self.slots.iter().cycle().take(mcus * self.slots.len());
        output.writer.reserve(mcus * self.slots.len());
        for (((coefficients, bytes), block), slot) in
            coefficients.iter().zip(&*bytes).zip(&*blocks).zip(slots)
        {
            let ratios = &self.tables[slot.component].ratios;
            let before = std::mem::replace(&mut output.before[slot.component], block.dc);
            let block = Block { difference: block.dc - before, nonzero: block.nonzero, bytes };
            if block.difference.abs() > MAX_DC {
                // Only restart markers, which are not written again, make it possible.
                return Err(Refusal::Damaged("DC coefficients too far from each other"));
            }
            let (is_chroma, exact) =
                (slot.component > 0, |index| ratios.one(index, coefficients[index % BLOCK_SIZE]));
            output.writer.block(&output.tables[usize::from(is_chroma)], &block, exact);
            if let Some(counter) = &mut counter {
                counter.add(is_chroma, &block, exact);
            }
        }
        output.writer.stuff(output.file);
        Ok(())
    }
}

/// Checks that a segment ends with the last of its blocks, and is padded with ones.
fn end_segment(segments: &Segments, decoding: &Decoding) -> Result<(), Refusal> {
    let end = segments.ends.get(decoding.segment).copied().unwrap_or_default();
    let Some(left) = (8 * end).checked_sub(decoding.position.bit()) else {
        return Err(Refusal::Damaged("too little data"));
    };
    if left >= 8 {
        return Err(Refusal::Damaged("too much data"));
    }
    let last = end.checked_sub(1).and_then(|at| segments.data.get(at)).copied().unwrap_or_default();
    let padding = (1_u32 << left) - 1;
    if u32::from(last) & padding != padding {
        return Err(Refusal::Unusual("padding other than ones"));
    }
    Ok(())
}
