//! Lists, reads and removes dead letters, which are stored by the scripts that give frames up.

use std::collections::VecDeque;

use async_trait::async_trait;
use redis::Value;

use super::keys::Keys;
use super::lease::fence;
use super::scripts::Call;
use super::{RedisQueue, dead_entry, reply};
use crate::domain::{DeadLetter, DeadLetterId, PartitionId, StreamId};
use crate::queue::{
    DeadLetterOrder, DeadLetterPage, DeadLetterTotals, DeadLetters, Error, Lease, ListDeadLetters,
    ReplayResult, Result, TRIM_DEAD_LETTERS, Trimmed,
};

/// The number of dead letters of one partition in one read of a list.
const PAGE: usize = 64;
/// The maximum number of dead letters that one list reads, so that a filter that selects few does
/// not take long.
const MAX_READ: usize = 5_000;

/// The id of a dead letter in its partition: (microseconds, number), as in Redis.
type EntryId = (u64, u64);

pub(super) fn letter_id(partition: PartitionId, (time, number): EntryId) -> DeadLetterId {
    DeadLetterId { dead_letter_time: reply::moment(time), partition, number }
}

fn entry_id(id: DeadLetterId) -> EntryId {
    (u64::try_from(id.dead_letter_time.as_micros()).unwrap_or(0), id.number)
}

fn before((time, number): EntryId) -> Option<EntryId> {
    match number.checked_sub(1) {
        Some(number) => Some((time, number)),
        None => Some((time.checked_sub(1)?, u64::MAX)),
    }
}

fn text((time, number): EntryId) -> String {
    format!("{time}-{number}")
}

/// Returns the Redis id of a dead letter.
pub(super) fn redis_id(id: DeadLetterId) -> String {
    text(entry_id(id))
}

/// Returns the ids of one partition that a list may read, first and last, both inclusive.
fn range(query: &ListDeadLetters, partition: PartitionId) -> Option<(EntryId, EntryId)> {
    let (mut first, mut last) = ((0, 0), (u64::MAX, u64::MAX));
    if let Some(after) = query.after {
        let (time, number) = entry_id(after);
        // Letters of one moment are ordered by partition.
        match (query.order, partition.cmp(&after.partition)) {
            (DeadLetterOrder::NewestFirst, std::cmp::Ordering::Less) => last = last.min((time, u64::MAX)),
            (DeadLetterOrder::NewestFirst, std::cmp::Ordering::Equal) => {
                last = last.min(before((time, number))?)
            }
            (DeadLetterOrder::NewestFirst, std::cmp::Ordering::Greater) => {
                last = last.min(before((time, 0))?)
            }
            (DeadLetterOrder::OldestFirst, std::cmp::Ordering::Less) => {
                first = first.max((time.saturating_add(1), 0))
            }
            (DeadLetterOrder::OldestFirst, std::cmp::Ordering::Equal) => {
                first = first.max((time, number + 1))
            }
            (DeadLetterOrder::OldestFirst, std::cmp::Ordering::Greater) => first = first.max((time, 0)),
        }
    }
    (first <= last).then_some((first, last))
}

/// One partition's part of a list.
struct Part {
    partition: PartitionId,
    /// The range that is still to be read; `None` = all is read.
    left: Option<(EntryId, EntryId)>,
    read: VecDeque<DeadLetter>,
}

/// Returns the id right before the first dead letter that is still to be read.
fn continue_after(parts: &[Part], order: DeadLetterOrder) -> Option<DeadLetterId> {
    let ahead = parts.iter().filter_map(|part| {
        let left = part.left.map(|(first, last)| match order {
            DeadLetterOrder::NewestFirst => letter_id(part.partition, last),
            DeadLetterOrder::OldestFirst => letter_id(part.partition, first),
        });
        part.read.front().map(|letter| letter.id).or(left)
    });
    Some(match order {
        DeadLetterOrder::NewestFirst => {
            let first = ahead.max()?;
            DeadLetterId { number: first.number.saturating_add(1), ..first }
        }
        DeadLetterOrder::OldestFirst => {
            let first = ahead.min()?;
            DeadLetterId { number: first.number.saturating_sub(1), ..first }
        }
    })
}

impl RedisQueue {
    pub(super) async fn list_letters(&self, query: &ListDeadLetters) -> Result<DeadLetterPage> {
        let of_stream = query.filter.stream.as_ref().map(|stream| self.config.partitions.of(stream));
        let mut parts: Vec<Part> = self
            .config
            .partitions
            .all()
            .filter(|&one| of_stream.is_none_or(|home| home == one))
            .filter(|&one| query.filter.partition.is_none_or(|asked| asked == one))
            .map(|partition| Part { partition, left: range(query, partition), read: VecDeque::new() })
            .collect();
        let (mut page, mut looked_at) = (DeadLetterPage { letters: Vec::new(), next: None }, 0);
        loop {
            // All dead letters of a read may belong to unregistered streams: then none of them may
            // be returned, and the next page is read.
            while parts.iter().any(|part| part.read.is_empty() && part.left.is_some()) {
                if looked_at >= MAX_READ {
                    page.next = continue_after(&parts, query.order);
                    return Ok(page);
                }
                looked_at += self.fill(&mut parts, query.order).await?;
            }
            let heads =
                parts.iter().enumerate().filter_map(|(index, part)| Some((part.read.front()?.id, index)));
            let head = match query.order {
                DeadLetterOrder::NewestFirst => heads.max(),
                DeadLetterOrder::OldestFirst => heads.min(),
            };
            let Some((id, index)) = head else { return Ok(page) };
            if page.letters.len() == query.limit {
                page.next = page.letters.last().map(|letter| letter.id);
                return Ok(page);
            }
            looked_at += 1;
            if let Some(letter) = parts[index].read.pop_front().filter(|letter| query.filter.selects(letter))
            {
                page.letters.push(letter);
            } else if looked_at >= MAX_READ {
                page.next = Some(id);
                return Ok(page);
            }
        }
    }

    /// Reads the next page of each part that has no dead letters in memory and more to read;
    /// returns the number of those read that may not be returned.
    async fn fill(&self, parts: &mut [Part], order: DeadLetterOrder) -> Result<usize> {
        let mut empty: Vec<_> =
            parts.iter_mut().filter(|part| part.read.is_empty() && part.left.is_some()).collect();
        let mut unreadable = 0;
        if empty.is_empty() {
            return Ok(unreadable);
        }
        let mut ranges = redis::pipe();
        for part in &empty {
            let (first, last) = part.left.unwrap_or_default();
            let (name, from, to) = match order {
                DeadLetterOrder::NewestFirst => ("XREVRANGE", last, first),
                DeadLetterOrder::OldestFirst => ("XRANGE", first, last),
            };
            ranges
                .cmd(name)
                .arg(self.names.keys(part.partition).dead())
                .arg(text(from))
                .arg(text(to))
                .arg("COUNT")
                .arg(PAGE);
        }
        let answers = self.all(&self.control, &ranges).await?;
        let mut replays = redis::pipe();
        for (part, answer) in empty.iter_mut().zip(answers) {
            let entries = reply::entries(answer)?;
            part.left = match (entries.last(), part.left) {
                (Some((at, _)), Some((first, last))) if entries.len() == PAGE => match order {
                    DeadLetterOrder::NewestFirst => {
                        before(*at).filter(|at| first <= *at).map(|at| (first, at))
                    }
                    DeadLetterOrder::OldestFirst => {
                        Some((at.0, at.1 + 1)).filter(|at| *at <= last).map(|at| (at, last))
                    }
                },
                _ => None,
            };
            let letters = entries
                .into_iter()
                .map(|(at, fields)| dead_entry::decode(letter_id(part.partition, at), &fields));
            let letters: Vec<DeadLetter> = letters.collect::<Result<_>>()?;
            let floors = self.floors(letters.iter().map(|letter| &letter.frame)).await?;
            let read = letters.len();
            part.read = letters.into_iter().filter(|letter| floors.admit(&letter.frame)).collect();
            unreadable += read - part.read.len();
            if !part.read.is_empty() {
                replays.cmd("HMGET").arg(self.names.keys(part.partition).dead_replays());
                for letter in &part.read {
                    replays.arg(redis_id(letter.id));
                }
            }
        }
        if replays.is_empty() {
            return Ok(unreadable);
        }
        let answers = self.all(&self.control, &replays).await?;
        for (part, marks) in empty.iter_mut().filter(|part| !part.read.is_empty()).zip(answers) {
            for (letter, mark) in part.read.iter_mut().zip(reply::array(marks)?) {
                letter.replay = dead_entry::replay(mark)?;
            }
        }
        Ok(unreadable)
    }

    pub(super) async fn letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>> {
        let keys = self.names.keys(id.partition);
        let mut pipe = redis::pipe();
        pipe.cmd("XRANGE").arg(keys.dead()).arg(redis_id(id)).arg(redis_id(id));
        pipe.cmd("HGET").arg(keys.dead_replays()).arg(redis_id(id));
        let mut answers = self.all(&self.control, &pipe).await?.into_iter();
        let Some((_, fields)) = reply::entries(answers.next().unwrap_or(Value::Nil))?.pop() else {
            return Ok(None);
        };
        let replay = dead_entry::replay(answers.next().unwrap_or(Value::Nil))?;
        let letter = DeadLetter { replay, ..dead_entry::decode(id, &fields)? };
        let floors = self.floors(std::iter::once(&letter.frame)).await?;
        Ok(Some(letter).filter(|letter| floors.admit(&letter.frame)))
    }

    pub(super) async fn discard_letter(&self, id: DeadLetterId) -> Result<bool> {
        if self.letter(id).await?.is_none() {
            return Ok(false);
        }
        let keys = self.names.keys(id.partition);
        let mut range = redis::cmd("XRANGE");
        range.arg(keys.dead()).arg(redis_id(id)).arg(redis_id(id));
        let found = reply::entries(self.control.command(&range).await?)?;
        let Some((at, fields)) = found.first() else { return Ok(false) };
        Ok(self.remove_letters(keys, "", "", &[(*at, fields)]).await? == Some(1))
    }

    /// Removes dead letters; returns `None` if the lease is lost.
    pub(super) async fn remove_letters(
        &self,
        keys: Keys<'_>,
        fence: &str,
        counter: &str,
        letters: &[(EntryId, &reply::Fields)],
    ) -> Result<Option<u64>> {
        let mut call = Call::default();
        call.key(keys.lease()).key(keys.dead()).key(keys.dead_replays()).key(keys.counts());
        call.arg(fence).arg(counter);
        for (at, fields) in letters {
            let stream: StreamId = fields
                .text("s")?
                .parse()
                .map_err(|error| Error::Corrupt(format!("a dead letter: {error}")))?;
            let picture = dead_entry::payload_key(fields)?;
            call.key(keys.stream(&stream));
            call.key(picture.map_or_else(|| keys.dead_replays(), |key| keys.payload(key)));
            call.arg(text(*at))
                .number(fields.number("n")?)
                .flag(picture.is_some())
                .number(fields.number("q")?);
        }
        match self.scripts.discard.run(&self.control, &call).await? {
            Value::Nil => Ok(None),
            removed => Ok(Some(reply::number(removed)?)),
        }
    }

    pub(super) async fn trim_letters(&self, lease: &Lease, max_bytes: u64) -> Result<Trimmed> {
        let keys = self.names.keys(lease.partition);
        let mut kept = redis::cmd("HGET");
        kept.arg(keys.counts()).arg("dead_bytes");
        // Workers, which never accept frames, measure the memory here: retention needs it.
        let mut bytes = reply::number(self.control.command_and_memory(&kept).await?)?;
        // Most passes find nothing to do.
        if bytes <= max_bytes {
            return Ok(Trimmed::default());
        }
        let mut oldest = redis::cmd("XRANGE");
        oldest.arg(keys.dead()).arg("-").arg("+").arg("COUNT").arg(TRIM_DEAD_LETTERS);
        let oldest = reply::entries(self.control.command(&oldest).await?)?;
        let (mut trimmed, mut letters) = (Trimmed::default(), Vec::new());
        for (at, fields) in &oldest {
            if bytes <= max_bytes {
                break;
            }
            let size = fields.number("n")?;
            bytes = bytes.saturating_sub(size);
            trimmed.bytes += size;
            letters.push((*at, fields));
        }
        let removed = self.remove_letters(keys, &fence(lease), "dead_expired", &letters).await?;
        trimmed.frames = removed.ok_or(Error::LeaseLost)?;
        trimmed.more = bytes > max_bytes && trimmed.frames > 0;
        Ok(trimmed)
    }

    pub(super) async fn letter_totals(&self) -> Result<DeadLetterTotals> {
        let mut pipe = redis::pipe();
        for partition in self.config.partitions.all() {
            pipe.cmd("HMGET").arg(self.names.keys(partition).counts()).arg("dead_frames").arg("dead_bytes");
        }
        let mut totals = DeadLetterTotals::default();
        for counts in self.all(&self.control, &pipe).await? {
            let mut counts = reply::array(counts)?.into_iter();
            totals.letters += reply::number(counts.next().unwrap_or(Value::Nil))?;
            totals.bytes += reply::number(counts.next().unwrap_or(Value::Nil))?;
        }
        Ok(totals)
    }
}

#[async_trait]
impl DeadLetters for RedisQueue {
    async fn list_dead_letters(&self, query: &ListDeadLetters) -> Result<DeadLetterPage> {
        self.list_letters(query).await
    }

    async fn get_dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>> {
        self.letter(id).await
    }

    async fn replay_dead_letter(&self, id: DeadLetterId) -> Result<ReplayResult> {
        self.replay_letter(id).await
    }

    async fn would_replay(&self, ids: &[DeadLetterId]) -> Result<Vec<Option<ReplayResult>>> {
        self.would_replay_letters(ids).await
    }

    async fn discard_dead_letter(&self, id: DeadLetterId) -> Result<bool> {
        self.discard_letter(id).await
    }

    async fn trim_dead_letters(&self, lease: &Lease, max_bytes: u64) -> Result<Trimmed> {
        self.trim_letters(lease, max_bytes).await
    }

    async fn dead_letter_totals(&self) -> Result<DeadLetterTotals> {
        self.letter_totals().await
    }
}
