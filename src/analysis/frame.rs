//! Measures a single picture.

use super::{
    AnalysisPlane, Region, Samples, SmallPlane, analysis_plane, chroma_strength, lighting, quality, weather,
};
use crate::domain::{Graded, Lighting, QualityMeasures, Roi, Weather};

/// The measures of one picture, and the data that the [`SceneModel`](super::SceneModel) of its
/// stream needs.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameMeasures {
    /// The quality of the picture.
    pub quality: QualityMeasures,
    /// The amount of light.
    pub lighting: Graded<Lighting>,
    /// The apparent weather.
    pub weather: Graded<Weather>,
    /// The measures of the regions, in the order of the settings.
    pub regions: Vec<Region>,
    /// The picture at 160 x 90.
    pub small: SmallPlane,
    /// The size of the picture. If it changes within a stream, the camera shows another scene.
    pub size: (usize, usize),
}

/// Measures one picture: luma, and Cb and Cr if it has colours.
///
/// # Panics
///
/// If the luma is too short for its geometry, or a side is 0.
#[must_use]
pub fn measure_frame(luma: Samples<'_>, chroma: Option<[Samples<'_>; 2]>, rois: &[Roi]) -> FrameMeasures {
    let plane = analysis_plane(luma.data, luma.width, luma.height, luma.stride);
    measure_plane(&plane, (luma.width, luma.height), chroma_strength(chroma), rois)
}

/// Measures one picture of which only the analysis plane and the [`chroma_strength`] are known.
/// `size` is that of the picture.
#[must_use]
pub fn measure_plane(
    plane: &AnalysisPlane,
    size: (usize, usize),
    chroma_strength: Option<f64>,
    rois: &[Roi],
) -> FrameMeasures {
    let quality = quality::measure(plane);
    FrameMeasures {
        lighting: lighting(quality.mean_luma),
        weather: weather(quality.mean_luma, quality.rms_contrast, chroma_strength),
        regions: rois.iter().map(|roi| Region::of(roi, plane)).collect(),
        small: SmallPlane::of(plane),
        size,
        quality,
    }
}
