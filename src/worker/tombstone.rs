//! Output entries of frames that are published without a picture.

use crate::domain::{OutputBody, Tombstone, TombstoneKind};
use crate::queue::{Finished, WorkItem};

/// Returns the output of a frame that is not processed.
pub(super) fn tombstone_of(item: WorkItem, kind: TombstoneKind) -> Finished {
    tombstone(item, kind, 0)
}

/// Returns the output of a finished frame that was erased in the meantime.
pub(super) fn erased(finished: &Finished) -> Finished {
    let (header, attempts) = match &finished.body {
        OutputBody::Frame(frame) => (&frame.header, frame.attempt),
        OutputBody::Tombstone(tombstone) => (&tombstone.header, tombstone.attempts),
    };
    let tombstone = Tombstone { header: header.clone(), kind: TombstoneKind::Erased, attempts };
    let body = OutputBody::Tombstone(Box::new(tombstone));
    Finished { body, uploads: Vec::new(), ..finished.clone() }
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
