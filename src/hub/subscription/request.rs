//! The options of a subscription.

use std::time::Duration;

use super::choice::Choice;
use crate::domain::limits::MAX_SEQUENCES_AHEAD;
use crate::domain::{Cursor, Sequence, StartPosition, StreamId, StreamRecord, Timestamp};
use crate::hub::event::SubscribeError;
use crate::hub::pictures::want::PictureWant;
use crate::hub::selector::StreamSet;

/// The options of a subscription.
#[derive(Debug, Clone, PartialEq)]
pub struct SubscriptionRequest {
    /// The streams to follow. A stream that several selectors match belongs to the first of them.
    pub selectors: Vec<Selector>,
    /// The time between heartbeats; zero = none.
    pub heartbeat_interval: Duration,
    /// The time between checkpoints; zero = only the first and the last.
    pub checkpoint_interval: Duration,
    /// End after this many frames in all.
    pub stop_after_frames: Option<u64>,
    /// End when everything that was published before the first event has been sent. Streams that
    /// join later do not keep the subscription open.
    pub stop_at_head: bool,
    /// Streams named by id need not be registered yet: a stream is registered by its first frame.
    pub allow_unregistered: bool,
}

/// A set of streams and the options for their delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    /// The streams.
    pub streams: StreamSet,
    /// The position at which each stream starts, unless `cursors` contains it. A
    /// [`StartPosition::Cursor`] applies to its own stream; the others start live.
    pub start: StartPosition,
    /// The positions at which single streams start.
    pub cursors: Vec<Cursor>,
    /// A stream is done after this sequence.
    pub stop_sequence: Option<Sequence>,
    /// A stream is done before the first frame received at or after this time.
    pub stop_time: Option<Timestamp>,
    /// A stream is done after this many frames.
    pub stop_after_frames: Option<u64>,
    /// The frames to deliver.
    pub choice: Choice,
    /// The pictures to deliver.
    pub want: PictureWant,
    /// Refuse the subscription if retention removed frames after a start, instead of reporting a
    /// gap.
    pub fail_if_trimmed: bool,
}

impl Selector {
    /// Returns the sequence with which the delivery of a stream starts. `index` is the index of
    /// this selector.
    pub(super) fn first_sequence(
        &self,
        record: &StreamRecord,
        index: usize,
    ) -> Result<Sequence, SubscribeError> {
        let live = Sequence::after(record.counters.published_sequence);
        let oldest = Sequence::after(record.counters.oldest_sequence.saturating_sub(1));
        let asked = match (self.cursor_of(&record.id), &self.start) {
            (Some(Cursor { foreign: Some(_), .. }), _) if self.fail_if_trimmed => {
                let stream = record.id.clone();
                return Err(SubscribeError::CursorOfAnotherStore { stream, oldest });
            }
            // Everything in this store is new to the subscriber.
            (Some(Cursor { foreign: Some(_), .. }), _) => return Ok(Sequence::FIRST),
            (Some(cursor), _) if cursor.awaited => within_reach(record, index, "cursors", cursor.next)?,
            (Some(_), _) if self.fail_if_trimmed && self.beyond_store(record).is_some() => {
                let stream = record.id.clone();
                return Err(SubscribeError::CursorBeyondStore { stream, oldest });
            }
            (Some(cursor), _) => cursor.next,
            // If a start by time found a frame, the caller has used it already.
            (None, StartPosition::Live | StartPosition::Cursor(_) | StartPosition::Time(_)) => {
                return Ok(live);
            }
            (None, StartPosition::Earliest) => return Ok(oldest),
            (None, StartPosition::Sequence(sequence)) => within_reach(record, index, "sequence", *sequence)?,
        };
        if self.fail_if_trimmed && asked < oldest {
            let stream = record.id.clone();
            return Err(SubscribeError::CursorTrimmed { stream, oldest, oldest_time: None });
        }
        Ok(asked)
    }

    /// Returns the position in a stream's cursor if it is beyond all sequences that this store has
    /// issued: the store was restored to an older state.
    pub(super) fn beyond_store(&self, record: &StreamRecord) -> Option<Sequence> {
        let cursor =
            self.cursor_of(&record.id).filter(|cursor| cursor.foreign.is_none() && !cursor.awaited)?;
        let last = record.counters.accepted_sequence.max(record.counters.published_sequence);
        (cursor.next.get() > last + 1).then_some(cursor.next)
    }

    /// Returns the time at which a stream starts, if it starts by time.
    pub(super) fn start_time(&self, id: &StreamId) -> Option<Timestamp> {
        match self.start {
            StartPosition::Time(time) if self.cursor_of(id).is_none() => Some(time),
            StartPosition::Time(_)
            | StartPosition::Live
            | StartPosition::Earliest
            | StartPosition::Sequence(_)
            | StartPosition::Cursor(_) => None,
        }
    }

    pub(super) fn cursor_of(&self, id: &StreamId) -> Option<&Cursor> {
        self.all_cursors().find(|cursor| cursor.stream_id == *id)
    }

    /// Returns all cursors of the selector.
    pub(super) fn all_cursors(&self) -> impl Iterator<Item = &Cursor> {
        let start = match &self.start {
            StartPosition::Cursor(cursor) => Some(cursor),
            StartPosition::Live
            | StartPosition::Earliest
            | StartPosition::Sequence(_)
            | StartPosition::Time(_) => None,
        };
        self.cursors.iter().chain(start)
    }
}

/// Checks that a sequence to start with is not further ahead than the maximum.
fn within_reach(
    record: &StreamRecord,
    selector: usize,
    field: &'static str,
    sequence: Sequence,
) -> Result<Sequence, SubscribeError> {
    let last = record.counters.published_sequence + MAX_SEQUENCES_AHEAD;
    if sequence.get() > last {
        let message =
            format!("stream {}: sequence {sequence} is beyond {last}, the maximum at the moment", record.id);
        return Err(SubscribeError::PositionInFuture { selector, field, message });
    }
    Ok(sequence)
}
