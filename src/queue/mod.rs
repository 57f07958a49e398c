//! The queue port: what Frameway needs of a backend, and nothing about how the backend does it.
//!
//! Two backends implement [`Queue`]: [`memory`], which lives as long as the process, and `redis`.
//! One conformance suite (`tests/conformance`) checks both against the documentation here.
//!
//! [`Queue::accept`] gives a frame its sequence and stores it in its partition's work queue. The
//! holder of the partition's lease [takes](Queue::take) it, processes it and
//! [finishes](Queue::finish) it, which moves it to its stream's output and adds an event to the
//! partition's feed. Readers follow the [feed](Queue::read_feed), read
//! [outputs](Queue::read_outputs) at their own pace, and [fetch](Queue::fetch) only the pictures
//! that they need.

mod budget;
mod control;
mod dead_letters;
mod erasure;
mod error;
mod groups;
mod isolation;
pub mod memory;
mod presence;
pub mod redis;
mod removal;
mod seek;
mod types;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub use budget::{Budget, Memory, Split};
pub use control::{Control, LeaseHolder, Purge, PurgeMark, PurgeScan, QueueControl, QueueState};
pub(crate) use dead_letters::TRIM_DEAD_LETTERS;
pub use dead_letters::{
    DeadLetterOrder, DeadLetterPage, DeadLetterTotals, DeadLetters, ListDeadLetters, ReplayResult,
};
pub(crate) use erasure::ERASED_AT_ONCE;
pub use erasure::{Erasure, MAX_ERASED_RANGES};
pub use error::Error;
pub use groups::{
    Ack, AckAction, AckResult, Candidate, CandidateResult, Claim, ClaimCandidates, Claimed, Delivery,
    EndReason, EndedFrame, Exhausted, FrameEnd, GapRun, GroupCounters, GroupPosition, GroupState, Groups,
    Joined, MemberState, Membership, OutputSpan, RemovedStream, SpanQuery, UnsentGaps,
};
pub(crate) use groups::{
    MAX_DUE, MAX_ENDED, MAX_EXHAUSTED, MAX_GAP_RUNS, MAX_WINDOW, SETTLE_TIME, SLOW_FRAME,
};
pub use isolation::CrashIsolation;
pub use presence::{HEARTBEAT_EVERY, ServerPresence};
pub(crate) use removal::{UNREGISTERED, remembered_settings, remembered_streams, settings_bytes};
pub use seek::{FoundAt, Seek};
pub use types::{
    AcceptResult, BackendStatus, Created, Durability, FeedEvent, FeedPage, FeedPosition, FinishResult,
    Finished, Lease, ListStreams, NewFrame, OutputPage, PartitionStats, PublisherPosition, Refusal, Trimmed,
    UPLOAD_TTL, Unregistered, Upload, WorkItem, WorkPosition, WorkerReport, WorkerTotals,
};

use crate::domain::{
    Etag, PartitionId, Partitions, PayloadRef, Sequence, StreamId, StreamRecord, StreamSettings,
};

/// The maximum number of output entries that one call of [`Queue::trim_output`] removes. Bounds how
/// long the call holds the backend.
pub const MAX_TRIMMED: usize = 500;

/// Result of a queue operation.
pub type Result<T> = std::result::Result<T, Error>;

/// A store of frames in partitions. All parts of a process share it; every method may be called at
/// any time.
///
/// Unless its documentation says otherwise, a method is atomic, and its effect is stored at the
/// backend's [`Durability`] when it returns `Ok`. A call that was cancelled, or that returned
/// [`Error::NoAnswer`], has taken effect as a whole or not at all.
#[async_trait]
pub trait Queue:
    Control
    + DeadLetters
    + Erasure
    + Groups
    + ServerPresence
    + Seek
    + CrashIsolation
    + fmt::Debug
    + Send
    + Sync
    + 'static
{
    /// Returns the partitions, which are fixed when the store is first opened.
    fn partitions(&self) -> Partitions;

    /// Returns how full the store was when it was last measured: at most a second ago while it is
    /// used.
    fn memory(&self) -> Memory;

    /// Returns how full the store would be if all partitions used as much as those that lie beside
    /// this one: a store may consist of several servers, each with its own memory.
    fn memory_of(&self, _partition: PartitionId) -> Memory {
        self.memory()
    }

    /// Asks the backend for its state. Fails while the backend cannot be reached.
    async fn status(&self) -> Result<BackendStatus>;

    /// Asks the backend for its state over a connection that carries nothing else. Only one task
    /// may do so: the connection belongs to the runtime of the first caller.
    async fn probe(&self) -> Result<()> {
        self.status().await.map(drop)
    }

    // ---- registry ----

    /// Registers a stream. The sequences of a stream that was unregistered continue after the last
    /// issued one, and its counters start from zero. A stream that is registered with [the same
    /// settings](StreamSettings::has_same_settings) is returned unchanged, so that the call may be
    /// repeated.
    ///
    /// # Errors
    /// [`Error::StreamExists`]: it is registered with other settings. [`Error::TooManyStreams`],
    /// [`Error::TooManySettings`].
    async fn register_stream(
        &self,
        id: &StreamId,
        settings: &StreamSettings,
    ) -> Result<Created<StreamRecord>>;

    /// Reads streams, in the order of `ids`; `None` for one that was never registered, or is
    /// forgotten. An unregistered stream has `removed` set, as long as the store remembers it.
    async fn get_streams(&self, ids: &[StreamId]) -> Result<Vec<Option<StreamRecord>>>;

    /// Lists registered streams by id, ascending (byte order).
    async fn list_streams(&self, query: &ListStreams) -> Result<Vec<StreamRecord>>;

    /// Replaces a stream's settings if its etag is still `expected`.
    ///
    /// # Errors
    /// [`Error::StreamNotFound`], [`Error::EtagMismatch`], [`Error::TooManySettings`].
    async fn update_stream(
        &self,
        id: &StreamId,
        settings: &StreamSettings,
        expected: Etag,
    ) -> Result<StreamRecord>;

    /// Unregisters a stream; if `expected` is given, only if it is the stream's etag. From then on
    /// it accepts no frames. Its output and its dead letters cannot be read any more, even if the
    /// id is registered again. Frames that still wait for a worker are not published; they finish
    /// as [`FinishResult::Removed`]. [`Queue::clean_up`] removes the bytes. The store forgets the
    /// stream's settings, except for its privacy masks, and its publishers; it keeps its sequence
    /// counter.
    ///
    /// # Errors
    /// [`Error::StreamNotFound`], [`Error::EtagMismatch`].
    async fn unregister_stream(&self, id: &StreamId, expected: Option<Etag>) -> Result<Unregistered>;

    // ---- accept ----

    /// Accepts frames of any streams; returns one result per frame, in the order of `frames`.
    ///
    /// Each frame is decided and stored atomically, after the earlier frames of its stream. If a
    /// frame is refused for a retryable reason, the later frames of its stream in this call that
    /// would otherwise be stored are refused with [`Refusal::AfterRefused`]. If the call is
    /// repeated with the same uploads because a reply was lost, a stored frame with a publisher
    /// sequence returns [`AcceptResult::Duplicate`] and its payload stays. A frame without a
    /// publisher sequence returns [`AcceptResult::Unconfirmed`] if its upload was entered before
    /// and that payload is still stored. Payloads of frames that are not stored are removed.
    /// Failures of the backend are reported per frame.
    async fn accept(&self, frames: Vec<NewFrame>) -> Vec<AcceptResult>;

    /// Returns what `accept` would return for these frames now, without their bytes and without
    /// changing anything; `None` where it would accept. Saves the transfer of pictures that would
    /// be refused.
    async fn would_refuse(&self, frames: &[NewFrame]) -> Result<Vec<Option<AcceptResult>>>;

    /// Returns the last frame stored for `publisher` on `stream`; `None` if none is remembered.
    async fn publisher_position(
        &self,
        stream: &StreamId,
        publisher: &crate::domain::PublisherId,
    ) -> Result<Option<PublisherPosition>>;

    // ---- work ----

    /// Announces a live worker for `ttl`; returns the number of live workers, including this one.
    async fn announce_worker(&self, worker_id: &str, ttl: Duration) -> Result<usize>;

    /// Removes a worker from the list and ends all its leases at once. The supervisor calls it
    /// after the worker has exited, and the worker itself when it shuts down.
    async fn forget_worker(&self, worker_id: &str) -> Result<()>;

    /// Tries to acquire the lease of a partition for `term`; returns `None` if another worker holds
    /// it. A worker that holds it already gets a new lease and loses its old one: the reply that
    /// granted the old one may have been lost.
    async fn acquire_lease(
        &self,
        partition: PartitionId,
        worker_id: &str,
        term: Duration,
    ) -> Result<Option<Lease>>;

    /// Renews a lease for another `term`, and stores a report for [`Queue::partition_stats`].
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    async fn renew_lease(&self, lease: &Lease, term: Duration, report: &WorkerReport) -> Result<()>;

    /// Releases a lease; does nothing if it is lost already.
    async fn release_lease(&self, lease: &Lease) -> Result<()>;

    /// Takes the oldest frames of the partition after the position `after`, at most `max_frames`,
    /// without waiting. They stay in the queue until they are finished: a new holder starts from
    /// [`WorkPosition::default`] and gets all of them again. A paused queue returns none.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    async fn take(&self, lease: &Lease, after: WorkPosition, max_frames: usize) -> Result<Vec<WorkItem>>;

    /// Takes the frames at these positions, in the given order, without waiting. Positions without
    /// a frame are left out. A paused queue returns none. The caller must take the frames of one
    /// stream in their order.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    async fn take_chosen(&self, lease: &Lease, positions: &[WorkPosition]) -> Result<Vec<WorkItem>>;

    /// Lists the oldest frames of the partition after the position `after`, at most `max_frames`,
    /// in any state of the queue. It takes none of them.
    async fn list_work(
        &self,
        partition: PartitionId,
        after: WorkPosition,
        max_frames: usize,
    ) -> Result<Vec<(WorkPosition, StreamId)>>;

    /// Waits at most `wait` until one of the partitions has work after its position. Returns the
    /// partitions that have work (none if the time is over), each with the position to wait from
    /// next time, which is that of the newest work seen.
    async fn wait_for_work(
        &self,
        positions: &[(PartitionId, WorkPosition)],
        wait: Duration,
    ) -> Result<Vec<(PartitionId, WorkPosition)>>;

    /// Publishes finished frames of the lease's partition; returns one result per frame, in order.
    ///
    /// Each frame is moved atomically from the work queue to its stream's output, under its
    /// sequence, and to the feed; its payloads are kept or removed in the same step. A frame that
    /// is not the next of its stream is refused. If the call is repeated because a reply was lost,
    /// the frame returns [`FinishResult::AlreadyPublished`] and the stored payloads stay.
    ///
    /// # Errors
    /// [`Error::LeaseLost`]: this call published none.
    async fn finish(&self, lease: &Lease, frames: &[Finished]) -> Result<Vec<FinishResult>>;

    /// Lists the streams of a partition, including unregistered ones that have frames left in the
    /// work queue.
    async fn partition_streams(&self, partition: PartitionId) -> Result<Vec<StreamRecord>>;

    /// Removes a bounded part of what unregistered streams have left in the lease's partition:
    /// output entries and dead letters with their pictures, and records of streams of which nothing
    /// is left. Returns whether there is more.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    async fn clean_up(&self, lease: &Lease) -> Result<bool>;

    /// Removes the entries of an output below `keep_from`, with their pictures: the oldest first,
    /// at most [`MAX_TRIMMED`] in one call. Removes nothing if `revision` is given and is not that
    /// of the settings: older settings could remove what newer ones keep.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], [`Error::RevisionMismatch`].
    async fn trim_output(
        &self,
        lease: &Lease,
        stream: &StreamId,
        revision: Option<u64>,
        keep_from: Sequence,
    ) -> Result<Trimmed>;

    // ---- read ----

    /// Returns the ends of the feeds: positions after all events so far.
    async fn feed_ends(&self) -> Result<Vec<(PartitionId, FeedPosition)>>;

    /// Reads the events after the positions, a page for each partition that has some; waits at most
    /// `wait` for the first event.
    async fn read_feed(
        &self,
        positions: &[(PartitionId, FeedPosition)],
        wait: Duration,
    ) -> Result<Vec<FeedPage>>;

    /// Reads at most `limit` entries of an output, from the sequence `from` on.
    ///
    /// # Errors
    /// [`Error::StreamNotFound`].
    async fn read_outputs(&self, stream: &StreamId, from: Sequence, limit: usize) -> Result<OutputPage>;

    /// Reads the newest kept entries of an output, newest first, at most `limit`.
    async fn latest_outputs(
        &self,
        stream: &StreamId,
        limit: usize,
    ) -> Result<Vec<std::sync::Arc<crate::domain::OutputEntry>>>;

    /// Reads the newest kept entry of an output that is a processed frame, however many tombstones
    /// follow it; `None` if there is none.
    async fn latest_frame(
        &self,
        stream: &StreamId,
    ) -> Result<Option<std::sync::Arc<crate::domain::OutputEntry>>>;

    /// Fetches payloads of a partition, in the given order; `None` for one that does not exist any
    /// more.
    async fn fetch(&self, partition: PartitionId, payloads: &[PayloadRef]) -> Result<Vec<Option<Bytes>>>;

    // ---- operate ----

    /// Returns the state of a partition.
    async fn partition_stats(&self, partition: PartitionId) -> Result<PartitionStats>;
}
