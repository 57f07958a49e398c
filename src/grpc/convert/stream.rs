use std::time::Duration;

use super::{check_text, checked_map, output, policy, roi, time};
use crate::domain::limits::MAX_DISPLAY_NAME_BYTES;
use crate::domain::{
    Etag, InvalidEtag, Location, Partitions, ReencodeMode, StallTimeout, StreamCounters, StreamId,
    StreamPolicies, StreamRecord, StreamSettings, StreamState, Timestamp,
};
use crate::grpc::fault::{Fault, Result};
use crate::pb::v1 as pb;

const MIN_STALL_TIMEOUT: Duration = Duration::from_secs(1);
const MAX_STALL_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// Reads an etag; returns `None` for an empty one.
pub(crate) fn etag(field: &str, etag: &str) -> Result<Option<Etag>> {
    if etag.is_empty() {
        return Ok(None);
    }
    etag.parse().map(Some).map_err(|error: InvalidEtag| Fault::invalid(field, error.to_string()))
}

/// The settings of a stream in a request.
#[derive(Debug)]
pub(crate) struct WantedStream {
    pub(crate) id: StreamId,
    pub(crate) settings: StreamSettings,
}

/// Reads the id and the settings of a stream. Ignores the etag, which handlers read, and
/// output-only fields.
pub(crate) fn from_pb(stream: pb::Stream) -> Result<WantedStream> {
    let pb::Stream {
        stream_id,
        display_name,
        labels,
        location,
        rois,
        privacy_masks,
        retention,
        output,
        validation,
        queue,
        stall_timeout,
        etag: _,
        create_time: _,
        update_time: _,
        mask_version: _,
        auto_registered: _,
        status: _,
        effective: _,
    } = stream;
    check_text("display_name", &display_name, MAX_DISPLAY_NAME_BYTES)?;
    let stall_timeout =
        time::duration_within("stall_timeout", stall_timeout, MIN_STALL_TIMEOUT, MAX_STALL_TIMEOUT)?;
    let privacy_masks = output::masks(privacy_masks)?;
    let output = output::output(output.unwrap_or_default()).map_err(|f| f.within("output"))?;
    if !privacy_masks.is_empty() {
        output::check_with_masks(&output)?;
    }
    let (clock, validation) =
        policy::validation(validation.unwrap_or_default()).map_err(|f| f.within("validation"))?;
    if output.reencode == Some(ReencodeMode::Relay) && validation.min_quality_score.is_some() {
        let rule = "must not be set if pictures are relayed, which are not measured";
        return Err(Fault::invalid("validation.min_quality_score", rule));
    }
    let settings = StreamSettings {
        display_name,
        labels: checked_map("labels", labels)?,
        location: location.map(self::location).transpose().map_err(|f| f.within("location"))?,
        retention: policy::retention(retention.unwrap_or_default()).map_err(|f| f.within("retention"))?,
        queue: policy::queue(queue.unwrap_or_default()).map_err(|f| f.within("queue"))?,
        output,
        privacy_masks,
        // The handlers set it: they know the stream's masks before the change.
        mask_version: 0,
        rois: roi::from_pb(rois)?,
        clock,
        validation,
        stall_timeout: stall_timeout.map(StallTimeout),
        // The handlers set these.
        auto_registered: false,
        owner: None,
    };
    Ok(WantedStream { id: stream_id.parse()?, settings })
}

fn location(location: pb::GeoLocation) -> Result<Location> {
    let pb::GeoLocation { latitude_degrees, longitude_degrees, altitude_meters, heading_degrees } = location;
    Ok(Location::new(latitude_degrees, longitude_degrees, altitude_meters, heading_degrees)?)
}

fn location_to_pb(location: Location) -> pb::GeoLocation {
    let Location { latitude, longitude, altitude, heading } = location;
    pb::GeoLocation {
        latitude_degrees: Some(latitude),
        longitude_degrees: Some(longitude),
        altitude_meters: altitude,
        heading_degrees: heading,
    }
}

/// Converts a stream: its settings as they were set, the policies in force, and its status.
pub(crate) fn to_pb(record: StreamRecord, partitions: Partitions, now: Timestamp) -> pb::Stream {
    let status = status(&record, partitions, now);
    let etag = record.etag();
    let StreamRecord {
        id,
        settings,
        effective,
        incarnation: _,
        revision: _,
        create_time,
        update_time,
        removed: _,
        counters: _,
    } = record;
    let StreamSettings {
        display_name,
        labels,
        location,
        rois,
        retention,
        queue,
        output,
        privacy_masks,
        mask_version,
        clock,
        validation,
        stall_timeout,
        auto_registered,
        owner: _,
    } = settings;
    pb::Stream {
        status: Some(status),
        effective: Some(effective_to_pb(effective)),
        stream_id: id.to_string(),
        display_name,
        labels,
        location: location.map(location_to_pb),
        rois: rois.iter().map(roi::to_pb).collect(),
        privacy_masks: output::masks_to_pb(&privacy_masks),
        retention: unless_empty(policy::retention_to_pb(retention)),
        output: unless_empty(output::output_to_pb(output)),
        validation: unless_empty(policy::validation_to_pb(clock, validation)),
        queue: unless_empty(policy::queue_to_pb(queue)),
        stall_timeout: stall_timeout.map(|timeout| time::duration_to_pb(timeout.0)),
        etag: etag.to_string(),
        create_time: Some(time::to_pb(create_time)),
        update_time: Some(time::to_pb(update_time)),
        mask_version,
        auto_registered,
    }
}

fn effective_to_pb(policies: StreamPolicies) -> pb::StreamPolicies {
    let StreamPolicies { retention, queue, output, clock, validation, stall_timeout } = policies;
    pb::StreamPolicies {
        retention: Some(policy::retention_to_pb(retention.into())),
        output: Some(output::output_to_pb(output.into())),
        validation: Some(policy::validation_to_pb(clock.into(), validation.into())),
        queue: Some(policy::queue_to_pb(queue.into())),
        stall_timeout: Some(time::duration_to_pb(stall_timeout.0)),
    }
}

/// Returns the message unless it is empty.
pub(super) fn unless_empty<M: Default + PartialEq>(message: M) -> Option<M> {
    (message != M::default()).then_some(message)
}

/// Converts the status of a stream.
pub(crate) fn status(record: &StreamRecord, partitions: Partitions, now: Timestamp) -> pb::StreamStatus {
    let StreamCounters {
        accepted_sequence,
        published_sequence,
        oldest_sequence,
        accepted_frames,
        queued_frames,
        queued_bytes,
        output_frames,
        output_bytes,
        trimmed_frames: _,
        trimmed_until,
        failed_frames: _,
        dropped_frames: _,
        purged_frames: _,
        erased_frames: _,
        removed_frames,
        floor_sequence: _,
        accepted_bytes: _,
        published_bytes: _,
        failed_in_row: _,
        over_budget_frames: _,
        over_budget_in_row,
        duplicate_frames: _,
        last_receive_time,
    } = record.counters;
    pb::StreamStatus {
        state: state_to_pb(record.state(now)).into(),
        accepted_sequence,
        published_sequence,
        oldest_sequence: if output_frames == 0 { 0 } else { oldest_sequence },
        last_receive_time: last_receive_time.map(time::to_pb),
        queued_frames,
        queued_bytes,
        retained_frames: output_frames,
        retained_bytes: output_bytes,
        partition: partitions.of(&record.id).index() as u32,
        over_budget_in_row,
        trimmed_until_receive_time: trimmed_until.map(time::to_pb),
        accepted_frames,
        published_frames: accepted_frames.saturating_sub(queued_frames + removed_frames),
    }
}

pub(crate) fn state_to_pb(state: StreamState) -> pb::StreamState {
    match state {
        StreamState::Idle => pb::StreamState::Idle,
        StreamState::Live => pb::StreamState::Live,
        StreamState::Stalled => pb::StreamState::Stalled,
        StreamState::Error => pb::StreamState::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::v1::ErrorReason;

    fn record(counters: StreamCounters) -> StreamRecord {
        StreamRecord {
            id: "cam-1".parse().unwrap(),
            settings: StreamSettings {
                display_name: "North gate".into(),
                labels: [("site".into(), "north".into())].into(),
                location: Some(Location {
                    latitude: 52.5,
                    longitude: 13.4,
                    altitude: Some(34.5),
                    heading: Some(90.0),
                }),
                ..Default::default()
            },
            effective: StreamPolicies::default(),
            incarnation: 3,
            revision: 4,
            create_time: Timestamp::from_micros(1),
            update_time: Timestamp::from_micros(2),
            removed: false,
            counters,
        }
    }

    #[test]
    fn settings_round_trip() {
        let record = record(StreamCounters::default());
        let wanted = from_pb(to_pb(record.clone(), Partitions::default(), Timestamp::now())).unwrap();
        assert_eq!(wanted.id, record.id);
        assert_eq!(wanted.settings, record.settings);
    }

    #[test]
    fn a_mask_changes_only_the_named_fields() {
        let mut record = record(StreamCounters::default());
        record.settings.retention.max_frames = Some(5);
        record.effective = record.settings.effective(&StreamPolicies::default());
        let converted = to_pb(record.clone(), Partitions::default(), Timestamp::now());
        let paths = ["retention.max_frames".to_owned(), "queue.max_frames".to_owned()];
        let wanted = pb::Stream {
            queue: Some(pb::QueuePolicy { max_frames: Some(7), ..Default::default() }),
            ..Default::default()
        };
        let rules = crate::grpc::mask::Rules { name: "stream", fixed: &[], output_only: &[] };
        let merged = crate::grpc::mask::merge(&rules, &paths, &converted, &wanted).unwrap();
        record.settings.retention.max_frames = None;
        record.settings.queue.max_frames = Some(7);
        assert_eq!(from_pb(merged).unwrap().settings, record.settings);
    }

    #[test]
    fn bad_settings_are_refused_with_their_path() {
        use ErrorReason as R;
        let named = || pb::Stream { stream_id: "cam-1".into(), ..Default::default() };
        let place = |latitude_degrees| pb::GeoLocation {
            latitude_degrees: Some(latitude_degrees),
            longitude_degrees: Some(0.0),
            ..Default::default()
        };
        for (stream, reason, field) in [
            (pb::Stream { stream_id: String::new(), ..named() }, R::InvalidStreamId, "stream_id"),
            (pb::Stream { display_name: "x".repeat(257), ..named() }, R::InvalidField, "display_name"),
            (
                pb::Stream { location: Some(place(91.0)), ..named() },
                R::InvalidField,
                "location.latitude_degrees",
            ),
            (
                pb::Stream { location: Some(place(f64::NAN)), ..named() },
                R::InvalidField,
                "location.latitude_degrees",
            ),
            (
                pb::Stream {
                    location: Some(pb::GeoLocation { altitude_meters: Some(-1_001.0), ..place(1.0) }),
                    ..named()
                },
                R::InvalidField,
                "location.altitude_meters",
            ),
            (pb::Stream { rois: vec![pb::Roi::default()], ..named() }, R::InvalidField, "rois[0].roi_id"),
            (
                pb::Stream { privacy_masks: vec![pb::PrivacyMask::default()], ..named() },
                R::InvalidField,
                "privacy_masks[0].mask_id",
            ),
            (
                pb::Stream {
                    retention: Some(pb::RetentionPolicy { max_bytes: Some(1), ..Default::default() }),
                    ..named()
                },
                R::InvalidField,
                "retention.max_bytes",
            ),
        ] {
            let fault = from_pb(stream).expect_err("must be refused");
            assert_eq!((fault.reason, fault.field.as_str()), (reason, field));
        }
    }

    #[test]
    fn an_etag_may_be_empty() {
        let one = Etag { incarnation: 3, version: 7 };
        assert_eq!(etag("etag", &one.to_string()), Ok(Some(one)));
        assert_eq!(etag("etag", ""), Ok(None));
        assert_eq!(etag("etag", "??").map_err(|f| f.field), Err("etag".to_owned()));
    }

    #[test]
    fn the_state_follows_the_last_frame() {
        let now = Timestamp::now();
        let state = |last| {
            let counters = StreamCounters { last_receive_time: last, ..Default::default() };
            to_pb(record(counters), Partitions::default(), now).status.unwrap().state()
        };
        assert_eq!(state(None), pb::StreamState::Idle);
        assert_eq!(state(Some(now)), pb::StreamState::Live);
        assert_eq!(state(Some(now.before(StallTimeout::default().0 * 2))), pb::StreamState::Stalled);
    }
}
