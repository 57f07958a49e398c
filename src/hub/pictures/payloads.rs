//! Reads payloads from the queue, once for all who want them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::cache::{ByteCache, SizeBytes};
use crate::domain::{PartitionId, PayloadKey, PayloadRef};
use crate::hub::erasures::Erasures;
use crate::hub::single_flight::SingleFlight;
use crate::metrics::{CacheKind, HubMetrics};
use crate::queue::{self, Queue};

/// The size of the cache divided by the maximum size of a payload in it.
const LARGEST_DIVISOR: u64 = 4;

/// Reads payloads: one read for all who want a payload at about the same time.
///
/// The cache bounds what is kept. Reads in progress are shared through a [`SingleFlight`]. The
/// cache has guards for this purpose, but with them only the first caller drives a read. If the
/// connection of that subscriber stalled, all others would wait.
pub(super) struct Payloads {
    queue: Arc<dyn Queue>,
    cache: ByteCache<PayloadKey, Bytes>,
    flights: Arc<SingleFlight<PayloadKey, ReadResult>>,
    metrics: HubMetrics,
    erasures: Arc<Erasures>,
}

/// The bytes of a payload; `None` if the queue no longer has them.
type ReadResult = queue::Result<Option<Bytes>>;

impl SizeBytes for Bytes {
    fn size_bytes(&self) -> u64 {
        self.len() as u64
    }
}

impl fmt::Debug for Payloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payloads").field("cache", &self.cache).finish_non_exhaustive()
    }
}

impl Payloads {
    pub(super) fn new(
        queue: Arc<dyn Queue>,
        cache_bytes: u64,
        metrics: HubMetrics,
        erasures: Arc<Erasures>,
    ) -> Arc<Self> {
        let cache = ByteCache::new(cache_bytes, LARGEST_DIVISOR);
        Arc::new(Self { queue, cache, flights: Arc::default(), metrics, erasures })
    }

    /// Returns the number of bytes in the cache.
    pub(super) fn cached_bytes(&self) -> u64 {
        self.cache.bytes()
    }

    /// Forgets the bytes in the cache, and lets no further caller wait for a read that has begun.
    pub(super) fn forget(&self) {
        self.cache.clear();
        self.flights.forget();
    }

    /// Returns the bytes of a payload from the cache, or reads them.
    pub(super) async fn get(self: &Arc<Self>, partition: PartitionId, payload: PayloadRef) -> ReadResult {
        if !self.erasures.is_fresh() {
            return self.read(partition, payload).await;
        }
        let found = self.cache.get(&payload.key);
        self.metrics.looked(CacheKind::Payloads, found.is_some());
        if let Some(bytes) = found {
            return Ok(Some(bytes));
        }
        let cached = || self.cache.peek(&payload.key).map(|bytes| Ok(Some(bytes)));
        let read = || {
            let this = Arc::clone(self);
            async move { this.read(partition, payload).await }
        };
        let flight = self.flights.join(&payload.key, cached, read);
        flight.await
    }

    async fn read(&self, partition: PartitionId, payload: PayloadRef) -> ReadResult {
        self.metrics.payload_reads.inc();
        let generation = self.erasures.generation();
        let found = self.queue.fetch(partition, &[payload]).await?.into_iter().next().flatten();
        if let Some(bytes) = &found {
            self.cache.insert(payload.key, bytes);
            if self.erasures.generation() != generation {
                self.cache.remove(&payload.key); // it may be erased
            }
        }
        Ok(found)
    }

    /// Puts the bytes of an upload into the cache.
    pub(super) fn cache_picture(&self, upload: &queue::Upload) {
        if let Some(bytes) = &upload.bytes {
            self.cache.insert(upload.payload.key, bytes);
        }
    }
}
