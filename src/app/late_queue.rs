//! A queue that is not open yet: everything but its size is unreachable until its backend has come.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::{
    DeadLetter, DeadLetterId, Etag, OutputEntry, PartitionId, Partitions, PayloadRef, PublisherId, Sequence,
    StoreIdentity, StreamId, StreamRecord, StreamSettings, Timestamp,
};
use crate::queue::{
    AcceptResult, BackendStatus, Control, Created, DeadLetterPage, DeadLetterTotals, DeadLetters, Error,
    FeedPage, FeedPosition, FinishResult, Finished, FoundAt, Lease, Life, ListDeadLetters, ListStreams,
    Memory, NewFrame, Offer, OutputPage, PartitionStats, PublisherPosition, Purge, PurgeMark, Queue,
    QueueState, Refusal, ReplayResult, Result, Seek, Strikes, Swept, Trimmed, Unregistered, WorkItem,
    WorkPosition, WorkerReport,
};

/// Stands in front of a backend that may come later, and passes everything on once it is there.
#[derive(Debug)]
pub(super) struct LateQueue {
    partitions: Partitions,
    opened: OnceLock<Arc<dyn Queue>>,
}

impl LateQueue {
    /// Without a backend; `partitions` must be those that it will have.
    pub(super) fn new(partitions: Partitions) -> Self {
        Self { partitions, opened: OnceLock::new() }
    }

    /// The backend has come. The first one stays.
    pub(super) fn open(&self, queue: Arc<dyn Queue>) {
        let _there_already = self.opened.set(queue);
    }

    pub(super) fn get(&self) -> Result<&Arc<dyn Queue>> {
        self.opened
            .get()
            .ok_or_else(|| Error::Unreachable("it has not been reached since the start".to_owned()))
    }
}

crate::queue::delegate::delegate_groups!(LateQueue, LateQueue::get);

#[async_trait]
impl Life for LateQueue {
    fn identity(&self) -> StoreIdentity {
        self.opened.get().map_or_else(StoreIdentity::default, |queue| queue.identity())
    }

    async fn read_identity(&self) -> Result<StoreIdentity> {
        self.get()?.read_identity().await
    }

    async fn join(&self) -> Result<()> {
        self.get()?.join().await
    }

    async fn attend(&self) -> Result<()> {
        self.get()?.attend().await
    }

    async fn leave(&self) -> Result<()> {
        self.get()?.leave().await
    }

    async fn has_given(&self, stream: &StreamId, given: Sequence) -> Result<()> {
        self.get()?.has_given(stream, given).await
    }
}

#[async_trait]
impl Seek for LateQueue {
    async fn first_at(&self, stream: &StreamId, time: Timestamp) -> Result<FoundAt> {
        self.get()?.first_at(stream, time).await
    }
}

/// Passes calls on as they are.
macro_rules! pass_on {
    ($(fn $name:ident(&self $(, $argument:ident: $type:ty)*) -> $answer:ty;)*
     control: $(fn $control:ident(&self $(, $given:ident: $kind:ty)*) -> $told:ty;)*) => {
        #[async_trait]
        impl Control for LateQueue {
            $(async fn $control(&self $(, $given: $kind)*) -> Result<$told> {
                self.get()?.$control($($given),*).await
            })*
        }

        #[async_trait]
        impl Queue for LateQueue {
            fn partitions(&self) -> Partitions {
                self.partitions
            }

            fn memory(&self) -> Memory {
                let unknown = Memory { used_bytes: 0, max_bytes: u64::MAX };
                self.opened.get().map_or(unknown, |queue| queue.memory())
            }

            async fn accept(&self, frames: Vec<NewFrame>) -> Vec<AcceptResult> {
                match self.get() {
                    Ok(queue) => queue.accept(frames).await,
                    Err(error) => {
                        let refused = AcceptResult::Refused(Refusal::Backend(error.to_string()));
                        vec![refused; frames.len()]
                    }
                }
            }

            $(async fn $name(&self $(, $argument: $type)*) -> Result<$answer> {
                self.get()?.$name($($argument),*).await
            })*
        }
    };
}

pass_on! {
    fn status(&self) -> BackendStatus;
    fn probe(&self) -> ();
    fn register_stream(&self, id: &StreamId, settings: &StreamSettings) -> Created<StreamRecord>;
    fn get_streams(&self, ids: &[StreamId]) -> Vec<Option<StreamRecord>>;
    fn list_streams(&self, query: &ListStreams) -> Vec<StreamRecord>;
    fn update_stream(&self, id: &StreamId, settings: &StreamSettings, expected: Etag) -> StreamRecord;
    fn unregister_stream(&self, id: &StreamId, expected: Option<Etag>) -> Unregistered;
    fn offer(&self, partition: PartitionId, offers: &[Offer], ttl: Duration) -> ();
    fn would_refuse(&self, frames: &[NewFrame]) -> Vec<Option<AcceptResult>>;
    fn publisher_position(&self, stream: &StreamId, publisher: &PublisherId) -> Option<PublisherPosition>;
    fn announce_worker(&self, worker_id: &str, ttl: Duration) -> usize;
    fn forget_worker(&self, worker_id: &str) -> ();
    fn acquire_lease(&self, partition: PartitionId, worker_id: &str, term: Duration) -> Option<Lease>;
    fn renew_lease(&self, lease: &Lease, term: Duration, report: &WorkerReport) -> ();
    fn release_lease(&self, lease: &Lease) -> ();
    fn take(&self, lease: &Lease, after: WorkPosition, max_frames: usize) -> Vec<WorkItem>;
    fn wait_for_work(&self, positions: &[(PartitionId, WorkPosition)], wait: Duration) -> Vec<(PartitionId, WorkPosition)>;
    fn finish(&self, lease: &Lease, frames: &[Finished]) -> Vec<FinishResult>;
    fn remove_leftovers(&self, lease: &Lease) -> bool;
    fn partition_streams(&self, partition: PartitionId) -> Vec<StreamRecord>;
    fn trim_output(
        &self,
        lease: &Lease,
        stream: &StreamId,
        revision: Option<u64>,
        max_frames: u64,
        max_bytes: u64,
        oldest: Timestamp
    ) -> Trimmed;
    fn feed_ends(&self) -> Vec<(PartitionId, FeedPosition)>;
    fn read_feed(&self, positions: &[(PartitionId, FeedPosition)], wait: Duration) -> Vec<FeedPage>;
    fn read_outputs(&self, stream: &StreamId, from: Sequence, limit: usize) -> OutputPage;
    fn latest_outputs(&self, stream: &StreamId, limit: usize) -> Vec<Arc<OutputEntry>>;
    fn latest_frame(&self, stream: &StreamId) -> Option<Arc<OutputEntry>>;
    fn fetch(&self, partition: PartitionId, payloads: &[PayloadRef]) -> Vec<Option<Bytes>>;
    fn partition_stats(&self, partition: PartitionId) -> PartitionStats;

    control:
    fn set_queue_state(&self, partition: PartitionId, state: QueueState, reason: &str) -> ();
    fn purge(&self, partition: PartitionId, purge: &Purge) -> Vec<PurgeMark>;
    fn sweep(&self, lease: &Lease, after: WorkPosition, max_frames: usize) -> Swept;
    fn live_workers(&self) -> Vec<String>;
}

#[async_trait]
impl DeadLetters for LateQueue {
    async fn list_dead_letters(&self, query: &ListDeadLetters) -> Result<DeadLetterPage> {
        self.get()?.list_dead_letters(query).await
    }

    async fn get_dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>> {
        self.get()?.get_dead_letter(id).await
    }

    async fn replay_dead_letter(&self, id: DeadLetterId) -> Result<ReplayResult> {
        self.get()?.replay_dead_letter(id).await
    }

    async fn would_replay(&self, ids: &[DeadLetterId]) -> Result<Vec<Option<ReplayResult>>> {
        self.get()?.would_replay(ids).await
    }

    async fn discard_dead_letter(&self, id: DeadLetterId) -> Result<bool> {
        self.get()?.discard_dead_letter(id).await
    }

    async fn trim_dead_letters(&self, lease: &Lease, max_bytes: u64) -> Result<Trimmed> {
        self.get()?.trim_dead_letters(lease, max_bytes).await
    }

    async fn dead_letter_totals(&self) -> Result<DeadLetterTotals> {
        self.get()?.dead_letter_totals().await
    }
}

#[async_trait]
impl Strikes for LateQueue {
    async fn inherit(&self, lease: &Lease, life: u64, in_flight: usize) -> Result<Option<WorkPosition>> {
        self.get()?.inherit(lease, life, in_flight).await
    }

    async fn begin_alone(&self, lease: &Lease, position: WorkPosition, life: u64) -> Result<u32> {
        self.get()?.begin_alone(lease, position, life).await
    }
}
