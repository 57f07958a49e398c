//! Records of streams that all watches share.

use std::sync::OnceLock;

use bytes::Bytes;

use super::change::ChangeKind;
use crate::domain::{StreamRecord, StreamState, Timestamp};

/// A stream's record that all watches share, and its encoded forms: each is made once for all of
/// them.
#[derive(Debug)]
pub struct SharedRecord {
    record: StreamRecord,
    existing: OnceLock<Bytes>,
    change: OnceLock<(ChangeKey, Bytes)>,
}

/// The values that distinguish changes of one record.
type ChangeKey = (ChangeKind, StreamState, Timestamp);

impl SharedRecord {
    pub(super) fn new(record: StreamRecord) -> Self {
        Self { record, existing: OnceLock::new(), change: OnceLock::new() }
    }

    /// Returns the record.
    #[must_use]
    pub fn record(&self) -> &StreamRecord {
        &self.record
    }

    /// Returns the encoded form of the record in a snapshot; `encode` makes it for the first
    /// caller.
    pub fn existing(&self, encode: impl FnOnce(&StreamRecord) -> Bytes) -> Bytes {
        self.existing.get_or_init(|| encode(&self.record)).clone()
    }

    /// Returns the encoded form of a change of the record; `encode` makes it for the first caller
    /// with this change.
    pub(super) fn change(&self, key: ChangeKey, encode: impl FnOnce() -> Bytes) -> Bytes {
        let mut encode = Some(encode);
        let (known, bytes) = self.change.get_or_init(|| {
            let bytes = encode.take().map(|encode| encode()).unwrap_or_default();
            (key, bytes)
        });
        match encode.filter(|_| *known != key) {
            // Another change of the same record came first. That is too rare to keep both.
            Some(encode) => encode(),
            None => bytes.clone(),
        }
    }
}

/// A set of streams, by their slots in the directory.
#[derive(Debug, Default)]
pub(super) struct Slots(Vec<u64>);

impl Slots {
    pub(super) fn contains(&self, slot: u32) -> bool {
        self.0.get(slot as usize / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    pub(super) fn insert(&mut self, slot: u32) {
        let word = slot as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (slot % 64);
    }

    pub(super) fn remove(&mut self, slot: u32) {
        if let Some(word) = self.0.get_mut(slot as usize / 64) {
            *word &= !(1 << (slot % 64));
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{StreamCounters, StreamPolicies, StreamSettings};

    #[test]
    fn a_slot_is_contained_until_it_is_removed() {
        let mut slots = Slots::default();
        for slot in [0, 63, 64, 9_999] {
            assert!(!slots.contains(slot));
            slots.insert(slot);
            assert!(slots.contains(slot) && !slots.contains(slot + 1));
        }
        slots.remove(64);
        slots.remove(1 << 30);
        assert!(slots.contains(63) && !slots.contains(64));
        slots.clear();
        assert!(!slots.contains(0));
    }

    #[test]
    fn each_encoding_of_a_record_is_made_once() {
        let shared = SharedRecord::new(StreamRecord {
            id: "cam".parse().unwrap(),
            settings: StreamSettings::default(),
            effective: StreamPolicies::default(),
            incarnation: 1,
            revision: 1,
            create_time: Timestamp::default(),
            update_time: Timestamp::default(),
            removed: false,
            counters: StreamCounters::default(),
        });
        assert_eq!(shared.existing(|record| Bytes::from(record.id.to_string())), "cam");
        assert_eq!(shared.existing(|_| unreachable!()), "cam");
        let key = |second| (ChangeKind::Updated, StreamState::Live, Timestamp::from_micros(second));
        assert_eq!(shared.change(key(1), || Bytes::from_static(b"first")), "first");
        assert_eq!(shared.change(key(1), || unreachable!()), "first");
        assert_eq!(shared.change(key(2), || Bytes::from_static(b"second")), "second");
        assert_eq!(shared.change(key(1), || unreachable!()), "first");
    }
}
