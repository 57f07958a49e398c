//! The undecided frames of a publisher: those that wait and those in flight. The outbox also knows
//! when each stream may send its next frame.
//!
//! It does no I/O and has no clock of its own. Frames of a stream never overtake each other: after
//! one of them is returned unconfirmed, the stream sends nothing until all of its frames in flight
//! are answered.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use prost::Message as _;
use tokio::time::Instant;

use super::Decision;
use crate::client::retry::MAX_PAUSE;
use crate::client::time::duration;
use crate::pb::v1 as pb;

/// The maximum encoded size of all fields of a batch except its frames.
const BATCH_OVERHEAD_BYTES: u64 = 32;
/// The maximum encoded size of the tag and length before each frame.
const FRAME_OVERHEAD_BYTES: u64 = 8;

/// The maximum size of a batch, and the maximum batches and bytes in flight on a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) batch_frames: usize,
    pub(super) batch_bytes: u64,
    pub(super) batches: usize,
    pub(super) bytes: u64,
}

/// An undecided frame.
#[derive(Debug)]
pub(super) struct UndecidedFrame {
    frame: pb::Frame,
    bytes: u64,
    /// It was sent before, and may have been stored.
    sent: bool,
    /// The last refusal, which was not final.
    refused: Option<pb::ItemError>,
}

/// The frames of one stream.
#[derive(Debug, Default)]
struct StreamQueue {
    /// The frames that may be sent, in the order of the stream.
    waiting: VecDeque<UndecidedFrame>,
    in_flight: usize,
    /// Unconfirmed frames, in order. They wait until no frame of the stream is in flight.
    returned: VecDeque<UndecidedFrame>,
    /// The time until which the server has refused frames of the stream.
    not_before: Option<Instant>,
    throttle: Throttle,
}

/// The limits that the server has set for the pace of sending.
#[derive(Debug, Clone, Copy, Default)]
struct Throttle {
    paused_until: Option<Instant>,
    max_fps: Option<f64>,
    max_bytes_per_second: Option<u64>,
    /// The time before which the next frame must not be sent.
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

impl StreamQueue {
    /// Returns the time at which the next frame may be sent; `None` if no frame waits, or if a
    /// returned frame waits for others in flight.
    fn ready_at(&self, all: Throttle, now: Instant) -> Option<Instant> {
        if self.waiting.is_empty() || !self.returned.is_empty() {
            return None;
        }
        let Throttle { paused_until, next, .. } = self.throttle;
        let bounds = [self.not_before, paused_until, next, all.paused_until, all.next];
        Some(bounds.into_iter().flatten().max().unwrap_or(now))
    }

    /// Puts returned frames before the waiting ones, once nothing is in flight.
    fn requeue_returned(&mut self) {
        if self.in_flight == 0 {
            while let Some(entry) = self.returned.pop_back() {
                self.waiting.push_front(entry);
            }
        }
    }
}

#[derive(Debug)]
struct InFlightBatch {
    batch_id: u64,
    bytes: u64,
    entries: Vec<UndecidedFrame>,
}

/// All undecided frames.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    streams: BTreeMap<String, StreamQueue>,
    in_flight: VecDeque<InFlightBatch>,
    in_flight_bytes: u64,
    next_batch_id: u64,
    /// The limits for all streams together.
    throttle: Throttle,
    frames: usize,
    bytes: u64,
    /// The number of frames that were sent again, counted each time.
    pub(super) retries: u64,
    /// The stream that was served last; the one after it is next.
    last_stream: String,
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
        let stream = self.streams.entry(frame.stream_id.clone()).or_default();
        stream.waiting.push_back(UndecidedFrame { frame, bytes, sent: false, refused: None });
    }

    /// Returns the streams with undecided frames.
    pub(super) fn streams(&self) -> impl Iterator<Item = &String> {
        self.streams.iter().filter(|(_, stream)| !stream.waiting.is_empty()).map(|(id, _)| id)
    }

    /// Returns the time at which the next batch may be sent; `None` if an answer or a new frame
    /// must come first.
    pub(super) fn ready_at(&self, window: &Window, now: Instant) -> Option<Instant> {
        if self.in_flight.len() >= window.batches {
            return None;
        }
        let ready = self.streams.values().filter_map(|stream| stream.ready_at(self.throttle, now)).min()?;
        let fits = self.in_flight.is_empty() || self.in_flight_bytes + self.smallest() <= window.bytes;
        fits.then_some(ready)
    }

    fn smallest(&self) -> u64 {
        let first = self.streams.values().filter_map(|stream| stream.waiting.front());
        first.map(|entry| entry.bytes).min().unwrap_or(0) + BATCH_OVERHEAD_BYTES
    }

    /// Removes the next batch from the waiting frames, if one may be sent now.
    pub(super) fn next_batch(&mut self, window: &Window, now: Instant) -> Option<pb::SubmitBatch> {
        if self.in_flight.len() >= window.batches {
            return None;
        }
        let room = window.bytes.saturating_sub(self.in_flight_bytes).min(window.batch_bytes);
        let mut bytes = BATCH_OVERHEAD_BYTES;
        let mut entries: Vec<UndecidedFrame> = Vec::new();
        // Streams take turns, so that a busy stream does not starve the others.
        let after = self
            .streams
            .range::<String, _>((std::ops::Bound::Excluded(&self.last_stream), std::ops::Bound::Unbounded));
        let ids: Vec<String> = after
            .map(|(id, _)| id.clone())
            .chain(self.streams.range(..=self.last_stream.clone()).map(|(id, _)| id.clone()))
            .collect();
        for id in ids {
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            while entries.len() < window.batch_frames
                && stream.ready_at(self.throttle, now).is_some_and(|at| at <= now)
                && stream.waiting.front().is_some_and(|entry| {
                    // A frame that alone exceeds the limit is sent, and the server refuses it.
                    bytes + entry.bytes <= room || entries.is_empty() && self.in_flight.is_empty()
                })
                && let Some(mut entry) = stream.waiting.pop_front()
            {
                bytes += entry.bytes;
                stream.in_flight += 1;
                stream.throttle.sent(now, entry.bytes);
                self.throttle.sent(now, entry.bytes);
                self.retries += u64::from(entry.sent);
                entry.sent = true;
                entries.push(entry);
                self.last_stream.clone_from(&id);
            }
        }
        if entries.is_empty() {
            return None;
        }
        let batch_id = self.next_batch_id;
        self.next_batch_id += 1;
        self.in_flight_bytes += bytes;
        let frames = entries.iter().map(|entry| entry.frame.clone()).collect();
        self.in_flight.push_back(InFlightBatch { batch_id, bytes, entries });
        Some(pb::SubmitBatch { batch_id, frames })
    }

    /// Records the answer to a batch and reports its decisions. Returns false if it is not the
    /// answer to the oldest batch in flight.
    pub(super) fn answered(
        &mut self,
        result: pb::SubmitBatchResult,
        now: Instant,
        decided: &mut impl FnMut(pb::Frame, Decision),
    ) -> bool {
        let pb::SubmitBatchResult { batch_id, results } = result;
        let fits = |batch: &InFlightBatch| batch.batch_id == batch_id && batch.entries.len() == results.len();
        if !self.in_flight.front().is_some_and(fits) {
            return false;
        }
        let Some(batch) = self.in_flight.pop_front() else { return false };
        self.in_flight_bytes -= batch.bytes;
        for (mut entry, result) in batch.entries.into_iter().zip(results) {
            let Some(stream) = self.streams.get_mut(&entry.frame.stream_id) else { continue };
            stream.in_flight -= 1;
            let decision = Decision::of(Some(result));
            if let Decision::Unconfirmed(error) = decision {
                if let Some(error) = error {
                    let delay = error.retry_delay.as_ref().map_or(Duration::ZERO, duration);
                    stream.not_before = stream.not_before.max(Some(now + delay.min(MAX_PAUSE)));
                    entry.refused = Some(error);
                }
                stream.returned.push_back(entry);
                stream.requeue_returned();
                continue;
            }
            stream.requeue_returned();
            self.frames -= 1;
            self.bytes -= entry.bytes;
            decided(entry.frame, decision);
        }
        true
    }

    /// Puts unanswered frames back to the waiting ones, in order, after the call has ended; they
    /// may have been stored. Throttles end with the call.
    pub(super) fn call_ended(&mut self) {
        for batch in self.in_flight.drain(..) {
            for entry in batch.entries {
                if let Some(stream) = self.streams.get_mut(&entry.frame.stream_id) {
                    stream.in_flight -= 1;
                    stream.returned.push_back(entry);
                }
            }
        }
        self.in_flight_bytes = 0;
        self.throttle = Throttle::default();
        self.streams.values_mut().for_each(StreamQueue::requeue_returned);
        self.streams.retain(|_, stream| !stream.waiting.is_empty());
        self.streams.values_mut().for_each(|stream| stream.throttle = Throttle::default());
    }

    /// Reports the frames that are stored according to the server's positions.
    ///
    /// A position proves only that its own frame is stored. A frame with a lower publisher sequence
    /// may have been refused in an answer that was lost, so it is sent again.
    pub(super) fn resume(
        &mut self,
        positions: Vec<pb::PublisherPosition>,
        decided: &mut impl FnMut(pb::Frame, Decision),
    ) {
        for pb::PublisherPosition { stream_id, last_publisher_sequence, last_sequence } in positions {
            let Some(stream) = self.streams.get_mut(&stream_id) else { continue };
            let Some(last) = last_publisher_sequence else { continue };
            let is_last = |entry: &UndecidedFrame| entry.sent && entry.frame.publisher_sequence == Some(last);
            if let Some(at) = stream.waiting.iter().position(is_last)
                && let Some(entry) = stream.waiting.remove(at)
            {
                self.frames -= 1;
                self.bytes -= entry.bytes;
                decided(entry.frame, Decision::Duplicate { sequence: last_sequence.unwrap_or_default() });
            }
        }
    }

    pub(super) fn throttled(&mut self, requested: pb::SubmitThrottle, now: Instant) {
        let pb::SubmitThrottle { stream_id, pause, max_fps, max_bytes_per_second, queue_fill: _ } = requested;
        let throttle = match stream_id.as_str() {
            "" => &mut self.throttle,
            _ => &mut self.streams.entry(stream_id).or_default().throttle,
        };
        let paused_until = pause.as_ref().map(|pause| now + duration(pause));
        let is_unlimited = max_fps.is_none() && max_bytes_per_second.is_none();
        let next = throttle.next.filter(|_| !is_unlimited);
        *throttle = Throttle { paused_until, max_fps, max_bytes_per_second, next };
    }

    /// Reports every frame as unconfirmed.
    pub(super) fn abandon(mut self, decided: &mut impl FnMut(pb::Frame, Decision)) {
        self.call_ended();
        for stream in std::mem::take(&mut self.streams).into_values() {
            for entry in stream.waiting {
                decided(entry.frame, Decision::Unconfirmed(entry.refused));
            }
        }
    }
}
