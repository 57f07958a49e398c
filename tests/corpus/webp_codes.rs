//! Handmade lossless WebP: one pixel with tens of thousands of codes.

/// A writer of bits, from the lowest bit of a byte upwards.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    used: usize,
}

impl BitWriter {
    fn put(&mut self, value: u32, bits: usize) {
        for bit in 0..bits {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            self.bytes[self.used / 8] |= ((value >> bit & 1) as u8) << (self.used % 8);
            self.used += 1;
        }
    }

    /// Writes a code of one symbol below 256: "simple", one symbol of eight bits.
    fn put_one(&mut self, symbol: u32) {
        self.put(0b101, 3);
        self.put(symbol, 8);
    }

    /// Writes a code of the symbol 0 in four bits: "simple", one symbol of one bit.
    fn put_zero(&mut self) {
        self.put(0b0001, 4);
    }

    /// Writes a code of 2,048 symbols of 11 bits each, in 66 bits: "not simple"; fifteen lengths of
    /// the code for lengths, of which only the last one, for 11, is used, so that each length takes
    /// no bits; and the number of symbols minus two in twelve bits.
    fn put_large(&mut self) {
        self.put(0, 1);
        self.put(15 - 4, 4);
        (0..14).for_each(|_| self.put(0, 3));
        self.put(1, 3);
        self.put(1, 1);
        self.put((12 - 2) / 2, 3);
        self.put(2_048 - 2, 12);
    }
}

/// Returns the VP8L body of one pixel that uses the last of `groups` groups of codes; `put_green`
/// writes the first code of each group.
fn pixel(groups: u32, put_green: impl Fn(&mut BitWriter)) -> Vec<u8> {
    let mut bits = BitWriter::default();
    bits.put(0x2F, 8);
    bits.put(0, 14 + 14 + 1 + 3); // 1 x 1, no alpha, version 0
    bits.put(0, 1); // no transforms
    bits.put(1, 1);
    bits.put(11, 4); // a colour cache of 2,048 colours
    bits.put(1, 1);
    bits.put(0, 3); // groups for blocks of 4 x 4
    bits.put(0, 1); // the picture of the blocks has no colour cache
    let last = groups - 1;
    bits.put_one(last & 0xFF); // green
    bits.put_one(last >> 8); // red
    (0..3).for_each(|_| bits.put_zero()); // blue, alpha, distances
    for _ in 0..groups {
        put_green(&mut bits);
        (0..4).for_each(|_| bits.put_zero());
    }
    bits.put(0, 16); // the pixel
    bits.bytes
}

/// Ten bytes of the file per group, each of which takes about 70 kB in the decoder.
pub(crate) fn groups(count: u32) -> Vec<u8> {
    pixel(count, BitWriter::put_large)
}

/// Two bytes of the file per group, without tables.
pub(crate) fn empty_groups(count: u32) -> Vec<u8> {
    pixel(count, BitWriter::put_zero)
}
