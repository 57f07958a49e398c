//! Which entries a group passes over, and why.

use std::collections::BTreeMap;

use crate::domain::{GroupSettings, OutputBody, OutputEntry, StreamRecord, TombstoneKind};
use crate::hub::event::GapReason;
use crate::hub::sampling::Sampler;

/// Why the group passes an entry over; `None` if it does not.
pub(super) fn passes_over(
    settings: &GroupSettings,
    stream: Option<&StreamRecord>,
    entry: &OutputEntry,
    sampler: &mut Sampler,
) -> Option<GapReason> {
    let unlabelled = BTreeMap::new();
    let labels = stream.map_or(&unlabelled, |record| &record.settings.labels);
    match &entry.body {
        OutputBody::Tombstone(tombstone) => Some(match &tombstone.kind {
            TombstoneKind::Failed(_) => GapReason::Failed,
            TombstoneKind::Dropped => GapReason::Overflow,
            TombstoneKind::Purged(_) => GapReason::Purged,
        }),
        OutputBody::Frame(frame) if !settings.filter.passes(frame, labels) => Some(GapReason::Filtered),
        OutputBody::Frame(_) if settings.sampling.is_active() => {
            sampler.leaves_out(&settings.sampling, entry).then_some(GapReason::Sampled)
        }
        OutputBody::Frame(_) => None,
    }
}
