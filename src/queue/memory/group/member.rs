//! Memberships, and the frames that members keep after they left.

use std::time::Duration;

use super::super::state::Now;
use super::{Group, Key, Member, after};
use crate::domain::MemberId;
use crate::domain::limits::MAX_GROUP_MEMBERS;
use crate::queue::{Delivery, Error, Joined, Membership, Result};

impl Group {
    /// Ends the calls of members. The members keep their frames until the frames' deadlines, for at
    /// most one ack deadline.
    fn end_calls(&mut self, gone: &[MemberId], now: Now) {
        for id in gone {
            if let Some(member) = self.members.get_mut(id) {
                if let Some(session) = member.session.take() {
                    self.gaps.abandon(session);
                }
                (member.claimed, member.answered) = (None, None);
            }
        }
        self.members.retain(|_, member| member.session.is_some() || member.frames > 0);
        let latest = now.instant + self.record.settings.effective().ack_deadline;
        for (key, pending) in &mut self.pending {
            if pending.due > latest && pending.holder.as_ref().is_some_and(|holder| gone.contains(holder)) {
                self.due.remove(&(pending.due, key.0.clone(), key.1));
                pending.due = latest;
                self.due.insert((latest, key.0.clone(), key.1));
            }
        }
    }

    /// Ends the calls of members whose membership expired.
    pub(super) fn expire_members(&mut self, now: Now) {
        let over = |member: &Member| member.session.is_some() && member.expires <= now.instant;
        let gone: Vec<MemberId> =
            self.members.iter().filter(|(_, member)| over(member)).map(|(id, _)| id.clone()).collect();
        if !gone.is_empty() {
            self.end_calls(&gone, now);
        }
    }

    fn session(&self, member: &MemberId) -> Option<u64> {
        self.members.get(member).and_then(|member| member.session)
    }

    pub(in super::super) fn join(
        &mut self,
        membership: &Membership,
        ttl: Duration,
        now: Now,
    ) -> Result<Joined> {
        self.expire_members(now);
        let new = self.session(&membership.member) != Some(membership.session);
        self.join_or_renew(membership, ttl, now)?;
        let held = if new { self.held_by(&membership.member, now) } else { Vec::new() };
        Ok(Joined { record: self.record.clone(), held })
    }

    fn join_or_renew(&mut self, membership: &Membership, ttl: Duration, now: Now) -> Result<()> {
        let session = self.session(&membership.member);
        let others = self.members.values().filter(|member| member.is_live(now)).count();
        if session.is_none() && others >= MAX_GROUP_MEMBERS {
            return Err(Error::TooManyMembers { limit: MAX_GROUP_MEMBERS });
        }
        let member = self.members.entry(membership.member.clone()).or_insert_with(|| Member {
            session: None,
            connect_time: now.wall,
            expires: now.instant + ttl,
            frames: 0,
            bytes: 0,
            window: 1,
            window_checked: None,
            claimed: None,
            answered: None,
        });
        if member.session != Some(membership.session) {
            if let Some(before) = member.session.replace(membership.session) {
                self.gaps.abandon(before);
            }
            member.connect_time = now.wall;
        }
        member.expires = now.instant + ttl;
        Ok(())
    }

    /// Returns the frames that a member has and whose deadlines have not passed.
    fn held_by(&self, member: &MemberId, now: Now) -> Vec<Delivery> {
        let held = self.pending.iter().filter(|(_, one)| one.holder.as_ref() == Some(member));
        let mut held: Vec<Delivery> = held
            .filter(|(_, one)| one.due > now.instant)
            .map(|(key, one)| Delivery {
                stream_id: key.0.clone(),
                sequence: key.1,
                attempt: one.attempt,
                deadline: after(now, one.due - now.instant),
                left: one.due - now.instant,
                generation: self.generation_of(&key.0),
                letter: one.letter,
            })
            .collect();
        held.sort_unstable_by(|a, b| (&a.stream_id, a.sequence).cmp(&(&b.stream_id, b.sequence)));
        held
    }

    pub(in super::super) fn renew(&mut self, membership: &Membership, ttl: Duration, now: Now) -> Result<()> {
        self.expire_members(now);
        match self.session(&membership.member) {
            Some(session) if session != membership.session => Err(Error::MemberReplaced),
            Some(_) | None => self.join_or_renew(membership, ttl, now),
        }
    }

    pub(in super::super) fn leave(&mut self, membership: &Membership, unsent: &[Key], now: Now) {
        if self.session(&membership.member) != Some(membership.session) {
            return;
        }
        for key in unsent {
            if let Some(pending) = self.pending.get_mut(key)
                && pending.holder.as_ref() == Some(&membership.member)
            {
                pending.attempt -= 1;
                pending.delivered_at = None;
                self.release(key, now.instant);
            }
        }
        self.end_calls(std::slice::from_ref(&membership.member), now);
    }
}
