use std::fmt;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use serde::{Deserialize, Serialize};

use super::{ByteSize, RedisArgs, RedisSettings};
use crate::domain::{Partitions, ValidationError, limits};
use crate::queue::{Budget, Split};

/// The backend of the queue, and its limits.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Queue")]
pub struct QueueArgs {
    /// The Redis.
    #[command(flatten)]
    pub redis: RedisArgs,

    /// Number of partitions: a power of two up to 1024; 256 for a Redis Cluster. Fixed when a Redis is
    /// first used.
    #[arg(long, env = "FRAMEWAY_PARTITIONS", value_name = "N", default_value_t = Partitions::default().count())]
    pub partitions: u16,

    /// Memory for pictures, over all partitions. When it is used up, submits are refused with a retry
    /// delay, and the oldest outputs and dead letters are removed.
    #[arg(long, env = "FRAMEWAY_MEMORY_BUDGET", value_name = "SIZE", default_value = "2GiB")]
    pub memory_budget: ByteSize,

    /// Parts of the memory budget, in percent: for frames that wait for a worker, for outputs and for
    /// dead letters. Each is at least 5; together they are 100. Give it to all servers and workers of a
    /// store: it is not stored, and each process applies its own.
    #[arg(long, env = "FRAMEWAY_MEMORY_SPLIT", value_name = "WAITING/OUTPUTS/DEAD", default_value_t = Split::default())]
    pub memory_split: Split,

    /// Maximum number of registered streams.
    #[arg(long, env = "FRAMEWAY_MAX_STREAMS", value_name = "N", default_value_t = limits::MAX_STREAMS,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub max_streams: usize,
}

/// The place where frames are queued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "a program has one value of it")]
pub enum Backend {
    /// In the memory of this process.
    Memory,
    /// In Redis.
    Redis(RedisSettings),
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Redis(redis) => redis.url.fmt(f),
        }
    }
}

/// The queue's configuration, checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueueConfig {
    /// The place where frames are queued.
    pub backend: Backend,
    /// The number of partitions.
    pub partitions: Partitions,
    /// The memory for pictures, over all partitions.
    pub memory_budget: ByteSize,
    /// The limits of each partition.
    pub budget: Budget,
    /// The maximum number of registered streams.
    pub max_streams: usize,
}

impl QueueArgs {
    pub(super) fn check(self, max_picture_bytes: u64) -> Result<QueueConfig, ValidationError> {
        let partitions = Partitions::new(self.partitions)
            .map_err(|_| ValidationError::new("--partitions", "must be a power of two from 1 to 1024"))?;
        let budget = Budget::share(self.memory_budget.0, self.memory_split, partitions);
        if budget.work_bytes.min(budget.output_bytes) < max_picture_bytes {
            let needed = ByteSize(Budget::least(max_picture_bytes, self.memory_split, partitions));
            return Err(ValidationError::new(
                "--memory-budget",
                format!(
                    "{} with --memory-split {} over {} partitions leaves less than one picture of \
                     --max-picture-bytes per partition; give at least {needed}, fewer partitions or smaller pictures",
                    self.memory_budget,
                    self.memory_split,
                    partitions.count(),
                ),
            ));
        }
        let backend = self.redis.settings()?.map_or(Backend::Memory, Backend::Redis);
        Ok(QueueConfig {
            backend,
            partitions,
            memory_budget: self.memory_budget,
            budget,
            max_streams: self.max_streams,
        })
    }
}
