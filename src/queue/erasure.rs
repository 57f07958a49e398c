//! Erasing: removing the pictures of a stream's frames of a range, before retention does.

use async_trait::async_trait;

use super::{Finished, Lease, Result};
use crate::domain::{OutputBody, Sequence, SequenceRange, StreamId, Timestamp, TombstoneKind};

/// The maximum number of ranges that are erased in the part of a stream that retention keeps.
/// Ranges that touch count as one. Bounds the work of every publication in the stream.
pub const MAX_ERASED_RANGES: usize = 64;
/// The maximum number of entries that one step erases. Bounds how long it holds the store.
pub(crate) const ERASED_AT_ONCE: usize = 200;

/// Erasing frames. A part of [`Queue`](super::Queue), whose rules for every method apply.
///
/// An erasure is stored first, and then carried out by the lease holder, in steps
/// ([`erase_step`](Self::erase_step)), so that a successor continues where a holder stopped.
#[async_trait]
pub trait Erasure: Send + Sync {
    /// Stores that the frames of a range are erased, as far as they are accepted now; frames that
    /// are accepted later are not touched. What was erased before stays erased, so the call may be
    /// repeated.
    ///
    /// Once this has returned,
    ///
    /// - [`finish`](super::Queue::finish) publishes none of the range with a picture or as failed: it
    ///   answers [`FinishResult::Erased`](super::FinishResult::Erased),
    /// - no dead letter of the range can be read, replayed or added,
    /// - the lease holder erases the published frames: each becomes a tombstone,
    ///   [`Erased`](crate::domain::TombstoneKind::Erased), and its pictures are removed. Dropped and
    ///   purged frames stay as they are.
    ///
    /// # Errors
    /// [`Error::StreamNotFound`](super::Error::StreamNotFound);
    /// [`Error::TooManyErasedRanges`](super::Error::TooManyErasedRanges);
    /// [`Error::OlderVersions`](super::Error::OlderVersions).
    async fn erase(&self, stream: &StreamId, range: SequenceRange) -> Result<()>;

    /// Reports whether published frames of a stream, or their dead letters, are yet to be erased.
    async fn is_erasing(&self, stream: &StreamId) -> Result<bool>;

    /// Carries out a bounded part of the partition's erasures; returns whether there was something
    /// to do. An erasure that is complete is counted as by
    /// [`note_erasure`](Self::note_erasure).
    ///
    /// # Errors
    /// [`Error::LeaseLost`](super::Error::LeaseLost).
    async fn erase_step(&self, lease: &Lease) -> Result<bool>;

    /// Counts an erasure that is complete, so that every server forgets the pictures in its memory.
    async fn note_erasure(&self) -> Result<()>;

    /// Returns the number of counted erasures. A server whose number differs from an earlier one
    /// must forget the pictures in its memory.
    async fn erasures(&self) -> Result<u64>;

    /// Finds the first frame of a stream that no worker has finished and that was received at or
    /// after `time`.
    async fn first_waiting_at(&self, stream: &StreamId, time: Timestamp) -> Result<Option<Sequence>>;
}

impl Finished {
    /// Reports whether an erasure removes the result: it has a picture, or failed and may have a
    /// dead letter.
    pub(crate) fn has_erasable_body(&self) -> bool {
        match &self.body {
            OutputBody::Frame(_) => true,
            OutputBody::Tombstone(tombstone) => match tombstone.kind {
                TombstoneKind::Failed(_) => true,
                TombstoneKind::Dropped | TombstoneKind::Purged(_) | TombstoneKind::Erased => false,
            },
        }
    }
}
