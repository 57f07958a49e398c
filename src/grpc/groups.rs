//! Consumer groups: create, get, list, update, seek, delete.

use std::collections::HashSet;
use std::sync::Arc;

use super::convert::group::{self, WantedGroup};
use super::convert::{delivery, stream};
use super::fault::{Fault, Result};
use super::{mask, page};
use crate::domain::{GroupId, GroupRecord, StoreIdentity, StreamId, StreamMatch};
use crate::hub::{Beginnings, Consumers, GroupStart, TimeGap};
use crate::pb::v1 as pb;
use crate::queue::{self, GroupState, Queue};

const LIST: &str = "groups";
/// How often an update without an etag starts again when others change the group at the same time.
const UPDATE_TRIES: usize = 8;

/// Most gaps of time in one answer.
const MAX_TIME_GAPS: usize = 1_000;

fn time_gaps(gaps: Vec<TimeGap>, store: &StoreIdentity) -> Vec<pb::Gap> {
    let to_pb = |gap| pb::Gap { cursor: String::new(), ..delivery::time_gap_to_pb(gap, store) };
    gaps.into_iter().take(MAX_TIME_GAPS).map(to_pb).collect()
}

/// The operators' view of consumer groups.
#[derive(Debug)]
pub(crate) struct GroupDesk {
    queue: Arc<dyn Queue>,
    consumers: Arc<Consumers>,
}

impl GroupDesk {
    pub(crate) fn new(queue: Arc<dyn Queue>, consumers: Arc<Consumers>) -> Self {
        Self { queue, consumers }
    }

    pub(crate) async fn create(
        &self,
        request: pb::CreateConsumerGroupRequest,
    ) -> Result<pb::CreateConsumerGroupResponse> {
        let pb::CreateConsumerGroupRequest { group } = request;
        let group = group.ok_or_else(|| Fault::invalid("group", "must be set"))?;
        let store = self.queue.read_identity().await?;
        let wanted = group::from_pb(group, &store).map_err(|fault| fault.within("group"))?;
        let WantedGroup { id, settings, start } = wanted;
        // A repeated call is answered whatever has become of the start since: its frames may be gone by now.
        if let Some(record) = self.queue.get_groups(std::slice::from_ref(&id)).await?.pop().flatten() {
            if record.settings != settings || record.start != start.digest() {
                return Err(queue::Error::GroupExists(id).into());
            }
            let group = Some(group::to_pb(record));
            return Ok(pb::CreateConsumerGroupResponse { group, time_gaps: Vec::new() });
        }
        let records = self.consumers.selected(&settings.streams).await?;
        let begun = self.consumers.positions(&records, &start, false).await;
        let begun = begun.map_err(|error| Fault::from(error).within("group.start"))?;
        let queue::Created { record, is_new } =
            self.queue.create_group(&id, &settings, start.digest(), &begun.positions).await?;
        let gaps = if is_new { begun.time_gaps } else { Vec::new() };
        let time_gaps = time_gaps(gaps, &self.queue.identity());
        Ok(pb::CreateConsumerGroupResponse { group: Some(group::to_pb(record)), time_gaps })
    }

    pub(crate) async fn get(
        &self,
        request: pb::GetConsumerGroupRequest,
    ) -> Result<pb::GetConsumerGroupResponse> {
        let pb::GetConsumerGroupRequest { group_id, page_size, page_token } = request;
        let id: GroupId = group_id.parse()?;
        let list = page::kind(&format!("group-streams:{id}"), &self.queue.identity());
        let after: Option<StreamId> = page::after(&list, &page_token)?;
        let state = self.queue.group_state(&id).await?;
        let streams = self.streams(&state.record).await?;
        let totals = self.consumers.totals(&state, &streams).await?;
        let behind = |id: &&StreamId| after.as_ref().is_none_or(|after| *id > after);
        let limit = page::size(page_size);
        let ids: Vec<StreamId> = streams.iter().filter(behind).take(limit).cloned().collect();
        let next_page_token = match ids.last() {
            Some(last) if ids.len() >= limit && Some(last) != streams.last() => page::token(&list, last),
            Some(_) | None => String::new(),
        };
        let spans = self.consumers.spans(&state, &ids).await?;
        let streams = spans
            .iter()
            .map(|(id, position, span)| group::position_to_pb(id.to_string(), position, span))
            .collect();
        let group = Some(group::state_to_pb(state, totals));
        Ok(pb::GetConsumerGroupResponse { group, streams, next_page_token })
    }

    pub(crate) async fn list(
        &self,
        request: pb::ListConsumerGroupsRequest,
    ) -> Result<pb::ListConsumerGroupsResponse> {
        let pb::ListConsumerGroupsRequest { page_size, page_token } = request;
        let limit = page::size(page_size);
        let list = page::kind(LIST, &self.queue.identity());
        let after: Option<GroupId> = page::after(&list, &page_token)?;
        let records = self.queue.list_groups(after.as_ref(), limit).await?;
        let next_page_token = match records.last() {
            Some(last) if records.len() >= limit => page::token(&list, &last.id),
            Some(_) | None => String::new(),
        };
        let mut groups = Vec::with_capacity(records.len());
        for record in records {
            match self.with_status(&record.id).await {
                Ok(group) => groups.push(group),
                // Deleted meanwhile.
                Err(fault) if fault.reason == pb::ErrorReason::GroupNotFound => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(pb::ListConsumerGroupsResponse { groups, next_page_token })
    }

    pub(crate) async fn update(
        &self,
        request: pb::UpdateConsumerGroupRequest,
    ) -> Result<pb::UpdateConsumerGroupResponse> {
        let pb::UpdateConsumerGroupRequest { group, update_mask } = request;
        let wanted = group.ok_or_else(|| Fault::invalid("group", "must be set"))?;
        let id: GroupId = wanted.group_id.parse().map_err(|error| Fault::from(error).within("group"))?;
        let expected = stream::etag("group.etag", &wanted.etag)?;
        let paths = update_mask.unwrap_or_default().paths;
        let mut tries = UPDATE_TRIES;
        loop {
            let state = self.queue.group_state(&id).await?;
            let etag = expected.unwrap_or(state.record.etag());
            let mut merged = group::said_to_pb(state.record.clone());
            mask::apply(&mut merged, &wanted, &paths)?;
            let settings = group::from_pb(merged, &self.queue.identity());
            let settings = settings.map_err(|fault| fault.within("group"))?.settings;
            let changes = match settings.streams == state.record.settings.streams {
                true => Vec::new(),
                false => self.reselected(&state, &settings.streams).await?,
            };
            tries -= 1;
            match self.queue.update_group(&id, &settings, etag, &changes).await {
                Err(queue::Error::EtagMismatch { .. }) if expected.is_none() && tries > 0 => {}
                updated => {
                    self.consumers.nudge(&id);
                    return Ok(pb::UpdateConsumerGroupResponse { group: Some(group::to_pb(updated?)) });
                }
            }
        }
    }

    /// What a new selection means: streams that are not in it any more are forgotten, new ones begin now.
    async fn reselected(
        &self,
        state: &GroupState,
        streams: &[StreamMatch],
    ) -> Result<Vec<(StreamId, Option<crate::domain::Sequence>)>> {
        let records = self.consumers.selected(streams).await?;
        let selected: HashSet<&StreamId> = records.iter().map(|record| &record.id).collect();
        let dropped = state.positions.keys().filter(|id| !selected.contains(id));
        let mut changes: Vec<_> = dropped.map(|id| (id.clone(), None)).collect();
        let new = |id: &StreamId| !state.positions.contains_key(id);
        let new: Vec<_> = records.iter().filter(|record| new(&record.id)).cloned().collect();
        let begun = self.consumers.positions(&new, &GroupStart::Live, false).await?;
        changes.extend(begun.positions.into_iter().map(|(id, next)| (id, Some(next))));
        Ok(changes)
    }

    pub(crate) async fn seek(
        &self,
        request: pb::SeekConsumerGroupRequest,
    ) -> Result<pb::SeekConsumerGroupResponse> {
        let pb::SeekConsumerGroupRequest { group_id, position, streams, etag, reason: _ } = request;
        let id: GroupId = group_id.parse()?;
        let position = position
            .filter(|start| start.position.is_some())
            .ok_or_else(|| Fault::invalid("position", "must say where to go on"))?;
        let store = self.queue.read_identity().await?;
        let start = group::start_from_pb(position, &store).map_err(|fault| fault.within("position"))?;
        let expected = stream::etag("etag", &etag)?;
        let narrowed = match streams.filter(|streams| streams.by.is_some()) {
            Some(one) => Some(group::stream_match(one).map_err(|fault| fault.within("streams"))?),
            None => None,
        };
        let record = self.record(&id).await?;
        let mut records = self.consumers.selected(&record.settings.streams).await?;
        if let Some(narrowed) = narrowed {
            let chosen = self.consumers.selected(&[narrowed]).await?;
            let chosen: HashSet<StreamId> = chosen.into_iter().map(|record| record.id).collect();
            records.retain(|record| chosen.contains(&record.id));
        }
        let sought = self.consumers.positions(&records, &start, true).await;
        let Beginnings { positions, time_gaps: gaps } =
            sought.map_err(|error| Fault::from(error).within("position"))?;
        self.queue.seek_group(&id, &positions, expected).await?;
        self.consumers.nudge(&id);
        let group = self.with_status(&id).await?;
        Ok(pb::SeekConsumerGroupResponse {
            group: Some(group),
            moved_streams: positions.len() as u64,
            time_gaps: time_gaps(gaps, &self.queue.identity()),
        })
    }

    pub(crate) async fn delete(
        &self,
        request: pb::DeleteConsumerGroupRequest,
    ) -> Result<pb::DeleteConsumerGroupResponse> {
        let pb::DeleteConsumerGroupRequest { group_id, etag } = request;
        let id: GroupId = group_id.parse()?;
        let expected = stream::etag("etag", &etag)?;
        let state = self.queue.group_state(&id).await?;
        let streams = self.streams(&state.record).await?;
        let totals = self.consumers.totals(&state, &streams).await?;
        self.queue.delete_group(&id, expected).await?;
        self.consumers.nudge(&id);
        Ok(pb::DeleteConsumerGroupResponse { outstanding_frames: totals.outstanding, lag_frames: totals.lag })
    }

    async fn record(&self, id: &GroupId) -> Result<GroupRecord> {
        let found = self.queue.get_groups(std::slice::from_ref(id)).await?.pop().flatten();
        found.ok_or_else(|| queue::Error::GroupNotFound(id.clone()).into())
    }

    /// The streams that a group selects now, by id.
    async fn streams(&self, record: &GroupRecord) -> Result<Vec<StreamId>> {
        let records = self.consumers.selected(&record.settings.streams).await?;
        Ok(records.into_iter().map(|record| record.id).collect())
    }

    async fn with_status(&self, id: &GroupId) -> Result<pb::ConsumerGroup> {
        let state = self.queue.group_state(id).await?;
        let streams = self.streams(&state.record).await?;
        let totals = self.consumers.totals(&state, &streams).await?;
        Ok(group::state_to_pb(state, totals))
    }
}
