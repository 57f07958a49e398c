//! One connection to Redis that does not copy pictures: they go out from where they lie, and come in to where they stay.
//!
//! The redis crate copies an argument three times on its way out, and a reply about as often; with pictures that is most of
//! what a hop through Redis costs (`docs/performance.md`). Commands, replies and errors are still its own.

mod last_words;
mod replies;
mod request;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use redis::{ConnectionAddr, ConnectionInfo, RedisError, RedisResult, Value};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

pub(super) use self::last_words::explained;
use self::replies::Replies;
pub(super) use self::request::Request;

/// A dead peer is noticed after this long, even where no reset arrives.
pub(super) const SILENT_PEER: Duration = Duration::from_secs(10);
/// Requests that wait to be written; each may hold many pictures.
const WAITING_REQUESTS: usize = 8;
/// Most parts of one write: what the system takes at once.
const PARTS_A_WRITE: usize = 64;

/// Why a request has no answer. It may have been carried out all the same.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// It took too long.
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The connection is gone.
    #[error("the connection is gone: {0}")]
    Gone(String),
}

type Answers = Vec<RedisResult<Value>>;

/// What was sent and is not answered yet.
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

/// A connection. Requests are written in the order in which they come, and answered in that order. A request that nobody waits
/// for any more is written and answered all the same; the next one is not mixed up with it.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    requests: mpsc::Sender<Outgoing>,
    patience: Duration,
    /// What the peer said before it hung up.
    last_words: Arc<OnceLock<String>>,
    /// They end with the last copy of this.
    _tasks: Arc<JoinSet<()>>,
}

impl Wire {
    /// Connects and logs in.
    ///
    /// # Errors
    /// Redis cannot be reached, or does not let us in.
    pub(super) async fn connect(info: &ConnectionInfo, patience: Duration) -> RedisResult<Self> {
        let wire = match info.addr() {
            ConnectionAddr::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                let socket = SockRef::from(&stream);
                socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(SILENT_PEER))?;
                #[cfg(target_os = "linux")]
                socket.set_tcp_user_timeout(Some(SILENT_PEER))?;
                let (read, write) = stream.into_split();
                Self::over(read, write, patience)
            }
            ConnectionAddr::Unix(path) => {
                let (read, write) = UnixStream::connect(path).await?.into_split();
                Self::over(read, write, patience)
            }
            other => return Err(io::Error::other(format!("{other} is not supported")).into()),
        };
        wire.log_in(info).await?;
        Ok(wire)
    }

    fn over(
        read: impl AsyncRead + Unpin + Send + 'static,
        write: impl AsyncWrite + Unpin + Send + 'static,
        patience: Duration,
    ) -> Self {
        let (requests, outgoing) = mpsc::channel(WAITING_REQUESTS);
        let (written, waiting) = mpsc::unbounded_channel();
        let last_words = Arc::new(OnceLock::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(send(write, outgoing, written));
        tasks.spawn(receive(Replies::new(read), waiting, Arc::clone(&last_words)));
        Self { requests, patience, last_words, _tasks: Arc::new(tasks) }
    }

    async fn log_in(&self, info: &ConnectionInfo) -> RedisResult<()> {
        let settings = info.redis_settings();
        let mut request = Request::default();
        if let Some(password) = settings.password() {
            let mut auth = redis::cmd("AUTH");
            auth.arg(settings.username()).arg(password);
            request.add(&auth);
        }
        if settings.db() != 0 {
            let mut select = redis::cmd("SELECT");
            select.arg(settings.db());
            request.add(&select);
        }
        let answers = self.ask(request).await?;
        answers.into_iter().try_for_each(|answer| answer.map(drop))
    }

    /// Whether it is of no more use.
    pub(super) fn is_gone(&self) -> bool {
        self.requests.is_closed()
    }

    /// Sends a request; one answer for each of its commands.
    ///
    /// # Errors
    /// There is no answer; what was asked may have been done.
    pub(super) async fn ask(&self, request: Request) -> Result<Answers, WireError> {
        let (parts, commands) = request.into_parts();
        if commands == 0 {
            return Ok(Vec::new());
        }
        let asked = async {
            let (answers, answered) = oneshot::channel();
            let outgoing = Outgoing { parts, waiting: Waiting { commands, answers } };
            self.requests.send(outgoing).await.map_err(|_| self.gone("it had ended"))?;
            answered.await.map_err(|_| self.gone("Redis ended it"))
        };
        timeout(self.patience, asked).await.unwrap_or(Err(WireError::TimedOut(self.patience)))
    }
}

impl Wire {
    /// Why it has ended: by what the peer said, if it said anything.
    fn gone(&self, otherwise: &str) -> WireError {
        WireError::Gone(match self.last_words.get() {
            Some(said) => explained(&format!("Redis ended it and said: {said}")),
            None => otherwise.to_owned(),
        })
    }
}

/// Writes requests. What the reader must expect is known to it before the first byte is out.
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
        // Requests that wait together leave together.
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
    Ok(())
}

/// Reads replies. Whoever still waits when it ends is told by that.
async fn receive<R: AsyncRead + Unpin>(
    mut replies: Replies<R>,
    mut waiting: mpsc::UnboundedReceiver<Waiting>,
    last_words: Arc<OnceLock<String>>,
) {
    loop {
        let next = tokio::select! {
            biased;
            next = waiting.recv() => next,
            // Nothing is expected: this is its end, or the answer to what was written just now.
            open = replies.wait() => match (open, waiting.try_recv()) {
                (Ok(true), Ok(next)) => Some(next),
                (Ok(true), Err(_)) => {
                    // Said without having been asked.
                    let said: Vec<_> = replies.next().await.map(Value::extract_error).into_iter().collect();
                    note_last_words(&last_words, &said, &replies);
                    None
                }
                (Ok(false) | Err(_), _) => None,
            },
        };
        let Some(Waiting { commands, answers }) = next else { return };
        let mut read = Vec::with_capacity(commands);
        while read.len() < commands {
            match replies.next().await {
                Ok(value) => read.push(value.extract_error()),
                Err(error) => {
                    tracing::debug!(%error, "reading from Redis failed");
                    note_last_words(&last_words, &read, &replies);
                    return;
                }
            }
        }
        // Who asked may have lost patience.
        let _ = answers.send(read);
    }
}

/// Notes what a peer said last that hung up, or that speaks another language.
fn note_last_words<R: AsyncRead + Unpin>(
    last_words: &OnceLock<String>,
    answers: &[RedisResult<Value>],
    replies: &Replies<R>,
) {
    let refused = answers.iter().rev().find_map(|answer| answer.as_ref().err());
    let refused = refused.map(|error| last_words::printable(error.to_string().as_bytes()));
    if let Some(said) = refused.or_else(|| last_words::of_stranger(replies.unread())) {
        let _first_stays = last_words.set(said);
    }
}

/// As an error of the redis crate.
impl From<WireError> for RedisError {
    fn from(error: WireError) -> Self {
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

    async fn ask(wire: &Wire, words: &[&str]) -> Result<RedisResult<Value>, WireError> {
        let mut request = Request::default();
        request.add(&command(words));
        Ok(wire.ask(request).await?.pop().unwrap())
    }

    #[tokio::test]
    async fn requests_leave_whole_and_answers_find_who_asked() {
        let (ours, theirs) = tokio::io::duplex(1 << 10);
        let (read, write) = tokio::io::split(ours);
        let wire = Wire::over(read, write, Duration::from_secs(5));
        let picture = Bytes::from(vec![7; 50_000]);
        let mut request = Request::default();
        request.offer("key", &picture, 1_000);
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
            let answers = wire.ask(request).await.unwrap();
            let answers: Vec<Value> = answers.into_iter().map(Result::unwrap).collect();
            assert_eq!(answers, [Value::Okay, Value::BulkString(picture.to_vec())]);
            let refused = ask(&wire, &["PING"]).await.unwrap().unwrap_err();
            assert_eq!(refused.code(), Some("OOM"), "{refused}");
        };
        let (streams, ()) = tokio::join!(server, client);
        drop(streams);
        let gone = ask(&wire, &["PING"]).await.unwrap_err();
        assert!(matches!(gone, WireError::Gone(_)), "{gone}");
        assert!(wire.is_gone());
    }

    #[tokio::test]
    async fn what_a_peer_says_before_it_hangs_up_is_told_whenever_it_is_said() {
        for (said, told) in [
            (&b"-DENIED Redis is running in protected mode.\r\n"[..], "protected mode: give it a password"),
            (b"-ERR max number of clients reached\r\n", "raise maxclients"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", "speaks HTTP (HTTP/1.1 400 Bad Request)"),
            (&[0x15, 3, 3, 0, 2, 2, 40], "speaks TLS"),
        ] {
            // Before anything was asked, and as the only answer to two questions.
            for asked_first in [false, true] {
                let (ours, mut theirs) = tokio::io::duplex(1 << 10);
                let (read, write) = tokio::io::split(ours);
                let wire = Wire::over(read, write, Duration::from_secs(5));
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
                    tokio::join!(wire.ask(request), peer).0.unwrap_err()
                } else {
                    theirs.write_all(said).await.unwrap();
                    theirs.shutdown().await.unwrap();
                    while !wire.is_gone() {
                        tokio::task::yield_now().await;
                    }
                    wire.ask(request).await.unwrap_err()
                };
                assert!(gone.to_string().contains(told), "{gone}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_is_nobody_elses() {
        let (ours, theirs) = tokio::io::duplex(1 << 10);
        let (read, write) = tokio::io::split(ours);
        let wire = Wire::over(read, write, Duration::from_secs(1));
        let (_read, mut write) = tokio::io::split(theirs);
        let late = ask(&wire, &["INCR", "a"]).await.unwrap_err();
        assert!(matches!(late, WireError::TimedOut(_)), "{late}");
        let answered = write.write_all(b":1\r\n:2\r\n");
        let (answer, written) = tokio::join!(ask(&wire, &["INCR", "b"]), answered);
        written.unwrap();
        assert_eq!(answer.unwrap().unwrap(), Value::Int(2));
    }
}
