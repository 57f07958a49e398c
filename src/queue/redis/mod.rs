//! The Redis backend: Redis 7.0 or newer, single node. Pictures lie beside the entries, scripts decide, the lease orders.
//!
//! `docs/redis.md` names every key; the scripts in `lua/` say what each does.

// `redis::Value` is not ours and grows: what a reply is not, is one case.
#![allow(clippy::wildcard_enum_match_arm)]

mod accept;
mod bench;
mod conn;
mod control;
mod dead_entry;
mod dead_letters;
mod entry;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod gauge;
mod group_reply;
mod groups;
mod instance;
mod keys;
mod lease;
mod leftovers;
mod life;
mod output;
mod registry;
mod replay;
mod reply;
mod scripts;
mod seek;
mod status;
mod strikes;
mod wire;
mod witness;
mod work;

pub(crate) use bench::{Probe, raw_hop};

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use self::conn::{BlockingPool, Link};
use self::gauge::Gauge;
use self::keys::Keys;
use self::life::KnownIdentity;
use self::scripts::Scripts;
use self::witness::Witness;
use super::{
    AcceptResult, BackendStatus, Budget, Created, FeedPage, FeedPosition, FinishResult, Finished, Lease,
    ListStreams, Memory, NewFrame, Offer, OutputPage, PartitionStats, PublisherPosition, Queue, Result,
    Trimmed, Unregistered, WorkItem, WorkPosition, WorkerReport,
};
use crate::domain::{
    Etag, OutputEntry, PartitionId, Partitions, PayloadRef, PublisherId, Sequence, StreamId, StreamPolicies,
    StreamRecord, StreamSettings, Timestamp,
};

/// Feed entries kept per partition: how far a tail may fall behind before it must look at the outputs.
const FEED_ENTRIES: u64 = 1_000;
/// Links that carry pictures: frames of one stream always take the same one, so that their order holds.
const PAYLOAD_LINKS: usize = 2;

/// Where Redis is, and what may be put into it.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// `redis://[user:password@]host:port[/db]`, or `unix:///path`.
    pub url: String,
    /// Partitions of a new store; an old one keeps its own and must agree.
    pub partitions: Partitions,
    /// What a partition may hold.
    pub budget: Budget,
    /// Most registered streams.
    pub max_streams: usize,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Replicas that must have a frame before it counts as accepted.
    pub wait_replicas: u32,
    /// What holds where a stream's settings say nothing. Servers of one store may differ: docs/adr/0014 says what holds then.
    pub defaults: StreamPolicies,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".to_owned(),
            partitions: Partitions::default(),
            budget: Budget::default(),
            max_streams: crate::domain::limits::MAX_STREAMS,
            timeout: Duration::from_secs(2),
            wait_replicas: 0,
            defaults: StreamPolicies::default(),
        }
    }
}

/// Frames in a Redis that any number of servers and workers share.
#[derive(Debug)]
pub struct RedisQueue {
    config: RedisConfig,
    scripts: Scripts,
    /// Small commands.
    control: Link,
    /// Pictures on their way in.
    writers: [Link; PAYLOAD_LINKS],
    /// Pictures and output entries on their way out.
    readers: [Link; PAYLOAD_LINKS],
    blocking: BlockingPool,
    /// Signs of life.
    probes: Link,
    gauge: Gauge,
    identity: KnownIdentity,
    witness: Witness,
}

impl RedisQueue {
    /// Connects, and checks that the store's layout is this program's (or lays a new one out).
    ///
    /// # Errors
    /// [`Error::Unreachable`](super::Error::Unreachable), or [`Error::Layout`](super::Error::Layout) if another number of
    /// partitions or another version is in force, or [`Error::Unsuitable`](super::Error::Unsuitable) if this Redis may evict what
    /// it holds.
    pub async fn open(config: RedisConfig) -> Result<Arc<Self>> {
        let queue = Self::connect(config)?;
        queue.check_layout().await?;
        queue.check_eviction().await?;
        Ok(Arc::new(queue))
    }

    /// Looks whether a Redis can be used with this configuration, and changes nothing; answers what it is, in a line.
    ///
    /// # Errors
    /// Those of [`RedisQueue::open`].
    pub async fn check(config: RedisConfig) -> Result<String> {
        Self::connect(config)?.describe().await
    }

    /// Makes this server one of those that accept frames: it is to [join](super::Life::join) them before it does. Without this, a
    /// queue accepts frames at once, and vouches for nothing.
    pub fn take_part(&self) {
        self.witness.begin();
    }

    fn connect(config: RedisConfig) -> Result<Self> {
        let client = conn::client(&config.url)?;
        let link = || Link::new(client.clone(), config.timeout);
        Ok(Self {
            scripts: Scripts::new(),
            control: link(),
            writers: std::array::from_fn(|_| link()),
            readers: std::array::from_fn(|_| link()),
            blocking: BlockingPool::new(client.clone()),
            probes: link(),
            gauge: Gauge::new(config.budget),
            identity: KnownIdentity::default(),
            witness: Witness::new(config.partitions),
            config,
        })
    }

    fn keys(&self, stream: &StreamId) -> Keys {
        Keys(self.config.partitions.of(stream))
    }

    fn writer(&self, partition: PartitionId) -> &Link {
        &self.writers[partition.index() % PAYLOAD_LINKS]
    }

    /// The link for a group's whole state, which may be large.
    fn reader_of_groups(&self) -> &Link {
        &self.readers[0]
    }

    fn reader(&self, partition: PartitionId) -> &Link {
        &self.readers[partition.index() % PAYLOAD_LINKS]
    }
}

#[async_trait]
impl Queue for RedisQueue {
    fn partitions(&self) -> Partitions {
        self.config.partitions
    }

    fn memory(&self) -> Memory {
        self.gauge.memory()
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

    async fn offer(&self, partition: PartitionId, offers: &[Offer], ttl: Duration) -> Result<()> {
        self.store_offers(partition, offers, ttl).await
    }

    async fn accept(&self, frames: Vec<NewFrame>) -> Vec<AcceptResult> {
        self.accept_all(&frames).await
    }

    async fn would_refuse(&self, frames: &[NewFrame]) -> Result<Vec<Option<AcceptResult>>> {
        self.ask(frames).await
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
        max_frames: u64,
        max_bytes: u64,
        oldest: Timestamp,
    ) -> Result<Trimmed> {
        self.trim(lease, stream, revision, max_frames, max_bytes, oldest).await
    }

    async fn remove_leftovers(&self, lease: &Lease) -> Result<bool> {
        self.leftovers(lease).await
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
