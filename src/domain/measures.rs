//! What the analysis of one frame says.

/// Luma measures of one frame, in 8-bit luma units on the analysis plane, and the scores made of them.
///
/// Scores are 0..=1 and named for what 1 means. Raw values stand beside them, so that nobody has to trust a score.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct QualityMeasures {
    /// Mean luma, 0..=255.
    pub mean_luma: f64,
    /// RMS contrast: the population standard deviation of luma.
    pub rms_contrast: f64,
    /// Population variance of the 3x3 Laplacian with reflect-101 borders; high is sharp (or noisy).
    pub laplacian_variance: f64,
    /// Standard deviation of the noise, estimated after Immerkaer 1996.
    pub noise_sigma: f64,
    /// `min(1, laplacian_variance / 1000)`.
    pub sharpness_score: f64,
    /// 1 for a mean luma of 30..=220, else falling by 1 per 100.
    pub brightness_score: f64,
    /// `min(1, rms_contrast / 80)`.
    pub contrast_score: f64,
    /// `max(0, 1 - noise_sigma / 25)`.
    pub noise_cleanliness_score: f64,
    /// 0.30 sharpness + 0.25 brightness + 0.25 contrast + 0.20 cleanliness.
    pub quality_score: f64,
}

/// How much light there is, from mean luma alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lighting {
    /// Mean luma below 30.
    Night,
    /// Mean luma below 80.
    DawnDusk,
    /// Mean luma 80..=200.
    Daylight,
    /// Mean luma above 200.
    BrightSunlight,
}
