//! SubmitFrames: batches of one publisher over one call, stored and answered in the order sent.
//!
//! A call is one task with four parts beside each other: reading (holds the window), preparing (checks and digests, while
//! the batch before is being stored), storing (one batch at a time), heartbeats. Response messages go through a short
//! channel: a client that does not read stops its own call and holds nothing that others need.

mod order;
mod setup;
mod throttle;
mod window;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio::time::{MissedTickBehavior, interval_at, sleep_until, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::TaskTracker;
use tonic::Status;

use super::connection_end::ConnectionEnd;
use super::convert::{result, time};
use super::fault::Fault;
use super::front;
use super::submit::{self, Prepared, Submitter};
use crate::config::Limits;
use crate::domain::Timestamp;
use crate::domain::limits::MAX_IN_FLIGHT_BATCHES;
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::pb::v1::submit_frames_request::Request;
use crate::pb::v1::submit_frames_response::Event;
use crate::queue::{Budget, Queue};
use order::{Mark, Order};
use setup::Setup;
use throttle::Throttle;
use window::Window;

/// A response stream of SubmitFrames.
pub(crate) type Responses =
    Pin<Box<dyn Stream<Item = std::result::Result<pb::SubmitFramesResponse, Status>> + Send>>;

/// From `draining` to the end of the call: batches that were on their way arrive, and are answered.
pub(crate) const LONGEST_GRACE: Duration = Duration::from_secs(2);
/// What a client may take for its first message.
const SETUP_TIMEOUT: Duration = Duration::from_secs(30);
/// Responses waiting for the connection.
const RESPONSES_WAITING: usize = 16;

/// Opens calls.
#[derive(Debug, Clone)]
pub(crate) struct SubmitFrames {
    pub(crate) submitter: Arc<Submitter>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) budget: Budget,
    pub(crate) limits: Limits,
    /// How long calls may go on when they are told to end.
    pub(crate) grace: Duration,
}

/// A batch that came.
struct Received {
    batch_id: u64,
    frames: Vec<pb::Frame>,
    bytes: usize,
}

/// A batch that waits for its turn.
struct Ready {
    batch_id: u64,
    bytes: usize,
    marks: Vec<Mark>,
    prepared: Prepared,
}

impl SubmitFrames {
    /// Serves a call until it ends; `calls` waits for it.
    pub(crate) fn open<S>(&self, inbound: S, calls: &TaskTracker, end: ConnectionEnd) -> Responses
    where
        S: Stream<Item = std::result::Result<pb::SubmitFramesRequest, Status>> + Send + Unpin + 'static,
    {
        let (out, responses) = mpsc::channel(RESPONSES_WAITING);
        let call = Call { of: self.clone(), out, end, farewell: Fault::draining() };
        calls.spawn(call.run(inbound));
        Box::pin(ReceiverStream::new(responses))
    }
}

/// The field at fault, if there is one, seen from the call's message.
fn within_batch(fault: Fault) -> Fault {
    if fault.field.is_empty() { fault } else { fault.within("batch") }
}

struct Call {
    of: SubmitFrames,
    /// Tells the call to end.
    end: ConnectionEnd,
    /// How it ends then.
    farewell: Fault,
    out: mpsc::Sender<std::result::Result<pb::SubmitFramesResponse, Status>>,
}

impl Call {
    async fn run<S>(self, inbound: S)
    where
        S: Stream<Item = std::result::Result<pb::SubmitFramesRequest, Status>> + Send + Unpin,
    {
        let ended = tokio::select! {
            // The client is gone: what it sent without an answer counts as unconfirmed.
            () = self.out.closed() => return,
            ended = self.serve(inbound) => ended,
        };
        if let Err(status) = ended {
            let _gone = self.out.send(Err(status)).await;
        }
    }

    /// An error here only means that the client is gone, which ends the call elsewhere.
    async fn say(&self, event: Event) {
        let _gone = self.out.send(Ok(pb::SubmitFramesResponse { event: Some(event) })).await;
    }

    async fn serve<S>(&self, mut inbound: S) -> std::result::Result<(), Status>
    where
        S: Stream<Item = std::result::Result<pb::SubmitFramesRequest, Status>> + Send + Unpin,
    {
        let setup = self.set_up(&mut inbound).await?;
        let limits = &self.of.limits;
        let ready = pb::SubmitReady {
            max_batch_frames: limits.max_batch_frames as u32,
            max_message_bytes: limits.max_message_bytes as u64,
            max_in_flight_batches: MAX_IN_FLIGHT_BATCHES as u32,
            max_in_flight_bytes: limits.max_in_flight_bytes() as u64,
            positions: setup.positions(&*self.of.queue).await?,
        };
        self.say(Event::Ready(ready)).await;

        let window = Window::new(MAX_IN_FLIGHT_BATCHES, limits.max_in_flight_bytes());
        let (received, incoming) = mpsc::channel(MAX_IN_FLIGHT_BATCHES);
        let (prepared, in_turn) = mpsc::channel(1);
        let work = async {
            let reading = async { Ok(self.read(inbound, &window, received).await) };
            let preparing = async {
                self.prepare(&setup, incoming, prepared).await;
                Ok(())
            };
            // However reading ends, what came before is answered first.
            let (end, (), ()) = tokio::try_join!(reading, preparing, self.store(&window, in_turn))?;
            end
        };
        tokio::select! {
            ended = work => ended,
            never = self.heartbeats(setup.heartbeat_interval) => match never {},
        }
    }

    async fn set_up<S>(&self, inbound: &mut S) -> std::result::Result<Setup, Status>
    where
        S: Stream<Item = std::result::Result<pb::SubmitFramesRequest, Status>> + Send + Unpin,
    {
        let violation = |what: &str| Fault::new(ErrorReason::ProtocolViolation, what);
        let first = tokio::select! {
            first = timeout(SETUP_TIMEOUT, inbound.next()) => first,
            () = self.end.any().cancelled() => return Err(self.farewell.clone().into()),
        };
        match first {
            Ok(Some(Ok(pb::SubmitFramesRequest { request: Some(Request::Setup(setup)) }))) => {
                Ok(Setup::from_pb(setup)?)
            }
            Ok(Some(Ok(_))) => Err(violation("the first message must be the setup").into()),
            Ok(Some(Err(status))) => Err(self.refused(status)),
            Ok(None) => Err(violation("the call was closed without a setup").into()),
            Err(_) => {
                let what = format!("no setup came within {} s", SETUP_TIMEOUT.as_secs());
                Err(violation(&what).into())
            }
        }
    }

    /// Takes batches off the connection as far as the window goes; answers how the call ends.
    async fn read<S>(
        &self,
        mut inbound: S,
        window: &Window,
        received: mpsc::Sender<Received>,
    ) -> std::result::Result<(), Status>
    where
        S: Stream<Item = std::result::Result<pb::SubmitFramesRequest, Status>> + Send + Unpin,
    {
        let grace_over = self.grace_over();
        tokio::pin!(grace_over);
        loop {
            let message = tokio::select! {
                biased;
                () = &mut grace_over => return Err(self.farewell.clone().into()),
                message = inbound.next() => message,
            };
            let message = match message {
                Some(Ok(message)) => message,
                Some(Err(status)) => return Err(self.refused(status)),
                None if self.end.any().is_cancelled() => return Err(self.farewell.clone().into()),
                None => return Ok(()),
            };
            let bytes = message.encoded_len();
            let pb::SubmitBatch { batch_id, frames } = match message.request {
                Some(Request::Batch(batch)) => batch,
                Some(Request::Setup(_)) => {
                    let what = "the setup came a second time; open another call for another setup";
                    return Err(Fault::new(ErrorReason::ProtocolViolation, what).into());
                }
                None => {
                    let what = "a message held neither a setup nor a batch that this server knows";
                    return Err(Fault::new(ErrorReason::ProtocolViolation, what).into());
                }
            };
            self.of.submitter.check_batch(frames.len(), bytes).map_err(within_batch)?;
            window.enter(bytes)?;
            if received.send(Received { batch_id, frames, bytes }).await.is_err() {
                return Ok(());
            }
        }
    }

    /// Says `draining` when the server does, and ends when the call must.
    async fn grace_over(&self) {
        self.end.any().cancelled().await;
        let end = Instant::now() + self.of.grace;
        let draining = pb::SubmitDraining {
            reconnect_delay: self.farewell.retry_delay.map(time::duration_to_pb),
            grace: Some(time::duration_to_pb(self.of.grace)),
        };
        let _in_time = timeout_at(end, self.say(Event::Draining(draining))).await;
        sleep_until(end).await;
    }

    /// What failed the transport, in the contract's words where it has some.
    fn refused(&self, status: Status) -> Status {
        match front::contract_fault(&status, self.of.limits.max_message_bytes) {
            Some(fault) => fault.into(),
            None => status,
        }
    }

    async fn prepare(
        &self,
        setup: &Setup,
        mut incoming: mpsc::Receiver<Received>,
        prepared: mpsc::Sender<std::result::Result<Ready, Fault>>,
    ) {
        while let Some(Received { batch_id, frames, bytes }) = incoming.recv().await {
            let frames: Vec<_> = frames.into_iter().map(|frame| setup.adopt(frame)).collect();
            let marks = frames.iter().map(Mark::of).collect();
            let streams: Vec<String> = frames.iter().map(submit::stream_of).collect();
            let ready = match self.of.submitter.prepare(frames, bytes).await {
                Ok(prepared) => Ok(Ready { batch_id, bytes, marks, prepared }),
                // The backend is away: the call need not end for that.
                Err(fault) if fault.retry_delay.is_some() => {
                    let results = vec![Some(result::rejected(fault)); streams.len()];
                    let prepared = Prepared { streams, frames: Vec::new(), results };
                    Ok(Ready { batch_id, bytes, marks, prepared })
                }
                Err(fault) => Err(fault),
            };
            if prepared.send(ready).await.is_err() {
                return;
            }
        }
    }

    /// Stores and answers batches, one after the other.
    async fn store(
        &self,
        window: &Window,
        mut in_turn: mpsc::Receiver<std::result::Result<Ready, Fault>>,
    ) -> std::result::Result<(), Status> {
        let mut order = Order::default();
        let mut throttle = Throttle::new(Arc::clone(&self.of.queue), self.of.budget);
        loop {
            let ready = tokio::select! {
                ready = in_turn.recv() => ready,
                () = throttle.due() => {
                    for told in throttle.look().await {
                        self.say(Event::Throttle(told)).await;
                    }
                    continue;
                }
            };
            let Some(ready) = ready else { return Ok(()) };
            let Ready { batch_id, bytes, marks, mut prepared } = ready?;
            order.hold_back(&marks, &mut prepared);
            let (results, failed) = self.of.submitter.enter_in_turn(prepared).await;
            if let Some(fault) = failed.filter(|fault| fault.retry_delay.is_none()) {
                return Err(fault.into());
            }
            order.note(&marks, &results)?;
            for told in throttle.after(&marks, &results).await {
                self.say(Event::Throttle(told)).await;
            }
            self.say(Event::BatchResult(pb::SubmitBatchResult { batch_id, results })).await;
            window.leave(bytes);
        }
    }

    async fn heartbeats(&self, every: Duration) -> Infallible {
        let mut ticks = interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let heartbeat = pb::SubmitHeartbeat { server_time: Some(time::to_pb(Timestamp::now())) };
            self.say(Event::Heartbeat(heartbeat)).await;
        }
    }
}
