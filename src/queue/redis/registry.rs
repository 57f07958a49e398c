//! Streams and their settings. A stream's state is stored in its partition, so that accept and
//! unregister cannot race.

use redis::Value;

use super::conn::refused;
use super::scripts::Call;
use super::{FEED_ENTRIES, RedisQueue, entry, reply};
use crate::domain::{
    Etag, PartitionId, StreamCounters, StreamId, StreamPolicies, StreamRecord, StreamSettings,
};
use crate::queue::{Created, Error, ListStreams, Result, UNREGISTERED, Unregistered, remembered_settings};

/// The answer of a registry script.
enum Reply {
    Done(Vec<u64>),
    Exists,
    Unknown,
    Mismatch(Etag),
    Again,
}

fn answer(value: Value) -> Result<Reply> {
    let mut parts = reply::array(value)?.into_iter();
    let word = reply::text(parts.next().unwrap_or(Value::Nil))?.unwrap_or_default();
    let numbers: Vec<u64> = parts.map(reply::number).collect::<Result<_>>()?;
    match word.as_str() {
        "ok" => Ok(Reply::Done(numbers)),
        "exists" => Ok(Reply::Exists),
        "unknown" => Ok(Reply::Unknown),
        "mismatch" => match numbers[..] {
            [incarnation, version] => Ok(Reply::Mismatch(Etag { incarnation, version })),
            _ => Err(Error::Corrupt("a registry script answered an incomplete etag".to_owned())),
        },
        "again" => Ok(Reply::Again),
        other => Err(Error::Corrupt(format!("registry answered {other:?}"))),
    }
}

impl RedisQueue {
    pub(super) async fn register(
        &self,
        id: &StreamId,
        settings: &StreamSettings,
    ) -> Result<Created<StreamRecord>> {
        self.mend_layout(self.config.partitions.of(id)).await?;
        loop {
            match self.register_new(id, settings).await {
                Err(Error::StreamExists(_)) => {}
                registered => return registered.map(|record| Created { record, is_new: true }),
            }
            // The record that is compared is the one that is returned.
            match self.records(std::slice::from_ref(id)).await?.pop().flatten() {
                Some(record) if !record.removed && record.settings.has_same_settings(settings) => {
                    return Ok(Created { record, is_new: false });
                }
                Some(record) if !record.removed => return Err(Error::StreamExists(id.clone())),
                // It was unregistered in the meantime.
                Some(_) | None => {}
            }
        }
    }

    /// Registers a stream that is not registered yet.
    async fn register_new(&self, id: &StreamId, settings: &StreamSettings) -> Result<StreamRecord> {
        // Soft limits: streams registered at the same moment may exceed them by a few.
        let (streams, bytes) = self.registry_size().await?;
        let over = if streams >= self.config.max_streams as u64 {
            Some(Error::TooManyStreams { limit: self.config.max_streams })
        } else {
            self.check_settings(bytes, 0, settings).err()
        };
        if let Some(over) = over {
            return Err(match self.records(std::slice::from_ref(id)).await?.pop().flatten() {
                Some(record) if !record.removed => Error::StreamExists(id.clone()),
                Some(_) | None => over,
            });
        }
        self.write_settings(id, settings, None).await
    }

    pub(super) async fn update(
        &self,
        id: &StreamId,
        settings: &StreamSettings,
        expected: Etag,
    ) -> Result<StreamRecord> {
        let mut length = redis::cmd("HSTRLEN");
        length.arg(self.keys(id).stream(id)).arg("settings");
        let before = reply::number(self.control.command(&length).await?)?;
        self.check_settings(self.registry_size().await?.1, before, settings)?;
        self.write_settings(id, settings, Some(expected)).await
    }

    /// Refuses settings that take more bytes than the stored ones (`before`), if all settings
    /// together would then exceed their limit.
    fn check_settings(&self, all_bytes: u64, before: u64, settings: &StreamSettings) -> Result<()> {
        let limit_bytes = self.config.budget.settings_bytes();
        let bytes = entry::encode_settings(settings).len() as u64;
        if bytes > before && all_bytes.saturating_sub(before) + bytes > limit_bytes {
            return Err(Error::TooManySettings { limit_bytes });
        }
        Ok(())
    }

    async fn write_settings(
        &self,
        id: &StreamId,
        settings: &StreamSettings,
        expected: Option<Etag>,
    ) -> Result<StreamRecord> {
        let keys = self.keys(id);
        let queue = &settings.queue;
        let said = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let mut call = Call::default();
        call.key(keys.stream(id)).key(keys.streams()).key(keys.gone()).key(keys.feed()).key(keys.counts());
        call.key(keys.removed());
        self.wake(&mut call, keys.feed());
        call.arg(id.as_str())
            .arg(entry::encode_settings(settings))
            .arg(expected.map(|etag| etag.to_string()).unwrap_or_default())
            .arg(said(queue.max_frames))
            .arg(said(queue.max_bytes))
            .arg(said(queue.drop_oldest.map(u64::from)))
            .number(FEED_ENTRIES)
            .number(Etag::new_incarnation());
        match answer(self.scripts.register.run(&self.control, &call).await?)? {
            Reply::Done(_) => {}
            Reply::Exists => return Err(Error::StreamExists(id.clone())),
            Reply::Unknown => return Err(Error::StreamNotFound(id.clone())),
            Reply::Mismatch(current) => return Err(Error::EtagMismatch { current }),
            Reply::Again => return Err(Error::Corrupt("the register script answered `again`".to_owned())),
        }
        let record = self.records(std::slice::from_ref(id)).await?.pop().flatten();
        record.ok_or_else(|| Error::StreamNotFound(id.clone()))
    }

    pub(super) async fn unregister(&self, id: &StreamId, expected: Option<Etag>) -> Result<Unregistered> {
        let keys = self.keys(id);
        let removed = loop {
            let mut read = redis::pipe();
            read.cmd("SMEMBERS").arg(keys.publishers(id));
            read.cmd("HMGET").arg(keys.stream(id)).arg("settings").arg("revision");
            let mut answers = self.all(&self.control, &read).await?.into_iter();
            let mut next = || reply::array(answers.next().unwrap_or(Value::Nil));
            let (publishers, mut record) = (next()?, next()?.into_iter());
            let mut field = || reply::bytes(record.next().unwrap_or(Value::Nil));
            let Some(settings) = field()? else { return Err(Error::StreamNotFound(id.clone())) };
            let revision = field()?.unwrap_or_default();
            let left = remembered_settings(&entry::decode_settings(&settings)?);
            let mut call = Call::default();
            call.key(keys.stream(id)).key(keys.streams()).key(keys.gone()).key(keys.feed());
            call.key(keys.counts()).key(keys.publishers(id)).key(keys.output(id)).key(keys.old_outputs());
            call.key(keys.old_output(rand::random())).key(keys.work()).key(keys.purge());
            self.wake(&mut call, keys.feed());
            for publisher in publishers {
                let publisher = reply::text(publisher)?.unwrap_or_default();
                let publisher = publisher.parse().map_err(|e| Error::Corrupt(format!("{e}")))?;
                call.key(keys.dedup(id, &publisher));
            }
            call.arg(id.as_str())
                .arg(expected.map(|etag| etag.to_string()).unwrap_or_default())
                .arg(revision.to_vec())
                .number(FEED_ENTRIES)
                .arg(entry::encode_settings(&left))
                .arg(UNREGISTERED);
            match answer(self.scripts.unregister.run(&self.control, &call).await?)? {
                Reply::Done(numbers) => match numbers[..] {
                    [last_sequence, queued_frames, output_frames, dead_letters] => {
                        break Unregistered { last_sequence, queued_frames, output_frames, dead_letters };
                    }
                    _ => {
                        return Err(Error::Corrupt(
                            "the unregister script answered a wrong number of values".to_owned(),
                        ));
                    }
                },
                Reply::Unknown | Reply::Exists => return Err(Error::StreamNotFound(id.clone())),
                Reply::Mismatch(current) => return Err(Error::EtagMismatch { current }),
                // A new publisher or an update came in between: try again. New publishers cannot
                // prevent that for ever, since their number is limited.
                Reply::Again => {}
            }
        };
        // It is unregistered, even if this fails: the lease holder repeats it later.
        if let Err(error) = self.forget_stream(keys, id).await {
            tracing::debug!(stream = %id, %error, "cannot clear an unregistered stream's record yet");
        }
        Ok(removed)
    }

    /// Counts the registered streams and the bytes of their settings.
    async fn registry_size(&self) -> Result<(u64, u64)> {
        let mut pipe = redis::pipe();
        for partition in self.config.partitions.all() {
            let keys = self.names.keys(partition);
            pipe.cmd("ZCARD").arg(keys.streams()).cmd("HGET").arg(keys.counts()).arg("settings_bytes");
        }
        let mut answers = self.control.run(&pipe).await?.into_iter();
        let mut size = (0, 0);
        while let (Some(streams), Some(bytes)) = (answers.next(), answers.next()) {
            let (streams, bytes) = match (streams, bytes) {
                (Ok(streams), Ok(bytes)) => (streams, bytes),
                // The limits are soft: what a server of a cluster has does not count while it is away.
                (Err(_), _) | (_, Err(_)) if self.control.is_clustered() => continue,
                (streams, bytes) => (streams.map_err(refused)?, bytes.map_err(refused)?),
            };
            size.0 += reply::number(streams)?;
            // The counter may have fallen below 0 in a store that an older version wrote to.
            size.1 += reply::number(bytes).unwrap_or(0);
        }
        Ok(size)
    }

    pub(super) async fn records(&self, ids: &[StreamId]) -> Result<Vec<Option<StreamRecord>>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for id in ids {
            let keys = self.keys(id);
            pipe.cmd("HGETALL").arg(keys.stream(id)).cmd("XLEN").arg(keys.output(id));
        }
        let mut answers = self.all(&self.control, &pipe).await?.into_iter();
        ids.iter()
            .map(|id| {
                let fields = reply::Fields::read(answers.next().unwrap_or(Value::Nil))?;
                let length = reply::number(answers.next().unwrap_or(Value::Nil))?;
                record(id, &fields, length, &self.config.defaults)
            })
            .collect()
    }

    pub(super) async fn list(&self, query: &ListStreams) -> Result<Vec<StreamRecord>> {
        let mut found = Vec::new();
        let mut after = query.after.clone();
        // Streams that are unregistered in the meantime are skipped and replaced by further ones,
        // since a page that is not full is taken as the last.
        loop {
            let ids = self.ids_after(after.as_ref(), query.limit).await?;
            let records = self.records(&ids).await?;
            found.extend(records.into_iter().flatten().filter(|record| !record.removed));
            match ids.last() {
                Some(last) if ids.len() >= query.limit && found.len() < query.limit => {
                    after = Some(last.clone());
                }
                Some(_) | None => break,
            }
        }
        found.truncate(query.limit);
        Ok(found)
    }

    /// Lists the ids of the registered streams after one, at most `limit`.
    async fn ids_after(&self, after: Option<&StreamId>, limit: usize) -> Result<Vec<StreamId>> {
        let from = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        let mut pipe = redis::pipe();
        for partition in self.config.partitions.all() {
            pipe.cmd("ZRANGE").arg(self.names.keys(partition).streams()).arg(&from).arg("+").arg("BYLEX");
            pipe.arg("LIMIT").arg(0).arg(limit);
        }
        let mut ids = Vec::new();
        for page in self.all(&self.control, &pipe).await? {
            ids.extend(stream_ids(page)?);
        }
        ids.sort_unstable();
        ids.truncate(limit);
        Ok(ids)
    }

    pub(super) async fn records_of(&self, partition: PartitionId) -> Result<Vec<StreamRecord>> {
        let keys = self.names.keys(partition);
        let mut pipe = redis::pipe();
        pipe.cmd("ZRANGE").arg(keys.streams()).arg(0).arg(-1).cmd("SMEMBERS").arg(keys.gone());
        let mut ids = Vec::new();
        for page in self.all(&self.control, &pipe).await? {
            ids.extend(stream_ids(page)?);
        }
        Ok(self.records(&ids).await?.into_iter().flatten().collect())
    }
}

fn stream_ids(value: Value) -> Result<Vec<StreamId>> {
    reply::array(value)?
        .into_iter()
        .map(|id| {
            let id = reply::text(id)?.unwrap_or_default();
            id.parse().map_err(|error| Error::Corrupt(format!("{error}")))
        })
        .collect()
}

/// Reads a stream's record from its hash; `defaults` complete its policies.
pub(super) fn record(
    id: &StreamId,
    fields: &reply::Fields,
    output_frames: u64,
    defaults: &StreamPolicies,
) -> Result<Option<StreamRecord>> {
    if fields.is_empty() {
        return Ok(None);
    }
    let settings = entry::decode_settings(&fields.bytes("settings"))?;
    Ok(Some(StreamRecord {
        id: id.clone(),
        effective: settings.effective(defaults),
        settings,
        incarnation: fields.number("incarnation")?,
        revision: fields.number("revision")?,
        create_time: reply::moment(fields.number("created")?),
        update_time: reply::moment(fields.number("updated")?),
        removed: fields.text("removed")? != "0",
        counters: counters(fields, output_frames)?,
    }))
}

fn counters(fields: &reply::Fields, output_frames: u64) -> Result<StreamCounters> {
    let (accepted, finished) = (fields.number("seq")?, fields.number("fin")?);
    let floor = fields.number("floor")?;
    let published = finished.max(floor);
    let (leapt, published_leapt) = (fields.number("leapt")?, fields.number("fin_leapt")?);
    Ok(StreamCounters {
        accepted_sequence: accepted,
        published_sequence: published,
        oldest_sequence: if output_frames == 0 { published + 1 } else { fields.number("oldest")? },
        accepted_frames: accepted.saturating_sub(leapt),
        queued_frames: accepted
            .saturating_sub(leapt)
            .saturating_sub(finished.saturating_sub(published_leapt)),
        queued_bytes: fields.number("queued_bytes")?,
        output_frames,
        output_bytes: fields.stored_bytes("output_bytes")?,
        trimmed_frames: fields.number("trimmed")?,
        trimmed_until: Some(fields.number("trimmed_until")?).filter(|&micros| micros > 0).map(reply::moment),
        failed_frames: fields.number("failed")?,
        dropped_frames: fields.number("dropped")?,
        purged_frames: fields.number("purged")?,
        erased_frames: fields.number("erased")?,
        removed_frames: fields.number("deleted")?,
        floor_sequence: floor,
        accepted_bytes: fields.number("accepted_bytes")?,
        published_bytes: fields.number("published_bytes")?,
        failed_in_row: fields.number("failing")?,
        over_budget_frames: fields.number("over_budget")?,
        over_budget_in_row: fields.number("over_budget_in_row")?,
        duplicate_frames: fields.number("duplicates")?,
        last_receive_time: match fields.number("received")? {
            0 => None,
            micros => Some(reply::moment(micros)),
        },
    })
}
