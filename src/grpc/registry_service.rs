//! StreamRegistryService: the streams and their settings.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};

use super::audit::Audit;
use super::connection_end::ConnectionEnd;
use super::erase::Eraser;
use super::fault::Fault;
use super::permissions;
use super::registry::Registry;
use super::{delivery, watch_streams};
use crate::domain::Partitions;
use crate::hub::Hub;
use crate::pb::v1 as pb;
use crate::pb::v1::stream_registry_service_server::StreamRegistryService;

type Reply<T> = std::result::Result<Response<T>, Status>;

/// The handlers of StreamRegistryService.
#[derive(Debug)]
pub(crate) struct RegistryHandlers {
    pub(crate) registry: Registry,
    pub(crate) eraser: Eraser,
    pub(crate) hub: Arc<Hub>,
    pub(crate) partitions: Partitions,
    /// The calls that a drain waits for.
    pub(crate) calls: TaskTracker,
    pub(crate) draining: CancellationToken,
}

#[tonic::async_trait]
impl StreamRegistryService for RegistryHandlers {
    async fn register_stream(
        &self,
        request: Request<pb::RegisterStreamRequest>,
    ) -> Reply<pb::RegisterStreamResponse> {
        let (_call, caller) = (self.calls.token(), permissions::caller(&request));
        let audit = Audit::of("RegisterStream", &request);
        let request = request.into_inner();
        let stream_id = request.stream.as_ref().map(|stream| stream.stream_id.clone()).unwrap_or_default();
        let audit = audit.begin(&stream_id);
        let answer = self.registry.register(request, &caller).await;
        audit.write(&answer, |_| "done".to_owned());
        Ok(Response::new(answer?))
    }

    async fn get_stream(&self, request: Request<pb::GetStreamRequest>) -> Reply<pb::GetStreamResponse> {
        let (_call, caller) = (self.calls.token(), permissions::caller(&request));
        Ok(Response::new(self.registry.get(request.into_inner(), &caller).await?))
    }

    async fn list_streams(&self, request: Request<pb::ListStreamsRequest>) -> Reply<pb::ListStreamsResponse> {
        let (_call, caller) = (self.calls.token(), permissions::caller(&request));
        Ok(Response::new(self.registry.list(request.into_inner(), &caller).await?))
    }

    async fn update_stream(
        &self,
        request: Request<pb::UpdateStreamRequest>,
    ) -> Reply<pb::UpdateStreamResponse> {
        let (_call, caller) = (self.calls.token(), permissions::caller(&request));
        let mut audit = Audit::of("UpdateStream", &request);
        let request = request.into_inner();
        audit.set_reason(request.reason.clone())?;
        let stream_id = request.stream.as_ref().map(|stream| stream.stream_id.clone()).unwrap_or_default();
        let changed = request.update_mask.as_ref().map(|mask| mask.paths.join(",")).unwrap_or_default();
        let audit = audit.begin(&stream_id);
        let answer = self.registry.update(request, &caller).await;
        audit.write(&answer, |_| format!("done, changed {changed}"));
        Ok(Response::new(answer?))
    }

    async fn unregister_stream(
        &self,
        request: Request<pb::UnregisterStreamRequest>,
    ) -> Reply<pb::UnregisterStreamResponse> {
        let (_call, caller) = (self.calls.token(), permissions::caller(&request));
        let mut audit = Audit::of("UnregisterStream", &request);
        let request = request.into_inner();
        audit.set_reason(request.reason.clone())?;
        let audit = audit.begin(&request.stream_id);
        let answer = self.registry.unregister(request, &caller).await;
        audit.write(&answer, |answer| {
            let pb::UnregisterStreamResponse {
                last_sequence: _,
                removed_queued_frames,
                removed_output_frames,
                removed_dead_letters,
            } = answer;
            format!(
                "removed {removed_queued_frames} queued frames, {removed_output_frames} kept frames, \
                 {removed_dead_letters} dead letters"
            )
        });
        Ok(Response::new(answer?))
    }

    async fn erase_frames(&self, request: Request<pb::EraseFramesRequest>) -> Reply<pb::EraseFramesResponse> {
        let (_call, caller) = (self.calls.token(), permissions::caller(&request));
        let audit = Audit::of("EraseFrames", &request);
        Ok(Response::new(self.eraser.erase(audit, request.into_inner(), &caller).await?))
    }

    type WatchStreamsStream = delivery::EmptyStream<pb::WatchStreamsResponse>;

    async fn watch_streams(
        &self,
        request: Request<pb::WatchStreamsRequest>,
    ) -> Reply<Self::WatchStreamsStream> {
        if self.draining.is_cancelled() {
            return Err(Fault::draining().into());
        }
        let (call, end) = (self.calls.token(), ConnectionEnd::of(&request));
        let caller = permissions::caller(&request);
        let held = (call, permissions::take_subscription(&caller)?);
        let request = request.into_inner();
        let changes = watch_streams::watch(&self.hub, request, &caller, self.partitions, held, end).await?;
        Ok(delivery::respond_in_chunks(changes))
    }
}
