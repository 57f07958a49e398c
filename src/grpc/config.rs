//! The configuration of the gRPC services.

use std::time::Duration;

use crate::domain::limits::RequestLimits;
use crate::domain::{Partitions, StreamPolicies};
use crate::queue::Budget;

/// The configuration of the gRPC services.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GrpcConfig {
    /// The limits of requests.
    pub(crate) limits: RequestLimits,
    /// The partitions of the queue.
    pub(crate) partitions: Partitions,
    /// The capacity of each partition.
    pub(crate) budget: Budget,
    /// The backend that holds the queue.
    pub(crate) backend: BackendKind,
    /// True if this server also processes frames.
    pub(crate) has_worker: bool,
    /// True if the server authenticates its callers.
    pub(crate) authenticates: bool,
    /// True if reflection needs credentials.
    pub(crate) private_reflection: bool,
    /// The time that a drain of the server waits for its calls.
    pub(crate) drain_timeout: Duration,
    /// The policies of a stream without settings.
    pub(crate) defaults: StreamPolicies,
    /// The maximum number of registered streams.
    pub(crate) max_streams: usize,
    /// The maximum number of streams that this server registers by their first frame; `None` if it
    /// registers none.
    pub(crate) max_auto_registered_streams: Option<usize>,
    /// The maximum number of subscriptions at a time.
    pub(crate) max_subscriptions: usize,
    /// The maximum number of calls at a time.
    pub(crate) max_calls: usize,
    /// The maximum number of calls at a time on one connection.
    pub(crate) max_calls_per_connection: u32,
    /// The maximum number of submit calls that are processed at a time.
    pub(crate) max_concurrent_submits: usize,
}

/// A kind of queue backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BackendKind {
    /// The memory of this process.
    Memory,
    /// Redis or Valkey.
    Redis,
    /// Redis or Valkey whose primary Sentinels name.
    RedisSentinel,
    /// A cluster of Redis or Valkey.
    RedisCluster,
}
