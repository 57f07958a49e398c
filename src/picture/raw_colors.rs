//! Converts raw luma and chroma of other ranges and matrices to the range and the matrix of JPEG,
//! which planes have.

use super::Planes;
use crate::domain::{ColorMatrix, ColorRange, RawColors};

/// Returns the weights of red and blue in luma (ITU-T H.273, table 4).
fn weights(matrix: ColorMatrix) -> (f64, f64) {
    match matrix {
        ColorMatrix::Bt601 => (0.299, 0.114),
        ColorMatrix::Bt709 => (0.2126, 0.0722),
        ColorMatrix::Bt2020 => (0.2627, 0.0593),
    }
}

/// The fractional bits of fixed-point numbers.
const BITS: u32 = 16;

/// Converts raw colours to those of JPEG, in place. Values outside the range are clamped.
pub(super) fn to_jpeg(planes: &mut Planes, colors: RawColors) {
    if colors == RawColors::default() {
        return;
    }
    let (black, luma_scale, chroma_scale) = match colors.range {
        ColorRange::Full => (0.0, 1.0, 1.0),
        ColorRange::Limited => (16.0, 255.0 / 219.0, 255.0 / 224.0),
    };
    let luma: Vec<i32> = (0..256).map(|value| fixed((f64::from(value) - black) * luma_scale)).collect();
    let Some(sizes) = planes.chroma().map(|[cb, _]| (cb.width, cb.height)) else {
        for sample in planes.samples_mut() {
            *sample = whole(luma[usize::from(*sample)]);
        }
        return;
    };
    let mix = mix(colors.matrix).map(|row| row.map(|part| fixed(part * chroma_scale)));
    let (h, v) = planes.subsampling().factors();
    let (stride, _) = planes.luma_size();
    let [y, cb, cr] = planes.split_mut();
    for row in 0..sizes.1 {
        for column in 0..sizes.0 {
            let at = row * sizes.0 + column;
            let (blue, red) = (i32::from(cb[at]) - 128, i32::from(cr[at]) - 128);
            let [shift, new_blue, new_red] =
                mix.map(|[from_blue, from_red]| from_blue * blue + from_red * red);
            for line in 0..v {
                let start = (row * v + line) * stride + column * h;
                for sample in &mut y[start..start + h] {
                    *sample = whole(luma[usize::from(*sample)] + shift);
                }
            }
            cb[at] = whole(new_blue + fixed(128.0));
            cr[at] = whole(new_red + fixed(128.0));
        }
    }
}

/// Returns the weights with which Cb and Cr of this matrix contribute to JPEG's luma, Cb and Cr.
fn mix(matrix: ColorMatrix) -> [[f64; 2]; 3] {
    let (red, blue) = weights(matrix);
    let (to_red, to_blue) = weights(ColorMatrix::Bt601);
    // The change of red, green and blue for a step of Cb, and for a step of Cr.
    let steps = [
        [0.0, -2.0 * (1.0 - blue) * blue / (1.0 - red - blue), 2.0 * (1.0 - blue)],
        [2.0 * (1.0 - red), -2.0 * (1.0 - red) * red / (1.0 - red - blue), 0.0],
    ];
    let luma = steps.map(|[r, g, b]| to_red * r + (1.0 - to_red - to_blue) * g + to_blue * b);
    let part =
        |step: usize, color: usize, weight: f64| (steps[step][color] - luma[step]) / (2.0 * (1.0 - weight));
    [luma, [part(0, 2, to_blue), part(1, 2, to_blue)], [part(0, 0, to_red), part(1, 0, to_red)]]
}

fn fixed(value: f64) -> i32 {
    (value * f64::from(1_u32 << BITS)).round() as i32
}

fn whole(value: i32) -> u8 {
    ((value + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8
}
