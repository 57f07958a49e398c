//! The results of the analysis of a frame.

use super::RoiId;

/// Luma measures of one frame, in 8-bit luma units on the analysis plane, and scores derived from
/// them.
///
/// Scores are 0..=1. A score is named after the property that a picture with the score 1 has. The
/// raw values are included, so that readers can apply formulas of their own.
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
    /// 1 for a mean luma of 30..=220; outside this range, 0.01 less for each unit of luma, down to
    /// 0.
    pub brightness_score: f64,
    /// `min(1, rms_contrast / 80)`.
    pub contrast_score: f64,
    /// `max(0, 1 - noise_sigma / 25)`.
    pub noise_cleanliness_score: f64,
    /// 0.30 sharpness + 0.25 brightness + 0.25 contrast + 0.20 cleanliness.
    pub quality_score: f64,
}

/// The amount of light, from mean luma alone.
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

/// The apparent weather: a guess from one picture, not an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Weather {
    /// The picture does not show the weather.
    Unknown,
    /// Enough contrast, colours that are not pale.
    Clear,
    /// Pale colours, even light.
    Overcast,
    /// Little contrast, pale colours.
    Foggy,
    /// Too dark to see the weather.
    Dark,
}

/// The congestion of a road, from foreground ratio alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Congestion {
    /// Foreground ratio below 0.2.
    FreeFlow,
    /// Foreground ratio below 0.5.
    Moderate,
    /// Foreground ratio below 0.8.
    Heavy,
    /// Foreground ratio of 0.8 and up.
    Congested,
}

/// A class with its confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Graded<T> {
    /// The class.
    pub class: T,
    /// The confidence, 0..=1.
    pub confidence: f64,
}

/// Measures of the scene. Those that compare frames are made in the order of the stream's frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SceneMeasures {
    /// Mean absolute luma difference to the stream's previous frame at 160 x 90, 0..=1; `None` for
    /// the first.
    pub motion_intensity: Option<f64>,
    /// Share of the road that is foreground, 0..=1; `None` before the background is known.
    pub foreground_ratio: Option<f64>,
    /// The class of the foreground ratio.
    pub congestion: Option<Graded<Congestion>>,
    /// The amount of light.
    pub lighting: Graded<Lighting>,
    /// The apparent weather.
    pub weather: Graded<Weather>,
    /// The number of frames that the stream's background model has learned from.
    pub model_frames: u64,
}

/// Measures of one region of interest. `None` = not made, for the same reasons as in
/// [`SceneMeasures`], or because the region contains no pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct RoiMeasures {
    /// The region.
    pub roi_id: RoiId,
    /// Mean luma within it, 0..=255.
    pub mean_luma: Option<f64>,
    /// Population standard deviation of luma within it.
    pub rms_contrast: Option<f64>,
    /// Share of it that is foreground, 0..=1.
    pub foreground_ratio: Option<f64>,
    /// Mean absolute luma difference within it, 0..=1.
    pub motion_intensity: Option<f64>,
    /// The class of its foreground ratio.
    pub congestion: Option<Graded<Congestion>>,
}
