//! The transport under every stub.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::codegen::http::header::AUTHORIZATION;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{Service, StdError};
use tonic::{Status, TimeoutExpired};

use super::credentials::Credentials;
use super::line::{Failure, Line, Servers};
use super::tls;

/// The methods whose calls last. They have a connection of their own: the number of calls on a
/// connection is limited, and an acknowledgement must not wait until one of them ends.
const LONG_METHODS: [&str; 4] = ["/SubmitFrames", "/SubscribeFrames", "/ConsumeFrames", "/WatchStreams"];

/// The connections to the servers: one for the calls that last, and one for all others. Each opens
/// when it is first needed, and again after it breaks, to the first address that answers. The
/// channel sends the credentials of its [`ConnectOptions`](super::ConnectOptions) with every call.
///
/// A clone shares the connections and costs little.
#[derive(Clone)]
pub struct Channel {
    over: Over,
    credentials: Option<Credentials>,
}

#[derive(Clone)]
enum Over {
    Lines(Arc<Lines>),
    /// One connection that the caller has opened.
    Given(tonic::transport::Channel),
}

struct Lines {
    long: Line,
    short: Line,
}

impl Channel {
    pub(super) fn new(servers: Servers, credentials: Option<Credentials>) -> Self {
        let servers = Arc::new(servers);
        let lines = Lines { long: Line::new(Arc::clone(&servers)), short: Line::new(servers) };
        Self { over: Over::Lines(Arc::new(lines)), credentials }
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

/// Makes a channel without credentials of one connection that the caller has opened.
impl From<tonic::transport::Channel> for Channel {
    fn from(connection: tonic::transport::Channel) -> Self {
        Self { over: Over::Given(connection), credentials: None }
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = StdError;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        match &mut self.over {
            Over::Lines(_) => Poll::Ready(Ok(())),
            Over::Given(connection) => connection.poll_ready(cx).map_err(Into::into),
        }
    }

    fn call(&mut self, mut request: Request<Body>) -> Answer {
        if let Some(credentials) = &self.credentials {
            request.headers_mut().entry(AUTHORIZATION).or_insert_with(|| credentials.header());
        }
        match &mut self.over {
            Over::Lines(lines) => Answer(Box::pin(send(Arc::clone(lines), request))),
            Over::Given(connection) => {
                let answer = connection.call(request);
                Answer(Box::pin(async { Ok(answer.await?) }))
            }
        }
    }
}

/// Sends a request over the connection for its method, which is opened if necessary.
async fn send(lines: Arc<Lines>, request: Request<Body>) -> Result<Response<Body>, StdError> {
    let path = request.uri().path();
    let is_long = LONG_METHODS.iter().any(|method| path.ends_with(method));
    let line = if is_long { &lines.long } else { &lines.short };
    let mut connection = line.open().await.map_err(status)?;
    let channel = &mut connection.channel;
    let answer = match poll_fn(|cx| channel.poll_ready(cx)).await {
        Ok(()) => channel.call(request).await,
        Err(error) => Err(error),
    };
    answer.map_err(|error| match tls::explain(&error, &connection.address) {
        // tonic would call this CANCELLED.
        None if is_late(&error) => Status::deadline_exceeded("the server did not answer in time").into(),
        None => error.into(),
        Some(tls::Explanation { why, lasting: true }) => Status::failed_precondition(why).into(),
        Some(tls::Explanation { why, lasting: false }) => Status::unavailable(why).into(),
    })
}

/// Reports whether the deadline of a call has passed.
fn is_late(error: &tonic::transport::Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<TimeoutExpired>())
}

fn status(Failure { error, lasting }: Failure) -> StdError {
    let why = error.to_string();
    if lasting { Status::failed_precondition(why).into() } else { Status::unavailable(why).into() }
}

/// The future of an HTTP response.
pub struct Answer(Pin<Box<dyn Future<Output = Result<Response<Body>, StdError>> + Send>>);

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

impl Future for Answer {
    type Output = Result<Response<Body>, StdError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}
