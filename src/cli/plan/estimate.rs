//! The arithmetic of a plan: what a number of cameras needs.

use std::time::Duration;

use crate::domain::limits::{MAX_PICTURE_BYTES, MAX_RETENTION_BYTES, MAX_RETENTION_FRAMES};
use crate::domain::{Partitions, QueuePolicy};
use crate::queue::redis::FEED_ENTRIES;
use crate::queue::{Budget, Memory, Split};

/// The memory that Redis takes for a frame beside its pictures: its entry, and the keys of its
/// pictures. An entry of a feed takes at most as much. Measured as docs/sizing.md says.
const ENTRY_BYTES: u64 = 1_300;
/// The header of a value, which is in the same piece of memory as the picture.
const HEADER_BYTES: u64 = 16;
/// The share of the processor time that is planned to be used.
const LOAD: f64 = 0.7;
/// The part by which the bounds of a stream are above what it should keep, since rates and sizes
/// vary. Its age is the bound that applies.
const MARGIN: f64 = 1.25;
/// The probability that a plan accepts for a partition with more streams than it allows for.
const UNEVEN_CHANCE: f64 = 0.01;
/// The memory of a server and its worker: a base, and for each stream. docs/performance.md compares it
/// with a measurement.
const PROCESS_BYTES: u64 = 64_000_000;
const PROCESS_STREAM_BYTES: u64 = 64_000;
/// The pictures that a worker has in work at most, and the memory for each of their bytes.
const IN_WORK_BYTES: u64 = 128 << 20;
const IN_WORK_FACTOR: f64 = 1.2;
/// The waiting frames that a plan has room for, as a part of the kept ones; less if the queue of a
/// stream takes less.
const WAITING: f64 = 0.6;
/// The part of the budget for dead letters, in percent, as in the default split.
const DEAD_PERCENT: u64 = 10;
/// More than any machine has.
const MOST_BYTES: u64 = 1 << 60;
/// The files of Redis, as a multiple of its memory: it rewrites its append-only file when that is
/// twice as large as after the last rewrite (`auto-aof-rewrite-percentage 100`), and the new one is
/// written beside it.
const AOF_FACTOR: u64 = 3;

/// The load that is planned for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Demand {
    pub(super) cameras: u64,
    /// The frames per second of each camera.
    pub(super) fps: f64,
    /// The mean bytes of a submitted picture, of a processed one and of a thumbnail.
    pub(super) submitted_bytes: u64,
    pub(super) processed_bytes: u64,
    pub(super) thumbnail_bytes: u64,
    /// The time for which frames are kept.
    pub(super) keep: Duration,
    pub(super) keeps_originals: bool,
    /// The worker does not read the pictures.
    pub(super) relays: bool,
    /// The subscribers that receive every processed picture.
    pub(super) subscribers: u64,
    pub(super) partitions: Partitions,
    /// The processor time of a frame.
    pub(super) cpu_ms_per_frame: f64,
}

/// The resources that it needs. Rates are in bytes per second.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    /// The frames per second of all cameras.
    pub(super) fps: f64,
    /// The cores that are busy, and those to have.
    pub(super) busy_cores: f64,
    pub(super) cores: u64,
    /// The kept frames, the bytes of their pictures, and the memory that Redis uses for them.
    pub(super) kept_frames: u64,
    pub(super) kept_bytes: u64,
    pub(super) redis_bytes: u64,
    /// The streams that the fullest partition may have.
    pub(super) streams_of_a_partition: u64,
    pub(super) memory_budget: u64,
    pub(super) split: Split,
    pub(super) maxmemory: u64,
    /// The least `maxmemory` with which all is kept, as long as nothing waits.
    pub(super) least_maxmemory: u64,
    /// The memory of the server and its worker.
    pub(super) process_bytes: u64,
    /// How long frames can wait for a worker before outputs give up frames early, and before submits
    /// are refused: by the whole store, or by a stream with the default queue policy.
    pub(super) backlog: Duration,
    pub(super) full_backlog: Duration,
    pub(super) retain_frames: u64,
    pub(super) retain_bytes: u64,
    /// From the cameras to the server.
    pub(super) submit_rate: f64,
    /// From servers and workers to Redis, and back.
    pub(super) redis_in_rate: f64,
    pub(super) redis_out_rate: f64,
    /// From the server to the subscribers.
    pub(super) subscriber_rate: f64,
    /// The files of Redis with the append-only file.
    pub(super) disk_bytes: u64,
}

impl Demand {
    /// Returns the bytes of pictures that are kept of one frame.
    fn frame_bytes(&self) -> u64 {
        self.pictures().into_iter().sum()
    }

    /// Returns the sizes of the pictures that are kept of one frame.
    fn pictures(&self) -> Vec<u64> {
        let mut pictures = vec![self.processed_bytes];
        if !self.relays {
            pictures.push(self.thumbnail_bytes);
            // The processed picture of a relayed frame is the original.
            if self.keeps_originals {
                pictures.push(self.submitted_bytes);
            }
        }
        pictures
    }

    pub(super) fn plan(&self) -> Plan {
        let fps = self.cameras as f64 * self.fps;
        let frames_of_a_stream = (self.fps * self.keep.as_secs_f64()).ceil();
        let kept_frames = frames_of_a_stream * self.cameras as f64;
        let kept_bytes = kept_frames * self.frame_bytes() as f64;
        let pictures: u64 = self.pictures().into_iter().map(|size| allocated(size + HEADER_BYTES)).sum();
        let fixed = u64::from(self.partitions.count()) * FEED_ENTRIES * ENTRY_BYTES
            + self.cameras * Budget::PUBLISHER_BYTES;
        let redis_bytes = whole(kept_frames * (pictures + ENTRY_BYTES) as f64).saturating_add(fixed);
        let streams_of_a_partition = fullest(self.cameras, u64::from(self.partitions.count()));
        let largest =
            whole(frames_of_a_stream * self.frame_bytes() as f64).saturating_mul(streams_of_a_partition);
        // The memory that a waiting frame takes, and how many frames the queue of a stream takes.
        let waiting = (allocated(self.submitted_bytes + HEADER_BYTES) + ENTRY_BYTES) as f64;
        let queue = QueuePolicy::default();
        let queue = (queue.max_frames as f64).min(queue.max_bytes as f64 / self.submitted_bytes as f64);
        let waits = queue.min(frames_of_a_stream * WAITING);
        let with_waiting = redis_bytes.saturating_add(whole(waits * self.cameras as f64 * waiting));
        // A stream may have three times as much waiting as then remains free in its partition.
        let (streams, free) = (streams_of_a_partition as f64, Budget::SHARE_OF_FREE as f64);
        let largest_waiting = whole(waits * self.submitted_bytes as f64 * (streams + 1.0 / free));
        // Each camera is a publisher.
        let largest_waiting = largest_waiting.max(Budget::work_of_publishers(streams_of_a_partition));
        let least = |used_bytes, split| {
            Budget::to_keep(largest, used_bytes, split, self.partitions)
                .max(Budget::least(MAX_PICTURE_BYTES as u64, split, self.partitions))
                .min(MOST_BYTES)
        };
        let budget = |split| {
            let outputs = Budget::with_outputs(whole(kept_bytes), split);
            let waiting = Budget::to_wait(largest_waiting, split, self.partitions);
            round(least(with_waiting, split).max(outputs).max(waiting).min(MOST_BYTES))
        };
        // Of the splits with the least budget, that with the most for waiting frames.
        let split = splits().min_by_key(|&split| budget(split)).unwrap_or_default();
        let memory_budget = budget(split);
        let share = Budget::share(memory_budget, split, self.partitions);
        let memory = share.max_bytes();
        let submit_rate = fps * self.submitted_bytes as f64;
        let span = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        // How long frames that wait take to fill the memory up to here.
        let filled = |bytes: u64| span(bytes.saturating_sub(redis_bytes) as f64 / (fps * waiting));
        let of_partition = share.work_bytes as f64 / (self.submitted_bytes as f64 * (streams + 1.0 / free));
        let busy_cores = fps * self.cpu_ms_per_frame / 1e3;
        // A relayed picture is stored once, when it is submitted. Otherwise the worker reads it, and
        // stores what it makes of it. Each server reads a picture once for all its subscribers.
        let (written, read) = match self.relays {
            true => (0, 0),
            false => (self.processed_bytes + self.thumbnail_bytes, self.submitted_bytes),
        };
        let entries = 2 * ENTRY_BYTES;
        let served = if self.subscribers > 0 { self.processed_bytes } else { 0 };
        Plan {
            fps,
            busy_cores,
            cores: whole((busy_cores / LOAD).ceil()).max(1),
            kept_frames: whole(kept_frames),
            kept_bytes: whole(kept_bytes),
            redis_bytes,
            streams_of_a_partition,
            memory_budget,
            split,
            maxmemory: memory,
            least_maxmemory: Budget::share(round(least(redis_bytes, split)), split, self.partitions)
                .max_bytes(),
            process_bytes: PROCESS_BYTES
                + self.cameras * PROCESS_STREAM_BYTES
                + whole(IN_WORK_BYTES as f64 * IN_WORK_FACTOR),
            backlog: filled(Memory::short_from(memory, split)),
            full_backlog: filled(Memory::full_from(memory)).min(span(queue.min(of_partition) / self.fps)),
            retain_frames: whole((frames_of_a_stream * MARGIN).ceil()),
            retain_bytes: round(whole(frames_of_a_stream * MARGIN * self.frame_bytes() as f64)),
            submit_rate,
            redis_in_rate: submit_rate + fps * (written + entries) as f64,
            redis_out_rate: fps * (read + served + entries) as f64,
            subscriber_rate: fps * (served * self.subscribers) as f64,
            disk_bytes: redis_bytes.saturating_mul(AOF_FACTOR),
        }
    }
}

impl Plan {
    /// Reports whether this is more than any machine has, so that the numbers are not right any more.
    pub(super) fn is_beyond_all(&self) -> bool {
        self.memory_budget >= MOST_BYTES || self.redis_bytes >= MOST_BYTES
    }

    /// Returns what a stream cannot be set to, if its bounds are too high.
    pub(super) fn beyond_retention(&self) -> Option<String> {
        if self.retain_frames > MAX_RETENTION_FRAMES {
            return Some(format!(
                "a stream keeps at most {MAX_RETENTION_FRAMES} frames, this needs {}",
                self.retain_frames
            ));
        }
        let too_many = self.retain_bytes > MAX_RETENTION_BYTES;
        too_many.then(|| {
            format!("a stream keeps at most {MAX_RETENTION_BYTES} bytes, this needs {}", self.retain_bytes)
        })
    }
}

/// Returns the splits that a plan chooses from, those with the most for waiting frames first.
fn splits() -> impl Iterator<Item = Split> {
    let parts = (1..=17).rev().map(|twentieths| 5 * twentieths);
    parts.filter_map(|waiting| Split::new(waiting, 100 - DEAD_PERCENT - waiting, DEAD_PERCENT))
}

/// Rounds a size up to a multiple of three units, so that four thirds of it are whole units, too: of
/// MiB, from 30 GiB on of 256 MiB, and from 300 GiB on of GiB.
fn round(bytes: u64) -> u64 {
    const GIB: u64 = 1 << 30;
    let unit = match bytes / GIB {
        ..30 => 3 << 20,
        30..300 => 3 << 28,
        300.. => 3 * GIB,
    };
    bytes.div_ceil(unit).saturating_mul(unit)
}

fn whole(number: f64) -> u64 {
    // Numbers that are too large become the largest.
    number as u64
}

/// Returns the memory that Redis's allocator takes for a value: the next of four sizes in each
/// doubling.
fn allocated(bytes: u64) -> u64 {
    if bytes <= 128 {
        return bytes.next_multiple_of(16);
    }
    bytes.next_multiple_of(1 << ((bytes - 1).ilog2() - 2))
}

/// Returns how many of `streams` the fullest of `partitions` has, except in one case of a hundred:
/// the hash of its id gives a stream its partition.
fn fullest(streams: u64, partitions: u64) -> u64 {
    if partitions == 1 {
        return streams;
    }
    let share = 1.0 / partitions as f64;
    let allowed = UNEVEN_CHANCE / partitions as f64;
    // The probability of `count` streams in a partition, as a logarithm: it can be very small.
    let mut probability = streams as f64 * (1.0 - share).ln();
    let mut up_to = 0.0;
    for count in 0..streams {
        up_to += probability.exp();
        if 1.0 - up_to <= allowed {
            return count;
        }
        let (left, next) = ((streams - count) as f64, (count + 1) as f64);
        probability += (left / next * share / (1.0 - share)).ln();
    }
    streams
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand() -> Demand {
        Demand {
            cameras: 40,
            fps: 5.0,
            submitted_bytes: 200_000,
            processed_bytes: 200_000,
            thumbnail_bytes: 2_000,
            keep: Duration::from_secs(3_600),
            keeps_originals: false,
            relays: false,
            subscribers: 1,
            partitions: Partitions::default(),
            cpu_ms_per_frame: 10.0,
        }
    }

    #[test]
    fn forty_cameras_for_an_hour() {
        let plan = demand().plan();
        assert_eq!((plan.fps, plan.kept_frames), (200.0, 720_000));
        assert_eq!(plan.kept_bytes, 720_000 * 202_000);
        assert_eq!((plan.busy_cores, plan.cores), (2.0, 3));
        assert_eq!(plan.maxmemory, plan.memory_budget / 3 * 4);
        // The queues of all streams take 8 GB, so that waiting frames need little.
        assert_eq!(plan.split.to_string(), "5/85/10");
        assert!((165..180).contains(&(plan.memory_budget >> 30)), "{plan:?}");
        // Until the queues are full, everything is kept.
        assert_eq!(plan.full_backlog, Duration::from_secs(200));
        assert!(plan.backlog >= plan.full_backlog, "{plan:?}");
        assert_eq!((plan.submit_rate, plan.subscriber_rate), (40e6, 40e6));
        assert_eq!(plan.retain_frames, 22_500);
    }

    #[test]
    fn the_budget_keeps_the_outputs_and_a_smaller_one_does_not() {
        for (cameras, size, partitions) in
            [(1, 200_000, 32), (40, 200_000, 32), (40, 3_000, 32), (1_000, 20_000, 32), (3, 50_000, 1)]
        {
            let partitions = Partitions::new(partitions).unwrap();
            let plan = Demand { cameras, processed_bytes: size, partitions, ..demand() }.plan();
            let keeps = |bytes: u64| {
                let (budget, split) = (Budget::share(bytes, plan.split, partitions), plan.split);
                let memory = Memory { used_bytes: 0, max_bytes: budget.max_bytes(), split };
                let largest = plan.kept_bytes / cameras * plan.streams_of_a_partition;
                let outputs = bytes / 100 * split.outputs_percent();
                // The queue of a stream takes 1,000 frames.
                let waiting = 1_000 * cameras * (allocated(200_000 + HEADER_BYTES) + ENTRY_BYTES);
                let waits = Memory { used_bytes: plan.redis_bytes + waiting, ..memory };
                let stream = budget.work_bytes / (3 * plan.streams_of_a_partition + 1) * 3;
                budget.output_bytes >= largest
                    && plan.kept_bytes <= outputs
                    && waits.excess_bytes() == 0
                    && stream >= 1_000 * 200_000
            };
            assert!(keeps(plan.memory_budget), "{cameras} of {size}: {plan:?}");
            assert!(!keeps(plan.memory_budget / 20 * 19), "{cameras} of {size}: {plan:?}");
        }
    }

    #[test]
    fn the_split_follows_from_what_is_kept() {
        for (seconds, split) in [(10, "20/70/10"), (600, "15/75/10"), (86_400, "5/85/10")] {
            let plan = Demand { keep: Duration::from_secs(seconds), ..demand() }.plan();
            assert_eq!(plan.split.to_string(), split, "{seconds} s: {plan:?}");
        }
    }

    #[test]
    fn every_camera_of_a_partition_is_remembered() {
        for cameras in [16, 17, 1_000, 10_000] {
            let keep = Duration::from_secs(10);
            let small = Demand {
                cameras,
                fps: 0.1,
                submitted_bytes: 3_000,
                processed_bytes: 3_000,
                keep,
                ..demand()
            };
            for partitions in [1, 32].map(|count| Partitions::new(count).unwrap()) {
                let plan = Demand { partitions, ..small }.plan();
                let budget = Budget::share(plan.memory_budget, plan.split, partitions);
                assert!(budget.publishers() >= plan.streams_of_a_partition, "{cameras}: {plan:?}");
            }
        }
    }

    #[test]
    fn more_of_anything_needs_more() {
        let base = demand().plan();
        for more in [
            Demand { cameras: 80, ..demand() },
            Demand { fps: 10.0, ..demand() },
            Demand { processed_bytes: 400_000, ..demand() },
            Demand { keep: Duration::from_secs(7_200), ..demand() },
            Demand { keeps_originals: true, ..demand() },
        ] {
            let plan = more.plan();
            assert!(plan.memory_budget > base.memory_budget && plan.disk_bytes > base.disk_bytes, "{more:?}");
        }
        let relayed = Demand { relays: true, ..demand() }.plan();
        assert!(relayed.redis_in_rate < base.redis_in_rate && relayed.redis_out_rate < base.redis_out_rate);
    }

    #[test]
    fn numbers_without_measure_do_not_overflow() {
        let keep = Duration::from_secs(30 * 86_400);
        let most = u64::from(u32::MAX);
        let plan = Demand {
            cameras: 10_000,
            fps: 1_000.0,
            submitted_bytes: most,
            processed_bytes: most,
            keep,
            ..demand()
        };
        let plan = plan.plan();
        assert!(plan.beyond_retention().is_some() && plan.is_beyond_all());
        assert!(!demand().plan().is_beyond_all());
    }

    #[test]
    fn the_fullest_partition_has_at_least_an_even_share() {
        assert_eq!((fullest(7, 1), fullest(1, 32)), (7, 1));
        for (streams, partitions) in [(2, 32), (40, 32), (1_000, 32), (10_000, 2), (10_000, 1_024)] {
            let fullest = fullest(streams, partitions);
            assert!(fullest >= streams.div_ceil(partitions) && fullest <= streams, "{streams}: {fullest}");
        }
        // 2,000 spreads of 40 streams over 32 partitions: at most one of a hundred may exceed it.
        let mut random: rand::rngs::StdRng = rand::SeedableRng::seed_from_u64(1);
        let bound = fullest(40, 32);
        let over = (0..2_000).filter(|_| {
            let mut counts = [0; 32];
            (0..40).for_each(|_| counts[rand::RngExt::random_range(&mut random, 0..32)] += 1);
            counts.into_iter().max().is_some_and(|most| most > bound)
        });
        assert!(over.count() <= 20);
    }

    #[test]
    fn the_allocator_has_four_sizes_in_each_doubling() {
        let sizes =
            [(1, 16), (128, 128), (129, 160), (160, 160), (161, 192), (4_000, 4_096), (200_000, 229_376)];
        for (bytes, expected) in sizes {
            assert_eq!(allocated(bytes), expected, "{bytes}");
        }
    }
}
