//! A stream as a member of a group follows it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Ready;
use crate::domain::Sequence;
use crate::hub::event::{Gap, GapReason};
use crate::hub::gaps::PendingGap;
use crate::hub::group::GroupEvent;
use crate::hub::topic::Topic;

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) topic: Arc<Topic>,
    pub(super) gap: PendingGap,
    /// The number behind the gap.
    pub(super) gap_end: Sequence,
    /// The group's position, as this member last heard of it.
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

    /// Adds numbers to the pending gap; one that does not follow it has it told.
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
