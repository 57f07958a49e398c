//! Gives up frames of a group and stores them as dead letters.

use std::sync::Arc;

use super::consumers::Consumers;
use crate::domain::{
    DeadFrame, DeadLetterId, DeadLetterReason, DeadLetterSource, DeadOutput, DeadPicture, GroupRecord,
    OutputBody, OutputEntry, PictureRole, ProcessedFrame, Sequence, StoredPicture, StreamId,
};
use crate::hub::event::GapReason;
use crate::queue::{self, EndedFrame, FrameEnd, Upload};

impl Consumers {
    /// Stores frames that are given up as dead letters and removes them from their group. A frame
    /// for which that fails is tried again when it is due the next time.
    ///
    /// # Errors
    /// Returns the errors of the queue.
    pub async fn store_dead_letters(
        &self,
        record: &GroupRecord,
        frames: &[queue::Exhausted],
    ) -> queue::Result<()> {
        let mut ended = Vec::with_capacity(frames.len());
        for frame in frames {
            let found = self.entry(&frame.stream_id, frame.sequence, frame.letter).await?;
            let end = match found {
                Some(entry) if self.store_dead_letter(record, frame, &entry).await? => FrameEnd::DeadLetter,
                // It was erased, or its stream was unregistered.
                Some(_) | None => {
                    FrameEnd::Lost(self.loss_reason(&frame.stream_id, frame.sequence).await?.code())
                }
            };
            ended.push(EndedFrame {
                stream_id: frame.stream_id.clone(),
                sequence: frame.sequence,
                attempt: frame.attempts,
                letter: frame.letter,
                end,
            });
        }
        self.queue.end_frames(&record.id, &ended).await
    }

    /// Returns a frame's output entry. If the entry is gone and the frame was replayed from a dead
    /// letter, returns what the dead letter contains of the entry.
    pub(super) async fn entry(
        &self,
        stream: &StreamId,
        sequence: Sequence,
        letter: Option<DeadLetterId>,
    ) -> queue::Result<Option<Arc<OutputEntry>>> {
        let kept = match self.queue.read_outputs(stream, sequence, 1).await {
            Err(queue::Error::StreamNotFound(_)) => None,
            page => page?.entries.into_iter().find(|entry| entry.sequence == sequence),
        };
        match (kept, letter) {
            (None, Some(letter)) => {
                let letter = self.queue.get_dead_letter(letter).await?;
                Ok(letter.and_then(|letter| letter.frame.output_entry()).map(Arc::new))
            }
            (kept, _) => Ok(kept),
        }
    }

    /// Returns the reason why the output no longer has the frame of a sequence.
    pub(super) async fn loss_reason(
        &self,
        stream: &StreamId,
        sequence: Sequence,
    ) -> queue::Result<GapReason> {
        let page = match self.queue.read_outputs(stream, sequence, 1).await {
            Err(queue::Error::StreamNotFound(_)) => return Ok(GapReason::Unregistered),
            page => page?,
        };
        if sequence.get() <= page.counters.floor_sequence {
            return Ok(GapReason::Unregistered);
        }
        let found = page.entries.first().filter(|entry| entry.sequence == sequence);
        Ok(match found.map(|entry| &entry.body) {
            Some(OutputBody::Tombstone(tombstone)) => GapReason::of(&tombstone.kind),
            Some(OutputBody::Frame(_)) | None => GapReason::Retention,
        })
    }

    /// Stores a dead letter with a copy of the processed picture, since the output's own copy is
    /// subject to retention. Returns `false` if the frame was erased, or the stream was unregistered in
    /// the meantime.
    async fn store_dead_letter(
        &self,
        record: &GroupRecord,
        frame: &queue::Exhausted,
        entry: &OutputEntry,
    ) -> queue::Result<bool> {
        let partition = self.queue.partitions().of(&entry.stream_id);
        let picture = entry.body.pictures().iter().find(|picture| picture.role == PictureRole::Processed);
        let bytes = match picture {
            Some(picture) => {
                self.queue.fetch(partition, &[picture.payload]).await?.into_iter().next().flatten()
            }
            None => None,
        };
        let copy = bytes.map(Upload::new);
        let dead_picture = |(picture, copy): (&StoredPicture, &Upload)| DeadPicture {
            format: picture.format,
            width: picture.width,
            height: picture.height,
            payload: copy.payload,
        };
        let exhausted = format!("delivered {} times and not acknowledged", frame.attempts);
        let dead = DeadFrame {
            source: DeadLetterSource::Group(record.id.clone()),
            stream_id: entry.stream_id.clone(),
            sequence: entry.sequence,
            receive_time: entry.receive_time,
            header: entry.body.header().clone(),
            reason: match frame.rejected {
                true => DeadLetterReason::Rejected,
                false => DeadLetterReason::AttemptsExhausted,
            },
            message: if frame.message.is_empty() && !frame.rejected {
                exhausted
            } else {
                frame.message.clone()
            },
            attempts: frame.attempts,
            picture: picture.zip(copy.as_ref()).map(dead_picture),
            output: match &entry.body {
                OutputBody::Frame(frame) => Some(Box::new(DeadOutput {
                    frame: ProcessedFrame { pictures: Vec::new(), ..(**frame).clone() },
                    previous_sequence: entry.previous_sequence,
                    publish_time: entry.publish_time,
                })),
                OutputBody::Tombstone(_) => None,
            },
        };
        // A frame that was replayed and given up again becomes another dead letter.
        let replayed = frame.letter.map(|letter| letter.to_string()).unwrap_or_default();
        let token = format!(
            "{}:{}:{}:{}:{}:{}:{replayed}",
            record.id, record.incarnation, record.generation, entry.stream_id, entry.sequence, frame.attempts
        );
        self.queue.insert_dead_letter(&dead, copy.as_ref(), &token).await
    }
}
