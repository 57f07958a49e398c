//! Encodes blocks with Huffman codes (ITU-T T.81, annex F.1).

use super::header::{BLOCK_SIZE, HuffmanSpec, MAX_CODE_BITS};
use super::requantise::Bytes;

/// The bytes within which one block is written: 64 coefficients with a code of 16 bits and a value
/// of 11 bits, and the bytes that are written ahead.
const WINDOW: usize = 264;
/// The maximum number of bits of a code with its value that is in the lookup table: three of them
/// and 7 pending bits are 64.
const MAX_LOOKUP_BITS: u32 = 19;
/// The symbols of the end of a block and of 16 zeros.
pub(super) const END_OF_BLOCK: u8 = 0;
pub(super) const ZERO_RUN: u8 = 0xF0;
/// The differences of DC coefficients that are looked up.
const DC_LOOKUP: i32 = 255;

/// Bits to write: their number in the lowest 6 bits, and the bits above them. 0 = not in the table.
type Code = u32;

fn code(bits: u32, length: u32) -> Code {
    bits << 6 | length
}

/// Returns the number of bits of a value.
#[inline(always)]
pub(super) fn size(value: i32) -> u32 {
    32 - value.unsigned_abs().leading_zeros()
}

/// Returns the number of bits of a value, and the bits that stand for it.
fn value(value: i32) -> (u32, u32) {
    let size = size(value);
    let bits = if value < 0 { value - 1 } else { value };
    (size, bits as u32 & ((1 << size) - 1))
}

/// The codes of one component.
#[derive(Debug)]
pub(super) struct EncodeTable {
    /// The codes of the differences from -255 to 255, with their values.
    dc: Box<[Code; 2 * DC_LOOKUP as usize + 1]>,
    /// The codes by 256 * the number of zeros + the coefficient as a byte, with their values.
    ac: Box<[Code; BLOCK_SIZE * 256]>,
    /// The codes of the symbols alone.
    dc_symbols: [Code; 256],
    ac_symbols: [Code; 256],
}

impl EncodeTable {
    /// Sets the codes, which must include all symbols that blocks may need.
    pub(super) fn set(&mut self, [dc, ac]: [HuffmanSpec<'_>; 2]) {
        let (dc_symbols, ac_symbols) = (symbols(dc), symbols(ac));
        let with_value = |symbol: Code, size: u32, bits: u32| {
            let length = (symbol & 63) + size;
            (symbol != 0 && length <= MAX_LOOKUP_BITS).then(|| code((symbol >> 6) << size | bits, length))
        };
        for (difference, code) in (-DC_LOOKUP..).zip(self.dc.iter_mut()) {
            let (size, bits) = value(difference);
            *code = with_value(dc_symbols[size as usize], size, bits).unwrap_or(0);
        }
        // Coefficients of a larger size are saturated to 127 and -128.
        for coefficient in (-126..=126_i8).filter(|coefficient| *coefficient != 0) {
            let (size, bits) = value(i32::from(coefficient));
            for zeros in 0..16 {
                let symbol = ac_symbols[zeros << 4 | size as usize];
                let place = &mut self.ac[zeros << 8 | usize::from(coefficient as u8)];
                *place = with_value(symbol, size, bits).unwrap_or(0);
            }
        }
        (self.dc_symbols, self.ac_symbols) = (dc_symbols, ac_symbols);
    }
}

impl Default for EncodeTable {
    fn default() -> Self {
        Self {
            dc: Box::new([0; 2 * DC_LOOKUP as usize + 1]),
            ac: Box::new([0; BLOCK_SIZE * 256]),
            dc_symbols: [0; 256],
            ac_symbols: [0; 256],
        }
    }
}

/// Returns the code of each symbol.
fn symbols(spec: HuffmanSpec<'_>) -> [Code; 256] {
    let mut codes = [0; 256];
    let (mut next, mut symbols) = (0, spec.symbols.iter());
    for (length, count) in (1..=MAX_CODE_BITS as u32).zip(spec.counts) {
        for symbol in symbols.by_ref().take(usize::from(*count)) {
            codes[usize::from(*symbol)] = code(next, length);
            next += 1;
        }
        next <<= 1;
    }
    codes
}

/// A block to encode.
pub(super) struct Block<'a> {
    /// The difference to the DC coefficient of the block before.
    pub(super) difference: i32,
    /// A bit for each AC coefficient that is not 0, in zigzag order.
    pub(super) nonzero: u64,
    /// The coefficients in zigzag order, saturated. Only those with a bit are valid.
    pub(super) bytes: &'a Bytes,
}

/// Writes the entropy-coded data of a scan.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// The finished bytes of the blocks since the last call of [`Writer::stuff`], unstuffed. Bytes
    /// from `at` on are arbitrary.
    plain: Vec<u8>,
    at: usize,
    /// The pending bits, the last one lowest. Bits above `count` are arbitrary.
    pending: u64,
    count: u32,
}

impl Writer {
    pub(super) fn start(&mut self) {
        (self.at, self.pending, self.count) = (0, 0, 0);
    }

    /// Makes room for a number of blocks.
    pub(super) fn reserve(&mut self, blocks: usize) {
        let needed = self.at + (blocks + 1) * WINDOW;
        if self.plain.len() < needed {
            self.plain.resize(needed, 0);
        }
    }

    /// Writes a block. `exact` returns a coefficient that is not saturated, by its index.
    ///
    /// There must be room for it: see [`Writer::reserve`].
    #[inline(always)]
    pub(super) fn block(&mut self, table: &EncodeTable, block: &Block<'_>, exact: impl Fn(usize) -> i16) {
        let Some(window) = self.plain.get_mut(self.at..).and_then(|rest| rest.first_chunk_mut()) else {
            return;
        };
        let mut sink = Sink { window, offset: 0, pending: self.pending, count: self.count };
        match table.dc.get((block.difference + DC_LOOKUP) as usize) {
            Some(code) if *code != 0 => sink.push(*code),
            _ => sink.push_value(&table.dc_symbols, 0, block.difference),
        }
        sink.flush();
        let mut left = block.nonzero & !1;
        let mut next = 1;
        'all: while left != 0 {
            for _ in 0..3 {
                let index = left.trailing_zeros() as usize;
                let zeros = index - next;
                let byte = usize::from(block.bytes[index & 63] as u8);
                next = index + 1;
                left &= left - 1;
                let code = table.ac[(zeros << 8 | byte) & (BLOCK_SIZE * 256 - 1)];
                if code == 0 {
                    sink.push_long(table, zeros, i32::from(exact(index)));
                    continue 'all;
                }
                sink.push(code);
                if left == 0 {
                    break;
                }
            }
            sink.flush();
        }
        if next < BLOCK_SIZE {
            sink.push(table.ac_symbols[usize::from(END_OF_BLOCK)]);
            sink.flush();
        }
        (self.pending, self.count) = (sink.pending, sink.count);
        self.at += sink.offset;
    }

    /// Appends the finished bytes to `data`, with a zero after each 0xFF.
    pub(super) fn stuff(&mut self, data: &mut Vec<u8>) {
        let mut rest = &self.plain[..self.at];
        while let Some(at) = memchr::memchr(0xFF, rest) {
            data.extend_from_slice(&rest[..=at]);
            data.push(0);
            rest = &rest[at + 1..];
        }
        data.extend_from_slice(rest);
        self.at = 0;
    }

    /// Fills the last byte with ones, and appends all bytes to `data`.
    pub(super) fn finish(&mut self, data: &mut Vec<u8>) {
        self.reserve(1);
        if self.count > 0 {
            let spare = 8 - self.count;
            self.plain[self.at] = (self.pending << spare) as u8 | ((1_u32 << spare) - 1) as u8;
            self.at += 1;
        }
        self.count = 0;
        self.stuff(data);
    }
}

struct Sink<'a> {
    window: &'a mut [u8; WINDOW],
    offset: usize,
    pending: u64,
    count: u32,
}

impl Sink<'_> {
    #[inline(always)]
    fn push(&mut self, code: Code) {
        self.pending = self.pending << (code & 63) | u64::from(code >> 6);
        self.count += code & 63;
    }

    /// Writes the whole bytes, so that fewer than 8 bits are pending.
    #[inline(always)]
    fn flush(&mut self) {
        let at = self.offset & 255;
        let bits = self.pending << ((64 - self.count) & 63);
        self.window[at..at + 8].copy_from_slice(&bits.to_be_bytes());
        self.offset += (self.count >> 3) as usize;
        self.count &= 7;
    }

    /// Writes a value with any number of zeros before it.
    #[inline(never)]
    fn push_long(&mut self, table: &EncodeTable, mut zeros: usize, value: i32) {
        self.flush();
        while zeros > 15 {
            self.push(table.ac_symbols[usize::from(ZERO_RUN)]);
            self.flush();
            zeros -= 16;
        }
        self.push_value(&table.ac_symbols, zeros, value);
        self.flush();
    }

    fn push_value(&mut self, symbols: &[Code; 256], zeros: usize, number: i32) {
        let (size, bits) = value(number);
        self.push(symbols[(zeros << 4 | size as usize) & 255]);
        self.flush();
        self.push(code(bits, size));
    }
}
