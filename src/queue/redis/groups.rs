//! Consumer groups. All keys of a group share a hash tag, so that each script decides over all its
//! streams and members; `docs/adr/0007` has the reasons.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use redis::Value;

use super::group_reply::{
    GroupReply, answer_result, corrupt, frame_key, frame_of, millis, number, oldest_deliveries, push_answer,
    record, scores, word,
};
use super::resp::Request;
use super::scripts::Call;
use super::{RedisQueue, dead_entry, entry, reply};
use crate::domain::limits::MAX_GROUPS;
use crate::domain::{
    DeadFrame, Digest, Etag, GroupAffinity, GroupId, GroupRecord, GroupSettings, MemberId, PayloadKey,
    Sequence, StreamId,
};
use crate::queue::{
    Ack, AckResult, Claim, Claimed, Created, EndedFrame, Error, FrameEnd, GroupCounters, GroupPosition,
    GroupState, Groups, Joined, MAX_ENDED, MAX_WINDOW, MemberState, Membership, OutputSpan, RemovedStream,
    Result, SETTLE_TIME, SLOW_FRAME, ServerPresence as _, SpanQuery, Upload,
};

/// The number of arguments of group_write.lua for settings.
const SETTINGS_ARGS: usize = 7;

impl RedisQueue {
    /// Starts a call of a group's script.
    pub(super) fn group_call(&self, id: &GroupId) -> Call {
        let mut call = Call::default();
        for key in self.names.group(id).all() {
            call.key(key);
        }
        call
    }

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
        let mut call = self.group_call(id);
        call.arg(what).arg(expected.map(|etag| etag.to_string()).unwrap_or_default());
        match settings {
            Some(settings) => {
                // The settings as given, for readers, and the effective policies, for the scripts.
                let policies = settings.effective();
                call.arg(entry::encode_group(settings)).number(millis(policies.ack_deadline));
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
            GroupReply::Ok => Ok(()),
            GroupReply::Exists => Err(Error::GroupExists(id.clone())),
            GroupReply::Gone => Err(Error::GroupNotFound(id.clone())),
            GroupReply::Mismatch(current) => Err(Error::EtagMismatch { current }),
            GroupReply::Changed(_)
            | GroupReply::Replaced
            | GroupReply::Lapsed
            | GroupReply::Full
            | GroupReply::Ahead => Err(corrupt("group_write")),
        }
    }

    /// Creates a group that does not exist yet.
    async fn create_new_group(
        &self,
        id: &GroupId,
        settings: &GroupSettings,
        start: Digest,
        positions: &[(StreamId, Sequence)],
    ) -> Result<GroupRecord> {
        // The index is written first: an id without a group does no harm; a group without an id
        // could not be found. The limit is soft: groups created at the same moment may exceed it by
        // a few.
        let mut look = redis::pipe();
        look.cmd("ZCARD").arg(self.names.groups()).cmd("ZSCORE").arg(self.names.groups()).arg(id.as_str());
        let mut found = self.all(&self.control, &look).await?.into_iter();
        let count = reply::number(found.next().unwrap_or(Value::Nil))?;
        let known = !matches!(found.next(), Some(Value::Nil) | None);
        if !known && count >= MAX_GROUPS as u64 {
            return Err(Error::TooManyGroups { limit: MAX_GROUPS });
        }
        let mut add = redis::cmd("ZADD");
        add.arg(self.names.groups()).arg(0).arg(id.as_str());
        self.control.command(&add).await?;
        let positions = positions.iter().map(|(stream, next)| (stream, Some(*next), String::new()));
        self.write_group(id, "create", None, Some(settings), Some(start), positions).await?;
        // Added again, since the deletion of an earlier group may have removed the id meanwhile.
        self.control.command(&add).await?;
        self.read_group(id).await
    }

    async fn read_group(&self, id: &GroupId) -> Result<GroupRecord> {
        let found = self.get_groups(std::slice::from_ref(id)).await?.pop().flatten();
        found.ok_or_else(|| Error::GroupNotFound(id.clone()))
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
            // The record that is compared is the one that is returned.
            match self.read_group(id).await {
                // It was deleted in the meantime.
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
            pipe.cmd("HGETALL").arg(self.names.group(id).about());
        }
        let answers = self.all(&self.control, &pipe).await?;
        ids.iter().zip(answers).map(|(id, about)| record(id, &reply::Fields::read(about)?)).collect()
    }

    async fn list_groups(&self, after: Option<&GroupId>, limit: usize) -> Result<Vec<GroupRecord>> {
        let mut found = Vec::new();
        let mut from = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        // Ids without a group are skipped and replaced by further ones, since a page that is not
        // full is taken as the last.
        loop {
            let mut range = redis::cmd("ZRANGE");
            range.arg(self.names.groups()).arg(&from).arg("+").arg("BYLEX").arg("LIMIT").arg(0).arg(limit);
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
        let mut call = self.group_call(id);
        call.arg(expected.map(|etag| etag.to_string()).unwrap_or_default());
        let answer = self.scripts.group_delete.run(&self.control, &call).await?;
        match word(&mut reply::array(answer)?.into_iter())? {
            GroupReply::Ok => {}
            GroupReply::Gone => return Err(Error::GroupNotFound(id.clone())),
            GroupReply::Mismatch(current) => return Err(Error::EtagMismatch { current }),
            GroupReply::Exists
            | GroupReply::Replaced
            | GroupReply::Lapsed
            | GroupReply::Full
            | GroupReply::Ahead
            | GroupReply::Changed(_) => {
                return Err(corrupt("group_delete"));
            }
        }
        let mut remove = redis::cmd("ZREM");
        remove.arg(self.names.groups()).arg(id.as_str());
        self.control.command(&remove).await?;
        let mut find = redis::cmd("EXISTS");
        find.arg(self.names.group(id).about());
        if reply::number(self.control.command(&find).await?)? == 1 {
            // It was created again in the meantime: it keeps its id.
            let mut add = redis::cmd("ZADD");
            add.arg(self.names.groups()).arg(0).arg(id.as_str());
            self.control.command(&add).await?;
        }
        Ok(())
    }

    async fn group_state(&self, id: &GroupId) -> Result<GroupState> {
        let call = self.group_call(id);
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
        let member_fields = reply::Fields::read(next())?;
        let alive = scores(next())?;
        let mut clock = reply::array(next())?.into_iter();
        let mut tick = || reply::number(clock.next().unwrap_or(Value::Nil));
        let (seconds, micros) = (tick()?, tick()?);
        let now_ms = seconds * 1_000 + micros / 1_000;
        let now = now_ms as f64;
        let oldest = oldest_deliveries(next())?;
        let age = |at: &u64| Duration::from_millis(now_ms.saturating_sub(*at));
        let mut members = Vec::new();
        for (name, _) in alive.iter().filter(|(_, expires)| *expires > now) {
            members.push(MemberState {
                id: name.parse().map_err(corrupt)?,
                connect_time: reply::moment(member_fields.number(&format!("c:{name}"))?),
                outstanding_frames: member_fields.number(&format!("f:{name}"))?,
                outstanding_bytes: member_fields.number(&format!("b:{name}"))?,
                oldest_outstanding: oldest.by_member.get(name.as_str()).map(age),
                window_frames: member_fields.number(&format!("w:{name}"))?,
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
            oldest_outstanding: oldest.of_group.as_ref().map(age),
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
                sampler_state: positions.text(&format!("k:{name}"))?.to_owned(),
                owner: owner.filter(|owner| state.members.iter().any(|member| member.id == *owner)),
                pending,
            };
            state.positions.insert(stream, position);
        }
        Ok(state)
    }

    async fn drop_group_streams(&self, id: &GroupId, streams: &[RemovedStream], reason: u16) -> Result<()> {
        let gone = streams.iter().map(|RemovedStream { stream_id, last, continues }| {
            let next = last.filter(|_| *continues).map(Sequence::after);
            let last = last.map(|last| last.to_string()).unwrap_or_default();
            (stream_id, next, format!("{last} {reason}"))
        });
        self.write_group(id, "drop", None, None, None, gone).await
    }

    async fn join_group(&self, membership: &Membership, ttl: Duration) -> Result<Joined> {
        let held = self.join_or_renew("join", membership, ttl).await?;
        Ok(Joined { record: self.read_group(&membership.group).await?, held })
    }

    async fn renew_membership(&self, membership: &Membership, ttl: Duration) -> Result<()> {
        self.join_or_renew("keep", membership, ttl).await.map(drop)
    }

    async fn leave_group(&self, membership: &Membership, unsent: &[(StreamId, Sequence)]) -> Result<()> {
        self.change_membership("leave", membership, Duration::ZERO, unsent).await.map(drop)
    }

    async fn claim_frames(&self, membership: &Membership, claim: &Claim) -> Result<Claimed> {
        if let Some(claimed) = self.claim(membership, claim).await? {
            return Ok(claimed);
        }
        self.join_or_renew("keep", membership, claim.ttl).await?;
        self.claim(membership, claim)
            .await?
            .ok_or_else(|| Error::NoAnswer("the membership expired twice".to_owned()))
    }

    async fn acknowledge(&self, id: &GroupId, answers: &[Ack]) -> Result<Vec<AckResult>> {
        let mut call = self.group_call(id);
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

    async fn end_frames(&self, id: &GroupId, frames: &[EndedFrame]) -> Result<()> {
        let mut call = self.group_call(id);
        call.number(MAX_ENDED);
        for frame in frames {
            call.arg(frame_key(&frame.stream_id, frame.sequence)).number(frame.attempt.into());
            call.arg(match frame.end {
                FrameEnd::DeadLetter => String::new(),
                FrameEnd::Lost(reason) => reason.to_string(),
            });
            call.arg(frame.letter.map(|letter| letter.to_string()).unwrap_or_default());
        }
        match self.scripts.group_remove.run(&self.control, &call).await? {
            Value::Nil => Err(Error::GroupNotFound(id.clone())),
            _ => Ok(()),
        }
    }

    async fn insert_dead_letter(
        &self,
        frame: &DeadFrame,
        copy: Option<&Upload>,
        token: &str,
    ) -> Result<bool> {
        let keys = self.keys(&frame.stream_id);
        let mut request = Request::default();
        let mut call = Call::default();
        // Without a copy, a key that does not exist.
        let payload = copy.map_or(PayloadKey::from_bits(0), |copy| copy.payload.key);
        call.key(keys.counts()).key(keys.dead()).key(keys.buried(token)).key(keys.payload(payload));
        call.key(keys.stream(&frame.stream_id));
        call.number(self.config.budget.dead_bytes).number(millis(SETTLE_TIME * 2));
        dead_entry::push_letter(&mut call, Some(frame));
        call.number(frame.sequence.get()).arg(frame.stream_id.as_str());
        if let Some(copy) = copy {
            request.upload(keys, copy);
        }
        let (entered, _) =
            self.scripts.group_dead_letter.run_after(self.writer(keys.partition()), request, &call).await?;
        Ok(reply::number(entered)? == 1)
    }

    async fn ack_key(&self) -> Result<[u8; 32]> {
        if self.control.is_clustered() {
            // It must outlive the server that would have it.
            return Ok(blake3::derive_key("frameway ack ids", &self.read_identity().await?.to_bytes()));
        }
        let fresh: [u8; 32] = rand::random();
        let mut pipe = redis::pipe();
        let key = self.names.ack_key();
        pipe.cmd("SET").arg(&key).arg(&fresh[..]).arg("NX").cmd("GET").arg(&key);
        let stored = self.all(&self.control, &pipe).await?.pop().unwrap_or(Value::Nil);
        let stored = reply::bytes(stored)?.unwrap_or_default();
        stored.as_ref().try_into().map_err(|_| corrupt("the key of ack ids has another length"))
    }

    async fn count_outputs(&self, queries: &[SpanQuery]) -> Result<Vec<OutputSpan>> {
        let ask = |SpanQuery { stream_id, count_from, oldest_from }: &SpanQuery| {
            let keys = self.keys(stream_id);
            let mut call = Call::default();
            call.key(keys.stream(stream_id)).key(keys.output(stream_id));
            call.number(count_from.get()).number(oldest_from.get());
            call
        };
        let mut spans = Vec::with_capacity(queries.len());
        for part in queries.chunks(COUNTS_AT_ONCE) {
            let calls: Vec<Call> = part.iter().map(ask).collect();
            let asked = calls.iter().map(|call| self.scripts.output_count.run(&self.control, call));
            for answer in futures::future::try_join_all(asked).await? {
                let mut parts = reply::array(answer)?.into_iter();
                let mut next = || reply::number(parts.next().unwrap_or(Value::Nil));
                let (oldest, head, entries, received) = (next()?, next()?, next()?, next()?);
                let oldest_receive_time = Some(received).filter(|&at| at > 0).map(reply::moment);
                spans.push(OutputSpan { oldest, head, entries, oldest_receive_time });
            }
        }
        Ok(spans)
    }
}

/// The number of outputs counted at the same time.
const COUNTS_AT_ONCE: usize = 100;
