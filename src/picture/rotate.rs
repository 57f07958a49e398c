//! Rotates and mirrors planes so that they are stored upright.

use super::planes::VisibleArea;
use super::{Orientation, Plane, Planes, Subsampling};

/// Returns the picture as it is shown.
///
/// If a side is not a multiple of the chroma sample size, the last chroma sample also covers pixels
/// outside the picture. When such a side is reversed, these pixels come first. Each chroma sample
/// is then mixed from the two samples that it covers, so that colours keep their place.
pub(super) fn upright(planes: &Planes, orientation: Orientation, buffer: Vec<u8>) -> Planes {
    let (mut width, mut height, mut subsampling) = (planes.width(), planes.height(), planes.subsampling());
    if orientation.swaps_sides() {
        (width, height) = (height, width);
        subsampling = match subsampling {
            Subsampling::S422 => Subsampling::S440,
            Subsampling::S440 => Subsampling::S422,
            Subsampling::S411 => Subsampling::S441,
            Subsampling::S441 => Subsampling::S411,
            same @ (Subsampling::Gray | Subsampling::S444 | Subsampling::S420) => same,
        };
    }
    let mut rotated = Planes::in_buffer(width, height, subsampling, buffer);
    let (luma_stride, _) = rotated.luma_size();
    let (chroma_width, _) = rotated.chroma_size();
    let [y, cb, cr] = rotated.split_mut();
    rotate_plane(planes.luma(), orientation, y, width as usize, luma_stride);
    let mut spread = planes.chroma_spread();
    if orientation.swaps_sides() {
        spread = (spread.1, spread.0);
    }
    if let Some(chroma) = planes.chroma() {
        let (h, v) = subsampling.factors();
        let (across, down) = (
            surplus(width, h, is_reversed_across(orientation)),
            surplus(height, v, is_reversed_down(orientation)),
        );
        for (from, to) in chroma.into_iter().zip([cb, cr]) {
            rotate_plane(from, orientation, to, chroma_width, chroma_width);
            if across > 0 {
                for row in to.chunks_exact_mut(chroma_width) {
                    shift(row, 1, across, h);
                }
            }
            if down > 0 {
                shift(to, chroma_width, down, v);
            }
        }
        spread = (spread.0 + usize::from(across > 0), spread.1 + usize::from(down > 0));
    }
    rotated.set_chroma_spread(spread);
    rotated.set_visible_area(rotated_area(planes, orientation));
    rotated.pad_luma();
    rotated
}

/// Reports whether the shown columns, from left to right, are stored from right to left or from
/// bottom to top.
fn is_reversed_across(orientation: Orientation) -> bool {
    matches!(orientation.number(), 2 | 3 | 6 | 7)
}

/// Reports whether the shown rows, from top to bottom, are stored from bottom to top or from right
/// to left.
fn is_reversed_down(orientation: Orientation) -> bool {
    matches!(orientation.number(), 3 | 4 | 7 | 8)
}

/// Returns the number of pixels by which the chroma samples of a reversed side begin before the
/// picture does.
fn surplus(side: u32, factor: usize, reversed: bool) -> usize {
    if reversed { (side as usize).next_multiple_of(factor) - side as usize } else { 0 }
}

/// Corrects samples of `factor` pixels each that begin `surplus` pixels too early. The next sample
/// of the same line is `step` samples further.
fn shift(samples: &mut [u8], step: usize, surplus: usize, factor: usize) {
    for at in 0..samples.len().saturating_sub(step) {
        let mixed = usize::from(samples[at]) * (factor - surplus) + usize::from(samples[at + step]) * surplus;
        samples[at] = ((mixed + factor / 2) / factor) as u8;
    }
}

/// Returns the visible area of the planes after the rotation.
fn rotated_area(planes: &Planes, orientation: Orientation) -> VisibleArea {
    let part = planes.visible_area();
    let (mut across, mut down) = ((part.left, part.width), (part.top, part.height));
    let (mut width, mut height) = (8 * planes.width(), 8 * planes.height());
    if orientation.swaps_sides() {
        (across, down, width, height) = (down, across, height, width);
    }
    let start = |(start, len): (u32, u32), side: u32, reversed: bool| {
        if reversed { side - start - len } else { start }
    };
    VisibleArea {
        left: start(across, width, is_reversed_across(orientation)),
        top: start(down, height, is_reversed_down(orientation)),
        width: across.1,
        height: down.1,
    }
}

fn rotate_plane(from: Plane<'_>, orientation: Orientation, to: &mut [u8], width: usize, stride: usize) {
    let (right, down) = (1_isize, from.stride as isize);
    let last_column = from.width as isize - 1;
    let last_row = (from.height as isize - 1) * down;
    // The index of the first shown sample, and the steps to the next column and row.
    let (start, column, row) = match orientation.number() {
        2 => (last_column, -right, down),
        3 => (last_row + last_column, -right, -down),
        4 => (last_row, right, -down),
        5 => (0, down, right),
        6 => (last_row, -down, right),
        7 => (last_row + last_column, -down, -right),
        8 => (last_column, down, -right),
        _ => (0, right, down),
    };
    let rows = if orientation.swaps_sides() { from.width } else { from.height };
    for (line, to) in to.chunks_exact_mut(stride).take(rows).enumerate() {
        let mut at = start + line as isize * row;
        for sample in &mut to[..width] {
            *sample = from.data[at as usize];
            at += column;
        }
    }
}
