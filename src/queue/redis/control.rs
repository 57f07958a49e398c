//! The states of queues, and purges.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use redis::Value;

use super::conn::refused;
use super::lease::fence;
use super::resp::Request;
use super::scripts::Call;
use super::work::{range_after, work_item};
use super::{RedisQueue, reply};
use crate::domain::{PartitionId, Sequence, StreamId};
use crate::queue::{
    Control, Error, Lease, LeaseHolder, Purge, PurgeMark, PurgeScan, QueueControl, QueueState, Result,
    WorkPosition,
};

/// The number of entries in one read of the work queue.
const PAGE_ENTRIES: usize = 1_000;

fn to_text(state: QueueState) -> &'static str {
    match state {
        QueueState::Running => "running",
        QueueState::Paused => "paused",
        QueueState::Draining => "draining",
    }
}

/// Reads the queue's state from the partition's counters and the answers to GET of the holder and
/// PTTL of the lease.
pub(super) fn read_control(counts: &reply::Fields, holder: Value, ttl: Value) -> Result<QueueControl> {
    let state = match counts.text("state")? {
        "" | "running" => QueueState::Running,
        "paused" => QueueState::Paused,
        "draining" => QueueState::Draining,
        other => return Err(Error::Corrupt(format!("queue state {other:?}"))),
    };
    let holder = match (reply::text(holder)?, ttl) {
        // Below 0: there is no lease.
        (Some(worker_id), Value::Int(ttl @ 1..)) => {
            Some(LeaseHolder { worker_id, expires_in: Duration::from_millis(ttl.unsigned_abs()) })
        }
        _ => None,
    };
    Ok(QueueControl { state, reason: counts.text("state_reason")?.to_owned(), holder })
}

/// A frame that may be purged.
struct Waiting {
    place: (u64, u64),
    stream: usize,
    sequence: Sequence,
    bytes: u64,
}

/// The frames that a purge selects, with their streams by index.
#[derive(Default)]
struct Scan {
    frames: Vec<Waiting>,
    streams: Vec<StreamId>,
    indexes: BTreeMap<StreamId, usize>,
}

impl Scan {
    fn add(&mut self, place: (u64, u64), fields: &reply::Fields, purge: &Purge) -> Result<()> {
        let id: StreamId = fields.text("s")?.parse().map_err(|e| Error::Corrupt(format!("{e}")))?;
        let received = fields.time("t")?;
        if purge.stream_id.as_ref().is_some_and(|wanted| *wanted != id)
            || purge.before_receive_time.is_some_and(|before| received >= before)
        {
            return Ok(());
        }
        let stream = match self.indexes.get(&id) {
            Some(&index) => index,
            None => {
                self.streams.push(id.clone());
                self.indexes.insert(id, self.streams.len() - 1);
                self.streams.len() - 1
            }
        };
        self.frames.push(Waiting {
            place,
            stream,
            sequence: fields.sequence("q")?,
            bytes: fields.number("n")?,
        });
        Ok(())
    }

    /// Returns each stream's newest selected frame: times of receipt never decrease within a
    /// stream, so all frames up to this one are selected.
    fn newest(&self) -> Vec<(Sequence, (u64, u64))> {
        let mut newest = vec![(Sequence::FIRST, (0, 0)); self.streams.len()];
        // They are in the queue's order: the last one is the newest.
        for frame in &self.frames {
            newest[frame.stream] = (frame.sequence, frame.place);
        }
        newest
    }
}

impl RedisQueue {
    /// Reads the selected frames that wait, up to `newest`. Entries are only ever removed, so
    /// reading in pages makes no difference.
    async fn scan(&self, partition: PartitionId, newest: (u64, u64), purge: &Purge) -> Result<Scan> {
        let mut scan = Scan::default();
        let mut after = WorkPosition::default();
        loop {
            let mut read = redis::cmd("XRANGE");
            read.arg(self.names.keys(partition).work())
                .arg(range_after(after))
                .arg(format!("{}-{}", newest.0, newest.1));
            read.arg("COUNT").arg(PAGE_ENTRIES);
            let page = reply::entries(self.reader(partition).command(&read).await?)?;
            for (place, fields) in &page {
                scan.add(*place, fields, purge)?;
                after = WorkPosition(place.0, place.1);
            }
            if page.len() < PAGE_ENTRIES {
                return Ok(scan);
            }
        }
    }
}

#[async_trait]
impl Control for RedisQueue {
    async fn set_queue_state(&self, partition: PartitionId, state: QueueState, reason: &str) -> Result<()> {
        let mut call = Call::default();
        call.key(self.names.keys(partition).counts()).arg(to_text(state)).arg(reason);
        self.scripts.state.run(&self.control, &call).await.map(drop)
    }

    /// Reads the frames first and then marks them, with a script that also returns which ones a
    /// worker had taken at that moment: an entry that was read and not taken is still in the queue,
    /// and a worker that takes it sees the mark.
    async fn purge(&self, partition: PartitionId, purge: &Purge) -> Result<Vec<PurgeMark>> {
        let keys = self.names.keys(partition);
        let mut read = redis::cmd("XREVRANGE");
        read.arg(keys.work()).arg("+").arg("-").arg("COUNT").arg(1);
        let Some((newest, _)) = reply::entries(self.control.command(&read).await?)?.into_iter().next() else {
            return Ok(Vec::new());
        };
        let scan = self.scan(partition, newest, purge).await?;
        if scan.frames.is_empty() {
            return Ok(Vec::new());
        }
        let ends = scan.newest();
        let mut call = Call::default();
        call.key(keys.lease()).key(keys.counts()).key(keys.purge());
        call.arg(format!("{}-{}", newest.0, newest.1)).arg(purge.reason.as_str()).flag(purge.dry_run);
        for (stream, (end, (a, b))) in scan.streams.iter().zip(&ends) {
            call.key(keys.stream(stream));
            call.arg(stream.as_str()).number(end.get()).arg(format!("{a}-{b}"));
        }
        let mut answer = reply::array(self.scripts.mark.run(&self.control, &call).await?)?.into_iter();
        let taken = reply::text(answer.next().unwrap_or(Value::Nil))?.unwrap_or_default();
        let taken: HashSet<(u64, u64)> =
            taken.split_ascii_whitespace().map(reply::place).collect::<Result<_>>()?;
        let before: Vec<u64> = answer.map(reply::number).collect::<Result<_>>()?;
        if before.len() != ends.len() {
            return Err(Error::Corrupt(format!("mark answered {} streams", before.len())));
        }
        let mut marks: Vec<PurgeMark> = scan
            .streams
            .into_iter()
            .zip(ends)
            .map(|(stream_id, (to, _))| PurgeMark { stream_id, to, frames: 0, bytes: 0 })
            .collect();
        for frame in scan.frames {
            if !taken.contains(&frame.place) && frame.sequence.get() > before[frame.stream] {
                marks[frame.stream].frames += 1;
                marks[frame.stream].bytes += frame.bytes;
            }
        }
        marks.retain(|mark| mark.frames > 0);
        Ok(marks)
    }

    async fn scan_purged(&self, lease: &Lease, after: WorkPosition, max_frames: usize) -> Result<PurgeScan> {
        let keys = self.names.keys(lease.partition);
        let mut call = Call::default();
        call.key(keys.lease()).key(keys.work()).key(keys.counts()).key(keys.purge());
        call.arg(fence(lease)).arg(range_after(after)).number(max_frames as u64);
        let answer = match self.scripts.scan_purged.run(&self.control, &call).await? {
            Value::Nil => return Err(Error::LeaseLost),
            answer => reply::array(answer)?,
        };
        let mut answer = answer.into_iter();
        let mut next = || answer.next().unwrap_or(Value::Nil);
        let paused = reply::number(next())? == 1;
        let work_waits = reply::number(next())? == 1;
        let last = match reply::text(next())?.as_deref() {
            None | Some("") => None,
            Some(place) => reply::place(place).map(|(a, b)| Some(WorkPosition(a, b)))?,
        };
        let items = reply::entries(next())?
            .into_iter()
            .map(|((a, b), fields)| work_item(WorkPosition(a, b), &fields))
            .collect::<Result<_>>()?;
        Ok(PurgeScan { items, next: last, paused, work_waits })
    }

    async fn live_workers(&self) -> Result<Vec<String>> {
        // By the clock of the server that has the list, like the script that announces them.
        let workers = self.names.workers();
        let mut time = Request::default();
        time.add(&redis::cmd("TIME"));
        let time = self.control.route(&workers).connected().await?.ask(time).await?.pop();
        let mut clock = reply::array(time.unwrap_or(Ok(Value::Nil)).map_err(refused)?)?.into_iter();
        let mut next = || reply::number(clock.next().unwrap_or(Value::Nil));
        let now_ms = next()? * 1_000 + next()? / 1_000;
        let mut read = redis::cmd("ZRANGE");
        read.arg(workers).arg(format!("({now_ms}")).arg("+inf").arg("BYSCORE");
        let listed = reply::array(self.control.command(&read).await?)?;
        let mut live: Vec<String> =
            listed.into_iter().filter_map(|worker| reply::text(worker).transpose()).collect::<Result<_>>()?;
        live.sort_unstable();
        Ok(live)
    }
}
