//! Tests of what is made of supported files.

use super::super::standard::quantisers;
use super::*;

#[test]
fn nothing_changes_where_no_quantiser_is_coarser() {
    for (name, source) in supported() {
        let made = transcode(&source, 100).unwrap();
        assert!(decode(&made).unwrap().pixels == decode(&source).unwrap().pixels, "{name}");
    }
}

#[test]
fn a_transcoded_file_is_transcoded_to_itself() {
    for (name, source) in supported() {
        for quality in [20, 60, 85, 95] {
            let made = transcode(&source, quality).unwrap();
            assert!(transcode(&made, quality).unwrap() == made, "{name} at {quality}");
        }
    }
}

#[test]
fn changes_are_within_half_a_quantiser() {
    for (name, source) in supported() {
        let before = decode(&source).unwrap();
        for quality in [10, 50, 85, 91] {
            let after = decode(&transcode(&source, quality).unwrap()).unwrap();
            assert_eq!((after.width, after.height), (before.width, before.height));
            let wanted = quantisers(false, quality);
            // The transform keeps the sum of squares. A pixel is rounded twice, by up to 1 in all, and
            // what a value beyond the range loses is never more.
            let limit: f64 = wanted.iter().map(|one| (f64::from(*one).max(4.0) / 2.0).powi(2)).sum();
            let limit = limit.sqrt() + 8.0 * 1.1;
            let is_halved = matches!(before.subsamp, Subsamp::Sub2x2 | Subsamp::Sub2x1);
            let stride = before.width.next_multiple_of(if is_halved { 2 } else { 1 });
            for (y, x) in (0..before.height / 8).flat_map(|y| (0..before.width / 8).map(move |x| (y, x))) {
                let rows = (0..8).map(|row| (8 * y + row) * stride + 8 * x);
                let pixels = rows.flat_map(|at| at..at + 8);
                let squares: f64 =
                    pixels.map(|at| f64::from(before.pixels[at].abs_diff(after.pixels[at])).powi(2)).sum();
                assert!(squares.sqrt() <= limit, "{name} at {quality}: block {x}, {y}: {}", squares.sqrt());
            }
        }
    }
}

#[test]
fn files_are_smaller_and_as_good_as_those_that_were_decoded() {
    let source = jpeg(640, 360, PLAIN);
    let before = decode(&source).unwrap();
    let made = transcode(&source, 80).unwrap();
    let mut encoder = Compressor::new().unwrap();
    encoder.set_quality(80).unwrap();
    let other = encoder.compress_yuv_to_vec(before.as_deref()).unwrap();
    assert!(made.len() <= other.len() * 101 / 100, "{} and {} bytes", made.len(), other.len());
    let psnr = |jpeg: &[u8]| {
        let after = decode(jpeg).unwrap().pixels;
        let squares: f64 =
            after.iter().zip(&before.pixels).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
        10.0 * (255.0_f64.powi(2) * after.len() as f64 / squares).log10()
    };
    assert!(psnr(&made) > psnr(&other) - 0.6, "{} and {} dB", psnr(&made), psnr(&other));
}

#[test]
fn cb_and_cr_may_have_different_quantisers() {
    let mut source = jpeg(64, 48, PLAIN);
    // Give Cr a table of its own: the same as that of luma.
    let frame = source.windows(2).position(|two| two == [0xFF, 0xC0]).unwrap();
    assert_eq!(source[frame + 16..frame + 19], [3, 0x11, 1]);
    source[frame + 18] = 0;
    let same = transcode(&source, 100).unwrap();
    assert!(decode(&same).unwrap().pixels == decode(&source).unwrap().pixels);
    let made = transcode(&source, 91).unwrap();
    let tables = made.windows(2).filter(|two| *two == [0xFF, 0xDB]).count();
    assert_eq!(tables, 3);
    decode(&made).unwrap();
}

/// Computes the mean of each area in f64.
fn area_means(luma: &[u8], stride: usize, from: (usize, usize), to: (usize, usize)) -> Vec<f64> {
    let parts = |from: usize, to: usize, index: usize| {
        let (start, end) = ((index * from) as f64 / to as f64, ((index + 1) * from) as f64 / to as f64);
        let pixels = start as usize..(end.ceil() as usize).min(from);
        pixels.map(move |at| (at, (end.min(at as f64 + 1.0) - start.max(at as f64)) / (end - start)))
    };
    let mut means = Vec::new();
    for (y, x) in (0..to.1).flat_map(|y| (0..to.0).map(move |x| (y, x))) {
        let columns = || parts(from.0, to.0, x);
        let rows = parts(from.1, to.1, y);
        means.push(
            rows.flat_map(|(y, a)| columns().map(move |(x, b)| a * b * f64::from(luma[y * stride + x])))
                .sum(),
        );
    }
    means
}

#[test]
fn luma_is_the_mean_of_its_area() {
    let sizes = [
        ((96, 48), (32, 16)),
        ((1920, 64), (640, 21)),
        ((160, 96), (80, 48)),
        ((768, 48), (640, 40)),
        ((203, 119), (203, 119)),
        ((203, 119), (101, 59)),
        ((17, 33), (17, 33)),
        ((17, 33), (3, 1)),
        ((1, 1), (1, 1)),
        ((333, 64), (1, 64)),
    ];
    for ((from, to), subsamp) in sizes
        .into_iter()
        .flat_map(|sizes| [Subsamp::Sub2x2, Subsamp::None, Subsamp::Gray].map(|one| (sizes, one)))
    {
        let source = jpeg(from.0, from.1, Settings { subsamp, ..PLAIN });
        let planes = decode(&source).unwrap();
        let stride = if subsamp == Subsamp::Sub2x2 { from.0.next_multiple_of(2) } else { from.0 };
        let means = area_means(&planes.pixels, stride, from, to);
        let mut transcoder = Transcoder::default();
        let made = transcoder
            .transcode(
                &source,
                Order { quality: None, planes: &[PlaneOrder { component: 0, size: to }], ..Order::default() },
            )
            .unwrap();
        assert!(made.jpeg.is_none() && made.size == from);
        assert_eq!(transcoder.plane(0).len(), means.len());
        let (mut sum, mut worst) = (0.0, 0.0_f64);
        for (sample, mean) in transcoder.plane(0).iter().zip(&means) {
            let error = f64::from(*sample) - mean;
            sum += error;
            worst = worst.max(error.abs());
        }
        let mean = sum / means.len() as f64;
        assert!(worst <= 2.1 && mean.abs() < 0.3, "{from:?} to {to:?}, {subsamp:?}: {worst}, mean {mean}");
    }
}

#[test]
fn the_small_picture_has_the_means_of_blocks() {
    let subsamps = [(Subsamp::Sub2x2, 2, 2), (Subsamp::Sub2x1, 2, 1), (Subsamp::None, 1, 1)];
    for (subsamp, h, v) in subsamps {
        let (width, height) = (96, 64);
        let source = jpeg(width, height, Settings { subsamp, ..PLAIN });
        let planes = decode(&source).unwrap();
        let mut transcoder = Transcoder::default();
        let made = transcoder
            .transcode(&source, Order { quality: Some(85), planes: &[], ..Order::default() })
            .unwrap();
        assert_eq!(made.factors, Some((h, v)));
        let mut small = transcoder.small().iter();
        let mut start = 0;
        for (width, height) in [(width, height), (width / h, height / v), (width / h, height / v)] {
            for (y, x) in (0..height / 8).flat_map(|y| (0..width / 8).map(move |x| (y, x))) {
                let rows = (0..8).map(|row| start + (8 * y + row) * width + 8 * x);
                let sum: f64 =
                    rows.flat_map(|at| &planes.pixels[at..at + 8]).map(|one| f64::from(*one)).sum();
                let sample = f64::from(*small.next().unwrap());
                assert!((sample - sum / 64.0).abs() <= 2.0, "{subsamp:?} {x}, {y}: {sample} {}", sum / 64.0);
            }
            start += width * height;
        }
        assert!(small.next().is_none());
        assert!(transcoder.chroma_strength().unwrap() > 10.0);
    }
    let gray = jpeg(96, 64, Settings { subsamp: Subsamp::Gray, ..PLAIN });
    let mut transcoder = Transcoder::default();
    let made =
        transcoder.transcode(&gray, Order { quality: Some(85), planes: &[], ..Order::default() }).unwrap();
    assert_eq!((made.factors, transcoder.chroma_strength(), transcoder.small().len()), (None, None, 96));
}

#[test]
fn a_transcoder_forgets_the_last_picture() {
    let mut transcoder = Transcoder::default();
    let files = supported();
    for (name, source) in files.iter().chain(files.iter().rev()) {
        let order = Order { quality: Some(85), planes: &[], ..Order::default() };
        let _ = transcoder.transcode(&source[..source.len() / 2], order);
        let made = transcoder.transcode(source, order).unwrap().jpeg.unwrap();
        assert!(made == transcode(source, 85).unwrap(), "{name}");
    }
}

#[test]
fn planes_of_chroma_are_means_too() {
    for (subsamp, h, v) in [(Subsamp::Sub2x2, 2, 2), (Subsamp::Sub2x1, 2, 1), (Subsamp::None, 1, 1)] {
        let (width, height) = (203_usize, 119_usize);
        let source = jpeg(width, height, Settings { subsamp, ..PLAIN });
        let planes = decode(&source).unwrap();
        let from = (width.div_ceil(h), height.div_ceil(v));
        let luma = width.next_multiple_of(h) * height.next_multiple_of(v);
        let to = (25, 15);
        let orders = [1, 0, 2].map(|component| PlaneOrder { component, size: to });
        let mut transcoder = Transcoder::default();
        transcoder
            .transcode(&source, Order { quality: Some(85), planes: &orders, ..Order::default() })
            .unwrap();
        for (index, start) in [(0, luma), (2, luma + from.0 * from.1)] {
            let means = area_means(&planes.pixels[start..], from.0, from, to);
            assert_eq!(transcoder.plane(index).len(), means.len());
            for (sample, mean) in transcoder.plane(index).iter().zip(means) {
                assert!((f64::from(*sample) - mean).abs() < 2.1, "{subsamp:?} {index}: {sample} {mean}");
            }
        }
    }
    let gray = jpeg(64, 64, Settings { subsamp: Subsamp::Gray, ..PLAIN });
    let mut transcoder = Transcoder::default();
    let orders = [PlaneOrder { component: 1, size: (8, 8) }];
    transcoder.transcode(&gray, Order { quality: None, planes: &orders, ..Order::default() }).unwrap();
    assert!(transcoder.plane(0).is_empty());
}
