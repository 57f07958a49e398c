//! The consumer groups of a server.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::cache::GroupCache;
use crate::domain::{GroupId, GroupRecord, Sequence, StreamId};
use crate::hub::Hub;
use crate::hub::event::GapReason;
use crate::queue::{self, Queue, RemovedStream};
use crate::shutdown::Tasks;

/// The consumer groups of one server.
#[derive(Debug)]
pub struct Consumers {
    pub(super) hub: Arc<Hub>,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) tasks: Tasks,
    caches: Mutex<HashMap<GroupId, Weak<GroupCache>>>,
    ack_key: OnceCell<[u8; 32]>,
}

impl Consumers {
    /// Creates the groups of a hub; the calls of members run as `tasks`.
    #[must_use]
    pub fn new(hub: Arc<Hub>, tasks: Tasks) -> Arc<Self> {
        let queue = Arc::clone(&hub.queue);
        Arc::new(Self { hub, queue, tasks, caches: Mutex::default(), ack_key: OnceCell::new() })
    }

    /// Makes the members of a group on this server look for frames at once. Call it after a change
    /// of the group.
    pub fn notify_members(&self, group: &GroupId) {
        if let Some(cache) = self.caches.lock().get(group).and_then(Weak::upgrade) {
            cache.notify_members();
        }
    }

    /// Returns the key that signs ack ids.
    ///
    /// # Errors
    /// Returns the errors of the queue.
    pub async fn ack_key(&self) -> queue::Result<[u8; 32]> {
        self.ack_key.get_or_try_init(|| self.queue.ack_key()).await.copied()
    }

    /// Notes streams that were unregistered without any member of the group noticing it. The frames
    /// that the group had not reached are reported to the member that claims next. Positions in
    /// streams that the store has forgotten are removed.
    ///
    /// # Errors
    /// Returns the errors of the queue.
    pub async fn note_removed(&self, group: &GroupId, streams: &[(StreamId, Sequence)]) -> queue::Result<()> {
        let ids: Vec<StreamId> = streams.iter().map(|(id, _)| id.clone()).collect();
        let found = self.queue.get_streams(&ids).await?;
        let mut gone = Vec::new();
        for ((stream_id, next), record) in streams.iter().zip(found) {
            let last = match record {
                None => None,
                Some(record) if record.removed && next.get() <= record.counters.floor_sequence => {
                    Some(record.counters.floor_sequence)
                }
                Some(_) => continue,
            };
            gone.push(RemovedStream { stream_id: stream_id.clone(), last, continues: last.is_some() });
        }
        if gone.is_empty() {
            return Ok(());
        }
        self.queue.drop_group_streams(group, &gone, GapReason::Unregistered.code()).await
    }

    pub(super) fn cache(&self, record: &GroupRecord) -> Arc<GroupCache> {
        let mut caches = self.caches.lock();
        caches.retain(|_, cache| cache.strong_count() > 0);
        if let Some(cache) = caches.get(&record.id).and_then(Weak::upgrade) {
            return cache;
        }
        let cache = Arc::new(GroupCache::new(record.clone()));
        caches.insert(record.id.clone(), Arc::downgrade(&cache));
        cache
    }
}
