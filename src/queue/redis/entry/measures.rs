//! Encodes the measures of a scene and of its regions.

use super::pb;
use crate::domain::{
    Congestion, Graded, Lighting, NormalizedPoint, Polygon, QualityMeasures, Roi, RoiKind, RoiMeasures,
    SceneMeasures, ValidationFailure, Weather,
};
use crate::queue::{Error, Result};

numbered!(from_lighting, to_lighting, Lighting { Night = 1, DawnDusk = 2, Daylight = 3, BrightSunlight = 4 });
numbered!(from_weather, to_weather, Weather {
    Unknown = 1, Clear = 2, Overcast = 3, Foggy = 4, Dark = 5,
});
numbered!(from_congestion, to_congestion, Congestion {
    FreeFlow = 1, Moderate = 2, Heavy = 3, Congested = 4,
});
numbered!(from_kind, to_kind, RoiKind {
    Unspecified = 0, Road = 1, Lane = 2, Crossing = 3, Parking = 4, Other = 5,
});
numbered!(from_failure, to_failure, ValidationFailure { LowQuality = 1, TooSmall = 2, TooOld = 3 });

fn graded_to_pb<T>(graded: Graded<T>, number: fn(T) -> u32) -> pb::Graded {
    pb::Graded { class: number(graded.class), confidence: graded.confidence }
}

fn graded_from_pb<T>(graded: pb::Graded, class: fn(u32) -> Result<T>) -> Result<Graded<T>> {
    Ok(Graded { class: class(graded.class)?, confidence: graded.confidence })
}

pub(super) fn quality_to_pb(quality: QualityMeasures) -> pb::Quality {
    let QualityMeasures {
        mean_luma,
        rms_contrast,
        laplacian_variance,
        noise_sigma,
        sharpness_score,
        brightness_score,
        contrast_score,
        noise_cleanliness_score,
        quality_score,
    } = quality;
    pb::Quality {
        mean_luma,
        rms_contrast,
        laplacian_variance,
        noise_sigma,
        sharpness_score,
        brightness_score,
        contrast_score,
        noise_cleanliness_score,
        quality_score,
    }
}

pub(super) fn quality_from_pb(quality: pb::Quality) -> QualityMeasures {
    QualityMeasures {
        mean_luma: quality.mean_luma,
        rms_contrast: quality.rms_contrast,
        laplacian_variance: quality.laplacian_variance,
        noise_sigma: quality.noise_sigma,
        sharpness_score: quality.sharpness_score,
        brightness_score: quality.brightness_score,
        contrast_score: quality.contrast_score,
        noise_cleanliness_score: quality.noise_cleanliness_score,
        quality_score: quality.quality_score,
    }
}

pub(super) fn scene_to_pb(scene: SceneMeasures) -> pb::SceneMeasures {
    let SceneMeasures { motion_intensity, foreground_ratio, congestion, lighting, weather, model_frames } =
        scene;
    pb::SceneMeasures {
        motion_intensity,
        foreground_ratio,
        congestion: congestion.map(|congestion| graded_to_pb(congestion, from_congestion)),
        lighting: Some(graded_to_pb(lighting, from_lighting)),
        weather: Some(graded_to_pb(weather, from_weather)),
        model_frames,
    }
}

pub(super) fn scene_from_pb(scene: pb::SceneMeasures) -> Result<SceneMeasures> {
    let congestion = scene.congestion.map(|congestion| graded_from_pb(congestion, to_congestion));
    Ok(SceneMeasures {
        motion_intensity: scene.motion_intensity,
        foreground_ratio: scene.foreground_ratio,
        congestion: congestion.transpose()?,
        lighting: graded_from_pb(scene.lighting.unwrap_or_default(), to_lighting)?,
        weather: graded_from_pb(scene.weather.unwrap_or_default(), to_weather)?,
        model_frames: scene.model_frames,
    })
}

pub(super) fn roi_to_pb(roi: &RoiMeasures) -> pb::RoiMeasures {
    let RoiMeasures { roi_id, mean_luma, rms_contrast, foreground_ratio, motion_intensity, congestion } = roi;
    pb::RoiMeasures {
        roi_id: roi_id.to_string(),
        mean_luma: *mean_luma,
        rms_contrast: *rms_contrast,
        foreground_ratio: *foreground_ratio,
        motion_intensity: *motion_intensity,
        congestion: congestion.map(|congestion| graded_to_pb(congestion, from_congestion)),
    }
}

pub(super) fn roi_from_pb(roi: pb::RoiMeasures) -> Result<RoiMeasures> {
    let congestion = roi.congestion.map(|congestion| graded_from_pb(congestion, to_congestion));
    Ok(RoiMeasures {
        roi_id: roi.roi_id.parse().map_err(|error| Error::Corrupt(format!("{error}")))?,
        mean_luma: roi.mean_luma,
        rms_contrast: roi.rms_contrast,
        foreground_ratio: roi.foreground_ratio,
        motion_intensity: roi.motion_intensity,
        congestion: congestion.transpose()?,
    })
}

pub(super) fn region_to_pb(roi: &Roi) -> pb::Roi {
    let points = roi.polygon.points().iter();
    pb::Roi {
        roi_id: roi.id.to_string(),
        kind: from_kind(roi.kind),
        polygon: points.map(|&NormalizedPoint { x, y }| pb::Point { x, y }).collect(),
    }
}

pub(super) fn region_from_pb(roi: pb::Roi) -> Result<Roi> {
    let points = roi.polygon.into_iter().map(|pb::Point { x, y }| NormalizedPoint { x, y }).collect();
    Ok(Roi {
        id: roi.roi_id.parse().map_err(|error| Error::Corrupt(format!("{error}")))?,
        kind: to_kind(roi.kind)?,
        polygon: Polygon::new(points).map_err(|error| Error::Corrupt(error.to_string()))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_round_trip() {
        let congestion = Some(Graded { class: Congestion::Heavy, confidence: 0.25 });
        let full = SceneMeasures {
            motion_intensity: Some(0.0),
            foreground_ratio: Some(0.625),
            congestion,
            lighting: Graded { class: Lighting::DawnDusk, confidence: 0.5 },
            weather: Graded { class: Weather::Foggy, confidence: 0.75 },
            model_frames: 7,
        };
        let first =
            SceneMeasures { motion_intensity: None, foreground_ratio: None, congestion: None, ..full };
        for scene in [full, first] {
            assert_eq!(scene_from_pb(scene_to_pb(scene)), Ok(scene));
        }
        let roi = RoiMeasures {
            roi_id: "left".parse().unwrap(),
            mean_luma: Some(90.5),
            rms_contrast: None,
            foreground_ratio: Some(0.0),
            motion_intensity: None,
            congestion,
        };
        assert_eq!(roi_from_pb(roi_to_pb(&roi)), Ok(roi));
    }
}
