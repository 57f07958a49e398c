//! Reads what is not counted but looked at when somebody scrapes: the store, its work queues, its
//! consumer groups, and the hub.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures::future::{join3, try_join_all};
use tokio::time::timeout;

use crate::access::Access;
use crate::domain::{GroupId, StreamId, Timestamp};
use crate::hub::{Consumers, GroupError, Hub};
use crate::metrics::{GroupReading, Label as _, Metrics, PartitionState, ScrapePart, StoreFrames};
use crate::queue::{self, Budget, Memory, PartitionStats, Queue, QueueState};

/// The maximum time that a scrape waits for the store.
const LIMIT: Duration = Duration::from_secs(2);
/// The maximum number of groups with samples of their own.
const MAX_GROUPS_READ: usize = 100;
/// The number of groups that one call lists.
const GROUPS_AT_ONCE: usize = 200;
/// The parts of a server that are read at a scrape.
#[derive(Debug)]
pub(in crate::app) struct Readings {
    pub(in crate::app) metrics: Arc<Metrics>,
    pub(in crate::app) queue: Arc<dyn Queue>,
    pub(in crate::app) hub: Arc<Hub>,
    pub(in crate::app) consumers: Arc<Consumers>,
    pub(in crate::app) access: Arc<Access>,
    pub(in crate::app) budget: Budget,
}

impl Readings {
    /// Reads everything. What cannot be read within [`LIMIT`] is absent afterwards, and counted.
    pub(super) async fn refresh(&self) {
        let start = Instant::now();
        self.read_hub();
        self.read_access();
        let store = &self.metrics.store;
        let read = join3(
            timeout(LIMIT, self.queue.status()),
            timeout(LIMIT, self.queues()),
            timeout(LIMIT, self.groups()),
        );
        let (status, queues, groups) = read.await;
        let count = |part: ScrapePart| {
            store.errors.of(part).inc();
        };
        let status = status.ok().and_then(Result::ok);
        store.up.set(Some(f64::from(u8::from(status.is_some()))));
        store.warnings.set(status.as_ref().map(|status| status.warnings.len() as f64));
        let memory = status.as_ref().map(|_| self.queue.memory());
        store.used_bytes.set(memory.map(|memory| memory.used_bytes as f64));
        store.max_bytes.set(memory.map(|memory| memory.max_bytes as f64));
        store.short_bytes.set(memory.map(|memory| Memory::short_from(memory.max_bytes, memory.split) as f64));
        if status.is_none() {
            count(ScrapePart::Store);
        }
        store.clear_queues();
        match queues {
            Ok(Ok((partitions, workers))) => self.set_queues(&partitions, workers),
            Ok(Err(_)) | Err(_) => count(ScrapePart::Queues),
        }
        match &groups {
            Ok(Ok((all, groups))) => self.metrics.groups.set(Some((*all, groups))),
            Ok(Err(_)) | Err(_) => {
                self.metrics.groups.set(None);
                count(ScrapePart::Groups);
            }
        }
        store.duration.set(Some(start.elapsed().as_secs_f64()));
    }

    fn read_hub(&self) {
        let (metrics, stats) = (&self.metrics.hub, self.hub.stats());
        metrics.subscriptions.set(Some(stats.subscriptions as f64));
        metrics.watches.set(Some(stats.watches as f64));
        metrics.followed_streams.set(Some(stats.followed_streams as f64));
        metrics.cache_bytes.set(Some(stats.cache_bytes as f64));
        let lag = self.hub.lag();
        metrics.lag_sum.set(lag.map(|lag| lag.sum as f64));
        metrics.lag_max.set(lag.map(|lag| lag.max as f64));
    }

    fn read_access(&self) {
        let metrics = &self.metrics.access;
        metrics.principals.set(self.access.is_closed().then(|| self.access.principals() as f64));
        let since_epoch = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
        let expiry = self.access.next_key_expiry().and_then(since_epoch);
        metrics.next_key_expiry.set(expiry.map(|time| time.as_secs_f64()));
    }

    async fn queues(&self) -> queue::Result<(Vec<PartitionStats>, usize)> {
        let partitions = self.queue.partitions().all().map(|one| self.queue.partition_stats(one));
        let stats = try_join_all(partitions.collect::<Vec<_>>()).await?;
        Ok((stats, self.queue.live_workers().await?.len()))
    }

    fn set_queues(&self, partitions: &[PartitionStats], workers: usize) {
        let store = &self.metrics.store;
        let sum = |part: fn(&PartitionStats) -> u64| partitions.iter().map(part).sum::<u64>();
        store.queue_frames.set(Some(sum(|one| one.depth) as f64));
        store.queue_bytes.set(Some(sum(|one| one.queued_bytes) as f64));
        let oldest = partitions.iter().filter_map(|one| one.oldest_receive_time).min();
        store.oldest_age.set(Some(oldest.map_or(0.0, age)));
        store.unleased.set(Some(partitions.iter().filter(|one| one.control.holder.is_none()).count() as f64));
        store.workers.set(Some(workers as f64));
        store.streams.set(Some(sum(|one| one.streams) as f64));
        store.output_bytes.set(Some(sum(|one| one.output_bytes) as f64));
        store.dead_letters.set(Some(sum(|one| one.dead_letters) as f64));
        store.dead_letter_bytes.set(Some(sum(|one| one.dead_letter_bytes) as f64));
        let mut by_state: BTreeMap<PartitionState, (usize, f64)> = BTreeMap::new();
        for one in partitions {
            let (count, fill) = by_state.entry(state_of(one)).or_default();
            *count += 1;
            *fill = fill.max(self.fill(one));
        }
        for &state in PartitionState::ALL {
            let (count, fill) = by_state.get(&state).copied().unzip();
            store.set_partitions(state, count.unwrap_or(0), fill);
        }
        store.set_frames(Some(StoreFrames {
            accepted: sum(|one| one.accepted),
            processed: sum(|one| one.processed + one.erased_processed),
            failed: sum(|one| one.failed + one.erased_failed),
            dropped: sum(|one| one.dropped),
            purged: sum(|one| one.purged),
            erased: sum(|one| one.erased),
            removed: sum(|one| one.removed),
            duplicate: sum(|one| one.duplicates),
            trimmed: sum(|one| one.trimmed),
        }));
    }

    /// Returns how full a partition is: 1 = it accepts no further frames.
    fn fill(&self, one: &PartitionStats) -> f64 {
        let frames = one.depth as f64 / self.budget.work_frames.max(1) as f64;
        let bytes = one.queued_bytes as f64 / self.budget.work_bytes.max(1) as f64;
        frames.max(bytes)
    }

    /// Returns the number of all groups, and the state of the first ones.
    async fn groups(&self) -> Result<(usize, Vec<GroupReading>), GroupError> {
        let mut ids: Vec<GroupId> = Vec::new();
        loop {
            let page = self.queue.list_groups(ids.last(), GROUPS_AT_ONCE).await?;
            let is_last = page.len() < GROUPS_AT_ONCE;
            ids.extend(page.into_iter().map(|record| record.id));
            if is_last {
                break;
            }
        }
        let mut read = Vec::new();
        for id in ids.iter().take(MAX_GROUPS_READ) {
            match self.group(id).await {
                Ok(group) => read.push(group),
                // It was deleted meanwhile.
                Err(GroupError::Queue(queue::Error::GroupNotFound(_))) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((ids.len(), read))
    }

    async fn group(&self, id: &GroupId) -> Result<GroupReading, GroupError> {
        let state = self.queue.group_state(id).await?;
        let streams: Vec<StreamId> = self
            .consumers
            .selected(&state.record.settings.streams)
            .await?
            .into_iter()
            .map(|record| record.id)
            .collect();
        let totals = self.consumers.totals(&state, &streams).await?;
        Ok(GroupReading {
            name: id.to_string(),
            lag_frames: totals.lag,
            lag_seconds: totals.oldest_receive_time.map_or(0.0, age),
            outstanding_frames: totals.outstanding,
            members: state.members.len() as u64,
            acknowledged: state.counters.acknowledged,
            redelivered: state.counters.redelivered,
            dead: state.counters.dead,
            lost: state.counters.lost,
        })
    }
}

fn state_of(one: &PartitionStats) -> PartitionState {
    match one.control.state {
        QueueState::Running => PartitionState::Running,
        QueueState::Paused => PartitionState::Paused,
        QueueState::Draining => PartitionState::Draining,
    }
}

/// Returns the seconds since a time; 0 if it is in the future.
fn age(time: Timestamp) -> f64 {
    Timestamp::now().since(time).as_secs_f64()
}
