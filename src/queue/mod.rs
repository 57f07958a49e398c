//! The queue port: what Frameway needs of a backend, and nothing of how it is done.
//!
//! Two backends implement [`Queue`]: [`memory`], which lives as long as the process, and `redis`. One conformance suite
//! (`tests/conformance`) holds both to the words here.
//!
//! A frame's life: [`Queue::accept`] numbers and stores it in its partition's work queue; the holder of the partition's
//! lease [`takes`](Queue::take) it, works, and [`finishes`](Queue::finish) it, which moves it to its stream's output and
//! tells the partition's feed. Readers follow the [feed](Queue::read_feed), read [outputs](Queue::read_outputs) at
//! their own pace, and [fetch](Queue::fetch) pictures only where they want them.

mod control;
mod dead_letters;
pub(crate) mod delegate;
mod error;
mod groups;
mod life;
pub mod memory;
pub mod redis;
mod removal;
mod seek;
mod strikes;
mod types;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub use control::{Control, LeaseHolder, Purge, PurgeMark, QueueControl, QueueState, Swept};
pub(crate) use dead_letters::TRIM_DEAD_LETTERS;
pub use dead_letters::{
    DeadLetterOrder, DeadLetterPage, DeadLetterTotals, DeadLetters, ListDeadLetters, ReplayResult,
};
pub use error::Error;
pub use groups::{
    Answer, AnswerResult, Candidate, Claim, Claimed, Delivery, Ended, Exhausted, GapRun, GroupCounters,
    GroupPosition, GroupState, Groups, Joined, MemberState, OfferResult, OutputSpan, RemovedStream, Seat,
    Settled, Settlement, StreamOffer, UntoldGaps, Verdict,
};
pub(crate) use groups::{
    MAX_DUE, MAX_ENDED, MAX_EXHAUSTED, MAX_GAP_RUNS, MAX_WINDOW, SETTLE_TIME, SLOW_FRAME,
};
pub use life::{ATTEND_EVERY, Life};
pub(crate) use removal::{UNREGISTERED, left_behind, remembered_streams, settings_bytes};
pub use seek::{FoundAt, Seek};
pub use strikes::Strikes;
pub use types::{
    AcceptResult, BackendStatus, Budget, Created, Durability, FeedEvent, FeedPage, FeedPosition,
    FinishResult, Finished, Lease, ListStreams, Memory, NewFrame, OFFER_TTL, Offer, OutputPage,
    PartitionStats, PublisherPosition, Refusal, Trimmed, Unregistered, WorkItem, WorkPosition, WorkerReport,
    WorkerTotals,
};

use crate::domain::{
    Etag, PartitionId, Partitions, PayloadRef, Sequence, StreamId, StreamRecord, StreamSettings, Timestamp,
};

/// Result of a queue operation.
pub type Result<T> = std::result::Result<T, Error>;

/// A store of frames in partitions. Shared by all parts of a process; every method may be called at any time.
///
/// Unless a method says otherwise: it is atomic (done whole or not at all), what it answers `Ok` to is stored at the
/// backend's [`Durability`], it may be cancelled (then it is done or not), and [`Error::NoAnswer`] means that it may have
/// been done.
#[async_trait]
pub trait Queue:
    Control + DeadLetters + Groups + Life + Seek + Strikes + fmt::Debug + Send + Sync + 'static
{
    /// The partitions, fixed when the store was first opened.
    fn partitions(&self) -> Partitions;

    /// How full the store is, as of the last look at it, at most a second ago while it is used.
    fn memory(&self) -> Memory;

    /// Asks the backend how it is. Fails while it cannot be reached.
    async fn status(&self) -> Result<BackendStatus>;

    /// Asks the backend for a sign of life, over a connection that carries nothing else. To be asked by one task: the connection
    /// lives in the runtime of the one who asked first.
    async fn probe(&self) -> Result<()> {
        self.status().await.map(drop)
    }

    // ---- registry ----

    /// Registers a stream. One that was unregistered comes back: its numbers go on behind all that were given out, and
    /// its counters begin anew. One that is registered with settings that [say the same](StreamSettings::says_the_same) is
    /// answered as it is, so that the call may be repeated.
    ///
    /// # Errors
    /// [`Error::StreamExists`]: it is registered with other settings. [`Error::TooManyStreams`], [`Error::TooManySettings`].
    async fn register_stream(
        &self,
        id: &StreamId,
        settings: &StreamSettings,
    ) -> Result<Created<StreamRecord>>;

    /// Reads streams, in the order of `ids`; `None` for one that was never registered, or is forgotten. Unregistered ones
    /// come with `removed` set for as long as the store remembers them.
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

    /// Unregisters a stream, if its etag is `expected` where one is given. From then on it takes no frames,
    /// and nothing that it accepted is readable, also if the id is registered again: not its output, not its dead letters.
    /// What still waits for a worker is not published; it is finished as [`FinishResult::Removed`]. The bytes go with
    /// [`Queue::remove_leftovers`]. Its settings but the privacy masks and what is remembered of its publishers are gone;
    /// its sequence counter stays.
    ///
    /// # Errors
    /// [`Error::StreamNotFound`], [`Error::EtagMismatch`].
    async fn unregister_stream(&self, id: &StreamId, expected: Option<Etag>) -> Result<Unregistered>;

    // ---- accept ----

    /// Stores payloads for [`OFFER_TTL`] (or `ttl`) unless they are entered by then. A key that is taken keeps its bytes.
    async fn offer(&self, partition: PartitionId, offers: &[Offer], ttl: Duration) -> Result<()>;

    /// Accepts frames of any streams: one result a frame, in the order of `frames`.
    ///
    /// Each frame is decided and stored atomically, after those of its stream that stand before it: a retryable refusal
    /// refuses all later frames of its stream in this call that could be stored with [`Refusal::BehindRefused`]. Called
    /// again with the same offers (a reply was lost), a stored frame with a publisher mark answers
    /// [`AcceptResult::Duplicate`] and its payload stays; one without a mark is not stored twice from the same offer
    /// while that payload is stored: it answers [`AcceptResult::Unconfirmed`]. Payloads of frames that are not stored
    /// are removed. Failures of the backend are told per frame.
    async fn accept(&self, frames: Vec<NewFrame>) -> Vec<AcceptResult>;

    /// What `accept` would answer to these frames now, without their bytes and without changing anything; `None` where
    /// it would accept. For saving the transfer of pictures that would be refused.
    async fn would_refuse(&self, frames: &[NewFrame]) -> Result<Vec<Option<AcceptResult>>>;

    /// The last frame stored for `publisher` on `stream`; `None` if there is none that is remembered.
    async fn publisher_position(
        &self,
        stream: &StreamId,
        publisher: &crate::domain::PublisherId,
    ) -> Result<Option<PublisherPosition>>;

    // ---- work ----

    /// Says that a worker lives, for `ttl`; answers how many live ones there are, this one among them.
    async fn announce_worker(&self, worker_id: &str, ttl: Duration) -> Result<usize>;

    /// Takes a worker off the list and ends all its leases at once. For its supervisor, which knows that it is dead,
    /// and for its own shutdown.
    async fn forget_worker(&self, worker_id: &str) -> Result<()>;

    /// Tries to become the holder of a partition for `term`; `None` if another is. A worker that is the holder already
    /// gets a new lease and loses its old one: the answer that brought it may be lost.
    async fn acquire_lease(
        &self,
        partition: PartitionId,
        worker_id: &str,
        term: Duration,
    ) -> Result<Option<Lease>>;

    /// Holds on for another `term`, and leaves a report for [`Queue::partition_stats`].
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    async fn renew_lease(&self, lease: &Lease, term: Duration, report: &WorkerReport) -> Result<()>;

    /// Gives a lease up; nothing happens if it is lost already.
    async fn release_lease(&self, lease: &Lease) -> Result<()>;

    /// The oldest frames of the partition behind `after`, at most `max_frames`, without waiting. They stay in the queue
    /// until they are finished: a new holder starts from [`WorkPosition::default`] and gets them all again. A paused queue
    /// gives none.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    async fn take(&self, lease: &Lease, after: WorkPosition, max_frames: usize) -> Result<Vec<WorkItem>>;

    /// Waits until one of the partitions has work behind its position, at most `wait`; answers which have (none if the
    /// time is over), each with the position to wait from next time: of the newest work it saw.
    async fn wait_for_work(
        &self,
        positions: &[(PartitionId, WorkPosition)],
        wait: Duration,
    ) -> Result<Vec<(PartitionId, WorkPosition)>>;

    /// Publishes finished frames of the lease's partition: one result a frame, in order.
    ///
    /// Each is atomic: it leaves the work queue, enters its stream's output under its number and the feed, and its
    /// payloads stay or go. A frame that is not the next of its stream is refused. Called again (a reply was lost),
    /// it answers [`FinishResult::AlreadyPublished`] and the stored payloads stay.
    ///
    /// # Errors
    /// [`Error::LeaseLost`]: none was published by this call.
    async fn finish(&self, lease: &Lease, frames: &[Finished]) -> Result<Vec<FinishResult>>;

    /// Streams of a partition, unregistered ones with frames left in the work queue among them.
    async fn partition_streams(&self, partition: PartitionId) -> Result<Vec<StreamRecord>>;

    /// Removes a bounded piece of what unregistered streams have left in the lease's partition: output entries and dead
    /// letters with their pictures, and records of streams of which nothing is left. Answers whether there is more.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    async fn remove_leftovers(&self, lease: &Lease) -> Result<bool>;

    /// Removes the oldest entries of an output, with their pictures: those above `max_frames` or `max_bytes`, and those
    /// received before `oldest`; a bounded number a call. With `revision`, only if the stream's settings are still of that
    /// revision: a bound of older ones would remove what the newer ones keep.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], [`Error::RevisionMismatch`].
    async fn trim_output(
        &self,
        lease: &Lease,
        stream: &StreamId,
        revision: Option<u64>,
        max_frames: u64,
        max_bytes: u64,
        oldest: Timestamp,
    ) -> Result<Trimmed>;

    // ---- read ----

    /// The feeds' ends: positions behind everything that has happened.
    async fn feed_ends(&self) -> Result<Vec<(PartitionId, FeedPosition)>>;

    /// What happened behind the positions, a page for each partition with news; waits at most `wait` for the first.
    async fn read_feed(
        &self,
        positions: &[(PartitionId, FeedPosition)],
        wait: Duration,
    ) -> Result<Vec<FeedPage>>;

    /// At most `limit` entries of an output from number `from` on.
    ///
    /// # Errors
    /// [`Error::StreamNotFound`].
    async fn read_outputs(&self, stream: &StreamId, from: Sequence, limit: usize) -> Result<OutputPage>;

    /// The newest entries of an output that are kept, newest first, at most `limit`.
    async fn latest_outputs(
        &self,
        stream: &StreamId,
        limit: usize,
    ) -> Result<Vec<std::sync::Arc<crate::domain::OutputEntry>>>;

    /// The newest processed frame of an output that is kept, however many tombstones lie behind it; `None` if it has none.
    async fn latest_frame(
        &self,
        stream: &StreamId,
    ) -> Result<Option<std::sync::Arc<crate::domain::OutputEntry>>>;

    /// Payloads of a partition, in the order asked; `None` for one that is gone.
    async fn fetch(&self, partition: PartitionId, payloads: &[PayloadRef]) -> Result<Vec<Option<Bytes>>>;

    // ---- operate ----

    /// A partition's state.
    async fn partition_stats(&self, partition: PartitionId) -> Result<PartitionStats>;
}
