//! Which streams a member follows.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::stream::Stream;
use super::{End, Member, Ready};
use crate::domain::StreamId;
use crate::domain::limits::MAX_STREAMS_PER_SUBSCRIPTION;
use crate::hub::event::SubscribeError;
use crate::hub::group::desk::Book;
use crate::hub::group::positions::matchers;
use crate::hub::group::{Consumers, GroupError, GroupEvent};
use crate::hub::inbox::Change;
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
        if mail.overflowed {
            return Err(too_many_streams().into());
        }
        for change in mail.changes {
            match change {
                Change::Joined { index, topic, .. } => {
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
        let records = self.consumers.selected(&book.record.settings.streams).await?;
        if records.len() > MAX_STREAMS_PER_SUBSCRIPTION {
            return Err(too_many_streams());
        }
        let mut ids = Vec::with_capacity(records.len());
        for record in &records {
            let (place, topic) =
                hub.followers.follow(&self.registration.inbox, &record.id).ok_or_else(too_many_streams)?;
            self.registration.inbox.place_for(&record.id, Some(0));
            self.registration.inbox.enqueue(place.index);
            let next = book.positions.get(&record.id).map(|place| place.next);
            self.streams.insert(place.index, Stream { next, ..Stream::new(topic) });
            ids.push(record.id.clone());
        }
        // Only now, so that no entry falls between.
        for record in hub.records(&ids).await? {
            if let Some(topic) = hub.followers.topic(&record.id) {
                topic.observe(&record.counters);
            }
        }
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

fn too_many_streams() -> GroupError {
    SubscribeError::TooManyStreams { limit: MAX_STREAMS_PER_SUBSCRIPTION }.into()
}
