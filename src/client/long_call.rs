//! A server stream that is opened again when it breaks.

use std::time::Duration;

use tokio::time::sleep;
use tonic::{Response, Status, Streaming};

use super::Error;
use super::error::describe;
use super::retry::{Pauses, Policy, is_retryable, requested_delay};
use super::stall::StallGuard;

/// A server stream that is opened again, after a pause, when it breaks or stalls.
#[derive(Debug)]
pub(super) struct LongCall<M> {
    call: Option<Streaming<M>>,
    stall: StallGuard,
    pauses: Pauses,
    /// The pause before the next call.
    pause: Option<Duration>,
}

impl<M> LongCall<M> {
    /// Prepares calls of a method whose heartbeats come at this interval.
    pub(super) fn new(method: &str, heartbeat: Duration) -> Self {
        Self {
            call: None,
            stall: StallGuard::new(heartbeat),
            pauses: Policy::of(method).pauses(rand::random()),
            pause: None,
        }
    }

    /// Reports whether the next message needs a new call.
    pub(super) fn is_closed(&self) -> bool {
        self.call.is_none()
    }

    /// Waits for the next message; `open` opens a call if there is none. Returns `None` after the
    /// server has ended the call without an error. Dropping the future loses nothing.
    pub(super) async fn message(
        &mut self,
        open: impl Future<Output = Result<Response<Streaming<M>>, Status>>,
    ) -> Result<Option<M>, Status> {
        if let Some(pause) = self.pause {
            sleep(pause).await;
            self.pause = None;
        }
        let call = match &mut self.call {
            Some(call) => call,
            none => none.insert(self.stall.bound(open).await?.into_inner()),
        };
        self.stall.bound(call.message()).await
    }

    /// Restores the shortest pause and the usual limit of silence. Call it for every message except
    /// the first of a call: a server that can send nothing else still sends that one.
    pub(super) fn progressed(&mut self) {
        self.pauses.reset();
        self.stall.reset();
    }

    /// Closes a call that broke. Returns the reason for reconnecting, or an error if another call
    /// would not help.
    pub(super) fn broken(&mut self, status: Status) -> Result<String, Error> {
        self.reconnect(requested_delay(&status));
        if is_retryable(&status) { Ok(describe(&status)) } else { Err(status.into()) }
    }

    /// Closes the call. The next call follows after the requested pause or, if none is requested,
    /// after the next pause of the series.
    pub(super) fn reconnect(&mut self, requested: Option<Duration>) {
        self.call = None;
        self.pause = Some(self.pauses.after(requested));
    }
}
