//! The consumer groups of the embedded backend.

use std::ops::Bound;
use std::time::Duration;

use async_trait::async_trait;

use super::MemoryQueue;
use super::group::Group;
use super::state::{Now, check_etag};
use crate::domain::limits::MAX_GROUPS;
use crate::domain::{
    DeadFrame, Digest, Etag, GroupId, GroupRecord, GroupSettings, Sequence, StreamId, Timestamp,
};
use crate::queue::{
    Ack, AckResult, Claim, Claimed, Created, EndedFrame, Error, GroupState, Groups, Joined, Membership,
    OutputSpan, RemovedStream, Result, SETTLE_TIME, SpanQuery, UPLOAD_TTL, Upload,
};

/// The maximum number of groups in one page.
const MAX_PAGE: usize = 1_000;

#[async_trait]
impl Groups for MemoryQueue {
    async fn create_group(
        &self,
        id: &GroupId,
        settings: &GroupSettings,
        start: Digest,
        positions: &[(StreamId, Sequence)],
    ) -> Result<Created<GroupRecord>> {
        let now = Now::read();
        let groups = &mut self.state().groups.groups;
        if let Some(Group { record, .. }) = groups.get(id) {
            let is_same = record.settings == *settings && record.start == start;
            let created = is_same.then(|| Created { record: record.clone(), is_new: false });
            return created.ok_or_else(|| Error::GroupExists(id.clone()));
        }
        if groups.len() >= MAX_GROUPS {
            return Err(Error::TooManyGroups { limit: MAX_GROUPS });
        }
        let record = GroupRecord {
            id: id.clone(),
            settings: settings.clone(),
            start,
            revision: 1,
            generation: 1,
            incarnation: Etag::new_incarnation(),
            create_time: now.wall,
            update_time: now.wall,
        };
        let mut group = Group::new(record.clone());
        group.set_positions(positions);
        groups.insert(id.clone(), group);
        Ok(Created { record, is_new: true })
    }

    async fn get_groups(&self, ids: &[GroupId]) -> Result<Vec<Option<GroupRecord>>> {
        let groups = &self.state().groups.groups;
        Ok(ids.iter().map(|id| groups.get(id).map(|group| group.record.clone())).collect())
    }

    async fn list_groups(&self, after: Option<&GroupId>, limit: usize) -> Result<Vec<GroupRecord>> {
        let above = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.state();
        let groups = state.groups.groups.range::<GroupId, _>((above, Bound::Unbounded));
        Ok(groups.take(limit.clamp(1, MAX_PAGE)).map(|(_, group)| group.record.clone()).collect())
    }

    async fn update_group(
        &self,
        id: &GroupId,
        settings: &GroupSettings,
        expected: Etag,
        streams: &[(StreamId, Option<Sequence>)],
    ) -> Result<GroupRecord> {
        let mut state = self.state();
        let group = state.groups.get(id)?;
        check_etag(group.record.etag(), Some(expected))?;
        group.record.settings = settings.clone();
        group.record.revision += 1;
        group.record.update_time = Timestamp::now();
        group.reselect(streams);
        Ok(group.record.clone())
    }

    async fn seek_group(
        &self,
        id: &GroupId,
        positions: &[(StreamId, Sequence)],
        expected: Option<Etag>,
    ) -> Result<GroupRecord> {
        let mut state = self.state();
        let group = state.groups.get(id)?;
        check_etag(group.record.etag(), expected)?;
        group.record.generation += 1;
        group.set_positions(positions);
        Ok(group.record.clone())
    }

    async fn delete_group(&self, id: &GroupId, expected: Option<Etag>) -> Result<()> {
        let mut state = self.state();
        check_etag(state.groups.get(id)?.record.etag(), expected)?;
        state.groups.groups.remove(id);
        Ok(())
    }

    async fn group_state(&self, id: &GroupId) -> Result<GroupState> {
        Ok(self.state().groups.get(id)?.state(Now::read()))
    }

    async fn drop_group_streams(&self, id: &GroupId, streams: &[RemovedStream], reason: u16) -> Result<()> {
        self.state().groups.get(id)?.lose_streams(streams, reason);
        Ok(())
    }

    async fn join_group(&self, membership: &Membership, ttl: Duration) -> Result<Joined> {
        self.state().groups.get(&membership.group)?.join(membership, ttl, Now::read())
    }

    async fn renew_membership(&self, membership: &Membership, ttl: Duration) -> Result<()> {
        self.state().groups.get(&membership.group)?.renew(membership, ttl, Now::read())
    }

    async fn leave_group(&self, membership: &Membership, unsent: &[(StreamId, Sequence)]) -> Result<()> {
        if let Ok(group) = self.state().groups.get(&membership.group) {
            group.leave(membership, unsent, Now::read());
        }
        Ok(())
    }

    async fn claim_frames(&self, membership: &Membership, claim: &Claim) -> Result<Claimed> {
        self.state().groups.get(&membership.group)?.claim(membership, claim, Now::read())
    }

    async fn acknowledge(&self, id: &GroupId, answers: &[Ack]) -> Result<Vec<AckResult>> {
        let now = Now::read();
        let mut state = self.state();
        let group = state.groups.get(id)?;
        Ok(answers.iter().map(|answer| group.answer(answer, now)).collect())
    }

    async fn end_frames(&self, id: &GroupId, frames: &[EndedFrame]) -> Result<()> {
        let mut state = self.state();
        let group = state.groups.get(id)?;
        frames.iter().for_each(|frame| group.end_frame(frame));
        Ok(())
    }

    async fn insert_dead_letter(
        &self,
        frame: &DeadFrame,
        copy: Option<&Upload>,
        token: &str,
    ) -> Result<bool> {
        let now = Now::read();
        let mut state = self.state();
        let state = &mut *state;
        if !state.home(&frame.stream_id).admits(frame) {
            return Ok(false);
        }
        state.groups.dead_letter_tokens.retain(|_, until| *until > now.instant);
        if state.groups.dead_letter_tokens.insert(token.to_owned(), now.instant + SETTLE_TIME * 2).is_some() {
            return Ok(true);
        }
        let dead_bytes = self.config.budget.dead_bytes;
        let partition = state.partition(self.config.partitions.of(&frame.stream_id), now);
        if let Some(copy) = copy {
            partition.payloads.upload(std::slice::from_ref(copy), UPLOAD_TTL, now.instant);
            partition.payloads.enter(copy.payload.key);
        }
        let letter = partition.insert_dead_letter(frame.clone(), dead_bytes, now);
        if let Some(copy) = copy
            && !partition.dead.owns(letter, copy.payload.key)
        {
            partition.payloads.remove_entered(copy.payload.key, now.instant);
        }
        Ok(true)
    }

    async fn ack_key(&self) -> Result<[u8; 32]> {
        Ok(*self.state().groups.ack_key.get_or_insert_with(rand::random))
    }

    async fn count_outputs(&self, queries: &[SpanQuery]) -> Result<Vec<OutputSpan>> {
        let state = self.state();
        let span = |SpanQuery { stream_id, count_from, oldest_from }: &SpanQuery| {
            let Some(stream) = state.home(stream_id).streams.get(stream_id) else {
                return OutputSpan::default();
            };
            let first = |from: &Sequence| stream.outputs.partition_point(|entry| entry.sequence < *from);
            let (below, oldest) = (first(count_from), stream.outputs.get(first(oldest_from)));
            OutputSpan {
                oldest: stream.outputs.front().map_or(0, |entry| entry.sequence.get()),
                head: stream.counters().published_sequence,
                entries: (stream.outputs.len() - below) as u64,
                oldest_receive_time: oldest.map(|entry| entry.receive_time),
            }
        };
        Ok(queries.iter().map(span).collect())
    }
}
