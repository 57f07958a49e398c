//! Reads bits from unstuffed data.

/// The number of bytes within which one block is read: 64 coefficients with a code of 16 bits and a
/// value of 15 bits, and the bytes that are read ahead.
pub(super) const WINDOW: usize = 264;

/// A position in unstuffed data.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Position {
    /// The offset of the next byte that is not counted in `count`.
    pub(super) at: usize,
    /// The next bits, the first one on top.
    pub(super) bits: u64,
    /// The number of valid bits. Only its lowest 6 bits count.
    pub(super) count: u64,
}

impl Position {
    pub(super) fn at(offset: usize) -> Self {
        Self { at: offset, bits: 0, count: 0 }
    }

    /// Returns the offset of the next bit.
    pub(super) fn bit(&self) -> usize {
        8 * self.at - (self.count & 63) as usize
    }
}

/// A reader of bits, for one block.
pub(super) struct Bits<'a> {
    window: &'a [u8; WINDOW],
    offset: usize,
    pub(super) bits: u64,
    count: u64,
}

impl<'a> Bits<'a> {
    /// Begins to read at a position; `None` if that is beyond the end of the data.
    #[inline(always)]
    pub(super) fn begin(data: &'a [u8], position: &Position) -> Option<Self> {
        let window = data.get(position.at..)?.first_chunk()?;
        Some(Self { window, offset: 0, bits: position.bits, count: position.count })
    }

    #[inline(always)]
    pub(super) fn end(self, position: &mut Position) {
        *position = Position { at: position.at + self.offset, bits: self.bits, count: self.count };
    }

    /// Makes at least 56 bits available. There is no branch: the bits that are already there are
    /// read again.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        let at = self.offset & 255;
        let mut next = [0; 8];
        next.copy_from_slice(&self.window[at..at + 8]);
        let count = self.count & 63;
        self.bits |= u64::from_be_bytes(next) >> count;
        self.offset += (63 - count as usize) >> 3;
        self.count = count | 56;
    }

    /// Consumes as many bits as the lowest 6 bits of `entry` say.
    #[inline(always)]
    pub(super) fn consume(&mut self, entry: u64) {
        self.bits <<= entry & 63;
        self.count = self.count.wrapping_sub(entry);
    }
}
