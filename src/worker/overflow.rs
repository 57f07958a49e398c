//! Applies the queue policy DROP_OLDEST: drops frames that were just taken instead of processing
//! them.

use std::collections::HashMap;
use std::sync::Arc;

use super::Shared;
use crate::domain::{QueuePolicy, StreamId, TombstoneKind};
use crate::queue::{Finished, WorkItem};

/// The maximum number of streams whose policy is remembered.
const CACHED_POLICIES: usize = 4096;

#[derive(Debug)]
pub(super) struct Overflow {
    shared: Arc<Shared>,
    /// By stream: the revision of its settings, and its policy if it drops frames.
    policies: HashMap<StreamId, (u64, Option<QueuePolicy>)>,
    /// The frames of each stream that were taken and are not published.
    in_hand: HashMap<StreamId, Held>,
}

/// A number of frames, and the bytes of their pictures.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    frames: u64,
    bytes: u64,
}

impl Overflow {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, policies: HashMap::new(), in_hand: HashMap::new() }
    }

    /// Checks frames that were just taken, in their order: a frame is dropped if it and those after
    /// it exceed its stream's limits. The newest frame is never dropped. If the queue does not
    /// answer, no frame is dropped; the limits of accept still apply.
    pub(super) async fn mark_dropped(&mut self, items: &mut [WorkItem]) {
        let mut waiting = self.waiting(items).await;
        for item in items {
            let held = self.in_hand.entry(item.stream_id.clone()).or_default();
            if let Some((policy, left)) = waiting.get_mut(&item.stream_id) {
                let frames = left.frames.saturating_sub(held.frames);
                let bytes = left.bytes.saturating_sub(held.bytes);
                let over = frames > policy.max_frames || bytes > policy.max_bytes;
                if over && frames > 1 && item.fate.is_none() {
                    item.fate = Some(TombstoneKind::Dropped);
                }
            }
            held.frames += 1;
            held.bytes += item.payload.size_bytes;
        }
    }

    /// Notes that a frame was published.
    pub(super) fn published(&mut self, frame: &Finished) {
        if let Some(held) = self.in_hand.get_mut(&frame.stream_id) {
            held.frames = held.frames.saturating_sub(1);
            held.bytes = held.bytes.saturating_sub(frame.source.size_bytes);
            if held.frames == 0 {
                self.in_hand.remove(&frame.stream_id);
            }
        }
    }

    /// Returns the policies of the streams that drop frames, and all their unfinished frames.
    async fn waiting(&mut self, items: &[WorkItem]) -> HashMap<StreamId, (QueuePolicy, Held)> {
        let mut ids: Vec<StreamId> =
            items.iter().filter(|item| self.may_drop(item)).map(|item| item.stream_id.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut waiting = HashMap::new();
        if ids.is_empty() {
            return waiting;
        }
        let records = match self.shared.queue.get_streams(&ids).await {
            Ok(records) => records,
            Err(error) => {
                tracing::debug!(%error, "cannot read queue policies; not dropping any frames");
                return waiting;
            }
        };
        if self.policies.len() + ids.len() > CACHED_POLICIES {
            self.policies.clear();
        }
        for record in records.into_iter().flatten() {
            let policy = Some(record.effective.queue).filter(|policy| policy.drop_oldest);
            self.policies.insert(record.id.clone(), (record.revision, policy));
            if let Some(policy) = policy {
                let counters = record.counters;
                let all = Held { frames: counters.queued_frames, bytes: counters.queued_bytes };
                waiting.insert(record.id, (policy, all));
            }
        }
        waiting
    }

    /// Reports whether a stream may drop frames. For a stream that is known not to, nothing is
    /// read.
    fn may_drop(&self, item: &WorkItem) -> bool {
        match self.policies.get(&item.stream_id) {
            Some((revision, policy)) => *revision < item.settings_revision || policy.is_some(),
            None => true,
        }
    }
}
