//! Streams and their settings. A stream's state lives in its partition, so that accept and unregister cannot race.

use redis::Value;

use super::keys::Keys;
use super::scripts::Call;
use super::status::moment;
use super::{FEED_ENTRIES, RedisQueue, entry, reply};
use crate::domain::{PartitionId, StreamCounters, StreamId, StreamRecord, StreamSettings};
use crate::queue::{Error, ListStreams, Result};

/// What the registry scripts answer.
enum Answer {
    Done,
    Exists,
    Unknown,
    Stale(u64),
    Again,
}

fn answer(value: Value) -> Result<Answer> {
    let mut parts = reply::array(value)?.into_iter();
    let word = reply::text(parts.next().unwrap_or(Value::Nil))?.unwrap_or_default();
    let number = reply::number(parts.next().unwrap_or(Value::Nil))?;
    match word.as_str() {
        "ok" => Ok(Answer::Done),
        "exists" => Ok(Answer::Exists),
        "unknown" => Ok(Answer::Unknown),
        "stale" => Ok(Answer::Stale(number)),
        "again" => Ok(Answer::Again),
        other => Err(Error::Corrupt(format!("registry answered {other:?}"))),
    }
}

impl RedisQueue {
    pub(super) async fn register(&self, id: &StreamId, settings: &StreamSettings) -> Result<StreamRecord> {
        self.mend_layout().await?;
        // A soft limit: streams registered at the same moment may pass it by a few.
        if self.count_streams().await? >= self.config.max_streams as u64 {
            return Err(match self.records(std::slice::from_ref(id)).await?.pop().flatten() {
                Some(record) if !record.removed => Error::StreamExists(id.clone()),
                Some(_) | None => Error::TooManyStreams { limit: self.config.max_streams },
            });
        }
        self.write_settings(id, settings, None).await
    }

    pub(super) async fn update(
        &self,
        id: &StreamId,
        settings: &StreamSettings,
        revision: u64,
    ) -> Result<StreamRecord> {
        self.write_settings(id, settings, Some(revision)).await
    }

    async fn write_settings(
        &self,
        id: &StreamId,
        settings: &StreamSettings,
        expected: Option<u64>,
    ) -> Result<StreamRecord> {
        let keys = self.keys(id);
        let mut call = Call::default();
        call.key(keys.stream(id)).key(keys.streams()).key(keys.gone()).key(keys.feed()).key(keys.counts());
        call.arg(id.as_str())
            .arg(entry::encode_settings(settings))
            .arg(expected.map(|revision| revision.to_string()).unwrap_or_default())
            .number(settings.queue.refusal_frames())
            .number(settings.queue.refusal_bytes())
            .number(FEED_ENTRIES);
        match answer(self.scripts.register.run(&self.control, &call).await?)? {
            Answer::Done => {}
            Answer::Exists => return Err(Error::StreamExists(id.clone())),
            Answer::Unknown => return Err(Error::StreamNotFound(id.clone())),
            Answer::Stale(current) => return Err(Error::RevisionMismatch { current }),
            Answer::Again => return Err(Error::Corrupt("register answered again".to_owned())),
        }
        let record = self.records(std::slice::from_ref(id)).await?.pop().flatten();
        record.ok_or_else(|| Error::StreamNotFound(id.clone()))
    }

    pub(super) async fn unregister(&self, id: &StreamId, expected: Option<u64>) -> Result<()> {
        let keys = self.keys(id);
        loop {
            let mut members = redis::cmd("SMEMBERS");
            members.arg(keys.publishers(id));
            let publishers = reply::array(self.control.command(&members).await?)?;
            let mut call = Call::default();
            call.key(keys.stream(id))
                .key(keys.streams())
                .key(keys.gone())
                .key(keys.feed())
                .key(keys.counts());
            call.key(keys.publishers(id));
            for publisher in publishers {
                let publisher = reply::text(publisher)?.unwrap_or_default();
                let publisher = publisher.parse().map_err(|e| Error::Corrupt(format!("{e}")))?;
                call.key(keys.dedup(id, &publisher));
            }
            call.arg(id.as_str())
                .arg(expected.map(|revision| revision.to_string()).unwrap_or_default())
                .number(FEED_ENTRIES);
            match answer(self.scripts.unregister.run(&self.control, &call).await?)? {
                Answer::Done => return Ok(()),
                Answer::Unknown | Answer::Exists => return Err(Error::StreamNotFound(id.clone())),
                Answer::Stale(current) => return Err(Error::RevisionMismatch { current }),
                // A new publisher came in between; there are only so many.
                Answer::Again => {}
            }
        }
    }

    async fn count_streams(&self) -> Result<u64> {
        let mut pipe = redis::pipe();
        for partition in self.config.partitions.all() {
            pipe.cmd("ZCARD").arg(Keys(partition).streams());
        }
        self.all(&self.control, &pipe).await?.into_iter().map(reply::number).sum()
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
                record(id, &fields, length)
            })
            .collect()
    }

    pub(super) async fn list(&self, query: &ListStreams) -> Result<Vec<StreamRecord>> {
        let from = query.after.as_ref().map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        let mut pipe = redis::pipe();
        for partition in self.config.partitions.all() {
            pipe.cmd("ZRANGE").arg(Keys(partition).streams()).arg(&from).arg("+").arg("BYLEX");
            pipe.arg("LIMIT").arg(0).arg(query.limit);
        }
        let mut ids = Vec::new();
        for page in self.all(&self.control, &pipe).await? {
            ids.extend(stream_ids(page)?);
        }
        ids.sort_unstable();
        ids.truncate(query.limit);
        // One that was unregistered in between is left out.
        let records = self.records(&ids).await?;
        Ok(records.into_iter().flatten().filter(|record| !record.removed).collect())
    }

    pub(super) async fn records_of(&self, partition: PartitionId) -> Result<Vec<StreamRecord>> {
        let keys = Keys(partition);
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

/// A stream's record out of its hash.
pub(super) fn record(
    id: &StreamId,
    fields: &reply::Fields,
    output_frames: u64,
) -> Result<Option<StreamRecord>> {
    if fields.is_empty() {
        return Ok(None);
    }
    Ok(Some(StreamRecord {
        id: id.clone(),
        settings: entry::decode_settings(&fields.bytes("settings"))?,
        revision: fields.number("revision")?,
        create_time: moment(fields.number("created")?),
        update_time: moment(fields.number("updated")?),
        removed: fields.text("removed")? != "0",
        counters: counters(fields, output_frames)?,
    }))
}

fn counters(fields: &reply::Fields, output_frames: u64) -> Result<StreamCounters> {
    let (accepted, published) = (fields.number("seq")?, fields.number("fin")?);
    let (leapt, published_leapt) = (fields.number("leapt")?, fields.number("fin_leapt")?);
    Ok(StreamCounters {
        accepted_sequence: accepted,
        published_sequence: published,
        oldest_sequence: if output_frames == 0 { published + 1 } else { fields.number("oldest")? },
        accepted_frames: accepted.saturating_sub(leapt),
        queued_frames: accepted
            .saturating_sub(leapt)
            .saturating_sub(published.saturating_sub(published_leapt)),
        queued_bytes: fields.number("queued_bytes")?,
        output_frames,
        output_bytes: fields.number("output_bytes")?,
        trimmed_frames: fields.number("trimmed")?,
        trimmed_until: Some(fields.number("trimmed_until")?).filter(|&micros| micros > 0).map(moment),
        failed_frames: fields.number("failed")?,
        dropped_frames: fields.number("dropped")?,
        purged_frames: fields.number("purged")?,
        accepted_bytes: fields.number("accepted_bytes")?,
        published_bytes: fields.number("published_bytes")?,
        failed_in_row: fields.number("failing")?,
        over_budget_frames: fields.number("over_budget")?,
        over_budget_in_row: fields.number("over_budget_in_row")?,
        duplicate_frames: fields.number("duplicates")?,
        last_received_time: match fields.number("received")? {
            0 => None,
            micros => Some(moment(micros)),
        },
    })
}
