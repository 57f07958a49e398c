//! Tests JPEGs with any sampling factors: the planes have the chroma resolution of the file.

use super::super::{Subsampling, paint};
use super::*;
use crate::domain::{NormalizedPoint, Polygon};

/// Returns a baseline JPEG of flat blocks of 8 x 8 samples, for three components with these
/// sampling factors.
///
/// The values are DC steps of 8 around 128, one for each block of the component, row by row.
fn flat_blocks(
    size: (u16, u16),
    factors: [(u8, u8); 3],
    value: impl Fn(usize, usize, usize) -> i32,
) -> Vec<u8> {
    let mut file = vec![0xFF, 0xD8];
    // All quantisation steps are 8: a step of a DC coefficient changes all samples by 1.
    file.extend(super::outputs::segment(0xDB, &[&[0][..], &[8; 64]].concat()));
    let mut frame = vec![8];
    frame.extend(size.1.to_be_bytes());
    frame.extend(size.0.to_be_bytes());
    frame.push(3);
    for (id, (h, v)) in (1..).zip(factors) {
        frame.extend([id, h << 4 | v, 0]);
    }
    file.extend(super::outputs::segment(0xC0, &frame));
    // DC: categories 0 to 8 in codes of 4 bits; AC: end of block in a code of one bit.
    let dc: Vec<u8> =
        [&[0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &[0, 1, 2, 3, 4, 5, 6, 7, 8]].concat();
    let ac: Vec<u8> = [&[0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &[0]].concat();
    file.extend(super::outputs::segment(0xC4, &[dc, ac].concat()));
    file.extend(super::outputs::segment(0xDA, &[3, 1, 0, 2, 0, 3, 0, 0, 63, 0]));
    let largest = factors.iter().fold((1, 1), |largest, (h, v)| (largest.0.max(*h), largest.1.max(*v)));
    let units = |side: u16, factor: u8| usize::from(side).div_ceil(8 * usize::from(factor));
    let mut bits = Bits::default();
    let mut last = [0; 3];
    for row in 0..units(size.1, largest.1) {
        for column in 0..units(size.0, largest.0) {
            for (component, (h, v)) in factors.into_iter().enumerate() {
                let (h, v) = (usize::from(h), usize::from(v));
                for (y, x) in (0..v).flat_map(|y| (0..h).map(move |x| (y, x))) {
                    let level = value(component, column * h + x, row * v + y) - 128;
                    bits.put_level(level - last[component]);
                    last[component] = level;
                }
            }
        }
    }
    file.extend(bits.finish());
    file.extend([0xFF, 0xD9]);
    file
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    open: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for bit in (0..count).rev() {
            self.open = self.open << 1 | value >> bit & 1;
            self.count += 1;
            if self.count == 8 {
                self.bytes.push(self.open as u8);
                if self.open == 0xFF {
                    self.bytes.push(0);
                }
                (self.open, self.count) = (0, 0);
            }
        }
    }

    /// Writes the difference of a DC coefficient, and no other coefficients.
    fn put_level(&mut self, difference: i32) {
        let category = u32::BITS - difference.unsigned_abs().leading_zeros();
        self.put(category, 4);
        let value = if difference < 0 { difference + (1 << category) - 1 } else { difference };
        self.put(value as u32, category);
        self.put(0, 1);
    }

    fn finish(mut self) -> Vec<u8> {
        while self.count != 0 {
            self.put(1, 1);
        }
        self.bytes
    }
}

const UNUSUAL: [([(u8, u8); 3], Subsampling); 9] = [
    ([(4, 2), (1, 1), (1, 1)], Subsampling::S420),
    ([(2, 4), (1, 1), (1, 1)], Subsampling::S420),
    ([(1, 3), (1, 1), (1, 1)], Subsampling::S440),
    ([(3, 1), (1, 1), (1, 1)], Subsampling::S422),
    ([(2, 2), (1, 1), (1, 2)], Subsampling::S422),
    ([(2, 2), (2, 1), (1, 1)], Subsampling::S440),
    ([(4, 1), (2, 1), (2, 1)], Subsampling::S422),
    ([(2, 2), (2, 2), (1, 1)], Subsampling::S444),
    ([(1, 1), (2, 1), (1, 1)], Subsampling::S444),
];

#[test]
fn every_sampling_factor_shows_the_picture() {
    for (factors, subsampling) in UNUSUAL {
        for size in [(64_u16, 48_u16), (61, 45)] {
            let largest =
                factors.iter().fold((1, 1), |largest, (h, v)| (largest.0.max(*h), largest.1.max(*v)));
            // Values that depend on the position of a block in the picture, not on its sampling.
            let value = |component: usize, x: usize, y: usize| {
                let (h, v) = (
                    usize::from(largest.0 / factors[component].0),
                    usize::from(largest.1 / factors[component].1),
                );
                [100, 118, 138][component] + ((x * h / 4 + y * v / 4) % 2) as i32 * 12
            };
            let jpeg = flat_blocks(size, factors, value);
            let planes = decode_jpeg(&jpeg).unwrap_or_else(|error| panic!("{factors:?} {size:?}: {error}"));
            assert_eq!((planes.width(), planes.height()), (size.0.into(), size.1.into()));
            assert_eq!(planes.subsampling(), subsampling, "{factors:?}");
            let (h, v) = subsampling.factors();
            for (component, plane) in [planes.luma()].into_iter().chain(planes.chroma().unwrap()).enumerate()
            {
                let by = if component == 0 { (1, 1) } else { (h, v) };
                for (y, row) in plane.rows().enumerate() {
                    for (x, sample) in row.iter().enumerate() {
                        // The block that contains the centre of the sample.
                        let pixel = (x * by.0 + by.0 / 2, y * by.1 + by.1 / 2);
                        let side = |largest: u8, own: u8| 8 * usize::from(largest) / usize::from(own);
                        let block = (
                            pixel.0 / side(largest.0, factors[component].0),
                            pixel.1 / side(largest.1, factors[component].1),
                        );
                        let expected = value(component, block.0, block.1);
                        let off = (i32::from(*sample) - expected).abs();
                        assert!(
                            off <= 3,
                            "{factors:?} {size:?}, component {component} at {x} {y}: off by {off}"
                        );
                    }
                }
            }
        }
    }
}

/// libjpeg does not support samples of one and a half pixels, and neither do viewers based on it.
#[test]
fn fractional_sampling_is_reported_as_not_supported() {
    let jpeg = flat_blocks((64, 48), [(3, 1), (2, 1), (1, 1)], |_, _, _| 128);
    assert!(matches!(decode_jpeg(&jpeg), Err(DecodeError::Unsupported(_))), "{:?}", decode_jpeg(&jpeg));
}

/// A chroma sample of the file may cover more pixels than a chroma sample of the planes. If one of
/// these pixels is masked, the colour of all of them is removed.
#[test]
fn nothing_of_a_masked_pixel_is_left_in_a_picture_of_coarse_chroma() {
    let point = |x: f64, y: f64| NormalizedPoint { x: x / 64.0, y: y / 48.0 };
    // Only pixel 17, 13.
    let (left, upper, right, lower) = (17.2, 13.2, 17.8, 13.8);
    let corners = vec![point(left, upper), point(right, upper), point(right, lower), point(left, lower)];
    let mask = Polygon::new(corners).unwrap();
    for (factors, _) in UNUSUAL {
        let largest = factors.iter().fold((1, 1), |largest, (h, v)| (largest.0.max(*h), largest.1.max(*v)));
        let value = |component: usize, _, _| [100, 150, 160][component];
        let mut planes = decode_jpeg(&flat_blocks((64, 48), factors, value)).unwrap();
        paint(&mut planes, [&mask]);
        let (h, v) = planes.subsampling().factors();
        for (plane, own) in planes.chroma().unwrap().into_iter().zip(&factors[1..]) {
            // The pixels of the file's own sample.
            let size = (usize::from(largest.0.div_ceil(own.0)), usize::from(largest.1.div_ceil(own.1)));
            let (columns, rows) = (
                17 / size.0 * size.0..(17 / size.0 + 1) * size.0,
                13 / size.1 * size.1..(13 / size.1 + 1) * size.1,
            );
            for (x, y) in rows.flat_map(|y| columns.clone().map(move |x| (x, y))) {
                assert_eq!(plane.data[y / v * plane.stride + x / h], 128, "{factors:?} at {x} {y}");
            }
            assert!(
                plane.data.iter().filter(|sample| **sample == 128).count() < 40,
                "{factors:?}: other chroma remains"
            );
        }
    }
}
