//! Computes sums over the pixels of an analysis plane, for the quality measures.
//!
//! Each loop is short, uses one type of number, and is in a function that is not inlined, so that
//! the compiler generates vector code even for processors with short vectors.

use super::AnalysisPlane;

/// Sums over the pixels of a plane. Pixels beyond the border are mirrored without repeating the
/// border pixel (reflect-101).
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// The sum of luma.
    pub(super) luma: u64,
    /// The sum of the squares of luma.
    pub(super) luma_squares: u64,
    /// The sum of the Laplacian [0 1 0; 1 -4 1; 0 1 0].
    pub(super) laplacian: i64,
    /// The sum of the squares of the Laplacian.
    pub(super) laplacian_squares: u64,
    /// The sum of the absolute response to Immerkaer's mask [1 -2 1; -2 4 -2; 1 -2 1], over pixels
    /// with all neighbours.
    pub(super) noise: u64,
}

/// The number of values that are processed in parallel.
const LANES: usize = 8;
/// The number of rows whose absolute responses to Immerkaer's mask can be added up in 16 bits: 32 x
/// 8 x 255 = 65,280.
const NOISE_ROWS: usize = 32;

impl Sums {
    /// Computes all sums in one pass over the rows, so that each row is measured while it is in the
    /// cache.
    pub(super) fn of(plane: &AnalysisPlane) -> Self {
        let (width, height) = (plane.width(), plane.height());
        let row = |y: usize| &plane.samples()[y * width..(y + 1) * width];
        let mut sums = Self::default();
        // Values beyond the width stay 0.
        let mut luma = vec![[0; LANES]; width.div_ceil(LANES)];
        let mut laplacian = luma.clone();
        let (mut vertical, mut noise) = (vec![0; width], vec![0; width]);
        for y in 0..height {
            let [above, below] = neighbours(y, height).map(row);
            let here = row(y);
            sums.luma += sum(here);
            vertical_differences(above, here, below, &mut vertical, luma.as_flattened_mut());
            laplacians(&luma.as_flattened()[..width], &vertical, &mut laplacian.as_flattened_mut()[..width]);
            sums.luma_squares += sum_of_squares(&luma);
            sums.laplacian_squares += sum_of_squares(&laplacian);
            sums.laplacian += sum_of_differences(width, |x| i64::from(here[x]));
            if y > 0 && y + 1 < height {
                add_noise(&vertical, &mut noise);
            }
            if y % NOISE_ROWS == 0 || y + 1 == height {
                sums.noise += noise.iter().map(|sum| u64::from(*sum)).sum::<u64>();
                noise.fill(0);
            }
        }
        sums.laplacian += sum_of_differences(height, |y| sum(row(y)) as i64);
        sums
    }
}

/// Returns the indices before and after `index`, mirrored at the ends.
fn neighbours(index: usize, length: usize) -> [usize; 2] {
    let step = usize::from(length > 1);
    [if index > 0 { index - 1 } else { step }, if index + 1 < length { index + 1 } else { length - 1 - step }]
}

/// Returns the sum of a line's second differences: all steps cancel each other, except those at the
/// ends.
fn sum_of_differences(length: usize, at: impl Fn(usize) -> i64) -> i64 {
    let (last, step) = (length - 1, usize::from(length > 1));
    at(step) - at(0) + at(last - step) - at(last)
}

#[inline(never)]
fn sum(samples: &[u8]) -> u64 {
    let (chunks, rest) = samples.as_chunks::<16>();
    let sum = |samples: &[u8]| samples.iter().map(|sample| u32::from(*sample)).sum::<u32>();
    u64::from(chunks.iter().map(|chunk| sum(chunk)).sum::<u32>() + sum(rest))
}

/// Returns the sum of the squares of a row of at most 640 values: 640 x 1020^2 fits in 32 bits.
#[inline(never)]
#[allow(clippy::needless_range_loop, reason = "it becomes vector code, and iterators do not")]
fn sum_of_squares(values: &[[i16; LANES]]) -> u64 {
    let mut sums = [0; LANES];
    for values in values {
        for lane in 0..LANES {
            sums[lane] += i32::from(values[lane]) * i32::from(values[lane]);
        }
    }
    sums.iter().sum::<i32>() as u64
}

/// Computes the second difference down each column (above - 2 here + below), and widens the row to
/// 16 bits.
#[inline(never)]
fn vertical_differences(above: &[u8], here: &[u8], below: &[u8], vertical: &mut [i16], luma: &mut [i16]) {
    for ((((vertical, luma), a), h), b) in vertical.iter_mut().zip(luma).zip(above).zip(here).zip(below) {
        *luma = i16::from(*h);
        *vertical = i16::from(*a) + i16::from(*b) - 2 * i16::from(*h);
    }
}

/// Adds the second differences down the columns and along the row.
#[inline(never)]
fn laplacians(luma: &[i16], vertical: &[i16], laplacian: &mut [i16]) {
    for x in [0, luma.len() - 1] {
        let [left, right] = neighbours(x, luma.len());
        laplacian[x] = vertical[x] + luma[left] + luma[right] - 2 * luma[x];
    }
    let inner = luma.len().saturating_sub(2);
    let ([l0, l1, l2], [_, vertical, _]) = (shifted(luma, inner), shifted(vertical, inner));
    let laplacian = laplacian.get_mut(1..=inner).unwrap_or_default();
    for x in 0..inner {
        laplacian[x] = vertical[x] + l0[x] + l2[x] - 2 * l1[x];
    }
}

/// Adds the absolute response to Immerkaer's mask to each column. The response is the second
/// difference, along the row, of the second differences down the columns.
#[inline(never)]
fn add_noise(vertical: &[i16], noise: &mut [u16]) {
    let inner = vertical.len().saturating_sub(2);
    let [u0, u1, u2] = shifted(vertical, inner);
    let noise = &mut noise[..inner];
    for x in 0..inner {
        noise[x] += (u0[x] + u2[x] - 2 * u1[x]).unsigned_abs();
    }
}

/// Returns `inner` values from index 0, 1 and 2 on: slices of one length, so that a loop needs no
/// bounds checks.
fn shifted(row: &[i16], inner: usize) -> [&[i16]; 3] {
    [0, 1, 2].map(|from| row.get(from..from + inner).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::analysis_plane;
    use super::*;

    /// Computes the definitions pixel by pixel.
    fn reference(samples: &[u8], width: usize) -> [i64; 5] {
        let height = samples.len() / width;
        let luma = |x: usize, y: usize| i64::from(samples[y * width + x]);
        let mut sums = [0; 5];
        for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
            let ([left, right], [above, below]) = (neighbours(x, width), neighbours(y, height));
            let here = luma(x, y);
            let laplacian = luma(left, y) + luma(right, y) + luma(x, above) + luma(x, below) - 4 * here;
            let mut noise = 0;
            if (1..width - 1).contains(&x) && (1..height - 1).contains(&y) {
                for (row, weights) in [(above, [1, -2, 1]), (y, [-2, 4, -2]), (below, [1, -2, 1])] {
                    noise += (0..3).map(|i| weights[i] * luma(x + i - 1, row)).sum::<i64>();
                }
            }
            let here = [here, here * here, laplacian, laplacian * laplacian, noise.abs()];
            sums = std::array::from_fn(|index| sums[index] + here[index]);
        }
        sums
    }

    #[test]
    fn sums_follow_their_definitions() {
        let noise = |i: usize| (i.wrapping_mul(2_654_435_761) >> 24) as u8;
        let harsh = |i: usize| 255 * (noise(i) & 1);
        let sizes =
            [(640, 70), (1, 1), (1, 5), (2, 2), (3, 3), (5, 1), (9, 33), (17, 34), (31, 64), (639, 2)];
        for (width, height) in sizes {
            let pixels = 0..width * height;
            for samples in [pixels.clone().map(noise).collect::<Vec<u8>>(), pixels.map(harsh).collect()] {
                let sums = Sums::of(&analysis_plane(&samples, width, height, width));
                let signed = |sum: u64| sum as i64;
                let [luma, laplacian] = [sums.luma_squares, sums.laplacian_squares].map(signed);
                let got = [signed(sums.luma), luma, sums.laplacian, laplacian, signed(sums.noise)];
                assert_eq!(got, reference(&samples, width), "{width}x{height}");
            }
        }
        assert_eq!(neighbours(0, 5), [1, 1]);
        assert_eq!(neighbours(4, 5), [3, 3]);
    }
}
