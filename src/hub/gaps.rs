use super::event::{Gap, GapReason};
use super::position;
use crate::domain::{Sequence, StreamId};

/// What was left out of one stream since its last frame: a range without holes, because positions only move forward
/// one way, by a frame (which first tells the gap) or by [`PendingGap::add`].
#[derive(Debug, Default)]
pub(super) struct PendingGap {
    range: Option<(Sequence, Sequence)>,
    causes: Vec<(GapReason, u64)>,
}

impl PendingGap {
    /// Adds `from..=to`, which must follow what is pending.
    pub(super) fn add(&mut self, from: Sequence, to: Sequence, reason: GapReason) {
        debug_assert!(from <= to && self.range.is_none_or(|(_, last)| last.next() == from));
        let first = self.range.map_or(from, |(first, _)| first);
        self.range = Some((first, to));
        let count = to.get() - from.get() + 1;
        match self.causes.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, sum)) => *sum += count,
            None => self.causes.push((reason, count)),
        }
    }

    pub(super) fn is_pending(&self) -> bool {
        self.range.is_some()
    }

    /// Hands out what is pending, if anything is.
    pub(super) fn take(&mut self, stream: &StreamId, selector: usize) -> Option<Gap> {
        let (from, to) = self.range.take()?;
        let causes = std::mem::take(&mut self.causes);
        Some(Gap {
            stream_id: stream.clone(),
            selector,
            from,
            to,
            causes,
            cursor: position(stream, to.next()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_grows_by_reason_and_is_told_once() {
        let number = |n| Sequence::new(n).unwrap();
        let stream: StreamId = "cam".parse().unwrap();
        let mut gap = PendingGap::default();
        assert_eq!(gap.take(&stream, 0), None);
        gap.add(number(3), number(5), GapReason::Retention);
        gap.add(number(6), number(6), GapReason::Failed);
        gap.add(number(7), number(7), GapReason::Retention);
        let told = gap.take(&stream, 0).unwrap();
        assert_eq!((told.from, told.to, told.cursor.next), (number(3), number(7), number(8)));
        assert_eq!(told.causes, vec![(GapReason::Retention, 4), (GapReason::Failed, 1)]);
        assert_eq!(gap.take(&stream, 0), None);
    }
}
