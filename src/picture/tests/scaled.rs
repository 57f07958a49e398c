//! Tests JPEGs that are scaled while they are decoded: planes have the right size, shape and
//! colours.

use turbojpeg::Subsamp;

use super::super::{Plane, Subsampling};
use super::formats::{gradient, turbo};
use super::*;

const SUBSAMPLINGS: [(Subsamp, Subsampling); 7] = [
    (Subsamp::Gray, Subsampling::Gray),
    (Subsamp::None, Subsampling::S444),
    (Subsamp::Sub2x1, Subsampling::S422),
    (Subsamp::Sub2x2, Subsampling::S420),
    (Subsamp::Sub1x2, Subsampling::S440),
    (Subsamp::Sub4x1, Subsampling::S411),
    (Subsamp::Sub1x4, Subsampling::S441),
];

fn scaled(jpeg: &[u8], width: u32, height: u32) -> Planes {
    codec().decode_at_least(&encoded(PictureFormat::Jpeg, jpeg), width, height).unwrap()
}

/// Returns the maximum difference between a plane and the gradient that it shows, at any scale.
fn max_difference(plane: Plane<'_>, whole: Plane<'_>) -> u8 {
    let rows: Vec<&[u8]> = whole.rows().collect();
    let at = |index: usize, side: usize, whole: usize| ((2 * index + 1) * whole / (2 * side)).min(whole - 1);
    let differences = plane.rows().enumerate().flat_map(|(y, row)| {
        let whole_row = rows[at(y, plane.height, rows.len())];
        row.iter()
            .enumerate()
            .map(move |(x, sample)| sample.abs_diff(whole_row[at(x, plane.width, whole_row.len())]))
    });
    differences.max().unwrap()
}

#[test]
fn scaling_keeps_the_subsampling() {
    for (width, height) in [(320_u32, 240_u32), (319, 237), (240, 321)] {
        let rgb = gradient(width, height);
        for (subsamp, subsampling) in SUBSAMPLINGS {
            for progressive in [false, true] {
                let jpeg = turbo(&rgb, width, height, |c| {
                    c.set_subsamp(subsamp).unwrap();
                    c.set_progressive(progressive).unwrap();
                });
                let whole = decode_jpeg(&jpeg).unwrap();
                for (part, scaled_by) in [(8, 8), (5, 4), (4, 4), (3, 2), (2, 2)] {
                    let wanted = (width / part, height / part);
                    let planes = scaled(&jpeg, wanted.0, wanted.1);
                    let case = format!("{width} x {height}, {subsamp:?}, {progressive}, {wanted:?}");
                    let size = (planes.width(), planes.height());
                    let smallest = (width.div_ceil(scaled_by), height.div_ceil(scaled_by));
                    // A picture in 4:1:1 is scaled only if the rows of the result end within a block.
                    let allowed = [smallest, (width.div_ceil(scaled_by / 2), height.div_ceil(scaled_by / 2))];
                    let rare = subsampling == Subsampling::S411;
                    assert!(size == smallest || rare && allowed.contains(&size), "{case}: {size:?}");
                    assert_eq!(planes.subsampling(), subsampling, "{case}");
                    // One step to the next sample, and errors of the scaler at edges and of the
                    // encoder.
                    let tolerance = 24;
                    assert!(max_difference(planes.luma(), whole.luma()) <= tolerance, "{case}");
                    if let (Some(small), Some(large)) = (planes.chroma(), whole.chroma()) {
                        assert!(
                            max_difference(small[0], large[0]) <= tolerance
                                && max_difference(small[1], large[1]) <= tolerance,
                            "{case}"
                        );
                    }
                    let mut padded = planes.clone();
                    padded.pad_luma();
                    assert_eq!(padded, planes, "{case}: the padding repeats the last samples");
                }
            }
        }
    }
}

#[test]
fn a_picture_needed_at_full_size_is_decoded_at_full_size() {
    for (width, height) in [(16, 16), (17, 23), (64, 36), (321, 179)] {
        let jpeg = road_jpeg(width, height);
        let whole = decode_jpeg(&jpeg).unwrap();
        // More than half of the size needs the next larger scale.
        let half = (width / 2 + 1, height / 2 + 1);
        for wanted in [(width, 0), (0, height), (width, height), half, (u32::MAX, u32::MAX)] {
            assert_eq!(scaled(&jpeg, wanted.0, wanted.1), whole, "{width} x {height} for {wanted:?}");
        }
    }
}

#[test]
fn the_smallest_pictures_can_be_scaled() {
    for side in 1..=40 {
        for (width, height) in [(side, 1), (side, 23), (1, side), (23, side)] {
            let rgb = vec![90; (width * height * 3) as usize];
            for (subsamp, _) in SUBSAMPLINGS {
                let jpeg = turbo(&rgb, width, height, |c| c.set_subsamp(subsamp).unwrap());
                for wanted in [(0, 0), (1, 1), (side / 2, 1), (2, 2), (side / 3, side / 3)] {
                    let planes = scaled(&jpeg, wanted.0, wanted.1);
                    assert!(planes.width() >= wanted.0.min(width) && planes.height() >= wanted.1.min(height));
                    assert!(planes.samples().iter().all(|sample| sample.abs_diff(90) < 3 || *sample == 128));
                }
            }
        }
    }
}

#[test]
fn scaling_while_decoding_looks_like_scaling_afterwards() {
    let mut frames = vec![road_jpeg(1280, 720), road_jpeg(640, 360)];
    frames.extend(["dense-1080p-a.jpg", "road/0121.jpg"].into_iter().filter_map(real_frame));
    let mut codec = codec();
    for frame in frames {
        let whole = decode_jpeg(&frame).unwrap();
        for parts in [2, 3, 4, 6, 8, 15] {
            let (width, height) = (whole.width() / parts, whole.height() / parts);
            let after = codec.scale(&whole, width, height).unwrap();
            let early = scaled(&frame, width, height);
            let early = codec.scale(&early, width, height).unwrap();
            let db = psnr(&early, &after);
            eprintln!("{} x {} to {width} x {height}: {db:.1} dB", whole.width(), whole.height());
            assert!(db > 30.0, "{db} dB");
        }
    }
}

#[test]
fn a_broken_picture_fails_in_the_same_way_when_it_is_scaled() {
    let jpeg = road_jpeg(640, 360);
    for end in [jpeg.len() - 3, jpeg.len() / 2, 300] {
        let source = encoded(PictureFormat::Jpeg, &jpeg[..end]);
        let mut codec = codec();
        assert_eq!(codec.decode_at_least(&source, 80, 45).unwrap_err(), codec.decode(&source).unwrap_err());
    }
}
