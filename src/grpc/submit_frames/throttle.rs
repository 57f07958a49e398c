//! Asks a publisher to slow down before its frames are refused.
//!
//! The fill of a stream is the largest of four shares: those of its own queue, in frames and in
//! bytes, and those of the part of its partition's work queue that it may use. From 75 %, the
//! publisher gets a rate below the processing rate of the stream, so that the queue empties. From
//! 90 %, or while no frame is processed, it is asked to pause. Below 60 %, the throttle ends. The
//! load is read from the backend at most four times a second; between two readings, the accepted
//! frames are added. While the fill is below 25 %, the load of a stream is not read again for half
//! a minute.
//!
//! The frames of a publisher are not refused if it obeys, its unanswered frames are fewer than a
//! quarter of the queue, and others do not fill the partition between two readings.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::domain::{PartitionId, StreamId, StreamRecord};
use crate::grpc::batch::BatchItem;
use crate::grpc::convert::time;
use crate::pb::v1 as pb;
use crate::pb::v1::frame_result::Outcome;
use crate::queue::{Budget, PartitionStats, Queue};

/// The fill from which a publisher is slowed down.
const THROTTLE_FROM: f64 = 0.75;
/// The fill from which a publisher pauses.
const PAUSE_FROM: f64 = 0.9;
/// The fill below which a throttle ends.
const FREE_BELOW: f64 = 0.6;
/// The fill below which a reading stays valid for `CALM_FOR`.
const CALM_BELOW: f64 = 0.25;
const CALM_FOR: Duration = Duration::from_secs(30);
/// The minimum time between two readings of the load.
const READ_INTERVAL: Duration = Duration::from_millis(250);
/// The interval at which a throttle is sent again while it lasts. A pause is longer, so that it
/// does not end before the throttle is sent again.
const REPEAT_INTERVAL: Duration = Duration::from_millis(500);
const PAUSE_DURATION: Duration = Duration::from_secs(1);
/// The processing rate below which a stream counts as stopped, in frames per second.
const STOPPED_FPS: f64 = 0.1;
/// The maximum number of streams of a call that are watched, and the maximum number of streams
/// whose load is read at a time.
const MAX_WATCHED: usize = 1_000;
const MAX_READ_STREAMS: usize = 64;
/// The time without frames after which a stream is no longer watched.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// The content of a queue, as it was read or with the frames accepted since, and its bounds.
#[derive(Debug, Clone, Copy, Default)]
struct Fill {
    frames: u64,
    bytes: u64,
    max_frames: u64,
    max_bytes: u64,
}

impl Fill {
    fn with(self, frames: u64, bytes: u64) -> Self {
        Self { frames: self.frames + frames, bytes: self.bytes + bytes, ..self }
    }

    /// Returns the fill from 0 to 1; it may be above 1 between two readings.
    fn share(self) -> f64 {
        let of = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        of(self.frames, self.max_frames).max(of(self.bytes, self.max_bytes))
    }

    fn bytes_are_the_bound(self) -> bool {
        let frames = u128::from(self.frames) * u128::from(self.max_bytes.max(1));
        u128::from(self.bytes) * u128::from(self.max_frames.max(1)) > frames
    }
}

/// A stream of the call that is watched.
#[derive(Debug)]
struct Watched {
    /// The time when a frame of the stream was last submitted.
    submitted: Instant,
    reading: Option<LoadReading>,
    /// The frames and bytes that were accepted since the last reading.
    frames: u64,
    bytes: u64,
    /// The processing rate in frames per second, smoothed.
    fps: Option<f64>,
    /// The time when the current throttle was last sent to the publisher.
    sent_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct LoadReading {
    at: Instant,
    published: u64,
    stream: Fill,
    partition: Fill,
}

impl Watched {
    /// Adds a reading; returns a throttle that must be sent to the publisher.
    fn add(&mut self, id: &StreamId, reading: LoadReading) -> Option<pb::SubmitThrottle> {
        if let Some(before) = self.reading {
            let done = reading.published.saturating_sub(before.published) as f64;
            let now = done / reading.at.duration_since(before.at).as_secs_f64().max(1e-3);
            self.fps = Some(self.fps.map_or(now, |fps| (fps + now) / 2.0));
        }
        (self.reading, self.frames, self.bytes) = (Some(reading), 0, 0);
        self.judge(id, reading.at)
    }

    /// Reports whether the load must be read again.
    fn is_due(&self, now: Instant) -> bool {
        let Some(reading) = self.reading else { return true };
        let fills =
            [reading.stream, reading.partition].map(|fill| fill.with(self.frames, self.bytes).share());
        let calm = now < reading.at + CALM_FOR && fills.iter().all(|fill| *fill < CALM_BELOW);
        self.sent_at.is_some() || (self.frames > 0 && !calm)
    }

    /// Returns a throttle that must be sent to the publisher, according to the last reading and the
    /// frames that were accepted since.
    fn judge(&mut self, id: &StreamId, now: Instant) -> Option<pb::SubmitThrottle> {
        let reading = self.reading?;
        let stream = reading.stream.with(self.frames, self.bytes);
        let partition = reading.partition.with(self.frames, self.bytes);
        let fullest = if stream.share() >= partition.share() { stream } else { partition };
        let fill = fullest.share();
        let queue_fill = fill.min(1.0);
        let throttle = || pb::SubmitThrottle { stream_id: id.to_string(), queue_fill, ..Default::default() };
        match self.sent_at {
            Some(_) if fill < FREE_BELOW => {
                self.sent_at = None;
                Some(throttle())
            }
            None if fill < THROTTLE_FROM => None,
            Some(sent_at) if now < sent_at + REPEAT_INTERVAL => None,
            Some(_) | None => {
                self.sent_at = Some(now);
                let fps = self.fps.filter(|fps| *fps >= STOPPED_FPS);
                // The rate is the whole processing rate at the fill `FREE_BELOW`. It falls in
                // proportion to the free room, to a twentieth when the queue is full.
                let headroom = ((1.0 - fill) / (1.0 - FREE_BELOW)).clamp(0.05, 1.0);
                let max_fps = fps.map(|fps| fps * headroom);
                let pause = fill >= PAUSE_FROM || fps.is_none();
                let frame_bytes = fullest.bytes as f64 / fullest.frames.max(1) as f64;
                Some(pb::SubmitThrottle {
                    pause: pause.then(|| time::duration_to_pb(PAUSE_DURATION)),
                    max_fps,
                    max_bytes_per_second: max_fps
                        .filter(|_| fullest.bytes_are_the_bound())
                        .map(|fps| (fps * frame_bytes).round() as u64),
                    ..throttle()
                })
            }
        }
    }
}

/// The streams of a call, and their throttles.
#[derive(Debug)]
pub(super) struct Throttle {
    queue: Arc<dyn Queue>,
    budget: Budget,
    streams: HashMap<StreamId, Watched>,
    last_read: Option<Instant>,
}

impl Throttle {
    pub(super) fn new(queue: Arc<dyn Queue>, budget: Budget) -> Self {
        Self { queue, budget, streams: HashMap::new(), last_read: None }
    }

    /// Adds the results of a batch; returns the throttles that must be sent to the publisher before
    /// the results.
    pub(super) async fn after(&mut self, items: &[BatchItem]) -> Vec<pb::SubmitThrottle> {
        let now = Instant::now();
        for item in items {
            let Some(stream) = &item.stream else { continue };
            let accepted = matches!(item.outcome(), Some(Outcome::Accepted(_)));
            if !self.streams.contains_key(stream) && (!accepted || self.streams.len() >= MAX_WATCHED) {
                continue;
            }
            let watched = self.streams.entry(stream.clone()).or_insert(Watched {
                submitted: now,
                reading: None,
                frames: 0,
                bytes: 0,
                fps: None,
                sent_at: None,
            });
            watched.submitted = now;
            if accepted {
                watched.frames += 1;
                watched.bytes += item.bytes;
            }
        }
        if self.last_read.is_none_or(|last_read| now >= last_read + READ_INTERVAL) {
            return self.read_load().await;
        }
        // A queue may fill between two readings. The frames that were accepted since the last one
        // show whether that is possible. The next reading ends a throttle that started too soon.
        let touched: BTreeSet<&StreamId> = items.iter().filter_map(|item| item.stream.as_ref()).collect();
        let judge = |id: &StreamId| {
            let watched = self.streams.get_mut(id).filter(|watched| watched.sent_at.is_none())?;
            watched.judge(id, now)
        };
        touched.into_iter().filter_map(judge).collect()
    }

    /// Waits until the load must be read again because a throttle lasts. Waits forever if none
    /// does.
    pub(super) async fn due(&self) {
        match self.last_read {
            Some(last_read) if self.streams.values().any(|watched| watched.sent_at.is_some()) => {
                sleep_until(last_read + REPEAT_INTERVAL).await;
            }
            Some(_) | None => std::future::pending().await,
        }
    }

    /// Reads the load of the queues; returns the throttles that must be sent to the publisher.
    pub(super) async fn read_load(&mut self) -> Vec<pb::SubmitThrottle> {
        let now = Instant::now();
        self.last_read = Some(now);
        self.streams.retain(|_, one| one.sent_at.is_some() || now < one.submitted + FORGET_AFTER);
        let mut ids: Vec<(Option<Instant>, StreamId)> = self
            .streams
            .iter()
            .filter(|(_, one)| one.is_due(now))
            .map(|(id, one)| (one.reading.map(|reading| reading.at), id.clone()))
            .collect();
        // The streams with the oldest readings come first.
        ids.sort_unstable();
        ids.truncate(MAX_READ_STREAMS);
        let ids: Vec<StreamId> = ids.into_iter().map(|(_, id)| id).collect();
        // If the backend does not answer, the frames are refused in any case: no throttle is
        // needed.
        let Ok((records, partitions)) = self.read(&ids).await else { return Vec::new() };
        let mut throttles = Vec::new();
        for (id, record) in ids.iter().zip(records) {
            let Some(record) = record.filter(|record| !record.removed) else {
                self.streams.remove(id);
                continue;
            };
            let stats = partitions.get(&self.queue.partitions().of(id));
            let (frames, bytes) = (record.counters.queued_frames, record.counters.queued_bytes);
            let (max_frames, max_bytes) = (self.budget.work_frames, self.budget.work_bytes);
            let partition = stats.map_or_else(Fill::default, |stats| Fill {
                frames,
                bytes,
                max_frames: Budget::share_of_stream(frames, stats.depth, max_frames),
                max_bytes: Budget::share_of_stream(bytes, stats.queued_bytes, max_bytes),
            });
            let stream = Fill {
                frames,
                bytes,
                max_frames: record.effective.queue.max_frames,
                max_bytes: record.effective.queue.max_bytes,
            };
            // Frames are counted, because sequences jump after a failover.
            let published = record.counters.accepted_frames - record.counters.queued_frames;
            if let Some(watched) = self.streams.get_mut(id) {
                throttles.extend(watched.add(id, LoadReading { at: now, published, stream, partition }));
            }
        }
        throttles
    }

    async fn read(
        &self,
        ids: &[StreamId],
    ) -> crate::queue::Result<(Vec<Option<StreamRecord>>, HashMap<PartitionId, PartitionStats>)> {
        let partitions: BTreeSet<PartitionId> = ids.iter().map(|id| self.queue.partitions().of(id)).collect();
        let stats = partitions
            .into_iter()
            .map(|partition| async move { Ok((partition, self.queue.partition_stats(partition).await?)) });
        let (records, stats) =
            tokio::try_join!(self.queue.get_streams(ids), futures::future::try_join_all(stats))?;
        Ok((records, stats.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Publisher {
        watched: Watched,
        start: Instant,
        id: StreamId,
    }

    impl Publisher {
        fn new() -> Self {
            let start = Instant::now();
            let watched =
                Watched { submitted: start, reading: None, frames: 0, bytes: 0, fps: None, sent_at: None };
            Self { watched, start, id: "cam".parse().unwrap() }
        }

        fn at(&mut self, ms: u64, frames: u64, published: u64) -> Option<pb::SubmitThrottle> {
            let stream = Fill { frames, bytes: frames, max_frames: 100, max_bytes: 10_000 };
            let at = self.start + Duration::from_millis(ms);
            let partition = Fill { max_frames: 100_000, max_bytes: 100_000, ..stream };
            self.watched.add(&self.id, LoadReading { at, published, stream, partition })
        }
    }

    #[tokio::test]
    async fn a_throttle_begins_at_three_quarters_and_ends_below_six_tenths() {
        let mut publisher = Publisher::new();
        assert_eq!(publisher.at(0, 74, 0), None);
        let sent = publisher.at(1000, 80, 20).unwrap();
        assert_eq!((sent.max_fps.map(f64::round), sent.pause, sent.queue_fill), (Some(10.0), None, 0.8));
        assert_eq!(sent.max_bytes_per_second, None, "the frames are the bound");
        assert_eq!(publisher.at(1100, 81, 22), None, "it was sent just now");
        assert!(publisher.at(1500, 65, 40).is_some_and(|sent| sent.max_fps.is_some()));
        let free = publisher.at(2000, 59, 60).unwrap();
        assert_eq!((free.max_fps, free.pause, free.stream_id.as_str()), (None, None, "cam"));
        assert_eq!(publisher.at(2500, 74, 70), None);
        // One more frame is accepted before the next reading.
        publisher.watched.frames += 1;
        let early = publisher.watched.judge(&publisher.id, publisher.start + Duration::from_millis(2501));
        assert_eq!(early.map(|sent| sent.queue_fill), Some(0.75));
    }

    #[tokio::test]
    async fn a_publisher_pauses_if_nothing_is_processed_or_the_queue_is_nearly_full() {
        let mut publisher = Publisher::new();
        let sent = publisher.at(0, 75, 0).unwrap();
        assert!(sent.pause.is_some() && sent.max_fps.is_none(), "{sent:?}");
        let sent = publisher.at(1000, 89, 50).unwrap();
        assert!(sent.pause.is_none() && sent.max_fps.is_some(), "{sent:?}");
        assert!(publisher.at(2000, 90, 100).unwrap().pause.is_some());
    }

    #[tokio::test]
    async fn the_rate_in_bytes_is_sent_if_bytes_are_the_bound() {
        let mut publisher = Publisher::new();
        let stream = Fill { frames: 10, bytes: 8_000, max_frames: 100, max_bytes: 10_000 };
        let reading = |ms, published| LoadReading {
            at: publisher.start + Duration::from_millis(ms),
            published,
            stream,
            partition: Fill::default(),
        };
        let (first, second) = (reading(0, 0), reading(1000, 10));
        let _paused = publisher.watched.add(&publisher.id, first);
        let sent = publisher.watched.add(&publisher.id, second).unwrap();
        assert_eq!((sent.max_fps.map(f64::round), sent.max_bytes_per_second), (Some(5.0), Some(4_000)));
    }
}
