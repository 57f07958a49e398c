//! Keeps a partition's outputs within their streams' policies, and outputs and dead letters within the partition's budget.

use std::sync::Arc;

use super::Shared;
use crate::domain::{StreamRecord, Timestamp};
use crate::queue::{Error, Finished, Lease, Result};

#[derive(Debug)]
pub(super) struct Retention {
    shared: Arc<Shared>,
    lease: Lease,
    /// Bytes published since the last pass.
    grown: u64,
}

impl Retention {
    pub(super) fn new(shared: Arc<Shared>, lease: Lease) -> Self {
        Self { shared, lease, grown: 0 }
    }

    /// Notes that an output grew; answers whether a pass cannot wait for its time.
    pub(super) fn is_due(&mut self, bytes: u64) -> bool {
        self.grown += bytes;
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

    async fn trim_all(&self) -> Result<()> {
        // A little below the budget: groups give frames up without a lease, and find room then.
        let budget = self.shared.config.budget;
        let short = self.shared.queue.memory().excess_bytes() > 0;
        let dead = if short { budget.short_dead_bytes() } else { budget.dead_bytes };
        self.trim_dead_letters(dead - dead / 8).await?;
        let mut streams = self.shared.queue.partition_streams(self.lease.partition).await?;
        for stream in &mut streams {
            let policy = stream.settings.retention;
            let (frames, bytes, oldest) = if stream.removed {
                (0, 0, Timestamp::now())
            } else {
                (policy.max_frames, policy.max_bytes, Timestamp::now().before(policy.max_age))
            };
            self.trim(stream, frames, bytes, oldest).await?;
        }
        let total: u64 = streams.iter().map(|stream| stream.counters.output_bytes).sum();
        let height = level(&streams, total.saturating_sub(self.budget(total)));
        for stream in streams.iter_mut().filter(|stream| stream.counters.output_bytes > height) {
            self.trim(stream, u64::MAX, height, Timestamp::default()).await?;
        }
        Ok(())
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
        &self,
        stream: &mut StreamRecord,
        frames: u64,
        bytes: u64,
        oldest: Timestamp,
    ) -> Result<()> {
        let counters = &stream.counters;
        let has_old = counters.output_frames > 0 && oldest > Timestamp::default();
        if counters.output_frames <= frames && counters.output_bytes <= bytes && !has_old && !stream.removed {
            return Ok(());
        }
        loop {
            let trimmed = self.shared.queue.trim_output(&self.lease, &stream.id, frames, bytes, oldest).await;
            let trimmed = match trimmed {
                // Gone in between.
                Err(Error::StreamNotFound(_)) => return Ok(()),
                // One stream must not keep the others from being trimmed.
                Err(error @ (Error::Refused(_) | Error::Corrupt(_))) => {
                    tracing::error!(stream = %stream.id, %error, "cannot trim an output");
                    return Ok(());
                }
                other => other?,
            };
            let counters = &mut stream.counters;
            counters.output_frames = counters.output_frames.saturating_sub(trimmed.frames);
            counters.output_bytes = counters.output_bytes.saturating_sub(trimmed.bytes);
            if !trimmed.more {
                return Ok(());
            }
        }
    }
}

/// The height to which the largest outputs are cut, so that all together lose `excess` bytes: a quiet camera does not pay for
/// a busy one.
fn level(streams: &[StreamRecord], mut excess: u64) -> u64 {
    let mut sizes: Vec<u64> = streams.iter().map(|stream| stream.counters.output_bytes).collect();
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
    use crate::domain::{StreamCounters, StreamSettings};

    #[test]
    fn the_largest_are_cut_to_one_height() {
        let stream = |output_bytes| StreamRecord {
            id: "cam".parse().unwrap(),
            settings: StreamSettings::default(),
            revision: 1,
            create_time: Timestamp::default(),
            update_time: Timestamp::default(),
            removed: false,
            counters: StreamCounters { output_bytes, ..StreamCounters::default() },
        };
        let streams: Vec<_> = [10, 100, 60, 80].map(stream).into();
        for (excess, height) in
            [(0, 100), (10, 90), (20, 80), (40, 70), (60, 60), (63, 59), (210, 10), (250, 0)]
        {
            assert_eq!(level(&streams, excess), height, "to lose {excess}");
        }
        assert_eq!(level(&[], 0), 0);
    }
}
