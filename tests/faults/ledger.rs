//! What was promised and what came; and the proof that they are the same.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Digest of a picture's bytes.
pub(crate) type Digest = Vec<u8>;

/// A frame as its publisher knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Promised {
    number: u64,
    digest: Digest,
}

/// A frame as a subscriber got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) sequence: u64,
    pub(crate) number: u64,
    pub(crate) digest: Digest,
}

#[derive(Debug, Default)]
struct Books {
    /// By stream and sequence.
    promised: BTreeMap<(String, u64), Promised>,
    /// By stream, in the order of arrival.
    delivered: BTreeMap<String, Vec<Delivered>>,
    faults: Vec<String>,
}

/// Shared by the publisher and the subscriber of a test.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Books>);

impl Ledger {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server answered ACCEPTED or DUPLICATE: it owes this frame.
    pub(crate) fn promised(&self, stream: &str, sequence: u64, number: u64, digest: Digest) {
        let mut books = self.books();
        let promise = Promised { number, digest };
        if let Some(other) = books.promised.insert((stream.to_owned(), sequence), promise.clone())
            && other != promise
        {
            let fault = format!("{stream}/{sequence} was promised for {} and {}", other.number, number);
            books.faults.push(fault);
        }
    }

    /// A frame arrived.
    pub(crate) fn delivered(&self, stream: &str, frame: Delivered) {
        self.books().delivered.entry(stream.to_owned()).or_default().push(frame);
    }

    /// Something arrived that never should.
    pub(crate) fn fault(&self, fault: String) {
        self.books().faults.push(fault);
    }

    pub(crate) fn promised_count(&self) -> usize {
        self.books().promised.len()
    }

    pub(crate) fn promised_of(&self, streams: &[String]) -> usize {
        self.books().promised.keys().filter(|(stream, _)| streams.contains(stream)).count()
    }

    pub(crate) fn delivered_count(&self) -> usize {
        self.books().delivered.values().map(Vec::len).sum()
    }

    /// Every promised frame came once, whole and in order, and nothing else did.
    ///
    /// # Panics
    /// With the list of what is wrong.
    pub(crate) fn check(&self) {
        let books = self.books();
        let mut faults = books.faults.clone();
        for (stream, frames) in &books.delivered {
            for (index, frame) in frames.iter().enumerate() {
                if frame.sequence != index as u64 + 1 {
                    faults.push(format!(
                        "{stream}: sequence {} came as number {}",
                        frame.sequence,
                        index + 1
                    ));
                }
                if let Some(before) = index.checked_sub(1).map(|i| &frames[i])
                    && before.number >= frame.number
                {
                    faults.push(format!("{stream}: {} came after {}", frame.number, before.number));
                }
                match books.promised.get(&(stream.clone(), frame.sequence)) {
                    Some(promise) if promise.number == frame.number && promise.digest == frame.digest => {}
                    Some(promise) => faults.push(format!("{stream}: {promise:?} came as {frame:?}")),
                    None => faults.push(format!("{stream}: {} came but was not promised", frame.sequence)),
                }
            }
        }
        let delivered: usize = books.delivered.values().map(Vec::len).sum();
        if delivered != books.promised.len() {
            faults.push(format!("{} promised, {delivered} delivered", books.promised.len()));
        }
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    }
}

#[test]
fn the_ledger_finds_loss_repeats_disorder_and_changed_bytes() {
    let frame = |sequence, number, byte| Delivered { sequence, number, digest: vec![byte] };
    let check = |arrived: &[Delivered]| {
        let ledger = Ledger::default();
        ledger.promised("cam", 1, 10, vec![1]);
        ledger.promised("cam", 2, 20, vec![2]);
        for frame in arrived {
            ledger.delivered("cam", frame.clone());
        }
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ledger.check())).is_ok()
    };
    assert!(check(&[frame(1, 10, 1), frame(2, 20, 2)]));
    assert!(!check(&[frame(1, 10, 1)]), "loss");
    assert!(!check(&[frame(1, 10, 1), frame(1, 10, 1), frame(2, 20, 2)]), "repeat");
    assert!(!check(&[frame(2, 20, 2), frame(1, 10, 1)]), "disorder");
    assert!(!check(&[frame(1, 10, 1), frame(2, 20, 9)]), "changed bytes");
}
