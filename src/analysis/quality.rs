//! Measures the quality of the luma plane.

use super::AnalysisPlane;
use super::sums::Sums;
use crate::domain::QualityMeasures;

/// Measures an analysis plane. [`QualityMeasures`] states the formulas.
///
/// Laplacian variance as a measure of focus: Pech-Pacheco et al., "Diatom autofocusing in
/// brightfield microscopy", 2000. Noise: J. Immerkaer, "Fast Noise Variance Estimation", Computer
/// Vision and Image Understanding 64(2), 1996; interior pixels only, 0 for planes that have none.
#[must_use]
pub fn measure(plane: &AnalysisPlane) -> QualityMeasures {
    let sums = Sums::of(plane);
    let (width, height) = (plane.width(), plane.height());
    let (mean_luma, luma_variance) = variance(width * height, sums.luma as f64, sums.luma_squares as f64);
    let rms_contrast = luma_variance.sqrt();
    let (_, laplacian_variance) =
        variance(width * height, sums.laplacian as f64, sums.laplacian_squares as f64);
    let interior_pixels = width.saturating_sub(2) * height.saturating_sub(2);
    let noise_sigma =
        (std::f64::consts::PI / 2.0).sqrt() * sums.noise as f64 / (6 * interior_pixels.max(1)) as f64;
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

/// Returns the mean and the population variance from sums. The sums are integers below 2^53, so
/// they are exact.
pub(super) fn variance(count: usize, sum: f64, squares: f64) -> (f64, f64) {
    let mean = sum / count as f64;
    (mean, (squares / count as f64 - mean * mean).max(0.0))
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
    fn small_planes_have_the_measures_computed_by_hand() {
        // Reflect-101: left 2 * 20 - 4 * 10 + 2 * 10, right 2 * 10 - 4 * 20 + 2 * 20.
        let two = measures(&[10, 20], 2);
        assert_eq!((two.mean_luma, two.rms_contrast, two.laplacian_variance), (15.0, 5.0, 400.0));
        // One bright pixel: the response to Immerkaer's mask is 4 x 9 at the only interior pixel.
        let dot = measures(&[0, 0, 0, 0, 9, 0, 0, 0, 0], 3);
        assert!((dot.noise_sigma - (std::f64::consts::PI / 2.0).sqrt() * 36.0 / 6.0).abs() < 1e-12);
        // The Laplacian is -36 at the centre, 18 at the middle of each edge (reflected, so twice),
        // and 0 at the corners.
        let expected = (36.0 * 36.0 + 4.0 * 18.0 * 18.0) / 9.0 - (4.0 * 18.0 - 36.0_f64).powi(2) / 81.0;
        assert!((dot.laplacian_variance - expected).abs() < 1e-9);
    }

    #[test]
    fn scores_stay_within_their_range() {
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
