use std::time::Duration;

use super::{known, picture, time};
use crate::domain::limits::MAX_SELECTORS;
use crate::domain::{Cursor, Sequence, StartPosition};
use crate::grpc::fault::{Fault, Result, unless_set};
use crate::hub::{Selector, StreamSet, SubscriptionRequest};
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::pb::v1::start_position::Position;
use crate::pb::v1::stream_match::By;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MAX_HEARTBEAT: Duration = Duration::from_secs(60);
pub(crate) const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(10);
pub(crate) const MAX_CHECKPOINT: Duration = Duration::from_secs(300);
const DEFAULT_CHECKPOINT: Duration = Duration::from_secs(30);
const MAX_CURSORS: usize = 10_000;
const MAX_GLOB_CHARS: usize = 128;
const MAX_LABEL_TERMS: usize = 16;

/// What a subscriber asks for.
pub(crate) fn from_pb(request: pb::SubscribeFramesRequest) -> Result<SubscriptionRequest> {
    let pb::SubscribeFramesRequest {
        selectors,
        heartbeat_interval,
        checkpoint_interval,
        stop_after_frames,
        group,
    } = request;
    unless_set(group.is_some(), "group")?;
    if selectors.is_empty() {
        return Err(Fault::invalid("selectors", "must hold at least one"));
    }
    if selectors.len() > MAX_SELECTORS {
        return Err(too_many("selectors", MAX_SELECTORS));
    }
    let heartbeat = time::duration_within("heartbeat_interval", heartbeat_interval, SECOND, MAX_HEARTBEAT)?;
    let checkpoint =
        time::duration_within("checkpoint_interval", checkpoint_interval, SECOND, MAX_CHECKPOINT)?;
    let selectors = selectors
        .into_iter()
        .enumerate()
        .map(|(index, one)| selector(one).map_err(|fault| fault.within(&format!("selectors[{index}]"))));
    Ok(SubscriptionRequest {
        selectors: selectors.collect::<Result<_>>()?,
        heartbeat_interval: heartbeat.unwrap_or(DEFAULT_HEARTBEAT),
        checkpoint_interval: checkpoint.unwrap_or(DEFAULT_CHECKPOINT),
        stop_after_frames: Some(stop_after_frames).filter(|&count| count > 0),
    })
}

fn selector(selector: pb::StreamSelector) -> Result<Selector> {
    let pb::StreamSelector {
        streams,
        start,
        stop,
        sampling,
        max_age,
        pictures,
        filter,
        overflow_policy,
        fail_if_trimmed,
    } = selector;
    unless_set(sampling.is_some(), "sampling")?;
    unless_set(max_age.is_some(), "max_age")?;
    unless_set(filter.is_some(), "filter")?;
    match known("overflow_policy", overflow_policy)? {
        pb::OverflowPolicy::Unspecified | pb::OverflowPolicy::DropOldest => {}
        pb::OverflowPolicy::LatestOnly | pb::OverflowPolicy::Disconnect => {
            return Err(Fault::not_offered("overflow_policy"));
        }
    }
    let (start, cursors) = start_position(start.unwrap_or_default()).map_err(|f| f.within("start"))?;
    let pb::StopPosition { sequence, received_time, frame_count } = stop.unwrap_or_default();
    unless_set(received_time.is_some(), "stop.received_time")?;
    let stop_sequence = match sequence {
        0 => None,
        number => Some(Sequence::new(number).map_err(|error| Fault::from(error).within("stop"))?),
    };
    let streams = streams_from_pb(streams.unwrap_or_default()).map_err(|f| f.within("streams"))?;
    // The contract counts each stream by itself, the hub a selector's streams together: the same for one stream only.
    let one_stream = matches!(&streams, StreamSet::Ids(ids) if ids.len() == 1);
    unless_set(frame_count > 0 && !one_stream, "stop.frame_count")?;
    Ok(Selector {
        streams,
        start,
        cursors,
        stop_sequence,
        stop_after_frames: Some(frame_count).filter(|&count| count > 0),
        want: picture::want("pictures", pictures)?,
        fail_if_trimmed,
    })
}

pub(crate) fn streams_from_pb(streams: pb::StreamMatch) -> Result<StreamSet> {
    let pb::StreamMatch { by } = streams;
    match by {
        None => Err(Fault::invalid("by", "must say which streams: id, glob or labels")),
        Some(By::Id(id)) => Ok(StreamSet::Ids(vec![id.parse().map_err(|_| {
            let rule = "must match ^[A-Za-z0-9_-]{1,64}$";
            Fault::new(ErrorReason::InvalidStreamId, format!("id {rule}")).field("id")
        })?])),
        Some(By::Glob(glob)) if glob.is_empty() || glob.len() > MAX_GLOB_CHARS => {
            Err(Fault::invalid("glob", format!("must be 1 to {MAX_GLOB_CHARS} characters")))
        }
        Some(By::Glob(glob)) => Ok(StreamSet::Glob(glob)),
        Some(By::Labels(labels)) => {
            let pb::LabelSelector { equal, present, absent } = labels;
            unless_set(!present.is_empty(), "labels.present")?;
            unless_set(!absent.is_empty(), "labels.absent")?;
            if equal.is_empty() {
                return Err(Fault::invalid("labels", "must hold at least one term"));
            }
            if equal.len() > MAX_LABEL_TERMS {
                return Err(too_many("labels.equal", MAX_LABEL_TERMS));
            }
            Ok(StreamSet::Labels(equal))
        }
    }
}

fn start_position(start: pb::StartPosition) -> Result<(StartPosition, Vec<Cursor>)> {
    let pb::StartPosition { position } = start;
    let start = match position {
        None | Some(Position::Live(pb::StartLive {})) => StartPosition::Live,
        Some(Position::Earliest(pb::StartEarliest {})) => StartPosition::Earliest,
        Some(Position::Sequence(number)) => StartPosition::Sequence(Sequence::new(number)?),
        Some(Position::ReceivedTime(_)) => return Err(Fault::not_offered("received_time")),
        Some(Position::Age(_)) => return Err(Fault::not_offered("age")),
        // A selected stream without a cursor starts at its oldest kept frame.
        Some(Position::Cursors(list)) => return Ok((StartPosition::Earliest, cursors(list)?)),
    };
    Ok((start, Vec::new()))
}

pub(crate) fn cursors(list: pb::CursorList) -> Result<Vec<Cursor>> {
    let pb::CursorList { cursors } = list;
    if cursors.len() > MAX_CURSORS {
        return Err(too_many("cursors", MAX_CURSORS));
    }
    let parse = |(index, cursor): (usize, pb::StreamCursor)| {
        let pb::StreamCursor { stream_id, cursor } = cursor;
        let path = format!("cursors[{index}]");
        let parsed: Cursor = cursor.parse().map_err(|error| Fault::from(error).within(&path))?;
        if parsed.stream_id.as_str() != stream_id {
            let message = format!("the cursor is one of stream {}", parsed.stream_id);
            return Err(Fault::new(ErrorReason::CursorInvalid, message).field(format!("{path}.stream_id")));
        }
        Ok(parsed)
    };
    cursors.into_iter().enumerate().map(parse).collect()
}

pub(crate) fn too_many(field: &str, limit: usize) -> Fault {
    Fault::new(ErrorReason::TooManyItems, format!("{field} must hold at most {limit}"))
        .field(field)
        .fact("limit", limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(by: By) -> pb::StreamSelector {
        pb::StreamSelector { streams: Some(pb::StreamMatch { by: Some(by) }), ..Default::default() }
    }

    fn one() -> pb::StreamSelector {
        by(By::Id("cam-1".into()))
    }

    fn converted(selector: pb::StreamSelector) -> Result<Selector> {
        let request = pb::SubscribeFramesRequest { selectors: vec![selector], ..Default::default() };
        from_pb(request).map(|mut request| request.selectors.remove(0))
    }

    #[test]
    fn defaults_are_live_and_the_processed_picture() {
        let request = pb::SubscribeFramesRequest { selectors: vec![one()], ..Default::default() };
        let request = from_pb(request).unwrap();
        assert_eq!(request.heartbeat_interval, DEFAULT_HEARTBEAT);
        assert_eq!(request.checkpoint_interval, DEFAULT_CHECKPOINT);
        assert_eq!(request.stop_after_frames, None);
        let selector = &request.selectors[0];
        assert_eq!(selector.start, StartPosition::Live);
        assert!(selector.want.processed && !selector.want.thumbnail && !selector.want.original);
    }

    #[test]
    fn cursors_carry_their_stream() {
        let cursor = Cursor { stream_id: "cam-1".parse().unwrap(), epoch: 0, next: Sequence::FIRST };
        let with = |stream_id: &str, text: String| {
            let cursors = vec![pb::StreamCursor { stream_id: stream_id.into(), cursor: text }];
            let position = Some(Position::Cursors(pb::CursorList { cursors }));
            converted(pb::StreamSelector { start: Some(pb::StartPosition { position }), ..one() })
        };
        let selector = with("cam-1", cursor.encode()).unwrap();
        assert_eq!(selector.start, StartPosition::Earliest);
        assert_eq!(selector.cursors, std::slice::from_ref(&cursor));
        for bad in [with("cam-2", cursor.encode()), with("cam-1", "rubbish".into())] {
            let fault = bad.unwrap_err();
            assert_eq!(fault.reason, ErrorReason::CursorInvalid);
            assert!(fault.field.starts_with("selectors[0].start.cursors[0]."), "{}", fault.field);
        }
    }

    #[test]
    fn what_is_not_offered_is_refused_by_name() {
        let start = |position| {
            let start = Some(pb::StartPosition { position: Some(position) });
            pb::StreamSelector { start, ..one() }
        };
        let counted = pb::StopPosition { frame_count: 3, ..Default::default() };
        let present = pb::LabelSelector { present: vec!["a".into()], ..Default::default() };
        for (selector, field) in [
            (pb::StreamSelector { sampling: Some(pb::Sampling::default()), ..one() }, "sampling"),
            (pb::StreamSelector { filter: Some(pb::FrameFilter::default()), ..one() }, "filter"),
            (
                pb::StreamSelector { overflow_policy: pb::OverflowPolicy::Disconnect.into(), ..one() },
                "overflow_policy",
            ),
            (start(Position::Age(prost_types::Duration::default())), "start.age"),
            (start(Position::ReceivedTime(prost_types::Timestamp::default())), "start.received_time"),
            (by(By::Labels(present)), "streams.labels.present"),
            (pb::StreamSelector { stop: Some(counted), ..by(By::Glob("*".into())) }, "stop.frame_count"),
        ] {
            let fault = converted(selector).unwrap_err();
            assert_eq!(fault.reason, ErrorReason::NotImplemented);
            assert_eq!(fault.field, format!("selectors[0].{field}"));
        }
        let group =
            pb::SubscribeFramesRequest { group: Some(pb::GroupMember::default()), ..Default::default() };
        assert_eq!(from_pb(group).unwrap_err().reason, ErrorReason::NotImplemented);
    }

    #[test]
    fn bad_selectors_are_refused() {
        for selector in [
            pb::StreamSelector::default(),
            by(By::Id("a b".into())),
            by(By::Glob(String::new())),
            by(By::Labels(pb::LabelSelector::default())),
        ] {
            assert!(converted(selector).is_err());
        }
        assert!(from_pb(pb::SubscribeFramesRequest::default()).is_err());
    }
}
