//! Sending frames until the server has decided on each, whatever happens on the way.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::Failure;
use super::fault;
use super::output::duration;
use crate::pb::v1 as pb;
use crate::pb::v1::frame_result::Outcome;
use crate::pb::v1::streaming_service_client::StreamingServiceClient;

/// First and longest pause before the same frames are sent again where the server names none.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A call that takes longer is given up and sent again.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Submits batches and tries again, under the same publisher sequences, until every frame is decided.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    client: StreamingServiceClient<Channel>,
    /// How long to go on trying without any progress.
    patience: Duration,
    stop: CancellationToken,
}

/// What was decided of a frame.
#[derive(Debug, Clone)]
pub(super) enum Decision {
    /// Stored as this sequence.
    Accepted { sequence: u64 },
    /// Stored before as this sequence.
    Duplicate { sequence: u64 },
    /// Refused for good.
    Refused(pb::ItemError),
    /// Not decided when patience or time ended; the last refusal, where there was one. It may be stored.
    Open(Option<pb::ItemError>),
}

/// A batch that was sent.
#[derive(Debug)]
pub(super) struct Sent {
    /// One entry a frame, in the order of the batch.
    pub(super) decisions: Vec<Decision>,
    /// How often frames were sent again.
    pub(super) retries: u64,
    /// Why the rest is open, if anything is.
    pub(super) given_up: Option<String>,
}

impl Sender {
    /// Sends over `client`; ends early when `stop` is cancelled.
    pub(super) fn new(
        client: StreamingServiceClient<Channel>,
        patience: Duration,
        stop: CancellationToken,
    ) -> Self {
        Self { client, patience, stop }
    }

    /// Sends a batch, and what the server wants again, in the same order, until all is decided.
    ///
    /// # Errors
    /// The server refuses the call as a whole, for good.
    pub(super) async fn send(&mut self, frames: Vec<pb::Frame>) -> Result<Sent, Failure> {
        let mut decisions: Vec<Decision> = frames.iter().map(|_| Decision::Open(None)).collect();
        let mut open: Vec<(usize, pb::Frame)> = frames.into_iter().enumerate().collect();
        let mut retries = 0;
        let mut pause = FIRST_PAUSE;
        let mut progress = Instant::now();
        loop {
            let batch: Vec<pb::Frame> = open.iter().map(|(_, frame)| frame.clone()).collect();
            let mut request = tonic::Request::new(pb::SubmitFrameBatchRequest { frames: batch });
            request.set_timeout(CALL_TIMEOUT);
            let before = open.len();
            let (told, why) = match self.client.submit_frame_batch(request).await {
                Ok(answer) => {
                    let (left, told) = sort(open, answer.into_inner().results, &mut decisions);
                    open = left;
                    (told, "the server refuses for now".to_owned())
                }
                Err(status) => match fault::retry(&status) {
                    Some(told) => (told, fault::words(&status)),
                    None => return Err(fault::refused("submitting", &status)),
                },
            };
            if open.is_empty() {
                return Ok(Sent { decisions, retries, given_up: None });
            }
            if open.len() < before {
                (progress, pause) = (Instant::now(), FIRST_PAUSE);
            }
            let wait = told.unwrap_or(pause).min(LONGEST_PAUSE).mul_f64(rand::random_range(1.0..1.25));
            pause = (pause * 2).min(LONGEST_PAUSE);
            if progress.elapsed() + wait > self.patience {
                let tried = humantime::format_duration(Duration::from_secs(progress.elapsed().as_secs()));
                return Ok(Sent { decisions, retries, given_up: Some(format!("{why}; tried for {tried}")) });
            }
            if self.stop.run_until_cancelled(sleep(wait)).await.is_none() {
                return Ok(Sent { decisions, retries, given_up: Some("interrupted".to_owned()) });
            }
            retries += open.len() as u64;
        }
    }
}

/// Enters what is decided; answers what is not, and the longest delay that was asked for.
fn sort(
    sent: Vec<(usize, pb::Frame)>,
    results: Vec<pb::FrameResult>,
    decisions: &mut [Decision],
) -> (Vec<(usize, pb::Frame)>, Option<Duration>) {
    let mut left = Vec::new();
    let mut longest: Option<Duration> = None;
    let outcomes = results.into_iter().map(|result| result.outcome).chain(std::iter::repeat(None));
    for ((index, frame), outcome) in sent.into_iter().zip(outcomes) {
        decisions[index] = match outcome {
            Some(Outcome::Accepted(pb::FrameAccepted { sequence, receive_time: _ })) => {
                Decision::Accepted { sequence }
            }
            Some(Outcome::Duplicate(pb::FrameDuplicate { sequence })) => Decision::Duplicate { sequence },
            Some(Outcome::Rejected(error)) if error.retry_delay.is_none() => Decision::Refused(error),
            Some(Outcome::Rejected(error) | Outcome::Unconfirmed(error)) => {
                longest = longest.max(error.retry_delay.as_ref().map(duration));
                left.push((index, frame));
                Decision::Open(Some(error))
            }
            None => {
                left.push((index, frame));
                Decision::Open(None)
            }
        };
    }
    (left, longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::pb_duration;

    fn error(delay_ms: Option<u64>) -> pb::ItemError {
        let retry_delay = delay_ms.map(|ms| pb_duration(Duration::from_millis(ms)));
        pb::ItemError { retry_delay, ..Default::default() }
    }

    #[test]
    fn what_may_be_tried_again_stays_in_order() {
        let results = [
            Outcome::Accepted(pb::FrameAccepted { sequence: 1, receive_time: None }),
            Outcome::Rejected(error(Some(500))),
            Outcome::Rejected(error(None)),
            Outcome::Unconfirmed(error(None)),
            Outcome::Duplicate(pb::FrameDuplicate { sequence: 9 }),
        ];
        let results = results.map(|outcome| pb::FrameResult { outcome: Some(outcome) }).to_vec();
        let sent: Vec<_> = (0..6).map(|index| (index, pb::Frame::default())).collect();
        let mut decisions = vec![Decision::Open(None); 6];
        let (left, longest) = sort(sent, results, &mut decisions);
        assert_eq!(left.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1, 3, 5]);
        assert_eq!(longest, Some(Duration::from_millis(500)));
        assert!(matches!(decisions[0], Decision::Accepted { sequence: 1 }));
        assert!(matches!(decisions[2], Decision::Refused(_)));
        assert!(matches!(decisions[4], Decision::Duplicate { sequence: 9 }));
        assert!(matches!(decisions[5], Decision::Open(None)), "a result that is missing decides nothing");
    }
}
