//! A cache bounded in bytes.

use std::fmt;
use std::hash::Hash;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

/// The share of the cache for entries that were requested again. The other entries leave in the
/// order in which they came, since nearly all subscribers want a picture while it is new. (The
/// library's default leaves 3 % to new entries.)
const HOT_SHARE: f64 = 0.25;
/// The bytes that an entry costs besides its value.
const ENTRY_BYTES: u64 = 160;

/// A value whose size a [`ByteCache`] counts.
pub(super) trait SizeBytes {
    /// Returns the number of bytes that the value keeps in memory.
    fn size_bytes(&self) -> u64;
}

/// A cache bounded in bytes.
pub(super) struct ByteCache<K, V> {
    cache: Cache<K, V, BySize>,
    /// A larger value is not kept, because it would displace too many others.
    largest_bytes: u64,
}

#[derive(Clone)]
struct BySize;

impl<K, V: SizeBytes> Weighter<K, V> for BySize {
    fn weight(&self, _: &K, value: &V) -> u64 {
        value.size_bytes() + ENTRY_BYTES
    }
}

impl<K, V> fmt::Debug for ByteCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteCache").field("largest_bytes", &self.largest_bytes).finish_non_exhaustive()
    }
}

impl<K: Eq + Hash, V: SizeBytes + Clone> ByteCache<K, V> {
    /// Creates a cache of `bytes` that keeps no value larger than `bytes / largest_divisor`.
    pub(super) fn new(bytes: u64, largest_divisor: u64) -> Self {
        // One shard: if there were several, each would be too small for large pictures. One lock is
        // enough, because it is held only for a moment.
        let options = OptionsBuilder::new()
            .shards(1)
            .estimated_items_capacity(1024)
            .weight_capacity(bytes)
            .hot_allocation(HOT_SHARE)
            // By default, the library remembers the keys of evicted entries. If such an entry is
            // inserted again, it gets a place that new entries cannot take. Here, these are the
            // pictures that a lagging subscription had to read: they would fill the cache, and each
            // new picture would be evicted before the first request, even after the lag is over.
            .ghost_allocation(0.0)
            .build()
            .unwrap_or_else(|error| unreachable!("all options are set: {error}"));
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self {
            cache: Cache::with_options(options, BySize, hasher, lifecycle),
            largest_bytes: bytes / largest_divisor,
        }
    }

    /// Returns a value, and notes that it was requested.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.cache.get(key)
    }

    /// Returns a value without noting a request.
    pub(super) fn peek(&self, key: &K) -> Option<V> {
        self.cache.peek(key)
    }

    /// Keeps a value, unless it is too large.
    pub(super) fn insert(&self, key: K, value: &V) {
        if value.size_bytes() <= self.largest_bytes {
            self.cache.insert(key, value.clone());
        }
    }

    /// Removes a value.
    pub(super) fn remove(&self, key: &K) {
        self.cache.remove(key);
    }

    /// Removes all values.
    pub(super) fn clear(&self) {
        self.cache.clear();
    }

    /// Returns the bytes of all entries.
    pub(super) fn bytes(&self) -> u64 {
        self.cache.weight()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use bytes::Bytes;

    use super::*;

    /// Inserts a value for each key, and requests it after `lag` further ones. Inserts it again if
    /// it is missing. Returns the number of values that were found.
    fn found(cache: &ByteCache<usize, Bytes>, keys: std::ops::Range<usize>, lag: usize) -> usize {
        let value = Bytes::from_static(&[0; 1000]);
        let mut waiting = VecDeque::new();
        let mut found = 0;
        for key in keys {
            cache.insert(key, &value);
            waiting.push_back(key);
            if waiting.len() > lag
                && let Some(key) = waiting.pop_front()
            {
                match cache.get(&key) {
                    Some(_) => found += 1,
                    None => cache.insert(key, &value),
                }
            }
        }
        found
    }

    #[test]
    fn new_values_are_kept_again_after_a_backlog() {
        let cache = ByteCache::new(36 * (1000 + ENTRY_BYTES), 4);
        assert_eq!(found(&cache, 0..200, 8), 192);
        assert_eq!(found(&cache, 200..400, 40), 0, "the backlog is larger than the cache");
        assert!(found(&cache, 400..600, 8) > 150);
    }
}
