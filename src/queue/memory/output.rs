use std::sync::Arc;

use super::state::{Now, Partition, State, Stream};
use crate::domain::{OutputEntry, Sequence, StreamId, Timestamp};
use crate::queue::{Error, Lease, OutputPage, Result, Trimmed};

/// Most entries that one call removes: the lock is held meanwhile.
pub(super) const MAX_TRIMMED: u64 = 256;

impl State {
    pub(super) fn read_outputs(&self, id: &StreamId, from: Sequence, limit: usize) -> Result<OutputPage> {
        let stream = self.home(id).streams.get(id).ok_or_else(|| Error::StreamNotFound(id.clone()))?;
        // Without holes: a number's place is its distance from the oldest.
        let skip = from.get().saturating_sub(stream.counters.oldest_sequence);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let entries = stream.outputs.iter().skip(skip).take(limit).map(Arc::clone).collect();
        Ok(OutputPage { entries, counters: stream.counters(), removed: stream.removed })
    }

    pub(super) fn latest_outputs(&self, id: &StreamId, limit: usize) -> Vec<Arc<OutputEntry>> {
        let outputs = self.home(id).streams.get(id).map(|stream| &stream.outputs);
        outputs.into_iter().flat_map(|outputs| outputs.iter().rev()).take(limit).map(Arc::clone).collect()
    }

    pub(super) fn latest_frame(&self, id: &StreamId) -> Option<Arc<OutputEntry>> {
        let stream = self.home(id).streams.get(id)?;
        let place = stream.newest_frame.checked_sub(stream.counters.oldest_sequence)?;
        stream.outputs.get(usize::try_from(place).ok()?).map(Arc::clone)
    }
}

/// What an output may keep.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    /// Of the settings that say so; `None` = any.
    pub(super) revision: Option<u64>,
    pub(super) max_frames: u64,
    pub(super) max_bytes: u64,
    /// What was received before goes.
    pub(super) oldest: Timestamp,
}

impl Partition {
    pub(super) fn trim_output(
        &mut self,
        lease: &Lease,
        id: &StreamId,
        keep: &Keep,
        now: Now,
    ) -> Result<Trimmed> {
        self.lease.check(lease, now.instant)?;
        let mut trimmed = Trimmed::default();
        let Some(stream) = self.streams.get_mut(id) else { return Ok(trimmed) };
        let is_due = |stream: &Stream| {
            stream.outputs.front().is_some_and(|entry| {
                stream.counters.output_frames > keep.max_frames
                    || stream.counters.output_bytes > keep.max_bytes
                    || entry.receive_time < keep.oldest
            })
        };
        if is_due(stream) && keep.revision.is_some_and(|revision| revision != stream.revision) {
            return Err(Error::RevisionMismatch { current: stream.revision });
        }
        while trimmed.frames < MAX_TRIMMED
            && is_due(stream)
            && let Some(entry) = stream.outputs.pop_front()
        {
            let mut bytes = 0;
            for payload in entry.body.payloads() {
                bytes += payload.size_bytes;
                self.payloads.remove_entered(payload.key, now.instant);
            }
            stream.counters.output_frames -= 1;
            stream.counters.oldest_sequence = entry.sequence.get() + 1;
            stream.counters.output_bytes -= bytes;
            stream.counters.trimmed_frames += 1;
            stream.counters.trimmed_until = Some(entry.receive_time);
            trimmed.frames += 1;
            trimmed.bytes += bytes;
        }
        trimmed.more = is_due(stream);
        trimmed.oldest = stream.outputs.front().map(|entry| entry.receive_time);
        self.totals.output_bytes -= trimmed.bytes;
        self.totals.trimmed += trimmed.frames;
        Ok(trimmed)
    }
}
