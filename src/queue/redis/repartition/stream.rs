use std::collections::BTreeMap;

use redis::Value;

use super::copy::{PAGE, add_entry, read_entries};
use super::ends::Ends;
use super::error::Moved;
use super::plan::Plan;
use super::progress::Progress;
use crate::domain::{PartitionId, PublisherId, StreamId};
use crate::queue::redis::{RedisQueue, entry, reply};
use crate::queue::{Error, Result};

/// The list of a partition that contains a stream.
#[derive(Debug, Clone, Copy)]
pub(super) enum Listed {
    /// It is registered.
    Registered,
    /// It was unregistered, and is not cleaned up yet.
    Gone,
    /// Only its last sequence is left: this one.
    Removed(f64),
}

/// Returns all streams that a partition knows, in order.
pub(super) async fn streams_of(
    queue: &RedisQueue,
    partition: PartitionId,
) -> Result<BTreeMap<StreamId, Listed>> {
    let keys = queue.names.keys(partition);
    let mut read = redis::pipe();
    read.cmd("ZRANGE").arg(keys.streams()).arg(0).arg(-1);
    read.cmd("SMEMBERS").arg(keys.gone());
    read.cmd("ZRANGE").arg(keys.removed()).arg(0).arg(-1).arg("WITHSCORES");
    let mut answers = queue.all(&queue.control, &read).await?.into_iter();
    let mut next = || answers.next().unwrap_or(Value::Nil);
    let id = |text: String| text.parse::<StreamId>().map_err(|error| Error::Corrupt(format!("{error}")));
    let mut streams = BTreeMap::new();
    for listed in [Listed::Registered, Listed::Gone] {
        for name in reply::array(next())? {
            streams.insert(id(reply::text(name)?.unwrap_or_default())?, listed);
        }
    }
    for (name, last) in crate::queue::redis::group_reply::scores(next())? {
        streams.insert(id(name)?, Listed::Removed(last));
    }
    Ok(streams)
}

impl Ends {
    /// Copies the streams of a partition of the source that are not copied yet.
    pub(super) async fn copy_streams(
        &self,
        partition: PartitionId,
        plan: &Plan,
        progress: &mut Progress,
    ) -> Moved<()> {
        for (id, listed) in streams_of(&self.source, partition).await? {
            if !progress.has_stream(partition, &id) {
                self.copy_stream(&id, listed, plan).await?;
                progress.stream_done(self, partition, &id).await?;
            }
        }
        Ok(())
    }

    /// Copies a stream: its record, its publishers, its output with the pictures, and what is yet to
    /// be done with its frames.
    async fn copy_stream(&self, id: &StreamId, listed: Listed, plan: &Plan) -> Result<()> {
        let (from, to) = (self.source.keys(id), self.target.keys(id));
        self.remove(&[to.stream(id), to.publishers(id), to.output(id)]).await?;
        self.copy_hash(&from.stream(id), &to.stream(id)).await?;
        self.copy_publishers(id).await?;
        self.copy_output(id).await?;

        let mut read = redis::pipe();
        read.cmd("HGET").arg(from.stream(id)).arg("epoch");
        read.cmd("HGET").arg(from.purge()).arg(id.as_str());
        read.cmd("HGET").arg(from.erasing()).arg(id.as_str());
        let mut answers = self.source.all(&self.source.control, &read).await?.into_iter();
        let mut next = || reply::text(answers.next().unwrap_or(Value::Nil));
        let mut write = redis::pipe();
        let epoch = next()?.map_or(Ok(0), |epoch| reply::parse(&epoch))?;
        if let Some(epoch) = plan.epoch_of_stream(from.partition(), to.partition(), epoch) {
            write.cmd("HSET").arg(to.stream(id)).arg("epoch").arg(epoch);
        }
        for key in [to.purge(), to.erasing()] {
            if let Some(value) = next()? {
                write.cmd("HSET").arg(key).arg(id.as_str()).arg(value);
            }
        }
        match listed {
            Listed::Registered => write.cmd("ZADD").arg(to.streams()).arg(0).arg(id.as_str()),
            Listed::Gone => write.cmd("SADD").arg(to.gone()).arg(id.as_str()),
            Listed::Removed(last) => {
                write.cmd("ZADD").arg(to.removed()).arg(last.to_string()).arg(id.as_str())
            }
        };
        self.write(&write).await
    }

    async fn copy_publishers(&self, id: &StreamId) -> Result<()> {
        let (from, to) = (self.source.keys(id), self.target.keys(id));
        for name in self.members(&from.publishers(id)).await? {
            let publisher: PublisherId = name.parse().map_err(|error| Error::Corrupt(format!("{error}")))?;
            self.copy_string(&from.dedup(id, &publisher), &to.dedup(id, &publisher)).await?;
            let mut write = redis::pipe();
            write.cmd("SADD").arg(to.publishers(id)).arg(&name);
            self.write(&write).await?;
        }
        Ok(())
    }

    async fn copy_output(&self, id: &StreamId) -> Result<()> {
        let (from, to) = (self.source.keys(id), self.target.keys(id));
        let (from_key, to_key, mut after) = (from.output(id), to.output(id), None);
        loop {
            let entries = read_entries(&self.source, &from_key, after).await?;
            let (mut write, mut payloads) = (redis::pipe(), Vec::new());
            for (at, fields) in &entries {
                payloads.extend(entry::decode_output(&fields.bytes("b"))?.payloads());
                add_entry(&mut write, &to_key, *at, fields);
            }
            self.copy_payloads(from.partition(), to.partition(), &payloads).await?;
            self.write(&write).await?;
            after = entries.last().map(|(at, _)| *at);
            if entries.len() < PAGE {
                return Ok(());
            }
        }
    }
}
