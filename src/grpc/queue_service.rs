//! QueueService: statistics and server information. The operators' RPCs come later and say so.

use std::sync::Arc;

use futures::future::try_join_all;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::convert::stats;
use super::dead_letters::DeadLetterDesk;
use super::fault::{Fault, Result};
use super::groups::GroupDesk;
use super::health::Health;
use super::info::ServerInfo;
use super::page;
use crate::domain::{PartitionId, Timestamp};
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::pb::v1::queue_service_server::QueueService;
use crate::queue::{Budget, ListStreams, Queue};

const LIST: &str = "queue-stats";

/// The handlers of QueueService.
#[derive(Debug)]
pub(crate) struct QueueHandlers {
    pub(crate) queue: Arc<dyn Queue>,
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
        let after = page::after(LIST, &page_token)?;
        let first_page = after.is_none();
        let stats = try_join_all(asked.iter().map(|&one| self.queue.partition_stats(one))).await?;
        let now = Timestamp::now();
        let mut response =
            pb::GetQueueStatsResponse { total: Some(stats::total_to_pb(&stats, now)), ..Default::default() };
        if first_page {
            let to_pb = |(&id, one)| stats::partition_to_pb(id, one, self.budget, now);
            response.partitions = asked.iter().zip(&stats).map(to_pb).collect();
        }
        if include_streams {
            let partitions = self.queue.partitions();
            let limit = page::size(page_size);
            let records = self.queue.list_streams(&ListStreams { after, limit }).await?;
            if let Some(last) = records.last().filter(|_| records.len() >= limit) {
                response.next_page_token = page::token(LIST, &last.id);
            }
            // A page of one queue may be short: streams are listed by id, whatever their partition.
            let asked_for = |id| asked.contains(&partitions.of(id));
            let records = records.iter().filter(|record| asked_for(&record.id));
            response.streams = records.map(|record| stats::stream_to_pb(record, partitions, now)).collect();
        }
        Ok(response)
    }

    /// The partitions that a queue id means; all for none.
    fn partitions(&self, queue_id: &str) -> Result<Vec<PartitionId>> {
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

/// Handlers of RPCs that this server does not offer yet.
macro_rules! not_offered {
    ($($method:ident($request:ident) -> $response:ident, $name:literal;)*) => {
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

            async fn create_consumer_group(
                &self,
                request: Request<pb::CreateConsumerGroupRequest>,
            ) -> std::result::Result<Response<pb::CreateConsumerGroupResponse>, Status> {
                Ok(Response::new(self.groups.create(request.into_inner()).await?))
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
                Ok(Response::new(self.groups.update(request.into_inner()).await?))
            }

            async fn seek_consumer_group(
                &self,
                request: Request<pb::SeekConsumerGroupRequest>,
            ) -> std::result::Result<Response<pb::SeekConsumerGroupResponse>, Status> {
                Ok(Response::new(self.groups.seek(request.into_inner()).await?))
            }

            async fn delete_consumer_group(
                &self,
                request: Request<pb::DeleteConsumerGroupRequest>,
            ) -> std::result::Result<Response<pb::DeleteConsumerGroupResponse>, Status> {
                Ok(Response::new(self.groups.delete(request.into_inner()).await?))
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
                Ok(Response::new(self.dead_letters.replay(request.into_inner()).await?))
            }

            async fn discard_dead_letters(
                &self,
                request: Request<pb::DiscardDeadLettersRequest>,
            ) -> std::result::Result<Response<pb::DiscardDeadLettersResponse>, Status> {
                Ok(Response::new(self.dead_letters.discard(request.into_inner()).await?))
            }

            $(async fn $method(
                &self,
                _request: Request<pb::$request>,
            ) -> std::result::Result<Response<pb::$response>, Status> {
                Err(Fault::not_offered(concat!("QueueService.", $name)).rpc().into())
            })*
        }
    };
}

not_offered! {
    list_queues(ListQueuesRequest) -> ListQueuesResponse, "ListQueues";
    pause_queue(PauseQueueRequest) -> PauseQueueResponse, "PauseQueue";
    resume_queue(ResumeQueueRequest) -> ResumeQueueResponse, "ResumeQueue";
    drain_queue(DrainQueueRequest) -> DrainQueueResponse, "DrainQueue";
    purge_queue(PurgeQueueRequest) -> PurgeQueueResponse, "PurgeQueue";
    get_system_metrics(GetSystemMetricsRequest) -> GetSystemMetricsResponse, "GetSystemMetrics";
}
