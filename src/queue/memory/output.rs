use std::sync::Arc;

use super::state::{Now, Partition, State, Stream};
use crate::domain::{OutputEntry, Sequence, StreamId};
use crate::queue::{Error, Lease, MAX_TRIMMED, OutputPage, Result, Trimmed};

impl State {
    pub(super) fn read_outputs(&self, id: &StreamId, from: Sequence, limit: usize) -> Result<OutputPage> {
        let stream = self.home(id).streams.get(id).ok_or_else(|| Error::StreamNotFound(id.clone()))?;
        // There are no holes: the index of a sequence is its distance from the oldest.
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

impl Partition {
    pub(super) fn trim_output(
        &mut self,
        lease: &Lease,
        id: &StreamId,
        revision: Option<u64>,
        keep_from: Sequence,
        now: Now,
    ) -> Result<Trimmed> {
        self.lease.check(lease, now.instant)?;
        let mut trimmed = Trimmed::default();
        let Some(stream) = self.streams.get_mut(id) else { return Ok(trimmed) };
        let is_due = |stream: &Stream| stream.outputs.front().is_some_and(|entry| entry.sequence < keep_from);
        if is_due(stream) && revision.is_some_and(|revision| revision != stream.revision) {
            return Err(Error::RevisionMismatch { current: stream.revision });
        }
        while trimmed.frames < MAX_TRIMMED as u64
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
        self.totals.output_bytes -= trimmed.bytes;
        self.totals.trimmed += trimmed.frames;
        Ok(trimmed)
    }
}
