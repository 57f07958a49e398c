//! One publisher over any number of calls.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::numbers::Numbers;
use super::outbox::{Outbox, Window};
use super::transport::{Link, Transport};
use super::{Decision, PublishOptions, tried_for};
use crate::client::error::describe;
use crate::client::retry::{is_retryable, requested_delay};
use crate::client::stall::HEARTBEAT;
use crate::client::time::{duration, pb_duration};
use crate::pb::v1 as pb;
use crate::pb::v1::submit_frames_response::Event;

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
/// The part of the maximum message size that a batch does not use.
const MESSAGE_MARGIN_BYTES: u64 = 1 << 16;
/// The maximum number of streams in the setup of a call, for which the server returns positions.
const MAX_RESUME_STREAMS: usize = 1_000;

/// The end of one call.
pub(super) enum CallEnd {
    /// Every frame is decided, and no more will come.
    Done,
    /// Another call follows at once, which reads the positions of further streams.
    Reopen,
    /// Another call follows. The values are the reason, and the pause that the server requested.
    Again(String, Option<Duration>),
    /// Publishing gives up for this reason.
    GiveUp(String),
}

/// A publisher at work.
pub(super) struct Run {
    pub(super) options: PublishOptions,
    pub(super) outbox: Outbox,
    numbers: Numbers,
    /// The last time at which a frame was decided, or at which no frame waited for a decision.
    pub(super) progress: Instant,
    /// True until the intake is closed: further frames may come.
    intake_open: bool,
}

impl Run {
    pub(super) fn new(options: PublishOptions) -> Self {
        let numbers = Numbers::new(options.number_frames.then_some(&options.streams));
        Self { options, outbox: Outbox::default(), numbers, progress: Instant::now(), intake_open: true }
    }

    /// Reports whether no frame is undecided.
    pub(super) fn is_idle(&self) -> bool {
        self.outbox.is_empty() && !self.numbers.holds_frame()
    }

    /// Reports every frame as unconfirmed.
    pub(super) fn abandon(self, decided: &mut impl FnMut(pb::Frame, Decision)) {
        self.outbox.abandon(decided);
        if let Some(frame) = self.numbers.abandon() {
            decided(frame, Decision::Unconfirmed(None));
        }
    }

    pub(super) async fn open<T: Transport>(
        &self,
        transport: &mut T,
    ) -> Result<(T::Link, pb::SubmitReady), Status> {
        let setup = pb::SubmitSetup {
            publisher_id: self.options.publisher_id.clone(),
            resume_stream_ids: self.resumed_streams(),
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

    /// Returns the streams whose positions the next call reads.
    fn resumed_streams(&self) -> Vec<String> {
        let wanted = self.numbers.wanted().take(MAX_RESUME_STREAMS);
        let mut streams: Vec<String> = wanted.cloned().collect();
        let undecided = self.outbox.streams().filter(|stream| !self.numbers.wants(stream));
        streams.extend(undecided.take(MAX_RESUME_STREAMS - streams.len()).cloned());
        streams
    }

    pub(super) fn apply_ready(
        &mut self,
        ready: &pb::SubmitReady,
        decided: &mut impl FnMut(pb::Frame, Decision),
    ) {
        self.numbers.learn(&ready.positions);
        if let Some(frame) = self.numbers.next_held() {
            self.outbox.push(frame);
        }
        let before = self.outbox.frames();
        self.outbox.resume(ready.positions.clone(), decided);
        if self.outbox.frames() < before {
            self.progress = Instant::now();
        }
    }

    pub(super) fn window(&self, ready: &pb::SubmitReady) -> Window {
        Window {
            batch_frames: self.options.batch_frames.min(ready.max_batch_frames as usize).max(1),
            batch_bytes: ready.max_message_bytes.saturating_sub(MESSAGE_MARGIN_BYTES),
            batches: (ready.max_in_flight_batches as usize).max(1),
            bytes: ready.max_in_flight_bytes,
        }
    }

    pub(super) async fn call<L: Link>(
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
            if self.is_idle() {
                self.progress = now;
            }
            let reopens = self.numbers.holds_frame();
            let may_send = draining.is_none() && stopped.is_none() && !reopens;
            while may_send && let Some(batch) = self.outbox.next_batch(window, now) {
                if !link.send(batch) {
                    // The reason comes as the last event of the call.
                    break;
                }
            }
            if self.is_idle() && !self.intake_open {
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
                if reopens {
                    link.close();
                    return Ok(CallEnd::Reopen);
                }
            }
            let has_room = self.outbox.frames() < MAX_FRAMES && self.outbox.bytes() < self.options.max_bytes;
            let room = may_send && has_room;
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
                        if self.is_idle() {
                            self.progress = now;
                        }
                        if let Some(frame) = self.numbers.number(frame) {
                            self.outbox.push(frame);
                        }
                    }
                    None => self.intake_open = false,
                },
                () = sleep_until(ready_at.unwrap_or(now)), if ready_at.is_some() => {}
                () = sleep_until(last_received + MAX_SILENCE) => {
                    let why = format!("the server sent nothing for {} s", MAX_SILENCE.as_secs());
                    return Ok(CallEnd::Again(why, None));
                }
                () = sleep_until(patience), if !self.is_idle() => {
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
