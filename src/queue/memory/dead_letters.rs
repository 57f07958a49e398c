//! The dead letters of the embedded backend.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;

use super::MemoryQueue;
use super::group::Replay;
use super::payloads::PayloadState;
use super::prediction::Predicted;
use super::state::{Now, Partition, State};
use crate::domain::{
    DeadFrame, DeadLetter, DeadLetterId, DeadLetterReplay, DeadLetterSource, FrameHeader, GroupId,
    PayloadKey, PublisherSequence, Timestamp,
};
use crate::queue::{
    AcceptResult, DeadLetterOrder, DeadLetterPage, DeadLetterTotals, DeadLetters, Lease, ListDeadLetters,
    NewFrame, Refusal, ReplayResult, Result, TRIM_DEAD_LETTERS, Trimmed, Upload,
};

/// A partition's dead letters.
#[derive(Debug, Default)]
pub(super) struct DeadStore {
    letters: BTreeMap<DeadLetterId, DeadLetter>,
    bytes: u64,
    /// The number of dead letters since the start.
    count: u64,
    last_time: Timestamp,
    expired: u64,
}

impl DeadStore {
    pub(super) fn len(&self) -> usize {
        self.letters.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &DeadLetter> {
        self.letters.values()
    }

    pub(super) fn expired(&self) -> u64 {
        self.expired
    }

    /// Reports whether the dead letter keeps this picture.
    pub(super) fn owns(&self, id: DeadLetterId, key: PayloadKey) -> bool {
        let picture = self.letters.get(&id).and_then(|letter| letter.frame.picture);
        picture.is_some_and(|picture| picture.payload.key == key)
    }
}

impl Partition {
    /// Returns a dead letter, if it may be read.
    fn letter(&self, id: DeadLetterId) -> Option<&DeadLetter> {
        self.dead.letters.get(&id).filter(|letter| self.admits(&letter.frame))
    }

    /// Stores a dead letter whose picture's bytes are already entered; stores it without the
    /// picture if there is no room.
    pub(super) fn insert_dead_letter(
        &mut self,
        mut frame: DeadFrame,
        dead_bytes: u64,
        now: Now,
    ) -> DeadLetterId {
        let fits = self.dead.bytes.saturating_add(frame.size_bytes()) <= dead_bytes;
        frame.picture =
            frame.picture.filter(|picture| fits && self.payloads.get(picture.payload.key).is_some());
        let store = &mut self.dead;
        store.count += 1;
        store.last_time = store.last_time.max(now.wall);
        store.bytes += frame.size_bytes();
        let id = DeadLetterId { dead_letter_time: store.last_time, partition: self.id, number: store.count };
        store.letters.insert(id, DeadLetter { id, frame, replay: None });
        id
    }

    pub(super) fn discard(&mut self, id: DeadLetterId, now: Now) -> Option<u64> {
        let letter = self.dead.letters.remove(&id)?;
        let bytes = letter.frame.size_bytes();
        self.dead.bytes -= bytes;
        if let Some(picture) = letter.frame.picture {
            self.payloads.remove_entered(picture.payload.key, now.instant);
        }
        Some(bytes)
    }

    pub(super) fn trim_dead_letters(&mut self, lease: &Lease, max_bytes: u64, now: Now) -> Result<Trimmed> {
        self.lease.check(lease, now.instant)?;
        let mut trimmed = Trimmed::default();
        while self.dead.bytes > max_bytes
            && let Some(&oldest) = self.dead.letters.keys().next()
        {
            if trimmed.frames as usize == TRIM_DEAD_LETTERS {
                trimmed.more = true;
                break;
            }
            trimmed.bytes += self.discard(oldest, now).unwrap_or_default();
            trimmed.frames += 1;
            self.dead.expired += 1;
        }
        Ok(trimmed)
    }
}

impl State {
    pub(super) fn list_dead_letters(&self, query: &ListDeadLetters) -> DeadLetterPage {
        let ListDeadLetters { filter, order, after, limit } = query;
        let is_after = |id: DeadLetterId| match (order, after) {
            (_, None) => true,
            (DeadLetterOrder::NewestFirst, Some(after)) => id < *after,
            (DeadLetterOrder::OldestFirst, Some(after)) => id > *after,
        };
        let mut found: Vec<&DeadLetter> = self
            .all_partitions()
            .iter()
            .flat_map(|partition| {
                partition.dead.letters.values().filter(|letter| partition.admits(&letter.frame))
            })
            .filter(|letter| is_after(letter.id) && filter.selects(letter))
            .collect();
        found.sort_unstable_by_key(|letter| letter.id);
        if *order == DeadLetterOrder::NewestFirst {
            found.reverse();
        }
        let more = found.len() > *limit;
        found.truncate(*limit);
        let next = found.last().filter(|_| more).map(|letter| letter.id);
        DeadLetterPage { letters: found.into_iter().cloned().collect(), next }
    }

    pub(super) fn dead_letter_totals(&self) -> DeadLetterTotals {
        let stores = self.all_partitions().iter().map(|partition| &partition.dead);
        stores.fold(DeadLetterTotals::default(), |sum, store| DeadLetterTotals {
            letters: sum.letters + store.letters.len() as u64,
            bytes: sum.bytes + store.bytes,
        })
    }

    /// Returns the action that a replay of a dead letter requires.
    ///
    /// # Errors
    /// Returns the result of the replay if nothing has to be done.
    fn plan_replay(&self, id: DeadLetterId) -> std::result::Result<ReplayPlan, ReplayResult> {
        let partition = self.partition_ref(id.partition);
        let letter = partition.letter(id).ok_or(ReplayResult::NotFound)?;
        if let Some(DeadLetterReplay { sequence, time: _ }) = letter.replay {
            return Err(sequence.map_or(ReplayResult::Redelivered, ReplayResult::Replayed));
        }
        let frame = &letter.frame;
        if let DeadLetterSource::Group(group) = &frame.source {
            let page = self.read_outputs(&frame.stream_id, frame.sequence, 1);
            let page = page.map_err(|_| ReplayResult::TargetGone)?;
            let kept = page.entries.iter().any(|entry| entry.sequence == frame.sequence);
            // Groups forget an unregistered stream with its output.
            if (page.removed && !kept) || self.groups.find(group).is_none() {
                return Err(ReplayResult::TargetGone);
            }
            if !kept && frame.output_entry().is_none() {
                return Err(ReplayResult::NoPicture);
            }
            return Ok(ReplayPlan::Group { group: group.clone(), frame: Box::new(frame.clone()), kept });
        }
        let picture = frame.picture.and_then(|picture| partition.payloads.get(picture.payload.key));
        let bytes = picture.ok_or(ReplayResult::NoPicture)?;
        // The publisher sequence of the frame was used. The frame is accepted without it, so that it
        // is not compared again. Afterwards the frame gets it back, so that readers still see it.
        let replayed_from = Some(frame.sequence);
        let header = FrameHeader { replayed_from, publisher: None, ..frame.header.clone() };
        let resubmitted = NewFrame { stream_id: frame.stream_id.clone(), header, upload: Upload::new(bytes) };
        Ok(ReplayPlan::Worker {
            resubmitted: Box::new(resubmitted),
            publisher: frame.header.publisher.clone(),
        })
    }

    pub(super) fn would_replay(&self, ids: &[DeadLetterId]) -> Vec<Option<ReplayResult>> {
        let (budget, mut predicted) = (self.budget(), Predicted::default());
        let mut added = HashMap::<GroupId, usize>::new();
        let mut ask = |id: &DeadLetterId| -> std::result::Result<(), ReplayResult> {
            match self.plan_replay(*id)? {
                ReplayPlan::Worker { resubmitted, publisher: _ } => {
                    let partition = self.home(&resubmitted.stream_id);
                    let decided = partition.decide(&resubmitted, PayloadState::Uploaded, &predicted, &budget);
                    match (&decided, partition.streams.get(&resubmitted.stream_id)) {
                        (Some(decided), _) => predicted.note(&resubmitted.stream_id, decided),
                        (None, Some(stream)) => predicted.count_as_stored(stream, partition.id, &resubmitted),
                        (None, None) => {}
                    }
                    decided.map_or(Ok(()), |decided| Err(replayed(decided)))
                }
                ReplayPlan::Group { group, frame, kept } => {
                    let found = self.groups.find(&group).ok_or(ReplayResult::TargetGone)?;
                    let added = added.entry(group).or_default();
                    match found.would_replay(&frame, kept, *added) {
                        (Replay::Done, adds) => {
                            *added += usize::from(adds);
                            Ok(())
                        }
                        (refused, _) => refused.answer().map_or(Ok(()), Err),
                    }
                }
            }
        };
        ids.iter().map(|id| ask(id).err()).collect()
    }

    /// Accepts a frame and marks its dead letter in one step, under one lock.
    pub(super) fn replay_dead_letter(&mut self, id: DeadLetterId, now: Now) -> ReplayResult {
        let (sequence, answer) = match self.plan_replay(id) {
            Err(answer) => return answer,
            Ok(ReplayPlan::Worker { resubmitted, publisher }) => {
                match self.accept(vec![*resubmitted], now).pop().map(replayed) {
                    Some(ReplayResult::Replayed(sequence)) => {
                        if let Some(item) = self.partition(id.partition, now).work.newest_mut() {
                            item.header.publisher = publisher;
                        }
                        (Some(sequence), ReplayResult::Replayed(sequence))
                    }
                    answer => return answer.unwrap_or(ReplayResult::NotFound),
                }
            }
            Ok(ReplayPlan::Group { group, frame, kept }) => {
                let Ok(group) = self.groups.get(&group) else { return ReplayResult::TargetGone };
                if let Some(refused) = group.replay(&frame, id, kept, now).answer() {
                    return refused;
                }
                (None, ReplayResult::Redelivered)
            }
        };
        if let Some(letter) = self.partition(id.partition, now).dead.letters.get_mut(&id) {
            letter.replay = Some(DeadLetterReplay { sequence, time: now.wall });
        }
        answer
    }
}

/// The action of a replay.
enum ReplayPlan {
    /// Accept this frame.
    Worker { resubmitted: Box<NewFrame>, publisher: Option<PublisherSequence> },
    /// Return this frame to its group. `kept` says that its output entry is kept.
    Group { group: GroupId, frame: Box<DeadFrame>, kept: bool },
}

/// Converts the result of the accept to that of the replay.
fn replayed(answer: AcceptResult) -> ReplayResult {
    match answer {
        AcceptResult::Accepted(sequence, _) | AcceptResult::Duplicate(sequence) => {
            ReplayResult::Replayed(sequence)
        }
        AcceptResult::Refused(Refusal::StreamNotFound) => ReplayResult::TargetGone,
        AcceptResult::Refused(refusal) => ReplayResult::Refused(refusal),
        AcceptResult::Unconfirmed(_) | AcceptResult::NotDurable(_) => ReplayResult::NotFound,
    }
}

#[async_trait]
impl DeadLetters for MemoryQueue {
    async fn list_dead_letters(&self, query: &ListDeadLetters) -> Result<DeadLetterPage> {
        Ok(self.state().list_dead_letters(query))
    }

    async fn get_dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>> {
        Ok(self.state().partition_ref(id.partition).letter(id).cloned())
    }

    async fn replay_dead_letter(&self, id: DeadLetterId) -> Result<ReplayResult> {
        let result = self.state().replay_dead_letter(id, Now::read());
        self.work_added.notify_waiters();
        Ok(result)
    }

    async fn would_replay(&self, ids: &[DeadLetterId]) -> Result<Vec<Option<ReplayResult>>> {
        Ok(self.state().would_replay(ids))
    }

    async fn discard_dead_letter(&self, id: DeadLetterId) -> Result<bool> {
        let now = Now::read();
        let mut state = self.state();
        let partition = state.partition(id.partition, now);
        let found = partition.letter(id).is_some();
        Ok(found && partition.discard(id, now).is_some())
    }

    async fn trim_dead_letters(&self, lease: &Lease, max_bytes: u64) -> Result<Trimmed> {
        let now = Now::read();
        self.state().partition(lease.partition, now).trim_dead_letters(lease, max_bytes, now)
    }

    async fn dead_letter_totals(&self) -> Result<DeadLetterTotals> {
        Ok(self.state().dead_letter_totals())
    }
}
