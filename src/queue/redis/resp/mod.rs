//! One connection to Redis that does not copy pictures: they are written from the buffers that hold
//! them, and read into the buffers in which they stay.
//!
//! The redis crate copies an argument three times before it is sent, and a reply about as often;
//! with pictures that is most of the cost of a hop through Redis (`docs/performance.md`). Commands,
//! replies and errors are still those of the crate.

mod hints;
mod replies;
mod request;
mod stream;
mod subscription;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use redis::{RedisError, RedisResult, Value};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

pub(super) use self::hints::explained;
use self::replies::Replies;
pub(super) use self::request::Request;
pub(super) use self::subscription::{Push, Subscription};
use super::peer::Peer;

/// The maximum number of requests that wait to be written; each may contain many pictures.
const WAITING_REQUESTS: usize = 8;
/// The maximum number of parts of one write, which is the limit of the system.
const PARTS_A_WRITE: usize = 64;

/// The reason for which a request has no answer. It may have been executed nevertheless.
#[derive(Debug, thiserror::Error)]
pub(super) enum RespError {
    /// It took too long.
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The connection is closed.
    #[error("the connection is closed: {0}")]
    Gone(String),
}

type Answers = Vec<RedisResult<Value>>;

/// A request that was sent and is not answered yet.
#[derive(Debug)]
struct Waiting {
    commands: usize,
    answers: oneshot::Sender<Answers>,
}

#[derive(Debug)]
struct Outgoing {
    parts: Vec<Bytes>,
    waiting: Waiting,
}

/// A connection. Requests are written in the order in which they arrive, and answered in that
/// order. A request whose caller does not wait any more is written and answered nevertheless, so
/// answers are never mixed up.
#[derive(Debug, Clone)]
pub(super) struct RespConnection {
    requests: mpsc::Sender<Outgoing>,
    answer_timeout: Duration,
    /// Ends the connection when it is cancelled: its server is not the primary any more.
    ended: CancellationToken,
    /// The peer's last message before it closed the connection.
    last_message: Arc<OnceLock<String>>,
    /// The tasks, which end with the last clone of this.
    _tasks: Arc<JoinSet<()>>,
}

impl RespConnection {
    /// Connects and logs in, until `deadline`. When `ended` is cancelled, the connection ends at
    /// once, and so do the requests that wait for an answer.
    ///
    /// # Errors
    /// Redis cannot be reached, or refuses the login.
    pub(super) async fn connect(
        peer: &Peer,
        deadline: Instant,
        answer_timeout: Duration,
        ended: CancellationToken,
    ) -> RedisResult<Self> {
        let (read, write) = stream::open(peer, deadline).await?;
        let connection = Self::over(read, write, answer_timeout, ended);
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let answers = timeout_at(deadline, connection.ask(Request::log_in(peer))).await.map_err(late)??;
        answers.into_iter().try_for_each(|answer| answer.map(drop))?;
        Ok(connection)
    }

    /// Returns this connection with another maximum time for an answer.
    pub(super) fn answering_within(self, answer_timeout: Duration) -> Self {
        Self { answer_timeout, ..self }
    }

    fn over(
        read: impl AsyncRead + Unpin + Send + 'static,
        write: impl AsyncWrite + Unpin + Send + 'static,
        answer_timeout: Duration,
        ended: CancellationToken,
    ) -> Self {
        let (requests, outgoing) = mpsc::channel(WAITING_REQUESTS);
        let (written, waiting) = mpsc::unbounded_channel();
        let last_message = Arc::new(OnceLock::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(send(write, outgoing, written));
        let receiving = receive(Replies::new(read), waiting, Arc::clone(&last_message));
        tasks.spawn(ended.clone().run_until_cancelled_owned(receiving).map(drop));
        Self { requests, answer_timeout, ended, last_message, _tasks: Arc::new(tasks) }
    }

    /// Reports whether the connection is closed.
    pub(super) fn is_gone(&self) -> bool {
        self.requests.is_closed() || self.ended.is_cancelled()
    }

    /// Sends a request; returns one answer for each of its commands.
    ///
    /// # Errors
    /// There is no answer; the commands may have been executed.
    pub(super) async fn ask(&self, request: Request) -> Result<Answers, RespError> {
        let (parts, commands) = request.into_parts();
        if commands == 0 {
            return Ok(Vec::new());
        }
        let asked = async {
            let (answers, answered) = oneshot::channel();
            let outgoing = Outgoing { parts, waiting: Waiting { commands, answers } };
            self.requests.send(outgoing).await.map_err(|_| self.gone("Redis closed it earlier"))?;
            answered.await.map_err(|_| self.gone("Redis closed it"))
        };
        timeout(self.answer_timeout, asked).await.unwrap_or(Err(RespError::TimedOut(self.answer_timeout)))
    }
}

impl RespConnection {
    /// Returns the error of a closed connection, with the peer's last message if there is one.
    fn gone(&self, otherwise: &str) -> RespError {
        if self.ended.is_cancelled() {
            return RespError::Gone("another Redis became the primary".to_owned());
        }
        RespError::Gone(match self.last_message.get() {
            Some(said) => explained(&format!("Redis closed it: {said}")),
            None => otherwise.to_owned(),
        })
    }
}

/// Writes requests. The reader knows what to expect before the first byte is written.
async fn send(
    mut stream: impl AsyncWrite + Unpin,
    mut outgoing: mpsc::Receiver<Outgoing>,
    written: mpsc::UnboundedSender<Waiting>,
) {
    let mut parts = VecDeque::new();
    loop {
        let mut next = tokio::select! {
            next = outgoing.recv() => next,
            () = written.closed() => None,
        };
        if next.is_none() {
            return;
        }
        // Requests that wait together are written together.
        while let Some(Outgoing { parts: more, waiting }) = next {
            if written.send(waiting).is_err() {
                return;
            }
            parts.extend(more);
            next = if parts.len() < PARTS_A_WRITE { outgoing.try_recv().ok() } else { None };
        }
        let sent = tokio::select! {
            sent = write_all(&mut stream, &mut parts) => sent,
            () = written.closed() => return,
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "writing to Redis failed");
            return;
        }
    }
}

async fn write_all(stream: &mut (impl AsyncWrite + Unpin), parts: &mut VecDeque<Bytes>) -> io::Result<()> {
    while !parts.is_empty() {
        let mut slices = [io::IoSlice::new(&[]); PARTS_A_WRITE];
        let count = parts.len().min(PARTS_A_WRITE);
        for (slice, part) in slices.iter_mut().zip(parts.iter()) {
            *slice = io::IoSlice::new(part);
        }
        let mut written = stream.write_vectored(&slices[..count]).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while let Some(part) = parts.front_mut() {
            if written < part.len() {
                bytes::Buf::advance(part, written);
                break;
            }
            written -= part.len();
            parts.pop_front();
        }
    }
    // TLS may still hold the last bytes.
    stream.flush().await
}

/// Reads replies. Callers that still wait when it ends get an error.
async fn receive<R: AsyncRead + Unpin>(
    mut replies: Replies<R>,
    mut waiting: mpsc::UnboundedReceiver<Waiting>,
    last_message: Arc<OnceLock<String>>,
) {
    loop {
        let next = tokio::select! {
            biased;
            next = waiting.recv() => next,
            // No reply is expected: this is the end of the connection, or the answer to a request
            // written just now.
            open = replies.wait() => match (open, waiting.try_recv()) {
                (Ok(true), Ok(next)) => Some(next),
                (Ok(true), Err(_)) => {
                    // An unsolicited message.
                    let said: Vec<_> = replies.next().await.map(Value::extract_error).into_iter().collect();
                    note_last_message(&last_message, &said, &replies);
                    None
                }
                (Ok(false), _) => None,
                (Err(error), _) => {
                    note_refusal_of_tls(&last_message, &error);
                    None
                }
            },
        };
        let Some(Waiting { commands, answers }) = next else { return };
        let mut read = Vec::with_capacity(commands);
        while read.len() < commands {
            match replies.next().await {
                Ok(value) => read.push(value.extract_error()),
                Err(error) => {
                    tracing::debug!(%error, "reading from Redis failed");
                    note_last_message(&last_message, &read, &replies);
                    note_refusal_of_tls(&last_message, &error);
                    return;
                }
            }
        }
        // The caller may have stopped waiting.
        let _ = answers.send(read);
    }
}

/// Notes the last message of a peer that closed the connection or speaks another protocol.
fn note_last_message<R: AsyncRead + Unpin>(
    last_message: &OnceLock<String>,
    answers: &[RedisResult<Value>],
    replies: &Replies<R>,
) {
    let refused = answers.iter().rev().find_map(|answer| answer.as_ref().err());
    let refused = refused.map(|error| hints::printable(error.to_string().as_bytes()));
    if let Some(said) = refused.or_else(|| hints::describe_peer(replies.unread())) {
        let _first_stays = last_message.set(said);
    }
}

/// Notes that the peer ended the connection by TLS: it judges a client certificate only after the
/// handshake.
fn note_refusal_of_tls(last_message: &OnceLock<String>, error: &io::Error) {
    if let Some(refusal) = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        let _first_stays = last_message.set(refusal.to_string());
    }
}

/// Converts to an error of the redis crate.
impl From<RespError> for RedisError {
    fn from(error: RespError) -> Self {
        io::Error::other(error).into()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    fn command(words: &[&str]) -> redis::Cmd {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command
    }

    async fn ask(connection: &RespConnection, words: &[&str]) -> Result<RedisResult<Value>, RespError> {
        let mut request = Request::default();
        request.add(&command(words));
        Ok(connection.ask(request).await?.pop().unwrap())
    }

    #[tokio::test]
    async fn requests_are_written_whole_and_answers_reach_their_callers() {
        let (ours, theirs) = tokio::io::duplex(1 << 10);
        let (read, write) = tokio::io::split(ours);
        let connection = RespConnection::over(read, write, Duration::from_secs(5), CancellationToken::new());
        let picture = Bytes::from(vec![7; 50_000]);
        let mut request = Request::default();
        request.set_new("key", &picture, 1_000);
        request.add(&command(&["GET", "key"]));
        let server = async {
            let (mut read, mut write) = tokio::io::split(theirs);
            let begin = b"*6\r\n$3\r\nSET\r\n$3\r\nkey\r\n$50000\r\n";
            let end = b"\r\n$2\r\nNX\r\n$2\r\nPX\r\n$4\r\n1000\r\n*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";
            let mut got = vec![0; begin.len() + picture.len() + end.len()];
            read.read_exact(&mut got).await.unwrap();
            assert_eq!(got, [&begin[..], &picture, end].concat());
            write.write_all(b"+OK\r\n$50000\r\n").await.unwrap();
            write.write_all(&picture).await.unwrap();
            write.write_all(b"\r\n").await.unwrap();
            let mut again = [0; 14];
            read.read_exact(&mut again).await.unwrap();
            write.write_all(b"-OOM no room\r\n").await.unwrap();
            (read, write)
        };
        let client = async {
            let answers = connection.ask(request).await.unwrap();
            let answers: Vec<Value> = answers.into_iter().map(Result::unwrap).collect();
            assert_eq!(answers, [Value::Okay, Value::BulkString(picture.to_vec())]);
            let refused = ask(&connection, &["PING"]).await.unwrap().unwrap_err();
            assert_eq!(refused.code(), Some("OOM"), "{refused}");
        };
        let (streams, ()) = tokio::join!(server, client);
        drop(streams);
        let gone = ask(&connection, &["PING"]).await.unwrap_err();
        assert!(matches!(gone, RespError::Gone(_)), "{gone}");
        assert!(connection.is_gone());
    }

    #[tokio::test]
    async fn the_last_message_of_a_peer_is_reported_whenever_it_arrives() {
        for (said, told) in [
            (&b"-DENIED Redis is running in protected mode.\r\n"[..], "protected mode: give it a password"),
            (b"-ERR max number of clients reached\r\n", "raise maxclients"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", "speaks HTTP (HTTP/1.1 400 Bad Request)"),
            (&[0x15, 3, 3, 0, 2, 2, 40], "speaks TLS"),
        ] {
            // The message arrives before any request, or as the only answer to two commands.
            for asked_first in [false, true] {
                let (ours, mut theirs) = tokio::io::duplex(1 << 10);
                let (read, write) = tokio::io::split(ours);
                let connection =
                    RespConnection::over(read, write, Duration::from_secs(5), CancellationToken::new());
                let mut request = Request::default();
                request.add(&command(&["INFO"]));
                request.add(&command(&["PING"]));
                let gone = if asked_first {
                    let peer = async {
                        let mut first = [0; 1];
                        theirs.read_exact(&mut first).await.unwrap();
                        theirs.write_all(said).await.unwrap();
                        theirs.shutdown().await.unwrap();
                    };
                    tokio::join!(connection.ask(request), peer).0.unwrap_err()
                } else {
                    theirs.write_all(said).await.unwrap();
                    theirs.shutdown().await.unwrap();
                    while !connection.is_gone() {
                        tokio::task::yield_now().await;
                    }
                    connection.ask(request).await.unwrap_err()
                };
                assert!(gone.to_string().contains(told), "{gone}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_reaches_no_other_caller() {
        let (ours, theirs) = tokio::io::duplex(1 << 10);
        let (read, write) = tokio::io::split(ours);
        let connection = RespConnection::over(read, write, Duration::from_secs(1), CancellationToken::new());
        let (_read, mut write) = tokio::io::split(theirs);
        let late = ask(&connection, &["INCR", "a"]).await.unwrap_err();
        assert!(matches!(late, RespError::TimedOut(_)), "{late}");
        let answered = write.write_all(b":1\r\n:2\r\n");
        let (answer, written) = tokio::join!(ask(&connection, &["INCR", "b"]), answered);
        written.unwrap();
        assert_eq!(answer.unwrap().unwrap(), Value::Int(2));
    }
}
