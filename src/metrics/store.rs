//! The store and its work queues. Most of it is read at a scrape, and is the same at every server of
//! the store.

use super::families::{Counter, Families, Reading, Readings, Totals};
use super::label::{Label, Per, label};

/// The state of a partition's work queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartitionState {
    /// It accepts frames, and its worker takes them.
    Running,
    /// No worker takes its frames.
    Paused,
    /// It accepts no frames.
    Draining,
}

label!(PartitionState: Running = "running", Paused = "paused", Draining = "draining");

/// A part of a scrape that may be missing, because it could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScrapePart {
    /// The state of the store.
    Store,
    /// The work queues.
    Queues,
    /// The consumer groups.
    Groups,
    /// The metrics of the worker process.
    Worker,
}

label!(ScrapePart: Store = "store", Queues = "queues", Groups = "groups", Worker = "worker");

/// The totals of a store's frames since its partitions began.
#[derive(Debug, Clone, Copy, Default)]
pub struct StoreFrames {
    /// Accepted.
    pub accepted: u64,
    /// Published with a picture.
    pub processed: u64,
    /// Failed.
    pub failed: u64,
    /// Dropped by the policies of their streams.
    pub dropped: u64,
    /// Purged by operators.
    pub purged: u64,
    /// Erased.
    pub erased: u64,
    /// Waiting when their streams were unregistered.
    pub removed: u64,
    /// Submitted again, not counted as accepted.
    pub duplicate: u64,
    /// Removed from the outputs by retention.
    pub trimmed: u64,
}

/// The metrics of the store and its work queues.
#[derive(Debug, Clone)]
pub struct StoreMetrics {
    /// 1 if the backend answers, else 0.
    pub up: Reading,
    /// Bytes in use.
    pub used_bytes: Reading,
    /// Bytes that may be used.
    pub max_bytes: Reading,
    /// Used bytes from which on outputs shrink.
    pub short_bytes: Reading,
    /// Faults that an operator should correct.
    pub warnings: Reading,
    /// Waiting frames.
    pub queue_frames: Reading,
    /// Bytes of their pictures.
    pub queue_bytes: Reading,
    /// The age of the oldest.
    pub oldest_age: Reading,
    /// The highest fill of a partition, by state.
    pub fill: Readings,
    /// Partitions by state.
    pub partitions: Readings,
    /// Partitions whose lease no worker holds.
    pub unleased: Reading,
    /// Workers that have announced themselves.
    pub workers: Reading,
    /// Registered streams.
    pub streams: Reading,
    /// Bytes of pictures in the outputs.
    pub output_bytes: Reading,
    /// Dead letters.
    pub dead_letters: Reading,
    /// Bytes that they count for.
    pub dead_letter_bytes: Reading,
    frames: Totals,
    /// Parts that could not be read at a scrape.
    pub errors: Per<ScrapePart, Counter>,
    /// The time that the last reading took.
    pub duration: Reading,
}

impl Default for StoreMetrics {
    fn default() -> Self {
        Self::new(&mut Families::unexported())
    }
}

impl StoreMetrics {
    pub(super) fn new(families: &mut Families) -> Self {
        const STATE: (&str, &str) = ("state", "`running`, `paused`, `draining`");
        let mut reading = |name, help, advice| families.reading((name, help, advice));
        let up = reading(
            "store_up",
            "1 if the backend answers, 0 if it does not",
            "0: calls fail with UNAVAILABLE until the backend is back; nothing that was accepted is lost by that alone.",
        );
        let used_bytes = reading(
            "store_used_bytes",
            "Bytes that the store uses, with everything",
            "From three quarters of the maximum on, nothing new is accepted.",
        );
        let max_bytes = reading(
            "store_max_bytes",
            "Bytes that the store may use",
            "The smaller of `maxmemory` of Redis and what `--memory-budget` asks for.",
        );
        let short_bytes = reading(
            "store_short_bytes",
            "Used bytes from which on outputs shrink",
            "60 % of the maximum, unless `--memory-split` says otherwise.",
        );
        let warnings = reading(
            "store_warnings",
            "Faults of the backend's configuration that an operator should correct",
            "`frameway info` shows their texts.",
        );
        let queue_frames = reading(
            "queue_frames",
            "Accepted frames that no worker has finished",
            "A steady rise: workers do not keep up. Add workers or threads.",
        );
        let queue_bytes = reading(
            "queue_bytes",
            "Bytes of the pictures of these frames",
            "Compare with the memory budget.",
        );
        let oldest_age = reading(
            "queue_oldest_age_seconds",
            "Age of the oldest frame that no worker has finished; 0 without any",
            "The delay before frames are published. It rises while a queue is paused.",
        );
        let unleased = reading(
            "queue_unleased_partitions",
            "Partitions whose lease no worker holds",
            "More than 0 for longer than the lease term: no worker runs, or all have crashed.",
        );
        let workers = reading(
            "queue_workers",
            "Workers that have announced themselves",
            "Compare with the number that you run.",
        );
        let streams = reading("queue_streams", "Registered streams", "Compare with `--max-streams`.");
        let output_bytes = reading(
            "store_output_bytes",
            "Bytes of the pictures in the outputs",
            "Below `frameway_store_short_bytes`, all outputs stay as long as retention says.",
        );
        let dead_letters = reading(
            "store_dead_letters",
            "Dead letters that are kept",
            "Look at them with `frameway dead-letters`; replay or discard them.",
        );
        let dead_letter_bytes = reading(
            "store_dead_letter_bytes",
            "Bytes that the dead letters count for",
            "Beyond their part of the memory budget (`--memory-split`), the oldest are removed.",
        );
        let duration = reading(
            "scrape_read_seconds",
            "Time that the last reading of the store for a scrape took",
            "The store is read again after ten times as long, and after 1 s at the earliest.",
        );
        Self {
            up,
            used_bytes,
            max_bytes,
            short_bytes,
            warnings,
            queue_frames,
            queue_bytes,
            oldest_age,
            unleased,
            workers,
            streams,
            output_bytes,
            dead_letters,
            dead_letter_bytes,
            duration,
            fill: families.readings(
                STATE,
                (
                    "queue_fill_ratio",
                    "Fill of the fullest partition in each state: 1 = it refuses frames",
                    "Near 1: frames are refused. Many streams in one partition fill it early: more partitions spread them.",
                ),
            ),
            partitions: families.readings(
                STATE,
                (
                    "queue_partitions",
                    "Partitions by the state of their work queues",
                    "A queue that is paused or drained for long was perhaps forgotten: `frameway queues resume`.",
                ),
            ),
            frames: families.totals(
                (
                    "outcome",
                    "`accepted`, `processed`, `failed`, `dropped`, `purged`, `erased`, `removed`, `duplicate`, `trimmed`",
                ),
                (
                    "store_frames",
                    "Frames of the whole store since it began, by outcome",
                    "`accepted` is the sum of `processed`, `failed`, `dropped`, `purged`, `removed`, the waiting frames, and \
                     those erased before they were published: every accepted frame is accounted for. A frame that is \
                     erased later counts in `erased` and stays in `processed` or `failed`, since a total never falls.",
                ),
            ),
            errors: families.counter_per(
                "part",
                (
                    "scrape_errors",
                    "Parts that could not be read at a scrape within 2 s; their samples are absent",
                    "Rises while the store is away. `worker`: the worker process is restarting.",
                ),
            ),
        }
    }

    /// Sets the numbers of the partitions in a state, and the highest fill among them.
    pub fn set_partitions(&self, state: PartitionState, partitions: usize, fill: Option<f64>) {
        self.partitions.set(state.text(), partitions as f64);
        if let Some(fill) = fill {
            self.fill.set(state.text(), fill);
        }
    }

    /// Sets the totals of all frames; `None` = they could not be read.
    pub fn set_frames(&self, totals: Option<StoreFrames>) {
        let Some(totals) = totals else { return self.frames.clear() };
        let StoreFrames { accepted, processed, failed, dropped, purged, erased, removed, duplicate, trimmed } =
            totals;
        for (outcome, total) in [
            ("accepted", accepted),
            ("processed", processed),
            ("failed", failed),
            ("dropped", dropped),
            ("purged", purged),
            ("erased", erased),
            ("removed", removed),
            ("duplicate", duplicate),
            ("trimmed", trimmed),
        ] {
            self.frames.set(outcome, total);
        }
    }

    /// Removes everything that is read of the work queues.
    pub fn clear_queues(&self) {
        for reading in [
            &self.queue_frames,
            &self.queue_bytes,
            &self.oldest_age,
            &self.unleased,
            &self.workers,
            &self.streams,
            &self.output_bytes,
            &self.dead_letters,
            &self.dead_letter_bytes,
        ] {
            reading.set(None);
        }
        self.fill.clear();
        self.partitions.clear();
        self.frames.clear();
    }
}
