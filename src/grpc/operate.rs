//! Lists, pauses, resumes, drains and purges work queues.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::try_join_all;
use tokio::time::Instant;

use super::audit::Audit;
use super::convert::{stats, time};
use super::fault::{Fault, Result, shortened};
use super::filter::{Fields, Filter};
use super::page::{self, Page};
use super::queue_service::{QueueHandlers, Target};
use crate::backoff::Backoff;
use crate::domain::limits::MAX_ID_CHARS;
use crate::domain::{PartitionId, StreamCounters, StreamId, Timestamp};
use crate::pb::v1 as pb;
use crate::pb::v1::{ErrorReason, purge_queue_request};
use crate::queue::{self, Purge, PurgeMark, QueueState};

const QUEUE_LIST: &str = "queues";
/// The fields that a filter of queues may use.
const FILTER_FIELDS: Fields = Fields { only: &[], except: &[] };
/// The time that a purge waits for its tombstones before it reports how many are pending.
const PURGE_WAIT: Duration = Duration::from_secs(2);
/// The first and the longest pause between two reads of the tombstones.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

impl QueueHandlers {
    /// Reads a page of the work queues.
    pub(crate) async fn list(&self, request: pb::ListQueuesRequest) -> Result<pb::ListQueuesResponse> {
        let pb::ListQueuesRequest { page_size, page_token, filter } = request;
        let list = page::filtered(QUEUE_LIST, &filter, &self.queue.identity());
        let after: Option<usize> = page::after(&list, &page_token)?;
        let filter = Filter::of::<pb::Queue>(&filter, FILTER_FIELDS)?;
        let all: Vec<PartitionId> = self.queue.partitions().all().collect();
        let rest: Vec<PartitionId> =
            all.into_iter().filter(|one| after.is_none_or(|after| one.index() > after)).collect();
        let mut page = Page::new(page::size(page_size));
        for (partition, queue) in rest.iter().zip(self.read_queues(&rest).await?) {
            if !filter.passes(&queue)? {
                page.pass(partition.index());
            } else if !page.add(partition.index(), queue) {
                break;
            }
        }
        let (queues, last) = page.end();
        let next_page_token = last.map(|last| page::token(&list, &last)).unwrap_or_default();
        Ok(pb::ListQueuesResponse { queues, next_page_token })
    }

    /// Sets the state of one queue or of all, and returns the changed queues.
    pub(crate) async fn change(
        &self,
        mut audit: Audit,
        target: Option<Target>,
        state: QueueState,
        reason: String,
    ) -> Result<Vec<pb::Queue>> {
        let reason = audit.set_reason(reason)?;
        let audit = audit.begin(&Target::name(target.as_ref()));
        let changed = async {
            let (asked, _) = self.targets(target).await?;
            try_join_all(asked.iter().map(|&one| self.queue.set_queue_state(one, state, &reason))).await?;
            self.read_queues(&asked).await
        }
        .await;
        audit.write(&changed, |queues| format!("done, {} queues", queues.len()));
        changed
    }

    async fn read_queues(&self, asked: &[PartitionId]) -> Result<Vec<pb::Queue>> {
        let read = try_join_all(asked.iter().map(|&one| self.queue.partition_stats(one))).await?;
        let now = Timestamp::now();
        let to_pb = |(&id, one)| stats::queue_to_pb(id, one, self.budget, now);
        Ok(asked.iter().zip(&read).map(to_pb).collect())
    }

    /// Marks waiting frames and waits for their tombstones for a limited time.
    pub(crate) async fn purge_waiting(
        &self,
        mut audit: Audit,
        request: pb::PurgeQueueRequest,
    ) -> Result<pb::PurgeQueueResponse> {
        use purge_queue_request::Target as T;
        let pb::PurgeQueueRequest { target, before_receive_time, dry_run, reason } = request;
        let target = target.map(|target| match target {
            T::QueueId(id) => Target::Queue(id),
            T::StreamId(id) => Target::Stream(id),
            T::AllQueues(all) => Target::All(all),
        });
        let reason = audit.set_reason(reason)?;
        let audit = audit.begin(&Target::name(target.as_ref()));
        let purged = async {
            let before_receive_time =
                before_receive_time.map(|at| time::from_pb("before_receive_time", at)).transpose()?;
            let (asked, stream_id) = self.targets(target).await?;
            let purge = Purge { stream_id, before_receive_time, reason, dry_run };
            let marks: Vec<PurgeMark> =
                try_join_all(asked.iter().map(|&one| self.queue.purge(one, &purge))).await?.concat();
            Ok(pb::PurgeQueueResponse {
                marked_frames: marks.iter().map(|mark| mark.frames).sum(),
                marked_bytes: marks.iter().map(|mark| mark.bytes).sum(),
                pending_frames: if dry_run { 0 } else { self.await_tombstones(marks).await? },
            })
        }
        .await;
        audit.write(&purged, |purged| {
            let pb::PurgeQueueResponse { marked_frames, marked_bytes, pending_frames } = purged;
            let done = if dry_run { "would mark" } else { "marked" };
            format!("{done} {marked_frames} frames, {marked_bytes} bytes, {pending_frames} pending")
        });
        purged
    }

    /// Returns the queues of a target, and its stream.
    async fn targets(&self, target: Option<Target>) -> Result<(Vec<PartitionId>, Option<StreamId>)> {
        match target {
            None => Err(Fault::invalid("target", "must select queues: there is no default")),
            Some(Target::All(false)) => Err(Fault::invalid("all_queues", "must be true or unset")),
            Some(Target::All(true)) => Ok((self.queue.partitions().all().collect(), None)),
            Some(Target::Queue(id)) => Ok((vec![self.partition("queue_id", &id)?], None)),
            Some(Target::Stream(id)) => {
                let id: StreamId = id.parse()?;
                let record = self.queue.get_streams(std::slice::from_ref(&id)).await?.pop().flatten();
                if record.is_none_or(|record| record.removed) {
                    return Err(queue::Error::StreamNotFound(id).into());
                }
                Ok((vec![self.queue.partitions().of(&id)], Some(id)))
            }
        }
    }

    /// Returns the partition of a queue id.
    pub(crate) fn partition(&self, field: &str, queue_id: &str) -> Result<PartitionId> {
        if queue_id.is_empty() {
            return Err(Fault::invalid(field, "must not be empty"));
        }
        let found = self.queue.partitions().all().find(|&one| stats::queue_id(one) == queue_id);
        found.ok_or_else(|| {
            let shown = shortened(queue_id, MAX_ID_CHARS);
            Fault::new(ErrorReason::QueueNotFound, format!("queue {shown} does not exist"))
                .field(field)
                .fact("queue_id", shown)
        })
    }

    /// Returns the time to wait for the tombstones of marked frames: none if there is no worker
    /// that can write them.
    async fn wait_time(&self, marks: &[PurgeMark]) -> Result<Duration> {
        let partitions = self.queue.partitions();
        let mut homes: Vec<PartitionId> = marks.iter().map(|mark| partitions.of(&mark.stream_id)).collect();
        homes.sort_unstable();
        homes.dedup();
        let stats = try_join_all(homes.iter().map(|&home| self.queue.partition_stats(home))).await?;
        let is_held = stats.iter().any(|one| one.control.holder.is_some());
        Ok(if is_held { PURGE_WAIT } else { Duration::ZERO })
    }

    /// Waits for the tombstones of marked frames for a limited time; returns the number of missing
    /// ones.
    async fn await_tombstones(&self, mut marks: Vec<PurgeMark>) -> Result<u64> {
        let deadline = Instant::now() + self.wait_time(&marks).await?;
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let ids: Vec<StreamId> = marks.iter().map(|mark| mark.stream_id.clone()).collect();
            let records = self.queue.get_streams(&ids).await?.into_iter().flatten();
            let counters: HashMap<StreamId, StreamCounters> =
                records.map(|record| (record.id, record.counters)).collect();
            // A stream that was unregistered has no waiting frames.
            let pending = |mark: &PurgeMark| {
                let Some(counters) = counters.get(&mark.stream_id) else { return 0 };
                // Sequences may jump, so this difference may be too large. The number of marked
                // frames and the number of waiting frames limit it.
                let to_come = mark.to.get().saturating_sub(counters.published_sequence);
                to_come.min(mark.frames).min(counters.queued_frames)
            };
            marks.retain(|mark| pending(mark) > 0);
            if marks.is_empty() || Instant::now() >= deadline {
                return Ok(marks.iter().map(pending).sum());
            }
            tokio::time::sleep(backoff.next()).await;
        }
    }
}
