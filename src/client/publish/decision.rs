//! The decisions of a server about frames.

use std::time::Duration;

use crate::client::time::duration;
use crate::pb::v1 as pb;
use crate::pb::v1::frame_result::Outcome;

/// The outcome of a frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// The frame was stored.
    Accepted {
        /// Its sequence in the stream.
        sequence: u64,
    },
    /// The frame had been stored before, by a call whose answer was lost.
    Duplicate {
        /// Its sequence in the stream.
        sequence: u64,
    },
    /// The frame was refused, and sending it again would not help.
    Refused(pb::ItemError),
    /// The frame is undecided; the last refusal is given if there was one. The frame may have been
    /// stored, so send it again under the same publisher sequence.
    Unconfirmed(Option<pb::ItemError>),
}

impl Decision {
    /// Reads one result of an answer; a missing or unknown result is `Unconfirmed`.
    pub(super) fn of(result: Option<pb::FrameResult>) -> Self {
        match result.and_then(|result| result.outcome) {
            Some(Outcome::Accepted(pb::FrameAccepted { sequence, receive_time: _ })) => {
                Self::Accepted { sequence }
            }
            Some(Outcome::Duplicate(pb::FrameDuplicate { sequence })) => Self::Duplicate { sequence },
            Some(Outcome::Rejected(error)) if error.retry_delay.is_none() => Self::Refused(error),
            Some(Outcome::Rejected(error) | Outcome::Unconfirmed(error)) => Self::Unconfirmed(Some(error)),
            None => Self::Unconfirmed(None),
        }
    }

    /// Returns the pause that the server asks for before the frame is sent again.
    #[must_use]
    pub fn requested_delay(&self) -> Option<Duration> {
        match self {
            Self::Unconfirmed(Some(error)) => error.retry_delay.as_ref().map(duration),
            Self::Accepted { .. } | Self::Duplicate { .. } | Self::Refused(_) | Self::Unconfirmed(None) => {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::time::pb_duration;

    #[test]
    fn only_stored_and_finally_refused_frames_are_decided() {
        let error = |delay: Option<u64>| pb::ItemError {
            retry_delay: delay.map(|ms| pb_duration(Duration::from_millis(ms))),
            ..Default::default()
        };
        let of = |outcome| Decision::of(Some(pb::FrameResult { outcome }));
        let accepted = Outcome::Accepted(pb::FrameAccepted { sequence: 1, receive_time: None });
        assert_eq!(of(Some(accepted)), Decision::Accepted { sequence: 1 });
        let duplicate = Outcome::Duplicate(pb::FrameDuplicate { sequence: 9 });
        assert_eq!(of(Some(duplicate)), Decision::Duplicate { sequence: 9 });
        assert_eq!(of(Some(Outcome::Rejected(error(None)))), Decision::Refused(error(None)));
        let later = of(Some(Outcome::Rejected(error(Some(500)))));
        assert_eq!(later, Decision::Unconfirmed(Some(error(Some(500)))));
        assert_eq!(later.requested_delay(), Some(Duration::from_millis(500)));
        let unconfirmed = of(Some(Outcome::Unconfirmed(error(None))));
        assert_eq!(
            (unconfirmed.requested_delay(), &unconfirmed),
            (None, &Decision::Unconfirmed(Some(error(None))))
        );
        assert_eq!(of(None), Decision::Unconfirmed(None));
        assert_eq!(Decision::of(None), Decision::Unconfirmed(None));
    }
}
