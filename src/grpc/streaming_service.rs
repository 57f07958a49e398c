//! StreamingService: each handler converts, asks one part, and converts back.

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status, Streaming};

use super::fault::Fault;
use super::frames::FrameReader;
use super::registry::Registry;
use super::submit::Submitter;
use super::{subscribe, watch_streams};
use crate::domain::Partitions;
use crate::hub::Hub;
use crate::pb::v1 as pb;
use crate::pb::v1::streaming_service_server::StreamingService;

type Reply<T> = std::result::Result<Response<T>, Status>;
type BoxStream<T> = Pin<Box<dyn Stream<Item = std::result::Result<T, Status>> + Send>>;

/// The handlers of StreamingService.
#[derive(Debug)]
pub(crate) struct StreamingHandlers {
    pub(crate) submitter: Submitter,
    pub(crate) registry: Registry,
    pub(crate) frames: FrameReader,
    pub(crate) hub: Arc<Hub>,
    /// Streams are registered by their first frame.
    pub(crate) auto_register: bool,
    pub(crate) partitions: Partitions,
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

fn not_offered<T>(rpc: &str) -> Reply<T> {
    Err(Fault::not_offered(format!("StreamingService.{rpc}")).rpc().into())
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

    type SubscribeFramesStream = subscribe::Responses;

    async fn subscribe_frames(
        &self,
        request: Request<pb::SubscribeFramesRequest>,
    ) -> Reply<Self::SubscribeFramesStream> {
        self.refuse_if_draining()?;
        let call = self.calls.token();
        Ok(Response::new(
            subscribe::subscribe(&self.hub, request.into_inner(), self.auto_register, call).await?,
        ))
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

    type SubmitFramesStream = BoxStream<pb::SubmitFramesResponse>;

    async fn submit_frames(
        &self,
        _request: Request<Streaming<pb::SubmitFramesRequest>>,
    ) -> Reply<Self::SubmitFramesStream> {
        not_offered("SubmitFrames")
    }

    async fn acknowledge_frames(
        &self,
        _request: Request<pb::AcknowledgeFramesRequest>,
    ) -> Reply<pb::AcknowledgeFramesResponse> {
        not_offered("AcknowledgeFrames")
    }

    async fn reject_frames(
        &self,
        _request: Request<pb::RejectFramesRequest>,
    ) -> Reply<pb::RejectFramesResponse> {
        not_offered("RejectFrames")
    }

    async fn extend_ack_deadline(
        &self,
        _request: Request<pb::ExtendAckDeadlineRequest>,
    ) -> Reply<pb::ExtendAckDeadlineResponse> {
        not_offered("ExtendAckDeadline")
    }

    type WatchStreamsStream = watch_streams::Responses;

    async fn watch_streams(
        &self,
        request: Request<pb::WatchStreamsRequest>,
    ) -> Reply<Self::WatchStreamsStream> {
        self.refuse_if_draining()?;
        let call = self.calls.token();
        Ok(Response::new(watch_streams::watch(&self.hub, request.into_inner(), self.partitions, call).await?))
    }
}
