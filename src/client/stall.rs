//! Detection of a server that has stopped sending.
//!
//! A call on a broken connection or to a server that hangs receives nothing, like a call on streams
//! without new frames. Heartbeats show the difference: a long call that receives nothing for three
//! heartbeat intervals is given up.

use std::time::Duration;

use tokio::time::timeout;
use tonic::Status;

/// The requested interval of a server's heartbeats.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(5);
/// The number of heartbeat intervals without a message after which a call is given up.
const MAX_SILENT_HEARTBEATS: u32 = 3;
/// The maximum wait for one message. A large picture over a slow link may take long.
const MAX_WAIT: Duration = Duration::from_secs(300);

/// A limit on how long a call may receive nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StallGuard {
    usual: Duration,
    allowed: Duration,
}

impl StallGuard {
    /// Guards a call with heartbeats at this interval.
    pub(super) fn new(heartbeat: Duration) -> Self {
        let usual = heartbeat * MAX_SILENT_HEARTBEATS;
        Self { usual, allowed: usual }
    }

    /// Waits for `next`, but no longer than the limit.
    ///
    /// After a timeout the limit is doubled: otherwise a large picture on a slow link would never
    /// arrive.
    ///
    /// # Errors
    /// Returns the status of `next`, or `UNAVAILABLE` after a timeout.
    pub(super) async fn bound<T>(
        &mut self,
        next: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        let allowed = self.allowed;
        timeout(allowed, next).await.unwrap_or_else(|_| {
            self.allowed = (allowed * 2).min(MAX_WAIT.max(self.usual));
            Err(Status::unavailable(format!("the server sent nothing for {} s", allowed.as_secs())))
        })
    }

    /// Restores the usual limit.
    ///
    /// Call it for every message except the first of a call: a server that can send nothing else
    /// still sends that one.
    pub(super) fn reset(&mut self) {
        self.allowed = self.usual;
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_without_messages_for_three_heartbeats_is_given_up() {
        let begin = Instant::now();
        let status =
            StallGuard::new(HEARTBEAT).bound(pending::<Result<(), _>>()).await.expect_err("it is silent");
        assert_eq!(status.code(), tonic::Code::Unavailable);
        assert_eq!(begin.elapsed(), HEARTBEAT * 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_message_is_given_more_time_in_the_next_call() {
        let mut guard = StallGuard::new(HEARTBEAT);
        let slow = || async {
            sleep(HEARTBEAT * 5).await;
            Ok(())
        };
        assert!(guard.bound(slow()).await.is_err());
        assert!(guard.bound(slow()).await.is_ok());
        guard.reset();
        assert_eq!(guard, StallGuard::new(HEARTBEAT));
        for _ in 0..20 {
            assert!(guard.bound(pending::<Result<(), _>>()).await.is_err());
        }
        assert_eq!(guard.allowed, MAX_WAIT);
    }
}
