//! Classifies foreground ratios.

use crate::domain::{Congestion, Graded};

/// The distance to the nearest bound from which on the confidence is 1.
const SURE_DISTANCE: f64 = 0.1;

/// Classifies a foreground ratio. The confidence is 0.5 at a bound and 1 at a distance of at least
/// 0.1 from all bounds, multiplied by `model_confidence`, 0..=1.
pub(super) fn congestion(ratio: f64, model_confidence: f64) -> Graded<Congestion> {
    let class = if ratio < 0.2 {
        Congestion::FreeFlow
    } else if ratio < 0.5 {
        Congestion::Moderate
    } else if ratio < 0.8 {
        Congestion::Heavy
    } else {
        Congestion::Congested
    };
    let distance = [0.2, 0.5, 0.8].map(|bound: f64| (ratio - bound).abs());
    let nearest = distance.into_iter().fold(f64::INFINITY, f64::min);
    Graded { class, confidence: model_confidence * (0.5 + 0.5 * (nearest / SURE_DISTANCE).min(1.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_and_their_confidence() {
        use Congestion::{Congested, FreeFlow, Heavy, Moderate};
        let classes = [0.0, 0.199, 0.2, 0.5, 0.8, 1.0].map(|ratio| congestion(ratio, 1.0).class);
        assert_eq!(classes, [FreeFlow, FreeFlow, Moderate, Heavy, Congested, Congested]);
        assert_eq!(congestion(0.35, 1.0).confidence, 1.0);
        assert_eq!(congestion(0.5, 1.0).confidence, 0.5);
        assert_eq!(congestion(0.35, 0.25).confidence, 0.25);
    }
}
