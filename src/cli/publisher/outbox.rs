//! What a publisher owes the server: frames that wait, frames that are unanswered, and when each stream may go on.
//!
//! No I/O and no clock of its own. A stream's frames never overtake each other: once one of them comes back, nothing of
//! that stream is sent until all of it that is in flight has come back too.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use prost::Message as _;
use tokio::time::Instant;

use crate::cli::output::duration;
use crate::cli::send::Decision;
use crate::pb::v1 as pb;
use crate::pb::v1::frame_result::Outcome;

/// Fields of a batch beside its frames, and the lengths before each frame.
const BATCH_OVERHEAD_BYTES: u64 = 32;
const FRAME_OVERHEAD_BYTES: u64 = 8;
/// Longest time that a refused frame waits, whatever the server says.
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// What a call may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) batch_frames: usize,
    pub(super) batch_bytes: u64,
    pub(super) batches: usize,
    pub(super) bytes: u64,
}

/// A frame that is not decided.
#[derive(Debug)]
pub(super) struct Entry {
    frame: pb::Frame,
    bytes: u64,
    /// It was sent before: it may be stored.
    sent: bool,
    refused: Option<pb::ItemError>,
}

/// One stream's frames.
#[derive(Debug, Default)]
struct Lane {
    /// In order.
    waiting: VecDeque<Entry>,
    in_flight: usize,
    /// Came back, in order, while others are still in flight.
    returned: VecDeque<Entry>,
    not_before: Option<Instant>,
    throttle: Throttle,
}

/// What the server asked of a stream.
#[derive(Debug, Clone, Copy, Default)]
struct Throttle {
    paused_until: Option<Instant>,
    max_fps: Option<f64>,
    max_bytes_per_second: Option<u64>,
    next: Option<Instant>,
}

impl Throttle {
    fn sent(&mut self, now: Instant, bytes: u64) {
        let by_frames = self.max_fps.map(|fps| 1.0 / fps.max(0.01));
        let by_bytes = self.max_bytes_per_second.map(|rate| bytes as f64 / rate.max(1) as f64);
        let pause = by_frames.unwrap_or(0.0).max(by_bytes.unwrap_or(0.0)).min(60.0);
        self.next = (pause > 0.0).then(|| now + Duration::from_secs_f64(pause));
    }
}

impl Lane {
    /// When its next frame may go; `None` while it must wait for answers, or has none.
    fn ready_at(&self, all: Throttle, now: Instant) -> Option<Instant> {
        if self.waiting.is_empty() || !self.returned.is_empty() {
            return None;
        }
        let Throttle { paused_until, next, .. } = self.throttle;
        let bounds = [self.not_before, paused_until, next, all.paused_until, all.next];
        Some(bounds.into_iter().flatten().max().unwrap_or(now))
    }

    /// What came back goes before what waits, once nothing is in flight.
    fn settle(&mut self) {
        if self.in_flight == 0 {
            while let Some(entry) = self.returned.pop_back() {
                self.waiting.push_front(entry);
            }
        }
    }
}

#[derive(Debug)]
struct Flying {
    batch_id: u64,
    bytes: u64,
    entries: Vec<Entry>,
}

/// All that is not decided.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    lanes: BTreeMap<String, Lane>,
    in_flight: VecDeque<Flying>,
    in_flight_bytes: u64,
    next_batch_id: u64,
    /// For all streams of the call.
    throttle: Throttle,
    frames: usize,
    bytes: u64,
    /// How often a frame was sent again.
    pub(super) retries: u64,
    /// The stream after this one is the next to be served.
    turn: String,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.frames == 0
    }

    pub(super) fn frames(&self) -> usize {
        self.frames
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn unanswered(&self) -> usize {
        self.in_flight.len()
    }

    pub(super) fn push(&mut self, frame: pb::Frame) {
        let bytes = frame.encoded_len() as u64 + FRAME_OVERHEAD_BYTES;
        self.frames += 1;
        self.bytes += bytes;
        let lane = self.lanes.entry(frame.stream_id.clone()).or_default();
        lane.waiting.push_back(Entry { frame, bytes, sent: false, refused: None });
    }

    /// Streams with undecided frames.
    pub(super) fn streams(&self) -> impl Iterator<Item = &String> {
        self.lanes.iter().filter(|(_, lane)| !lane.waiting.is_empty()).map(|(id, _)| id)
    }

    /// When there is something to send; `None` if only an answer or a new frame can bring that about.
    pub(super) fn ready_at(&self, window: &Window, now: Instant) -> Option<Instant> {
        if self.in_flight.len() >= window.batches {
            return None;
        }
        let ready = self.lanes.values().filter_map(|lane| lane.ready_at(self.throttle, now)).min()?;
        let fits = self.in_flight.is_empty() || self.in_flight_bytes + self.smallest() <= window.bytes;
        fits.then_some(ready)
    }

    fn smallest(&self) -> u64 {
        let first = self.lanes.values().filter_map(|lane| lane.waiting.front());
        first.map(|entry| entry.bytes).min().unwrap_or(0) + BATCH_OVERHEAD_BYTES
    }

    /// Takes the next batch, if one may be sent now.
    pub(super) fn next_batch(&mut self, window: &Window, now: Instant) -> Option<pb::SubmitBatch> {
        if self.in_flight.len() >= window.batches {
            return None;
        }
        let room = window.bytes.saturating_sub(self.in_flight_bytes).min(window.batch_bytes);
        let mut bytes = BATCH_OVERHEAD_BYTES;
        let mut entries: Vec<Entry> = Vec::new();
        // Streams take turns, so that a busy one does not starve the others.
        let after = self
            .lanes
            .range::<String, _>((std::ops::Bound::Excluded(&self.turn), std::ops::Bound::Unbounded));
        let ids: Vec<String> = after
            .map(|(id, _)| id.clone())
            .chain(self.lanes.range(..=self.turn.clone()).map(|(id, _)| id.clone()))
            .collect();
        for id in ids {
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            while entries.len() < window.batch_frames
                && lane.ready_at(self.throttle, now).is_some_and(|at| at <= now)
                && lane.waiting.front().is_some_and(|entry| {
                    // A frame that is alone too large is the server's to refuse.
                    bytes + entry.bytes <= room || entries.is_empty() && self.in_flight.is_empty()
                })
                && let Some(mut entry) = lane.waiting.pop_front()
            {
                bytes += entry.bytes;
                lane.in_flight += 1;
                lane.throttle.sent(now, entry.bytes);
                self.throttle.sent(now, entry.bytes);
                self.retries += u64::from(entry.sent);
                entry.sent = true;
                entries.push(entry);
                self.turn.clone_from(&id);
            }
        }
        if entries.is_empty() {
            return None;
        }
        let batch_id = self.next_batch_id;
        self.next_batch_id += 1;
        self.in_flight_bytes += bytes;
        let frames = entries.iter().map(|entry| entry.frame.clone()).collect();
        self.in_flight.push_back(Flying { batch_id, bytes, entries });
        Some(pb::SubmitBatch { batch_id, frames })
    }

    /// Enters the answer to a batch; tells what is decided. False if it answers nothing that was asked next.
    pub(super) fn answered(
        &mut self,
        result: pb::SubmitBatchResult,
        now: Instant,
        decided: &mut impl FnMut(pb::Frame, Decision),
    ) -> bool {
        let pb::SubmitBatchResult { batch_id, results } = result;
        let fits = |flying: &Flying| flying.batch_id == batch_id && flying.entries.len() == results.len();
        if !self.in_flight.front().is_some_and(fits) {
            return false;
        }
        let Some(flying) = self.in_flight.pop_front() else { return false };
        self.in_flight_bytes -= flying.bytes;
        for (mut entry, result) in flying.entries.into_iter().zip(results) {
            let Some(lane) = self.lanes.get_mut(&entry.frame.stream_id) else { continue };
            lane.in_flight -= 1;
            let decision = match result.outcome {
                Some(Outcome::Accepted(pb::FrameAccepted { sequence, receive_time: _ })) => {
                    Decision::Accepted { sequence }
                }
                Some(Outcome::Duplicate(pb::FrameDuplicate { sequence })) => Decision::Duplicate { sequence },
                Some(Outcome::Rejected(error)) if error.retry_delay.is_none() => Decision::Refused(error),
                Some(Outcome::Rejected(error) | Outcome::Unconfirmed(error)) => {
                    let delay = error.retry_delay.as_ref().map_or(Duration::ZERO, duration);
                    lane.not_before = lane.not_before.max(Some(now + delay.min(LONGEST_DELAY)));
                    entry.refused = Some(error);
                    lane.returned.push_back(entry);
                    lane.settle();
                    continue;
                }
                None => {
                    lane.returned.push_back(entry);
                    lane.settle();
                    continue;
                }
            };
            lane.settle();
            self.frames -= 1;
            self.bytes -= entry.bytes;
            decided(entry.frame, decision);
        }
        true
    }

    /// The call ended: what is unanswered may be stored, and waits again, in its order. Throttles were the call's.
    pub(super) fn call_ended(&mut self) {
        for flying in self.in_flight.drain(..) {
            for entry in flying.entries {
                if let Some(lane) = self.lanes.get_mut(&entry.frame.stream_id) {
                    lane.in_flight -= 1;
                    lane.returned.push_back(entry);
                }
            }
        }
        self.in_flight_bytes = 0;
        self.throttle = Throttle::default();
        self.lanes.values_mut().for_each(Lane::settle);
        self.lanes.retain(|_, lane| !lane.waiting.is_empty());
        self.lanes.values_mut().for_each(|lane| lane.throttle = Throttle::default());
    }

    /// Settles the frames that the server says it has.
    ///
    /// Only the very frame of the position is known to be stored: one below it may have been refused for good, in an
    /// answer that was lost. It is sent again, and the server says which.
    pub(super) fn resume(
        &mut self,
        positions: Vec<pb::PublisherPosition>,
        decided: &mut impl FnMut(pb::Frame, Decision),
    ) {
        for pb::PublisherPosition { stream_id, last_publisher_sequence, last_sequence } in positions {
            let Some(lane) = self.lanes.get_mut(&stream_id) else { continue };
            let Some(last) = last_publisher_sequence else { continue };
            let is_it = |entry: &Entry| entry.sent && entry.frame.publisher_sequence == Some(last);
            if let Some(at) = lane.waiting.iter().position(is_it)
                && let Some(entry) = lane.waiting.remove(at)
            {
                self.frames -= 1;
                self.bytes -= entry.bytes;
                decided(entry.frame, Decision::Duplicate { sequence: last_sequence.unwrap_or_default() });
            }
        }
    }

    pub(super) fn throttled(&mut self, asked: pb::SubmitThrottle, now: Instant) {
        let pb::SubmitThrottle { stream_id, pause, max_fps, max_bytes_per_second, queue_fill: _ } = asked;
        let throttle = match stream_id.as_str() {
            "" => &mut self.throttle,
            _ => &mut self.lanes.entry(stream_id).or_default().throttle,
        };
        let paused_until = pause.as_ref().map(|pause| now + duration(pause));
        let free = max_fps.is_none() && max_bytes_per_second.is_none();
        let next = throttle.next.filter(|_| !free);
        *throttle = Throttle { paused_until, max_fps, max_bytes_per_second, next };
    }

    /// Gives everything up.
    pub(super) fn abandon(mut self, decided: &mut impl FnMut(pb::Frame, Decision)) {
        self.call_ended();
        for lane in std::mem::take(&mut self.lanes).into_values() {
            for entry in lane.waiting {
                decided(entry.frame, Decision::Open(entry.refused));
            }
        }
    }
}
