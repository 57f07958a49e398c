//! The pace at which frames are sent.

use std::time::Duration;

use tokio::time::Instant;

use crate::console::output::span;

/// The maximum delay that is made up for by sending faster. After a longer one, the run continues at
/// its pace, as a camera does.
const MAX_CATCH_UP: Duration = Duration::from_millis(200);
/// The minimum time between two remarks about delays.
const REMARK_INTERVAL: Duration = Duration::from_secs(10);

/// A number of frames per second.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rate {
    /// Of each stream.
    EachStream(f64),
    /// Of all streams together.
    Together(f64),
}

/// Says when frames are due.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Option<Rate>,
    /// The source has a pace of its own, so a late frame is no delay of ours.
    is_live: bool,
    due: Instant,
    skipped: u64,
    /// The skipped ticks and the delay that no remark has mentioned.
    unmentioned: (u64, Duration),
    next_remark: Instant,
}

impl Pace {
    pub(super) fn new(rate: Option<Rate>, is_live: bool) -> Self {
        let now = Instant::now();
        Self { rate, is_live, due: now, skipped: 0, unmentioned: (0, Duration::ZERO), next_remark: now }
    }

    /// Returns when the next frame is due; `None` if frames are sent as fast as they are accepted.
    pub(super) fn due(&self) -> Option<Instant> {
        self.rate.map(|_| self.due)
    }

    /// Returns the number of ticks at which no frame was sent.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Notes that a frame is sent now; `streams` take turns. Returns a remark if ticks were skipped.
    pub(super) fn sent(&mut self, streams: usize) -> Option<String> {
        let per_second = match self.rate? {
            Rate::EachStream(fps) => fps * streams.max(1) as f64,
            Rate::Together(fps) => fps,
        };
        let (now, interval) = (Instant::now(), 1.0 / per_second);
        let late = now.saturating_duration_since(self.due);
        if self.is_live {
            self.due = self.due.max(now);
        } else if late > MAX_CATCH_UP.max(Duration::from_secs_f64(interval)) {
            let ticks = (late.as_secs_f64() / interval).floor();
            self.due += Duration::from_secs_f64(ticks * interval);
            self.skipped += ticks as u64;
            self.unmentioned.0 += ticks as u64;
            self.unmentioned.1 += late;
        }
        self.due += Duration::from_secs_f64(interval);
        let (ticks, delay) = self.unmentioned;
        if ticks == 0 || now < self.next_remark {
            return None;
        }
        self.unmentioned = (0, Duration::ZERO);
        self.next_remark = now + REMARK_INTERVAL;
        Some(format!(
            "{} behind: skipped {ticks} ticks, and goes on at its pace without catching up",
            span(delay)
        ))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep_until};

    use super::*;

    /// Sends frames until `end`, and returns how many.
    async fn send_until(pace: &mut Pace, end: Instant, streams: usize) -> (u64, Vec<String>) {
        let (mut sent, mut remarks) = (0, Vec::new());
        while let Some(due) = pace.due().filter(|due| *due < end) {
            sleep_until(due).await;
            sent += 1;
            remarks.extend(pace.sent(streams));
        }
        (sent, remarks)
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_not_made_up_for() {
        for (rate, streams) in [(Rate::Together(10.0), 1), (Rate::EachStream(5.0), 2)] {
            let mut pace = Pace::new(Some(rate), false);
            let start = Instant::now();
            let (sent, remarks) = send_until(&mut pace, start + Duration::from_millis(995), streams).await;
            assert_eq!((sent, remarks.len()), (10, 0), "{rate:?}");
            // The process is stopped for 5 s.
            advance(Duration::from_secs(5)).await;
            let (sent, remarks) = send_until(&mut pace, start + Duration::from_millis(6_995), streams).await;
            assert!((11..=12).contains(&sent), "no burst: {sent}");
            assert_eq!(remarks.len(), 1, "{remarks:?}");
            assert!((48..=50).contains(&pace.skipped()), "{}", pace.skipped());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_delay_is_made_up_for() {
        let mut pace = Pace::new(Some(Rate::Together(100.0)), false);
        let start = Instant::now();
        send_until(&mut pace, start + Duration::from_millis(495), 1).await;
        advance(Duration::from_millis(150)).await;
        let (sent, remarks) = send_until(&mut pace, start + Duration::from_millis(995), 1).await;
        assert_eq!((sent, remarks.len(), pace.skipped()), (50, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_live_source_is_never_behind() {
        let mut pace = Pace::new(Some(Rate::EachStream(10.0)), true);
        for _ in 0..5 {
            advance(Duration::from_secs(1)).await;
            assert!(pace.due().is_some_and(|due| due <= Instant::now()));
            assert_eq!(pace.sent(1), None);
        }
        assert_eq!(pace.skipped(), 0);
    }
}
