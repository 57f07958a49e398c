//! Reads and trims outputs, reads the feed, and fetches pictures.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::Value;

use super::cluster::Wanted;
use super::conn::refused;
use super::dead_letters::letter_id;
use super::keys::Keys;
use super::lease::fence;
use super::scripts::Call;
use super::wait::Page;
use super::{RedisQueue, entry, registry, reply};
use crate::domain::{OutputBody, OutputEntry, PartitionId, PayloadRef, Sequence, SequenceSet, StreamId};
use crate::queue::{
    Error, FeedEvent, FeedPage, FeedPosition, Lease, MAX_TRIMMED, OutputPage, Result, Trimmed,
};

/// The number of entries in one read of the search for the newest frame.
const SEARCH_PAGE: usize = 64;
/// The maximum number of feed entries of one partition in one read.
const FEED_PAGE: usize = 256;

fn output_entry(
    partition: PartitionId,
    stream: &StreamId,
    sequence: Sequence,
    fields: &reply::Fields,
) -> Result<Arc<OutputEntry>> {
    Ok(Arc::new(OutputEntry {
        stream_id: stream.clone(),
        sequence,
        previous_sequence: if fields.has("v") { fields.number("v")? } else { sequence.get() - 1 },
        issued_before: fields.has("g").then(|| fields.number("g")).transpose()?,
        receive_time: fields.time("t")?,
        publish_time: fields.time("p")?,
        body: entry::decode_output(&fields.bytes("b"))?,
        dead_letter: match fields.text("d")? {
            "" => None,
            place => Some(letter_id(partition, reply::place(place)?)),
        },
    }))
}

/// Reads the stored text of ranges of sequences.
pub(super) fn parse_ranges(text: &str) -> Result<SequenceSet> {
    text.parse().map_err(|error| Error::Corrupt(format!("{error}")))
}

/// Reads entries of an output. Those that are erased become tombstones.
pub(super) fn output_entries(
    partition: PartitionId,
    stream: &StreamId,
    value: Value,
    erased: &SequenceSet,
) -> Result<Vec<Arc<OutputEntry>>> {
    reply::entries(value)?
        .into_iter()
        .map(|((number, _), fields)| {
            let sequence = Sequence::new(number).map_err(|error| Error::Corrupt(format!("{error}")))?;
            let entry = output_entry(partition, stream, sequence, &fields)?;
            let tombstone = if erased.contains(sequence) { entry.erased() } else { None };
            Ok(tombstone.map_or(entry, Arc::new))
        })
        .collect()
}

impl RedisQueue {
    pub(super) async fn page(&self, stream: &StreamId, from: Sequence, limit: usize) -> Result<OutputPage> {
        let keys = self.keys(stream);
        let mut call = Call::default();
        call.key(keys.stream(stream)).key(keys.output(stream)).number(from.get()).number(limit as u64);
        let answer = self.scripts.page.run(self.reader(keys.partition()), &call).await?;
        let mut answers = reply::array(answer)?.into_iter();
        let mut next = || answers.next().unwrap_or(Value::Nil);
        let fields = reply::Fields::read(next())?;
        let length = reply::number(next())?;
        let record = registry::record(stream, &fields, length, &self.config.defaults)?;
        let record = record.ok_or_else(|| Error::StreamNotFound(stream.clone()))?;
        Ok(OutputPage {
            entries: output_entries(
                keys.partition(),
                stream,
                next(),
                &parse_ranges(fields.text("erased_ranges")?)?,
            )?,
            counters: record.counters,
            removed: record.removed,
        })
    }

    pub(super) async fn latest(&self, stream: &StreamId, limit: usize) -> Result<Vec<Arc<OutputEntry>>> {
        let keys = self.keys(stream);
        self.entries_before(keys, stream, "+", limit).await
    }

    /// Reads entries of an output downwards from an id, newest first.
    pub(super) async fn entries_before(
        &self,
        keys: Keys<'_>,
        stream: &StreamId,
        from: &str,
        limit: usize,
    ) -> Result<Vec<Arc<OutputEntry>>> {
        let mut range = redis::pipe();
        range.cmd("XREVRANGE").arg(keys.output(stream)).arg(from).arg("-").arg("COUNT").arg(limit);
        range.cmd("HGET").arg(keys.stream(stream)).arg("erased_ranges");
        let mut answers = self.all(self.reader(keys.partition()), &range).await?.into_iter();
        let entries = answers.next().unwrap_or(Value::Nil);
        let erased = reply::text(answers.next().unwrap_or(Value::Nil))?.unwrap_or_default();
        output_entries(keys.partition(), stream, entries, &parse_ranges(&erased)?)
    }

    pub(super) async fn newest_frame(&self, stream: &StreamId) -> Result<Option<Arc<OutputEntry>>> {
        let keys = self.keys(stream);
        let mut call = Call::default();
        call.key(keys.stream(stream)).key(keys.output(stream));
        let answer = self.scripts.latest_frame.run(self.reader(keys.partition()), &call).await?;
        let mut answers = reply::array(answer)?.into_iter();
        let mut next = || answers.next().unwrap_or(Value::Nil);
        let (found, erased) = (next(), reply::text(next())?.unwrap_or_default());
        let erased = parse_ranges(&erased)?;
        let Some(newest) = output_entries(keys.partition(), stream, found, &erased)?.pop() else {
            return Ok(None);
        };
        // It may be erased: then an older one is looked for, below the erased range.
        let (mut page, mut more) = (vec![newest], true);
        loop {
            let (last, is_frame) = (page.last().map(|last| last.sequence), |entry: &Arc<OutputEntry>| {
                matches!(entry.body, OutputBody::Frame(_))
            });
            if let Some(found) = page.into_iter().find(is_frame) {
                return Ok(Some(found));
            }
            let Some(last) = last.filter(|_| more) else { return Ok(None) };
            let above = erased.range_of(last).map_or(last.get(), |(first, _)| first);
            page = self.entries_before(keys, stream, &format!("({above}-0"), SEARCH_PAGE).await?;
            more = page.len() == SEARCH_PAGE;
        }
    }

    pub(super) async fn payloads(
        &self,
        partition: PartitionId,
        payloads: &[PayloadRef],
    ) -> Result<Vec<Option<Bytes>>> {
        if payloads.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = redis::cmd("MGET");
        for payload in payloads {
            get.arg(self.names.keys(partition).payload(payload.key));
        }
        let values = self.reader(partition).command(&get).await?;
        reply::array(values)?.into_iter().map(reply::bytes).collect()
    }

    pub(super) async fn trim(
        &self,
        lease: &Lease,
        stream: &StreamId,
        revision: Option<u64>,
        keep_from: Sequence,
    ) -> Result<Trimmed> {
        let keys = self.keys(stream);
        let mut read = redis::cmd("XRANGE");
        read.arg(keys.output(stream)).arg("-").arg(format!("({keep_from}-0"));
        read.arg("COUNT").arg(MAX_TRIMMED);
        let found = self.reader(keys.partition()).command(&read).await?;
        // Erased ones as they were: an older version may have published them with their pictures.
        let entries = output_entries(keys.partition(), stream, found, &SequenceSet::default())?;
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return Ok(Trimmed::default());
        };
        let mut call = Call::default();
        call.key(keys.lease()).key(keys.stream(stream)).key(keys.output(stream)).key(keys.counts());
        let mut trimmed =
            Trimmed { frames: entries.len() as u64, bytes: 0, more: entries.len() == MAX_TRIMMED };
        let payloads: Vec<PayloadRef> = entries.iter().flat_map(|entry| entry.body.payloads()).collect();
        for payload in &payloads {
            call.key(keys.payload(payload.key));
        }
        call.arg(fence(lease)).arg(revision.map(|revision| revision.to_string()).unwrap_or_default());
        call.number(last.sequence.next().get()).number(trimmed.frames);
        call.number(first.sequence.get()).arg(last.receive_time.as_micros().to_string());
        for payload in &payloads {
            call.number(payload.size_bytes);
        }
        match self.scripts.trim.run(&self.control, &call).await? {
            Value::Nil => Err(Error::LeaseLost),
            // The output is not as it was read: another holder trimmed it, or the stream was
            // unregistered.
            Value::Int(0) => Ok(Trimmed::default()),
            Value::Array(changed) => {
                let current = changed.into_iter().next_back().unwrap_or(Value::Nil);
                Err(Error::RevisionMismatch { current: reply::number(current)? })
            }
            bytes => {
                trimmed.bytes = reply::number(bytes)?;
                Ok(trimmed)
            }
        }
    }

    pub(super) async fn ends(&self) -> Result<Vec<(PartitionId, FeedPosition)>> {
        let mut pipe = redis::pipe();
        for partition in self.config.partitions.all() {
            pipe.cmd("HGET").arg(self.names.keys(partition).counts()).arg("feed");
        }
        let answers = self.control.run(&pipe).await?;
        let ends = self.config.partitions.all().zip(answers).map(|(partition, end)| {
            let end = match end {
                // A server of a cluster that is away: the last known end.
                Err(_) if self.control.is_clustered() => self.witness.known(partition).feed,
                end => reply::number(end.map_err(refused)?)?,
            };
            Ok((partition, FeedPosition(end, 0)))
        });
        ends.collect()
    }

    pub(super) async fn await_feed(
        &self,
        positions: &[(PartitionId, FeedPosition)],
        wait: Duration,
    ) -> Result<Vec<FeedPage>> {
        if positions.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<Wanted> = positions
            .iter()
            .map(|&(partition, FeedPosition(a, b))| Wanted {
                key: self.names.keys(partition).feed(),
                position: (a, b),
            })
            .collect();
        let found = self.await_entries(&wanted, FEED_PAGE, wait).await?;
        let mut found: HashMap<_, _> = found.into_iter().map(|page| (page.key.clone(), page)).collect();
        positions
            .iter()
            .filter_map(|&(partition, after)| {
                found.remove(&self.names.keys(partition).feed()).map(|page| feed_page(partition, after, page))
            })
            .inspect(|page| {
                if let Ok(page) = page {
                    self.witness.note_feed(page.partition, page.next.0);
                }
            })
            .collect()
    }
}

/// Reads a page of the feed, whose ids count 1, 2, 3, ...: if the first id is not the next one,
/// some were trimmed unread.
fn feed_page(partition: PartitionId, after: FeedPosition, page: Page) -> Result<FeedPage> {
    let Page { entries, was_away, .. } = page;
    let first = entries.first().map_or(after.0, |((number, _), _)| *number);
    let next = entries.last().map_or(after, |((number, _), _)| FeedPosition(*number, 0));
    let events = entries.iter().map(|(_, fields)| feed_event(partition, fields)).collect::<Result<_>>()?;
    // While its server was away, the feed may have lost events and got others.
    Ok(FeedPage { partition, events, next, missed: was_away || first > after.0 + 1 })
}

fn feed_event(partition: PartitionId, fields: &reply::Fields) -> Result<FeedEvent> {
    let stream = |name: &str| {
        fields.text(name)?.parse::<StreamId>().map_err(|error| Error::Corrupt(format!("{error}")))
    };
    if fields.has("u") {
        return Ok(FeedEvent::StreamRemoved(stream("c")?, fields.number("u")?));
    }
    if fields.has("c") {
        return Ok(FeedEvent::StreamChanged(stream("c")?));
    }
    Ok(FeedEvent::Output(output_entry(partition, &stream("s")?, fields.sequence("q")?, fields)?))
}
