//! The range of a list of frames, and the place in it at which a page starts.

use std::fmt;
use std::str::FromStr;

use crate::domain::{Sequence, Timestamp};
use crate::grpc::convert::time;
use crate::grpc::fault::{Fault, Result};
use crate::pb::v1 as pb;
use crate::pb::v1::list_frames_request::Range as Wire;

/// The maximum number of frames before a moment, and after it.
pub(super) const MAX_AROUND: u32 = 1_000;

/// The frames that a list consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Range {
    /// From one sequence to another; `None` = the oldest kept, and the newest published.
    Sequences { first: Option<Sequence>, last: Option<Sequence> },
    /// Received from `start` on and before `end`; `None` as for the sequences.
    Times { start: Option<Timestamp>, end: Option<Timestamp> },
    /// This many frames received before `time`, and at or after it.
    Around { time: Timestamp, before: usize, after: usize },
}

impl Range {
    /// Reads a range, and checks that it does not end before it begins.
    pub(super) fn from_pb(range: Option<Wire>) -> Result<Self> {
        match range {
            None => Err(Fault::invalid("range", "must be set")),
            Some(Wire::Sequences(range)) => sequences(range),
            Some(Wire::ReceiveTimes(range)) => times(range),
            Some(Wire::Around(range)) => around(range),
        }
    }

    /// Reports whether the range ends before this frame.
    pub(super) fn ends_before(&self, sequence: Sequence, receive_time: Timestamp) -> bool {
        match self {
            Self::Sequences { first: _, last } => last.is_some_and(|last| sequence > last),
            Self::Times { start: _, end } => end.is_some_and(|end| receive_time >= end),
            // The number of frames ends it.
            Self::Around { .. } => false,
        }
    }
}

fn sequences(range: pb::SequenceRange) -> Result<Range> {
    const LAST: &str = "sequences.last_sequence";
    let pb::SequenceRange { first_sequence, last_sequence } = range;
    let read = |field: &str, number: Option<u64>| {
        let sequence = number.map(Sequence::new).transpose();
        sequence.map_err(|error| Fault::invalid(field, error.message))
    };
    let (first, last) = (read("sequences.first_sequence", first_sequence)?, read(LAST, last_sequence)?);
    if let (Some(first), Some(last)) = (first, last)
        && last < first
    {
        return Err(Fault::invalid(LAST, format!("is {last}, before first_sequence, which is {first}")));
    }
    Ok(Range::Sequences { first, last })
}

fn times(range: pb::ReceiveTimeRange) -> Result<Range> {
    const END: &str = "receive_times.end_receive_time";
    let pb::ReceiveTimeRange { start_receive_time, end_receive_time } = range;
    let start = start_receive_time.map(|at| time::from_pb("receive_times.start_receive_time", at));
    let end = end_receive_time.map(|at| time::from_pb(END, at));
    let (start, end) = (start.transpose()?, end.transpose()?);
    if let (Some(start), Some(end)) = (start, end)
        && end <= start
    {
        let message = format!("is {end}, which is not after start_receive_time, {start}");
        return Err(Fault::invalid(END, message));
    }
    Ok(Range::Times { start, end })
}

fn around(range: pb::FramesAround) -> Result<Range> {
    let pb::FramesAround { receive_time, before, after } = range;
    let at = receive_time.ok_or_else(|| Fault::invalid("around.receive_time", "is required"))?;
    let time = time::from_pb("around.receive_time", at)?;
    for (field, number) in [("around.before", before), ("around.after", after)] {
        if number > MAX_AROUND {
            return Err(Fault::invalid(field, format!("must be at most {MAX_AROUND}")));
        }
    }
    if before == 0 && after == 0 {
        return Err(Fault::invalid("around", "before or after must be above 0"));
    }
    Ok(Range::Around { time, before: before as usize, after: after as usize })
}

/// The place at which a page starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The next sequence.
    pub(super) next: Sequence,
    /// The number of frames left to list; `None` = all up to the end of the range.
    pub(super) left: Option<usize>,
}

impl Place {
    /// Returns the place with `removed` frames less to list; `None` if none is left.
    pub(super) fn without(self, removed: u64) -> Option<Self> {
        let Some(left) = self.left else { return Some(self) };
        let left = usize::try_from(removed).ok().and_then(|removed| left.checked_sub(removed));
        left.filter(|left| *left > 0).map(|left| Self { left: Some(left), ..self })
    }

    /// Returns the last sequence to list if none is missing.
    pub(super) fn last(self) -> u64 {
        let left = self.left.map_or(u64::MAX, |left| left as u64);
        (self.next.get() - 1).saturating_add(left)
    }

    /// Returns the place after a frame.
    pub(super) fn after(self, sequence: Sequence) -> Self {
        Self { next: sequence.next(), left: self.left.map(|left| left.saturating_sub(1)) }
    }
}

/// Writes the text that a page token contains.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.left {
            Some(left) => write!(f, "{}+{left}", self.next),
            None => write!(f, "{}", self.next),
        }
    }
}

/// The text of a page token is not a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> std::result::Result<Self, NoPlace> {
        let (next, left) = match text.split_once('+') {
            Some((next, left)) => (next, Some(left.parse().map_err(|_| NoPlace)?)),
            None => (text, None),
        };
        let next = next.parse().ok().and_then(|next| Sequence::new(next).ok()).ok_or(NoPlace)?;
        Ok(Self { next, left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_round_trips() {
        let next = Sequence::new(77).unwrap();
        for place in
            [Place { next, left: None }, Place { next, left: Some(0) }, Place { next, left: Some(9) }]
        {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for bad in ["", "0", "+3", "7+", "7+x", "-1", "9007199254740992"] {
            assert_eq!(bad.parse::<Place>(), Err(NoPlace), "{bad}");
        }
    }

    #[test]
    fn a_range_does_not_end_before_it_begins() {
        let field = |range| Range::from_pb(Some(range)).map_err(|fault| fault.field);
        let sequences = |first_sequence, last_sequence| {
            Wire::Sequences(pb::SequenceRange { first_sequence, last_sequence })
        };
        assert!(field(sequences(Some(7), Some(7))).is_ok());
        assert!(field(sequences(None, Some(7))).is_ok());
        assert_eq!(field(sequences(Some(8), Some(7))), Err("sequences.last_sequence".to_owned()));
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let times = |start_receive_time, end_receive_time| {
            Wire::ReceiveTimes(pb::ReceiveTimeRange { start_receive_time, end_receive_time })
        };
        assert!(field(times(at(7), at(8))).is_ok());
        for end in [7, 6] {
            let refused = field(times(at(7), at(end)));
            assert_eq!(refused, Err("receive_times.end_receive_time".to_owned()));
        }
    }
}
