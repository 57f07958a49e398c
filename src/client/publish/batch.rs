//! Sending single batches until the server has decided about each frame.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{Decision, tried_for};
use crate::client::error::describe;
use crate::client::retry::{Policy, is_retryable, requested_delay};
use crate::client::{Channel, Client, Error};
use crate::pb::v1 as pb;
use crate::pb::v1::streaming_service_client::StreamingServiceClient;

const DEFAULT_PATIENCE: Duration = Duration::from_secs(60);
/// The maximum duration of a call; the batch is sent again after it.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Submits each batch of frames in a call of its own, and sends undecided frames again.
///
/// [`Client::publish`] is faster for a continuous flow of frames: it sends further batches before
/// the earlier ones are answered.
#[derive(Debug, Clone)]
pub struct BatchSender {
    client: StreamingServiceClient<Channel>,
    patience: Duration,
    call_timeout: Duration,
    stop: CancellationToken,
}

/// A batch that was sent.
#[derive(Debug)]
pub struct SentBatch {
    /// One decision for each frame, in the order of the batch.
    pub decisions: Vec<Decision>,
    /// The number of frames that were sent again, counted each time.
    pub retries: u64,
    /// The reason for giving up; `None` if every frame is decided.
    pub given_up: Option<String>,
}

impl BatchSender {
    /// Makes a sender that gives up after a minute without progress.
    #[must_use]
    pub fn new(client: &Client) -> Self {
        Self::over(client.streaming.clone())
    }

    /// Makes a sender over a stub that the caller has made.
    #[must_use]
    pub fn over(client: StreamingServiceClient<Channel>) -> Self {
        Self {
            client,
            patience: DEFAULT_PATIENCE,
            call_timeout: CALL_TIMEOUT,
            stop: CancellationToken::new(),
        }
    }

    /// Sets the time without progress after which the sender gives up; the default is 60 s.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Sets the maximum duration of a call; the default is 30 s.
    #[must_use]
    pub fn call_timeout(self, call_timeout: Duration) -> Self {
        Self { call_timeout, ..self }
    }

    /// Makes the sender give up when `stop` is cancelled.
    #[must_use]
    pub fn stop_on(self, stop: CancellationToken) -> Self {
        Self { stop, ..self }
    }

    /// Sends a batch until every frame is decided, the patience has passed, or `stop` is cancelled.
    ///
    /// Undecided frames keep their order. Give each frame a publisher sequence: otherwise a frame
    /// whose answer was lost is stored twice.
    ///
    /// If the future is dropped, the outcome of the batch is unknown; send the same frames again.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] if the server refuses the call as a whole, for good.
    pub async fn send(&self, frames: Vec<pb::Frame>) -> Result<SentBatch, Error> {
        let mut decisions: Vec<Decision> = frames.iter().map(|_| Decision::Unconfirmed(None)).collect();
        let mut undecided: Vec<(usize, pb::Frame)> = frames.into_iter().enumerate().collect();
        let mut retries = 0;
        let mut pauses = Policy::of("frameway.v1.StreamingService/SubmitFrameBatch").pauses(rand::random());
        let mut progress = Instant::now();
        loop {
            let batch: Vec<pb::Frame> = undecided.iter().map(|(_, frame)| frame.clone()).collect();
            let before = undecided.len();
            let (requested, why) = match self.send_once(batch).await {
                Ok(answer) => {
                    let requested = answer.iter().filter_map(Decision::requested_delay).max();
                    undecided = record(undecided, answer, &mut decisions);
                    (requested, "the server refuses frames for now".to_owned())
                }
                Err(status) if is_retryable(&status) => (requested_delay(&status), describe(&status)),
                Err(status) => return Err(status.into()),
            };
            if undecided.is_empty() {
                return Ok(SentBatch { decisions, retries, given_up: None });
            }
            if undecided.len() < before {
                progress = Instant::now();
                pauses.reset();
            }
            let pause = pauses.after(requested);
            let given_up = if progress.elapsed() + pause > self.patience {
                Some(tried_for(&why, progress.elapsed()))
            } else {
                let slept = self.stop.run_until_cancelled(sleep(pause)).await;
                slept.is_none().then(|| "interrupted".to_owned())
            };
            if given_up.is_some() {
                return Ok(SentBatch { decisions, retries, given_up });
            }
            retries += undecided.len() as u64;
        }
    }

    /// Sends a batch once and returns one decision for each frame.
    ///
    /// # Errors
    /// Returns the status of the call. If it [is retryable](crate::client::retry::is_retryable),
    /// the frames are unconfirmed; otherwise none of them was stored.
    pub async fn send_once(&self, frames: Vec<pb::Frame>) -> Result<Vec<Decision>, Status> {
        let count = frames.len();
        let mut request = tonic::Request::new(pb::SubmitFrameBatchRequest { frames });
        request.set_timeout(self.call_timeout);
        let answer = self.client.clone().submit_frame_batch(request).await?.into_inner();
        let results = answer.results.into_iter().map(Some).chain(std::iter::repeat(None));
        Ok(results.take(count).map(Decision::of).collect())
    }
}

/// Records an answer in `decisions`, and returns the frames that are still undecided, in order.
fn record(
    sent: Vec<(usize, pb::Frame)>,
    answer: Vec<Decision>,
    decisions: &mut [Decision],
) -> Vec<(usize, pb::Frame)> {
    let mut undecided = Vec::new();
    for ((index, frame), decision) in sent.into_iter().zip(answer) {
        if matches!(decision, Decision::Unconfirmed(_)) {
            undecided.push((index, frame));
        }
        decisions[index] = decision;
    }
    undecided
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undecided_frames_keep_their_order() {
        let answer = vec![
            Decision::Accepted { sequence: 1 },
            Decision::Unconfirmed(Some(pb::ItemError::default())),
            Decision::Refused(pb::ItemError::default()),
            Decision::Unconfirmed(None),
        ];
        let sent: Vec<_> = [2, 3, 5, 7].map(|index| (index, pb::Frame::default())).into();
        let mut decisions = vec![Decision::Unconfirmed(None); 8];
        let undecided = record(sent, answer, &mut decisions);
        assert_eq!(undecided.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [3, 7]);
        assert_eq!(decisions[2], Decision::Accepted { sequence: 1 });
        assert!(matches!(decisions[5], Decision::Refused(_)));
        assert!(matches!(decisions[0], Decision::Unconfirmed(None)), "it was not sent");
    }
}
