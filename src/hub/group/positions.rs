//! Finds the positions with which a group starts.

use std::time::Duration;

use super::consumers::Consumers;
use super::event::GroupError;
use crate::domain::limits::{MAX_SEQUENCES_AHEAD, MAX_STREAMS};
use crate::domain::{Cursor, Digest, Sequence, StreamId, StreamMatch, StreamRecord, Timestamp};
use crate::hub::event::{SubscribeError, TimeGap};
use crate::hub::selector::{Matcher, StreamSet, first_match};
use crate::hub::streams::{PAGE_STREAMS, for_each_page};
use crate::queue::{self, FoundAt};

/// The position at which a group starts, or continues, in each of its streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupStart {
    /// The next frame that is published.
    Live,
    /// The oldest kept frame.
    Earliest,
    /// This sequence.
    Sequence(Sequence),
    /// The first frame received at or after this time.
    Time(Timestamp),
    /// The first frame received within this period before now.
    Age(Duration),
    /// After these cursors; other streams start with their oldest kept frame.
    Cursors(Vec<Cursor>),
}

impl GroupStart {
    /// Returns a digest of the start, which identifies a repeated call that creates the same group.
    /// An age contributes as it was given, not as the time that it stood for at the first call. The
    /// order of cursors does not matter.
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
        // All strings in it are quoted, so that different starts differ as text.
        Digest::of(format!("{case} {number} {cursors:?}").as_bytes())
    }
}

/// The positions with which a group starts, or continues.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beginnings {
    /// The first sequence in each stream.
    pub positions: Vec<(StreamId, Sequence)>,
    /// The requested periods in which retention has removed frames.
    pub time_gaps: Vec<TimeGap>,
}

/// Returns the matchers of a group's selection. Ids match like globs, because a group takes streams
/// that are not registered yet.
pub(super) fn matchers(streams: &[StreamMatch]) -> Result<Vec<Matcher>, SubscribeError> {
    let set = |one: &StreamMatch| match one {
        StreamMatch::Id(id) => StreamSet::Glob(id.to_string()),
        StreamMatch::Glob(glob) => StreamSet::Glob(glob.clone()),
        StreamMatch::Labels(labels) => StreamSet::Labels(labels.clone()),
    };
    streams.iter().map(|one| Matcher::new(&set(one))).collect()
}

impl Consumers {
    /// Returns the registered streams that the selection matches, in the order of their ids.
    ///
    /// # Errors
    /// Fails if the selection is invalid, and with the errors of the queue.
    pub async fn selected(&self, streams: &[StreamMatch]) -> Result<Vec<StreamRecord>, GroupError> {
        let matchers = matchers(streams)?;
        let mut selected = Vec::new();
        for_each_page(&*self.queue, PAGE_STREAMS, |records| {
            selected.extend(records.into_iter().filter(|record| first_match(&matchers, record).is_some()));
            Ok::<bool, GroupError>(selected.len() < MAX_STREAMS)
        })
        .await?;
        Ok(selected)
    }

    /// Returns the first sequence of a group in each of these streams. With `clamp`, a sequence
    /// that retention has removed becomes the oldest kept one; otherwise it will be reported as a
    /// gap.
    ///
    /// # Errors
    /// Returns [`GroupError::PositionInFuture`], and the errors of the queue.
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
            let message = "is in the future".to_owned();
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
                let (next, gap) = self.first_received_since(record, since).await?;
                time_gaps.extend(gap);
                positions.push((record.id.clone(), next));
                continue;
            }
            let next = match start {
                GroupStart::Live => Sequence::after(record.counters.published_sequence),
                GroupStart::Earliest => self.oldest(record).await?,
                GroupStart::Sequence(sequence) => within_reach(record, "sequence", *sequence)?,
                GroupStart::Time(_) | GroupStart::Age(_) => continue, // handled above
                GroupStart::Cursors(cursors) => {
                    match cursors.iter().find(|cursor| cursor.stream_id == record.id) {
                        Some(cursor) if cursor.foreign.is_some() => {
                            return Err(SubscribeError::CursorOfAnotherStore {
                                stream: record.id.clone(),
                                oldest: self.oldest(record).await?,
                            }
                            .into());
                        }
                        // This store issued the sequence, but may have forgotten that if it was
                        // restored to an older state.
                        Some(cursor) => {
                            if let (false, Ok(last)) = (cursor.awaited, Sequence::new(cursor.next.get() - 1))
                            {
                                self.queue.note_issued(&record.id, last).await?;
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

    /// Returns the first sequence of a group that starts at a time. If retention has removed frames
    /// received since then, also returns that period. The group then starts with the last removed
    /// sequence, which its members get as a gap.
    async fn first_received_since(
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
        let last_removed = found.entry.map_or(published, |entry| entry.previous_sequence);
        match (&gap, Sequence::new(last_removed)) {
            (Some(_), Ok(last_removed)) => Ok((last_removed, gap)),
            (_, _) => Ok((next, gap)),
        }
    }

    /// Returns the first sequence of a group in a stream in which it has no position. Such a stream
    /// was selected after the group was created. If the stream is newer than the group, the group
    /// starts with the oldest kept frame. Otherwise a change of the stream's settings has selected
    /// it, so the group starts with the first frame since the last change.
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

    /// Returns the oldest kept sequence, or the next one if none is kept.
    async fn oldest(&self, record: &StreamRecord) -> queue::Result<Sequence> {
        self.first_at(record, Timestamp::from_micros(0)).await
    }
}

fn within_reach(record: &StreamRecord, field: &'static str, next: Sequence) -> Result<Sequence, GroupError> {
    let head = record.counters.published_sequence;
    if next.get() > head.saturating_add(MAX_SEQUENCES_AHEAD) {
        let message = format!(
            "{next} is more than {MAX_SEQUENCES_AHEAD} ahead of stream {}, whose newest frame is sequence {head}",
            record.id
        );
        return Err(GroupError::PositionInFuture { field, message });
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_starts_have_different_digests() {
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
        let reordered = GroupStart::Cursors(vec![b, a]);
        assert_eq!(reordered.digest(), starts[10].digest(), "the order of cursors does not matter");
    }
}
