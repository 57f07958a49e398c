//! The work of a worker, and the pictures that it reads and makes.

use super::families::{Counter, Families, Gauge, Seconds};
use super::label::{Per, label};
use crate::domain::{FailureReason, PictureFormat, Reencode, Stage};

/// The way in which a frame left the work queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameOutcome {
    /// It was published with a picture that was decoded.
    Processed,
    /// It was published without being decoded.
    Relayed,
    /// It could not be processed.
    Failed,
    /// Its stream's queue policy dropped it.
    Dropped,
    /// An operator purged it.
    Purged,
    /// Its stream was unregistered.
    Removed,
    /// It was erased before it was published.
    Erased,
}

label!(FrameOutcome:
    Processed = "processed",
    Relayed = "relayed",
    Failed = "failed",
    Dropped = "dropped",
    Purged = "purged",
    Removed = "removed",
    Erased = "erased",
);

/// The beginning or end of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseEvent {
    /// The worker acquired it.
    Acquired,
    /// The worker released it.
    Released,
    /// Another worker may have it.
    Lost,
}

label!(LeaseEvent: Acquired = "acquired", Released = "released", Lost = "lost");

/// The metrics of a worker.
#[derive(Debug, Clone)]
pub struct WorkerMetrics {
    /// Finished frames by outcome.
    pub frames: Per<FrameOutcome, Counter>,
    /// Failed frames by reason.
    pub failures: Per<FailureReason, Counter>,
    /// The time of each stage of a published frame.
    pub stages: Per<Stage, Seconds>,
    /// The time of a call that publishes a batch.
    pub publish: Seconds,
    /// Frames that were taken and are not published.
    pub in_flight: Gauge,
    /// Leases that the worker holds.
    pub leases_held: Gauge,
    /// Leases that began and ended.
    pub leases: Per<LeaseEvent, Counter>,
    /// Frames that were processed alone after a crash.
    pub isolated: Counter,
    /// Isolated frames on which workers had crashed before.
    pub strikes: Counter,
    /// Threads that were given up because a picture hangs in them.
    pub hung_threads: Gauge,
    /// Submitted pictures of published frames, by format.
    pub input: Per<PictureFormat, Counter>,
    /// Their bytes.
    pub input_bytes: Per<PictureFormat, Counter>,
    /// Processed pictures of published frames, by format.
    pub output: Per<PictureFormat, Counter>,
    /// Their bytes.
    pub output_bytes: Per<PictureFormat, Counter>,
    /// Published frames by the way in which their pictures were made.
    pub made: Per<Reencode, Counter>,
    /// Processed pictures that are larger than their streams' budgets allow.
    pub over_budget: Counter,
}

impl Default for WorkerMetrics {
    fn default() -> Self {
        Self::new(&mut Families::unexported())
    }
}

impl WorkerMetrics {
    pub(super) fn new(families: &mut Families) -> Self {
        Self {
            frames: families.counter_per(
                "outcome",
                (
                    "worker_frames",
                    "Frames that this worker finished, by outcome",
                    "The rate is the throughput. `failed` should be rare; `dropped` means that streams with the policy \
                     DROP_OLDEST send more than the workers finish.",
                ),
            ),
            failures: families.counter_per(
                "reason",
                (
                    "worker_failures",
                    "Frames that could not be processed, by reason",
                    "`truncated` and `corrupt`: look at the camera or the network. `timed_out`, `killed_worker` and \
                     `worker_exhausted`: keep the dead letters and report a fault. `payload_lost`: look at the store.",
                ),
            ),
            stages: families.seconds_per(
                "stage",
                (
                    "worker_stage_duration_seconds",
                    "Time of each stage of a published frame",
                    "`queue_wait` is the delay before a worker took the frame: if it rises, add workers or threads. The \
                     other stages say where the time goes; `fetch` depends on the store.",
                ),
            ),
            publish: families.seconds((
                "worker_publish_duration_seconds",
                "Time of one call that publishes a batch of finished frames",
                "Depends on the store: see the Redis families.",
            )),
            in_flight: families.gauge((
                "worker_in_flight_frames",
                "Frames that were taken and are not published",
                "Near 0 with a deep queue: the worker waits for the store, or holds no lease.",
            )),
            leases_held: families.gauge((
                "worker_leases_held",
                "Partitions whose lease this worker holds",
                "Over all workers, it is the number of partitions; less means that partitions have no worker.",
            )),
            leases: families.counter_per(
                "event",
                (
                    "worker_leases",
                    "Leases that began and ended",
                    "`lost` rises when a worker was too slow to renew, or the store was away: look at its CPU and at Redis.",
                ),
            ),
            isolated: families.counter((
                "worker_isolated_frames",
                "Frames that were processed alone, because a worker had crashed",
                "Rises only after crashes of workers.",
            )),
            strikes: families.counter((
                "worker_strikes",
                "Isolated frames on which a worker had crashed before",
                "A frame with three strikes becomes a dead letter with its picture: report a fault with it.",
            )),
            hung_threads: families.gauge((
                "worker_hung_threads",
                "Threads that were given up because a picture hangs in them",
                "Each may use a core for ever. A supervised worker restarts by itself; restart others.",
            )),
            input: families.counter_per(
                "format",
                (
                    "pictures_input",
                    "Submitted pictures of published frames, by format",
                    "Raw formats use much of the network and the store.",
                ),
            ),
            input_bytes: families.counter_per(
                "format",
                (
                    "pictures_input_bytes",
                    "Bytes of submitted pictures of published frames, by format",
                    "Divide the output's bytes by it for the ratio of compression.",
                ),
            ),
            output: families.counter_per(
                "format",
                (
                    "pictures_output",
                    "Processed pictures of published frames, by format",
                    "Thumbnails are not counted.",
                ),
            ),
            output_bytes: families.counter_per(
                "format",
                (
                    "pictures_output_bytes",
                    "Bytes of processed pictures of published frames, by format",
                    "What the outputs and the readers' network have to carry.",
                ),
            ),
            made: families.counter_per(
                "how",
                (
                    "pictures_made",
                    "Processed pictures of published frames, by the way in which they were made",
                    "Only `encoded` ones cost the time of an encoder.",
                ),
            ),
            over_budget: families.counter((
                "pictures_over_budget",
                "Processed pictures that are larger than the rest of their streams' budgets",
                "The budget is too small even for the lowest allowed quality.",
            )),
        }
    }
}
