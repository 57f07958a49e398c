//! Output entries of frames that are published without a picture.

use crate::domain::{OutputBody, Tombstone, TombstoneKind};
use crate::queue::{Finished, WorkItem};

/// Returns the output of a frame that is not processed.
pub(super) fn tombstone_of(item: WorkItem, kind: TombstoneKind) -> Finished {
    tombstone(item, kind, 0)
}

/// Returns the output of a frame that has no picture after this many attempts.
pub(super) fn tombstone(item: WorkItem, kind: TombstoneKind, attempts: u32) -> Finished {
    let WorkItem {
        position,
        stream_id,
        sequence,
        receive_time,
        header,
        payload,
        settings_revision: _,
        fate: _,
    } = item;
    let body = OutputBody::Tombstone(Box::new(Tombstone { header, kind, attempts }));
    let source_withheld = false; // The caller sets it for failed frames.
    Finished {
        position,
        stream_id,
        sequence,
        receive_time,
        source: payload,
        source_withheld,
        body,
        uploads: Vec::new(),
    }
}
