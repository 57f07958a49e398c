//! One consumer group: which member has which frame, and until when. It decides in the same way as
//! `redis/lua/group_*.lua`.

mod answer;
mod claim;
mod gaps;
mod member;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::state::Now;
use crate::domain::{DeadLetterId, GroupId, GroupRecord, MemberId, Sequence, StreamId, Timestamp};
use crate::queue::{
    EndReason, Error, Exhausted, GapRun, GroupCounters, GroupPosition, GroupState, MAX_ENDED, MAX_GAP_RUNS,
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
    /// The frames, ordered by the time at which each is due again.
    due: BTreeSet<(Instant, StreamId, Sequence)>,
    /// Members with a call, and members that left and hold frames.
    members: BTreeMap<MemberId, Member>,
    counters: GroupCounters,
    /// The ends of the latest frames that were not acknowledged.
    ended: HashMap<Key, EndReason>,
    ended_order: VecDeque<Key>,
    gaps: Gaps,
}

#[derive(Debug)]
struct Position {
    next: Sequence,
    delivered: u64,
    sampler_state: String,
    owner: Option<MemberId>,
    /// The generation: deliveries of an older one are stale.
    generation: u64,
}

/// An outstanding frame, or one that waits to be delivered again.
#[derive(Debug)]
struct Pending {
    attempt: u32,
    /// The member that has it; `None` while it waits to be delivered again.
    holder: Option<MemberId>,
    size_bytes: u64,
    due: Instant,
    /// The time at which it was delivered to the member that has it, or had it last.
    delivered_at: Option<Instant>,
    /// It was rejected and waits to be delivered again.
    retrying: bool,
    /// A member rejected it for good.
    rejected: bool,
    message: String,
    /// The dead letter that it was replayed from.
    letter: Option<DeadLetterId>,
}

/// A member with a call, or one that left and has frames.
#[derive(Debug)]
struct Member {
    /// Its call; `None` after it left.
    session: Option<u64>,
    connect_time: Timestamp,
    expires: Instant,
    frames: u64,
    bytes: u64,
    /// The number of frames that it gets while others have room.
    window: u64,
    /// The time of the last check whether its window may grow.
    window_checked: Option<Instant>,
    claimed: Option<Instant>,
    answered: Option<Instant>,
}

impl Member {
    fn is_live(&self, now: Now) -> bool {
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

    /// Sets positions. They get the current generation.
    pub(super) fn set_positions(&mut self, positions: &[(StreamId, Sequence)]) {
        self.forget_pending(positions.iter().map(|(stream, _)| stream));
        self.gaps.forget(&positions.iter().map(|(stream, _)| stream).collect());
        let generation = self.record.generation;
        for (stream, next) in positions {
            let owner = self.positions.remove(stream).and_then(|position| position.owner);
            let position =
                Position { next: *next, delivered: 0, sampler_state: String::new(), owner, generation };
            self.positions.insert(stream.clone(), position);
        }
    }

    /// Forgets the streams that are given without a sequence. Starts the others at their sequences,
    /// unless they have positions.
    pub(super) fn reselect(&mut self, streams: &[(StreamId, Option<Sequence>)]) {
        for (stream, next) in streams {
            match next {
                None => {
                    self.gaps.forget(&HashSet::from([stream]));
                    self.drop_streams(std::slice::from_ref(stream));
                }
                Some(next) if !self.positions.contains_key(stream) => {
                    self.set_positions(&[(stream.clone(), *next)])
                }
                Some(_) => {}
            }
        }
    }

    /// Forgets streams whose output was removed, and adds gaps over frames that were not
    /// acknowledged.
    pub(super) fn lose_streams(&mut self, streams: &[RemovedStream], reason: u16) {
        for RemovedStream { stream_id, last, continues } in streams {
            let Some(position) = self.positions.get(stream_id) else { continue };
            let (next, owner) = (position.next, position.owner.clone());
            // A group that has advanced further already reads frames from after the removal.
            let is_further = last.is_some_and(|last| next.get() > last + 1);
            if is_further || self.gaps.len() >= MAX_GAP_RUNS {
                continue;
            }
            let pending = self.pending.keys().filter(|(id, sequence)| id == stream_id && *sequence < next);
            let mut lost: Vec<Sequence> = pending.map(|(_, sequence)| *sequence).collect();
            lost.sort_unstable();
            for sequence in lost {
                self.gaps.add_unsent(stream_id, GapRun { from: sequence, to: sequence, reason });
            }
            if let Some(Ok(to)) = last.map(Sequence::new)
                && next <= to
            {
                self.gaps.add_unsent(stream_id, GapRun { from: next, to, reason });
            }
            let before = self.pending.len();
            self.drop_streams(std::slice::from_ref(stream_id));
            self.counters.lost += (before - self.pending.len()) as u64;
            if let Some(last) = last.filter(|_| *continues) {
                let (next, generation) = (Sequence::after(last), self.record.generation);
                let position =
                    Position { next, delivered: 0, sampler_state: String::new(), owner, generation };
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

    /// Notes that a member has one frame less. A member that left is forgotten with its last frame.
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

    /// Takes a frame from its member and makes it due at `due`.
    fn release(&mut self, key: &Key, due: Instant) {
        let Some(pending) = self.pending.get_mut(key) else { return };
        let (holder, size_bytes) = (pending.holder.take(), pending.size_bytes);
        self.due.remove(&(pending.due, key.0.clone(), key.1));
        pending.due = due;
        self.due.insert((due, key.0.clone(), key.1));
        self.free(holder.as_ref(), size_bytes);
    }

    pub(super) fn state(&self, now: Now) -> GroupState {
        let has_call = |id: &MemberId| self.members.get(id).is_some_and(|member| member.is_live(now));
        let mut oldest: HashMap<&MemberId, Instant> = HashMap::new();
        for (holder, delivered_at) in
            self.pending.values().filter_map(|one| one.holder.as_ref().zip(one.delivered_at))
        {
            oldest.entry(holder).and_modify(|at| *at = delivered_at.min(*at)).or_insert(delivered_at);
        }
        let age = |at: Instant| now.instant.saturating_duration_since(at);
        let mut pending: BTreeMap<&StreamId, Vec<Sequence>> = BTreeMap::new();
        for (stream, sequence) in self.pending.keys() {
            pending.entry(stream).or_default().push(*sequence);
        }
        let position = |(stream, position): (&StreamId, &Position)| {
            let mut pending = pending.get(stream).cloned().unwrap_or_default();
            pending.sort_unstable();
            let owner = position.owner.clone().filter(has_call);
            let Position { next, delivered, sampler_state, .. } = position;
            let (next, delivered, sampler_state) = (*next, *delivered, sampler_state.clone());
            (stream.clone(), GroupPosition { next, delivered, sampler_state, owner, pending })
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
            oldest_outstanding: self.pending.values().filter_map(|one| one.delivered_at).min().map(age),
        }
    }

    /// Remembers the end of a frame that was not acknowledged.
    fn remember_end(&mut self, key: Key, reason: EndReason) {
        if self.ended.insert(key.clone(), reason).is_none() {
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

/// Returns the wall-clock time after a span from now.
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
    /// The tokens of recently stored dead letters, and when each expires.
    pub(super) dead_letter_tokens: HashMap<String, Instant>,
}

impl GroupTable {
    pub(super) fn find(&self, id: &GroupId) -> Option<&Group> {
        self.groups.get(id)
    }

    pub(super) fn get(&mut self, id: &GroupId) -> Result<&mut Group> {
        self.groups.get_mut(id).ok_or_else(|| Error::GroupNotFound(id.clone()))
    }
}
