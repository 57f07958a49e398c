//! Removes what unregistered streams have left.

use super::state::{Now, Partition, Stream};
use crate::domain::{DeadFrame, DeadLetterId, StreamId};
use crate::queue::{Lease, MAX_TRIMMED, Result, remembered_streams};

impl Partition {
    /// Reports whether the dead letter of a frame may be read: its stream is known, and the frame
    /// is above the stream's floor and was not erased.
    pub(super) fn admits(&self, frame: &DeadFrame) -> bool {
        self.streams.get(&frame.stream_id).is_some_and(|stream| {
            frame.sequence.get() > stream.counters.floor_sequence && !stream.erased.contains(frame.sequence)
        })
    }

    /// Removes all dead letters that may not be read.
    pub(super) fn discard_hidden(&mut self, now: Now) {
        let letters = self.dead.iter().filter(|letter| !self.admits(&letter.frame));
        let hidden: Vec<DeadLetterId> = letters.map(|letter| letter.id).collect();
        for id in hidden {
            self.discard(id, now);
        }
    }

    pub(super) fn clean_up(&mut self, lease: &Lease, now: Now) -> Result<bool> {
        self.lease.check(lease, now.instant)?;
        for _ in 0..MAX_TRIMMED {
            let Some(entry) = self.old_outputs.pop_front() else { break };
            for payload in entry.body.payloads() {
                self.totals.output_bytes -= payload.size_bytes;
                self.payloads.remove_entered(payload.key, now.instant);
            }
            self.totals.trimmed += 1;
        }
        if std::mem::take(&mut self.stream_was_removed) {
            self.discard_hidden(now);
        }
        Ok(!self.old_outputs.is_empty())
    }

    /// If too many unregistered streams without waiting frames are remembered, forgets those with the
    /// lowest last sequences.
    pub(super) fn forget_streams(&mut self) {
        let limit = usize::try_from(remembered_streams(self.partitions)).unwrap_or(usize::MAX);
        while self.removed.len() > limit
            && let Some((last_sequence, id)) = self.removed.pop_first()
        {
            let revision = self.streams.remove(&id).map_or(0, |stream| stream.revision);
            self.forgotten = self.forgotten.max(last_sequence);
            self.forgotten_revision = self.forgotten_revision.max(revision);
        }
    }

    /// Notes that a stream may be forgotten, if it is unregistered and none of its frames wait.
    pub(super) fn settle_removed(&mut self, id: &StreamId) {
        let settled = |stream: &&Stream| stream.removed && stream.counters.queued_frames == 0;
        if let Some(stream) = self.streams.get(id).filter(settled) {
            self.control.unmark(id);
            self.removed.insert((stream.counters.accepted_sequence, id.clone()));
            self.forget_streams();
        }
    }
}
