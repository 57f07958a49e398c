use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::domain::{
    FrameHeader, OutputBody, OutputEntry, PartitionId, Partitions, PayloadKey, PayloadRef, Sequence,
    StoreIdentity, StreamCounters, StreamId, Timestamp, TombstoneKind,
};

/// A picture's bytes on their way in, under a key that is new for this attempt.
///
/// Bytes are first stored under the key for a short time only; the operation that enters the key somewhere makes
/// them stay. So bytes that nobody entered vanish by themselves.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Name and size.
    pub payload: PayloadRef,
    /// The bytes, or `None` if an earlier call sent them.
    pub bytes: Option<Bytes>,
}

impl Offer {
    /// Offers `bytes` under a new key.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        let payload = PayloadRef { key: PayloadKey::random(), size_bytes: bytes.len() as u64 };
        Self { payload, bytes: Some(bytes) }
    }

    /// The same offer, for a call that need not send the bytes again.
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
    /// What was said of it. With a publisher mark, it is stored once.
    pub header: FrameHeader,
    /// Its picture.
    pub offer: Offer,
}

/// What became of one frame of an accept call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcceptResult {
    /// Stored, under this number, with this time of receipt.
    Accepted(Sequence, Timestamp),
    /// The same publisher sequence with the same bytes was stored before, under this number.
    Duplicate(Sequence),
    /// Surely not stored.
    Refused(Refusal),
    /// The backend's answer did not come: the frame may be stored.
    Unconfirmed(String),
    /// Stored, but not yet at the durability asked for: the same number again asks anew.
    NotDurable(String),
}

/// Why a frame was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The stream is not registered.
    StreamNotFound,
    /// The publisher sequence was used for other bytes, stored under this number.
    SequenceReused {
        /// Number of the frame that has it.
        stored_as: Sequence,
    },
    /// The publisher sequence lies further back than is remembered.
    SequenceTooOld {
        /// The publisher's highest number so far.
        last: u64,
    },
    /// The publisher sequence is below a stored one, but was never stored itself.
    SequenceOutOfOrder {
        /// The publisher's highest number so far.
        last: u64,
    },
    /// An earlier frame of the stream in the same call was refused for a time: order is kept.
    BehindRefused,
    /// As many publishers as a stream remembers have written to it.
    TooManyPublishers,
    /// The stream's own queue policy is reached.
    StreamQueueFull,
    /// The partition's budget is reached.
    PartitionFull,
    /// The stream gives its numbers out faster than a backend that can lose the newest of them may.
    StreamTooFast,
    /// An operator drains the partition's queue.
    QueueDraining,
    /// The offered bytes were gone (or never there) when the frame was to be entered: offer them anew.
    PayloadGone,
    /// The backend could not be reached, or refused.
    Backend(String),
}

impl Refusal {
    /// The same frame may be stored later: order demands that those behind it wait.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::BehindRefused
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

/// The last frame that is stored of a publisher in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublisherPosition {
    /// The publisher's own number of it.
    pub publisher_sequence: u64,
    /// Its number in the stream.
    pub sequence: Sequence,
}

/// Even shares that one partition may use.
const LENT_SHARES: u64 = 8;

/// A partition remembers so many publishers at least: few streams of a small store work all the same.
const LEAST_PUBLISHERS: u64 = 16;

/// What a partition may hold; tested by the operations that add to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Most bytes of pictures waiting for a worker, per partition.
    pub work_bytes: u64,
    /// Most frames waiting for a worker, per partition.
    pub work_frames: u64,
    /// Most bytes of pictures in the outputs, per partition; above it the oldest go, whatever their policy says.
    pub output_bytes: u64,
    /// Most bytes of dead letters, per partition; above it the oldest go, and a new one comes without its picture.
    pub dead_bytes: u64,
    /// Bytes of the whole store, over all partitions: at it, nothing new is accepted.
    pub store_bytes: u64,
}

/// How full the store as a whole is, whatever its single partitions hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// In use, by everything.
    pub used_bytes: u64,
    /// May be used.
    pub max_bytes: u64,
}

impl Memory {
    /// From three quarters on nothing new is accepted: the rest is for the results of what is there.
    #[must_use]
    pub fn is_full(&self) -> bool {
        u128::from(self.used_bytes) * 4 >= u128::from(self.max_bytes) * 3
    }

    /// What is used above six tenths: outputs give up their part of it.
    #[must_use]
    pub fn excess_bytes(&self) -> u64 {
        self.used_bytes.saturating_sub(self.max_bytes / 10 * 6)
    }
}

impl Budget {
    /// Shares `bytes` out: four tenths for waiting work, five for outputs, one for dead letters. A partition may use eight times its
    /// even share while others leave theirs: few cameras fill few partitions. [`Memory`] bounds the sum.
    #[must_use]
    pub fn share(bytes: u64, partitions: Partitions) -> Self {
        let share = bytes / u64::from(partitions.count());
        let lent = LENT_SHARES.min(u64::from(partitions.count()));
        Self {
            work_bytes: share / 10 * 4 * lent,
            work_frames: 100_000,
            output_bytes: share / 10 * 5 * lent,
            dead_bytes: share / 10 * lent,
            store_bytes: bytes,
        }
    }

    /// What dead letters may use while the store as a whole is short of memory: an eighth of what they may at other times.
    #[must_use]
    pub fn short_dead_bytes(&self) -> u64 {
        self.dead_bytes / LENT_SHARES
    }

    /// Most bytes of all streams' settings: a tenth of the store.
    #[must_use]
    pub fn settings_bytes(&self) -> u64 {
        self.store_bytes / 10
    }

    /// Most publishers that a partition remembers, over all its streams: as many as take an eighth of what its waiting work
    /// may, at 32 KiB each.
    #[must_use]
    pub fn publishers(&self) -> u64 {
        const PUBLISHER_BYTES: u64 = 32 << 10;
        (self.work_bytes / 8 / PUBLISHER_BYTES).max(LEAST_PUBLISHERS)
    }

    /// The memory of which [`Budget::store_bytes`] is three quarters.
    #[must_use]
    pub fn max_bytes(&self) -> u64 {
        self.store_bytes / 3 * 4
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::share(2 << 30, Partitions::default())
    }
}

/// The right to finish a partition's work, for a term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The partition.
    pub partition: PartitionId,
    /// Number of this lease: rises with every holder.
    pub number: u64,
    /// Chosen by the holder: two holders with one number (after a failover) still differ.
    pub nonce: u64,
}

/// Place of an entry in a partition's work queue; opaque, rising.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WorkPosition(pub u64, pub u64);

/// A frame to process.
#[derive(Debug, Clone)]
pub struct WorkItem {
    /// Its place in the work queue.
    pub position: WorkPosition,
    /// Its stream.
    pub stream_id: StreamId,
    /// Its number.
    pub sequence: Sequence,
    /// When it was accepted.
    pub receive_time: Timestamp,
    /// Revision of the stream's settings when it was accepted.
    pub settings_revision: u64,
    /// What was said of it.
    pub header: FrameHeader,
    /// Its picture.
    pub payload: PayloadRef,
    /// What it is to be published as, without being processed; `None` = it is to be processed.
    pub fate: Option<TombstoneKind>,
}

/// What a worker made of a frame, to be published.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The frame's place in the work queue.
    pub position: WorkPosition,
    /// Its stream.
    pub stream_id: StreamId,
    /// Its number.
    pub sequence: Sequence,
    /// When it was accepted.
    pub receive_time: Timestamp,
    /// Its submitted picture. Kept if one of the output's pictures refers to it, else removed.
    pub source: PayloadRef,
    /// The submitted picture may be kept nowhere: a dead letter comes without it.
    pub source_withheld: bool,
    /// The output entry.
    pub body: OutputBody,
    /// Bytes of the output's new pictures: one for each payload in `body` that is not `source`.
    pub offers: Vec<Offer>,
}

/// What became of one frame of a finish call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishResult {
    /// Published now.
    Published,
    /// Published by an earlier call.
    AlreadyPublished,
    /// An earlier frame of the stream is not published yet, or none of that number lies at that place of the work queue:
    /// nothing was done.
    NotNext,
    /// An offered picture was gone: nothing was done; offer it anew.
    PayloadGone,
    /// Its stream was unregistered after it was accepted: it left the work queue, and nothing of it is published.
    Removed,
}

/// Place in a partition's feed; opaque, rising.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FeedPosition(pub u64, pub u64);

/// Something that happened in a partition.
#[derive(Debug, Clone)]
pub enum FeedEvent {
    /// An entry was written to an output.
    Output(Arc<OutputEntry>),
    /// A stream was registered, or its settings were changed.
    StreamChanged(StreamId),
    /// A stream was unregistered: nothing up to the number of its last frame, which is 0 if there was none, is readable any
    /// more.
    StreamRemoved(StreamId, u64),
}

impl FeedEvent {
    /// The stream whose registration or settings changed; `None` for an output entry.
    #[must_use]
    pub fn changed_stream(&self) -> Option<&StreamId> {
        match self {
            Self::Output(_) => None,
            Self::StreamChanged(id) | Self::StreamRemoved(id, _) => Some(id),
        }
    }
}

/// What a call made, or found made before as it was to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Created<R> {
    /// As it is.
    pub record: R,
    /// Whether this call made it.
    pub is_new: bool,
}

/// What was removed with a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unregistered {
    /// Number of its last accepted frame; 0 = there was none.
    pub last_sequence: u64,
    /// Accepted frames that no worker had finished.
    pub queued_frames: u64,
    /// Output entries that were kept.
    pub output_frames: u64,
    /// Dead letters that were kept, those that were replayed included.
    pub dead_letters: u64,
}

/// What happened in a partition since a position.
#[derive(Debug, Clone)]
pub struct FeedPage {
    /// The partition.
    pub partition: PartitionId,
    /// In order.
    pub events: Vec<FeedEvent>,
    /// Where to go on.
    pub next: FeedPosition,
    /// Events between the asked position and the first one here are gone: look at the outputs themselves.
    pub missed: bool,
}

/// A stretch of an output.
#[derive(Debug, Clone)]
pub struct OutputPage {
    /// In sequence order, without holes; may begin above the asked number where retention took some.
    pub entries: Vec<Arc<OutputEntry>>,
    /// The stream's counters at the same moment.
    pub counters: StreamCounters,
    /// The stream is unregistered.
    pub removed: bool,
}

/// What a retention pass removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trimmed {
    /// Output entries.
    pub frames: u64,
    /// Bytes of their pictures.
    pub bytes: u64,
    /// More is due: call again.
    pub more: bool,
    /// When the oldest output entry that is left was received, where that is known.
    pub oldest: Option<Timestamp>,
}

/// What a worker says of its work on a partition.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct WorkerReport {
    /// The worker.
    pub worker_id: String,
    /// Frames taken and not finished.
    pub in_flight: u64,
    /// Frames that the rate and the percentiles are made of: those finished over the last 5 to 10 seconds.
    pub samples: u64,
    /// Frames finished a second, over the last seconds.
    pub frames_per_second: f64,
    /// From take to finish, 50th percentile over the last seconds, milliseconds.
    pub processing_p50_ms: f64,
    /// 95th percentile.
    pub processing_p95_ms: f64,
    /// 99th percentile.
    pub processing_p99_ms: f64,
    /// Of the worker as a whole, the same in the reports of all its partitions.
    #[serde(default)]
    pub totals: WorkerTotals,
}

/// What a worker has done since it started, in all partitions.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct WorkerTotals {
    /// Its version.
    pub version: String,
    /// When it started, microseconds since the Unix epoch.
    pub start_time_us: i64,
    /// When it said this, by its clock.
    pub report_time_us: i64,
    /// Frames published with a picture.
    pub processed_frames: u64,
    /// Frames published as failed.
    pub failed_frames: u64,
}

/// A partition's state.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PartitionStats {
    /// Frames that no worker has finished.
    pub depth: u64,
    /// Bytes of their pictures.
    pub queued_bytes: u64,
    /// When the oldest of them was accepted.
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
    /// Frames that were queued when their stream was unregistered.
    pub removed: u64,
    /// Frames answered DUPLICATE.
    pub duplicates: u64,
    /// Processed frames whose picture took more than its stream's budget had left.
    pub over_budget: u64,
    /// Bytes of the pictures published, since the partition began.
    pub published_bytes: u64,
    /// Output entries that retention took.
    pub trimmed: u64,
    /// Dead letters kept.
    pub dead_letters: u64,
    /// What they count for.
    pub dead_letter_bytes: u64,
    /// Dead letters that the budget took.
    pub dead_letters_expired: u64,
    /// Registered streams.
    pub streams: u64,
    /// What the lease holder last said; `None` if there is no holder.
    pub report: Option<WorkerReport>,
    /// How the queue is set, and who works on it.
    pub control: super::QueueControl,
}

/// What an ACCEPTED answer survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: frames live as long as the process.
    Memory,
    /// The Redis process, while its machine lives; no AOF is written.
    RedisMemory,
    /// A crash, but for about the last second.
    AofEverySec,
    /// A crash.
    AofAlways,
    /// The loss of the primary: so many replicas have it too.
    Replicated(u32),
}

/// The backend's state.
#[derive(Debug, Clone, PartialEq)]
pub struct BackendStatus {
    /// `memory` or `redis`.
    pub kind: &'static str,
    /// Which store it holds.
    pub store: StoreIdentity,
    /// Version of the backend's server; this program's own for `memory`.
    pub version: String,
    /// What an ACCEPTED answer survives.
    pub durability: Durability,
    /// Bytes in use.
    pub used_bytes: u64,
    /// Bytes that may be used; 0 = no limit of the backend's own.
    pub max_bytes: u64,
    /// What an operator should mend (an eviction policy that can drop streams, say).
    pub warnings: Vec<String>,
}

/// Which streams to list.
#[derive(Debug, Clone, Default)]
pub struct ListStreams {
    /// Only ids above this one.
    pub after: Option<StreamId>,
    /// At most this many, 1..1000.
    pub limit: usize,
}

/// How long a freshly offered payload lives unless it is entered.
pub const OFFER_TTL: Duration = Duration::from_secs(60);
