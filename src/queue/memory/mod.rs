//! The embedded backend: nothing to install, and frames are kept as long as the process runs.
//!
//! `State` contains everything and knows neither tasks nor clocks: its methods get the time as an
//! argument and return at once, under a lock that is never held across an await. A caller that
//! waits (for work, for the feed) registers with a `Notify` first and reads afterwards, so that it
//! misses no notification in between.
//!
//! The semantics are those of the Redis backend, including the time to live of uploads and the
//! terms of leases; what expires by itself in Redis is removed here whenever a partition is used.

mod accept;
mod cleanup;
mod control;
mod dead_letters;
mod erasure;
mod feed;
mod finish;
mod group;
mod groups;
mod isolation;
mod lease;
mod output;
mod payloads;
mod prediction;
mod presence;
mod registry;
mod seek;
mod state;
mod stats;
mod window;
mod work;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::Instant;

use self::state::{Now, State};
use super::{
    AcceptResult, BackendStatus, Budget, Control, Created, Durability, FeedPage, FeedPosition, FinishResult,
    Finished, Lease, ListStreams, Memory, NewFrame, OutputPage, PartitionStats, PublisherPosition, Purge,
    PurgeMark, PurgeScan, Queue, QueueState, Result, Trimmed, Unregistered, WorkItem, WorkPosition,
    WorkerReport,
};
use crate::domain::{
    Etag, OutputEntry, PartitionId, Partitions, PayloadRef, PublisherId, Sequence, StoreIdentity, StreamId,
    StreamPolicies, StreamRecord, StreamSettings,
};

/// The configuration of a [`MemoryQueue`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MemoryConfig {
    /// The number of partitions.
    pub partitions: Partitions,
    /// The limits of each of them.
    pub budget: Budget,
    /// The maximum number of registered streams.
    pub max_streams: usize,
    /// The policies that apply where a stream's settings leave them unset.
    pub defaults: StreamPolicies,
}

/// The embedded backend of [`Queue`].
pub struct MemoryQueue {
    config: MemoryConfig,
    identity: StoreIdentity,
    state: Mutex<State>,
    /// Notified after work was added.
    work_added: Notify,
    /// Notified after a feed event was added.
    feed_grown: Notify,
}

impl MemoryQueue {
    /// Creates an empty store.
    #[must_use]
    pub fn new(config: MemoryConfig) -> Self {
        Self {
            config,
            identity: StoreIdentity::random(),
            state: Mutex::new(State::new(config)),
            work_added: Notify::new(),
            feed_grown: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Calls `look` until it finds something: at once, and again after every notification. Waits for
    /// at most `wait`.
    async fn wait_until<T>(
        &self,
        notify: &Notify,
        wait: Duration,
        look: impl Fn(&mut State) -> Vec<T> + Send,
    ) -> Vec<T> {
        let start = Instant::now();
        loop {
            // Registered before `look`: from here on no notification is missed.
            let notified = notify.notified();
            let found = look(&mut self.state());
            let left = wait.saturating_sub(start.elapsed());
            if !found.is_empty() || left.is_zero() || tokio::time::timeout(left, notified).await.is_err() {
                return found;
            }
        }
    }
}

impl fmt::Debug for MemoryQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryQueue").field("config", &self.config).finish_non_exhaustive()
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    fn partitions(&self) -> Partitions {
        self.config.partitions
    }

    fn memory(&self) -> Memory {
        self.state().memory()
    }

    async fn status(&self) -> Result<BackendStatus> {
        Ok(BackendStatus {
            kind: "memory",
            store: self.identity,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            durability: Durability::Memory,
            used_bytes: self.state().used_bytes(),
            max_bytes: self.config.budget.max_bytes(),
            warnings: Vec::new(),
        })
    }

    async fn register_stream(
        &self,
        id: &StreamId,
        settings: &StreamSettings,
    ) -> Result<Created<StreamRecord>> {
        let created = self.state().register(id, settings, Now::read())?;
        self.feed_grown.notify_waiters();
        Ok(created)
    }

    async fn get_streams(&self, ids: &[StreamId]) -> Result<Vec<Option<StreamRecord>>> {
        Ok(self.state().get_streams(ids))
    }

    async fn list_streams(&self, query: &ListStreams) -> Result<Vec<StreamRecord>> {
        Ok(self.state().list_streams(query))
    }

    async fn update_stream(
        &self,
        id: &StreamId,
        settings: &StreamSettings,
        expected: Etag,
    ) -> Result<StreamRecord> {
        let record = self.state().update(id, settings, expected, Now::read())?;
        self.feed_grown.notify_waiters();
        Ok(record)
    }

    async fn unregister_stream(&self, id: &StreamId, expected: Option<Etag>) -> Result<Unregistered> {
        let removed = self.state().unregister(id, expected)?;
        self.feed_grown.notify_waiters();
        Ok(removed)
    }

    async fn accept(&self, frames: Vec<NewFrame>) -> Vec<AcceptResult> {
        let results = self.state().accept(frames, Now::read());
        if results.iter().any(|result| matches!(result, AcceptResult::Accepted(..))) {
            self.work_added.notify_waiters();
        }
        results
    }

    async fn would_refuse(&self, frames: &[NewFrame]) -> Result<Vec<Option<AcceptResult>>> {
        Ok(self.state().would_refuse(frames))
    }

    async fn publisher_position(
        &self,
        stream: &StreamId,
        publisher: &PublisherId,
    ) -> Result<Option<PublisherPosition>> {
        Ok(self.state().publisher_position(stream, publisher))
    }

    async fn announce_worker(&self, worker_id: &str, ttl: Duration) -> Result<usize> {
        Ok(self.state().announce_worker(worker_id, ttl, Now::read()))
    }

    async fn forget_worker(&self, worker_id: &str) -> Result<()> {
        self.state().forget_worker(worker_id);
        Ok(())
    }

    async fn acquire_lease(
        &self,
        partition: PartitionId,
        worker_id: &str,
        term: Duration,
    ) -> Result<Option<Lease>> {
        let now = Now::read();
        Ok(self.state().partition(partition, now).acquire_lease(worker_id, rand::random(), term, now))
    }

    async fn renew_lease(&self, lease: &Lease, term: Duration, report: &WorkerReport) -> Result<()> {
        let now = Now::read();
        self.state().partition(lease.partition, now).renew_lease(lease, term, report, now)
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        self.state().partition(lease.partition, Now::read()).release_lease(lease);
        Ok(())
    }

    async fn take(&self, lease: &Lease, after: WorkPosition, max_frames: usize) -> Result<Vec<WorkItem>> {
        let now = Now::read();
        self.state().partition(lease.partition, now).take(lease, after, max_frames, now)
    }

    async fn take_chosen(&self, lease: &Lease, positions: &[WorkPosition]) -> Result<Vec<WorkItem>> {
        let now = Now::read();
        self.state().partition(lease.partition, now).take_chosen(lease, positions, now)
    }

    async fn list_work(
        &self,
        partition: PartitionId,
        after: WorkPosition,
        max_frames: usize,
    ) -> Result<Vec<(WorkPosition, StreamId)>> {
        let state = self.state();
        let work = state.partition_ref(partition).work.following(after).take(max_frames);
        Ok(work.map(|item| (item.position, item.stream_id.clone())).collect())
    }

    async fn wait_for_work(
        &self,
        positions: &[(PartitionId, WorkPosition)],
        wait: Duration,
    ) -> Result<Vec<(PartitionId, WorkPosition)>> {
        Ok(self.wait_until(&self.work_added, wait, |state| state.with_work(positions)).await)
    }

    async fn finish(&self, lease: &Lease, frames: &[Finished]) -> Result<Vec<FinishResult>> {
        let now = Now::read();
        let results = self.state().partition(lease.partition, now).finish(
            lease,
            frames,
            self.config.budget.dead_bytes,
            now,
        )?;
        if results.contains(&FinishResult::Published) {
            self.feed_grown.notify_waiters();
        }
        Ok(results)
    }

    async fn partition_streams(&self, partition: PartitionId) -> Result<Vec<StreamRecord>> {
        Ok(self.state().partition(partition, Now::read()).records())
    }

    async fn trim_output(
        &self,
        lease: &Lease,
        stream: &StreamId,
        revision: Option<u64>,
        keep_from: Sequence,
    ) -> Result<Trimmed> {
        let now = Now::read();
        self.state().partition(lease.partition, now).trim_output(lease, stream, revision, keep_from, now)
    }

    async fn clean_up(&self, lease: &Lease) -> Result<bool> {
        let now = Now::read();
        self.state().partition(lease.partition, now).clean_up(lease, now)
    }

    async fn feed_ends(&self) -> Result<Vec<(PartitionId, FeedPosition)>> {
        Ok(self.state().feed_ends())
    }

    async fn read_feed(
        &self,
        positions: &[(PartitionId, FeedPosition)],
        wait: Duration,
    ) -> Result<Vec<FeedPage>> {
        Ok(self.wait_until(&self.feed_grown, wait, |state| state.read_feed(positions)).await)
    }

    async fn read_outputs(&self, stream: &StreamId, from: Sequence, limit: usize) -> Result<OutputPage> {
        self.state().read_outputs(stream, from, limit)
    }

    async fn latest_outputs(&self, stream: &StreamId, limit: usize) -> Result<Vec<Arc<OutputEntry>>> {
        Ok(self.state().latest_outputs(stream, limit))
    }

    async fn latest_frame(&self, stream: &StreamId) -> Result<Option<Arc<OutputEntry>>> {
        Ok(self.state().latest_frame(stream))
    }

    async fn fetch(&self, partition: PartitionId, payloads: &[PayloadRef]) -> Result<Vec<Option<Bytes>>> {
        let mut state = self.state();
        let partition = state.partition(partition, Now::read());
        Ok(payloads.iter().map(|payload| partition.payloads.get(payload.key)).collect())
    }

    async fn partition_stats(&self, partition: PartitionId) -> Result<PartitionStats> {
        let now = Now::read();
        Ok(self.state().partition(partition, now).stats(now))
    }
}

#[async_trait]
impl Control for MemoryQueue {
    async fn set_queue_state(&self, partition: PartitionId, state: QueueState, reason: &str) -> Result<()> {
        self.state().partition(partition, Now::read()).set_queue_state(state, reason);
        Ok(())
    }

    async fn purge(&self, partition: PartitionId, purge: &Purge) -> Result<Vec<PurgeMark>> {
        let now = Now::read();
        Ok(self.state().partition(partition, now).purge(purge, now))
    }

    async fn scan_purged(&self, lease: &Lease, after: WorkPosition, max_frames: usize) -> Result<PurgeScan> {
        let now = Now::read();
        self.state().partition(lease.partition, now).scan_purged(lease, after, max_frames, now)
    }

    async fn live_workers(&self) -> Result<Vec<String>> {
        Ok(self.state().live_workers(Now::read()))
    }
}
