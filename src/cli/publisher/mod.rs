//! Continuous sending over SubmitFrames: whatever ends a call, the next one goes on where it was.
//!
//! [`outbox`] holds what is not decided, [`transport`] is the seam to the server; here is the loop between them. Frames
//! must carry publisher sequences that rise within their stream: only so can they be sent again without being stored twice.

mod outbox;
#[cfg(test)]
mod tests;
mod transport;

use std::time::Duration;

use anyhow::anyhow;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::Failure;
use super::fault;
use super::output::{duration, pb_duration};
use super::send::Decision;
use super::silence::HEARTBEAT;
use crate::pb::v1 as pb;
use crate::pb::v1::submit_frames_response::Event;
use outbox::{Outbox, Window};
pub(super) use transport::Grpc;
use transport::{Link, Transport};

/// First and longest pause before another call is tried.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// What a call may take to be ready.
const READY_TIMEOUT: Duration = Duration::from_secs(10);
/// A call that brings nothing for three heartbeats is given up. Answers are small: no slow link makes them late.
const SILENCE: Duration = Duration::from_secs(15);
/// What unanswered batches get when the user ends it.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// Undecided frames, and their bytes, that are held here; further ones wait with whoever makes them.
const MOST_FRAMES: usize = 1_000;
const MOST_BYTES: u64 = 64 << 20;
/// A batch keeps this much of the largest message free.
const MESSAGE_MARGIN_BYTES: u64 = 1 << 16;
/// Most streams that a setup may name.
const MOST_RESUMED: usize = 1_000;

/// How to publish.
#[derive(Debug, Clone)]
pub(super) struct Options {
    /// Who publishes; the frames name it too, or nobody.
    pub(super) publisher_id: String,
    /// Most frames in a batch; the server's limit holds too.
    pub(super) batch_frames: usize,
    /// How long to go on without a single decision.
    pub(super) patience: Duration,
    /// Of the pauses' jitter.
    pub(super) seed: u64,
}

/// What became of a run; the frames' own fates were told one by one.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// How often a frame was sent again.
    pub(super) retries: u64,
    /// Calls after the first.
    pub(super) reconnects: u64,
    /// Why frames are left open, if any are.
    pub(super) given_up: Option<String>,
}

/// How one call ended.
enum CallEnd {
    /// All is decided, and no more will come.
    Done,
    /// Another call goes on, after the pause that the server asked for.
    Again(String, Option<Duration>),
    /// Nothing goes on.
    GiveUp(String),
}

/// Publishes what `intake` brings until it is closed and all is decided; `decided` hears of every frame once.
///
/// # Errors
/// The server refuses the call as a whole, for good.
pub(super) async fn publish<T: Transport>(
    mut transport: T,
    options: Options,
    mut intake: mpsc::Receiver<pb::Frame>,
    stop: CancellationToken,
    mut decided: impl FnMut(pb::Frame, Decision),
) -> Result<Ended, Failure> {
    let mut run = Run {
        rng: StdRng::seed_from_u64(options.seed),
        options,
        outbox: Outbox::default(),
        progress: Instant::now(),
        open: true,
    };
    let mut calls: u64 = 0;
    let mut pause = FIRST_PAUSE;
    let given_up = loop {
        let (why, told) = match run.open(&mut transport).await {
            Ok((mut link, ready)) => {
                calls += 1;
                run.ready(&ready, &mut decided);
                let window = run.window(&ready);
                let before = run.progress;
                let end = run.call(&mut link, &window, &mut intake, &stop, &mut decided).await;
                run.outbox.call_ended();
                if run.progress > before {
                    pause = FIRST_PAUSE;
                }
                match end? {
                    CallEnd::Done => break None,
                    CallEnd::GiveUp(why) => break Some(why),
                    CallEnd::Again(why, told) => (why, told),
                }
            }
            Err(status) => match fault::retry(&status) {
                Some(told) => (fault::words(&status), told),
                None => {
                    run.outbox.abandon(&mut decided);
                    return Err(fault::refused("submitting", &status));
                }
            },
        };
        let wait = told.unwrap_or(pause).min(LONGEST_PAUSE).mul_f64(run.rng.random_range(1.0..1.25));
        pause = (pause * 2).min(LONGEST_PAUSE);
        if run.outbox.is_empty() && intake.is_empty() {
            run.progress = Instant::now();
        }
        if run.progress.elapsed() + wait > run.options.patience {
            break Some(run.tried(&why));
        }
        if stop.run_until_cancelled(sleep(wait)).await.is_none() {
            break Some("interrupted".to_owned());
        }
    };
    let ended = Ended { retries: run.outbox.retries, reconnects: calls.saturating_sub(1), given_up };
    run.outbox.abandon(&mut decided);
    Ok(ended)
}

struct Run {
    options: Options,
    rng: StdRng,
    outbox: Outbox,
    /// When a frame was last decided, or there was none to decide.
    progress: Instant,
    /// The intake may bring more.
    open: bool,
}

impl Run {
    fn tried(&self, why: &str) -> String {
        let tried = humantime::format_duration(Duration::from_secs(self.progress.elapsed().as_secs()));
        format!("{why}; tried for {tried}")
    }

    async fn open<T: Transport>(&self, transport: &mut T) -> Result<(T::Link, pb::SubmitReady), Status> {
        let setup = pb::SubmitSetup {
            publisher_id: self.options.publisher_id.clone(),
            resume_stream_ids: self.outbox.streams().take(MOST_RESUMED).cloned().collect(),
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

    fn ready(&mut self, ready: &pb::SubmitReady, decided: &mut impl FnMut(pb::Frame, Decision)) {
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
    ) -> Result<CallEnd, Failure> {
        let mut heard = Instant::now();
        let mut draining: Option<Duration> = None;
        let mut stopped: Option<Instant> = None;
        loop {
            let now = Instant::now();
            if self.outbox.is_empty() {
                self.progress = now;
            }
            let sends = draining.is_none() && stopped.is_none();
            while sends && let Some(batch) = self.outbox.next_batch(window, now) {
                if !link.send(batch) {
                    // What ended the call comes as its last event.
                    break;
                }
            }
            if self.outbox.is_empty() && !self.open {
                link.close();
                return Ok(CallEnd::Done);
            }
            if self.outbox.unanswered() == 0 {
                if stopped.is_some() {
                    return Ok(CallEnd::GiveUp("interrupted".to_owned()));
                }
                if let Some(delay) = draining {
                    link.close();
                    return Ok(CallEnd::Again("the server drains".to_owned(), Some(delay)));
                }
            }
            let room = sends && self.outbox.frames() < MOST_FRAMES && self.outbox.bytes() < MOST_BYTES;
            let ready_at = if sends { self.outbox.ready_at(window, now) } else { None };
            let patience = self.progress + self.options.patience;
            tokio::select! {
                event = link.next() => {
                    heard = Instant::now();
                    match event {
                        Ok(Some(Event::BatchResult(result))) => {
                            let before = self.outbox.frames();
                            if !self.outbox.answered(result, heard, decided) {
                                let why = "the server answered what was not asked".to_owned();
                                return Ok(CallEnd::Again(why, None));
                            }
                            if self.outbox.frames() < before {
                                self.progress = heard;
                            }
                        }
                        Ok(Some(Event::Throttle(throttle))) => self.outbox.throttled(throttle, heard),
                        Ok(Some(Event::Draining(told))) => {
                            draining = Some(told.reconnect_delay.as_ref().map_or(FIRST_PAUSE, duration));
                        }
                        Ok(Some(Event::Ready(_) | Event::Heartbeat(_))) => {}
                        Ok(None) => return Ok(CallEnd::Again("the server ended the call".to_owned(), None)),
                        Err(status) => return match fault::retry(&status) {
                            Some(told) => Ok(CallEnd::Again(fault::words(&status), told)),
                            None => Err(fault::refused("submitting", &status)),
                        },
                    }
                }
                frame = intake.recv(), if self.open && room => match frame {
                    Some(frame) => {
                        if self.outbox.is_empty() {
                            self.progress = now;
                        }
                        self.outbox.push(frame);
                    }
                    None => self.open = false,
                },
                () = sleep_until(ready_at.unwrap_or(now)), if ready_at.is_some() => {}
                () = sleep_until(heard + SILENCE) => {
                    let why = format!("the server said nothing for {} s", SILENCE.as_secs());
                    return Ok(CallEnd::Again(why, None));
                }
                () = sleep_until(patience), if !self.outbox.is_empty() => {
                    return Ok(CallEnd::GiveUp(self.tried("no frame was decided")));
                }
                () = stop.cancelled(), if stopped.is_none() => stopped = Some(now),
                () = sleep_until(stopped.unwrap_or(now) + LAST_ANSWERS), if stopped.is_some() => {
                    return Ok(CallEnd::GiveUp("interrupted".to_owned()));
                }
            }
        }
    }
}

/// Why a run left frames open, as a command's failure.
pub(super) fn gave_up(why: &str) -> Failure {
    Failure::Failed(anyhow!("gave up: {why}"))
}
