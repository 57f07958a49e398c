//! Tests that raw luma and chroma of each range and matrix are converted to the original colours.

use super::*;
use crate::domain::{ColorMatrix, ColorRange, OutputFormat, RawColors};

const COLORS: [[f64; 3]; 7] = [
    [0.0, 0.0, 0.0],
    [255.0, 255.0, 255.0],
    [128.0, 128.0, 128.0],
    [200.0, 60.0, 40.0],
    [30.0, 180.0, 60.0],
    [40.0, 70.0, 210.0],
    [220.0, 200.0, 30.0],
];

/// Returns Y, Cb and Cr of a colour as defined by ITU-T H.273.
fn ycbcr([r, g, b]: [f64; 3], colors: RawColors) -> [f64; 3] {
    let (red, blue) = match colors.matrix {
        ColorMatrix::Bt601 => (0.299, 0.114),
        ColorMatrix::Bt709 => (0.2126, 0.0722),
        ColorMatrix::Bt2020 => (0.2627, 0.0593),
    };
    let y = red * r + (1.0 - red - blue) * g + blue * b;
    let (cb, cr) = ((b - y) / (2.0 * (1.0 - blue)), (r - y) / (2.0 * (1.0 - red)));
    match colors.range {
        ColorRange::Full => [y, 128.0 + cb, 128.0 + cr],
        ColorRange::Limited => {
            [16.0 + y * 219.0 / 255.0, 128.0 + cb * 224.0 / 255.0, 128.0 + cr * 224.0 / 255.0]
        }
    }
}

fn all() -> impl Iterator<Item = RawColors> {
    let ranges = [ColorRange::Full, ColorRange::Limited];
    let matrices = [ColorMatrix::Bt601, ColorMatrix::Bt709, ColorMatrix::Bt2020];
    ranges.into_iter().flat_map(move |range| matrices.map(|matrix| RawColors { range, matrix }))
}

fn decode(format: PictureFormat, size: (u32, u32), colors: RawColors, data: &[u8]) -> Planes {
    codec().decode(&SourcePicture { colors, ..raw(format, size.0, size.1, 0, data) }).unwrap()
}

#[test]
fn every_range_and_matrix_shows_the_same_colours() {
    for color in COLORS {
        let expected = ycbcr(color, RawColors::default());
        for colors in all() {
            let [y, cb, cr] = ycbcr(color, colors).map(|value| value.round() as u8);
            for (width, height) in [(4_usize, 4_usize), (5, 3), (1, 1)] {
                let luma = vec![y; width * height];
                let chroma = width.div_ceil(2) * height.div_ceil(2);
                let i420 = [&luma[..], &vec![cb; chroma], &vec![cr; chroma]].concat();
                let nv12 = [&luma[..], &[cb, cr].repeat(chroma)].concat();
                for (format, data) in [(PictureFormat::I420, &i420), (PictureFormat::Nv12, &nv12)] {
                    let planes = decode(format, (width as u32, height as u32), colors, data);
                    let samples =
                        |plane: super::super::Plane<'_>| plane.rows().flatten().copied().collect::<Vec<u8>>();
                    let [blue, red] = planes.chroma().unwrap().map(samples);
                    for (found, expected) in [samples(planes.luma()), blue, red].into_iter().zip(expected) {
                        let largest =
                            found.iter().map(|one| (f64::from(*one) - expected).abs()).fold(0.0, f64::max);
                        assert!(
                            largest <= 2.0,
                            "{color:?} {format} {colors:?} {width}x{height}: off by {largest:.1}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn grey_of_limited_range_is_stretched_and_jpegs_own_range_is_not_touched() {
    let levels: Vec<u8> = (0..=255).collect();
    let limited = RawColors { range: ColorRange::Limited, ..RawColors::default() };
    let planes = decode(PictureFormat::Gray8, (256, 1), limited, &levels);
    let row: Vec<u8> = planes.luma().rows().flatten().copied().collect();
    assert_eq!((row[0], row[16], row[126], row[235], row[255]), (0, 0, 128, 255, 255));
    assert!(row.is_sorted());
    let full = decode(PictureFormat::Gray8, (256, 1), RawColors::default(), &levels);
    assert!(full.luma().rows().flatten().eq(&levels));
}

#[test]
fn pixels_of_a_video_decoder_have_the_contrast_of_the_scene() {
    let color = [235.0, 235.0, 235.0];
    let limited = RawColors { range: ColorRange::Limited, matrix: ColorMatrix::Bt709 };
    let [y, cb, cr] = ycbcr(color, limited).map(|value| value.round() as u8);
    let data = [&[y; 16][..], &[cb; 4], &[cr; 4]].concat();
    let right = decode(PictureFormat::I420, (4, 4), limited, &data);
    let washed_out = decode(PictureFormat::I420, (4, 4), RawColors::default(), &data);
    assert_eq!(right.luma().data[0], 235);
    assert!(washed_out.luma().data[0] < 220);
    assert!(codec().encode(&right, OutputFormat::Png, 0).is_ok());
}
