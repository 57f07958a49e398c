//! One frame's work: bytes in, pictures and measures out. Knows nothing of queues.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::adaptive::{self, Allowance, Choice, Encoded};
use crate::analysis::{self, Samples, Still};
use crate::domain::{
    Failure, FailureReason, OutputFormat, OutputPolicy, PayloadRef, PictureFormat, PictureRole, Reencode,
    ReencodeMode, Rendition, Roi, SourceInfo, Stage, StageTiming, StoredPicture, StreamSettings,
};
use crate::picture::{
    self, Codec, Counted, DecodeError, EncodeError, KeptMetadata, Metadata, Orientation, Plane, Planes,
    SourcePicture, Standing,
};
use crate::queue::Offer;

#[cfg(test)]
mod tests;

/// Quality of thumbnails: small, and looked at small.
const THUMBNAIL_QUALITY: u8 = 75;
/// Longest message of a failure, in bytes.
const MAX_MESSAGE_BYTES: usize = 512;

/// What became of a picture.
#[derive(Debug)]
pub(super) struct Product {
    pub(super) width: u32,
    pub(super) height: u32,
    /// `None` if the picture was not read.
    pub(super) still: Option<Still>,
    pub(super) outcome: Outcome,
    pub(super) mask_version: u64,
    pub(super) pictures: Vec<StoredPicture>,
    pub(super) offers: Vec<Offer>,
    pub(super) stages: Vec<StageTiming>,
}

/// How the processed picture came about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    pub(super) reencode: Reencode,
    pub(super) bytes: u64,
    /// `None` if it was passed on, or its format has none.
    pub(super) quality: Option<u8>,
    /// How it was encoded; `None` if it was passed on.
    pub(super) choice: Option<Choice>,
    /// It takes more than its stream's budget has left.
    pub(super) over_budget: bool,
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

/// A picture that is worked on.
pub(super) struct Task<'a> {
    pub(super) source: &'a SourceInfo,
    pub(super) data: &'a Bytes,
    /// `data` is a copy of what was submitted, without its flaws.
    pub(super) is_repaired: bool,
    /// Where the submitted bytes lie.
    pub(super) stored: PayloadRef,
    pub(super) settings: &'a StreamSettings,
    /// Of the settings, with the defaults.
    pub(super) output: &'a OutputPolicy,
    /// What the processed picture may take.
    pub(super) allowance: Allowance,
}

/// Measures a decoded picture by itself: all that its stream's earlier pictures are not needed for.
#[must_use]
pub fn measure(planes: &Planes, rois: &[Roi]) -> Still {
    let samples = |Plane { data, width, height, stride }| Samples { data, width, height, stride };
    let chroma = planes.chroma().map(|chroma| chroma.map(samples));
    analysis::still(samples(planes.luma()), chroma, rois)
}

/// Decodes, masks, measures and encodes one picture by its stream's policy. What is masked is gone before anything is made
/// of the picture: measures, thumbnail, output.
pub(super) fn process(codec: &mut Codec, task: &Task<'_>) -> Result<Product, Failure> {
    let Task { source, data, stored, settings, output: policy, .. } = *task;
    let mut watch = Stopwatch::default();
    let mut metadata = Metadata { orientation: Orientation::UPRIGHT, extras: false };
    let mut decoded = (0, 0);
    let mut repaired = None;
    let mut planes = watch
        .time(Stage::Decode, || {
            repaired = picture::repaired(source.format, data, codec.limits());
            let data = repaired.as_ref().unwrap_or(data);
            let picture = SourcePicture {
                format: source.format,
                width: source.width,
                height: source.height,
                stride: source.row_stride_bytes,
                colors: source.colors,
                data,
            };
            let planes = codec.decode(&picture)?;
            decoded = (planes.width(), planes.height());
            metadata = Metadata::of(source.format, data);
            Ok(codec.upright(planes, metadata.orientation))
        })
        .map_err(|e| failure(&e))?;
    // All is made of the copy without flaws, and what is passed on is that copy.
    let task = &Task { data: repaired.as_ref().unwrap_or(data), is_repaired: repaired.is_some(), ..*task };
    if !settings.privacy_masks.is_empty() {
        let masks = settings.privacy_masks.iter().map(|mask| &mask.polygon);
        watch.time(Stage::Mask, || picture::paint(&mut planes, masks));
    }
    let still = watch.time(Stage::Analyze, || measure(&planes, &settings.rois));
    let mut made = Made { pictures: Vec::with_capacity(3), offers: Vec::with_capacity(2) };
    let outcome =
        make_pictures(codec, task, &planes, metadata, decoded, &mut watch, &mut made).map_err(|error| {
            Failure {
                reason: FailureReason::EncodeFailed,
                message: shorten(format!("cannot encode: {error}")),
            }
        })?;
    let (width, height) = decoded;
    if policy.keep_original && !settings.hides_originals() {
        made.add_stored(PictureRole::Original, source.format, decoded, stored);
    }
    codec.recycle(planes);
    let Made { pictures, offers } = made;
    let mask_version = if settings.privacy_masks.is_empty() { 0 } else { settings.mask_version };
    let still = Some(still);
    Ok(Product { width, height, still, outcome, mask_version, pictures, offers, stages: watch.0 })
}

/// The pictures of a frame, and the bytes of those that are new.
struct Made {
    pictures: Vec<StoredPicture>,
    offers: Vec<Offer>,
}

impl Made {
    fn add_stored(
        &mut self,
        role: PictureRole,
        format: PictureFormat,
        (width, height): (u32, u32),
        payload: PayloadRef,
    ) {
        self.pictures.push(StoredPicture { role, format, width, height, payload });
    }

    fn add(&mut self, role: PictureRole, format: PictureFormat, size: (u32, u32), bytes: Bytes) {
        let offer = Offer::new(bytes);
        self.add_stored(role, format, size, offer.payload);
        self.offers.push(offer);
    }
}

/// Makes the thumbnail and the processed picture of planes that are upright and masked.
fn make_pictures(
    codec: &mut Codec,
    task: &Task<'_>,
    planes: &Planes,
    metadata: Metadata,
    decoded: (u32, u32),
    watch: &mut Stopwatch,
    made: &mut Made,
) -> Result<Outcome, EncodeError> {
    let Task { source, data, settings, output: policy, allowance, .. } = *task;
    let shown = (planes.width(), planes.height());
    if policy.thumbnail_size > 0 {
        let thumbnail = watch
            .time(Stage::Thumbnail, || codec.thumbnail(planes, policy.thumbnail_size, THUMBNAIL_QUALITY))?;
        let size = picture::fit(shown.0, shown.1, policy.thumbnail_size);
        made.add(PictureRole::Thumbnail, PictureFormat::Jpeg, size, thumbnail);
    }
    let standing = standing(codec, task, shown, metadata);
    let as_it_is = match policy.reencode {
        ReencodeMode::Auto => standing == Standing::AsItIs && data.len() as u64 <= allowance.bytes,
        ReencodeMode::Always | ReencodeMode::Never | ReencodeMode::Relay => standing == Standing::AsItIs,
    };
    if as_it_is && let Some(copy) = copy_to_pass_on(task, metadata) {
        return Ok(pass_on(made, task, decoded, copy));
    }
    let Rendition { format, quality: _, max_width, max_height } = policy.rendition;
    let whole = picture::fit_within(shown.0, shown.1, max_width, max_height);
    let of_size = |choice: Choice| {
        let scaled = |side: u32| (side * u32::from(choice.scale_percent) / 100).max(1);
        (scaled(whole.0), scaled(whole.1))
    };
    let scaled = |codec: &mut Codec, size: (u32, u32)| {
        Ok::<_, EncodeError>(match size == shown {
            true => with_chroma(Cow::Borrowed(planes), task, format),
            false => {
                let scaled = codec.scale_for(planes, size.0, size.1, policy.chroma)?;
                with_chroma(Cow::Owned(scaled), task, format)
            }
        })
    };
    // The last one made: the next try is mostly of the same size.
    let first = of_size(allowance.first);
    let mut ready: Option<Cow<'_, Planes>> = None;
    if first != shown {
        ready = Some(watch.time(Stage::Resize, || scaled(codec, first))?);
    }
    // EXIF may hold a small copy of the whole picture.
    let keeps = policy.keep_metadata && metadata.extras && !settings.hides_originals();
    let kept = if keeps { KeptMetadata::of(source.format, data) } else { KeptMetadata::default() };
    let Encoded { bytes: encoded, choice } = watch.time(Stage::Encode, || {
        adaptive::encode_within(allowance, |choice| {
            let size = of_size(choice);
            let of_this_size = |planes: &Cow<'_, Planes>| (planes.width(), planes.height()) == size;
            let planes = match ready.take().filter(of_this_size) {
                Some(ready) => ready,
                None => scaled(codec, size)?,
            };
            let encoded = codec.encode(ready.insert(planes), format, choice.quality)?;
            kept.put_into(format.picture_format(), encoded)
        })
    })?;
    if standing != Standing::Other
        && let Some(copy) = copy_to_pass_on(task, metadata)
        && standing.holds_against(copy.as_ref().map_or(data.len(), Bytes::len), encoded.len())
    {
        return Ok(pass_on(made, task, decoded, copy));
    }
    let bytes = encoded.len() as u64;
    made.add(PictureRole::Processed, format.picture_format(), of_size(choice), encoded);
    let quality = format.is_lossy().then_some(choice.quality);
    let over_budget = bytes > allowance.limit;
    Ok(Outcome { reencode: Reencode::Encoded, bytes, quality, choice: Some(choice), over_budget })
}

/// Returns the planes with the chroma that a picture of this format shall have.
fn with_chroma<'a>(planes: Cow<'a, Planes>, task: &Task<'_>, format: OutputFormat) -> Cow<'a, Planes> {
    if format != OutputFormat::Jpeg {
        return planes;
    }
    let (from, chroma) = (task.source.format, task.output.chroma);
    match planes {
        Cow::Borrowed(planes) => Codec::with_chroma(planes, from, chroma),
        Cow::Owned(planes) => {
            let changed = match Codec::with_chroma(&planes, from, chroma) {
                Cow::Owned(changed) => Some(changed),
                Cow::Borrowed(_) => None,
            };
            Cow::Owned(changed.unwrap_or(planes))
        }
    }
}

/// Whether the submitted file may be the processed picture, by its stream's mode.
fn standing(codec: &mut Codec, task: &Task<'_>, shown: (u32, u32), metadata: Metadata) -> Standing {
    let Task { source, data, settings, output, .. } = *task;
    // Nobody can show raw pixels without knowing their layout. And whatever the mode says: a mask is no mask otherwise.
    if source.format.is_raw() || !settings.privacy_masks.is_empty() {
        return Standing::Other;
    }
    match output.reencode {
        ReencodeMode::Always => Standing::Other,
        // Who would relay it is asked before it is read.
        ReencodeMode::Never | ReencodeMode::Relay if picture::is_sound(source.format, data) => {
            Standing::AsItIs
        }
        ReencodeMode::Never | ReencodeMode::Relay => Standing::Other,
        ReencodeMode::Auto => Standing::of(codec, (source.format, data), metadata, shown, &output.rendition),
    }
}

/// What goes out of a file that is passed on: a copy without flaws, and without metadata where it has some that must go, or the
/// file itself (`Some(None)`). `None` if no such copy can be made.
fn copy_to_pass_on(task: &Task<'_>, metadata: Metadata) -> Option<Option<Bytes>> {
    let Task { source, data, is_repaired, output, .. } = *task;
    if output.keep_metadata || !metadata.extras {
        return Some(is_repaired.then(|| data.clone()));
    }
    // A copy of a JPEG goes on saying which way up it is; others cannot, and are encoded upright.
    if source.format != PictureFormat::Jpeg && metadata.orientation != Orientation::UPRIGHT {
        return None;
    }
    picture::stripped(source.format, data, metadata.orientation).map(Some)
}

/// Makes the submitted file the processed picture, or the copy of it.
fn pass_on(made: &mut Made, task: &Task<'_>, decoded: (u32, u32), copy: Option<Bytes>) -> Outcome {
    let Task { source, data, stored, output, allowance, .. } = *task;
    let bytes = copy.as_ref().map_or(data.len(), Bytes::len) as u64;
    match copy {
        Some(copy) => made.add(PictureRole::Processed, source.format, decoded, copy),
        None => made.add_stored(PictureRole::Processed, source.format, decoded, stored),
    }
    let reencode = match output.reencode {
        ReencodeMode::Auto => Reencode::PassedThrough,
        ReencodeMode::Always | ReencodeMode::Never | ReencodeMode::Relay => Reencode::Disabled,
    };
    Outcome { reencode, bytes, quality: None, choice: None, over_budget: bytes > allowance.limit }
}

/// A decoder's finding as the reason that subscribers are told.
fn failure(error: &DecodeError) -> Failure {
    let reason = match error {
        DecodeError::Truncated => FailureReason::Truncated,
        DecodeError::Empty | DecodeError::Corrupt(_) => FailureReason::Corrupt,
        DecodeError::UnknownFormat | DecodeError::FormatMismatch { .. } => FailureReason::UnknownFormat,
        DecodeError::TooManyPixels { .. } | DecodeError::TooLarge { what: Counted::Side, .. } => {
            FailureReason::TooManyPixels
        }
        DecodeError::TooLarge { what: Counted::EncodedBytes, .. } => FailureReason::TooManyBytes,
        DecodeError::TooLarge { what: Counted::ScanPixels | Counted::MemoryBytes, .. }
        | DecodeError::TooManyScans { .. }
        | DecodeError::TooComplex(_) => FailureReason::TooComplex,
        DecodeError::Animated(_) => FailureReason::Animated,
        DecodeError::Unsupported(_) => FailureReason::Unsupported,
        DecodeError::SizeMismatch { .. }
        | DecodeError::BadGeometry { .. }
        | DecodeError::DimensionMismatch { .. } => FailureReason::SizeMismatch,
        DecodeError::Panicked(_) | DecodeError::Codec(_) => FailureReason::DecoderPanicked,
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

/// A frame for which there is no thread left.
pub(super) fn no_threads() -> Failure {
    let message = "pictures hang in all threads of the worker".to_owned();
    Failure { reason: FailureReason::WorkerExhausted, message }
}

/// A frame that took longer than `timeout`.
pub(super) fn timed_out(timeout: Duration) -> Failure {
    let message = format!("the picture was not done after {} s", timeout.as_secs_f64());
    Failure { reason: FailureReason::TimedOut, message }
}
