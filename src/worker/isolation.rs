//! Isolates the frames of a crashed worker, since one of them may have crashed it: they are
//! processed one at a time, with nothing else in the process, so that the next crash has one cause.
//! Without crashes this costs nothing.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::OwnedRwLockWriteGuard;

use super::Shared;
use crate::domain::limits::MAX_STRIKES;
use crate::domain::{Failure, FailureReason};
use crate::queue::{Lease, Result, WorkPosition};

/// The frames of a partition that must be isolated.
#[derive(Debug, Default)]
pub(super) struct Isolation {
    suspects: HashSet<WorkPosition>,
}

/// An isolated frame: nothing else is processed until this is dropped, which is when the frame is
/// published.
#[derive(Debug)]
pub(super) struct IsolatedFrame {
    strikes: u32,
    _process: OwnedRwLockWriteGuard<()>,
}

impl Isolation {
    /// Asks the queue which frames must be isolated.
    pub(super) async fn take_over(shared: &Shared, lease: &Lease) -> Result<Self> {
        let oldest = shared.config.frames_in_flight;
        let suspects = shared.queue.take_over(lease, shared.process_id, oldest).await?;
        if !suspects.is_empty() {
            let frames = suspects.len();
            tracing::debug!(partition = %lease.partition, frames, "a worker crashed; isolating its frames");
        }
        Ok(Self { suspects: suspects.into_iter().collect() })
    }

    /// Reports whether the frame at `position` must be isolated.
    pub(super) fn applies_to(&self, position: WorkPosition) -> bool {
        self.suspects.contains(&position)
    }
}

/// Waits until nothing else is processed in this process, and notes which frame is next.
pub(super) async fn begin_isolated(
    shared: &Shared,
    lease: &Lease,
    position: WorkPosition,
) -> Result<IsolatedFrame> {
    let process = Arc::clone(&shared.running).write_owned().await;
    let strikes = shared.queue.begin_isolated(lease, position, shared.process_id).await?;
    shared.config.metrics.isolated.inc();
    if strikes > 0 {
        shared.config.metrics.strikes.inc();
    }
    Ok(IsolatedFrame { strikes, _process: process })
}

impl IsolatedFrame {
    /// Returns how many workers crashed while it was isolated.
    pub(super) fn strikes(&self) -> u32 {
        self.strikes
    }

    /// Returns the failure of a frame that must not be processed.
    pub(super) fn failure(&self) -> Option<Failure> {
        (self.strikes >= MAX_STRIKES).then(|| Failure {
            reason: FailureReason::KilledWorker,
            message: format!("{MAX_STRIKES} workers crashed while they processed only this frame"),
        })
    }
}
