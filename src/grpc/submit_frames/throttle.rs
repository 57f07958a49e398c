//! Asks a publisher to slow down before its frames are refused.
//!
//! A stream's fill is the fullest of four: its own queue in frames and bytes, its partition's work queue in frames and
//! bytes. From 75 % on the publisher is told a rate below that at which the stream's frames get done, so that the queue
//! empties; from 90 % on, or while nothing gets done, to pause. Below 60 % it is told that it may go on as it likes. The
//! backend is read at most four times a second; between two looks, what was accepted since is counted on top. While that is
//! below 25 %, a stream is not looked at again for half a minute.
//!
//! A publisher that obeys and whose unanswered frames are fewer than a quarter of the queue is not refused, unless others
//! fill the partition between two looks.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::order::Mark;
use crate::domain::{PartitionId, StreamId, StreamRecord};
use crate::grpc::convert::time;
use crate::pb::v1 as pb;
use crate::pb::v1::frame_result::Outcome;
use crate::queue::{Budget, PartitionStats, Queue};

/// From this fill on, frames are slowed down.
const THROTTLE_FROM: f64 = 0.75;
/// From this fill on, they pause.
const PAUSE_FROM: f64 = 0.9;
/// Below this fill, the throttle ends.
const FREE_BELOW: f64 = 0.6;
/// Below this fill, what is known of a queue is good for long.
const CALM_BELOW: f64 = 0.25;
const CALM_FOR: Duration = Duration::from_secs(30);
/// How often the queues are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A throttle is told again so often while it holds; a pause is longer, so that it does not end in between.
const REPEAT: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_secs(1);
/// A stream that gets fewer frames done a second stands still.
const STANDSTILL_FPS: f64 = 0.1;
/// Bounds of what one call may make the server look at.
const MAX_WATCHED: usize = 1_000;
const MAX_A_LOOK: usize = 64;
/// A stream without frames for so long is no longer watched.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// How full a queue is, by a look and by what was accepted since.
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

    /// 0 to 1 and, for the moment between two looks, above.
    fn share(self) -> f64 {
        let of = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        of(self.frames, self.max_frames).max(of(self.bytes, self.max_bytes))
    }

    fn bytes_are_the_bound(self) -> bool {
        let frames = u128::from(self.frames) * u128::from(self.max_bytes.max(1));
        u128::from(self.bytes) * u128::from(self.max_frames.max(1)) > frames
    }
}

/// A stream of the call.
#[derive(Debug)]
struct Watched {
    submitted: Instant,
    looked: Option<Look>,
    /// Accepted since the last look.
    frames: u64,
    bytes: u64,
    /// Frames done a second, smoothed.
    fps: Option<f64>,
    /// When the publisher was told of the throttle that holds.
    told: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    published: u64,
    stream: Fill,
    partition: Fill,
}

impl Watched {
    /// Enters a look; answers what the publisher is to be told.
    fn enter(&mut self, id: &StreamId, look: Look) -> Option<pb::SubmitThrottle> {
        if let Some(before) = self.looked {
            let done = look.published.saturating_sub(before.published) as f64;
            let now = done / look.at.duration_since(before.at).as_secs_f64().max(1e-3);
            self.fps = Some(self.fps.map_or(now, |fps| (fps + now) / 2.0));
        }
        (self.looked, self.frames, self.bytes) = (Some(look), 0, 0);
        self.judge(id, look.at)
    }

    /// Whether the next look must see it.
    fn is_due(&self, now: Instant) -> bool {
        let Some(look) = self.looked else { return true };
        let fills = [look.stream, look.partition].map(|fill| fill.with(self.frames, self.bytes).share());
        let calm = now < look.at + CALM_FOR && fills.iter().all(|fill| *fill < CALM_BELOW);
        self.told.is_some() || (self.frames > 0 && !calm)
    }

    /// What the publisher is to be told, by the last look and what was accepted since.
    fn judge(&mut self, id: &StreamId, now: Instant) -> Option<pb::SubmitThrottle> {
        let look = self.looked?;
        let stream = look.stream.with(self.frames, self.bytes);
        let partition = look.partition.with(self.frames, self.bytes);
        let fullest = if stream.share() >= partition.share() { stream } else { partition };
        let fill = fullest.share();
        let queue_fill = fill.min(1.0);
        let to = || pb::SubmitThrottle { stream_id: id.to_string(), queue_fill, ..Default::default() };
        match self.told {
            Some(_) if fill < FREE_BELOW => {
                self.told = None;
                Some(to())
            }
            None if fill < THROTTLE_FROM => None,
            Some(told) if now < told + REPEAT => None,
            Some(_) | None => {
                self.told = Some(now);
                let fps = self.fps.filter(|fps| *fps >= STANDSTILL_FPS);
                // The full rate at the lower mark, none when full.
                let headroom = ((1.0 - fill) / (1.0 - FREE_BELOW)).clamp(0.05, 1.0);
                let max_fps = fps.map(|fps| fps * headroom);
                let pause = fill >= PAUSE_FROM || fps.is_none();
                let frame_bytes = fullest.bytes as f64 / fullest.frames.max(1) as f64;
                Some(pb::SubmitThrottle {
                    pause: pause.then(|| time::duration_to_pb(PAUSE)),
                    max_fps,
                    max_bytes_per_second: max_fps
                        .filter(|_| fullest.bytes_are_the_bound())
                        .map(|fps| (fps * frame_bytes).round() as u64),
                    ..to()
                })
            }
        }
    }
}

/// The streams of a call, and what its publisher was told of each.
#[derive(Debug)]
pub(super) struct Throttle {
    queue: Arc<dyn Queue>,
    budget: Budget,
    streams: HashMap<StreamId, Watched>,
    looked: Option<Instant>,
}

impl Throttle {
    pub(super) fn new(queue: Arc<dyn Queue>, budget: Budget) -> Self {
        Self { queue, budget, streams: HashMap::new(), looked: None }
    }

    /// Enters the results of a batch; answers what the publisher is to be told before them.
    pub(super) async fn after(
        &mut self,
        marks: &[Mark],
        results: &[pb::FrameResult],
    ) -> Vec<pb::SubmitThrottle> {
        let now = Instant::now();
        for (mark, result) in marks.iter().zip(results) {
            let Mark { stream: Some(stream), number: _, bytes } = mark else { continue };
            let accepted = matches!(result.outcome, Some(Outcome::Accepted(_)));
            if !self.streams.contains_key(stream) && (!accepted || self.streams.len() >= MAX_WATCHED) {
                continue;
            }
            let watched = self.streams.entry(stream.clone()).or_insert(Watched {
                submitted: now,
                looked: None,
                frames: 0,
                bytes: 0,
                fps: None,
                told: None,
            });
            watched.submitted = now;
            if accepted {
                watched.frames += 1;
                watched.bytes += bytes;
            }
        }
        if self.looked.is_none_or(|looked| now >= looked + LOOK_EVERY) {
            return self.look().await;
        }
        // A queue may fill between two looks. What was accepted since says when it may have; the next look ends a throttle
        // that was told too soon.
        let touched: BTreeSet<&StreamId> = marks.iter().filter_map(|mark| mark.stream.as_ref()).collect();
        let judge = |id: &StreamId| {
            let watched = self.streams.get_mut(id).filter(|watched| watched.told.is_none())?;
            watched.judge(id, now)
        };
        touched.into_iter().filter_map(judge).collect()
    }

    /// Waits until a throttle that holds is to be looked at again, whether frames come or not.
    pub(super) async fn due(&self) {
        match self.looked {
            Some(looked) if self.streams.values().any(|watched| watched.told.is_some()) => {
                sleep_until(looked + REPEAT).await;
            }
            Some(_) | None => std::future::pending().await,
        }
    }

    /// Looks at the queues; answers what the publisher is to be told.
    pub(super) async fn look(&mut self) -> Vec<pb::SubmitThrottle> {
        let now = Instant::now();
        self.looked = Some(now);
        self.streams.retain(|_, one| one.told.is_some() || now < one.submitted + FORGET_AFTER);
        let mut ids: Vec<(Option<Instant>, StreamId)> = self
            .streams
            .iter()
            .filter(|(_, one)| one.is_due(now))
            .map(|(id, one)| (one.looked.map(|look| look.at), id.clone()))
            .collect();
        // Those come first that were not looked at for longest.
        ids.sort_unstable();
        ids.truncate(MAX_A_LOOK);
        let ids: Vec<StreamId> = ids.into_iter().map(|(_, id)| id).collect();
        // A backend that does not answer refuses the frames itself.
        let Ok((records, partitions)) = self.read(&ids).await else { return Vec::new() };
        let mut told = Vec::new();
        for (id, record) in ids.iter().zip(records) {
            let Some(record) = record.filter(|record| !record.removed) else {
                self.streams.remove(id);
                continue;
            };
            let stats = partitions.get(&self.queue.partitions().of(id));
            let partition = stats.map_or_else(Fill::default, |stats| Fill {
                frames: stats.depth,
                bytes: stats.queued_bytes,
                max_frames: self.budget.work_frames,
                max_bytes: self.budget.work_bytes,
            });
            let stream = Fill {
                frames: record.counters.queued_frames,
                bytes: record.counters.queued_bytes,
                max_frames: record.effective.queue.max_frames,
                max_bytes: record.effective.queue.max_bytes,
            };
            // Counted, not by numbers: those leap after a failover.
            let published = record.counters.accepted_frames - record.counters.queued_frames;
            if let Some(watched) = self.streams.get_mut(id) {
                told.extend(watched.enter(id, Look { at: now, published, stream, partition }));
            }
        }
        told
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
                Watched { submitted: start, looked: None, frames: 0, bytes: 0, fps: None, told: None };
            Self { watched, start, id: "cam".parse().unwrap() }
        }

        fn at(&mut self, ms: u64, frames: u64, published: u64) -> Option<pb::SubmitThrottle> {
            let stream = Fill { frames, bytes: frames, max_frames: 100, max_bytes: 10_000 };
            let at = self.start + Duration::from_millis(ms);
            let partition = Fill { max_frames: 100_000, max_bytes: 100_000, ..stream };
            self.watched.enter(&self.id, Look { at, published, stream, partition })
        }
    }

    #[tokio::test]
    async fn a_throttle_begins_at_three_quarters_and_ends_below_six_tenths() {
        let mut publisher = Publisher::new();
        assert_eq!(publisher.at(0, 74, 0), None);
        let told = publisher.at(1000, 80, 20).unwrap();
        assert_eq!((told.max_fps.map(f64::round), told.pause, told.queue_fill), (Some(10.0), None, 0.8));
        assert_eq!(told.max_bytes_per_second, None, "the frames are the bound");
        assert_eq!(publisher.at(1100, 81, 22), None, "it was told just now");
        assert!(publisher.at(1500, 65, 40).is_some_and(|told| told.max_fps.is_some()));
        let free = publisher.at(2000, 59, 60).unwrap();
        assert_eq!((free.max_fps, free.pause, free.stream_id.as_str()), (None, None, "cam"));
        assert_eq!(publisher.at(2500, 74, 70), None);
        // One more comes in before the next look.
        publisher.watched.frames += 1;
        let early = publisher.watched.judge(&publisher.id, publisher.start + Duration::from_millis(2501));
        assert_eq!(early.map(|told| told.queue_fill), Some(0.75));
    }

    #[tokio::test]
    async fn a_publisher_pauses_where_nothing_gets_done_and_where_it_is_nearly_full() {
        let mut publisher = Publisher::new();
        let told = publisher.at(0, 75, 0).unwrap();
        assert!(told.pause.is_some() && told.max_fps.is_none(), "{told:?}");
        let told = publisher.at(1000, 89, 50).unwrap();
        assert!(told.pause.is_none() && told.max_fps.is_some(), "{told:?}");
        assert!(publisher.at(2000, 90, 100).unwrap().pause.is_some());
    }

    #[tokio::test]
    async fn where_bytes_are_the_bound_they_are_told() {
        let mut publisher = Publisher::new();
        let stream = Fill { frames: 10, bytes: 8_000, max_frames: 100, max_bytes: 10_000 };
        let look = |ms, published| Look {
            at: publisher.start + Duration::from_millis(ms),
            published,
            stream,
            partition: Fill::default(),
        };
        let (first, second) = (look(0, 0), look(1000, 10));
        let _paused = publisher.watched.enter(&publisher.id, first);
        let told = publisher.watched.enter(&publisher.id, second).unwrap();
        assert_eq!((told.max_fps.map(f64::round), told.max_bytes_per_second), (Some(5.0), Some(4_000)));
    }
}
