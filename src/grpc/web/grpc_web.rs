//! gRPC-Web: gRPC for clients that cannot read trailers. The status of a call is the last message of
//! its response body.
//!
//! Messages are the same bytes as in gRPC, so they pass through without a copy. Only the binary form
//! is spoken; the text form (base64) is for browsers that are no longer in use.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::header::{self, HeaderValue};
use tonic::codegen::http::{HeaderMap, Response};

use super::media_type;

/// The content types of requests.
const CONTENT_TYPES: [&str; 2] = ["application/grpc-web", "application/grpc-web+proto"];
/// The content type of responses.
const RESPONSE: HeaderValue = HeaderValue::from_static("application/grpc-web+proto");
/// The first byte of the message that holds the trailers.
const TRAILERS: u8 = 0x80;

pub(super) fn is_grpc_web(headers: &HeaderMap) -> bool {
    CONTENT_TYPES.iter().any(|web| media_type(headers).eq_ignore_ascii_case(web))
}

/// Converts the response of a gRPC call. An answer that is not gRPC is returned as it is.
pub(super) fn to_grpc_web(mut response: Response<Body>) -> Response<Body> {
    let is_grpc = media_type(response.headers()).starts_with("application/grpc");
    if !is_grpc {
        return response;
    }
    response.headers_mut().insert(header::CONTENT_TYPE, RESPONSE);
    response.map(|body| Body::new(TrailersInBody { body }))
}

/// A response body that ends with its trailers as a message.
struct TrailersInBody {
    body: Body,
}

impl http_body::Body for TrailersInBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.get_mut().body).poll_frame(cx));
        let in_body = |frame: Frame<Bytes>| match frame.into_trailers() {
            Ok(trailers) => Frame::data(encode(&trailers)),
            Err(data) => data,
        };
        Poll::Ready(frame.map(|frame| frame.map(in_body)))
    }

    // The size is not known: that of the inner body is without the trailers.
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// Encodes trailers as the lines of an HTTP/1 header block, after the header of a message.
fn encode(trailers: &HeaderMap) -> Bytes {
    let mut lines = BytesMut::new();
    for (name, value) in trailers {
        for part in [name.as_str().as_bytes(), b":", value.as_bytes(), b"\r\n"] {
            lines.put_slice(part);
        }
    }
    let mut message = BytesMut::with_capacity(5 + lines.len());
    message.put_u8(TRAILERS);
    message.put_u32(u32::try_from(lines.len()).unwrap_or(u32::MAX));
    message.put(lines);
    message.freeze()
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};
    use tonic::codegen::http::Request;

    use super::*;

    fn content_type(value: &str) -> HeaderMap {
        Request::builder().header("content-type", value).body(()).unwrap().into_parts().0.headers
    }

    #[test]
    fn only_the_binary_form_is_grpc_web() {
        for yes in ["application/grpc-web", "application/grpc-web+proto", "Application/gRPC-Web+proto; x=1"] {
            assert!(is_grpc_web(&content_type(yes)), "{yes}");
        }
        for no in ["application/grpc", "application/grpc-web-text", "application/grpc-web+json", ""] {
            assert!(!is_grpc_web(&content_type(no)), "{no}");
        }
    }

    #[tokio::test]
    async fn chunks_pass_unchanged_and_trailers_become_the_last_message() {
        let picture = Bytes::from(vec![7; 300_000]);
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "5".parse().unwrap());
        trailers.insert("grpc-message", "no such stream".parse().unwrap());
        let chunks = [Frame::data(picture.clone()), Frame::trailers(trailers)].map(Ok::<_, Status>);
        let body = Body::new(StreamBody::new(futures::stream::iter(chunks)));
        let response = Response::builder().header("content-type", "application/grpc").body(body).unwrap();
        let mut converted = to_grpc_web(response);
        assert_eq!(converted.headers()["content-type"], "application/grpc-web+proto");
        assert_eq!(http_body::Body::size_hint(converted.body()).exact(), None);
        let first = converted.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first.as_ptr(), picture.as_ptr(), "the picture is not copied");
        let last = converted.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
        let lines = b"grpc-status:5\r\ngrpc-message:no such stream\r\n";
        assert_eq!(&last[..5], &[TRAILERS, 0, 0, 0, lines.len() as u8]);
        assert_eq!(&last[5..], lines);
        assert!(converted.body_mut().frame().await.is_none());
    }

    #[test]
    fn an_answer_that_is_not_grpc_stays_as_it_is() {
        let response = Response::builder().header("content-type", "text/plain").body(Body::empty()).unwrap();
        assert_eq!(to_grpc_web(response).headers()["content-type"], "text/plain");
    }
}
