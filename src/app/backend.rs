//! Opens the queue that is configured.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::config::{Backend, Config, QueueConfig, RedisSettings, Role};
use crate::domain::StreamPolicies;
use crate::metrics::RedisMetrics;
use crate::queue::memory::{MemoryConfig, MemoryQueue};
use crate::queue::redis::{RedisConfig, RedisQueue};
use crate::queue::{self, HEARTBEAT_EVERY, Queue};
use crate::shutdown::Tasks;

/// The pause between two attempts to reach a backend that is not available yet.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// Opens the queue. If Redis cannot be reached, a task keeps trying to connect; until Redis is
/// reached, every call fails.
///
/// # Errors
/// Redis can be reached, but cannot be used with this configuration.
pub(super) async fn open(
    config: &Config,
    metrics: &RedisMetrics,
    tasks: &Tasks,
) -> anyhow::Result<Arc<dyn Queue>> {
    let defaults = config.streams.policies();
    let Backend::Redis(redis) = &config.queue.backend else {
        let QueueConfig { backend: _, memory_budget: _, partitions, budget, max_streams } = config.queue;
        return Ok(Arc::new(MemoryQueue::new(MemoryConfig { partitions, budget, max_streams, defaults })));
    };
    let using = || format!("using Redis at {}", redis.url);
    let settings = RedisConfig { metrics: metrics.clone(), ..redis_config(&config.queue, redis, defaults) };
    let queue = Arc::new(RedisQueue::new(settings).with_context(using)?);
    match config.server.role {
        Role::All | Role::Api => queue.accept_frames(),
        Role::Worker => {}
    }
    match queue.connect().await {
        Ok(()) => {}
        Err(error) if error.is_retryable() => {
            tracing::error!(redis = %redis.url, %error, "cannot reach Redis; not serving until it is available");
            tasks.spawn("connect-redis", keep_connecting(Arc::clone(&queue), tasks.clone()));
        }
        Err(error) => return Err(error).with_context(using),
    }
    Ok(queue)
}

/// Tries to connect until it succeeds, and stops the server if Redis turns out to be unusable.
async fn keep_connecting(queue: Arc<RedisQueue>, tasks: Tasks) {
    let stopping = tasks.stopping();
    while stopping.run_until_cancelled(tokio::time::sleep(RETRY_EVERY)).await.is_some() {
        match queue.connect().await {
            Ok(()) => return tracing::info!("connected to Redis"),
            Err(error) if error.is_retryable() => tracing::debug!(%error, "Redis is still not available"),
            Err(error) => {
                tracing::error!(%error, "Redis cannot be used; stopping the server");
                return tasks.fail("connect-redis");
            }
        }
    }
}

/// The maximum time for removing this server from the backend's list of servers.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);
/// The maximum time that a check of the configuration waits for Redis.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// Checks whether the backend can be reached and used with this configuration, and changes nothing;
/// returns a line that describes it, or `None` for the embedded queue.
///
/// # Errors
/// The backend cannot be reached, or cannot be used.
pub(crate) async fn check(config: &QueueConfig) -> queue::Result<Option<String>> {
    let Backend::Redis(redis) = &config.backend else { return Ok(None) };
    let late = || queue::Error::Unreachable(format!("no answer within {} s", CHECK_TIMEOUT.as_secs()));
    let checked = tokio::time::timeout(
        CHECK_TIMEOUT,
        RedisQueue::check(redis_config(config, redis, StreamPolicies::default())),
    )
    .await;
    checked.unwrap_or_else(|_| Err(late())).map(Some)
}

/// Sends heartbeats to the backend until `stop`, then removes this server from the backend's list
/// of servers.
pub(super) async fn heartbeat(queue: Arc<dyn Queue>, stop: CancellationToken) {
    let mut every = tokio::time::interval(HEARTBEAT_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut joined = false;
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        let sign = async { if joined { queue.heartbeat().await } else { queue.join().await } };
        match stop.run_until_cancelled(sign).await {
            Some(Ok(())) => joined = true,
            Some(Err(error)) => tracing::debug!(%error, "cannot send a heartbeat to the backend"),
            None => {}
        }
    }
    let _or_it_expires = tokio::time::timeout(LEAVE_TIMEOUT, queue.leave()).await;
}

fn redis_config(config: &QueueConfig, redis: &RedisSettings, defaults: StreamPolicies) -> RedisConfig {
    let QueueConfig { backend: _, memory_budget: _, partitions, budget, max_streams } = *config;
    let RedisSettings { url, security, namespace, wait_replicas } = redis.clone();
    RedisConfig {
        url,
        security,
        namespace,
        partitions,
        budget,
        max_streams,
        wait_replicas,
        defaults,
        ..RedisConfig::default()
    }
}
