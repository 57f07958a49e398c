//! Opens the queue that the configuration asks for.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::late_queue::LateQueue;
use crate::config::{QueueConfig, Role, without_password};
use crate::domain::StreamPolicies;
use crate::queue::memory::{MemoryConfig, MemoryQueue};
use crate::queue::redis::{RedisConfig, RedisQueue};
use crate::queue::{self, ATTEND_EVERY, Queue};
use crate::shutdown::Tasks;

/// Pause between two attempts to reach a backend that is not there yet.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// The queue, which may still be on its way: a backend that cannot be reached is tried until it comes, and meanwhile
/// everything asked of it is unreachable.
///
/// # Errors
/// It can be reached, and does not fit this configuration.
pub(super) async fn open(config: &QueueConfig, role: Role, tasks: &Tasks) -> anyhow::Result<Arc<dyn Queue>> {
    let Some(url) = &config.redis_url else {
        let QueueConfig { redis_url: _, memory_budget: _, partitions, budget, wait_replicas: _, max_streams } =
            *config;
        let defaults = StreamPolicies::default();
        return Ok(Arc::new(MemoryQueue::new(MemoryConfig { partitions, budget, max_streams, defaults })));
    };
    let shown = without_password(url);
    match open_redis(config, role).await {
        Ok(queue) => Ok(queue),
        Err(error) if error.is_retryable() => {
            tracing::error!(redis = shown, %error, "Redis cannot be reached: not serving until it comes");
            let late = Arc::new(LateQueue::new(config.partitions));
            tasks.spawn("open-redis", keep_opening(config.clone(), role, Arc::clone(&late), tasks.clone()));
            Ok(late)
        }
        Err(error) => Err(error).with_context(|| format!("using Redis at {shown}")),
    }
}

async fn keep_opening(config: QueueConfig, role: Role, late: Arc<LateQueue>, tasks: Tasks) {
    let stopping = tasks.stopping();
    while stopping.run_until_cancelled(tokio::time::sleep(RETRY_EVERY)).await.is_some() {
        match open_redis(&config, role).await {
            Ok(queue) => {
                tracing::info!("Redis is there");
                return late.open(queue);
            }
            Err(error) if error.is_retryable() => tracing::debug!(%error, "Redis is still away"),
            Err(error) => {
                tracing::error!(%error, "Redis has come and does not fit: the server stops");
                return tasks.fail("open-redis");
            }
        }
    }
}

/// Bounds the time that leaving the list of servers may take.
const GOOD_BYE: Duration = Duration::from_secs(1);
/// Bounds the time that a check of the configuration waits for Redis.
const CHECK_PATIENCE: Duration = Duration::from_secs(3);

/// Looks whether the backend is there and fits the configuration, and changes nothing; answers what it is, in a line, or `None`
/// for the embedded queue.
///
/// # Errors
/// The backend cannot be reached, or does not fit.
pub(crate) async fn check(config: &QueueConfig) -> queue::Result<Option<String>> {
    if config.redis_url.is_none() {
        return Ok(None);
    }
    let late = || queue::Error::Unreachable(format!("no answer within {} s", CHECK_PATIENCE.as_secs()));
    let checked = tokio::time::timeout(CHECK_PATIENCE, RedisQueue::check(redis_config(config))).await;
    checked.unwrap_or_else(|_| Err(late())).map(Some)
}

async fn open_redis(config: &QueueConfig, role: Role) -> queue::Result<Arc<dyn Queue>> {
    let queue = RedisQueue::open(redis_config(config)).await?;
    match role {
        Role::All | Role::Api => queue.take_part(),
        // It accepts no frames.
        Role::Worker => {}
    }
    Ok(queue)
}

/// Gives signs of life to the backend until `stop`, then says good-bye.
pub(super) async fn attend(queue: Arc<dyn Queue>, stop: CancellationToken) {
    let mut every = tokio::time::interval(ATTEND_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut joined = false;
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        let sign = async { if joined { queue.attend().await } else { queue.join().await } };
        match stop.run_until_cancelled(sign).await {
            Some(Ok(())) => joined = true,
            Some(Err(error)) => tracing::debug!(%error, "the backend does not hear that this server lives"),
            None => {}
        }
    }
    let _lapses = tokio::time::timeout(GOOD_BYE, queue.leave()).await;
}

fn redis_config(config: &QueueConfig) -> RedisConfig {
    let QueueConfig { redis_url, memory_budget: _, partitions, budget, wait_replicas, max_streams } =
        config.clone();
    let url = redis_url.unwrap_or_default();
    RedisConfig { url, partitions, budget, max_streams, wait_replicas, ..RedisConfig::default() }
}
