//! One frame's work: bytes in, pictures and measures out. Knows nothing of queues.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::analysis;
use crate::domain::{
    Failure, FailureReason, OutputPolicy, PayloadRef, PictureFormat, PictureRole, QualityMeasures, Reencode,
    SourceInfo, Stage, StageTiming, StoredPicture,
};
use crate::picture::{self, Codec, DecodeError, EncodeError, SourcePicture};
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
    pub(super) quality: QualityMeasures,
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

/// Decodes, measures and encodes one picture by its stream's policy.
pub(super) fn process(
    codec: &mut Codec,
    source: &SourceInfo,
    data: &Bytes,
    stored_source: PayloadRef,
    policy: &OutputPolicy,
) -> Result<Product, Failure> {
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
    let quality = watch.time(Stage::Analyze, || {
        let luma = planes.luma();
        analysis::quality::measure(&analysis::analysis_plane(luma.data, luma.width, luma.height, luma.stride))
    });

    // Only encoded pictures can be passed on: nobody can show raw pixels without knowing their layout.
    let pass_through = policy.never_reencode && !source.format.is_raw();
    let stored = |role, format, payload| StoredPicture { role, format, width, height, payload };
    let mut pictures = Vec::with_capacity(3);
    let mut offers = Vec::with_capacity(2);
    watch
        .time(Stage::Encode, || -> Result<(), EncodeError> {
            if policy.thumbnail_size > 0 {
                let thumbnail = codec.thumbnail(&planes, policy.thumbnail_size, THUMBNAIL_QUALITY)?;
                let (width, height) = picture::fit(width, height, policy.thumbnail_size);
                let offer = Offer::new(thumbnail);
                let picture = stored(PictureRole::Thumbnail, PictureFormat::Jpeg, offer.payload);
                pictures.push(StoredPicture { width, height, ..picture });
                offers.push(offer);
            }
            if pass_through {
                pictures.push(stored(PictureRole::Processed, source.format, stored_source));
            } else {
                let offer = Offer::new(codec.encode_jpeg(&planes, policy.quality)?);
                pictures.push(stored(PictureRole::Processed, PictureFormat::Jpeg, offer.payload));
                offers.push(offer);
            }
            Ok(())
        })
        .map_err(|error| Failure {
            reason: FailureReason::Unsupported,
            message: shorten(format!("cannot encode: {error}")),
        })?;
    if policy.keep_original {
        pictures.push(stored(PictureRole::Original, source.format, stored_source));
    }
    codec.recycle(planes);
    let reencode = if pass_through { Reencode::PassedThrough } else { Reencode::Encoded };
    Ok(Product { width, height, quality, reencode, pictures, offers, stages: watch.0 })
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
