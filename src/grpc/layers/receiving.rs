//! Requests that are being received: ends those that do not arrive, and bounds the memory that all
//! of them take.
//!
//! Without the first, a client could keep calls open for ever that send a byte now and then.
//! Without the second, the memory of a server would be the maximum size of a message, times the
//! maximum number of calls.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};
use tonic::Status;
use tonic::codegen::http::{Request, Response};

use crate::grpc::fault::Fault;
use crate::grpc::status::SOON;
use crate::pb::v1::ErrorReason;

/// The maximum time until a call's first message begins. It is above the time that SubmitFrames
/// gives its setup, which has an error of its own.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(35);
/// The time in which a message that has begun must end or make progress.
pub(crate) const PROGRESS_TIMEOUT: Duration = Duration::from_secs(15);
/// The number of bytes that are progress: 4 KiB a second, so that a slow link is no attack.
pub(crate) const PROGRESS_BYTES: usize = 60 << 10;
/// If the alarm is noticed later than this, the handler has not read the request in the meantime.
/// Then it is not the client that was slow.
const NOT_READ: Duration = Duration::from_secs(1);
/// Messages up to this size are not counted: the maximum number of calls bounds them.
const SMALL_MESSAGE_BYTES: usize = 64 << 10;
/// The bytes before each message: a flag, and the length in four bytes.
const HEADER_BYTES: usize = 5;
/// The methods whose requests have any number of messages.
pub(super) const STREAMING: [&str; 3] = [
    "/frameway.v1.StreamingService/SubmitFrames",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The bytes of all large messages that are being received or processed.
#[derive(Debug)]
pub(crate) struct Receiving {
    bytes: AtomicUsize,
    max_bytes: usize,
}

impl Receiving {
    pub(crate) fn new(max_bytes: usize) -> Arc<Self> {
        Arc::new(Self { bytes: AtomicUsize::new(0), max_bytes })
    }

    /// Returns a holder of bytes that are received for a message.
    pub(crate) fn hold(self: &Arc<Self>) -> Held {
        Held { all: Arc::clone(self), bytes: AtomicUsize::new(0) }
    }

    /// Returns the request with a body that is watched and counted.
    pub(crate) fn watch<B>(self: &Arc<Self>, request: Request<B>) -> Request<WatchedBody<B>> {
        let is_streaming = STREAMING.contains(&request.uri().path());
        let held = Arc::new(self.hold());
        request.map(|inner| WatchedBody {
            inner,
            held,
            is_streaming,
            message: Message::default(),
            alarm: None,
        })
    }
}

/// Holds the bytes of a request until its call is answered: the handler of a call with one message
/// has that message until then.
pub(crate) fn hold_received<B, T>(
    request: &mut Request<WatchedBody<B>>,
) -> impl FnOnce(Response<T>) -> Response<T> + use<B, T> {
    let held = Arc::clone(&request.body().held);
    move |response| {
        drop(held);
        response
    }
}

/// The counted bytes of one call.
#[derive(Debug)]
pub(crate) struct Held {
    all: Arc<Receiving>,
    bytes: AtomicUsize,
}

impl Held {
    /// Counts bytes of a large message.
    pub(crate) fn add(&self, bytes: usize) -> Result<(), Fault> {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let before = self.all.bytes.fetch_add(bytes, Ordering::Relaxed);
        let max_bytes = self.all.max_bytes;
        if before + bytes <= max_bytes {
            return Ok(());
        }
        let message = format!(
            "the server already receives and processes requests of {max_bytes} bytes, its maximum; retry later"
        );
        Err(Fault::new(ErrorReason::QuotaExceeded, message).fact("limit", max_bytes).retry_in(SOON))
    }

    fn release(&self) {
        self.all.bytes.fetch_sub(self.bytes.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}

/// The message that is being received.
#[derive(Debug, Default)]
struct Message {
    /// Whether the call's first message has begun.
    begun: bool,
    /// The bytes of the header that have arrived; 0 between two messages.
    header: usize,
    length: usize,
    /// The bytes after the header that have arrived.
    received: usize,
}

impl Message {
    /// Takes the bytes of the current message from the front of `data`. Returns their number, and
    /// whether they begin or end a message.
    fn take(&mut self, data: &[u8]) -> Taken {
        let begins = self.header == 0;
        self.begun = true;
        if self.header < HEADER_BYTES {
            let bytes = data.len().min(HEADER_BYTES - self.header);
            for byte in &data[..bytes] {
                // The first byte is the flag, which the length pushes out.
                self.length = (self.length << 8 | usize::from(*byte)) & 0xFFFF_FFFF;
            }
            self.header += bytes;
            let ends = self.header == HEADER_BYTES && self.length == 0;
            return self.taken(bytes, begins, ends);
        }
        let bytes = data.len().min(self.length - self.received);
        self.received += bytes;
        self.taken(bytes, begins, self.received == self.length)
    }

    fn taken(&mut self, bytes: usize, begins: bool, ends: bool) -> Taken {
        let is_large = self.length > SMALL_MESSAGE_BYTES && self.header == HEADER_BYTES;
        if ends {
            *self = Self { begun: true, ..Self::default() };
        }
        Taken { bytes, begins, ends, is_large }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Taken {
    bytes: usize,
    begins: bool,
    ends: bool,
    is_large: bool,
}

/// The time at which a request must have made progress.
#[derive(Debug)]
struct Alarm {
    at: Pin<Box<Sleep>>,
    /// The bytes that have arrived since the alarm was set.
    received: usize,
}

/// The body of a request.
#[derive(Debug)]
pub(crate) struct WatchedBody<B> {
    inner: B,
    held: Arc<Held>,
    /// Whether further messages may follow at any time.
    is_streaming: bool,
    message: Message,
    /// `None` while nothing is awaited, and until the first wait.
    alarm: Option<Alarm>,
}

impl<B> WatchedBody<B> {
    fn receive(&mut self, mut data: &[u8]) -> Result<(), Fault> {
        if let Some(alarm) = &mut self.alarm {
            alarm.received += data.len();
        }
        while !data.is_empty() {
            let taken = self.message.take(data);
            if taken.begins {
                // The handler reads the next message only after it has taken the previous one.
                self.held.release();
            }
            if taken.is_large {
                self.held.add(taken.bytes)?;
            }
            if taken.begins || taken.ends {
                self.alarm = None;
            }
            data = &data[taken.bytes..];
        }
        Ok(())
    }

    /// Waits for the alarm, after the client has sent nothing more yet.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        let is_between = self.message.begun && self.message.header == 0;
        if is_between && self.is_streaming {
            return Poll::Pending;
        }
        loop {
            let timeout = if self.message.begun { PROGRESS_TIMEOUT } else { FIRST_BYTE_TIMEOUT };
            let alarm = self.alarm.get_or_insert_with(|| Alarm { at: Box::pin(sleep(timeout)), received: 0 });
            if alarm.at.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let was_read = alarm.at.deadline() + NOT_READ > Instant::now();
            if was_read && alarm.received < PROGRESS_BYTES {
                let message = format!(
                    "the request does not arrive: {} bytes in {} s; send a whole request at once",
                    alarm.received,
                    timeout.as_secs()
                );
                return Poll::Ready(Fault::protocol_violation(message));
            }
            self.alarm = None;
        }
    }
}

impl<B> Body for WatchedBody<B>
where
    B: Body<Data = Bytes, Error: Into<tonic::codegen::StdError>> + Unpin,
{
    type Data = Bytes;
    type Error = tonic::codegen::StdError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let fault = match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                match frame.data_ref().map_or(Ok(()), |data| this.receive(data)) {
                    Ok(()) => return Poll::Ready(Some(Ok(frame))),
                    Err(fault) => fault,
                }
            }
            Poll::Ready(other) => return Poll::Ready(other.map(|frame| frame.map_err(Into::into))),
            Poll::Pending => std::task::ready!(this.poll_alarm(cx)),
        };
        Poll::Ready(Some(Err(Status::from(fault).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    type Pieces = tokio::sync::mpsc::UnboundedSender<Vec<u8>>;

    /// Returns the body of a call of `path`, and the sender of its bytes.
    fn body(
        receiving: &Arc<Receiving>,
        path: &str,
    ) -> (Pieces, WatchedBody<impl Body<Data = Bytes, Error = std::io::Error> + Unpin>) {
        let (pieces, mut sent) = tokio::sync::mpsc::unbounded_channel::<Vec<u8>>();
        let frames = futures::stream::poll_fn(move |cx| {
            sent.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(Bytes::from(piece)))))
        });
        let request = Request::builder().uri(path).body(StreamBody::new(frames)).unwrap();
        (pieces, receiving.watch(request).into_body())
    }

    /// Returns a message of this length, or the part of it that is shorter than `most`.
    fn message(length: usize, most: usize) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend((length as u32).to_be_bytes());
        bytes.resize(HEADER_BYTES + length.min(most), 7);
        bytes
    }

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let bytes = [message(3, 3), message(0, 0), message(300, 300)].concat();
        for piece in [1, 2, 7, bytes.len()] {
            let (mut current, mut begun, mut ended) = (Message::default(), 0, 0);
            for mut data in bytes.chunks(piece) {
                while !data.is_empty() {
                    let taken = current.take(data);
                    begun += usize::from(taken.begins);
                    ended += usize::from(taken.ends);
                    data = &data[taken.bytes..];
                }
            }
            assert_eq!((begun, ended, current.header), (3, 3, 0), "pieces of {piece}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_trickles_or_never_begins_or_never_ends_fails() {
        let receiving = Receiving::new(1 << 20);
        for sent in [vec![], message(10, 0), message(10, 5), message(10, 10)] {
            let (pieces, mut body) = body(&receiving, "/frameway.v1.StreamingService/SubmitFrameBatch");
            pieces.send(sent.clone()).unwrap();
            let began = Instant::now();
            let failed = loop {
                match body.frame().await.expect("not the end") {
                    Ok(_) => {}
                    Err(error) => break error,
                }
            };
            let status = failed.downcast::<Status>().unwrap();
            assert_eq!(status.code(), tonic::Code::InvalidArgument, "{sent:?}");
            assert!(began.elapsed() <= FIRST_BYTE_TIMEOUT + NOT_READ, "{sent:?}: {:?}", began.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_link_and_a_quiet_stream_are_not_ended() {
        let receiving = Receiving::new(1 << 30);
        let (pieces, mut slow) = body(&receiving, "/frameway.v1.StreamingService/SubmitFrameBatch");
        pieces.send(message(1 << 20, 0)).unwrap();
        let mut frames = 0;
        for _ in 0..128 {
            pieces.send(vec![0; 8 << 10]).unwrap();
            tokio::time::sleep(Duration::from_millis(1500)).await;
            while let Ok(frame) = tokio::time::timeout(Duration::ZERO, slow.frame()).await {
                frame.unwrap().unwrap();
                frames += 1;
            }
        }
        assert_eq!(frames, 129);
        let (pieces, mut quiet) = body(&receiving, STREAMING[0]);
        pieces.send(message(10, 10)).unwrap();
        quiet.frame().await.unwrap().unwrap();
        assert!(tokio::time::timeout(Duration::from_secs(3600), quiet.frame()).await.is_err());
    }

    #[tokio::test]
    async fn large_messages_are_counted_until_their_call_ends() {
        let receiving = Receiving::new(150 << 10);
        let (pieces, mut first) = body(&receiving, STREAMING[0]);
        let (more, mut second) = body(&receiving, STREAMING[0]);
        // The next message of a stream replaces the last one.
        for _ in 0..3 {
            pieces.send(message(100 << 10, 100 << 10)).unwrap();
            first.frame().await.unwrap().unwrap();
        }
        more.send(message(SMALL_MESSAGE_BYTES, SMALL_MESSAGE_BYTES)).unwrap();
        second.frame().await.unwrap().unwrap();
        more.send(message(100 << 10, 100 << 10)).unwrap();
        let refused = second.frame().await.unwrap().unwrap_err().downcast::<Status>().unwrap();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        drop((first, second));
        assert_eq!(receiving.bytes.load(Ordering::Relaxed), 0);
    }
}
