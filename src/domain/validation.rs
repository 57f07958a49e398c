use std::time::Duration;

use super::{ProcessedFrame, Timestamp};

/// The bounds for a stream's processed frames; `None` or 0 = no bound. A frame that fails one is
/// flagged, not dropped.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ValidationPolicy {
    /// The minimum quality score, 0..=1.
    pub min_quality_score: Option<f64>,
    /// The minimum width of the submitted picture in pixels.
    pub min_width: u32,
    /// The minimum height of the submitted picture in pixels.
    pub min_height: u32,
    /// The maximum time from the receive time of a frame until it has been processed.
    pub max_age: Option<Duration>,
}

/// A bound that a frame fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValidationFailure {
    /// The quality score is below the minimum.
    LowQuality,
    /// The picture is smaller than the minimum size.
    TooSmall,
    /// The frame was too old when it had been processed.
    TooOld,
}

impl ValidationPolicy {
    /// Returns the bounds that a frame fails. A wrong capture time is detected when the frame is
    /// accepted, not here.
    #[must_use]
    pub fn failures(&self, frame: &ProcessedFrame, receive_time: Timestamp) -> Vec<ValidationFailure> {
        let Self { min_quality_score, min_width, min_height, max_age } = *self;
        let age = frame.process_time.as_micros().saturating_sub(receive_time.as_micros());
        let age = Duration::from_micros(u64::try_from(age).unwrap_or_default());
        let checks = [
            (
                min_quality_score.zip(frame.quality_score()).is_some_and(|(min, score)| score < min),
                ValidationFailure::LowQuality,
            ),
            (frame.width < min_width || frame.height < min_height, ValidationFailure::TooSmall),
            (max_age.is_some_and(|max| age > max), ValidationFailure::TooOld),
        ];
        checks.into_iter().filter_map(|(fails, failure)| fails.then_some(failure)).collect()
    }
}
