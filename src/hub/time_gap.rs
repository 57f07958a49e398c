use std::time::Duration;

use super::event::{GapReason, TimeGap};
use super::position;
use crate::domain::{Sequence, StreamRecord, Timestamp};
use crate::queue::FoundAt;

impl TimeGap {
    /// What is asked for from `start` (`None` = the stream's beginning) to before `stop`, and retention may have taken, of a
    /// stream that goes on with number `next`.
    pub(super) fn between(
        record: &StreamRecord,
        selector: usize,
        start: Option<Timestamp>,
        stop: Option<Timestamp>,
        next: Sequence,
        found: &FoundAt,
    ) -> Option<Self> {
        let trimmed_until = found.trimmed_until?;
        let behind = trimmed_until.after(Duration::from_micros(1));
        let end = stop.map_or(behind, |stop| stop.min(behind));
        let is_missed = match start {
            Some(start) => start < end,
            // All that is kept is sent, if any of it lies before the stop.
            None => found.oldest.is_none_or(|oldest| stop.is_some_and(|stop| oldest >= stop)),
        };
        let reason = if record.removed || trimmed_until < record.create_time {
            GapReason::Unregistered
        } else {
            GapReason::Retention
        };
        let (stream_id, cursor) = (record.id.clone(), position(&record.id, next));
        let gap = Self { stream_id, selector, reason, start, end, oldest: found.oldest, cursor };
        is_missed.then_some(gap)
    }
}
