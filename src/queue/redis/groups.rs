//! Consumer groups. All keys of a group share a hash tag of its own, so that each script decides over all its streams and
//! members; `docs/adr/0007` says why.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use redis::Value;

use super::accept::push_offer;
use super::group_reply::{
    Word, answer_result, corrupt, delivery, exhausted, frame_key, frame_of, millis, number, offer_result,
    push_answer, record, runs_text, scores, untold, waits, word,
};
use super::keys::{ACK_KEY, GROUPS, GroupKeys};
use super::scripts::Call;
use super::status::moment;
use super::wire::Request;
use super::{RedisQueue, dead_entry, reply};
use crate::domain::limits::{MAX_GROUP_MEMBERS, MAX_GROUPS};
use crate::domain::{
    DeadFrame, Digest, Etag, GroupAffinity, GroupId, GroupRecord, GroupSettings, MemberId, PayloadKey,
    Sequence, StreamId,
};
use crate::queue::{
    Answer, AnswerResult, Claim, Claimed, Created, Delivery, Error, GroupCounters, GroupPosition, GroupState,
    Groups, Joined, MAX_DUE, MAX_ENDED, MAX_EXHAUSTED, MAX_WINDOW, MemberState, OFFER_TTL, Offer, OutputSpan,
    RemovedStream, Result, SETTLE_TIME, SLOW_FRAME, Seat, Settled, Settlement,
};

/// Arguments of group_write.lua that settings fill.
const SETTINGS_ARGS: usize = 7;

impl RedisQueue {
    /// Runs group_write.lua.
    async fn write_group(
        &self,
        id: &GroupId,
        what: &str,
        expected: Option<Etag>,
        settings: Option<&GroupSettings>,
        start: Option<Digest>,
        positions: impl Iterator<Item = (&StreamId, Option<Sequence>, String)> + Send,
    ) -> Result<()> {
        let mut call = group_call(id);
        call.arg(what).arg(expected.map(|etag| etag.to_string()).unwrap_or_default());
        match settings {
            Some(settings) => {
                let text = serde_json::to_string(settings).map_err(corrupt)?;
                // As said for readers, and as the scripts reckon with them.
                let policies = settings.effective();
                call.arg(text).number(millis(policies.ack_deadline));
                call.number(policies.max_delivery_attempts.into());
                call.number(policies.max_outstanding_frames.into());
                call.flag(policies.affinity == GroupAffinity::Stream);
                call.number(millis(policies.backoff.min_delay)).number(millis(policies.backoff.max_delay));
            }
            None => {
                for _ in 0..SETTINGS_ARGS {
                    call.arg("");
                }
            }
        }
        call.number(Etag::new_incarnation()).arg(start.map(|start| start.0.to_vec()).unwrap_or_default());
        for (stream, next, rest) in positions {
            call.arg(stream.as_str()).arg(next.map(|next| next.to_string()).unwrap_or_default()).arg(rest);
        }
        let answer = self.scripts.group_write.run(&self.control, &call).await?;
        match word(&mut reply::array(answer)?.into_iter())? {
            Word::Ok => Ok(()),
            Word::Exists => Err(Error::GroupExists(id.clone())),
            Word::Gone => Err(Error::GroupNotFound(id.clone())),
            Word::Mismatch(current) => Err(Error::EtagMismatch { current }),
            Word::Stale(_) | Word::Replaced | Word::Lapsed | Word::Full | Word::Ahead => {
                Err(corrupt("group_write"))
            }
        }
    }

    /// Makes a group that is not there yet.
    async fn create_new_group(
        &self,
        id: &GroupId,
        settings: &GroupSettings,
        start: Digest,
        positions: &[(StreamId, Sequence)],
    ) -> Result<GroupRecord> {
        // The index first: a name in it without a group does no harm, a group without a name could not be found. The
        // limit is soft: groups made at the same moment may pass it by a few.
        let mut look = redis::pipe();
        look.cmd("ZCARD").arg(GROUPS).cmd("ZSCORE").arg(GROUPS).arg(id.as_str());
        let mut found = self.all(&self.control, &look).await?.into_iter();
        let count = reply::number(found.next().unwrap_or(Value::Nil))?;
        let known = !matches!(found.next(), Some(Value::Nil) | None);
        if !known && count >= MAX_GROUPS as u64 {
            return Err(Error::TooManyGroups { limit: MAX_GROUPS });
        }
        let mut add = redis::cmd("ZADD");
        add.arg(GROUPS).arg(0).arg(id.as_str());
        self.control.command(&add).await?;
        let positions = positions.iter().map(|(stream, next)| (stream, Some(*next), String::new()));
        self.write_group(id, "create", None, Some(settings), Some(start), positions).await?;
        // Again: a deletion of the group before it may have taken the name out in between.
        self.control.command(&add).await?;
        self.read_group(id).await
    }

    async fn read_group(&self, id: &GroupId) -> Result<GroupRecord> {
        let found = self.get_groups(std::slice::from_ref(id)).await?.pop().flatten();
        found.ok_or_else(|| Error::GroupNotFound(id.clone()))
    }

    /// Runs group_seat.lua.
    async fn seat(
        &self,
        what: &str,
        seat: &Seat,
        ttl: Duration,
        unsent: &[(StreamId, Sequence)],
    ) -> Result<(Word, Vec<Delivery>)> {
        let mut call = group_call(&seat.group);
        call.arg(what).arg(seat.member.as_str()).number(seat.session).number(millis(ttl));
        call.number(MAX_GROUP_MEMBERS as u64);
        for (stream, sequence) in unsent {
            call.arg(frame_key(stream, *sequence));
        }
        let answer = self.scripts.group_seat.run(&self.control, &call).await?;
        let mut parts = reply::array(answer)?.into_iter();
        let word = word(&mut parts)?;
        let held = match (&word, parts.next()) {
            (Word::Ok, Some(held)) => reply::array(held)?,
            _ => Vec::new(),
        };
        let partitions = self.config.partitions;
        Ok((word, held.into_iter().map(|one| delivery(partitions, one)).collect::<Result<_>>()?))
    }

    async fn sit(&self, what: &str, seat: &Seat, ttl: Duration) -> Result<Vec<Delivery>> {
        let (word, held) = self.seat(what, seat, ttl, &[]).await?;
        match word {
            Word::Ok => Ok(held),
            Word::Gone => Err(Error::GroupNotFound(seat.group.clone())),
            Word::Replaced => Err(Error::MemberReplaced),
            Word::Full => Err(Error::TooManyMembers { limit: MAX_GROUP_MEMBERS }),
            Word::Exists | Word::Lapsed | Word::Ahead | Word::Stale(_) | Word::Mismatch(_) => {
                Err(corrupt("group_seat"))
            }
        }
    }

    /// Runs group_claim.lua; `None` if the seat has lapsed.
    async fn claim(&self, seat: &Seat, claim: &Claim) -> Result<Option<Claimed>> {
        let mut call = group_call(&seat.group);
        call.arg(seat.member.as_str()).number(seat.session).number(claim.revision);
        call.number(claim.max_frames).number(claim.max_bytes).number(claim.most as u64);
        call.number(millis(claim.ttl)).number(MAX_DUE as u64).number(MAX_EXHAUSTED as u64);
        call.number(millis(SETTLE_TIME)).number(claim.incarnation).flag(claim.paced);
        call.number(claim.told.len() as u64);
        for (stream, from, to) in &claim.told {
            call.arg(stream.as_str()).number(from.get()).number(to.get());
        }
        for offer in &claim.offers {
            call.arg(offer.stream_id.as_str()).flag(offer.begin).number(offer.from.get());
            call.number(offer.lost).number(offer.candidates.len() as u64);
            for candidate in &offer.candidates {
                call.number(candidate.sequence.get()).number(candidate.size_bytes).flag(candidate.skip);
                call.arg(candidate.mark.as_str()).arg(runs_text(&candidate.gaps));
            }
        }
        let answer = self.scripts.group_claim.run(&self.control, &call).await?;
        let mut parts = reply::array(answer)?.into_iter();
        match word(&mut parts)? {
            Word::Ok => {}
            Word::Lapsed => return Ok(None),
            Word::Gone => return Err(Error::GroupNotFound(seat.group.clone())),
            Word::Replaced => return Err(Error::MemberReplaced),
            Word::Stale(current) => return Err(Error::RevisionMismatch { current }),
            Word::Exists | Word::Full | Word::Ahead | Word::Mismatch(_) => {
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
        let offers = reply::array(next())?.into_iter().map(offer_result).collect::<Result<_>>()?;
        let gaps = reply::array(next())?.into_iter().map(untold).collect::<Result<_>>()?;
        Ok(Some(Claimed { deliveries, exhausted, offers, gaps, generation, outstanding_frames, next_due }))
    }
}

#[async_trait]
impl Groups for RedisQueue {
    async fn create_group(
        &self,
        id: &GroupId,
        settings: &GroupSettings,
        start: Digest,
        positions: &[(StreamId, Sequence)],
    ) -> Result<Created<GroupRecord>> {
        loop {
            match self.create_new_group(id, settings, start, positions).await {
                Err(Error::GroupExists(_)) => {}
                created => return created.map(|record| Created { record, is_new: true }),
            }
            // What is compared is what is answered, all of one moment.
            match self.read_group(id).await {
                // It was deleted in between.
                Err(Error::GroupNotFound(_)) => {}
                found => {
                    let record = found?;
                    let is_same = record.settings == *settings && record.start == start;
                    let created = is_same.then_some(Created { record, is_new: false });
                    return created.ok_or_else(|| Error::GroupExists(id.clone()));
                }
            }
        }
    }

    async fn get_groups(&self, ids: &[GroupId]) -> Result<Vec<Option<GroupRecord>>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for id in ids {
            pipe.cmd("HGETALL").arg(GroupKeys(id).about());
        }
        let answers = self.all(&self.control, &pipe).await?;
        ids.iter().zip(answers).map(|(id, about)| record(id, &reply::Fields::read(about)?)).collect()
    }

    async fn list_groups(&self, after: Option<&GroupId>, limit: usize) -> Result<Vec<GroupRecord>> {
        let mut found = Vec::new();
        let mut from = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        // Names without a group are passed over: a page that is not full is the last.
        loop {
            let mut range = redis::cmd("ZRANGE");
            range.arg(GROUPS).arg(&from).arg("+").arg("BYLEX").arg("LIMIT").arg(0).arg(limit);
            let names = reply::array(self.control.command(&range).await?)?;
            let ids: Vec<GroupId> = names
                .into_iter()
                .map(|name| reply::text(name)?.unwrap_or_default().parse().map_err(corrupt))
                .collect::<Result<_>>()?;
            found.extend(self.get_groups(&ids).await?.into_iter().flatten());
            match ids.last() {
                Some(last) if ids.len() >= limit && found.len() < limit => from = format!("({last}"),
                Some(_) | None => break,
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    async fn update_group(
        &self,
        id: &GroupId,
        settings: &GroupSettings,
        expected: Etag,
        streams: &[(StreamId, Option<Sequence>)],
    ) -> Result<GroupRecord> {
        let streams = streams.iter().map(|(stream, next)| (stream, *next, String::new()));
        self.write_group(id, "update", Some(expected), Some(settings), None, streams).await?;
        self.read_group(id).await
    }

    async fn seek_group(
        &self,
        id: &GroupId,
        positions: &[(StreamId, Sequence)],
        expected: Option<Etag>,
    ) -> Result<GroupRecord> {
        let positions = positions.iter().map(|(stream, next)| (stream, Some(*next), String::new()));
        self.write_group(id, "seek", expected, None, None, positions).await?;
        self.read_group(id).await
    }

    async fn delete_group(&self, id: &GroupId, expected: Option<Etag>) -> Result<()> {
        let mut call = group_call(id);
        call.arg(expected.map(|etag| etag.to_string()).unwrap_or_default());
        let answer = self.scripts.group_delete.run(&self.control, &call).await?;
        match word(&mut reply::array(answer)?.into_iter())? {
            Word::Ok => {}
            Word::Gone => return Err(Error::GroupNotFound(id.clone())),
            Word::Mismatch(current) => return Err(Error::EtagMismatch { current }),
            Word::Exists | Word::Replaced | Word::Lapsed | Word::Full | Word::Ahead | Word::Stale(_) => {
                return Err(corrupt("group_delete"));
            }
        }
        let mut remove = redis::pipe();
        remove.cmd("ZREM").arg(GROUPS).arg(id.as_str()).cmd("EXISTS").arg(GroupKeys(id).about());
        let answers = self.all(&self.control, &remove).await?;
        if matches!(answers.last(), Some(Value::Int(1))) {
            // Created again in between: it keeps its name.
            let mut add = redis::cmd("ZADD");
            add.arg(GROUPS).arg(0).arg(id.as_str());
            self.control.command(&add).await?;
        }
        Ok(())
    }

    async fn group_state(&self, id: &GroupId) -> Result<GroupState> {
        let call = group_call(id);
        let answer = self.scripts.group_state.run(self.reader_of_groups(), &call).await?;
        let mut answers = reply::array(answer)?.into_iter();
        let mut next = || answers.next().unwrap_or(Value::Nil);
        let about = reply::Fields::read(next())?;
        let record = record(id, &about)?.ok_or_else(|| Error::GroupNotFound(id.clone()))?;
        let positions = reply::Fields::read(next())?;
        let mut pending: BTreeMap<StreamId, Vec<Sequence>> = BTreeMap::new();
        for key in reply::array(next())? {
            let (stream, sequence) = frame_of(&reply::text(key)?.unwrap_or_default())?;
            pending.entry(stream).or_default().push(sequence);
        }
        let seats = reply::Fields::read(next())?;
        let alive = scores(next())?;
        let mut clock = reply::array(next())?.into_iter();
        let mut tick = || reply::number(clock.next().unwrap_or(Value::Nil));
        let (seconds, micros) = (tick()?, tick()?);
        let now_ms = seconds * 1_000 + micros / 1_000;
        let now = now_ms as f64;
        let given = waits(next())?;
        let age = |given: &u64| Duration::from_millis(now_ms.saturating_sub(*given));
        let mut members = Vec::new();
        for (name, _) in alive.iter().filter(|(_, expires)| *expires > now) {
            members.push(MemberState {
                id: name.parse().map_err(corrupt)?,
                connect_time: moment(seats.number(&format!("c:{name}"))?),
                outstanding_frames: seats.number(&format!("f:{name}"))?,
                outstanding_bytes: seats.number(&format!("b:{name}"))?,
                oldest_outstanding: given.by_member.get(name.as_str()).map(age),
                window_frames: seats.number(&format!("w:{name}"))?,
            });
        }
        members.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let mut state = GroupState {
            record,
            positions: BTreeMap::new(),
            members,
            counters: GroupCounters {
                acknowledged: about.number("acknowledged")?,
                redelivered: about.number("redelivered")?,
                dead: about.number("dead")?,
                lost: about.number("lost")?,
            },
            oldest_outstanding: given.of_group.as_ref().map(age),
        };
        for name in positions.names().filter_map(|name| name.strip_prefix("n:")) {
            let owner: Option<MemberId> = match positions.text(&format!("o:{name}"))? {
                "" => None,
                owner => Some(owner.parse().map_err(corrupt)?),
            };
            let stream: StreamId = name.parse().map_err(corrupt)?;
            let mut pending = pending.remove(&stream).unwrap_or_default();
            pending.sort_unstable();
            let position = GroupPosition {
                next: number(positions.number(&format!("n:{name}"))?)?,
                delivered: positions.number(&format!("d:{name}"))?,
                mark: positions.text(&format!("k:{name}"))?.to_owned(),
                owner: owner.filter(|owner| state.members.iter().any(|member| member.id == *owner)),
                pending,
            };
            state.positions.insert(stream, position);
        }
        Ok(state)
    }

    async fn drop_group_streams(&self, id: &GroupId, streams: &[RemovedStream], reason: u16) -> Result<()> {
        let gone = streams.iter().map(|RemovedStream { stream_id, last, goes_on }| {
            let next = last.filter(|_| *goes_on).map(Sequence::after);
            let last = last.map(|last| last.to_string()).unwrap_or_default();
            (stream_id, next, format!("{last} {reason}"))
        });
        self.write_group(id, "drop", None, None, None, gone).await
    }

    async fn join_group(&self, seat: &Seat, ttl: Duration) -> Result<Joined> {
        let held = self.sit("join", seat, ttl).await?;
        Ok(Joined { record: self.read_group(&seat.group).await?, held })
    }

    async fn keep_seat(&self, seat: &Seat, ttl: Duration) -> Result<()> {
        self.sit("keep", seat, ttl).await.map(drop)
    }

    async fn leave_group(&self, seat: &Seat, unsent: &[(StreamId, Sequence)]) -> Result<()> {
        self.seat("leave", seat, Duration::ZERO, unsent).await.map(drop)
    }

    async fn claim_frames(&self, seat: &Seat, claim: &Claim) -> Result<Claimed> {
        if let Some(claimed) = self.claim(seat, claim).await? {
            return Ok(claimed);
        }
        self.sit("keep", seat, claim.ttl).await?;
        self.claim(seat, claim).await?.ok_or_else(|| Error::NoAnswer("the seat lapsed twice".to_owned()))
    }

    async fn answer_frames(&self, id: &GroupId, answers: &[Answer]) -> Result<Vec<AnswerResult>> {
        let mut call = group_call(id);
        call.number(millis(SETTLE_TIME)).number(millis(SLOW_FRAME)).number(MAX_WINDOW);
        answers.iter().for_each(|answer| push_answer(&mut call, answer));
        match self.scripts.group_answer.run(&self.control, &call).await? {
            Value::Nil => Err(Error::GroupNotFound(id.clone())),
            value => {
                let results = reply::array(value)?;
                let decode = |(answer, value)| answer_result(self.config.partitions, answer, value);
                answers.iter().zip(results).map(decode).collect()
            }
        }
    }

    async fn settle_frames(&self, id: &GroupId, frames: &[Settled]) -> Result<()> {
        let mut call = group_call(id);
        call.number(MAX_ENDED);
        for frame in frames {
            call.arg(frame_key(&frame.stream_id, frame.sequence)).number(frame.attempt.into());
            call.arg(match frame.settlement {
                Settlement::DeadLetter => String::new(),
                Settlement::Lost(reason) => reason.to_string(),
            });
            call.arg(frame.letter.map(|letter| letter.to_string()).unwrap_or_default());
        }
        match self.scripts.group_settle.run(&self.control, &call).await? {
            Value::Nil => Err(Error::GroupNotFound(id.clone())),
            _ => Ok(()),
        }
    }

    async fn bury_frame(&self, frame: &DeadFrame, copy: Option<&Offer>, token: &str) -> Result<bool> {
        let keys = self.keys(&frame.stream_id);
        let mut request = Request::default();
        let mut call = Call::default();
        // Without a copy, a key that nobody has.
        let payload = copy.map_or(PayloadKey::from_bits(0), |copy| copy.payload.key);
        call.key(keys.counts()).key(keys.dead()).key(keys.buried(token)).key(keys.payload(payload));
        call.key(keys.stream(&frame.stream_id));
        call.number(self.config.budget.dead_bytes).number(millis(SETTLE_TIME * 2));
        dead_entry::push_letter(&mut call, Some(frame));
        call.number(frame.sequence.get()).arg(frame.stream_id.as_str());
        if let Some(copy) = copy {
            push_offer(&mut request, keys, copy, OFFER_TTL);
        }
        let (entered, _) = self.scripts.group_bury.run_behind(self.writer(keys.0), request, &call).await?;
        Ok(reply::number(entered)? == 1)
    }

    async fn ack_key(&self) -> Result<[u8; 32]> {
        let fresh: [u8; 32] = rand::random();
        let mut pipe = redis::pipe();
        pipe.cmd("SET").arg(ACK_KEY).arg(&fresh[..]).arg("NX").cmd("GET").arg(ACK_KEY);
        let stored = self.all(&self.control, &pipe).await?.pop().unwrap_or(Value::Nil);
        let stored = reply::bytes(stored)?.unwrap_or_default();
        stored.as_ref().try_into().map_err(|_| corrupt("the key of ack ids has another length"))
    }

    async fn count_outputs(&self, streams: &[(StreamId, Sequence)]) -> Result<Vec<OutputSpan>> {
        let ask = |(stream, from): &(StreamId, Sequence)| {
            let keys = self.keys(stream);
            let mut call = Call::default();
            call.key(keys.stream(stream)).key(keys.output(stream)).number(from.get());
            call
        };
        let mut spans = Vec::with_capacity(streams.len());
        for part in streams.chunks(COUNTS_AT_ONCE) {
            let calls: Vec<Call> = part.iter().map(ask).collect();
            let asked = calls.iter().map(|call| self.scripts.output_count.run(&self.control, call));
            for answer in futures::future::try_join_all(asked).await? {
                let mut parts = reply::array(answer)?.into_iter();
                let mut next = || reply::number(parts.next().unwrap_or(Value::Nil));
                spans.push(OutputSpan { oldest: next()?, head: next()?, entries: next()? });
            }
        }
        Ok(spans)
    }
}

/// A call of a group's script.
pub(super) fn group_call(id: &GroupId) -> Call {
    let mut call = Call::default();
    for key in GroupKeys(id).all() {
        call.key(key);
    }
    call
}

/// Outputs counted at the same time.
const COUNTS_AT_ONCE: usize = 100;
