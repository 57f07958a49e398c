//! The backends under test, each empty and used by one test only.

use std::ops::Deref;
use std::sync::Arc;

use frameway::domain::{Partitions, StreamPolicies};
use frameway::queue::memory::{MemoryConfig, MemoryQueue};
use frameway::queue::redis::{RedisConfig, RedisQueue, RedisSecurity};
use frameway::queue::{Budget, Queue};

use crate::common::cluster::Lent;
use crate::common::redis::RedisServer;
use crate::common::sentinel::Topology;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Memory,
    Redis,
}

/// The settings that a store is opened with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) partitions: u16,
    pub(crate) budget: Budget,
    pub(crate) max_streams: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let budget = Budget {
            work_bytes: 64 << 20,
            work_frames: 10_000,
            output_bytes: 64 << 20,
            dead_bytes: 16 << 20,
            ..Budget::default()
        };
        Self { partitions: 4, budget, max_streams: 1_000 }
    }
}

/// With this environment variable, each Redis is behind a Sentinel.
const ON_SENTINEL: &str = "TEST_ON_SENTINEL";
/// With this one, each Redis is a cluster of three masters.
const ON_CLUSTER: &str = "TEST_ON_CLUSTER";

/// An open store. Its Redis, if it has one, ends with it.
pub(crate) struct Store {
    pub(crate) queue: Arc<dyn Queue>,
    server: Option<Server>,
}

enum Server {
    Alone(Box<RedisServer>),
    BehindSentinel(Topology),
    Cluster(Lent),
}

impl Server {
    /// Runs a command where its key is, or on every master if it has none.
    fn cli(&self, command: &[&str]) -> String {
        match self {
            Self::Alone(redis) => redis.cli(command),
            Self::BehindSentinel(topology) => topology.nodes[0].cli(command),
            Self::Cluster(cluster) if matches!(command, ["KEYS" | "INFO", ..]) => {
                cluster.on_all_masters(command)
            }
            // It follows where it is sent.
            Self::Cluster(cluster) => cluster.any().cli(&[&["-c"], command].concat()),
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Alone(redis) => redis.url(),
            Self::BehindSentinel(topology) => topology.url(),
            Self::Cluster(cluster) => cluster.url(),
        }
    }

    fn security(&self) -> RedisSecurity {
        match self {
            Self::Alone(_) | Self::Cluster(_) => RedisSecurity::default(),
            Self::BehindSentinel(topology) => {
                let (user, file) = topology.sentinel_login();
                let (sentinel_user, sentinel_password_file) = (Some(user), Some(file));
                RedisSecurity { sentinel_user, sentinel_password_file, ..RedisSecurity::default() }
            }
        }
    }
}

impl Store {
    /// Runs a command on Redis itself; returns `None` for a store without one.
    pub(crate) fn redis(&self, command: &[&str]) -> Option<String> {
        self.server.as_ref().map(|server| server.cli(command))
    }
}

impl Deref for Store {
    type Target = dyn Queue;

    fn deref(&self) -> &Self::Target {
        &*self.queue
    }
}

impl Backend {
    pub(crate) async fn open(self) -> Store {
        self.open_with(Settings::default()).await
    }

    pub(crate) async fn open_with(self, settings: Settings) -> Store {
        let Settings { partitions, budget, max_streams } = settings;
        let partitions = Partitions::new(partitions).unwrap();
        let defaults = StreamPolicies::default();
        match self {
            Self::Memory => {
                let queue =
                    Arc::new(MemoryQueue::new(MemoryConfig { partitions, budget, max_streams, defaults }));
                Store { queue, server: None }
            }
            Self::Redis => {
                let is_set = |variable| std::env::var_os(variable).is_some();
                let server = if is_set(ON_SENTINEL) {
                    Server::BehindSentinel(Topology::start_small())
                } else if is_set(ON_CLUSTER) {
                    Server::Cluster(Lent::take())
                } else {
                    Server::Alone(Box::new(RedisServer::start()))
                };
                let config = RedisConfig {
                    url: server.url().into(),
                    security: server.security(),
                    namespace: Default::default(),
                    partitions,
                    budget,
                    max_streams,
                    // Many servers share the machine's few cores here.
                    timeout: crate::common::DEADLINE,
                    wait_replicas: 0,
                    defaults,
                    metrics: Default::default(),
                };
                let queue = RedisQueue::open(config).await.unwrap();
                Store { queue, server: Some(server) }
            }
        }
    }
}
