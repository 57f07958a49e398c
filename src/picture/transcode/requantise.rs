//! Divides coefficients by coarser quantisers.
//!
//! A coefficient `c` of quantiser `q1` becomes `c * q1 / q2`, rounded to the nearest integer. Ties
//! are frequent, because quantisers are integers; they are rounded towards zero, which is as exact
//! as the other direction and takes fewer bits.

use wide::{CmpEq as _, i8x16, i16x8};

use super::header::BLOCK_SIZE;

/// The values of a block as bytes, saturated.
pub(super) type Bytes = [i8; BLOCK_SIZE];

/// The ratios between the quantisers of a component before and after, in zigzag order.
#[derive(Debug, Clone)]
pub(super) struct Ratios {
    /// 32768 times the ratio, rounded up, minus 1. The 1 makes ties round towards zero, and an
    /// unchanged quantiser leave the coefficient as it is.
    ratios: [i16; BLOCK_SIZE],
}

impl Ratios {
    /// Creates the ratios from quantisers to quantisers that are not finer.
    pub(super) fn new(from: &[u8; BLOCK_SIZE], to: &[u8; BLOCK_SIZE]) -> Self {
        let mut ratios = [0; BLOCK_SIZE];
        for ((ratio, from), to) in ratios.iter_mut().zip(from).zip(to) {
            let (from, to) = (u32::from(*from), u32::from(*to).max(1));
            *ratio = ((32_768 * from.min(to)).div_ceil(to) - 1) as i16;
        }
        Self { ratios }
    }

    /// Returns one coefficient with its new quantiser; `index` is in zigzag order.
    pub(super) fn one(&self, index: usize, coefficient: i16) -> i16 {
        let ratio = i32::from(self.ratios[index % BLOCK_SIZE]);
        let magnitude = (((i32::from(coefficient.unsigned_abs()) * 4 * ratio) >> 16) + 1) >> 1;
        if coefficient < 0 { -magnitude as i16 } else { magnitude as i16 }
    }

    /// Computes the coefficients up to the index `last`. Returns a bit for each one that is not 0.
    /// The values are saturated to a byte each; those without a bit are not written.
    #[inline(always)]
    pub(super) fn block(&self, coefficients: &[i16; BLOCK_SIZE], last: usize, bytes: &mut Bytes) -> u64 {
        let mut nonzero = 0;
        let (values, ratios) = (coefficients.as_chunks::<8>().0, self.ratios.as_chunks::<8>().0);
        let pairs = values.as_chunks::<2>().0.iter().zip(ratios.as_chunks::<2>().0);
        for (index, ((values, ratios), bytes)) in
            pairs.zip(bytes.as_chunks_mut::<16>().0).enumerate().take(last / 16 + 1)
        {
            let low = eight(i16x8::new(values[0]), i16x8::new(ratios[0]));
            let high = eight(i16x8::new(values[1]), i16x8::new(ratios[1]));
            let both = saturated(low, high);
            let zero = both.cmp_eq(i8x16::ZERO).move_mask();
            nonzero |= u64::from(!zero as u16) << (16 * index);
            *bytes = both.to_array();
        }
        nonzero
    }
}

#[inline(always)]
fn eight(values: i16x8, ratios: i16x8) -> i16x8 {
    let sign: i16x8 = values >> 15;
    let magnitude = (values ^ sign) - sign;
    let doubled = i16x8::mul_keep_high(magnitude << 2, ratios);
    let rounded: i16x8 = (doubled + i16x8::splat(1)) >> 1;
    (rounded ^ sign) - sign
}

#[inline(always)]
fn saturated(low: i16x8, high: i16x8) -> i8x16 {
    let (low, high) = (low.to_array(), high.to_array());
    let mut all = [0; 16];
    all[..8].copy_from_slice(&low);
    all[8..].copy_from_slice(&high);
    i8x16::from_i16x16_saturate(wide::i16x16::new(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_are_rounded_to_the_nearest_and_ties_towards_zero() {
        for (from, to) in (1..=255_u8).step_by(3).flat_map(|from| (from..=255).map(move |to| (from, to))) {
            let ratios = Ratios::new(&[from; BLOCK_SIZE], &[to; BLOCK_SIZE]);
            for coefficient in (-64..64).chain([-2047, -1023, -500, -131, 130, 512, 1023, 2047_i16]) {
                let one = ratios.one(5, coefficient);
                let (exact, to) = (i32::from(coefficient) * i32::from(from), i32::from(to));
                let error = (exact - i32::from(one) * to).abs();
                // Within a half; a little more only for large coefficients, close to a tie.
                let slack = if coefficient.unsigned_abs() < 128 { 0 } else { to / 8 };
                assert!(2 * error <= to + slack, "{coefficient} * {from} / {to}: {one}");
                if 2 * error == to {
                    assert!(i32::from(one).abs() * to < exact.abs(), "ties are rounded towards zero");
                }
                if i32::from(from) == to {
                    assert_eq!(one, coefficient);
                }
                let mut bytes = [0; BLOCK_SIZE];
                let mut block = [0; BLOCK_SIZE];
                block[5] = coefficient;
                let nonzero = ratios.block(&block, 5, &mut bytes);
                assert_eq!(nonzero, if one == 0 { 0 } else { 1 << 5 });
                assert!(one == 0 || i16::from(bytes[5]) == one.clamp(-128, 127));
            }
        }
    }
}
