//! Dead letters: frames that could not be processed or delivered, stored with their pictures.

use async_trait::async_trait;

use super::{Finished, Lease, Refusal, Result, Trimmed};
use crate::domain::{
    DeadFrame, DeadLetter, DeadLetterFilter, DeadLetterId, DeadLetterReason, DeadLetterSource, DeadPicture,
    FailureReason, OutputBody, Sequence, TombstoneKind,
};

/// The maximum number of dead letters that one trim reads. Bounds how long it holds the store.
pub(crate) const TRIM_DEAD_LETTERS: usize = 64;

/// The order of a list of dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterOrder {
    /// The newest first, as people read a list.
    NewestFirst,
    /// The oldest first, for replays: within a stream, workers give frames up in the order of their
    /// sequences.
    OldestFirst,
}

/// Selects the dead letters to list.
#[derive(Debug, Clone)]
pub struct ListDeadLetters {
    /// The filter that they must pass.
    pub filter: DeadLetterFilter,
    /// The order of the list.
    pub order: DeadLetterOrder,
    /// The dead letter after which the list begins; it need not exist any more.
    pub after: Option<DeadLetterId>,
    /// The maximum number, 1..1000.
    pub limit: usize,
}

/// A page of dead letters.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetterPage {
    /// The dead letters, in the requested order.
    pub letters: Vec<DeadLetter>,
    /// The id to continue after; `None` if there are no more. A short page need not be the last.
    pub next: Option<DeadLetterId>,
}

/// The dead letters of all partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeadLetterTotals {
    /// The number of dead letters.
    pub letters: u64,
    /// The bytes that they count for in budgets: pictures and texts.
    pub bytes: u64,
}

/// The outcome of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayResult {
    /// It was replayed, now or before, under this sequence.
    Replayed(Sequence),
    /// It was returned to its group, now or before.
    Redelivered,
    /// Its group has not reached the frame yet and will receive it anyway: nothing was done.
    Ahead,
    /// There is no such dead letter.
    NotFound,
    /// It has no picture, and no other copy of the picture is stored.
    NoPicture,
    /// Its stream is not registered any more, or its group was deleted or does not read the stream
    /// any more.
    TargetGone,
    /// The queue refused the frame, for example because it is full: nothing was done, and the
    /// replay may be retried.
    Refused(Refusal),
    /// Its group has the maximum number of frames outstanding: nothing was done, and the replay may
    /// be retried.
    GroupFull,
}

/// The dead letters of a store.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Lists dead letters of all partitions.
    async fn list_dead_letters(&self, query: &ListDeadLetters) -> Result<DeadLetterPage>;

    /// Reads a dead letter; `None` if it does not exist.
    async fn get_dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>>;

    /// Accepts a worker's dead letter again: under a new sequence, with `replayed_from`, and
    /// without a publisher sequence, since its own is already used. The accept and the mark on the
    /// dead letter are one step: if the call is repeated, it returns the same sequence.
    ///
    /// A group's dead letter returns to that group only, under its own sequence and with no attempt
    /// counted: it is due there at once, and outstanding like any other frame. If its output entry
    /// does not exist any more, members receive it from the dead letter. The group is changed first
    /// and the dead letter marked second, so that a failure in between may deliver a frame twice
    /// but loses none.
    async fn replay_dead_letter(&self, id: DeadLetterId) -> Result<ReplayResult>;

    /// Returns what [`replay_dead_letter`](Self::replay_dead_letter) would return for these dead
    /// letters, one after the other, without changing anything; `None` where it would replay one
    /// now. Each one that would be replayed counts as replayed for the ones after it: it takes up
    /// room in its queue or group. A worker's dead letter after a refused one of its stream gets
    /// [`Refusal::AfterRefused`]. The replay itself decides again for each dead letter and returns
    /// the reason that applies then, such as [`Refusal::StreamQueueFull`].
    async fn would_replay(&self, ids: &[DeadLetterId]) -> Result<Vec<Option<ReplayResult>>>;

    /// Removes a dead letter with its picture; returns false if it does not exist.
    async fn discard_dead_letter(&self, id: DeadLetterId) -> Result<bool>;

    /// Removes the oldest dead letters of the lease's partition until they count for at most
    /// `max_bytes`, a bounded number in one call.
    ///
    /// # Errors
    /// [`Error::LeaseLost`](super::Error::LeaseLost).
    async fn trim_dead_letters(&self, lease: &Lease, max_bytes: u64) -> Result<Trimmed>;

    /// Returns the totals of all partitions.
    async fn dead_letter_totals(&self) -> Result<DeadLetterTotals>;
}

impl Finished {
    /// Returns the dead letter of a frame that failed; `None` for any other frame. It keeps the
    /// submitted picture, which moves to it from the work queue, unless the picture must not be
    /// kept.
    pub(crate) fn dead_frame(&self) -> Option<DeadFrame> {
        let tombstone = match &self.body {
            OutputBody::Frame(_) => return None,
            OutputBody::Tombstone(tombstone) => tombstone,
        };
        let failure = match &tombstone.kind {
            TombstoneKind::Failed(failure) => failure,
            TombstoneKind::Dropped | TombstoneKind::Purged(_) | TombstoneKind::Erased => return None,
        };
        let source = &tombstone.header.source;
        let picture = DeadPicture {
            format: source.format,
            width: source.width,
            height: source.height,
            payload: self.source,
        };
        Some(DeadFrame {
            source: DeadLetterSource::Worker,
            stream_id: self.stream_id.clone(),
            sequence: self.sequence,
            receive_time: self.receive_time,
            header: tombstone.header.clone(),
            reason: DeadLetterReason::Failed(failure.reason),
            message: failure.message.clone(),
            attempts: tombstone.attempts,
            picture: (failure.reason != FailureReason::PayloadLost && !self.source_withheld)
                .then_some(picture),
            output: None,
        })
    }
}
