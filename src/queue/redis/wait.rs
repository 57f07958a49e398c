//! Waits for entries of Redis streams.

use std::collections::HashSet;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

use super::cluster::{Due, ReadTo, Wait, Wanted, slot_of};
use super::lane::Lane;
use super::reply::{self, Entry};
use super::{RedisQueue, Waiting};
use crate::queue::Result;

/// The time that the other servers of a cluster have after the first one had entries.
const GRACE: Duration = Duration::from_millis(100);
/// The time that the servers of a cluster have at least, however short the wait.
const PATIENCE: Duration = Duration::from_secs(2);

/// Entries that were read from a key.
pub(super) struct Page {
    pub(super) key: String,
    pub(super) entries: Vec<Entry>,
    /// True if the key could not be read for a time.
    pub(super) was_away: bool,
}

impl RedisQueue {
    /// Reads the entries after some positions, at most `limit` of each; waits until there are any, or
    /// until `wait` has passed.
    pub(super) async fn await_entries(
        &self,
        wanted: &[Wanted],
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<Page>> {
        if !self.gate.is_open() {
            self.connect().await?;
        }
        match &self.waiting {
            Waiting::Blocking(pool) => {
                let mut read = redis::cmd("XREAD");
                read.arg("COUNT").arg(limit).arg("BLOCK").arg(wait.as_millis().max(1) as u64).arg("STREAMS");
                for Wanted { key, .. } in wanted {
                    read.arg(key);
                }
                for Wanted { position, .. } in wanted {
                    read.arg(place(*position));
                }
                let found = reply::streams(pool.command(&read, wait).await?)?;
                Ok(found.into_iter().map(|(key, entries)| Page { key, entries, was_away: false }).collect())
            }
            Waiting::Woken(wakes, lane) => {
                read_woken(lane, wakes.wait_for(wanted), wanted, limit, wait).await
            }
        }
    }
}

/// Reads from all servers of a cluster at once, from each when a message says that it is worthwhile.
/// One that does not answer does not keep the others from being read.
async fn read_woken(
    lane: &Lane,
    mut waiting: Wait<'_>,
    wanted: &[Wanted],
    limit: usize,
    wait: Duration,
) -> Result<Vec<Page>> {
    let start = Instant::now();
    // The time at which what was found is returned.
    let mut grace = None;
    let mut pages = Vec::new();
    let (mut reads, mut reading) = (FuturesUnordered::new(), HashSet::new());
    loop {
        let mut due = waiting.due();
        due.retain(|due| !reading.contains(&due.index));
        reading.extend(due.iter().map(|due| due.index));
        for part in lane.by_server(due, |due| slot_of(wanted[due.index].key.as_bytes())) {
            reads.push(async move { (read_entries(lane, wanted, &part, limit).await, part) });
        }
        let until = grace.unwrap_or(start + if reads.is_empty() { wait } else { wait.max(PATIENCE) });
        let goes_on = tokio::select! {
            Some((read, part)) = reads.next(), if !reads.is_empty() => {
                for Due { index, .. } in &part {
                    reading.remove(index);
                }
                match read {
                    // A key with entries is read once.
                    Ok(read) => reading.extend(note(&waiting, &part, read, wanted, &mut pages)),
                    Err(error) => {
                        part.iter().for_each(|due| waiting.note_failure(*due));
                        if !error.is_retryable() || waiting.is_cut_off() {
                            return Err(error);
                        }
                    }
                }
                true
            }
            goes_on = waiting.next(until) => goes_on,
        };
        if !pages.is_empty() {
            if reads.is_empty() {
                return Ok(pages);
            }
            grace.get_or_insert_with(|| Instant::now() + GRACE);
        }
        if !goes_on || reads.is_empty() && start.elapsed() >= wait {
            return Ok(pages);
        }
    }
}

/// Notes what was read from one server; returns the indexes of the keys that had something.
fn note(
    waiting: &Wait<'_>,
    part: &[Due],
    read: Vec<Result<Read>>,
    wanted: &[Wanted],
    pages: &mut Vec<Page>,
) -> Vec<usize> {
    let mut found = Vec::new();
    for (&due, read) in part.iter().zip(read) {
        match read {
            Ok(Read { entries, to }) => {
                let was_away = waiting.note(due, to);
                if was_away || !entries.is_empty() {
                    found.push(due.index);
                    pages.push(Page { key: wanted[due.index].key.clone(), entries, was_away });
                }
            }
            Err(error) => {
                tracing::debug!(key = wanted[due.index].key, %error, "entries cannot be read at present");
                waiting.note_failure(due);
            }
        }
    }
    found
}

/// The entries of one key, and how far they go.
struct Read {
    entries: Vec<Entry>,
    to: ReadTo,
}

async fn read_entries(
    lane: &Lane,
    wanted: &[Wanted],
    due: &[Due],
    limit: usize,
) -> Result<Vec<Result<Read>>> {
    let mut pipe = redis::pipe();
    for due in due {
        let Wanted { key, position } = &wanted[due.index];
        pipe.cmd("XREAD").arg("COUNT").arg(limit).arg("STREAMS").arg(key).arg(place(*position));
    }
    let answers = lane.run(&pipe).await?.into_iter();
    let read = |(due, answer): (&Due, redis::RedisResult<redis::Value>)| {
        let page = reply::streams(answer.map_err(super::conn::refused)?)?.into_iter().next();
        let entries = page.map_or_else(Vec::new, |(_, entries)| entries);
        let position = entries.last().map_or(wanted[due.index].position, |(last, _)| *last);
        let to = ReadTo { position, is_end: entries.len() < limit };
        Ok(Read { entries, to })
    };
    Ok(due.iter().zip(answers).map(read).collect())
}

fn place((a, b): (u64, u64)) -> String {
    format!("{a}-{b}")
}
