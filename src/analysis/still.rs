//! What one picture says by itself.

use super::{
    AnalysisPlane, Region, Samples, SmallPlane, analysis_plane, chroma_strength, lighting, quality, weather,
};
use crate::domain::{Graded, Lighting, QualityMeasures, Roi, Weather};

/// The measures of one picture, and what its stream's [`SceneModel`](super::SceneModel) needs of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Still {
    /// Quality of the picture.
    pub quality: QualityMeasures,
    /// How much light there is.
    pub lighting: Graded<Lighting>,
    /// What the weather looks like.
    pub weather: Graded<Weather>,
    /// The regions, in the order of the settings.
    pub regions: Vec<Region>,
    /// The picture at 160 x 90.
    pub small: SmallPlane,
    /// The picture's own size: the camera of a stream that changes it sees another scene.
    pub size: (usize, usize),
}

/// Measures one picture: luma, and Cb and Cr where it has colours.
///
/// # Panics
///
/// If the luma is too short for its geometry, or a side is 0.
#[must_use]
pub fn still(luma: Samples<'_>, chroma: Option<[Samples<'_>; 2]>, rois: &[Roi]) -> Still {
    let plane: AnalysisPlane = analysis_plane(luma.data, luma.width, luma.height, luma.stride);
    let quality = quality::measure(&plane);
    Still {
        lighting: lighting(quality.mean_luma),
        weather: weather(quality.mean_luma, quality.rms_contrast, chroma_strength(chroma)),
        regions: rois.iter().map(|roi| Region::of(roi, &plane)).collect(),
        small: SmallPlane::of(&plane),
        size: (luma.width, luma.height),
        quality,
    }
}
