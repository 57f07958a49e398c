//! Publishing frames so that each is stored once and in order, even if connections break.
//!
//! [`Client::publish`] sends a continuous flow of frames; [`BatchSender`] sends single batches.
//! Frames must carry publisher sequences that rise within their stream. The server uses them to
//! recognize frames that it has already stored.

mod batch;
mod decision;
mod outbox;
#[cfg(test)]
mod tests;
mod transport;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::error::describe;
use super::retry::{Policy, is_retryable, requested_delay};
use super::stall::HEARTBEAT;
use super::time::{duration, pb_duration};
use super::{Client, Error};
use crate::pb::v1 as pb;
use crate::pb::v1::submit_frames_response::Event;
use outbox::{Outbox, Window};
use transport::{Grpc, Link, Transport};

pub use batch::{BatchSender, SentBatch};
pub use decision::Decision;

/// The pause before the next call if a draining server does not state one.
const DRAIN_PAUSE: Duration = Duration::from_millis(100);
/// The maximum time until a call is ready.
const READY_TIMEOUT: Duration = Duration::from_secs(10);
/// The time without any message after which a call is given up: three heartbeat intervals. Answers
/// are small, so a slow link does not delay them for that long.
const MAX_SILENCE: Duration = Duration::from_secs(15);
/// The maximum wait for the answers to sent batches after the caller has stopped publishing.
const LAST_ANSWERS_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum number of undecided frames that are held here; further frames wait in the intake.
const MAX_FRAMES: usize = 1_000;
/// The maximum bytes of these frames.
const MAX_BYTES: u64 = 64 << 20;
/// The part of the maximum message size that a batch does not use.
const MESSAGE_MARGIN_BYTES: u64 = 1 << 16;
/// The maximum number of streams in the setup of a call, for which the server returns positions.
const MAX_RESUME_STREAMS: usize = 1_000;

/// The options of publishing.
#[derive(Debug, Clone)]
pub struct PublishOptions {
    /// The id of the publisher. Each frame has the same id or none.
    pub publisher_id: String,
    /// The maximum number of frames in a batch; the server's limit applies, too.
    pub batch_frames: usize,
    /// The time without any decision after which publishing gives up.
    pub patience: Duration,
}

impl Default for PublishOptions {
    /// Returns 100 frames in a batch, a patience of one minute, and no publisher id.
    fn default() -> Self {
        Self { publisher_id: String::new(), batch_frames: 100, patience: Duration::from_secs(60) }
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
    /// frames (64 MiB) are undecided at a time; further ones wait in `intake`.
    ///
    /// If `stop` is cancelled, the call waits up to 5 s for the answers to sent batches, and
    /// reports the remaining frames as [`Decision::Unconfirmed`]. If the future is dropped, nothing
    /// is reported: frames that were taken from `intake` may or may not have been stored.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] if the server refuses the call as a whole, for good. By then,
    /// every frame that was taken from `intake` has been reported.
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

/// The end of one call.
enum CallEnd {
    /// Every frame is decided, and no more will come.
    Done,
    /// Another call follows. The values are the reason, and the pause that the server requested.
    Again(String, Option<Duration>),
    /// Publishing gives up for this reason.
    GiveUp(String),
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
    let mut run = Run { options, outbox: Outbox::default(), progress: Instant::now(), intake_open: true };
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
                    Ok(CallEnd::GiveUp(why)) => break Some(why),
                    Ok(CallEnd::Again(why, requested)) => (why, requested),
                    Err(status) => {
                        run.outbox.abandon(&mut decided);
                        return Err(status.into());
                    }
                }
            }
            Err(status) if is_retryable(&status) => (describe(&status), requested_delay(&status)),
            Err(status) => {
                run.outbox.abandon(&mut decided);
                return Err(status.into());
            }
        };
        let pause = pauses.after(requested);
        if run.outbox.is_empty() && intake.is_empty() {
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
    run.outbox.abandon(&mut decided);
    Ok(summary)
}

/// Adds the time without progress to a reason.
fn tried_for(why: &str, span: Duration) -> String {
    format!("{why}; tried for {} s", span.as_secs())
}

struct Run {
    options: PublishOptions,
    outbox: Outbox,
    /// The last time at which a frame was decided, or at which no frame waited for a decision.
    progress: Instant,
    /// True until the intake is closed: further frames may come.
    intake_open: bool,
}

impl Run {
    async fn open<T: Transport>(&self, transport: &mut T) -> Result<(T::Link, pb::SubmitReady), Status> {
        let setup = pb::SubmitSetup {
            publisher_id: self.options.publisher_id.clone(),
            resume_stream_ids: self.outbox.streams().take(MAX_RESUME_STREAMS).cloned().collect(),
            heartbeat_interval: Some(pb_duration(HEARTBEAT)),
        };
        let opened = async {
            let mut link = transport.open(setup).await?;
            match link.next().await? {
                Some(Event::Ready(ready)) => Ok((link, ready)),
                Some(Event::Draining(_)) | None => Err(Status::unavailable("the server ended the call")),
                Some(other) => Err(Status::internal(format!("the server began with {other:?}"))),
            }
        };
        let late = || Status::unavailable(format!("not ready within {} s", READY_TIMEOUT.as_secs()));
        timeout(READY_TIMEOUT, opened).await.map_err(|_| late())?
    }

    fn apply_ready(&mut self, ready: &pb::SubmitReady, decided: &mut impl FnMut(pb::Frame, Decision)) {
        let before = self.outbox.frames();
        self.outbox.resume(ready.positions.clone(), decided);
        if self.outbox.frames() < before {
            self.progress = Instant::now();
        }
    }

    fn window(&self, ready: &pb::SubmitReady) -> Window {
        Window {
            batch_frames: self.options.batch_frames.min(ready.max_batch_frames as usize).max(1),
            batch_bytes: ready.max_message_bytes.saturating_sub(MESSAGE_MARGIN_BYTES),
            batches: (ready.max_in_flight_batches as usize).max(1),
            bytes: ready.max_in_flight_bytes,
        }
    }

    async fn call<L: Link>(
        &mut self,
        link: &mut L,
        window: &Window,
        intake: &mut mpsc::Receiver<pb::Frame>,
        stop: &CancellationToken,
        decided: &mut impl FnMut(pb::Frame, Decision),
    ) -> Result<CallEnd, Status> {
        let mut last_received = Instant::now();
        let mut draining: Option<Duration> = None;
        let mut stopped: Option<Instant> = None;
        loop {
            let now = Instant::now();
            if self.outbox.is_empty() {
                self.progress = now;
            }
            let may_send = draining.is_none() && stopped.is_none();
            while may_send && let Some(batch) = self.outbox.next_batch(window, now) {
                if !link.send(batch) {
                    // The reason comes as the last event of the call.
                    break;
                }
            }
            if self.outbox.is_empty() && !self.intake_open {
                link.close();
                return Ok(CallEnd::Done);
            }
            if self.outbox.unanswered() == 0 {
                if stopped.is_some() {
                    return Ok(CallEnd::GiveUp("interrupted".to_owned()));
                }
                if let Some(delay) = draining {
                    link.close();
                    return Ok(CallEnd::Again("the server is draining".to_owned(), Some(delay)));
                }
            }
            let room = may_send && self.outbox.frames() < MAX_FRAMES && self.outbox.bytes() < MAX_BYTES;
            let ready_at = if may_send { self.outbox.ready_at(window, now) } else { None };
            let patience = self.progress + self.options.patience;
            tokio::select! {
                event = link.next() => {
                    last_received = Instant::now();
                    match event {
                        Ok(Some(Event::BatchResult(result))) => {
                            let before = self.outbox.frames();
                            if !self.outbox.answered(result, last_received, decided) {
                                let why = "the server answered a batch that was not sent".to_owned();
                                return Ok(CallEnd::Again(why, None));
                            }
                            if self.outbox.frames() < before {
                                self.progress = last_received;
                            }
                        }
                        Ok(Some(Event::Throttle(throttle))) => self.outbox.throttled(throttle, last_received),
                        Ok(Some(Event::Draining(event))) => {
                            draining = Some(event.reconnect_delay.as_ref().map_or(DRAIN_PAUSE, duration));
                        }
                        Ok(Some(Event::Ready(_) | Event::Heartbeat(_))) => {}
                        Ok(None) => return Ok(CallEnd::Again("the server ended the call".to_owned(), None)),
                        Err(status) if is_retryable(&status) => {
                            return Ok(CallEnd::Again(describe(&status), requested_delay(&status)));
                        }
                        Err(status) => return Err(status),
                    }
                }
                frame = intake.recv(), if self.intake_open && room => match frame {
                    Some(frame) => {
                        if self.outbox.is_empty() {
                            self.progress = now;
                        }
                        self.outbox.push(frame);
                    }
                    None => self.intake_open = false,
                },
                () = sleep_until(ready_at.unwrap_or(now)), if ready_at.is_some() => {}
                () = sleep_until(last_received + MAX_SILENCE) => {
                    let why = format!("the server sent nothing for {} s", MAX_SILENCE.as_secs());
                    return Ok(CallEnd::Again(why, None));
                }
                () = sleep_until(patience), if !self.outbox.is_empty() => {
                    return Ok(CallEnd::GiveUp(tried_for("no frame was decided", self.progress.elapsed())));
                }
                () = stop.cancelled(), if stopped.is_none() => stopped = Some(now),
                () = sleep_until(stopped.unwrap_or(now) + LAST_ANSWERS_TIMEOUT), if stopped.is_some() => {
                    return Ok(CallEnd::GiveUp("interrupted".to_owned()));
                }
            }
        }
    }
}
