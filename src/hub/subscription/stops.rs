//! Decides when a subscription is done with a stream, and when a stream leaves the subscription.

use crate::domain::{Cursor, OutputEntry, Sequence, Timestamp};

/// The stops of a stream. The stream is done at the first of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stops {
    /// After this sequence.
    pub(super) sequence: Option<Sequence>,
    /// Before the first frame received at or after this time.
    pub(super) time: Option<Timestamp>,
    /// After this many more frames.
    pub(super) frames: Option<u64>,
}

impl Stops {
    pub(super) fn are_set(&self) -> bool {
        self.sequence.is_some() || self.time.is_some() || self.frames.is_some()
    }

    /// Reports whether the stream is done before an entry.
    pub(super) fn end_before(&self, entry: &OutputEntry) -> bool {
        self.time.is_some_and(|stop| entry.receive_time >= stop)
            || self.sequence.is_some_and(|stop| entry.sequence > stop)
    }

    /// Reports whether the time to stop has passed.
    pub(super) fn time_has_passed(&self, now: Timestamp) -> bool {
        self.time.is_some_and(|stop| now >= stop)
    }
}

/// The position of a stream that has left.
#[derive(Debug, Clone)]
pub(super) struct LeftStream {
    pub(super) next: Sequence,
    pub(super) unregistered: bool,
    /// The relation between that position and the store.
    pub(super) start_kind: StartKind,
}

impl LeftStream {
    /// Creates the position of a stream that is not followed now. The stream counts as
    /// unregistered, so that it continues at the cursor if it joins.
    pub(super) fn at(cursor: &Cursor) -> Self {
        let next = if cursor.foreign.is_some() { Sequence::FIRST } else { cursor.next };
        Self { next, unregistered: true, start_kind: StartKind::of(cursor) }
    }
}

/// The relation between a subscriber's position and the store.
#[derive(Debug, Clone)]
pub(super) enum StartKind {
    /// The store knows the position.
    Known,
    /// The position belongs to another store, which has not been reported to the subscriber yet.
    Foreign(Cursor),
    /// The position is after all sequences that the store knows: the store was restored to an older
    /// state.
    Beyond,
    /// The subscriber asked to start with this sequence, which need not have been issued yet.
    Awaited(Sequence),
}

impl StartKind {
    /// Returns the relation that follows from the cursor alone.
    pub(super) fn of(cursor: &Cursor) -> Self {
        match cursor {
            Cursor { foreign: Some(_), .. } => Self::Foreign(cursor.clone()),
            Cursor { awaited: true, next, .. } => Self::Awaited(*next),
            Cursor { .. } => Self::Known,
        }
    }
}

/// The time at which a stream leaves its subscription, if it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// It stays.
    Stays,
    /// It leaves when everything that it published has been reported.
    WhenDrained,
    /// It leaves when the sequences up to this one have been reported.
    After(u64),
    /// It leaves now.
    Due,
}
