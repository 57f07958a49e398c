//! A stream's order is its publisher's order, also across batches: what stands behind a refused frame waits for it.
//!
//! Frames without a publisher sequence cannot come again as the same frame: they hold up only the rest of their batch,
//! which the queue sees to, and wait like all others behind a frame that has one.

use std::collections::HashMap;

use crate::domain::StreamId;
use crate::domain::limits::MAX_STREAMS;
use crate::grpc::convert::result;
use crate::grpc::fault::{Fault, Result};
use crate::grpc::status::BACKEND_RETRY;
use crate::grpc::submit::Prepared;
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::pb::v1::frame_result::Outcome;
use crate::queue::Refusal;

/// Whose frame it is, and its publisher's number; kept when the frame itself is gone.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    /// `None` for a name that is none.
    pub(super) stream: Option<StreamId>,
    pub(super) number: Option<u64>,
    pub(super) bytes: u64,
}

impl Mark {
    pub(super) fn of(frame: &Result<pb::Frame>) -> Self {
        match frame {
            Ok(frame) => Self {
                stream: frame.stream_id.parse().ok(),
                number: frame.publisher_sequence,
                bytes: frame.data.len() as u64,
            },
            Err(_) => Self { stream: None, number: None, bytes: 0 },
        }
    }
}

/// The streams that wait for a refused frame.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// The lowest number that was refused and did not come again.
    waiting_for: HashMap<StreamId, u64>,
}

impl Order {
    /// Refuses the frames of a batch that would overtake a refused one.
    pub(super) fn hold_back(&mut self, marks: &[Mark], prepared: &mut Prepared) {
        if self.waiting_for.is_empty() {
            return;
        }
        let Prepared { streams: _, frames, results } = prepared;
        for (mark, result) in marks.iter().zip(results.iter_mut()) {
            let Mark { stream: Some(stream), number, bytes: _ } = mark else { continue };
            let Some(&awaited) = self.waiting_for.get(stream) else { continue };
            match number {
                Some(number) if *number == awaited => {
                    self.waiting_for.remove(stream);
                }
                // Stored before, or never: the queue knows.
                Some(number) if *number < awaited => {}
                Some(_) | None if result.is_none() => {
                    *result = Some(result::rejected(Refusal::BehindRefused.into()));
                }
                Some(_) | None => {}
            }
        }
        frames.retain(|(place, _)| results[*place].is_none());
    }

    /// Remembers what must come again before anything behind it.
    ///
    /// # Errors
    /// As many streams wait as may be registered: the call cannot keep the order of more.
    pub(super) fn note(&mut self, marks: &[Mark], results: &[pb::FrameResult]) -> Result<()> {
        for (mark, result) in marks.iter().zip(results) {
            if let Mark { stream: Some(stream), number: Some(number), bytes: _ } = mark
                && comes_again(result)
            {
                let awaited = self.waiting_for.entry(stream.clone()).or_insert(*number);
                *awaited = (*awaited).min(*number);
            }
        }
        if self.waiting_for.len() > MAX_STREAMS {
            let message = format!("frames of more than {MAX_STREAMS} streams were refused on this call");
            return Err(Fault::new(ErrorReason::BackendUnavailable, message).retry_in(BACKEND_RETRY));
        }
        Ok(())
    }
}

/// The frame is not known to be stored, and may be sent again.
fn comes_again(result: &pb::FrameResult) -> bool {
    match &result.outcome {
        Some(Outcome::Rejected(error)) => error.retry_delay.is_some(),
        Some(Outcome::Unconfirmed(_)) => true,
        Some(Outcome::Accepted(_) | Outcome::Duplicate(_)) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(stream: &str, number: Option<u64>) -> Mark {
        Mark { stream: stream.parse().ok(), number, bytes: 0 }
    }

    /// Which of the frames are held back.
    fn held(order: &mut Order, marks: &[Mark]) -> Vec<bool> {
        let mut prepared =
            Prepared { streams: Vec::new(), frames: Vec::new(), results: vec![None; marks.len()] };
        order.hold_back(marks, &mut prepared);
        prepared.results.iter().map(Option::is_some).collect()
    }

    fn full() -> pb::FrameResult {
        result::rejected(Refusal::StreamQueueFull.into())
    }

    fn gone() -> pb::FrameResult {
        result::rejected(Refusal::StreamNotFound.into())
    }

    #[test]
    fn what_is_behind_a_refused_frame_waits_until_it_comes_again() {
        let mut order = Order::default();
        order.note(&[mark("cam", Some(5))], &[full()]).unwrap();
        let next = [mark("cam", Some(6)), mark("cam", None), mark("other", Some(6)), mark("cam", Some(4))];
        assert_eq!(held(&mut order, &next), [true, true, false, false]);
        assert_eq!(held(&mut order, &[mark("cam", Some(5)), mark("cam", Some(6))]), [false, false]);
        assert_eq!(held(&mut order, &[mark("cam", Some(7))]), [false]);
    }

    #[test]
    fn the_lowest_refused_number_counts() {
        let mut order = Order::default();
        let marks = [mark("cam", Some(5)), mark("cam", Some(6)), mark("cam", Some(4))];
        order.note(&marks, &[full(), full(), full()]).unwrap();
        assert_eq!(held(&mut order, &[mark("cam", Some(5))]), [true]);
        assert_eq!(held(&mut order, &[mark("cam", Some(4)), mark("cam", Some(5))]), [false, false]);
    }

    #[test]
    fn what_is_refused_for_good_holds_nothing_up() {
        let mut order = Order::default();
        order.note(&[mark("cam", Some(5)), mark("cam", None)], &[gone(), full()]).unwrap();
        assert_eq!(held(&mut order, &[mark("cam", Some(6))]), [false]);
    }
}
