use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::domain::{ValidationError, check_id};

/// The settings of the worker.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Worker")]
pub struct WorkerArgs {
    /// Threads that decode, measure and encode. Default: one per core.
    #[arg(long, env = "FRAMEWAY_WORKER_THREADS", value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub worker_threads: Option<u16>,

    /// Time that a worker keeps a partition without renewing its lease. After this time, other
    /// workers take over the partitions of a worker that crashed.
    #[arg(long, env = "FRAMEWAY_LEASE_TERM", value_name = "TIME", default_value = "3s",
          value_parser = humantime::parse_duration)]
    pub lease_term: Duration,

    /// Id of this worker, which no other worker may have. Default: chosen at random.
    #[arg(long, env = "FRAMEWAY_WORKER_ID", value_name = "ID")]
    pub worker_id: Option<String>,

    /// End when standard input ends: the parent process, which holds it open, has exited.
    #[arg(long, hide = true)]
    pub parent_pipe: bool,

    /// Program to start as the worker process. Default: this one.
    #[arg(long, env = "FRAMEWAY_WORKER_PROGRAM", hide = true)]
    pub worker_program: Option<std::path::PathBuf>,
}

impl WorkerArgs {
    pub(super) fn check(self) -> Result<Self, ValidationError> {
        if !(Duration::from_millis(500)..=Duration::from_secs(300)).contains(&self.lease_term) {
            return Err(ValidationError::new("--lease-term", "must be from 500ms to 5m"));
        }
        if let Some(id) = &self.worker_id
            && let Err(error) = check_id("--worker-id", id)
        {
            return Err(error);
        }
        Ok(self)
    }

    /// Returns the number of threads that process pictures.
    #[must_use]
    pub fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.worker_threads.map_or_else(cores, usize::from)
    }
}
