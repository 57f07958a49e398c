//! QueueService: statistics, server information, and the operators' RPCs; those that come later say so.

use std::sync::Arc;

use futures::future::try_join_all;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::audit::Audit;
use super::convert::stats;
use super::counters::Counters;
use super::dead_letters::{self, DeadLetterDesk};
use super::fault::{Fault, Result};
use super::groups::GroupDesk;
use super::health::Health;
use super::info::ServerInfo;
use super::page;
use crate::domain::{PartitionId, StreamRecord, Timestamp};
use crate::hub::Hub;
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::pb::v1::queue_service_server::QueueService;
use crate::queue::{Budget, ListStreams, Queue, QueueState};

const LIST: &str = "queue-stats";
/// Streams that are read at once for a page.
const READ_AT_ONCE: usize = 100;

/// The handlers of QueueService.
#[derive(Debug)]
pub(crate) struct QueueHandlers {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) budget: Budget,
    pub(crate) groups: GroupDesk,
    pub(crate) info: ServerInfo,
    pub(crate) dead_letters: DeadLetterDesk,
    pub(crate) health: watch::Receiver<Health>,
}

impl QueueHandlers {
    async fn stats(&self, request: pb::GetQueueStatsRequest) -> Result<pb::GetQueueStatsResponse> {
        let pb::GetQueueStatsRequest { queue_id, include_streams, page_size, page_token } = request;
        let asked = self.partitions(&queue_id)?;
        let list = page::kind(LIST, &self.queue.identity());
        let after = page::after(&list, &page_token)?;
        let first_page = after.is_none();
        let stats = try_join_all(asked.iter().map(|&one| self.queue.partition_stats(one))).await?;
        let now = Timestamp::now();
        let refused = |&one: &PartitionId| self.counters.refused_of_partition(one);
        let refused_total = match queue_id.is_empty() {
            true => self.counters.refused_in_all(),
            false => asked.iter().map(refused).sum(),
        };
        let total = Some(stats::total_to_pb(&stats, refused_total, now));
        let mut response = pb::GetQueueStatsResponse { total, ..Default::default() };
        if first_page {
            let to_pb = |(&id, one)| stats::partition_to_pb(id, one, refused(&id), self.budget, now);
            response.partitions = asked.iter().zip(&stats).map(to_pb).collect();
        }
        if include_streams {
            let partitions = self.queue.partitions();
            let limit = page::size(page_size);
            // A page of one queue may be short: streams are listed by id, whatever their partition.
            let asked_for = |record: &&StreamRecord| asked.contains(&partitions.of(&record.id));
            let to_pb = |record: &StreamRecord| {
                stats::stream_to_pb(record, self.counters.refused_of_stream(&record.id), partitions, now)
            };
            let (mut after, mut left) = (after, limit);
            while left > 0 {
                let asked = left.min(READ_AT_ONCE);
                let records = self.queue.list_streams(&ListStreams { after, limit: asked }).await?;
                let those = records.iter().filter(asked_for);
                response.streams.extend(those.map(to_pb));
                left -= records.len().min(left);
                after = records.last().map(|record| record.id.clone()).filter(|_| records.len() >= asked);
                if after.is_none() {
                    break;
                }
                // Large settings take a while to read: others have their turn.
                tokio::task::yield_now().await;
            }
            response.next_page_token = after.map(|last| page::token(&list, &last)).unwrap_or_default();
        }
        Ok(response)
    }

    /// The partitions that a queue id means; all for none.
    pub(crate) fn partitions(&self, queue_id: &str) -> Result<Vec<PartitionId>> {
        let all: Vec<PartitionId> = self.queue.partitions().all().collect();
        if queue_id.is_empty() {
            return Ok(all);
        }
        let found = all.into_iter().find(|&one| stats::queue_id(one) == queue_id).ok_or_else(|| {
            Fault::new(ErrorReason::QueueNotFound, format!("there is no queue {queue_id}"))
                .field("queue_id")
                .fact("queue_id", queue_id)
        })?;
        Ok(vec![found])
    }
}

#[tonic::async_trait]
impl QueueService for QueueHandlers {
    async fn get_queue_stats(
        &self,
        request: Request<pb::GetQueueStatsRequest>,
    ) -> std::result::Result<Response<pb::GetQueueStatsResponse>, Status> {
        Ok(Response::new(self.stats(request.into_inner()).await?))
    }

    async fn get_server_info(
        &self,
        request: Request<pb::GetServerInfoRequest>,
    ) -> std::result::Result<Response<pb::GetServerInfoResponse>, Status> {
        let pb::GetServerInfoRequest {} = request.into_inner();
        let backend = self.queue.status().await;
        Ok(Response::new(self.info.to_pb(backend, &self.health)))
    }

    async fn list_queues(
        &self,
        request: Request<pb::ListQueuesRequest>,
    ) -> std::result::Result<Response<pb::ListQueuesResponse>, Status> {
        let pb::ListQueuesRequest {} = request.into_inner();
        Ok(Response::new(self.list_all().await?))
    }

    async fn pause_queue(
        &self,
        request: Request<pb::PauseQueueRequest>,
    ) -> std::result::Result<Response<pb::PauseQueueResponse>, Status> {
        let audit = Audit::of("PauseQueue", &request);
        let pb::PauseQueueRequest { queue_id, reason } = request.into_inner();
        let queues = self.change(audit, &queue_id, QueueState::Paused, reason).await?;
        Ok(Response::new(pb::PauseQueueResponse { queues }))
    }

    async fn resume_queue(
        &self,
        request: Request<pb::ResumeQueueRequest>,
    ) -> std::result::Result<Response<pb::ResumeQueueResponse>, Status> {
        let audit = Audit::of("ResumeQueue", &request);
        let pb::ResumeQueueRequest { queue_id, reason } = request.into_inner();
        let queues = self.change(audit, &queue_id, QueueState::Running, reason).await?;
        Ok(Response::new(pb::ResumeQueueResponse { queues }))
    }

    async fn drain_queue(
        &self,
        request: Request<pb::DrainQueueRequest>,
    ) -> std::result::Result<Response<pb::DrainQueueResponse>, Status> {
        let audit = Audit::of("DrainQueue", &request);
        let pb::DrainQueueRequest { queue_id, reason } = request.into_inner();
        let queues = self.change(audit, &queue_id, QueueState::Draining, reason).await?;
        Ok(Response::new(pb::DrainQueueResponse { queues }))
    }

    async fn purge_queue(
        &self,
        request: Request<pb::PurgeQueueRequest>,
    ) -> std::result::Result<Response<pb::PurgeQueueResponse>, Status> {
        let audit = Audit::of("PurgeQueue", &request);
        Ok(Response::new(self.purge_waiting(audit, request.into_inner()).await?))
    }

    async fn get_system_metrics(
        &self,
        request: Request<pb::GetSystemMetricsRequest>,
    ) -> std::result::Result<Response<pb::GetSystemMetricsResponse>, Status> {
        let pb::GetSystemMetricsRequest {} = request.into_inner();
        Ok(Response::new(self.system_metrics().await?))
    }

    async fn list_dead_letters(
        &self,
        request: Request<pb::ListDeadLettersRequest>,
    ) -> std::result::Result<Response<pb::ListDeadLettersResponse>, Status> {
        Ok(Response::new(self.dead_letters.list(request.into_inner()).await?))
    }

    async fn get_dead_letter(
        &self,
        request: Request<pb::GetDeadLetterRequest>,
    ) -> std::result::Result<Response<pb::GetDeadLetterResponse>, Status> {
        Ok(Response::new(self.dead_letters.get(request.into_inner()).await?))
    }

    async fn replay_dead_letters(
        &self,
        request: Request<pb::ReplayDeadLettersRequest>,
    ) -> std::result::Result<Response<pb::ReplayDeadLettersResponse>, Status> {
        let mut audit = Audit::of("ReplayDeadLetters", &request);
        let request = request.into_inner();
        audit.because(request.reason.clone())?;
        let answer = self.dead_letters.replay(request).await;
        audit.write("dead letters", &answer, |answer| dead_letters::account(&answer.results));
        Ok(Response::new(answer?))
    }

    async fn discard_dead_letters(
        &self,
        request: Request<pb::DiscardDeadLettersRequest>,
    ) -> std::result::Result<Response<pb::DiscardDeadLettersResponse>, Status> {
        let mut audit = Audit::of("DiscardDeadLetters", &request);
        let request = request.into_inner();
        audit.because(request.reason.clone())?;
        let answer = self.dead_letters.discard(request).await;
        audit.write("dead letters", &answer, |answer| dead_letters::account(&answer.results));
        Ok(Response::new(answer?))
    }

    async fn create_consumer_group(
        &self,
        request: Request<pb::CreateConsumerGroupRequest>,
    ) -> std::result::Result<Response<pb::CreateConsumerGroupResponse>, Status> {
        let audit = Audit::of("CreateConsumerGroup", &request);
        let request = request.into_inner();
        let group_id = request.group.as_ref().map(|group| group.group_id.clone()).unwrap_or_default();
        let answer = self.groups.create(request).await;
        audit.write(&group_id, &answer, |_| "done".to_owned());
        Ok(Response::new(answer?))
    }

    async fn get_consumer_group(
        &self,
        request: Request<pb::GetConsumerGroupRequest>,
    ) -> std::result::Result<Response<pb::GetConsumerGroupResponse>, Status> {
        Ok(Response::new(self.groups.get(request.into_inner()).await?))
    }

    async fn list_consumer_groups(
        &self,
        request: Request<pb::ListConsumerGroupsRequest>,
    ) -> std::result::Result<Response<pb::ListConsumerGroupsResponse>, Status> {
        Ok(Response::new(self.groups.list(request.into_inner()).await?))
    }

    async fn update_consumer_group(
        &self,
        request: Request<pb::UpdateConsumerGroupRequest>,
    ) -> std::result::Result<Response<pb::UpdateConsumerGroupResponse>, Status> {
        let audit = Audit::of("UpdateConsumerGroup", &request);
        let request = request.into_inner();
        let group_id = request.group.as_ref().map(|group| group.group_id.clone()).unwrap_or_default();
        let answer = self.groups.update(request).await;
        audit.write(&group_id, &answer, |_| "done".to_owned());
        Ok(Response::new(answer?))
    }

    async fn seek_consumer_group(
        &self,
        request: Request<pb::SeekConsumerGroupRequest>,
    ) -> std::result::Result<Response<pb::SeekConsumerGroupResponse>, Status> {
        let mut audit = Audit::of("SeekConsumerGroup", &request);
        let request = request.into_inner();
        audit.because(request.reason.clone())?;
        let group_id = request.group_id.clone();
        let answer = self.groups.seek(request).await;
        audit.write(&group_id, &answer, |answer| format!("done, {} streams moved", answer.moved_streams));
        Ok(Response::new(answer?))
    }

    async fn delete_consumer_group(
        &self,
        request: Request<pb::DeleteConsumerGroupRequest>,
    ) -> std::result::Result<Response<pb::DeleteConsumerGroupResponse>, Status> {
        let audit = Audit::of("DeleteConsumerGroup", &request);
        let request = request.into_inner();
        let group_id = request.group_id.clone();
        let answer = self.groups.delete(request).await;
        audit.write(&group_id, &answer, |answer| format!("done, {} frames behind", answer.lag_frames));
        Ok(Response::new(answer?))
    }
}
