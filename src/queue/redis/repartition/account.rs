use std::collections::BTreeMap;

use redis::Value;

use super::copy::{PAGE, read_entries};
use super::ends::Ends;
use super::error::{MoveError, Moved};
use super::merge::stream_of;
use super::stream::streams_of;
use crate::domain::{PartitionId, StreamId, StreamRecord};
use crate::queue::redis::{RedisQueue, entry, reply};
use crate::queue::{PartitionStats, Queue as _, Result};

/// The contents of a store, counted entry by entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Registered streams, and unregistered ones of which something is left.
    pub(crate) streams: u64,
    /// Frames that were ever accepted.
    pub(crate) accepted: u64,
    /// Frames that wait for a worker.
    pub(crate) waiting: u64,
    /// Frames that workers have finished.
    pub(crate) finished: u64,
    /// Kept entries of outputs.
    pub(crate) kept: u64,
    /// Pictures of these entries, of waiting frames and of dead letters.
    pub(crate) pictures: u64,
    /// Bytes of waiting frames, outputs and dead letters.
    pub(crate) bytes: u64,
    /// Dead letters.
    pub(crate) dead_letters: u64,
    /// Consumer groups.
    pub(crate) groups: u64,
}

/// The contents of a stream in a store.
#[derive(Debug, Clone, Default, PartialEq)]
struct OfStream {
    record: Option<StreamRecord>,
    waiting: u64,
    waiting_bytes: u64,
    pictures: u64,
    dead_letters: u64,
    dead_letter_bytes: u64,
}

impl Ends {
    /// Counts both stores, and compares them stream by stream and group by group.
    pub(super) async fn compare(&self) -> Moved<Account> {
        let (before, streams) = count(&self.source).await?;
        let (mut account, copies) = count(&self.target).await?;
        for (id, stream) in &streams {
            if copies.get(id) != Some(stream) {
                return Err(MoveError::Differs(format!("stream {id}")));
            }
        }
        let groups = self.groups().await?;
        for id in &groups {
            let (from, to) = (self.source.names.group(id), self.target.names.group(id));
            for (from, to) in [
                (from.about(), to.about()),
                (from.positions(), to.positions()),
                (from.pending(), to.pending()),
                (from.gaps(), to.gaps()),
                (from.unsent_gaps(), to.unsent_gaps()),
            ] {
                let mut read = redis::cmd("HGETALL");
                read.arg(to);
                let copy = reply::Fields::read(self.target.control.command(&read).await?)?;
                if copy != self.hash(&from).await? {
                    return Err(MoveError::Differs(format!("group {id}")));
                }
            }
        }
        if account != before {
            return Err(MoveError::Differs(format!("{before:?} became {account:?}")));
        }
        account.groups = groups.len() as u64;
        Ok(account)
    }
}

async fn count(queue: &RedisQueue) -> Result<(Account, BTreeMap<StreamId, OfStream>)> {
    let (mut account, mut streams) = (Account::default(), BTreeMap::new());
    for partition in queue.config.partitions.all() {
        let found = count_partition(queue, partition).await?;
        let PartitionStats { depth, accepted, dead_letters, .. } = queue.partition_stats(partition).await?;
        account.accepted += accepted;
        account.finished += accepted.saturating_sub(depth);
        account.dead_letters += dead_letters;
        account.waiting += depth;
        for stream in found.values() {
            let kept = stream.record.as_ref().map(|record| record.counters);
            account.kept += kept.map_or(0, |counters| counters.output_frames);
            account.bytes += kept.map_or(0, |counters| counters.output_bytes);
            account.bytes += stream.waiting_bytes + stream.dead_letter_bytes;
            account.pictures += stream.pictures;
            account.streams += u64::from(stream.record.is_some());
        }
        streams.extend(found);
    }
    Ok((account, streams))
}

async fn count_partition(queue: &RedisQueue, partition: PartitionId) -> Result<BTreeMap<StreamId, OfStream>> {
    let keys = queue.names.keys(partition);
    let mut streams: BTreeMap<StreamId, OfStream> = BTreeMap::new();
    let ids: Vec<StreamId> = streams_of(queue, partition).await?.into_keys().collect();
    for some in ids.chunks(PAGE) {
        for (id, record) in some.iter().zip(queue.records(some).await?) {
            streams.entry(id.clone()).or_default().record = record;
        }
    }
    for id in &ids {
        let (key, mut after) = (keys.output(id), None);
        loop {
            let entries = read_entries(queue, &key, after).await?;
            let mut payloads = Vec::new();
            for (_, fields) in &entries {
                let kept = entry::decode_output(&fields.bytes("b"))?.payloads();
                payloads.extend(kept.into_iter().map(|payload| keys.payload(payload.key)));
            }
            streams.entry(id.clone()).or_default().pictures += existing(queue, &payloads).await?;
            after = entries.last().map(|(at, _)| *at);
            if entries.len() < PAGE {
                break;
            }
        }
    }
    for (key, is_work) in [(keys.work(), true), (keys.dead(), false)] {
        let mut after = None;
        loop {
            let entries = read_entries(queue, &key, after).await?;
            for (_, fields) in &entries {
                let name = fields.text("k")?;
                let payload = crate::queue::redis::dead_entry::payload_key(fields)?;
                let payload = payload.map(|key| keys.payload(key)).filter(|_| !name.is_empty());
                let pictures = existing(queue, payload.as_slice()).await?;
                let stream = streams.entry(stream_of(fields)?).or_default();
                stream.pictures += pictures;
                let bytes = fields.number("n")?;
                if is_work {
                    stream.waiting += 1;
                    stream.waiting_bytes += bytes;
                } else {
                    stream.dead_letters += 1;
                    stream.dead_letter_bytes += bytes;
                }
            }
            after = entries.last().map(|(at, _)| *at);
            if entries.len() < PAGE {
                break;
            }
        }
    }
    Ok(streams)
}

async fn existing(queue: &RedisQueue, keys: &[String]) -> Result<u64> {
    let mut look = redis::pipe();
    for key in keys {
        look.cmd("EXISTS").arg(key);
    }
    if look.is_empty() {
        return Ok(0);
    }
    queue
        .all(&queue.control, &look)
        .await?
        .into_iter()
        .map(|found: Value| reply::number(found))
        .try_fold(0, |sum, one| Ok(sum + one?))
}
