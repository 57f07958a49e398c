use clap::Args;

use super::ByteSize;
use crate::domain::{Partitions, ValidationError, limits};
use crate::queue::Budget;

/// Where frames are queued, and how much of them.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Queue")]
pub struct QueueArgs {
    /// Queue frames in this Redis (7.0 or later) or Valkey, for example redis://localhost:6379/0. Without it frames live in
    /// this process only, and end with it.
    #[arg(long, env = "FRAMEWAY_REDIS_URL", value_name = "URL")]
    pub redis_url: Option<String>,

    /// Number of partitions: a power of two up to 1024. Fixed when a Redis is first used.
    #[arg(long, env = "FRAMEWAY_PARTITIONS", value_name = "N", default_value_t = Partitions::default().count())]
    pub partitions: u16,

    /// Memory for pictures, over all partitions: 40 % for frames that wait for a worker, 50 % for outputs,
    /// 10 % for dead letters. When it is used up, submit refuses with a retry delay and the oldest outputs and dead letters go.
    #[arg(long, env = "FRAMEWAY_MEMORY_BUDGET", value_name = "SIZE", default_value = "2GiB")]
    pub memory_budget: ByteSize,

    /// Most streams that may be registered.
    #[arg(long, env = "FRAMEWAY_MAX_STREAMS", value_name = "N", default_value_t = limits::MAX_STREAMS)]
    pub max_streams: usize,
}

/// The queue, checked.
#[derive(Debug, Clone)]
pub struct QueueConfig {
    /// `None`: in memory.
    pub redis_url: Option<String>,
    /// How many partitions.
    pub partitions: Partitions,
    /// Memory for pictures, over all partitions.
    pub memory_budget: ByteSize,
    /// What each of them may hold.
    pub budget: Budget,
    /// Most streams that may be registered.
    pub max_streams: usize,
}

impl QueueArgs {
    pub(super) fn check(self, max_picture_bytes: u64) -> Result<QueueConfig, ValidationError> {
        let partitions = Partitions::new(self.partitions)
            .map_err(|_| ValidationError::new("--partitions", "must be a power of two from 1 to 1024"))?;
        if self.max_streams == 0 {
            return Err(ValidationError::new("--max-streams", "must be at least 1"));
        }
        if let Some(url) = &self.redis_url
            && !["redis://", "rediss://", "unix://", "redis+unix://"].iter().any(|s| url.starts_with(s))
        {
            let example = "must be a URL such as redis://localhost:6379/0";
            return Err(ValidationError::new("--redis-url", example));
        }
        let budget = Budget::share(self.memory_budget.0, partitions);
        if budget.work_bytes < max_picture_bytes {
            let needed = ByteSize((max_picture_bytes / 4 + 1) * 10 * u64::from(partitions.count()));
            return Err(ValidationError::new(
                "--memory-budget",
                format!(
                    "{} over {} partitions leaves less than one picture of --max-picture-bytes a partition; give at \
                     least {needed}, or fewer partitions, or smaller pictures",
                    self.memory_budget,
                    partitions.count(),
                ),
            ));
        }
        Ok(QueueConfig {
            redis_url: self.redis_url,
            partitions,
            memory_budget: self.memory_budget,
            budget,
            max_streams: self.max_streams,
        })
    }
}
