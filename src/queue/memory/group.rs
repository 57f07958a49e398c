//! One consumer group: who has which frame until when. The same decisions as in `redis/lua/group_*.lua`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::state::Now;
use crate::domain::limits::MAX_GROUP_MEMBERS;
use crate::domain::{GroupAffinity, GroupId, GroupRecord, MemberId, Sequence, StreamId, Timestamp};
use crate::queue::{
    Answer, AnswerResult, Claim, Claimed, Delivery, Error, Exhausted, GroupCounters, GroupPosition,
    GroupState, MAX_DUE, MAX_EXHAUSTED, MemberState, OfferResult, Result, SETTLE_TIME, Seat, Settled,
    Settlement, StreamOffer, Verdict,
};

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

    pub(super) fn drop_streams(&mut self, streams: &[StreamId]) {
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

    pub(super) fn claim(&mut self, seat: &Seat, claim: &Claim, now: Now) -> Result<Claimed> {
        if claim.incarnation != self.record.incarnation {
            return Err(Error::GroupNotFound(seat.group.clone()));
        }
        self.check_revision(Some(claim.revision))?;
        self.keep(seat, claim.ttl, now)?;
        self.bury_members(now);
        let mut claimed = Claimed {
            deliveries: Vec::new(),
            exhausted: Vec::new(),
            offers: Vec::new(),
            generation: self.record.generation,
            outstanding_frames: 0,
            next_due: None,
        };
        self.claim_due(seat, claim, now, &mut claimed);
        let mut adopted = false;
        for offer in &claim.offers {
            let result = self.claim_new(seat, claim, offer, now, &mut adopted, &mut claimed.deliveries);
            claimed.offers.push(result);
        }
        claimed.outstanding_frames = self.members.get(&seat.member).map_or(0, |member| member.frames);
        let later = self.due.iter().find(|(due, _, _)| *due > now.instant);
        claimed.next_due = later.map(|(due, _, _)| *due - now.instant);
        Ok(claimed)
    }

    fn has_room(&self, seat: &Seat, claim: &Claim, size_bytes: u64, taken: usize) -> bool {
        taken < claim.most
            && self.members.get(&seat.member).is_some_and(|member| {
                member.frames < claim.max_frames
                    && (member.frames == 0 || member.bytes + size_bytes <= claim.max_bytes)
            })
    }

    /// Whether a stream is another member's.
    fn is_owned(&self, seat: &Seat, stream: &StreamId) -> bool {
        match self.record.settings.affinity {
            GroupAffinity::None => false,
            GroupAffinity::Stream => self
                .positions
                .get(stream)
                .and_then(|position| position.owner.as_ref())
                .is_some_and(|owner| *owner != seat.member && self.members.contains_key(owner)),
        }
    }

    /// The stream becomes the member's; answers whether it was not before.
    fn adopt(&mut self, seat: &Seat, stream: &StreamId) -> bool {
        if self.record.settings.affinity == GroupAffinity::None {
            return false;
        }
        let Some(position) = self.positions.get_mut(stream) else { return false };
        position.owner.replace(seat.member.clone()).is_none_or(|before| before != seat.member)
    }

    fn claim_due(&mut self, seat: &Seat, claim: &Claim, now: Now, claimed: &mut Claimed) {
        let settings = &self.record.settings;
        let (most_attempts, ack_deadline) = (settings.max_delivery_attempts, settings.ack_deadline);
        let due = self.due.iter().take_while(|(due, _, _)| *due <= now.instant).take(MAX_DUE);
        let due: Vec<(Instant, Key)> = due.map(|(at, stream, seq)| (*at, (stream.clone(), *seq))).collect();
        for (at, key) in due {
            self.release(&key, at); // whoever has it has run out of time
            let Some(pending) = self.pending.get_mut(&key) else { continue };
            if pending.rejected || pending.attempt >= most_attempts {
                if claimed.exhausted.len() < MAX_EXHAUSTED {
                    claimed.exhausted.push(exhausted(&key, pending));
                    self.release(&key, now.instant + SETTLE_TIME);
                }
                continue;
            }
            let size_bytes = pending.size_bytes;
            if self.is_owned(seat, &key.0)
                || !self.has_room(seat, claim, size_bytes, claimed.deliveries.len())
            {
                continue;
            }
            self.adopt(seat, &key.0);
            self.counters.redelivered += 1;
            self.release(&key, now.instant + ack_deadline);
            claimed.deliveries.extend(self.give(seat, &key, ack_deadline, now));
        }
    }

    /// Gives a frame that is pending to a member.
    fn give(&mut self, seat: &Seat, key: &Key, ack_deadline: Duration, now: Now) -> Option<Delivery> {
        let pending = self.pending.get_mut(key)?;
        pending.attempt += 1;
        pending.holder = Some(seat.member.clone());
        if let Some(member) = self.members.get_mut(&seat.member) {
            member.frames += 1;
            member.bytes += pending.size_bytes;
        }
        Some(Delivery {
            stream_id: key.0.clone(),
            sequence: key.1,
            attempt: pending.attempt,
            deadline: after(now, ack_deadline),
        })
    }

    fn claim_new(
        &mut self,
        seat: &Seat,
        claim: &Claim,
        offer: &StreamOffer,
        now: Now,
        adopted: &mut bool,
        deliveries: &mut Vec<Delivery>,
    ) -> OfferResult {
        let stream = &offer.stream_id;
        if offer.begin && !self.positions.contains_key(stream) {
            self.place(&[(stream.clone(), offer.from)]);
        }
        let Some(position) = self.positions.get(stream) else { return OfferResult::Unknown };
        let (mut next, mut mark) = (position.next, position.mark.clone());
        if next != offer.from {
            return OfferResult::Moved(next, mark);
        }
        let settings = &self.record.settings;
        let (most, ack_deadline) = (settings.max_outstanding_frames as usize, settings.ack_deadline);
        if self.is_owned(seat, stream) {
            return OfferResult::Owned(next, mark);
        }
        if *adopted && !self.is_mine(seat, stream) {
            return OfferResult::Later;
        }
        let mut delivered = 0;
        for candidate in &offer.candidates {
            let key = (stream.clone(), candidate.sequence);
            if candidate.skip {
                self.counters.acknowledged += 1;
            } else if self.pending.len() >= most
                || !self.has_room(seat, claim, candidate.size_bytes, deliveries.len())
            {
                break;
            } else {
                let due = now.instant + ack_deadline;
                let pending = Pending {
                    attempt: 0,
                    holder: None,
                    size_bytes: candidate.size_bytes,
                    due,
                    rejected: false,
                    message: String::new(),
                };
                self.due.insert((due, stream.clone(), candidate.sequence));
                self.pending.insert(key.clone(), pending);
                deliveries.extend(self.give(seat, &key, ack_deadline, now));
                delivered = candidate.sequence.get();
            }
            next = candidate.sequence.next();
            mark.clone_from(&candidate.mark);
        }
        if next != offer.from {
            self.counters.lost += offer.lost;
            if delivered > 0 {
                *adopted |= self.adopt(seat, stream);
            }
            if let Some(position) = self.positions.get_mut(stream) {
                position.next = next;
                position.delivered = position.delivered.max(delivered);
                position.mark.clone_from(&mark);
            }
        }
        OfferResult::At(next, mark)
    }

    fn is_mine(&self, seat: &Seat, stream: &StreamId) -> bool {
        self.record.settings.affinity == GroupAffinity::None
            || self.positions.get(stream).and_then(|position| position.owner.as_ref()) == Some(&seat.member)
    }

    pub(super) fn answer(&mut self, answer: &Answer, now: Now) -> AnswerResult {
        let Answer { stream_id, sequence, attempt, generation, incarnation, verdict } = answer;
        let Some(position) = self.positions.get(stream_id) else { return AnswerResult::Stale };
        if *incarnation != self.record.incarnation
            || *generation < position.generation
            || *sequence >= position.next
        {
            return AnswerResult::Stale;
        }
        let key = (stream_id.clone(), *sequence);
        let settings = &self.record.settings;
        let (most_attempts, ack_deadline) = (settings.max_delivery_attempts, settings.ack_deadline);
        let back_off = settings.backoff.after(*attempt);
        let Some(pending) = self.pending.get_mut(&key) else { return AnswerResult::Before };
        if pending.attempt != *attempt {
            return AnswerResult::Stale;
        }
        let mut give_up = false;
        match verdict {
            Verdict::Acknowledge => {
                self.remove_pending(&key);
                self.counters.acknowledged += 1;
                return AnswerResult::Done(None);
            }
            Verdict::Extend(_) if pending.holder.is_none() => return AnswerResult::Stale,
            Verdict::Extend(span) => {
                let span = span.unwrap_or(ack_deadline);
                self.due.remove(&(pending.due, key.0.clone(), key.1));
                pending.due = now.instant + span;
                self.due.insert((pending.due, key.0, key.1));
                return AnswerResult::Done(Some(after(now, span)));
            }
            // Rejected before.
            Verdict::Retry { .. } | Verdict::GiveUp { .. } if pending.holder.is_none() => {
                return AnswerResult::Done(None);
            }
            Verdict::Retry { delay, message } => {
                pending.message.clone_from(message);
                if pending.attempt < most_attempts {
                    self.release(&key, now.instant + delay.unwrap_or(back_off));
                    return AnswerResult::Done(None);
                }
            }
            Verdict::GiveUp { message } => {
                pending.message.clone_from(message);
                give_up = true;
            }
        }
        pending.rejected = give_up;
        let given_up = exhausted(&key, pending);
        self.release(&key, now.instant + SETTLE_TIME);
        AnswerResult::Exhausted(given_up)
    }

    pub(super) fn settle(&mut self, frame: &Settled) {
        let key = (frame.stream_id.clone(), frame.sequence);
        if self.pending.get(&key).is_some_and(|pending| pending.attempt == frame.attempt) {
            self.remove_pending(&key);
            match frame.settlement {
                Settlement::DeadLetter => self.counters.dead += 1,
                Settlement::Lost => self.counters.lost += 1,
            }
        }
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
