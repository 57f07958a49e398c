//! Requests to Redis.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::families::{Counter, Families, Seconds, SecondsBy};
use super::label::{Per, label};

/// The reason for which a request to Redis failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisError {
    /// No connection could be made.
    Unreachable,
    /// No answer came in time.
    TimedOut,
    /// The connection ended before the answer.
    Disconnected,
    /// Redis answered with an error.
    Refused,
}

label!(RedisError:
    Unreachable = "unreachable",
    TimedOut = "timed_out",
    Disconnected = "disconnected",
    Refused = "refused",
);

/// The metrics of requests to Redis.
#[derive(Debug, Clone)]
pub struct RedisMetrics(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    duration: SecondsBy,
    errors: Per<RedisError, Counter>,
    connects: Counter,
}

impl Default for RedisMetrics {
    fn default() -> Self {
        Self::new(&mut Families::unexported())
    }
}

impl RedisMetrics {
    pub(super) fn new(families: &mut Families) -> Self {
        Self(Arc::new(Shared {
            duration: families.seconds_by(
                (
                    "operation",
                    "the name of a script (`accept`, `finish`, `take`, ...); `control`, `read`, `write` and `probe` for \
                     other commands, by the connection that they use",
                ),
                (
                    "redis_request_duration_seconds",
                    "Time from a request to Redis to its answer, waiting for the connection included; requests that wait for \
                     news are not recorded",
                    "If all operations are slow, Redis or the network is; `SLOWLOG GET` and `INFO` of Redis say which. \
                     `accept` and `finish` carry pictures, so large ones take longer.",
                ),
            ),
            errors: families.counter_per(
                "kind",
                (
                    "redis_errors",
                    "Requests to Redis that failed",
                    "`refused`: no memory, no disk or no permission; the log has the text. The others: Redis, or the way to \
                     it, is down.",
                ),
            ),
            connects: families.counter((
                "redis_connects",
                "Connections to Redis that were made",
                "A few at the start. A rate means that connections break, or that leases move between workers.",
            )),
        }))
    }

    /// Returns the handle of an operation. It has no samples until it is recorded.
    #[must_use]
    pub fn operation(&self, name: &'static str) -> RedisOperation {
        RedisOperation { metrics: self.clone(), name, seconds: OnceLock::new() }
    }
}

/// A kind of request to Redis.
#[derive(Debug)]
pub struct RedisOperation {
    metrics: RedisMetrics,
    name: &'static str,
    seconds: OnceLock<Seconds>,
}

impl RedisOperation {
    /// Records the time of a request.
    pub fn observe(&self, time: Duration) {
        self.seconds.get_or_init(|| self.metrics.0.duration.of(self.name)).observe(time);
    }

    /// Counts a request that failed.
    pub fn failed(&self, error: RedisError) {
        self.metrics.0.errors.of(error).inc();
    }

    /// Counts a connection that was made.
    pub fn connected(&self) {
        self.metrics.0.connects.inc();
    }
}
