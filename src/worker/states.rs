//! Logs the streams of a partition that become live, stall, or fail.
//!
//! A worker sees the frames of its partitions, so each change is logged once in a cluster. Before it
//! calls a stream stalled, it asks the queue: frames may wait that it has not taken. A worker that
//! takes over a partition logs its streams as live again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::domain::{
    FAILED_IN_ROW, OutputBody, StreamId, StreamRecord, StreamState, Timestamp, TombstoneKind,
};
use crate::queue::Finished;

/// The maximum number of streams whose state is known. Changes of further ones are not logged.
const MAX_STREAMS: usize = 4096;
/// The maximum number of streams that are looked up at once.
const MAX_LOOKED_UP: usize = 100;
/// The maximum number of lines in an interval. Further changes are counted.
const MAX_LINES: u32 = 50;
const INTERVAL: Duration = Duration::from_secs(10);
/// The time after which a stream that was about to stall is looked at again.
const NEXT_LOOK: Duration = Duration::from_secs(1);

/// The states of the streams of one partition, as they were logged.
#[derive(Debug, Default)]
pub(super) struct States {
    streams: HashMap<StreamId, Known>,
    lines: Lines,
}

#[derive(Debug)]
struct Known {
    state: StreamState,
    failed_in_row: u64,
    /// The time from which the stream may have stalled.
    may_stall: Instant,
}

impl States {
    /// Notes a frame that was published. `record` is that of its stream.
    pub(super) fn published(&mut self, frame: &Finished, record: &StreamRecord, now: Instant) {
        let (id, header) = (&frame.stream_id, frame.body.header());
        if header.replayed_from.is_some() {
            return;
        }
        if !self.streams.contains_key(id) {
            if self.streams.len() >= MAX_STREAMS {
                self.streams.retain(|_, known| known.state != StreamState::Stalled);
            }
            if self.streams.len() >= MAX_STREAMS {
                return;
            }
        }
        let may_stall = now + record.effective.stall_timeout.0;
        let known = self.streams.entry(id.clone()).or_insert(Known {
            state: StreamState::Idle,
            failed_in_row: 0,
            may_stall,
        });
        known.may_stall = may_stall;
        let failure = match &frame.body {
            OutputBody::Frame(_) => {
                known.failed_in_row = 0;
                None
            }
            OutputBody::Tombstone(tombstone) => match &tombstone.kind {
                TombstoneKind::Failed(failure) => {
                    known.failed_in_row += 1;
                    Some(failure)
                }
                TombstoneKind::Dropped | TombstoneKind::Purged(_) | TombstoneKind::Erased => None,
            },
        };
        let state = match known.failed_in_row >= FAILED_IN_ROW {
            true => StreamState::Error,
            false => StreamState::Live,
        };
        if std::mem::replace(&mut known.state, state) == state || !self.lines.take(now) {
            return;
        }
        match failure.filter(|_| state == StreamState::Error) {
            Some(failure) => {
                let (reason, why) = (failure.reason.name(), failure.message.as_str());
                tracing::info!(stream = %id, reason, why, "stream in error: its last frames failed");
            }
            None => tracing::info!(stream = %id, "stream live"),
        }
    }

    /// Forgets a stream that was unregistered.
    pub(super) fn removed(&mut self, id: &StreamId) {
        self.streams.remove(id);
    }

    /// Returns the streams that may have stalled; their records are to be given to
    /// [`looked_up`](Self::looked_up).
    pub(super) fn due(&mut self, now: Instant) -> Vec<StreamId> {
        self.lines.report(now);
        let due = self.streams.iter().filter(|(_, known)| {
            matches!(known.state, StreamState::Live | StreamState::Error) && known.may_stall <= now
        });
        due.map(|(id, _)| id.clone()).take(MAX_LOOKED_UP).collect()
    }

    /// Takes the records of streams that may have stalled; `None` for one that is unknown.
    pub(super) fn looked_up(&mut self, ids: &[StreamId], records: &[Option<StreamRecord>], now: Instant) {
        for (id, record) in ids.iter().zip(records) {
            let Some(record) = record.as_ref().filter(|record| !record.removed) else {
                self.removed(id);
                continue;
            };
            let Some(known) = self.streams.get_mut(id) else { continue };
            if record.state(Timestamp::now()) != StreamState::Stalled {
                known.may_stall = now + NEXT_LOOK;
                continue;
            }
            known.state = StreamState::Stalled;
            if self.lines.take(now) {
                let timeout = record.effective.stall_timeout.0;
                tracing::info!(stream = %id, ?timeout, "stream stalled: no frame within the timeout");
            }
        }
    }
}

/// The number of lines in the present interval.
#[derive(Debug, Default)]
struct Lines {
    start: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Lines {
    /// Reports whether a line may be written; counts it.
    fn take(&mut self, now: Instant) -> bool {
        self.report(now);
        if self.written >= MAX_LINES {
            self.left_out += 1;
            return false;
        }
        self.written += 1;
        true
    }

    /// Starts an interval if the last one is over, and logs how many lines that one left out.
    fn report(&mut self, now: Instant) {
        if self.start.is_some_and(|start| now.duration_since(start) < INTERVAL) {
            return;
        }
        if self.left_out > 0 {
            tracing::info!(changes = self.left_out, "further streams became live, stalled or failed");
        }
        *self = Self { start: Some(now), written: 0, left_out: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_an_interval_are_bounded() {
        let start = Instant::now();
        let mut lines = Lines::default();
        let written = (0..200).filter(|_| lines.take(start)).count();
        assert_eq!((written, lines.left_out), (MAX_LINES as usize, 150));
        assert!(lines.take(start + INTERVAL));
        assert_eq!((lines.written, lines.left_out), (1, 0));
    }

    #[test]
    fn a_stream_stalls_when_the_queue_says_so() {
        let now = Instant::now();
        let id: StreamId = "cam".parse().unwrap();
        let mut record = StreamRecord::unknown(id.clone(), Timestamp::now());
        let mut states = States::default();
        let known = Known { state: StreamState::Live, failed_in_row: 0, may_stall: now };
        states.streams.insert(id.clone(), known);
        assert_eq!(states.due(now), std::slice::from_ref(&id));
        record.removed = false;
        // Idle: the queue has no frame since the stream was registered again.
        states.looked_up(std::slice::from_ref(&id), &[Some(record.clone())], now);
        assert!(states.due(now).is_empty());
        assert_eq!(states.streams[&id].state, StreamState::Live);
        record.counters.last_receive_time = Some(Timestamp::from_micros(1_000_000));
        record.create_time = Timestamp::from_micros(0);
        states.looked_up(std::slice::from_ref(&id), &[Some(record)], now + NEXT_LOOK);
        assert_eq!(states.streams[&id].state, StreamState::Stalled);
        states.looked_up(std::slice::from_ref(&id), &[None], now);
        assert!(states.streams.is_empty());
    }
}
