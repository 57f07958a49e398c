//! Publishing frames so that each is stored once and in order, even if connections break.
//!
//! [`Client::publish`] sends a continuous flow of frames; [`BatchSender`] sends single batches.
//! The server recognizes frames that it has already stored by their publisher sequences, which rise
//! within their stream. The program sets them, or [`PublishOptions::number_frames`] lets the client do
//! it.

mod batch;
mod decision;
mod numbers;
mod outbox;
mod run;
#[cfg(test)]
mod tests;
mod transport;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::error::describe;
use super::retry::{Policy, is_retryable, requested_delay};
use super::{Client, Error};
use crate::pb::v1 as pb;
use run::{CallEnd, Run};
use transport::{Grpc, Transport};

pub use batch::{BatchSender, SentBatch};
pub use decision::Decision;

/// The options of publishing.
#[derive(Debug, Clone)]
pub struct PublishOptions {
    /// The id of the publisher. Each frame has the same id or none.
    pub publisher_id: String,
    /// The maximum number of frames in a batch; the server's limit applies, too.
    pub batch_frames: usize,
    /// The maximum bytes of undecided frames that are held; further frames wait in the intake. One
    /// frame may exceed it.
    pub max_bytes: u64,
    /// The time without any decision after which publishing gives up.
    pub patience: Duration,
    /// Number frames that have no publisher sequence: each stream continues after the position of this
    /// publisher at the server. This needs a publisher id, which no other program may use at the same
    /// time: the server would refuse frames as `PUBLISHER_SEQUENCE_REUSED`.
    pub number_frames: bool,
    /// The streams whose positions the first call reads, for `number_frames`. The first frame of
    /// another stream waits until the frames under way are answered, and for a further call.
    pub streams: Vec<String>,
}

impl Default for PublishOptions {
    /// Returns 100 frames in a batch, 64 MiB of undecided frames, a patience of one minute, no publisher
    /// id, and no numbering.
    fn default() -> Self {
        Self {
            publisher_id: String::new(),
            batch_frames: 100,
            max_bytes: 64 << 20,
            patience: Duration::from_secs(60),
            number_frames: false,
            streams: Vec::new(),
        }
    }
}

/// The counts of a run; the decision about each frame is reported separately.
#[derive(Debug, Default)]
pub struct PublishSummary {
    /// The number of frames that were sent again, counted each time.
    pub retries: u64,
    /// The number of calls after the first.
    pub reconnects: u64,
    /// The reason for giving up; `None` if every frame is decided.
    pub given_up: Option<String>,
}

impl Client {
    /// Publishes the frames from `intake` until it is closed and every frame is decided.
    ///
    /// `decided` is called once for each frame. When a call ends, the next one resumes: undecided
    /// frames are sent again, in order, and the server stores none of them twice. At most 1,000
    /// frames of [`PublishOptions::max_bytes`] are undecided at a time; further ones wait in `intake`,
    /// and a full intake makes the program wait. When the server asks to slow down, it is obeyed.
    ///
    /// If `stop` is cancelled, the call waits up to 5 s for the answers to sent batches, and
    /// reports the remaining frames as [`Decision::Unconfirmed`]. If the future is dropped, nothing
    /// is reported: frames that were taken from `intake` may or may not have been stored.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] if the server refuses the call as a whole, for good. By then,
    /// every frame that was taken from `intake` has been reported. Returns [`Error::Options`] if frames
    /// are to be numbered without a publisher id.
    ///
    /// # Examples
    /// ```no_run
    /// # use frameway::client::{Client, Error, publish::PublishOptions};
    /// # use frameway::pb::v1 as pb;
    /// # use tokio_util::sync::CancellationToken;
    /// # async fn example(client: Client, pictures: Vec<bytes::Bytes>) -> Result<(), Error> {
    /// let (frames, intake) = tokio::sync::mpsc::channel(16);
    /// let camera = async move {
    ///     for (number, data) in (1..).zip(pictures) {
    ///         let frame = pb::Frame {
    ///             stream_id: "north-gate".into(),
    ///             publisher_sequence: Some(number),
    ///             data,
    ///             ..Default::default()
    ///         };
    ///         if frames.send(frame).await.is_err() {
    ///             return;
    ///         }
    ///     }
    /// };
    /// let options = PublishOptions { publisher_id: "agent-1".into(), ..Default::default() };
    /// let publishing = client.publish(options, intake, CancellationToken::new(), |frame, decision| {
    ///     println!("{:?}: {decision:?}", frame.publisher_sequence);
    /// });
    /// let ((), summary) = tokio::join!(camera, publishing);
    /// println!("sent again: {}", summary?.retries);
    /// # Ok(()) }
    /// ```
    pub async fn publish(
        &self,
        options: PublishOptions,
        intake: mpsc::Receiver<pb::Frame>,
        stop: CancellationToken,
        decided: impl FnMut(pb::Frame, Decision),
    ) -> Result<PublishSummary, Error> {
        let grpc = Grpc(self.streaming.clone());
        publish_over(grpc, options, rand::random(), intake, stop, decided).await
    }
}

/// Publishes over any transport; `seed` determines the jitter of the pauses.
async fn publish_over<T: Transport>(
    mut transport: T,
    options: PublishOptions,
    seed: u64,
    mut intake: mpsc::Receiver<pb::Frame>,
    stop: CancellationToken,
    mut decided: impl FnMut(pb::Frame, Decision),
) -> Result<PublishSummary, Error> {
    if options.number_frames && options.publisher_id.is_empty() {
        return Err(Error::Options(
            "frames are numbered only under a publisher id: set publisher_id".to_owned(),
        ));
    }
    let mut run = Run::new(options);
    let mut calls: u64 = 0;
    let mut pauses = Policy::of("frameway.v1.StreamingService/SubmitFrames").pauses(seed);
    let given_up = loop {
        let (why, requested) = match run.open(&mut transport).await {
            Ok((mut link, ready)) => {
                calls += 1;
                run.apply_ready(&ready, &mut decided);
                let window = run.window(&ready);
                let before = run.progress;
                let end = run.call(&mut link, &window, &mut intake, &stop, &mut decided).await;
                run.outbox.call_ended();
                if run.progress > before {
                    pauses.reset();
                }
                match end {
                    Ok(CallEnd::Done) => break None,
                    Ok(CallEnd::Reopen) => {
                        calls -= 1;
                        continue;
                    }
                    Ok(CallEnd::GiveUp(why)) => break Some(why),
                    Ok(CallEnd::Again(why, requested)) => (why, requested),
                    Err(status) => {
                        run.abandon(&mut decided);
                        return Err(status.into());
                    }
                }
            }
            Err(status) if is_retryable(&status) => (describe(&status), requested_delay(&status)),
            Err(status) => {
                run.abandon(&mut decided);
                return Err(status.into());
            }
        };
        let pause = pauses.after(requested);
        if run.is_idle() && intake.is_empty() {
            run.progress = Instant::now();
        }
        if run.progress.elapsed() + pause > run.options.patience {
            break Some(tried_for(&why, run.progress.elapsed()));
        }
        if stop.run_until_cancelled(sleep(pause)).await.is_none() {
            break Some("interrupted".to_owned());
        }
    };
    let summary =
        PublishSummary { retries: run.outbox.retries, reconnects: calls.saturating_sub(1), given_up };
    run.abandon(&mut decided);
    Ok(summary)
}

/// Adds the time without progress to a reason.
fn tried_for(why: &str, span: Duration) -> String {
    format!("{why}; tried for {} s", span.as_secs())
}
