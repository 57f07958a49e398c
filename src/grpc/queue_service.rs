//! QueueService: the work queues, their statistics, and the methods of operators.

use std::sync::Arc;

use futures::future::try_join_all;
use tonic::{Request, Response, Status};

use super::audit::Audit;
use super::convert::stats;
use super::counters::Counters;
use super::fault::Result;
use super::filter::{Fields, Filter};
use super::page::{self, Page};
use crate::domain::{PartitionId, StreamId, Timestamp};
use crate::pb::v1 as pb;
use crate::pb::v1::queue_service_server::QueueService;
use crate::pb::v1::{drain_queue_request, pause_queue_request, resume_queue_request};
use crate::queue::{Budget, ListStreams, Queue, QueueState};

type Reply<T> = std::result::Result<Response<T>, Status>;

const STREAM_LIST: &str = "stream-stats";
/// The fields that a filter of stream statistics may use.
const STREAM_FIELDS: Fields = Fields { only: &["stream_id", "queue_id", "status", "account"], except: &[] };

/// The queues that a call selects.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// One queue, by its id.
    Queue(String),
    /// The frames of one stream in its queue.
    Stream(String),
    /// All queues, if true; false is an error.
    All(bool),
}

impl Target {
    /// Returns the name of the target in the audit log.
    pub(crate) fn name(target: Option<&Self>) -> String {
        match target {
            Some(Self::Queue(queue)) => queue.clone(),
            Some(Self::Stream(stream)) => format!("stream {stream}"),
            Some(Self::All(_)) => "all queues".to_owned(),
            None => "no queue".to_owned(),
        }
    }
}

/// The handlers of QueueService.
#[derive(Debug)]
pub(crate) struct QueueHandlers {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) budget: Budget,
}

impl QueueHandlers {
    async fn stats(&self, request: pb::GetQueueStatsRequest) -> Result<pb::GetQueueStatsResponse> {
        let pb::GetQueueStatsRequest { queue_id } = request;
        let asked = match queue_id.as_str() {
            "" => self.queue.partitions().all().collect(),
            queue_id => vec![self.partition("queue_id", queue_id)?],
        };
        let stats = try_join_all(asked.iter().map(|&one| self.queue.partition_stats(one))).await?;
        let now = Timestamp::now();
        let refused = |&one: &PartitionId| self.counters.refused_of_partition(one);
        let refused_total = match queue_id.is_empty() {
            true => self.counters.refused_in_all(),
            false => asked.iter().map(refused).sum(),
        };
        let to_pb = |(&id, one)| stats::partition_to_pb(id, one, refused(&id), self.budget, now);
        Ok(pb::GetQueueStatsResponse {
            total: Some(stats::total_to_pb(&stats, refused_total)),
            partitions: asked.iter().zip(&stats).map(to_pb).collect(),
        })
    }

    async fn stream_stats(&self, request: pb::ListStreamStatsRequest) -> Result<pb::ListStreamStatsResponse> {
        let pb::ListStreamStatsRequest { page_size, page_token, filter } = request;
        let list = page::filtered(STREAM_LIST, &filter, &self.queue.identity());
        let filter = Filter::of::<pb::StreamStats>(&filter, STREAM_FIELDS)?;
        let mut after: Option<StreamId> = page::after(&list, &page_token)?;
        let partitions = self.queue.partitions();
        let mut page = Page::new(page::size(page_size));
        let now = Timestamp::now();
        'page: for _ in 0..page::READS_A_PAGE {
            let limit = page.read_limit(filter.is_empty());
            let records = self.queue.list_streams(&ListStreams { after, limit }).await?;
            let is_last = records.len() < limit;
            after = records.last().map(|record| record.id.clone());
            for record in &records {
                let refused = self.counters.refused_of_stream(&record.id);
                let stats = stats::stream_to_pb(record, refused, partitions, now);
                if !filter.passes(&stats)? {
                    page.pass(record.id.clone());
                } else if !page.add(record.id.clone(), stats) {
                    break 'page;
                }
            }
            if is_last {
                return Ok(pb::ListStreamStatsResponse {
                    streams: page.all(),
                    next_page_token: String::new(),
                });
            }
            // Large settings take a while to read: other tasks may run in between.
            tokio::task::yield_now().await;
        }
        let (streams, last) = page.cut();
        let next_page_token = last.map(|last| page::token(&list, &last)).unwrap_or_default();
        Ok(pb::ListStreamStatsResponse { streams, next_page_token })
    }
}

#[tonic::async_trait]
impl QueueService for QueueHandlers {
    async fn list_queues(&self, request: Request<pb::ListQueuesRequest>) -> Reply<pb::ListQueuesResponse> {
        Ok(Response::new(self.list(request.into_inner()).await?))
    }

    async fn get_queue_stats(
        &self,
        request: Request<pb::GetQueueStatsRequest>,
    ) -> Reply<pb::GetQueueStatsResponse> {
        Ok(Response::new(self.stats(request.into_inner()).await?))
    }

    async fn list_stream_stats(
        &self,
        request: Request<pb::ListStreamStatsRequest>,
    ) -> Reply<pb::ListStreamStatsResponse> {
        Ok(Response::new(self.stream_stats(request.into_inner()).await?))
    }

    async fn pause_queue(&self, request: Request<pb::PauseQueueRequest>) -> Reply<pb::PauseQueueResponse> {
        use pause_queue_request::Target as T;
        let audit = Audit::of("PauseQueue", &request);
        let pb::PauseQueueRequest { target, reason } = request.into_inner();
        let target = target.map(|target| match target {
            T::QueueId(id) => Target::Queue(id),
            T::AllQueues(all) => Target::All(all),
        });
        let queues = self.change(audit, target, QueueState::Paused, reason).await?;
        Ok(Response::new(pb::PauseQueueResponse { queues }))
    }

    async fn resume_queue(&self, request: Request<pb::ResumeQueueRequest>) -> Reply<pb::ResumeQueueResponse> {
        use resume_queue_request::Target as T;
        let audit = Audit::of("ResumeQueue", &request);
        let pb::ResumeQueueRequest { target, reason } = request.into_inner();
        let target = target.map(|target| match target {
            T::QueueId(id) => Target::Queue(id),
            T::AllQueues(all) => Target::All(all),
        });
        let queues = self.change(audit, target, QueueState::Running, reason).await?;
        Ok(Response::new(pb::ResumeQueueResponse { queues }))
    }

    async fn drain_queue(&self, request: Request<pb::DrainQueueRequest>) -> Reply<pb::DrainQueueResponse> {
        use drain_queue_request::Target as T;
        let audit = Audit::of("DrainQueue", &request);
        let pb::DrainQueueRequest { target, reason } = request.into_inner();
        let target = target.map(|target| match target {
            T::QueueId(id) => Target::Queue(id),
            T::AllQueues(all) => Target::All(all),
        });
        let queues = self.change(audit, target, QueueState::Draining, reason).await?;
        Ok(Response::new(pb::DrainQueueResponse { queues }))
    }

    async fn purge_queue(&self, request: Request<pb::PurgeQueueRequest>) -> Reply<pb::PurgeQueueResponse> {
        let audit = Audit::of("PurgeQueue", &request);
        Ok(Response::new(self.purge_waiting(audit, request.into_inner()).await?))
    }
}
