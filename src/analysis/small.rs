//! The small plane, on which the frames of a stream are compared.

use super::area::area_average;
use super::{AnalysisPlane, Samples};

/// The width of a small plane.
pub const SMALL_WIDTH: usize = 160;
/// The height of a small plane.
pub const SMALL_HEIGHT: usize = 90;
/// The number of samples of a small plane.
pub(super) const SMALL_PIXELS: usize = SMALL_WIDTH * SMALL_HEIGHT;

/// A luma plane of 160 x 90 samples, regardless of the picture's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmallPlane(Box<[u8; SMALL_PIXELS]>);

impl SmallPlane {
    /// Averages an analysis plane to 160 x 90. Pictures of other shapes are stretched, so that
    /// fractions of the picture stay fractions of the plane. If a side has fewer samples, they are
    /// repeated.
    #[must_use]
    pub fn of(plane: &AnalysisPlane) -> Self {
        let mut small = Box::new([0; SMALL_PIXELS]);
        let (width, height) = (plane.width(), plane.height());
        let samples = Samples { data: plane.samples(), width, height, stride: width };
        let to = (SMALL_WIDTH.min(width), SMALL_HEIGHT.min(height));
        if to == (SMALL_WIDTH, SMALL_HEIGHT) {
            area_average(samples, to, small.as_mut_slice());
            return Self(small);
        }
        let mut fewer = vec![0; to.0 * to.1];
        area_average(samples, to, &mut fewer);
        for (y, row) in small.chunks_exact_mut(SMALL_WIDTH).enumerate() {
            let from = &fewer[y * to.1 / SMALL_HEIGHT * to.0..][..to.0];
            for (x, sample) in row.iter_mut().enumerate() {
                *sample = from[x * to.0 / SMALL_WIDTH];
            }
        }
        Self(small)
    }

    /// Returns the samples, rows from top to bottom.
    pub(super) fn samples(&self) -> &[u8; SMALL_PIXELS] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::analysis_plane;
    use super::*;

    #[test]
    fn blocks_of_sixteen_become_their_mean() {
        let luma: Vec<u8> = (0..640 * 360).map(|i| (i * 7919 % 65_521 % 256) as u8).collect();
        let small = SmallPlane::of(&analysis_plane(&luma, 640, 360, 640));
        for (x, y) in [(0, 0), (159, 89), (77, 31)] {
            let block = (0..4).flat_map(|row| &luma[(4 * y + row) * 640 + 4 * x..][..4]);
            let mean = block.map(|sample| f64::from(*sample)).sum::<f64>() / 16.0;
            assert!((f64::from(small.samples()[y * SMALL_WIDTH + x]) - mean).abs() <= 0.5, "{x},{y}");
        }
    }

    #[test]
    fn every_shape_is_stretched() {
        for (width, height) in [(1, 1), (2, 300), (300, 2), (100, 50), (640, 640), (90, 640)] {
            // Left half dark, right half bright (one column is all dark).
            let row = (0..width).map(|x| if 2 * x >= width.max(2) { 200 } else { 10 });
            let luma: Vec<u8> = (0..height).flat_map(|_| row.clone()).collect();
            let small = SmallPlane::of(&analysis_plane(&luma, width, height, width));
            for row in small.samples().chunks_exact(SMALL_WIDTH) {
                assert_eq!((row[0], row[70]), (10, 10), "{width}x{height}");
                assert_eq!((row[90], row[159]), if width == 1 { (10, 10) } else { (200, 200) });
            }
        }
    }
}
