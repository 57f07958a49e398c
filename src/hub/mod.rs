//! The server's one reader of the feeds, and the fan-out to subscriptions.
//!
//! ```text
//! feeds ──tail──▶ topic (ring of entries, head) ──marks──▶ inbox ──▶ Subscription::next ──▶ transport
//!                                                            outputs, payload cache ──┘
//! ```
//!
//! Subscriptions **pull**. Of each stream a subscription keeps its position, and little else: no queue of frames waits
//! for a slow reader, so a slow reader costs nothing but its own delay. The tail ([`Hub::run`]) reads every partition's
//! feed once for all, keeps the newest entries of streams that somebody follows, and marks the stream in the inbox of
//! each follower. A subscription that is asked for its next event takes the next marked stream, finds the entry in the
//! ring (or reads the output in pages, if it lags), and only then the pictures, through a cache that all share.
//!
//! A stream's numbers have no holes, so a position is enough to know what was not delivered: everything between two
//! delivered frames is told as a [`Gap`] with its reasons.

mod backlog;
mod choice;
mod clock;
mod ends;
mod event;
mod followed;
mod followers;
mod gaps;
mod group;
mod inbox;
mod load;
mod payloads;
mod renditions;
mod roster;
mod sampling;
mod select;
mod shared_record;
mod subscribe;
mod subscription;
mod tail;
#[cfg(test)]
mod tests;
mod time_gap;
mod timers;
mod told;
mod topic;
mod turn;
mod watch_token;
mod watching;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use choice::{Choice, OverflowPolicy, Sampling};
pub use event::{
    DeliveredFrame, DeliveredPicture, Event, Gap, GapReason, PictureContent, PicturesOrLost, StreamHead,
    SubscribeError, TimeGap,
};
pub use group::{
    Beginnings, Consumers, GroupCall, GroupDelivery, GroupError, GroupEvent, GroupStart, GroupTotals,
    MemberRequest, lag_of,
};
pub use roster::ChangeKind;
pub use select::{PictureWant, Selector, StreamSet, SubscriptionRequest};
pub use shared_record::SharedRecord;
pub use subscription::{Drainer, Subscription};
pub use tail::TailState;
pub use told::Omitted;
pub use watch_token::WatchToken;
pub use watching::{StreamChange, Watch, WatchBody, WatchEvent};

use crate::domain::{Cursor, OutputEntry, Sequence, StoreIdentity, StreamId, Timestamp};
use crate::picture::Limits;
use crate::queue::{self, Queue};
use followers::Followers;
use payloads::Payloads;
use renditions::Renditions;
use roster::Roster;
use told::Told;

/// Bounds of the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubConfig {
    /// Bytes of pictures kept for subscribers that want the same. A picture above a quarter of it is read for each
    /// anew. 0 = keep none.
    pub cache_bytes: u64,
    /// Threads that make renditions. 0 = none is made.
    pub rendition_threads: usize,
    /// Bytes of renditions kept for subscribers that want the same.
    pub rendition_cache_bytes: u64,
    /// Bounds of the pictures that renditions are made of.
    pub picture_limits: Limits,
    /// Entries (without pictures) kept of each followed stream.
    pub ring_entries: usize,
    /// Entries kept of all followed streams together: with many, each keeps fewer.
    pub ring_entries_total: usize,
    /// Bytes of pictures and entries that a live subscriber may be behind, over all its streams, before its overflow
    /// policy applies. Nothing is kept for it: this is what would be.
    pub overflow_bytes: u64,
    /// Most subscriptions at a time.
    pub max_subscriptions: usize,
    /// Entries in one read of an output, by a subscription that lags.
    pub page_entries: usize,
    /// A subscription ends with [`SubscribeError::Backend`] when the backend has not answered for so long.
    pub outage_limit: Duration,
    /// How long one read of the feeds waits for news.
    pub feed_wait: Duration,
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
        }
    }
}

/// The hub's figures at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HubStats {
    /// Open subscriptions.
    pub subscriptions: usize,
    /// Open watches of streams.
    pub watches: usize,
    /// Streams that they follow.
    pub followed_streams: usize,
    /// Bytes of pictures in the cache.
    pub cache_bytes: u64,
    /// Pictures read from the queue, since the start.
    pub payload_reads: u64,
    /// Renditions worked on, since the start.
    pub renditions: u64,
    /// Reads of the feeds, since the start.
    pub feed_reads: u64,
    /// Reads of outputs by subscriptions that lagged, since the start.
    pub output_reads: u64,
    /// Frames delivered, since the start.
    pub delivered_frames: u64,
    /// Frames told as gaps, since the start.
    pub omitted_frames: Omitted,
}

/// Fans the outputs out to subscriptions. One per server, shared.
pub struct Hub {
    queue: Arc<dyn Queue>,
    config: HubConfig,
    followers: Followers,
    payloads: Arc<Payloads>,
    roster: Roster,
    tail: watch::Sender<TailState>,
    registry_version: AtomicU64,
    create_time: Timestamp,
    feed_reads: AtomicU64,
    output_reads: AtomicU64,
    told: Told,
}

impl Hub {
    /// A hub on a queue. Hears nothing until [`Hub::run`] runs.
    #[must_use]
    pub fn new(queue: Arc<dyn Queue>, config: HubConfig) -> Arc<Self> {
        let renditions =
            Renditions::new(config.rendition_threads, config.rendition_cache_bytes, config.picture_limits);
        Arc::new(Self {
            followers: Followers::new(config.max_subscriptions),
            roster: Roster::new(config.max_subscriptions),
            payloads: Payloads::new(Arc::clone(&queue), config.cache_bytes, renditions),
            tail: watch::Sender::new(TailState::Starting),
            registry_version: AtomicU64::new(0),
            create_time: Timestamp::now(),
            feed_reads: AtomicU64::new(0),
            output_reads: AtomicU64::new(0),
            told: Told::default(),
            queue,
            config,
        })
    }

    /// Follows the feeds of all partitions until it is stopped. To be run once, by a task of its own. Survives outages
    /// of the backend: tries again with growing pauses, and then has all subscriptions look for what they missed.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        tokio::join!(tail::run(Arc::clone(&self), stop.clone()), roster::run(&self, &stop));
    }

    /// Whether the feeds are being read; changes are told.
    #[must_use]
    pub fn tail_state(&self) -> watch::Receiver<TailState> {
        self.tail.subscribe()
    }

    /// Rises whenever a stream may have been registered, changed or unregistered; `None` while the feeds, which tell of
    /// that, are not read.
    #[must_use]
    pub fn registry_version(&self) -> Option<u64> {
        (*self.tail.borrow() == TailState::Connected).then(|| self.registry_version.load(Ordering::Acquire))
    }

    /// Opens a subscription. From its first event on, a checkpoint, it misses nothing.
    ///
    /// # Errors
    /// See [`SubscribeError`].
    pub async fn subscribe(
        self: &Arc<Self>,
        request: SubscriptionRequest,
    ) -> Result<Subscription, SubscribeError> {
        subscribe::subscribe(self, request).await
    }

    /// The store that positions belong to, as it was last read.
    #[must_use]
    pub fn store(&self) -> StoreIdentity {
        self.queue.identity()
    }

    /// Reads which store it is: whoever brings a position must know.
    ///
    /// # Errors
    /// Those of the queue.
    pub async fn read_store(&self) -> queue::Result<StoreIdentity> {
        self.queue.read_identity().await
    }

    /// Whether a subscription follows the stream.
    #[must_use]
    pub fn is_followed(&self, stream: &StreamId) -> bool {
        self.followers.topic(stream).is_some()
    }

    /// Keeps a picture that was just stored for subscriptions that will want it, as if one had read it.
    pub fn keep(&self, offer: &queue::Offer) {
        self.payloads.keep(offer);
    }

    /// The pictures of an entry, from the cache or the queue; none for a tombstone.
    ///
    /// # Errors
    /// Those of the queue. May be called again after any.
    pub async fn pictures(&self, entry: &OutputEntry, want: &PictureWant) -> queue::Result<PicturesOrLost> {
        self.payloads.pictures(entry, want).await
    }

    /// Ends all subscriptions with [`Event::Draining`], and all watches, and refuses new ones.
    pub fn drain(&self) {
        self.roster.drain();
        self.followers.drain();
    }

    /// The hub's figures.
    #[must_use]
    pub fn stats(&self) -> HubStats {
        let (subscriptions, followed_streams) = self.followers.counts();
        HubStats {
            subscriptions,
            watches: self.roster.watches(),
            followed_streams,
            cache_bytes: self.payloads.cached_bytes(),
            payload_reads: self.payloads.reads(),
            renditions: self.payloads.renditions_tried(),
            feed_reads: self.feed_reads.load(Ordering::Relaxed),
            output_reads: self.output_reads.load(Ordering::Relaxed),
            delivered_frames: self.told.delivered(),
            omitted_frames: self.told.omitted(),
        }
    }

    /// How many entries each ring may hold now.
    fn ring_entries(&self) -> usize {
        let (_, topics) = self.followers.counts();
        (self.config.ring_entries_total / topics.max(1)).clamp(1, self.config.ring_entries.max(1))
    }

    fn registry_changed(&self) {
        self.registry_version.fetch_add(1, Ordering::Release);
    }

    fn count_feed_read(&self) {
        self.feed_reads.fetch_add(1, Ordering::Relaxed);
    }

    fn count_output_read(&self) {
        self.output_reads.fetch_add(1, Ordering::Relaxed);
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

/// The position before number `next` of a stream.
fn position(stream: &StreamId, next: Sequence) -> Cursor {
    Cursor::new(stream.clone(), next)
}

/// Locks a mutex whose data is whole after every statement, so that a panic elsewhere need not spread.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
