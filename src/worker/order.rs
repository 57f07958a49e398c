//! Puts the frames of each stream back in order. Streams do not wait for each other.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::frame::Done;
use crate::domain::StreamId;

/// The frames of a partition that were taken and are not published.
#[derive(Debug, Default)]
pub(super) struct StreamOrder {
    streams: HashMap<StreamId, Line>,
    frames: usize,
    /// Processed frames that are next in their streams, in the order of publishing.
    ready: VecDeque<Done>,
}

/// The frames of one stream.
#[derive(Debug, Default)]
struct Line {
    frames: usize,
    /// The ticket of the next frame to begin: its number in the order of publishing.
    next_to_begin: u64,
    /// The ticket of the next frame to publish.
    next_to_publish: u64,
    /// Processed frames, by ticket, that wait for those before them.
    done: BTreeMap<u64, Done>,
}

impl StreamOrder {
    /// Returns the number of frames.
    pub(super) fn frames(&self) -> usize {
        self.frames
    }

    /// Reports whether there are frames of the stream.
    pub(super) fn has(&self, stream: &StreamId) -> bool {
        self.streams.contains_key(stream)
    }

    /// Notes that a frame of the stream is taken.
    pub(super) fn enter(&mut self, stream: &StreamId) {
        self.frames += 1;
        self.streams.entry(stream.clone()).or_default().frames += 1;
    }

    /// Notes that a frame of the stream was published, or is not begun after all.
    pub(super) fn leave(&mut self, stream: &StreamId) {
        self.frames = self.frames.saturating_sub(1);
        if let Some(line) = self.streams.get_mut(stream) {
            line.frames = line.frames.saturating_sub(1);
            if line.frames == 0 {
                self.streams.remove(stream);
            }
        }
    }

    /// Returns the ticket of a frame that is begun: the next one of its stream.
    pub(super) fn begin(&mut self, stream: &StreamId) -> u64 {
        let line = self.streams.entry(stream.clone()).or_default();
        line.next_to_begin += 1;
        line.next_to_begin - 1
    }

    /// Enters a processed frame.
    pub(super) fn done(&mut self, ticket: u64, done: Done) {
        let Some(line) = self.streams.get_mut(&done.finished.stream_id) else { return };
        line.done.insert(ticket, done);
        while let Some(next) = line.done.remove(&line.next_to_publish) {
            line.next_to_publish += 1;
            self.ready.push_back(next);
        }
    }

    /// Removes the next frame to publish. It counts until it [leaves](Self::leave).
    pub(super) fn next_ready(&mut self) -> Option<Done> {
        self.ready.pop_front()
    }
}
