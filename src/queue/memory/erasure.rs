//! Erasing in the embedded backend.

use std::collections::btree_map::Entry;
use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryQueue;
use super::state::{Now, Partition, State};
use crate::domain::{OutputBody, PartitionId, Sequence, SequenceRange, SequenceSet, StreamId, Timestamp};
use crate::queue::{ERASED_AT_ONCE, Erasure, Error, Lease, MAX_ERASED_RANGES, Result, WorkPosition};

impl State {
    fn erase(&mut self, home: PartitionId, id: &StreamId, range: SequenceRange) -> Result<()> {
        let partition = self.partition_mut(home);
        let stream = partition.streams.get_mut(id).filter(|stream| !stream.removed);
        let stream = stream.ok_or_else(|| Error::StreamNotFound(id.clone()))?;
        let Some(range) = range.up_to(stream.counters.accepted_sequence) else { return Ok(()) };
        let fresh = SequenceSet::from(range).without(&stream.erased);
        if fresh.is_empty() {
            return Ok(());
        }
        let mut erased = stream.erased.clone();
        let erasing = partition.erasing.entry(id.clone());
        if matches!(erasing, Entry::Vacant(_)) {
            erased.forget_below(stream.counters.oldest_sequence);
        }
        erased.insert(range.first().get(), range.last().get());
        if erased.range_count() > MAX_ERASED_RANGES {
            return Err(Error::TooManyErasedRanges { limit: MAX_ERASED_RANGES });
        }
        stream.erased = erased;
        erasing.or_default().extend(&fresh);
        Ok(())
    }
}

impl Partition {
    /// Carries out a part of an erasure; returns whether there was one, and whether one is complete.
    fn erase_step(&mut self, lease: &Lease, now: Now) -> Result<(bool, bool)> {
        self.lease.check(lease, now.instant)?;
        let Some((id, left)) = self.erasing.first_key_value() else { return Ok((false, false)) };
        let (id, range) = (id.clone(), left.first_range());
        let Some((first, last)) = range else {
            self.discard_hidden(now);
            self.erasing.remove(&id);
            return Ok((true, true));
        };
        let done = self.erase_entries(&id, first, last, now);
        if let Some(left) = self.erasing.get_mut(&id) {
            left.remove(first, done);
        }
        Ok((true, false))
    }

    /// Erases the oldest entries of a range; returns the sequence up to which it is done.
    fn erase_entries(&mut self, id: &StreamId, first: u64, last: u64, now: Now) -> u64 {
        let Some(stream) = self.streams.get_mut(id) else { return last };
        let start = stream.outputs.partition_point(|entry| entry.sequence.get() < first);
        let end = stream.outputs.partition_point(|entry| entry.sequence.get() <= last);
        let stop = end.min(start + ERASED_AT_ONCE);
        for entry in stream.outputs.range_mut(start..stop) {
            let Some(erased) = entry.erased() else { continue };
            match &entry.body {
                OutputBody::Frame(_) => {
                    self.totals.processed -= 1;
                    self.totals.erased_processed += 1;
                }
                OutputBody::Tombstone(_) => {
                    stream.counters.failed_frames -= 1;
                    self.totals.failed -= 1;
                    self.totals.erased_failed += 1;
                }
            }
            stream.counters.erased_frames += 1;
            self.totals.erased += 1;
            for payload in entry.body.payloads() {
                stream.counters.output_bytes -= payload.size_bytes;
                self.totals.output_bytes -= payload.size_bytes;
                self.payloads.remove_entered(payload.key, now.instant);
            }
            *entry = Arc::new(erased);
        }
        let mut newest = stream.outputs.iter().rev();
        let newest = newest.find(|entry| matches!(entry.body, OutputBody::Frame(_)));
        stream.newest_frame = newest.map_or(0, |entry| entry.sequence.get());
        if stop < end { stream.outputs[stop].sequence.get() - 1 } else { last }
    }

    fn first_waiting_at(&self, id: &StreamId, time: Timestamp) -> Option<Sequence> {
        let mut waiting = self.work.following(WorkPosition::default());
        waiting.find(|item| item.stream_id == *id && item.receive_time >= time).map(|item| item.sequence)
    }
}

#[async_trait]
impl Erasure for MemoryQueue {
    async fn erase(&self, stream: &StreamId, range: SequenceRange) -> Result<()> {
        self.state().erase(self.config.partitions.of(stream), stream, range)
    }

    async fn is_erasing(&self, stream: &StreamId) -> Result<bool> {
        Ok(self.state().home(stream).erasing.contains_key(stream))
    }

    async fn erase_step(&self, lease: &Lease) -> Result<bool> {
        let now = Now::read();
        let mut state = self.state();
        let (found, complete) = state.partition(lease.partition, now).erase_step(lease, now)?;
        state.erasures += u64::from(complete);
        Ok(found)
    }

    async fn note_erasure(&self) -> Result<()> {
        self.state().erasures += 1;
        Ok(())
    }

    async fn erasures(&self) -> Result<u64> {
        Ok(self.state().erasures)
    }

    async fn first_waiting_at(&self, stream: &StreamId, time: Timestamp) -> Result<Option<Sequence>> {
        Ok(self.state().home(stream).first_waiting_at(stream, time))
    }
}
