use std::time::Duration;

use tokio::time::Instant;

/// Shorter intervals are raised to this: heartbeats must leave room for frames.
const SHORTEST: Duration = Duration::from_millis(10);
/// Where neither heartbeats nor checkpoints are asked for, a gap waits this long for the next frame.
const GAP_LINGER: Duration = Duration::from_secs(1);

/// When a subscription tells something though no frame came.
#[derive(Debug)]
pub(super) struct Timers {
    heartbeat: Timer,
    checkpoint: Timer,
    gaps: Option<Instant>,
}

/// What is due.
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
        let interval = interval.max(SHORTEST.min(interval * 1000)); // zero stays zero
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
            self.restart(); // from now: a slow reader gets no volley
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

    /// A gap is pending.
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

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Instant> {
        [self.heartbeat.at, self.checkpoint.at, self.gaps].into_iter().flatten().min()
    }
}
