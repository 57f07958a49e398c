//! What benchmarks ask a Redis beside the queue.

use std::time::Duration;

use redis::aio::MultiplexedConnection;

use super::conn;
use crate::queue::{Error, Result};

/// A connection that only looks.
#[derive(Clone)]
pub(crate) struct Probe(MultiplexedConnection);

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe").finish_non_exhaustive()
    }
}

impl Probe {
    /// Connects.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        let connected = conn::client(url)?.get_multiplexed_async_connection().await;
        Ok(Self(connected.map_err(unreachable)?))
    }

    /// Processor time that the Redis process has used.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub(crate) async fn cpu(&self) -> Result<Duration> {
        let said = self.info("cpu").await?;
        let field = |name: &str| -> f64 {
            let value = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
        };
        Ok(Duration::from_secs_f64(field("used_cpu_user") + field("used_cpu_sys")))
    }

    /// How often a command was called.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub(crate) async fn calls(&self, command: &str) -> Result<u64> {
        let said = self.info("commandstats").await?;
        let prefix = format!("cmdstat_{command}:calls=");
        let calls = said.lines().find_map(|line| line.strip_prefix(&prefix)?.split(',').next());
        Ok(calls.and_then(|calls| calls.parse().ok()).unwrap_or(0))
    }

    async fn info(&self, section: &str) -> Result<String> {
        let asked = redis::cmd("INFO").arg(section).query_async(&mut self.0.clone()).await;
        asked.map_err(unreachable)
    }
}

fn unreachable(error: redis::RedisError) -> Error {
    Error::Unreachable(error.to_string())
}
