use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::domain::{
    FrameHeader, OutputBody, OutputEntry, PartitionId, PayloadKey, PayloadRef, Sequence, StoreIdentity,
    StreamCounters, StreamId, Timestamp, TombstoneKind,
};

/// A picture's bytes under a key that is new for this attempt.
///
/// The bytes are first stored for a short time only; they stay if an operation enters the key into
/// a work queue, an output or a dead letter. Bytes that no operation enters expire by themselves.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Their key and size.
    pub payload: PayloadRef,
    /// The bytes, or `None` if an earlier call sent them.
    pub bytes: Option<Bytes>,
}

impl Upload {
    /// Creates an upload of `bytes` under a new key.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        let payload = PayloadRef { key: PayloadKey::random(), size_bytes: bytes.len() as u64 };
        Self { payload, bytes: Some(bytes) }
    }

    /// Returns the same upload without its bytes, for a call that need not send them again.
    #[must_use]
    pub fn sent(&self) -> Self {
        Self { payload: self.payload, bytes: None }
    }
}

/// A frame to accept.
#[derive(Debug, Clone)]
pub struct NewFrame {
    /// Its stream.
    pub stream_id: StreamId,
    /// Its header. A frame with a publisher sequence is stored once.
    pub header: FrameHeader,
    /// Its picture.
    pub upload: Upload,
}

/// The outcome of one frame of an accept call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcceptResult {
    /// Stored, under this sequence, with this time of receipt.
    Accepted(Sequence, Timestamp),
    /// The same publisher sequence with the same bytes was stored before, under this sequence.
    Duplicate(Sequence),
    /// Certainly not stored.
    Refused(Refusal),
    /// The backend did not answer: the frame may be stored.
    Unconfirmed(String),
    /// Stored, but not yet at the requested durability. Submitting the same publisher sequence
    /// again checks the durability again.
    NotDurable(String),
}

/// The reason for which a frame was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The stream is not registered.
    StreamNotFound,
    /// The publisher sequence was used for other bytes, stored under this sequence.
    SequenceReused {
        /// The sequence of the frame that has it.
        stored_as: Sequence,
    },
    /// The publisher sequence is older than those that are remembered.
    SequenceTooOld {
        /// The publisher's highest sequence so far.
        last: u64,
    },
    /// The publisher sequence is below a stored one, but was never stored itself.
    SequenceOutOfOrder {
        /// The publisher's highest sequence so far.
        last: u64,
    },
    /// An earlier frame of the stream in the same call was refused for a retryable reason: order is
    /// kept.
    AfterRefused,
    /// The stream already remembers the maximum number of publishers.
    TooManyPublishers,
    /// The limit of the stream's own queue policy is reached.
    StreamQueueFull,
    /// Its partition is full, or has no room left for a stream that has so many frames there.
    PartitionFull,
    /// The stream issues sequences faster than the backend allows. A backend that can lose the
    /// newest sequences limits their pace.
    StreamTooFast,
    /// An operator is draining the partition's queue.
    QueueDraining,
    /// The uploaded bytes were not stored, or had expired, when the frame was to be entered: upload
    /// them again.
    PayloadGone,
    /// The backend could not be reached, or rejected the frame.
    Backend(String),
}

impl Refusal {
    /// Reports whether the same frame may be stored later. If so, later frames must wait, to keep
    /// the order.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::AfterRefused
            | Self::StreamQueueFull
            | Self::PartitionFull
            | Self::StreamTooFast
            | Self::QueueDraining
            | Self::PayloadGone
            | Self::Backend(_) => true,
            Self::StreamNotFound
            | Self::SequenceReused { .. }
            | Self::SequenceTooOld { .. }
            | Self::SequenceOutOfOrder { .. }
            | Self::TooManyPublishers => false,
        }
    }
}

/// The last stored frame of a publisher in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublisherPosition {
    /// Its publisher sequence.
    pub publisher_sequence: u64,
    /// Its sequence in the stream.
    pub sequence: Sequence,
}

/// The right of one worker to process a partition, for a term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The partition.
    pub partition: PartitionId,
    /// The fence: a number that rises with every new lease.
    pub fence: u64,
    /// A random number that the holder chose: two holders with the same fence (after a failover)
    /// still differ.
    pub nonce: u64,
}

/// The position of an entry in a partition's work queue; opaque, rising.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WorkPosition(pub u64, pub u64);

/// A frame to process.
#[derive(Debug, Clone)]
pub struct WorkItem {
    /// Its position in the work queue.
    pub position: WorkPosition,
    /// Its stream.
    pub stream_id: StreamId,
    /// Its sequence.
    pub sequence: Sequence,
    /// The time at which it was accepted.
    pub receive_time: Timestamp,
    /// The revision of the stream's settings when it was accepted.
    pub settings_revision: u64,
    /// Its header.
    pub header: FrameHeader,
    /// Its picture.
    pub payload: PayloadRef,
    /// The kind of tombstone to publish instead of processing it; `None` = process it.
    pub fate: Option<TombstoneKind>,
}

/// The result of a frame, to be published.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The frame's position in the work queue.
    pub position: WorkPosition,
    /// Its stream.
    pub stream_id: StreamId,
    /// Its sequence.
    pub sequence: Sequence,
    /// The time at which it was accepted.
    pub receive_time: Timestamp,
    /// Its submitted picture. Kept if one of the output's pictures refers to it, else removed.
    pub source: PayloadRef,
    /// True if the submitted picture must not be kept anywhere: a dead letter is stored without it.
    pub source_withheld: bool,
    /// The output entry.
    pub body: OutputBody,
    /// The bytes of the output's new pictures: one upload for each payload in `body` that is not
    /// `source`.
    pub uploads: Vec<Upload>,
}

/// The outcome of one frame of a finish call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishResult {
    /// Published now.
    Published,
    /// Published by an earlier call.
    AlreadyPublished,
    /// An earlier frame of the stream is not published yet, or the work queue has no such frame at
    /// that position: nothing was done.
    NotNext,
    /// An uploaded picture was not stored any more: nothing was done; upload it again.
    PayloadGone,
    /// Its stream was unregistered after it was accepted: it left the work queue and is not
    /// published.
    Removed,
    /// It was erased after it was taken: nothing was done. Finish it as an erased tombstone.
    Erased,
}

/// A position in a partition's feed; opaque, rising.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FeedPosition(pub u64, pub u64);

/// An event in a partition.
#[derive(Debug, Clone)]
pub enum FeedEvent {
    /// An entry was written to an output.
    Output(Arc<OutputEntry>),
    /// A stream was registered, or its settings were changed.
    StreamChanged(StreamId),
    /// A stream was unregistered: nothing up to this sequence, that of its last frame or 0, can be
    /// read any more.
    StreamRemoved(StreamId, u64),
}

impl FeedEvent {
    /// Returns the stream whose registration or settings changed; `None` for an output entry.
    #[must_use]
    pub fn changed_stream(&self) -> Option<&StreamId> {
        match self {
            Self::Output(_) => None,
            Self::StreamChanged(id) | Self::StreamRemoved(id, _) => Some(id),
        }
    }
}

/// A resource that a call created, or that already existed with equal settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Created<R> {
    /// The resource as it is stored.
    pub record: R,
    /// True if this call created it; otherwise it already existed.
    pub is_new: bool,
}

/// The data that was removed with a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unregistered {
    /// The sequence of its last accepted frame; 0 = there was none.
    pub last_sequence: u64,
    /// Accepted frames that no worker had finished.
    pub queued_frames: u64,
    /// Output entries that were kept.
    pub output_frames: u64,
    /// Dead letters that were kept, including replayed ones.
    pub dead_letters: u64,
}

/// The events of a partition after a position.
#[derive(Debug, Clone)]
pub struct FeedPage {
    /// The partition.
    pub partition: PartitionId,
    /// The events, in order.
    pub events: Vec<FeedEvent>,
    /// The position to continue after.
    pub next: FeedPosition,
    /// True if events between the requested position and the first one here were trimmed: read the
    /// outputs themselves.
    pub missed: bool,
}

/// Consecutive entries of an output.
#[derive(Debug, Clone)]
pub struct OutputPage {
    /// The entries, in the order of their sequences and with none left out. They may begin above
    /// the requested sequence if retention removed some.
    pub entries: Vec<Arc<OutputEntry>>,
    /// The stream's counters at the same moment.
    pub counters: StreamCounters,
    /// True if the stream is unregistered.
    pub removed: bool,
}

/// The entries or dead letters that a call removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trimmed {
    /// The number removed.
    pub frames: u64,
    /// The bytes of their pictures.
    pub bytes: u64,
    /// True if there is more to remove: call again.
    pub more: bool,
}

/// A worker's report of its work on a partition.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorkerReport {
    /// The worker.
    pub worker_id: String,
    /// Frames taken and not finished.
    pub in_flight: u64,
    /// The number of frames that the rate and the percentiles are computed from: those finished in
    /// the last 5 to 10 seconds.
    pub samples: u64,
    /// Frames finished per second, over the last seconds.
    pub frames_per_second: f64,
    /// The time from take to finish, 50th percentile over the last seconds, milliseconds.
    pub processing_p50_ms: f64,
    /// 95th percentile.
    pub processing_p95_ms: f64,
    /// 99th percentile.
    pub processing_p99_ms: f64,
    /// The totals of the worker, the same in the reports of all its partitions.
    pub totals: WorkerTotals,
}

/// The totals of a worker since it started, in all partitions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkerTotals {
    /// Its version.
    pub version: String,
    /// The time at which it started, microseconds since the Unix epoch.
    pub start_time_us: i64,
    /// The time at which it made this report, by its clock.
    pub report_time_us: i64,
    /// Frames published with a picture.
    pub processed_frames: u64,
    /// Frames published as failed.
    pub failed_frames: u64,
}

/// The state of a partition.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PartitionStats {
    /// Frames that no worker has finished.
    pub depth: u64,
    /// Bytes of their pictures.
    pub queued_bytes: u64,
    /// The time at which the oldest of them was accepted.
    pub oldest_receive_time: Option<Timestamp>,
    /// Bytes of pictures in the outputs.
    pub output_bytes: u64,
    /// Frames accepted, since the partition began.
    pub accepted: u64,
    /// Bytes of their pictures.
    pub accepted_bytes: u64,
    /// Frames processed.
    pub processed: u64,
    /// Frames failed.
    pub failed: u64,
    /// Frames dropped by their streams' policies.
    pub dropped: u64,
    /// Frames purged by operators.
    pub purged: u64,
    /// Frames erased. Those that had been published before do not count in `processed` and `failed`
    /// any more.
    pub erased: u64,
    /// The erased frames that had been published with a picture.
    pub erased_processed: u64,
    /// The erased frames that had been published as failed.
    pub erased_failed: u64,
    /// Frames that were queued when their stream was unregistered.
    pub removed: u64,
    /// Frames that were duplicates of stored ones.
    pub duplicates: u64,
    /// Processed frames whose picture was larger than the rest of its stream's budget.
    pub over_budget: u64,
    /// Bytes of the pictures published, since the partition began.
    pub published_bytes: u64,
    /// Output entries that retention removed.
    pub trimmed: u64,
    /// Dead letters kept.
    pub dead_letters: u64,
    /// The bytes that they count for.
    pub dead_letter_bytes: u64,
    /// Dead letters that were removed to stay within the budget.
    pub dead_letters_expired: u64,
    /// Registered streams.
    pub streams: u64,
    /// The last report of the lease holder; `None` if there is no holder.
    pub report: Option<WorkerReport>,
    /// The state of the queue, and its worker.
    pub control: super::QueueControl,
}

/// The failures that an accepted frame survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// None: frames live as long as the process.
    Memory,
    /// The end of this process, but not that of Redis: no append-only file is written.
    RedisMemory,
    /// A crash of Redis, except for about the last second.
    AofEverySec,
    /// A crash of Redis.
    AofAlways,
    /// The loss of the primary: this many replicas have the frame too.
    Replicated(u32),
}

/// The state of the backend.
#[derive(Debug, Clone, PartialEq)]
pub struct BackendStatus {
    /// `memory` or `redis`.
    pub kind: &'static str,
    /// The identity of its store.
    pub store: StoreIdentity,
    /// The version of the backend's server; this program's own for `memory`.
    pub version: String,
    /// The failures that an accepted frame survives.
    pub durability: Durability,
    /// Bytes in use.
    pub used_bytes: u64,
    /// Bytes that may be used; 0 = the backend has no limit of its own.
    pub max_bytes: u64,
    /// Faults that an operator should correct, for example an eviction policy that can drop
    /// streams.
    pub warnings: Vec<String>,
}

/// Selects the streams to list.
#[derive(Debug, Clone, Default)]
pub struct ListStreams {
    /// Only ids above this one.
    pub after: Option<StreamId>,
    /// The maximum number, 1..1000.
    pub limit: usize,
}

/// The time after which an uploaded payload expires unless it is entered.
pub const UPLOAD_TTL: Duration = Duration::from_secs(60);
