//! One consumer group: who has which frame until when. The same decisions as in `redis/lua/group_*.lua`.

mod answer;
mod claim;
mod gaps;
mod seat;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::state::Now;
use crate::domain::{DeadLetterId, Etag, GroupId, GroupRecord, MemberId, Sequence, StreamId, Timestamp};
use crate::queue::{
    Ended, Error, Exhausted, GapRun, GroupCounters, GroupPosition, GroupState, MAX_ENDED, MAX_GAP_RUNS,
    MemberState, RemovedStream, Result,
};

use gaps::Gaps;

pub(super) use answer::Replay;

type Key = (StreamId, Sequence);

/// A group with all its state.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) record: GroupRecord,
    positions: BTreeMap<StreamId, Position>,
    pending: HashMap<Key, Pending>,
    /// When which frame is due again.
    due: BTreeSet<(Instant, StreamId, Sequence)>,
    /// Those with a call, and those that are away and hold frames.
    members: BTreeMap<MemberId, Member>,
    counters: GroupCounters,
    /// How frames ended that nobody acknowledged, the latest of them.
    ended: HashMap<Key, Ended>,
    ended_order: VecDeque<Key>,
    gaps: Gaps,
}

#[derive(Debug)]
struct Position {
    next: Sequence,
    delivered: u64,
    mark: String,
    owner: Option<MemberId>,
    /// Deliveries of an older generation are stale.
    generation: u64,
}

/// A frame that was delivered and is not acknowledged.
#[derive(Debug)]
struct Pending {
    attempt: u32,
    /// Who has it; `None` while it waits to be delivered again.
    holder: Option<MemberId>,
    size_bytes: u64,
    due: Instant,
    /// When it was given to who has it, or had it last.
    given: Option<Instant>,
    /// It was rejected, and waits to be delivered again.
    retrying: bool,
    /// A member wants no more of it.
    rejected: bool,
    message: String,
    /// What it was replayed from.
    letter: Option<DeadLetterId>,
}

/// A member with a call, or that is away and has frames.
#[derive(Debug)]
struct Member {
    /// Its call; `None` while it is away.
    session: Option<u64>,
    connect_time: Timestamp,
    expires: Instant,
    frames: u64,
    bytes: u64,
    /// How many frames it is given while others have room.
    window: u64,
    /// When it last asked whether its window may be widened.
    grown: Option<Instant>,
    claimed: Option<Instant>,
    answered: Option<Instant>,
}

impl Member {
    fn lives(&self, now: Now) -> bool {
        self.session.is_some() && self.expires > now.instant
    }
}

impl Group {
    pub(super) fn new(record: GroupRecord) -> Self {
        Self {
            record,
            positions: BTreeMap::new(),
            pending: HashMap::new(),
            due: BTreeSet::new(),
            members: BTreeMap::new(),
            counters: GroupCounters::default(),
            ended: HashMap::new(),
            ended_order: VecDeque::new(),
            gaps: Gaps::default(),
        }
    }

    pub(super) fn check_etag(&self, expected: Option<Etag>) -> Result<()> {
        let current = self.record.etag();
        match expected {
            Some(expected) if expected != current => Err(Error::EtagMismatch { current }),
            Some(_) | None => Ok(()),
        }
    }

    /// Sets positions, as of this generation.
    pub(super) fn place(&mut self, positions: &[(StreamId, Sequence)]) {
        self.forget_pending(positions.iter().map(|(stream, _)| stream));
        self.gaps.forget(&positions.iter().map(|(stream, _)| stream).collect());
        let generation = self.record.generation;
        for (stream, next) in positions {
            let owner = self.positions.remove(stream).and_then(|position| position.owner);
            let position = Position { next: *next, delivered: 0, mark: String::new(), owner, generation };
            self.positions.insert(stream.clone(), position);
        }
    }

    /// Forgets streams, and begins others that have no position yet.
    pub(super) fn reselect(&mut self, streams: &[(StreamId, Option<Sequence>)]) {
        for (stream, next) in streams {
            match next {
                None => {
                    self.gaps.forget(&HashSet::from([stream]));
                    self.drop_streams(std::slice::from_ref(stream));
                }
                Some(next) if !self.positions.contains_key(stream) => self.place(&[(stream.clone(), *next)]),
                Some(_) => {}
            }
        }
    }

    /// Forgets streams whose output was removed, also for those who had not acknowledged it: they are told.
    pub(super) fn lose_streams(&mut self, streams: &[RemovedStream], reason: u16) {
        for RemovedStream { stream_id, last, goes_on } in streams {
            let Some(position) = self.positions.get(stream_id) else { continue };
            let (next, owner) = (position.next, position.owner.clone());
            // A group that is further is at work on what was published since.
            let is_further = last.is_some_and(|last| next.get() > last + 1);
            if is_further || self.gaps.len() >= MAX_GAP_RUNS {
                continue;
            }
            let pending = self.pending.keys().filter(|(id, sequence)| id == stream_id && *sequence < next);
            let mut lost: Vec<Sequence> = pending.map(|(_, sequence)| *sequence).collect();
            lost.sort_unstable();
            for sequence in lost {
                self.gaps.leave_untold(stream_id, GapRun { from: sequence, to: sequence, reason });
            }
            if let Some(Ok(to)) = last.map(Sequence::new)
                && next <= to
            {
                self.gaps.leave_untold(stream_id, GapRun { from: next, to, reason });
            }
            let before = self.pending.len();
            self.drop_streams(std::slice::from_ref(stream_id));
            self.counters.lost += (before - self.pending.len()) as u64;
            if let Some(last) = last.filter(|_| *goes_on) {
                let (next, generation) = (Sequence::after(last), self.record.generation);
                let position = Position { next, delivered: 0, mark: String::new(), owner, generation };
                self.positions.insert(stream_id.clone(), position);
            }
        }
    }

    fn drop_streams(&mut self, streams: &[StreamId]) {
        self.forget_pending(streams.iter());
        for stream in streams {
            self.positions.remove(stream);
        }
    }

    fn forget_pending<'a>(&mut self, streams: impl Iterator<Item = &'a StreamId>) {
        let streams: HashSet<&StreamId> = streams.collect();
        let keys: Vec<Key> = self.pending.keys().filter(|(id, _)| streams.contains(id)).cloned().collect();
        for key in keys {
            self.remove_pending(&key);
        }
    }

    fn remove_pending(&mut self, key: &Key) {
        self.ended.remove(key);
        if let Some(pending) = self.pending.remove(key) {
            self.due.remove(&(pending.due, key.0.clone(), key.1));
            self.free(pending.holder.as_ref(), pending.size_bytes);
        }
    }

    /// A member has a frame less. One that is away is forgotten with its last frame.
    fn free(&mut self, holder: Option<&MemberId>, size_bytes: u64) {
        let Some(holder) = holder else { return };
        if let Some(member) = self.members.get_mut(holder) {
            member.frames = member.frames.saturating_sub(1);
            member.bytes = member.bytes.saturating_sub(size_bytes);
            if member.frames == 0 && member.session.is_none() {
                self.members.remove(holder);
            }
        }
    }

    /// Nobody has the frame any more; it is due at `due`.
    fn release(&mut self, key: &Key, due: Instant) {
        let Some(pending) = self.pending.get_mut(key) else { return };
        let (holder, size_bytes) = (pending.holder.take(), pending.size_bytes);
        self.due.remove(&(pending.due, key.0.clone(), key.1));
        pending.due = due;
        self.due.insert((due, key.0.clone(), key.1));
        self.free(holder.as_ref(), size_bytes);
    }

    pub(super) fn state(&self, now: Now) -> GroupState {
        let has_call = |id: &MemberId| self.members.get(id).is_some_and(|member| member.lives(now));
        let mut oldest: HashMap<&MemberId, Instant> = HashMap::new();
        for (holder, given) in self.pending.values().filter_map(|one| one.holder.as_ref().zip(one.given)) {
            oldest.entry(holder).and_modify(|at| *at = given.min(*at)).or_insert(given);
        }
        let age = |given: Instant| now.instant.saturating_duration_since(given);
        let mut pending: BTreeMap<&StreamId, Vec<Sequence>> = BTreeMap::new();
        for (stream, sequence) in self.pending.keys() {
            pending.entry(stream).or_default().push(*sequence);
        }
        let position = |(stream, position): (&StreamId, &Position)| {
            let mut pending = pending.get(stream).cloned().unwrap_or_default();
            pending.sort_unstable();
            let owner = position.owner.clone().filter(has_call);
            let Position { next, delivered, mark, .. } = position;
            let (next, delivered, mark) = (*next, *delivered, mark.clone());
            (stream.clone(), GroupPosition { next, delivered, mark, owner, pending })
        };
        let members = self.members.iter().filter(|(id, _)| has_call(id)).map(|(id, member)| MemberState {
            id: id.clone(),
            connect_time: member.connect_time,
            outstanding_frames: member.frames,
            outstanding_bytes: member.bytes,
            oldest_outstanding: oldest.get(id).copied().map(age),
            window_frames: member.window,
        });
        GroupState {
            record: self.record.clone(),
            positions: self.positions.iter().map(position).collect(),
            members: members.collect(),
            counters: self.counters,
            oldest_outstanding: self.pending.values().filter_map(|one| one.given).min().map(age),
        }
    }

    /// Remembers how a frame ended that nobody acknowledged.
    fn remember_end(&mut self, key: Key, how: Ended) {
        if self.ended.insert(key.clone(), how).is_none() {
            self.ended_order.push_back(key);
        }
        while self.ended_order.len() as u64 > MAX_ENDED {
            if let Some(oldest) = self.ended_order.pop_front() {
                self.ended.remove(&oldest);
            }
        }
    }
}

fn exhausted((stream_id, sequence): &Key, pending: &Pending) -> Exhausted {
    Exhausted {
        stream_id: stream_id.clone(),
        sequence: *sequence,
        attempts: pending.attempt,
        rejected: pending.rejected,
        message: pending.message.clone(),
        letter: pending.letter,
    }
}

/// A span from now, for people.
fn after(now: Now, span: Duration) -> Timestamp {
    Timestamp::from_micros(
        now.wall.as_micros().saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
    )
}

/// All groups of a store.
#[derive(Debug, Default)]
pub(super) struct GroupTable {
    pub(super) groups: BTreeMap<GroupId, Group>,
    pub(super) ack_key: Option<[u8; 32]>,
    /// What was entered as a dead letter lately, and until when that is remembered.
    pub(super) buried: HashMap<String, Instant>,
}

impl GroupTable {
    pub(super) fn look(&self, id: &GroupId) -> Option<&Group> {
        self.groups.get(id)
    }

    pub(super) fn get(&mut self, id: &GroupId) -> Result<&mut Group> {
        self.groups.get_mut(id).ok_or_else(|| Error::GroupNotFound(id.clone()))
    }
}
