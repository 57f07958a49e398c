use bytes::Bytes;

use super::picture::{format_from_pb, matrix_from_pb, range_from_pb};
use super::{checked_map, known, time};
use crate::domain::limits::{MAX_CLOCK_ERROR_YEARS, MAX_SEQUENCE, RequestLimits};
use crate::domain::{
    ClockAction, ClockPolicy, Digest, FrameHeader, PictureFormat, PrincipalName, PublisherId,
    PublisherSequence, RawColors, SourceInfo, StreamId, Timestamp, well_formed_trace,
};
use crate::grpc::fault::{Fault, Result};
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;
use crate::picture::{self, sniff};
use crate::queue::{NewFrame, Upload};

const MAX_ROW_STRIDE_BYTES: u32 = 65_536;
const MICROS_PER_YEAR: u64 = 31_556_952_000_000;

/// A submitted frame that passed all checks except those that depend on the settings of its stream.
#[derive(Debug)]
pub(crate) struct SubmittedFrame {
    pub(crate) stream_id: StreamId,
    pub(crate) publisher: Option<PublisherSequence>,
    pub(crate) capture_time: Option<Timestamp>,
    pub(crate) clock_skewed: bool,
    format: PictureFormat,
    width: u32,
    height: u32,
    row_stride_bytes: u32,
    colors: RawColors,
    pub(crate) data: Bytes,
    attributes: std::collections::BTreeMap<String, String>,
    traceparent: String,
    tracestate: String,
}

impl SubmittedFrame {
    /// Converts and checks a frame.
    ///
    /// # Errors
    /// Returns the first rule that the frame breaks.
    pub(crate) fn from_pb(
        frame: pb::Frame,
        limits: &RequestLimits,
        now: Timestamp,
        principal: Option<&PrincipalName>,
    ) -> Result<Self> {
        let pb::Frame {
            stream_id,
            publisher_id,
            publisher_sequence,
            capture_time,
            format,
            width,
            height,
            row_stride_bytes,
            data,
            attributes,
            traceparent,
            tracestate,
            color_range,
            color_matrix,
        } = frame;
        let stream_id = stream_id.parse()?;
        let publisher = publisher(&publisher_id, publisher_sequence, principal)?;
        let capture_time = capture_time.map(|t| plausible_time(t, now)).transpose()?;
        if data.is_empty() {
            return Err(Fault::new(ErrorReason::PictureMissing, "the frame has no picture").field("data"));
        }
        if data.len() > limits.max_picture_bytes {
            return Err(too_large("data", "bytes", limits.max_picture_bytes, data.len()));
        }
        let format = named_or_sniffed(known("format", format)?, width > 0 || height > 0, &data)?;
        check_sides(width, height, limits)?;
        match format.raw_row_bytes(width) {
            Some(row_bytes) => check_raw(format, width, height, row_stride_bytes, row_bytes, data.len())?,
            None if row_stride_bytes != 0 => {
                return Err(Fault::invalid("row_stride_bytes", "must be 0 for encoded formats"));
            }
            None => {}
        }
        let colors = raw_colors(format, color_range, color_matrix)?;
        let (traceparent, tracestate) = well_formed_trace(traceparent, tracestate);
        Ok(Self {
            stream_id,
            publisher,
            capture_time,
            clock_skewed: false,
            format,
            width,
            height,
            row_stride_bytes,
            colors,
            data,
            attributes: checked_map("attributes", attributes)?,
            traceparent,
            tracestate,
        })
    }

    /// Checks the capture time against the clock policy of the stream.
    ///
    /// # Errors
    /// The difference is too large, and the policy rejects such frames.
    pub(crate) fn check_clock(&mut self, policy: ClockPolicy, now: Timestamp) -> Result<()> {
        let Some(capture_time) = self.capture_time else { return Ok(()) };
        let skew = capture_time.distance(now);
        self.clock_skewed = skew > policy.tolerance && policy.action != ClockAction::Ignore;
        if self.clock_skewed && policy.action == ClockAction::Reject {
            return Err(Fault::new(
                ErrorReason::CaptureTimeOutOfRange,
                format!(
                    "capture_time is {:.1} s off the server's clock; the stream tolerates {:.1} s",
                    skew.as_secs_f64(),
                    policy.tolerance.as_secs_f64()
                ),
            )
            .field("capture_time"));
        }
        Ok(())
    }

    /// Creates the frame for the queue from the digest of its picture. If the frame states no width
    /// and height, they are read from the header of the picture, because a relayed picture is not
    /// read later.
    pub(crate) fn into_new_frame(self, digest: Digest) -> NewFrame {
        let (width, height) = match (self.width, self.height) {
            (0, 0) => picture::size_of(self.format, &self.data).unwrap_or_default(),
            stated => stated,
        };
        let source = SourceInfo {
            format: self.format,
            width,
            height,
            row_stride_bytes: self.row_stride_bytes,
            colors: self.colors,
            size_bytes: self.data.len() as u64,
            digest,
        };
        let header = FrameHeader {
            publisher: self.publisher,
            capture_time: self.capture_time,
            clock_skewed: self.clock_skewed,
            source,
            attributes: self.attributes,
            traceparent: self.traceparent,
            tracestate: self.tracestate,
            replayed_from: None,
        };
        NewFrame { stream_id: self.stream_id, header, upload: Upload::new(self.data) }
    }
}

/// Reads the publisher and its sequence. An id without a sequence is not stored; a sequence needs
/// an id.
fn publisher(
    id: &str,
    sequence: Option<u64>,
    principal: Option<&PrincipalName>,
) -> Result<Option<PublisherSequence>> {
    let id = if id.is_empty() { None } else { Some(PublisherId::owned_by(principal, id)?) };
    match (id, sequence) {
        (_, Some(sequence)) if sequence == 0 || sequence > MAX_SEQUENCE => {
            Err(Fault::invalid("publisher_sequence", "must be from 1 to 2^53 - 1"))
        }
        (Some(id), Some(sequence)) => Ok(Some(PublisherSequence { id, sequence })),
        (None, Some(_)) => {
            Err(Fault::invalid("publisher_id", "must be set together with publisher_sequence"))
        }
        (_, None) => Ok(None),
    }
}

fn plausible_time(time: prost_types::Timestamp, now: Timestamp) -> Result<Timestamp> {
    let nonsense =
        |detail: String| Fault::new(ErrorReason::CaptureTimeOutOfRange, detail).field("capture_time");
    let time = time::from_pb("capture_time", time).map_err(|fault| nonsense(fault.message))?;
    if time.as_micros().abs_diff(now.as_micros()) > MAX_CLOCK_ERROR_YEARS * MICROS_PER_YEAR {
        let rule = "capture_time is more than {} years off the server's clock";
        return Err(nonsense(rule.replace("{}", &MAX_CLOCK_ERROR_YEARS.to_string())));
    }
    Ok(time)
}

fn named_or_sniffed(named: pb::PictureFormat, has_sides: bool, data: &[u8]) -> Result<PictureFormat> {
    let found = sniff(data);
    match (format_from_pb(named), found) {
        (None, Some(found)) => Ok(found),
        (None, None) if has_sides => Err(Fault::new(
            ErrorReason::PictureFormatUnknown,
            "the data is not a JPEG, PNG or WebP picture; set format for a raw picture",
        )
        .field("format")),
        // The picture was probably damaged on its way. The frame is accepted, so that it is
        // counted: when decoding fails, it becomes a tombstone.
        (None, None) => Ok(PictureFormat::Jpeg),
        (Some(named), Some(found)) if !named.is_raw() && named != found => Err(Fault::new(
            ErrorReason::PictureFormatMismatch,
            format!("format is {named}, but the data looks like {found}"),
        )
        .field("format")),
        // An encoded picture of unknown content is accepted: the decoder reports what is wrong with
        // it.
        (Some(named), _) => Ok(named),
    }
}

fn check_sides(width: u32, height: u32, limits: &RequestLimits) -> Result<()> {
    for (field, side) in [("width", width), ("height", height)] {
        if side > limits.max_side {
            return Err(too_large(field, "pixels per side", limits.max_side, side));
        }
    }
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.max_pixels {
        return Err(too_large("width", "pixels", limits.max_pixels, pixels));
    }
    Ok(())
}

fn check_raw(
    format: PictureFormat,
    width: u32,
    height: u32,
    stride: u32,
    row_bytes: u64,
    size: usize,
) -> Result<()> {
    for (field, side) in [("width", width), ("height", height)] {
        if side == 0 {
            return Err(Fault::invalid(field, "must be set for raw formats"));
        }
    }
    if stride != 0 && (u64::from(stride) < row_bytes || stride > MAX_ROW_STRIDE_BYTES) {
        let rule = format!("must be 0 or from {row_bytes} (a row) to {MAX_ROW_STRIDE_BYTES}");
        return Err(Fault::invalid("row_stride_bytes", rule));
    }
    // The checks above refuse everything without a raw size.
    let needed = format.raw_size(width, height, stride).unwrap_or_default();
    if size as u64 != needed {
        return Err(Fault::new(
            ErrorReason::PictureSizeMismatch,
            format!("{format} of {width} x {height} with that stride has {needed} bytes, not {size}"),
        )
        .field("data"));
    }
    Ok(())
}

/// Reads the color range and matrix. They must be unset for formats that have only one.
fn raw_colors(format: PictureFormat, range: i32, matrix: i32) -> Result<RawColors> {
    let (range, matrix) =
        (known::<pb::ColorRange>("color_range", range)?, known::<pb::ColorMatrix>("color_matrix", matrix)?);
    let (has_range, has_matrix) = match format {
        PictureFormat::Nv12 | PictureFormat::I420 => (true, true),
        PictureFormat::Gray8 => (true, false),
        PictureFormat::Jpeg
        | PictureFormat::Png
        | PictureFormat::WebP
        | PictureFormat::Rgb8
        | PictureFormat::Bgr8 => (false, false),
    };
    if range != pb::ColorRange::Unspecified && !has_range {
        return Err(Fault::invalid("color_range", "must be unspecified except for NV12, I420 and GRAY8"));
    }
    if matrix != pb::ColorMatrix::Unspecified && !has_matrix {
        return Err(Fault::invalid("color_matrix", "must be unspecified except for NV12 and I420"));
    }
    Ok(RawColors { range: range_from_pb(range), matrix: matrix_from_pb(matrix) })
}

fn too_large(field: &str, unit: &str, limit: impl ToString, actual: impl ToString) -> Fault {
    let (limit, actual) = (limit.to_string(), actual.to_string());
    Fault::new(ErrorReason::PictureTooLarge, format!("{actual} {unit} are over the limit of {limit}"))
        .field(field)
        .fact("limit", limit)
        .fact("actual", actual)
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
