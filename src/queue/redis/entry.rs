//! Encodes domain values as the bytes of Redis entries, and decodes them.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message as _;

use crate::domain::{
    ColorMatrix, ColorRange, Digest, Failure, FailureReason, FrameHeader, OutputBody, PayloadKey, PayloadRef,
    PictureFormat, PictureRole, ProcessedFrame, PublisherSequence, RawColors, Reencode, Sequence, SourceInfo,
    Stage, StageTiming, StoredPicture, Timestamp, Tombstone, TombstoneKind,
};
use crate::pb::storage as pb;
use crate::queue::{Error, Result};

/// Defines the numbers of an enum in storage. They are fixed for ever. A missing field is read as
/// 0, so 0 is unused or means the default.
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

mod group;
mod measures;
mod report;
mod settings;

pub(super) use group::{decode_group, encode_group};
pub(super) use report::{decode_report, encode_report};
pub(super) use settings::{decode_settings, encode_settings};

numbered!(from_format, to_format, PictureFormat {
    Jpeg = 1, Png = 2, WebP = 3, Rgb8 = 4, Bgr8 = 5, Gray8 = 6, Nv12 = 7, I420 = 8,
});
numbered!(from_role, to_role, PictureRole { Thumbnail = 1, Processed = 2, Original = 3, Rendition = 40 });
numbered!(from_stage, to_stage, Stage {
    Fetch = 1, Decode = 2, Analyze = 3, Encode = 4, Mask = 40, Resize = 41, Thumbnail = 42, Transcode = 43, QueueWait = 60, OrderWait = 62,
});
numbered!(from_range, to_range, ColorRange { Full = 0, Limited = 1 });
numbered!(from_matrix, to_matrix, ColorMatrix { Bt601 = 0, Bt709 = 1, Bt2020 = 2 });
numbered!(from_reason, to_reason, FailureReason {
    Truncated = 1, Corrupt = 2, UnknownFormat = 3, TooManyPixels = 4, Animated = 5, Unsupported = 6,
    SizeMismatch = 7, TimedOut = 8, DecoderPanicked = 9, KilledWorker = 10, PayloadLost = 11,
    TooManyBytes = 12, TooComplex = 13, EncodeFailed = 14, WorkerExhausted = 15,
});

/// Reads the number of an enum; 0 = not set.
fn optional<T>(number: u32, read: fn(u32) -> Result<T>) -> Result<Option<T>> {
    (number != 0).then(|| read(number)).transpose()
}

/// Returns a span in nanoseconds, without loss: settings that are given again are compared with the
/// stored ones.
fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

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
        Some(PublisherSequence { id, sequence: header.publisher_sequence })
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
    bytes.try_into().map_err(|_| Error::Corrupt(format!("{} bytes instead of {N}", bytes.len())))
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
                TombstoneKind::Erased => (4, 0, String::new()),
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
                4 => TombstoneKind::Erased,
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
        lease_time: frame.lease_time.as_micros(),
        process_time: frame.process_time.as_micros(),
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
        scene: frame.scene.map(measures::scene_to_pb),
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
        lease_time: Timestamp::from_micros(frame.lease_time),
        process_time: Timestamp::from_micros(frame.process_time),
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
        scene: frame.scene.map(measures::scene_from_pb).transpose()?,
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

fn quality(number: u32) -> Result<u8> {
    u8::try_from(number).map_err(|_| Error::Corrupt(format!("quality {number}")))
}
