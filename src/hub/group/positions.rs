//! Where a group begins in each stream.

use std::time::Duration;

use super::{Consumers, GroupError};
use crate::domain::limits::MAX_STREAMS;
use crate::domain::{Cursor, Digest, Sequence, StreamId, StreamMatch, StreamRecord, Timestamp};
use crate::hub::event::{SubscribeError, TimeGap};
use crate::hub::select::{Matcher, StreamSet, first_match};
use crate::queue::{self, FoundAt, ListStreams};

/// How far ahead of a stream a sequence may lie.
const MAX_AHEAD: u64 = 1_000_000;

/// Where a group begins, or goes on, in each of its streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupStart {
    /// With the next frame that is published.
    Live,
    /// With the oldest frame that is kept.
    Earliest,
    /// With this number.
    Sequence(Sequence),
    /// With the first frame received at or after this time.
    Time(Timestamp),
    /// With the first frame received within this time before now.
    Age(Duration),
    /// After these cursors; other streams begin with their oldest kept frame.
    Cursors(Vec<Cursor>),
}

impl GroupStart {
    /// A digest of what was asked, by which a call that makes a group is known when it is repeated: of the age that was said, not
    /// of the time that it meant then. The order of cursors does not count.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut cursors: Vec<(&StreamId, u64, bool, Option<&str>)> = Vec::new();
        let (case, number) = match self {
            Self::Live => ("live", 0),
            Self::Earliest => ("earliest", 0),
            Self::Sequence(sequence) => ("sequence", i128::from(sequence.get())),
            Self::Time(time) => ("time", i128::from(time.as_micros())),
            Self::Age(age) => ("age", i128::try_from(age.as_nanos()).unwrap_or(i128::MAX)),
            Self::Cursors(list) => {
                cursors.extend(list.iter().map(|Cursor { stream_id, next, awaited, foreign }| {
                    (stream_id, next.get(), *awaited, foreign.as_deref())
                }));
                cursors.sort_unstable();
                ("cursors", 0)
            }
        };
        // Every text in it is quoted: no two starts are written alike.
        Digest::of(format!("{case} {number} {cursors:?}").as_bytes())
    }
}

/// Where a group begins, or goes on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beginnings {
    /// The first number in each stream.
    pub positions: Vec<(StreamId, Sequence)>,
    /// What a start by time asked for and retention has taken.
    pub time_gaps: Vec<TimeGap>,
}

/// A group's selection, ready to be asked. Ids are patterns like others: a group takes streams that are not there yet.
pub(super) fn matchers(streams: &[StreamMatch]) -> Result<Vec<Matcher>, SubscribeError> {
    let set = |one: &StreamMatch| match one {
        StreamMatch::Id(id) => StreamSet::Glob(id.to_string()),
        StreamMatch::Glob(glob) => StreamSet::Glob(glob.clone()),
        StreamMatch::Labels(labels) => StreamSet::Labels(labels.clone()),
    };
    streams.iter().map(|one| Matcher::new(&set(one))).collect()
}

impl Consumers {
    /// Checks that a selection can be read.
    ///
    /// # Errors
    /// [`SubscribeError::InvalidGlob`].
    pub fn check_selection(streams: &[StreamMatch]) -> Result<(), GroupError> {
        Ok(matchers(streams).map(drop)?)
    }

    /// The registered streams that one of the matches selects, by id.
    ///
    /// # Errors
    /// The selection cannot be read, or those of the queue.
    pub async fn selected(&self, streams: &[StreamMatch]) -> Result<Vec<StreamRecord>, GroupError> {
        let matchers = matchers(streams)?;
        let mut selected = Vec::new();
        let mut query = ListStreams { after: None, limit: 1000 };
        loop {
            let records = self.queue.list_streams(&query).await?;
            query.after = records.last().map(|record| record.id.clone());
            let last = records.len() < query.limit;
            selected.extend(records.into_iter().filter(|record| first_match(&matchers, record).is_some()));
            if last || selected.len() >= MAX_STREAMS {
                return Ok(selected);
            }
        }
    }

    /// The first number of a group in each of these streams. With `clamp`, one that retention has taken becomes the oldest
    /// that is kept; otherwise it will be told as a gap.
    ///
    /// # Errors
    /// [`GroupError::PositionInFuture`], and those of the queue.
    pub async fn positions(
        &self,
        records: &[StreamRecord],
        start: &GroupStart,
        clamp: bool,
    ) -> Result<Beginnings, GroupError> {
        let now = Timestamp::now();
        if let GroupStart::Time(time) = start
            && *time > now
        {
            let message = "lies in the future".to_owned();
            return Err(GroupError::PositionInFuture { field: "receive_time", message });
        }
        let mut positions = Vec::with_capacity(records.len());
        let mut time_gaps = Vec::new();
        for record in records {
            let since = match start {
                GroupStart::Time(time) => Some(*time),
                GroupStart::Age(age) => Some(now.before(*age)),
                GroupStart::Live
                | GroupStart::Earliest
                | GroupStart::Sequence(_)
                | GroupStart::Cursors(_) => None,
            };
            if let Some(since) = since {
                let (next, gap) = self.first_since(record, since).await?;
                time_gaps.extend(gap);
                positions.push((record.id.clone(), next));
                continue;
            }
            let next = match start {
                GroupStart::Live => Sequence::after(record.counters.published_sequence),
                GroupStart::Earliest => self.oldest(record).await?,
                GroupStart::Sequence(number) => ahead(record, "sequence", *number)?,
                GroupStart::Time(_) | GroupStart::Age(_) => continue, // above
                GroupStart::Cursors(cursors) => {
                    match cursors.iter().find(|cursor| cursor.stream_id == record.id) {
                        Some(cursor) if cursor.foreign.is_some() => {
                            return Err(SubscribeError::CursorOfAnotherStore {
                                stream: record.id.clone(),
                                oldest: self.oldest(record).await?,
                            }
                            .into());
                        }
                        // This store gave it out; put back to an older state, it may have forgotten that.
                        Some(cursor) => {
                            if let (false, Ok(last)) = (cursor.awaited, Sequence::new(cursor.next.get() - 1))
                            {
                                self.queue.has_given(&record.id, last).await?;
                            }
                            cursor.next
                        }
                        None => self.oldest(record).await?,
                    }
                }
            };
            let next = if clamp { next.max(self.oldest(record).await?) } else { next };
            positions.push((record.id.clone(), next));
        }
        Ok(Beginnings { positions, time_gaps })
    }

    /// Where a group begins in a stream that begins at a time. Where retention has taken frames that were received since, the
    /// gap says so, and the group begins with the last number that it took: its members are told of that one as of any other
    /// that is gone.
    async fn first_since(
        &self,
        record: &StreamRecord,
        since: Timestamp,
    ) -> queue::Result<(Sequence, Option<TimeGap>)> {
        let found = match self.queue.first_at(&record.id, since).await {
            Err(queue::Error::StreamNotFound(_)) => FoundAt::default(),
            found => found?,
        };
        let published = record.counters.published_sequence;
        let next = found.entry.as_ref().map_or(Sequence::after(published), |entry| entry.sequence);
        let gap = TimeGap::between(record, 0, Some(since), None, next, &found);
        let last_taken = found.entry.map_or(published, |entry| entry.previous_sequence);
        match (&gap, Sequence::new(last_taken)) {
            (Some(_), Ok(last_taken)) => Ok((last_taken, gap)),
            (_, _) => Ok((next, gap)),
        }
    }

    /// Where a group begins in a stream that it has no position in: it came to be selected after the group was made, and
    /// begins with its first frame since. Its settings changed then at the latest.
    pub(super) async fn beginning(&self, record: &StreamRecord, since: Timestamp) -> queue::Result<Sequence> {
        if record.create_time >= since {
            self.oldest(record).await
        } else {
            self.first_at(record, record.update_time).await
        }
    }

    async fn first_at(&self, record: &StreamRecord, time: Timestamp) -> queue::Result<Sequence> {
        let found = match self.queue.first_at(&record.id, time).await {
            Err(queue::Error::StreamNotFound(_)) => None,
            found => found?.entry,
        };
        let next = Sequence::after(record.counters.published_sequence);
        Ok(found.map_or(next, |entry| entry.sequence))
    }

    /// The oldest number that is kept; the next one if none is.
    async fn oldest(&self, record: &StreamRecord) -> queue::Result<Sequence> {
        self.first_at(record, Timestamp::from_micros(0)).await
    }
}

fn ahead(record: &StreamRecord, field: &'static str, next: Sequence) -> Result<Sequence, GroupError> {
    let head = record.counters.published_sequence;
    if next.get() > head.saturating_add(MAX_AHEAD) {
        let message =
            format!("{next} lies more than {MAX_AHEAD} ahead of stream {}, which is at {head}", record.id);
        return Err(GroupError::PositionInFuture { field, message });
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_known_by_what_was_asked() {
        let cursor = |stream: &str, next| Cursor::new(stream.parse().unwrap(), Sequence::new(next).unwrap());
        let (a, b) = (cursor("a", 1), cursor("b", 2));
        let foreign = Cursor { foreign: Some("x\", 1".into()), ..a.clone() };
        let starts = [
            GroupStart::Live,
            GroupStart::Earliest,
            GroupStart::Sequence(Sequence::FIRST),
            GroupStart::Time(Timestamp::from_micros(1)),
            GroupStart::Age(Duration::from_nanos(1)),
            GroupStart::Age(Duration::from_micros(1)),
            GroupStart::Cursors(Vec::new()),
            GroupStart::Cursors(vec![a.clone()]),
            GroupStart::Cursors(vec![cursor("a", 2)]),
            GroupStart::Cursors(vec![foreign]),
            GroupStart::Cursors(vec![a.clone(), b.clone()]),
        ];
        for (index, one) in starts.iter().enumerate() {
            for (other_index, other) in starts.iter().enumerate() {
                assert_eq!(one.digest() == other.digest(), index == other_index, "{one:?} and {other:?}");
            }
        }
        let turned = GroupStart::Cursors(vec![b, a]);
        assert_eq!(turned.digest(), starts[10].digest(), "the order of cursors says nothing");
    }
}
