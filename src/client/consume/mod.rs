//! Consuming frames as a member of a consumer group.
//!
//! [`Client::consume`] calls a handler for each frame, and does everything else. [`Consumer`] returns
//! the frames, and leaves the acknowledgements and their deadlines to the program.

mod handler;
mod run;
mod settle;
mod settled;
mod work;

use std::time::Duration;

use tonic::Status;

use super::error::describe;
use super::long_call::LongCall;
use super::retry::{is_retryable, requested_delay};
use super::stall::HEARTBEAT;
use super::time::{duration, pb_duration};
use super::{Channel, Client, Error, MAX_PICTURE_BYTES};
use crate::pb::v1 as pb;
use crate::pb::v1::consume_frames_response::Event as Message;
use crate::pb::v1::streaming_service_client::StreamingServiceClient;
use settle::{Settler, done};

pub use handler::{ConsumeOptions, ConsumeSummary, Notice, Reject};

/// An event of a consumer.
#[derive(Debug)]
pub enum Event {
    /// The membership has begun; each frame must be acknowledged within the ack deadline.
    Ready {
        /// The group's ack deadline.
        ack_deadline: Duration,
    },
    /// A frame for this member. It is delivered again, to any member, until it is acknowledged.
    Frame(Box<pb::ConsumedFrame>),
    /// Frames that no member gets, and the reasons.
    Gap(pb::Gap),
    /// The number of frames that are published and not yet acknowledged by the group.
    Lag(u64),
    /// The connection broke for this reason; the next event comes over another one.
    Reconnecting(String),
    /// The server has sent the requested number of frames.
    End,
}

/// The outcome of an acknowledgement or a rejection.
#[derive(Debug, Clone, PartialEq)]
pub enum AckOutcome {
    /// It took effect, with this call or with an earlier one.
    Done,
    /// It took no effect: the frame was delivered to another member, or given up.
    Refused(Option<pb::ItemError>),
    /// No answer came, for this reason. The frame may be delivered again.
    Unknown(String),
}

/// A member of a consumer group, which joins again when its connection breaks.
///
/// # Examples
/// ```no_run
/// use frameway::client::consume::{Consumer, Event};
/// use frameway::client::{Client, Error};
/// use frameway::pb::v1 as pb;
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let request = pb::ConsumeFramesRequest {
///     group_id: "detectors".into(),
///     member_id: "worker-1".into(),
///     ..Default::default()
/// };
/// let mut consumer = Consumer::new(&client, request);
/// loop {
///     match consumer.next().await? {
///         Event::Frame(frame) => {
///             println!("{:?}", frame.frame);
///             consumer.ack(vec![frame.ack_id]).await?;
///         }
///         Event::End => break,
///         other => println!("{other:?}"),
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Consumer {
    client: StreamingServiceClient<Channel>,
    request: pb::ConsumeFramesRequest,
    call: LongCall<pb::ConsumeFramesResponse>,
    settler: Settler,
    /// The reason why the last acknowledgement got no answer.
    lost_answer: Option<String>,
}

impl Consumer {
    /// Prepares a membership; the first [`next`](Self::next) joins the group.
    ///
    /// Sets the heartbeat interval to 5 s and `max_picture_bytes` to [`MAX_PICTURE_BYTES`] if they
    /// are unset.
    #[must_use]
    pub fn new(client: &Client, mut request: pb::ConsumeFramesRequest) -> Self {
        let heartbeat = duration(request.heartbeat_interval.get_or_insert(pb_duration(HEARTBEAT)));
        let pictures = request.pictures.get_or_insert_default();
        pictures.max_picture_bytes.get_or_insert(MAX_PICTURE_BYTES);
        Self {
            client: client.streaming.clone(),
            settler: Settler::new(client.streaming.clone(), request.group_id.clone()),
            request,
            call: LongCall::new("frameway.v1.StreamingService/ConsumeFrames", heartbeat),
            lost_answer: None,
        }
    }

    /// Waits for the next event.
    ///
    /// This is cancel safe: dropping the future loses no event.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] if the server refuses the membership for good, for example
    /// because another call took over the member id. If `next` is called again, the consumer joins
    /// again.
    pub async fn next(&mut self) -> Result<Event, Error> {
        if let Some(why) = self.lost_answer.take() {
            return Ok(Event::Reconnecting(why));
        }
        loop {
            if self.call.is_closed() && self.request.stop_after_frames == Some(0) {
                // The connection broke after the last frame; a request for 0 frames is not valid.
                return Ok(Event::End);
            }
            let open = async { self.client.consume_frames(self.request.clone()).await };
            let message = match self.call.message(open).await {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(Event::End),
                Err(status) => return self.call.broken(status).map(Event::Reconnecting),
            };
            // `Ready` proves no progress: every call begins with it.
            if !matches!(message.event, Some(Message::Ready(_))) {
                self.call.progressed();
            }
            if let Some(event) = self.event(message) {
                return Ok(event);
            }
        }
    }

    /// Turns a message into an event. Returns `None` for a message of a newer contract, and for
    /// `Draining`: the server then ends the call with a status.
    fn event(&mut self, message: pb::ConsumeFramesResponse) -> Option<Event> {
        match message.event? {
            Message::Ready(ready) => Some(Event::Ready {
                ack_deadline: ready.ack_deadline.as_ref().map(duration).unwrap_or_default(),
            }),
            Message::Frame(frame) => {
                let left = &mut self.request.stop_after_frames;
                *left = left.map(|left| left.saturating_sub(1));
                Some(Event::Frame(Box::new(frame)))
            }
            Message::Gap(gap) => Some(Event::Gap(gap)),
            Message::Heartbeat(heartbeat) => {
                Some(Event::Lag(heartbeat.streams.iter().map(|stream| stream.lag_frames).sum()))
            }
            Message::Draining(_) => None,
        }
    }

    /// Acknowledges frames: they are done and are not delivered again.
    ///
    /// The outcomes have the order of the ids. The call is repeated while the server is
    /// unavailable; if no answer comes at all, the outcomes are [`AckOutcome::Unknown`] and the
    /// consumer joins again.
    ///
    /// Dropping the future leaves the outcome unknown.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] if the server refuses the call as a whole.
    pub async fn ack(&mut self, ack_ids: Vec<String>) -> Result<Vec<AckOutcome>, Error> {
        let count = ack_ids.len();
        let answer = self.settler.acknowledge(ack_ids).await;
        self.outcomes(count, answer)
    }

    /// Rejects frames: they are delivered again, or become dead letters.
    ///
    /// The outcomes and the errors are those of [`ack`](Self::ack).
    ///
    /// # Errors
    /// Returns [`Error::Refused`] if the server refuses the call as a whole.
    pub async fn reject(&mut self, rejections: Vec<pb::Rejection>) -> Result<Vec<AckOutcome>, Error> {
        let count = rejections.len();
        let answer = self.settler.reject(rejections).await;
        self.outcomes(count, answer)
    }

    fn outcomes(
        &mut self,
        count: usize,
        answer: Result<Vec<pb::AckResult>, Status>,
    ) -> Result<Vec<AckOutcome>, Error> {
        let outcome = |result| done(result).map_or_else(AckOutcome::Refused, |()| AckOutcome::Done);
        match answer {
            Ok(results) => {
                let mut results = results.into_iter();
                Ok((0..count).map(|_| outcome(results.next())).collect())
            }
            Err(status) if is_retryable(&status) => {
                let why = describe(&status);
                self.call.reconnect(requested_delay(&status));
                self.lost_answer = Some(why.clone());
                Ok(vec![AckOutcome::Unknown(why); count])
            }
            Err(status) => Err(status.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ConnectOptions;
    use crate::pb::v1::ack_result::Outcome;

    fn consumer() -> Consumer {
        let client = ConnectOptions::new("127.0.0.1:1").and_then(|options| options.connect_lazy()).unwrap();
        Consumer::new(&client, pb::ConsumeFramesRequest { stop_after_frames: Some(1), ..Default::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_answer_is_unknown_and_the_consumer_joins_again() {
        let mut consumer = consumer();
        let outcomes = consumer.ack(vec!["a".to_owned(), "b".to_owned()]).await.unwrap();
        assert!(matches!(&outcomes[..], [AckOutcome::Unknown(_), AckOutcome::Unknown(_)]), "{outcomes:?}");
        let event = consumer.next().await;
        assert!(matches!(event, Ok(Event::Reconnecting(_))), "{event:?}");
    }

    #[tokio::test]
    async fn a_result_that_is_missing_counts_as_refused() {
        let mut consumer = consumer();
        let done = pb::AckResult { outcome: Some(Outcome::Done(pb::AckDone::default())) };
        let outcomes = consumer.outcomes(2, Ok(vec![done])).unwrap();
        assert_eq!(outcomes, [AckOutcome::Done, AckOutcome::Refused(None)]);
        assert!(consumer.outcomes(1, Err(Status::not_found("no such group"))).is_err());
    }

    #[tokio::test]
    async fn no_further_call_is_made_after_the_last_frame() {
        let mut consumer = consumer();
        let frame = pb::ConsumeFramesResponse { event: Some(Message::Frame(pb::ConsumedFrame::default())) };
        assert!(matches!(consumer.event(frame), Some(Event::Frame(_))));
        assert!(matches!(consumer.next().await, Ok(Event::End)));
    }
}
