use redis::Value;

use super::ends::Ends;
use super::error::{MoveError, Moved};
use crate::domain::{PartitionId, Partitions};
use crate::queue::Result;
use crate::queue::redis::reply;

/// The counters of which a partition has the sum over all of its frames, now and in the past. Nobody
/// knows which stream each belongs to, so one partition of the target gets them all.
pub(super) const PAST: &[&str] = &[
    "processed",
    "failed",
    "dropped",
    "purged",
    "erased",
    "erased_processed",
    "erased_failed",
    "deleted",
    "duplicates",
    "over_budget",
    "published_bytes",
    "trimmed",
    "dead_expired",
];
/// The counters of which a partition of the target gets the highest value of all its sources.
pub(super) const HIGHEST: &[&str] =
    &["feed", "dead_letters", "dead_letter_time", "forgotten", "forgotten_revision"];
/// The counters that are computed, or have rules of their own: see `partition.rs` and [`Plan`].
const OTHERS: &[&str] = &[
    "accepted",
    "accepted_bytes",
    "base",
    "base_epoch",
    "base_paced",
    "dead_bytes",
    "dead_frames",
    "epoch",
    "in_work",
    "instance",
    "output_bytes",
    "publishers",
    "purge_to",
    "removals",
    "removals_looked",
    "settings_bytes",
    "state",
    "state_reason",
    "store",
    "taken",
    "work_bytes",
    "work_frames",
];

/// A partition of the source.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) partition: PartitionId,
    pub(super) counts: reply::Fields,
    pub(super) suspects: reply::Fields,
    /// A worker that held the lease ended without releasing it.
    pub(super) is_unclean: bool,
    pub(super) fence: u64,
    /// Redis's own id of the process that has the partition.
    run_id: String,
    /// The time, in microseconds, of the newest entry that its work queue had.
    pub(super) last_entry: u64,
    /// The entries of outputs of unregistered streams, which are not copied.
    pub(super) old_entries: u64,
}

impl Source {
    /// Reports whether the newest writes of the partition may be lost: its next accept would find
    /// another process of Redis than the last one.
    pub(super) fn may_have_lost(&self) -> Result<bool> {
        let instance = self.counts.text("instance")?;
        let run_id = instance.split(':').next().unwrap_or_default();
        Ok(!instance.is_empty() && run_id != self.run_id)
    }
}

/// The state of the source by partition, and how it becomes the state of the target.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) sources: Vec<Source>,
    pub(super) from: Partitions,
    to: Partitions,
}

impl Plan {
    pub(super) async fn read(ends: &Ends) -> Moved<Self> {
        let (from, to) = (ends.source.config.partitions, ends.target.config.partitions);
        let mut sources = Vec::new();
        for partition in from.all() {
            sources.push(read_source(ends, partition).await?);
        }
        Ok(Self { sources, from, to })
    }

    /// Checks what would be lost or cannot be decided.
    pub(super) fn check(&self) -> Moved<()> {
        for Source { partition, counts, .. } in &self.sources {
            let is_known = |name: &&str| [PAST, HIGHEST, OTHERS].iter().any(|list| list.contains(name));
            if let Some(field) = counts.names().find(|name| !is_known(name)) {
                return Err(MoveError::UnknownField { partition: *partition, field: field.to_owned() });
            }
        }
        for partition in self.to.all() {
            let mut sources = self.sources(partition);
            let Some(first) = sources.next() else { continue };
            let state = first.counts.text("state")?;
            for other in sources {
                if other.counts.text("state")? != state {
                    let state = if state.is_empty() { other.counts.text("state")? } else { state };
                    let (first, second) = (first.partition, other.partition);
                    return Err(MoveError::States { first, second, state: state.to_owned() });
                }
            }
        }
        Ok(())
    }

    /// Returns the partitions of the target whose streams come from several partitions.
    pub(super) fn merging(&self) -> impl Iterator<Item = PartitionId> {
        let merges = self.to.count() < self.from.count();
        self.to.all().filter(move |_| merges)
    }

    /// Returns the partitions whose streams a partition of the target gets. A partition is the
    /// remainder of a hash by a power of two.
    pub(super) fn sources(&self, target: PartitionId) -> impl Iterator<Item = &Source> {
        let shared = usize::from(self.from.count().min(self.to.count()));
        self.sources.iter().filter(move |source| source.partition.index() % shared == target.index() % shared)
    }

    /// Returns the partitions whose past a partition of the target gets: each has one heir.
    pub(super) fn ancestors(&self, target: PartitionId) -> impl Iterator<Item = &Source> {
        let count = usize::from(self.to.count());
        self.sources(target).filter(move |source| source.partition.index() % count == target.index())
    }

    /// Returns the epoch of a partition of the target.
    pub(super) fn epoch(&self, target: PartitionId) -> Result<u64> {
        highest(self.sources(target), "epoch")
    }

    /// Returns the new epoch of a stream. A stream that has yet to jump keeps its own, which is lower
    /// than that of its partition; the others continue without a jump.
    pub(super) fn epoch_of_stream(&self, from: PartitionId, to: PartitionId, epoch: u64) -> Option<u64> {
        let before = self.sources.get(from.index())?.counts.number("epoch").ok()?;
        (epoch >= before).then(|| self.epoch(to).ok()).flatten()
    }

    /// Returns the position of a waiting frame in the work queue of the target. It is unique, and
    /// keeps the order of each stream.
    pub(super) fn place(&self, from: PartitionId, (time, number): (u64, u64)) -> (u64, u64) {
        let count = u64::from(self.from.count());
        (time, number.saturating_mul(count).saturating_add(from.index() as u64))
    }

    /// Returns the new form of a position that is stored as text.
    pub(super) fn place_text(&self, from: PartitionId, text: &str) -> Result<String> {
        let (a, b) = self.place(from, reply::place(text)?);
        Ok(format!("{a}-{b}"))
    }
}

/// Returns the highest value that one of the partitions has.
pub(super) fn highest<'a>(sources: impl Iterator<Item = &'a Source>, field: &str) -> Result<u64> {
    sources.map(|source| source.counts.number(field)).try_fold(0, |most, one| Ok(one?.max(most)))
}

async fn read_source(ends: &Ends, partition: PartitionId) -> Result<Source> {
    let source = &ends.source;
    let keys = source.names.keys(partition);
    let mut read = redis::pipe();
    read.cmd("HGETALL").arg(keys.counts()).cmd("HGETALL").arg(keys.suspects());
    read.cmd("EXISTS").arg(keys.holder()).cmd("GET").arg(keys.fence());
    read.cmd("EXISTS").arg(keys.work());
    let mut answers = source.all(&source.control, &read).await?.into_iter();
    let mut next = || answers.next().unwrap_or(Value::Nil);
    let (counts, suspects) = (reply::Fields::read(next())?, reply::Fields::read(next())?);
    let (is_held, fence, has_work) =
        (reply::number(next())? > 0, reply::number(next())?, reply::number(next())? > 0);
    let is_unclean = is_held || suspects.has("unclean") || suspects.has("isolate");
    let mut last_entry = 0;
    if has_work {
        let mut about = redis::cmd("XINFO");
        about.arg("STREAM").arg(keys.work());
        let about = reply::array(source.control.command(&about).await?)?;
        for pair in about.chunks_exact(2) {
            if reply::text(pair[0].clone())?.as_deref() == Some("last-generated-id") {
                let last = reply::text(pair[1].clone())?.unwrap_or_default();
                last_entry = reply::place(&last)?.0.saturating_mul(1_000);
            }
        }
    }
    let run_id = source.control.route(&keys.counts()).connected().await?.instance.run_id().to_owned();
    let mut old_entries = 0;
    for key in ends.members(&keys.old_outputs()).await? {
        let mut length = redis::cmd("XLEN");
        length.arg(key);
        old_entries += reply::number(source.control.command(&length).await?)?;
    }
    Ok(Source { partition, counts, suspects, is_unclean, fence, run_id, last_entry, old_entries })
}

#[cfg(test)]
mod tests {
    use super::super::partition::base;
    use super::*;

    fn plan(from: u16, to: u16, counts: &[&[(&str, u64)]]) -> Plan {
        let (from, to) = (Partitions::new(from).unwrap(), Partitions::new(to).unwrap());
        let text = |text: String| Value::BulkString(text.into_bytes());
        let source = |(partition, counts): (PartitionId, &&[(&str, u64)])| Source {
            partition,
            counts: {
                let pairs = counts.iter().flat_map(|(name, value)| [name.to_string(), value.to_string()]);
                reply::Fields::read(Value::Array(pairs.map(text).collect())).unwrap()
            },
            suspects: reply::Fields::default(),
            is_unclean: false,
            fence: 0,
            run_id: String::new(),
            last_entry: 0,
            old_entries: 0,
        };
        Plan { sources: from.all().zip(counts).map(source).collect(), from, to }
    }

    #[test]
    fn each_partition_gets_its_streams_and_one_heir_the_past() {
        for (from, to) in [(8, 32), (32, 8), (4, 4), (1, 2)] {
            let plan = plan(from, to, &vec![&[][..]; usize::from(from)]);
            for number in 0..500 {
                let stream = format!("cam-{number}").parse().unwrap();
                let (before, after) = (plan.from.of(&stream), plan.to.of(&stream));
                assert!(plan.sources(after).any(|source| source.partition == before), "{from} to {to}");
            }
            let heirs: usize = plan.to.all().map(|target| plan.ancestors(target).count()).sum();
            assert_eq!(heirs, usize::from(from), "{from} to {to}");
        }
    }

    #[test]
    fn unknown_streams_begin_above_all_that_any_source_can_have_issued() {
        let sources: &[&[(&str, u64)]] = &[
            &[("base", 1_000), ("base_paced", 5_000_000), ("epoch", 2), ("base_epoch", 2)],
            &[("base", 90_000), ("base_paced", 90_000_000), ("epoch", 3), ("base_epoch", 1)],
        ];
        let plan = plan(2, 1, sources);
        let target = plan.to.all().next().unwrap();
        let [(_, base), (_, base_epoch), (_, paced)] = base(&plan, target).unwrap();
        assert!(base_epoch < plan.epoch(target).unwrap(), "one source has a jump ahead");
        for time in [0, 50_000_000, 100_000_000, 10_000_000_000_i64] {
            let reached = |base: u64, paced: u64| base as i64 + (time - paced as i64) / 100;
            for source in sources {
                assert!(reached(base, paced) >= reached(source[0].1, source[1].1), "at {time}");
            }
        }
    }

    #[test]
    fn streams_jump_only_if_they_would_have_jumped() {
        let plan = plan(2, 1, &[&[("epoch", 2)], &[("epoch", 5)]]);
        let [first, second] = plan.from.all().collect::<Vec<_>>()[..] else { panic!("two partitions") };
        let target = plan.to.all().next().unwrap();
        assert_eq!(plan.epoch_of_stream(first, target, 2), Some(5));
        assert_eq!(plan.epoch_of_stream(first, target, 1), None);
        assert_eq!(plan.epoch_of_stream(second, target, 4), None);
    }

    #[test]
    fn positions_stay_unique_and_in_order() {
        let plan = plan(2, 1, &[&[], &[]]);
        let [first, second] = plan.from.all().collect::<Vec<_>>()[..] else { panic!("two partitions") };
        assert!(plan.place(first, (7, 0)) < plan.place(first, (7, 1)));
        assert_ne!(plan.place(first, (7, 0)), plan.place(second, (7, 0)));
        assert_eq!(plan.place_text(second, "7-3").unwrap(), "7-7");
    }
}
