//! Who gets which frame.

use std::time::Duration;

use tokio::time::Instant;

use super::super::state::Now;
use super::{Group, Key, Pending, after, exhausted};
use crate::domain::{GroupAffinity, StreamId};
use crate::queue::{
    Claim, Claimed, Delivery, Error, MAX_DUE, MAX_EXHAUSTED, OfferResult, Result, SETTLE_TIME, Seat,
    StreamOffer,
};

impl Group {
    pub(in super::super) fn claim(&mut self, seat: &Seat, claim: &Claim, now: Now) -> Result<Claimed> {
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
            let (size_bytes, comes_again) = (pending.size_bytes, pending.attempt > 0);
            if self.is_owned(seat, &key.0)
                || !self.has_room(seat, claim, size_bytes, claimed.deliveries.len())
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
            letter: pending.letter,
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
                    letter: None,
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
}
