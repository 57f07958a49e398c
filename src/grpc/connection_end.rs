//! What tells the calls of a connection to end: its age, or the server's drain.

use std::future::Future;

use tokio_util::sync::CancellationToken;
use tonic::Request;

/// The ends of a connection. Each request carries its connection's.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionEnd {
    /// The connection has reached its maximum age.
    too_old: CancellationToken,
    /// That, or the server drains.
    any: CancellationToken,
}

impl ConnectionEnd {
    /// Of a new connection; `drain` is the server's.
    pub(crate) fn new(drain: &CancellationToken) -> Self {
        Self { too_old: CancellationToken::new(), any: drain.child_token() }
    }

    /// The one of the request's connection, or one that never comes.
    pub(crate) fn of<T>(request: &Request<T>) -> Self {
        request.extensions().get().cloned().unwrap_or_else(|| Self::new(&CancellationToken::new()))
    }

    /// Tells the calls that the connection is too old.
    pub(crate) fn too_old(&self) {
        self.too_old.cancel();
        self.any.cancel();
    }

    /// Runs `future`; `None` if the connection becomes too old before. For calls that the hub tells of a drain.
    pub(crate) async fn unless_too_old<F: Future>(&self, future: F) -> Option<F::Output> {
        self.too_old.run_until_cancelled(future).await
    }

    /// Cancelled when calls are to end for either cause.
    pub(crate) fn any(&self) -> &CancellationToken {
        &self.any
    }
}
