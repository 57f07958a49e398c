//! Waits for entries of Redis streams.

use std::time::Duration;

use tokio::time::Instant;

use super::cluster::{Due, ReadTo, Wanted};
use super::lane::Lane;
use super::reply::{self, Entry};
use super::{RedisQueue, Waiting};
use crate::queue::Result;

/// A key, and entries that were read from it.
type Page = (String, Vec<Entry>);

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
        let (wakes, lane) = match &self.waiting {
            Waiting::Blocking(pool) => {
                let mut read = redis::cmd("XREAD");
                read.arg("COUNT").arg(limit).arg("BLOCK").arg(wait.as_millis().max(1) as u64).arg("STREAMS");
                for Wanted { key, .. } in wanted {
                    read.arg(key);
                }
                for Wanted { position, .. } in wanted {
                    read.arg(place(*position));
                }
                return reply::streams(pool.command(&read, wait).await?);
            }
            Waiting::Woken(wakes, lane) => (wakes, lane),
        };
        let until = Instant::now() + wait;
        let mut waiting = wakes.wait_for(wanted);
        loop {
            let due = waiting.due();
            if !due.is_empty() {
                let (pages, ends) = read_entries(lane, wanted, &due, limit).await?;
                waiting.note(&due, ends);
                if !pages.is_empty() {
                    return Ok(pages);
                }
            }
            if !waiting.next(until).await {
                return Ok(Vec::new());
            }
        }
    }
}

/// Reads entries; also returns how far each key was read, or `None` if it could not be read: one
/// server that cannot be asked does not keep the others from being read.
async fn read_entries(
    lane: &Lane,
    wanted: &[Wanted],
    due: &[Due],
    limit: usize,
) -> Result<(Vec<Page>, Vec<Option<ReadTo>>)> {
    let mut pipe = redis::pipe();
    for due in due {
        let Wanted { key, position } = &wanted[due.index];
        pipe.cmd("XREAD").arg("COUNT").arg(limit).arg("STREAMS").arg(key).arg(place(*position));
    }
    let (mut pages, mut ends) = (Vec::new(), Vec::with_capacity(due.len()));
    for (due, answer) in due.iter().zip(lane.run(&pipe).await?) {
        let Wanted { key, position } = &wanted[due.index];
        let page = match answer {
            Ok(answer) => reply::streams(answer)?.into_iter().next(),
            Err(error) => {
                tracing::debug!(key, %error, "some entries cannot be read at present");
                ends.push(None);
                continue;
            }
        };
        let entries = page.as_ref().map_or(0, |(_, entries)| entries.len());
        let last = page.as_ref().and_then(|(_, entries)| entries.last()).map(|(last, _)| *last);
        ends.push(Some(ReadTo { position: last.unwrap_or(*position), is_end: entries < limit }));
        pages.extend(page);
    }
    Ok((pages, ends))
}

fn place((a, b): (u64, u64)) -> String {
    format!("{a}-{b}")
}
