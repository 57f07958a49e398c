//! Classes of foreground ratio.

use crate::domain::{Congestion, Graded};

/// Distance of the density to a class's bound from which on the class is sure.
const SURE_DISTANCE: f64 = 0.1;

/// The class of a density. The confidence is 0.5 at a bound and 1 from 0.1 away from every bound on, times how well the
/// background is `known`, 0..=1.
pub(super) fn congestion(density: f64, known: f64) -> Graded<Congestion> {
    let class = if density < 0.2 {
        Congestion::FreeFlow
    } else if density < 0.5 {
        Congestion::Moderate
    } else if density < 0.8 {
        Congestion::Heavy
    } else {
        Congestion::Congested
    };
    let distance = [0.2, 0.5, 0.8].map(|bound: f64| (density - bound).abs());
    let nearest = distance.into_iter().fold(f64::INFINITY, f64::min);
    Graded { class, confidence: known * (0.5 + 0.5 * (nearest / SURE_DISTANCE).min(1.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_and_their_confidence() {
        use Congestion::{Congested, FreeFlow, Heavy, Moderate};
        let classes = [0.0, 0.199, 0.2, 0.5, 0.8, 1.0].map(|density| congestion(density, 1.0).class);
        assert_eq!(classes, [FreeFlow, FreeFlow, Moderate, Heavy, Congested, Congested]);
        assert_eq!(congestion(0.35, 1.0).confidence, 1.0);
        assert_eq!(congestion(0.5, 1.0).confidence, 0.5);
        assert_eq!(congestion(0.35, 0.25).confidence, 0.25);
    }
}
