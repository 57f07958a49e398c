use std::time::Duration;

use super::{ProcessedFrame, Timestamp};

/// Bounds that a stream's processed frames should keep; `None` or 0 = no bound. One that fails is flagged, not lost.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ValidationPolicy {
    /// Least quality score, 0..=1.
    pub min_quality_score: Option<f64>,
    /// Least width of the submitted picture in pixels.
    pub min_width: u32,
    /// Least height of the submitted picture in pixels.
    pub min_height: u32,
    /// Greatest age, from received to processed.
    pub max_age: Option<Duration>,
}

/// A bound that a frame fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValidationFailure {
    /// The quality score is below the least.
    LowQuality,
    /// The picture is smaller than the least size.
    TooSmall,
    /// It was too old when it was processed.
    TooOld,
}

impl ValidationPolicy {
    /// The bounds that a frame fails. A clock that is off is noted when the frame is accepted, not here.
    #[must_use]
    pub fn failures(&self, frame: &ProcessedFrame, receive_time: Timestamp) -> Vec<ValidationFailure> {
        let Self { min_quality_score, min_width, min_height, max_age } = *self;
        let age = frame.process_time.as_micros().saturating_sub(receive_time.as_micros());
        let age = Duration::from_micros(u64::try_from(age).unwrap_or_default());
        let checks = [
            (
                min_quality_score.zip(frame.quality_score()).is_some_and(|(least, score)| score < least),
                ValidationFailure::LowQuality,
            ),
            (frame.width < min_width || frame.height < min_height, ValidationFailure::TooSmall),
            (max_age.is_some_and(|most| age > most), ValidationFailure::TooOld),
        ];
        checks.into_iter().filter_map(|(fails, failure)| fails.then_some(failure)).collect()
    }
}
