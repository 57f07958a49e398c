//! Subscriptions, the caches that they share, and renditions.

use super::families::{Counter, Families, Reading, Seconds};
use super::label::{Per, label};

/// A cache of the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheKind {
    /// Pictures read from the store.
    Payloads,
    /// Renditions.
    Renditions,
}

/// The result of a look into a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheResult {
    /// The value was there.
    Hit,
    /// The value was not there.
    Miss,
}

label!(CacheResult: Hit = "hit", Miss = "miss");

/// The result of making a rendition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenditionResult {
    /// It was made, or the picture needed no change.
    Made,
    /// Too many wait already.
    Busy,
    /// The picture cannot be decoded, or the encoder fails.
    Failed,
}

label!(RenditionResult: Made = "made", Busy = "busy", Failed = "failed");

/// The metrics of the hub.
#[derive(Debug, Clone)]
pub struct HubMetrics {
    payload_cache: Per<CacheResult, Counter>,
    rendition_cache: Per<CacheResult, Counter>,
    /// Renditions by result.
    pub renditions: Per<RenditionResult, Counter>,
    /// The time that a rendition takes, waiting included.
    pub rendition_time: Seconds,
    /// Pictures read from the store.
    pub payload_reads: Counter,
    /// Reads of the feeds.
    pub feed_reads: Counter,
    /// Reads of outputs for subscriptions that lagged.
    pub output_reads: Counter,
    /// Open subscriptions.
    pub subscriptions: Reading,
    /// Open watches of streams.
    pub watches: Reading,
    /// Streams that subscriptions follow.
    pub followed_streams: Reading,
    /// Bytes in the cache of pictures.
    pub cache_bytes: Reading,
    /// The sum of the subscriptions' lags, in frames.
    pub lag_sum: Reading,
    /// The highest lag of a subscription in one stream, in frames.
    pub lag_max: Reading,
}

impl Default for HubMetrics {
    fn default() -> Self {
        Self::new(&mut Families::unexported())
    }
}

impl HubMetrics {
    pub(super) fn new(families: &mut Families) -> Self {
        Self {
            payload_cache: families.counter_per(
                "result",
                (
                    "hub_payload_cache_requests",
                    "Pictures that readers asked the shared cache for",
                    "Many misses with several readers of the same streams: they lag, and read the store.",
                ),
            ),
            rendition_cache: families.counter_per(
                "result",
                (
                    "hub_rendition_cache_requests",
                    "Renditions that readers asked the shared cache for",
                    "Few hits: readers ask for different sizes; let them agree on a few.",
                ),
            ),
            renditions: families.counter_per(
                "result",
                (
                    "hub_renditions",
                    "Renditions that were made or refused",
                    "`busy`: raise `--rendition-threads`, or let readers agree on fewer sizes.",
                ),
            ),
            rendition_time: families.seconds((
                "hub_rendition_duration_seconds",
                "Time for a rendition, from the request to the picture",
                "A rise means that renditions wait for threads: raise `--rendition-threads`.",
            )),
            payload_reads: families.counter((
                "hub_payload_reads",
                "Pictures read from the store for readers",
                "The reads that the cache could not save.",
            )),
            feed_reads: families.counter((
                "hub_feed_reads",
                "Reads of the partitions' feeds",
                "It never stops rising while the store answers.",
            )),
            output_reads: families.counter((
                "hub_output_reads",
                "Reads of outputs for subscriptions that lagged",
                "A high rate means that readers start in the past or do not keep up.",
            )),
            subscriptions: families.reading((
                "hub_subscriptions",
                "Open subscriptions",
                "Compare with `--max-subscriptions`: beyond it, further ones are refused.",
            )),
            watches: families.reading((
                "hub_watches",
                "Open watches of streams",
                "Compare with `--max-subscriptions`, which bounds them, too.",
            )),
            followed_streams: families.reading((
                "hub_followed_streams",
                "Streams that subscriptions follow",
                "With many, each keeps fewer recent entries in memory.",
            )),
            cache_bytes: families.reading((
                "hub_payload_cache_bytes",
                "Bytes in the shared cache of pictures",
                "Part of the memory of the process.",
            )),
            lag_sum: families.reading((
                "hub_lag_frames",
                "Published frames that subscriptions have yet to receive, over all subscriptions and streams",
                "A steady rise: readers are too slow for what they select. Let them sample, or ask for smaller pictures.",
            )),
            lag_max: families.reading((
                "hub_max_lag_frames",
                "Highest number of published frames that one subscription has yet to receive of one stream",
                "High while the sum is low: one reader is slow, the others are not affected.",
            )),
        }
    }

    /// Counts a look into a cache.
    pub fn looked(&self, cache: CacheKind, found: bool) {
        let per = match cache {
            CacheKind::Payloads => &self.payload_cache,
            CacheKind::Renditions => &self.rendition_cache,
        };
        per.of(if found { CacheResult::Hit } else { CacheResult::Miss }).inc();
    }
}
