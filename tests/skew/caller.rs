//! A client that calls any method with any bytes.

use bytes::{Buf as _, BufMut as _, Bytes};
use frameway::client::Channel;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::server::PATIENCE;

/// Returns the methods of all services. Those that remove what others need are the last.
pub(crate) fn methods(pool: &DescriptorPool) -> Vec<MethodDescriptor> {
    let mut methods: Vec<_> =
        pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()).collect();
    methods.sort_by_key(|method| ["Unregister", "Delete"].iter().any(|verb| method.name().starts_with(verb)));
    methods
}

/// Returns the method of this name.
pub(crate) fn method(pool: &DescriptorPool, name: &str) -> MethodDescriptor {
    let found = methods(pool).into_iter().find(|method| method.name() == name);
    found.unwrap_or_else(|| panic!("no RPC {name}"))
}

/// A client without generated code.
#[derive(Debug)]
pub(crate) struct Caller {
    channel: Channel,
    /// The value of the metadata `authorization`.
    authorization: Option<String>,
}

/// A status that is not OK.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: Code,
    /// The reason without the prefix of the enum; empty if there is none.
    pub(crate) reason: String,
    /// The path of the field at fault in BadRequest.
    pub(crate) field: String,
    pub(crate) message: String,
}

impl Caller {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { channel, authorization: None }
    }

    /// Sends an API key or a token with every call.
    #[allow(dead_code, reason = "not every suite uses it")]
    pub(crate) fn with_bearer(self, bearer: &str) -> Self {
        Self { authorization: Some(format!("Bearer {bearer}")), ..self }
    }

    /// Sends one request; returns the first response.
    pub(crate) async fn call(
        &self,
        method: &MethodDescriptor,
        request: &DynamicMessage,
    ) -> Result<Bytes, Refused> {
        self.send(method, request.encode_to_vec().into()).await
    }

    /// Sends bytes that need not be a message; returns the first response.
    pub(crate) async fn send(&self, method: &MethodDescriptor, request: Bytes) -> Result<Bytes, Refused> {
        let responses = self.exchange(method, vec![request], 1).await?;
        Ok(responses.into_iter().next().unwrap_or_default())
    }

    /// Sends requests on one call, and closes its side; returns the first responses, up to a
    /// maximum.
    pub(crate) async fn exchange(
        &self,
        method: &MethodDescriptor,
        requests: Vec<Bytes>,
        most: usize,
    ) -> Result<Vec<Bytes>, Refused> {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let answer = async {
            let mut grpc = Grpc::new(self.channel.clone());
            grpc.ready().await.expect("the connection is open");
            let path: PathAndQuery = path.parse().expect("a path");
            // On the wire, methods of all kinds are streams.
            let mut request = Request::new(tokio_stream::iter(requests));
            if let Some(value) = &self.authorization {
                request.metadata_mut().insert("authorization", value.parse().expect("metadata"));
            }
            let mut responses = grpc.streaming(request, path, Raw).await?.into_inner();
            let mut received = Vec::new();
            while received.len() < most
                && let Some(response) = responses.message().await?
            {
                received.push(response);
            }
            Ok(received)
        };
        let answer: Result<Vec<Bytes>, Status> = tokio::time::timeout(PATIENCE, answer)
            .await
            .unwrap_or_else(|_| panic!("{} answers", method.name()));
        answer.map_err(|status| {
            let details = status.get_error_details();
            let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
            let violation = details.bad_request().and_then(|bad| bad.field_violations.first());
            Refused {
                code: status.code(),
                reason: reason.trim_start_matches("ERROR_REASON_").to_owned(),
                field: violation.map(|violation| violation.field.clone()).unwrap_or_default(),
                message: status.message().to_owned(),
            }
        })
    }
}

/// A codec that does not change bytes.
#[derive(Debug)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buf: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buf.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buf.copy_to_bytes(buf.remaining())))
    }
}
