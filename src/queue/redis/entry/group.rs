//! Encodes the settings of a consumer group, as they were given.

use std::time::Duration;

use prost::Message as _;

use super::{corrupt, nanos, optional};
use crate::domain::{
    BackoffSettings, FrameFilter, GroupAffinity, GroupSettings, LabelMatch, Sampling, StreamMatch,
};
use crate::pb::storage as pb;
use crate::queue::{Error, Result};

numbered!(from_affinity, to_affinity, GroupAffinity { Any = 1, Stream = 2 });

fn match_to_pb(by: &StreamMatch) -> pb::StreamMatch {
    let by = match by {
        StreamMatch::Id(id) => pb::stream_match::By::Id(id.to_string()),
        StreamMatch::Glob(glob) => pb::stream_match::By::Glob(glob.clone()),
        StreamMatch::Labels(LabelMatch { equal, present, absent }) => {
            let (equal, present, absent) = (equal.clone(), present.clone(), absent.clone());
            pb::stream_match::By::Labels(pb::LabelMatch { equal, present, absent })
        }
    };
    pb::StreamMatch { by: Some(by) }
}

fn match_from_pb(selected: pb::StreamMatch) -> Result<StreamMatch> {
    let by =
        selected.by.ok_or_else(|| Error::Corrupt("a stream selection of a group is empty".to_owned()))?;
    Ok(match by {
        pb::stream_match::By::Id(id) => {
            StreamMatch::Id(id.parse().map_err(|error| Error::Corrupt(format!("{error}")))?)
        }
        pb::stream_match::By::Glob(glob) => StreamMatch::Glob(glob),
        pb::stream_match::By::Labels(pb::LabelMatch { equal, present, absent }) => {
            StreamMatch::Labels(LabelMatch { equal, present, absent })
        }
    })
}

fn filter_to_pb(filter: &FrameFilter) -> pb::FrameFilter {
    let FrameFilter {
        min_quality_score,
        min_motion_intensity,
        min_foreground_ratio,
        attributes,
        stream_labels,
        valid_only,
    } = filter.clone();
    pb::FrameFilter {
        min_quality_score,
        min_motion_intensity,
        min_foreground_ratio,
        attributes,
        stream_labels,
        valid_only,
    }
}

fn filter_from_pb(filter: pb::FrameFilter) -> FrameFilter {
    let pb::FrameFilter {
        min_quality_score,
        min_motion_intensity,
        min_foreground_ratio,
        attributes,
        stream_labels,
        valid_only,
    } = filter;
    FrameFilter {
        min_quality_score,
        min_motion_intensity,
        min_foreground_ratio,
        attributes,
        stream_labels,
        valid_only,
    }
}

pub(in crate::queue::redis) fn encode_group(settings: &GroupSettings) -> Vec<u8> {
    let GroupSettings {
        display_name,
        streams,
        filter,
        sampling: Sampling { max_fps, every_nth },
        ack_deadline,
        max_delivery_attempts,
        backoff: BackoffSettings { min_delay, max_delay },
        affinity,
        max_outstanding_frames,
    } = settings;
    pb::GroupSettings {
        display_name: display_name.clone(),
        streams: streams.iter().map(match_to_pb).collect(),
        filter: (*filter != FrameFilter::default()).then(|| filter_to_pb(filter)),
        max_fps: *max_fps,
        every_nth: *every_nth,
        ack_deadline: ack_deadline.map(nanos),
        max_delivery_attempts: *max_delivery_attempts,
        min_retry_delay: min_delay.map(nanos),
        max_retry_delay: max_delay.map(nanos),
        affinity: affinity.map_or(0, from_affinity),
        max_outstanding_frames: *max_outstanding_frames,
    }
    .encode_to_vec()
}

pub(in crate::queue::redis) fn decode_group(bytes: &[u8]) -> Result<GroupSettings> {
    let settings = pb::GroupSettings::decode(bytes).map_err(|error| corrupt(&error))?;
    Ok(GroupSettings {
        display_name: settings.display_name,
        streams: settings.streams.into_iter().map(match_from_pb).collect::<Result<_>>()?,
        filter: settings.filter.map(filter_from_pb).unwrap_or_default(),
        sampling: Sampling { max_fps: settings.max_fps, every_nth: settings.every_nth },
        ack_deadline: settings.ack_deadline.map(Duration::from_nanos),
        max_delivery_attempts: settings.max_delivery_attempts,
        backoff: BackoffSettings {
            min_delay: settings.min_retry_delay.map(Duration::from_nanos),
            max_delay: settings.max_retry_delay.map(Duration::from_nanos),
        },
        affinity: optional(settings.affinity, to_affinity)?,
        max_outstanding_frames: settings.max_outstanding_frames,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_a_group_round_trip() {
        let text = |text: &str| text.to_owned();
        let labels = LabelMatch {
            equal: [(text("site"), text("north"))].into(),
            present: vec![text("lane"), text("door")],
            absent: vec![text("test")],
        };
        let filter = FrameFilter {
            min_quality_score: Some(0.1 + 0.2),
            min_motion_intensity: Some(0.0),
            min_foreground_ratio: Some(1.0),
            attributes: [(text("lane"), text("2"))].into(),
            stream_labels: [(text("site"), text("north"))].into(),
            valid_only: true,
        };
        let mut settings = GroupSettings {
            display_name: text("counting"),
            streams: vec![
                StreamMatch::Labels(labels),
                StreamMatch::Glob(text("gate-*")),
                StreamMatch::Id("cam".parse().unwrap()),
            ],
            filter,
            sampling: Sampling { max_fps: Some(0.3), every_nth: 7 },
            ack_deadline: Some(Duration::from_nanos(1_500_000_001)),
            max_delivery_attempts: Some(3),
            backoff: BackoffSettings { min_delay: Some(Duration::ZERO), max_delay: None },
            affinity: None,
            max_outstanding_frames: Some(10),
        };
        for affinity in [None, Some(GroupAffinity::Any), Some(GroupAffinity::Stream)] {
            settings.affinity = affinity;
            assert_eq!(decode_group(&encode_group(&settings)).as_ref(), Ok(&settings));
        }
        assert_eq!(decode_group(&[]), Ok(GroupSettings::default()), "unset values stay unset");
        assert_eq!(encode_group(&GroupSettings::default()), Vec::<u8>::new());
    }

    #[test]
    fn an_empty_selection_is_corrupt() {
        let settings =
            pb::GroupSettings { streams: vec![pb::StreamMatch { by: None }], ..Default::default() };
        let decoded = decode_group(&settings.encode_to_vec());
        assert!(matches!(decoded, Err(Error::Corrupt(_))), "{decoded:?}");
    }
}
