use super::*;
use crate::grpc::documented;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

fn jpeg() -> pb::Frame {
    pb::Frame {
        stream_id: "cam-1".into(),
        data: Bytes::from_static(b"\xFF\xD8\xFF\xE0"),
        ..Default::default()
    }
}

fn gray(width: u32, height: u32, stride: u32, bytes: usize) -> pb::Frame {
    pb::Frame {
        format: pb::PictureFormat::Gray8.into(),
        width,
        height,
        row_stride_bytes: stride,
        data: vec![0; bytes].into(),
        ..jpeg()
    }
}

fn converted(frame: pb::Frame) -> Result<SubmittedFrame> {
    SubmittedFrame::from_pb(frame, &RequestLimits::default(), NOW, None)
}

fn refused(frame: pb::Frame) -> (ErrorReason, String) {
    let fault = converted(frame).expect_err("must be refused");
    documented::check(&fault);
    (fault.reason, fault.field)
}

fn at(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

#[test]
fn a_plain_frame_passes() {
    let frame = converted(pb::Frame {
        publisher_id: "agent.7".into(),
        publisher_sequence: Some(9),
        capture_time: at(1_800_000_001),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
        ..jpeg()
    })
    .unwrap();
    let new = frame.into_new_frame(Digest::of(b"x"));
    assert_eq!(new.header.source.format, PictureFormat::Jpeg);
    assert_eq!(new.header.publisher.map(|p| p.sequence), Some(9));
    assert_eq!(new.header.traceparent.len(), 55);
}

#[test]
fn each_fault_has_its_reason_and_field() {
    use ErrorReason as R;
    let long = "v".repeat(257);
    for (frame, reason, field) in [
        (pb::Frame { stream_id: "a b".into(), ..jpeg() }, R::InvalidStreamId, "stream_id"),
        (pb::Frame { data: Bytes::new(), ..jpeg() }, R::PictureMissing, "data"),
        (
            pb::Frame { data: Bytes::from_static(b"nothing"), width: 4, height: 4, ..jpeg() },
            R::PictureFormatUnknown,
            "format",
        ),
        (pb::Frame { format: 99, ..jpeg() }, R::InvalidField, "format"),
        (pb::Frame { format: pb::PictureFormat::Png.into(), ..jpeg() }, R::PictureFormatMismatch, "format"),
        (pb::Frame { row_stride_bytes: 4, ..jpeg() }, R::InvalidField, "row_stride_bytes"),
        (pb::Frame { color_range: 2, ..jpeg() }, R::InvalidField, "color_range"),
        (pb::Frame { color_matrix: 2, ..jpeg() }, R::InvalidField, "color_matrix"),
        (pb::Frame { color_matrix: 1, ..gray(4, 4, 0, 16) }, R::InvalidField, "color_matrix"),
        (pb::Frame { color_range: 9, ..gray(4, 4, 0, 16) }, R::InvalidField, "color_range"),
        (pb::Frame { width: 8193, ..jpeg() }, R::PictureTooLarge, "width"),
        (pb::Frame { width: 8000, height: 8000, ..jpeg() }, R::PictureTooLarge, "width"),
        (pb::Frame { data: vec![0; (16 << 20) + 1].into(), ..jpeg() }, R::PictureTooLarge, "data"),
        (gray(0, 4, 0, 4), R::InvalidField, "width"),
        (gray(4, 4, 3, 16), R::InvalidField, "row_stride_bytes"),
        (gray(4, 4, 0, 15), R::PictureSizeMismatch, "data"),
        (gray(4, 4, 8, 16), R::PictureSizeMismatch, "data"),
        (pb::Frame { publisher_id: "a/b".into(), ..jpeg() }, R::InvalidField, "publisher_id"),
        (pb::Frame { publisher_sequence: Some(1), ..jpeg() }, R::InvalidField, "publisher_id"),
        (
            pb::Frame { publisher_id: "p".into(), publisher_sequence: Some(0), ..jpeg() },
            R::InvalidField,
            "publisher_sequence",
        ),
        (
            pb::Frame { publisher_id: "p".into(), publisher_sequence: Some(1 << 53), ..jpeg() },
            R::InvalidField,
            "publisher_sequence",
        ),
        (pb::Frame { capture_time: at(0), ..jpeg() }, R::CaptureTimeOutOfRange, "capture_time"),
        (pb::Frame { capture_time: at(i64::MAX), ..jpeg() }, R::CaptureTimeOutOfRange, "capture_time"),
        (pb::Frame { attributes: [("k".into(), long)].into(), ..jpeg() }, R::InvalidField, "attributes"),
        (
            pb::Frame { attributes: [("a b".into(), String::new())].into(), ..jpeg() },
            R::InvalidField,
            "attributes",
        ),
        (
            pb::Frame { attributes: (0..33).map(|n| (n.to_string(), String::new())).collect(), ..jpeg() },
            R::TooManyItems,
            "attributes",
        ),
    ] {
        assert_eq!(refused(frame), (reason, field.to_owned()));
    }
}

#[test]
fn raw_pictures_must_have_their_exact_size() {
    assert!(converted(gray(4, 4, 0, 16)).is_ok());
    assert!(converted(gray(4, 4, 8, 32)).is_ok());
}

#[test]
fn a_named_format_with_strange_bytes_is_left_to_the_decoder() {
    let frame =
        pb::Frame { format: pb::PictureFormat::Jpeg.into(), data: Bytes::from_static(b"random"), ..jpeg() };
    assert!(converted(frame).is_ok());
}

#[test]
fn a_malformed_trace_context_is_dropped() {
    for text in ["hello", "00-xyz-1-01", &"0".repeat(100)] {
        let frame = converted(pb::Frame { traceparent: text.into(), ..jpeg() }).unwrap();
        assert_eq!(frame.traceparent, "");
    }
}

#[test]
fn the_clock_policy_flags_or_refuses() {
    let tolerance = std::time::Duration::from_secs(60);
    let mut frame = converted(pb::Frame { capture_time: at(1_800_000_061), ..jpeg() }).unwrap();
    frame.check_clock(ClockPolicy { tolerance, action: ClockAction::Flag }, NOW).unwrap();
    assert!(frame.clock_skewed);
    let fault = frame.check_clock(ClockPolicy { tolerance, action: ClockAction::Reject }, NOW).unwrap_err();
    assert_eq!(fault.reason, ErrorReason::CaptureTimeOutOfRange);
    let mut frame = converted(pb::Frame { capture_time: at(1_800_000_059), ..jpeg() }).unwrap();
    frame.check_clock(ClockPolicy { tolerance, action: ClockAction::Reject }, NOW).unwrap();
    assert!(!frame.clock_skewed);
}

#[test]
fn a_clock_policy_may_ignore_the_capture_time() {
    let policy = ClockPolicy { tolerance: std::time::Duration::from_secs(60), action: ClockAction::Ignore };
    let mut frame = converted(pb::Frame { capture_time: at(1_700_000_000), ..jpeg() }).unwrap();
    frame.check_clock(policy, NOW).unwrap();
    assert!(!frame.clock_skewed);
}

#[test]
fn the_colors_of_raw_pictures_are_converted() {
    use crate::domain::{ColorMatrix, ColorRange, RawColors};
    let nv12 = || pb::Frame { format: pb::PictureFormat::Nv12.into(), ..gray(4, 4, 0, 24) };
    for (range, expected_range) in [(0, ColorRange::Full), (1, ColorRange::Full), (2, ColorRange::Limited)] {
        for (matrix, expected_matrix) in [
            (0, ColorMatrix::Bt601),
            (1, ColorMatrix::Bt601),
            (2, ColorMatrix::Bt709),
            (3, ColorMatrix::Bt2020),
        ] {
            let frame = converted(pb::Frame { color_range: range, color_matrix: matrix, ..nv12() }).unwrap();
            let expected = RawColors { range: expected_range, matrix: expected_matrix };
            assert_eq!(frame.into_new_frame(crate::domain::Digest([0; 32])).header.source.colors, expected);
        }
    }
}
