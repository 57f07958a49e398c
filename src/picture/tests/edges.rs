//! Tests that an edge keeps its position, in luma and in colour, when a picture is rotated, scaled
//! or made into a rendition.

use turbojpeg::Subsamp;

use super::super::Orientation;
use super::formats::turbo;
use super::*;
use crate::domain::ChromaSubsampling;

/// The maximum movement of an edge, in pixels of the output.
const TOLERANCE: f64 = 0.4;
const SUBSAMPLINGS: [Subsamp; 6] =
    [Subsamp::None, Subsamp::Sub2x1, Subsamp::Sub2x2, Subsamp::Sub1x2, Subsamp::Sub4x1, Subsamp::Sub1x4];

/// Returns a picture of two colours with about the same luma, or of two greys: left and right of
/// `across`, above and below `down`.
fn picture(size: (u32, u32), across: Option<u32>, down: Option<u32>, colours: bool) -> Vec<u8> {
    let (one, other) = if colours { ([190, 80, 80], [60, 138, 110]) } else { ([70; 3], [180; 3]) };
    let row = |edge: u32| [one.repeat(edge as usize), other.repeat((size.0 - edge) as usize)].concat();
    let (upper, lower) = (row(size.0), row(across.unwrap_or(0)));
    let edge = down.unwrap_or(0);
    [upper.repeat(edge as usize), lower.repeat((size.1 - edge) as usize)].concat()
}

/// Returns the position of the edge in a plane, in samples: the part of a line on the first side.
fn edge_of(lines: &[Vec<f64>]) -> f64 {
    let len = lines[0].len();
    let mean: Vec<f64> = (0..len).map(|at| lines.iter().map(|line| line[at]).sum::<f64>()).collect();
    let (first, last) = (mean[0], mean[len - 1]);
    mean.iter().map(|value| (value - last) / (first - last)).sum()
}

/// Returns the position of the edge in the picture in pixels, along the rows or along the columns.
fn edge(planes: &Planes, colours: bool, along_rows: bool) -> f64 {
    // As in a viewer, each chroma sample is shown at all of its pixels.
    let whole = Codec::with_chroma(planes, PictureFormat::Jpeg, ChromaSubsampling::S444);
    let plane = if colours { whole.chroma().unwrap()[1] } else { whole.luma() };
    let rows: Vec<Vec<f64>> = plane.rows().map(|row| row.iter().map(|s| f64::from(*s)).collect()).collect();
    let columns = || (0..plane.width).map(|x| rows.iter().map(|row| row[x]).collect()).collect::<Vec<_>>();
    edge_of(&if along_rows { rows.clone() } else { columns() })
}

fn assert_edge(planes: &Planes, colours: bool, along_rows: bool, expected: f64, case: &str) {
    let found = edge(planes, colours, along_rows);
    assert!((found - expected).abs() <= TOLERANCE, "{case}: at {found:.2} instead of {expected:.2}");
}

/// Sides that are multiples of the block and chroma sample sizes, and sides that are not.
const SIZES: [(u32, u32); 5] = [(64, 48), (63, 47), (61, 50), (66, 45), (65, 49)];

#[test]
fn an_edge_stays_where_it_is_when_the_picture_is_rotated() {
    let mut codec = codec();
    for size in SIZES {
        for subsamp in SUBSAMPLINGS {
            for (across, down) in [(Some(24), None), (None, Some(16))] {
                let rgb = picture(size, across, down, true);
                let jpeg = turbo(&rgb, size.0, size.1, |c| c.set_subsamp(subsamp).unwrap());
                for orientation in (1..=8).filter_map(Orientation::new) {
                    let planes = decode_jpeg(&jpeg).unwrap();
                    let (first, len) = if across.is_some() { (24, size.0) } else { (16, size.1) };
                    let turned = codec.upright(planes, orientation);
                    // A stored row is shown as a row, unless the sides are swapped.
                    let along_rows = across.is_some() != orientation.swaps_sides();
                    let number = orientation.number();
                    let is_reversed = match (along_rows, number) {
                        (true, 2 | 3 | 6 | 7) | (false, 3 | 4 | 7 | 8) => true,
                        (true | false, _) => false,
                    };
                    let expected = if is_reversed { len - first } else { first };
                    let case = format!("{size:?} {subsamp:?}, orientation {number}, along rows {along_rows}");
                    assert_edge(&turned, true, along_rows, f64::from(expected), &case);
                }
            }
        }
    }
}

#[test]
fn an_edge_stays_where_it_is_when_the_picture_is_scaled() {
    let mut codec = codec();
    for size in [(320_u32, 240_u32), (321, 239), (322, 243)] {
        for subsamp in [Subsamp::None, Subsamp::Sub2x1, Subsamp::Sub2x2, Subsamp::Sub4x1, Subsamp::Sub1x4] {
            for colours in [true, false] {
                for along_rows in [true, false] {
                    let at = (size.0 * 3 / 4 / 16 * 16, size.1 * 3 / 4 / 16 * 16);
                    let rgb =
                        picture(size, along_rows.then_some(at.0), (!along_rows).then_some(at.1), colours);
                    let jpeg = turbo(&rgb, size.0, size.1, |c| c.set_subsamp(subsamp).unwrap());
                    let planes = decode_jpeg(&jpeg).unwrap();
                    for to in [(81, 61), (80, 60), (17, 13), (160, 121), (301, 33), (3, 3)] {
                        let share = if along_rows {
                            f64::from(at.0) / f64::from(size.0) * f64::from(to.0)
                        } else {
                            f64::from(at.1) / f64::from(size.1) * f64::from(to.1)
                        };
                        for chroma in
                            [ChromaSubsampling::Auto, ChromaSubsampling::S444, ChromaSubsampling::S422]
                        {
                            let small = codec.scale_for(&planes, to.0, to.1, chroma).unwrap();
                            let case =
                                format!("{size:?} {subsamp:?} to {to:?} {chroma:?}, colours {colours}");
                            // The position within a partial edge sample is known from its mean
                            // only.
                            let ends = (1.0..=f64::from(if along_rows { to.0 } else { to.1 }) - 2.0)
                                .contains(&share);
                            if ends {
                                assert_edge(&small, colours, along_rows, share, &case);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A rendition is scaled while it is decoded, rotated, and then scaled to its final size.
#[test]
fn an_edge_stays_where_it_is_in_a_rendition() {
    let mut codec = codec();
    for size in [(321_u32, 241_u32), (320, 240), (327, 246), (315, 235)] {
        for subsamp in [Subsamp::None, Subsamp::Sub2x1, Subsamp::Sub2x2, Subsamp::Sub4x1] {
            for colours in [true, false] {
                let at = size.0 * 3 / 4 / 16 * 16;
                let rgb = picture(size, Some(at), None, colours);
                let jpeg = turbo(&rgb, size.0, size.1, |c| c.set_subsamp(subsamp).unwrap());
                let source = encoded(PictureFormat::Jpeg, &jpeg);
                for number in [1, 2, 3, 6, 8] {
                    let orientation = Orientation::new(number).unwrap();
                    for wanted in [(40, 30), (39, 29), (80, 60), (81, 61), (160, 120), (17, 13)] {
                        let planes = codec.decode_at_least(&source, wanted.0, wanted.1).unwrap();
                        let planes = codec.upright(planes, orientation);
                        let to = orientation.shown_size(wanted.0, wanted.1);
                        let small = codec.scale(&planes, to.0, to.1).unwrap();
                        let share = f64::from(at) / f64::from(size.0) * f64::from(wanted.0);
                        let is_reversed = matches!(number, 2 | 3 | 8);
                        let expected = if is_reversed { f64::from(wanted.0) - share } else { share };
                        let case = format!("{size:?} {subsamp:?} to {wanted:?}, {number}, colours {colours}");
                        assert_edge(&small, colours, !orientation.swaps_sides(), expected, &case);
                    }
                }
            }
        }
    }
}

#[test]
fn an_edge_stays_where_it_is_in_a_thumbnail_and_in_every_format() {
    let mut codec = codec();
    let size = (641, 479);
    for colours in [true, false] {
        let rgb = picture(size, Some(480), None, colours);
        let jpeg = turbo(&rgb, size.0, size.1, |c| c.set_subsamp(Subsamp::Sub2x2).unwrap());
        let planes = decode_jpeg(&jpeg).unwrap();
        for side in [127, 128, 65, 33] {
            let thumbnail = codec.thumbnail(&planes, side, 90).unwrap();
            let expected = f64::from(480 * side) / f64::from(size.0);
            assert_edge(
                &decode_jpeg(&thumbnail).unwrap(),
                colours,
                true,
                expected,
                &format!("thumbnail {side}"),
            );
        }
        let small = codec.scale(&planes, 81, 61).unwrap();
        for format in [
            crate::domain::OutputFormat::Jpeg,
            crate::domain::OutputFormat::Png,
            crate::domain::OutputFormat::WebP,
            crate::domain::OutputFormat::WebPLossless,
        ] {
            let bytes = codec.encode(&small, format, 90).unwrap();
            let again = codec.decode(&encoded(format.picture_format(), &bytes)).unwrap();
            let expected = 480.0 / f64::from(size.0) * 81.0;
            assert_edge(&again, colours, true, expected, &format!("{format:?}, colours {colours}"));
        }
    }
}
