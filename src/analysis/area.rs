//! Scales planes down by averaging areas.
//!
//! All values are integers until the single division at the end, so results are exact.

use std::ops::Range;

use super::Samples;

/// Averages a plane down to `to` = (width, height) samples. No side may be longer than that of the
/// plane.
pub(super) fn area_average(from: Samples<'_>, to: (usize, usize), data: &mut [u8]) {
    let (columns, rows) = (Spans::new(from.width, to.0), Spans::new(from.height, to.1));
    // Camera sizes are often a small multiple of the target: then no sample is split, and 16-bit
    // sums suffice.
    match (columns.whole_samples(), rows.whole_samples()) {
        (Some(wide), Some(tall)) if wide * tall <= MAX_BOX_SAMPLES => average_boxes(from, (wide, tall), data),
        _ => average_cut_boxes(from, &columns, &rows, data),
    }
}

/// The maximum number of samples whose sum always fits in 16 bits: 257 x 255 = 65,535.
const MAX_BOX_SAMPLES: usize = 257;

/// Averages boxes of `wide` x `tall` whole samples.
fn average_boxes(from: Samples<'_>, (wide, tall): (usize, usize), data: &mut [u8]) {
    let divisor = Divisor::new(wide * tall);
    let mut sums = vec![0; from.width];
    for (index, target) in data.chunks_exact_mut(from.width / wide).enumerate() {
        add_rows(&from, index * tall..(index + 1) * tall, &mut sums);
        match wide {
            2 => average_groups::<2>(&sums, divisor, target),
            3 => average_groups::<3>(&sums, divisor, target),
            4 => average_groups::<4>(&sums, divisor, target),
            6 => average_groups::<6>(&sums, divisor, target),
            _ => {
                for (group, target) in sums.chunks_exact(wide).zip(target) {
                    *target = divisor.mean(group.iter().map(|sum| u64::from(*sum)).sum());
                }
            }
        }
    }
}

/// Averages groups of a size that the compiler knows, which makes the loop several times faster.
fn average_groups<const WIDE: usize>(sums: &[u16], divisor: Divisor, target: &mut [u8]) {
    for (group, target) in sums.as_chunks::<WIDE>().0.iter().zip(target) {
        *target = divisor.mean(group.iter().map(|sum| u64::from(*sum)).sum());
    }
}

/// Adds up the columns over at most [`MAX_BOX_SAMPLES`] rows: three rows at a time, because reading
/// samples is faster than reading sums.
fn add_rows(from: &Samples<'_>, rows: Range<usize>, sums: &mut [u16]) {
    sums.fill(0);
    let mut rows = rows.map(|y| &from.data[y * from.stride..][..from.width]);
    while let Some(first) = rows.next() {
        match (rows.next(), rows.next()) {
            (Some(second), Some(third)) => {
                for (((sum, a), b), c) in sums.iter_mut().zip(first).zip(second).zip(third) {
                    *sum += u16::from(*a) + u16::from(*b) + u16::from(*c);
                }
            }
            (Some(second), None) => {
                for ((sum, a), b) in sums.iter_mut().zip(first).zip(second) {
                    *sum += u16::from(*a) + u16::from(*b);
                }
            }
            (None, _) => {
                for (sum, a) in sums.iter_mut().zip(first) {
                    *sum += u16::from(*a);
                }
            }
        }
    }
}

/// Averages boxes with borders that may split samples.
fn average_cut_boxes(from: Samples<'_>, columns: &Spans, rows: &Spans, data: &mut [u8]) {
    let divisor = Divisor::new(columns.weight_of_span * rows.weight_of_span);
    let borders: Vec<Border> = (0..=columns.count).map(|index| columns.border(index)).collect();
    let (mut whole, mut sums) = (vec![0; from.width], vec![0; from.width]);
    // The sum of all columns to the left of each column. One entry more than columns, for the last
    // border.
    let mut left_of = vec![0; from.width + 1];
    for (index, target) in data.chunks_exact_mut(columns.count).enumerate() {
        weigh_rows(&from, rows, index, &mut whole, &mut sums);
        let mut left = 0;
        for (sum, left_of) in sums.iter().zip(&mut left_of[1..]) {
            left += u64::from(*sum);
            *left_of = left;
        }
        // Each result is the sum to the left of a border minus the sum to the left of the border
        // before it.
        let mut before = 0;
        for (border, target) in borders[1..].iter().zip(target) {
            let cut = sums.get(border.at).copied().unwrap_or_default();
            let here = left_of[border.at] * u64::from(columns.weight_of_sample)
                + u64::from(cut) * u64::from(border.weight);
            *target = divisor.mean(here - before);
            before = here;
        }
    }
}

/// Computes weighted sums of the columns over the rows of a span.
fn weigh_rows(from: &Samples<'_>, rows: &Spans, index: usize, whole: &mut [u16], sums: &mut [u32]) {
    let (start, end) = (rows.border(index), rows.border(index + 1));
    let first_whole = start.at + usize::from(start.weight > 0);
    sums.fill(0);
    for run in (first_whole..end.at).step_by(MAX_BOX_SAMPLES) {
        add_rows(from, run..(run + MAX_BOX_SAMPLES).min(end.at), whole);
        for (sum, whole) in sums.iter_mut().zip(&*whole) {
            *sum += u32::from(rows.weight_of_sample) * u32::from(*whole);
        }
    }
    // The rows that the upper and the lower border split belong to this span in part.
    let before = (start.weight > 0).then(|| (start.at, rows.weight_of_sample - start.weight));
    let after = (end.weight > 0).then_some((end.at, end.weight));
    for (y, weight) in before.into_iter().chain(after) {
        for (sum, sample) in sums.iter_mut().zip(&from.data[y * from.stride..][..from.width]) {
            *sum += u32::from(weight) * u32::from(*sample);
        }
    }
}

/// A division by multiplication, which takes a tenth of the time.
#[derive(Debug, Clone, Copy)]
struct Divisor {
    half: u64,
    reciprocal: u64,
}

impl Divisor {
    /// The number of fractional bits of the reciprocal. A quotient has 8 bits, so products fit in
    /// 56 bits. Results are exact up to a divisor of 2^20 (256 x 2^20 x 2^20 = 2^48). Up to a
    /// divisor of 2^32, their error is within 2^-8.
    const SHIFT: u32 = 48;

    fn new(by: usize) -> Self {
        let by = by as u64;
        Self { half: by / 2, reciprocal: (1_u64 << Self::SHIFT).div_ceil(by) }
    }

    /// Returns the rounded quotient.
    fn mean(self, sum: u64) -> u8 {
        (((sum + self.half) * self.reciprocal) >> Self::SHIFT) as u8
    }
}

/// A side divided into equal spans. Weights are the smallest integers that express the fractions of
/// split samples.
struct Spans {
    count: usize,
    /// The weight of a whole sample, at most the number of spans.
    weight_of_sample: u16,
    /// The weight of a whole span.
    weight_of_span: usize,
}

/// The start of a span in sample `at`: the first `weight` parts of that sample belong to the span
/// before.
struct Border {
    at: usize,
    weight: u16,
}

impl Spans {
    /// Divides `from` samples into `to` spans; `to <= from`, so each span contains the end of at
    /// least one sample.
    fn new(from: usize, to: usize) -> Self {
        let common = greatest_common_divisor(from, to);
        Self { count: to, weight_of_sample: (to / common) as u16, weight_of_span: from / common }
    }

    /// Returns the number of samples in each span if no sample is split.
    fn whole_samples(&self) -> Option<usize> {
        (self.weight_of_sample == 1).then_some(self.weight_of_span)
    }

    fn border(&self, index: usize) -> Border {
        let (weight, of_sample) = (index * self.weight_of_span, usize::from(self.weight_of_sample));
        Border { at: weight / of_sample, weight: (weight % of_sample) as u16 }
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_rounded_quotients() {
        for by in [1, 2, 3, 4, 9, 16, 36, 257, 729, 65_536, 1_000_003] {
            let divisor = Divisor::new(by);
            // The sums at which the quotient changes.
            for sum in (0..=255 * by).step_by(1 + by / 7).chain((0..255).map(|q| q * by + by.div_ceil(2))) {
                for sum in [sum.saturating_sub(1), sum] {
                    assert_eq!(usize::from(divisor.mean(sum as u64)), (sum + by / 2) / by, "{sum} / {by}");
                }
            }
        }
    }
}
