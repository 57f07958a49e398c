use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::domain::PayloadKey;
use crate::queue::{OFFER_TTL, Offer};

/// The bytes of a partition, by key.
///
/// A key is offered, then entered (or it expires), then removed. That a key was entered by accept is remembered for
/// [`OFFER_TTL`] even if the frame is finished by then: a repeated accept must not store it once more.
#[derive(Debug, Default)]
pub(super) struct Payloads {
    slots: HashMap<PayloadKey, Slot>,
    /// Keys that go by themselves, the next one first.
    expiring: BTreeSet<(Instant, PayloadKey)>,
    bytes: u64,
}

#[derive(Debug)]
enum Slot {
    /// Nobody refers to it yet.
    Offered { bytes: Bytes, expires: Instant },
    /// In the work queue or an output.
    Entered { bytes: Bytes, accepted: Option<Instant> },
    /// Was accepted, and is gone.
    Spent,
}

/// What a key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// Nothing: never offered, or expired.
    Gone,
    /// Bytes that nobody entered.
    Offered,
    /// Bytes that were entered, possibly gone since.
    Entered,
}

impl Payloads {
    /// Stores bytes for `ttl` under keys that are free.
    pub(super) fn offer(&mut self, offers: &[Offer], ttl: Duration, now: Instant) {
        for offer in offers {
            let Some(bytes) = &offer.bytes else { continue };
            if let Entry::Vacant(slot) = self.slots.entry(offer.payload.key) {
                let expires = later(now, ttl);
                slot.insert(Slot::Offered { bytes: bytes.clone(), expires });
                self.expiring.insert((expires, offer.payload.key));
                self.bytes += bytes.len() as u64;
            }
        }
    }

    pub(super) fn presence(&self, key: PayloadKey) -> Presence {
        match self.slots.get(&key) {
            None => Presence::Gone,
            Some(Slot::Offered { .. }) => Presence::Offered,
            Some(Slot::Entered { .. } | Slot::Spent) => Presence::Entered,
        }
    }

    pub(super) fn get(&self, key: PayloadKey) -> Option<Bytes> {
        match self.slots.get(&key)? {
            Slot::Offered { bytes, .. } | Slot::Entered { bytes, .. } => Some(bytes.clone()),
            Slot::Spent => None,
        }
    }

    /// Makes offered bytes stay, as a submitted picture.
    pub(super) fn enter_source(&mut self, key: PayloadKey, now: Instant) {
        self.enter_as(key, Some(now));
    }

    /// Makes offered bytes stay, as an output's picture. Those that stay already do so.
    pub(super) fn enter(&mut self, key: PayloadKey) {
        self.enter_as(key, None);
    }

    fn enter_as(&mut self, key: PayloadKey, accepted: Option<Instant>) {
        if let Some(slot) = self.slots.get_mut(&key)
            && let Slot::Offered { bytes, expires } = slot
        {
            self.expiring.remove(&(*expires, key));
            *slot = Slot::Entered { bytes: std::mem::take(bytes), accepted };
        }
    }

    /// Removes bytes that nobody entered.
    pub(super) fn withdraw(&mut self, key: PayloadKey) {
        if self.presence(key) == Presence::Offered {
            self.remove(key, None);
        }
    }

    /// Removes bytes that were entered.
    pub(super) fn remove_entered(&mut self, key: PayloadKey, now: Instant) {
        self.remove(key, Some(now));
    }

    fn remove(&mut self, key: PayloadKey, now: Option<Instant>) {
        match self.slots.remove(&key) {
            Some(Slot::Offered { bytes, expires }) => {
                self.expiring.remove(&(expires, key));
                self.bytes -= bytes.len() as u64;
            }
            Some(Slot::Entered { bytes, accepted }) => {
                self.bytes -= bytes.len() as u64;
                let until = accepted.map(|accepted| later(accepted, OFFER_TTL));
                if let (Some(until), Some(now)) = (until, now)
                    && until > now
                {
                    self.slots.insert(key, Slot::Spent);
                    self.expiring.insert((until, key));
                }
            }
            Some(Slot::Spent) | None => {}
        }
    }

    /// Drops what has expired.
    pub(super) fn purge(&mut self, now: Instant) {
        while let Some(&(expires, key)) = self.expiring.first()
            && expires <= now
        {
            self.expiring.pop_first();
            if let Some(Slot::Offered { bytes, .. }) = self.slots.remove(&key) {
                self.bytes -= bytes.len() as u64;
            }
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// `now + span`; a day later if that is beyond what the clock can hold.
pub(super) fn later(now: Instant, span: Duration) -> Instant {
    now.checked_add(span).unwrap_or_else(|| now + Duration::from_secs(86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(bytes: &'static [u8]) -> Offer {
        Offer::new(Bytes::from_static(bytes))
    }

    #[test]
    fn what_nobody_enters_leaves_nothing_behind() {
        let (mut payloads, start) = (Payloads::default(), Instant::now());
        let (lost, kept) = (offer(b"lost"), offer(b"kept"));
        payloads.offer(&[lost.clone(), kept.clone()], Duration::from_secs(5), start);
        payloads.enter(kept.payload.key);
        payloads.purge(start + Duration::from_secs(4));
        assert_eq!(payloads.bytes(), 8);
        payloads.purge(start + Duration::from_secs(5));
        assert_eq!(payloads.presence(lost.payload.key), Presence::Gone);
        assert_eq!((payloads.bytes(), payloads.slots.len(), payloads.expiring.len()), (4, 1, 0));
    }

    #[test]
    fn a_spent_source_is_remembered_as_long_as_a_repeat_may_come() {
        let (mut payloads, start) = (Payloads::default(), Instant::now());
        let source = offer(b"source");
        payloads.offer(std::slice::from_ref(&source), OFFER_TTL, start);
        payloads.enter_source(source.payload.key, start);
        payloads.remove_entered(source.payload.key, start + Duration::from_secs(1));
        payloads.offer(std::slice::from_ref(&source), OFFER_TTL, start + Duration::from_secs(2));
        assert_eq!(payloads.presence(source.payload.key), Presence::Entered);
        assert_eq!(payloads.get(source.payload.key), None);
        payloads.purge(start + OFFER_TTL);
        assert_eq!((payloads.bytes(), payloads.slots.len(), payloads.expiring.len()), (0, 0, 0));
    }
}
