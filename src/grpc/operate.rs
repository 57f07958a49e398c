//! Pause, resume, drain, purge and list work queues.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::try_join_all;
use tokio::time::Instant;

use super::audit::Audit;
use super::convert::{stats, time};
use super::fault::{Fault, Result};
use super::queue_service::QueueHandlers;
use crate::domain::{PartitionId, StreamCounters, StreamId, Timestamp};
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::queue::{Purge, PurgeMark, QueueState};

/// How long a purge waits for its tombstones before it answers how many are pending.
const PURGE_WAIT: Duration = Duration::from_secs(2);
/// Pauses between two looks at them.
const FIRST_LOOK: Duration = Duration::from_millis(10);
const LONGEST_LOOK: Duration = Duration::from_millis(200);

impl QueueHandlers {
    /// All work queues.
    pub(crate) async fn list_all(&self) -> Result<pb::ListQueuesResponse> {
        let all: Vec<PartitionId> = self.queue.partitions().all().collect();
        Ok(pb::ListQueuesResponse { queues: self.read_queues(&all).await? })
    }

    /// Sets the state of one queue or all, and answers how they are then.
    pub(crate) async fn change(
        &self,
        mut audit: Audit,
        queue_id: &str,
        state: QueueState,
        reason: String,
    ) -> Result<Vec<pb::Queue>> {
        let changed = async {
            let reason = audit.because(reason)?;
            let asked = self.partitions(queue_id)?;
            try_join_all(asked.iter().map(|&one| self.queue.set_queue_state(one, state, &reason))).await?;
            self.read_queues(&asked).await
        }
        .await;
        let target = if queue_id.is_empty() { "all queues" } else { queue_id };
        audit.write(target, &changed, |queues| format!("done, {} queues", queues.len()));
        changed
    }

    async fn read_queues(&self, asked: &[PartitionId]) -> Result<Vec<pb::Queue>> {
        let read = try_join_all(asked.iter().map(|&one| self.queue.partition_stats(one))).await?;
        let now = Timestamp::now();
        let to_pb = |(&id, one)| stats::queue_to_pb(id, one, self.budget, now);
        Ok(asked.iter().zip(&read).map(to_pb).collect())
    }

    /// Marks waiting frames and waits a moment for their tombstones.
    pub(crate) async fn purge_waiting(
        &self,
        mut audit: Audit,
        request: pb::PurgeQueueRequest,
    ) -> Result<pb::PurgeQueueResponse> {
        let pb::PurgeQueueRequest { queue_id, stream_id, received_before, all_queues, reason } = request;
        let target = match (all_queues, queue_id.as_str(), stream_id.as_str()) {
            (true, _, _) => "all queues".to_owned(),
            (false, queue, "") => queue.to_owned(),
            (false, "", stream) => format!("stream {stream}"),
            (false, queue, stream) => format!("stream {stream} of {queue}"),
        };
        let purged = async {
            let reason = audit.because(reason)?;
            let received_before =
                received_before.map(|before| time::from_pb("received_before", before)).transpose()?;
            let (asked, stream_id) = self.purged_queues(&queue_id, &stream_id, all_queues).await?;
            let purge = Purge { stream_id, received_before, reason, dry_run: false };
            let marks: Vec<PurgeMark> =
                try_join_all(asked.iter().map(|&one| self.queue.purge(one, &purge))).await?.concat();
            Ok(pb::PurgeQueueResponse {
                marked_frames: marks.iter().map(|mark| mark.frames).sum(),
                marked_bytes: marks.iter().map(|mark| mark.bytes).sum(),
                pending_frames: self.await_tombstones(marks).await?,
            })
        }
        .await;
        audit.write(&target, &purged, |purged| {
            let pb::PurgeQueueResponse { marked_frames, marked_bytes, pending_frames } = purged;
            format!("marked {marked_frames} frames, {marked_bytes} bytes, {pending_frames} pending")
        });
        purged
    }

    /// The queues that a purge is meant for, and its stream.
    async fn purged_queues(
        &self,
        queue_id: &str,
        stream_id: &str,
        all_queues: bool,
    ) -> Result<(Vec<PartitionId>, Option<StreamId>)> {
        if all_queues {
            if !queue_id.is_empty() || !stream_id.is_empty() {
                return Err(Fault::invalid("all_queues", "goes without queue_id and stream_id"));
            }
            return Ok((self.partitions("")?, None));
        }
        let asked = if queue_id.is_empty() { None } else { Some(self.partitions(queue_id)?) };
        if stream_id.is_empty() {
            let asked = asked.ok_or_else(|| {
                Fault::invalid("queue_id", "must name a queue, unless stream_id or all_queues is set")
            })?;
            return Ok((asked, None));
        }
        let id: StreamId = stream_id.parse()?;
        let record = self.queue.get_streams(std::slice::from_ref(&id)).await?.pop().flatten();
        let home = self.queue.partitions().of(&id);
        let elsewhere = asked.is_some_and(|asked| !asked.contains(&home));
        if elsewhere || record.is_none_or(|record| record.removed) {
            let message = match elsewhere {
                true => format!("stream {id} belongs to queue {}", stats::queue_id(home)),
                false => format!("stream {id} is not registered"),
            };
            return Err(Fault::new(ErrorReason::StreamNotFound, message).fact("stream_id", id));
        }
        Ok((vec![home], Some(id)))
    }

    /// How long to wait for the tombstones of marked frames: not at all where no worker is there to write them.
    async fn patience(&self, marks: &[PurgeMark]) -> Result<Duration> {
        let partitions = self.queue.partitions();
        let mut homes: Vec<PartitionId> = marks.iter().map(|mark| partitions.of(&mark.stream_id)).collect();
        homes.sort_unstable();
        homes.dedup();
        let stats = try_join_all(homes.iter().map(|&home| self.queue.partition_stats(home))).await?;
        let is_held = stats.iter().any(|one| one.control.holder.is_some());
        Ok(if is_held { PURGE_WAIT } else { Duration::ZERO })
    }

    /// Waits a moment for the tombstones of marked frames; answers how many are not there yet.
    async fn await_tombstones(&self, mut marks: Vec<PurgeMark>) -> Result<u64> {
        let deadline = Instant::now() + self.patience(&marks).await?;
        let mut pause = FIRST_LOOK;
        loop {
            let ids: Vec<StreamId> = marks.iter().map(|mark| mark.stream_id.clone()).collect();
            let records = self.queue.get_streams(&ids).await?.into_iter().flatten();
            let counters: HashMap<StreamId, StreamCounters> =
                records.map(|record| (record.id, record.counters)).collect();
            // A stream that is gone had nothing waiting any more.
            let pending = |mark: &PurgeMark| {
                let Some(counters) = counters.get(&mark.stream_id) else { return 0 };
                // Numbers may leap: no more are pending than were marked, or than wait.
                let to_come = mark.to.get().saturating_sub(counters.published_sequence);
                to_come.min(mark.frames).min(counters.queued_frames)
            };
            marks.retain(|mark| pending(mark) > 0);
            if marks.is_empty() || Instant::now() >= deadline {
                return Ok(marks.iter().map(pending).sum());
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_LOOK);
        }
    }
}
