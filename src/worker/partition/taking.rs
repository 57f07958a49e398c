//! Takes the frames of a partition, so that streams take turns.
//!
//! As long as there is room for all frames that wait, they are taken in the order of the queue. Once
//! there is not, the task lists the rest of the queue, without taking it, and then takes the frames
//! of the list in turns. So the list only has frames that an operator can still pause or purge.

use super::super::turns::Turns;
use super::Partition;
use crate::domain::StreamId;
use crate::queue::{Result, WorkItem, WorkPosition};

/// The number of frames that one call lists.
const LISTED_AT_ONCE: usize = 512;

/// The frames of a partition that wait, as far as they are known.
#[derive(Debug)]
pub(super) struct Backlog {
    /// The listed frames. Their number is bounded by what the partition may have waiting, at 16
    /// bytes a frame.
    listed: Turns<WorkPosition>,
    /// The position up to which frames were taken or listed.
    known: WorkPosition,
    /// There may be frames after that position.
    may_have_more: bool,
    /// The list is not valid any more: the queue is read from its start once no frame is in work.
    starts_over: bool,
}

impl Backlog {
    pub(super) fn new() -> Self {
        Self {
            listed: Turns::default(),
            known: WorkPosition::default(),
            may_have_more: true,
            starts_over: false,
        }
    }

    /// Notes that there may be new frames.
    pub(super) fn woken(&mut self) {
        self.may_have_more = true;
    }

    /// Forgets the listed frames.
    pub(super) fn forget(&mut self) {
        self.listed.clear();
        self.starts_over = true;
    }
}

impl Partition {
    /// Takes as many frames as there is room for, and learns of those that wait.
    pub(super) async fn take(&mut self) -> Result<()> {
        if self.backlog.starts_over {
            if self.in_flight() > 0 {
                return Ok(());
            }
            self.backlog = Backlog::new();
        }
        if self.backlog.listed.is_empty() && self.room() > 0 {
            if self.backlog.may_have_more {
                self.take_in_order().await?;
            }
            return Ok(());
        }
        if self.backlog.may_have_more {
            self.list().await?;
        }
        self.take_in_turns().await
    }

    /// Reports whether there is something to take, or to learn, now.
    pub(super) fn can_take(&self) -> bool {
        let Backlog { listed, may_have_more, starts_over, .. } = &self.backlog;
        if *starts_over {
            return self.in_flight() == 0;
        }
        *may_have_more || self.room() > 0 && !listed.is_empty()
    }

    async fn take_in_order(&mut self) -> Result<()> {
        let room = self.room();
        let items = match self.shared.queue.take(&self.lease, self.backlog.known, room).await {
            Ok(items) => items,
            Err(error) => return self.wait_out(error).await,
        };
        if let Some(last) = items.last() {
            self.backlog.known = last.position;
            self.backlog.may_have_more = items.len() == room;
            self.handle.note_seen(last.position);
            items.iter().for_each(|item| self.order.enter(&item.stream_id));
            self.taken(items).await;
            return Ok(());
        }
        match self.pause.check(self.backlog.known, self.in_flight() == 0).await {
            Ok(work_waits) => self.backlog.may_have_more = work_waits,
            Err(error) => self.wait_out(error).await?,
        }
        Ok(())
    }

    async fn list(&mut self) -> Result<()> {
        let (partition, known) = (self.lease.partition, self.backlog.known);
        let found = match self.shared.queue.list_work(partition, known, LISTED_AT_ONCE).await {
            Ok(found) => found,
            Err(error) => return self.wait_out(error).await,
        };
        self.backlog.may_have_more = found.len() == LISTED_AT_ONCE;
        if let Some((last, _)) = found.last() {
            self.backlog.known = *last;
            self.handle.note_seen(*last);
        }
        for (position, stream) in found {
            self.backlog.listed.push(&stream, position);
        }
        Ok(())
    }

    /// Takes listed frames. If there is no room, a stream that has no frame in work still gets one,
    /// up to twice the number of frames in work.
    async fn take_in_turns(&mut self) -> Result<()> {
        let most = self.shared.config.frames_in_flight;
        let mut chosen: Vec<(WorkPosition, StreamId)> = Vec::new();
        while self.in_flight() < 2 * most {
            let (order, has_room) = (&self.order, self.in_flight() < most);
            let may_begin = |stream: &StreamId| has_room || !order.has(stream);
            let Some((stream, position)) = self.backlog.listed.next(may_begin) else { break };
            self.order.enter(&stream);
            chosen.push((position, stream));
        }
        if chosen.is_empty() {
            return Ok(());
        }
        let positions: Vec<WorkPosition> = chosen.iter().map(|(position, _)| *position).collect();
        let items = loop {
            match self.shared.queue.take_chosen(&self.lease, &positions).await {
                Ok(items) => break items,
                Err(error) => self.wait_out(error).await?,
            }
        };
        if items.len() < chosen.len() {
            // The queue is paused, or was restored to an older state.
            chosen.retain(|(position, _)| items.iter().all(|item| item.position != *position));
            chosen.iter().for_each(|(_, stream)| self.order.leave(stream));
            self.backlog.forget();
        }
        self.taken(items).await;
        Ok(())
    }

    async fn taken(&mut self, mut items: Vec<WorkItem>) {
        if !items.is_empty() {
            self.pause.note_taken();
            self.overflow.mark_dropped(&mut items).await;
            self.waiting.extend(items);
        }
    }
}
