//! Which streams a member follows.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::stream::Stream;
use super::{End, Member, Ready};
use crate::domain::{Sequence, StreamId};
use crate::hub::group::desk::Book;
use crate::hub::group::positions::matchers;
use crate::hub::group::{Consumers, GroupError, GroupEvent};
use crate::hub::inbox::{Change, Waiting};
use crate::hub::select::first_match;
use crate::hub::subscribe::Registration;
use crate::queue;

/// How often a group's members on one server look whether the store has forgotten streams that the group has positions in.
const LOOK: Duration = Duration::from_secs(60);
/// Streams in one look at whether they are still registered.
const STREAMS_A_LOOK: usize = 500;

impl Member {
    pub(super) fn take_mail(&mut self) -> Result<(), End> {
        let mail = self.registration.inbox.take_mail();
        if mail.draining {
            return Err(End::Draining);
        }
        let may_move = mail.more_waiting || !mail.changes.is_empty();
        for change in mail.changes {
            match change {
                Change::Joined { index, topic, .. } => {
                    self.streams.entry(index).or_insert_with(|| Stream::new(topic));
                }
                Change::Admitted { index, topic, .. } => {
                    self.unheard.push(index);
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
        if may_move {
            self.keep_first();
        }
        Ok(())
    }

    /// Gives streams up for others with lower ids: the group's members follow the same ones at all servers.
    fn keep_first(&mut self) {
        let inbox = Arc::clone(&self.registration.inbox);
        while let Some(first) = inbox.first_unfollowed()
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
                return; // a change of it waits to be seen
            }
            if is_selected {
                inbox.put_off(&last, Waiting { selector: 0, first: Sequence::FIRST, not_before: None });
            }
        }
    }

    /// Learns how much is published in streams that had to wait for a place.
    pub(super) async fn hear(&mut self) -> queue::Result<()> {
        let topic = |index| self.streams.get(index).map(|stream| Arc::clone(&stream.topic));
        let topics: Vec<_> = self.unheard.iter().filter_map(topic).collect();
        let ids: Vec<StreamId> = topics.iter().map(|topic| topic.id().clone()).collect();
        for record in self.consumers.hub.records(&ids).await? {
            if let Some(topic) = topics.iter().find(|topic| *topic.id() == record.id) {
                topic.observe(&record.counters);
            }
        }
        std::mem::take(&mut self.unheard).into_iter().for_each(|index| self.put_back(index));
        Ok(())
    }

    pub(super) fn forget(&mut self, index: u32) {
        if let Some(stream) = self.streams.get_mut(&index)
            && self.consumers.hub.followers.forget(&self.registration.inbox, stream.topic.id(), index)
        {
            self.ready.extend(stream.take_gap().map(|gap| Ready::Event(GroupEvent::Gap(gap))));
            self.streams.remove(&index);
        }
    }

    /// Follows the streams that the registration selects.
    pub(super) async fn follow(&mut self, book: &Book) -> Result<(), GroupError> {
        let hub = &self.consumers.hub;
        let inbox = &self.registration.inbox;
        // By id: those behind the most that may be followed wait for places.
        let records = self.consumers.selected(&book.record.settings.streams).await?;
        let mut ids = Vec::with_capacity(records.len());
        let mut put_off = HashSet::new();
        for record in &records {
            ids.push(record.id.clone());
            let Some((place, topic)) = hub.followers.follow(inbox, &record.id) else {
                inbox.put_off(&record.id, Waiting::since_now(record, 0));
                put_off.insert(record.id.clone());
                continue;
            };
            inbox.place_for(&record.id, Some(0));
            inbox.enqueue(place.index);
            let next = book.positions.get(&record.id).map(|place| place.next);
            self.streams.insert(place.index, Stream { next, ..Stream::new(topic) });
        }
        // Only now, so that no entry falls between.
        for record in hub.records(&ids).await? {
            if !record.removed && first_match(inbox.matchers(), &record).is_some() {
                put_off.remove(&record.id);
            }
            if let Some(topic) = hub.followers.topic(&record.id) {
                topic.observe(&record.counters);
            }
        }
        // They went since they were listed.
        put_off.iter().for_each(|id| inbox.wait_no_more(id));
        Ok(())
    }

    /// Looks for streams that were unregistered while nobody was there to see it, and for those that the store has forgotten
    /// since.
    pub(super) async fn look_for_removed(&mut self, book: &mut Book) -> queue::Result<()> {
        book.look_at = Instant::now() + LOOK;
        let followed: HashSet<&StreamId> = self.streams.values().map(|stream| stream.topic.id()).collect();
        let others = book.positions.iter().filter(|(id, place)| !place.begin && !followed.contains(id));
        let others: Vec<_> = others.map(|(id, place)| (id.clone(), place.next)).collect();
        for some in others.chunks(STREAMS_A_LOOK) {
            self.consumers.note_removed(&self.seat.group, some).await?;
        }
        book.stale |= !others.is_empty();
        Ok(())
    }

    /// Follows the streams of new settings.
    pub(super) async fn follow_anew(&mut self, book: &Book) -> Result<(), GroupError> {
        self.registration = register(&self.consumers, book)?;
        let gaps: Vec<_> = self.streams.values_mut().filter_map(Stream::take_gap).collect();
        self.ready.extend(gaps.into_iter().map(|gap| Ready::Event(GroupEvent::Gap(gap))));
        self.streams.clear();
        self.unheard.clear();
        self.follow(book).await?;
        // Last: if it failed, the next claim begins anew.
        self.revision = book.record.revision;
        Ok(())
    }
}

pub(super) fn register(consumers: &Consumers, book: &Book) -> Result<Registration, GroupError> {
    let hub = &consumers.hub;
    let inbox = hub.followers.register(matchers(&book.record.settings.streams)?, false)?;
    Ok(Registration { hub: Arc::clone(hub), inbox })
}
