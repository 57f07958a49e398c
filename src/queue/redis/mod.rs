//! The Redis backend: Redis 7.0 or newer, one primary, which Sentinels may name, or a cluster. Pictures are stored
//! apart from the entries, scripts decide atomically, and the holder of the lease keeps the order.
//!
//! `docs/redis.md` names every key; the head of each script in `lua/` says what it does.

// `redis::Value` may get more variants: one case covers all that are not expected.
#![allow(clippy::wildcard_enum_match_arm)]

mod accept;
mod cleanup;
mod cluster;
mod conn;
mod control;
mod dead_entry;
mod dead_letters;
mod entry;
mod erasure;
pub(crate) mod facts;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod gate;
mod group_members;
mod group_reply;
mod groups;
mod instance;
mod isolation;
mod keys;
mod lane;
mod lease;
mod markers;
mod memory_usage;
mod namespace;
mod node;
mod output;
mod peer;
mod presence;
mod registry;
pub(crate) mod repartition;
mod replay;
mod reply;
mod resp;
mod scripts;
mod seek;
mod sentinel;
mod status;
mod target;
mod tls;
mod url;
mod wait;
mod witness;
mod work;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use self::cluster::{Cluster, Place, Wakes};
use self::conn::{BlockingPool, Purpose};
use self::gate::Gate;
use self::keys::{Keys, Names};
use self::lane::Lane;
use self::markers::Builder;
use self::memory_usage::MemoryUsage;
pub use self::namespace::Namespace;
use self::node::Node;
pub use self::peer::RedisSecurity;
use self::scripts::{Call, Scripts};
use self::target::Target;
pub use self::url::RedisUrl;
use self::witness::Witness;
use super::{
    AcceptResult, BackendStatus, Budget, Created, FeedPage, FeedPosition, FinishResult, Finished, Lease,
    ListStreams, Memory, NewFrame, OutputPage, PartitionStats, PublisherPosition, Queue, Result, Trimmed,
    Unregistered, WorkItem, WorkPosition, WorkerReport,
};
use crate::domain::{
    Etag, OutputEntry, PartitionId, Partitions, PayloadRef, PublisherId, Sequence, StreamId, StreamPolicies,
    StreamRecord, StreamSettings,
};
use crate::metrics::RedisMetrics;

/// The number of feed entries kept per partition. A reader further behind must read the outputs.
pub(crate) const FEED_ENTRIES: u64 = 1_000;
/// The number of links that carry pictures: frames of one stream always use the same one, which
/// keeps their order.
const PAYLOAD_LINKS: usize = 2;

/// The address of a Redis, and the limits of its store.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// The address.
    pub url: RedisUrl,
    /// The user that logs in, and the files of TLS.
    pub security: RedisSecurity,
    /// The namespace of the store.
    pub namespace: Namespace,
    /// The partitions of a new store; an existing store must have as many.
    pub partitions: Partitions,
    /// The limits of a partition.
    pub budget: Budget,
    /// The maximum number of registered streams.
    pub max_streams: usize,
    /// The maximum time for an answer.
    pub timeout: Duration,
    /// The number of replicas that must have a frame before it counts as accepted.
    pub wait_replicas: u32,
    /// The policies that apply where a stream's settings leave them unset. Servers of one store may
    /// have different ones: docs/adr/0016 says which apply.
    pub defaults: StreamPolicies,
    /// The handles by which requests are counted.
    pub metrics: RedisMetrics,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: RedisUrl::from("redis://127.0.0.1:6379"),
            security: RedisSecurity::default(),
            namespace: Namespace::default(),
            partitions: Partitions::default(),
            budget: Budget::default(),
            max_streams: crate::domain::limits::MAX_STREAMS,
            timeout: Duration::from_secs(2),
            wait_replicas: 0,
            defaults: StreamPolicies::default(),
            metrics: RedisMetrics::default(),
        }
    }
}

/// The way to wait for entries.
#[derive(Debug)]
enum Waiting {
    /// Commands that block.
    Blocking(BlockingPool),
    /// Messages of the servers of a cluster, and links for the reads after them.
    Woken(Wakes, Lane),
}

/// The servers that hold the store.
#[derive(Debug, Clone)]
enum Servers {
    One(Arc<Node>),
    Cluster(Arc<Cluster>),
}

/// A queue in a Redis that any number of servers and workers share.
#[derive(Debug)]
pub struct RedisQueue {
    config: RedisConfig,
    target: Arc<Target>,
    names: Names,
    scripts: Scripts,
    /// The links for small commands.
    control: Lane,
    /// The links for uploads.
    writers: [Lane; PAYLOAD_LINKS],
    /// The links for reads of pictures and output entries.
    readers: [Lane; PAYLOAD_LINKS],
    /// The links for health probes.
    probes: Lane,
    waiting: Waiting,
    gate: Arc<Gate>,
    servers: Servers,
    witness: Witness,
}

impl RedisQueue {
    /// Creates a queue that connects when it is first used. The first connection checks that the
    /// store's layout is this program's (or lays out an empty store); until then every call fails.
    ///
    /// # Errors
    /// [`Error::Unsuitable`](super::Error::Unsuitable): the URL is not valid, or a file of
    /// [`RedisSecurity`] cannot be used.
    pub fn new(config: RedisConfig) -> Result<Self> {
        Self::with_gate(config, Gate::new)
    }

    /// Creates a queue and connects it.
    ///
    /// # Errors
    /// Those of [`RedisQueue::new`] and [`RedisQueue::connect`].
    pub async fn open(config: RedisConfig) -> Result<Arc<Self>> {
        let queue = Self::new(config)?;
        queue.connect().await?;
        Ok(Arc::new(queue))
    }

    /// Connects, if the queue is not connected yet.
    ///
    /// # Errors
    /// [`Error::Unreachable`](super::Error::Unreachable), or
    /// [`Error::Layout`](super::Error::Layout) if the store has another number of partitions or
    /// another layout, or [`Error::Unsuitable`](super::Error::Unsuitable) if this Redis may evict
    /// what it holds.
    pub async fn connect(&self) -> Result<()> {
        self.control.connect().await
    }

    /// Checks whether a Redis can be used with this configuration, and changes nothing; returns a
    /// line that describes it.
    ///
    /// # Errors
    /// Those of [`RedisQueue::open`].
    pub async fn check(config: RedisConfig) -> Result<String> {
        let queue = Self::with_gate(config, Gate::unchecked)?;
        Box::pin(queue.describe()).await
    }

    /// Makes this server one of those that accept frames: it must
    /// [join](super::ServerPresence::join) them before it accepts its first frame. Without this
    /// call, the queue accepts frames at once, and never confirms that a restarted Redis is
    /// complete.
    pub fn accept_frames(&self) {
        self.witness.begin();
    }

    fn with_gate(config: RedisConfig, gate: fn(Names, Partitions) -> Gate) -> Result<Self> {
        let target = Arc::new(Target::new(&config.url, &config.security)?);
        let names = Names::new(config.namespace.clone());
        let servers = match target.seeds() {
            None => Servers::One(Arc::new(Node::new(None, Arc::new(MemoryUsage::new(config.budget))))),
            Some(_) => {
                let place = |partition| Place { partition, key: names.keys(partition).counts() };
                let places = config.partitions.all().map(place).collect();
                Servers::Cluster(Arc::new(Cluster::new(Arc::clone(&target), places, config.budget)))
            }
        };
        let metrics = &config.metrics;
        let purpose = |name, gate| Purpose {
            target: Arc::clone(&target),
            timeout: config.timeout,
            gate,
            operation: Arc::new(metrics.operation(name)),
        };
        // The gate looks at the store before anything else does.
        let looking = Arc::new(Gate::unchecked(names.clone(), config.partitions));
        let mut gate = gate(names.clone(), config.partitions);
        if let Servers::Cluster(_) = &servers {
            let lane = servers.lane(purpose("control", looking));
            let builder = Builder { lane, names: names.clone(), partitions: config.partitions };
            gate = gate.built_by(Box::new(builder));
        }
        let gate = Arc::new(gate);
        let lane = |name| servers.lane(purpose(name, Arc::clone(&gate)));
        let waiting = match &servers {
            Servers::One(_) => {
                Waiting::Blocking(BlockingPool::new(Arc::clone(&target), metrics.operation("wait")))
            }
            Servers::Cluster(cluster) => Waiting::Woken(Wakes::new(Arc::clone(cluster)), lane("wait")),
        };
        Ok(Self {
            scripts: Scripts::new(metrics),
            control: lane("control"),
            writers: std::array::from_fn(|_| lane("write")),
            readers: std::array::from_fn(|_| lane("read")),
            probes: lane("probe"),
            waiting,
            gate,
            witness: Witness::new(config.partitions, matches!(servers, Servers::Cluster(_))),
            servers,
            names,
            target,
            config,
        })
    }

    /// Lets a call wake those who wait for a key, which in a cluster no command does.
    fn wake(&self, call: &mut Call, key: String) {
        if self.control.is_clustered() {
            call.wakes(key);
        }
    }

    fn keys(&self, stream: &StreamId) -> Keys<'_> {
        self.names.keys(self.config.partitions.of(stream))
    }

    fn writer(&self, partition: PartitionId) -> &Lane {
        &self.writers[partition.index() % PAYLOAD_LINKS]
    }

    /// Returns the link for a group's whole state, which may be large.
    fn reader_of_groups(&self) -> &Lane {
        &self.readers[0]
    }

    fn reader(&self, partition: PartitionId) -> &Lane {
        &self.readers[partition.index() % PAYLOAD_LINKS]
    }
}

impl Servers {
    /// Creates the links of one purpose.
    fn lane(&self, purpose: Purpose) -> Lane {
        match self {
            Self::One(node) => Lane::to_one(purpose, Arc::clone(node)),
            Self::Cluster(cluster) => Lane::to_cluster(purpose, Arc::clone(cluster)),
        }
    }

    /// Returns the memory of all together.
    fn memory(&self) -> Memory {
        let nodes = match self {
            Self::One(node) => vec![Arc::clone(node)],
            Self::Cluster(cluster) => cluster.masters(),
        };
        let all = nodes.iter().map(|node| node.memory.memory());
        all.reduce(|a, b| Memory {
            used_bytes: a.used_bytes.saturating_add(b.used_bytes),
            max_bytes: a.max_bytes.saturating_add(b.max_bytes),
            split: a.split,
        })
        .unwrap_or_else(Memory::unknown)
    }

    /// Returns the memory of the whole store as the server that holds a partition sees it.
    fn memory_of(&self, partition: PartitionId) -> Memory {
        let owner = match self {
            Self::One(node) => Some(Arc::clone(node)),
            Self::Cluster(cluster) => cluster.owner(partition),
        };
        owner.map_or_else(Memory::unknown, |node| node.memory.memory_of_all())
    }
}

#[async_trait]
impl Queue for RedisQueue {
    fn partitions(&self) -> Partitions {
        self.config.partitions
    }

    fn memory(&self) -> Memory {
        if self.gate.is_open() { self.servers.memory() } else { Memory::unknown() }
    }

    fn memory_of(&self, partition: PartitionId) -> Memory {
        if self.gate.is_open() { self.servers.memory_of(partition) } else { Memory::unknown() }
    }

    async fn status(&self) -> Result<BackendStatus> {
        self.read_status(&self.control).await
    }

    async fn probe(&self) -> Result<()> {
        self.read_status(&self.probes).await.map(drop)
    }

    async fn register_stream(
        &self,
        id: &StreamId,
        settings: &StreamSettings,
    ) -> Result<Created<StreamRecord>> {
        self.register(id, settings).await
    }

    async fn get_streams(&self, ids: &[StreamId]) -> Result<Vec<Option<StreamRecord>>> {
        self.records(ids).await
    }

    async fn list_streams(&self, query: &ListStreams) -> Result<Vec<StreamRecord>> {
        self.list(query).await
    }

    async fn update_stream(
        &self,
        id: &StreamId,
        settings: &StreamSettings,
        expected: Etag,
    ) -> Result<StreamRecord> {
        self.update(id, settings, expected).await
    }

    async fn unregister_stream(&self, id: &StreamId, expected: Option<Etag>) -> Result<Unregistered> {
        self.unregister(id, expected).await
    }

    async fn accept(&self, frames: Vec<NewFrame>) -> Vec<AcceptResult> {
        self.accept_all(&frames).await
    }

    async fn would_refuse(&self, frames: &[NewFrame]) -> Result<Vec<Option<AcceptResult>>> {
        self.would_refuse_all(frames).await
    }

    async fn publisher_position(
        &self,
        stream: &StreamId,
        publisher: &PublisherId,
    ) -> Result<Option<PublisherPosition>> {
        self.position_of(stream, publisher).await
    }

    async fn announce_worker(&self, worker_id: &str, ttl: Duration) -> Result<usize> {
        self.announce(worker_id, ttl).await
    }

    async fn forget_worker(&self, worker_id: &str) -> Result<()> {
        self.forget(worker_id).await
    }

    async fn acquire_lease(
        &self,
        partition: PartitionId,
        worker_id: &str,
        term: Duration,
    ) -> Result<Option<Lease>> {
        self.acquire(partition, worker_id, term).await
    }

    async fn renew_lease(&self, lease: &Lease, term: Duration, report: &WorkerReport) -> Result<()> {
        self.renew(lease, term, report).await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        self.release(lease).await
    }

    async fn take(&self, lease: &Lease, after: WorkPosition, max_frames: usize) -> Result<Vec<WorkItem>> {
        self.take_work(lease, after, max_frames).await
    }

    async fn take_chosen(&self, lease: &Lease, positions: &[WorkPosition]) -> Result<Vec<WorkItem>> {
        self.take_chosen_work(lease, positions).await
    }

    async fn list_work(
        &self,
        partition: PartitionId,
        after: WorkPosition,
        max_frames: usize,
    ) -> Result<Vec<(WorkPosition, StreamId)>> {
        self.list_waiting(partition, after, max_frames).await
    }

    async fn wait_for_work(
        &self,
        positions: &[(PartitionId, WorkPosition)],
        wait: Duration,
    ) -> Result<Vec<(PartitionId, WorkPosition)>> {
        self.await_work(positions, wait).await
    }

    async fn finish(&self, lease: &Lease, frames: &[Finished]) -> Result<Vec<FinishResult>> {
        self.finish_work(lease, frames).await
    }

    async fn partition_streams(&self, partition: PartitionId) -> Result<Vec<StreamRecord>> {
        self.records_of(partition).await
    }

    async fn trim_output(
        &self,
        lease: &Lease,
        stream: &StreamId,
        revision: Option<u64>,
        keep_from: Sequence,
    ) -> Result<Trimmed> {
        self.trim(lease, stream, revision, keep_from).await
    }

    async fn clean_up(&self, lease: &Lease) -> Result<bool> {
        self.remove_leftovers(lease).await
    }

    async fn feed_ends(&self) -> Result<Vec<(PartitionId, FeedPosition)>> {
        self.ends().await
    }

    async fn read_feed(
        &self,
        positions: &[(PartitionId, FeedPosition)],
        wait: Duration,
    ) -> Result<Vec<FeedPage>> {
        self.await_feed(positions, wait).await
    }

    async fn read_outputs(&self, stream: &StreamId, from: Sequence, limit: usize) -> Result<OutputPage> {
        self.page(stream, from, limit).await
    }

    async fn latest_outputs(&self, stream: &StreamId, limit: usize) -> Result<Vec<Arc<OutputEntry>>> {
        self.latest(stream, limit).await
    }

    async fn latest_frame(&self, stream: &StreamId) -> Result<Option<Arc<OutputEntry>>> {
        self.newest_frame(stream).await
    }

    async fn fetch(&self, partition: PartitionId, payloads: &[PayloadRef]) -> Result<Vec<Option<Bytes>>> {
        self.payloads(partition, payloads).await
    }

    async fn partition_stats(&self, partition: PartitionId) -> Result<PartitionStats> {
        self.stats(partition).await
    }
}
