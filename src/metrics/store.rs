//! The store, its work queues and its consumer groups. Most of it is read at a scrape, and is the
//! same at every server of the store.

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

/// What is read at a scrape.
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

/// The answer of a group's member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupAnswer {
    /// The frame is done.
    Acknowledge,
    /// Deliver it again.
    Retry,
    /// Give it up.
    GiveUp,
    /// Give the member more time.
    Extend,
}

label!(GroupAnswer:
    Acknowledge = "acknowledge",
    Retry = "retry",
    GiveUp = "give_up",
    Extend = "extend",
);

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
    /// Waiting when their streams were unregistered.
    pub removed: u64,
    /// Submitted again, not counted as accepted.
    pub duplicate: u64,
    /// Removed from the outputs by retention.
    pub trimmed: u64,
}

/// The state of a consumer group at a scrape.
#[derive(Debug, Clone, Default)]
pub struct GroupReading {
    /// Its name.
    pub name: String,
    /// Published frames that are not acknowledged.
    pub lag_frames: u64,
    /// The age of the oldest of them, in seconds; 0 without any.
    pub lag_seconds: f64,
    /// Frames that members have and have not answered.
    pub outstanding_frames: u64,
    /// Live members.
    pub members: u64,
    /// Frames acknowledged.
    pub acknowledged: u64,
    /// Deliveries after the first.
    pub redelivered: u64,
    /// Frames that became dead letters.
    pub dead: u64,
    /// Frames that retention removed unacknowledged.
    pub lost: u64,
}

/// The metrics of the store, its work queues and its groups.
#[derive(Debug, Clone)]
pub struct StoreMetrics {
    /// 1 if the backend answers, else 0.
    pub up: Reading,
    /// Bytes in use.
    pub used_bytes: Reading,
    /// Bytes that may be used.
    pub max_bytes: Reading,
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
    /// The number of consumer groups.
    pub groups: Reading,
    group_lag_frames: Readings,
    group_lag_seconds: Readings,
    group_outstanding: Readings,
    group_members: Readings,
    group_acknowledged: Totals,
    group_redelivered: Totals,
    group_dead: Totals,
    group_lost: Totals,
    /// The answers of members that this server received.
    pub answers: Per<GroupAnswer, Counter>,
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
        const GROUP: (&str, &str) = ("group", "the id of the group; of the first 100 groups by id");
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
            "Retention keeps it below half of the memory budget.",
        );
        let dead_letters = reading(
            "store_dead_letters",
            "Dead letters that are kept",
            "Look at them with `frameway dead-letters`; replay or discard them.",
        );
        let dead_letter_bytes = reading(
            "store_dead_letter_bytes",
            "Bytes that the dead letters count for",
            "Beyond a tenth of the memory budget, the oldest are removed.",
        );
        let groups = reading(
            "groups",
            "Consumer groups",
            "Those beyond the first 100 by id have no samples of their own.",
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
            groups,
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
                    "`accepted`, `processed`, `failed`, `dropped`, `purged`, `removed`, `duplicate`, `trimmed`",
                ),
                (
                    "store_frames",
                    "Frames of the whole store since it began, by outcome",
                    "`accepted` is the sum of `processed`, `failed`, `dropped`, `purged`, `removed` and the waiting frames: \
                     every accepted frame is accounted for.",
                ),
            ),
            group_lag_frames: families.readings(
                GROUP,
                (
                    "group_lag_frames",
                    "Published frames that the group has not acknowledged",
                    "A steady rise: add members, or let the group sample.",
                ),
            ),
            group_lag_seconds: families.readings(
                GROUP,
                (
                    "group_lag_seconds",
                    "Age of the oldest published frame that the group has not acknowledged; 0 without any. Only the 32 \
                     streams with most such frames are looked at",
                    "The delay of the group. Compare with the retention of the streams: beyond it, frames are lost.",
                ),
            ),
            group_outstanding: families.readings(
                GROUP,
                (
                    "group_outstanding_frames",
                    "Frames that members have and have not answered",
                    "Always at the members' limits: they are busy. 0 with a lag: no member is connected.",
                ),
            ),
            group_members: families.readings(
                GROUP,
                ("group_members", "Live members", "0: nobody consumes for the group."),
            ),
            group_acknowledged: families.totals(
                GROUP,
                (
                    "group_acknowledged",
                    "Frames that the group acknowledged, since it was created",
                    "The rate is the group's throughput.",
                ),
            ),
            group_redelivered: families.totals(
                GROUP,
                (
                    "group_redelivered",
                    "Deliveries after the first, since the group was created",
                    "Members crash, reject, or need more time than the ack deadline.",
                ),
            ),
            group_dead: families.totals(
                GROUP,
                (
                    "group_dead_letters",
                    "Frames that the group gave up, since it was created",
                    "Look at them with `frameway dead-letters`.",
                ),
            ),
            group_lost: families.totals(
                GROUP,
                (
                    "group_lost",
                    "Frames that retention removed before the group acknowledged them, since it was created",
                    "Keep frames longer, or add members.",
                ),
            ),
            answers: families.counter_per(
                "answer",
                (
                    "group_answers",
                    "Answers of members that this server received",
                    "Many `extend`: the ack deadline is short for the work. Many `retry` or `give_up`: look at the members' \
                     reasons in the dead letters.",
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
        let StoreFrames { accepted, processed, failed, dropped, purged, removed, duplicate, trimmed } =
            totals;
        for (outcome, total) in [
            ("accepted", accepted),
            ("processed", processed),
            ("failed", failed),
            ("dropped", dropped),
            ("purged", purged),
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

    /// Replaces the states of all groups; `None` = they could not be read.
    pub fn set_groups(&self, groups: Option<(usize, &[GroupReading])>) {
        for readings in
            [&self.group_lag_frames, &self.group_lag_seconds, &self.group_outstanding, &self.group_members]
        {
            readings.clear();
        }
        for totals in [&self.group_acknowledged, &self.group_redelivered, &self.group_dead, &self.group_lost]
        {
            totals.clear();
        }
        self.groups.set(groups.map(|(count, _)| count as f64));
        for group in groups.into_iter().flat_map(|(_, groups)| groups) {
            let GroupReading {
                name,
                lag_frames,
                lag_seconds,
                outstanding_frames,
                members,
                acknowledged,
                redelivered,
                dead,
                lost,
            } = group.clone();
            self.group_lag_frames.set(name.clone(), lag_frames as f64);
            self.group_lag_seconds.set(name.clone(), lag_seconds);
            self.group_outstanding.set(name.clone(), outstanding_frames as f64);
            self.group_members.set(name.clone(), members as f64);
            self.group_acknowledged.set(name.clone(), acknowledged);
            self.group_redelivered.set(name.clone(), redelivered);
            self.group_dead.set(name.clone(), dead);
            self.group_lost.set(name, lost);
        }
    }
}
