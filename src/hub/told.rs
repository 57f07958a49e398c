use std::sync::atomic::{AtomicU64, Ordering};

use super::event::{Event, GapReason};

/// Frames that subscribers did not get, by reason: the sum of all gaps told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Omitted([u64; GapReason::ALL.len()]);

impl Omitted {
    /// How many for this reason.
    #[must_use]
    pub fn of(&self, reason: GapReason) -> u64 {
        self.0[reason as usize]
    }

    /// Each reason and how many.
    pub fn iter(&self) -> impl Iterator<Item = (GapReason, u64)> + '_ {
        GapReason::ALL.into_iter().map(|reason| (reason, self.of(reason)))
    }

    /// How many for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// What all subscriptions have told.
#[derive(Debug, Default)]
pub(super) struct Told {
    delivered: AtomicU64,
    omitted: [AtomicU64; GapReason::ALL.len()],
}

impl Told {
    pub(super) fn count(&self, event: &Event) {
        match event {
            Event::Frame(_) => {
                self.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Event::Gap(gap) => {
                for &(reason, count) in &gap.causes {
                    // A failover passes numbers over that were never frames.
                    let failover = reason == GapReason::BackendFailover;
                    let count = if failover { gap.failover_frames.unwrap_or_default() } else { count };
                    self.omitted[reason as usize].fetch_add(count, Ordering::Relaxed);
                }
            }
            // How many frames were there is not known.
            Event::TimeGap(_) | Event::Heartbeat { .. } | Event::Checkpoint { .. } | Event::Draining(_) => {}
        }
    }

    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    pub(super) fn omitted(&self) -> Omitted {
        Omitted(std::array::from_fn(|place| self.omitted[place].load(Ordering::Relaxed)))
    }
}
