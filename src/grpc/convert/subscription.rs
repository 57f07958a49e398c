use std::time::Duration;

use super::{choice, known, picture, time};
use crate::domain::LabelMatch;
use crate::domain::limits::MAX_SELECTORS;
use crate::domain::{Cursor, Sequence, StartPosition, StoreIdentity, Timestamp};
use crate::grpc::fault::{Fault, Result, unless_set};
use crate::hub::{Choice, OverflowPolicy, Selector, StreamSet, SubscriptionRequest};
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
const LEAST_MAX_AGE: Duration = Duration::from_millis(10);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// An age beyond any output's: a hundred years.
const MOST_AGE: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// What a subscriber of `store` asks for.
pub(crate) fn from_pb(
    request: pb::SubscribeFramesRequest,
    store: &StoreIdentity,
) -> Result<SubscriptionRequest> {
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
    let selectors = selectors.into_iter().enumerate().map(|(index, one)| {
        selector(one, store).map_err(|fault| fault.within(&format!("selectors[{index}]")))
    });
    Ok(SubscriptionRequest {
        selectors: selectors.collect::<Result<_>>()?,
        heartbeat_interval: heartbeat.unwrap_or(DEFAULT_HEARTBEAT),
        checkpoint_interval: checkpoint.unwrap_or(DEFAULT_CHECKPOINT),
        stop_after_frames: Some(stop_after_frames).filter(|&count| count > 0),
        stop_at_head: false,
        allow_unregistered: false,
    })
}

/// Whether a request brings positions, which only the store that gave them out can read.
pub(crate) fn has_cursors(request: &pb::SubscribeFramesRequest) -> bool {
    request.selectors.iter().any(|selector| {
        let start = selector.start.as_ref().and_then(|start| start.position.as_ref());
        matches!(start, Some(Position::Cursors(_)))
    })
}

fn selector(selector: pb::StreamSelector, store: &StoreIdentity) -> Result<Selector> {
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
    let choice = Choice {
        sampling: choice::sampling(sampling.unwrap_or_default()).map_err(|f| f.within("sampling"))?,
        filter: choice::filter(filter.unwrap_or_default()).map_err(|f| f.within("filter"))?,
        max_age: time::duration_within("max_age", max_age, LEAST_MAX_AGE, DAY)?,
        overflow: match known("overflow_policy", overflow_policy)? {
            pb::OverflowPolicy::Unspecified | pb::OverflowPolicy::DropOldest => OverflowPolicy::DropOldest,
            pb::OverflowPolicy::LatestOnly => OverflowPolicy::LatestOnly,
            pb::OverflowPolicy::Disconnect => OverflowPolicy::Disconnect,
        },
    };
    let (start, cursors) = start_position(start.unwrap_or_default(), store).map_err(|f| f.within("start"))?;
    let pb::StopPosition { sequence, received_time, frame_count } = stop.unwrap_or_default();
    let stop_time = received_time.map(|at| time::from_pb("stop.received_time", at)).transpose()?;
    let stop_sequence = match sequence {
        0 => None,
        number => Some(Sequence::new(number).map_err(|error| Fault::from(error).within("stop"))?),
    };
    Ok(Selector {
        streams: streams_from_pb(streams.unwrap_or_default()).map_err(|f| f.within("streams"))?,
        start,
        cursors,
        stop_sequence,
        stop_time,
        stop_after_frames: Some(frame_count).filter(|&count| count > 0),
        choice,
        want: picture::want("pictures", pictures)?,
        fail_if_trimmed,
    })
}

/// Which streams; the field paths begin at the match.
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
        Some(By::Glob(glob)) => {
            let set = StreamSet::Glob(glob);
            set.check()
                .map_err(|error| Fault::new(ErrorReason::InvalidField, error.to_string()).field("glob"))?;
            Ok(set)
        }
        Some(By::Labels(labels)) => {
            let pb::LabelSelector { equal, present, absent } = labels;
            let counts = [("equal", equal.len()), ("present", present.len()), ("absent", absent.len())];
            if counts.iter().all(|(_, count)| *count == 0) {
                return Err(Fault::invalid("labels", "must hold at least one term"));
            }
            if let Some((terms, _)) = counts.iter().find(|(_, count)| *count > MAX_LABEL_TERMS) {
                return Err(too_many(&format!("labels.{terms}"), MAX_LABEL_TERMS));
            }
            Ok(StreamSet::Labels(LabelMatch { equal, present, absent }))
        }
    }
}

fn start_position(start: pb::StartPosition, store: &StoreIdentity) -> Result<(StartPosition, Vec<Cursor>)> {
    let pb::StartPosition { position } = start;
    let start = match position {
        None | Some(Position::Live(pb::StartLive {})) => StartPosition::Live,
        Some(Position::Earliest(pb::StartEarliest {})) => StartPosition::Earliest,
        Some(Position::Sequence(number)) => StartPosition::Sequence(Sequence::new(number)?),
        Some(Position::ReceivedTime(at)) => StartPosition::Time(time::from_pb("received_time", at)?),
        Some(Position::Age(age)) => {
            let age = time::duration_within("age", Some(age), Duration::ZERO, MOST_AGE)?;
            StartPosition::Time(Timestamp::now().before(age.unwrap_or_default()))
        }
        // A selected stream without a cursor starts at its oldest kept frame.
        Some(Position::Cursors(list)) => return Ok((StartPosition::Earliest, cursors(list, store)?)),
    };
    Ok((start, Vec::new()))
}

pub(crate) fn cursors(list: pb::CursorList, store: &StoreIdentity) -> Result<Vec<Cursor>> {
    let pb::CursorList { cursors } = list;
    if cursors.len() > MAX_CURSORS {
        return Err(too_many("cursors", MAX_CURSORS));
    }
    let parse = |(index, cursor): (usize, pb::StreamCursor)| {
        let pb::StreamCursor { stream_id, cursor } = cursor;
        let path = format!("cursors[{index}]");
        let parsed = Cursor::decode(&cursor, store).map_err(|error| Fault::from(error).within(&path))?;
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
    use std::sync::LazyLock;

    use super::*;

    static STORE: LazyLock<StoreIdentity> = LazyLock::new(StoreIdentity::random);

    fn by(by: By) -> pb::StreamSelector {
        pb::StreamSelector { streams: Some(pb::StreamMatch { by: Some(by) }), ..Default::default() }
    }

    fn one() -> pb::StreamSelector {
        by(By::Id("cam-1".into()))
    }

    fn converted(selector: pb::StreamSelector) -> Result<Selector> {
        let request = pb::SubscribeFramesRequest { selectors: vec![selector], ..Default::default() };
        from_pb(request, &STORE).map(|mut request| request.selectors.remove(0))
    }

    #[test]
    fn defaults_are_live_and_the_processed_picture() {
        let request = pb::SubscribeFramesRequest { selectors: vec![one()], ..Default::default() };
        let request = from_pb(request, &STORE).unwrap();
        assert_eq!(request.heartbeat_interval, DEFAULT_HEARTBEAT);
        assert_eq!(request.checkpoint_interval, DEFAULT_CHECKPOINT);
        assert_eq!(request.stop_after_frames, None);
        let selector = &request.selectors[0];
        assert_eq!(selector.start, StartPosition::Live);
        assert!(selector.want.processed && !selector.want.thumbnail && !selector.want.original);
    }

    #[test]
    fn cursors_carry_their_stream() {
        let cursor = Cursor::new("cam-1".parse().unwrap(), Sequence::FIRST);
        let with = |stream_id: &str, text: String| {
            let cursors = vec![pb::StreamCursor { stream_id: stream_id.into(), cursor: text }];
            let position = Some(Position::Cursors(pb::CursorList { cursors }));
            converted(pb::StreamSelector { start: Some(pb::StartPosition { position }), ..one() })
        };
        let selector = with("cam-1", cursor.encode(&STORE)).unwrap();
        assert_eq!(selector.start, StartPosition::Earliest);
        assert_eq!(selector.cursors, std::slice::from_ref(&cursor));
        for bad in [with("cam-2", cursor.encode(&STORE)), with("cam-1", "rubbish".into())] {
            let fault = bad.unwrap_err();
            assert_eq!(fault.reason, ErrorReason::CursorInvalid);
            assert!(fault.field.starts_with("selectors[0].start.cursors[0]."), "{}", fault.field);
        }
    }

    #[test]
    fn groups_are_not_plain_subscriptions() {
        let group =
            pb::SubscribeFramesRequest { group: Some(pb::GroupMember::default()), ..Default::default() };
        assert_eq!(from_pb(group, &STORE).unwrap_err().reason, ErrorReason::NotImplemented);
    }

    #[test]
    fn every_option_is_read() {
        let start = |position| {
            let start = Some(pb::StartPosition { position: Some(position) });
            converted(pb::StreamSelector { start, ..one() }).unwrap().start
        };
        let time = prost_types::Timestamp { seconds: 5, nanos: 1_000 };
        assert_eq!(
            start(Position::ReceivedTime(time)),
            StartPosition::Time(Timestamp::from_micros(5_000_001))
        );
        let StartPosition::Time(ago) = start(Position::Age(prost_types::Duration { seconds: 60, nanos: 0 }))
        else {
            panic!("a time")
        };
        let since = Timestamp::now().since(ago).as_secs();
        assert!((60..90).contains(&since), "{since}");

        let stop = pb::StopPosition { sequence: 7, received_time: Some(time), frame_count: 3 };
        let labels =
            pb::LabelSelector { present: vec!["a".into()], absent: vec!["b".into()], ..Default::default() };
        let selector = converted(pb::StreamSelector {
            stop: Some(stop),
            sampling: Some(pb::Sampling { max_fps: Some(2.5), every_nth: 3, latest_only: true }),
            max_age: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
            overflow_policy: pb::OverflowPolicy::Disconnect.into(),
            ..by(By::Labels(labels))
        })
        .unwrap();
        assert_eq!(selector.stop_sequence.map(Sequence::get), Some(7));
        assert_eq!(selector.stop_time, Some(Timestamp::from_micros(5_000_001)));
        assert_eq!(selector.stop_after_frames, Some(3));
        assert_eq!(selector.choice.max_age, Some(SECOND));
        assert_eq!(selector.choice.overflow, OverflowPolicy::Disconnect);
        let sampling = selector.choice.sampling;
        assert_eq!((sampling.max_fps, sampling.every_nth, sampling.latest_only), (Some(2.5), 3, true));
        let StreamSet::Labels(labels) = selector.streams else { panic!("labels") };
        assert_eq!((labels.present, labels.absent), (vec!["a".to_owned()], vec!["b".to_owned()]));
    }

    #[test]
    fn bad_options_are_refused_with_their_path() {
        let sampled = |max_fps| pb::StreamSelector {
            sampling: Some(pb::Sampling { max_fps: Some(max_fps), ..Default::default() }),
            ..one()
        };
        let filtered = |filter| pb::StreamSelector { filter: Some(filter), ..one() };
        let many = (0..17).map(|n| (n.to_string(), String::new())).collect();
        let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        let start = |position| pb::StreamSelector {
            start: Some(pb::StartPosition { position: Some(position) }),
            ..one()
        };
        for (selector, field) in [
            (sampled(0.0), "sampling.max_fps"),
            (sampled(-1.0), "sampling.max_fps"),
            (sampled(f64::NAN), "sampling.max_fps"),
            (sampled(1000.5), "sampling.max_fps"),
            (
                filtered(pb::FrameFilter { min_quality_score: Some(1.5), ..Default::default() }),
                "filter.min_quality_score",
            ),
            (
                filtered(pb::FrameFilter { min_motion_intensity: Some(f64::NAN), ..Default::default() }),
                "filter.min_motion_intensity",
            ),
            (filtered(pb::FrameFilter { attributes: many, ..Default::default() }), "filter.attributes"),
            (pb::StreamSelector { max_age: seconds(0), ..one() }, "max_age"),
            (pb::StreamSelector { max_age: seconds(90_000), ..one() }, "max_age"),
            (pb::StreamSelector { overflow_policy: 99, ..one() }, "overflow_policy"),
            (start(Position::Age(prost_types::Duration { seconds: -1, nanos: 0 })), "start.age"),
            (
                start(Position::ReceivedTime(prost_types::Timestamp { seconds: 0, nanos: -1 })),
                "start.received_time",
            ),
        ] {
            let fault = converted(selector).unwrap_err();
            assert_eq!(fault.field, format!("selectors[0].{field}"));
            assert_eq!(crate::grpc::fault::code(fault.reason), tonic::Code::InvalidArgument);
        }
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
        assert!(from_pb(pb::SubscribeFramesRequest::default(), &STORE).is_err());
    }
}
