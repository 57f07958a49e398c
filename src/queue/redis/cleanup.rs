//! Removes what unregistered streams have left: outputs that nobody reads any more, dead letters,
//! and records.

use std::collections::{BTreeSet, HashMap};

use redis::Value;

use super::keys::Keys;
use super::lease::fence;
use super::output::{output_entries, parse_ranges};
use super::scripts::Call;
use super::{RedisQueue, dead_entry, reply};
use crate::domain::{DeadFrame, PayloadRef, SequenceSet, StreamId};
use crate::queue::{Error, Lease, MAX_TRIMMED, Result, remembered_streams};

/// The number of streams whose records one call reads.
const RECORDS_A_CALL: usize = 64;
/// The number of dead letters in one read.
const LETTERS_A_READ: usize = 64;
/// The number of remembered streams that one call of the script may forget. It is more than one, so
/// that their number falls if it is too high.
const FORGET_A_CALL: usize = 4;

/// The floors of some streams, and their erased ranges. Frames up to a floor and erased ones cannot
/// be read.
#[derive(Debug, Default)]
pub(super) struct Floors(HashMap<StreamId, (u64, SequenceSet)>);

impl Floors {
    /// Reports whether the dead letter of a frame may be read: its stream is known, and the frame
    /// is above the stream's floor and was not erased.
    pub(super) fn admit(&self, frame: &DeadFrame) -> bool {
        let found = self.0.get(&frame.stream_id);
        found.is_some_and(|(floor, erased)| frame.sequence.get() > *floor && !erased.contains(frame.sequence))
    }
}

impl RedisQueue {
    pub(super) async fn remove_leftovers(&self, lease: &Lease) -> Result<bool> {
        let keys = self.names.keys(lease.partition);
        let mut look = redis::pipe();
        look.cmd("SRANDMEMBER").arg(keys.old_outputs());
        look.cmd("SRANDMEMBER").arg(keys.gone()).arg(RECORDS_A_CALL);
        look.cmd("HMGET").arg(keys.counts()).arg("removals").arg("removals_looked").arg("dead_frames");
        let mut found = self.all(&self.control, &look).await?.into_iter();
        let mut next = || found.next().unwrap_or(Value::Nil);
        let (old, gone, counts) = (reply::text(next())?, reply::array(next())?, reply::array(next())?);
        if let Some(old) = old {
            self.remove_old(lease, &old).await?;
            return Ok(true);
        }
        let counts: Vec<u64> = counts.into_iter().map(reply::number).collect::<Result<_>>()?;
        let [removals, looked, letters] = counts[..] else { return Err(Error::Corrupt("counts".to_owned())) };
        if removals != looked {
            if letters > 0 {
                self.remove_old_letters(lease).await?;
            }
            let mut call = Call::default();
            call.key(keys.lease()).key(keys.counts()).arg(fence(lease)).number(removals);
            if self.scripts.cleanup_looked.run(&self.control, &call).await? == Value::Nil {
                return Err(Error::LeaseLost);
            }
        }
        let (all, mut cleared) = (gone.len(), 0);
        for id in gone {
            let id = reply::text(id)?.unwrap_or_default();
            let id = id.parse().map_err(|error| Error::Corrupt(format!("{error}")))?;
            cleared += usize::from(self.forget_stream(keys, &id).await?);
        }
        // Every call finds the streams with waiting frames again and cannot clear them: there is
        // more to do only if this call cleared others.
        Ok(all == RECORDS_A_CALL && cleared > 0)
    }

    async fn remove_old(&self, lease: &Lease, old: &str) -> Result<()> {
        let keys = self.names.keys(lease.partition);
        let mut read = redis::cmd("XRANGE");
        read.arg(old).arg("-").arg("+").arg("COUNT").arg(MAX_TRIMMED);
        let page = self.reader(lease.partition).command(&read).await?;
        // The stream that it belonged to does not matter any more.
        let nobody = "removed".parse().map_err(|error| Error::Corrupt(format!("{error}")))?;
        let entries = output_entries(lease.partition, &nobody, page, &SequenceSet::default())?;
        let mut call = Call::default();
        call.key(keys.lease()).key(keys.old_outputs()).key(old.to_owned()).key(keys.counts());
        let payloads: Vec<PayloadRef> = entries.iter().flat_map(|entry| entry.body.payloads()).collect();
        for payload in &payloads {
            call.key(keys.payload(payload.key));
        }
        let first = entries.first().map_or(0, |entry| entry.sequence.get());
        let keep_from = entries.last().map_or(0, |entry| entry.sequence.get() + 1);
        call.arg(fence(lease)).number(keep_from).number(entries.len() as u64).number(first);
        for payload in &payloads {
            call.number(payload.size_bytes);
        }
        match self.scripts.remove_old.run(&self.control, &call).await? {
            Value::Nil => Err(Error::LeaseLost),
            _ => Ok(()),
        }
    }

    /// Removes all dead letters of the partition that may not be read.
    async fn remove_old_letters(&self, lease: &Lease) -> Result<()> {
        let mut from = "-".to_owned();
        while let Some(last) = self.remove_some_letters(lease, &from).await? {
            from = format!("({last}");
        }
        Ok(())
    }

    /// Reads some dead letters from an id on, and removes those that may not be read; returns the id of
    /// the last one, or `None` if it was the last of the partition.
    pub(super) async fn remove_some_letters(&self, lease: &Lease, from: &str) -> Result<Option<String>> {
        let keys = self.names.keys(lease.partition);
        let mut read = redis::cmd("XRANGE");
        read.arg(keys.dead()).arg(from).arg("+").arg("COUNT").arg(LETTERS_A_READ);
        let page = reply::entries(self.reader(lease.partition).command(&read).await?)?;
        let letters = page
            .iter()
            .map(|(at, fields)| {
                dead_entry::decode(super::dead_letters::letter_id(lease.partition, *at), fields)
            })
            .collect::<Result<Vec<_>>>()?;
        let floors = self.floors(letters.iter().map(|letter| &letter.frame)).await?;
        let old: Vec<_> = letters
            .iter()
            .zip(&page)
            .filter(|(letter, _)| !floors.admit(&letter.frame))
            .map(|(_, (at, fields))| (*at, fields))
            .collect();
        if !old.is_empty() {
            let removed = self.remove_letters(keys, &fence(lease), "", &old).await?;
            removed.ok_or(Error::LeaseLost)?;
        }
        let last = page.last().filter(|_| page.len() == LETTERS_A_READ);
        Ok(last.map(|((a, b), _)| format!("{a}-{b}")))
    }

    /// Reads the floors and the erased ranges of the streams of these frames.
    pub(super) async fn floors(&self, frames: impl Iterator<Item = &DeadFrame>) -> Result<Floors> {
        let streams: BTreeSet<&StreamId> = frames.map(|frame| &frame.stream_id).collect();
        if streams.is_empty() {
            return Ok(Floors::default());
        }
        let mut read = redis::pipe();
        for stream in &streams {
            read.cmd("HMGET")
                .arg(self.keys(stream).stream(stream))
                .arg("seq")
                .arg("floor")
                .arg("erased_ranges");
        }
        let mut floors = Floors::default();
        for (stream, answer) in streams.into_iter().zip(self.all(&self.control, &read).await?) {
            let mut answer = reply::array(answer)?.into_iter();
            let seq = answer.next().unwrap_or(Value::Nil);
            let floor = reply::number(answer.next().unwrap_or(Value::Nil))?;
            let erased = reply::text(answer.next().unwrap_or(Value::Nil))?.unwrap_or_default();
            // A stream that is not known any more was unregistered.
            if seq != Value::Nil {
                floors.0.insert(stream.clone(), (floor, parse_ranges(&erased)?));
            }
        }
        Ok(floors)
    }

    /// Reduces the record of an unregistered stream without waiting frames to its last sequence;
    /// returns whether it is completely cleaned up.
    pub(super) async fn forget_stream(&self, keys: Keys<'_>, id: &StreamId) -> Result<bool> {
        let mut lowest = redis::cmd("ZRANGE");
        lowest.arg(keys.removed()).arg(0).arg(FORGET_A_CALL - 1);
        let lowest = reply::array(self.control.command(&lowest).await?)?;
        let mut call = Call::default();
        call.key(keys.gone()).key(keys.removed()).key(keys.counts());
        call.key(keys.purge()).key(keys.stream(id));
        call.arg(id.as_str()).number(remembered_streams(self.config.partitions));
        for other in lowest {
            let other = reply::text(other)?.unwrap_or_default();
            let other: StreamId = other.parse().map_err(|error| Error::Corrupt(format!("{error}")))?;
            call.key(keys.stream(&other)).arg(other.as_str());
        }
        Ok(reply::number(self.scripts.forget.run(&self.control, &call).await?)? == 1)
    }
}
