//! Chooses the streams that a member follows.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Member;
use super::ready::{End, Ready};
use super::stream::Stream;
use crate::domain::{Sequence, StreamId};
use crate::hub::feed::inbox::{Change, WaitingStream};
use crate::hub::feed::registration::Registration;
use crate::hub::group::cache::GroupView;
use crate::hub::group::consumers::Consumers;
use crate::hub::group::event::{GroupError, GroupEvent};
use crate::hub::group::positions::matchers;
use crate::hub::selector::first_match;
use crate::hub::streams::records;
use crate::queue;

/// The interval at which the members of a group on one server check whether the store has forgotten
/// streams in which the group has positions.
const REMOVED_CHECK: Duration = Duration::from_secs(60);
/// The maximum number of streams in one read of such a check.
const STREAMS_PER_CHECK: usize = 500;

impl Member {
    pub(super) fn take_updates(&mut self) -> Result<(), End> {
        let updates = self.registration.inbox.take_updates();
        if updates.draining {
            return Err(End::Draining);
        }
        let waiting_changed = updates.more_waiting || !updates.changes.is_empty();
        for change in updates.changes {
            match change {
                Change::Joined { index, topic, .. } => {
                    self.streams.entry(index).or_insert_with(|| Stream::new(topic));
                }
                Change::Admitted { index, topic, .. } => {
                    self.heads_unread.push(index);
                    self.streams.entry(index).or_insert_with(|| Stream::new(topic));
                }
                Change::Begins { .. } => {}
                Change::Removed { index } => {
                    if let Some(stream) = self.streams.get_mut(&index) {
                        stream.removed = true;
                    }
                }
                Change::Stays { index } => {
                    if let Some(stream) = self.streams.get_mut(&index) {
                        stream.removed = false;
                    }
                }
                Change::Left { index, .. } => self.forget(index),
            }
        }
        if waiting_changed {
            self.keep_lowest_ids();
        }
        Ok(())
    }

    /// Exchanges streams for others with lower ids, so that the members of a group follow the same
    /// streams on all servers.
    fn keep_lowest_ids(&mut self) {
        let inbox = Arc::clone(&self.registration.inbox);
        while let Some(first) = inbox.first_waiting()
            && let Some((index, last)) = self
                .streams
                .iter()
                .map(|(index, one)| (*index, one.topic.id().clone()))
                .max_by(|a, b| a.1.cmp(&b.1))
            && first < last
        {
            let is_selected = self.streams.get(&index).is_some_and(|stream| !stream.removed);
            self.forget(index);
            if self.streams.contains_key(&index) {
                return; // a change of the stream is unread
            }
            if is_selected {
                inbox.add_waiting(
                    &last,
                    WaitingStream { selector: 0, first: Sequence::FIRST, not_before: None },
                );
            }
        }
    }

    /// Reads the heads of streams that had to wait for a slot.
    pub(super) async fn read_heads(&mut self) -> queue::Result<()> {
        let topic = |index| self.streams.get(index).map(|stream| Arc::clone(&stream.topic));
        let topics: Vec<_> = self.heads_unread.iter().filter_map(topic).collect();
        let ids: Vec<StreamId> = topics.iter().map(|topic| topic.id().clone()).collect();
        for record in records(&*self.consumers.queue, &ids).await? {
            if let Some(topic) = topics.iter().find(|topic| *topic.id() == record.id) {
                topic.observe(&record.counters);
            }
        }
        std::mem::take(&mut self.heads_unread).into_iter().for_each(|index| self.enqueue(index));
        Ok(())
    }

    pub(super) fn forget(&mut self, index: u32) {
        if let Some(stream) = self.streams.get_mut(&index)
            && self.consumers.hub.index.unfollow(&self.registration.inbox, stream.topic.id(), index)
        {
            self.ready.extend(stream.take_gap().map(|gap| Ready::Event(GroupEvent::Gap(gap))));
            self.streams.remove(&index);
        }
    }

    /// Follows the streams that the group selects.
    pub(super) async fn follow(&mut self, view: &GroupView) -> Result<(), GroupError> {
        let hub = &self.consumers.hub;
        let inbox = &self.registration.inbox;
        // The streams are in the order of their ids, and those beyond the maximum wait for slots.
        let selected = self.consumers.selected(&view.record.settings.streams).await?;
        let mut ids = Vec::with_capacity(selected.len());
        let mut without_slot = HashSet::new();
        for record in &selected {
            ids.push(record.id.clone());
            let Some((slot, topic)) = hub.index.follow(inbox, &record.id) else {
                inbox.add_waiting(&record.id, WaitingStream::just_selected(record, 0));
                without_slot.insert(record.id.clone());
                continue;
            };
            inbox.slot_for(&record.id, Some(0));
            inbox.enqueue(slot.index);
            let next = view.positions.get(&record.id).map(|position| position.next);
            self.streams.insert(slot.index, Stream { next, ..Stream::new(topic) });
        }
        // The heads are read after the streams are followed, so that no entry is missed in between.
        for record in records(&*self.consumers.queue, &ids).await? {
            if !record.removed && first_match(inbox.matchers(), &record).is_some() {
                without_slot.remove(&record.id);
            }
            if let Some(topic) = hub.index.topic(&record.id) {
                topic.observe(&record.counters);
            }
        }
        // These streams were unregistered after they were listed.
        without_slot.iter().for_each(|id| inbox.remove_waiting(id));
        Ok(())
    }

    /// Looks for streams that were unregistered without any member noticing it, and for those that
    /// the store has forgotten since.
    pub(super) async fn check_removed(&mut self, view: &mut GroupView) -> queue::Result<()> {
        view.check_removed_at = Instant::now() + REMOVED_CHECK;
        let followed: HashSet<&StreamId> = self.streams.values().map(|stream| stream.topic.id()).collect();
        let others =
            view.positions.iter().filter(|(id, position)| !position.is_new && !followed.contains(id));
        let others: Vec<_> = others.map(|(id, position)| (id.clone(), position.next)).collect();
        for some in others.chunks(STREAMS_PER_CHECK) {
            self.consumers.note_removed(&self.membership.group, some).await?;
        }
        view.stale |= !others.is_empty();
        Ok(())
    }

    /// Follows the streams of changed settings.
    pub(super) async fn follow_changed_settings(&mut self, view: &GroupView) -> Result<(), GroupError> {
        self.registration = register(&self.consumers, view)?;
        let gaps: Vec<_> = self.streams.values_mut().filter_map(Stream::take_gap).collect();
        self.ready.extend(gaps.into_iter().map(|gap| Ready::Event(GroupEvent::Gap(gap))));
        self.streams.clear();
        self.heads_unread.clear();
        self.follow(view).await?;
        // The revision is set last, so that the next claim tries again after a failure.
        self.revision = view.record.revision;
        Ok(())
    }
}

pub(super) fn register(consumers: &Consumers, view: &GroupView) -> Result<Registration, GroupError> {
    let hub = &consumers.hub;
    let inbox = hub.index.register(matchers(&view.record.settings.streams)?, false)?;
    Ok(Registration { hub: Arc::clone(hub), inbox })
}
