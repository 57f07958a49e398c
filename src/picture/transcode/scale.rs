//! Scales components down without decoding their samples.
//!
//! Both the inverse transform of a block and the mean of an area are linear, and work on columns
//! and rows separately. So both together are two small matrices for each block: one turns its 8
//! rows of coefficients into the rows of the result that it touches, the other its 8 columns. Their
//! weights depend only on the block's place.
//!
//! Pixels are neither rounded nor clamped to 0..=255 before they are averaged, so samples may differ
//! by 1 from an average of decoded pixels, rarely by 2.

use std::f64::consts::{FRAC_1_SQRT_2, PI};
use std::ops::Range;

use bytemuck::cast;
use wide::{i16x8, i32x4, i32x8};

use super::header::BLOCK_SIZE;
use super::huffman_decode::Places;
use super::standard::ZIGZAG;

/// Weights have this many fractional bits. None is above a half.
const WEIGHT_BITS: i32 = 14;
/// Values between the two steps have this many fractional bits. Rows of real pixels stay within a
/// sixth of the range of 16 bits without them.
const MIDDLE_BITS: i32 = 5;
/// The columns of the result that are computed together.
const GROUP: usize = 4;

/// The weights of the 8 rows, or columns, of a block.
type Weights = [f64; 8];

/// A row of the result that a row of blocks touches.
#[derive(Debug)]
struct Touch {
    /// The index of the row in the ring.
    place: usize,
    /// The blocks are the first ones that the row consists of.
    first: bool,
    /// Each vector has the weights of two rows of coefficients, four times.
    weights: [i16x8; 4],
}

/// The part of a block in a group of columns.
#[derive(Debug)]
struct Part {
    block: usize,
    /// The index of the weights.
    weights: usize,
}

/// For each pair of columns of coefficients: their weights in each column of the group.
type GroupWeights = [i16x8; 4];

/// The plan for components of one size.
#[derive(Debug, Default)]
pub(super) struct Plan {
    from: (usize, usize),
    to: (usize, usize),
    /// For each row of blocks.
    touches: Vec<Vec<Touch>>,
    /// For each row of blocks: the number of rows of the result that are complete after it.
    complete: Vec<usize>,
    /// For each group of columns: the range of its parts.
    groups: Vec<Range<usize>>,
    parts: Vec<Part>,
    weights: Vec<GroupWeights>,
    /// The number of rows in the ring of rows that are not complete.
    ring: usize,
}

/// The rows of blocks of an MCU, at most.
const MCU_ROWS: usize = 2;

impl Plan {
    /// Makes a plan for a component of `from` = (width, height) samples and a result of `to` samples.
    /// No side of the result is longer than that of the component.
    fn new(from: (usize, usize), to: (usize, usize)) -> Self {
        let cosines = std::array::from_fn(|index| (index as f64 * PI / 16.0).cos());
        let rows = Axis { from: from.1, to: to.1, cosines };
        let columns = Axis { from: from.0, to: to.0, cosines };
        let mut touches: Vec<Vec<Touch>> = (0..from.1.div_ceil(8)).map(|_| Vec::new()).collect();
        let mut complete = vec![0; touches.len()];
        // The rows that two rows of blocks touch, and those that the row after them may begin.
        let longest = 8 * to.1 / from.1 + 2;
        let ring = (MCU_ROWS + 1) * longest;
        for row in 0..to.1 {
            let blocks = rows.blocks(row);
            complete[blocks.end - 1] = row + 1;
            for block in blocks.clone() {
                let weights = rows.weights(row, block).map(fixed);
                let pair = |at: usize| i16x8::new(std::array::from_fn(|lane| weights[2 * at + lane % 2]));
                let weights = [pair(0), pair(1), pair(2), pair(3)];
                touches[block].push(Touch { place: row % ring, first: block == blocks.start, weights });
            }
        }
        for block in 1..complete.len() {
            complete[block] = complete[block].max(complete[block - 1]);
        }
        let (mut groups, mut parts, mut all) = (Vec::new(), Vec::new(), Vec::<GroupWeights>::new());
        for first in (0..to.0).step_by(GROUP) {
            let group = first..(first + GROUP).min(to.0);
            let blocks = columns.blocks(group.start).start..columns.blocks(group.end - 1).end;
            let start = parts.len();
            for block in blocks {
                let mut each = [[0; 8]; GROUP];
                for (column, weights) in group.clone().zip(&mut each) {
                    *weights = columns.weights(column, block).map(fixed);
                }
                let pair =
                    |at: usize| i16x8::new(std::array::from_fn(|lane| each[lane / 2][2 * at + lane % 2]));
                let weights = [pair(0), pair(1), pair(2), pair(3)];
                // The weights repeat, often after two or three groups.
                let index = all.iter().position(|one| *one == weights).unwrap_or_else(|| {
                    all.push(weights);
                    all.len() - 1
                });
                parts.push(Part { block, weights: index });
            }
            groups.push(start..parts.len());
        }
        if !groups.len().is_multiple_of(2) {
            // Groups are computed in pairs.
            groups.push(0..0);
        }
        Self { from, to, touches, complete, groups, parts, weights: all, ring }
    }

    /// Changes the plan to one for these sizes, which are mostly those of the last picture.
    pub(super) fn make_for(&mut self, from: (usize, usize), to: (usize, usize)) {
        if (self.from, self.to) != (from, to) {
            *self = Self::new(from, to);
        }
    }
}

/// A side of the component and of the result.
struct Axis {
    from: usize,
    to: usize,
    /// The cosines of the multiples of a sixteenth of pi.
    cosines: [f64; 32],
}

impl Axis {
    /// Returns the pixels that a sample covers, the first and the last one in part.
    fn span(&self, sample: usize) -> (f64, f64) {
        let at = |sample: usize| (sample * self.from) as f64 / self.to as f64;
        (at(sample), at(sample + 1))
    }

    /// Returns the blocks that a sample touches.
    fn blocks(&self, sample: usize) -> Range<usize> {
        let start = sample * self.from / self.to / 8;
        start..((sample + 1) * self.from).div_ceil(self.to).div_ceil(8)
    }

    /// Returns the weights of the coefficients of a block in a sample; 0 if it does not touch it.
    fn weights(&self, sample: usize, block: usize) -> Weights {
        let (start, end) = self.span(sample);
        let mut weights = [0.0; 8];
        for pixel in 0..8 {
            let at = (8 * block + pixel) as f64;
            let covered = (end.min(at + 1.0) - start.max(at)) / (end - start);
            if covered <= 0.0 {
                continue;
            }
            for (frequency, weight) in weights.iter_mut().enumerate() {
                let scale = if frequency == 0 { 0.5 * FRAC_1_SQRT_2 } else { 0.5 };
                *weight += covered * scale * self.cosines[(2 * pixel + 1) * frequency % 32];
            }
        }
        weights
    }
}

fn fixed(weight: f64) -> i16 {
    (weight * f64::from(1 << WEIGHT_BITS)).round() as i16
}

/// The places of a block's coefficients for [`Scaler::block`]: each vector of 16 bits has two rows of
/// 4 columns, interleaved.
pub(super) const PLACES: Places = {
    let mut places = [0; BLOCK_SIZE];
    let mut at = 0;
    while at < BLOCK_SIZE {
        let (row, column) = (ZIGZAG[at] / 8, ZIGZAG[at] % 8);
        places[at] = row / 2 * 16 + column * 2 + row % 2;
        at += 1;
    }
    places
};

/// Returns quantisers in zigzag order at their [`PLACES`].
fn placed(quantisers: &[u8; BLOCK_SIZE]) -> [i16; BLOCK_SIZE] {
    let mut placed = [0; BLOCK_SIZE];
    for (place, quantiser) in PLACES.iter().zip(quantisers) {
        placed[usize::from(*place)] = i16::from(*quantiser);
    }
    placed
}

/// Returns the number of pairs of rows that contain the coefficients up to an index in zigzag order.
fn row_pairs(last: usize) -> usize {
    // The rows of the coefficients 0, 1, 2, ... reach 2 at index 3, 4 at index 10, 6 at index 21.
    1 + usize::from(last >= 3) + usize::from(last >= 10) + usize::from(last >= 21)
}

/// The state of one picture.
#[derive(Debug, Default)]
pub(super) struct Scaler {
    quantisers: Vec<i16x8>,
    /// Rows of the result before their columns are scaled: 8 values for each block. A ring.
    middle: Vec<[i16; 8]>,
    /// The blocks of a row of `middle`.
    blocks: usize,
    /// The rows of the result that are written.
    written: usize,
    row: Vec<i16>,
    /// The result.
    pub(super) samples: Vec<u8>,
}

impl Scaler {
    /// Starts with a component that has these quantisers, in zigzag order; `None` if the picture does
    /// not have it.
    pub(super) fn start(&mut self, plan: &Plan, quantisers: Option<&[u8; BLOCK_SIZE]>) {
        self.quantisers.clear();
        self.samples.clear();
        self.written = 0;
        let Some(quantisers) = quantisers else {
            // Nothing is written.
            self.written = plan.to.1;
            return;
        };
        self.quantisers.extend(placed(quantisers).as_chunks::<8>().0.iter().map(|eight| i16x8::new(*eight)));
        self.blocks = plan.from.0.div_ceil(8);
        self.middle.clear();
        self.middle.resize(plan.ring * self.blocks, [0; 8]);
        self.row.clear();
        self.row.resize(plan.to.0.next_multiple_of(2 * GROUP), 0);
        self.samples.reserve(plan.to.0 * plan.to.1);
    }

    /// Adds a block, whose coefficients are stored at their [`PLACES`]. `at` is its column and row.
    #[inline(always)]
    pub(super) fn block(&mut self, plan: &Plan, at: (usize, usize), placed: &[i16; BLOCK_SIZE], last: usize) {
        // Blocks beyond the edge are not part of the picture.
        let Some(touches) = plan.touches.get(at.1).filter(|_| at.0 < self.blocks) else { return };
        match row_pairs(last) {
            1 => self.add::<1>(touches, at.0, placed),
            2 => self.add::<2>(touches, at.0, placed),
            3 => self.add::<3>(touches, at.0, placed),
            _ => self.add::<4>(touches, at.0, placed),
        }
    }

    #[inline(always)]
    fn add<const PAIRS: usize>(&mut self, touches: &[Touch], column: usize, placed: &[i16; BLOCK_SIZE]) {
        const SHIFT: i32 = WEIGHT_BITS - MIDDLE_BITS;
        let vectors = placed.as_chunks::<8>().0;
        // Products that overflow belong to no picture.
        let Some(quantisers) = self.quantisers.first_chunk::<8>() else { return };
        let dequantised = |at: usize| i16x8::new(vectors[at & 7]) * quantisers[at & 7];
        let rows: [[i16x8; 2]; PAIRS] =
            std::array::from_fn(|pair| [dequantised(2 * pair), dequantised(2 * pair + 1)]);
        for touch in touches {
            let mut sums = [i32x4::splat(1 << (SHIFT - 1)); 2];
            for (row, weights) in rows.iter().zip(&touch.weights) {
                sums[0] += row[0].dot(*weights);
                sums[1] += row[1].dot(*weights);
            }
            let sums = [sums[0] >> SHIFT, sums[1] >> SHIFT];
            let mut values = i16x8::from_i32x8_saturate(cast::<[i32x4; 2], i32x8>(sums));
            let Some(place) = self.middle.get_mut(touch.place * self.blocks + column) else { return };
            if !touch.first {
                values = values.saturating_add(i16x8::new(*place));
            }
            *place = values.to_array();
        }
    }

    /// Writes the rows of the result that are complete when the blocks of this row and all before it
    /// have been added.
    pub(super) fn finish_rows(&mut self, plan: &Plan, block_row: usize) {
        let complete = plan.complete.get(block_row).or(plan.complete.last()).copied().unwrap_or(0);
        while self.written < complete {
            let start = self.written % plan.ring * self.blocks;
            let middle = &self.middle[start..start + self.blocks];
            scale_columns(plan, middle, &mut self.row);
            let row = self.row.get(..plan.to.0).unwrap_or_default();
            self.samples.extend(row.iter().map(|sample| (*sample).clamp(0, 255) as u8));
            self.written += 1;
        }
    }
}

/// Computes a row of the result, in groups of columns. The last ones may be beyond its end.
#[inline(never)]
fn scale_columns(plan: &Plan, middle: &[[i16; 8]], row: &mut [i16]) {
    for (groups, target) in plan.groups.as_chunks::<2>().0.iter().zip(row.as_chunks_mut::<{ 2 * GROUP }>().0)
    {
        let sums = [sums(plan, &groups[0], middle), sums(plan, &groups[1], middle)];
        *target = i16x8::from_i32x8_saturate(cast::<[i32x4; 2], i32x8>(sums)).to_array();
    }
}

/// Computes a group of columns.
#[inline(always)]
fn sums(plan: &Plan, group: &Range<usize>, middle: &[[i16; 8]]) -> i32x4 {
    const SHIFT: i32 = WEIGHT_BITS + MIDDLE_BITS;
    // Samples are stored without 128, which is added here, and rounded.
    let mut sums = i32x4::splat((128 << SHIFT) + (1 << (SHIFT - 1)));
    for part in plan.parts.get(group.clone()).unwrap_or_default() {
        let (Some(values), Some(weights)) = (middle.get(part.block), plan.weights.get(part.weights)) else {
            continue;
        };
        let pairs: [i32; 4] = cast(*values);
        for (pair, weights) in pairs.iter().zip(weights) {
            sums += cast::<i32x4, i16x8>(i32x4::splat(*pair)).dot(*weights);
        }
    }
    sums >> SHIFT
}
