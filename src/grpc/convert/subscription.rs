use std::time::Duration;

use super::{check_count, checked_entries, checked_key, choice, known, picture, start, time};
use crate::access::Caller;
use crate::domain::LabelMatch;
use crate::domain::limits::{MAX_GLOB_CHARS, MAX_SELECTORS, MAX_SEQUENCE, MAX_STREAM_MATCHES};
use crate::domain::{Cursor, ID_PATTERN, Sequence, StartPosition, StoreIdentity, Timestamp, check_id};
use crate::grpc::fault::{Fault, Result};
use crate::grpc::permissions;
use crate::hub::{Choice, GroupStart, OverflowPolicy, Selector, StreamSet, SubscriptionRequest};
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::pb::v1::start_position::Position;
use crate::pb::v1::stream_match::Selector as By;

const MIN_CHECKPOINT: Duration = Duration::from_secs(1);
const MAX_CHECKPOINT: Duration = Duration::from_secs(300);
const DEFAULT_CHECKPOINT: Duration = Duration::from_secs(30);
const MAX_LABEL_TERMS: usize = 16;
const MIN_MAX_AGE: Duration = Duration::from_millis(10);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Reads the request of a subscriber of `store`. It selects only streams that the caller may read.
pub(crate) fn from_pb(
    request: pb::SubscribeFramesRequest,
    store: &StoreIdentity,
    caller: &Caller,
) -> Result<SubscriptionRequest> {
    let pb::SubscribeFramesRequest {
        selectors,
        heartbeat_interval,
        checkpoint_interval,
        stop_after_frames,
        stop_at_head,
        subscriber_name,
    } = request;
    if !subscriber_name.is_empty() {
        check_id("subscriber_name", &subscriber_name)?;
    }
    check_count("selectors", selectors.len(), MAX_SELECTORS)?;
    let heartbeat_interval = time::heartbeat("heartbeat_interval", heartbeat_interval)?;
    let checkpoint =
        time::duration_within("checkpoint_interval", checkpoint_interval, MIN_CHECKPOINT, MAX_CHECKPOINT)?;
    let selectors = selectors.into_iter().enumerate().map(|(index, one)| {
        selector(one, store, caller).map_err(|fault| fault.within(&format!("selectors[{index}]")))
    });
    Ok(SubscriptionRequest {
        selectors: selectors.collect::<Result<_>>()?,
        heartbeat_interval,
        checkpoint_interval: checkpoint.unwrap_or(DEFAULT_CHECKPOINT),
        stop_after_frames: from_one("stop_after_frames", stop_after_frames)?,
        stop_at_head,
        allow_unregistered: false,
    })
}

/// Reports whether a request has cursors, which only the store that issued them can read.
pub(crate) fn has_cursors(request: &pb::SubscribeFramesRequest) -> bool {
    request.selectors.iter().any(|selector| {
        let start = selector.start.as_ref().and_then(|start| start.position.as_ref());
        matches!(start, Some(Position::Cursors(_)))
    })
}

fn selector(selector: pb::StreamSelector, store: &StoreIdentity, caller: &Caller) -> Result<Selector> {
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
        max_age: time::duration_within("max_age", max_age, MIN_MAX_AGE, DAY)?,
        overflow: match known("overflow_policy", overflow_policy)? {
            pb::OverflowPolicy::Unspecified | pb::OverflowPolicy::DropOldest => OverflowPolicy::DropOldest,
            pb::OverflowPolicy::LatestOnly => OverflowPolicy::LatestOnly,
            pb::OverflowPolicy::Disconnect => OverflowPolicy::Disconnect,
        },
    };
    let (start, cursors) = match start {
        Some(start) => start_position(start, store).map_err(|fault| fault.within("start"))?,
        None => (StartPosition::Live, Vec::new()),
    };
    let stop = stop.map(self::stop).transpose().map_err(|fault| fault.within("stop"))?.unwrap_or_default();
    Ok(Selector {
        streams: permissions::readable(caller, stream_set("streams", streams)?)?,
        start,
        cursors,
        stop_sequence: stop.sequence,
        stop_time: stop.time,
        stop_after_frames: stop.frames,
        choice,
        want: picture::want("pictures", pictures, caller)?,
        fail_if_trimmed,
    })
}

/// The position at which the streams of a selector stop.
#[derive(Debug, Default)]
struct Stop {
    sequence: Option<Sequence>,
    time: Option<Timestamp>,
    frames: Option<u64>,
}

fn stop(stop: pb::StopPosition) -> Result<Stop> {
    let pb::StopPosition { sequence, receive_time, frame_count } = stop;
    if sequence.is_none() && receive_time.is_none() && frame_count.is_none() {
        return Err(Fault::invalid("", "must set at least one of sequence, receive_time and frame_count"));
    }
    Ok(Stop {
        sequence: sequence.map(Sequence::new).transpose()?,
        time: receive_time.map(|at| time::from_pb("receive_time", at)).transpose()?,
        frames: from_one("frame_count", frame_count)?,
    })
}

/// Checks that a count, if it is set, is at least 1.
pub(crate) fn from_one(field: &str, count: Option<u64>) -> Result<Option<u64>> {
    super::policy::bounded(field, count, 1, MAX_SEQUENCE)
}

/// Reads the union of 1 to 100 selections of streams; faults name them by their index.
pub(crate) fn stream_set(field: &str, streams: Vec<pb::StreamMatch>) -> Result<StreamSet> {
    let mut ids = Vec::new();
    let mut sets = Vec::new();
    for set in stream_sets(field, streams)? {
        match set {
            StreamSet::Ids(named) => ids.extend(named),
            StreamSet::Glob(_) | StreamSet::Labels(_) | StreamSet::Any(_) | StreamSet::Within(..) => {
                sets.push(set);
            }
        }
    }
    if !ids.is_empty() {
        sets.push(StreamSet::Ids(ids));
    }
    Ok(match sets.pop() {
        Some(only) if sets.is_empty() => only,
        last => StreamSet::Any(sets.into_iter().chain(last).collect()),
    })
}

/// Reads 1 to 100 selections of streams; faults name them by their index.
pub(crate) fn stream_sets(field: &str, streams: Vec<pb::StreamMatch>) -> Result<Vec<StreamSet>> {
    check_count(field, streams.len(), MAX_STREAM_MATCHES)?;
    let read =
        |(index, one)| streams_from_pb(one).map_err(|fault| fault.within(&format!("{field}[{index}]")));
    streams.into_iter().enumerate().map(read).collect()
}

/// Reads one selection of streams; faults name the fields relative to it.
pub(crate) fn streams_from_pb(streams: pb::StreamMatch) -> Result<StreamSet> {
    let pb::StreamMatch { selector } = streams;
    match selector {
        None => Err(Fault::invalid("selector", "must select streams by id, glob or labels")),
        Some(By::Id(id)) => Ok(StreamSet::Ids(vec![id.parse().map_err(|_| {
            Fault::new(ErrorReason::InvalidStreamId, format!("id must match {ID_PATTERN}")).field("id")
        })?])),
        Some(By::Glob(glob)) if glob.is_empty() || glob.chars().count() > MAX_GLOB_CHARS => {
            Err(Fault::invalid("glob", format!("must be 1 to {MAX_GLOB_CHARS} characters")))
        }
        Some(By::Glob(glob)) if has_unsupported_syntax(&glob) => Err(Fault::invalid(
            "glob",
            "may contain the characters of ids, `*`, `?`, and sets such as `[ab]` and `[a-c]`",
        )),
        Some(By::Glob(glob)) => {
            let set = StreamSet::Glob(glob);
            set.check()?;
            Ok(set)
        }
        Some(By::Labels(labels)) => {
            let pb::LabelSelector { equal, present, absent } = labels;
            let counts = [("equal", equal.len()), ("present", present.len()), ("absent", absent.len())];
            if counts.iter().all(|(_, count)| *count == 0) {
                return Err(Fault::invalid("labels", "must contain at least one term"));
            }
            if let Some((terms, _)) = counts.iter().find(|(_, count)| *count > MAX_LABEL_TERMS) {
                return Err(Fault::too_many(&format!("labels.{terms}"), MAX_LABEL_TERMS));
            }
            let equal = checked_entries("labels.equal", equal)?;
            for (field, keys) in [("labels.present", &present), ("labels.absent", &absent)] {
                for (index, key) in keys.iter().enumerate() {
                    checked_key(&format!("{field}[{index}]"), key)?;
                }
            }
            Ok(StreamSet::Labels(LabelMatch { equal, present, absent }))
        }
    }
}

fn start_position(start: pb::StartPosition, store: &StoreIdentity) -> Result<(StartPosition, Vec<Cursor>)> {
    let start = match start::from_pb(start, store)? {
        GroupStart::Live => StartPosition::Live,
        GroupStart::Earliest => StartPosition::Earliest,
        GroupStart::Sequence(sequence) => StartPosition::Sequence(sequence),
        GroupStart::Time(time) => StartPosition::Time(time),
        GroupStart::Age(age) => StartPosition::Time(Timestamp::now().before(age)),
        // A selected stream without a cursor starts at its oldest retained frame.
        GroupStart::Cursors(cursors) => return Ok((StartPosition::Earliest, cursors)),
    };
    Ok((start, Vec::new()))
}

/// Reports whether a glob uses syntax that the glob library supports and the contract does not:
/// alternatives, escapes and negated sets.
fn has_unsupported_syntax(glob: &str) -> bool {
    glob.contains(['{', '}', '\\']) || glob.contains("[!") || glob.contains("[^")
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static STORE: LazyLock<StoreIdentity> = LazyLock::new(StoreIdentity::random);

    fn by(by: By) -> pb::StreamSelector {
        pb::StreamSelector { streams: vec![pb::StreamMatch { selector: Some(by) }], ..Default::default() }
    }

    fn one() -> pb::StreamSelector {
        by(By::Id("cam-1".into()))
    }

    fn converted(selector: pb::StreamSelector) -> Result<Selector> {
        let request = pb::SubscribeFramesRequest { selectors: vec![selector], ..Default::default() };
        from_pb(request, &STORE, &Caller::anybody()).map(|mut request| request.selectors.remove(0))
    }

    #[test]
    fn a_selector_starts_live_with_the_processed_picture_by_default() {
        let request = pb::SubscribeFramesRequest { selectors: vec![one()], ..Default::default() };
        let request = from_pb(request, &STORE, &Caller::anybody()).unwrap();
        assert_eq!(request.heartbeat_interval, Duration::from_secs(10));
        assert_eq!(request.checkpoint_interval, DEFAULT_CHECKPOINT);
        assert_eq!(request.stop_after_frames, None);
        let selector = &request.selectors[0];
        assert_eq!(selector.start, StartPosition::Live);
        assert!(selector.want.processed && !selector.want.thumbnail && !selector.want.original);
    }

    #[test]
    fn cursors_must_name_their_stream() {
        let cursor = Cursor::new("cam-1".parse().unwrap(), Sequence::FIRST);
        let all = |cursors: Vec<pb::StreamCursor>| {
            let position = Some(Position::Cursors(pb::CursorList { cursors }));
            converted(pb::StreamSelector { start: Some(pb::StartPosition { position }), ..one() })
        };
        let of = |stream_id: &str, cursor| pb::StreamCursor { stream_id: stream_id.into(), cursor };
        let with = |stream_id: &str, cursor| all(vec![of(stream_id, cursor)]);
        let twice = all(vec![of("cam-1", cursor.encode(&STORE)); 2]).unwrap_err();
        let expected = (ErrorReason::CursorInvalid, "selectors[0].start.cursors.cursors[1].stream_id");
        assert_eq!((twice.reason, twice.field.as_str()), expected);
        let selector = with("cam-1", cursor.encode(&STORE)).unwrap();
        assert_eq!(selector.start, StartPosition::Earliest);
        assert_eq!(selector.cursors, std::slice::from_ref(&cursor));
        for bad in [with("cam-2", cursor.encode(&STORE)), with("cam-1", "rubbish".into())] {
            let fault = bad.unwrap_err();
            assert_eq!(fault.reason, ErrorReason::CursorInvalid);
            assert!(fault.field.starts_with("selectors[0].start.cursors.cursors[0]."), "{}", fault.field);
        }
    }

    #[test]
    fn every_option_is_read() {
        let start = |position| {
            let start = Some(pb::StartPosition { position: Some(position) });
            converted(pb::StreamSelector { start, ..one() }).unwrap().start
        };
        let time = prost_types::Timestamp { seconds: 5, nanos: 1_000 };
        assert_eq!(
            start(Position::ReceiveTime(time)),
            StartPosition::Time(Timestamp::from_micros(5_000_001))
        );
        let StartPosition::Time(ago) = start(Position::Age(prost_types::Duration { seconds: 60, nanos: 0 }))
        else {
            panic!("a time")
        };
        let since = Timestamp::now().since(ago).as_secs();
        assert!((60..90).contains(&since), "{since}");

        let stop = pb::StopPosition { sequence: Some(7), receive_time: Some(time), frame_count: Some(3) };
        let labels =
            pb::LabelSelector { present: vec!["a".into()], absent: vec!["b".into()], ..Default::default() };
        let selector = converted(pb::StreamSelector {
            stop: Some(stop),
            sampling: Some(pb::Sampling { max_fps: Some(2.5), every_nth: Some(3), latest_only: true }),
            max_age: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
            overflow_policy: pb::OverflowPolicy::Disconnect.into(),
            ..by(By::Labels(labels))
        })
        .unwrap();
        assert_eq!(selector.stop_sequence.map(Sequence::get), Some(7));
        assert_eq!(selector.stop_time, Some(Timestamp::from_micros(5_000_001)));
        assert_eq!(selector.stop_after_frames, Some(3));
        assert_eq!(selector.choice.max_age, Some(Duration::from_secs(1)));
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
        let stopped = |stop| pb::StreamSelector { stop: Some(stop), ..one() };
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
                pb::StreamSelector {
                    sampling: Some(pb::Sampling { every_nth: Some(0), ..Default::default() }),
                    ..one()
                },
                "sampling.every_nth",
            ),
            (stopped(pb::StopPosition { sequence: Some(0), ..Default::default() }), "stop.sequence"),
            (stopped(pb::StopPosition { frame_count: Some(0), ..Default::default() }), "stop.frame_count"),
            (stopped(pb::StopPosition::default()), "stop"),
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
                start(Position::ReceiveTime(prost_types::Timestamp { seconds: 0, nanos: -1 })),
                "start.receive_time",
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
            by(By::Glob("{a,b}".into())),
            by(By::Glob("[!a]*".into())),
            by(By::Glob("a\\*".into())),
            by(By::Labels(pb::LabelSelector::default())),
        ] {
            assert!(converted(selector).is_err());
        }
        assert!(from_pb(pb::SubscribeFramesRequest::default(), &STORE, &Caller::anybody()).is_err());
        assert!(converted(by(By::Glob("cam-[a-c]?*".into()))).is_ok());
    }
}
