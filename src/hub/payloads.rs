use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{self, BoxFuture, Shared, WeakShared};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use super::event::{DeliveredPicture, GapReason, PictureContent, PicturesOrLost};
use super::lock;
use super::renditions::{Rendered, Renditions};
use super::select::PictureWant;
use crate::domain::{
    OutputBody, OutputEntry, PartitionId, PayloadKey, PayloadRef, PictureRole, ProcessedFrame, Rendition,
    StoredPicture,
};
use crate::queue::{self, Queue};

/// A payload above this share of the cache is not kept: it would drive out too many others.
const LARGEST_SHARE: u64 = 4;

/// Share of a cache for what was asked for again; nothing larger is kept. The rest is for what is new, in the order in which it
/// came: pictures are wanted when they are new, by all at about the same time. (The library's default leaves that 3 %.)
const HOT_SHARE: f64 = 1.0 / LARGEST_SHARE as f64;

/// What an entry of the cache costs beside its bytes.
const ENTRY_BYTES: u64 = 128;

/// All reads of pictures: one read for all who want a picture at about the same time.
///
/// The cache bounds what is kept. What is being read is shared through [`Shared`] futures rather than the cache's own
/// guards: those are driven by whoever came first, and a subscriber whose connection stalls would hold up all others.
/// A shared read goes on as long as anyone who waits for it is polled.
pub(super) struct Payloads {
    queue: Arc<dyn Queue>,
    renditions: Arc<Renditions>,
    cache: Cache<PayloadKey, Bytes, BySize>,
    largest_bytes: u64,
    flights: Mutex<Flights>,
    reads: AtomicU64,
}

type Found = queue::Result<Option<Bytes>>;
type Flight = Shared<BoxFuture<'static, Found>>;

#[derive(Default)]
struct Flights {
    open: HashMap<PayloadKey, (u64, WeakShared<BoxFuture<'static, Found>>)>,
    count: u64,
}

#[derive(Clone)]
struct BySize;

impl Weighter<PayloadKey, Bytes> for BySize {
    fn weight(&self, _: &PayloadKey, bytes: &Bytes) -> u64 {
        bytes.len() as u64 + ENTRY_BYTES
    }
}

/// A cache bounded in bytes. One shard: a share of a share would be too small for large pictures, and what is done under its
/// lock is short.
pub(super) fn weighted_cache<K, V, W>(bytes: u64, weighter: W) -> Cache<K, V, W>
where
    K: Eq + std::hash::Hash,
    V: Clone,
    W: Weighter<K, V> + Clone,
{
    let options = OptionsBuilder::new()
        .shards(1)
        .estimated_items_capacity(1024)
        .weight_capacity(bytes)
        .hot_allocation(HOT_SHARE)
        .build()
        .unwrap_or_else(|error| unreachable!("all options are set: {error}"));
    Cache::with_options(options, weighter, DefaultHashBuilder::default(), DefaultLifecycle::default())
}

/// Strikes a read off the list when it is over or nobody waits for it any more.
struct Landing {
    payloads: Arc<Payloads>,
    key: PayloadKey,
    number: u64,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut flights = lock(&self.payloads.flights);
        if flights.open.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            flights.open.remove(&self.key);
        }
    }
}

impl Payloads {
    pub(super) fn new(queue: Arc<dyn Queue>, cache_bytes: u64, renditions: Arc<Renditions>) -> Arc<Self> {
        Arc::new(Self {
            queue,
            renditions,
            cache: weighted_cache(cache_bytes, BySize),
            largest_bytes: cache_bytes / LARGEST_SHARE,
            flights: Mutex::default(),
            reads: AtomicU64::new(0),
        })
    }

    /// Bytes in the cache.
    pub(super) fn cached_bytes(&self) -> u64 {
        self.cache.weight()
    }

    /// Pictures read from the queue so far.
    pub(super) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Renditions worked on so far, those that failed too.
    pub(super) fn renditions_tried(&self) -> u64 {
        self.renditions.tried()
    }

    /// The pictures of an entry that are wanted; none for a tombstone.
    pub(super) async fn pictures(
        self: &Arc<Self>,
        entry: &OutputEntry,
        want: &PictureWant,
    ) -> queue::Result<PicturesOrLost> {
        let frame = match &entry.body {
            OutputBody::Frame(frame) => frame,
            OutputBody::Tombstone(_) => return Ok(PicturesOrLost::Pictures(Vec::new())),
        };
        let partition = self.queue.partitions().of(&entry.stream_id);
        let load = |role| async move {
            match want.rendition {
                Some(rendition) if role == PictureRole::Rendition => {
                    self.rendition(partition, frame, rendition, want.limit_bytes()).await
                }
                Some(_) | None => self.picture(partition, frame, role, want.limit_bytes()).await,
            }
        };
        let loads = want.roles().map(load);
        let loaded: Option<Vec<_>> = future::try_join_all(loads).await?.into_iter().collect();
        match loaded {
            Some(pictures) => Ok(PicturesOrLost::Pictures(pictures)),
            None => self.explain_loss(entry).await.map(PicturesOrLost::Lost),
        }
    }

    /// One picture; `None` if its bytes are gone.
    async fn picture(
        self: &Arc<Self>,
        partition: PartitionId,
        frame: &ProcessedFrame,
        role: PictureRole,
        limit_bytes: u64,
    ) -> queue::Result<Option<DeliveredPicture>> {
        let Some(picture) = frame.pictures.iter().find(|picture| picture.role == role) else {
            return Ok(Some(DeliveredPicture {
                picture: not_kept(frame, role),
                content: PictureContent::NotKept,
            }));
        };
        let content = if picture.payload.size_bytes > limit_bytes {
            PictureContent::TooLarge
        } else if let Some(bytes) = self.get(partition, picture.payload).await? {
            PictureContent::Data(bytes)
        } else {
            return Ok(None);
        };
        Ok(Some(DeliveredPicture { picture: picture.clone(), content }))
    }

    /// A rendition of the processed picture; `None` if its bytes are gone.
    async fn rendition(
        self: &Arc<Self>,
        partition: PartitionId,
        frame: &ProcessedFrame,
        rendition: Rendition,
        limit_bytes: u64,
    ) -> queue::Result<Option<DeliveredPicture>> {
        let mut picture = StoredPicture {
            role: PictureRole::Rendition,
            format: rendition.format.picture_format(),
            width: 0,
            height: 0,
            payload: PayloadRef { key: PayloadKey::from_bits(0), size_bytes: 0 },
        };
        let Some(source) = frame.pictures.iter().find(|picture| picture.role == PictureRole::Processed)
        else {
            return Ok(Some(DeliveredPicture { picture, content: PictureContent::NotKept }));
        };
        let content = match self.renditions.get(self, partition, source, rendition).await? {
            Rendered::Picture { bytes, width, height } => {
                (picture.width, picture.height) = (width, height);
                picture.payload.size_bytes = bytes.len() as u64;
                if picture.payload.size_bytes > limit_bytes {
                    PictureContent::TooLarge
                } else {
                    PictureContent::Data(bytes)
                }
            }
            Rendered::Busy => PictureContent::RenditionBudget,
            Rendered::Failed => PictureContent::RenditionFailed,
            Rendered::Gone => return Ok(None),
        };
        Ok(Some(DeliveredPicture { picture, content }))
    }

    /// Why an entry's bytes are gone: with the entry, as they should, or without; or the backend itself went back.
    async fn explain_loss(&self, entry: &OutputEntry) -> queue::Result<GapReason> {
        let page = match self.queue.read_outputs(&entry.stream_id, entry.sequence, 1).await {
            Err(queue::Error::StreamNotFound(_)) => return Ok(GapReason::Unregistered),
            page => page?,
        };
        if entry.sequence.get() <= page.counters.floor_sequence {
            return Ok(GapReason::Unregistered);
        }
        if page.entries.first().is_some_and(|found| found.sequence == entry.sequence) {
            tracing::error!(stream = %entry.stream_id, sequence = %entry.sequence,
                "a published frame has lost its picture");
            return Ok(GapReason::PayloadLost);
        }
        if entry.sequence.get() > page.counters.published_sequence {
            return Ok(GapReason::BackendFailover);
        }
        Ok(GapReason::Retention)
    }

    pub(super) async fn get(self: &Arc<Self>, partition: PartitionId, payload: PayloadRef) -> Found {
        if let Some(bytes) = self.cache.get(&payload.key) {
            return Ok(Some(bytes));
        }
        let flight = self.board(partition, payload);
        flight.await
    }

    /// Joins the read of a payload, or begins it.
    fn board(self: &Arc<Self>, partition: PartitionId, payload: PayloadRef) -> Flight {
        let mut flights = lock(&self.flights);
        if let Some(flight) = flights.open.get(&payload.key).and_then(|(_, flight)| flight.upgrade()) {
            return flight;
        }
        // A read that ended since the caller looked has left its bytes here before it was struck off the list.
        if let Some(bytes) = self.cache.peek(&payload.key) {
            return future::ready(Ok(Some(bytes))).boxed().shared();
        }
        flights.count += 1;
        let number = flights.count;
        let landing = Landing { payloads: Arc::clone(self), key: payload.key, number };
        let read = async move {
            let landing = landing; // whole, so that it is dropped with the read
            landing.payloads.read(partition, payload).await
        };
        let flight = read.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            flights.open.insert(payload.key, (number, weak));
        }
        flight
    }

    #[cfg(test)]
    pub(super) fn put(&self, key: PayloadKey, bytes: Bytes) {
        self.cache.insert(key, bytes);
    }

    async fn read(&self, partition: PartitionId, payload: PayloadRef) -> Found {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let found = self.queue.fetch(partition, &[payload]).await?.into_iter().next().flatten();
        if let Some(bytes) = &found {
            self.insert(payload.key, bytes);
        }
        Ok(found)
    }

    /// Puts the bytes of an offer into the cache.
    pub(super) fn keep(&self, offer: &queue::Offer) {
        if let Some(bytes) = &offer.bytes {
            self.insert(offer.payload.key, bytes);
        }
    }

    fn insert(&self, key: PayloadKey, bytes: &Bytes) {
        if bytes.len() as u64 <= self.largest_bytes {
            self.cache.insert(key, bytes.clone());
        }
    }
}

/// Stands for a picture that the frame does not have.
fn not_kept(frame: &ProcessedFrame, role: PictureRole) -> StoredPicture {
    let payload = PayloadRef { key: PayloadKey::from_bits(0), size_bytes: 0 };
    StoredPicture {
        role,
        format: frame.header.source.format,
        width: frame.width,
        height: frame.height,
        payload,
    }
}
