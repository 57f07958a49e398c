//! The hostile client: HTTP/2 written by hand.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::unistd::Pid;
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::common::spawn;
use crate::process::Process;
use crate::raw::{
    DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PREFACE, RST_STREAM, SETTINGS, header_block,
};

pub(crate) const SUBMIT: &str = "/frameway.v1.StreamingService/SubmitFrameBatch";
pub(crate) const INFO: &str = "/frameway.v1.StreamingService/GetServerInfo";

pub(crate) const SETTINGS_FRAME: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const SEND_BUFFER_BYTES: u32 = 64 << 10;
/// The error code of a connection that the server ends because of a flood.
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// The server under attack.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) pid: Pid,
    /// Cancelled when the attack shall end.
    pub(crate) over: CancellationToken,
}

impl Target {
    pub(crate) fn new(server: &Process, over: CancellationToken) -> Self {
        let url = server.url();
        let (_scheme, address) = url.split_once("://").expect("a URL");
        Self { address: address.parse().expect("an address"), pid: server.pid(), over }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Connects from another address than the honest client, where the system has one.
    pub(crate) async fn connect(&self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        let _needs_an_alias_on_some_systems = socket.bind(([127, 0, 0, 2], 0).into());
        // Bytes that remain in the buffer are sent after the end of the attack.
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
        socket.connect(self.address).await
    }

    /// Connects, and sends the preface and empty settings.
    pub(crate) async fn greet(&self) -> io::Result<TcpStream> {
        let mut socket = self.connect().await?;
        socket.write_all(&[PREFACE, SETTINGS].concat()).await?;
        Ok(socket)
    }

    /// Opens a connection whose pings and settings are answered.
    pub(crate) async fn peer(&self) -> io::Result<Peer> {
        let (reader, writer) = self.greet().await?.into_split();
        let writer = Arc::new(Mutex::new(writer));
        let ended = Arc::default();
        let answering = spawn(answer(reader, Arc::clone(&writer), Arc::clone(&ended)));
        Ok(Peer { writer, ended, answering })
    }
}

/// A connection whose pings and settings are answered, so that the server sees a live client.
#[derive(Debug)]
pub(crate) struct Peer {
    writer: Arc<Mutex<OwnedWriteHalf>>,
    /// The number of calls that the server has ended.
    ended: Arc<AtomicUsize>,
    answering: JoinHandle<Option<GoAway>>,
}

/// The reason for which the server ended a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GoAway {
    pub(crate) code: u32,
    pub(crate) text: String,
}

impl Peer {
    /// Sends bytes; returns whether the connection is still open.
    pub(crate) async fn send(&self, bytes: &[u8]) -> bool {
        self.writer.lock().await.write_all(bytes).await.is_ok() && !self.answering.is_finished()
    }

    /// Waits until the server has ended this many calls or the connection.
    pub(crate) async fn calls_ended(&self, calls: usize) {
        while self.ended.load(Ordering::Relaxed) < calls && !self.answering.is_finished() {
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the server ends the connection, and returns its reason.
    pub(crate) async fn end(mut self) -> Option<GoAway> {
        (&mut self.answering).await.expect("the reader runs")
    }
}

/// Closes the connection.
impl Drop for Peer {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

/// Answers pings and settings until the end of a connection.
async fn answer(
    mut reader: OwnedReadHalf,
    writer: Arc<Mutex<OwnedWriteHalf>>,
    ended: Arc<AtomicUsize>,
) -> Option<GoAway> {
    let (mut reason, mut ended_streams) = (None, HashSet::new());
    while let Some(frame) = Frame::read_from(&mut reader).await {
        let ends = frame.kind == RST_STREAM
            || frame.flags & END_STREAM != 0 && [HEADERS, DATA].contains(&frame.kind);
        if ends && ended_streams.insert(frame.stream) {
            ended.fetch_add(1, Ordering::Relaxed);
        }
        match frame.kind {
            GOAWAY if frame.payload.len() >= 8 => {
                let code = u32::from_be_bytes(frame.payload[4..8].try_into().expect("four bytes"));
                reason =
                    Some(GoAway { code, text: String::from_utf8_lossy(&frame.payload[8..]).into_owned() });
            }
            PING | SETTINGS_FRAME if frame.flags & ACK == 0 => {
                let payload = if frame.kind == PING { frame.payload } else { Vec::new() };
                let bytes = encoded(frame.kind, ACK, 0, payload);
                // The connection may end at any time.
                let _sent = writer.lock().await.write_all(&bytes).await;
            }
            _ => {}
        }
    }
    reason
}

/// Encodes a frame.
pub(crate) fn encoded(kind: u8, flags: u8, stream: u32, payload: Vec<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    Frame { kind, flags, stream, payload }.write(&mut bytes);
    bytes
}

/// Encodes the headers of a call whose body follows.
pub(crate) fn headers(stream: u32, path: &str) -> Vec<u8> {
    encoded(HEADERS, END_HEADERS, stream, header_block(path))
}

/// Returns the numbers of the streams that a client opens.
pub(crate) fn streams() -> impl Iterator<Item = u32> + Send {
    (1..=i32::MAX as u32).step_by(2)
}
