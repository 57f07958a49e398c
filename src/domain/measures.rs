/// Quality of one picture, raw and as scores, by the formulas of `docs/measures.md`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct QualityMeasures {
    /// Mean luma, 0..255.
    pub mean_luma: f64,
    /// Population standard deviation of luma, 0..127.5.
    pub rms_contrast: f64,
    /// Population variance of the 3x3 Laplacian, luma units squared.
    pub laplacian_variance: f64,
    /// Noise after Immerkaer 1996, luma units.
    pub noise_sigma: f64,
    /// 1 = sharp.
    pub sharpness_score: f64,
    /// 1 = well exposed.
    pub brightness_score: f64,
    /// 1 = full contrast.
    pub contrast_score: f64,
    /// 1 = free of noise.
    pub noise_cleanliness_score: f64,
    /// Weighted sum of the four.
    pub quality_score: f64,
}
