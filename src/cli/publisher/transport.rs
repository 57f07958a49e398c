//! The seam between publishing and the network.

use std::future::Future;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use crate::pb::v1 as pb;
use crate::pb::v1::streaming_service_client::StreamingServiceClient;
use crate::pb::v1::submit_frames_request::Request;
use crate::pb::v1::submit_frames_response::Event;

/// Messages on their way to the connection: more than a server lets be unanswered.
const MESSAGES_WAITING: usize = 64;

/// Opens calls.
pub(in crate::cli) trait Transport {
    type Link: Link;

    /// Opens a call and sends its setup.
    fn open(&mut self, setup: pb::SubmitSetup) -> impl Future<Output = Result<Self::Link, Status>> + Send;
}

/// One call.
pub(in crate::cli) trait Link {
    /// Hands a batch over; false if the call has ended.
    fn send(&mut self, batch: pb::SubmitBatch) -> bool;

    /// Closes this side: no batch follows.
    fn close(&mut self);

    /// The next event; `None` when the server ended the call well. Nothing is lost if it is not waited for to the end.
    fn next(&mut self) -> impl Future<Output = Result<Option<Event>, Status>> + Send;
}

/// The real thing.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Grpc(pub(in crate::cli) StreamingServiceClient<Channel>);

/// A call over gRPC.
#[derive(Debug)]
pub(in crate::cli) struct GrpcLink {
    requests: Option<mpsc::Sender<pb::SubmitFramesRequest>>,
    responses: Streaming<pb::SubmitFramesResponse>,
}

impl Transport for Grpc {
    type Link = GrpcLink;

    async fn open(&mut self, setup: pb::SubmitSetup) -> Result<GrpcLink, Status> {
        let (requests, sent) = mpsc::channel(MESSAGES_WAITING);
        // There is room for it.
        let _room = requests.try_send(pb::SubmitFramesRequest { request: Some(Request::Setup(setup)) });
        let responses = self.0.submit_frames(ReceiverStream::new(sent)).await?.into_inner();
        Ok(GrpcLink { requests: Some(requests), responses })
    }
}

impl Link for GrpcLink {
    fn send(&mut self, batch: pb::SubmitBatch) -> bool {
        let request = pb::SubmitFramesRequest { request: Some(Request::Batch(batch)) };
        self.requests.as_ref().is_some_and(|requests| requests.try_send(request).is_ok())
    }

    fn close(&mut self) {
        self.requests = None;
    }

    async fn next(&mut self) -> Result<Option<Event>, Status> {
        loop {
            match self.responses.message().await? {
                // Events that this program does not know are passed over.
                Some(message) => {
                    if let Some(event) = message.event {
                        return Ok(Some(event));
                    }
                }
                None => return Ok(None),
            }
        }
    }
}
