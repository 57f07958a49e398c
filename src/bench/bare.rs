//! The limit of gRPC alone: a server that sends one message again and again, as fast as clients
//! take it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use clap::Args;
use futures::future::{BoxFuture, Ready, ready};
use futures::{Stream, stream};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::server::{Grpc, NamedService, ServerStreamingService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::{Service, ServiceExt as _};

use crate::app::transport::{self, Ends, Listener, Settings};
use crate::client::{Channel, MAX_MESSAGE_BYTES};
use crate::config::Config;
use crate::console::Failure;
use crate::pb::v1 as pb;

/// The flags of the bare server.
#[derive(Debug, Args)]
pub(super) struct BareArgs {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    address_file: PathBuf,
    /// Size of the picture in the message.
    #[arg(long)]
    bytes: usize,
}

const PATH: &str = "/frameway.bench.Bare/Stream";

#[derive(Clone)]
struct Bare(pb::SubscribeFramesResponse);

type Messages = Pin<Box<dyn Stream<Item = Result<pb::SubscribeFramesResponse, Status>> + Send>>;

impl NamedService for Bare {
    const NAME: &'static str = "frameway.bench.Bare";
}

impl ServerStreamingService<pb::SubscribeFramesRequest> for Bare {
    type Response = pb::SubscribeFramesResponse;
    type ResponseStream = Messages;
    type Future = Ready<Result<Response<Messages>, Status>>;

    fn call(&mut self, _request: Request<pb::SubscribeFramesRequest>) -> Self::Future {
        let messages: Messages = Box::pin(stream::repeat(Ok(self.0.clone())));
        ready(Ok(Response::new(messages)))
    }
}

impl Service<http::Request<Body>> for Bare {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let message = self.clone();
        Box::pin(async move {
            let codec = ProstCodec::<pb::SubscribeFramesResponse, pb::SubscribeFramesRequest>::default();
            let mut grpc = Grpc::new(codec).apply_max_message_size_config(None, Some(usize::MAX));
            Ok(grpc.server_streaming(message, request).await)
        })
    }
}

/// Serves until a signal stops it.
pub(super) async fn run(args: BareArgs) -> Result<(), Failure> {
    let error = |error: std::io::Error| Failure::Failed(error.into());
    let listener = Listener::bind(&args.listen.into()).await.map_err(error)?;
    let address = listener.address().clone();
    let message = Bare(message(Bytes::from(vec![0x5a; args.bytes])));
    let fresh = args.address_file.with_extension("new");
    std::fs::write(&fresh, address.to_string()).map_err(error)?;
    std::fs::rename(&fresh, &args.address_file).map_err(error)?;
    let service = message.map_request(|request: http::Request<Incoming>| request.map(Body::new));
    let settings = Settings::new(&Config::default().server, None, Default::default());
    transport::serve(listener, service, settings, Ends::default()).await;
    Ok(())
}

/// Opens a stream of messages from the bare server.
pub(super) async fn subscribe(channel: Channel) -> Result<Streaming<pb::SubscribeFramesResponse>, Status> {
    let mut grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let codec = ProstCodec::<pb::SubscribeFramesRequest, pb::SubscribeFramesResponse>::default();
    let request = Request::new(pb::SubscribeFramesRequest::default());
    let path = http::uri::PathAndQuery::from_static(PATH);
    Ok(grpc.server_streaming(request, path, codec).await?.into_inner())
}

/// Returns a delivered frame with `data` as its picture and with few other fields.
fn message(data: Bytes) -> pb::SubscribeFramesResponse {
    let picture = pb::Picture {
        role: pb::PictureRole::Processed.into(),
        size_bytes: data.len() as u64,
        content: Some(pb::picture::Content::Data(data)),
        ..Default::default()
    };
    let frame =
        pb::ProcessedFrame { stream_id: "bare".to_owned(), pictures: vec![picture], ..Default::default() };
    let delivered = pb::DeliveredFrame { frame: Some(frame), ..Default::default() };
    pb::SubscribeFramesResponse { event: Some(pb::subscribe_frames_response::Event::Frame(delivered)) }
}
