//! The times at which a subscription sends something without a frame.

use std::time::Duration;

use tokio::time::Instant;

/// The minimum interval, because heartbeats must leave room for frames.
const MIN_INTERVAL: Duration = Duration::from_millis(10);
/// The time for which a gap waits for the next frame if neither heartbeats nor checkpoints are
/// requested.
const GAP_LINGER: Duration = Duration::from_secs(1);

/// The times at which a subscription sends something without a frame.
#[derive(Debug)]
pub(super) struct Timers {
    heartbeat: Timer,
    checkpoint: Timer,
    gaps: Option<Instant>,
}

/// The event that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Heartbeat,
    Checkpoint,
    Gaps,
}

#[derive(Debug)]
struct Timer {
    interval: Duration,
    at: Option<Instant>,
}

impl Timer {
    fn new(interval: Duration) -> Self {
        let interval = interval.max(MIN_INTERVAL.min(interval * 1000)); // zero = none, and stays zero
        Self { interval, at: None }.restarted()
    }

    fn restarted(mut self) -> Self {
        self.restart();
        self
    }

    fn restart(&mut self) {
        self.at = if self.interval.is_zero() { None } else { Instant::now().checked_add(self.interval) };
    }

    fn take(&mut self) -> bool {
        let due = self.at.is_some_and(|at| at <= Instant::now());
        if due {
            self.restart(); // counted from now, so that a slow reader gets no burst
        }
        due
    }
}

impl Timers {
    pub(super) fn new(heartbeat_interval: Duration, checkpoint_interval: Duration) -> Self {
        Self {
            heartbeat: Timer::new(heartbeat_interval),
            checkpoint: Timer::new(checkpoint_interval),
            gaps: None,
        }
    }

    /// Notes that a gap is pending.
    pub(super) fn gap_pending(&mut self) {
        if self.heartbeat.at.is_none() && self.checkpoint.at.is_none() && self.gaps.is_none() {
            self.gaps = Some(Instant::now() + GAP_LINGER);
        }
    }

    pub(super) fn take_due(&mut self) -> Option<Due> {
        if self.heartbeat.take() {
            return Some(Due::Heartbeat);
        }
        if self.checkpoint.take() {
            return Some(Due::Checkpoint);
        }
        let gaps_due = self.gaps.is_some_and(|at| at <= Instant::now());
        gaps_due.then(|| {
            self.gaps = None;
            Due::Gaps
        })
    }

    /// Returns the time at which something is due next.
    pub(super) fn next(&self) -> Option<Instant> {
        [self.heartbeat.at, self.checkpoint.at, self.gaps].into_iter().flatten().min()
    }
}
