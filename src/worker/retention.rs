//! Keeps a partition's outputs within their streams' policies, and outputs and dead letters within
//! the partition's budget.
//!
//! All rules of retention are here: the queue only removes what lies below a sequence.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::Shared;
use crate::domain::{OutputEntry, RetentionPolicy, Sequence, StreamId, StreamRecord, Timestamp};
use crate::queue::{Error, Finished, Lease, MAX_TRIMMED, Memory, Result, Trimmed};

/// The number of passes after which all of the partition's streams are read again, to find changed
/// policies and unregistered streams. In between, the known sizes stay right, because only the lease
/// holder publishes and trims.
const PASSES_PER_READ: u32 = 10;

/// The maximum number of steps in which one pass removes the outputs of unregistered streams, each
/// of [`MAX_TRIMMED`] entries at most. With this limit, the other outputs are trimmed, too, however
/// fast streams are unregistered.
const CLEAN_UPS_PER_PASS: usize = 256;

/// The number of entries that a trim reads first if it is not known how many are removed.
const FIRST_PAGE: usize = 64;

#[derive(Debug)]
pub(super) struct Retention {
    shared: Arc<Shared>,
    lease: Lease,
    /// The bytes published since the last pass.
    grown: u64,
    outputs: HashMap<StreamId, Output>,
    last_read: Option<Instant>,
}

/// The known state of a stream's output.
#[derive(Debug, Clone, PartialEq)]
struct Output {
    policy: RetentionPolicy,
    /// The revision of the settings that the policy is from.
    revision: u64,
    frames: u64,
    bytes: u64,
    /// The time of receipt of its oldest entry; `None` if that must be read.
    oldest: Option<Timestamp>,
}

impl Retention {
    pub(super) fn new(shared: Arc<Shared>, lease: Lease) -> Self {
        Self { shared, lease, grown: 0, outputs: HashMap::new(), last_read: None }
    }

    /// Notes that a frame was published.
    pub(super) fn published(&mut self, frame: &Finished) {
        let bytes = frame.body.payloads().iter().map(|payload| payload.size_bytes).sum::<u64>();
        self.grown += bytes;
        match self.outputs.get_mut(&frame.stream_id) {
            Some(output) => output.grow(bytes, frame.receive_time),
            // It is not known: the next pass reads all streams.
            None => self.last_read = None,
        }
    }

    /// Reports whether so much was published that a pass is due before its interval is over.
    pub(super) fn is_due(&self) -> bool {
        self.grown > self.shared.config.budget.growth_bytes(self.shared.queue.partitions())
    }

    /// Notes that outputs lost bytes: the next pass reads their sizes again.
    pub(super) fn forget_sizes(&mut self) {
        self.last_read = None;
    }

    /// Trims every stream of the partition to its policy, and then the largest outputs while the
    /// partition exceeds its budget.
    pub(super) async fn pass(&mut self) -> Result<()> {
        self.grown = 0;
        match self.trim_all().await {
            // The next pass tries again.
            Err(error) if error.is_retryable() => {
                tracing::debug!(%error, "retention pass postponed");
                Ok(())
            }
            result => result,
        }
    }

    /// Makes room for the dead letters of frames about to be published, so that they keep their
    /// pictures.
    pub(super) async fn make_room_for(&self, frames: &[Finished]) -> Result<()> {
        let budget = self.shared.config.budget.dead_bytes;
        let sizes = frames.iter().filter_map(Finished::dead_frame).map(|dead| dead.size_bytes());
        // A dead letter that can never fit takes no room from the others.
        let needed: u64 = sizes.filter(|&size| size <= budget).sum();
        if needed == 0 {
            return Ok(());
        }
        match self.trim_dead_letters(budget.saturating_sub(needed)).await {
            // If there is no room, the dead letter is stored without its picture.
            Err(error) if error.is_retryable() => Ok(()),
            result => result,
        }
    }

    async fn trim_dead_letters(&self, max_bytes: u64) -> Result<()> {
        while self.shared.queue.trim_dead_letters(&self.lease, max_bytes).await?.more {}
        Ok(())
    }

    async fn trim_all(&mut self) -> Result<()> {
        // Dead letters are trimmed a little below the budget, so that groups, which give frames up
        // without a lease, find room.
        let budget = self.shared.config.budget;
        let memory_is_short = self.memory().excess_bytes() > 0;
        let dead = if memory_is_short { budget.short_dead_bytes() } else { budget.dead_bytes };
        for _ in 0..CLEAN_UPS_PER_PASS {
            if !self.shared.queue.clean_up(&self.lease).await? {
                break;
            }
        }
        self.trim_dead_letters(dead - dead / 8).await?;
        let interval = self.shared.config.retention_interval * PASSES_PER_READ;
        if self.last_read.is_none_or(|read| read.elapsed() >= interval) {
            self.read_all().await?;
        }
        let now = Timestamp::now();
        for stream in self.streams_where(|output| output.is_over(now)) {
            let Some(Output { policy, revision, .. }) = self.outputs.get(&stream) else { continue };
            let (revision, bounds) = (*revision, Bounds::of(policy, now));
            self.trim(&stream, Some(revision), bounds).await?;
        }
        let sizes: Vec<u64> = self.outputs.values().map(|output| output.bytes).collect();
        let total = sizes.iter().sum::<u64>();
        let max_bytes = trimmed_size(sizes, total.saturating_sub(self.budget(total)));
        for stream in self.streams_where(|output| output.bytes > max_bytes) {
            self.trim(&stream, None, Bounds::bytes(max_bytes)).await?;
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
        self.last_read = Some(read);
        Ok(())
    }

    fn streams_where(&self, which: impl Fn(&Output) -> bool) -> Vec<StreamId> {
        self.outputs.iter().filter(|(_, output)| which(output)).map(|(id, _)| id.clone()).collect()
    }

    fn memory(&self) -> Memory {
        self.shared.queue.memory_of(self.lease.partition)
    }

    /// Returns how many of `total` bytes the outputs of the partition may keep.
    fn budget(&self, total: u64) -> u64 {
        let maximum = self.shared.config.budget.output_bytes;
        let memory = self.memory();
        // All partitions free the same part of their bytes, down to an even share of the memory that
        // is reserved for outputs.
        let part =
            u128::from(total) * u128::from(memory.excess_bytes()) / u128::from(memory.used_bytes.max(1));
        let share = memory.reserved_for_outputs() / u64::from(self.shared.queue.partitions().count());
        let left = total - u64::try_from(part).unwrap_or(total);
        maximum.min(left.max(share))
    }

    /// Removes the entries that exceed the bounds. With `revision`, removes nothing once the
    /// settings were changed.
    async fn trim(&mut self, stream: &StreamId, revision: Option<u64>, bounds: Bounds) -> Result<()> {
        match self.trim_pages(stream, revision, bounds).await {
            // Its settings were changed: the next pass reads them.
            Err(Error::RevisionMismatch { .. }) => self.last_read = None,
            // It was unregistered and forgotten in the meantime.
            Err(Error::StreamNotFound(_)) => {}
            // One stream must not keep the others from being trimmed.
            Err(error @ (Error::Refused(_) | Error::Corrupt(_))) => {
                tracing::error!(%stream, %error, "cannot trim an output");
            }
            result => return result,
        }
        Ok(())
    }

    /// Reads the oldest entries, page by page, and removes those that exceed the bounds.
    async fn trim_pages(&mut self, stream: &StreamId, revision: Option<u64>, bounds: Bounds) -> Result<()> {
        let queue = Arc::clone(&self.shared.queue);
        let mut limit = self.outputs.get(stream).map_or(1, |output| bounds.first_page(output));
        loop {
            let page = queue.read_outputs(stream, Sequence::FIRST, limit).await?;
            let (frames, bytes) = (page.counters.output_frames, page.counters.output_bytes);
            let cut = bounds.cut(frames, bytes, page.entries.iter().map(|entry| Oldest::of(entry)));
            let trimmed = match cut.keep_from {
                Some(keep_from) => queue.trim_output(&self.lease, stream, revision, keep_from).await?,
                None => Trimmed::default(),
            };
            // If the output is not as it was read, nothing was removed: the next pass reads it
            // again.
            let as_read = cut.keep_from.is_none() || trimmed.frames > 0;
            if let Some(output) = self.outputs.get_mut(stream) {
                output.frames = page.counters.output_frames.saturating_sub(trimmed.frames);
                output.bytes = page.counters.output_bytes.saturating_sub(trimmed.bytes);
                output.oldest = cut.oldest.filter(|_| as_read);
            }
            if !as_read || cut.oldest.is_some() || page.entries.len() < limit {
                return Ok(());
            }
            limit = (limit * 2).clamp(FIRST_PAGE, MAX_TRIMMED);
        }
    }
}

/// The bounds of an output.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    max_frames: u64,
    max_bytes: u64,
    /// Entries that were received before this time are removed.
    oldest: Timestamp,
}

/// One of the oldest entries of an output.
#[derive(Debug)]
struct Oldest {
    sequence: Sequence,
    receive_time: Timestamp,
    bytes: u64,
}

impl Oldest {
    fn of(entry: &OutputEntry) -> Self {
        let bytes = entry.body.payloads().iter().map(|payload| payload.size_bytes).sum();
        Self { sequence: entry.sequence, receive_time: entry.receive_time, bytes }
    }
}

/// The part of a page of the oldest entries that exceeds the bounds.
#[derive(Debug, PartialEq, Eq)]
struct Cut {
    /// The sequence below which entries are removed; `None` if none of the page is.
    keep_from: Option<Sequence>,
    /// The time of receipt of the page's first kept entry; `None` if none of the page is kept.
    oldest: Option<Timestamp>,
}

impl Bounds {
    fn of(policy: &RetentionPolicy, now: Timestamp) -> Self {
        let RetentionPolicy { max_frames, max_bytes, max_age } = *policy;
        Self { max_frames, max_bytes, oldest: now.before(max_age) }
    }

    fn bytes(max_bytes: u64) -> Self {
        Self { max_frames: u64::MAX, max_bytes, oldest: Timestamp::default() }
    }

    /// Returns how many entries of an output to read first.
    fn first_page(&self, output: &Output) -> usize {
        let over = output.frames.saturating_sub(self.max_frames);
        if over > 0 {
            // One more: the first kept one.
            return usize::try_from(over).unwrap_or(MAX_TRIMMED).saturating_add(1).min(MAX_TRIMMED);
        }
        let may_be_within = output.oldest.is_none() && output.bytes <= self.max_bytes;
        if may_be_within { 1 } else { FIRST_PAGE }
    }

    /// Decides which of the oldest entries are removed from an output of so many frames and bytes.
    /// Sequences may have holes, so the sequence to keep from is the one after the last removed
    /// entry.
    fn cut(&self, mut frames: u64, mut bytes: u64, entries: impl Iterator<Item = Oldest>) -> Cut {
        let mut keep_from = None;
        for entry in entries {
            if frames <= self.max_frames && bytes <= self.max_bytes && entry.receive_time >= self.oldest {
                return Cut { keep_from, oldest: Some(entry.receive_time) };
            }
            (frames, bytes) = (frames.saturating_sub(1), bytes.saturating_sub(entry.bytes));
            keep_from = Some(entry.sequence.next());
        }
        Cut { keep_from, oldest: None }
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

    /// Reports whether it exceeds its policy, or may exceed it.
    fn is_over(&self, now: Timestamp) -> bool {
        let Self { policy, revision: _, frames, bytes, oldest } = *self;
        let late = frames > 0 && oldest.is_none_or(|oldest| oldest < now.before(policy.max_age));
        frames > policy.max_frames || bytes > policy.max_bytes || late
    }
}

/// Returns the size to which the largest outputs are trimmed so that together they lose `excess`
/// bytes. A quiet camera loses nothing to a busy one.
fn trimmed_size(mut sizes: Vec<u64>, mut excess: u64) -> u64 {
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_largest_outputs_are_trimmed_to_one_size() {
        for (excess, max_bytes) in
            [(0, 100), (10, 90), (20, 80), (40, 70), (60, 60), (63, 59), (210, 10), (250, 0)]
        {
            assert_eq!(trimmed_size(vec![10, 100, 60, 80], excess), max_bytes, "to lose {excess}");
        }
        assert_eq!(trimmed_size(Vec::new(), 0), 0);
    }

    fn second(count: i64) -> Timestamp {
        Timestamp::from_micros(count * 1_000_000)
    }

    fn sequence(n: u64) -> Sequence {
        Sequence::new(n).unwrap()
    }

    #[test]
    fn the_oldest_entries_are_removed_by_count_bytes_and_age() {
        let entries = [(3, 10), (4, 20), (9, 30), (10, 40)];
        let unbounded = Bounds { max_frames: 9, max_bytes: 999, oldest: second(0) };
        for (bounds, keep_from, first_left) in [
            (unbounded, None, Some(0)),
            (Bounds { max_frames: 4, max_bytes: 100, oldest: second(0) }, None, Some(0)),
            (Bounds { max_frames: 2, ..unbounded }, Some(5), Some(2)),
            (Bounds { max_bytes: 99, ..unbounded }, Some(4), Some(1)),
            (Bounds { max_bytes: 69, ..unbounded }, Some(10), Some(3)),
            (Bounds { oldest: second(3), ..unbounded }, Some(10), Some(3)),
            (Bounds { max_frames: 3, oldest: second(2), ..unbounded }, Some(5), Some(2)),
            (Bounds { max_frames: 0, ..unbounded }, Some(11), None),
        ] {
            let expected = Cut { keep_from: keep_from.map(sequence), oldest: first_left.map(second) };
            let oldest = (0..).zip(entries).map(|(received, (at, bytes))| Oldest {
                sequence: sequence(at),
                receive_time: second(received),
                bytes,
            });
            assert_eq!(bounds.cut(4, 100, oldest), expected, "{bounds:?}");
        }
    }

    #[test]
    fn a_trim_reads_little_more_than_it_removes() {
        let policy = RetentionPolicy { max_frames: 10, max_bytes: 100, max_age: Duration::from_secs(60) };
        let bounds = Bounds::of(&policy, second(100));
        let read =
            |frames, bytes, oldest| bounds.first_page(&Output { policy, revision: 1, frames, bytes, oldest });
        assert_eq!(read(13, 0, Some(second(99))), 4);
        assert_eq!(read(5_000, 0, Some(second(99))), MAX_TRIMMED);
        assert_eq!(read(10, 101, Some(second(99))), FIRST_PAGE);
        assert_eq!(read(10, 100, Some(second(1))), FIRST_PAGE);
        assert_eq!(read(10, 100, None), 1, "perhaps nothing is too old");
    }

    #[test]
    fn an_output_exceeds_its_policy_by_age_count_or_bytes() {
        let at = |second: i64| Timestamp::from_micros(second * 1_000_000);
        let policy = RetentionPolicy { max_frames: 2, max_bytes: 100, max_age: Duration::from_secs(60) };
        let mut output = Output { policy, revision: 1, frames: 0, bytes: 0, oldest: None };
        assert!(!output.is_over(at(1_000)), "an empty output has no age");
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
