//! Collects the frames that are left out until they are reported as a gap.

use super::event::{Gap, GapReason};
use crate::domain::{Cursor, Sequence, StreamId};

/// The frames of one stream that were left out since the last one that was sent. They form one
/// range without holes, because a position moves forward in only two ways: with a frame, before
/// which the pending gap is reported, and with [`PendingGap::add`].
#[derive(Debug, Default)]
pub(super) struct PendingGap {
    /// The first sequence, and the one after the last.
    range: Option<(Sequence, Sequence)>,
    causes: Vec<(GapReason, u64)>,
    /// See [`Gap::failover_frames`].
    failover_frames: Option<u64>,
}

impl PendingGap {
    /// Adds `from..=to`, which must follow the pending range. If the reason is a failover, the number
    /// of frames in the range counts as unknown.
    pub(super) fn add(&mut self, from: Sequence, to: Sequence, reason: GapReason) {
        self.add_frames(from, to, reason, None);
    }

    /// Does the same as [`Self::add`]. If a failover jumped over the range, `frames` is the number
    /// of its sequences that may have belonged to frames; `None` = unknown.
    pub(super) fn add_frames(
        &mut self,
        from: Sequence,
        to: Sequence,
        reason: GapReason,
        frames: Option<u64>,
    ) {
        debug_assert!(from <= to);
        self.extend(from, to.next());
        self.count(reason, to.get() - from.get() + 1, frames);
    }

    /// Adds a reason without a sequence: an unknown number of frames is missing before `at`.
    pub(super) fn add_without_sequences(&mut self, at: Sequence, reason: GapReason) {
        self.extend(at, at);
        self.count(reason, 0, None);
    }

    fn extend(&mut self, from: Sequence, end: Sequence) {
        debug_assert!(self.range.is_none_or(|(_, last)| last == from));
        self.range = Some((self.range.map_or(from, |(first, _)| first), end));
    }

    fn count(&mut self, reason: GapReason, count: u64, frames: Option<u64>) {
        let known = self.causes.iter_mut().find(|(known, _)| *known == reason);
        if reason == GapReason::BackendFailover {
            let before = if known.is_some() { self.failover_frames } else { Some(0) };
            self.failover_frames = before.zip(frames).map(|(before, frames)| before + frames);
        }
        match known {
            Some((_, sum)) => *sum += count,
            None => self.causes.push((reason, count)),
        }
    }

    pub(super) fn is_pending(&self) -> bool {
        self.range.is_some()
    }

    /// Takes out the pending gap, if there is one.
    pub(super) fn take(&mut self, stream: &StreamId, selector: usize) -> Option<Gap> {
        let Self { range, causes, failover_frames } = std::mem::take(self);
        let (from, end) = range?;
        Some(Gap {
            stream_id: stream.clone(),
            selector,
            from,
            to: end.get() - 1,
            causes,
            failover_frames,
            cursor: Cursor::new(stream.clone(), end),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(n: u64) -> Sequence {
        Sequence::new(n).unwrap()
    }

    #[test]
    fn a_gap_counts_frames_by_reason_and_is_taken_once() {
        let stream: StreamId = "cam".parse().unwrap();
        let mut gap = PendingGap::default();
        assert_eq!(gap.take(&stream, 0), None);
        gap.add(sequence(3), sequence(5), GapReason::Retention);
        gap.add(sequence(6), sequence(6), GapReason::Failed);
        gap.add(sequence(7), sequence(7), GapReason::Retention);
        let taken = gap.take(&stream, 0).unwrap();
        assert_eq!((taken.from, taken.to, taken.cursor.next), (sequence(3), 7, sequence(8)));
        assert_eq!(taken.causes, vec![(GapReason::Retention, 4), (GapReason::Failed, 1)]);
        assert_eq!(gap.take(&stream, 0), None);
    }

    #[test]
    fn a_reason_without_sequences_gives_an_empty_range() {
        let stream: StreamId = "cam".parse().unwrap();
        let mut gap = PendingGap::default();
        gap.add_without_sequences(Sequence::FIRST, GapReason::StoreReplaced);
        assert!(gap.is_pending());
        let taken = gap.take(&stream, 0).unwrap();
        assert_eq!((taken.from, taken.to, taken.cursor.next), (sequence(1), 0, sequence(1)));
        gap.add_without_sequences(Sequence::FIRST, GapReason::StoreReplaced);
        gap.add(sequence(1), sequence(9), GapReason::Retention);
        let taken = gap.take(&stream, 0).unwrap();
        assert_eq!((taken.from, taken.to, taken.cursor.next), (sequence(1), 9, sequence(10)));
        assert_eq!(taken.causes, vec![(GapReason::StoreReplaced, 0), (GapReason::Retention, 9)]);
    }

    #[test]
    fn the_frames_of_failovers_are_unknown_if_any_part_is() {
        let stream: StreamId = "cam".parse().unwrap();
        let mut gap = PendingGap::default();
        gap.add_frames(sequence(1), sequence(100), GapReason::BackendFailover, Some(3));
        gap.add_frames(sequence(101), sequence(300), GapReason::BackendFailover, Some(0));
        assert_eq!(gap.take(&stream, 0).unwrap().failover_frames, Some(3));
        gap.add_frames(sequence(301), sequence(400), GapReason::BackendFailover, Some(3));
        gap.add(sequence(401), sequence(500), GapReason::BackendFailover);
        assert_eq!(gap.take(&stream, 0).unwrap().failover_frames, None);
    }
}
