use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::MemoryConfig;
use super::control::ControlSlot;
use super::dead_letters::DeadStore;
use super::feed::Feed;
use super::group::GroupTable;
use super::isolation::CrashSuspects;
use super::lease::LeaseSlot;
use super::payloads::Payloads;
use super::window::PublisherWindow;
use super::work::Work;
use crate::domain::{
    Etag, OutputEntry, PartitionId, Partitions, PublisherId, SequenceSet, StreamCounters, StreamId,
    StreamPolicies, StreamRecord, StreamSettings, Timestamp,
};
use crate::queue::{Budget, Error, Memory, Result};

/// The time, read once per operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// The monotonic clock, for terms and times to live.
    pub(super) instant: Instant,
    /// The wall clock, for timestamps.
    pub(super) wall: Timestamp,
}

impl Now {
    pub(super) fn read() -> Self {
        let instant = Instant::now();
        Self { instant, wall: Timestamp::now().after(ahead(instant)) }
    }
}

/// Returns how far the runtime's clock is ahead of the machine's: zero, except in tests that pause
/// and advance it. Frames then get the time of the test as their time of receipt.
fn ahead(instant: Instant) -> Duration {
    instant.into_std().saturating_duration_since(std::time::Instant::now())
}

/// The whole store.
pub(super) struct State {
    pub(super) config: MemoryConfig,
    partitions: Vec<Partition>,
    /// The ids of the registered streams of all partitions, in the order of lists.
    pub(super) registered: BTreeSet<StreamId>,
    /// The live workers, and when each expires.
    pub(super) workers: HashMap<String, Instant>,
    /// The consumer groups.
    pub(super) groups: GroupTable,
    /// The number of complete erasures.
    pub(super) erasures: u64,
}

impl State {
    pub(super) fn new(config: MemoryConfig) -> Self {
        Self {
            config,
            partitions: config.partitions.all().map(|id| Partition::new(id, config.partitions)).collect(),
            registered: BTreeSet::new(),
            workers: HashMap::new(),
            groups: GroupTable::default(),
            erasures: 0,
        }
    }

    pub(super) fn memory(&self) -> Memory {
        let budget = self.config.budget;
        Memory { used_bytes: self.used_bytes(), max_bytes: budget.max_bytes(), split: budget.split }
    }

    /// Returns the current limits of a partition, which allow nothing new while the store is full.
    pub(super) fn budget(&self) -> Budget {
        let work_bytes = if self.memory().is_full() { 0 } else { self.config.budget.work_bytes };
        Budget { work_bytes, ..self.config.budget }
    }

    /// Returns a partition after removing what has expired.
    pub(super) fn partition(&mut self, id: PartitionId, now: Now) -> &mut Partition {
        let partition = self.partition_mut(id);
        partition.payloads.remove_expired(now.instant);
        partition
    }

    pub(super) fn partition_mut(&mut self, id: PartitionId) -> &mut Partition {
        &mut self.partitions[id.index()]
    }

    pub(super) fn partition_ref(&self, id: PartitionId) -> &Partition {
        &self.partitions[id.index()]
    }

    pub(super) fn all_partitions(&self) -> &[Partition] {
        &self.partitions
    }

    pub(super) fn all_partitions_mut(&mut self) -> &mut [Partition] {
        &mut self.partitions
    }

    /// Returns the partition of a stream.
    pub(super) fn home(&self, stream: &StreamId) -> &Partition {
        self.partition_ref(self.config.partitions.of(stream))
    }
}

/// One partition: all that shares one lease, one feed and one budget.
pub(super) struct Partition {
    pub(super) id: PartitionId,
    pub(super) streams: HashMap<StreamId, Stream>,
    pub(super) payloads: Payloads,
    pub(super) work: Work,
    pub(super) feed: Feed,
    pub(super) lease: LeaseSlot,
    pub(super) control: ControlSlot,
    pub(super) totals: Totals,
    pub(super) dead: DeadStore,
    pub(super) suspects: CrashSuspects,
    /// The outputs of unregistered streams, which nobody reads any more.
    pub(super) old_outputs: VecDeque<Arc<OutputEntry>>,
    /// What the lease holder has yet to erase of each stream. A stream with an empty set may have
    /// dead letters to remove.
    pub(super) erasing: BTreeMap<StreamId, SequenceSet>,
    /// A stream was unregistered after all dead letters were last checked.
    pub(super) stream_was_removed: bool,
    /// Unregistered streams without waiting frames, by their last sequence.
    pub(super) removed: BTreeSet<(u64, StreamId)>,
    /// The highest sequence that a forgotten stream issued.
    pub(super) forgotten: u64,
    /// The highest revision of a forgotten stream.
    pub(super) forgotten_revision: u64,
    /// The partitions of the whole store.
    pub(super) partitions: Partitions,
}

impl Partition {
    fn new(id: PartitionId, partitions: Partitions) -> Self {
        Self {
            id,
            old_outputs: VecDeque::new(),
            erasing: BTreeMap::new(),
            stream_was_removed: false,
            removed: BTreeSet::new(),
            forgotten: 0,
            forgotten_revision: 0,
            partitions,
            streams: HashMap::new(),
            payloads: Payloads::default(),
            work: Work::default(),
            feed: Feed::default(),
            lease: LeaseSlot::default(),
            control: ControlSlot::default(),
            totals: Totals::default(),
            dead: DeadStore::default(),
            suspects: CrashSuspects::default(),
        }
    }
}

/// The sums over a partition's streams, including removed ones.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) queued_bytes: u64,
    pub(super) output_bytes: u64,
    pub(super) accepted: u64,
    pub(super) accepted_bytes: u64,
    pub(super) processed: u64,
    pub(super) failed: u64,
    pub(super) dropped: u64,
    pub(super) purged: u64,
    pub(super) erased: u64,
    pub(super) erased_processed: u64,
    pub(super) erased_failed: u64,
    pub(super) removed: u64,
    pub(super) duplicates: u64,
    pub(super) over_budget: u64,
    pub(super) published_bytes: u64,
    pub(super) trimmed: u64,
    /// The bytes of the settings of registered streams.
    pub(super) settings_bytes: u64,
    /// The number of publishers that are remembered.
    pub(super) publishers: u64,
    /// The bytes that they take.
    pub(super) window_bytes: u64,
}

/// A registered stream, or an unregistered one that is remembered, so that its sequences and its
/// privacy masks continue if it is registered again.
pub(super) struct Stream {
    pub(super) settings: StreamSettings,
    /// The settings with this store's defaults.
    pub(super) effective: StreamPolicies,
    pub(super) incarnation: u64,
    pub(super) revision: u64,
    pub(super) create_time: Timestamp,
    pub(super) update_time: Timestamp,
    pub(super) removed: bool,
    /// The stored counters. The published sequence in them is that of the last finished frame,
    /// which is below the floor while frames from before an unregistration wait.
    pub(super) counters: StreamCounters,
    pub(super) publishers: BTreeMap<PublisherId, PublisherWindow>,
    /// The time of receipt of the newest frame, of a replayed one as well.
    pub(super) newest_receipt: Option<Timestamp>,
    /// The output, without holes, up to `counters.published_sequence`.
    pub(super) outputs: VecDeque<Arc<OutputEntry>>,
    /// The sequence of the newest processed frame; 0 = none.
    pub(super) newest_frame: u64,
    /// The sequences that are erased.
    pub(super) erased: SequenceSet,
}

impl Stream {
    /// Returns the counters as readers see them.
    pub(super) fn counters(&self) -> StreamCounters {
        let published_sequence = self.counters.published_sequence.max(self.counters.floor_sequence);
        StreamCounters { published_sequence, ..self.counters }
    }

    pub(super) fn etag(&self) -> Etag {
        Etag { incarnation: self.incarnation, version: self.revision }
    }

    pub(super) fn record(&self, id: &StreamId) -> StreamRecord {
        StreamRecord {
            id: id.clone(),
            settings: self.settings.clone(),
            effective: self.effective,
            incarnation: self.incarnation,
            revision: self.revision,
            create_time: self.create_time,
            update_time: self.update_time,
            removed: self.removed,
            counters: self.counters(),
        }
    }
}

/// Checks that the etag is the one that the caller expects, if it expects one.
pub(super) fn check_etag(current: Etag, expected: Option<Etag>) -> Result<()> {
    match expected {
        Some(expected) if expected != current => Err(Error::EtagMismatch { current }),
        Some(_) | None => Ok(()),
    }
}
