//! Turns planes upright.

use super::planes::Shown;
use super::{Orientation, Plane, Planes, Subsampling};

/// The picture as it is to be shown.
///
/// The last chroma sample of a side that is no whole number of them covers pixels that are not there. Where such a side is
/// turned round, these pixels come first: each chroma sample is then made of the parts of the two that it covers, so that
/// colours stay where they are.
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
    let mut turned = Planes::in_buffer(width, height, subsampling, buffer);
    let (luma_stride, _) = turned.luma_size();
    let (chroma_width, _) = turned.chroma_size();
    let [y, cb, cr] = turned.split_mut();
    turn(planes.luma(), orientation, y, width as usize, luma_stride);
    let mut reach = planes.reach();
    if orientation.swaps_sides() {
        reach = (reach.1, reach.0);
    }
    if let Some(chroma) = planes.chroma() {
        let (h, v) = subsampling.factors();
        let (across, down) = (
            surplus(width, h, is_reversed_across(orientation)),
            surplus(height, v, is_reversed_down(orientation)),
        );
        for (from, to) in chroma.into_iter().zip([cb, cr]) {
            turn(from, orientation, to, chroma_width, chroma_width);
            if across > 0 {
                for row in to.chunks_exact_mut(chroma_width) {
                    shift(row, 1, across, h);
                }
            }
            if down > 0 {
                shift(to, chroma_width, down, v);
            }
        }
        reach = (reach.0 + usize::from(across > 0), reach.1 + usize::from(down > 0));
    }
    turned.set_reach(reach);
    turned.set_shown(turned_part(planes, orientation));
    turned.pad_luma();
    turned
}

/// Shown columns run from right to left, or from bottom to top, of what is stored.
fn is_reversed_across(orientation: Orientation) -> bool {
    matches!(orientation.number(), 2 | 3 | 6 | 7)
}

/// Shown rows run from bottom to top, or from right to left, of what is stored.
fn is_reversed_down(orientation: Orientation) -> bool {
    matches!(orientation.number(), 3 | 4 | 7 | 8)
}

/// By how many pixels the chroma samples of a side begin before it, if it is reversed.
fn surplus(side: u32, factor: usize, reversed: bool) -> usize {
    if reversed { (side as usize).next_multiple_of(factor) - side as usize } else { 0 }
}

/// Moves samples of `factor` pixels each, that begin `surplus` pixels early, to where they belong. The next sample of the same
/// line lies `step` further.
fn shift(samples: &mut [u8], step: usize, surplus: usize, factor: usize) {
    for at in 0..samples.len().saturating_sub(step) {
        let mixed = usize::from(samples[at]) * (factor - surplus) + usize::from(samples[at + step]) * surplus;
        samples[at] = ((mixed + factor / 2) / factor) as u8;
    }
}

/// Where the part of the planes that shows the picture lies when they are turned.
fn turned_part(planes: &Planes, orientation: Orientation) -> Shown {
    let part = planes.shown();
    let (mut across, mut down) = ((part.left, part.width), (part.top, part.height));
    let (mut width, mut height) = (8 * planes.width(), 8 * planes.height());
    if orientation.swaps_sides() {
        (across, down, width, height) = (down, across, height, width);
    }
    let start = |(start, len): (u32, u32), side: u32, reversed: bool| {
        if reversed { side - start - len } else { start }
    };
    Shown {
        left: start(across, width, is_reversed_across(orientation)),
        top: start(down, height, is_reversed_down(orientation)),
        width: across.1,
        height: down.1,
    }
}

fn turn(from: Plane<'_>, orientation: Orientation, to: &mut [u8], width: usize, stride: usize) {
    let (right, down) = (1_isize, from.stride as isize);
    let last_column = from.width as isize - 1;
    let last_row = (from.height as isize - 1) * down;
    // Where the first shown sample is stored, and the steps to the next column and row.
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
