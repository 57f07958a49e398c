//! A call's request id: taken from its metadata or made, and told in its answer.
//!
//! A caller who reports a fault of the server names the id, and the server's log has the cause under it.

use tonic::codegen::http::header::HeaderValue;
use tonic::codegen::http::{HeaderMap, Request};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

pub(crate) const HEADER: &str = "x-request-id";
/// Longest id that is taken from a caller, in characters.
const MAX_CHARS: usize = 128;

/// Returns the id of a call, which its request carries from here on. One that cannot be told again is replaced.
pub(super) fn of<B>(request: &mut Request<B>) -> HeaderValue {
    let brought = request.headers().get(HEADER).filter(|value| is_good(value)).cloned();
    let id = brought.unwrap_or_else(|| {
        let made = format!("{:032x}", rand::random::<u128>());
        HeaderValue::try_from(made).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
    });
    request.headers_mut().insert(HEADER, id.clone());
    id
}

fn is_good(value: &HeaderValue) -> bool {
    let printable = |byte: &u8| (b' '..=b'~').contains(byte);
    (1..=MAX_CHARS).contains(&value.len()) && value.as_bytes().iter().all(printable)
}

/// Names the id in a status that tells of a fault of the server, and logs what the caller is told. `headers` are those of a
/// refusal, or a call's trailers.
pub(super) fn tell(headers: &mut HeaderMap, id: &HeaderValue, path: &str) {
    let Some(status) = Status::from_header_map(headers).filter(|status| status.code() == Code::Internal)
    else {
        return;
    };
    let id = id.to_str().unwrap_or_default();
    tracing::error!(
        request_id = id,
        method = path,
        message = status.message(),
        "a call failed by a fault of the server"
    );
    let mut details = status.get_error_details();
    details.set_request_info(id, "");
    let told = Status::with_error_details(status.code(), status.message(), details);
    // The texts of a fault leave room for this, and a header that takes no more keeps what it has.
    let _kept = told.add_header(headers);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::fault::{Fault, trailers};
    use crate::pb::v1::ErrorReason;

    fn id_of(brought: Option<&str>) -> String {
        let mut request = Request::new(());
        if let Some(brought) = brought {
            request.headers_mut().insert(HEADER, brought.parse().unwrap());
        }
        let id = of(&mut request);
        assert_eq!(request.headers()[HEADER], id);
        id.to_str().unwrap().to_owned()
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
        let id = HeaderValue::from_static("abc-1");
        for (reason, named) in [(ErrorReason::Internal, true), (ErrorReason::StreamNotFound, false)] {
            let mut headers = trailers(&Fault::new(reason, "it broke").into());
            tell(&mut headers, &id, "/frameway.v1.QueueService/ListQueues");
            let details = Status::from_header_map(&headers).unwrap().get_error_details();
            assert_eq!(details.request_info().map(|info| info.request_id.as_str()), named.then_some("abc-1"));
            assert_eq!(details.error_info().unwrap().reason, reason.as_str_name());
        }
    }
}
