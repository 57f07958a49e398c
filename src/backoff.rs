//! Pauses between attempts: each is twice as long as the one before it, up to a maximum.

use std::time::Duration;

use rand::{Rng, RngExt as _};

/// The pauses of one series of attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Creates a series that begins with a pause of `first`; no pause is longer than `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// Returns the pause before the next attempt, and doubles the one after it.
    #[allow(clippy::should_implement_trait, reason = "the series has no end")]
    pub fn next(&mut self) -> Duration {
        let pause = self.next.min(self.longest);
        self.next = (pause * 2).min(self.longest);
        pause
    }

    /// Returns the pause that the peer requested, up to the longest one, or [the next](Self::next)
    /// of the series if it requested none. The series continues either way.
    pub fn next_or(&mut self, requested: Option<Duration>) -> Duration {
        let own = self.next();
        requested.map_or(own, |requested| requested.min(self.longest))
    }

    /// Starts the series again: the last attempt succeeded.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// Lengthens a pause at random by up to a quarter, so that clients that failed together do not
    /// retry together.
    pub fn with_jitter(pause: Duration, rng: &mut impl Rng) -> Duration {
        pause.mul_f64(rng.random_range(1.0..1.25))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn pauses_double_up_to_the_longest_until_an_attempt_succeeds() {
        let mut backoff = Backoff::new(ms(100), ms(350));
        let pauses: Vec<Duration> = (0..4).map(|_| backoff.next()).collect();
        assert_eq!(pauses, [100, 200, 350, 350].map(ms));
        backoff.reset();
        assert_eq!(backoff.next(), ms(100));
    }

    #[test]
    fn a_pause_that_the_peer_asks_for_is_kept_up_to_the_longest() {
        let mut backoff = Backoff::new(ms(100), ms(1_000));
        assert_eq!(backoff.next_or(Some(ms(700))), ms(700));
        assert_eq!(backoff.next_or(None), ms(200), "the series continues");
        assert_eq!(backoff.next_or(Some(ms(5_000))), ms(1_000));
    }

    #[test]
    fn jitter_lengthens_by_a_quarter_at_most() {
        let mut rng = rand::rng();
        for _ in 0..100 {
            let pause = Backoff::with_jitter(ms(1_000), &mut rng);
            assert!((ms(1_000)..ms(1_250)).contains(&pause), "{pause:?}");
        }
    }
}
