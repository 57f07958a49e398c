//! The members of a group: joining, renewing, leaving and claiming frames.

use std::time::Duration;

use redis::Value;

use super::group_reply::{
    GroupReply, candidate_result, corrupt, delivery, exhausted, frame_key, millis, runs_text, unsent_gaps,
    word,
};
use super::{RedisQueue, reply};
use crate::domain::limits::MAX_GROUP_MEMBERS;
use crate::domain::{Sequence, StreamId};
use crate::queue::{
    Claim, Claimed, Delivery, Error, MAX_DUE, MAX_EXHAUSTED, Membership, Result, SETTLE_TIME,
};

impl RedisQueue {
    /// Runs group_member.lua.
    pub(super) async fn change_membership(
        &self,
        what: &str,
        membership: &Membership,
        ttl: Duration,
        unsent: &[(StreamId, Sequence)],
    ) -> Result<(GroupReply, Vec<Delivery>)> {
        let mut call = self.group_call(&membership.group);
        call.arg(what).arg(membership.member.as_str()).number(membership.session).number(millis(ttl));
        call.number(MAX_GROUP_MEMBERS as u64);
        for (stream, sequence) in unsent {
            call.arg(frame_key(stream, *sequence));
        }
        let answer = self.scripts.group_member.run(&self.control, &call).await?;
        let mut parts = reply::array(answer)?.into_iter();
        let word = word(&mut parts)?;
        let held = match (&word, parts.next()) {
            (GroupReply::Ok, Some(held)) => reply::array(held)?,
            _ => Vec::new(),
        };
        let partitions = self.config.partitions;
        Ok((word, held.into_iter().map(|one| delivery(partitions, one)).collect::<Result<_>>()?))
    }

    pub(super) async fn join_or_renew(
        &self,
        what: &str,
        membership: &Membership,
        ttl: Duration,
    ) -> Result<Vec<Delivery>> {
        let (word, held) = self.change_membership(what, membership, ttl, &[]).await?;
        match word {
            GroupReply::Ok => Ok(held),
            GroupReply::Gone => Err(Error::GroupNotFound(membership.group.clone())),
            GroupReply::Replaced => Err(Error::MemberReplaced),
            GroupReply::Full => Err(Error::TooManyMembers { limit: MAX_GROUP_MEMBERS }),
            GroupReply::Exists
            | GroupReply::Lapsed
            | GroupReply::Ahead
            | GroupReply::Changed(_)
            | GroupReply::Mismatch(_) => Err(corrupt("group_member")),
        }
    }

    /// Runs group_claim.lua; returns `None` if the membership has expired.
    pub(super) async fn claim(&self, membership: &Membership, claim: &Claim) -> Result<Option<Claimed>> {
        let mut call = self.group_call(&membership.group);
        call.arg(membership.member.as_str()).number(membership.session).number(claim.revision);
        call.number(claim.max_frames).number(claim.max_bytes).number(claim.max_deliveries as u64);
        call.number(millis(claim.ttl)).number(MAX_DUE as u64).number(MAX_EXHAUSTED as u64);
        call.number(millis(SETTLE_TIME)).number(claim.incarnation).flag(claim.paced);
        call.number(claim.received_gaps.len() as u64);
        for (stream, from, to) in &claim.received_gaps {
            call.arg(stream.as_str()).number(from.get()).number(to.get());
        }
        for offer in &claim.streams {
            call.arg(offer.stream_id.as_str()).flag(offer.is_new).number(offer.from.get());
            call.number(offer.lost).number(offer.candidates.len() as u64);
            for candidate in &offer.candidates {
                call.number(candidate.sequence.get()).number(candidate.size_bytes).flag(candidate.skip);
                call.arg(candidate.sampler_state.as_str()).arg(runs_text(&candidate.gaps));
            }
        }
        let answer = self.scripts.group_claim.run(&self.control, &call).await?;
        let mut parts = reply::array(answer)?.into_iter();
        match word(&mut parts)? {
            GroupReply::Ok => {}
            GroupReply::Lapsed => return Ok(None),
            GroupReply::Gone => return Err(Error::GroupNotFound(membership.group.clone())),
            GroupReply::Replaced => return Err(Error::MemberReplaced),
            GroupReply::Changed(current) => return Err(Error::RevisionMismatch { current }),
            GroupReply::Exists | GroupReply::Full | GroupReply::Ahead | GroupReply::Mismatch(_) => {
                return Err(corrupt("group_claim"));
            }
        }
        let mut next = || parts.next().unwrap_or(Value::Nil);
        let generation = reply::number(next())?;
        let outstanding_frames = reply::number(next())?;
        let next_due = match next() {
            Value::Int(millis) => u64::try_from(millis).ok().map(Duration::from_millis),
            _ => None,
        };
        let partitions = self.config.partitions;
        let deliveries =
            reply::array(next())?.into_iter().map(|one| delivery(partitions, one)).collect::<Result<_>>()?;
        let exhausted =
            reply::array(next())?.into_iter().map(|one| exhausted(partitions, one)).collect::<Result<_>>()?;
        let offers = reply::array(next())?.into_iter().map(candidate_result).collect::<Result<_>>()?;
        let gaps = reply::array(next())?.into_iter().map(unsent_gaps).collect::<Result<_>>()?;
        Ok(Some(Claimed {
            deliveries,
            exhausted,
            streams: offers,
            gaps,
            generation,
            outstanding_frames,
            next_due,
        }))
    }
}
