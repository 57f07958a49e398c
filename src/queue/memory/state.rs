use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::MemoryConfig;
use super::control::ControlSlot;
use super::dead_letters::DeadStore;
use super::feed::Feed;
use super::group::GroupTable;
use super::lease::LeaseSlot;
use super::payloads::Payloads;
use super::strikes::Suspects;
use super::window::PublisherWindow;
use super::work::Work;
use crate::domain::{
    OutputEntry, PartitionId, Partitions, PublisherId, StreamCounters, StreamId, StreamPolicies,
    StreamRecord, StreamSettings, Timestamp,
};
use crate::queue::{Budget, Memory};

/// The time, read once per operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// For terms and times to live: never steps.
    pub(super) instant: Instant,
    /// For people.
    pub(super) wall: Timestamp,
}

impl Now {
    pub(super) fn read() -> Self {
        let instant = Instant::now();
        Self { instant, wall: Timestamp::now().after(ahead(instant)) }
    }
}

/// How far the runtime's clock is ahead of the machine's: nothing, but in tests that pause and advance it. What is
/// received then bears the times that the test lives in.
fn ahead(instant: Instant) -> Duration {
    instant.into_std().saturating_duration_since(std::time::Instant::now())
}

/// The whole store.
pub(super) struct State {
    pub(super) config: MemoryConfig,
    partitions: Vec<Partition>,
    /// Ids of the streams that take frames, over all partitions: listing is in their order.
    pub(super) registered: BTreeSet<StreamId>,
    /// Live workers and until when they count as such.
    pub(super) workers: HashMap<String, Instant>,
    /// Consumer groups.
    pub(super) groups: GroupTable,
}

impl State {
    pub(super) fn new(config: MemoryConfig) -> Self {
        Self {
            config,
            partitions: config.partitions.all().map(|id| Partition::new(id, config.partitions)).collect(),
            registered: BTreeSet::new(),
            workers: HashMap::new(),
            groups: GroupTable::default(),
        }
    }

    pub(super) fn memory(&self) -> Memory {
        Memory { used_bytes: self.used_bytes(), max_bytes: self.config.budget.max_bytes() }
    }

    /// What a partition may hold now: nothing new while the store is full.
    pub(super) fn budget(&self) -> Budget {
        let work_bytes = if self.memory().is_full() { 0 } else { self.config.budget.work_bytes };
        Budget { work_bytes, ..self.config.budget }
    }

    /// A partition, rid of what has expired.
    pub(super) fn partition(&mut self, id: PartitionId, now: Now) -> &mut Partition {
        let partition = self.partition_mut(id);
        partition.payloads.purge(now.instant);
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

    /// The partition of a stream.
    pub(super) fn home(&self, stream: &StreamId) -> &Partition {
        self.partition_ref(self.config.partitions.of(stream))
    }
}

/// One partition: everything that one lease, one feed and one budget govern.
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
    pub(super) suspects: Suspects,
    /// Outputs of unregistered streams: nobody reads them any more.
    pub(super) old_outputs: VecDeque<Arc<OutputEntry>>,
    /// A stream was unregistered since all dead letters were last held against the streams.
    pub(super) stream_was_removed: bool,
    /// Unregistered streams of which nothing waits, by their last number.
    pub(super) removed: BTreeSet<(u64, StreamId)>,
    /// No number above this was given out by a stream that is forgotten.
    pub(super) forgotten: u64,
    /// The same of revisions.
    pub(super) forgotten_revision: u64,
    /// Of the whole store.
    pub(super) partitions: Partitions,
}

impl Partition {
    fn new(id: PartitionId, partitions: Partitions) -> Self {
        Self {
            id,
            old_outputs: VecDeque::new(),
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
            suspects: Suspects::default(),
        }
    }
}

/// Sums over a partition's streams, those that are gone included.
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
    pub(super) removed: u64,
    pub(super) duplicates: u64,
    pub(super) over_budget: u64,
    pub(super) published_bytes: u64,
    pub(super) trimmed: u64,
    /// Of registered streams.
    pub(super) settings_bytes: u64,
    /// Publishers that are remembered.
    pub(super) publishers: u64,
    /// What is remembered of them.
    pub(super) window_bytes: u64,
}

/// A stream that is registered, or was and is remembered: its numbers go on, and its privacy masks are not forgotten, should
/// it come back.
pub(super) struct Stream {
    pub(super) settings: StreamSettings,
    /// Of the settings, with this store's defaults.
    pub(super) effective: StreamPolicies,
    pub(super) incarnation: u64,
    pub(super) revision: u64,
    pub(super) create_time: Timestamp,
    pub(super) update_time: Timestamp,
    pub(super) removed: bool,
    /// As they are kept: the published number is that of the last finished frame, below the floor while frames wait.
    pub(super) counters: StreamCounters,
    pub(super) publishers: BTreeMap<PublisherId, PublisherWindow>,
    /// The output, without holes, up to `counters.published_sequence`.
    pub(super) outputs: VecDeque<Arc<OutputEntry>>,
    /// Number of the newest processed frame; 0 = none.
    pub(super) newest_frame: u64,
}

impl Stream {
    /// As readers see them.
    pub(super) fn counters(&self) -> StreamCounters {
        let published_sequence = self.counters.published_sequence.max(self.counters.floor_sequence);
        StreamCounters { published_sequence, ..self.counters }
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
