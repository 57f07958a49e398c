//! Reads and writes entries for the fuzz targets, see `crate::fuzzing`.

use std::fmt::Debug;
use std::time::Duration;

use super::entry;
use crate::domain::{
    ColorMatrix, ColorRange, Digest, Failure, FailureReason, FrameHeader, GroupSettings, OutputBody,
    PayloadKey, PayloadRef, PictureFormat, PictureRole, ProcessedFrame, PublisherSequence, QualityMeasures,
    RawColors, Reencode, SourceInfo, Stage, StageTiming, StoredPicture, StreamMatch, StreamSettings,
    Timestamp, Tombstone, TombstoneKind,
};
use crate::queue::Result;

/// Reads bytes as each kind of entry.
///
/// # Panics
/// Panics if a value changes when it is written and read again.
pub(crate) fn check(data: &[u8]) {
    round_trip(data, entry::decode_header, entry::encode_header);
    round_trip(data, entry::decode_output, entry::encode_output);
    round_trip(data, entry::decode_settings, entry::encode_settings);
    round_trip(data, entry::decode_group, entry::encode_group);
    round_trip(data, entry::decode_report, entry::encode_report);
}

fn round_trip<T: Debug>(data: &[u8], decode: fn(&[u8]) -> Result<T>, encode: fn(&T) -> Vec<u8>) {
    let Ok(value) = decode(data) else { return };
    let again = decode(&encode(&value));
    // As text, so that NaN equals itself.
    assert_eq!(again.map(|again| format!("{again:?}")).ok(), Some(format!("{value:?}")));
}

/// Reads an output entry and writes it again.
pub(crate) fn rewrite_output(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(entry::encode_output(&entry::decode_output(bytes).ok()?))
}

/// Returns one entry of each kind, with every field in use.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let header = FrameHeader {
        publisher: "agent".parse().ok().map(|id| PublisherSequence { id, sequence: 77 }),
        capture_time: Some(Timestamp::from_micros(1_700_000_000_000_000)),
        clock_skewed: true,
        source: SourceInfo {
            format: PictureFormat::Nv12,
            width: 64,
            height: 48,
            row_stride_bytes: 80,
            colors: RawColors { range: ColorRange::Limited, matrix: ColorMatrix::Bt709 },
            size_bytes: 5_760,
            digest: Digest([7; 32]),
        },
        attributes: [("lane".to_owned(), "2".to_owned())].into(),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        tracestate: "congo=t61rcWkgMzE".to_owned(),
        replayed_from: None,
    };
    let payload = PayloadRef { key: PayloadKey::from_bits(1 << 100), size_bytes: 300_000 };
    let picture = StoredPicture {
        role: PictureRole::Processed,
        format: PictureFormat::Jpeg,
        width: 64,
        height: 48,
        payload,
    };
    let frame = ProcessedFrame {
        header: header.clone(),
        width: 64,
        height: 48,
        lease_time: Timestamp::from_micros(1),
        process_time: Timestamp::from_micros(2),
        pictures: vec![picture; 2],
        quality: Some(QualityMeasures { mean_luma: 99.5, ..QualityMeasures::default() }),
        stages: vec![StageTiming { stage: Stage::Decode, duration: Duration::from_micros(900) }],
        scene: None,
        rois: Vec::new(),
        measures_version: 1,
        validation_failures: Vec::new(),
        reencode: Reencode::Encoded,
        encoded_quality: Some(85),
        over_budget: false,
        mask_version: 3,
        worker_version: "0.1.0".to_owned(),
        attempt: 1,
    };
    let failure = Failure { reason: FailureReason::Truncated, message: "the picture is cut off".to_owned() };
    let tombstone = Tombstone { header: header.clone(), kind: TombstoneKind::Failed(failure), attempts: 3 };
    let settings = StreamSettings {
        display_name: "north gate".to_owned(),
        labels: [("site".to_owned(), "north".to_owned())].into(),
        ..StreamSettings::default()
    };
    let group = GroupSettings {
        streams: vec![StreamMatch::Glob("gate-*".to_owned())],
        max_outstanding_frames: Some(9),
        ..GroupSettings::default()
    };
    vec![
        entry::encode_header(&header),
        entry::encode_output(&OutputBody::Frame(Box::new(frame))),
        entry::encode_output(&OutputBody::Tombstone(Box::new(tombstone))),
        entry::encode_settings(&settings),
        entry::encode_group(&group),
    ]
}
