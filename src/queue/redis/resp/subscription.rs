use std::io;

use redis::{RedisResult, Value};
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
    _write: Writing,
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
            let (read, mut write) = stream::open(peer, deadline).await?;
            let mut request = Request::log_in(peer);
            for channel in channels {
                // One command for each channel has one answer for each.
                let mut subscribe = redis::cmd("SUBSCRIBE");
                subscribe.arg(channel);
                request.add(&subscribe);
            }
            let (parts, commands) = request.into_parts();
            for part in parts {
                write.write_all(&part).await?;
            }
            write.flush().await?;
            let mut replies = Replies::new(read);
            for _ in 0..commands {
                replies.next().await?.extract_error()?;
            }
            Ok(Self { replies, _write: write })
        };
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        timeout_at(deadline, opening).await.map_err(late)?
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
    let mut words = reply::array(value).ok()?.into_iter().map(|word| reply::text(word).ok().flatten());
    let (kind, channel, text) = (words.next()??, words.next()??, words.next()??);
    (kind == "message").then_some((channel, text))
}
