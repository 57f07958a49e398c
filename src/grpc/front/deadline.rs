//! A call's deadline (`grpc-timeout`), kept for the whole life of the call, streams included.
//!
//! Clients end their calls themselves when the time is over. A proxy that loses the reset does not, and a client whose own
//! clock is a little late would see whatever else the server says then: it must be DEADLINE_EXCEEDED.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use tokio::time::{Instant, Sleep};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::HeaderMap;
use tonic::codegen::http::header::HeaderValue;

use super::admission::Slot;
use super::{request_id, violation};
use crate::grpc::fault::{Fault, trailers};
use crate::pb::v1::ErrorReason;

const HEADER: &str = "grpc-timeout";
/// Most digits that the protocol allows.
const MAX_DIGITS: usize = 8;

/// How long the caller is ready to wait, if it says.
pub(super) fn parse(headers: &HeaderMap) -> Result<Option<Duration>, Fault> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let timeout = value.to_str().ok().and_then(parse_value);
    timeout.map(Some).ok_or_else(|| {
        violation("grpc-timeout must be 1 to 8 digits and a unit (H, M, S, m, u or n), for example 500m")
    })
}

fn parse_value(value: &str) -> Option<Duration> {
    let unit = value.chars().next_back()?;
    let digits = value.strip_suffix(unit)?;
    let is_number =
        (1..=MAX_DIGITS).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| is_number)?;
    match unit {
        'H' => Some(Duration::from_secs(number * 3600)),
        'M' => Some(Duration::from_secs(number * 60)),
        'S' => Some(Duration::from_secs(number)),
        'm' => Some(Duration::from_millis(number)),
        'u' => Some(Duration::from_micros(number)),
        'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// What a call whose time is over is told.
pub(super) fn exceeded() -> Fault {
    Fault::new(
        ErrorReason::DeadlineExceeded,
        "the call's deadline passed at the server; what it asked for may have been done",
    )
}

/// A response body that ends with DEADLINE_EXCEEDED when the call's time is over, names the request id where the server failed,
/// and keeps the call's place among those under way until then.
#[derive(Debug)]
pub(super) struct Limited {
    /// `None` after the end.
    body: Option<Body>,
    deadline: Option<Pin<Box<Sleep>>>,
    _slot: Slot,
    /// The call's request id and method.
    named: (HeaderValue, String),
}

impl Limited {
    pub(super) fn new(
        body: Body,
        deadline: Option<Instant>,
        slot: Slot,
        named: (HeaderValue, String),
    ) -> Self {
        let deadline = deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline)));
        Self { body: Some(body), deadline, _slot: slot, named }
    }
}

impl http_body::Body for Limited {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        // First: a stream that always has something would never come to it.
        if let Some(deadline) = &mut this.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            this.body = None;
            return Poll::Ready(Some(Ok(Frame::trailers(trailers(&exceeded().into())))));
        }
        let mut frame = ready!(Pin::new(body).poll_frame(cx));
        if frame.is_none() {
            this.body = None;
        }
        if let Some(Ok(frame)) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            let (id, path) = &this.named;
            request_id::tell(trailers, id, path);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.as_ref().map_or_else(http_body::SizeHint::default, http_body::Body::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_the_protocol_has_them() {
        for (value, timeout) in [
            ("0S", Some(Duration::ZERO)),
            ("1n", Some(Duration::from_nanos(1))),
            ("20u", Some(Duration::from_micros(20))),
            ("300m", Some(Duration::from_millis(300))),
            ("3M", Some(Duration::from_secs(180))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("", None),
            ("S", None),
            ("5", None),
            ("+5S", None),
            ("-1S", None),
            ("1.5S", None),
            ("5s", None),
            ("123456789S", None),
            ("5\u{b5}", None),
        ] {
            assert_eq!(parse_value(value), timeout, "{value}");
        }
    }
}
