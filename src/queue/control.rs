//! Operating the work queues: pausing, draining and resuming them, and purging waiting frames.

use std::time::Duration;

use async_trait::async_trait;

use super::{Lease, Result, WorkItem, WorkPosition};
use crate::domain::{PartitionId, Sequence, StreamId, Timestamp};

/// The state of a partition's work queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueueState {
    /// It accepts frames, and its worker takes them.
    #[default]
    Running,
    /// It accepts frames, and no worker takes them.
    Paused,
    /// It accepts no frames, and its worker takes those that wait.
    Draining,
}

/// The worker that holds a partition's lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseHolder {
    /// The worker.
    pub worker_id: String,
    /// The time until the lease ends, unless it is renewed.
    pub expires_in: Duration,
}

/// The state that operators gave a partition's work queue, and the worker that processes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueControl {
    /// The state.
    pub state: QueueState,
    /// The reason given for the last change of state; empty = none.
    pub reason: String,
    /// The lease holder; `None` if no worker holds the lease.
    pub holder: Option<LeaseHolder>,
}

/// Selects the waiting frames of a partition to purge.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Purge {
    /// Only those of one stream; `None` = of all.
    pub stream_id: Option<StreamId>,
    /// Only those accepted before this time; `None` = all that wait.
    pub before_receive_time: Option<Timestamp>,
    /// The reason that the tombstones state, at most 512 bytes.
    pub reason: String,
    /// True if nothing is marked and only the result is returned.
    pub dry_run: bool,
}

/// The frames of one stream that a purge marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeMark {
    /// The stream.
    pub stream_id: StreamId,
    /// The newest marked frame. When it is published, all marked frames are.
    pub to: Sequence,
    /// The number of frames that this call marked.
    pub frames: u64,
    /// The bytes of their pictures.
    pub bytes: u64,
}

/// The result of a scan for frames that are marked for purging.
#[derive(Debug, Clone, Default)]
pub struct PurgeScan {
    /// The marked frames, in the queue's order; their `fate` says so.
    pub items: Vec<WorkItem>,
    /// The position to continue after once `items` are finished; `None` = no more are marked.
    pub next: Option<WorkPosition>,
    /// True if the queue is paused.
    pub paused: bool,
    /// True if the queue is not paused and frames wait after the given position. Resuming a queue
    /// wakes no worker, so a worker learns of these frames here.
    pub work_waits: bool,
}

/// The operations on work queues. A part of [`Queue`](super::Queue), whose rules for every method
/// apply.
#[async_trait]
pub trait Control {
    /// Sets the state of a partition's queue, and the reason. Setting the current state again
    /// changes nothing, not even the reason.
    ///
    /// Once this has returned, [`take`](super::Queue::take) returns nothing from a paused queue,
    /// and [`accept`](super::Queue::accept) refuses frames for a draining one with
    /// [`Refusal::QueueDraining`](super::Refusal::QueueDraining).
    async fn set_queue_state(&self, partition: PartitionId, state: QueueState, reason: &str) -> Result<()>;

    /// Marks frames that wait now and that no worker has taken. They stay in the queue until the
    /// lease holder finishes them, in their order: `take` and `scan_purged` return them with the
    /// fate [`Purged`](crate::domain::TombstoneKind::Purged). Without a holder, they wait for one.
    /// Frames accepted later are not touched.
    ///
    /// Returns the frames that this call marked, by stream, without those that an earlier call
    /// marked. Frames that a worker had taken are not marked; if that worker crashes, its successor
    /// purges them too, since a mark covers all earlier frames of its stream.
    async fn purge(&self, partition: PartitionId, purge: &Purge) -> Result<Vec<PurgeMark>>;

    /// Finds at most `max_frames` frames after `after` that are marked for purging, in any state of
    /// the queue; with 0, returns only the state. A holder calls it if it has no frames in work,
    /// since `take` returns nothing from a paused queue.
    ///
    /// # Errors
    /// [`Error::LeaseLost`](super::Error::LeaseLost).
    async fn scan_purged(&self, lease: &Lease, after: WorkPosition, max_frames: usize) -> Result<PurgeScan>;

    /// Lists the ids of the live workers that have announced themselves, in order.
    async fn live_workers(&self) -> Result<Vec<String>>;
}
