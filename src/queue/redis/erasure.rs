//! Erasing in Redis.
//!
//! Entries of a Redis stream cannot be changed. So the stream's hash has the erased ranges
//! (`erased_ranges`): whoever reads an entry in them reads a tombstone. The hash `erasing` of the
//! partition has what is yet to be done.

use async_trait::async_trait;
use redis::Value;

use super::keys::{ERASURES, Keys};
use super::lease::fence;
use super::output::{output_entries, parse_ranges};
use super::scripts::Call;
use super::work::range_after;
use super::{RedisQueue, reply};
use crate::domain::{OutputBody, Sequence, SequenceRange, SequenceSet, StreamId, Timestamp};
use crate::queue::{ERASED_AT_ONCE, Erasure, Error, Lease, MAX_ERASED_RANGES, Result, WorkPosition};

/// The number of waiting frames in one read of a search.
const WAITING_PAGE: usize = 1_000;

impl RedisQueue {
    /// Stores an erasure; returns false if the stream was changed in between.
    async fn try_erase(&self, stream: &StreamId, range: SequenceRange) -> Result<bool> {
        let keys = self.keys(stream);
        let mut read = redis::pipe();
        read.cmd("HMGET").arg(keys.stream(stream));
        read.arg("removed").arg("seq").arg("erased_ranges").arg("oldest");
        read.cmd("HGET").arg(keys.erasing()).arg(stream.as_str());
        let mut answers = self.all(&self.control, &read).await?.into_iter();
        let mut fields = reply::array(answers.next().unwrap_or(Value::Nil))?.into_iter();
        let mut field = || reply::text(fields.next().unwrap_or(Value::Nil));
        if field()?.as_deref() != Some("0") {
            return Err(Error::StreamNotFound(stream.clone()));
        }
        let accepted: u64 = field()?.map_or(Ok(0), |text| reply::parse(&text))?;
        let (before, oldest) = (field()?.unwrap_or_default(), field()?);
        let pending = reply::text(answers.next().unwrap_or(Value::Nil))?;
        let Some(range) = range.up_to(accepted) else { return Ok(true) };
        let mut erased = parse_ranges(&before)?;
        let fresh = SequenceSet::from(range).without(&erased);
        if fresh.is_empty() {
            return Ok(true);
        }
        if pending.is_none() {
            erased.forget_below(oldest.map_or(Ok(0), |text| reply::parse(&text))?);
        }
        erased.insert(range.first().get(), range.last().get());
        if erased.range_count() > MAX_ERASED_RANGES {
            return Err(Error::TooManyErasedRanges { limit: MAX_ERASED_RANGES });
        }
        let mut left = parse_ranges(pending.as_deref().unwrap_or_default())?;
        left.extend(&fresh);
        let mut call = Call::default();
        call.key(keys.stream(stream)).key(keys.erasing());
        call.arg(stream.as_str()).arg(before).arg(erased.to_string());
        call.arg(pending.unwrap_or_else(|| "none".to_owned())).arg(left.to_string());
        match self.scripts.erase.run(&self.control, &call).await? {
            Value::Int(1) => Ok(true),
            Value::Int(0) => Ok(false),
            _ => Err(Error::StreamNotFound(stream.clone())),
        }
    }

    /// Erases the oldest entries of what is left of a stream.
    async fn erase_entries(&self, lease: &Lease, stream: &StreamId, pending: &str) -> Result<()> {
        let keys = Keys(lease.partition);
        let mut left = parse_ranges(pending)?;
        let Some((from, to)) = left.first_range() else { return Ok(()) };
        let mut read = redis::cmd("XRANGE");
        read.arg(keys.output(stream)).arg(format!("{from}-0")).arg(format!("{to}-0"));
        read.arg("COUNT").arg(ERASED_AT_ONCE);
        let page = self.reader(lease.partition).command(&read).await?;
        let entries = output_entries(lease.partition, stream, page, &SequenceSet::default())?;
        let done = match entries.last() {
            Some(last) if entries.len() == ERASED_AT_ONCE => last.sequence.get(),
            Some(_) | None => to,
        };
        left.remove(from, done);
        let (mut processed, mut failed, mut bytes) = (0, 0, 0);
        let mut call = Call::default();
        call.key(keys.lease()).key(keys.erasing()).key(keys.stream(stream)).key(keys.output(stream));
        call.key(keys.counts());
        for entry in entries.iter().filter(|entry| entry.erased().is_some()) {
            match entry.body {
                OutputBody::Frame(_) => processed += 1,
                OutputBody::Tombstone(_) => failed += 1,
            }
            for payload in entry.body.payloads() {
                bytes += payload.size_bytes;
                call.key(keys.payload(payload.key));
            }
        }
        let first = entries.first().map(|entry| entry.sequence.to_string()).unwrap_or_default();
        call.arg(fence(lease)).arg(stream.as_str()).arg(pending).arg(left.to_string()).arg(first);
        call.number(processed).number(failed).number(bytes);
        match self.scripts.erase_step.run(&self.control, &call).await? {
            Value::Nil => Err(Error::LeaseLost),
            // If the stream is not as it was read, the next step reads it again.
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Erasure for RedisQueue {
    async fn erase(&self, stream: &StreamId, range: SequenceRange) -> Result<()> {
        while !self.try_erase(stream, range).await? {}
        Ok(())
    }

    async fn is_erasing(&self, stream: &StreamId) -> Result<bool> {
        let mut read = redis::cmd("HEXISTS");
        read.arg(self.keys(stream).erasing()).arg(stream.as_str());
        Ok(reply::number(self.control.command(&read).await?)? == 1)
    }

    async fn erase_step(&self, lease: &Lease) -> Result<bool> {
        let keys = Keys(lease.partition);
        let mut pick = redis::cmd("HRANDFIELD");
        pick.arg(keys.erasing());
        let Some(id) = reply::text(self.control.command(&pick).await?)? else { return Ok(false) };
        let mut read = redis::cmd("HGET");
        read.arg(keys.erasing()).arg(&id);
        // Another holder may have completed it in the meantime: the script would tell.
        let Some(pending) = reply::text(self.control.command(&read).await?)? else { return Ok(true) };
        let stream: StreamId = id.parse().map_err(|error| Error::Corrupt(format!("{error}")))?;
        if !pending.is_empty() {
            self.erase_entries(lease, &stream, &pending).await?;
            return Ok(true);
        }
        self.remove_old_letters(lease).await?;
        let mut call = Call::default();
        call.key(keys.lease()).key(keys.erasing()).arg(fence(lease)).arg(id);
        match self.scripts.erase_done.run(&self.control, &call).await? {
            Value::Nil => return Err(Error::LeaseLost),
            Value::Int(1) => self.note_erasure().await?,
            _ => {}
        }
        Ok(true)
    }

    async fn note_erasure(&self) -> Result<()> {
        let mut count = redis::cmd("INCR");
        count.arg(ERASURES);
        self.control.command(&count).await.map(drop)
    }

    async fn erasures(&self) -> Result<u64> {
        let mut read = redis::cmd("GET");
        read.arg(ERASURES);
        reply::number(self.control.command(&read).await?)
    }

    async fn first_waiting_at(&self, stream: &StreamId, time: Timestamp) -> Result<Option<Sequence>> {
        let partition = self.config.partitions.of(stream);
        let mut after = WorkPosition::default();
        loop {
            let mut read = redis::cmd("XRANGE");
            read.arg(Keys(partition).work()).arg(range_after(after)).arg("+");
            read.arg("COUNT").arg(WAITING_PAGE);
            let page = reply::entries(self.reader(partition).command(&read).await?)?;
            for ((a, b), fields) in &page {
                if fields.text("s")? == stream.as_str() && fields.time("t")? >= time {
                    return Ok(Some(fields.sequence("q")?));
                }
                after = WorkPosition(*a, *b);
            }
            if page.len() < WAITING_PAGE {
                return Ok(None);
            }
        }
    }
}
