//! The interface between publishing and the network; tests replace the network.

use std::future::Future;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::client::Channel;
use crate::pb::v1 as pb;
use crate::pb::v1::streaming_service_client::StreamingServiceClient;
use crate::pb::v1::submit_frames_request::Request;
use crate::pb::v1::submit_frames_response::Event;

/// The maximum number of messages that wait for the connection. It exceeds the number of batches
/// that a server accepts before it answers one.
const MESSAGES_WAITING: usize = 64;

/// Opens calls of SubmitFrames.
pub(super) trait Transport {
    type Link: Link;

    /// Opens a call and sends its setup.
    fn open(&mut self, setup: pb::SubmitSetup) -> impl Future<Output = Result<Self::Link, Status>> + Send;
}

/// An open call.
pub(super) trait Link {
    /// Hands over a batch; returns false if the call has ended.
    fn send(&mut self, batch: pb::SubmitBatch) -> bool;

    /// Closes this side of the call: no batch follows.
    fn close(&mut self);

    /// Returns the next event, or `None` when the server has ended the call without an error.
    /// Nothing is lost if the future is dropped.
    fn next(&mut self) -> impl Future<Output = Result<Option<Event>, Status>> + Send;
}

/// Opens calls over gRPC.
#[derive(Debug, Clone)]
pub(super) struct Grpc(pub(super) StreamingServiceClient<Channel>);

/// A call over gRPC.
#[derive(Debug)]
pub(super) struct GrpcLink {
    requests: Option<mpsc::Sender<pb::SubmitFramesRequest>>,
    responses: Streaming<pb::SubmitFramesResponse>,
}

impl Transport for Grpc {
    type Link = GrpcLink;

    async fn open(&mut self, setup: pb::SubmitSetup) -> Result<GrpcLink, Status> {
        let (requests, sent) = mpsc::channel(MESSAGES_WAITING);
        // The channel is new, so it has room for the message.
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
                // Events of a newer contract are skipped.
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
