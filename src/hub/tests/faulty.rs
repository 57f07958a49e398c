use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::{
    DeadLetter, DeadLetterId, Etag, OutputEntry, PartitionId, Partitions, PayloadRef, PublisherId, Sequence,
    StoreIdentity, StreamId, StreamRecord, StreamSettings, Timestamp,
};
use crate::queue::memory::MemoryQueue;
use crate::queue::{
    AcceptResult, BackendStatus, Control, Created, DeadLetterPage, DeadLetterTotals, DeadLetters, Error,
    FeedPage, FeedPosition, FinishResult, Finished, FoundAt, Lease, Life, ListDeadLetters, ListStreams,
    NewFrame, Offer, OutputPage, PartitionStats, PublisherPosition, Purge, PurgeMark, Queue, QueueState,
    ReplayResult, Result, Seek, Strikes, Swept, Trimmed, Unregistered, WorkItem, WorkPosition, WorkerReport,
};

/// The memory backend as a reader sees it through faults.
#[derive(Debug)]
pub(super) struct Faulty {
    pub(super) memory: Arc<MemoryQueue>,
    down: AtomicBool,
    feed_lossy: AtomicBool,
    payloads_lost: AtomicBool,
    slow: AtomicBool,
    /// Records that were read by id.
    pub(super) records_read: AtomicUsize,
}

impl Faulty {
    pub(super) fn new(memory: Arc<MemoryQueue>) -> Self {
        Self {
            memory,
            down: AtomicBool::default(),
            feed_lossy: AtomicBool::default(),
            payloads_lost: AtomicBool::default(),
            slow: AtomicBool::default(),
            records_read: AtomicUsize::default(),
        }
    }

    /// Nothing can be read.
    pub(super) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// Feeds report that they have missed events, and give none.
    pub(super) fn set_feed_lossy(&self, lossy: bool) {
        self.feed_lossy.store(lossy, Ordering::SeqCst);
    }

    /// Payloads are gone.
    pub(super) fn set_payloads_lost(&self, lost: bool) {
        self.payloads_lost.store(lost, Ordering::SeqCst);
    }

    /// Outputs and payloads take a second each.
    pub(super) fn set_slow(&self, slow: bool) {
        self.slow.store(slow, Ordering::SeqCst);
    }

    /// No faults of their own: groups.
    fn sound(&self) -> Result<&MemoryQueue> {
        Ok(&self.memory)
    }

    fn up(&self) -> Result<()> {
        if self.down.load(Ordering::SeqCst) { Err(Error::Unreachable("as ordered".into())) } else { Ok(()) }
    }

    async fn dawdle(&self) {
        if self.slow.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

#[async_trait]
impl Life for Faulty {
    fn identity(&self) -> StoreIdentity {
        self.memory.identity()
    }

    async fn read_identity(&self) -> Result<StoreIdentity> {
        self.up()?;
        self.memory.read_identity().await
    }

    async fn join(&self) -> Result<()> {
        self.memory.join().await
    }

    async fn attend(&self) -> Result<()> {
        self.memory.attend().await
    }

    async fn leave(&self) -> Result<()> {
        self.memory.leave().await
    }

    async fn has_given(&self, stream: &StreamId, given: Sequence) -> Result<()> {
        self.memory.has_given(stream, given).await
    }
}

#[async_trait]
impl Seek for Faulty {
    async fn first_at(&self, stream: &StreamId, time: Timestamp) -> Result<FoundAt> {
        self.up()?;
        self.memory.first_at(stream, time).await
    }
}

crate::queue::delegate::delegate_groups!(Faulty, Faulty::sound);

#[async_trait]
impl Queue for Faulty {
    fn partitions(&self) -> Partitions {
        self.memory.partitions()
    }

    fn memory(&self) -> crate::queue::Memory {
        self.memory.memory()
    }

    async fn status(&self) -> Result<BackendStatus> {
        self.up()?;
        self.memory.status().await
    }

    async fn register_stream(
        &self,
        id: &StreamId,
        settings: &StreamSettings,
    ) -> Result<Created<StreamRecord>> {
        self.memory.register_stream(id, settings).await
    }

    async fn get_streams(&self, ids: &[StreamId]) -> Result<Vec<Option<StreamRecord>>> {
        self.up()?;
        self.records_read.fetch_add(ids.len(), Ordering::SeqCst);
        self.memory.get_streams(ids).await
    }

    async fn list_streams(&self, query: &ListStreams) -> Result<Vec<StreamRecord>> {
        self.up()?;
        self.memory.list_streams(query).await
    }

    async fn update_stream(
        &self,
        id: &StreamId,
        to: &StreamSettings,
        expected: Etag,
    ) -> Result<StreamRecord> {
        self.memory.update_stream(id, to, expected).await
    }

    async fn unregister_stream(&self, id: &StreamId, expected: Option<Etag>) -> Result<Unregistered> {
        self.memory.unregister_stream(id, expected).await
    }

    async fn offer(&self, partition: PartitionId, offers: &[Offer], ttl: Duration) -> Result<()> {
        self.memory.offer(partition, offers, ttl).await
    }

    async fn accept(&self, frames: Vec<NewFrame>) -> Vec<AcceptResult> {
        self.memory.accept(frames).await
    }

    async fn would_refuse(&self, frames: &[NewFrame]) -> Result<Vec<Option<AcceptResult>>> {
        self.memory.would_refuse(frames).await
    }

    async fn publisher_position(
        &self,
        stream: &StreamId,
        publisher: &PublisherId,
    ) -> Result<Option<PublisherPosition>> {
        self.memory.publisher_position(stream, publisher).await
    }

    async fn announce_worker(&self, worker_id: &str, ttl: Duration) -> Result<usize> {
        self.memory.announce_worker(worker_id, ttl).await
    }

    async fn forget_worker(&self, worker_id: &str) -> Result<()> {
        self.memory.forget_worker(worker_id).await
    }

    async fn acquire_lease(&self, partition: PartitionId, id: &str, term: Duration) -> Result<Option<Lease>> {
        self.memory.acquire_lease(partition, id, term).await
    }

    async fn renew_lease(&self, lease: &Lease, term: Duration, report: &WorkerReport) -> Result<()> {
        self.memory.renew_lease(lease, term, report).await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        self.memory.release_lease(lease).await
    }

    async fn take(&self, lease: &Lease, after: WorkPosition, max_frames: usize) -> Result<Vec<WorkItem>> {
        self.memory.take(lease, after, max_frames).await
    }

    async fn wait_for_work(
        &self,
        positions: &[(PartitionId, WorkPosition)],
        wait: Duration,
    ) -> Result<Vec<(PartitionId, WorkPosition)>> {
        self.memory.wait_for_work(positions, wait).await
    }

    async fn finish(&self, lease: &Lease, frames: &[Finished]) -> Result<Vec<FinishResult>> {
        self.memory.finish(lease, frames).await
    }

    async fn partition_streams(&self, partition: PartitionId) -> Result<Vec<StreamRecord>> {
        self.memory.partition_streams(partition).await
    }

    async fn remove_leftovers(&self, lease: &Lease) -> Result<bool> {
        self.memory.remove_leftovers(lease).await
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
        self.memory.trim_output(lease, stream, revision, max_frames, max_bytes, oldest).await
    }

    async fn feed_ends(&self) -> Result<Vec<(PartitionId, FeedPosition)>> {
        self.up()?;
        self.memory.feed_ends().await
    }

    async fn read_feed(
        &self,
        positions: &[(PartitionId, FeedPosition)],
        wait: Duration,
    ) -> Result<Vec<FeedPage>> {
        self.up()?;
        let mut pages = self.memory.read_feed(positions, wait).await?;
        self.up()?;
        if self.feed_lossy.load(Ordering::SeqCst) {
            for page in &mut pages {
                page.events.clear();
                page.missed = true;
            }
        }
        Ok(pages)
    }

    async fn read_outputs(&self, stream: &StreamId, from: Sequence, limit: usize) -> Result<OutputPage> {
        self.up()?;
        self.dawdle().await;
        self.memory.read_outputs(stream, from, limit).await
    }

    async fn latest_outputs(&self, stream: &StreamId, limit: usize) -> Result<Vec<Arc<OutputEntry>>> {
        self.up()?;
        self.memory.latest_outputs(stream, limit).await
    }

    async fn latest_frame(&self, stream: &StreamId) -> Result<Option<Arc<OutputEntry>>> {
        self.up()?;
        self.memory.latest_frame(stream).await
    }

    async fn fetch(&self, partition: PartitionId, payloads: &[PayloadRef]) -> Result<Vec<Option<Bytes>>> {
        self.up()?;
        self.dawdle().await;
        if self.payloads_lost.load(Ordering::SeqCst) {
            return Ok(vec![None; payloads.len()]);
        }
        self.memory.fetch(partition, payloads).await
    }

    async fn partition_stats(&self, partition: PartitionId) -> Result<PartitionStats> {
        self.memory.partition_stats(partition).await
    }
}

#[async_trait]
impl Control for Faulty {
    async fn set_queue_state(&self, partition: PartitionId, state: QueueState, reason: &str) -> Result<()> {
        self.memory.set_queue_state(partition, state, reason).await
    }

    async fn purge(&self, partition: PartitionId, purge: &Purge) -> Result<Vec<PurgeMark>> {
        self.memory.purge(partition, purge).await
    }

    async fn sweep(&self, lease: &Lease, after: WorkPosition, max_frames: usize) -> Result<Swept> {
        self.memory.sweep(lease, after, max_frames).await
    }

    async fn live_workers(&self) -> Result<Vec<String>> {
        self.memory.live_workers().await
    }
}

#[async_trait]
impl DeadLetters for Faulty {
    async fn list_dead_letters(&self, query: &ListDeadLetters) -> Result<DeadLetterPage> {
        self.memory.list_dead_letters(query).await
    }

    async fn get_dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>> {
        self.memory.get_dead_letter(id).await
    }

    async fn replay_dead_letter(&self, id: DeadLetterId) -> Result<ReplayResult> {
        self.memory.replay_dead_letter(id).await
    }

    async fn would_replay(&self, ids: &[DeadLetterId]) -> Result<Vec<Option<ReplayResult>>> {
        self.memory.would_replay(ids).await
    }

    async fn discard_dead_letter(&self, id: DeadLetterId) -> Result<bool> {
        self.memory.discard_dead_letter(id).await
    }

    async fn trim_dead_letters(&self, lease: &Lease, max_bytes: u64) -> Result<Trimmed> {
        self.memory.trim_dead_letters(lease, max_bytes).await
    }

    async fn dead_letter_totals(&self) -> Result<DeadLetterTotals> {
        self.memory.dead_letter_totals().await
    }
}

#[async_trait]
impl Strikes for Faulty {
    async fn inherit(&self, lease: &Lease, life: u64, in_flight: usize) -> Result<Option<WorkPosition>> {
        self.memory.inherit(lease, life, in_flight).await
    }

    async fn begin_alone(&self, lease: &Lease, position: WorkPosition, life: u64) -> Result<u32> {
        self.memory.begin_alone(lease, position, life).await
    }
}
