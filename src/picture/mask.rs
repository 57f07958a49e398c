//! Privacy masks: paints over regions in the planes, so that nothing of them can be measured,
//! encoded or recovered.

use std::ops::Range;

use super::Planes;
use crate::domain::Polygon;

/// Black, in every format.
const LUMA: u8 = 0;
const CHROMA: u8 = 128;
/// The tolerance for rounding errors, in pixels.
const SLACK: f64 = 1e-6;

/// Paints over the regions: each pixel that a region touches, even slightly, and each chroma sample
/// that contains colour of such a pixel.
pub fn paint<'a>(planes: &mut Planes, masks: impl IntoIterator<Item = &'a Polygon>) {
    let (width, height) = (planes.width() as usize, planes.height() as usize);
    let (h, v) = planes.subsampling().factors();
    let (stride, _) = planes.luma_size();
    let (chroma_width, chroma_height) = planes.chroma_size();
    // Further chroma samples may contain colour of the pixel: see `Planes::chroma_spread`.
    let (across, down) = planes.chroma_spread();
    for mask in masks {
        for (row, columns) in touched(mask, width, height) {
            let [luma, cb, cr] = planes.split_mut();
            luma[row * stride + columns.start..row * stride + columns.end].fill(LUMA);
            if !cb.is_empty() {
                let columns = (columns.start / h).saturating_sub(across)
                    ..((columns.end - 1) / h + across + 1).min(chroma_width);
                let rows = (row / v).saturating_sub(down)..(row / v + down + 1).min(chroma_height);
                for row in rows {
                    let columns = row * chroma_width + columns.start..row * chroma_width + columns.end;
                    cb[columns.clone()].fill(CHROMA);
                    cr[columns].fill(CHROMA);
                }
            }
        }
    }
    planes.pad_luma();
}

/// Returns the pixels that a polygon touches: those that an edge crosses, and those with a centre
/// inside. The result is a list of runs within rows; runs may overlap.
fn touched(polygon: &Polygon, width: usize, height: usize) -> Vec<(usize, Range<usize>)> {
    let mut runs = polygon.runs(width, height);
    let points = polygon.points();
    let place = |index: usize| {
        let point = points[index % points.len()];
        (point.x * width as f64, point.y * height as f64)
    };
    for index in 0..points.len() {
        let (a, b) = (place(index), place(index + 1));
        let (upper, lower) = if a.1 <= b.1 { (a, b) } else { (b, a) };
        for row in pixels(upper.1, lower.1, height) {
            // The column of the edge at a height within this row.
            let at = |y: f64| {
                let share = (y.clamp(upper.1, lower.1) - upper.1) / (lower.1 - upper.1);
                upper.0 + share * (lower.0 - upper.0)
            };
            let (one, other) = if lower.1 - upper.1 < SLACK {
                (upper.0, lower.0)
            } else {
                (at(row as f64 - SLACK), at(row as f64 + 1.0 + SLACK))
            };
            runs.push((row, pixels(one.min(other), one.max(other), width)));
        }
    }
    runs.retain(|(_, columns)| !columns.is_empty());
    runs
}

/// Returns the pixels along a side that the interval from `from` to `to` touches.
fn pixels(from: f64, to: f64, side: usize) -> Range<usize> {
    let first = ((from - SLACK).floor().max(0.0) as usize).min(side);
    let end = ((to + SLACK).floor().max(0.0) as usize + 1).min(side);
    first..end
}
