//! Decodes the Huffman codes of baseline JPEGs (ITU-T T.81, annex F.2).

use super::Refusal;
use super::bits::{Bits, Position};
use super::header::{BLOCK_SIZE, HuffmanSpec, MAX_CODE_BITS};

/// The number of bits by which codes are looked up.
const LOOKUP_BITS: usize = 10;
const LOOKUP_SIZE: usize = 1 << LOOKUP_BITS;
/// The maximum number of bits of an AC coefficient, and of a difference of DC coefficients, in a
/// JPEG of 8 bits a sample.
const MAX_AC_BITS: u8 = 10;
const MAX_DC_BITS: u8 = 11;
/// Decoders refuse a table with a larger size of a DC coefficient.
const MAX_DC_SYMBOL: u8 = 15;
/// The symbol of 16 zeros.
const ZERO_RUN: u8 = 0xF0;
/// Steps beyond the end of any block: the end of the block, and a code that takes more bits than
/// are looked up.
const END_OF_BLOCK: usize = 64;
const LONG: usize = 128;

const BAD_CODE: Refusal = Refusal::Damaged("an invalid Huffman code");
const TOO_MANY: Refusal = Refusal::Damaged("more than 64 coefficients in a block");

/// A Huffman table for lookup by the code itself.
#[derive(Debug, Clone)]
struct Codes {
    /// For each prefix of [`LOOKUP_BITS`] bits: the length of the code and its symbol. The length is
    /// 0 if the code is longer, or not defined.
    short: Box<[(u8, u8); LOOKUP_SIZE]>,
    /// One more than the largest code of each length, as the top bits of 16; 0 = none.
    ends: [u32; MAX_CODE_BITS + 1],
    /// The offset from a code of each length to the index of its symbol.
    offsets: [i32; MAX_CODE_BITS + 1],
    symbols: Vec<u8>,
}

impl Codes {
    /// Reads a table; `None` if it is not a valid code.
    fn read(spec: HuffmanSpec<'_>) -> Option<Self> {
        let mut short = Box::new([(0, 0); LOOKUP_SIZE]);
        let (mut ends, mut offsets) = ([0; MAX_CODE_BITS + 1], [0; MAX_CODE_BITS + 1]);
        let (mut code, mut at) = (0_usize, 0_usize);
        for (length, count) in (1..=MAX_CODE_BITS).zip(spec.counts) {
            let count = usize::from(*count);
            if count > 0 {
                // No code consists of ones only.
                if code + count >= 1 << length {
                    return None;
                }
                offsets[length] = at as i32 - code as i32;
                if length <= LOOKUP_BITS {
                    let spare = LOOKUP_BITS - length;
                    for (index, symbol) in spec.symbols.get(at..at + count)?.iter().enumerate() {
                        let first = (code + index) << spare;
                        short[first..first + (1 << spare)].fill((length as u8, *symbol));
                    }
                }
                code += count;
                at += count;
                ends[length] = (code << (MAX_CODE_BITS - length)) as u32;
            }
            code <<= 1;
        }
        Some(Self { short, ends, offsets, symbols: spec.symbols.to_vec() })
    }

    /// Returns the length and the symbol of the code at the top of `bits`.
    #[inline(always)]
    fn find(&self, bits: u64) -> Result<(u8, u8), Refusal> {
        let found = self.short[(bits >> (64 - LOOKUP_BITS)) as usize];
        if found.0 > 0 { Ok(found) } else { self.find_long(bits) }
    }

    #[cold]
    fn find_long(&self, bits: u64) -> Result<(u8, u8), Refusal> {
        let ahead = (bits >> (64 - MAX_CODE_BITS)) as u32;
        let length = (LOOKUP_BITS + 1..=MAX_CODE_BITS).find(|length| ahead < self.ends[*length]);
        let length = length.ok_or(BAD_CODE)?;
        let code = (ahead >> (MAX_CODE_BITS - length)) as i32;
        let symbol = usize::try_from(code + self.offsets[length]).ok().and_then(|at| self.symbols.get(at));
        Ok((length as u8, *symbol.ok_or(BAD_CODE)?))
    }
}

/// Returns the value that `size` bits at the top of `bits` stand for (T.81, F.2.2.1).
#[inline(always)]
fn value(bits: u64, size: u32) -> i32 {
    let magnitude = (bits >> 1 >> (63 - size)) as i32;
    // If the first bit is 0, the value is negative.
    let negative = ((bits >> 63) as i32).wrapping_sub(1);
    magnitude + (negative & (1 - (1 << size)))
}

/// The table of the DC coefficients of a component.
#[derive(Debug, Clone)]
pub(super) struct DcTable(Codes);

impl DcTable {
    pub(super) fn read(spec: HuffmanSpec<'_>) -> Result<Self, Refusal> {
        let codes = Codes::read(spec).filter(|codes| codes.symbols.iter().all(|one| *one <= MAX_DC_SYMBOL));
        codes.map(Self).ok_or(Refusal::Damaged("a Huffman table"))
    }

    /// Reads the difference to the DC coefficient of the block before.
    #[inline(always)]
    fn difference(&self, bits: &mut Bits<'_>) -> Result<i32, Refusal> {
        let (length, size) = self.0.find(bits.bits)?;
        if size > MAX_DC_BITS {
            return Err(BAD_CODE);
        }
        let difference = value(bits.bits << length, u32::from(size));
        bits.consume(u64::from(length + size));
        Ok(difference)
    }
}

/// The meaning of the next bits: up to two symbols with their coefficients.
///
/// A step is the number of coefficients from the last one to this one, or [`END_OF_BLOCK`] or
/// [`LONG`]. An entry with a single symbol repeats its coefficient, so that a reader can always
/// store two.
#[derive(Debug, Clone, Copy)]
struct Entry(u64);

impl Entry {
    fn new(total_bits: u8, first_bits: u8, steps: (usize, usize), values: (i16, i16)) -> Self {
        let both = (steps.0 + steps.1) as u64;
        let values = u64::from(values.0 as u16) << 32 | u64::from(values.1 as u16) << 48;
        let ends = u64::from(steps.0 == END_OF_BLOCK || steps.1 == END_OF_BLOCK) << 15;
        let bits = u64::from(total_bits) | u64::from(first_bits) << 8;
        Self(bits | ends | (steps.0 as u64) << 16 | both << 24 | values)
    }

    /// Reports whether the last symbol is the end of the block.
    #[inline(always)]
    fn ends(self) -> bool {
        self.0 & 1 << 15 != 0
    }

    #[inline(always)]
    fn first_bits(self) -> u64 {
        self.0 >> 8 & 63
    }

    #[inline(always)]
    fn first_step(self) -> usize {
        (self.0 >> 16) as usize & 255
    }

    #[inline(always)]
    fn both_steps(self) -> usize {
        (self.0 >> 24) as usize & 255
    }

    #[inline(always)]
    fn first(self) -> i16 {
        (self.0 >> 32) as i16
    }

    #[inline(always)]
    fn second(self) -> i16 {
        (self.0 >> 48) as i16
    }
}

/// The table of the AC coefficients of a component.
#[derive(Debug, Clone)]
pub(super) struct AcTable {
    entries: Box<[Entry; LOOKUP_SIZE]>,
    codes: Codes,
}

/// One symbol that fits in the looked-up bits, with its coefficient.
struct Single {
    bits: u8,
    step: usize,
    value: i16,
}

impl AcTable {
    pub(super) fn read(spec: HuffmanSpec<'_>) -> Result<Self, Refusal> {
        let codes = Codes::read(spec).ok_or(Refusal::Damaged("a Huffman table"))?;
        let mut entries = Box::new([Entry::new(0, 0, (LONG, 0), (0, 0)); LOOKUP_SIZE]);
        for (index, entry) in entries.iter_mut().enumerate() {
            let ahead = (index as u64) << (64 - LOOKUP_BITS);
            let Some(first) = codes.single(ahead, LOOKUP_BITS as u8) else { continue };
            let rest = LOOKUP_BITS as u8 - first.bits;
            let second = codes.single(ahead << first.bits, rest).filter(|_| first.step < END_OF_BLOCK);
            *entry = match second {
                Some(second) => Entry::new(
                    first.bits + second.bits,
                    first.bits,
                    (first.step, second.step),
                    (first.value, second.value),
                ),
                None => Entry::new(first.bits, first.bits, (first.step, 0), (first.value, first.value)),
            };
        }
        Ok(Self { entries, codes })
    }
}

impl Codes {
    /// Returns the symbol at the top of `ahead`, if it and its coefficient take at most `available`
    /// bits.
    fn single(&self, ahead: u64, available: u8) -> Option<Single> {
        let (length, symbol) = self.short[(ahead >> (64 - LOOKUP_BITS)) as usize];
        let (zeros, size) = (usize::from(symbol >> 4), symbol & 15);
        let bits = length + size;
        if length == 0 || bits > available {
            return None;
        }
        match (symbol, size) {
            (0, _) => Some(Single { bits, step: END_OF_BLOCK, value: 0 }),
            (ZERO_RUN, _) => Some(Single { bits, step: 16, value: 0 }),
            (_, 0) => None,
            (_, 1..=MAX_AC_BITS) => {
                let value = value(ahead << length, u32::from(size)) as i16;
                Some(Single { bits, step: zeros + 1, value })
            }
            _ => None,
        }
    }
}

/// The places of coefficients in another order than zigzag, by their index in zigzag order.
pub(super) type Places = [u8; BLOCK_SIZE];

/// The coefficients of a block that are written while it is decoded.
pub(super) struct Target<'a> {
    /// In zigzag order. All are 0 before.
    pub(super) coefficients: &'a mut [i16; BLOCK_SIZE],
    /// The same at their places, if `PLACED`. All are 0 before.
    pub(super) placed: &'a mut [i16; BLOCK_SIZE],
    pub(super) places: &'a Places,
}

impl Target<'_> {
    #[inline(always)]
    fn store<const PLACED: bool>(&mut self, index: usize, value: i16) {
        self.coefficients[index & 63] = value;
        if PLACED {
            self.placed[usize::from(self.places[index & 63] & 63)] = value;
        }
    }
}

/// Decodes the block at a position, except for its DC coefficient, whose place may contain anything
/// then. Returns the difference to the DC coefficient of the block before, and the index of the last
/// AC coefficient (0 = none).
///
/// It is not inlined, so that all of its state is in registers.
#[inline(never)]
pub(super) fn block<const PLACED: bool>(
    data: &[u8],
    position: &mut Position,
    (dc, ac): (&DcTable, &AcTable),
    target: Target<'_>,
) -> Result<(i32, usize), Refusal> {
    let mut bits = Bits::begin(data, position).ok_or(Refusal::Damaged("too little data"))?;
    let found = coefficients::<PLACED>(&mut bits, dc, ac, target);
    bits.end(position);
    found
}

#[inline(always)]
fn coefficients<const PLACED: bool>(
    bits: &mut Bits<'_>,
    dc: &DcTable,
    ac: &AcTable,
    mut target: Target<'_>,
) -> Result<(i32, usize), Refusal> {
    let entries = &*ac.entries;
    bits.refill();
    let difference = dc.difference(bits)?;
    let mut last = 0;
    'refill: loop {
        bits.refill();
        // Five times 10 bits are available.
        for _ in 0..5 {
            let entry = entries[(bits.bits >> (64 - LOOKUP_BITS)) as usize];
            let after = last + entry.both_steps();
            if after < BLOCK_SIZE {
                target.store::<PLACED>(last + entry.first_step(), entry.first());
                target.store::<PLACED>(after, entry.second());
                bits.consume(entry.0);
                last = after;
                continue;
            }
            let first = last + entry.first_step();
            // Without a branch, because nothing predicts whether a coefficient comes before the end.
            // The DC coefficient, which is stored later, takes what is none.
            let end = if first < BLOCK_SIZE { first } else { last };
            target.store::<PLACED>(if first < BLOCK_SIZE { first } else { 0 }, entry.first());
            let fits = (first < BLOCK_SIZE) | (entry.first_step() == END_OF_BLOCK);
            if entry.ends() & fits & (end != BLOCK_SIZE - 1) {
                bits.consume(entry.0);
                return Ok((difference, end));
            }
            if end == BLOCK_SIZE - 1 {
                // The block is full: what follows belongs to the next one.
                bits.consume(if first < BLOCK_SIZE { entry.first_bits() } else { 0 });
                return Ok((difference, end));
            }
            if entry.first_step() != LONG {
                return Err(TOO_MANY);
            }
            match long(bits, ac, last)? {
                Some((next, value)) => {
                    target.store::<PLACED>(next, value);
                    last = next;
                    continue 'refill;
                }
                None => return Ok((difference, last)),
            }
        }
    }
}

/// Reads a symbol that, with its coefficient, takes more bits than are looked up. Returns the index
/// and the coefficient; `None` at the end of the block.
#[inline(always)]
fn long(bits: &mut Bits<'_>, ac: &AcTable, last: usize) -> Result<Option<(usize, i16)>, Refusal> {
    bits.refill();
    let (length, symbol) = ac.codes.find(bits.bits)?;
    let (zeros, size) = (usize::from(symbol >> 4), symbol & 15);
    let value = value(bits.bits << length, u32::from(size)) as i16;
    bits.consume(u64::from(length + size));
    let next = last + zeros + 1;
    match (symbol, size) {
        (0, _) => Ok(None),
        (ZERO_RUN, _) | (_, 1..=MAX_AC_BITS) if next < BLOCK_SIZE => Ok(Some((next, value))),
        (ZERO_RUN, _) | (_, 1..=MAX_AC_BITS) => Err(TOO_MANY),
        _ => Err(BAD_CODE),
    }
}
