//! Reads bits and prefix codes of a lossless WebP stream.

use super::super::DecodeError;

/// The maximum length of a code, in bits.
const MAX_CODE_BITS: usize = 15;
/// The order in which a stream stores the lengths of one special code: the code with which the
/// lengths of all other codes are coded.
const LENGTH_ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// Up to this length, the decoder finds symbols in a table of 4 bytes per entry. Longer codes take
/// nodes of 16 bytes each.
const TABLE_BITS: usize = 10;

/// A reader of bits, from the lowest bit of a byte upwards.
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// Returns the next 25 bits or more without consuming them; bits after the end read as 0.
    fn peek(&self) -> u32 {
        let byte = |offset| self.data.get(self.at / 8 + offset).copied().unwrap_or(0);
        u32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)]) >> (self.at % 8)
    }

    fn skip(&mut self, count: u32) -> Result<(), DecodeError> {
        self.at += count as usize;
        if self.at > 8 * self.data.len() { Err(DecodeError::Truncated) } else { Ok(()) }
    }

    /// Reads the next `count` bits, at most 18.
    pub(super) fn read(&mut self, count: u32) -> Result<u32, DecodeError> {
        let value = self.peek() & ((1 << count) - 1);
        self.skip(count)?;
        Ok(value)
    }
}

/// A prefix code in the form in which the stream contains it.
pub(super) enum Code {
    /// One symbol, which takes no bits.
    One(u16),
    /// Two symbols of one bit each.
    Two([u16; 2]),
    /// The code length of each symbol; 0 = the symbol is not used. There are at least two symbols,
    /// and the code is complete.
    Lengths(Vec<u8>),
}

impl Code {
    pub(super) fn read(bits: &mut BitReader<'_>, alphabet: usize) -> Result<Self, DecodeError> {
        if bits.read(1)? == 1 {
            let two = bits.read(1)? == 1;
            let width = if bits.read(1)? == 1 { 8 } else { 1 };
            let first = bits.read(width)? as u16;
            // A symbol has at most 8 bits here, and only the alphabet of distances has fewer than
            // 256 symbols. So only distances can be out of range.
            let symbols = [first, if two { bits.read(8)? as u16 } else { first }];
            if symbols.iter().any(|&symbol| usize::from(symbol) >= alphabet) {
                return Err(corrupt("invalid symbol in a prefix code"));
            }
            return Ok(if two { Self::Two(symbols) } else { Self::One(first) });
        }
        let mut lengths = vec![0; LENGTH_ORDER.len()];
        let given = 4 + bits.read(4)? as usize;
        for &at in LENGTH_ORDER.iter().take(given) {
            lengths[at] = bits.read(3)? as u8;
        }
        let table = Self::of_lengths(lengths)?.table();
        Self::of_lengths(read_lengths(bits, &table, alphabet)?)
    }

    fn of_lengths(lengths: Vec<u8>) -> Result<Self, DecodeError> {
        let mut used = lengths.iter().enumerate().filter(|(_, length)| **length > 0);
        let (first, second) = (used.next(), used.next());
        match (first, second) {
            (None, _) => Err(corrupt("prefix code without symbols")),
            (Some((symbol, _)), None) => Ok(Self::One(symbol as u16)),
            _ => {
                let taken: usize = lengths
                    .iter()
                    .filter(|length| **length > 0)
                    .map(|length| 1 << (MAX_CODE_BITS - usize::from(*length)))
                    .sum();
                if taken == 1 << MAX_CODE_BITS {
                    Ok(Self::Lengths(lengths))
                } else {
                    Err(corrupt("incomplete prefix code"))
                }
            }
        }
    }

    /// Returns the bytes that the decoder holds for the code.
    pub(super) fn decoder_bytes(&self) -> u64 {
        match self {
            Self::One(_) => 0,
            Self::Two(_) => 3 * 16 + 2 * 4,
            Self::Lengths(lengths) => {
                let table_bits = longest(lengths).min(TABLE_BITS);
                let long = lengths.iter().filter(|length| usize::from(**length) > table_bits).count();
                (4 << table_bits) + 2 * 16 * long as u64
            }
        }
    }

    pub(super) fn table(&self) -> Table {
        let entries = match self {
            Self::One(symbol) => vec![(*symbol, 0)],
            Self::Two(symbols) => symbols.map(|symbol| (symbol, 1)).to_vec(),
            Self::Lengths(lengths) => {
                let size = 1 << longest(lengths);
                let mut entries = vec![(0, 0); size];
                let mut code = 0_usize;
                for length in 1..=longest(lengths) {
                    for symbol in (0..lengths.len()).filter(|symbol| usize::from(lengths[*symbol]) == length)
                    {
                        // The first bit of a code is the lowest bit.
                        let start = code.reverse_bits() >> (usize::BITS as usize - length);
                        for entry in entries[start..].iter_mut().step_by(1 << length) {
                            *entry = (symbol as u16, length as u8);
                        }
                        code += 1;
                    }
                    code <<= 1;
                }
                entries
            }
        };
        Table { entries }
    }
}

/// A lookup table of symbols.
pub(super) struct Table {
    /// The symbol and its code length. The index consists of the next bits, as many as the longest
    /// code has.
    entries: Vec<(u16, u8)>,
}

impl Table {
    pub(super) fn read(&self, bits: &mut BitReader<'_>) -> Result<u16, DecodeError> {
        let (symbol, length) = self.entries[bits.peek() as usize & (self.entries.len() - 1)];
        bits.skip(u32::from(length))?;
        Ok(symbol)
    }
}

/// Reads the code lengths of symbols, which are themselves coded.
fn read_lengths(bits: &mut BitReader<'_>, table: &Table, alphabet: usize) -> Result<Vec<u8>, DecodeError> {
    let mut left = alphabet;
    if bits.read(1)? == 1 {
        let width = 2 + 2 * bits.read(3)?;
        left = 2 + bits.read(width)? as usize;
        if left > alphabet {
            return Err(corrupt("more code lengths than symbols"));
        }
    }
    let mut lengths = Vec::with_capacity(alphabet);
    let mut previous = 8;
    while lengths.len() < alphabet && left > 0 {
        left -= 1;
        let (length, repeat) = match table.read(bits)? {
            16 => (previous, 3 + bits.read(2)?),
            17 => (0, 3 + bits.read(3)?),
            18 => (0, 11 + bits.read(7)?),
            length => (length as u8, 1),
        };
        if lengths.len() + repeat as usize > alphabet {
            return Err(corrupt("more code lengths than symbols"));
        }
        lengths.resize(lengths.len() + repeat as usize, length);
        if length > 0 {
            previous = length;
        }
    }
    lengths.resize(alphabet, 0);
    Ok(lengths)
}

fn longest(lengths: &[u8]) -> usize {
    lengths.iter().copied().max().map_or(0, usize::from)
}

pub(super) fn corrupt(what: &str) -> DecodeError {
    DecodeError::Corrupt(what.to_owned())
}
