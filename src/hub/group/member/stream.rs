//! A stream as a member of a group follows it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::ready::Ready;
use crate::domain::Sequence;
use crate::hub::event::{Gap, GapReason};
use crate::hub::feed::topic::Topic;
use crate::hub::gaps::PendingGap;
use crate::hub::group::event::GroupEvent;

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) topic: Arc<Topic>,
    pub(super) gap: PendingGap,
    /// The sequence after the gap.
    pub(super) gap_end: Sequence,
    /// The group's position, as far as this member knows it.
    pub(super) next: Option<Sequence>,
    pub(super) removed: bool,
}

impl Stream {
    pub(super) fn new(topic: Arc<Topic>) -> Self {
        Self { topic, gap: PendingGap::default(), gap_end: Sequence::FIRST, next: None, removed: false }
    }

    pub(super) fn take_gap(&mut self) -> Option<Gap> {
        self.gap.take(self.topic.id(), 0)
    }

    /// Adds sequences to the pending gap. If they do not follow that gap, queues the gap first.
    pub(super) fn pass_over(
        &mut self,
        ready: &mut VecDeque<Ready>,
        from: Sequence,
        to: u64,
        reason: GapReason,
    ) {
        if self.gap.is_pending() && self.gap_end != from {
            ready.extend(self.take_gap().map(|gap| Ready::Event(GroupEvent::Gap(gap))));
        }
        if let Ok(to) = Sequence::new(to) {
            self.gap.add(from, to, reason);
            self.gap_end = to.next();
        }
    }
}
