//! Decides which entries a group leaves out.

use std::collections::BTreeMap;

use crate::domain::{GroupSettings, OutputBody, OutputEntry, StreamRecord};
use crate::hub::event::GapReason;
use crate::hub::sampling::Sampler;

/// Returns the reason why the group leaves an entry out; `None` if it delivers it.
pub(super) fn gap_reason(
    settings: &GroupSettings,
    stream: Option<&StreamRecord>,
    entry: &OutputEntry,
    sampler: &mut Sampler,
) -> Option<GapReason> {
    let unlabelled = BTreeMap::new();
    let labels = stream.map_or(&unlabelled, |record| &record.settings.labels);
    match &entry.body {
        OutputBody::Tombstone(tombstone) => Some(GapReason::of(&tombstone.kind)),
        OutputBody::Frame(frame) if !settings.filter.passes(frame, labels) => Some(GapReason::Filtered),
        OutputBody::Frame(_) if settings.sampling.is_active() => {
            sampler.leaves_out(&settings.sampling, entry).then_some(GapReason::Sampled)
        }
        OutputBody::Frame(_) => None,
    }
}
