//! Converts chroma planes to another subsampling.

use std::borrow::Cow;

use super::{Plane, Planes, Subsampling};

/// 4:2:0 is not sufficient if more than one in this many pixels changes its colour by more than
/// [`VISIBLE`], as in coloured text.
const PIXELS_PER_VISIBLE: usize = 1_000;
/// The squared distance in Cb and Cr (20 of 255) that is visible in a single pixel.
const VISIBLE: u32 = 400;
/// 4:2:0 is also not sufficient if the mean squared distance is larger than this, as in the false
/// colours of a thermal camera. The noise of a camera in bad light causes 20 to 30.
const MAX_MEAN_SQUARE: u64 = 40;

/// Returns the picture with another subsampling: samples are averaged or repeated. A grey picture
/// stays grey.
pub(super) fn with_subsampling(planes: &Planes, subsampling: Subsampling) -> Cow<'_, Planes> {
    let Some(chroma) = planes.chroma().filter(|_| planes.subsampling() != subsampling) else {
        return Cow::Borrowed(planes);
    };
    let (from, to) = (planes.subsampling().factors(), subsampling.factors());
    let mut made = Planes::in_buffer(planes.width(), planes.height(), subsampling, Vec::new());
    let (luma_stride, _) = made.luma_size();
    let (width, _) = made.chroma_size();
    let [y, cb, cr] = made.split_mut();
    for (row, target) in planes.luma().rows().zip(y.chunks_exact_mut(luma_stride)) {
        target[..row.len()].copy_from_slice(row);
    }
    for (plane, target) in chroma.into_iter().zip([cb, cr]) {
        for (row, target) in target.chunks_exact_mut(width).enumerate() {
            let rows = covered(row, from.1, to.1, plane.height);
            for (column, target) in target.iter_mut().enumerate() {
                let columns = covered(column, from.0, to.0, plane.width);
                *target = mean(plane, columns, rows.clone());
            }
        }
    }
    let (across, down) = planes.chroma_spread();
    made.set_chroma_spread(((across * from.0).div_ceil(to.0), (down * from.1).div_ceil(to.1)));
    made.set_visible_area(planes.visible_area());
    made.pad_luma();
    Cow::Owned(made)
}

/// Returns the indices of the source samples that overlap the target sample with index `sample`.
/// There are `samples` source samples of `from` pixels each; a target sample has `to` pixels.
fn covered(sample: usize, from: usize, to: usize, samples: usize) -> std::ops::Range<usize> {
    let first = sample * to / from;
    first..((sample + 1) * to).div_ceil(from).min(samples)
}

fn mean(plane: Plane<'_>, columns: std::ops::Range<usize>, rows: std::ops::Range<usize>) -> u8 {
    let count = (columns.len() * rows.len()) as u32;
    let sum: u32 = rows
        .map(|row| &plane.data[row * plane.stride..][..plane.width])
        .flat_map(|row| &row[columns.clone()])
        .map(|sample| u32::from(*sample))
        .sum();
    ((sum + count / 2) / count) as u8
}

/// Reports whether a 4:4:4 picture looks the same in 4:2:0.
pub(super) fn is_fine_in_420(planes: &Planes) -> bool {
    let (Some([cb, cr]), Subsampling::S444) = (planes.chroma(), planes.subsampling()) else { return true };
    let (mut visible, mut squares) = (0, 0_u64);
    let width = planes.width() as usize;
    // The second of two rows; a last single row is paired with itself.
    let second = |rows: &[u8]| if rows.len() > width { width..2 * width } else { 0..width };
    for (cb, cr) in cb.data.chunks(2 * cb.stride).zip(cr.data.chunks(2 * cr.stride)) {
        let (below_cb, below_cr) = (&cb[second(cb)], &cr[second(cr)]);
        let pairs = cb[..width].chunks_exact(2).zip(below_cb.chunks_exact(2));
        let other_pairs = cr[..width].chunks_exact(2).zip(below_cr.chunks_exact(2));
        for ((cb, below_cb), (cr, below_cr)) in pairs.zip(other_pairs) {
            let blue = [cb[0], cb[1], below_cb[0], below_cb[1]].map(u32::from);
            let red = [cr[0], cr[1], below_cr[0], below_cr[1]].map(u32::from);
            let (mean_blue, mean_red): (u32, u32) = (blue.iter().sum(), red.iter().sum());
            for (blue, red) in blue.into_iter().zip(red) {
                // Multiplied by 16, so that no mean is rounded.
                let distance = (4 * blue).abs_diff(mean_blue).pow(2) + (4 * red).abs_diff(mean_red).pow(2);
                visible += usize::from(distance > 16 * VISIBLE);
                squares += u64::from(distance);
            }
        }
    }
    let pixels = planes.width() as usize * planes.height() as usize;
    visible * PIXELS_PER_VISIBLE <= pixels && squares <= 16 * MAX_MEAN_SQUARE * pixels as u64
}
