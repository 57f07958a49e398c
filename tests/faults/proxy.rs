//! A TCP proxy whose connections can be made slow (latency), thin (low bandwidth) or silent, and
//! can be cut or reset while they are used, separately for each direction.
//!
//! A silent connection is like a frozen peer: the connection is open and the kernel answers, but no
//! byte moves. With a vanished host, the kernel does not answer either. A timeout detects both.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::common::spawn;

/// The default number of bytes that move at a time.
const CHUNK_BYTES: usize = 16 << 10;
/// The bytes in which [`Proxy::to_port_only`] looks for its text.
const FIRST_BYTES: usize = 1 << 10;
/// The chunks in flight in one direction of a connection.
const CHUNKS_IN_FLIGHT: usize = 64;
/// The number of portions per second in which a thin wire moves its bytes.
const PORTIONS_A_SECOND: u64 = 20;

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the client to the target.
    Up,
    /// From the target to the client.
    Down,
}

/// The state of one direction. The default is a good wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wire {
    /// The delay of each byte.
    pub(crate) latency: Duration,
    /// The maximum bytes per second on each connection.
    pub(crate) bytes_per_second: Option<u64>,
    /// True if no byte passes.
    pub(crate) silent: bool,
}

/// The condition of a [`Proxy::cut`], for one direction of all connections together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// No cut is set.
    Never,
    /// After this many further bytes.
    After(u64),
    /// After this mark and this many bytes more.
    Behind(&'static [u8], u64),
}

#[derive(Debug)]
struct Direction {
    wire: watch::Sender<Wire>,
    cut: std::sync::Mutex<Cut>,
    cuts: AtomicU64,
}

impl Direction {
    fn new() -> Self {
        Self { wire: watch::Sender::default(), cut: Cut::Never.into(), cuts: AtomicU64::new(0) }
    }

    fn cut(&self) -> std::sync::MutexGuard<'_, Cut> {
        self.cut.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Returns the part of a chunk that passes before the connection is cut; `None` if there is no
    /// cut.
    fn passes(&self, chunk: &[u8]) -> Option<usize> {
        let mut cut = self.cut();
        let (from, after) = match *cut {
            Cut::Never => return None,
            Cut::After(bytes) => (0, bytes),
            Cut::Behind(mark, bytes) => {
                let at = chunk.windows(mark.len()).position(|window| window == mark)?;
                (at + mark.len(), bytes)
            }
        };
        let room = (chunk.len() - from) as u64;
        if after > room {
            *cut = Cut::After(after - room);
            return None;
        }
        *cut = Cut::Never;
        self.cuts.fetch_add(1, Ordering::Relaxed);
        Some(from + after as usize)
    }
}

#[derive(Debug)]
struct State {
    target: SocketAddr,
    /// The wire is bad only for connections whose first bytes contain this; others have a good one.
    only: Option<&'static [u8]>,
    up: Direction,
    down: Direction,
    /// Incremented to reset all open connections.
    resets: watch::Sender<u64>,
    open: AtomicUsize,
}

impl State {
    fn way(&self, way: Way) -> &Direction {
        match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        }
    }
}

/// A running proxy, which ends with its connections when it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port and forwards to `target`.
    pub(crate) async fn to(target: SocketAddr) -> Self {
        Self::start(target, None).await
    }

    /// Starts a proxy to a port of this machine, of which only some connections ever have a bad wire:
    /// those whose client sends this text within its first bytes.
    pub(crate) async fn to_port_only(port: u16, first: &'static [u8]) -> Self {
        Self::start(([127, 0, 0, 1], port).into(), Some(first)).await
    }

    async fn start(target: SocketAddr, only: Option<&'static [u8]>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let state = Arc::new(State {
            target,
            only,
            up: Direction::new(),
            down: Direction::new(),
            resets: watch::Sender::new(0),
            open: AtomicUsize::new(0),
        });
        let accepting = spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, accepting }
    }

    /// Starts a proxy to a port of this machine.
    pub(crate) async fn to_port(port: u16) -> Self {
        Self::to(([127, 0, 0, 1], port).into()).await
    }

    /// Returns the address on which it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the state of both directions.
    pub(crate) fn set(&self, wire: Wire) {
        self.set_way(Way::Up, wire);
        self.set_way(Way::Down, wire);
    }

    /// Sets the state of one direction.
    pub(crate) fn set_way(&self, way: Way, wire: Wire) {
        self.state.way(way).wire.send_replace(wire);
    }

    /// Resets, once, the connection that carries the `after`-th further byte of this direction,
    /// after that byte.
    pub(crate) fn cut(&self, way: Way, after: u64) {
        *self.state.way(way).cut() = Cut::After(after);
    }

    /// Resets, once, the connection that carries `mark` in this direction, `after` bytes after the
    /// mark.
    pub(crate) fn cut_after(&self, way: Way, mark: &'static [u8], after: u64) {
        *self.state.way(way).cut() = Cut::Behind(mark, after);
    }

    /// Returns the number of cuts so far.
    pub(crate) fn cuts(&self) -> u64 {
        [&self.state.up, &self.state.down].map(|way| way.cuts.load(Ordering::Relaxed)).iter().sum()
    }

    /// Resets all open connections.
    pub(crate) fn reset_all(&self) {
        self.state.resets.send_modify(|count| *count += 1);
    }

    /// Returns the number of open connections.
    pub(crate) fn open(&self) -> usize {
        self.state.open.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.reset_all();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        spawn(carry(client, Arc::clone(&state)));
    }
}

/// Forwards one connection until an end closes it, it is cut, or all are reset.
async fn carry(client: TcpStream, state: Arc<State>) {
    let mut resets = state.resets.subscribe();
    resets.mark_unchanged();
    let Ok(target) = TcpStream::connect(state.target).await else {
        // The target is absent: reset, as its kernel would do.
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), target.set_nodelay(true));
    let good = (Direction::new(), Direction::new());
    let (up, down) = match state.only {
        Some(first) if !begins_with(&client, first).await => (&good.0, &good.1),
        Some(_) | None => (&state.up, &state.down),
    };
    state.open.fetch_add(1, Ordering::Relaxed);
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_target, mut to_target) = target.into_split();
    let ended = {
        let up = pump(&mut from_client, &mut to_target, up);
        let down = pump(&mut from_target, &mut to_client, down);
        tokio::select! {
            both = async { tokio::try_join!(up, down) } => both.is_ok(),
            _ = resets.changed() => false,
        }
    };
    if !ended {
        let _ = (from_client.as_ref().set_zero_linger(), from_target.as_ref().set_zero_linger());
        // Dropping them would close them in order instead.
        to_client.forget();
        to_target.forget();
    }
    state.open.fetch_sub(1, Ordering::Relaxed);
}

/// Waits for the first bytes of a client, and reports whether they contain a text.
async fn begins_with(client: &TcpStream, text: &[u8]) -> bool {
    let mut bytes = [0; FIRST_BYTES];
    let read = client.peek(&mut bytes).await.unwrap_or(0);
    bytes[..read].windows(text.len()).any(|window| window == text)
}

/// The error for a connection that must be reset.
#[derive(Debug)]
struct Broken;

impl From<std::io::Error> for Broken {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

/// A portion in flight.
struct Chunk {
    due: Instant,
    bytes: Vec<u8>,
    /// True if the connection is reset after this chunk.
    last: bool,
}

/// Forwards one direction until its sender closes it.
async fn pump(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    direction: &Direction,
) -> Result<(), Broken> {
    let (sender, mut under_way) = mpsc::channel::<Chunk>(CHUNKS_IN_FLIGHT);
    let mut wire = direction.wire.subscribe();
    let reading = async move {
        // The time at which a thin wire has moved all its bytes.
        let mut free = Instant::now();
        loop {
            let now = until_not_silent(&mut wire).await;
            let portion = now.bytes_per_second.map_or(CHUNK_BYTES as u64, |rate| rate / PORTIONS_A_SECOND);
            let mut bytes = vec![0; portion.clamp(1, CHUNK_BYTES as u64) as usize];
            let read = from.read(&mut bytes).await?;
            bytes.truncate(read);
            // A wire that became silent in the meantime moves nothing.
            let now = until_not_silent(&mut wire).await;
            let cut = direction.passes(&bytes);
            bytes.truncate(cut.unwrap_or(read));
            let carried = now.bytes_per_second.map_or(0.0, |rate| read as f64 / rate as f64);
            free = free.max(Instant::now()) + Duration::from_secs_f64(carried);
            let chunk = Chunk { due: free + now.latency, bytes, last: cut.is_some() };
            if sender.send(chunk).await.is_err() || read == 0 {
                return Ok::<(), Broken>(());
            }
            sleep_until(free).await;
        }
    };
    let writing = async move {
        while let Some(Chunk { due, bytes, last }) = under_way.recv().await {
            sleep_until(due).await;
            to.write_all(&bytes).await?;
            if last {
                return Err(Broken);
            }
        }
        Ok(to.shutdown().await?)
    };
    tokio::try_join!(reading, writing).map(drop)
}

/// Waits while the wire is silent and returns its state.
async fn until_not_silent(wire: &mut watch::Receiver<Wire>) -> Wire {
    match wire.wait_for(|wire| !wire.silent).await {
        Ok(wire) => *wire,
        // The proxy was dropped, and the connection is about to be reset.
        Err(_) => Wire::default(),
    }
}

mod tests {
    use super::*;

    /// Starts a proxy in front of a server that echoes its input.
    async fn echo() -> (Proxy, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        let proxy = Proxy::to(address).await;
        let client = TcpStream::connect(proxy.address()).await.expect("the proxy listens");
        (proxy, client)
    }

    async fn echoed(client: &mut TcpStream, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        client.write_all(bytes).await?;
        let mut back = vec![0; bytes.len()];
        client.read_exact(&mut back).await?;
        Ok(back)
    }

    #[tokio::test]
    async fn a_good_wire_changes_nothing_and_passes_the_end_on() {
        let (proxy, mut client) = echo().await;
        let sent: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
        let (mut from, mut to) = client.split();
        let writing = async {
            to.write_all(&sent).await.expect("writes");
            to.shutdown().await.expect("ends");
        };
        let mut got = Vec::new();
        let (_, read) = tokio::join!(writing, from.read_to_end(&mut got));
        read.expect("a clean end");
        assert_eq!(got, sent);
        drop(client);
        crate::common::eventually("it is closed", || async { (proxy.open() == 0).then_some(()) }).await;
    }

    #[tokio::test]
    async fn the_wire_can_be_slow_thin_and_silent() {
        let (proxy, mut client) = echo().await;
        let start = Instant::now();
        proxy.set(Wire { latency: Duration::from_millis(50), ..Wire::default() });
        echoed(&mut client, b"slow").await.expect("comes");
        assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());

        let start = Instant::now();
        proxy.set(Wire::default());
        proxy.set_way(Way::Down, Wire { bytes_per_second: Some(10_000), ..Wire::default() });
        echoed(&mut client, &[7; 3_000]).await.expect("comes");
        assert!(start.elapsed() >= Duration::from_millis(250), "{:?}", start.elapsed());

        proxy.set(Wire { silent: true, ..Wire::default() });
        client.write_all(b"later").await.expect("the kernel takes it");
        let mut back = [0; 5];
        let silent = tokio::time::timeout(Duration::from_millis(200), client.read_exact(&mut back)).await;
        assert!(silent.is_err(), "something came over a silent wire");
        proxy.set(Wire::default());
        client.read_exact(&mut back).await.expect("comes late");
        assert_eq!(&back, b"later");
    }

    #[tokio::test]
    async fn a_bad_wire_may_be_one_of_some_clients_only() {
        let (echoing, _client) = echo().await;
        let proxy = Proxy::to_port_only(echoing.address().port(), b"mark").await;
        proxy.set(Wire { silent: true, ..Wire::default() });
        let connect = async || TcpStream::connect(proxy.address()).await.expect("the proxy listens");
        let (mut marked, mut other) = (connect().await, connect().await);
        assert_eq!(echoed(&mut other, b"hello").await.expect("a good wire"), b"hello");
        let silent = tokio::time::timeout(Duration::from_millis(200), echoed(&mut marked, b"a mark"));
        assert!(silent.await.is_err(), "something came over a silent wire");
    }

    #[tokio::test]
    async fn connections_are_cut_and_reset() {
        let reset = |result: std::io::Result<Vec<u8>>| {
            assert_eq!(result.expect_err("no more").kind(), std::io::ErrorKind::ConnectionReset);
        };
        let (proxy, mut client) = echo().await;
        proxy.cut(Way::Down, 6);
        assert_eq!(echoed(&mut client, b"abcd").await.expect("before the cut"), b"abcd");
        reset(echoed(&mut client, b"efgh").await);

        let mut client = TcpStream::connect(proxy.address()).await.expect("the proxy listens");
        proxy.cut_after(Way::Up, b"MARK", 1);
        assert_eq!(echoed(&mut client, b"abcd").await.expect("no mark yet"), b"abcd");
        reset(echoed(&mut client, b"a MARK and more").await);
        assert_eq!(proxy.cuts(), 2);

        let mut client = TcpStream::connect(proxy.address()).await.expect("the proxy listens");
        assert_eq!(echoed(&mut client, b"abcd").await.expect("a good wire"), b"abcd");
        proxy.reset_all();
        reset(async { client.read_u8().await.map(|byte| vec![byte]) }.await);
    }
}
