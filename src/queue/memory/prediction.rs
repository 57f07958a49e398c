use std::collections::{HashMap, HashSet};

use super::state::Stream;
use super::window::{Known, PublisherWindow};
use crate::domain::{PartitionId, PublisherId, Sequence, StreamId};
use crate::queue::{AcceptResult, NewFrame};

/// The effect of the earlier frames of a call on the later ones, in addition to the stored state. A
/// retryable refusal blocks its stream; in a dry run, frames that would be stored count as stored.
#[derive(Default)]
pub(super) struct Predicted {
    refused: HashSet<StreamId>,
    streams: HashMap<StreamId, Added>,
    partitions: HashMap<PartitionId, Added>,
    windows: HashMap<StreamId, HashMap<PublisherId, PublisherWindow>>,
}

/// A number of frames, and the bytes of their pictures.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Added {
    pub(super) frames: u64,
    pub(super) bytes: u64,
}

impl Added {
    fn add(&mut self, bytes: u64) {
        self.frames += 1;
        self.bytes += bytes;
    }
}

impl Predicted {
    /// Notes a result: a retryable refusal blocks the stream.
    pub(super) fn note(&mut self, stream: &StreamId, result: &AcceptResult) {
        if let AcceptResult::Refused(refusal) = result
            && refusal.is_retryable()
        {
            self.refused.insert(stream.clone());
        }
    }

    pub(super) fn is_blocked(&self, stream: &StreamId) -> bool {
        self.refused.contains(stream)
    }

    pub(super) fn in_stream(&self, stream: &StreamId) -> Added {
        self.streams.get(stream).copied().unwrap_or_default()
    }

    pub(super) fn in_partition(&self, partition: PartitionId) -> Added {
        self.partitions.get(&partition).copied().unwrap_or_default()
    }

    /// Looks up the publisher sequence.
    pub(super) fn look_up(&self, stream: &Stream, frame: &NewFrame) -> Known {
        let Some(publisher) = &frame.header.publisher else { return Known::New };
        let window = self.window(stream, &frame.stream_id, &publisher.id);
        window.map_or(Known::New, |window| window.look_up(publisher.sequence, &frame.header.source.digest))
    }

    pub(super) fn window<'a>(
        &'a self,
        stream: &'a Stream,
        id: &StreamId,
        publisher: &PublisherId,
    ) -> Option<&'a PublisherWindow> {
        let here = self.windows.get(id).and_then(|windows| windows.get(publisher));
        here.or_else(|| stream.publishers.get(publisher))
    }

    /// Returns the number of publishers that the stream remembers.
    pub(super) fn publishers(&self, stream: &Stream, id: &StreamId) -> usize {
        let windows = self.windows.get(id);
        let new = windows.map_or(0, |windows| {
            windows.keys().filter(|publisher| !stream.publishers.contains_key(publisher)).count()
        });
        stream.publishers.len() + new
    }

    /// Counts a frame as stored.
    pub(super) fn count_as_stored(&mut self, stream: &Stream, partition: PartitionId, frame: &NewFrame) {
        let size_bytes = frame.upload.payload.size_bytes;
        let in_stream = self.streams.entry(frame.stream_id.clone()).or_default();
        in_stream.add(size_bytes);
        let sequence = Sequence::after(stream.counters.accepted_sequence + in_stream.frames - 1);
        self.partitions.entry(partition).or_default().add(size_bytes);
        if let Some(publisher) = &frame.header.publisher {
            let stored = || stream.publishers.get(&publisher.id).cloned().unwrap_or_default();
            let windows = self.windows.entry(frame.stream_id.clone()).or_default();
            let window = windows.entry(publisher.id.clone()).or_insert_with(stored);
            window.remember(publisher.sequence, &frame.header.source.digest, sequence);
        }
    }
}
