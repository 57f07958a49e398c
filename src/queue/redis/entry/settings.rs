//! Encodes the settings of a stream, as they were given.

use std::time::Duration;

use prost::Message as _;

use super::{corrupt, measures, nanos, optional, quality};
use crate::domain::{
    AdaptiveSettings, ChromaSubsampling, ClockAction, ClockSettings, EncodedFormat, HuffmanTables, Location,
    NormalizedPoint, OutputSettings, Polygon, PrivacyMask, QueueSettings, ReencodeMode, RetentionSettings,
    StallTimeout, StreamSettings, ValidationSettings,
};
use crate::pb::storage as pb;
use crate::queue::{Error, Result};

numbered!(from_format, to_format, EncodedFormat { Jpeg = 1, Png = 2, WebP = 3 });
numbered!(from_chroma, to_chroma, ChromaSubsampling { S420 = 1, S422 = 2, S444 = 3, Auto = 4 });
numbered!(from_huffman, to_huffman, HuffmanTables { Standard = 1, Stream = 2 });
numbered!(from_reencode, to_reencode, ReencodeMode { Always = 1, Never = 2, Auto = 3, Relay = 4 });
numbered!(from_action, to_action, ClockAction { Flag = 1, Reject = 2, Ignore = 3 });

fn mask_to_pb(mask: &PrivacyMask) -> pb::PrivacyMask {
    let points = mask.polygon.points().iter().flat_map(|point| [point.x, point.y]).collect();
    pb::PrivacyMask { id: mask.id.clone(), points }
}

fn mask_from_pb(mask: pb::PrivacyMask) -> Result<PrivacyMask> {
    let points = mask.points.as_chunks::<2>().0.iter().map(|&[x, y]| NormalizedPoint { x, y }).collect();
    let polygon =
        Polygon::new(points).map_err(|error| Error::Corrupt(format!("mask {}: {error}", mask.id)))?;
    Ok(PrivacyMask { id: mask.id, polygon })
}

fn adaptive_to_pb(budget: AdaptiveSettings) -> pb::AdaptiveQuality {
    let AdaptiveSettings { max_bytes_per_frame, max_bytes_per_second, min_quality, min_scale_percent } =
        budget;
    pb::AdaptiveQuality {
        frame_bytes: max_bytes_per_frame,
        second_bytes: max_bytes_per_second,
        min_quality: min_quality.map(u32::from),
        min_scale_percent: min_scale_percent.map(u32::from),
    }
}

fn adaptive_from_pb(budget: pb::AdaptiveQuality) -> Result<AdaptiveSettings> {
    Ok(AdaptiveSettings {
        max_bytes_per_frame: budget.frame_bytes,
        max_bytes_per_second: budget.second_bytes,
        min_quality: budget.min_quality.map(quality).transpose()?,
        min_scale_percent: budget.min_scale_percent.map(quality).transpose()?,
    })
}

pub(in crate::queue::redis) fn encode_settings(settings: &StreamSettings) -> Vec<u8> {
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
        owner,
    } = settings;
    pb::StreamSettings {
        display_name: display_name.clone(),
        labels: labels.clone(),
        latitude: location.map(|l| l.latitude),
        longitude: location.map(|l| l.longitude),
        heading: location.and_then(|l| l.heading),
        altitude: location.and_then(|l| l.altitude),
        retention_frames: retention.max_frames,
        retention_age: retention.max_age.map(nanos),
        retention_bytes: retention.max_bytes,
        queue_frames: queue.max_frames,
        queue_bytes: queue.max_bytes,
        queue_drop_oldest: queue.drop_oldest,
        output_format: output.format.map_or(0, from_format),
        lossless: output.lossless,
        quality: output.quality.map(u32::from),
        max_width: output.max_width,
        max_height: output.max_height,
        thumbnail_size: output.thumbnail_size,
        keep_original: output.keep_original,
        reencode_mode: output.reencode.map_or(0, from_reencode),
        adaptive: output.adaptive.map(adaptive_to_pb),
        keep_metadata: output.keep_metadata,
        keep_unmasked_original: output.keep_unmasked_original,
        chroma_subsampling: output.chroma.map_or(0, from_chroma),
        huffman: output.huffman.map_or(0, from_huffman),
        privacy_masks: privacy_masks.iter().map(mask_to_pb).collect(),
        mask_version: *mask_version,
        clock_tolerance: clock.tolerance.map(nanos),
        clock_action: clock.action.map_or(0, from_action),
        rois: rois.iter().map(measures::region_to_pb).collect(),
        min_quality_score: validation.min_quality_score,
        min_width: validation.min_width,
        min_height: validation.min_height,
        max_age: validation.max_age.map(nanos),
        stall_timeout: stall_timeout.map(|timeout| nanos(timeout.0)),
        auto_registered: *auto_registered,
        owner: owner.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
    .encode_to_vec()
}

pub(in crate::queue::redis) fn decode_settings(bytes: &[u8]) -> Result<StreamSettings> {
    let s = pb::StreamSettings::decode(bytes).map_err(|error| corrupt(&error))?;
    let location = match (s.latitude, s.longitude) {
        (Some(latitude), Some(longitude)) => {
            Some(Location { latitude, longitude, altitude: s.altitude, heading: s.heading })
        }
        _ => None,
    };
    Ok(StreamSettings {
        display_name: s.display_name,
        labels: s.labels,
        location,
        retention: RetentionSettings {
            max_frames: s.retention_frames,
            max_age: s.retention_age.map(Duration::from_nanos),
            max_bytes: s.retention_bytes,
        },
        queue: QueueSettings {
            max_frames: s.queue_frames,
            max_bytes: s.queue_bytes,
            drop_oldest: s.queue_drop_oldest,
        },
        output: OutputSettings {
            format: optional(s.output_format, to_format)?,
            lossless: s.lossless,
            quality: s.quality.map(quality).transpose()?,
            max_width: s.max_width,
            max_height: s.max_height,
            thumbnail_size: s.thumbnail_size,
            keep_original: s.keep_original,
            reencode: optional(s.reencode_mode, to_reencode)?,
            adaptive: s.adaptive.map(adaptive_from_pb).transpose()?,
            keep_metadata: s.keep_metadata,
            keep_unmasked_original: s.keep_unmasked_original,
            chroma: optional(s.chroma_subsampling, to_chroma)?,
            huffman: optional(s.huffman, to_huffman)?,
        },
        privacy_masks: s.privacy_masks.into_iter().map(mask_from_pb).collect::<Result<_>>()?,
        mask_version: s.mask_version,
        rois: s.rois.into_iter().map(measures::region_from_pb).collect::<Result<_>>()?,
        clock: ClockSettings {
            tolerance: s.clock_tolerance.map(Duration::from_nanos),
            action: optional(s.clock_action, to_action)?,
        },
        validation: ValidationSettings {
            min_quality_score: s.min_quality_score,
            min_width: s.min_width,
            min_height: s.min_height,
            max_age: s.max_age.map(Duration::from_nanos),
        },
        stall_timeout: s.stall_timeout.map(|nanos| StallTimeout(Duration::from_nanos(nanos))),
        auto_registered: s.auto_registered,
        owner: s.owner.parse().ok(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Roi, RoiKind};

    #[test]
    fn settings_round_trip() {
        let points = [(0.0, 0.0), (1.0, 0.0), (0.5, 1.0)].map(|(x, y)| NormalizedPoint { x, y });
        let polygon = Polygon::new(points.to_vec()).unwrap();
        let mut settings = StreamSettings {
            display_name: "north gate".to_owned(),
            labels: [("site".to_owned(), "north".to_owned())].into(),
            location: Some(Location { latitude: 1.5, longitude: 0.0, altitude: Some(3.0), heading: None }),
            rois: vec![Roi { id: "left".parse().unwrap(), kind: RoiKind::Lane, polygon: polygon.clone() }],
            retention: RetentionSettings {
                max_frames: Some(9),
                max_age: Some(Duration::from_nanos(60_000_000_001)),
                max_bytes: Some(2 << 20),
            },
            queue: QueueSettings { max_frames: Some(5), max_bytes: Some(1 << 20), drop_oldest: Some(false) },
            output: OutputSettings {
                lossless: true,
                quality: Some(70),
                max_width: Some(640),
                max_height: Some(480),
                thumbnail_size: Some(0),
                keep_original: true,
                adaptive: Some(AdaptiveSettings {
                    max_bytes_per_second: Some(9_000),
                    min_quality: Some(20),
                    ..AdaptiveSettings::default()
                }),
                keep_metadata: true,
                keep_unmasked_original: true,
                ..OutputSettings::default()
            },
            privacy_masks: vec![PrivacyMask { id: "door".to_owned(), polygon }],
            mask_version: 4,
            clock: ClockSettings { tolerance: Some(Duration::from_millis(1_500)), action: None },
            validation: ValidationSettings {
                min_quality_score: Some(0.0),
                min_width: Some(640),
                min_height: Some(360),
                max_age: Some(Duration::from_millis(1_500)),
            },
            stall_timeout: Some(StallTimeout(Duration::from_millis(2_500))),
            auto_registered: true,
            owner: Some("city".parse().unwrap()),
        };
        let is_kept = |settings: &StreamSettings| {
            assert_eq!(decode_settings(&encode_settings(settings)).as_ref(), Ok(settings));
        };
        is_kept(&StreamSettings::default());
        for action in [ClockAction::Flag, ClockAction::Reject, ClockAction::Ignore] {
            settings.clock.action = Some(action);
            is_kept(&settings);
        }
        for format in [EncodedFormat::Jpeg, EncodedFormat::Png, EncodedFormat::WebP] {
            settings.output.format = Some(format);
            is_kept(&settings);
        }
        for mode in [ReencodeMode::Always, ReencodeMode::Never, ReencodeMode::Auto, ReencodeMode::Relay] {
            settings.output.reencode = Some(mode);
            is_kept(&settings);
        }
        use ChromaSubsampling as Chroma;
        for chroma in [Chroma::Auto, Chroma::S420, Chroma::S422, Chroma::S444] {
            settings.output.chroma = Some(chroma);
            is_kept(&settings);
        }
        for huffman in [HuffmanTables::Standard, HuffmanTables::Stream] {
            settings.output.huffman = Some(huffman);
            is_kept(&settings);
        }
    }

    #[test]
    fn unset_values_stay_unset() {
        assert_eq!(encode_settings(&StreamSettings::default()), Vec::<u8>::new());
    }
}
