//! The memory for pictures: how it is divided by use and by partition, and what happens when it runs
//! short.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::Partitions;

/// The number of even shares that one partition may use.
const MAX_SHARES: u64 = 8;

/// The minimum number of publishers that a partition remembers, for small stores with few streams.
const MIN_PUBLISHERS: u64 = 16;

/// The parts of the budget for frames that wait for a worker, for outputs and for dead letters, in
/// percent.
///
/// The parts bound each partition. For the store as a whole they decide about what outputs and
/// waiting frames take from each other: outputs fill the memory up to half of the part for waiting
/// frames, and then shrink, but not below four fifths of their own part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Split {
    waiting: u64,
    outputs: u64,
    dead_letters: u64,
}

impl Split {
    /// The least part, in percent.
    pub const LEAST: u64 = 5;
    /// The values that an operator can give.
    const SYNTAX: &'static str = "must be three whole percentages of at least 5 that add up to 100, for waiting \
                                  frames, outputs and dead letters, as in 40/50/10";

    /// Creates a split from percentages; `None` if one is below [`Split::LEAST`], or if they do not add
    /// up to 100.
    #[must_use]
    pub fn new(waiting: u64, outputs: u64, dead_letters: u64) -> Option<Self> {
        let parts = [waiting, outputs, dead_letters];
        let is_valid = parts.iter().all(|part| (Self::LEAST..=100).contains(part));
        (is_valid && parts.iter().sum::<u64>() == 100).then_some(Self { waiting, outputs, dead_letters })
    }

    /// Returns the percentage of the memory from which on outputs shrink.
    #[must_use]
    pub fn short_percent(self) -> f64 {
        Memory::short_from(1_000, self) as f64 / 10.0
    }

    /// Returns the percentage of the budget for outputs.
    #[must_use]
    pub fn outputs_percent(self) -> u64 {
        self.outputs
    }
}

impl Default for Split {
    fn default() -> Self {
        Self { waiting: 40, outputs: 50, dead_letters: 10 }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { waiting, outputs, dead_letters } = self;
        write!(f, "{waiting}/{outputs}/{dead_letters}")
    }
}

impl FromStr for Split {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Option<Vec<u64>> = text.split('/').map(|part| part.trim().parse().ok()).collect();
        match parts.as_deref() {
            Some(&[waiting, outputs, dead_letters]) => Self::new(waiting, outputs, dead_letters),
            Some(_) | None => None,
        }
        .ok_or_else(|| Self::SYNTAX.to_owned())
    }
}

impl TryFrom<String> for Split {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Split> for String {
    fn from(split: Split) -> Self {
        split.to_string()
    }
}

/// The limits of a partition; the operations that add to it check them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// The maximum bytes of pictures that wait for a worker, per partition.
    pub work_bytes: u64,
    /// The maximum number of frames that wait for a worker, per partition.
    pub work_frames: u64,
    /// The maximum bytes of pictures in the outputs, per partition; above it the oldest pictures
    /// are removed, whatever the streams' retention says.
    pub output_bytes: u64,
    /// The maximum bytes of dead letters, per partition; above it the oldest are removed, and a new
    /// one is stored without its picture.
    pub dead_bytes: u64,
    /// The bytes of the whole store, over all partitions; when they are used, nothing new is
    /// accepted.
    pub store_bytes: u64,
    /// The parts that the limits are from.
    pub split: Split,
}

/// The memory of the store as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// The bytes in use, by everything.
    pub used_bytes: u64,
    /// The bytes that may be used.
    pub max_bytes: u64,
    /// The parts of it.
    pub split: Split,
}

impl Memory {
    /// Returns the state of a store that was not reached yet: it is not short of memory.
    pub(crate) fn unknown() -> Self {
        Self { used_bytes: 0, max_bytes: u64::MAX, split: Split::default() }
    }

    /// Reports whether three quarters are used. From there on nothing new is accepted: the rest is
    /// for the results of accepted frames.
    #[must_use]
    pub fn is_full(&self) -> bool {
        u128::from(self.used_bytes) * 4 >= u128::from(self.max_bytes) * 3
    }

    /// Returns the used bytes above what [`Memory::short_from`] says, which the outputs must free.
    #[must_use]
    pub fn excess_bytes(&self) -> u64 {
        self.used_bytes.saturating_sub(Self::short_from(self.max_bytes, self.split))
    }

    /// Returns the bytes that are reserved for outputs while the store is short of memory: four fifths
    /// of their part of the three quarters.
    #[must_use]
    pub fn reserved_for_outputs(&self) -> u64 {
        part(self.max_bytes, 3 * self.split.outputs, 500)
    }

    /// Returns the used bytes from which on a store of `max_bytes` is short of memory, and outputs
    /// shrink: three quarters of it, less half of the part for waiting frames.
    #[must_use]
    pub fn short_from(max_bytes: u64, split: Split) -> u64 {
        part(max_bytes, 3 * (200 - split.waiting), 800)
    }

    /// Returns the used bytes from which on a store of `max_bytes` accepts nothing new.
    #[must_use]
    pub fn full_from(max_bytes: u64) -> u64 {
        max_bytes / 4 * 3
    }
}

impl Budget {
    /// The maximum of the waiting frames that a stream has in its partition before it may add
    /// another, as a multiple of what then remains free of the partition's limits. So a single
    /// stream can fill three quarters of its partition, and some room always remains for streams
    /// that have fewer frames.
    pub(crate) const SHARE_OF_FREE: u64 = 3;
    /// The bytes that the store takes to remember a publisher of a stream.
    pub(crate) const PUBLISHER_BYTES: u64 = 32 << 10;

    /// Returns how much a stream may have waiting of a limit `max` of its partition, if the stream
    /// has `own` and all streams together have `all`.
    pub(crate) fn share_of_stream(own: u64, all: u64, max: u64) -> u64 {
        let open = max.saturating_sub(all).saturating_add(own);
        open / (Self::SHARE_OF_FREE + 1) * Self::SHARE_OF_FREE
            + open % (Self::SHARE_OF_FREE + 1) * Self::SHARE_OF_FREE / (Self::SHARE_OF_FREE + 1)
    }

    /// Divides `bytes` by use and by partition. A partition may use eight times its even share while
    /// others do not use theirs, since few cameras fill few partitions. [`Memory`] bounds the sum.
    #[must_use]
    pub fn share(bytes: u64, split: Split, partitions: Partitions) -> Self {
        let share = bytes / u64::from(partitions.count());
        let shares = MAX_SHARES.min(u64::from(partitions.count()));
        Self {
            work_bytes: part(share, split.waiting * shares, 100),
            work_frames: 100_000,
            output_bytes: part(share, split.outputs * shares, 100),
            dead_bytes: part(share, split.dead_letters * shares, 100),
            store_bytes: bytes,
            split,
        }
    }

    /// Returns the least number of bytes whose share lets each partition have pictures of `work_bytes`
    /// waiting, and keep as much in its outputs.
    #[must_use]
    pub fn least(work_bytes: u64, split: Split, partitions: Partitions) -> u64 {
        least_with(work_bytes, split.waiting.min(split.outputs), partitions)
    }

    /// Returns the least number of bytes with which a partition accepts frames of `largest_bytes` before
    /// a worker takes one.
    #[must_use]
    pub fn to_wait(largest_bytes: u64, split: Split, partitions: Partitions) -> u64 {
        least_with(largest_bytes, split.waiting, partitions)
    }

    /// Returns the least number of bytes with which a partition keeps outputs of `largest_bytes` while
    /// the store uses `used_bytes`.
    #[must_use]
    pub fn to_keep(largest_bytes: u64, used_bytes: u64, split: Split, partitions: Partitions) -> u64 {
        // The memory is four thirds of the budget.
        let in_use = part(used_bytes, 200, 200 - split.waiting).saturating_add(1);
        least_with(largest_bytes, split.outputs, partitions).max(in_use)
    }

    /// Returns the number of bytes whose part for outputs is `output_bytes`.
    #[must_use]
    pub fn with_outputs(output_bytes: u64, split: Split) -> u64 {
        part(output_bytes, 100, split.outputs).saturating_add(1)
    }

    /// Returns the limit for dead letters while the store as a whole is short of memory: an eighth
    /// of the usual limit.
    #[must_use]
    pub fn short_dead_bytes(&self) -> u64 {
        self.dead_bytes / MAX_SHARES
    }

    /// Returns the maximum bytes of all streams' settings: a tenth of the store.
    #[must_use]
    pub fn settings_bytes(&self) -> u64 {
        self.store_bytes / 10
    }

    /// Returns the maximum number of publishers that a partition remembers, over all its streams:
    /// at 32 KiB each they take an eighth of the limit for waiting frames.
    #[must_use]
    pub fn publishers(&self) -> u64 {
        (self.work_bytes / 8 / Self::PUBLISHER_BYTES).max(MIN_PUBLISHERS)
    }

    /// Returns the limit for waiting frames with which a partition remembers so many publishers.
    #[must_use]
    pub fn work_of_publishers(publishers: u64) -> u64 {
        if publishers <= MIN_PUBLISHERS { 0 } else { publishers.saturating_mul(8 * Self::PUBLISHER_BYTES) }
    }

    /// Returns the memory of which [`Budget::store_bytes`] is three quarters.
    #[must_use]
    pub fn max_bytes(&self) -> u64 {
        self.store_bytes / 3 * 4
    }

    /// Returns the bytes that the outputs of a partition may grow by before they must be looked at. If
    /// all partitions grow by as much, they use half of what lies between the bytes from which on
    /// outputs shrink and those from which on frames are refused.
    pub(crate) fn growth_bytes(&self, partitions: Partitions) -> u64 {
        let reserve = part(self.store_bytes, self.split.waiting, 400) / u64::from(partitions.count());
        reserve.min(self.output_bytes / 32)
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::share(2 << 30, Split::default(), Partitions::default())
    }
}

/// Returns `bytes` times a fraction.
fn part(bytes: u64, numerator: u64, denominator: u64) -> u64 {
    let part = u128::from(bytes) * u128::from(numerator) / u128::from(denominator);
    u64::try_from(part).unwrap_or(u64::MAX)
}

/// Returns the least number of bytes of which a partition has `bytes` if a use has `percent` of all.
fn least_with(bytes: u64, percent: u64, partitions: Partitions) -> u64 {
    let count = u64::from(partitions.count());
    let share = (u128::from(bytes) * 100).div_ceil(u128::from(percent * MAX_SHARES.min(count)));
    u64::try_from(share).unwrap_or(u64::MAX).saturating_mul(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Split {
        text.parse().unwrap()
    }

    #[test]
    fn a_split_has_three_parts_of_at_least_five_percent_that_add_up() {
        for text in ["40/50/10", "5/90/5", "90/5/5", "33/33/34"] {
            assert_eq!(split(text).to_string(), text);
        }
        for text in
            ["", "40", "40/60", "40/50/10/0", "40/50/11", "4/91/5", "0/90/10", "40/55/5.0", "-5/100/5"]
        {
            assert!(text.parse::<Split>().unwrap_err().contains("40/50/10"), "{text}");
        }
        assert!("18446744073709551615/2/99".parse::<Split>().is_err());
    }

    /// The numbers of docs/redis.md and docs/limits.md.
    #[test]
    fn the_default_split_shrinks_outputs_from_sixty_percent_on_and_reserves_thirty() {
        let memory = |used_bytes| Memory { used_bytes, max_bytes: 1_000, split: Split::default() };
        assert_eq!((memory(600).excess_bytes(), memory(601).excess_bytes()), (0, 1));
        assert_eq!((memory(749).is_full(), memory(750).is_full()), (false, true));
        assert_eq!(memory(0).reserved_for_outputs(), 300);
        assert!((Split::default().short_percent() - 60.0).abs() < f64::EPSILON);
        assert_eq!(Memory::unknown().excess_bytes(), 0);
    }

    #[test]
    fn every_split_leaves_room_between_what_outputs_fill_and_what_is_refused() {
        for waiting in Split::LEAST..=90 {
            for outputs in Split::LEAST..=95 - waiting {
                let split = Split::new(waiting, outputs, 100 - waiting - outputs).unwrap();
                let memory = Memory { used_bytes: 0, max_bytes: 1_000_000, split };
                let short = Memory::short_from(memory.max_bytes, split);
                assert!(memory.reserved_for_outputs() < short, "{split}");
                assert!(short < Memory::full_from(memory.max_bytes), "{split}");
                // Outputs can fill at least their part.
                let budget = Budget::share(750_000, split, Partitions::new(1).unwrap());
                assert!(budget.output_bytes <= short, "{split}");
            }
        }
    }

    #[test]
    fn the_least_budgets_suffice_and_smaller_ones_do_not() {
        for text in ["40/50/10", "5/90/5", "90/5/5"] {
            let split = split(text);
            for partitions in [1, 4, 32, 1024] {
                let partitions = Partitions::new(partitions).unwrap();
                let holds = |bytes: u64| {
                    let budget = Budget::share(bytes, split, partitions);
                    budget.work_bytes.min(budget.output_bytes) >= 16 << 20
                };
                let least = Budget::least(16 << 20, split, partitions);
                assert!(holds(least) && !holds(least / 16 * 15), "{text}");
                let kept = Budget::to_keep(1 << 30, 1 << 32, split, partitions);
                let budget = Budget::share(kept, split, partitions);
                let memory = Memory { used_bytes: 1 << 32, max_bytes: budget.max_bytes(), split };
                assert!(budget.output_bytes >= 1 << 30 && memory.excess_bytes() < 1_000, "{text}");
            }
        }
    }
}
