//! The transport under every stub.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::header::AUTHORIZATION;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{Service, StdError};
use tonic::transport::channel::ResponseFuture;

use super::credentials::Credentials;
use super::tls;

/// One connection, which opens again by itself when it breaks. It sends the credentials of its
/// [`ConnectOptions`](super::ConnectOptions) with every call.
///
/// A clone shares the connection and costs little.
#[derive(Debug, Clone)]
pub struct Channel {
    connection: tonic::transport::Channel,
    credentials: Option<Credentials>,
    /// The address as a URL, if it is known. It is needed to explain why a connection fails.
    address: Option<Arc<str>>,
}

impl Channel {
    pub(super) fn new(
        connection: tonic::transport::Channel,
        credentials: Option<Credentials>,
        address: &str,
    ) -> Self {
        Self { connection, credentials, address: Some(address.into()) }
    }
}

/// Makes a channel without credentials of a connection that the caller has opened.
impl From<tonic::transport::Channel> for Channel {
    fn from(connection: tonic::transport::Channel) -> Self {
        Self { connection, credentials: None, address: None }
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = StdError;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        let address = self.address.as_deref();
        self.connection.poll_ready(cx).map_err(|error| explained(error, address))
    }

    fn call(&mut self, mut request: Request<Body>) -> Answer {
        if let Some(credentials) = &self.credentials {
            request.headers_mut().entry(AUTHORIZATION).or_insert_with(|| credentials.header());
        }
        Answer { answer: self.connection.call(request), address: self.address.clone() }
    }
}

/// The future of an HTTP response.
pub struct Answer {
    answer: ResponseFuture,
    address: Option<Arc<str>>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Future for Answer {
    type Output = Result<Response<Body>, StdError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let answer = Pin::new(&mut this.answer).poll(cx);
        answer.map_err(|error| explained(error, this.address.as_deref()))
    }
}

/// Returns the error of a connection, as a status with an explanation if TLS is the reason.
fn explained(error: tonic::transport::Error, address: Option<&str>) -> StdError {
    match address.and_then(|address| tls::explain(&error, address)) {
        None => error.into(),
        Some(tls::Explanation { why, lasting: true }) => Status::failed_precondition(why).into(),
        Some(tls::Explanation { why, lasting: false }) => Status::unavailable(why).into(),
    }
}
