//! The front of all services: what each request meets before a handler sees it, and each answer on its way out.
//!
//! HTTP and tonic refuse some requests by themselves, with codes and texts that are not the contract's, and let others
//! through that the contract refuses. All of that is set right here, for every service alike.

mod admission;
mod deadline;
mod refusal;
mod request_id;

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use tokio::time::{Instant, timeout_at};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::service::Routes;
use tower::Service;

use super::fault::Fault;
use crate::pb::v1::ErrorReason;
pub(crate) use admission::{Admission, MAX_METADATA_BYTES};
use deadline::Limited;
pub(crate) use refusal::contract_fault;
pub(crate) use request_id::HEADER as REQUEST_ID;

/// All services of a server behind the checks that they share.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    routes: Routes,
    admission: Arc<Admission>,
    /// Largest request of StreamingService, in bytes.
    max_message_bytes: usize,
}

impl Front {
    pub(crate) fn new(routes: Routes, admission: Admission, max_message_bytes: usize) -> Self {
        Self { routes: routes.prepare(), admission: Arc::new(admission), max_message_bytes }
    }
}

impl<B> Service<Request<B>> for Front
where
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<tonic::codegen::StdError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        <Routes as Service<Request<B>>>::poll_ready(&mut self.routes, cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let arrived = Instant::now();
        if let Some(refusal) = admission::not_grpc(request.method(), request.headers()) {
            return futures::future::ready(Ok(refusal)).boxed();
        }
        let admitted = self.admit(&request, arrived);
        // Behind the check of the metadata: it may add to it.
        let id = request_id::of(&mut request);
        let told = id.clone();
        let named = move |mut answer: Response<Body>| {
            answer.headers_mut().insert(request_id::HEADER, told);
            answer
        };
        let (slot, deadline) = match admitted {
            Ok(admitted) => admitted,
            Err(fault) => return futures::future::ready(Ok(named(Status::from(fault).into_http()))).boxed(),
        };
        let path = request.uri().path().to_owned();
        let max_bytes = refusal::max_request_bytes(&path, self.max_message_bytes);
        let answer = self.routes.call(request);
        async move {
            let answer = match deadline {
                Some(deadline) => match timeout_at(deadline, answer).await {
                    Ok(answer) => answer?,
                    Err(_elapsed) => return Ok(named(Status::from(deadline::exceeded()).into_http())),
                },
                None => answer.await?,
            };
            let mut answer = refusal::in_contract_terms(answer, &path, max_bytes);
            request_id::tell(answer.headers_mut(), &id, &path);
            Ok(named(answer.map(|body| Body::new(Limited::new(body, deadline, slot, (id, path))))))
        }
        .boxed()
    }
}

impl Front {
    /// A place among the calls under way, and when the caller's patience ends.
    fn admit<B>(
        &self,
        request: &Request<B>,
        arrived: Instant,
    ) -> Result<(admission::Slot, Option<Instant>), Fault> {
        admission::check_metadata(request.headers())?;
        let patience = deadline::parse(request.headers())?;
        // Longer than any call lasts; the sum would overflow.
        let deadline =
            patience.filter(|patience| *patience < LONGEST_DEADLINE).map(|patience| arrived + patience);
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(deadline::exceeded());
        }
        Ok((self.admission.slot(request.uri().path())?, deadline))
    }
}

/// Deadlines from here on are none.
const LONGEST_DEADLINE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A refusal that the same request always meets.
fn violation(message: impl Into<String>) -> Fault {
    Fault::new(ErrorReason::ProtocolViolation, message)
}
