//! The work that waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use tokio::sync::Mutex;

use super::trigger::Source;
use crate::domain::Timestamp;
use crate::grpc::fault::Result;
use crate::hub::Consumers;
use crate::queue::{Queue, QueueState};

/// The time for which one reading of the work queue serves all triggers.
const FRESH_FOR: Duration = Duration::from_millis(500);

/// The frames that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Backlog {
    pub(super) frames: u64,
    /// The time at which the oldest of them was received.
    oldest_receive_time: Option<Timestamp>,
}

impl Backlog {
    /// Returns the age of the oldest frame; 0 if none waits.
    pub(super) fn age(&self) -> Duration {
        self.oldest_receive_time.map_or(Duration::ZERO, |oldest| Timestamp::now().since(oldest))
    }
}

/// Reads backlogs.
#[derive(Debug)]
pub(super) struct Backlogs {
    queue: Arc<dyn Queue>,
    consumers: Arc<Consumers>,
    /// The last reading of the work queue. The lock is held during a reading, so that concurrent
    /// calls share it.
    work_queue: Mutex<Option<(Instant, Backlog)>>,
}

impl Backlogs {
    pub(super) fn new(queue: Arc<dyn Queue>, consumers: Arc<Consumers>) -> Self {
        Self { queue, consumers, work_queue: Mutex::default() }
    }

    /// Returns the present backlog.
    ///
    /// # Errors
    /// The group does not exist, and the errors of the queue.
    pub(super) async fn of(&self, source: &Source) -> Result<Backlog> {
        match source {
            Source::WorkQueue => self.of_work_queue().await,
            Source::Group(group) => {
                let totals = self.consumers.totals_of(group).await?;
                Ok(Backlog { frames: totals.lag, oldest_receive_time: totals.oldest_receive_time })
            }
        }
    }

    async fn of_work_queue(&self) -> Result<Backlog> {
        let mut last = self.work_queue.lock().await;
        if let Some((time, backlog)) = *last
            && time.elapsed() < FRESH_FOR
        {
            return Ok(backlog);
        }
        let partitions = self.queue.partitions();
        let stats = try_join_all(partitions.all().map(|one| self.queue.partition_stats(one))).await?;
        let mut backlog = Backlog::default();
        for one in stats {
            match one.control.state {
                // More workers would not take its frames.
                QueueState::Paused => continue,
                QueueState::Running | QueueState::Draining => {}
            }
            backlog.frames += one.depth;
            let oldest = [backlog.oldest_receive_time, one.oldest_receive_time];
            backlog.oldest_receive_time = oldest.into_iter().flatten().min();
        }
        *last = Some((Instant::now(), backlog));
        Ok(backlog)
    }
}
