//! The unanswered batches of a call, and their limits.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::grpc::fault::{Fault, Result};
use crate::pb::v1::ErrorReason;

/// The batches that were received and are not answered, in number and bytes, and their limits.
#[derive(Debug)]
pub(super) struct InFlight {
    max_batches: usize,
    max_bytes: usize,
    batches: AtomicUsize,
    bytes: AtomicUsize,
}

impl InFlight {
    pub(super) fn new(max_batches: usize, max_bytes: usize) -> Self {
        Self { max_batches, max_bytes, batches: AtomicUsize::new(0), bytes: AtomicUsize::new(0) }
    }

    /// Counts a batch that was received.
    ///
    /// # Errors
    /// The batch is beyond the limits that `ready` reports to the client.
    pub(super) fn add(&self, bytes: usize) -> Result<()> {
        let batches = self.batches.load(Ordering::Relaxed) + 1;
        let all_bytes = self.bytes.load(Ordering::Relaxed) + bytes;
        let (limit, actual, what) = match () {
            () if batches > self.max_batches => (self.max_batches, batches, "batches"),
            () if all_bytes > self.max_bytes => (self.max_bytes, all_bytes, "bytes"),
            () => {
                self.batches.store(batches, Ordering::Relaxed);
                self.bytes.store(all_bytes, Ordering::Relaxed);
                return Ok(());
            }
        };
        let message = format!(
            "{actual} unanswered {what} are over the limit of {limit}; wait for results before sending"
        );
        Err(Fault::new(ErrorReason::TooManyInFlight, message).fact("limit", limit).fact("actual", actual))
    }

    /// Counts an answered batch.
    pub(super) fn remove(&self, bytes: usize) {
        self.batches.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bounds_hold_and_answers_make_room() {
        let in_flight = InFlight::new(2, 100);
        in_flight.add(60).unwrap();
        assert_eq!(in_flight.add(41).unwrap_err().reason, ErrorReason::TooManyInFlight);
        in_flight.add(40).unwrap();
        let full = in_flight.add(0).unwrap_err();
        crate::grpc::documented::check(&full);
        assert_eq!(full.facts, [("limit", "2".to_owned()), ("actual", "3".to_owned())]);
        in_flight.remove(60);
        in_flight.add(60).unwrap();
    }
}
