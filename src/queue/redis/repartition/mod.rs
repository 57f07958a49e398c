//! Moves a store to another number of partitions, another namespace or another Redis, while no
//! server and no worker runs: `docs/adr/0025` has the rules, and proves that they are sound.
//!
//! The target tells how far the move is (`progress.rs`), so a move that was killed goes on where it
//! stopped. Its layout is written last: until then no server opens it.

mod account;
mod copy;
mod ends;
mod error;
mod groups;
mod letters;
mod merge;
mod partition;
mod plan;
mod progress;
mod stream;

pub(crate) use account::Account;
use ends::Ends;
pub(crate) use error::{MoveError, Moved};
use letters::check_letters;
use plan::Plan;

use super::RedisConfig;

/// The progress of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Streams with their outputs and pictures: so many partitions of the source of so many.
    Streams(usize, usize),
    /// Waiting frames, dead letters and counters: so many partitions of the target of so many.
    Partitions(usize, usize),
    /// Consumer groups: so many of so many.
    Groups(usize, usize),
    /// Both stores are compared.
    Comparing,
}

/// Moves the store of `from` to `to`, or continues a move that was interrupted. The number of
/// partitions of `from` is read from its store. Returns the account of the target, which equals that
/// of the source.
///
/// The source keeps its data, but no server opens it any more.
///
/// # Errors
/// [`MoveError`] says what is in the way; a move that failed can be started again.
pub(crate) async fn repartition(
    from: RedisConfig,
    to: RedisConfig,
    report: &(dyn Fn(Step) + Send + Sync),
) -> Moved<Account> {
    let ends = Ends::open(from, to).await?;
    let mut progress = ends.begin().await?;
    let plan = Plan::read(&ends).await?;
    plan.check()?;
    for partition in plan.merging() {
        check_letters(&ends, plan.sources(partition).map(|source| source.partition)).await?;
    }

    let all = ends.source.config.partitions.all();
    let count = all.len();
    for partition in all {
        report(Step::Streams(partition.index(), count));
        ends.copy_streams(partition, &plan, &mut progress).await?;
    }
    report(Step::Streams(count, count));
    let all = ends.target.config.partitions.all();
    let count = all.len();
    for partition in all {
        report(Step::Partitions(partition.index(), count));
        if !progress.has_partition(partition) {
            ends.copy_partition(partition, &plan).await?;
            progress.partition_done(&ends, partition).await?;
        }
    }
    report(Step::Partitions(count, count));
    ends.copy_groups(&mut progress, report).await?;
    report(Step::Comparing);
    let account = ends.compare().await?;
    ends.complete(&progress).await?;
    Ok(account)
}
