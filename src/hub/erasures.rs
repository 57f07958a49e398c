//! Keeps erased pictures out of this server's memory.
//!
//! Each server reads the number of complete erasures several times in [`MAX_AGE`]. When the number
//! has changed, it forgets all pictures in its memory. If it could not read the number for that
//! long, it reads every picture from the store instead, where erased ones do not exist any more.
//! So an erasure is in force at all servers [`ERASED_EVERYWHERE`] after it was counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The interval at which the number is read.
pub(super) const POLL: Duration = Duration::from_millis(400);
/// The maximum age of the number at which pictures in memory are used.
pub(super) const MAX_AGE: Duration = Duration::from_secs(2);
/// The time after which every server has noticed a counted erasure, or does not use its memory. The
/// rest above `MAX_AGE` is for clocks that differ in speed.
pub const ERASED_EVERYWHERE: Duration = Duration::from_millis(2_100);

/// The state of the erasures, as this server knew it when it began to read something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    generation: u64,
    /// Whatever was erased before this time was not read.
    at: Instant,
}

/// Whether the pictures in this server's memory may be used.
#[derive(Debug)]
pub(super) struct Erasures {
    /// Rises whenever the pictures in memory are forgotten.
    generation: AtomicU64,
    /// When the number was last asked for and then read.
    checked: Mutex<Instant>,
}

impl Default for Erasures {
    fn default() -> Self {
        Self { generation: AtomicU64::new(0), checked: Mutex::new(Instant::now()) }
    }
}

impl Erasures {
    /// Reports whether pictures in memory may be used.
    pub(super) fn is_fresh(&self) -> bool {
        self.checked.lock().elapsed() <= MAX_AGE
    }

    /// Returns a number that rises whenever the pictures in memory are forgotten. A picture that
    /// was read under a lower number must not be kept.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Returns what is known of erasures. Call it before a read whose result may have to wait.
    pub(super) fn known(&self) -> Known {
        let generation = self.generation();
        // If the number is too old, pictures are read from the store.
        let at = if self.is_fresh() { *self.checked.lock() } else { Instant::now() };
        Known { generation, at }
    }

    /// Reports whether the result of a read may still be used: it contains nothing of an erasure that
    /// was answered.
    pub(super) fn may_use(&self, known: Known) -> bool {
        known.at.elapsed() <= MAX_AGE || self.is_fresh() && self.generation() == known.generation
    }

    /// Notes that the pictures in memory are being forgotten.
    pub(super) fn forget(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Notes that the number was asked for at this time, and read.
    pub(super) fn note_read(&self, asked: Instant) {
        *self.checked.lock() = asked;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pictures_in_memory_are_used_only_while_the_number_is_known() {
        let erasures = Erasures::default();
        tokio::time::advance(MAX_AGE).await;
        assert!(erasures.is_fresh());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!erasures.is_fresh());
    }
}
