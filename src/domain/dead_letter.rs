//! Dead letters: frames that were given up, stored with their pictures and the reasons.

use std::fmt;
use std::str::FromStr;

use super::{
    FailureReason, FrameHeader, GroupId, OutputBody, OutputEntry, PartitionId, Partitions, PayloadRef,
    PictureFormat, PictureRole, ProcessedFrame, Sequence, StoredPicture, StreamId, Timestamp,
    ValidationError,
};

/// The size that is counted for each dead letter in addition to its picture and its texts: it
/// stands for the stored entry, its numbers and its place in the index.
const FIXED_BYTES: u64 = 512;
/// The size that is counted in addition for the measures of a processed frame ([`DeadOutput`]).
const MEASURES_BYTES: u64 = 1_024;

/// The name of a dead letter. Ids are ordered by the time at which the frames were given up, then
/// by partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeadLetterId {
    /// The time when the frame was given up; never decreases within a partition.
    pub dead_letter_time: Timestamp,
    /// The partition of the frame's stream.
    pub partition: PartitionId,
    /// The count of the partition's dead letters, this one included: 1, 2, 3, ...
    pub number: u64,
}

impl DeadLetterId {
    /// Parses the text form of an id, as [`fmt::Display`] writes it. `partitions` are those of the
    /// store; an id with a partition that the store does not have is invalid.
    ///
    /// # Errors
    /// Fails if the text does not have this form.
    pub fn parse(text: &str, partitions: Partitions) -> Result<Self, ValidationError> {
        let bad = || ValidationError::new("dead_letter_id", "is not a dead letter's id");
        let mut parts = text.split('-');
        let mut number = |prefix: &str| {
            let digits = parts.next()?.strip_prefix(prefix)?;
            // Each id has exactly one text form. A sign is refused here; a wrong number of leading
            // zeros is refused below, where the id is written again and compared.
            u64::from_str(digits).ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))
        };
        let (partition, time, count) = (number("p"), number(""), number(""));
        let (Some(partition), Some(time), Some(count)) = (partition, time, count) else { return Err(bad()) };
        let partition = usize::try_from(partition).ok().and_then(|index| partitions.get(index));
        let id = Self {
            dead_letter_time: Timestamp::from_micros(i64::try_from(time).map_err(|_| bad())?),
            partition: partition.ok_or_else(bad)?,
            number: count,
        };
        if id.to_string() == text { Ok(id) } else { Err(bad()) }
    }
}

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.partition, self.dead_letter_time.as_micros(), self.number)
    }
}

/// The part of Frameway that gave up a frame.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DeadLetterSource {
    /// A worker that could not process the frame; the picture is the submitted one.
    Worker,
    /// This consumer group, whose members could not handle the frame; the picture is the processed
    /// one.
    Group(GroupId),
}

/// The reason for which a frame was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeadLetterReason {
    /// The frame could not be processed.
    Failed(FailureReason),
    /// The group delivered the frame the maximum number of times, and no member acknowledged it.
    AttemptsExhausted,
    /// A group member rejected the frame and asked for a dead letter.
    Rejected,
}

/// The picture of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadPicture {
    /// The format: of a processed picture, its encoding; of a submitted one, the format that was
    /// declared or detected when it was accepted.
    pub format: PictureFormat,
    /// Width in pixels; 0 = unknown.
    pub width: u32,
    /// Height in pixels; 0 = unknown.
    pub height: u32,
    /// The stored bytes, which the dead letter owns.
    pub payload: PayloadRef,
}

/// The data that a group needs in addition to the picture, so that the frame can be delivered again
/// after its output entry was removed.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadOutput {
    /// The frame without its pictures: the picture that is kept belongs to the dead letter.
    pub frame: ProcessedFrame,
    /// The sequence of the frame before it in its stream.
    pub previous_sequence: u64,
    /// The time when the output entry was written.
    pub publish_time: Timestamp,
}

/// A frame that was given up.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadFrame {
    /// The part of Frameway that gave up the frame.
    pub source: DeadLetterSource,
    /// The stream of the frame.
    pub stream_id: StreamId,
    /// The sequence of the frame.
    pub sequence: Sequence,
    /// The time when the frame was accepted.
    pub receive_time: Timestamp,
    /// The header: everything that the publisher stated about the frame.
    pub header: FrameHeader,
    /// The reason for which the frame was given up, for programs.
    pub reason: DeadLetterReason,
    /// The same reason as a text for people; at most 512 bytes.
    pub message: String,
    /// The number of times that the frame was processed or delivered.
    pub attempts: u32,
    /// The picture; `None` if it was lost, or did not fit in the remaining budget.
    pub picture: Option<DeadPicture>,
    /// The output entry that the group received; `None` for a frame that a worker gave up.
    pub output: Option<Box<DeadOutput>>,
}

impl DeadFrame {
    /// Returns the output entry, rebuilt from the dead letter, with the processed picture only;
    /// `None` if the dead letter has no picture.
    #[must_use]
    pub fn output_entry(&self) -> Option<OutputEntry> {
        let (output, picture) = (self.output.as_deref()?, self.picture?);
        let DeadPicture { format, width, height, payload } = picture;
        let picture = StoredPicture { role: PictureRole::Processed, format, width, height, payload };
        Some(OutputEntry {
            stream_id: self.stream_id.clone(),
            sequence: self.sequence,
            previous_sequence: output.previous_sequence,
            issued_before: None,
            receive_time: self.receive_time,
            publish_time: output.publish_time,
            body: OutputBody::Frame(Box::new(ProcessedFrame {
                pictures: vec![picture],
                ..output.frame.clone()
            })),
            dead_letter: None,
        })
    }

    /// Returns the size of the dead letter in budgets and totals, in bytes, without its picture.
    #[must_use]
    pub fn text_bytes(&self) -> u64 {
        let attributes: usize =
            self.header.attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
        let output = if self.output.is_some() { MEASURES_BYTES } else { 0 };
        FIXED_BYTES + output + (attributes + self.message.len()) as u64
    }

    /// Returns the size of the dead letter in budgets and totals, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.text_bytes() + self.picture.map_or(0, |picture| picture.payload.size_bytes)
    }
}

/// The record of a replay of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetterReplay {
    /// The new sequence; `None` if the frame returned to its group with its old one.
    pub sequence: Option<Sequence>,
    /// The time when the dead letter was replayed.
    pub time: Timestamp,
}

/// A dead letter as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// The name, which includes the time at which the frame was given up.
    pub id: DeadLetterId,
    /// The frame.
    pub frame: DeadFrame,
    /// The latest replay; `None` before the first one.
    pub replay: Option<DeadLetterReplay>,
}

/// Selects dead letters; all conditions that are set must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadLetterFilter {
    /// Only dead letters of this stream.
    pub stream: Option<StreamId>,
    /// Only dead letters of this partition.
    pub partition: Option<PartitionId>,
}

impl DeadLetterFilter {
    /// Reports whether the filter selects `letter`.
    #[must_use]
    pub fn selects(&self, letter: &DeadLetter) -> bool {
        let Self { stream, partition } = self;
        stream.as_ref().is_none_or(|stream| *stream == letter.frame.stream_id)
            && partition.is_none_or(|partition| partition == letter.id.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_malformed_texts_are_refused() {
        let partitions = Partitions::default();
        let id = DeadLetterId {
            dead_letter_time: Timestamp::from_micros(1_700_000_000_000_000),
            partition: partitions.get(7).unwrap(),
            number: 12,
        };
        let text = id.to_string();
        assert_eq!(DeadLetterId::parse(&text, partitions), Ok(id));
        for bad in [
            "",
            "p07",
            "p07-1",
            "p7-1-1",
            "p07-01-1",
            "p07-1-+1",
            "p07-1--1",
            "p40-1-1",
            "p07-1-1-1",
            "x07-1-1",
        ] {
            assert!(DeadLetterId::parse(bad, partitions).is_err(), "{bad} passed");
        }
    }
}
