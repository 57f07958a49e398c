//! Consuming with a handler, which the client calls for each frame.

use std::fmt;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::run::Run;
use crate::client::time::pb_duration;
use crate::client::{Client, Error};
use crate::pb::v1 as pb;

/// The maximum size of a reason, in bytes.
const MAX_REASON_BYTES: usize = 512;

/// The options of consuming with a handler.
#[derive(Debug, Clone)]
pub struct ConsumeOptions {
    /// The maximum number of handlers that run at the same time.
    pub parallelism: usize,
    /// Handle the frames of one stream one after another. With `GROUP_AFFINITY_STREAM`, they are then
    /// handled in order.
    pub in_order: bool,
    /// The maximum time for running handlers to finish after the program has stopped consuming. Then
    /// they are aborted, and their frames are delivered again after their deadlines.
    pub drain_timeout: Duration,
}

impl Default for ConsumeOptions {
    /// Returns 8 handlers at the same time, in any order, and 30 s to finish.
    fn default() -> Self {
        Self { parallelism: 8, in_order: false, drain_timeout: Duration::from_secs(30) }
    }
}

/// The reason why a handler rejects a frame, and what is to happen with it.
///
/// Any error or text becomes a rejection with that reason, after which the frame is delivered again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    pub(super) reason: String,
    retry_delay: Option<Duration>,
    dead_letter: bool,
}

impl Reject {
    /// Makes a rejection; the frame is delivered again after the backoff of its group.
    #[must_use]
    pub fn new(reason: impl fmt::Display) -> Self {
        Self { reason: reason.to_string(), retry_delay: None, dead_letter: false }
    }

    /// Sets the time before the frame is delivered again.
    #[must_use]
    pub fn retry_after(self, delay: Duration) -> Self {
        Self { retry_delay: Some(delay), dead_letter: false, ..self }
    }

    /// Makes the frame a dead letter at once.
    #[must_use]
    pub fn dead_letter(self) -> Self {
        Self { retry_delay: None, dead_letter: true, ..self }
    }

    /// Returns the message for a frame. A long reason is cut.
    pub(super) fn of(self, ack_id: String) -> pb::Rejection {
        let mut reason = self.reason;
        let end = (0..=MAX_REASON_BYTES.min(reason.len())).rev().find(|at| reason.is_char_boundary(*at));
        reason.truncate(end.unwrap_or_default());
        let retry_delay = self.retry_delay.map(pb_duration);
        pb::Rejection { ack_id, reason, retry_delay, dead_letter: self.dead_letter }
    }
}

impl<E: fmt::Display> From<E> for Reject {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

/// Something that a consumer reports beside the frames.
#[derive(Debug)]
pub enum Notice {
    /// The membership has begun, also after a reconnect.
    Joined {
        /// The group's ack deadline, which is extended while a handler runs.
        ack_deadline: Duration,
    },
    /// Frames that no member gets, and the reasons.
    Gap(pb::Gap),
    /// The number of frames that are published and not yet acknowledged by the group.
    Lag(u64),
    /// The connection broke for this reason; the consumer joins again over another one.
    Reconnecting(String),
    /// A handler failed, and its frame is rejected.
    Rejected {
        /// The stream of the frame.
        stream_id: String,
        /// The sequence of the frame.
        sequence: u64,
        /// The text of the handler's error or panic.
        reason: String,
    },
    /// An acknowledgement or a rejection took no effect: the frame was delivered to another member, or
    /// became a dead letter.
    NotSettled {
        /// The stream of the frame.
        stream_id: String,
        /// The sequence of the frame.
        sequence: u64,
        /// The reason; `None` if it is of a kind that the client does not know.
        error: Option<pb::ItemError>,
    },
}

/// The counts of a consumer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConsumeSummary {
    /// The number of frames that were handled and acknowledged.
    pub acknowledged: u64,
    /// The number of frames whose handlers failed.
    pub rejected: u64,
    /// The number of frames that went back because no handler had begun when the program stopped.
    pub given_back: u64,
    /// The number of frames whose fate is open: the time to finish was over. They are delivered again
    /// unless an acknowledgement whose answer was lost took effect.
    pub abandoned: u64,
}

impl Client {
    /// Calls `handler` for each frame of a consumer group, until `stop` is cancelled or the frames of
    /// `stop_after_frames` are handled.
    ///
    /// A frame is acknowledged when its handler returns `Ok`, and rejected with the reason when it
    /// returns an error or panics. While frames wait or are handled, their deadlines are extended. When
    /// the connection breaks, the consumer joins again; frames that are delivered again are matched to
    /// the handlers that still run. `notice` is called for everything else.
    ///
    /// Handlers are tasks, so one that computes for long belongs into
    /// [`spawn_blocking`](tokio::task::spawn_blocking). The frames that are held here are bounded by
    /// `max_outstanding_frames` and `max_outstanding_bytes` of the request.
    ///
    /// When `stop` is cancelled, running handlers finish and their frames are acknowledged; frames that
    /// no handler has begun go back at once, which counts as an attempt of their delivery; another member
    /// gets them a second later. If the future is dropped, running handlers are aborted.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] if the server refuses the membership or an acknowledgement for good,
    /// for example because another call took over the member id. By then, running handlers have
    /// finished.
    ///
    /// # Examples
    /// ```no_run
    /// use frameway::client::consume::{ConsumeOptions, Reject};
    /// use frameway::client::{Client, Error};
    /// use frameway::pb::v1 as pb;
    /// use tokio_util::sync::CancellationToken;
    ///
    /// # async fn example(client: Client, stop: CancellationToken) -> Result<(), Error> {
    /// let request = pb::ConsumeFramesRequest {
    ///     group_id: "detectors".into(),
    ///     member_id: "worker-1".into(),
    ///     ..Default::default()
    /// };
    /// let handler = |delivered: pb::ConsumedFrame| async move {
    ///     let frame = delivered.frame.ok_or("there is no frame")?;
    ///     println!("{} {}", frame.stream_id, frame.sequence);
    ///     Ok::<(), Reject>(())
    /// };
    /// let summary = client
    ///     .consume(request, ConsumeOptions::default(), stop, handler, |notice| println!("{notice:?}"))
    ///     .await?;
    /// println!("{} frames", summary.acknowledged);
    /// # Ok(()) }
    /// ```
    pub async fn consume<F, E>(
        &self,
        request: pb::ConsumeFramesRequest,
        options: ConsumeOptions,
        stop: CancellationToken,
        handler: impl Fn(pb::ConsumedFrame) -> F,
        notice: impl FnMut(Notice),
    ) -> Result<ConsumeSummary, Error>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Reject> + Send + 'static,
    {
        Run::new(self, request, options, notice).run(stop, handler).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_error_becomes_a_reason_that_the_server_accepts() {
        let of = |reject: Reject| reject.of("id".to_owned());
        assert_eq!(of("no license plate".into()).reason, "no license plate");
        assert_eq!(of(std::io::Error::other("the disk is full").into()).reason, "the disk is full");
        let long = of("\u{e9}".repeat(400).into()).reason;
        assert_eq!(long.len(), MAX_REASON_BYTES);
        let odd = of(format!("x{}", "\u{e9}".repeat(400)).into()).reason;
        assert_eq!(odd.len(), MAX_REASON_BYTES - 1);
        let dead = of(Reject::new("never").retry_after(Duration::from_secs(1)).dead_letter());
        assert_eq!((dead.dead_letter, dead.retry_delay), (true, None));
    }
}
