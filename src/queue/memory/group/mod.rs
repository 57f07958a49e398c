//! One consumer group: who has which frame until when. The same decisions as in `redis/lua/group_*.lua`.

mod answer;
mod claim;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::state::Now;
use crate::domain::limits::MAX_GROUP_MEMBERS;
use crate::domain::{DeadLetterId, GroupId, GroupRecord, MemberId, Sequence, StreamId, Timestamp};
use crate::queue::{Error, Exhausted, GroupCounters, GroupPosition, GroupState, MemberState, Result, Seat};

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
    members: BTreeMap<MemberId, Member>,
    counters: GroupCounters,
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
    /// A member wants no more of it.
    rejected: bool,
    message: String,
    /// What it was replayed from.
    letter: Option<DeadLetterId>,
}

#[derive(Debug)]
struct Member {
    session: u64,
    connect_time: Timestamp,
    expires: Instant,
    frames: u64,
    bytes: u64,
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
        }
    }

    pub(super) fn check_revision(&self, expected: Option<u64>) -> Result<()> {
        match expected {
            Some(expected) if expected != self.record.revision => {
                Err(Error::RevisionMismatch { current: self.record.revision })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Sets positions, as of this generation.
    pub(super) fn place(&mut self, positions: &[(StreamId, Sequence)]) {
        self.forget_pending(positions.iter().map(|(stream, _)| stream));
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
                None => self.drop_streams(std::slice::from_ref(stream)),
                Some(next) if !self.positions.contains_key(stream) => self.place(&[(stream.clone(), *next)]),
                Some(_) => {}
            }
        }
    }

    /// Forgets streams whose output is gone, also for those who had not acknowledged it.
    pub(super) fn lose_streams(&mut self, streams: &[StreamId]) {
        let before = self.pending.len();
        self.drop_streams(streams);
        self.counters.lost += (before - self.pending.len()) as u64;
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
        if let Some(pending) = self.pending.remove(key) {
            self.due.remove(&(pending.due, key.0.clone(), key.1));
            self.free(pending.holder.as_ref(), pending.size_bytes);
        }
    }

    /// A member has a frame less.
    fn free(&mut self, holder: Option<&MemberId>, size_bytes: u64) {
        if let Some(member) = holder.and_then(|holder| self.members.get_mut(holder)) {
            member.frames = member.frames.saturating_sub(1);
            member.bytes = member.bytes.saturating_sub(size_bytes);
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

    fn release_all_of(&mut self, gone: &[MemberId], now: Now) {
        let held = |pending: &Pending| pending.holder.as_ref().is_some_and(|holder| gone.contains(holder));
        let keys: Vec<Key> =
            self.pending.iter().filter(|(_, one)| held(one)).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.release(&key, now.instant);
        }
    }

    /// Lets go of members whose time is over.
    fn bury_members(&mut self, now: Now) {
        let over = |member: &Member| member.expires <= now.instant;
        let gone: Vec<MemberId> =
            self.members.iter().filter(|(_, member)| over(member)).map(|(id, _)| id.clone()).collect();
        if !gone.is_empty() {
            self.release_all_of(&gone, now);
            self.members.retain(|id, _| !gone.contains(id));
        }
    }

    pub(super) fn join(&mut self, seat: &Seat, ttl: Duration, now: Now) -> Result<GroupRecord> {
        self.bury_members(now);
        if !self.members.contains_key(&seat.member) && self.members.len() >= MAX_GROUP_MEMBERS {
            return Err(Error::TooManyMembers { limit: MAX_GROUP_MEMBERS });
        }
        if self.members.get(&seat.member).is_none_or(|member| member.session != seat.session) {
            self.release_all_of(std::slice::from_ref(&seat.member), now);
            let member = Member {
                session: seat.session,
                connect_time: now.wall,
                expires: now.instant + ttl,
                frames: 0,
                bytes: 0,
            };
            self.members.insert(seat.member.clone(), member);
        }
        self.keep(seat, ttl, now)?;
        Ok(self.record.clone())
    }

    pub(super) fn keep(&mut self, seat: &Seat, ttl: Duration, now: Now) -> Result<()> {
        match self.members.get_mut(&seat.member) {
            Some(member) if member.session != seat.session => Err(Error::MemberReplaced),
            Some(member) => {
                member.expires = now.instant + ttl;
                Ok(())
            }
            None => self.join(seat, ttl, now).map(drop),
        }
    }

    pub(super) fn leave(&mut self, seat: &Seat, unsent: &[Key], now: Now) {
        if self.members.get(&seat.member).is_none_or(|member| member.session != seat.session) {
            return;
        }
        for key in unsent {
            if let Some(pending) = self.pending.get_mut(key)
                && pending.holder.as_ref() == Some(&seat.member)
            {
                pending.attempt -= 1;
            }
        }
        self.release_all_of(std::slice::from_ref(&seat.member), now);
        self.members.remove(&seat.member);
    }

    pub(super) fn state(&self, now: Now) -> GroupState {
        let lives = |id: &MemberId| self.members.get(id).is_some_and(|member| member.expires > now.instant);
        let mut pending: BTreeMap<&StreamId, Vec<Sequence>> = BTreeMap::new();
        for (stream, sequence) in self.pending.keys() {
            pending.entry(stream).or_default().push(*sequence);
        }
        let position = |(stream, position): (&StreamId, &Position)| {
            let mut pending = pending.get(stream).cloned().unwrap_or_default();
            pending.sort_unstable();
            let owner = position.owner.clone().filter(lives);
            let Position { next, delivered, mark, .. } = position;
            let (next, delivered, mark) = (*next, *delivered, mark.clone());
            (stream.clone(), GroupPosition { next, delivered, mark, owner, pending })
        };
        let members = self.members.iter().filter(|(id, _)| lives(id)).map(|(id, member)| MemberState {
            id: id.clone(),
            connect_time: member.connect_time,
            outstanding_frames: member.frames,
            outstanding_bytes: member.bytes,
        });
        GroupState {
            record: self.record.clone(),
            positions: self.positions.iter().map(position).collect(),
            members: members.collect(),
            counters: self.counters,
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
    pub(super) fn get(&mut self, id: &GroupId) -> Result<&mut Group> {
        self.groups.get_mut(id).ok_or_else(|| Error::GroupNotFound(id.clone()))
    }
}
