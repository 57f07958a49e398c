//! Erasing in Redis.
//!
//! Entries of a Redis stream cannot be changed. So the stream's hash has the erased ranges
//! (`erased_ranges`): whoever reads an entry in them reads a tombstone. The hash `erasing` of the
//! partition has what is yet to be done.

use std::sync::Arc;

use async_trait::async_trait;
use redis::Value;

use super::dead_letters::redis_id;
use super::lease::fence;
use super::output::{output_entries, parse_ranges};
use super::scripts::Call;
use super::work::range_after;
use super::{RedisQueue, reply};
use crate::domain::{OutputBody, OutputEntry, Sequence, SequenceRange, SequenceSet, StreamId, Timestamp};
use crate::queue::{ERASED_AT_ONCE, Erasure, Error, Lease, MAX_ERASED_RANGES, Result, WorkPosition};

/// Begins the text of what is yet to be erased if that is only dead letters. The id of the last one
/// that was looked at follows.
const LETTERS: &str = "letters ";
/// The number of waiting frames in one read of a search.
const WAITING_PAGE: usize = 1_000;

/// The erasures of a stream, as the store has them.
#[derive(Debug)]
struct Stored {
    accepted: u64,
    oldest: u64,
    /// The erased ranges.
    ranges: String,
    /// The number of erased frames. Each step of an erasure and each frame that is finished as erased
    /// changes it.
    frames: String,
    /// The part that is yet to be erased.
    pending: Option<String>,
}

impl RedisQueue {
    /// Refuses an erasure while a server or worker is present whose version would still send or publish
    /// the pictures.
    async fn check_versions(&self) -> Result<()> {
        let mut old = Vec::new();
        for (kind, present) in [("servers", self.names.servers()), ("workers", self.names.workers())] {
            let mut call = Call::default();
            call.key(present.clone()).key(self.names.erasers(&present));
            let mut answer = reply::array(self.scripts.erasers.run(&self.control, &call).await?)?.into_iter();
            let count = reply::number(answer.next().unwrap_or(Value::Nil))?;
            let names = reply::array(answer.next().unwrap_or(Value::Nil))?.into_iter();
            let names: Vec<_> =
                names.filter_map(|name| reply::text(name).transpose()).collect::<Result<_>>()?;
            if count > 0 {
                old.push(format!("{count} {kind} ({})", names.join(", ")));
            }
        }
        if old.is_empty() { Ok(()) } else { Err(Error::OlderVersions(old.join(" and "))) }
    }

    async fn read_erasures(&self, stream: &StreamId) -> Result<Stored> {
        let keys = self.keys(stream);
        let mut read = redis::pipe();
        read.cmd("HMGET").arg(keys.stream(stream));
        read.arg("removed").arg("seq").arg("oldest").arg("erased_ranges").arg("erased");
        read.cmd("HGET").arg(keys.erasing()).arg(stream.as_str());
        let mut answers = self.all(&self.control, &read).await?.into_iter();
        let mut fields = reply::array(answers.next().unwrap_or(Value::Nil))?.into_iter();
        let mut field = || reply::text(fields.next().unwrap_or(Value::Nil));
        if field()?.as_deref() != Some("0") {
            return Err(Error::StreamNotFound(stream.clone()));
        }
        let number = |text: Option<String>| text.map_or(Ok(0), |text| reply::parse(&text));
        Ok(Stored {
            accepted: number(field()?)?,
            oldest: number(field()?)?,
            ranges: field()?.unwrap_or_default(),
            frames: field()?.unwrap_or_default(),
            pending: reply::text(answers.next().unwrap_or(Value::Nil))?,
        })
    }

    /// Stores the erased ranges of a stream, and further frames that are to be erased; returns false
    /// if the stream is not as it was read.
    async fn store_erasure(
        &self,
        stream: &StreamId,
        stored: Stored,
        erased: &SequenceSet,
        further: &SequenceSet,
    ) -> Result<bool> {
        let keys = self.keys(stream);
        let mut left = match &stored.pending {
            Some(pending) => Pending::parse(pending)?.entries(),
            None => SequenceSet::default(),
        };
        left.extend(further);
        let mut call = Call::default();
        call.key(keys.stream(stream)).key(keys.erasing());
        call.arg(stream.as_str()).arg(stored.ranges).arg(erased.to_string());
        call.arg(stored.pending.unwrap_or_else(|| "none".to_owned()))
            .arg(left.to_string())
            .arg(stored.frames);
        match self.scripts.erase.run(&self.control, &call).await? {
            Value::Int(1) => Ok(true),
            Value::Int(0) => Ok(false),
            _ => Err(Error::StreamNotFound(stream.clone())),
        }
    }

    /// Stores an erasure; returns the part of the range that was erased before, or `None` if the stream
    /// was changed in between.
    async fn try_erase(&self, stream: &StreamId, range: SequenceRange) -> Result<Option<SequenceSet>> {
        let stored = self.read_erasures(stream).await?;
        let Some(range) = range.up_to(stored.accepted) else { return Ok(Some(SequenceSet::default())) };
        let mut erased = parse_ranges(&stored.ranges)?;
        let fresh = SequenceSet::from(range).without(&erased);
        let before = SequenceSet::from(range).without(&fresh);
        if fresh.is_empty() {
            return Ok(Some(before));
        }
        if stored.pending.is_none() {
            erased.forget_below(stored.oldest);
        }
        erased.insert(range.first().get(), range.last().get());
        if erased.range_count() > MAX_ERASED_RANGES {
            return Err(Error::TooManyErasedRanges { limit: MAX_ERASED_RANGES });
        }
        let is_stored = self.store_erasure(stream, stored, &erased, &fresh).await?;
        Ok(is_stored.then_some(before))
    }

    /// Stores again that frames are erased that have pictures although they were erased before: a
    /// worker of an older version published them.
    async fn erase_again(&self, stream: &StreamId, mut before: SequenceSet) -> Result<()> {
        while let Some((from, to)) = before.first_range() {
            let stored = self.read_erasures(stream).await?;
            let entries = self.entries_to_erase(stream, from, to).await?;
            let pending = stored.pending.as_deref().map(Pending::parse).transpose()?;
            let again = self.with_pictures(stream, &entries, pending.as_ref()).await?;
            let erased = parse_ranges(&stored.ranges)?;
            if again.is_empty() || self.store_erasure(stream, stored, &erased, &again).await? {
                before.remove(from, last_of_step(&entries, to));
            }
        }
        Ok(())
    }

    /// Returns the entries that have pictures or a dead letter in the store and are not yet to be
    /// erased.
    async fn with_pictures(
        &self,
        stream: &StreamId,
        entries: &[Arc<OutputEntry>],
        pending: Option<&Pending>,
    ) -> Result<SequenceSet> {
        let keys = self.keys(stream);
        let (mut asked, mut ask) = (Vec::new(), redis::pipe());
        for entry in entries.iter().filter(|entry| entry.erased().is_some()) {
            if pending.is_some_and(|pending| pending.has(entry.sequence)) {
                continue;
            }
            for payload in entry.body.payloads() {
                asked.push(entry.sequence.get());
                ask.cmd("EXISTS").arg(keys.payload(payload.key));
            }
            // While something is yet to be erased, dead letters are as well.
            if let Some(letter) = entry.dead_letter.filter(|_| pending.is_none()) {
                asked.push(entry.sequence.get());
                let id = redis_id(letter);
                ask.cmd("XRANGE").arg(keys.dead()).arg(&id).arg(&id);
            }
        }
        let mut found = SequenceSet::default();
        if asked.is_empty() {
            return Ok(found);
        }
        for (sequence, answer) in asked.into_iter().zip(self.all(&self.control, &ask).await?) {
            let is_there = match answer {
                Value::Array(letters) => !letters.is_empty(),
                count => reply::number(count)? > 0,
            };
            if is_there {
                found.insert(sequence, sequence);
            }
        }
        Ok(found)
    }

    /// Reads the oldest entries of a range, as they were before they were erased: at most as many as
    /// one step erases.
    async fn entries_to_erase(&self, stream: &StreamId, from: u64, to: u64) -> Result<Vec<Arc<OutputEntry>>> {
        let keys = self.keys(stream);
        let mut read = redis::cmd("XRANGE");
        read.arg(keys.output(stream)).arg(format!("{from}-0")).arg(format!("{to}-0"));
        read.arg("COUNT").arg(ERASED_AT_ONCE);
        let page = self.reader(keys.partition()).command(&read).await?;
        output_entries(keys.partition(), stream, page, &SequenceSet::default())
    }

    /// Erases the oldest entries of what is left of a stream.
    async fn erase_entries(
        &self,
        lease: &Lease,
        stream: &StreamId,
        pending: &str,
        mut left: SequenceSet,
    ) -> Result<()> {
        let keys = self.names.keys(lease.partition);
        let Some((from, to)) = left.first_range() else { return Ok(()) };
        let entries = self.entries_to_erase(stream, from, to).await?;
        left.remove(from, last_of_step(&entries, to));
        let (mut processed, mut failed, mut sizes) = (0, 0, Vec::new());
        let mut call = Call::default();
        call.key(keys.lease()).key(keys.erasing()).key(keys.stream(stream)).key(keys.output(stream));
        call.key(keys.counts());
        for entry in entries.iter().filter(|entry| entry.erased().is_some()) {
            match entry.body {
                OutputBody::Frame(_) => processed += 1,
                OutputBody::Tombstone(_) => failed += 1,
            }
            for payload in entry.body.payloads() {
                sizes.push(payload.size_bytes);
                call.key(keys.payload(payload.key));
            }
        }
        let first = entries.first().map(|entry| entry.sequence.to_string()).unwrap_or_default();
        call.arg(fence(lease)).arg(stream.as_str()).arg(pending).arg(left.to_string()).arg(first);
        call.number(processed).number(failed);
        for size in sizes {
            call.number(size);
        }
        match self.scripts.erase_step.run(&self.control, &call).await? {
            Value::Nil => Err(Error::LeaseLost),
            // If the stream is not as it was read, the next step reads it again.
            _ => Ok(()),
        }
    }

    /// Removes the hidden ones of the next dead letters; after the last ones, the erasure is complete.
    async fn erase_letters(&self, lease: &Lease, stream: &StreamId, pending: &str, from: &str) -> Result<()> {
        let keys = self.names.keys(lease.partition);
        let last = self.remove_some_letters(lease, from).await?;
        let left = last.map(|last| format!("{LETTERS}{last}")).unwrap_or_default();
        let mut call = Call::default();
        call.key(keys.lease()).key(keys.erasing());
        call.arg(fence(lease)).arg(stream.as_str()).arg(pending).arg(left);
        match self.scripts.erase_letters.run(&self.control, &call).await? {
            Value::Nil => Err(Error::LeaseLost),
            Value::Int(1) => self.note_erasure().await,
            _ => Ok(()),
        }
    }
}

/// The part of a stream that is yet to be erased, as the hash `erasing` has it.
#[derive(Debug)]
enum Pending {
    /// The frames whose entries still have their pictures.
    Entries(SequenceSet),
    /// Only dead letters; the id from which those of the partition are yet to be looked at.
    Letters(String),
}

impl Pending {
    fn parse(text: &str) -> Result<Self> {
        match text.strip_prefix(LETTERS) {
            Some(last) => Ok(Self::Letters(format!("({last}"))),
            None if text.is_empty() => Ok(Self::Letters("-".to_owned())),
            None => Ok(Self::Entries(parse_ranges(text)?)),
        }
    }

    fn entries(self) -> SequenceSet {
        match self {
            Self::Entries(entries) => entries,
            Self::Letters(_) => SequenceSet::default(),
        }
    }

    fn has(&self, sequence: Sequence) -> bool {
        match self {
            Self::Entries(entries) => entries.contains(sequence),
            Self::Letters(_) => false,
        }
    }
}

/// Returns the sequence up to which a range is done when these entries of it are, the oldest ones.
fn last_of_step(entries: &[Arc<OutputEntry>], to: u64) -> u64 {
    match entries.last() {
        Some(last) if entries.len() == ERASED_AT_ONCE => last.sequence.get(),
        Some(_) | None => to,
    }
}

#[async_trait]
impl Erasure for RedisQueue {
    async fn erase(&self, stream: &StreamId, range: SequenceRange) -> Result<()> {
        self.check_versions().await?;
        let before = loop {
            if let Some(before) = self.try_erase(stream, range).await? {
                break before;
            }
        };
        self.erase_again(stream, before).await
    }

    async fn is_erasing(&self, stream: &StreamId) -> Result<bool> {
        let mut read = redis::cmd("HEXISTS");
        read.arg(self.keys(stream).erasing()).arg(stream.as_str());
        Ok(reply::number(self.control.command(&read).await?)? == 1)
    }

    async fn erase_step(&self, lease: &Lease) -> Result<bool> {
        let keys = self.names.keys(lease.partition);
        let mut pick = redis::cmd("HRANDFIELD");
        pick.arg(keys.erasing());
        let Some(id) = reply::text(self.control.command(&pick).await?)? else { return Ok(false) };
        let mut read = redis::cmd("HGET");
        read.arg(keys.erasing()).arg(&id);
        // Another holder may have completed it in the meantime: the script would tell.
        let Some(pending) = reply::text(self.control.command(&read).await?)? else { return Ok(true) };
        let stream: StreamId = id.parse().map_err(|error| Error::Corrupt(format!("{error}")))?;
        match Pending::parse(&pending)? {
            Pending::Entries(left) => self.erase_entries(lease, &stream, &pending, left).await?,
            Pending::Letters(from) => self.erase_letters(lease, &stream, &pending, &from).await?,
        }
        Ok(true)
    }

    async fn note_erasure(&self) -> Result<()> {
        let mut count = redis::cmd("INCR");
        count.arg(self.names.erasures());
        self.control.command(&count).await.map(drop)
    }

    async fn erasures(&self) -> Result<u64> {
        let mut read = redis::cmd("GET");
        read.arg(self.names.erasures());
        reply::number(self.control.command(&read).await?)
    }

    async fn first_waiting_at(&self, stream: &StreamId, time: Timestamp) -> Result<Option<Sequence>> {
        let partition = self.config.partitions.of(stream);
        let mut after = WorkPosition::default();
        loop {
            let mut read = redis::cmd("XRANGE");
            read.arg(self.names.keys(partition).work()).arg(range_after(after)).arg("+");
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
