//! The state of the tail.

use tokio::time::Instant;

use crate::queue;

/// The state of the tail, which reads the feeds.
#[derive(Debug, Clone, PartialEq)]
pub enum TailState {
    /// The tail has not read the feeds yet.
    Starting,
    /// The tail follows the feeds.
    Connected,
    /// The tail cannot read the feeds and retries.
    Down {
        /// The time of the first failure.
        since: Instant,
        /// The error of the last attempt.
        error: queue::Error,
    },
}
