use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::domain::PayloadKey;
use crate::queue::{UPLOAD_TTL, Upload};

/// The bytes of a partition, by key.
///
/// A key is first uploaded. It is entered when an entry names it; if none does in time, it expires.
/// An entered key is removed later. A key that accept entered is remembered for [`UPLOAD_TTL`], even
/// if its frame is finished before that: a repeated accept must not store the frame again.
#[derive(Debug, Default)]
pub(super) struct Payloads {
    slots: HashMap<PayloadKey, Slot>,
    /// Keys that expire, the next one first.
    expiring: BTreeSet<(Instant, PayloadKey)>,
    bytes: u64,
}

#[derive(Debug)]
enum Slot {
    /// Nothing refers to it yet.
    Uploaded { bytes: Bytes, expires: Instant },
    /// It is in the work queue or an output.
    Entered { bytes: Bytes, accepted: Option<Instant> },
    /// It was accepted, and was removed since.
    Spent,
}

/// The state of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PayloadState {
    /// It was never uploaded, or it expired.
    Gone,
    /// Its bytes are uploaded and not entered.
    Uploaded,
    /// Its bytes were entered, and may have been removed since.
    Entered,
}

impl Payloads {
    /// Stores bytes for `ttl` under keys that are free.
    pub(super) fn upload(&mut self, uploads: &[Upload], ttl: Duration, now: Instant) {
        for upload in uploads {
            let Some(bytes) = &upload.bytes else { continue };
            if let Entry::Vacant(slot) = self.slots.entry(upload.payload.key) {
                let expires = later(now, ttl);
                slot.insert(Slot::Uploaded { bytes: bytes.clone(), expires });
                self.expiring.insert((expires, upload.payload.key));
                self.bytes += bytes.len() as u64;
            }
        }
    }

    pub(super) fn state(&self, key: PayloadKey) -> PayloadState {
        match self.slots.get(&key) {
            None => PayloadState::Gone,
            Some(Slot::Uploaded { .. }) => PayloadState::Uploaded,
            Some(Slot::Entered { .. } | Slot::Spent) => PayloadState::Entered,
        }
    }

    pub(super) fn get(&self, key: PayloadKey) -> Option<Bytes> {
        match self.slots.get(&key)? {
            Slot::Uploaded { bytes, .. } | Slot::Entered { bytes, .. } => Some(bytes.clone()),
            Slot::Spent => None,
        }
    }

    /// Enters uploaded bytes as a submitted picture.
    pub(super) fn enter_source(&mut self, key: PayloadKey, now: Instant) {
        self.enter_as(key, Some(now));
    }

    /// Enters uploaded bytes as a picture of an output. Does nothing if they are entered already.
    pub(super) fn enter(&mut self, key: PayloadKey) {
        self.enter_as(key, None);
    }

    fn enter_as(&mut self, key: PayloadKey, accepted: Option<Instant>) {
        if let Some(slot) = self.slots.get_mut(&key)
            && let Slot::Uploaded { bytes, expires } = slot
        {
            self.expiring.remove(&(*expires, key));
            *slot = Slot::Entered { bytes: std::mem::take(bytes), accepted };
        }
    }

    /// Removes bytes that are not entered.
    pub(super) fn withdraw(&mut self, key: PayloadKey) {
        if self.state(key) == PayloadState::Uploaded {
            self.remove(key, None);
        }
    }

    /// Removes bytes that were entered.
    pub(super) fn remove_entered(&mut self, key: PayloadKey, now: Instant) {
        self.remove(key, Some(now));
    }

    fn remove(&mut self, key: PayloadKey, now: Option<Instant>) {
        match self.slots.remove(&key) {
            Some(Slot::Uploaded { bytes, expires }) => {
                self.expiring.remove(&(expires, key));
                self.bytes -= bytes.len() as u64;
            }
            Some(Slot::Entered { bytes, accepted }) => {
                self.bytes -= bytes.len() as u64;
                let until = accepted.map(|accepted| later(accepted, UPLOAD_TTL));
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

    /// Removes what has expired.
    pub(super) fn remove_expired(&mut self, now: Instant) {
        while let Some(&(expires, key)) = self.expiring.first()
            && expires <= now
        {
            self.expiring.pop_first();
            if let Some(Slot::Uploaded { bytes, .. }) = self.slots.remove(&key) {
                self.bytes -= bytes.len() as u64;
            }
        }
    }

    /// Returns the bytes of all payloads.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Returns `now + span`; a day later if the clock cannot represent that.
pub(super) fn later(now: Instant, span: Duration) -> Instant {
    now.checked_add(span).unwrap_or_else(|| now + Duration::from_secs(86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(bytes: &'static [u8]) -> Upload {
        Upload::new(Bytes::from_static(bytes))
    }

    #[test]
    fn an_upload_that_is_not_entered_expires() {
        let (mut payloads, start) = (Payloads::default(), Instant::now());
        let (lost, kept) = (upload(b"lost"), upload(b"kept"));
        payloads.upload(&[lost.clone(), kept.clone()], Duration::from_secs(5), start);
        payloads.enter(kept.payload.key);
        payloads.remove_expired(start + Duration::from_secs(4));
        assert_eq!(payloads.bytes(), 8);
        payloads.remove_expired(start + Duration::from_secs(5));
        assert_eq!(payloads.state(lost.payload.key), PayloadState::Gone);
        assert_eq!((payloads.bytes(), payloads.slots.len(), payloads.expiring.len()), (4, 1, 0));
    }

    #[test]
    fn a_spent_source_is_remembered_while_it_may_be_submitted_again() {
        let (mut payloads, start) = (Payloads::default(), Instant::now());
        let source = upload(b"source");
        payloads.upload(std::slice::from_ref(&source), UPLOAD_TTL, start);
        payloads.enter_source(source.payload.key, start);
        payloads.remove_entered(source.payload.key, start + Duration::from_secs(1));
        payloads.upload(std::slice::from_ref(&source), UPLOAD_TTL, start + Duration::from_secs(2));
        assert_eq!(payloads.state(source.payload.key), PayloadState::Entered);
        assert_eq!(payloads.get(source.payload.key), None);
        payloads.remove_expired(start + UPLOAD_TTL);
        assert_eq!((payloads.bytes(), payloads.slots.len(), payloads.expiring.len()), (0, 0, 0));
    }
}
