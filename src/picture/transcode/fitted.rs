//! Makes Huffman codes that fit a picture, from the symbols of its blocks.

use super::header::{BLOCK_SIZE, HuffmanSpec, MAX_CODE_BITS};
use super::huffman_encode::{Block, END_OF_BLOCK, ZERO_RUN, size};

/// The largest sizes, in bits, of a difference of DC coefficients and of an AC coefficient.
const MAX_DC_SIZE: u8 = 11;
const MAX_AC_SIZE: u8 = 10;
/// The factor of the counts, so that the symbols that did not occur, which count once, take almost
/// nothing from the others.
const SCALE: u64 = 16;

/// The Huffman codes of a JPEG, for luma and for chroma.
///
/// They have a code for every symbol, so any picture can be encoded with them, but pictures like the
/// one that they were made from take the fewest bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HuffmanCodes([Codes; 2]);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Codes {
    dc: Table,
    ac: Table,
}

/// A Huffman table that owns its symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Table {
    counts: [u8; MAX_CODE_BITS],
    symbols: Box<[u8]>,
}

impl HuffmanCodes {
    /// Returns the tables of luma and chroma, each with the one of DC coefficients first.
    pub(super) fn specs(&self) -> [[HuffmanSpec<'_>; 2]; 2] {
        self.0.each_ref().map(|codes| [codes.dc.spec(), codes.ac.spec()])
    }
}

/// Counts the symbols of blocks of luma and of chroma.
#[derive(Debug, Default)]
pub(super) struct Counter([Counts; 2]);

#[derive(Debug)]
struct Counts {
    dc: [u32; 16],
    ac: [u32; 256],
}

impl Default for Counts {
    fn default() -> Self {
        Self { dc: [0; 16], ac: [0; 256] }
    }
}

impl Counter {
    /// Counts the symbols of a block. `exact` returns a coefficient that is not saturated, by its
    /// index.
    #[inline(always)]
    pub(super) fn add(&mut self, is_chroma: bool, block: &Block<'_>, exact: impl Fn(usize) -> i16) {
        let Counts { dc, ac } = &mut self.0[usize::from(is_chroma)];
        dc[size(block.difference) as usize & 15] += 1;
        let mut left = block.nonzero & !1;
        let mut next = 1;
        while left != 0 {
            let index = left.trailing_zeros() as usize;
            let mut zeros = index - next;
            next = index + 1;
            left &= left - 1;
            while zeros > 15 {
                ac[usize::from(ZERO_RUN)] += 1;
                zeros -= 16;
            }
            let value = match block.bytes[index % BLOCK_SIZE] {
                i8::MIN | i8::MAX => exact(index),
                small => i16::from(small),
            };
            ac[(zeros << 4 | size(i32::from(value)) as usize) & 255] += 1;
        }
        if next < BLOCK_SIZE {
            ac[usize::from(END_OF_BLOCK)] += 1;
        }
    }

    /// Makes codes that fit the counted symbols.
    pub(super) fn codes(&self) -> HuffmanCodes {
        let ac_symbols = (0..16).flat_map(|zeros| (1..=MAX_AC_SIZE).map(move |size| zeros << 4 | size));
        let ac_symbols: Vec<u8> = [END_OF_BLOCK, ZERO_RUN].into_iter().chain(ac_symbols).collect();
        HuffmanCodes(self.0.each_ref().map(|Counts { dc, ac }| Codes {
            dc: Table::fitting((0..=MAX_DC_SIZE).map(|symbol| (symbol, dc[usize::from(symbol)]))),
            ac: Table::fitting(ac_symbols.iter().map(|symbol| (*symbol, ac[usize::from(*symbol)]))),
        }))
    }
}

impl Table {
    fn spec(&self) -> HuffmanSpec<'_> {
        HuffmanSpec { counts: &self.counts, symbols: &self.symbols }
    }

    /// Makes the table for symbols that occur this often.
    fn fitting(counted: impl Iterator<Item = (u8, u32)>) -> Self {
        // The weight of 0 belongs to no symbol: it takes the last code, of ones only, which is not
        // allowed.
        let mut weights: Vec<(u64, u8)> = vec![(0, 0)];
        weights.extend(counted.map(|(symbol, count)| ((SCALE * u64::from(count)).max(1), symbol)));
        weights.sort_unstable();
        let lengths = lengths(&weights);
        let mut counts = [0; MAX_CODE_BITS];
        lengths[1..].iter().for_each(|length| counts[*length - 1] += 1);
        Self { counts, symbols: weights[1..].iter().rev().map(|(_, symbol)| *symbol).collect() }
    }
}

/// Returns the lengths of the codes that take the fewest bits in all, none longer than
/// [`MAX_CODE_BITS`], by the package-merge algorithm (Larmore and Hirschberg, 1990). The weights are
/// in ascending order, so the lengths never increase.
fn lengths(weights: &[(u64, u8)]) -> Vec<usize> {
    // For each level, in ascending order of weights: whether an item is a symbol. All others are
    // packages of two items of the level before.
    let mut levels: Vec<Vec<bool>> = Vec::with_capacity(MAX_CODE_BITS);
    let mut before: Vec<u64> = Vec::new();
    for _ in 0..MAX_CODE_BITS {
        let (mut merged, mut level) = (Vec::new(), Vec::new());
        let mut packages = before.as_chunks::<2>().0.iter().map(|[a, b]| a + b).peekable();
        for (weight, _) in weights {
            while let Some(package) = packages.next_if(|package| package < weight) {
                merged.push(package);
                level.push(false);
            }
            merged.push(*weight);
            level.push(true);
        }
        for package in packages {
            merged.push(package);
            level.push(false);
        }
        levels.push(level);
        before = merged;
    }
    let mut lengths = vec![0; weights.len()];
    let mut taken = 2 * weights.len() - 2;
    for level in levels.iter().rev() {
        let symbols = level.iter().take(taken).filter(|is_symbol| **is_symbol).count();
        lengths[..symbols].iter_mut().for_each(|length| *length += 1);
        taken = 2 * (taken - symbols);
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the bits that symbols of these weights take.
    fn bits(weights: &[(u64, u8)]) -> u64 {
        lengths(weights).iter().zip(weights).map(|(length, (weight, _))| *length as u64 * weight).sum()
    }

    /// Returns the same for codes of any length: the sum of all inner nodes of Huffman's tree.
    fn unlimited_bits(weights: &[(u64, u8)]) -> u64 {
        let mut nodes: Vec<u64> = weights.iter().map(|(weight, _)| *weight).collect();
        let mut sum = 0;
        while nodes.len() > 1 {
            nodes.sort_unstable_by(|a, b| b.cmp(a));
            let node = nodes.pop().unwrap() + nodes.pop().unwrap();
            sum += node;
            nodes.push(node);
        }
        sum
    }

    #[test]
    fn codes_are_as_short_as_possible_and_never_too_long() {
        let even: Vec<_> = (0..163).map(|symbol| (1000 + symbol, 0)).collect();
        let steep: Vec<_> = (0..30).map(|symbol| (1_u64 << symbol, 0)).collect();
        let mixed: Vec<_> = (0..163_u64).map(|symbol| (1 + symbol * symbol / 400, 0)).collect();
        for weights in [&even, &mixed] {
            assert_eq!(bits(weights), unlimited_bits(weights));
        }
        for weights in [&even, &mixed, &steep] {
            let lengths = lengths(weights);
            assert!(
                lengths.is_sorted_by(|a, b| a >= b) && lengths.iter().all(|length| (1..=16).contains(length))
            );
            let used: u32 = lengths.iter().map(|length| 1 << (MAX_CODE_BITS - length)).sum();
            assert_eq!(used, 1 << MAX_CODE_BITS, "every sequence of bits begins with a code");
        }
        assert_eq!(lengths(&steep)[0], MAX_CODE_BITS);
    }

    #[test]
    fn every_symbol_has_a_code_and_none_is_of_ones_only() {
        let mut counter = Counter::default();
        counter.0[0].ac[0] = u32::MAX;
        (0..16).for_each(|symbol| counter.0[1].ac[symbol << 4 | 1] = 1 << symbol);
        for [dc, ac] in counter.codes().specs() {
            for (HuffmanSpec { counts, symbols }, expected) in [(dc, 12), (ac, 162)] {
                assert_eq!(counts.iter().map(|count| usize::from(*count)).sum::<usize>(), expected);
                let mut sorted = symbols.to_vec();
                sorted.sort_unstable();
                sorted.dedup();
                assert_eq!(sorted.len(), expected, "{symbols:?}");
                let used: u32 = (1..)
                    .zip(counts)
                    .map(|(length, count)| u32::from(*count) << (MAX_CODE_BITS - length))
                    .sum();
                let longest = 1 + counts.iter().rposition(|count| *count > 0).unwrap();
                assert_eq!(used, (1 << MAX_CODE_BITS) - (1 << (MAX_CODE_BITS - longest)), "all but one");
            }
        }
    }
}
