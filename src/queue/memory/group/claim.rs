//! Claims: decides which member gets which frame.

use std::time::Duration;

use tokio::time::Instant;

use super::super::state::Now;
use super::{Group, Key, Member, Pending, after, exhausted};
use crate::domain::{GroupAffinity, StreamId};
use crate::queue::{
    CandidateResult, Claim, ClaimCandidates, Claimed, Delivery, Error, MAX_DUE, MAX_EXHAUSTED, MAX_GAP_RUNS,
    Membership, Result, SETTLE_TIME,
};

/// The minimum time between two increases of a window while no other member has room.
const WIDEN_PAUSE: Duration = Duration::from_millis(500);
/// The time after its last answer in which a member is expected to answer again.
const BUSY: Duration = Duration::from_secs(2);
/// The time after its last claim in which a member is expected to claim again: members claim once a
/// second.
const PRESENT: Duration = Duration::from_secs(3);

impl Group {
    pub(in super::super) fn claim(
        &mut self,
        membership: &Membership,
        claim: &Claim,
        now: Now,
    ) -> Result<Claimed> {
        if claim.incarnation != self.record.incarnation {
            return Err(Error::GroupNotFound(membership.group.clone()));
        }
        self.renew(membership, claim.ttl, now)?;
        if claim.revision != self.record.revision {
            return Err(Error::RevisionMismatch { current: self.record.revision });
        }
        let mut claimed = Claimed {
            deliveries: Vec::new(),
            exhausted: Vec::new(),
            streams: Vec::new(),
            gaps: Vec::new(),
            generation: self.record.generation,
            outstanding_frames: 0,
            next_due: None,
        };
        self.claim_due(membership, claim, now, &mut claimed);
        for (stream, from, to) in &claim.received_gaps {
            self.gaps.received(membership.session, stream, *from, *to);
        }
        claimed.gaps = self.gaps.take_over(membership.session);
        let mut adopted = false;
        for proposed in &claim.streams {
            let result =
                self.claim_new(membership, claim, proposed, now, &mut adopted, &mut claimed.deliveries);
            claimed.streams.push(result);
        }
        if let Some(member) = self.members.get_mut(&membership.member) {
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

    fn has_room(
        &mut self,
        membership: &Membership,
        claim: &Claim,
        size_bytes: u64,
        taken: usize,
        now: Now,
    ) -> bool {
        let paced = claim.paced && self.record.settings.effective().affinity == GroupAffinity::Any;
        let Some(member) = self.members.get(&membership.member) else { return false };
        if taken >= claim.max_deliveries
            || member.frames >= claim.max_frames
            || (member.frames > 0 && member.bytes + size_bytes > claim.max_bytes)
        {
            return false;
        }
        if !paced {
            return true;
        }
        let may_check = member.window_checked.is_none_or(|at| now.instant - at >= WIDEN_PAUSE);
        let widen = member.frames >= member.window && may_check && !self.others_have_room(membership, now);
        let Some(member) = self.members.get_mut(&membership.member) else { return false };
        if member.frames >= member.window && may_check {
            member.window_checked = Some(now.instant); // not checked again at once
        }
        if widen {
            member.window *= 2;
        }
        member.frames < member.window
    }

    /// Reports whether another member will soon claim the frames that this one leaves.
    fn others_have_room(&self, membership: &Membership, now: Now) -> bool {
        let within = |at: Option<Instant>, span| at.is_some_and(|at| now.instant - at < span);
        let will = |member: &Member| {
            member.is_live(now)
                && within(member.claimed, PRESENT)
                && (member.frames < member.window || within(member.answered, BUSY))
        };
        self.members.iter().any(|(id, member)| *id != membership.member && will(member))
    }

    /// Reports whether a stream belongs to another member: it does as long as that member has a
    /// call or frames.
    fn is_owned(&self, membership: &Membership, stream: &StreamId) -> bool {
        match self.record.settings.effective().affinity {
            GroupAffinity::Any => false,
            GroupAffinity::Stream => self
                .positions
                .get(stream)
                .and_then(|position| position.owner.as_ref())
                .is_some_and(|owner| *owner != membership.member && self.members.contains_key(owner)),
        }
    }

    /// Assigns a stream to a member; returns whether it did not belong to the member before.
    fn adopt(&mut self, membership: &Membership, stream: &StreamId) -> bool {
        if self.record.settings.effective().affinity == GroupAffinity::Any {
            return false;
        }
        let Some(position) = self.positions.get_mut(stream) else { return false };
        position.owner.replace(membership.member.clone()).is_none_or(|before| before != membership.member)
    }

    fn claim_due(&mut self, membership: &Membership, claim: &Claim, now: Now, claimed: &mut Claimed) {
        let settings = self.record.settings.effective();
        let (max_attempts, ack_deadline) = (settings.max_delivery_attempts, settings.ack_deadline);
        let affine = settings.affinity == GroupAffinity::Stream;
        let due = self.due.iter().take_while(|(due, _, _)| *due <= now.instant).take(MAX_DUE);
        let mut due: Vec<(Instant, Key)> =
            due.map(|(at, stream, seq)| (*at, (stream.clone(), *seq))).collect();
        // The ack deadlines of these frames have passed. All of them are released first, so that a
        // stream whose owner has left goes to another member with its frames in order.
        for (at, key) in &due {
            self.release(key, *at);
        }
        if affine {
            due.sort_unstable_by(|(_, a), (_, b)| a.cmp(b));
        }
        for (_, key) in due {
            let Some(pending) = self.pending.get_mut(&key) else { continue };
            if pending.rejected || pending.attempt >= max_attempts {
                if claimed.exhausted.len() < MAX_EXHAUSTED {
                    claimed.exhausted.push(exhausted(&key, pending));
                    self.release(&key, now.instant + SETTLE_TIME);
                }
                continue;
            }
            let (size_bytes, is_redelivery) = (pending.size_bytes, pending.attempt > 0);
            if self.is_owned(membership, &key.0)
                || !self.has_room(membership, claim, size_bytes, claimed.deliveries.len(), now)
            {
                continue;
            }
            self.adopt(membership, &key.0);
            self.counters.redelivered += u64::from(is_redelivery);
            self.release(&key, now.instant + ack_deadline);
            claimed.deliveries.extend(self.deliver(membership, &key, ack_deadline, now));
        }
    }

    /// Delivers a pending frame to a member.
    fn deliver(
        &mut self,
        membership: &Membership,
        key: &Key,
        ack_deadline: Duration,
        now: Now,
    ) -> Option<Delivery> {
        let generation = self.generation_of(&key.0);
        let pending = self.pending.get_mut(key)?;
        pending.attempt += 1;
        pending.holder = Some(membership.member.clone());
        pending.delivered_at = Some(now.instant);
        pending.retrying = false;
        if let Some(member) = self.members.get_mut(&membership.member) {
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
        membership: &Membership,
        claim: &Claim,
        proposed: &ClaimCandidates,
        now: Now,
        adopted: &mut bool,
        deliveries: &mut Vec<Delivery>,
    ) -> CandidateResult {
        let stream = &proposed.stream_id;
        if proposed.is_new && !self.positions.contains_key(stream) {
            self.set_positions(&[(stream.clone(), proposed.from)]);
        }
        let Some(position) = self.positions.get(stream) else { return CandidateResult::Unknown };
        let (mut next, mut sampler_state) = (position.next, position.sampler_state.clone());
        if next != proposed.from {
            return CandidateResult::Moved(next, sampler_state);
        }
        let settings = self.record.settings.effective();
        let (limit, ack_deadline) = (settings.max_outstanding_frames as usize, settings.ack_deadline);
        if self.is_owned(membership, stream) {
            return CandidateResult::Owned(next, sampler_state);
        }
        if *adopted && !self.is_mine(membership, stream) {
            return CandidateResult::Later;
        }
        let mut delivered = 0;
        for candidate in &proposed.candidates {
            let key = (stream.clone(), candidate.sequence);
            if !candidate.gaps.is_empty() && self.gaps.len() + candidate.gaps.len() > MAX_GAP_RUNS {
                break;
            } else if candidate.skip {
                self.counters.acknowledged += 1;
            } else if self.pending.len() >= limit
                || !self.has_room(membership, claim, candidate.size_bytes, deliveries.len(), now)
            {
                break;
            } else {
                let due = now.instant + ack_deadline;
                let pending = Pending {
                    attempt: 0,
                    holder: None,
                    size_bytes: candidate.size_bytes,
                    due,
                    delivered_at: None,
                    retrying: false,
                    rejected: false,
                    message: String::new(),
                    letter: None,
                };
                self.due.insert((due, stream.clone(), candidate.sequence));
                self.pending.insert(key.clone(), pending);
                deliveries.extend(self.deliver(membership, &key, ack_deadline, now));
                delivered = candidate.sequence.get();
            }
            for run in &candidate.gaps {
                self.gaps.assign(membership.session, stream, *run);
            }
            next = candidate.sequence.next();
            sampler_state.clone_from(&candidate.sampler_state);
        }
        if next != proposed.from {
            self.counters.lost += proposed.lost;
            if delivered > 0 {
                *adopted |= self.adopt(membership, stream);
            }
            if let Some(position) = self.positions.get_mut(stream) {
                position.next = next;
                position.delivered = position.delivered.max(delivered);
                position.sampler_state.clone_from(&sampler_state);
            }
        }
        CandidateResult::At(next, sampler_state)
    }

    fn is_mine(&self, membership: &Membership, stream: &StreamId) -> bool {
        self.record.settings.effective().affinity == GroupAffinity::Any
            || self.positions.get(stream).and_then(|position| position.owner.as_ref())
                == Some(&membership.member)
    }
}
