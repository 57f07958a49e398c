//! StreamingService: the methods of publishers, subscribers and group members.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status, Streaming};

use super::connection_end::ConnectionEnd;
use super::fault::Fault;
use super::frames::FrameReader;
use super::group_acks::GroupAcks;
use super::info::ServerInfo;
use super::list_frames::FrameLister;
use super::sent::Sent;
use super::submit::Submitter;
use super::submit_frames::{self, SubmitFrames};
use super::{delivery, permissions, subscribe};
use crate::hub::{Consumers, Hub};
use crate::pb::v1 as pb;
use crate::pb::v1::streaming_service_server::StreamingService;
use crate::queue::Queue;

type Reply<T> = std::result::Result<Response<T>, Status>;

/// The handlers of StreamingService.
#[derive(Debug)]
pub(crate) struct StreamingHandlers {
    pub(crate) submitter: Arc<Submitter>,
    pub(crate) submit_frames: SubmitFrames,
    pub(crate) frames: FrameReader,
    pub(crate) lister: FrameLister,
    pub(crate) hub: Arc<Hub>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) info: ServerInfo,
    pub(crate) sent: Sent,
    /// True if streams are registered by their first frame.
    pub(crate) auto_register: bool,
    pub(crate) acks: GroupAcks,
    pub(crate) consumers: Arc<Consumers>,
    /// The calls that a drain waits for.
    pub(crate) calls: TaskTracker,
    pub(crate) draining: CancellationToken,
}

impl StreamingHandlers {
    /// Refuses calls that add work while the server drains.
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
        let (_call, caller) = (self.calls.token(), permissions::caller(&request));
        Ok(Response::new(self.submitter.submit(request.into_inner(), &caller).await?))
    }

    type SubscribeFramesStream = delivery::EmptyStream<pb::SubscribeFramesResponse>;

    async fn subscribe_frames(
        &self,
        request: Request<pb::SubscribeFramesRequest>,
    ) -> Reply<Self::SubscribeFramesStream> {
        self.refuse_if_draining()?;
        let caller = permissions::caller(&request);
        let held = (self.calls.token(), permissions::take_subscription(&caller)?);
        let (sent, end) = (self.sent.clone(), ConnectionEnd::of(&request));
        let (request, register) = (request.into_inner(), self.auto_register);
        let frames = subscribe::subscribe(&self.hub, request, &caller, register, sent, held, end).await?;
        Ok(delivery::respond(frames))
    }

    type ConsumeFramesStream = delivery::EmptyStream<pb::ConsumeFramesResponse>;

    async fn consume_frames(
        &self,
        request: Request<pb::ConsumeFramesRequest>,
    ) -> Reply<Self::ConsumeFramesStream> {
        self.refuse_if_draining()?;
        let caller = permissions::caller(&request);
        let held = (self.calls.token(), permissions::take_subscription(&caller)?);
        let (sent, end) = (self.sent.clone(), ConnectionEnd::of(&request));
        let request = request.into_inner();
        let frames = subscribe::join(&self.consumers, request, &caller, sent, held, end).await?;
        Ok(delivery::respond(frames))
    }

    async fn get_frames(&self, request: Request<pb::GetFramesRequest>) -> Reply<pb::GetFramesResponse> {
        let (_call, caller) = (self.calls.token(), permissions::caller(&request));
        Ok(Response::new(self.frames.by_sequence(request.into_inner(), &caller).await?))
    }

    async fn get_latest_frames(
        &self,
        request: Request<pb::GetLatestFramesRequest>,
    ) -> Reply<pb::GetLatestFramesResponse> {
        let (_call, caller) = (self.calls.token(), permissions::caller(&request));
        Ok(Response::new(self.frames.latest(request.into_inner(), &caller).await?))
    }

    async fn list_frames(&self, request: Request<pb::ListFramesRequest>) -> Reply<pb::ListFramesResponse> {
        let (_call, caller) = (self.calls.token(), permissions::caller(&request));
        Ok(Response::new(self.lister.list(request.into_inner(), &caller).await?))
    }

    async fn get_server_info(
        &self,
        request: Request<pb::GetServerInfoRequest>,
    ) -> Reply<pb::GetServerInfoResponse> {
        let pb::GetServerInfoRequest {} = request.into_inner();
        Ok(Response::new(self.info.read(&self.queue).await))
    }

    type SubmitFramesStream = submit_frames::Responses;

    async fn submit_frames(
        &self,
        request: Request<Streaming<pb::SubmitFramesRequest>>,
    ) -> Reply<Self::SubmitFramesStream> {
        self.refuse_if_draining()?;
        let (end, caller) = (ConnectionEnd::of(&request), permissions::caller(&request));
        Ok(Response::new(self.submit_frames.open(request.into_inner(), &self.calls, end, caller)))
    }

    async fn acknowledge_frames(
        &self,
        request: Request<pb::AcknowledgeFramesRequest>,
    ) -> Reply<pb::AcknowledgeFramesResponse> {
        let (_call, caller) = (self.calls.token(), permissions::caller(&request));
        Ok(Response::new(self.acks.acknowledge(request.into_inner(), &caller).await?))
    }

    async fn reject_frames(
        &self,
        request: Request<pb::RejectFramesRequest>,
    ) -> Reply<pb::RejectFramesResponse> {
        let (_call, caller) = (self.calls.token(), permissions::caller(&request));
        Ok(Response::new(self.acks.reject(request.into_inner(), &caller).await?))
    }

    async fn extend_ack_deadline(
        &self,
        request: Request<pb::ExtendAckDeadlineRequest>,
    ) -> Reply<pb::ExtendAckDeadlineResponse> {
        let (_call, caller) = (self.calls.token(), permissions::caller(&request));
        Ok(Response::new(self.acks.extend(request.into_inner(), &caller).await?))
    }
}
