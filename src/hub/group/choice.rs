//! Which entries a group passes over, and why.

use std::collections::BTreeMap;

use crate::domain::{GroupSettings, OutputBody, OutputEntry, Sampling, StreamRecord, TombstoneKind};
use crate::hub::event::GapReason;

/// What sampling remembers of a stream: when the last frame that was sent was received, and how many came since. Stored
/// with the position as text, so that all servers thin a stream out as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    sent_micros: Option<i64>,
    since: u32,
}

impl Mark {
    pub(super) fn read(text: &str) -> Self {
        let parsed =
            text.split_once(':').and_then(|(sent, since)| Some((sent.parse().ok()?, since.parse().ok()?)));
        parsed.map_or_else(Self::default, |(sent, since)| Self { sent_micros: Some(sent), since })
    }

    pub(super) fn write(self) -> String {
        self.sent_micros.map_or_else(String::new, |sent| format!("{sent}:{}", self.since))
    }

    /// Whether sampling leaves the next frame out.
    fn leaves_out(&mut self, sampling: &Sampling, received_micros: i64) -> bool {
        let Some(sent) = self.sent_micros else {
            self.sent_micros = Some(received_micros);
            return false;
        };
        self.since += 1;
        let too_soon = sampling.max_fps.is_some_and(|fps| {
            // A frame that is a hair early is in time: cameras jitter.
            (received_micros.saturating_sub(sent) as f64) < 1e6 / fps - 1_000.0
        });
        if too_soon || self.since < sampling.every_nth {
            return true;
        }
        *self = Self { sent_micros: Some(received_micros), since: 0 };
        false
    }
}

/// Why the group passes an entry over; `None` if it does not.
pub(super) fn passes_over(
    settings: &GroupSettings,
    stream: Option<&StreamRecord>,
    entry: &OutputEntry,
    mark: &mut Mark,
) -> Option<GapReason> {
    let unlabelled = BTreeMap::new();
    let labels = stream.map_or(&unlabelled, |record| &record.settings.labels);
    match &entry.body {
        OutputBody::Tombstone(tombstone) => Some(match &tombstone.kind {
            TombstoneKind::Failed(_) => GapReason::Failed,
            TombstoneKind::Dropped => GapReason::Overflow,
            TombstoneKind::Purged(_) => GapReason::Purged,
        }),
        OutputBody::Frame(frame) if !settings.filter.passes(frame, labels) => Some(GapReason::Filtered),
        OutputBody::Frame(_) if settings.sampling.is_active() => {
            mark.leaves_out(&settings.sampling, entry.received_time.as_micros()).then_some(GapReason::Sampled)
        }
        OutputBody::Frame(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(sampling: Sampling, times_ms: &[i64]) -> Vec<i64> {
        let mut mark = Mark::default();
        let mut sent = Vec::new();
        for &ms in times_ms {
            // The mark is stored as text between any two frames.
            mark = Mark::read(&mark.write());
            if !mark.leaves_out(&sampling, ms * 1_000) {
                sent.push(ms);
            }
        }
        sent
    }

    #[test]
    fn every_nth_and_max_fps_thin_a_stream_out() {
        let times: Vec<i64> = (0..10).map(|n| n * 100).collect();
        assert_eq!(sent(Sampling { max_fps: None, every_nth: 3 }, &times), [0, 300, 600, 900]);
        assert_eq!(sent(Sampling { max_fps: Some(5.0), every_nth: 0 }, &times), [0, 200, 400, 600, 800]);
        assert_eq!(sent(Sampling { max_fps: Some(5.0), every_nth: 3 }, &times), [0, 300, 600, 900]);
        assert_eq!(
            sent(Sampling { max_fps: Some(10.0), every_nth: 1 }, &[0, 99, 199, 250, 300]),
            [0, 99, 199, 300]
        );
    }
}
