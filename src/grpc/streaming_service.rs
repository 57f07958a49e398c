//! StreamingService: each handler converts, asks one part, and converts back.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status, Streaming};

use super::connection_end::ConnectionEnd;
use super::counters::Counters;
use super::fault::Fault;
use super::frames::FrameReader;
use super::group_acks::GroupAcks;
use super::registry::Registry;
use super::submit::Submitter;
use super::submit_frames::{self, SubmitFrames};
use super::{delivery, subscribe, watch_streams};
use crate::domain::Partitions;
use crate::hub::{Consumers, Hub};
use crate::pb::v1 as pb;
use crate::pb::v1::streaming_service_server::StreamingService;

type Reply<T> = std::result::Result<Response<T>, Status>;

/// The handlers of StreamingService.
#[derive(Debug)]
pub(crate) struct StreamingHandlers {
    pub(crate) submitter: Arc<Submitter>,
    pub(crate) submit_frames: SubmitFrames,
    pub(crate) registry: Registry,
    pub(crate) frames: FrameReader,
    pub(crate) hub: Arc<Hub>,
    pub(crate) counters: Arc<Counters>,
    /// Streams are registered by their first frame.
    pub(crate) auto_register: bool,
    pub(crate) partitions: Partitions,
    pub(crate) acks: GroupAcks,
    pub(crate) consumers: Arc<Consumers>,
    /// Calls that a drain waits for.
    pub(crate) calls: TaskTracker,
    pub(crate) draining: CancellationToken,
}

impl StreamingHandlers {
    /// Refuses calls that add work to a server which is going away.
    fn refuse_if_draining(&self) -> Result<(), Fault> {
        if self.draining.is_cancelled() { Err(Fault::draining()) } else { Ok(()) }
    }
}

#[tonic::async_trait]
impl StreamingService for StreamingHandlers {
    async fn submit_frame_batch(
        &self,
        request: Request<pb::SubmitFrameBatchRequest>,
    ) -> Reply<pb::SubmitFrameBatchResponse> {
        self.refuse_if_draining()?;
        let _call = self.calls.token();
        Ok(Response::new(self.submitter.submit(request.into_inner()).await?))
    }

    type SubscribeFramesStream = delivery::Nothing;

    async fn subscribe_frames(
        &self,
        request: Request<pb::SubscribeFramesRequest>,
    ) -> Reply<Self::SubscribeFramesStream> {
        self.refuse_if_draining()?;
        let call = self.calls.token();
        let counters = Arc::clone(&self.counters);
        let end = ConnectionEnd::of(&request);
        let request = request.into_inner();
        if request.group.is_some() {
            let frames = subscribe::join(&self.consumers, request, counters, call, end).await?;
            return Ok(delivery::respond(frames));
        }
        let frames =
            subscribe::subscribe(&self.hub, request, self.auto_register, counters, call, end).await?;
        Ok(delivery::respond(frames))
    }

    async fn get_frames(&self, request: Request<pb::GetFramesRequest>) -> Reply<pb::GetFramesResponse> {
        let _call = self.calls.token();
        Ok(Response::new(self.frames.by_sequence(request.into_inner()).await?))
    }

    async fn get_latest_frames(
        &self,
        request: Request<pb::GetLatestFramesRequest>,
    ) -> Reply<pb::GetLatestFramesResponse> {
        let _call = self.calls.token();
        Ok(Response::new(self.frames.latest(request.into_inner()).await?))
    }

    async fn register_stream(
        &self,
        request: Request<pb::RegisterStreamRequest>,
    ) -> Reply<pb::RegisterStreamResponse> {
        let _call = self.calls.token();
        Ok(Response::new(self.registry.register(request.into_inner()).await?))
    }

    async fn get_stream(&self, request: Request<pb::GetStreamRequest>) -> Reply<pb::GetStreamResponse> {
        let _call = self.calls.token();
        Ok(Response::new(self.registry.get(request.into_inner()).await?))
    }

    async fn list_streams(&self, request: Request<pb::ListStreamsRequest>) -> Reply<pb::ListStreamsResponse> {
        let _call = self.calls.token();
        Ok(Response::new(self.registry.list(request.into_inner()).await?))
    }

    async fn update_stream(
        &self,
        request: Request<pb::UpdateStreamRequest>,
    ) -> Reply<pb::UpdateStreamResponse> {
        let _call = self.calls.token();
        Ok(Response::new(self.registry.update(request.into_inner()).await?))
    }

    async fn unregister_stream(
        &self,
        request: Request<pb::UnregisterStreamRequest>,
    ) -> Reply<pb::UnregisterStreamResponse> {
        let _call = self.calls.token();
        Ok(Response::new(self.registry.unregister(request.into_inner()).await?))
    }

    type SubmitFramesStream = submit_frames::Responses;

    async fn submit_frames(
        &self,
        request: Request<Streaming<pb::SubmitFramesRequest>>,
    ) -> Reply<Self::SubmitFramesStream> {
        self.refuse_if_draining()?;
        let end = ConnectionEnd::of(&request);
        Ok(Response::new(self.submit_frames.open(request.into_inner(), &self.calls, end)))
    }

    async fn acknowledge_frames(
        &self,
        request: Request<pb::AcknowledgeFramesRequest>,
    ) -> Reply<pb::AcknowledgeFramesResponse> {
        let _call = self.calls.token();
        Ok(Response::new(self.acks.acknowledge(request.into_inner()).await?))
    }

    async fn reject_frames(
        &self,
        request: Request<pb::RejectFramesRequest>,
    ) -> Reply<pb::RejectFramesResponse> {
        let _call = self.calls.token();
        Ok(Response::new(self.acks.reject(request.into_inner()).await?))
    }

    async fn extend_ack_deadline(
        &self,
        request: Request<pb::ExtendAckDeadlineRequest>,
    ) -> Reply<pb::ExtendAckDeadlineResponse> {
        let _call = self.calls.token();
        Ok(Response::new(self.acks.extend(request.into_inner()).await?))
    }

    type WatchStreamsStream = delivery::Nothing<pb::WatchStreamsResponse>;

    async fn watch_streams(
        &self,
        request: Request<pb::WatchStreamsRequest>,
    ) -> Reply<Self::WatchStreamsStream> {
        self.refuse_if_draining()?;
        let (call, end) = (self.calls.token(), ConnectionEnd::of(&request));
        let changes =
            watch_streams::watch(&self.hub, request.into_inner(), self.partitions, call, end).await?;
        Ok(delivery::respond_in_pieces(changes))
    }
}
