//! Reads bits and Huffman codes of entropy-coded data.

use super::corrupt;
use crate::picture::DecodeError;

/// The maximum length of a Huffman code, in bits.
const MAX_CODE_BITS: usize = 16;
/// Codes of up to this many bits are found in a lookup table.
const QUICK_BITS: u32 = 9;

/// A Huffman table.
pub(super) struct Table {
    /// The lookup table by the next [`QUICK_BITS`] bits: the length of the code and its symbol;
    /// length 0 if the code is longer.
    quick: Vec<(u8, u8)>,
    /// The largest code of each length; -1 = none.
    largest: [i32; MAX_CODE_BITS + 1],
    /// The offset from a code of each length to the index of its symbol.
    offset: [i32; MAX_CODE_BITS + 1],
    symbols: Vec<u8>,
}

impl Table {
    /// Reads a table (the number of codes of each length, then the symbols), and returns it with
    /// its length in bytes.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let counts = bytes.get(..MAX_CODE_BITS)?;
        let total: usize = counts.iter().map(|count| usize::from(*count)).sum();
        let symbols = bytes.get(MAX_CODE_BITS..MAX_CODE_BITS + total).filter(|_| total <= 256)?.to_vec();
        let mut quick = vec![(0, 0); 1 << QUICK_BITS];
        let (mut largest, mut offset) = ([-1; MAX_CODE_BITS + 1], [0; MAX_CODE_BITS + 1]);
        let (mut code, mut at) = (0_usize, 0_usize);
        for (len, count) in (1_u32..).zip(counts) {
            let count = usize::from(*count);
            if count > 0 {
                offset[len as usize] = at as i32 - code as i32;
                for symbol in &symbols[at..at + count] {
                    if len <= QUICK_BITS {
                        let spare = QUICK_BITS - len;
                        quick.get_mut(code << spare..(code + 1) << spare)?.fill((len as u8, *symbol));
                    }
                    code += 1;
                }
                // No code consists of ones only.
                if code >= 1 << len {
                    return None;
                }
                largest[len as usize] = code as i32 - 1;
                at += count;
            }
            code <<= 1;
        }
        Some((Self { quick, largest, offset, symbols }, MAX_CODE_BITS + total))
    }
}

/// A reader of bits up to the next marker. The bytes 0xFF 0x00 stand for one 0xFF.
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    at: usize,
    buffer: u64,
    /// The number of unread bits in `buffer`.
    left: u32,
    /// The reader has reached a marker, or the end of the data.
    ended: bool,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at, buffer: 0, left: 0, ended: false }
    }

    fn fill(&mut self) {
        while self.left <= 56 && !self.ended {
            match self.data.get(self.at) {
                Some(0xFF) => {
                    let mut code = self.at + 1;
                    while self.data.get(code) == Some(&0xFF) {
                        code += 1;
                    }
                    if self.data.get(code) != Some(&0) {
                        self.ended = true;
                        return;
                    }
                    self.buffer = self.buffer << 8 | 0xFF;
                    self.at = code + 1;
                }
                Some(byte) => {
                    self.buffer = self.buffer << 8 | u64::from(*byte);
                    self.at += 1;
                }
                None => {
                    self.ended = true;
                    return;
                }
            }
            self.left += 8;
        }
    }

    /// Reads the next `count` bits, at most 16.
    pub(super) fn take(&mut self, count: u32) -> Result<u32, DecodeError> {
        if count == 0 {
            return Ok(0);
        }
        if self.left < count {
            self.fill();
        }
        let left = self.left.checked_sub(count).ok_or(DecodeError::Truncated)?;
        self.left = left;
        Ok((self.buffer >> left) as u32 & ((1 << count) - 1))
    }

    /// Reads the next code and returns its symbol.
    pub(super) fn symbol(&mut self, table: &Table) -> Result<u8, DecodeError> {
        if self.left < MAX_CODE_BITS as u32 {
            self.fill();
        }
        // The data is extended with zeros.
        let ahead = match self.left.checked_sub(MAX_CODE_BITS as u32) {
            Some(spare) => self.buffer >> spare,
            None => self.buffer << (MAX_CODE_BITS as u32 - self.left),
        } as usize
            & 0xFFFF;
        let (len, symbol) = table.quick[ahead >> (MAX_CODE_BITS as u32 - QUICK_BITS)];
        if len > 0 {
            self.left = self.left.checked_sub(u32::from(len)).ok_or(DecodeError::Truncated)?;
            return Ok(symbol);
        }
        for len in QUICK_BITS as usize + 1..=MAX_CODE_BITS {
            let code = (ahead >> (MAX_CODE_BITS - len)) as i32;
            if code <= table.largest[len] {
                self.left = self.left.checked_sub(len as u32).ok_or(DecodeError::Truncated)?;
                let symbol = table.symbols.get((code + table.offset[len]) as usize);
                return symbol.copied().ok_or_else(|| corrupt("invalid Huffman code"));
            }
        }
        if self.left < MAX_CODE_BITS as u32 {
            return Err(DecodeError::Truncated);
        }
        Err(corrupt("invalid Huffman code"))
    }

    /// Returns the offset of the first byte of which no bit was read, and whether all skipped bits
    /// before it are 1.
    pub(super) fn end(&self) -> (usize, bool) {
        let spare = self.left % 8;
        let ones = (1_u64 << spare) - 1;
        let filler = if spare == 0 { 0 } else { self.buffer >> (self.left - spare) & ones };
        let mut at = self.at;
        for _ in 0..self.left / 8 {
            at -= 1;
            if self.data[at] == 0 && at.checked_sub(1).is_some_and(|before| self.data[before] == 0xFF) {
                at -= 1;
            }
        }
        (at, filler == ones)
    }

    /// Continues after the restart marker with this number, which must be the next marker.
    pub(super) fn restart(&mut self, number: usize) -> Result<(), DecodeError> {
        let (mut at, _) = self.end();
        loop {
            let ff = memchr::memchr(0xFF, self.data.get(at..).unwrap_or_default());
            at += ff.ok_or(DecodeError::Truncated)? + 1;
            while self.data.get(at) == Some(&0xFF) {
                at += 1;
            }
            match self.data.get(at) {
                None => return Err(DecodeError::Truncated),
                Some(0) => {}
                Some(code) if usize::from(*code) == 0xD0 + number % 8 => break,
                // The picture, or the scan, ends too early.
                Some(code) if !matches!(code, 0xD0..=0xD7) => return Err(DecodeError::Truncated),
                Some(_) => return Err(corrupt("missing restart marker")),
            }
        }
        *self = Self::new(self.data, at + 1);
        Ok(())
    }
}
