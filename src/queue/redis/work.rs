//! Takes and finishes work, for the holder of a partition's lease.

use std::time::Duration;

use redis::Value;

use super::cluster;
use super::lease::fence;
use super::resp::Request;
use super::scripts::Call;
use super::{FEED_ENTRIES, RedisQueue, dead_entry, entry, reply};
use crate::domain::{OutputBody, PartitionId, PayloadKey, PayloadRef, StreamId, TombstoneKind};
use crate::queue::{Error, FinishResult, Finished, Lease, Result, WorkItem, WorkPosition};

/// The number of entries of one partition that one wake-up covers, so that a busy queue wakes its
/// worker less often.
const WAKE_ENTRIES: usize = 16;

impl RedisQueue {
    pub(super) async fn take_work(
        &self,
        lease: &Lease,
        after: WorkPosition,
        max_frames: usize,
    ) -> Result<Vec<WorkItem>> {
        self.run_take(lease, &Wanted::After(after, max_frames)).await
    }

    pub(super) async fn take_chosen_work(
        &self,
        lease: &Lease,
        positions: &[WorkPosition],
    ) -> Result<Vec<WorkItem>> {
        if positions.is_empty() {
            return Ok(Vec::new());
        }
        self.run_take(lease, &Wanted::These(positions)).await
    }

    async fn run_take(&self, lease: &Lease, wanted: &Wanted<'_>) -> Result<Vec<WorkItem>> {
        let keys = self.names.keys(lease.partition);
        let mut call = Call::default();
        call.key(keys.lease()).key(keys.work()).key(keys.counts()).key(keys.purge());
        call.arg(fence(lease));
        match wanted {
            Wanted::After(after, max_frames) => {
                call.arg(range_after(*after)).number(*max_frames as u64);
            }
            Wanted::These(positions) => {
                call.arg("").number(positions.len() as u64);
                for WorkPosition(a, b) in *positions {
                    call.arg(format!("{a}-{b}"));
                }
            }
        }
        match self.scripts.take.run(&self.control, &call).await? {
            Value::Nil => Err(Error::LeaseLost),
            entries => reply::entries(entries)?
                .into_iter()
                .map(|((a, b), fields)| work_item(WorkPosition(a, b), &fields))
                .collect(),
        }
    }

    pub(super) async fn list_waiting(
        &self,
        partition: PartitionId,
        after: WorkPosition,
        max_frames: usize,
    ) -> Result<Vec<(WorkPosition, StreamId)>> {
        let mut read = redis::cmd("XRANGE");
        read.arg(self.names.keys(partition).work())
            .arg(range_after(after))
            .arg("+")
            .arg("COUNT")
            .arg(max_frames);
        let waiting = reply::entries(self.control.command(&read).await?)?;
        waiting.into_iter().map(|((a, b), fields)| Ok((WorkPosition(a, b), stream_of(&fields)?))).collect()
    }

    pub(super) async fn await_work(
        &self,
        positions: &[(PartitionId, WorkPosition)],
        wait: Duration,
    ) -> Result<Vec<(PartitionId, WorkPosition)>> {
        if positions.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<cluster::Wanted> = positions
            .iter()
            .map(|&(partition, WorkPosition(a, b))| cluster::Wanted {
                key: self.names.keys(partition).work(),
                position: (a, b),
            })
            .collect();
        let found = self.await_entries(&wanted, WAKE_ENTRIES, wait).await?;
        let newest = |partition: &PartitionId| {
            let key = self.names.keys(*partition).work();
            let page = found.iter().find(|page| page.key == key)?;
            page.entries.last().map(|((a, b), _)| (*partition, WorkPosition(*a, *b)))
        };
        Ok(positions.iter().filter_map(|(partition, _)| newest(partition)).collect())
    }

    pub(super) async fn finish_work(&self, lease: &Lease, frames: &[Finished]) -> Result<Vec<FinishResult>> {
        let (mut results, refused) = self.publish(lease, frames, Transfer::Uploaded).await?;
        let Some(why) = refused else { return Ok(results) };
        tracing::warn!(partition = %lease.partition, why, "Redis rejected a picture");
        if !why.contains("OOM") {
            return Ok(results);
        }
        // A Redis at its memory limit rejects new pictures, so old ones would never be freed. A
        // script that begins by freeing memory may write, so it gets these pictures as arguments,
        // one frame at a time.
        for (frame, result) in frames.iter().zip(&mut results) {
            if matches!(result, FinishResult::PayloadGone | FinishResult::NotNext) {
                let frame = std::slice::from_ref(frame);
                if let Some(rescued) = self.publish(lease, frame, Transfer::InScript).await?.0.pop() {
                    *result = rescued;
                }
            }
        }
        Ok(results)
    }

    /// Runs the script for some frames; also returns the reason if Redis rejected an uploaded
    /// picture.
    async fn publish(
        &self,
        lease: &Lease,
        frames: &[Finished],
        transfer: Transfer,
    ) -> Result<(Vec<FinishResult>, Option<String>)> {
        if frames.is_empty() {
            return Ok((Vec::new(), None));
        }
        let keys = self.names.keys(lease.partition);
        let mut request = Request::default();
        let mut call = Call::default();
        self.wake(&mut call, keys.feed());
        call.key(keys.lease()).key(keys.work()).key(keys.feed()).key(keys.counts()).key(keys.dead());
        call.arg(fence(lease)).number(FEED_ENTRIES).number(self.config.budget.dead_bytes);
        for frame in frames {
            let pictures = frame.body.pictures();
            call.key(keys.stream(&frame.stream_id)).key(keys.output(&frame.stream_id));
            call.key(keys.payload(frame.source.key));
            for upload in &frame.uploads {
                if transfer == Transfer::Uploaded {
                    request.upload(keys, upload);
                }
                call.key(keys.payload(upload.payload.key));
            }
            let kept = pictures.iter().any(|picture| picture.payload.key == frame.source.key);
            let counter = match &frame.body {
                OutputBody::Frame(frame) if frame.over_budget => "over_budget",
                OutputBody::Frame(_) => "processed",
                OutputBody::Tombstone(tombstone) => match tombstone.kind {
                    TombstoneKind::Failed(_) => "failed",
                    TombstoneKind::Dropped => "dropped",
                    TombstoneKind::Purged(_) => "purged",
                    TombstoneKind::Erased => "erased",
                },
            };
            let is_replay = frame.body.header().replayed_from.is_some();
            let replay = if is_replay && frame.has_erasable_body() { "_replay" } else { "" };
            call.number(frame.uploads.len() as u64)
                .arg(format!("{}-{}", frame.position.0, frame.position.1))
                .arg(frame.stream_id.as_str())
                .number(frame.sequence.get())
                .arg(frame.receive_time.as_micros().to_string())
                .number(frame.source.size_bytes)
                .flag(kept)
                .number(frame.body.payloads().iter().map(|payload| payload.size_bytes).sum())
                .arg(format!("{counter}{replay}"))
                .arg(entry::encode_output(&frame.body));
            dead_entry::push_letter(&mut call, frame.dead_frame().as_ref());
            for upload in &frame.uploads {
                let through = upload.bytes.as_ref().filter(|_| transfer == Transfer::InScript);
                call.arg(through.map(|bytes| bytes.to_vec()).unwrap_or_default());
            }
        }
        let (answers, refused) =
            self.scripts.finish.run_after(self.writer(lease.partition), request, &call).await?;
        let answers = match answers {
            Value::Nil => return Err(Error::LeaseLost),
            answers => reply::array(answers)?,
        };
        let results = answers.into_iter().map(finish_result).collect::<Result<_>>()?;
        Ok((results, refused))
    }
}

/// The frames to take.
#[derive(Debug)]
enum Wanted<'a> {
    /// The oldest ones after a position, and their maximum number.
    After(WorkPosition, usize),
    /// The frames at these positions.
    These(&'a [WorkPosition]),
}

/// The way in which the pictures of finished frames reach Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transfer {
    /// In commands before the script.
    Uploaded,
    /// As arguments of the script.
    InScript,
}

/// Decodes the script's letter; `lua/finish.lua` has the table.
fn finish_result(letter: Value) -> Result<FinishResult> {
    match reply::text(letter)?.as_deref() {
        Some("P") => Ok(FinishResult::Published),
        Some("A") => Ok(FinishResult::AlreadyPublished),
        Some("N" | "L") => Ok(FinishResult::NotNext),
        Some("G") => Ok(FinishResult::PayloadGone),
        Some("R") => Ok(FinishResult::Removed),
        Some("E") => Ok(FinishResult::Erased),
        other => Err(Error::Corrupt(format!("finish answered {other:?}"))),
    }
}

/// Returns the start of a range of entries after a position.
pub(super) fn range_after(after: WorkPosition) -> String {
    match after {
        WorkPosition(0, 0) => "-".to_owned(),
        WorkPosition(a, b) => format!("({a}-{b}"),
    }
}

fn stream_of(fields: &reply::Fields) -> Result<StreamId> {
    fields.text("s")?.parse().map_err(|error| Error::Corrupt(format!("{error}")))
}

pub(super) fn work_item(position: WorkPosition, fields: &reply::Fields) -> Result<WorkItem> {
    let key =
        u128::from_str_radix(fields.text("k")?, 16).map_err(|_| Error::Corrupt("payload name".to_owned()))?;
    Ok(WorkItem {
        position,
        stream_id: stream_of(fields)?,
        sequence: fields.sequence("q")?,
        receive_time: fields.time("t")?,
        settings_revision: fields.number("r")?,
        header: entry::decode_header(&fields.bytes("h"))?,
        payload: PayloadRef { key: PayloadKey::from_bits(key), size_bytes: fields.number("n")? },
        fate: match fields.has("x") {
            true => Some(TombstoneKind::Purged(fields.text("x")?.to_owned())),
            false => None,
        },
    })
}
