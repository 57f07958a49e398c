//! Reads the feeds once for the whole server and distributes the outputs to its subscriptions.
//!
//! ```text
//! feeds ──tail──▶ topic (ring of entries, head) ──marks──▶ inbox ──▶ Subscription::next ──▶ transport
//!                                                            outputs, payload cache ──┘
//! ```
//!
//! | room | contents |
//! |---|---|
//! | `feed` | the tail, which reads the feeds; topics and inboxes, which wake subscriptions |
//! | `pictures` | payloads and renditions, each read or made once for all |
//! | `subscription` | readers with a position of their own in each stream |
//! | `group` | members of consumer groups, which share frames |
//! | `watch` | the directory of streams and its changes |
//!
//! Subscriptions **pull**. A subscription keeps little more than its position in each stream: no
//! frames are queued for a slow reader, so being slow costs nothing but the reader's own delay. The
//! tail ([`Hub::run`]) reads the feed of every partition once for all, keeps the newest entries of
//! followed streams, and marks the stream in the inbox of each subscription that follows it. A
//! subscription that is asked for its next event takes the next marked stream, finds the entry in
//! the ring (or reads the output in pages if it lags), and only then reads the pictures, through a
//! cache that all subscriptions share.
//!
//! The sequences of a stream have no holes, so a position is enough to know what was not delivered:
//! everything between two delivered frames is reported as a [`Gap`] with its reasons.

mod clock;
mod erasures;
mod event;
mod feed;
mod gaps;
mod group;
mod pictures;
mod run;
mod sampling;
mod selector;
mod single_flight;
mod streams;
mod subscription;
#[cfg(test)]
mod tests;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch::{Receiver, Sender};

pub use erasures::ERASED_EVERYWHERE;
pub use event::{
    DeliveredFrame, DeliveredPicture, Event, Gap, GapReason, PictureContent, PicturesOrLost, StreamHead,
    SubscribeError, TimeGap,
};
pub use feed::state::TailState;
pub use group::{
    Beginnings, Consumers, GroupCall, GroupDelivery, GroupError, GroupEvent, GroupStart, GroupTotals,
    MemberRequest, lag_of,
};
pub use pictures::want::PictureWant;
pub use selector::StreamSet;
pub use subscription::choice::{Choice, OverflowPolicy, Sampling};
pub use subscription::request::{Selector, SubscriptionRequest};
pub use subscription::{Drainer, Subscription};
pub use watch::change::ChangeKind;
pub use watch::record::SharedRecord;
pub use watch::token::WatchToken;
pub use watch::{StreamChange, Watch, WatchBody, WatchEvent};

use crate::domain::{OutputEntry, StoreIdentity, StreamId, Timestamp};
use crate::metrics::{HubMetrics, RenditionResult};
use crate::picture::Limits;
use crate::queue::{self, Queue};
use erasures::Erasures;
use feed::index::SubscriptionIndex;
use feed::topic::Topic;
use pictures::Pictures;
use pictures::renditions::Renditions;
use streams::{RECORDS_PER_READ, records};
use watch::directory::StreamDirectory;

/// The limits of the hub, and its metrics.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// The size of the cache of pictures, in bytes; 0 = no cache. A picture larger than a quarter
    /// of it is read again for each subscriber.
    pub cache_bytes: u64,
    /// The number of threads that make renditions; 0 = renditions are not made.
    pub rendition_threads: usize,
    /// The size of the cache of renditions, in bytes.
    pub rendition_cache_bytes: u64,
    /// The limits of the pictures that renditions are made from.
    pub picture_limits: Limits,
    /// The maximum number of entries (without pictures) in memory for each followed stream.
    pub ring_entries: usize,
    /// The maximum number of entries in memory for all followed streams together. With many
    /// streams, each has fewer.
    pub ring_entries_total: usize,
    /// The maximum backlog of a live subscriber over all its streams, in bytes of pictures and
    /// entries, before its overflow policy applies. Nothing is buffered for a subscriber: the
    /// backlog is what a buffer would contain.
    pub overflow_bytes: u64,
    /// The maximum number of subscriptions.
    pub max_subscriptions: usize,
    /// The number of entries in one read of an output, for a subscription that lags.
    pub page_entries: usize,
    /// A subscription ends with [`SubscribeError::Backend`] when the backend has not answered for
    /// this long.
    pub outage_limit: Duration,
    /// The time for which one read of the feeds waits for news.
    pub feed_wait: Duration,
    /// The handles by which it counts.
    pub metrics: HubMetrics,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            cache_bytes: 16 << 20,
            rendition_threads: 1,
            rendition_cache_bytes: 32 << 20,
            picture_limits: Limits::default(),
            ring_entries: 64,
            ring_entries_total: 64 << 10,
            overflow_bytes: 16 << 20,
            max_subscriptions: 4096,
            page_entries: 32,
            outage_limit: Duration::from_secs(10),
            feed_wait: Duration::from_secs(5),
            metrics: HubMetrics::default(),
        }
    }
}

/// Figures about the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HubStats {
    /// The number of open subscriptions.
    pub subscriptions: usize,
    /// The number of open watches of streams.
    pub watches: usize,
    /// The number of streams that subscriptions follow.
    pub followed_streams: usize,
    /// The number of bytes in the cache of pictures.
    pub cache_bytes: u64,
    /// The number of pictures read from the queue since the start.
    pub payload_reads: u64,
    /// The number of renditions made since the start, including those that failed.
    pub renditions: u64,
    /// The number of reads of the feeds since the start.
    pub feed_reads: u64,
    /// The number of reads of outputs for subscriptions that lagged, since the start.
    pub output_reads: u64,
}

/// The published frames that subscriptions have yet to receive. A frame counts until its subscription
/// asks for the next one; a subscription that reads pages of an output counts as at the beginning of
/// its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HubLag {
    /// The sum over all subscriptions and streams.
    pub sum: u64,
    /// The highest number of one subscription in one stream.
    pub max: u64,
}

/// Distributes the outputs to subscriptions. A server has one, which all calls share.
pub struct Hub {
    queue: Arc<dyn Queue>,
    config: HubConfig,
    index: SubscriptionIndex,
    pictures: Pictures,
    directory: StreamDirectory,
    tail: Sender<TailState>,
    registry_version: AtomicU64,
    create_time: Timestamp,
    erasures: Arc<Erasures>,
}

impl Hub {
    /// Creates a hub on a queue. It reads no feeds until [`Hub::run`] runs.
    #[must_use]
    pub fn new(queue: Arc<dyn Queue>, config: HubConfig) -> Arc<Self> {
        let metrics = &config.metrics;
        let erasures = Arc::<Erasures>::default();
        let renditions = Renditions::new(
            config.rendition_threads,
            config.rendition_cache_bytes,
            config.picture_limits,
            metrics.clone(),
            Arc::clone(&erasures),
        );
        Arc::new(Self {
            index: SubscriptionIndex::new(config.max_subscriptions),
            directory: StreamDirectory::new(config.max_subscriptions),
            pictures: Pictures::new(
                Arc::clone(&queue),
                config.cache_bytes,
                renditions,
                metrics.clone(),
                Arc::clone(&erasures),
            ),
            erasures,
            tail: Sender::new(TailState::Starting),
            registry_version: AtomicU64::new(0),
            create_time: Timestamp::now(),
            queue,
            config,
        })
    }

    /// Returns the state of the tail and its changes.
    #[must_use]
    pub fn tail_state(&self) -> Receiver<TailState> {
        self.tail.subscribe()
    }

    /// Returns a number that rises whenever a stream may have been registered, changed or
    /// unregistered; `None` while the feeds, which report that, are not read.
    #[must_use]
    pub fn registry_version(&self) -> Option<u64> {
        (*self.tail.borrow() == TailState::Connected).then(|| self.registry_version.load(Ordering::Acquire))
    }

    /// Returns the identity of the store as it was last read.
    #[must_use]
    pub fn store(&self) -> StoreIdentity {
        self.queue.identity()
    }

    /// Reads the identity of the store, which decides whether a cursor belongs to it.
    ///
    /// # Errors
    /// Returns the errors of the queue.
    pub async fn read_store(&self) -> queue::Result<StoreIdentity> {
        self.queue.read_identity().await
    }

    /// Reports whether a subscription follows the stream.
    #[must_use]
    pub fn is_followed(&self, stream: &StreamId) -> bool {
        self.index.topic(stream).is_some()
    }

    /// Caches a picture that was just stored, as if a subscription had read it.
    pub fn cache_picture(&self, upload: &queue::Upload) {
        self.pictures.cache_picture(upload);
    }

    /// Returns the pictures of an entry from the cache or the queue; none for a tombstone.
    ///
    /// # Errors
    /// Returns the errors of the queue. The call can be repeated after any of them.
    pub async fn pictures(&self, entry: &OutputEntry, want: &PictureWant) -> queue::Result<PicturesOrLost> {
        self.pictures.of(entry, want).await
    }

    /// Forgets all pictures in memory, and the entries of followed streams.
    async fn forget_pictures(&self) -> queue::Result<()> {
        self.erasures.forget();
        self.pictures.forget();
        for topics in self.index.topics().chunks(RECORDS_PER_READ) {
            let ids: Vec<StreamId> = topics.iter().map(|topic| topic.id().clone()).collect();
            let records = records(&*self.queue, &ids).await?;
            let published = |topic: &Topic| {
                let record = records.iter().find(|record| record.id == *topic.id());
                record.map_or(0, |record| record.counters.published_sequence)
            };
            topics.iter().for_each(|topic| topic.forget_entries(published(topic)));
        }
        // Once more for those who have read from memory in the meantime.
        self.erasures.forget();
        Ok(())
    }

    /// Ends all subscriptions with [`Event::Draining`], ends all watches, and refuses new ones.
    pub fn drain(&self) {
        self.directory.drain();
        self.index.drain();
    }

    /// Returns the current figures.
    #[must_use]
    pub fn stats(&self) -> HubStats {
        let (subscriptions, followed_streams) = self.index.counts();
        let HubMetrics { renditions, payload_reads, feed_reads, output_reads, .. } = &self.config.metrics;
        HubStats {
            subscriptions,
            watches: self.directory.watches(),
            followed_streams,
            cache_bytes: self.pictures.cached_bytes(),
            payload_reads: payload_reads.get(),
            renditions: renditions.of(RenditionResult::Made).get()
                + renditions.of(RenditionResult::Failed).get(),
            feed_reads: feed_reads.get(),
            output_reads: output_reads.get(),
        }
    }

    /// Adds up the published frames that subscriptions have yet to receive; `None` if that would
    /// take too long, because there are too many subscriptions and streams.
    #[must_use]
    pub fn lag(&self) -> Option<HubLag> {
        self.index.lag()
    }

    /// Returns the maximum number of entries in each ring at the moment.
    fn ring_entries(&self) -> usize {
        let (_, topics) = self.index.counts();
        (self.config.ring_entries_total / topics.max(1)).clamp(1, self.config.ring_entries.max(1))
    }

    fn registry_changed(&self) {
        self.registry_version.fetch_add(1, Ordering::Release);
    }

    fn count_feed_read(&self) {
        self.config.metrics.feed_reads.inc();
    }

    fn count_output_read(&self) {
        self.config.metrics.output_reads.inc();
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("config", &self.config)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
