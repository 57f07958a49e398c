//! Where a subscription is done with a stream, and how streams go from it.

use crate::domain::{Cursor, OutputEntry, Sequence, Timestamp};

/// Where a stream is done: whichever comes first.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stops {
    /// Behind this number.
    pub(super) sequence: Option<Sequence>,
    /// Before the first frame received at or after this time.
    pub(super) time: Option<Timestamp>,
    /// After so many more frames.
    pub(super) frames: Option<u64>,
}

impl Stops {
    pub(super) fn are_set(&self) -> bool {
        self.sequence.is_some() || self.time.is_some() || self.frames.is_some()
    }

    /// Whether an entry lies behind the stop.
    pub(super) fn reached(&self, entry: &OutputEntry) -> bool {
        self.time.is_some_and(|stop| entry.receive_time >= stop)
            || self.sequence.is_some_and(|stop| entry.sequence > stop)
    }

    /// Whether the time to stop has passed.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.time.is_some_and(|stop| now >= stop)
    }
}

/// Where a stream was when it went.
#[derive(Debug, Clone)]
pub(super) struct Departed {
    pub(super) next: Sequence,
    pub(super) unregistered: bool,
    /// The subscriber came with this position, of another store, and was not told so.
    pub(super) foreign: Option<Cursor>,
}

impl Departed {
    /// Of a stream that is unregistered and forgotten.
    pub(super) fn before(cursor: &Cursor) -> Self {
        let foreign = cursor.foreign.is_some().then(|| cursor.clone());
        let next = if foreign.is_some() { Sequence::FIRST } else { cursor.next };
        Self { next, unregistered: true, foreign }
    }
}

/// Whether and when a stream goes from its subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// It stays.
    Stays,
    /// When all it ever published has been told.
    WhenDrained,
    /// When numbers up to this one have been told.
    Behind(u64),
    /// Now.
    Due,
}
