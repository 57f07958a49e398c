//! Gaps of time: requested periods in which retention has removed frames.

use std::time::Duration;

use crate::domain::{Cursor, Sequence, StreamRecord, Timestamp};
use crate::hub::event::{GapReason, TimeGap};
use crate::queue::FoundAt;

impl TimeGap {
    /// Returns the period from `start` (`None` = the beginning of the stream) to `stop` in which
    /// retention may have removed frames, if any. The stream continues with sequence `next`.
    pub(crate) fn between(
        record: &StreamRecord,
        selector: usize,
        start: Option<Timestamp>,
        stop: Option<Timestamp>,
        next: Sequence,
        found: &FoundAt,
    ) -> Option<Self> {
        let trimmed_until = found.trimmed_until?;
        let kept_from = trimmed_until.after(Duration::from_micros(1));
        let end = stop.map_or(kept_from, |stop| stop.min(kept_from));
        let is_missed = match start {
            Some(start) => start < end,
            // The stream starts with its oldest kept frame. So a period is missed only if no kept
            // frame is before the stop.
            None => found.oldest.is_none_or(|oldest| stop.is_some_and(|stop| oldest >= stop)),
        };
        let reason = if record.removed || trimmed_until < record.create_time {
            GapReason::Unregistered
        } else {
            GapReason::Retention
        };
        let (stream_id, cursor) = (record.id.clone(), Cursor::new(record.id.clone(), next));
        let gap = Self { stream_id, selector, reason, start, end, oldest: found.oldest, cursor };
        is_missed.then_some(gap)
    }
}
