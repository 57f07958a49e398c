//! Keeps the order of each stream across batches: frames after a refused frame wait until it is
//! sent again.
//!
//! A frame without a publisher sequence cannot be recognized when it is sent again. After its
//! refusal, only the rest of its batch is held back, and the queue does that. If an earlier frame
//! with a publisher sequence was refused, frames without one wait like all others.

use std::collections::HashMap;

use crate::domain::StreamId;
use crate::domain::limits::MAX_STREAMS;
use crate::grpc::batch::BatchItem;
use crate::grpc::convert::result;
use crate::grpc::fault::{Fault, Result};
use crate::grpc::status::BACKEND_RETRY;
use crate::pb::v1::ErrorReason;
use crate::pb::v1::frame_result::Outcome;
use crate::queue::Refusal;

/// The streams that wait for a refused frame.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// For each stream, the lowest publisher sequence that was refused and not sent again.
    waiting_for: HashMap<StreamId, u64>,
}

impl Order {
    /// Refuses the frames of a batch that would overtake a refused one.
    pub(super) fn hold_back(&mut self, items: &mut [BatchItem]) {
        if self.waiting_for.is_empty() {
            return;
        }
        for item in items {
            let Some(stream) = &item.stream else { continue };
            let Some(&awaited) = self.waiting_for.get(stream) else { continue };
            match item.publisher_sequence {
                Some(sequence) if sequence == awaited => {
                    self.waiting_for.remove(stream);
                }
                // The queue decides: the frame is already stored, or it is too late to be stored.
                Some(sequence) if sequence < awaited => {}
                Some(_) | None if item.ready().is_some() => {
                    item.decide(result::rejected(Refusal::AfterRefused.into()));
                }
                Some(_) | None => {}
            }
        }
    }

    /// Remembers which frames must be sent again before any later frame of their stream.
    ///
    /// # Errors
    /// More streams wait than may be registered: the call cannot keep the order of so many.
    pub(super) fn note(&mut self, items: &[BatchItem]) -> Result<()> {
        for item in items {
            if let (Some(stream), Some(sequence)) = (&item.stream, item.publisher_sequence)
                && item.outcome().is_some_and(may_be_sent_again)
            {
                let awaited = self.waiting_for.entry(stream.clone()).or_insert(sequence);
                *awaited = (*awaited).min(sequence);
            }
        }
        if self.waiting_for.len() > MAX_STREAMS {
            let message = format!("frames of more than {MAX_STREAMS} streams were refused on this call");
            return Err(Fault::new(ErrorReason::BackendUnavailable, message).retry_in(BACKEND_RETRY));
        }
        Ok(())
    }
}

/// Reports whether a frame is possibly not stored and can be sent again.
fn may_be_sent_again(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Rejected(error) => error.retry_delay.is_some(),
        Outcome::Unconfirmed(_) => true,
        Outcome::Accepted(_) | Outcome::Duplicate(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Digest, FrameHeader, PictureFormat, RawColors, SourceInfo};
    use crate::grpc::batch::ItemState;
    use crate::queue::{NewFrame, Upload};

    /// Returns an item whose frame can be stored.
    fn ready(stream: &str, publisher_sequence: Option<u64>) -> BatchItem {
        let picture = bytes::Bytes::from_static(b"picture");
        let source = SourceInfo {
            format: PictureFormat::Jpeg,
            width: 0,
            height: 0,
            row_stride_bytes: 0,
            colors: RawColors::default(),
            size_bytes: picture.len() as u64,
            digest: Digest::of(&picture),
        };
        let header = FrameHeader {
            publisher: None,
            capture_time: None,
            clock_skewed: false,
            source,
            attributes: Default::default(),
            traceparent: String::new(),
            tracestate: String::new(),
            replayed_from: None,
        };
        let stream: StreamId = stream.parse().unwrap();
        let frame = NewFrame { stream_id: stream.clone(), header, upload: Upload::new(picture) };
        let state = ItemState::Ready(Box::new(frame));
        let check_time = crate::domain::Timestamp::default();
        BatchItem { stream: Some(stream), publisher_sequence, bytes: 7, check_time, state }
    }

    /// Returns an item with the result of a refusal.
    fn refused(stream: &str, publisher_sequence: Option<u64>, refusal: Refusal) -> BatchItem {
        let mut item = ready(stream, publisher_sequence);
        item.decide(result::rejected(refusal.into()));
        item
    }

    fn full(stream: &str, publisher_sequence: Option<u64>) -> BatchItem {
        refused(stream, publisher_sequence, Refusal::StreamQueueFull)
    }

    /// Reports which of the frames are held back.
    fn held(order: &mut Order, frames: &[(&str, Option<u64>)]) -> Vec<bool> {
        let mut items: Vec<_> = frames.iter().map(|(stream, sequence)| ready(stream, *sequence)).collect();
        order.hold_back(&mut items);
        items.iter().map(|item| item.outcome().is_some()).collect()
    }

    #[test]
    fn frames_after_a_refused_one_wait_until_it_is_sent_again() {
        let mut order = Order::default();
        order.note(&[full("cam", Some(5))]).unwrap();
        let next = [("cam", Some(6)), ("cam", None), ("other", Some(6)), ("cam", Some(4))];
        assert_eq!(held(&mut order, &next), [true, true, false, false]);
        assert_eq!(held(&mut order, &[("cam", Some(5)), ("cam", Some(6))]), [false, false]);
        assert_eq!(held(&mut order, &[("cam", Some(7))]), [false]);
    }

    #[test]
    fn the_stream_waits_for_the_lowest_refused_sequence() {
        let mut order = Order::default();
        order.note(&[full("cam", Some(5)), full("cam", Some(6)), full("cam", Some(4))]).unwrap();
        assert_eq!(held(&mut order, &[("cam", Some(5))]), [true]);
        assert_eq!(held(&mut order, &[("cam", Some(4)), ("cam", Some(5))]), [false, false]);
    }

    #[test]
    fn a_frame_that_cannot_be_sent_again_holds_nothing_back() {
        let mut order = Order::default();
        order.note(&[refused("cam", Some(5), Refusal::StreamNotFound), full("cam", None)]).unwrap();
        assert_eq!(held(&mut order, &[("cam", Some(6))]), [false]);
    }
}
