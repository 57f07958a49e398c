//! Domain values as the bytes of Redis entries, and back.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message as _;

use crate::domain::{
    AdaptiveQuality, ChromaSubsampling, ClockAction, ClockPolicy, ColorMatrix, ColorRange, Digest, Failure,
    FailureReason, FrameHeader, Location, NormalizedPoint, OutputBody, OutputFormat, OutputPolicy,
    PayloadKey, PayloadRef, PictureFormat, PictureRole, Polygon, PrivacyMask, ProcessedFrame, PublisherMark,
    QueuePolicy, RawColors, Reencode, ReencodeMode, Rendition, RetentionPolicy, Sequence, SourceInfo, Stage,
    StageTiming, StallTimeout, StoredPicture, StreamSettings, Timestamp, Tombstone, TombstoneKind,
    ValidationPolicy,
};
use crate::pb::storage as pb;
use crate::queue::{Error, Result};

/// Numbers of an enum in storage: fixed for ever, 0 unused.
macro_rules! numbered {
    ($to:ident, $from:ident, $type:ident { $($variant:ident = $number:literal),* $(,)? }) => {
        pub(super) fn $to(value: $type) -> u32 {
            match value { $($type::$variant => $number),* }
        }

        pub(super) fn $from(number: u32) -> Result<$type> {
            match number {
                $($number => Ok($type::$variant),)*
                other => Err(Error::Corrupt(format!("{} number {other}", stringify!($type)))),
            }
        }
    };
}

mod measures;

numbered!(from_format, to_format, PictureFormat {
    Jpeg = 1, Png = 2, WebP = 3, Rgb8 = 4, Bgr8 = 5, Gray8 = 6, Nv12 = 7, I420 = 8,
});
numbered!(from_role, to_role, PictureRole { Thumbnail = 1, Processed = 2, Original = 3, Rendition = 40 });
numbered!(from_stage, to_stage, Stage {
    Fetch = 1, Decode = 2, Analyze = 3, Encode = 4, Mask = 40, Resize = 41, Thumbnail = 42, QueueWait = 60, OrderWait = 62,
});
numbered!(from_output_format, to_output_format, OutputFormat { Jpeg = 1, Png = 2, WebP = 3, WebPLossless = 4 });
numbered!(from_chroma, to_chroma, ChromaSubsampling { Auto = 0, S420 = 1, S422 = 2, S444 = 3 });
numbered!(from_range, to_range, ColorRange { Full = 0, Limited = 1 });
numbered!(from_matrix, to_matrix, ColorMatrix { Bt601 = 0, Bt709 = 1, Bt2020 = 2 });
numbered!(from_reencode, to_reencode, ReencodeMode { Always = 1, Never = 2, Auto = 3, Relay = 4 });
numbered!(from_reason, to_reason, FailureReason {
    Truncated = 1, Corrupt = 2, UnknownFormat = 3, TooManyPixels = 4, Animated = 5, Unsupported = 6,
    SizeMismatch = 7, TimedOut = 8, DecoderPanicked = 9, KilledWorker = 10, PayloadLost = 11,
    TooManyBytes = 12, TooComplex = 13, EncodeFailed = 14, WorkerExhausted = 15,
});

pub(super) fn corrupt(error: &prost::DecodeError) -> Error {
    Error::Corrupt(error.to_string())
}

pub(super) fn encode_header(header: &FrameHeader) -> Vec<u8> {
    header_to_pb(header).encode_to_vec()
}

pub(super) fn decode_header(bytes: &[u8]) -> Result<FrameHeader> {
    header_from_pb(pb::FrameHeader::decode(bytes).map_err(|error| corrupt(&error))?)
}

pub(super) fn header_to_pb(header: &FrameHeader) -> pb::FrameHeader {
    let FrameHeader {
        publisher,
        capture_time,
        clock_skewed,
        source,
        attributes,
        traceparent,
        tracestate,
        replayed_from,
    } = header;
    pb::FrameHeader {
        publisher_id: publisher.as_ref().map(|p| p.id.to_string()).unwrap_or_default(),
        publisher_sequence: publisher.as_ref().map_or(0, |p| p.sequence),
        capture_time: capture_time.map(Timestamp::as_micros),
        clock_skewed: *clock_skewed,
        source_format: from_format(source.format),
        source_width: source.width,
        source_height: source.height,
        source_row_stride: source.row_stride_bytes,
        source_color_range: from_range(source.colors.range),
        source_color_matrix: from_matrix(source.colors.matrix),
        source_bytes: source.size_bytes,
        source_digest: source.digest.0.to_vec().into(),
        attributes: attributes.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        traceparent: traceparent.clone(),
        tracestate: tracestate.clone(),
        replayed_from: replayed_from.map_or(0, Sequence::get),
    }
}

pub(super) fn header_from_pb(header: pb::FrameHeader) -> Result<FrameHeader> {
    let publisher = if header.publisher_id.is_empty() {
        None
    } else {
        let id = header.publisher_id.parse().map_err(|e| Error::Corrupt(format!("{e}")))?;
        Some(PublisherMark { id, sequence: header.publisher_sequence })
    };
    Ok(FrameHeader {
        publisher,
        capture_time: header.capture_time.map(Timestamp::from_micros),
        clock_skewed: header.clock_skewed,
        source: SourceInfo {
            format: to_format(header.source_format)?,
            width: header.source_width,
            height: header.source_height,
            row_stride_bytes: header.source_row_stride,
            colors: RawColors {
                range: to_range(header.source_color_range)?,
                matrix: to_matrix(header.source_color_matrix)?,
            },
            size_bytes: header.source_bytes,
            digest: Digest(fixed(&header.source_digest)?),
        },
        attributes: header.attributes.into_iter().collect::<BTreeMap<_, _>>(),
        traceparent: header.traceparent,
        tracestate: header.tracestate,
        replayed_from: Sequence::new(header.replayed_from).ok(),
    })
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| Error::Corrupt(format!("{} bytes where {N} belong", bytes.len())))
}

pub(super) fn encode_output(body: &OutputBody) -> Vec<u8> {
    let stored = match body {
        OutputBody::Frame(frame) => pb::output::Body::Processed(processed_to_pb(frame)),
        OutputBody::Tombstone(tombstone) => {
            let Tombstone { header: _, kind, attempts } = &**tombstone;
            let (kind, failure_reason, failure_message) = match kind {
                TombstoneKind::Failed(Failure { reason, message }) => {
                    (1, from_reason(*reason), message.clone())
                }
                TombstoneKind::Dropped => (2, 0, String::new()),
                TombstoneKind::Purged(why) => (3, 0, why.clone()),
            };
            let attempts = *attempts;
            pb::output::Body::Tombstone(pb::Tombstone { kind, failure_reason, failure_message, attempts })
        }
    };
    pb::Output { header: Some(header_to_pb(body.header())), body: Some(stored) }.encode_to_vec()
}

pub(super) fn decode_output(bytes: &[u8]) -> Result<OutputBody> {
    let output = pb::Output::decode(bytes).map_err(|error| corrupt(&error))?;
    let header = header_from_pb(output.header.unwrap_or_default())?;
    match output.body {
        Some(pb::output::Body::Processed(frame)) => {
            Ok(OutputBody::Frame(Box::new(processed_from_pb(frame, header)?)))
        }
        Some(pb::output::Body::Tombstone(stone)) => {
            let kind = match stone.kind {
                1 => TombstoneKind::Failed(Failure {
                    reason: to_reason(stone.failure_reason)?,
                    message: stone.failure_message,
                }),
                2 => TombstoneKind::Dropped,
                3 => TombstoneKind::Purged(stone.failure_message),
                other => return Err(Error::Corrupt(format!("tombstone kind {other}"))),
            };
            Ok(OutputBody::Tombstone(Box::new(Tombstone { header, kind, attempts: stone.attempts })))
        }
        None => Err(Error::Corrupt("an output entry without a body".to_owned())),
    }
}

pub(super) fn processed_to_pb(frame: &ProcessedFrame) -> pb::Processed {
    pb::Processed {
        width: frame.width,
        height: frame.height,
        leased_time: frame.leased_time.as_micros(),
        processed_time: frame.processed_time.as_micros(),
        pictures: frame.pictures.iter().map(picture_to_pb).collect(),
        quality: frame.quality.map(measures::quality_to_pb),
        stages: frame
            .stages
            .iter()
            .map(|s| pb::Stage { stage: from_stage(s.stage), duration_ns: s.duration.as_nanos() as u64 })
            .collect(),
        passed_through: frame.reencode != Reencode::Encoded,
        reencode_disabled: frame.reencode == Reencode::Disabled,
        relayed: frame.reencode == Reencode::Relayed,
        encoded_quality: frame.encoded_quality.map_or(0, u32::from),
        over_budget: frame.over_budget,
        mask_version: frame.mask_version,
        traffic: frame.traffic.map(measures::traffic_to_pb),
        rois: frame.rois.iter().map(measures::roi_to_pb).collect(),
        measures_version: frame.measures_version,
        validation_failures: frame.validation_failures.iter().copied().map(measures::from_failure).collect(),
        worker_version: frame.worker_version.clone(),
        attempt: frame.attempt,
    }
}

pub(super) fn processed_from_pb(frame: pb::Processed, header: FrameHeader) -> Result<ProcessedFrame> {
    Ok(ProcessedFrame {
        header,
        width: frame.width,
        height: frame.height,
        leased_time: Timestamp::from_micros(frame.leased_time),
        processed_time: Timestamp::from_micros(frame.processed_time),
        pictures: frame.pictures.into_iter().map(picture_from_pb).collect::<Result<_>>()?,
        quality: frame.quality.map(measures::quality_from_pb),
        stages: frame
            .stages
            .into_iter()
            .map(|s| {
                Ok(StageTiming { stage: to_stage(s.stage)?, duration: Duration::from_nanos(s.duration_ns) })
            })
            .collect::<Result<_>>()?,
        reencode: match (frame.relayed, frame.reencode_disabled, frame.passed_through) {
            (true, _, _) => Reencode::Relayed,
            (false, true, _) => Reencode::Disabled,
            (false, false, true) => Reencode::PassedThrough,
            (false, false, false) => Reencode::Encoded,
        },
        encoded_quality: match frame.encoded_quality {
            0 => None,
            encoded => Some(quality(encoded)?),
        },
        over_budget: frame.over_budget,
        mask_version: frame.mask_version,
        traffic: frame.traffic.map(measures::traffic_from_pb).transpose()?,
        rois: frame.rois.into_iter().map(measures::roi_from_pb).collect::<Result<_>>()?,
        measures_version: frame.measures_version,
        validation_failures: {
            frame.validation_failures.into_iter().map(measures::to_failure).collect::<Result<_>>()?
        },
        worker_version: frame.worker_version,
        attempt: frame.attempt,
    })
}

fn picture_to_pb(picture: &StoredPicture) -> pb::Picture {
    let StoredPicture { role, format, width, height, payload } = picture;
    pb::Picture {
        role: from_role(*role),
        format: from_format(*format),
        width: *width,
        height: *height,
        payload_key: payload.key.bits().to_be_bytes().to_vec().into(),
        payload_bytes: payload.size_bytes,
    }
}

fn picture_from_pb(picture: pb::Picture) -> Result<StoredPicture> {
    let key = PayloadKey::from_bits(u128::from_be_bytes(fixed(&picture.payload_key)?));
    Ok(StoredPicture {
        role: to_role(picture.role)?,
        format: to_format(picture.format)?,
        width: picture.width,
        height: picture.height,
        payload: PayloadRef { key, size_bytes: picture.payload_bytes },
    })
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

fn quality(number: u32) -> Result<u8> {
    u8::try_from(number).map_err(|_| Error::Corrupt(format!("quality {number}")))
}

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

pub(super) fn encode_settings(settings: &StreamSettings) -> Vec<u8> {
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
    } = settings;
    let OutputPolicy {
        rendition,
        thumbnail_size,
        keep_original,
        reencode,
        adaptive,
        keep_metadata,
        keep_unmasked_original,
        chroma,
    } = *output;
    pb::StreamSettings {
        display_name: display_name.clone(),
        labels: labels.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        latitude: location.map(|l| l.latitude),
        longitude: location.map(|l| l.longitude),
        heading: location.and_then(|l| l.heading),
        altitude: location.and_then(|l| l.altitude),
        retention_frames: retention.max_frames,
        retention_age: micros(retention.max_age),
        retention_bytes: retention.max_bytes,
        queue_frames: queue.max_frames,
        queue_bytes: queue.max_bytes,
        quality: u32::from(rendition.quality),
        thumbnail_size,
        keep_original,
        never_reencode: reencode == ReencodeMode::Never,
        output_format: from_output_format(rendition.format),
        max_width: rendition.max_width,
        max_height: rendition.max_height,
        reencode_mode: from_reencode(reencode),
        adaptive_frame_bytes: adaptive.map_or(0, |a| a.max_bytes_per_frame),
        adaptive_second_bytes: adaptive.map_or(0, |a| a.max_bytes_per_second),
        adaptive_min_quality: adaptive.map_or(0, |a| u32::from(a.min_quality)),
        adaptive_min_scale_percent: adaptive.map_or(0, |a| u32::from(a.min_scale_percent)),
        keep_metadata,
        keep_unmasked_original,
        chroma_subsampling: from_chroma(chroma),
        privacy_masks: privacy_masks.iter().map(mask_to_pb).collect(),
        mask_version: *mask_version,
        clock_tolerance: micros(clock.tolerance),
        clock_reject: clock.action == ClockAction::Reject,
        clock_ignore: clock.action == ClockAction::Ignore,
        rois: rois.iter().map(measures::region_to_pb).collect(),
        min_quality_score: validation.min_quality_score,
        min_width: validation.min_width,
        min_height: validation.min_height,
        max_age: validation.max_age.map_or(0, micros),
        queue_drop_oldest: queue.drop_oldest,
        stall_timeout: micros(stall_timeout.0),
        auto_registered: *auto_registered,
    }
    .encode_to_vec()
}

pub(super) fn decode_settings(bytes: &[u8]) -> Result<StreamSettings> {
    let s = pb::StreamSettings::decode(bytes).map_err(|error| corrupt(&error))?;
    let location = match (s.latitude, s.longitude) {
        (Some(latitude), Some(longitude)) => {
            Some(Location { latitude, longitude, altitude: s.altitude, heading: s.heading })
        }
        _ => None,
    };
    Ok(StreamSettings {
        display_name: s.display_name,
        labels: s.labels.into_iter().collect(),
        location,
        retention: RetentionPolicy {
            max_frames: s.retention_frames,
            max_age: Duration::from_micros(s.retention_age),
            max_bytes: s.retention_bytes,
        },
        queue: QueuePolicy {
            max_frames: s.queue_frames,
            max_bytes: s.queue_bytes,
            drop_oldest: s.queue_drop_oldest,
        },
        output: OutputPolicy {
            rendition: Rendition {
                format: if s.output_format == 0 {
                    OutputFormat::Jpeg
                } else {
                    to_output_format(s.output_format)?
                },
                quality: quality(s.quality)?,
                max_width: s.max_width,
                max_height: s.max_height,
            },
            thumbnail_size: s.thumbnail_size,
            keep_original: s.keep_original,
            reencode: match (s.reencode_mode, s.never_reencode) {
                (0, true) => ReencodeMode::Never,
                (0, false) => ReencodeMode::default(),
                (mode, _) => to_reencode(mode)?,
            },
            adaptive: match s.adaptive_min_quality {
                0 => None,
                min_quality => Some(AdaptiveQuality {
                    max_bytes_per_frame: s.adaptive_frame_bytes,
                    max_bytes_per_second: s.adaptive_second_bytes,
                    min_quality: quality(min_quality)?,
                    min_scale_percent: match s.adaptive_min_scale_percent {
                        0 => AdaptiveQuality::DEFAULT_MIN_SCALE_PERCENT,
                        percent => quality(percent)?,
                    },
                }),
            },
            keep_metadata: s.keep_metadata,
            keep_unmasked_original: s.keep_unmasked_original,
            chroma: to_chroma(s.chroma_subsampling)?,
        },
        privacy_masks: s.privacy_masks.into_iter().map(mask_from_pb).collect::<Result<_>>()?,
        mask_version: s.mask_version,
        rois: s.rois.into_iter().map(measures::region_from_pb).collect::<Result<_>>()?,
        clock: ClockPolicy {
            tolerance: Duration::from_micros(s.clock_tolerance),
            action: match (s.clock_reject, s.clock_ignore) {
                (true, _) => ClockAction::Reject,
                (false, true) => ClockAction::Ignore,
                (false, false) => ClockAction::Flag,
            },
        },
        validation: ValidationPolicy {
            min_quality_score: s.min_quality_score,
            min_width: s.min_width,
            min_height: s.min_height,
            max_age: (s.max_age > 0).then(|| Duration::from_micros(s.max_age)),
        },
        stall_timeout: match s.stall_timeout {
            0 => StallTimeout::default(),
            micros => StallTimeout(Duration::from_micros(micros)),
        },
        auto_registered: s.auto_registered,
    })
}
