//! The sequences that a list does not have.

use crate::domain::{OutputEntry, Sequence, StreamCounters, StreamId};
use crate::pb::v1 as pb;

/// Returns the gap of `from..=to`, sequences without an entry; `None` if `to` is before `from`. `next`
/// is the first entry after them, if there is one.
pub(super) fn run(
    stream: &StreamId,
    from: Sequence,
    to: u64,
    counters: &StreamCounters,
    next: Option<&OutputEntry>,
) -> Option<pb::Gap> {
    let next = next.map(|next| (next.previous_sequence, next.issued_before));
    (from.get() <= to).then(|| pb::Gap {
        stream_id: stream.to_string(),
        from_sequence: from.get(),
        to_sequence: to,
        causes: causes(from.get(), to + 1, counters.floor_sequence, next),
        ..Default::default()
    })
}

/// Returns why the sequences from `first` up to, but without, `end` have no entry. `next` has the
/// previous sequence of the entry after them, and the last one that was issued before a failover.
fn causes(first: u64, end: u64, floor: u64, next: Option<(u64, Option<u64>)>) -> Vec<pb::GapCause> {
    // Up to the floor they were unregistered, up to the previous entry removed by retention; then a
    // failover skipped or lost them.
    let kept_once = (floor + 1).clamp(first, end);
    let skipped = next.map_or(end, |(previous, _)| previous + 1).clamp(kept_once, end);
    let lost = end - skipped;
    let issued = next.and_then(|(_, issued)| issued);
    let frames = issued.map(|issued| (issued + 1).saturating_sub(skipped).min(lost));
    let cause = |reason: pb::GapReason, count, frames| pb::GapCause { reason: reason.into(), count, frames };
    let causes = [
        cause(pb::GapReason::Unregistered, kept_once - first, Some(kept_once - first)),
        cause(pb::GapReason::Retention, skipped - kept_once, Some(skipped - kept_once)),
        cause(pb::GapReason::BackendFailover, lost, frames),
    ];
    causes.into_iter().filter(|cause| cause.count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pb::GapReason::{BackendFailover, Retention, Unregistered};

    #[test]
    fn sequences_without_an_entry_have_their_reasons() {
        let found = |first: u64, to: u64, floor, next| {
            let causes = causes(first, to + 1, floor, next);
            causes.iter().map(|cause| (cause.reason(), cause.count, cause.frames)).collect::<Vec<_>>()
        };
        assert_eq!(found(3, 9, 0, None), [(Retention, 7, Some(7))]);
        assert_eq!(found(3, 9, 0, Some((9, None))), [(Retention, 7, Some(7))]);
        assert_eq!(found(3, 9, 20, None), [(Unregistered, 7, Some(7))]);
        assert_eq!(found(3, 9, 4, Some((9, None))), [(Unregistered, 2, Some(2)), (Retention, 5, Some(5))]);
        assert_eq!(found(3, 9, 0, Some((2, None))), [(BackendFailover, 7, None)]);
        let jump = Some((5, Some(7)));
        assert_eq!(found(3, 99, 0, jump), [(Retention, 3, Some(3)), (BackendFailover, 94, Some(2))]);
        assert_eq!(found(9, 99, 0, jump), [(BackendFailover, 91, Some(0))]);
        assert_eq!(
            found(1, 9, 4, Some((0, Some(6)))),
            [(Unregistered, 4, Some(4)), (BackendFailover, 5, Some(2))]
        );
    }
}
