//! EraseFrames: finds what a range contains, has it erased, and waits until nobody can read it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::audit::Audit;
use super::convert::time;
use super::fault::{Fault, Result};
use super::permissions;
use crate::access::Caller;
use crate::backoff::Backoff;
use crate::domain::{
    DeadFrame, DeadLetterFilter, OutputBody, OutputEntry, Sequence, SequenceRange, StreamId, Timestamp,
    TombstoneKind,
};
use crate::hub::ERASED_EVERYWHERE;
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::pb::v1::erase_frames_request::Range;
use crate::queue::{self, DeadLetterOrder, ListDeadLetters, Queue};

/// The maximum time that a call waits for the worker. A worker that was killed is replaced within
/// the term of its lease, about 3 s.
const MAX_WAIT: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// The retry delay while no worker carries out an erasure.
const PENDING_RETRY: Duration = Duration::from_secs(2);
/// The number of entries in one read of an output.
const PAGE_ENTRIES: usize = 256;
/// The number of dead letters in one read.
const PAGE_LETTERS: usize = 256;

/// Erases frames.
#[derive(Debug)]
pub(crate) struct Eraser {
    queue: Arc<dyn Queue>,
}

impl Eraser {
    pub(crate) fn new(queue: Arc<dyn Queue>) -> Self {
        Self { queue }
    }

    pub(crate) async fn erase(
        &self,
        mut audit: Audit,
        request: pb::EraseFramesRequest,
        caller: &Caller,
    ) -> Result<pb::EraseFramesResponse> {
        let pb::EraseFramesRequest { stream_id, range, dry_run, reason } = request;
        audit.set_reason(reason)?;
        let audit = audit.begin(&stream_id);
        let stored = self.store(&stream_id, range, dry_run, caller).await;
        // Before the call waits: what is stored is carried out, whatever becomes of the call.
        audit.write(&stored, |erased| {
            let pb::EraseFramesResponse {
                first_sequence,
                last_sequence,
                erased_processed_frames,
                erased_failed_frames,
                erased_bytes,
                erased_dead_letters,
                queued_frames,
                already_erased_frames,
            } = erased;
            let done = if dry_run { "would erase" } else { "erases" };
            format!(
                "{done} {first_sequence}-{last_sequence}: {erased_processed_frames} processed frames, \
                 {erased_failed_frames} failed frames, {erased_bytes} bytes, {erased_dead_letters} dead letters, \
                 {queued_frames} queued frames; {already_erased_frames} were erased before"
            )
        });
        let found = stored?;
        // Also if nothing was found: a call that is repeated waits for what an earlier one stored.
        if !dry_run {
            let stored = match found.last_sequence {
                0 => "an earlier erasure".to_owned(),
                last => format!("the erasure of {}-{last}", found.first_sequence),
            };
            self.wait(&stream_id.parse()?, &stored).await?;
        }
        Ok(found)
    }

    /// Finds what is to be erased, and stores the range for the worker.
    async fn store(
        &self,
        stream_id: &str,
        range: Option<Range>,
        dry_run: bool,
        caller: &Caller,
    ) -> Result<pb::EraseFramesResponse> {
        let id: StreamId = stream_id.parse()?;
        permissions::check_manage(caller, &id)?;
        let asked = Asked::read(range)?;
        let Some(range) = self.sequences(&id, &asked).await? else {
            return Ok(pb::EraseFramesResponse::default());
        };
        let found = self.look(&id, range).await?;
        if !dry_run {
            self.queue.erase(&id, range).await?;
        }
        Ok(found)
    }

    /// Returns the accepted sequences that a request selects; `None` if there are none.
    async fn sequences(&self, id: &StreamId, asked: &Asked) -> Result<Option<SequenceRange>> {
        let record = self.queue.get_streams(std::slice::from_ref(id)).await?.pop().flatten();
        let record = record.filter(|record| !record.removed);
        let record = record.ok_or_else(|| queue::Error::StreamNotFound(id.clone()))?;
        let accepted = record.counters.accepted_sequence;
        let (first, last) = match asked {
            Asked::Sequences(range) => (range.first(), range.last().get().min(accepted)),
            Asked::Times(start, end) => {
                let after_all = Sequence::after(accepted);
                let first = self.first_at(id, *start).await?.unwrap_or(after_all);
                let last = self.first_at(id, *end).await?.unwrap_or(after_all).get() - 1;
                // Retention removes frames earlier than their dead letters. The receive times of a
                // stream do not decrease, so all sequences between two of a time are of that time.
                let is_inside = |letter: &DeadFrame| (*start..*end).contains(&letter.receive_time);
                match self.dead_letters(id, is_inside).await?.range {
                    Some((first_letter, last_letter)) if first.get() > last => {
                        (first_letter, last_letter.get())
                    }
                    Some((first_letter, last_letter)) => {
                        (first.min(first_letter), last.max(last_letter.get()))
                    }
                    None => (first, last),
                }
            }
        };
        let Ok(last) = Sequence::new(last) else { return Ok(None) };
        Ok(SequenceRange::new(first, last).ok())
    }

    /// Finds the first frame that was received at or after a time. The waiting frames are looked at
    /// first: one that is published in the meantime is in the output then.
    async fn first_at(&self, id: &StreamId, time: Timestamp) -> Result<Option<Sequence>> {
        let waiting = self.queue.first_waiting_at(id, time).await?;
        let published = self.queue.first_at(id, time).await?.entry.map(|entry| entry.sequence);
        Ok(published.into_iter().chain(waiting).min())
    }

    /// Counts what a range contains.
    async fn look(&self, id: &StreamId, range: SequenceRange) -> Result<pb::EraseFramesResponse> {
        let is_inside = |letter: &DeadFrame| (range.first()..=range.last()).contains(&letter.sequence);
        let mut found = pb::EraseFramesResponse {
            first_sequence: range.first().get(),
            last_sequence: range.last().get(),
            erased_dead_letters: self.dead_letters(id, is_inside).await?.count,
            ..Default::default()
        };
        let mut next = range.first();
        loop {
            let page = self.queue.read_outputs(id, next, PAGE_ENTRIES).await?;
            for entry in page.entries.iter().take_while(|entry| entry.sequence <= range.last()) {
                count(&mut found, entry);
            }
            match page.entries.last() {
                Some(last) if page.entries.len() == PAGE_ENTRIES && last.sequence < range.last() => {
                    next = last.sequence.next();
                }
                Some(_) | None => {
                    let counters = page.counters;
                    let first = range.first().get().max(counters.published_sequence + 1);
                    let waiting = (range.last().get() + 1).saturating_sub(first);
                    // Sequences may have been skipped after a failover.
                    found.queued_frames = waiting.min(counters.queued_frames);
                    return Ok(found);
                }
            }
        }
    }

    /// Finds dead letters of a stream.
    async fn dead_letters(&self, id: &StreamId, selects: impl Fn(&DeadFrame) -> bool) -> Result<Letters> {
        let filter = DeadLetterFilter { stream: Some(id.clone()), partition: None };
        let mut query =
            ListDeadLetters { filter, order: DeadLetterOrder::OldestFirst, after: None, limit: PAGE_LETTERS };
        let mut found = Letters::default();
        loop {
            let page = self.queue.list_dead_letters(&query).await?;
            for letter in page.letters.iter().map(|letter| &letter.frame).filter(|letter| selects(letter)) {
                found.add(letter.sequence);
            }
            query.after = page.next;
            if query.after.is_none() {
                return Ok(found);
            }
        }
    }

    /// Waits until the worker has erased what is stored for a stream, and then until every server
    /// has dropped the pictures from its memory.
    async fn wait(&self, id: &StreamId, stored: &str) -> Result<()> {
        let deadline = Instant::now() + MAX_WAIT;
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        while self.queue.is_erasing(id).await? {
            if Instant::now() >= deadline {
                let message = format!(
                    "{stored} in stream {id} is stored, and no worker has completed it in {} s; start a worker, and call \
                     again until this answers",
                    MAX_WAIT.as_secs()
                );
                let fault = Fault::new(ErrorReason::ErasurePending, message).fact("stream_id", id);
                return Err(fault.retry_in(PENDING_RETRY));
            }
            tokio::time::sleep(backoff.next()).await;
        }
        // The worker counts it as well, but its process may have ended before that.
        self.queue.note_erasure().await?;
        tokio::time::sleep(ERASED_EVERYWHERE).await;
        Ok(())
    }
}

/// Dead letters that were found: their number, and their first and last sequence.
#[derive(Debug, Default)]
struct Letters {
    count: u64,
    range: Option<(Sequence, Sequence)>,
}

impl Letters {
    fn add(&mut self, sequence: Sequence) {
        self.count += 1;
        let (first, last) = self.range.unwrap_or((sequence, sequence));
        self.range = Some((first.min(sequence), last.max(sequence)));
    }
}

/// The frames that a request selects.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Sequences(SequenceRange),
    /// From the first time on, before the second.
    Times(Timestamp, Timestamp),
}

impl Asked {
    fn read(range: Option<Range>) -> Result<Self> {
        match range {
            None => Err(Fault::invalid("range", "must select the frames: set sequences or receive_times")),
            Some(Range::Sequences(pb::SequenceRange { first_sequence, last_sequence })) => {
                let read = |field: &str, number: Option<u64>| {
                    let number = number.ok_or_else(|| Fault::invalid(field, "must be set"))?;
                    Sequence::new(number).map_err(|_| Fault::invalid(field, "must be from 1 to 2^53 - 1"))
                };
                let first = read("sequences.first_sequence", first_sequence)?;
                let last = read("sequences.last_sequence", last_sequence)?;
                let range = SequenceRange::new(first, last);
                Ok(Self::Sequences(range.map_err(|error| Fault::from(error.within("sequences")))?))
            }
            Some(Range::ReceiveTimes(pb::ReceiveTimeRange { start_receive_time, end_receive_time })) => {
                let read = |field: &str, time: Option<prost_types::Timestamp>| {
                    let time = time.ok_or_else(|| Fault::invalid(field, "must be set"))?;
                    time::from_pb(field, time)
                };
                let start = read("receive_times.start_receive_time", start_receive_time)?;
                let end = read("receive_times.end_receive_time", end_receive_time)?;
                if end <= start {
                    return Err(Fault::invalid(
                        "receive_times.end_receive_time",
                        "must be after start_receive_time",
                    ));
                }
                Ok(Self::Times(start, end))
            }
        }
    }
}

fn count(found: &mut pb::EraseFramesResponse, entry: &OutputEntry) {
    match &entry.body {
        OutputBody::Frame(_) => {
            found.erased_processed_frames += 1;
            found.erased_bytes += entry.body.payloads().iter().map(|one| one.size_bytes).sum::<u64>();
        }
        OutputBody::Tombstone(tombstone) => match tombstone.kind {
            TombstoneKind::Failed(_) => found.erased_failed_frames += 1,
            TombstoneKind::Erased => found.already_erased_frames += 1,
            TombstoneKind::Dropped | TombstoneKind::Purged(_) => {}
        },
    }
}
