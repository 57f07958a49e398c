//! Notices a server that has gone silent.
//!
//! A half-open connection and a server that hangs look like a stream without frames. The heartbeats that every long call has tell
//! them apart: a call that brings nothing for three of their intervals is given up.

use std::time::Duration;

use tokio::time::timeout;
use tonic::Status;

/// How often servers are asked to send a heartbeat.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(5);
/// A server that sends nothing for so many heartbeat intervals is gone.
const HEARTBEATS: u32 = 3;
/// The longest time that is allowed for one message, which a slow link may need for a large picture.
const LONGEST: Duration = Duration::from_secs(300);

/// How long a server may send nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Silence {
    allowed: Duration,
}

impl Default for Silence {
    fn default() -> Self {
        Self { allowed: HEARTBEAT * HEARTBEATS }
    }
}

impl Silence {
    /// Waits for what comes next on a call. After too long a silence the answer is UNAVAILABLE, and the next wait may take
    /// twice as long: a large picture on a slow link would otherwise never come.
    pub(super) async fn bound<T>(
        &mut self,
        next: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        let allowed = self.allowed;
        timeout(allowed, next).await.unwrap_or_else(|_| {
            self.allowed = (allowed * 2).min(LONGEST);
            Err(Status::unavailable(format!("the server sent nothing for {} s", allowed.as_secs())))
        })
    }

    /// Goes back to the usual time. For every message but the first of a call, which comes also from a server that gets no
    /// further.
    pub(super) fn over(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_that_brings_nothing_for_three_heartbeats_is_given_up() {
        let begin = Instant::now();
        let status = Silence::default().bound(pending::<Result<(), _>>()).await.expect_err("it is silent");
        assert_eq!(status.code(), tonic::Code::Unavailable);
        assert_eq!(begin.elapsed(), HEARTBEAT * 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_takes_longer_than_three_heartbeats_comes_in_the_end() {
        let mut silence = Silence::default();
        let slow = || async {
            sleep(HEARTBEAT * 5).await;
            Ok(())
        };
        assert!(silence.bound(slow()).await.is_err());
        assert!(silence.bound(slow()).await.is_ok());
        silence.over();
        assert_eq!(silence, Silence::default());
        for _ in 0..20 {
            assert!(silence.bound(pending::<Result<(), _>>()).await.is_err());
        }
        assert_eq!(silence.allowed, LONGEST);
    }
}
