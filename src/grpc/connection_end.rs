//! The signals by which the calls of a connection learn that they must end: the connection has
//! reached its maximum age, or the server drains.

use std::future::Future;

use tokio_util::sync::CancellationToken;
use tonic::Request;

/// The signals that end a connection. Each request carries those of its connection.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionEnd {
    /// Cancelled when the connection has reached its maximum age.
    too_old: CancellationToken,
    /// Cancelled when the connection has reached its maximum age or the server drains.
    any: CancellationToken,
}

impl ConnectionEnd {
    /// Creates the signals of a new connection; `drain` is the signal of the server.
    pub(crate) fn new(drain: &CancellationToken) -> Self {
        Self { too_old: CancellationToken::new(), any: drain.child_token() }
    }

    /// Returns the signals of the request's connection. If the request carries none, returns
    /// signals that are never sent.
    pub(crate) fn of<T>(request: &Request<T>) -> Self {
        request.extensions().get().cloned().unwrap_or_else(|| Self::new(&CancellationToken::new()))
    }

    /// Tells the calls that the connection is too old.
    pub(crate) fn too_old(&self) {
        self.too_old.cancel();
        self.any.cancel();
    }

    /// Runs `future`; returns `None` if the connection becomes too old first. This is for calls
    /// that learn of a drain from the hub.
    pub(crate) async fn unless_too_old<F: Future>(&self, future: F) -> Option<F::Output> {
        self.too_old.run_until_cancelled(future).await
    }

    /// Returns the token that is cancelled when calls must end for either reason.
    pub(crate) fn any(&self) -> &CancellationToken {
        &self.any
    }
}
