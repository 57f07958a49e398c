//! Taking and finishing work, by the holder of a partition's lease.

use std::time::Duration;

use redis::Value;

use super::accept::push_offer;
use super::keys::Keys;
use super::lease::fence;
use super::scripts::Call;
use super::status::moment;
use super::wire::Request;
use super::{FEED_ENTRIES, RedisQueue, dead_entry, entry, reply};
use crate::domain::{OutputBody, PartitionId, PayloadKey, PayloadRef, Sequence, Timestamp, TombstoneKind};
use crate::queue::{Error, FinishResult, Finished, Lease, OFFER_TTL, Result, WorkItem, WorkPosition};

/// Entries of one partition that a wake-up may run over at once, so that a busy queue wakes its worker less often.
const WAKE_ENTRIES: usize = 16;

impl RedisQueue {
    pub(super) async fn take_work(
        &self,
        lease: &Lease,
        after: WorkPosition,
        max_frames: usize,
    ) -> Result<Vec<WorkItem>> {
        let keys = Keys(lease.partition);
        let first = behind(after);
        let mut call = Call::default();
        call.key(keys.lease()).key(keys.work()).key(keys.counts()).key(keys.purge());
        call.arg(fence(lease)).arg(first).number(max_frames as u64);
        match self.scripts.take.run(&self.control, &call).await? {
            Value::Nil => Err(Error::LeaseLost),
            entries => reply::entries(entries)?
                .into_iter()
                .map(|((a, b), fields)| work_item(WorkPosition(a, b), &fields))
                .collect(),
        }
    }

    pub(super) async fn await_work(
        &self,
        positions: &[(PartitionId, WorkPosition)],
        wait: Duration,
    ) -> Result<Vec<(PartitionId, WorkPosition)>> {
        if positions.is_empty() {
            return Ok(Vec::new());
        }
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(WAKE_ENTRIES).arg("BLOCK").arg(wait.as_millis().max(1) as u64).arg("STREAMS");
        for (partition, _) in positions {
            read.arg(Keys(*partition).work());
        }
        for (_, WorkPosition(a, b)) in positions {
            read.arg(format!("{a}-{b}"));
        }
        let found = reply::streams(self.blocking.command(&read, wait).await?)?;
        let newest = |partition: &PartitionId| {
            let key = Keys(*partition).work();
            let (_, entries) = found.iter().find(|(name, _)| *name == key)?;
            entries.last().map(|((a, b), _)| (*partition, WorkPosition(*a, *b)))
        };
        Ok(positions.iter().filter_map(|(partition, _)| newest(partition)).collect())
    }

    pub(super) async fn finish_work(&self, lease: &Lease, frames: &[Finished]) -> Result<Vec<FinishResult>> {
        let (mut results, refused) = self.publish(lease, frames, Bytes::Offered).await?;
        let Some(why) = refused else { return Ok(results) };
        tracing::warn!(partition = %lease.partition, why, "Redis would not take a picture");
        if !why.contains("OOM") {
            return Ok(results);
        }
        // A Redis at its memory limit refuses new pictures, and would never again let go of old ones. A script that
        // begins by freeing is allowed to write: so these pictures go through it, one frame at a time.
        for (frame, result) in frames.iter().zip(&mut results) {
            if matches!(result, FinishResult::PayloadGone | FinishResult::NotNext) {
                let frame = std::slice::from_ref(frame);
                if let Some(rescued) = self.publish(lease, frame, Bytes::InScript).await?.0.pop() {
                    *result = rescued;
                }
            }
        }
        Ok(results)
    }

    /// Runs the script for some frames; answers also why Redis would not take an offered picture, if it would not.
    async fn publish(
        &self,
        lease: &Lease,
        frames: &[Finished],
        bytes: Bytes,
    ) -> Result<(Vec<FinishResult>, Option<String>)> {
        if frames.is_empty() {
            return Ok((Vec::new(), None));
        }
        let keys = Keys(lease.partition);
        let mut request = Request::default();
        let mut call = Call::default();
        call.key(keys.lease()).key(keys.work()).key(keys.feed()).key(keys.counts()).key(keys.dead());
        call.arg(fence(lease)).number(FEED_ENTRIES).number(self.config.budget.dead_bytes);
        for frame in frames {
            let pictures = frame.body.pictures();
            call.key(keys.stream(&frame.stream_id)).key(keys.output(&frame.stream_id));
            call.key(keys.payload(frame.source.key));
            for offer in &frame.offers {
                if bytes == Bytes::Offered {
                    push_offer(&mut request, keys, offer, OFFER_TTL);
                }
                call.key(keys.payload(offer.payload.key));
            }
            let kept = pictures.iter().any(|picture| picture.payload.key == frame.source.key);
            let counter = match &frame.body {
                OutputBody::Frame(frame) if frame.over_budget => "over_budget",
                OutputBody::Frame(_) => "processed",
                OutputBody::Tombstone(tombstone) => match tombstone.kind {
                    TombstoneKind::Failed(_) => "failed",
                    TombstoneKind::Dropped => "dropped",
                    TombstoneKind::Purged(_) => "purged",
                },
            };
            call.number(frame.offers.len() as u64)
                .arg(format!("{}-{}", frame.position.0, frame.position.1))
                .arg(frame.stream_id.as_str())
                .number(frame.sequence.get())
                .arg(frame.receive_time.as_micros().to_string())
                .number(frame.source.size_bytes)
                .flag(kept)
                .number(frame.body.payloads().iter().map(|payload| payload.size_bytes).sum())
                .arg(counter)
                .arg(entry::encode_output(&frame.body));
            dead_entry::push_letter(&mut call, frame.dead_frame().as_ref());
            for offer in &frame.offers {
                let through = offer.bytes.as_ref().filter(|_| bytes == Bytes::InScript);
                call.arg(through.map(|bytes| bytes.to_vec()).unwrap_or_default());
            }
        }
        let (answers, refused) =
            self.scripts.finish.run_behind(self.writer(lease.partition), request, &call).await?;
        let answers = match answers {
            Value::Nil => return Err(Error::LeaseLost),
            answers => reply::array(answers)?,
        };
        let results = answers.into_iter().map(finish_result).collect::<Result<_>>()?;
        Ok((results, refused))
    }
}

/// How the pictures of finished frames reach Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bytes {
    /// Beside the script, before it.
    Offered,
    /// As the script's arguments.
    InScript,
}

/// What the script's letter says; `lua/finish.lua` has the table.
fn finish_result(letter: Value) -> Result<FinishResult> {
    match reply::text(letter)?.as_deref() {
        Some("P") => Ok(FinishResult::Published),
        Some("A") => Ok(FinishResult::AlreadyPublished),
        Some("N" | "L") => Ok(FinishResult::NotNext),
        Some("G") => Ok(FinishResult::PayloadGone),
        Some("R") => Ok(FinishResult::Removed),
        other => Err(Error::Corrupt(format!("finish answered {other:?}"))),
    }
}

/// The start of a range of entries behind a position.
pub(super) fn behind(after: WorkPosition) -> String {
    match after {
        WorkPosition(0, 0) => "-".to_owned(),
        WorkPosition(a, b) => format!("({a}-{b}"),
    }
}

pub(super) fn time(fields: &reply::Fields, name: &str) -> Result<Timestamp> {
    Ok(moment(fields.number(name)?))
}

pub(super) fn sequence(fields: &reply::Fields, name: &str) -> Result<Sequence> {
    Sequence::new(fields.number(name)?).map_err(|error| Error::Corrupt(format!("{error}")))
}

pub(super) fn work_item(position: WorkPosition, fields: &reply::Fields) -> Result<WorkItem> {
    let key =
        u128::from_str_radix(fields.text("k")?, 16).map_err(|_| Error::Corrupt("payload name".to_owned()))?;
    Ok(WorkItem {
        position,
        stream_id: fields.text("s")?.parse().map_err(|error| Error::Corrupt(format!("{error}")))?,
        sequence: sequence(fields, "q")?,
        receive_time: time(fields, "t")?,
        settings_revision: fields.number("r")?,
        header: entry::decode_header(&fields.bytes("h"))?,
        payload: PayloadRef { key: PayloadKey::from_bits(key), size_bytes: fields.number("n")? },
        fate: match fields.has("x") {
            true => Some(TombstoneKind::Purged(fields.text("x")?.to_owned())),
            false => None,
        },
    })
}
