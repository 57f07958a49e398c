//! An HTTP/1.1 client that sends exactly the bytes that a test gives it, and gRPC-Web over it.
#![allow(dead_code, reason = "each suite uses a part of it")]

use std::collections::HashMap;
use std::net::SocketAddr;

use prost::Message;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Status;
use tonic::codegen::http::{HeaderMap, HeaderName};

use crate::common::DEADLINE;

/// The headers of a gRPC-Web request, as connect-es sends them.
pub(crate) const GRPC_WEB: [(&str, &str); 2] =
    [("content-type", "application/grpc-web+proto"), ("x-grpc-web", "1")];

/// A connection.
pub(crate) struct Http1<S = TcpStream> {
    socket: BufReader<S>,
}

/// The status and the headers of a response, with names in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Returns the messages and the status of a gRPC-Web response.
    pub(crate) fn grpc_web(&self) -> (Vec<Vec<u8>>, Status) {
        let mut messages = Vec::new();
        let mut rest = &self.body[..];
        while let Some((message, is_status, after)) = first_message(rest) {
            if is_status {
                assert!(after.is_empty(), "the status is the last message");
                return (messages, status(&String::from_utf8_lossy(message)));
            }
            messages.push(message.to_vec());
            rest = after;
        }
        assert!(rest.is_empty(), "half a message");
        // Without a message, the status may be in the headers.
        let lines: String = self.headers.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect();
        (messages, status(&lines))
    }
}

/// Returns the first gRPC-Web message of `bytes`, whether it is the status, and the bytes after it.
fn first_message(bytes: &[u8]) -> Option<(&[u8], bool, &[u8])> {
    let (head, rest) = bytes.split_at_checked(5)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let (message, after) = rest.split_at_checked(length)?;
    Some((message, head[0] == 0x80, after))
}

fn status(lines: &str) -> Status {
    let mut headers = HeaderMap::new();
    for (name, value) in lines.split("\r\n").filter_map(|line| line.split_once(':')) {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
            headers.insert(name, value);
        }
    }
    Status::from_header_map(&headers).unwrap_or_else(|| panic!("no status in {lines:?}"))
}

/// Encodes a message as gRPC and gRPC-Web send it.
pub(crate) fn framed(message: &impl Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    let mut framed = vec![0];
    framed.extend(u32::try_from(bytes.len()).expect("a short message").to_be_bytes());
    framed.extend(bytes);
    framed
}

impl Http1 {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("connects"))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Http1<S> {
    pub(crate) fn over(socket: S) -> Self {
        Self { socket: BufReader::new(socket) }
    }

    /// Sends bytes as they are. Fails if the server has closed the connection.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.socket.get_mut().write_all(bytes).await
    }

    /// Sends the headers of a request, with `host`.
    pub(crate) async fn head(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let host = if headers.iter().any(|(name, _)| *name == "host") { "" } else { "host: server\r\n" };
        let head = format!("{method} {path} HTTP/1.1\r\n{host}{lines}\r\n");
        self.write(head.as_bytes()).await.expect("sends");
    }

    /// Sends a request and returns its response.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let length = body.len().to_string();
        self.head(method, path, &[headers, &[("content-length", &length)]].concat()).await;
        // The answer may arrive before the body was sent.
        let _answered_already = self.write(body).await;
        self.response().await
    }

    /// Makes a gRPC-Web call, and returns its messages and its status.
    pub(crate) async fn call<A: Message + Default>(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        request: &impl Message,
    ) -> (Vec<A>, Status) {
        let response = self.send("POST", path, &[&GRPC_WEB[..], headers].concat(), &framed(request)).await;
        assert_eq!(response.status, 200, "{}", response.text());
        let (messages, status) = response.grpc_web();
        (messages.iter().map(|message| A::decode(&message[..]).expect("a message")).collect(), status)
    }

    /// Reads a whole response.
    pub(crate) async fn response(&mut self) -> Response {
        let Head { status, headers } = self.response_head().await;
        let mut body = Vec::new();
        match headers.get("content-length").and_then(|length| length.parse().ok()) {
            Some(length) => {
                body.resize(length, 0);
                timeout(DEADLINE, self.socket.read_exact(&mut body))
                    .await
                    .expect("in time")
                    .expect("the body");
            }
            None if headers.get("transfer-encoding").is_some_and(|encoding| encoding == "chunked") => {
                while let Some(chunk) = self.chunk().await {
                    body.extend(chunk);
                }
            }
            None if status == 204 || status == 304 => {}
            None => {
                let read = timeout(DEADLINE, self.socket.read_to_end(&mut body)).await;
                read.expect("in time").expect("the body");
            }
        }
        Response { status, headers, body }
    }

    /// Reads the status and the headers of a response.
    pub(crate) async fn response_head(&mut self) -> Head {
        let first = self.line().await;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status in {first:?}"));
        let mut headers = HashMap::new();
        loop {
            let line = self.line().await;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        Head { status, headers }
    }

    /// Reads the next chunk of a chunked body; `None` at its end.
    ///
    /// # Panics
    /// Panics if the connection ends first.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = self.line().await;
        let size =
            usize::from_str_radix(size.trim(), 16).unwrap_or_else(|_| panic!("no chunk size: {size:?}"));
        let mut chunk = vec![0; size + 2];
        timeout(DEADLINE, self.socket.read_exact(&mut chunk)).await.expect("in time").expect("a chunk");
        chunk.truncate(size);
        (size > 0).then_some(chunk)
    }

    async fn line(&mut self) -> String {
        let mut line = Vec::new();
        timeout(DEADLINE, self.socket.read_until(b'\n', &mut line))
            .await
            .expect("a line in time")
            .expect("a line");
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    /// Waits for the end of the connection, and returns what the server sends before.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // The server may reset the connection.
        let _reset = timeout(DEADLINE, self.socket.read_to_end(&mut rest)).await.expect("ends in time");
        rest
    }
}

/// Reads the messages of a gRPC-Web response while they arrive.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    received: Vec<u8>,
}

impl Messages {
    /// Returns the next message, or the status of the call.
    pub(crate) async fn next<S, M>(&mut self, connection: &mut Http1<S>) -> Result<M, Status>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        M: Message + Default,
    {
        loop {
            if let Some((message, is_status, after)) = first_message(&self.received) {
                let next = match is_status {
                    true => Err(status(&String::from_utf8_lossy(message))),
                    false => Ok(M::decode(message).expect("a message")),
                };
                self.received = after.to_vec();
                return next;
            }
            self.received.extend(connection.chunk().await.expect("not the end"));
        }
    }
}
