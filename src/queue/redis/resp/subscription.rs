use std::io;

use redis::{RedisError, RedisResult, Value};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout_at};

use super::replies::Replies;
use super::request::Request;
use super::stream::{self, Reading, Writing};
use crate::queue::redis::peer::Peer;
use crate::queue::redis::reply;

/// A connection that receives the messages of some channels.
pub(in crate::queue::redis) struct Subscription {
    replies: Replies<Reading>,
    /// The half that writes; without it, the connection would be closed.
    write: Writing,
}

/// A message or an answer that a peer sends over such a connection.
#[derive(Debug)]
pub(in crate::queue::redis) enum Push {
    /// The answer to a command, such as `ssubscribe`, or a message, which is of kind `message` or
    /// `smessage`; and the channel.
    Said(String, String),
    /// A command was refused.
    Refused(RedisError),
    /// Something else, such as the answer to PING.
    Other,
}

impl Subscription {
    /// Connects, logs in and subscribes to channels, until `deadline`.
    ///
    /// # Errors
    /// The peer cannot be reached, or refuses the login or a channel.
    pub(in crate::queue::redis) async fn open(
        peer: &Peer,
        channels: &[&str],
        deadline: Instant,
    ) -> RedisResult<Self> {
        let opening = async {
            let (read, write) = stream::open(peer, deadline).await?;
            let mut request = Request::log_in(peer);
            for channel in channels {
                // One command for each channel has one answer for each.
                let mut subscribe = redis::cmd("SUBSCRIBE");
                subscribe.arg(channel);
                request.add(&subscribe);
            }
            let commands = request.len();
            let mut subscription = Self { replies: Replies::new(read), write };
            subscription.send(request).await?;
            for _ in 0..commands {
                subscription.replies.next().await?.extract_error()?;
            }
            Ok(subscription)
        };
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        timeout_at(deadline, opening).await.map_err(late)?
    }

    /// Sends commands; their answers arrive among the messages.
    ///
    /// # Errors
    /// The connection ended.
    pub(in crate::queue::redis) async fn send(&mut self, request: Request) -> io::Result<()> {
        for part in request.into_parts().0 {
            self.write.write_all(&part).await?;
        }
        self.write.flush().await
    }

    /// Waits until something arrives; returns false if the connection ended. Safe to cancel.
    ///
    /// # Errors
    /// The connection ended.
    pub(in crate::queue::redis) async fn wait(&mut self) -> io::Result<bool> {
        self.replies.wait().await
    }

    /// Reads what has arrived.
    ///
    /// # Errors
    /// The connection ended.
    pub(in crate::queue::redis) async fn next_push(&mut self) -> io::Result<Push> {
        let value = self.replies.next().await?;
        Ok(match value.extract_error() {
            Err(error) => Push::Refused(error),
            Ok(value) => words(value).map_or(Push::Other, |(kind, channel, _)| Push::Said(kind, channel)),
        })
    }

    /// Waits for the next message; returns its channel and its text.
    ///
    /// # Errors
    /// The connection ended.
    pub(in crate::queue::redis) async fn next(&mut self) -> io::Result<(String, String)> {
        loop {
            if let Some(message) = message(self.replies.next().await?) {
                return Ok(message);
            }
        }
    }
}

/// Returns the channel and the text of a message; `None` for everything else that a peer sends.
fn message(value: Value) -> Option<(String, String)> {
    let (kind, channel, text) = words(value)?;
    (kind == "message").then_some((channel, text))
}

/// Reads the kind and the channel of what a peer sends, and its text or number.
fn words(value: Value) -> Option<(String, String, String)> {
    let mut words = reply::array(value).ok()?.into_iter();
    let mut next = || match words.next()? {
        Value::Int(number) => Some(number.to_string()),
        word => reply::text(word).ok().flatten(),
    };
    Some((next()?, next()?, next()?))
}
