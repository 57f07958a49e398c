//! A server with scripted answers, for what a real one cannot be made to do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Response};
use prost::Message;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The messages of an answer, each encoded and with its prefix, and the end of the call.
pub(crate) struct Answer {
    pub(crate) messages: Vec<Bytes>,
    /// The call ends with OK. Otherwise it stays open until the client ends it.
    pub(crate) ends: bool,
}

type Script = Arc<dyn Fn(&str, usize) -> Answer + Send + Sync>;

/// The server; it ends with this guard.
pub(crate) struct Scripted {
    pub(crate) address: String,
    calls: Arc<AtomicUsize>,
    peers: Arc<Mutex<Vec<(String, u16)>>>,
    _tasks: JoinSet<()>,
}

impl Scripted {
    /// Starts a server. `script` gets the path of the method, and the number of the call from 0.
    pub(crate) async fn start(script: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (calls, peers) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let mut tasks = JoinSet::new();
        let (script, counter, seen): (Script, _, _) =
            (Arc::new(script), Arc::clone(&calls), Arc::clone(&peers));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, peer)) = listener.accept().await {
                let (script, counter, seen) = (Arc::clone(&script), Arc::clone(&counter), Arc::clone(&seen));
                connections.spawn(connection(socket, peer.port(), script, counter, seen));
            }
        });
        Self { address, calls, peers, _tasks: tasks }
    }

    /// Returns the number of calls so far.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Returns the methods that were called, with the ports of the client.
    pub(crate) fn peers(&self) -> Vec<(String, u16)> {
        self.peers.lock().unwrap().clone()
    }
}

async fn connection(
    socket: TcpStream,
    port: u16,
    script: Script,
    calls: Arc<AtomicUsize>,
    peers: Arc<Mutex<Vec<(String, u16)>>>,
) {
    let Ok(mut connection) = h2::server::handshake(socket).await else { return };
    let mut open = JoinSet::new();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let path = request.uri().path().to_owned();
        peers.lock().unwrap().push((path.rsplit('/').next().unwrap().to_owned(), port));
        let Answer { messages, ends } = script(&path, calls.fetch_add(1, Ordering::Relaxed));
        let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
        open.spawn(async move {
            let Ok(mut stream) = respond.send_response(head, false) else { return };
            for message in messages {
                let _ = stream.send_data(message, false);
            }
            if ends {
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", "0".parse().unwrap());
                let _ = stream.send_trailers(trailers);
            } else {
                let _ = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
            }
            drop(request);
        });
    }
}

/// Encodes a message, with further fields that the contract does not have yet.
pub(crate) fn encoded(message: &impl Message, newer: &[u8]) -> Bytes {
    let mut body = message.encode_to_vec();
    body.extend(newer);
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(body.len().try_into().unwrap());
    bytes.extend(body);
    bytes.freeze()
}

/// Returns the beginning of a message of this size.
pub(crate) fn head_of(size: u32) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(size);
    bytes.extend([0; 100]);
    bytes.freeze()
}

/// Returns a field of the number 99, with an empty message as its value.
pub(crate) fn unknown_field() -> Vec<u8> {
    // The key is `99 << 3 | 2`.
    vec![0x9a, 0x06, 0x00]
}
