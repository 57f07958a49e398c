use crate::domain::{Congestion, Graded, Lighting, RoiMeasures, SceneMeasures, ValidationFailure, Weather};
use crate::pb::v1 as pb;

pub(crate) fn scene_to_pb(scene: SceneMeasures) -> pb::SceneMeasures {
    let SceneMeasures { motion_intensity, foreground_ratio, congestion, lighting, weather, model_frames } =
        scene;
    let (congestion, congestion_confidence) = congestion_to_pb(congestion);
    let lighting_class = match lighting.class {
        Lighting::Night => pb::Lighting::Night,
        Lighting::DawnDusk => pb::Lighting::DawnDusk,
        Lighting::Daylight => pb::Lighting::Daylight,
        Lighting::BrightSunlight => pb::Lighting::BrightSunlight,
    };
    let weather_class = match weather.class {
        Weather::Unknown => pb::Weather::Unknown,
        Weather::Clear => pb::Weather::Clear,
        Weather::Overcast => pb::Weather::Overcast,
        Weather::Foggy => pb::Weather::Foggy,
        Weather::Dark => pb::Weather::Dark,
    };
    pb::SceneMeasures {
        motion_intensity,
        foreground_ratio,
        congestion: congestion.into(),
        congestion_confidence,
        lighting: lighting_class.into(),
        lighting_confidence: Some(lighting.confidence),
        weather: weather_class.into(),
        weather_confidence: Some(weather.confidence),
        model_frames,
    }
}

pub(crate) fn roi_to_pb(roi: &RoiMeasures) -> pb::RoiMeasures {
    let RoiMeasures { roi_id, mean_luma, rms_contrast, foreground_ratio, motion_intensity, congestion } = roi;
    let (congestion, congestion_confidence) = congestion_to_pb(*congestion);
    pb::RoiMeasures {
        roi_id: roi_id.to_string(),
        foreground_ratio: *foreground_ratio,
        mean_luma: *mean_luma,
        rms_contrast: *rms_contrast,
        motion_intensity: *motion_intensity,
        congestion: congestion.into(),
        congestion_confidence,
    }
}

fn congestion_to_pb(congestion: Option<Graded<Congestion>>) -> (pb::Congestion, Option<f64>) {
    let Some(Graded { class, confidence }) = congestion else { return (pb::Congestion::Unspecified, None) };
    let class = match class {
        Congestion::FreeFlow => pb::Congestion::FreeFlow,
        Congestion::Moderate => pb::Congestion::Moderate,
        Congestion::Heavy => pb::Congestion::Heavy,
        Congestion::Congested => pb::Congestion::Congested,
    };
    (class, Some(confidence))
}

pub(crate) fn failure_to_pb(failure: ValidationFailure) -> pb::ValidationFailure {
    match failure {
        ValidationFailure::LowQuality => pb::ValidationFailure::LowQuality,
        ValidationFailure::TooSmall => pb::ValidationFailure::TooSmall,
        ValidationFailure::TooOld => pb::ValidationFailure::TooOld,
    }
}
