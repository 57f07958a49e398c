//! The state that the members of one group on this server share.

use std::collections::HashMap;

use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::domain::{GroupRecord, Sequence, StreamId};
use crate::queue::{self, Queue};

/// The state that the members of one group on this server share.
#[derive(Debug)]
pub(super) struct GroupCache {
    /// Locked during a claim, so that the members on one server claim one after the other. A slow
    /// client does not hold up other members: its member releases the lock before it sends.
    pub(super) view: Mutex<GroupView>,
    news: watch::Sender<u64>,
}

impl GroupCache {
    pub(super) fn new(record: GroupRecord) -> Self {
        let view =
            GroupView { record, positions: HashMap::new(), stale: true, check_removed_at: Instant::now() };
        Self { view: Mutex::new(view), news: watch::Sender::new(0) }
    }

    pub(super) fn notify_members(&self) {
        self.news.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }
}

/// A group's settings and positions as this server knows them. The store decides: a claim that is
/// based on old knowledge takes nothing and returns the new state.
#[derive(Debug)]
pub(super) struct GroupView {
    pub(super) record: GroupRecord,
    pub(super) positions: HashMap<StreamId, StreamPosition>,
    /// The settings and positions must be read again.
    pub(super) stale: bool,
    /// The time of the next search for positions in streams that were unregistered.
    pub(super) check_removed_at: Instant,
}

/// A group's position in one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StreamPosition {
    pub(super) next: Sequence,
    /// The state of the sampling, as text.
    pub(super) sampler_state: String,
    /// The store has no position in this stream yet.
    pub(super) is_new: bool,
}

impl GroupView {
    /// Reads the settings and positions if they are stale; returns whether they were.
    pub(super) async fn refresh(&mut self, queue: &dyn Queue) -> queue::Result<bool> {
        if !self.stale {
            return Ok(false);
        }
        let state = queue.group_state(&self.record.id).await?;
        let position = |(stream, position): (StreamId, queue::GroupPosition)| {
            let position =
                StreamPosition { next: position.next, sampler_state: position.sampler_state, is_new: false };
            (stream, position)
        };
        self.positions = state.positions.into_iter().map(position).collect();
        self.record = state.record;
        self.stale = false;
        Ok(true)
    }

    /// Notes the position in a stream.
    pub(super) fn note(&mut self, stream: &StreamId, next: Sequence, sampler_state: String) {
        self.positions.insert(stream.clone(), StreamPosition { next, sampler_state, is_new: false });
    }
}
