//! The loop that receives frames, runs handlers and settles their frames.

use std::collections::HashMap;
use std::pin::Pin;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::handler::{ConsumeOptions, ConsumeSummary, Notice, Reject};
use super::settle::{Settler, done};
use super::work::{Batch, Verdict, Work};
use super::{Consumer, Event};
use crate::client::retry::{Pauses, Policy, is_retryable, requested_delay};
use crate::client::{Client, Error};
use crate::pb::v1 as pb;

type Pending<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;
type Answer = Result<Vec<pb::AckResult>, Status>;

/// Waits for a call that may be under way.
async fn answer<T>(pending: &mut Pending<T>) -> T {
    match pending {
        Some(call) => {
            let answer = call.as_mut().await;
            *pending = None;
            answer
        }
        None => std::future::pending().await,
    }
}

/// A consumer at work.
pub(super) struct Run<N> {
    /// The membership; `None` when no further frame is wanted.
    consumer: Option<Consumer>,
    work: Work,
    handlers: JoinSet<Result<(), Reject>>,
    /// The ack ids of the handlers.
    ids: HashMap<Id, String>,
    settler: Settler,
    notice: N,
    summary: ConsumeSummary,
    failure: Option<Error>,
    /// The time at which running handlers are aborted; `None` while frames are wanted.
    give_up: Option<Instant>,
    options: ConsumeOptions,
}

impl<N: FnMut(Notice)> Run<N> {
    pub(super) fn new(
        client: &Client,
        request: pb::ConsumeFramesRequest,
        options: ConsumeOptions,
        notice: N,
    ) -> Self {
        Self {
            settler: Settler::new(client.streaming.clone(), request.group_id.clone()),
            consumer: Some(Consumer::new(client, request)),
            work: Work::new(options.in_order),
            handlers: JoinSet::new(),
            ids: HashMap::new(),
            notice,
            summary: ConsumeSummary::default(),
            failure: None,
            give_up: None,
            options,
        }
    }

    /// Handles frames until `stop` is cancelled or none is left.
    pub(super) async fn run<F, E>(
        mut self,
        stop: CancellationToken,
        handler: impl Fn(pb::ConsumedFrame) -> F,
    ) -> Result<ConsumeSummary, Error>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Reject> + Send + 'static,
    {
        let mut settling: Pending<(Batch, Answer)> = None;
        let mut extending: Pending<(Vec<String>, Answer)> = None;
        let mut pauses = Policy::of("frameway.v1.StreamingService/AcknowledgeFrames").pauses(rand::random());
        // Not before these times, after a call has failed.
        let (mut settle_at, mut extend_at) = (Instant::now(), Instant::now());
        loop {
            while self.handlers.len() < self.options.parallelism.max(1)
                && let Some(frame) = self.work.begin()
            {
                let id = frame.ack_id.clone();
                let handled = handler(*frame);
                let task = self.handlers.spawn(async { handled.await.map_err(Into::into) });
                self.ids.insert(task.id(), id);
            }
            let now = Instant::now();
            if settling.is_none()
                && settle_at <= now
                && let Some(batch) = self.work.next_batch()
            {
                settling = Some(Box::pin(self.settler.clone().settle(batch)));
            }
            let due = if extending.is_none() && extend_at <= now { self.work.due(now) } else { Vec::new() };
            if !due.is_empty() {
                extending = Some(Box::pin(self.settler.clone().extend(due)));
            }
            if self.consumer.is_none() && self.work.is_empty() {
                return self.failure.map_or(Ok(self.summary), Err);
            }
            let settle_next = (settling.is_none() && self.work.has_verdicts()).then_some(settle_at);
            let extend_next = match extending {
                None => self.work.next_extension().map(|due| due.max(extend_at)),
                Some(_) => None,
            };
            let wake = [settle_next, extend_next, self.give_up].into_iter().flatten().min();
            tokio::select! {
                event = next(&mut self.consumer) => self.event(event),
                Some(joined) = self.handlers.join_next_with_id() => self.finished(joined),
                (batch, answer) = answer(&mut settling) => {
                    settle_at = Instant::now() + self.settled(&batch, answer, &mut pauses);
                }
                (ids, answer) = answer(&mut extending) => {
                    extend_at = Instant::now() + self.extended(&ids, answer);
                }
                () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
                () = stop.cancelled(), if self.give_up.is_none() => {
                    self.summary.given_back += self.work.give_back();
                    self.end();
                }
            }
            if self.give_up.is_some_and(|at| at <= Instant::now()) {
                self.summary.abandoned = self.work.len() as u64;
                return self.failure.map_or(Ok(self.summary), Err);
            }
        }
    }

    /// Leaves the group; running handlers have some time to finish.
    fn end(&mut self) {
        self.consumer = None;
        self.give_up = Some(Instant::now() + self.options.drain_timeout);
    }

    fn event(&mut self, event: Result<Event, Error>) {
        match event {
            Ok(Event::Ready { ack_deadline }) => {
                self.work.joined(ack_deadline, Instant::now());
                (self.notice)(Notice::Joined { ack_deadline });
            }
            Ok(Event::Frame(frame)) => self.work.received(frame, Instant::now()),
            Ok(Event::Gap(gap)) => (self.notice)(Notice::Gap(gap)),
            Ok(Event::Lag(frames)) => (self.notice)(Notice::Lag(frames)),
            Ok(Event::Reconnecting(why)) => (self.notice)(Notice::Reconnecting(why)),
            // All frames are here: they are handled, however long that takes.
            Ok(Event::End) => self.consumer = None,
            Err(error) => {
                self.failure = Some(error);
                self.work.forget_waiting();
                self.end();
            }
        }
    }

    fn finished(&mut self, joined: Result<(Id, Result<(), Reject>), JoinError>) {
        let (task, verdict) = match joined {
            Ok((task, verdict)) => (task, verdict),
            Err(error) => (error.id(), Err(Reject::new(panic_text(error)))),
        };
        let Some(id) = self.ids.remove(&task) else { return };
        match verdict {
            Ok(()) => {
                self.work.decide(&id, Verdict::Ack);
            }
            Err(reject) => {
                let reason = reject.reason.clone();
                let rejection = Verdict::Reject(reject.of(id.clone()));
                let (stream_id, sequence) = self.work.decide(&id, rejection);
                self.summary.rejected += 1;
                (self.notice)(Notice::Rejected { stream_id, sequence, reason });
            }
        }
    }

    /// Records the answer to verdicts. Returns the pause before the next ones.
    fn settled(&mut self, batch: &Batch, answer: Answer, pauses: &mut Pauses) -> Duration {
        let ids = batch.ids();
        match answer {
            Ok(results) => {
                pauses.reset();
                let mut results = results.into_iter();
                for id in &ids {
                    let (stream_id, sequence) = self.work.settle(id);
                    match done(results.next()) {
                        Ok(()) => self.summary.acknowledged += u64::from(matches!(batch, Batch::Acks(_))),
                        Err(error) => (self.notice)(Notice::NotSettled { stream_id, sequence, error }),
                    }
                }
                Duration::ZERO
            }
            Err(status) => {
                self.work.unanswered(batch);
                let pause = pauses.after(requested_delay(&status));
                self.refused(status);
                pause
            }
        }
    }

    /// Records the answer to an extension. Returns the pause before the next one.
    fn extended(&mut self, ids: &[String], answer: Answer) -> Duration {
        match answer {
            Ok(results) => {
                let next = Instant::now() + self.work.interval();
                let mut results = results.into_iter();
                for id in ids {
                    self.work.extended(id, done(results.next()).is_ok(), next);
                }
                Duration::ZERO
            }
            Err(status) => {
                self.refused(status);
                (self.work.interval() / 4).min(Duration::from_secs(1))
            }
        }
    }

    /// Ends the consumer if a call is refused for good.
    fn refused(&mut self, status: Status) {
        if !is_retryable(&status) && self.failure.is_none() {
            self.failure = Some(status.into());
            self.work.forget_waiting();
            self.end();
        }
    }
}

/// Waits for the next event of a member that may have left.
async fn next(consumer: &mut Option<Consumer>) -> Result<Event, Error> {
    match consumer {
        Some(consumer) => consumer.next().await,
        None => std::future::pending().await,
    }
}

fn panic_text(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "the handler was aborted".to_owned() };
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    format!("the handler panicked: {text}")
}
