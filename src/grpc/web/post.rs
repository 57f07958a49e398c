//! `POST /v1/streams/{id}/frames`: one frame, as a picture or as JSON, over plain HTTP.
//!
//! The request becomes a call of SubmitFrameBatch with one frame. A picture of known length is passed
//! on while it arrives. JSON, and a picture of unknown length, must have arrived before they can be
//! passed on; their bytes are counted with those of all messages that are being received. Nothing of
//! the body is read before the call has been admitted and its caller identified.

use std::borrow::Cow;
use std::pin::pin;
use std::sync::Arc;

use async_stream::stream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::Stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::StdError;
use tonic::codegen::http::{HeaderMap, Request, Uri, header};

use super::{Via, WebBody, media_type, to_grpc};
use crate::domain::limits::RequestLimits;
use crate::grpc::fault::{Fault, Result};
use crate::grpc::layers::{PROGRESS_BYTES, PROGRESS_TIMEOUT, Receiving};
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;

/// The content types of a frame, for the answer to another one.
pub(crate) const CONTENT_TYPES: &str = "image/jpeg, image/png, image/webp or application/json";
/// The path of the method that a frame is submitted with.
const METHOD: &str = "/frameway.v1.StreamingService/SubmitFrameBatch";
/// The prefix of the query parameters that are attributes.
const ATTRIBUTE: &str = "attribute.";
/// The numbers of the fields on the way to a picture: `SubmitFrameBatchRequest.frames` and
/// `Frame.data`.
const FRAMES_FIELD: u32 = 1;
const DATA_FIELD: u32 = 9;
/// The maximum size of JSON beside the picture.
const MAX_JSON_BESIDE_PICTURE_BYTES: usize = 64 << 10;
/// JSON above this size is decoded on a blocking thread.
const LARGE_JSON_BYTES: usize = 64 << 10;

/// Returns the stream of a path, if frames are posted to the path.
pub(super) fn stream_of(path: &str) -> Option<&str> {
    let stream = path.strip_prefix("/v1/streams/")?.strip_suffix("/frames")?;
    (!stream.contains('/')).then_some(stream)
}

/// The contents of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Picture(pb::PictureFormat),
    Json,
}

impl Content {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let encoding = headers.get(header::CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return None;
        }
        match media_type(headers).to_ascii_lowercase().as_str() {
            "image/jpeg" => Some(Self::Picture(pb::PictureFormat::Jpeg)),
            "image/png" => Some(Self::Picture(pb::PictureFormat::Png)),
            "image/webp" => Some(Self::Picture(pb::PictureFormat::Webp)),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Converts a request to a call of SubmitFrameBatch. One with another content type loses it, and is
/// refused by the layers below.
pub(super) fn translate<B>(
    request: Request<B>,
    stream_id: String,
    limits: &RequestLimits,
    receiving: &Arc<Receiving>,
) -> Request<WebBody<B>>
where
    B: http_body::Body<Data = Bytes, Error: Into<StdError> + Send> + Send + Unpin + 'static,
{
    let content = Content::of(request.headers());
    let frame = frame(stream_id, request.uri().query().unwrap_or_default(), request.headers());
    let mut request = match content {
        Some(_) => to_grpc(request, Via::Post),
        None => {
            let mut request = request;
            request.extensions_mut().insert(Via::Post);
            // It may be that of gRPC.
            request.headers_mut().remove(header::CONTENT_TYPE);
            request
        }
    };
    *request.uri_mut() = Uri::from_static(METHOD);
    match content {
        Some(content) => {
            let (max_bytes, receiving) = (limits.max_picture_bytes, Arc::clone(receiving));
            request.map(|body| {
                WebBody::Made(Body::new(StreamBody::new(message(frame, content, body, max_bytes, receiving))))
            })
        }
        None => request.map(WebBody::AsSent),
    }
}

/// Reads the facts of a frame that are beside its picture.
fn frame(stream_id: String, query: &str, headers: &HeaderMap) -> Result<pb::Frame> {
    let text =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let mut frame = pb::Frame {
        stream_id,
        traceparent: text("traceparent"),
        tracestate: text("tracestate"),
        ..Default::default()
    };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "publisher_id" => frame.publisher_id = value.into_owned(),
            "publisher_sequence" => {
                let sequence =
                    value.parse().map_err(|_| Fault::invalid("publisher_sequence", "must be a number"))?;
                frame.publisher_sequence = Some(sequence);
            }
            "capture_time" => {
                let time = value.parse().map_err(|_| {
                    Fault::invalid("capture_time", "must be a time as in 2026-11-30T08:15:00.250Z (RFC 3339)")
                })?;
                frame.capture_time = Some(time);
            }
            _ => match name.strip_prefix(ATTRIBUTE) {
                Some(key) => drop(frame.attributes.insert(key.to_owned(), value.into_owned())),
                None => {
                    let rule = "is not a parameter of this server; it has publisher_id, publisher_sequence, \
                                capture_time and attribute.KEY";
                    return Err(Fault::invalid(name.into_owned(), rule));
                }
            },
        }
    }
    Ok(frame)
}

/// Yields the pieces of the gRPC message that submits a frame.
fn message<B>(
    frame: Result<pb::Frame>,
    content: Content,
    mut body: B,
    max_picture_bytes: usize,
    receiving: Arc<Receiving>,
) -> impl Stream<Item = std::result::Result<Frame<Bytes>, Status>> + Send
where
    B: http_body::Body<Data = Bytes, Error: Into<StdError> + Send> + Send + Unpin + 'static,
{
    stream! {
        let mut frame = match frame {
            Ok(frame) => frame,
            Err(fault) => {
                yield Err(fault.into());
                return;
            }
        };
        if let Content::Picture(format) = content {
            frame.format = format.into();
        }
        let length = body.size_hint().exact().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if let (Content::Picture(_), Some(length)) = (content, length) {
            if length > max_picture_bytes {
                yield Err(too_large(content, max_picture_bytes).into());
                return;
            }
            yield Ok(Frame::data(head(&frame, length)));
            while let Some(piece) = body.frame().await {
                yield piece.map_err(|error| not_received(error.into()));
            }
            return;
        }
        let held = receiving.hold();
        let whole = async {
            let max_bytes = match content {
                Content::Picture(_) => max_picture_bytes,
                Content::Json => max_picture_bytes.div_ceil(3) * 4 + MAX_JSON_BESIDE_PICTURE_BYTES,
            };
            let (mut whole, mut progress) = (BytesMut::new(), Progress::begin());
            while let Some(piece) = progress.within(body.frame()).await? {
                let Ok(data) = piece.map_err(|error| not_received(error.into()))?.into_data() else { continue };
                if whole.len() + data.len() > max_bytes {
                    return Err(Status::from(too_large(content, max_bytes)));
                }
                held.add(data.len())?;
                progress.received += data.len();
                whole.extend_from_slice(&data);
            }
            let (frame, picture) = match content {
                Content::Picture(_) => (frame, whole.freeze()),
                Content::Json => read_json(frame, whole.freeze()).await?,
            };
            Ok((head(&frame, picture.len()), picture))
        };
        match whole.await {
            Ok((head, picture)) => {
                yield Ok(Frame::data(head));
                yield Ok(Frame::data(picture));
            }
            Err(status) => yield Err(status),
        }
    }
}

/// The progress of a body that is collected: the same as is required of a gRPC message.
struct Progress {
    deadline: Instant,
    /// The bytes that have arrived since the deadline was set.
    received: usize,
}

impl Progress {
    fn begin() -> Self {
        Self { deadline: Instant::now() + PROGRESS_TIMEOUT, received: 0 }
    }

    /// Waits for the next piece.
    async fn within<T>(&mut self, next: impl Future<Output = T>) -> Result<T> {
        let mut next = pin!(next);
        loop {
            if let Ok(next) = timeout_at(self.deadline, next.as_mut()).await {
                return Ok(next);
            }
            if self.received < PROGRESS_BYTES {
                let message = format!(
                    "the body does not arrive: {} bytes in {} s; send it at once",
                    self.received,
                    PROGRESS_TIMEOUT.as_secs()
                );
                return Err(Fault::protocol_violation(message));
            }
            *self = Self::begin();
        }
    }
}

/// Encodes what precedes the picture in the gRPC message of a batch with one frame. The picture has
/// `length` bytes.
fn head(frame: &pb::Frame, length: usize) -> Bytes {
    let mut in_frame = BytesMut::new();
    // A buffer in memory takes everything.
    let _encoded = frame.encode(&mut in_frame);
    encode_key(DATA_FIELD, WireType::LengthDelimited, &mut in_frame);
    encode_varint(length as u64, &mut in_frame);
    let mut in_batch = BytesMut::new();
    encode_key(FRAMES_FIELD, WireType::LengthDelimited, &mut in_batch);
    encode_varint((in_frame.len() + length) as u64, &mut in_batch);
    let mut head = BytesMut::with_capacity(5 + in_batch.len() + in_frame.len());
    head.put_u8(0);
    head.put_u32(u32::try_from(in_batch.len() + in_frame.len() + length).unwrap_or(u32::MAX));
    head.put(in_batch);
    head.put(in_frame);
    head.freeze()
}

/// A frame as JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json<'a> {
    /// The stream; that of the path if it is missing.
    #[serde(borrow)]
    camera_id: Option<Cow<'a, str>>,
    /// The capture time in seconds since 1970.
    timestamp: Option<f64>,
    /// The picture in base64.
    #[serde(borrow)]
    image: Cow<'a, str>,
}

/// Reads a frame from JSON, and returns it and its picture.
async fn read_json(frame: pb::Frame, json: Bytes) -> std::result::Result<(pb::Frame, Bytes), Status> {
    let is_large = json.len() > LARGE_JSON_BYTES;
    let read = move || Json::read(frame, &json);
    if !is_large {
        return Ok(read()?);
    }
    let read = tokio::task::spawn_blocking(read).await;
    let failed = |error| Fault::new(ErrorReason::Internal, format!("cannot read the JSON: {error}"));
    Ok(read.map_err(failed)??)
}

impl Json<'_> {
    fn read(mut frame: pb::Frame, json: &[u8]) -> Result<(pb::Frame, Bytes)> {
        let Json { camera_id, timestamp, image } = serde_json::from_slice(json).map_err(|error| {
            let message = format!(
                "the body is not a frame as JSON, {{\"image\": BASE64, \"timestamp\": SECONDS, \"camera_id\": \
                 STREAM}}: {error}"
            );
            Fault::new(ErrorReason::InvalidField, message)
        })?;
        if camera_id.is_some_and(|camera_id| camera_id != frame.stream_id) {
            return Err(Fault::invalid("camera_id", "must be the stream of the path, or missing"));
        }
        if let Some(seconds) = timestamp {
            if frame.capture_time.is_some() {
                return Err(Fault::invalid("timestamp", "must be missing if capture_time is set"));
            }
            frame.capture_time = Some(to_time(seconds)?);
        }
        let picture = STANDARD
            .decode(image.as_bytes())
            .map_err(|error| Fault::invalid("image", format!("must be base64 without line ends: {error}")))?;
        Ok((frame, picture.into()))
    }
}

/// Converts seconds since 1970 with a fraction, to the microsecond.
fn to_time(seconds: f64) -> Result<prost_types::Timestamp> {
    // Times in microseconds until the year 9999 are exact as floating-point numbers or nearly so.
    const MAX_SECONDS: f64 = 253_402_300_799.0;
    if !(0.0..=MAX_SECONDS).contains(&seconds) {
        return Err(Fault::invalid("timestamp", "must be a time in seconds since 1970"));
    }
    let micros = (seconds * 1e6).round() as i64;
    Ok(prost_types::Timestamp { seconds: micros / 1_000_000, nanos: (micros % 1_000_000) as i32 * 1000 })
}

fn too_large(content: Content, limit: usize) -> Fault {
    let (reason, what) = match content {
        Content::Picture(_) => (ErrorReason::PictureTooLarge, "picture"),
        Content::Json => (ErrorReason::BatchTooLarge, "JSON"),
    };
    Fault::new(reason, format!("the {what} is over the limit of {limit} bytes")).fact("limit", limit)
}

fn not_received(error: StdError) -> Status {
    Fault::protocol_violation(format!("the body did not arrive: {error}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_stream() {
        assert_eq!(stream_of("/v1/streams/cam-1/frames"), Some("cam-1"));
        assert_eq!(stream_of("/v1/streams//frames"), Some(""), "the submission refuses it");
        for other in [
            "/v1/streams/a/b/frames",
            "/v1/streams/frames",
            "/v1/streams/cam/frames/",
            "/v2/streams/a/frames",
            "/",
        ] {
            assert_eq!(stream_of(other), None, "{other}");
        }
    }

    #[test]
    fn the_query_has_the_facts_of_a_frame() {
        let query = "publisher_id=agent&publisher_sequence=7&capture_time=2026-11-30T08:15:00.25Z&attribute.zone=a%20b";
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", "00-x".parse().unwrap());
        let read = frame("cam".to_owned(), query, &headers).unwrap();
        assert_eq!((read.publisher_id.as_str(), read.publisher_sequence), ("agent", Some(7)));
        assert_eq!(read.capture_time.unwrap().nanos, 250_000_000);
        assert_eq!(read.attributes["zone"], "a b");
        assert_eq!(read.traceparent, "00-x");
        for (query, field) in [
            ("publisher_sequence=-1", "publisher_sequence"),
            ("capture_time=today", "capture_time"),
            ("publisher=x", "publisher"),
        ] {
            assert_eq!(
                frame("cam".to_owned(), query, &HeaderMap::new()).unwrap_err().field,
                field,
                "{query}"
            );
        }
    }

    #[test]
    fn the_head_and_the_picture_are_a_batch() {
        let picture = vec![9; 70_000];
        let frame = pb::Frame { stream_id: "cam".into(), publisher_sequence: Some(7), ..Default::default() };
        let bytes = [head(&frame, picture.len()).to_vec(), picture.clone()].concat();
        assert_eq!(bytes[..5], [&[0][..], &(bytes.len() as u32 - 5).to_be_bytes()].concat());
        let batch = pb::SubmitFrameBatchRequest::decode(&bytes[5..]).unwrap();
        assert_eq!(batch.frames, [pb::Frame { data: picture.into(), ..frame }]);
    }

    #[test]
    fn json_is_read_strictly() {
        let base = pb::Frame { stream_id: "cam".into(), ..Default::default() };
        let read = |json: &str| Json::read(base.clone(), json.as_bytes());
        let (frame, picture) =
            read(r#"{"camera_id": "cam", "timestamp": 1764490500.25, "image": "/9j\/4A=="}"#).unwrap();
        assert_eq!(&picture[..], b"\xff\xd8\xff\xe0");
        assert_eq!(
            frame.capture_time,
            Some(prost_types::Timestamp { seconds: 1_764_490_500, nanos: 250_000_000 })
        );
        for (json, field) in [
            (r#"{"camera_id": "other", "image": ""}"#, "camera_id"),
            (r#"{"timestamp": -1, "image": ""}"#, "timestamp"),
            (r#"{"timestamp": 1e300, "image": ""}"#, "timestamp"),
            (r#"{"image": "a b"}"#, "image"),
            (r#"{"image": "", "quality": 1}"#, ""),
            ("{}", ""),
            ("[]", ""),
            ("", ""),
        ] {
            assert_eq!(read(json).unwrap_err().field, field, "{json}");
        }
    }
}
