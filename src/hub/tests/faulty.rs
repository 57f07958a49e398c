use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::{
    DeadLetter, DeadLetterId, Etag, OutputEntry, PartitionId, Partitions, PayloadRef, PublisherId, Sequence,
    SequenceRange, StoreIdentity, StreamId, StreamRecord, StreamSettings, Timestamp,
};
use crate::queue::memory::MemoryQueue;
use crate::queue::{
    AcceptResult, BackendStatus, Control, CrashIsolation, Created, DeadLetterPage, DeadLetterTotals,
    DeadLetters, Erasure, Error, FeedPage, FeedPosition, FinishResult, Finished, FoundAt, Lease,
    ListDeadLetters, ListStreams, NewFrame, OutputPage, PartitionStats, PublisherPosition, Purge, PurgeMark,
    PurgeScan, Queue, QueueState, ReplayResult, Result, Seek, ServerPresence, Trimmed, Unregistered,
    WorkItem, WorkPosition, WorkerReport,
};

/// The memory backend, with faults in what readers call.
#[derive(Debug)]
pub(super) struct Faulty {
    pub(super) memory: Arc<MemoryQueue>,
    down: AtomicBool,
    feed_lossy: AtomicBool,
    feed_held: AtomicBool,
    payloads_lost: AtomicBool,
    slow: AtomicBool,
    /// The number of records that were read by id.
    pub(super) records_read: AtomicUsize,
    /// The sequences that were passed to [`ServerPresence::note_issued`].
    pub(super) issued: Mutex<Vec<(StreamId, Sequence)>>,
}

impl Faulty {
    pub(super) fn new(memory: Arc<MemoryQueue>) -> Self {
        Self {
            memory,
            down: AtomicBool::default(),
            feed_lossy: AtomicBool::default(),
            feed_held: AtomicBool::default(),
            payloads_lost: AtomicBool::default(),
            slow: AtomicBool::default(),
            records_read: AtomicUsize::default(),
            issued: Mutex::default(),
        }
    }

    /// Makes every read fail.
    pub(super) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// Makes the feeds report that they missed events, and return none.
    pub(super) fn set_feed_lossy(&self, lossy: bool) {
        self.feed_lossy.store(lossy, Ordering::SeqCst);
    }

    /// Holds back what is read from the feeds.
    pub(super) fn set_feed_held(&self, held: bool) {
        self.feed_held.store(held, Ordering::SeqCst);
    }

    /// Makes all payloads disappear.
    pub(super) fn set_payloads_lost(&self, lost: bool) {
        self.payloads_lost.store(lost, Ordering::SeqCst);
    }

    /// Makes reads of outputs and payloads take a second each.
    pub(super) fn set_slow(&self, slow: bool) {
        self.slow.store(slow, Ordering::SeqCst);
    }

    /// Groups have no faults of their own.
    fn without_faults(&self) -> Result<&MemoryQueue> {
        Ok(&self.memory)
    }

    fn check_up(&self) -> Result<()> {
        if self.down.load(Ordering::SeqCst) { Err(Error::Unreachable("as ordered".into())) } else { Ok(()) }
    }

    async fn delay(&self) {
        if self.slow.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

#[async_trait]
impl ServerPresence for Faulty {
    fn identity(&self) -> StoreIdentity {
        self.memory.identity()
    }

    async fn read_identity(&self) -> Result<StoreIdentity> {
        self.check_up()?;
        self.memory.read_identity().await
    }

    async fn join(&self) -> Result<()> {
        self.memory.join().await
    }

    async fn heartbeat(&self) -> Result<()> {
        self.memory.heartbeat().await
    }

    async fn leave(&self) -> Result<()> {
        self.memory.leave().await
    }

    async fn note_issued(&self, stream: &StreamId, issued: Sequence) -> Result<()> {
        self.issued.lock().unwrap().push((stream.clone(), issued));
        self.memory.note_issued(stream, issued).await
    }
}

#[async_trait]
impl Seek for Faulty {
    async fn first_at(&self, stream: &StreamId, time: Timestamp) -> Result<FoundAt> {
        self.check_up()?;
        self.memory.first_at(stream, time).await
    }

    async fn outputs_before(
        &self,
        stream: &StreamId,
        before: Sequence,
        limit: usize,
    ) -> Result<Vec<Arc<OutputEntry>>> {
        self.check_up()?;
        self.memory.outputs_before(stream, before, limit).await
    }
}

#[async_trait]
impl Erasure for Faulty {
    async fn erase(&self, stream: &StreamId, range: SequenceRange) -> Result<()> {
        self.memory.erase(stream, range).await
    }

    async fn is_erasing(&self, stream: &StreamId) -> Result<bool> {
        self.memory.is_erasing(stream).await
    }

    async fn erase_step(&self, lease: &Lease) -> Result<bool> {
        self.memory.erase_step(lease).await
    }

    async fn note_erasure(&self) -> Result<()> {
        self.memory.note_erasure().await
    }

    async fn erasures(&self) -> Result<u64> {
        self.check_up()?;
        self.memory.erasures().await
    }

    async fn first_waiting_at(&self, stream: &StreamId, time: Timestamp) -> Result<Option<Sequence>> {
        self.memory.first_waiting_at(stream, time).await
    }
}

super::delegate::delegate_groups!(Faulty, Faulty::without_faults);

#[async_trait]
impl Queue for Faulty {
    fn partitions(&self) -> Partitions {
        self.memory.partitions()
    }

    fn memory(&self) -> crate::queue::Memory {
        self.memory.memory()
    }

    async fn status(&self) -> Result<BackendStatus> {
        self.check_up()?;
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
        self.check_up()?;
        self.records_read.fetch_add(ids.len(), Ordering::SeqCst);
        self.memory.get_streams(ids).await
    }

    async fn list_streams(&self, query: &ListStreams) -> Result<Vec<StreamRecord>> {
        self.check_up()?;
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

    async fn take_chosen(&self, lease: &Lease, positions: &[WorkPosition]) -> Result<Vec<WorkItem>> {
        self.memory.take_chosen(lease, positions).await
    }

    async fn list_work(
        &self,
        partition: PartitionId,
        after: WorkPosition,
        max_frames: usize,
    ) -> Result<Vec<(WorkPosition, StreamId)>> {
        self.memory.list_work(partition, after, max_frames).await
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

    async fn clean_up(&self, lease: &Lease) -> Result<bool> {
        self.memory.clean_up(lease).await
    }

    async fn trim_output(
        &self,
        lease: &Lease,
        stream: &StreamId,
        revision: Option<u64>,
        keep_from: Sequence,
    ) -> Result<Trimmed> {
        self.memory.trim_output(lease, stream, revision, keep_from).await
    }

    async fn feed_ends(&self) -> Result<Vec<(PartitionId, FeedPosition)>> {
        self.check_up()?;
        self.memory.feed_ends().await
    }

    async fn read_feed(
        &self,
        positions: &[(PartitionId, FeedPosition)],
        wait: Duration,
    ) -> Result<Vec<FeedPage>> {
        self.check_up()?;
        let mut pages = self.memory.read_feed(positions, wait).await?;
        while self.feed_held.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.check_up()?;
        if self.feed_lossy.load(Ordering::SeqCst) {
            for page in &mut pages {
                page.events.clear();
                page.missed = true;
            }
        }
        Ok(pages)
    }

    async fn read_outputs(&self, stream: &StreamId, from: Sequence, limit: usize) -> Result<OutputPage> {
        self.check_up()?;
        self.delay().await;
        self.memory.read_outputs(stream, from, limit).await
    }

    async fn latest_outputs(&self, stream: &StreamId, limit: usize) -> Result<Vec<Arc<OutputEntry>>> {
        self.check_up()?;
        self.memory.latest_outputs(stream, limit).await
    }

    async fn latest_frame(&self, stream: &StreamId) -> Result<Option<Arc<OutputEntry>>> {
        self.check_up()?;
        self.memory.latest_frame(stream).await
    }

    async fn fetch(&self, partition: PartitionId, payloads: &[PayloadRef]) -> Result<Vec<Option<Bytes>>> {
        self.check_up()?;
        self.delay().await;
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

    async fn scan_purged(&self, lease: &Lease, after: WorkPosition, max_frames: usize) -> Result<PurgeScan> {
        self.memory.scan_purged(lease, after, max_frames).await
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
impl CrashIsolation for Faulty {
    async fn take_over(&self, lease: &Lease, life: u64, in_flight: usize) -> Result<Vec<WorkPosition>> {
        self.memory.take_over(lease, life, in_flight).await
    }

    async fn begin_isolated(&self, lease: &Lease, position: WorkPosition, life: u64) -> Result<u32> {
        self.memory.begin_isolated(lease, position, life).await
    }
}
