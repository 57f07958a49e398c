use crate::domain::limits::DEDUP_WINDOW;
use crate::domain::{Digest, Sequence};
use crate::queue::PublisherPosition;

/// The known state of a publisher sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It is above all so far.
    New,
    /// It is stored with the same bytes.
    Same(Sequence),
    /// It is stored with other bytes.
    Other(Sequence),
    /// It is older than those that are remembered.
    TooOld,
    /// It was certainly never stored.
    Skipped,
}

/// The last sequences of a publisher on one stream.
#[derive(Debug, Clone, Default)]
pub(super) struct PublisherWindow {
    /// The highest stored publisher sequence; 0 = none.
    top: u64,
    /// The frame stored under publisher sequence `n` is in slot `n % DEDUP_WINDOW` until about
    /// `n + DEDUP_WINDOW` arrives.
    slots: Vec<Slot>,
}

/// A slot of 32 bytes: half a digest tells two pictures of one publisher apart well enough.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// 0 = the slot is empty.
    publisher_sequence: u64,
    sequence: u64,
    digest: [u8; 16],
}

fn half(digest: &Digest) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest.0[..16]);
    half
}

fn slot_of(publisher_sequence: u64) -> usize {
    (publisher_sequence % DEDUP_WINDOW) as usize
}

impl PublisherWindow {
    /// Returns the memory that it takes.
    pub(super) fn bytes(&self) -> u64 {
        (self.slots.len() * size_of::<Slot>()) as u64
    }

    pub(super) fn top(&self) -> u64 {
        self.top
    }

    /// Returns the highest publisher sequence and its sequence in the stream.
    pub(super) fn position(&self) -> Option<PublisherPosition> {
        let slot = self
            .slots
            .get(slot_of(self.top))
            .filter(|slot| self.top > 0 && slot.publisher_sequence == self.top)?;
        Some(PublisherPosition {
            publisher_sequence: slot.publisher_sequence,
            sequence: Sequence::after(slot.sequence - 1),
        })
    }

    pub(super) fn look_up(&self, publisher_sequence: u64, digest: &Digest) -> Known {
        if publisher_sequence > self.top {
            return Known::New;
        }
        match self.slots.get(slot_of(publisher_sequence)) {
            Some(slot) if slot.publisher_sequence == publisher_sequence => {
                let sequence = Sequence::after(slot.sequence - 1);
                if slot.digest == half(digest) { Known::Same(sequence) } else { Known::Other(sequence) }
            }
            Some(_) | None if publisher_sequence + DEDUP_WINDOW <= self.top => Known::TooOld,
            Some(_) | None => Known::Skipped,
        }
    }

    pub(super) fn remember(&mut self, publisher_sequence: u64, digest: &Digest, sequence: Sequence) {
        let at = slot_of(publisher_sequence);
        if self.slots.len() <= at {
            self.slots.resize(at + 1, Slot::default());
        }
        self.slots[at] = Slot { publisher_sequence, sequence: sequence.get(), digest: half(digest) };
        self.top = self.top.max(publisher_sequence);
    }
}
