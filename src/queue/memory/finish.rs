use std::sync::Arc;

use super::payloads::PayloadState;
use super::state::{Now, Partition};
use crate::domain::{OutputBody, OutputEntry, StreamId, TombstoneKind};
use crate::queue::{FeedEvent, FinishResult, Finished, Lease, Result, UPLOAD_TTL};

impl Partition {
    pub(super) fn finish(
        &mut self,
        lease: &Lease,
        frames: &[Finished],
        dead_bytes: u64,
        now: Now,
    ) -> Result<Vec<FinishResult>> {
        self.lease.check(lease, now.instant)?;
        for frame in frames {
            self.payloads.upload(&frame.uploads, UPLOAD_TTL, now.instant);
        }
        Ok(frames.iter().map(|frame| self.finish_one(frame, dead_bytes, now)).collect())
    }

    fn finish_one(&mut self, frame: &Finished, dead_bytes: u64, now: Now) -> FinishResult {
        if self.published_sequence(&frame.stream_id) >= Some(frame.sequence.get()) {
            for upload in &frame.uploads {
                // Does nothing to uploads that were entered.
                self.payloads.withdraw(upload.payload.key);
            }
            return FinishResult::AlreadyPublished;
        }
        if !self.is_next(frame) {
            return FinishResult::NotNext;
        }
        if self.is_removed(frame) {
            self.remove(frame, now);
            return FinishResult::Removed;
        }
        if self.is_erased(frame) {
            for upload in &frame.uploads {
                self.payloads.withdraw(upload.payload.key);
            }
            return FinishResult::Erased;
        }
        let kept = frame.body.payloads();
        let is_here = |state| state != PayloadState::Gone;
        if !kept.iter().all(|payload| is_here(self.payloads.state(payload.key))) {
            return FinishResult::PayloadGone;
        }
        self.publish(frame, dead_bytes, now);
        FinishResult::Published
    }

    fn published_sequence(&self, id: &StreamId) -> Option<u64> {
        Some(self.streams.get(id)?.counters.published_sequence)
    }

    /// Reports whether the frame is in the work queue and all before it are published.
    fn is_next(&self, frame: &Finished) -> bool {
        let queued = self.work.get(frame.position);
        queued.is_some_and(|item| item.stream_id == frame.stream_id && item.sequence == frame.sequence)
            && self.published_sequence(&frame.stream_id) == Some(frame.sequence.get() - 1)
    }

    /// Reports whether the frame's stream was unregistered after the frame was accepted.
    fn is_removed(&self, frame: &Finished) -> bool {
        let floor = self.streams.get(&frame.stream_id).map(|stream| stream.counters.floor_sequence);
        floor.is_some_and(|floor| frame.sequence.get() <= floor)
    }

    /// Reports whether the frame was erased and its result must not be published.
    fn is_erased(&self, frame: &Finished) -> bool {
        frame.has_erasable_body()
            && self.streams.get(&frame.stream_id).is_some_and(|stream| stream.erased.contains(frame.sequence))
    }

    /// Removes a frame from the work queue without publishing it.
    fn remove(&mut self, frame: &Finished, now: Now) {
        self.work.remove(frame.position);
        self.payloads.remove_entered(frame.source.key, now.instant);
        for upload in &frame.uploads {
            self.payloads.withdraw(upload.payload.key);
        }
        self.totals.queued_bytes -= frame.source.size_bytes;
        self.totals.removed += 1;
        if let Some(stream) = self.streams.get_mut(&frame.stream_id) {
            stream.counters.published_sequence = frame.sequence.get();
            stream.counters.queued_frames -= 1;
            stream.counters.queued_bytes -= frame.source.size_bytes;
            stream.counters.removed_frames += 1;
        }
        self.settle_removed(&frame.stream_id);
    }

    /// Moves a checked frame from the work queue to its output.
    fn publish(&mut self, frame: &Finished, dead_bytes: u64, now: Now) {
        let dead_letter = frame.dead_frame().map(|dead| self.insert_dead_letter(dead, dead_bytes, now));
        let source_stays = dead_letter.is_some_and(|id| self.dead.owns(id, frame.source.key));
        let Some(stream) = self.streams.get_mut(&frame.stream_id) else { return };
        let pictures = frame.body.payloads();
        let output_bytes: u64 = pictures.iter().map(|payload| payload.size_bytes).sum();
        let entry = Arc::new(OutputEntry {
            stream_id: frame.stream_id.clone(),
            sequence: frame.sequence,
            previous_sequence: frame.sequence.get() - 1,
            issued_before: None,
            receive_time: frame.receive_time,
            publish_time: now.wall.max(frame.receive_time),
            body: frame.body.clone(),
            dead_letter,
        });

        self.work.remove(frame.position);
        for payload in &pictures {
            self.payloads.enter(payload.key);
        }
        if !pictures.contains(&frame.source) && !source_stays {
            self.payloads.remove_entered(frame.source.key, now.instant);
        }
        stream.counters.published_sequence = frame.sequence.get();
        stream.counters.queued_frames -= 1;
        stream.counters.queued_bytes -= frame.source.size_bytes;
        stream.counters.output_frames += 1;
        if stream.counters.output_frames == 1 {
            stream.counters.oldest_sequence = frame.sequence.get();
        }
        stream.counters.output_bytes += output_bytes;
        stream.counters.published_bytes += output_bytes;
        self.totals.queued_bytes -= frame.source.size_bytes;
        self.totals.output_bytes += output_bytes;
        self.totals.published_bytes += output_bytes;
        // A replayed frame says nothing about the camera as it is now.
        let is_replay = frame.body.header().replayed_from.is_some();
        match &frame.body {
            OutputBody::Frame(processed) => {
                stream.newest_frame = frame.sequence.get();
                self.totals.processed += 1;
                if !is_replay {
                    stream.counters.failed_in_row = 0;
                    let before =
                        if processed.over_budget { stream.counters.over_budget_in_row + 1 } else { 0 };
                    stream.counters.over_budget_in_row = before;
                }
                if processed.over_budget {
                    stream.counters.over_budget_frames += 1;
                    self.totals.over_budget += 1;
                }
            }
            OutputBody::Tombstone(tombstone) => match tombstone.kind {
                TombstoneKind::Failed(_) => {
                    stream.counters.failed_frames += 1;
                    if !is_replay {
                        stream.counters.failed_in_row += 1;
                    }
                    self.totals.failed += 1;
                }
                TombstoneKind::Dropped => {
                    stream.counters.dropped_frames += 1;
                    self.totals.dropped += 1;
                }
                TombstoneKind::Purged(_) => {
                    stream.counters.purged_frames += 1;
                    self.totals.purged += 1;
                }
                TombstoneKind::Erased => {
                    stream.counters.erased_frames += 1;
                    self.totals.erased += 1;
                }
            },
        }
        stream.outputs.push_back(Arc::clone(&entry));
        self.feed.push(FeedEvent::Output(entry));
    }
}
