//! Frames that were given up, kept with their pictures and the reasons.

use std::fmt;
use std::str::FromStr;

use super::{
    FailureReason, FrameHeader, GroupId, OutputBody, OutputEntry, PartitionId, Partitions, PayloadRef,
    PictureFormat, PictureRole, ProcessedFrame, Sequence, StoredPicture, StreamId, Timestamp,
    ValidationError,
};

/// What a dead letter counts for besides its picture and its texts: entry, numbers, index.
const FIXED_BYTES: u64 = 512;
/// What the measures of a processed frame count for.
const OUTPUT_BYTES: u64 = 1_024;

/// Name of a dead letter. Ordered as they were given up, those of one moment by partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeadLetterId {
    /// When it was given up; never goes back within a partition.
    pub dead_letter_time: Timestamp,
    /// Its partition.
    pub partition: PartitionId,
    /// Counts the partition's dead letters: 1, 2, 3, ...
    pub number: u64,
}

impl DeadLetterId {
    /// Reads the text that callers have. `partitions` are those of the store: an id from another one is none.
    ///
    /// # Errors
    /// It is not of this form.
    pub fn parse(text: &str, partitions: Partitions) -> Result<Self, ValidationError> {
        let bad = || ValidationError::new("dead_letter_id", "is not a dead letter's id");
        let mut parts = text.split('-');
        let mut number = |prefix: &str| {
            let digits = parts.next()?.strip_prefix(prefix)?;
            // One text a letter: no sign, no zero in front but the partition's.
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

/// Who gave a frame up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DeadLetterSource {
    /// A worker could not process it; the picture is the submitted one.
    Worker,
    /// This consumer group could not handle it; the picture is the processed one.
    Group(GroupId),
}

/// Why a frame was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeadLetterReason {
    /// It could not be processed.
    Failed(FailureReason),
    /// The group delivered it as often as it may, and nobody acknowledged it.
    AttemptsExhausted,
    /// A group member rejected it and asked for a dead letter.
    Rejected,
}

/// The picture of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadPicture {
    /// Its encoding, or what the sender called it.
    pub format: PictureFormat,
    /// Pixels across; 0 = unknown.
    pub width: u32,
    /// Pixels down; 0 = unknown.
    pub height: u32,
    /// Its bytes, which the dead letter owns.
    pub payload: PayloadRef,
}

/// What a group needs beside the picture, to be given the frame again when its output entry is gone.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadOutput {
    /// The frame without its pictures: what is kept of them is the dead letter's own.
    pub frame: ProcessedFrame,
    /// The number before it in its stream.
    pub previous_sequence: u64,
    /// When the output entry was written.
    pub publish_time: Timestamp,
}

/// A frame that is given up.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadFrame {
    /// Who gave it up.
    pub source: DeadLetterSource,
    /// Its stream.
    pub stream_id: StreamId,
    /// Its number.
    pub sequence: Sequence,
    /// When it was accepted.
    pub receive_time: Timestamp,
    /// What was said of it.
    pub header: FrameHeader,
    /// The fact.
    pub reason: DeadLetterReason,
    /// For people; at most 512 bytes.
    pub message: String,
    /// How often it was processed or delivered.
    pub attempts: u32,
    /// Its picture; `None` if it is lost, or was too much for what is left of the budget.
    pub picture: Option<DeadPicture>,
    /// What the group was given; `None` for a worker's.
    pub output: Option<Box<DeadOutput>>,
}

impl DeadFrame {
    /// The output entry as far as the dead letter holds it: with the processed picture and no other. `None` without a
    /// picture.
    #[must_use]
    pub fn output_entry(&self) -> Option<OutputEntry> {
        let (output, picture) = (self.output.as_deref()?, self.picture?);
        let DeadPicture { format, width, height, payload } = picture;
        let picture = StoredPicture { role: PictureRole::Processed, format, width, height, payload };
        Some(OutputEntry {
            stream_id: self.stream_id.clone(),
            sequence: self.sequence,
            previous_sequence: output.previous_sequence,
            given_before: None,
            receive_time: self.receive_time,
            publish_time: output.publish_time,
            body: OutputBody::Frame(Box::new(ProcessedFrame {
                pictures: vec![picture],
                ..output.frame.clone()
            })),
            dead_letter: None,
        })
    }

    /// What it counts for in budgets and totals without its picture.
    #[must_use]
    pub fn text_bytes(&self) -> u64 {
        let attributes: usize =
            self.header.attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
        let output = if self.output.is_some() { OUTPUT_BYTES } else { 0 };
        FIXED_BYTES + output + (attributes + self.message.len()) as u64
    }

    /// What it counts for in budgets and totals.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.text_bytes() + self.picture.map_or(0, |picture| picture.payload.size_bytes)
    }
}

/// That a dead letter was sent through again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetterReplay {
    /// The new number; `None` = it went back to its group under its own.
    pub sequence: Option<Sequence>,
    /// When.
    pub time: Timestamp,
}

/// A dead letter as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// Its name, with the time at which it was given up.
    pub id: DeadLetterId,
    /// The frame.
    pub frame: DeadFrame,
    /// Set once it was replayed.
    pub replay: Option<DeadLetterReplay>,
}

/// Selects dead letters: all that are set must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadLetterFilter {
    /// Of this stream.
    pub stream: Option<StreamId>,
    /// Of this partition.
    pub partition: Option<PartitionId>,
}

impl DeadLetterFilter {
    /// Returns true if it selects `letter`.
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
    fn ids_come_back_whole_or_not_at_all() {
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
