//! Quality measures of the luma plane.

use super::AnalysisPlane;
use crate::domain::QualityMeasures;

/// Measures an analysis plane. [`QualityMeasures`] states the formulas.
///
/// Laplacian variance as a measure of focus: Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000.
/// Noise: J. Immerkaer, "Fast Noise Variance Estimation", Computer Vision and Image Understanding 64(2), 1996; interior
/// pixels only, 0 for planes that have none.
#[must_use]
pub fn measure(plane: &AnalysisPlane) -> QualityMeasures {
    let (mean_luma, luma_variance) = mean_and_variance(plane.samples());
    let rms_contrast = luma_variance.sqrt();
    let (laplacian_variance, noise_sigma) = laplacian_and_noise(plane);
    let sharpness_score = (laplacian_variance / 1000.0).min(1.0);
    let brightness_score = brightness_score(mean_luma);
    let contrast_score = (rms_contrast / 80.0).min(1.0);
    let noise_cleanliness_score = (1.0 - noise_sigma / 25.0).max(0.0);
    QualityMeasures {
        mean_luma,
        rms_contrast,
        laplacian_variance,
        noise_sigma,
        sharpness_score,
        brightness_score,
        contrast_score,
        noise_cleanliness_score,
        quality_score: 0.30 * sharpness_score
            + 0.25 * brightness_score
            + 0.25 * contrast_score
            + 0.20 * noise_cleanliness_score,
    }
}

fn brightness_score(mean_luma: f64) -> f64 {
    let outside = (30.0 - mean_luma).max(mean_luma - 220.0).max(0.0);
    (1.0 - outside / 100.0).max(0.0)
}

fn mean_and_variance(samples: &[u8]) -> (f64, f64) {
    let (mut sum, mut squares) = (0_u64, 0_u64);
    // Sums of 4,096 samples fit 32 bits, and the compiler makes vectors of them.
    for chunk in samples.chunks(4_096) {
        sum += u64::from(chunk.iter().map(|s| u32::from(*s)).sum::<u32>());
        squares += u64::from(chunk.iter().map(|s| u32::from(*s) * u32::from(*s)).sum::<u32>());
    }
    variance(samples.len(), sum as f64, squares as f64)
}

/// Mean and population variance from sums. The sums are whole numbers below 2^53: exact.
pub(super) fn variance(count: usize, sum: f64, squares: f64) -> (f64, f64) {
    let mean = sum / count as f64;
    (mean, (squares / count as f64 - mean * mean).max(0.0))
}

/// The variance of the Laplacian over all pixels, and Immerkaer's sigma over the interior.
fn laplacian_and_noise(plane: &AnalysisPlane) -> (f64, f64) {
    let (width, height) = (plane.width(), plane.height());
    let row = |y: usize| &plane.samples()[y * width..(y + 1) * width];
    let (mut sum, mut squares, mut noise) = (0_i64, 0_i64, 0_i64);
    for y in 0..height {
        // Reflect-101: beyond the border lies the neighbour of the border.
        let above = row(if y == 0 { reflected(height) } else { y - 1 });
        let below = row(if y + 1 == height { height - 1 - reflected(height) } else { y + 1 });
        let here = row(y);
        let laplacian = |left: usize, x: usize, right: usize| {
            let around =
                i32::from(above[x]) + i32::from(below[x]) + i32::from(here[left]) + i32::from(here[right]);
            around - 4 * i32::from(here[x])
        };
        let last = width - 1;
        let second = reflected(width);
        let first = Some(laplacian(second, 0, second));
        let last = (last > 0).then(|| laplacian(last - 1, last, last - 1));
        for value in first.into_iter().chain(last) {
            sum += i64::from(value);
            squares += i64::from(value) * i64::from(value);
        }
        let (row_sum, row_squares, row_noise) = interior(above, here, below);
        sum += i64::from(row_sum);
        squares += i64::from(row_squares);
        if y > 0 && y + 1 < height {
            noise += i64::from(row_noise);
        }
    }
    let (_, variance) = variance(width * height, sum as f64, squares as f64);
    if width < 3 || height < 3 {
        return (variance, 0.0);
    }
    let interior_pixels = ((width - 2) * (height - 2)) as f64;
    let sigma = (std::f64::consts::PI / 2.0).sqrt() * noise as f64 / (6.0 * interior_pixels);
    (variance, sigma)
}

/// Over the columns that have both neighbours: the sum of the Laplacian, of its square, and of the absolute response to
/// Immerkaer's mask [1 -2 1; -2 4 -2; 1 -2 1]. A row is at most 640 wide: 640 x 1020^2 fits 32 bits.
fn interior(above: &[u8], here: &[u8], below: &[u8]) -> (i32, i32, i32) {
    // Slices of one length, so that no bounds are checked inside the loop and it becomes vector code.
    let inner = here.len().saturating_sub(2);
    let ([a0, a1, a2], [h0, h1, h2], [b0, b1, b2]) =
        (shifted(above, inner), shifted(here, inner), shifted(below, inner));
    let (a0, a1, a2) = (&a0[..inner], &a1[..inner], &a2[..inner]);
    let (h0, h1, h2) = (&h0[..inner], &h1[..inner], &h2[..inner]);
    let (b0, b1, b2) = (&b0[..inner], &b1[..inner], &b2[..inner]);
    let (mut sum, mut squares, mut noise) = (0_i32, 0_i32, 0_i32);
    for x in 0..inner {
        let side = i16::from(h0[x]) + i16::from(h2[x]);
        let upright = i16::from(a1[x]) + i16::from(b1[x]);
        let corners = i16::from(a0[x]) + i16::from(a2[x]) + i16::from(b0[x]) + i16::from(b2[x]);
        let middle = 4 * i16::from(h1[x]);
        let laplacian = side + upright - middle;
        let response = corners - 2 * (side + upright) + middle;
        sum += i32::from(laplacian);
        squares += i32::from(laplacian) * i32::from(laplacian);
        noise += i32::from(response.abs());
    }
    (sum, squares, noise)
}

/// `inner` samples from index 0, 1 and 2 on.
fn shifted(row: &[u8], inner: usize) -> [&[u8]; 3] {
    [0, 1, 2].map(|from| row.get(from..from + inner).unwrap_or_default())
}

/// The index that reflect-101 puts before index 0 (and, mirrored, behind the last): 1, or 0 where there is only one.
fn reflected(length: usize) -> usize {
    usize::from(length > 1)
}

#[cfg(test)]
mod tests {
    use super::super::analysis_plane;
    use super::*;

    fn measures(samples: &[u8], width: usize) -> QualityMeasures {
        measure(&analysis_plane(samples, width, samples.len() / width, width))
    }

    #[test]
    fn a_flat_plane_has_no_contrast_edges_or_noise() {
        for (width, height) in [(1, 1), (2, 1), (1, 3), (3, 3), (64, 48)] {
            let flat = measures(&vec![100; width * height], width);
            assert_eq!((flat.mean_luma, flat.rms_contrast), (100.0, 0.0));
            assert_eq!((flat.laplacian_variance, flat.noise_sigma), (0.0, 0.0));
            assert_eq!(flat.quality_score, 0.25 + 0.20);
        }
    }

    #[test]
    fn small_planes_by_hand() {
        // Reflect-101: left 2 * 20 - 4 * 10 + 2 * 10, right 2 * 10 - 4 * 20 + 2 * 20.
        let two = measures(&[10, 20], 2);
        assert_eq!((two.mean_luma, two.rms_contrast, two.laplacian_variance), (15.0, 5.0, 400.0));
        // One bright pixel: Immerkaer's mask answers 4 x 9 on the one interior pixel.
        let dot = measures(&[0, 0, 0, 0, 9, 0, 0, 0, 0], 3);
        assert!((dot.noise_sigma - (std::f64::consts::PI / 2.0).sqrt() * 36.0 / 6.0).abs() < 1e-12);
        // Centre -36; edge centres see it once across, reflected twice: 18; corners see it not.
        let expected = (36.0 * 36.0 + 4.0 * 18.0 * 18.0) / 9.0 - (4.0 * 18.0 - 36.0_f64).powi(2) / 81.0;
        assert!((dot.laplacian_variance - expected).abs() < 1e-9);
    }

    #[test]
    fn scores_keep_to_their_range() {
        let checkers: Vec<u8> = (0..64 * 64).map(|i| if (i + i / 64) % 2 == 0 { 0 } else { 255 }).collect();
        let harsh = measures(&checkers, 64);
        assert_eq!(
            (harsh.sharpness_score, harsh.contrast_score, harsh.noise_cleanliness_score),
            (1.0, 1.0, 0.0)
        );
        assert_eq!(measures(&[0; 16], 4).brightness_score, 0.7);
        assert_eq!(measures(&[255; 16], 4).brightness_score, 0.65);
    }
}
