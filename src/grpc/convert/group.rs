//! Consumer groups.

use std::time::Duration;

use super::policy::bounded;
use super::stream::unless_empty;
use super::subscription::stream_sets;
use super::{check_text, choice, known, start, time};
use crate::domain::limits::{MAX_DISPLAY_NAME_BYTES, MAX_GROUP_FRAMES};
use crate::domain::{
    BackoffSettings, FrameFilter, GroupAffinity, GroupId, GroupPolicies, GroupRecord, GroupSettings,
    Sampling, StoreIdentity, StreamMatch,
};
use crate::grpc::fault::{Fault, Result};
use crate::hub::{self, GroupStart, GroupTotals, StreamSet, lag_of};
use crate::pb::v1 as pb;
use crate::pb::v1::stream_match::Selector as By;
use crate::queue::{GroupPosition, GroupState, MemberState, OutputSpan};

const SECOND: Duration = Duration::from_secs(1);
const TEN_MINUTES: Duration = Duration::from_secs(600);
const HOUR: Duration = Duration::from_secs(3600);
const MAX_ATTEMPTS: u32 = 100;

/// The settings and the start of a group in a request.
#[derive(Debug)]
pub(crate) struct WantedGroup {
    pub(crate) id: GroupId,
    pub(crate) settings: GroupSettings,
    pub(crate) start: GroupStart,
}

/// Reads the id, the settings and the start of a group. Ignores the etag, which handlers read, and
/// output-only fields.
pub(crate) fn from_pb(group: pb::ConsumerGroup, store: &StoreIdentity) -> Result<WantedGroup> {
    let pb::ConsumerGroup {
        group_id,
        display_name,
        streams,
        filter,
        sampling,
        start,
        ack_deadline,
        max_delivery_attempts,
        backoff,
        affinity,
        max_outstanding_frames,
        etag: _,
        generation: _,
        create_time: _,
        update_time: _,
        status: _,
        effective: _,
    } = group;
    let id = group_id.parse()?;
    check_text("display_name", &display_name, MAX_DISPLAY_NAME_BYTES)?;
    let streams = stream_matches("streams", streams)?;
    let deadline = time::duration_within("ack_deadline", ack_deadline, SECOND, HOUR)?;
    let affinity = match known("affinity", affinity)? {
        pb::GroupAffinity::Unspecified => None,
        pb::GroupAffinity::Any => Some(GroupAffinity::Any),
        pb::GroupAffinity::Stream => Some(GroupAffinity::Stream),
    };
    let settings = GroupSettings {
        display_name,
        streams,
        filter: choice::filter(filter.unwrap_or_default()).map_err(|fault| fault.within("filter"))?,
        sampling: sampling_from_pb(sampling.unwrap_or_default()).map_err(|fault| fault.within("sampling"))?,
        ack_deadline: deadline,
        max_delivery_attempts: bounded("max_delivery_attempts", max_delivery_attempts, 1, MAX_ATTEMPTS)?,
        backoff: backoff_from_pb(backoff.unwrap_or_default()).map_err(|fault| fault.within("backoff"))?,
        affinity,
        max_outstanding_frames: bounded(
            "max_outstanding_frames",
            max_outstanding_frames,
            1,
            MAX_GROUP_FRAMES,
        )?,
    };
    let start = match start {
        Some(start) => start::from_pb(start, store).map_err(|fault| fault.within("start"))?,
        None => GroupStart::Live,
    };
    Ok(WantedGroup { id, settings, start })
}

/// Reads the terms of a selection, 1 to 100.
pub(crate) fn stream_matches(field: &str, streams: Vec<pb::StreamMatch>) -> Result<Vec<StreamMatch>> {
    stream_sets(field, streams).map(|sets| sets.into_iter().flat_map(terms).collect())
}

fn terms(set: StreamSet) -> Vec<StreamMatch> {
    match set {
        StreamSet::Ids(ids) => ids.into_iter().map(StreamMatch::Id).collect(),
        StreamSet::Glob(glob) => vec![StreamMatch::Glob(glob)],
        StreamSet::Labels(labels) => vec![StreamMatch::Labels(labels)],
        StreamSet::Any(sets) => sets.into_iter().flat_map(terms).collect(),
        // The selection of a group is not limited to what its creator may read.
        StreamSet::Within(_, set) => terms(*set),
    }
}

fn filter_to_pb(filter: FrameFilter) -> Option<pb::FrameFilter> {
    let FrameFilter {
        min_quality_score,
        min_motion_intensity,
        min_foreground_ratio,
        attributes,
        stream_labels,
        valid_only,
    } = filter;
    unless_empty(pb::FrameFilter {
        min_quality_score,
        min_motion_intensity,
        min_foreground_ratio,
        attributes,
        stream_labels,
        valid_only,
    })
}

fn sampling_from_pb(sampling: pb::Sampling) -> Result<Sampling> {
    let hub::Sampling { max_fps, every_nth, latest_only } = choice::sampling(sampling)?;
    if latest_only {
        return Err(Fault::invalid(
            "latest_only",
            "must not be set in a group, which accounts for every frame",
        ));
    }
    Ok(Sampling { max_fps, every_nth })
}

fn backoff_from_pb(backoff: pb::RetryBackoff) -> Result<BackoffSettings> {
    let pb::RetryBackoff { min_delay, max_delay } = backoff;
    let min_delay = time::duration_within("min_delay", min_delay, Duration::ZERO, TEN_MINUTES)?;
    let min = BackoffSettings { min_delay, max_delay: None }.effective().min_delay;
    let max_delay = time::duration_within("max_delay", max_delay, min, HOUR)?;
    Ok(BackoffSettings { min_delay, max_delay })
}

fn match_to_pb(one: StreamMatch) -> pb::StreamMatch {
    pb::StreamMatch {
        selector: Some(match one {
            StreamMatch::Id(id) => By::Id(id.to_string()),
            StreamMatch::Glob(glob) => By::Glob(glob),
            StreamMatch::Labels(labels) => By::Labels(pb::LabelSelector {
                equal: labels.equal,
                present: labels.present,
                absent: labels.absent,
            }),
        }),
    }
}

fn backoff_to_pb(backoff: BackoffSettings) -> Option<pb::RetryBackoff> {
    let BackoffSettings { min_delay, max_delay } = backoff;
    unless_empty(pb::RetryBackoff {
        min_delay: min_delay.map(time::duration_to_pb),
        max_delay: max_delay.map(time::duration_to_pb),
    })
}

fn affinity_to_pb(affinity: Option<GroupAffinity>) -> pb::GroupAffinity {
    match affinity {
        None => pb::GroupAffinity::Unspecified,
        Some(GroupAffinity::Any) => pb::GroupAffinity::Any,
        Some(GroupAffinity::Stream) => pb::GroupAffinity::Stream,
    }
}

fn effective_to_pb(policies: GroupPolicies) -> pb::ConsumerGroupPolicies {
    let GroupPolicies { ack_deadline, max_delivery_attempts, backoff, affinity, max_outstanding_frames } =
        policies;
    pb::ConsumerGroupPolicies {
        ack_deadline: Some(time::duration_to_pb(ack_deadline)),
        max_delivery_attempts: Some(max_delivery_attempts),
        backoff: backoff_to_pb(backoff.into()),
        affinity: affinity_to_pb(Some(affinity)).into(),
        max_outstanding_frames: Some(max_outstanding_frames),
    }
}

/// Converts a group: its settings as they were set and as they are in force, without its status.
pub(crate) fn to_pb(record: GroupRecord) -> pb::ConsumerGroup {
    let (etag, effective) = (record.etag(), effective_to_pb(record.settings.effective()));
    let GroupRecord {
        id,
        settings,
        start: _,
        revision: _,
        generation,
        incarnation: _,
        create_time,
        update_time,
    } = record;
    let GroupSettings {
        display_name,
        streams,
        filter,
        sampling,
        ack_deadline,
        max_delivery_attempts,
        backoff,
        affinity,
        max_outstanding_frames,
    } = settings;
    let Sampling { max_fps, every_nth } = sampling;
    pb::ConsumerGroup {
        group_id: id.to_string(),
        display_name,
        streams: streams.into_iter().map(match_to_pb).collect(),
        filter: filter_to_pb(filter),
        sampling: unless_empty(pb::Sampling {
            max_fps,
            every_nth: Some(every_nth).filter(|&nth| nth > 0),
            latest_only: false,
        }),
        start: None,
        ack_deadline: ack_deadline.map(time::duration_to_pb),
        max_delivery_attempts,
        backoff: backoff_to_pb(backoff),
        affinity: affinity_to_pb(affinity).into(),
        max_outstanding_frames,
        etag: etag.to_string(),
        generation,
        create_time: Some(time::to_pb(create_time)),
        update_time: Some(time::to_pb(update_time)),
        status: None,
        effective: Some(effective),
    }
}

/// Converts a group with its status.
pub(crate) fn state_to_pb(state: GroupState, totals: GroupTotals) -> pb::ConsumerGroup {
    let member = |member: MemberState| {
        let MemberState {
            id,
            connect_time,
            outstanding_frames,
            outstanding_bytes,
            oldest_outstanding,
            window_frames,
        } = member;
        pb::ConsumerGroupMember {
            member_id: id.name().to_owned(),
            connect_time: Some(time::to_pb(connect_time)),
            outstanding_frames,
            outstanding_bytes,
            oldest_outstanding_age: oldest_outstanding.map(time::duration_to_pb),
            window_frames: u32::try_from(window_frames).unwrap_or(u32::MAX),
        }
    };
    let status = pb::ConsumerGroupStatus {
        members: state.members.into_iter().map(member).collect(),
        stream_count: totals.streams,
        lag_frames: totals.lag,
        outstanding_frames: totals.outstanding,
        acknowledged_frames: state.counters.acknowledged,
        redelivered_frames: state.counters.redelivered,
        dead_letter_frames: state.counters.dead,
        lost_to_retention_frames: state.counters.lost,
        oldest_outstanding_age: state.oldest_outstanding.map(time::duration_to_pb),
    };
    pb::ConsumerGroup { status: Some(status), ..to_pb(state.record) }
}

/// Converts the position of a group in one stream.
pub(crate) fn position_to_pb(
    stream_id: String,
    position: &GroupPosition,
    span: &OutputSpan,
) -> pb::ConsumerGroupPosition {
    pb::ConsumerGroupPosition {
        stream_id,
        acknowledged_sequence: position.acknowledged(),
        delivered_sequence: position.delivered,
        head_sequence: span.head,
        lag_frames: lag_of(position, span),
        outstanding_frames: position.pending.len() as u64,
        member_id: position.owner.as_ref().map(|owner| owner.name().to_owned()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RetryBackoff;

    fn group() -> pb::ConsumerGroup {
        let streams = vec![pb::StreamMatch { selector: Some(By::Glob("cam-*".into())) }];
        pb::ConsumerGroup { group_id: "site.a".into(), streams, ..Default::default() }
    }

    #[test]
    fn defaults_are_those_of_the_contract() {
        let WantedGroup { settings, start, .. } = from_pb(group(), &StoreIdentity::default()).unwrap();
        assert_eq!(start, GroupStart::Live);
        let settings = settings.effective();
        assert_eq!((settings.ack_deadline, settings.max_delivery_attempts), (Duration::from_secs(30), 5));
        assert_eq!(settings.max_outstanding_frames, 10_000);
        assert_eq!(settings.backoff, RetryBackoff::default());
    }

    #[test]
    fn bad_settings_are_refused_by_name() {
        let refused = |change: fn(&mut pb::ConsumerGroup)| {
            let mut group = group();
            change(&mut group);
            from_pb(group, &StoreIdentity::default()).unwrap_err().field
        };
        assert_eq!(refused(|g| g.group_id = "a b".into()), "group_id");
        assert_eq!(refused(|g| g.streams.clear()), "streams");
        assert_eq!(refused(|g| g.streams[0].selector = None), "streams[0].selector");
        assert_eq!(refused(|g| g.max_delivery_attempts = Some(101)), "max_delivery_attempts");
        assert_eq!(refused(|g| g.max_outstanding_frames = Some(100_001)), "max_outstanding_frames");
        assert_eq!(
            refused(|g| g.ack_deadline = Some(prost_types::Duration { seconds: 3601, nanos: 0 })),
            "ack_deadline"
        );
        assert_eq!(
            refused(|g| g.sampling = Some(pb::Sampling { latest_only: true, ..Default::default() })),
            "sampling.latest_only"
        );
        assert_eq!(
            refused(|g| {
                let filter = pb::FrameFilter { min_quality_score: Some(1.5), ..Default::default() };
                g.filter = Some(filter);
            }),
            "filter.min_quality_score"
        );
        assert_eq!(
            refused(|g| {
                let shorter = prost_types::Duration { seconds: 1, nanos: 0 };
                let longer = prost_types::Duration { seconds: 5, nanos: 0 };
                g.backoff = Some(pb::RetryBackoff { min_delay: Some(longer), max_delay: Some(shorter) });
            }),
            "backoff.max_delay"
        );
    }
}
