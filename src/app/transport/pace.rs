//! Slows down connections that send many frames which cost the server work and the client nothing:
//! cancellations, pings, settings, empty DATA.
//!
//! The HTTP/2 library limits how many of some of them may wait, but not how many arrive in a
//! second. A client that cancels all its calls at once only waits a moment; one that goes on is cut
//! off. The library also handles all frames that have arrived before other connections get their
//! turn, so a turn ends after some frames.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::frames::{Counts, Frames};

/// The number of costly frames of a kind that a connection may send at once.
const BURST: u32 = 1000;
/// The time after which it may send another one: 2,000 in a second.
const INTERVAL: Duration = Duration::from_micros(500);
/// The same for pings: 10,000 in a second. Some clients measure the path with one ping after the
/// other while they receive data.
const PING_INTERVAL: Duration = Duration::from_micros(100);
/// The time for which a connection may send more than that, without pings, before it is cut off.
const MAX_FLOOD: Duration = Duration::from_secs(10);
/// The time without a debt after which a flood is over, although further bytes have been waiting: a
/// server that is busy for a shorter time has not paid any frames.
const QUIET: Duration = Duration::from_secs(1);

/// The number of frames after which a connection is not read until other tasks have had their turn.
const FRAMES_PER_TURN: usize = 64;
/// The maximum number of bytes, after the rest of the current frame, that are read at a time: all
/// frames in them are handled in the same turn.
const READ_BYTES: usize = 16 << 10;
/// The same after a read of many frames.
const SMALL_READ_BYTES: usize = 2 << 10;
/// The number of frames in a read that makes the next reads small.
const MANY_FRAMES: usize = 32;
/// The number of small reads with fewer frames after which reads are large again.
const SMALL_READS: u32 = 32;

/// The number of frames that a connection has sent since its task was polled.
#[derive(Debug, Clone, Default)]
pub(super) struct Turn(Arc<AtomicUsize>);

impl Turn {
    /// Polls the task of the connection.
    pub(super) fn poll<F: Future>(&self, task: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.0.store(0, Ordering::Relaxed);
        task.poll(cx)
    }

    fn add(&self, frames: usize) {
        self.0.fetch_add(frames, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= FRAMES_PER_TURN
    }
}

/// The account of costly frames of a kind.
#[derive(Debug)]
struct Account {
    interval: Duration,
    /// The time at which all frames are paid, one in each interval.
    paid: Instant,
    /// The time since which the frames have not been paid.
    since: Instant,
}

impl Account {
    fn new(interval: Duration) -> Self {
        let now = Instant::now();
        Self { interval, paid: now, since: now }
    }

    /// Adds frames, and returns the pause until further ones may follow. `drained` reports whether
    /// the client had nothing more to send since the last call.
    fn add(&mut self, frames: u32, now: Instant, drained: bool) -> Duration {
        if frames == 0 {
            return Duration::ZERO;
        }
        if self.paid <= now {
            if drained || now - self.paid > QUIET {
                self.since = now;
            }
            self.paid = now;
        }
        self.paid += self.interval * frames;
        (self.paid - now).saturating_sub(self.interval * BURST)
    }
}

/// A connection that is not read while it has sent too many costly frames.
#[derive(Debug)]
pub(super) struct Paced<C> {
    connection: C,
    turn: Turn,
    frames: Frames,
    /// The number of reads that are small.
    small_reads: u32,
    pings: Account,
    others: Account,
    pause: Option<Pin<Box<Sleep>>>,
    /// Whether the client had nothing more to send since the last costly frame.
    drained: bool,
    /// Whether the flood has lasted too long.
    is_over: bool,
}

impl<C> Paced<C> {
    /// Takes over a connection of which nothing has been read, not even the preface. Its task is
    /// polled with `turn`.
    pub(super) fn new(connection: C, turn: Turn) -> Self {
        let (pings, others) = (Account::new(PING_INTERVAL), Account::new(INTERVAL));
        let frames = Frames::new();
        Self {
            connection,
            turn,
            frames,
            small_reads: 0,
            pings,
            others,
            pause: None,
            drained: true,
            is_over: false,
        }
    }

    /// Returns the maximum number of bytes to read.
    fn read_bytes(&self) -> usize {
        self.frames.skip + if self.small_reads > 0 { SMALL_READ_BYTES } else { READ_BYTES }
    }

    /// Counts what was read. If that is too much, begins a pause, or ends the connection if it has
    /// been too much for too long.
    fn count(&mut self, bytes: &[u8]) {
        let Counts { all, pings, others } = self.frames.count(bytes);
        self.turn.add(all);
        self.small_reads = if all >= MANY_FRAMES { SMALL_READS } else { self.small_reads.saturating_sub(1) };
        if pings == 0 && others == 0 {
            return;
        }
        let now = Instant::now();
        let drained = std::mem::take(&mut self.drained);
        let pause = self.pings.add(pings, now, drained).max(self.others.add(others, now, drained));
        if !pause.is_zero() {
            self.is_over = others > 0 && now - self.others.since > MAX_FLOOD;
            self.pause = Some(Box::pin(sleep(pause)));
        }
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Paced<C> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(Err(io::Error::other("the client floods the connection with cheap frames")));
        }
        if let Some(pause) = &mut this.pause {
            ready!(pause.as_mut().poll(cx));
            this.pause = None;
        }
        if this.turn.is_over() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let (before, most) = (buf.filled().len(), this.read_bytes());
        let read = if buf.remaining() <= most {
            Pin::new(&mut this.connection).poll_read(cx, buf)
        } else {
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
            let read = Pin::new(&mut this.connection).poll_read(cx, &mut part);
            let bytes = part.filled().len();
            buf.advance(bytes);
            read
        };
        this.drained |= read.is_pending();
        this.count(&buf.filled()[before..]);
        read
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Paced<C> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().connection).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().connection).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::super::frames::tests::frame;
    use super::super::frames::{DATA, FRAME_HEADER_BYTES, HEADERS, PING};
    use super::super::greeting::PREFACE;
    use super::*;

    const RST_STREAM: u8 = 3;

    /// Sends that many frames; returns whether all were read, and the time in milliseconds.
    async fn flood(kind: u8, count: u32) -> (bool, u128) {
        let (mut client, server) = tokio::io::duplex(1024);
        let flood = [PREFACE.to_vec(), frame(kind, 0, 8).repeat(count as usize)].concat();
        let (began, mut received) = (Instant::now(), Vec::new());
        let send = async {
            // Fails if the server cuts the connection off.
            let _sent = client.write_all(&flood).await;
            let _ended = client.shutdown().await;
        };
        let read = async {
            let turn = Turn::default();
            let mut paced = Paced::new(server, turn.clone());
            let mut read = pin!(paced.read_to_end(&mut received));
            poll_fn(|cx| turn.poll(read.as_mut(), cx)).await
        };
        let ((), read) = tokio::join!(send, read);
        assert!(read.is_err() || received == flood);
        (read.is_ok(), began.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_read_at_the_pace_and_other_frames_without_delay() {
        for (kind, count, at_least, at_most) in [
            (RST_STREAM, 5000, 1900, 2200),
            (RST_STREAM, BURST, 0, 10),
            (PING, 200_000, 19_500, 21_000),
            (HEADERS, 20_000, 0, 10),
        ] {
            let (whole, took) = flood(kind, count).await;
            assert!(
                whole && (at_least..=at_most).contains(&took),
                "{count} frames of type {kind}: {took} ms"
            );
        }
    }

    /// A pause of the server is no pause of the client.
    #[tokio::test(start_paused = true)]
    async fn a_busy_server_does_not_begin_a_flood_again() {
        let mut account = Account::new(INTERVAL);
        let began = Instant::now();
        for _ in 0..20 {
            assert!(account.add(BURST, Instant::now(), false) <= INTERVAL * BURST);
            tokio::time::advance(Duration::from_millis(900)).await;
        }
        assert_eq!(account.since, began);
        account.add(BURST, Instant::now(), true);
        assert_eq!(account.since, Instant::now());
        tokio::time::advance(Duration::from_secs(2)).await;
        account.add(BURST, Instant::now(), false);
        assert_eq!(account.since, Instant::now());
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_that_goes_on_is_cut_off() {
        let (whole, took) = flood(RST_STREAM, 100_000).await;
        assert!(!whole && (10_000..=11_000).contains(&took), "{took} ms");
    }

    /// Each poll of a connection whose bytes have all arrived reads some of its frames.
    #[tokio::test]
    async fn a_turn_ends_after_some_frames_and_another_one_follows() {
        let flood = [PREFACE.to_vec(), frame(HEADERS, 4, 20).repeat(10_000)].concat();
        let (mut client, server) = tokio::io::duplex(flood.len());
        client.write_all(&flood).await.unwrap();
        client.shutdown().await.unwrap();
        let turn = Turn::default();
        let mut paced = Paced::new(server, turn.clone());
        let (mut received, mut turns) = (Vec::with_capacity(flood.len() + 1), Vec::new());
        let mut read = pin!(paced.read_to_end(&mut received));
        poll_fn(|cx| {
            let polled = turn.poll(read.as_mut(), cx);
            turns.push(turn.0.load(Ordering::Relaxed));
            polled
        })
        .await
        .unwrap();
        assert_eq!(turns.iter().sum::<usize>(), 10_000);
        let most_at_first = READ_BYTES / (FRAME_HEADER_BYTES + 20) + 1;
        assert!(turns[0] <= most_at_first, "{turns:?}");
        let most = FRAMES_PER_TURN + SMALL_READ_BYTES / (FRAME_HEADER_BYTES + 20);
        assert!(turns[1..].iter().all(|frames| *frames <= most), "{turns:?}");
    }

    #[tokio::test]
    async fn large_frames_are_read_whole() {
        let mut frame = vec![4, 0, 0, DATA, 0, 0, 0, 0, 1];
        frame.resize(FRAME_HEADER_BYTES + (4 << 16), 7);
        let bytes = [PREFACE.to_vec(), frame.repeat(8)].concat();
        let (mut client, server) = tokio::io::duplex(bytes.len());
        client.write_all(&bytes).await.unwrap();
        let mut paced = Paced::new(server, Turn::default());
        let (mut received, mut reads) = (bytes::BytesMut::with_capacity(4 << 20), 0);
        while received.len() < bytes.len() {
            paced.read_buf(&mut received).await.unwrap();
            reads += 1;
        }
        assert!(received == bytes && reads <= 10, "{reads} reads");
    }
}
