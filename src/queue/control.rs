//! Operating the work queues: pause, drain and resume them, throw away what waits.

use std::time::Duration;

use async_trait::async_trait;

use super::{Lease, Result, WorkItem, WorkPosition};
use crate::domain::{PartitionId, Sequence, StreamId, Timestamp};

/// What a partition's work queue does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueueState {
    /// Takes frames and gives them to its worker.
    #[default]
    Running,
    /// Takes frames, gives none.
    Paused,
    /// Takes no frames, gives those that are there.
    Draining,
}

/// Who holds a partition's lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseHolder {
    /// The worker.
    pub worker_id: String,
    /// The lease ends after this, unless it is renewed.
    pub expires_in: Duration,
}

/// How a partition's work queue is set, and who works on it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueControl {
    /// What it does.
    pub state: QueueState,
    /// What was given as the reason of the last change of state; empty = none.
    pub reason: String,
    /// `None` if no worker holds the lease.
    pub holder: Option<LeaseHolder>,
}

/// Which waiting frames of a partition to throw away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Purge {
    /// Those of one stream; `None` = of all.
    pub stream_id: Option<StreamId>,
    /// Those accepted before this; `None` = all that wait.
    pub before_receive_time: Option<Timestamp>,
    /// Why, for the tombstones; at most 512 bytes.
    pub reason: String,
    /// Answers what would be marked, and marks nothing.
    pub dry_run: bool,
}

/// What a purge marked of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeMark {
    /// The stream.
    pub stream_id: StreamId,
    /// Its newest marked frame. All that are marked are published when this one is.
    pub to: Sequence,
    /// Frames that this call marked.
    pub frames: u64,
    /// Bytes of their pictures.
    pub bytes: u64,
}

/// What a sweep found.
#[derive(Debug, Clone, Default)]
pub struct Swept {
    /// Frames marked for purging, in the queue's order; their `fate` says so.
    pub items: Vec<WorkItem>,
    /// Where to look on, once `items` are finished; `None` = nothing more is marked.
    pub next: Option<WorkPosition>,
    /// The queue is paused.
    pub paused: bool,
    /// The queue is not paused, and work lay behind the place asked for: a queue that is resumed wakes nobody.
    pub work_waits: bool,
}

/// What operators do with the work queues. A part of [`Queue`](super::Queue); what is said there of every method holds.
#[async_trait]
pub trait Control {
    /// Sets what a partition's queue does, and why. Setting what is set already changes nothing, the reason included.
    ///
    /// Once it has answered: of a paused queue [`take`](super::Queue::take) gives nothing; to a draining one
    /// [`accept`](super::Queue::accept) answers [`Refusal::QueueDraining`](super::Refusal::QueueDraining).
    async fn set_queue_state(&self, partition: PartitionId, state: QueueState, reason: &str) -> Result<()>;

    /// Marks frames that wait now and that no worker has taken. They are still in the queue, and it is the lease holder
    /// who finishes them, as [`Purged`](crate::domain::TombstoneKind::Purged), in their order: take and sweep give them
    /// with that fate. Without a holder, they wait for one. Frames accepted later are not touched.
    ///
    /// Answers what this call marked, by stream; what an earlier one had marked is not told again. Frames that a worker
    /// had taken are not marked; should it die, its successor purges them too.
    async fn purge(&self, partition: PartitionId, purge: &Purge) -> Result<Vec<PurgeMark>>;

    /// Looks for frames behind `after` that are marked for purging, at most `max_frames`, whatever the queue's state;
    /// with 0 it looks for none and only answers the state. For a holder that has none in hand: in a paused queue it
    /// cannot take them.
    ///
    /// # Errors
    /// [`Error::LeaseLost`](super::Error::LeaseLost).
    async fn sweep(&self, lease: &Lease, after: WorkPosition, max_frames: usize) -> Result<Swept>;

    /// The ids of the workers that have announced themselves and live, in order.
    async fn live_workers(&self) -> Result<Vec<String>>;
}
