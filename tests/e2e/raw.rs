//! An HTTP/2 client that can send what no gRPC client sends: any headers, bodies that never end,
//! frames written by hand.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use prost::Message;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Status;
use tonic::codegen::http::{HeaderMap, Request, StatusCode};

use crate::server::{PATIENCE, spawn};

/// The bytes that every HTTP/2 client sends first.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An empty SETTINGS frame.
pub(crate) const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// An HTTP/2 connection.
pub(crate) struct Raw {
    requests: SendRequest<Bytes>,
}

/// A response.
#[derive(Debug)]
pub(crate) struct RawResponse {
    pub(crate) http: StatusCode,
    /// Headers and trailers.
    pub(crate) fields: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl RawResponse {
    /// Returns the gRPC status, if there is one.
    pub(crate) fn status(&self) -> Option<Status> {
        Status::from_header_map(&self.fields)
    }

    /// Returns the gRPC status of a refusal.
    pub(crate) fn refusal(&self) -> Status {
        self.status().unwrap_or_else(|| panic!("no gRPC status in {self:?}"))
    }
}

/// The body of a request.
pub(crate) enum Body {
    /// These bytes, and the end of the body.
    Whole(Vec<u8>),
    /// These bytes, and no end of the body.
    Endless(Vec<u8>),
}

/// Encodes a gRPC message with its header.
pub(crate) fn framed(message: &impl Message) -> Vec<u8> {
    framed_bytes(&message.encode_to_vec())
}

/// Encodes any bytes with the header of a gRPC message.
pub(crate) fn framed_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut framed = vec![0];
    framed.extend(u32::try_from(bytes.len()).expect("a short message").to_be_bytes());
    framed.extend(bytes);
    framed
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.expect("connects");
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1 << 24).initial_connection_window_size(1 << 24);
        let (requests, connection) = builder.handshake(socket).await.expect("speaks HTTP/2");
        spawn(connection);
        Self { requests }
    }

    /// Sends a request and waits for the end of its response.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> RawResponse {
        let mut request = Request::builder().method(method).uri(format!("http://server{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a request");
        let mut requests = self.requests.clone().ready().await.expect("the connection is open");
        let (answer, mut sending) = requests.send_request(request, false).expect("is sent");
        let (bytes, ends) = match body {
            Body::Whole(bytes) => (bytes, true),
            Body::Endless(bytes) => (bytes, false),
        };
        // A refusal may arrive before the body is sent.
        let _refused_already = sending.send_data(bytes.into(), ends);
        let whole = async {
            let (head, mut body) = answer.await.expect("an answer").into_parts();
            let (mut fields, mut received) = (head.headers, Vec::new());
            while let Some(Ok(data)) = body.data().await {
                received.extend_from_slice(&data);
            }
            if let Ok(Some(trailers)) = body.trailers().await {
                fields.extend(trailers);
            }
            RawResponse { http: head.status, fields, body: received }
        };
        timeout(PATIENCE, whole).await.expect("an answer in time")
    }

    /// Makes a gRPC call.
    pub(crate) async fn call(&self, path: &str, headers: &[(&str, &str)], body: Body) -> RawResponse {
        let grpc = [("content-type", "application/grpc"), ("te", "trailers")];
        self.send("POST", path, &[&grpc[..], headers].concat(), body).await
    }
}

/// Encodes an HTTP/2 frame.
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

impl Frame {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let length = u32::try_from(self.payload.len()).expect("a short frame").to_be_bytes();
        out.extend(&length[1..]);
        out.extend([self.kind, self.flags]);
        out.extend(self.stream.to_be_bytes());
        out.extend(&self.payload);
    }

    /// Reads the next frame; returns `None` at the end of the connection.
    pub(crate) async fn read_from(socket: &mut (impl AsyncRead + Unpin)) -> Option<Self> {
        let mut head = [0; 9];
        socket.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; length];
        socket.read_exact(&mut payload).await.ok()?;
        Some(Self { kind: head[3], flags: head[4], stream, payload })
    }
}

/// Encodes the header block of a gRPC call, uncompressed.
pub(crate) fn header_block(path: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "server"),
        (":path", path),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        // A literal header field without indexing.
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("a short text"));
            block.extend(text.as_bytes());
        }
    }
    block
}

/// Encodes the frames of a gRPC request with uncompressed headers and one message.
pub(crate) fn request_frames(stream: u32, path: &str, message: &impl Message) -> Vec<u8> {
    let block = header_block(path);
    let mut frames = Vec::new();
    Frame { kind: HEADERS, flags: END_HEADERS, stream, payload: block }.write(&mut frames);
    Frame { kind: DATA, flags: END_STREAM, stream, payload: framed(message) }.write(&mut frames);
    frames
}

/// Opens a connection for frames that are written by hand.
pub(crate) async fn by_hand(address: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.expect("connects");
    socket.write_all(PREFACE).await.expect("sends");
    socket.write_all(SETTINGS).await.expect("sends");
    socket
}
