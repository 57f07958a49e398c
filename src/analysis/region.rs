//! Measures the regions of interest of one picture.

use std::ops::Range;

use super::AnalysisPlane;
use super::quality::variance;
use super::small::{SMALL_HEIGHT, SMALL_WIDTH};
use crate::domain::Roi;

/// The measures of a region in one picture, and its samples of the small plane.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// The region of interest.
    pub roi: Roi,
    /// Mean luma and RMS contrast on the analysis plane; `None` if the region contains no pixel's
    /// centre.
    pub luma: Option<(f64, f64)>,
    /// The region's samples of the small plane, as ranges of indices.
    pub(super) runs: Vec<Range<usize>>,
}

impl Region {
    /// Measures a region in one picture.
    #[must_use]
    pub fn of(roi: &Roi, plane: &AnalysisPlane) -> Self {
        let (mut count, mut sum, mut squares) = (0, 0_u64, 0_u64);
        for (row, columns) in roi.polygon.runs(plane.width(), plane.height()) {
            let run = &plane.samples()[row * plane.width()..][columns];
            count += run.len();
            sum += u64::from(run.iter().map(|s| u32::from(*s)).sum::<u32>());
            squares += u64::from(run.iter().map(|s| u32::from(*s) * u32::from(*s)).sum::<u32>());
        }
        let luma = (count > 0).then(|| {
            let (mean, variance) = variance(count, sum as f64, squares as f64);
            (mean, variance.sqrt())
        });
        let runs = roi.polygon.runs(SMALL_WIDTH, SMALL_HEIGHT).into_iter();
        let runs = runs.map(|(row, x)| row * SMALL_WIDTH + x.start..row * SMALL_WIDTH + x.end).collect();
        Self { roi: roi.clone(), luma, runs }
    }
}
