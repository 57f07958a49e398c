//! The settings of HTTP/2 connections.

use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// The windows of HTTP/2 flow control: the maximum number of bytes that a client has sent and the
/// server has not read, for a call and for a connection.
pub(super) const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
const MAX_HTTP2_FRAME_BYTES: u32 = 1 << 20;
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum size of metadata that the transport accepts. It is above the limit of the contract,
/// so that a call with too much metadata gets a status. A call with more than this gets HTTP 431,
/// and a call with four times as much ends its connection. In HTTP/2 frames of 16 KiB, the metadata
/// of a call may take six frames.
pub(super) const MAX_HEADER_BYTES: u32 = 96 << 10;
/// The maximum number of calls that the server resets because of protocol errors of the client,
/// before it ends the connection: a guard against floods. It is hyper's default, set explicitly.
const MAX_LOCAL_RESETS: usize = 1024;

/// Returns a builder of HTTP/2 connections with every limit set: the defaults of hyper leave
/// several open.
pub(crate) fn http2(max_calls_per_connection: u32) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(MAX_HTTP2_FRAME_BYTES)
        .max_concurrent_streams(max_calls_per_connection)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .adaptive_window(false)
        .max_header_list_size(MAX_HEADER_BYTES)
        // A client may cancel all its calls at once, before the server has read one of them. That
        // must not end its connection, which others may share.
        .max_pending_accept_reset_streams(max_calls_per_connection as usize)
        .max_local_error_reset_streams(MAX_LOCAL_RESETS);
    builder
}
