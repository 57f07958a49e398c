//! Dead letters: what became of frames that could not be processed or delivered, kept with their pictures.

use async_trait::async_trait;

use super::{Finished, Lease, Refusal, Result, Trimmed};
use crate::domain::{
    DeadFrame, DeadLetter, DeadLetterFilter, DeadLetterId, DeadLetterReason, DeadLetterSource, DeadPicture,
    FailureReason, OutputBody, Sequence, TombstoneKind,
};

/// Most dead letters that one trim looks at: bounds how long it may hold the store.
pub(crate) const TRIM_DEAD_LETTERS: usize = 64;

/// Which way a list of dead letters goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterOrder {
    /// For people.
    NewestFirst,
    /// For replays: within a stream, workers give frames up in the order of their numbers.
    OldestFirst,
}

/// Which dead letters to list.
#[derive(Debug, Clone)]
pub struct ListDeadLetters {
    /// Only those.
    pub filter: DeadLetterFilter,
    /// In this order.
    pub order: DeadLetterOrder,
    /// Behind this one, which need not be there any more.
    pub after: Option<DeadLetterId>,
    /// At most this many, 1..1000.
    pub limit: usize,
}

/// A page of dead letters.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetterPage {
    /// In the order asked for.
    pub letters: Vec<DeadLetter>,
    /// Where to go on; `None` if there are no more. A page may be short and still not be the last.
    pub next: Option<DeadLetterId>,
}

/// What is kept in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeadLetterTotals {
    /// Dead letters.
    pub letters: u64,
    /// What they count for in budgets, pictures and texts.
    pub bytes: u64,
}

/// What became of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayResult {
    /// It was replayed, now or before, under this number.
    Replayed(Sequence),
    /// It was given back to its group, now or before.
    Redelivered,
    /// Its group has not come to the frame yet, and gets it in its course: nothing was done.
    Ahead,
    /// There is no such dead letter.
    NotFound,
    /// It has no picture, and none can be had from elsewhere.
    NoPicture,
    /// Its stream is not registered any more; or its group is gone, or reads the stream no more.
    TargetGone,
    /// The queue is full, or the like: nothing was done, and it may be tried again.
    Refused(Refusal),
    /// Its group has as many frames outstanding as it may: nothing was done, and it may be tried again.
    GroupFull,
}

/// The dead letters of a store.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Lists dead letters of all partitions.
    async fn list_dead_letters(&self, query: &ListDeadLetters) -> Result<DeadLetterPage>;

    /// Reads a dead letter; `None` if there is none of that name.
    async fn get_dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>>;

    /// Accepts a worker's dead letter anew: under a new number, with `replayed_from`, without a publisher mark to compare
    /// by (its own was used). The accept and the mark on the dead letter are one: called again, it answers the same number.
    ///
    /// A group's goes back to that group alone, under its own number and with no attempt counted: it is due there at once,
    /// and outstanding like any other. If its output entry is gone, members get it from the dead letter. The group comes
    /// first and the mark behind it, so a failure in between may deliver a frame twice and loses none.
    async fn replay_dead_letter(&self, id: DeadLetterId) -> Result<ReplayResult>;

    /// What [`replay_dead_letter`](Self::replay_dead_letter) would answer to these, one after the other, without changing
    /// anything; `None` where it would replay one now. Those that it would replay count as if they were, where queues and groups
    /// have room for so many only.
    async fn would_replay(&self, ids: &[DeadLetterId]) -> Result<Vec<Option<ReplayResult>>>;

    /// Removes a dead letter with its picture; false if there is none of that name.
    async fn discard_dead_letter(&self, id: DeadLetterId) -> Result<bool>;

    /// Removes the oldest dead letters of the lease's partition until they count for at most `max_bytes`; a bounded number
    /// a call.
    ///
    /// # Errors
    /// [`Error::LeaseLost`](super::Error::LeaseLost).
    async fn trim_dead_letters(&self, lease: &Lease, max_bytes: u64) -> Result<Trimmed>;

    /// What is kept in all partitions.
    async fn dead_letter_totals(&self) -> Result<DeadLetterTotals>;
}

impl Finished {
    /// What is to be kept of a frame that failed; `None` for any other. Its picture is the submitted one, which moves from
    /// the work queue, where it may be kept at all.
    pub(crate) fn dead_frame(&self) -> Option<DeadFrame> {
        let tombstone = match &self.body {
            OutputBody::Frame(_) => return None,
            OutputBody::Tombstone(tombstone) => tombstone,
        };
        let failure = match &tombstone.kind {
            TombstoneKind::Failed(failure) => failure,
            TombstoneKind::Dropped | TombstoneKind::Purged(_) => return None,
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
