use super::event::{Gap, GapReason};
use super::position;
use crate::domain::{Sequence, StreamId};

/// What was left out of one stream since its last frame: a range without holes, because positions only move forward
/// one way, by a frame (which first tells the gap) or by [`PendingGap::add`].
#[derive(Debug, Default)]
pub(super) struct PendingGap {
    /// The first number, and the one behind the last.
    range: Option<(Sequence, Sequence)>,
    causes: Vec<(GapReason, u64)>,
    /// See [`Gap::failover_frames`].
    failover_frames: Option<u64>,
}

impl PendingGap {
    /// Adds `from..=to`, which must follow what is pending. Of what a failover passed over, nobody knows how many frames it was.
    pub(super) fn add(&mut self, from: Sequence, to: Sequence, reason: GapReason) {
        self.add_frames(from, to, reason, None);
    }

    /// The same; of what a failover passed over, `frames` can have been frames.
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

    /// Adds a reason that takes no number away: frames that nobody can count are missing before `at`.
    pub(super) fn add_unnumbered(&mut self, at: Sequence, reason: GapReason) {
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

    /// Hands out what is pending, if anything is.
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
            cursor: position(stream, end),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(n: u64) -> Sequence {
        Sequence::new(n).unwrap()
    }

    #[test]
    fn a_gap_grows_by_reason_and_is_told_once() {
        let stream: StreamId = "cam".parse().unwrap();
        let mut gap = PendingGap::default();
        assert_eq!(gap.take(&stream, 0), None);
        gap.add(number(3), number(5), GapReason::Retention);
        gap.add(number(6), number(6), GapReason::Failed);
        gap.add(number(7), number(7), GapReason::Retention);
        let told = gap.take(&stream, 0).unwrap();
        assert_eq!((told.from, told.to, told.cursor.next), (number(3), 7, number(8)));
        assert_eq!(told.causes, vec![(GapReason::Retention, 4), (GapReason::Failed, 1)]);
        assert_eq!(gap.take(&stream, 0), None);
    }

    #[test]
    fn what_takes_no_number_is_told_as_an_empty_range() {
        let stream: StreamId = "cam".parse().unwrap();
        let mut gap = PendingGap::default();
        gap.add_unnumbered(Sequence::FIRST, GapReason::StoreReplaced);
        assert!(gap.is_pending());
        let told = gap.take(&stream, 0).unwrap();
        assert_eq!((told.from, told.to, told.cursor.next), (number(1), 0, number(1)));
        gap.add_unnumbered(Sequence::FIRST, GapReason::StoreReplaced);
        gap.add(number(1), number(9), GapReason::Retention);
        let told = gap.take(&stream, 0).unwrap();
        assert_eq!((told.from, told.to, told.cursor.next), (number(1), 9, number(10)));
        assert_eq!(told.causes, vec![(GapReason::StoreReplaced, 0), (GapReason::Retention, 9)]);
    }

    #[test]
    fn frames_of_failovers_are_counted_while_all_are_known() {
        let stream: StreamId = "cam".parse().unwrap();
        let mut gap = PendingGap::default();
        gap.add_frames(number(1), number(100), GapReason::BackendFailover, Some(3));
        gap.add_frames(number(101), number(300), GapReason::BackendFailover, Some(0));
        assert_eq!(gap.take(&stream, 0).unwrap().failover_frames, Some(3));
        gap.add_frames(number(301), number(400), GapReason::BackendFailover, Some(3));
        gap.add(number(401), number(500), GapReason::BackendFailover);
        assert_eq!(gap.take(&stream, 0).unwrap().failover_frames, None);
    }
}
