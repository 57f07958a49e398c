//! Consumer groups: create, get, list, update, seek, delete.

use std::collections::HashSet;
use std::sync::Arc;

use super::convert::group::{self, WantedGroup};
use super::convert::{delivery, start, stream};
use super::fault::{Fault, Result};
use super::filter::{Fields, Filter};
use super::mask;
use super::page::{self, Page, READ_AT_ONCE};
use super::permissions;
use crate::access::Caller;
use crate::domain::limits::MAX_GROUPS;
use crate::domain::{GroupId, GroupRecord, StreamId, StreamMatch};
use crate::hub::{Beginnings, Consumers, GroupError, GroupStart, SubscribeError, TimeGap};
use crate::pb::v1 as pb;
use crate::queue::{self, GroupState, Queue};

const LIST: &str = "groups";
/// The fields that a filter of groups may use.
const GROUP_FIELDS: Fields = Fields {
    only: &["group_id", "display_name", "affinity", "create_time", "update_time", "status"],
    except: &["status.members"],
};
/// The fields that a filter of positions may use.
const POSITION_FIELDS: Fields = Fields {
    only: &[
        "stream_id",
        "acknowledged_sequence",
        "delivered_sequence",
        "head_sequence",
        "lag_frames",
        "outstanding_frames",
        "member_id",
    ],
    except: &[],
};
/// The fields that an update may not change.
pub(crate) const MASK_RULES: mask::Rules = mask::Rules {
    name: "group",
    fixed: &["group_id", "start"],
    output_only: &["etag", "generation", "create_time", "update_time", "status", "effective"],
};
/// The maximum number of reads for one page if there is a filter. It is small because the status of
/// each group is computed from all its streams.
const READS_A_PAGE: usize = 3;

/// The maximum number of time gaps in one response.
const MAX_TIME_GAPS: usize = 1_000;

fn time_gaps(gaps: Vec<TimeGap>) -> Vec<pb::Gap> {
    gaps.into_iter().take(MAX_TIME_GAPS).map(delivery::time_gap_to_pb).collect()
}

/// Converts the error of a position; if the backend failed, no field is at fault.
fn at_position(field: &str, error: GroupError) -> Fault {
    let is_backend =
        matches!(error, GroupError::Queue(_) | GroupError::Subscribe(SubscribeError::Backend(_)));
    let fault = Fault::from(error);
    if is_backend { fault } else { fault.within(field) }
}

/// The operations on consumer groups.
#[derive(Debug)]
pub(crate) struct GroupOperations {
    queue: Arc<dyn Queue>,
    consumers: Arc<Consumers>,
}

impl GroupOperations {
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
        // A repeated call gets its answer even if the start position is no longer valid: its frames
        // may have been trimmed.
        if let Some(record) = self.queue.get_groups(std::slice::from_ref(&id)).await?.pop().flatten() {
            if record.settings != settings || record.start != start.digest() {
                return Err(queue::Error::GroupExists(id).into());
            }
            let group = Some(self.with_status(&record.id).await?);
            return Ok(pb::CreateConsumerGroupResponse { group, time_gaps: Vec::new() });
        }
        let records = self.consumers.selected(&settings.streams).await?;
        let begun = self.consumers.positions(&records, &start, false).await;
        let begun = begun.map_err(|error| at_position("group.start", error))?;
        let queue::Created { record, is_new } =
            self.queue.create_group(&id, &settings, start.digest(), &begun.positions).await?;
        // A group that existed before keeps its positions.
        let time_gaps = if is_new { time_gaps(begun.time_gaps) } else { Vec::new() };
        let group = Some(self.with_status(&record.id).await?);
        Ok(pb::CreateConsumerGroupResponse { group, time_gaps })
    }

    pub(crate) async fn get(
        &self,
        request: pb::GetConsumerGroupRequest,
        caller: &Caller,
    ) -> Result<pb::GetConsumerGroupResponse> {
        let pb::GetConsumerGroupRequest { group_id } = request;
        let id: GroupId = group_id.parse()?;
        permissions::check_see_group(caller, &id)?;
        Ok(pb::GetConsumerGroupResponse { group: Some(self.with_status(&id).await?) })
    }

    pub(crate) async fn list_positions(
        &self,
        request: pb::ListConsumerGroupPositionsRequest,
        caller: &Caller,
    ) -> Result<pb::ListConsumerGroupPositionsResponse> {
        let pb::ListConsumerGroupPositionsRequest { group_id, page_size, page_token, filter } = request;
        let id: GroupId = group_id.parse()?;
        permissions::check_see_group(caller, &id)?;
        let list = page::filtered(&format!("group-positions:{id}"), &filter, &self.queue.identity());
        let filter = Filter::of::<pb::ConsumerGroupPosition>(&filter, POSITION_FIELDS)?;
        let after: Option<StreamId> = page::after(&list, &page_token)?;
        let state = self.queue.group_state(&id).await?;
        let mut rest = self.streams(&state.record).await?;
        rest.retain(|id| after.as_ref().is_none_or(|after| id > after));
        let mut page = Page::new(page::size(page_size));
        'page: for ids in rest.chunks(READ_AT_ONCE) {
            for (id, position, span) in &self.consumers.spans(&state, ids).await? {
                let position = group::position_to_pb(id.to_string(), position, span);
                if !filter.passes(&position)? {
                    page.pass(id.clone());
                } else if !page.add(id.clone(), position) {
                    break 'page;
                }
            }
        }
        let (positions, last) = page.end();
        let next_page_token =
            last.filter(|last| rest.last() != Some(last)).map(|last| page::token(&list, &last));
        let next_page_token = next_page_token.unwrap_or_default();
        Ok(pb::ListConsumerGroupPositionsResponse { positions, next_page_token })
    }

    pub(crate) async fn list(
        &self,
        request: pb::ListConsumerGroupsRequest,
        caller: &Caller,
    ) -> Result<pb::ListConsumerGroupsResponse> {
        let pb::ListConsumerGroupsRequest { page_size, page_token, filter } = request;
        let list = page::filtered(LIST, &filter, &self.queue.identity());
        let filter = Filter::of::<pb::ConsumerGroup>(&filter, GROUP_FIELDS)?;
        let mut after: Option<GroupId> = page::after(&list, &page_token)?;
        let mut page = Page::new(page::size(page_size));
        // Groups that the caller may not see are in no token, so the page goes on after them.
        let may_pass = caller.permissions().operate;
        let reads = if filter.is_empty() || !may_pass { MAX_GROUPS / READ_AT_ONCE + 1 } else { READS_A_PAGE };
        'page: for _ in 0..reads {
            let limit = page.read_limit(filter.is_empty() && may_pass);
            let records = self.queue.list_groups(after.as_ref(), limit).await?;
            let is_last = records.len() < limit;
            after = records.last().map(|record| record.id.clone());
            let seen = records.into_iter().filter(|record| permissions::sees_group(caller, &record.id));
            for record in seen {
                let group = match self.with_status(&record.id).await {
                    Ok(group) => group,
                    // The group was deleted meanwhile.
                    Err(fault) if fault.reason == pb::ErrorReason::GroupNotFound => {
                        page.pass(record.id);
                        continue;
                    }
                    Err(fault) => return Err(fault),
                };
                if !filter.passes(&group)? {
                    page.pass(record.id);
                } else if !page.add(record.id, group) {
                    break 'page;
                }
            }
            if is_last {
                return Ok(pb::ListConsumerGroupsResponse { groups: page.all(), ..Default::default() });
            }
        }
        let (groups, last) = page.cut();
        let next_page_token = last.map(|last| page::token(&list, &last)).unwrap_or_default();
        Ok(pb::ListConsumerGroupsResponse { groups, next_page_token })
    }

    pub(crate) async fn update(
        &self,
        request: pb::UpdateConsumerGroupRequest,
    ) -> Result<pb::UpdateConsumerGroupResponse> {
        let pb::UpdateConsumerGroupRequest { group, update_mask, reason: _ } = request;
        let wanted = group.ok_or_else(|| Fault::invalid("group", "must be set"))?;
        let id: GroupId = wanted.group_id.parse().map_err(|error| Fault::from(error).within("group"))?;
        let expected = stream::etag("group.etag", &wanted.etag)?;
        let paths = update_mask.unwrap_or_default().paths;
        let mut tries = mask::UPDATE_TRIES;
        loop {
            let state = self.queue.group_state(&id).await?;
            let etag = expected.unwrap_or(state.record.etag());
            let current = group::to_pb(state.record.clone());
            let merged = mask::merge(&MASK_RULES, &paths, &current, &wanted)?;
            let settings = group::from_pb(merged, &self.queue.identity());
            let settings = settings.map_err(|fault| fault.within("group"))?.settings;
            let changes = match settings.streams == state.record.settings.streams {
                true => Vec::new(),
                false => self.position_changes(&state, &settings.streams).await?,
            };
            tries -= 1;
            match self.queue.update_group(&id, &settings, etag, &changes).await {
                Err(queue::Error::EtagMismatch { .. }) if expected.is_none() && tries > 0 => {}
                updated => {
                    self.consumers.notify_members(&id);
                    let updated = updated?;
                    let group = self.with_status(&updated.id).await?;
                    return Ok(pb::UpdateConsumerGroupResponse { group: Some(group) });
                }
            }
        }
    }

    /// Returns the changes of the positions for a new selection. A stream that it no longer
    /// contains is forgotten (`None`); a new stream starts at its head.
    async fn position_changes(
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
        let pb::SeekConsumerGroupRequest { group_id, position, streams, all_streams, etag, reason: _ } =
            request;
        let id: GroupId = group_id.parse()?;
        let position = position.ok_or_else(|| Fault::invalid("position", "must specify a position"))?;
        let store = self.queue.read_identity().await?;
        let start = start::from_pb(position, &store).map_err(|fault| fault.within("position"))?;
        let expected = stream::etag("etag", &etag)?;
        let narrowed = match (all_streams, streams.is_empty()) {
            (true, true) => None,
            (true, false) => return Err(Fault::invalid("streams", "must be empty with all_streams")),
            (false, true) => {
                return Err(Fault::invalid(
                    "streams",
                    "must contain at least one stream, or all_streams must be true",
                ));
            }
            (false, false) => Some(group::stream_matches("streams", streams)?),
        };
        let record = self.record(&id).await?;
        let mut records = self.consumers.selected(&record.settings.streams).await?;
        if let Some(narrowed) = narrowed {
            let chosen = self.consumers.selected(&narrowed).await?;
            let chosen: HashSet<StreamId> = chosen.into_iter().map(|record| record.id).collect();
            records.retain(|record| chosen.contains(&record.id));
        }
        let sought = self.consumers.positions(&records, &start, true).await;
        let Beginnings { positions, time_gaps: gaps } =
            sought.map_err(|error| at_position("position", error))?;
        self.queue.seek_group(&id, &positions, expected).await?;
        self.consumers.notify_members(&id);
        let group = self.with_status(&id).await?;
        Ok(pb::SeekConsumerGroupResponse {
            group: Some(group),
            moved_streams: positions.len() as u64,
            time_gaps: time_gaps(gaps),
        })
    }

    pub(crate) async fn delete(
        &self,
        request: pb::DeleteConsumerGroupRequest,
    ) -> Result<pb::DeleteConsumerGroupResponse> {
        let pb::DeleteConsumerGroupRequest { group_id, etag, reason: _ } = request;
        let id: GroupId = group_id.parse()?;
        let expected = stream::etag("etag", &etag)?;
        let state = self.queue.group_state(&id).await?;
        let streams = self.streams(&state.record).await?;
        let totals = self.consumers.totals(&state, &streams).await?;
        self.queue.delete_group(&id, expected).await?;
        self.consumers.notify_members(&id);
        Ok(pb::DeleteConsumerGroupResponse { outstanding_frames: totals.outstanding, lag_frames: totals.lag })
    }

    async fn record(&self, id: &GroupId) -> Result<GroupRecord> {
        let found = self.queue.get_groups(std::slice::from_ref(id)).await?.pop().flatten();
        found.ok_or_else(|| queue::Error::GroupNotFound(id.clone()).into())
    }

    /// Returns the ids of the streams that a group selects now, in ascending order.
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
