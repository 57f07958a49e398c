//! Who gets which frame.

use std::time::Duration;

use tokio::time::Instant;

use super::super::state::Now;
use super::{Group, Key, Member, Pending, after, exhausted};
use crate::domain::{GroupAffinity, StreamId};
use crate::queue::{
    Claim, Claimed, Delivery, Error, MAX_DUE, MAX_EXHAUSTED, MAX_GAP_RUNS, OfferResult, Result, SETTLE_TIME,
    Seat, StreamOffer,
};

/// Between two times that a window is widened because nobody else has room.
const PAUSE: Duration = Duration::from_millis(500);
/// Who acknowledged a frame within this goes on to.
const BUSY: Duration = Duration::from_secs(2);
/// Who claimed within this claims again: a member looks once a second.
const PRESENT: Duration = Duration::from_secs(3);

impl Group {
    pub(in super::super) fn claim(&mut self, seat: &Seat, claim: &Claim, now: Now) -> Result<Claimed> {
        if claim.incarnation != self.record.incarnation {
            return Err(Error::GroupNotFound(seat.group.clone()));
        }
        self.keep(seat, claim.ttl, now)?;
        if claim.revision != self.record.revision {
            return Err(Error::RevisionMismatch { current: self.record.revision });
        }
        let mut claimed = Claimed {
            deliveries: Vec::new(),
            exhausted: Vec::new(),
            offers: Vec::new(),
            gaps: Vec::new(),
            generation: self.record.generation,
            outstanding_frames: 0,
            next_due: None,
        };
        self.claim_due(seat, claim, now, &mut claimed);
        for (stream, from, to) in &claim.told {
            self.gaps.told(seat.session, stream, *from, *to);
        }
        claimed.gaps = self.gaps.take_over(seat.session);
        let mut adopted = false;
        for offer in &claim.offers {
            let result = self.claim_new(seat, claim, offer, now, &mut adopted, &mut claimed.deliveries);
            claimed.offers.push(result);
        }
        if let Some(member) = self.members.get_mut(&seat.member) {
            member.claimed = Some(now.instant);
            if !claim.paced {
                member.window = claim.max_frames;
            }
            member.window = member.window.min(claim.max_frames);
            claimed.outstanding_frames = member.frames;
        }
        let later = self.due.iter().find(|(due, _, _)| *due > now.instant);
        claimed.next_due = later.map(|(due, _, _)| *due - now.instant);
        Ok(claimed)
    }

    fn has_room(&mut self, seat: &Seat, claim: &Claim, size_bytes: u64, taken: usize, now: Now) -> bool {
        let paced = claim.paced && self.record.settings.effective().affinity == GroupAffinity::Any;
        let Some(member) = self.members.get(&seat.member) else { return false };
        if taken >= claim.most
            || member.frames >= claim.max_frames
            || (member.frames > 0 && member.bytes + size_bytes > claim.max_bytes)
        {
            return false;
        }
        if !paced {
            return true;
        }
        let asks_again = member.grown.is_none_or(|at| now.instant - at >= PAUSE);
        let widen = member.frames >= member.window && asks_again && !self.others_have_room(seat, now);
        let Some(member) = self.members.get_mut(&seat.member) else { return false };
        if member.frames >= member.window && asks_again {
            member.grown = Some(now.instant); // not asked again at once
        }
        if widen {
            member.window *= 2;
        }
        member.frames < member.window
    }

    /// Whether another member will soon take what this one leaves.
    fn others_have_room(&self, seat: &Seat, now: Now) -> bool {
        let within = |at: Option<Instant>, span| at.is_some_and(|at| now.instant - at < span);
        let will = |member: &Member| {
            member.lives(now)
                && within(member.claimed, PRESENT)
                && (member.frames < member.window || within(member.answered, BUSY))
        };
        self.members.iter().any(|(id, member)| *id != seat.member && will(member))
    }

    /// Whether a stream is another member's. It is as long as that one has a call, or frames.
    fn is_owned(&self, seat: &Seat, stream: &StreamId) -> bool {
        match self.record.settings.effective().affinity {
            GroupAffinity::Any => false,
            GroupAffinity::Stream => self
                .positions
                .get(stream)
                .and_then(|position| position.owner.as_ref())
                .is_some_and(|owner| *owner != seat.member && self.members.contains_key(owner)),
        }
    }

    /// The stream becomes the member's; answers whether it was not before.
    fn adopt(&mut self, seat: &Seat, stream: &StreamId) -> bool {
        if self.record.settings.effective().affinity == GroupAffinity::Any {
            return false;
        }
        let Some(position) = self.positions.get_mut(stream) else { return false };
        position.owner.replace(seat.member.clone()).is_none_or(|before| before != seat.member)
    }

    fn claim_due(&mut self, seat: &Seat, claim: &Claim, now: Now, claimed: &mut Claimed) {
        let settings = self.record.settings.effective();
        let (most_attempts, ack_deadline) = (settings.max_delivery_attempts, settings.ack_deadline);
        let affine = settings.affinity == GroupAffinity::Stream;
        let due = self.due.iter().take_while(|(due, _, _)| *due <= now.instant).take(MAX_DUE);
        let mut due: Vec<(Instant, Key)> =
            due.map(|(at, stream, seq)| (*at, (stream.clone(), *seq))).collect();
        // Whoever has one has run out of time. All of them first: a stream whose owner is away goes to another member with its
        // frames in order.
        for (at, key) in &due {
            self.release(key, *at);
        }
        if affine {
            due.sort_unstable_by(|(_, a), (_, b)| a.cmp(b));
        }
        for (_, key) in due {
            let Some(pending) = self.pending.get_mut(&key) else { continue };
            if pending.rejected || pending.attempt >= most_attempts {
                if claimed.exhausted.len() < MAX_EXHAUSTED {
                    claimed.exhausted.push(exhausted(&key, pending));
                    self.release(&key, now.instant + SETTLE_TIME);
                }
                continue;
            }
            let (size_bytes, comes_again) = (pending.size_bytes, pending.attempt > 0);
            if self.is_owned(seat, &key.0)
                || !self.has_room(seat, claim, size_bytes, claimed.deliveries.len(), now)
            {
                continue;
            }
            self.adopt(seat, &key.0);
            self.counters.redelivered += u64::from(comes_again);
            self.release(&key, now.instant + ack_deadline);
            claimed.deliveries.extend(self.give(seat, &key, ack_deadline, now));
        }
    }

    /// Gives a frame that is pending to a member.
    fn give(&mut self, seat: &Seat, key: &Key, ack_deadline: Duration, now: Now) -> Option<Delivery> {
        let generation = self.generation_of(&key.0);
        let pending = self.pending.get_mut(key)?;
        pending.attempt += 1;
        pending.holder = Some(seat.member.clone());
        pending.given = Some(now.instant);
        pending.retrying = false;
        if let Some(member) = self.members.get_mut(&seat.member) {
            member.frames += 1;
            member.bytes += pending.size_bytes;
        }
        Some(Delivery {
            stream_id: key.0.clone(),
            sequence: key.1,
            attempt: pending.attempt,
            deadline: after(now, ack_deadline),
            left: ack_deadline,
            generation,
            letter: pending.letter,
        })
    }

    pub(super) fn generation_of(&self, stream: &StreamId) -> u64 {
        self.positions.get(stream).map_or(self.record.generation, |position| position.generation)
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
        let settings = self.record.settings.effective();
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
            if !candidate.gaps.is_empty() && self.gaps.len() + candidate.gaps.len() > MAX_GAP_RUNS {
                break;
            } else if candidate.skip {
                self.counters.acknowledged += 1;
            } else if self.pending.len() >= most
                || !self.has_room(seat, claim, candidate.size_bytes, deliveries.len(), now)
            {
                break;
            } else {
                let due = now.instant + ack_deadline;
                let pending = Pending {
                    attempt: 0,
                    holder: None,
                    size_bytes: candidate.size_bytes,
                    due,
                    given: None,
                    retrying: false,
                    rejected: false,
                    message: String::new(),
                    letter: None,
                };
                self.due.insert((due, stream.clone(), candidate.sequence));
                self.pending.insert(key.clone(), pending);
                deliveries.extend(self.give(seat, &key, ack_deadline, now));
                delivered = candidate.sequence.get();
            }
            for run in &candidate.gaps {
                self.gaps.give(seat.session, stream, *run);
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
        self.record.settings.effective().affinity == GroupAffinity::Any
            || self.positions.get(stream).and_then(|position| position.owner.as_ref()) == Some(&seat.member)
    }
}
