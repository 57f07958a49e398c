use std::collections::VecDeque;

use super::copy::{PAGE, read_entries};
use crate::domain::{PartitionId, StreamId};
use crate::queue::redis::{RedisQueue, reply};
use crate::queue::{Error, Result};

/// The entries of a Redis stream that some partitions have, in the order of their ids; entries with
/// the same id in the order of their partitions.
pub(super) struct Merged<'a> {
    queue: &'a RedisQueue,
    heads: Vec<Head>,
}

struct Head {
    partition: PartitionId,
    key: String,
    after: Option<(u64, u64)>,
    read: VecDeque<reply::Entry>,
    is_read: bool,
}

impl<'a> Merged<'a> {
    pub(super) fn new(queue: &'a RedisQueue, streams: impl Iterator<Item = (PartitionId, String)>) -> Self {
        let head =
            |(partition, key)| Head { partition, key, after: None, read: VecDeque::new(), is_read: false };
        Self { queue, heads: streams.map(head).collect() }
    }

    /// Returns the next entry and its partition.
    pub(super) async fn next(&mut self) -> Result<Option<(PartitionId, reply::Entry)>> {
        for head in self.heads.iter_mut().filter(|head| head.read.is_empty() && !head.is_read) {
            let entries = read_entries(self.queue, &head.key, head.after).await?;
            head.is_read = entries.len() < PAGE;
            head.after = entries.last().map(|(id, _)| *id).or(head.after);
            head.read = entries.into();
        }
        let first = self.heads.iter_mut().filter(|head| !head.read.is_empty());
        let first = first.min_by_key(|head| (head.read.front().map(|(id, _)| *id), head.partition));
        Ok(first.and_then(|head| Some((head.partition, head.read.pop_front()?))))
    }
}

/// Returns the stream that an entry of a work queue or a dead letter names.
pub(super) fn stream_of(fields: &reply::Fields) -> Result<StreamId> {
    fields.text("s")?.parse().map_err(|error| Error::Corrupt(format!("{error}")))
}
