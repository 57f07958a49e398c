//! Keeps a partition's outputs within their streams' policies, and outputs and dead letters within the partition's budget.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::Shared;
use crate::domain::{RetentionPolicy, StreamId, StreamRecord, Timestamp};
use crate::queue::{Error, Finished, Lease, Result};

/// Passes from one reading of all of the partition's streams to the next: changed policies and unregistered streams are found
/// by it, at the latest. Between two, what the holder of the lease itself publishes and trims is all that changes.
const PASSES_A_READING: u32 = 10;

/// Pieces of unregistered streams' outputs that one pass removes, of 500 entries at most each: however fast streams go, the
/// others are trimmed, too.
const LEFTOVERS_A_PASS: usize = 256;

#[derive(Debug)]
pub(super) struct Retention {
    shared: Arc<Shared>,
    lease: Lease,
    /// Bytes published since the last pass.
    grown: u64,
    outputs: HashMap<StreamId, Output>,
    read: Option<Instant>,
}

/// What is known of a stream's output.
#[derive(Debug, Clone, PartialEq)]
struct Output {
    policy: RetentionPolicy,
    /// Of the settings that the policy is of.
    revision: u64,
    frames: u64,
    bytes: u64,
    /// When its oldest entry was received; `None` if that must be looked at.
    oldest: Option<Timestamp>,
}

impl Retention {
    pub(super) fn new(shared: Arc<Shared>, lease: Lease) -> Self {
        Self { shared, lease, grown: 0, outputs: HashMap::new(), read: None }
    }

    /// Notes that a frame was published.
    pub(super) fn published(&mut self, frame: &Finished) {
        let bytes = frame.body.payloads().iter().map(|payload| payload.size_bytes).sum::<u64>();
        self.grown += bytes;
        match self.outputs.get_mut(&frame.stream_id) {
            Some(output) => output.grow(bytes, frame.receive_time),
            // Nothing is known of it: the next pass reads.
            None => self.read = None,
        }
    }

    /// Whether a pass cannot wait for its time.
    pub(super) fn is_due(&self) -> bool {
        self.grown > self.shared.config.budget.output_bytes / 32
    }

    /// Trims every stream of the partition to its policy; then, while the partition is over its budget, the largest.
    pub(super) async fn pass(&mut self) -> Result<()> {
        self.grown = 0;
        match self.trim_all().await {
            // The next pass sees to it.
            Err(error) if error.is_retryable() => {
                tracing::debug!(%error, "retention pass put off");
                Ok(())
            }
            result => result,
        }
    }

    /// Makes room for the dead letters of frames about to be published, so that they keep their pictures.
    pub(super) async fn make_room_for(&self, frames: &[Finished]) -> Result<()> {
        let budget = self.shared.config.budget.dead_bytes;
        let sizes = frames.iter().filter_map(Finished::dead_frame).map(|dead| dead.size_bytes());
        // One that will never fit takes no room from the others.
        let needed: u64 = sizes.filter(|&size| size <= budget).sum();
        if needed == 0 {
            return Ok(());
        }
        match self.trim_dead_letters(budget.saturating_sub(needed)).await {
            // The dead letter does without its picture then, if there is no room.
            Err(error) if error.is_retryable() => Ok(()),
            result => result,
        }
    }

    async fn trim_dead_letters(&self, max_bytes: u64) -> Result<()> {
        while self.shared.queue.trim_dead_letters(&self.lease, max_bytes).await?.more {}
        Ok(())
    }

    async fn trim_all(&mut self) -> Result<()> {
        // A little below the budget: groups give frames up without a lease, and find room then.
        let budget = self.shared.config.budget;
        let short = self.shared.queue.memory().excess_bytes() > 0;
        let dead = if short { budget.short_dead_bytes() } else { budget.dead_bytes };
        for _ in 0..LEFTOVERS_A_PASS {
            if !self.shared.queue.remove_leftovers(&self.lease).await? {
                break;
            }
        }
        self.trim_dead_letters(dead - dead / 8).await?;
        let interval = self.shared.config.retention_interval * PASSES_A_READING;
        if self.read.is_none_or(|read| read.elapsed() >= interval) {
            self.read_all().await?;
        }
        let now = Timestamp::now();
        for stream in self.those(|output| output.is_over(now)) {
            let Some(Output { policy, revision, .. }) = self.outputs.get(&stream) else { continue };
            let (revision, frames, bytes) = (*revision, policy.max_frames, policy.max_bytes);
            self.trim(&stream, Some(revision), frames, bytes, now.before(policy.max_age)).await?;
        }
        let sizes: Vec<u64> = self.outputs.values().map(|output| output.bytes).collect();
        let total = sizes.iter().sum::<u64>();
        let height = level(sizes, total.saturating_sub(self.budget(total)));
        for stream in self.those(|output| output.bytes > height) {
            self.trim(&stream, None, u64::MAX, height, Timestamp::default()).await?;
        }
        Ok(())
    }

    async fn read_all(&mut self) -> Result<()> {
        let read = Instant::now();
        let records = self.shared.queue.partition_streams(self.lease.partition).await?;
        let known = |record: StreamRecord| {
            let oldest = self.outputs.get(&record.id).and_then(|output| output.oldest);
            let output = Output {
                policy: record.effective.retention,
                revision: record.revision,
                frames: record.counters.output_frames,
                bytes: record.counters.output_bytes,
                oldest,
            };
            (record.id, output)
        };
        self.outputs = records.into_iter().map(known).collect();
        self.read = Some(read);
        Ok(())
    }

    fn those(&self, which: impl Fn(&Output) -> bool) -> Vec<StreamId> {
        self.outputs.iter().filter(|(_, output)| which(output)).map(|(id, _)| id.clone()).collect()
    }

    /// What the outputs of the partition may keep of `total` bytes.
    fn budget(&self, total: u64) -> u64 {
        let most = self.shared.config.budget.output_bytes;
        let memory = self.shared.queue.memory();
        // All partitions give up the same part of what they have, down to an even share of three tenths of the memory:
        // that much is for outputs, whatever else fills it.
        let part =
            u128::from(total) * u128::from(memory.excess_bytes()) / u128::from(memory.used_bytes.max(1));
        let share = memory.max_bytes / 10 * 3 / u64::from(self.shared.queue.partitions().count());
        let left = total - u64::try_from(part).unwrap_or(total);
        most.min(left.max(share))
    }

    async fn trim(
        &mut self,
        stream: &StreamId,
        revision: Option<u64>,
        frames: u64,
        bytes: u64,
        oldest: Timestamp,
    ) -> Result<()> {
        loop {
            let queue = &self.shared.queue;
            let trimmed = match queue.trim_output(&self.lease, stream, revision, frames, bytes, oldest).await
            {
                // Its policy is another by now: the next pass reads it.
                Err(Error::RevisionMismatch { .. }) => {
                    self.read = None;
                    return Ok(());
                }
                // Gone in between.
                Err(Error::StreamNotFound(_)) => return Ok(()),
                // One stream must not keep the others from being trimmed.
                Err(error @ (Error::Refused(_) | Error::Corrupt(_))) => {
                    tracing::error!(%stream, %error, "cannot trim an output");
                    return Ok(());
                }
                other => other?,
            };
            if let Some(output) = self.outputs.get_mut(stream) {
                output.frames = output.frames.saturating_sub(trimmed.frames);
                output.bytes = output.bytes.saturating_sub(trimmed.bytes);
                output.oldest = trimmed.oldest;
            }
            if !trimmed.more {
                return Ok(());
            }
        }
    }
}

impl Output {
    fn grow(&mut self, bytes: u64, receive_time: Timestamp) {
        if self.frames == 0 {
            self.oldest = Some(receive_time);
        }
        self.frames += 1;
        self.bytes += bytes;
    }

    /// Whether it is beyond its policy, or may be.
    fn is_over(&self, now: Timestamp) -> bool {
        let Self { policy, revision: _, frames, bytes, oldest } = *self;
        let late = frames > 0 && oldest.is_none_or(|oldest| oldest < now.before(policy.max_age));
        frames > policy.max_frames || bytes > policy.max_bytes || late
    }
}

/// The height to which the largest outputs are cut, so that all together lose `excess` bytes: a quiet camera does not pay for
/// a busy one.
fn level(mut sizes: Vec<u64>, mut excess: u64) -> u64 {
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    if excess == 0 {
        return sizes.first().copied().unwrap_or(0);
    }
    for (index, &size) in sizes.iter().enumerate() {
        let (cut, next) = (index as u64 + 1, sizes.get(index + 1).copied().unwrap_or(0));
        let step = (size - next) * cut;
        if step >= excess {
            return size - excess.div_ceil(cut);
        }
        excess -= step;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_largest_are_cut_to_one_height() {
        for (excess, height) in
            [(0, 100), (10, 90), (20, 80), (40, 70), (60, 60), (63, 59), (210, 10), (250, 0)]
        {
            assert_eq!(level(vec![10, 100, 60, 80], excess), height, "to lose {excess}");
        }
        assert_eq!(level(Vec::new(), 0), 0);
    }

    #[test]
    fn an_output_is_looked_at_when_its_policy_says_so() {
        let at = |second: i64| Timestamp::from_micros(second * 1_000_000);
        let policy = RetentionPolicy { max_frames: 2, max_bytes: 100, max_age: Duration::from_secs(60) };
        let mut output = Output { policy, revision: 1, frames: 0, bytes: 0, oldest: None };
        assert!(!output.is_over(at(1_000)), "there is nothing to be old");
        output.grow(50, at(1_000));
        output.grow(50, at(1_030));
        assert_eq!(output.oldest, Some(at(1_000)));
        assert!(!output.is_over(at(1_060)) && output.is_over(at(1_061)), "by age");
        assert!(Output { oldest: None, ..output.clone() }.is_over(at(1_031)), "its oldest is not known");
        output.grow(0, at(1_031));
        assert!(output.is_over(at(1_031)), "by count");
        let large = Output { frames: 2, bytes: 101, ..output };
        assert!(large.is_over(at(1_031)), "by bytes");
    }
}
