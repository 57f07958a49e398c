use crate::domain::limits::DEDUP_WINDOW;
use crate::domain::{Digest, Sequence};
use crate::queue::PublisherPosition;

/// What is known of a publisher's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Above all so far.
    New,
    /// Stored with the same bytes.
    Same(Sequence),
    /// Stored with other bytes.
    Other(Sequence),
    /// Further back than is remembered.
    TooOld,
    /// Remembered well enough to say that it was never stored.
    Skipped,
}

/// A publisher's last numbers on one stream.
#[derive(Debug, Clone, Default)]
pub(super) struct PublisherWindow {
    /// Highest number stored; 0 = none.
    top: u64,
    /// The frame stored under number `n` lies in slot `n % DEDUP_WINDOW` until `n + DEDUP_WINDOW` or so comes.
    slots: Vec<Slot>,
}

/// 32 bytes: half a digest tells two pictures of one publisher apart well enough.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// 0 = empty.
    number: u64,
    sequence: u64,
    digest: [u8; 16],
}

fn half(digest: &Digest) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest.0[..16]);
    half
}

fn slot_of(number: u64) -> usize {
    (number % DEDUP_WINDOW) as usize
}

impl PublisherWindow {
    /// What it takes.
    pub(super) fn bytes(&self) -> u64 {
        (self.slots.len() * size_of::<Slot>()) as u64
    }

    pub(super) fn top(&self) -> u64 {
        self.top
    }

    /// The highest number and what it was stored as.
    pub(super) fn position(&self) -> Option<PublisherPosition> {
        let slot =
            self.slots.get(slot_of(self.top)).filter(|slot| self.top > 0 && slot.number == self.top)?;
        Some(PublisherPosition {
            publisher_sequence: slot.number,
            sequence: Sequence::after(slot.sequence - 1),
        })
    }

    pub(super) fn look_up(&self, number: u64, digest: &Digest) -> Known {
        if number > self.top {
            return Known::New;
        }
        match self.slots.get(slot_of(number)) {
            Some(slot) if slot.number == number => {
                let sequence = Sequence::after(slot.sequence - 1);
                if slot.digest == half(digest) { Known::Same(sequence) } else { Known::Other(sequence) }
            }
            Some(_) | None if number + DEDUP_WINDOW <= self.top => Known::TooOld,
            Some(_) | None => Known::Skipped,
        }
    }

    pub(super) fn remember(&mut self, number: u64, digest: &Digest, sequence: Sequence) {
        let at = slot_of(number);
        if self.slots.len() <= at {
            self.slots.resize(at + 1, Slot::default());
        }
        self.slots[at] = Slot { number, sequence: sequence.get(), digest: half(digest) };
        self.top = self.top.max(number);
    }
}
