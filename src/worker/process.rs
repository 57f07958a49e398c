//! One frame's work: bytes in, pictures and measures out. Knows nothing of queues.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::analysis::{self, Samples, Still};
use crate::domain::{
    Failure, FailureReason, PayloadRef, PictureFormat, PictureRole, Reencode, SourceInfo, Stage, StageTiming,
    StoredPicture, StreamSettings,
};
use crate::picture::{self, Codec, DecodeError, EncodeError, Plane, Planes, SourcePicture};
use crate::queue::Offer;

/// Quality of thumbnails: small, and looked at small.
const THUMBNAIL_QUALITY: u8 = 75;
/// Longest message of a failure, in bytes.
const MAX_MESSAGE_BYTES: usize = 512;

/// What became of a picture.
#[derive(Debug)]
pub(super) struct Product {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) still: Still,
    pub(super) reencode: Reencode,
    pub(super) pictures: Vec<StoredPicture>,
    pub(super) offers: Vec<Offer>,
    pub(super) stages: Vec<StageTiming>,
}

/// Runs each step and notes how long it took.
#[derive(Default)]
struct Stopwatch(Vec<StageTiming>);

impl Stopwatch {
    fn time<T>(&mut self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.0.push(StageTiming { stage, duration: start.elapsed() });
        result
    }
}

/// Measures a decoded picture by itself.
fn measure(planes: &Planes, settings: &StreamSettings) -> Still {
    let samples = |Plane { data, width, height, stride }| Samples { data, width, height, stride };
    let chroma = planes.chroma().map(|chroma| chroma.map(samples));
    analysis::still(samples(planes.luma()), chroma, &settings.rois)
}

/// Decodes, measures and encodes one picture by its stream's settings.
pub(super) fn process(
    codec: &mut Codec,
    source: &SourceInfo,
    data: &Bytes,
    stored_source: PayloadRef,
    settings: &StreamSettings,
) -> Result<Product, Failure> {
    let policy = &settings.output;
    let mut watch = Stopwatch::default();
    let picture = SourcePicture {
        format: source.format,
        width: source.width,
        height: source.height,
        stride: source.row_stride_bytes,
        data,
    };
    let planes = watch.time(Stage::Decode, || codec.decode(&picture)).map_err(|e| failure(&e))?;
    let (width, height) = (planes.width(), planes.height());
    let still = watch.time(Stage::Analyze, || measure(&planes, settings));

    // Only encoded pictures can be passed on: nobody can show raw pixels without knowing their layout.
    let pass_through = policy.never_reencode && !source.format.is_raw();
    let stored = |role, format, payload| StoredPicture { role, format, width, height, payload };
    let mut pictures = Vec::with_capacity(3);
    let mut offers = Vec::with_capacity(2);
    if policy.thumbnail_size > 0 {
        let made = watch
            .time(Stage::Thumbnail, || codec.thumbnail(&planes, policy.thumbnail_size, THUMBNAIL_QUALITY));
        let (width, height) = picture::fit(width, height, policy.thumbnail_size);
        let offer = Offer::new(made.map_err(|error| not_encoded(&error))?);
        let picture = stored(PictureRole::Thumbnail, PictureFormat::Jpeg, offer.payload);
        pictures.push(StoredPicture { width, height, ..picture });
        offers.push(offer);
    }
    if pass_through {
        pictures.push(stored(PictureRole::Processed, source.format, stored_source));
    } else {
        let made = watch.time(Stage::Encode, || codec.encode_jpeg(&planes, policy.quality));
        let offer = Offer::new(made.map_err(|error| not_encoded(&error))?);
        pictures.push(stored(PictureRole::Processed, PictureFormat::Jpeg, offer.payload));
        offers.push(offer);
    }
    if policy.keep_original {
        pictures.push(stored(PictureRole::Original, source.format, stored_source));
    }
    codec.recycle(planes);
    let reencode = if pass_through { Reencode::PassedThrough } else { Reencode::Encoded };
    Ok(Product { width, height, still, reencode, pictures, offers, stages: watch.0 })
}

/// A decoder's finding as the reason that subscribers are told.
fn failure(error: &DecodeError) -> Failure {
    let reason = match error {
        DecodeError::Truncated => FailureReason::Truncated,
        DecodeError::Empty | DecodeError::Corrupt(_) => FailureReason::Corrupt,
        DecodeError::UnknownFormat | DecodeError::FormatMismatch { .. } => FailureReason::UnknownFormat,
        DecodeError::TooManyPixels { .. }
        | DecodeError::TooLarge { .. }
        | DecodeError::TooManyScans { .. } => FailureReason::TooLarge,
        DecodeError::Animated(_) => FailureReason::Animated,
        DecodeError::Unsupported(_) | DecodeError::Codec(_) => FailureReason::Unsupported,
        DecodeError::SizeMismatch { .. }
        | DecodeError::BadGeometry { .. }
        | DecodeError::DimensionMismatch { .. } => FailureReason::SizeMismatch,
        DecodeError::Panicked(_) => FailureReason::DecoderPanicked,
    };
    Failure { reason, message: shorten(error.to_string()) }
}

fn not_encoded(error: &EncodeError) -> Failure {
    let message = shorten(format!("cannot encode: {error}"));
    Failure { reason: FailureReason::Unsupported, message }
}

fn shorten(mut message: String) -> String {
    if message.len() > MAX_MESSAGE_BYTES {
        let mut end = MAX_MESSAGE_BYTES;
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
    }
    message
}

/// A frame that took longer than `timeout`.
pub(super) fn timed_out(timeout: Duration) -> Failure {
    let message = format!("the picture was not done after {} s", timeout.as_secs_f64());
    Failure { reason: FailureReason::TimedOut, message }
}
