//! The settings of HTTP/1 connections: those of browsers without TLS, and of curl.

use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;

use super::http2::MAX_HEADER_BYTES;

/// The maximum time from the end of a response to the end of the next request's headers. After it,
/// the connection is closed, so it is also the time for which an idle connection stays open.
const NEXT_HEADERS_TIMEOUT: Duration = Duration::from_secs(30);
/// The maximum number of headers. A request with more gets HTTP 431. It is hyper's default, set
/// explicitly.
const MAX_HEADERS: usize = 100;
/// The maximum number of bytes that are read ahead, or that wait to be written, on a connection. The
/// chunks of a response count as a whole, so a picture may exceed it.
const MAX_BUFFERED_BYTES: usize = 256 << 10;

/// Returns a builder of HTTP/1 connections with every limit set.
pub(crate) fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .keep_alive(true)
        .half_close(false)
        .pipeline_flush(false)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEADER_BYTES as usize)
        .max_buf_size(MAX_BUFFERED_BYTES)
        .header_read_timeout(NEXT_HEADERS_TIMEOUT);
    builder
}
