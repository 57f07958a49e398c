//! How much a call may hold unanswered.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::grpc::fault::{Fault, Result};
use crate::pb::v1::ErrorReason;

/// Batches and bytes that came and are not answered.
#[derive(Debug)]
pub(super) struct Window {
    max_batches: usize,
    max_bytes: usize,
    batches: AtomicUsize,
    bytes: AtomicUsize,
}

impl Window {
    pub(super) fn new(max_batches: usize, max_bytes: usize) -> Self {
        Self { max_batches, max_bytes, batches: AtomicUsize::new(0), bytes: AtomicUsize::new(0) }
    }

    /// A batch came.
    ///
    /// # Errors
    /// It is beyond what the client was told in `ready`.
    pub(super) fn enter(&self, bytes: usize) -> Result<()> {
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

    /// A batch is answered.
    pub(super) fn leave(&self, bytes: usize) {
        self.batches.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bounds_hold_and_answers_make_room() {
        let window = Window::new(2, 100);
        window.enter(60).unwrap();
        assert_eq!(window.enter(41).unwrap_err().reason, ErrorReason::TooManyInFlight);
        window.enter(40).unwrap();
        let full = window.enter(0).unwrap_err();
        crate::grpc::documented::check(&full);
        assert_eq!(full.facts, [("limit", "2".to_owned()), ("actual", "3".to_owned())]);
        window.leave(60);
        window.enter(60).unwrap();
    }
}
