//! SubmitFrames: the batches of one publisher on one call, stored and answered in the order in
//! which they were sent.
//!
//! A call is one task with four concurrent parts: reading (within the limits of unanswered
//! batches), preparing (checks and digests a batch while the one before it is stored), storing (one
//! batch at a time), and heartbeats. Responses go through a short channel: a client that does not
//! read stops its own call and holds nothing that others need.

mod in_flight;
mod order;
mod setup;
mod throttle;

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

use super::batch::{self, BatchItem};
use super::connection_end::ConnectionEnd;
use super::convert::time;
use super::fault::Fault;
use super::layers;
use super::permissions;
use super::submit::Submitter;
use crate::access::Caller;
use crate::domain::Timestamp;
use crate::domain::limits::{MAX_IN_FLIGHT_BATCHES, RequestLimits};
use crate::pb::v1 as pb;
use crate::pb::v1::submit_frames_request::Request;
use crate::pb::v1::submit_frames_response::Event;
use crate::queue::{Budget, Queue};
use in_flight::InFlight;
use order::Order;
use setup::Setup;
use throttle::Throttle;

/// The response stream of SubmitFrames.
pub(crate) type Responses =
    Pin<Box<dyn Stream<Item = std::result::Result<pb::SubmitFramesResponse, Status>> + Send>>;

/// The maximum time from `draining` to the end of the call. In this time, the batches that are on
/// their way arrive and are answered.
pub(crate) const MAX_GRACE: Duration = Duration::from_secs(2);
/// The time in which a client must send its first message.
const SETUP_TIMEOUT: Duration = Duration::from_secs(30);
/// The maximum number of responses that wait until the connection has room for them.
const MAX_WAITING_RESPONSES: usize = 16;

/// The operation that serves the SubmitFrames calls of publishers.
#[derive(Debug, Clone)]
pub(crate) struct SubmitFrames {
    pub(crate) submitter: Arc<Submitter>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) budget: Budget,
    pub(crate) limits: RequestLimits,
    /// The time for which a call may continue after it was sent `draining`.
    pub(crate) grace: Duration,
}

/// A batch that was received.
struct Received {
    batch_id: u64,
    frames: Vec<pb::Frame>,
    bytes: usize,
}

/// A batch that waits until it can be stored.
struct Ready {
    batch_id: u64,
    bytes: usize,
    items: Vec<BatchItem>,
}

impl SubmitFrames {
    /// Serves a call until it ends. The task of the call is one of `calls`, which a drain waits
    /// for.
    pub(crate) fn open<S>(
        &self,
        inbound: S,
        calls: &TaskTracker,
        end: ConnectionEnd,
        caller: Caller,
    ) -> Responses
    where
        S: Stream<Item = std::result::Result<pb::SubmitFramesRequest, Status>> + Send + Unpin + 'static,
    {
        let (out, responses) = mpsc::channel(MAX_WAITING_RESPONSES);
        let call = Call { service: self.clone(), caller, out, end, end_fault: Fault::draining() };
        calls.spawn(call.run(inbound));
        Box::pin(ReceiverStream::new(responses))
    }
}

/// Prefixes the field at fault, if there is one, with `batch`.
fn within_batch(fault: Fault) -> Fault {
    if fault.field.is_empty() { fault } else { fault.within("batch") }
}

struct Call {
    service: SubmitFrames,
    caller: Caller,
    /// Tells the call to end.
    end: ConnectionEnd,
    /// The fault with which the call ends because of `end`.
    end_fault: Fault,
    out: mpsc::Sender<std::result::Result<pb::SubmitFramesResponse, Status>>,
}

impl Call {
    async fn run<S>(self, inbound: S)
    where
        S: Stream<Item = std::result::Result<pb::SubmitFramesRequest, Status>> + Send + Unpin,
    {
        let ended = tokio::select! {
            // The client is gone. Batches without an answer count as unconfirmed.
            () = self.out.closed() => return,
            ended = self.serve(inbound) => ended,
        };
        if let Err(status) = ended {
            let _gone = self.out.send(Err(status)).await;
        }
    }

    /// Sends an event. An error means that the client is gone, and [`Self::run`] then ends the
    /// call.
    async fn send(&self, event: Event) {
        let _gone = self.out.send(Ok(pb::SubmitFramesResponse { event: Some(event) })).await;
    }

    async fn serve<S>(&self, mut inbound: S) -> std::result::Result<(), Status>
    where
        S: Stream<Item = std::result::Result<pb::SubmitFramesRequest, Status>> + Send + Unpin,
    {
        let setup = self.receive_setup(&mut inbound).await?;
        let limits = &self.service.limits;
        let ready = pb::SubmitReady {
            max_batch_frames: limits.max_batch_frames as u32,
            max_message_bytes: limits.max_message_bytes as u64,
            max_in_flight_batches: MAX_IN_FLIGHT_BATCHES as u32,
            max_in_flight_bytes: limits.max_in_flight_bytes() as u64,
            positions: setup.positions(&*self.service.queue).await?,
        };
        self.send(Event::Ready(ready)).await;

        let in_flight = InFlight::new(MAX_IN_FLIGHT_BATCHES, limits.max_in_flight_bytes());
        let (received, incoming) = mpsc::channel(MAX_IN_FLIGHT_BATCHES);
        let (prepared, in_turn) = mpsc::channel(1);
        let work = async {
            let reading = async { Ok(self.read(inbound, &in_flight, received).await) };
            let preparing = async {
                self.prepare(&setup, incoming, prepared).await;
                Ok(())
            };
            // However reading ends, the batches that were received are answered before the call
            // ends.
            let (end, (), ()) = tokio::try_join!(reading, preparing, self.store(&in_flight, in_turn))?;
            end
        };
        tokio::select! {
            ended = work => ended,
            never = self.heartbeats(setup.heartbeat_interval) => match never {},
        }
    }

    async fn receive_setup<S>(&self, inbound: &mut S) -> std::result::Result<Setup, Status>
    where
        S: Stream<Item = std::result::Result<pb::SubmitFramesRequest, Status>> + Send + Unpin,
    {
        let first = tokio::select! {
            first = timeout(SETUP_TIMEOUT, inbound.next()) => first,
            () = self.end.any().cancelled() => return Err(self.end_fault.clone().into()),
        };
        match first {
            Ok(Some(Ok(pb::SubmitFramesRequest { request: Some(Request::Setup(setup)) }))) => {
                Ok(Setup::from_pb(setup, &self.caller)?)
            }
            Ok(Some(Ok(_))) => Err(Fault::protocol_violation("the first message must be a setup").into()),
            Ok(Some(Err(status))) => Err(self.contract_status(status)),
            Ok(None) => Err(Fault::protocol_violation("the call ended before a setup was received").into()),
            Err(_) => {
                let message = format!("no setup was received within {} s", SETUP_TIMEOUT.as_secs());
                Err(Fault::protocol_violation(message).into())
            }
        }
    }

    /// Receives batches, within the limits of unanswered batches. Returns the result of the call.
    async fn read<S>(
        &self,
        mut inbound: S,
        in_flight: &InFlight,
        received: mpsc::Sender<Received>,
    ) -> std::result::Result<(), Status>
    where
        S: Stream<Item = std::result::Result<pb::SubmitFramesRequest, Status>> + Send + Unpin,
    {
        let end_of_grace = self.end_of_grace();
        tokio::pin!(end_of_grace);
        loop {
            let message = tokio::select! {
                biased;
                () = &mut end_of_grace => return Err(self.end_fault.clone().into()),
                message = inbound.next() => message,
            };
            let message = match message {
                Some(Ok(message)) => message,
                Some(Err(status)) => return Err(self.contract_status(status)),
                None if self.end.any().is_cancelled() => return Err(self.end_fault.clone().into()),
                None => return Ok(()),
            };
            let bytes = message.encoded_len();
            let pb::SubmitBatch { batch_id, frames } = match message.request {
                Some(Request::Batch(batch)) => batch,
                Some(Request::Setup(_)) => {
                    let message = "a second setup is not allowed; open another call";
                    return Err(Fault::protocol_violation(message).into());
                }
                None => {
                    let message = "a message contains neither a setup nor a batch that this server knows";
                    return Err(Fault::protocol_violation(message).into());
                }
            };
            self.service.submitter.check_batch(frames.len(), bytes).map_err(within_batch)?;
            in_flight.add(bytes)?;
            if received.send(Received { batch_id, frames, bytes }).await.is_err() {
                return Ok(());
            }
        }
    }

    /// Sends `draining` when the call must end, and returns when the grace is over.
    async fn end_of_grace(&self) {
        self.end.any().cancelled().await;
        let end = Instant::now() + self.service.grace;
        let draining = pb::SubmitDraining {
            reconnect_delay: self.end_fault.retry_delay.map(time::duration_to_pb),
            grace: Some(time::duration_to_pb(self.service.grace)),
        };
        let _in_time = timeout_at(end, self.send(Event::Draining(draining))).await;
        sleep_until(end).await;
    }

    /// Converts an error of the transport to one of the contract, if the contract has one for it.
    fn contract_status(&self, status: Status) -> Status {
        match layers::contract_fault(&status, self.service.limits.max_message_bytes) {
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
            let over_quota = permissions::take_frames(&self.caller, &frames).err();
            let frames: Vec<_> = frames.into_iter().map(|frame| setup.adopt(frame)).collect();
            let (items, failed) =
                self.service.submitter.prepare(frames, bytes, &self.caller, over_quota.as_ref()).await;
            let ready = match failed {
                // An outage of the backend need not end the call: the frames of the batch are
                // refused.
                Some(fault) if fault.retry_delay.is_none() => Err(fault),
                Some(_) | None => Ok(Ready { batch_id, bytes, items }),
            };
            if prepared.send(ready).await.is_err() {
                return;
            }
        }
    }

    /// Stores and answers batches, one after the other.
    async fn store(
        &self,
        in_flight: &InFlight,
        mut in_turn: mpsc::Receiver<std::result::Result<Ready, Fault>>,
    ) -> std::result::Result<(), Status> {
        let mut order = Order::default();
        let mut throttle = Throttle::new(Arc::clone(&self.service.queue), self.service.budget);
        loop {
            let ready = tokio::select! {
                ready = in_turn.recv() => ready,
                () = throttle.due() => {
                    for throttled in throttle.read_load().await {
                        self.send(Event::Throttle(throttled)).await;
                    }
                    continue;
                }
            };
            let Some(ready) = ready else { return Ok(()) };
            let Ready { batch_id, bytes, mut items } = ready?;
            order.hold_back(&mut items);
            let failed = self.service.submitter.store_in_turn(&mut items).await;
            if let Some(fault) = failed.filter(|fault| fault.retry_delay.is_none()) {
                return Err(fault.into());
            }
            order.note(&items)?;
            for throttled in throttle.after(&items).await {
                self.send(Event::Throttle(throttled)).await;
            }
            let results = batch::results(items);
            self.send(Event::BatchResult(pb::SubmitBatchResult { batch_id, results })).await;
            in_flight.remove(bytes);
        }
    }

    async fn heartbeats(&self, every: Duration) -> Infallible {
        let mut ticks = interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let heartbeat = pb::SubmitHeartbeat { server_time: Some(time::to_pb(Timestamp::now())) };
            self.send(Event::Heartbeat(heartbeat)).await;
        }
    }
}
