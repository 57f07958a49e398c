//! The request id of a call: taken from its metadata or made, and returned in its response.
//!
//! A caller who reports a server error names the id, and the server's log has the cause under it.

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt as _;
use tonic::body::Body;
use tonic::codegen::StdError;
use tonic::codegen::http::header::HeaderValue;
use tonic::codegen::http::{HeaderMap, Request, Response, Uri};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// The key of the metadata entry that carries the id, in a request and in a response.
const HEADER: &str = "x-request-id";
/// The maximum length of an id that is taken from a caller, in characters.
const MAX_CHARS: usize = 128;

/// The id of a call. An extension of its request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// Returns the id that the caller sent, or a new one if it sent none that can be returned.
    fn of(headers: &HeaderMap) -> Self {
        let sent = headers.get(HEADER).filter(|value| is_valid(value)).cloned();
        Self(sent.unwrap_or_else(|| {
            let made = format!("{:032x}", rand::random::<u128>());
            HeaderValue::try_from(made).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
        }))
    }

    /// Returns the id as text.
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// Adds the id to a status that reports a server error, and logs what the caller receives.
    /// `headers` are those of a refusal, or the trailers of a call.
    fn add_to(&self, headers: &mut HeaderMap, uri: &Uri) {
        let Some(status) = Status::from_header_map(headers).filter(|status| status.code() == Code::Internal)
        else {
            return;
        };
        tracing::error!(
            request_id = self.as_str(),
            method = uri.path(),
            message = status.message(),
            "call failed with a server error"
        );
        let mut details = status.get_error_details();
        details.set_request_info(self.as_str(), "");
        let named = Status::with_error_details(status.code(), status.message(), details);
        // The size limit of a fault leaves room for the id. If the header map is full nevertheless,
        // it keeps the status without the id.
        let _kept = named.add_header(headers);
    }
}

fn is_valid(value: &HeaderValue) -> bool {
    let printable = |byte: &u8| (b' '..=b'~').contains(byte);
    (1..=MAX_CHARS).contains(&value.len()) && value.as_bytes().iter().all(printable)
}

/// Gives a call its [`RequestId`], and returns a function that adds the id to the response: to its
/// headers, and if the server failed, also to its status.
pub(crate) fn request_id<B, R>(
    request: &mut Request<B>,
) -> impl FnOnce(Response<R>) -> Response<Body> + use<B, R>
where
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<StdError>,
{
    let id = RequestId::of(request.headers());
    let uri = request.uri().clone();
    request.extensions_mut().insert(id.clone());
    move |mut response| {
        id.add_to(response.headers_mut(), &uri);
        response.headers_mut().insert(HEADER, id.0.clone());
        let add_to_trailers = move |mut frame: Frame<Bytes>| {
            if let Some(trailers) = frame.trailers_mut() {
                id.add_to(trailers, &uri);
            }
            frame
        };
        response.map(|body| Body::new(body.map_frame(add_to_trailers)))
    }
}

#[cfg(test)]
mod tests {
    use tower::{Layer as _, Service as _};

    use super::*;
    use crate::grpc::fault::{Fault, trailers};
    use crate::grpc::layers::around;
    use crate::pb::v1::ErrorReason;

    fn id_of(sent: Option<&str>) -> String {
        let mut headers = HeaderMap::new();
        if let Some(sent) = sent {
            headers.insert(HEADER, sent.parse().unwrap());
        }
        RequestId::of(&headers).as_str().to_owned()
    }

    #[test]
    fn an_id_is_taken_or_made() {
        assert_eq!(id_of(Some("abc-1")), "abc-1");
        assert_eq!(id_of(Some(&"x".repeat(128))).len(), 128);
        assert_eq!(id_of(Some(&"x".repeat(129))).len(), 32);
        assert_eq!(id_of(Some("")).len(), 32);
        assert_ne!(id_of(None), id_of(None));
    }

    #[test]
    fn a_fault_of_the_server_names_the_id_and_a_refusal_does_not() {
        let id = RequestId(HeaderValue::from_static("abc-1"));
        let uri = Uri::from_static("/frameway.v1.QueueService/ListQueues");
        for (reason, named) in [(ErrorReason::Internal, true), (ErrorReason::StreamNotFound, false)] {
            let mut headers = trailers(&Fault::new(reason, "it broke").into());
            id.add_to(&mut headers, &uri);
            let details = Status::from_header_map(&headers).unwrap().get_error_details();
            assert_eq!(details.request_info().map(|info| info.request_id.as_str()), named.then_some("abc-1"));
            assert_eq!(details.error_info().unwrap().reason, reason.as_str_name());
        }
    }

    #[tokio::test]
    async fn the_handler_and_the_caller_see_the_same_id() {
        let handler = tower::service_fn(async |request: Request<Body>| {
            let id = request.extensions().get::<RequestId>().cloned();
            let mut response = Response::new(Body::empty());
            response.extensions_mut().insert(id.expect("the request carries its id"));
            Ok::<_, std::convert::Infallible>(response)
        });
        let mut service = around(request_id).layer(tower::util::BoxService::new(handler));
        let response = service.call(Request::new(Body::empty())).await.unwrap();
        let seen = response.extensions().get::<RequestId>().unwrap();
        assert_eq!(response.headers()[HEADER], seen.0);
    }
}
