//! Care with the frames of a worker that died: one of them may have killed it. They run one at a time, with nothing
//! else in the process, so that the next death has one culprit. In normal running nothing of this costs anything.

use std::sync::Arc;

use tokio::sync::OwnedRwLockWriteGuard;

use super::Shared;
use crate::domain::limits::MAX_STRIKES;
use crate::domain::{Failure, FailureReason};
use crate::queue::{Lease, Result, WorkPosition};

/// Which frames of a partition are run alone.
#[derive(Debug, Default)]
pub(super) struct Caution {
    until: Option<WorkPosition>,
}

/// A frame is alone in work for as long as this lives: until it is published.
#[derive(Debug)]
pub(super) struct Alone {
    strikes: u32,
    _process: OwnedRwLockWriteGuard<()>,
}

impl Caution {
    /// Asks what the holder before has left.
    pub(super) async fn inherit(shared: &Shared, lease: &Lease) -> Result<Self> {
        let in_flight = shared.config.frames_in_flight;
        let until = shared.queue.inherit(lease, shared.life, in_flight).await?;
        if let Some(until) = until {
            tracing::debug!(partition = %lease.partition, ?until, "a worker died: its frames run alone");
        }
        Ok(Self { until })
    }

    /// Whether the frame at `position` is run alone.
    pub(super) fn applies_to(&self, position: WorkPosition) -> bool {
        self.until.is_some_and(|until| position <= until)
    }
}

/// Waits until nothing else is worked on in this process, and notes which frame comes now.
pub(super) async fn begin_alone(shared: &Shared, lease: &Lease, position: WorkPosition) -> Result<Alone> {
    let process = Arc::clone(&shared.running).write_owned().await;
    let strikes = shared.queue.begin_alone(lease, position, shared.life).await?;
    Ok(Alone { strikes, _process: process })
}

impl Alone {
    /// How many workers died over it alone.
    pub(super) fn strikes(&self) -> u32 {
        self.strikes
    }

    /// Why the frame is not to be run.
    pub(super) fn verdict(&self) -> Option<Failure> {
        (self.strikes >= MAX_STRIKES).then(|| Failure {
            reason: FailureReason::KilledWorker,
            message: format!("{MAX_STRIKES} workers died while they worked on this frame alone"),
        })
    }
}
