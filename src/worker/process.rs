//! Turns the bytes of one frame into pictures and measures. Knows nothing of queues.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::adaptive::{self, Allowance, Choice, Encoded};
use crate::analysis::{self, FrameMeasures, Samples};
use crate::domain::{
    Failure, FailureReason, HuffmanTables, OutputFormat, OutputPolicy, PayloadRef, PictureFormat,
    PictureRole, Reencode, ReencodeMode, Rendition, Roi, SourceInfo, Stage, StageTiming, StoredPicture,
    StreamSettings,
};
use crate::picture::{
    self, Codec, DecodeError, EncodeError, Huffman, HuffmanCodes, LimitKind, Metadata, Orientation,
    Passthrough, Plane, Planes, PreservedMetadata, SourcePicture,
};
use crate::queue::Upload;

#[cfg(test)]
mod tests;
mod transcode;

/// The quality of thumbnails, which are small.
const THUMBNAIL_QUALITY: u8 = 75;
/// The maximum length of the message of a failure, in bytes.
const MAX_MESSAGE_BYTES: usize = 512;

/// The result of processing a picture.
#[derive(Debug)]
pub(super) struct Product {
    pub(super) width: u32,
    pub(super) height: u32,
    /// The measures; `None` if the picture was not read.
    pub(super) measures: Option<FrameMeasures>,
    /// Huffman codes for the next frames of the stream, if it has its own.
    pub(super) codes: Option<HuffmanCodes>,
    pub(super) outcome: Outcome,
    pub(super) mask_version: u64,
    pub(super) pictures: Vec<StoredPicture>,
    pub(super) uploads: Vec<Upload>,
    pub(super) stages: Vec<StageTiming>,
}

/// The way in which the processed picture was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    pub(super) reencode: Reencode,
    pub(super) bytes: u64,
    /// The quality; `None` if it was passed through, or its format has none.
    pub(super) quality: Option<u8>,
    /// The quality and size; `None` if it was passed through.
    pub(super) choice: Option<Choice>,
    /// It takes more than the rest of its stream's budget.
    pub(super) over_budget: bool,
}

/// Runs steps and measures how long each takes.
#[derive(Default)]
struct Stopwatch(Vec<StageTiming>);

impl Stopwatch {
    fn time<T>(&mut self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.record(stage, start);
        result
    }

    fn record(&mut self, stage: Stage, start: Instant) {
        self.0.push(StageTiming { stage, duration: start.elapsed() });
    }
}

/// A picture to process.
pub(super) struct Task<'a> {
    pub(super) source: &'a SourceInfo,
    pub(super) data: &'a Bytes,
    /// `data` is a repaired copy of the submitted bytes.
    pub(super) is_repaired: bool,
    /// The payload of the submitted bytes.
    pub(super) stored: PayloadRef,
    pub(super) settings: &'a StreamSettings,
    /// The output policy: the settings with their defaults.
    pub(super) output: &'a OutputPolicy,
    /// The bytes that the processed picture may take.
    pub(super) allowance: Allowance,
    /// The Huffman codes that fit an earlier frame of the stream, if there are any.
    pub(super) codes: Option<&'a HuffmanCodes>,
}

impl Task<'_> {
    /// Returns the Huffman codes of the processed picture.
    fn huffman(&self) -> Huffman<'_> {
        match self.output.huffman {
            HuffmanTables::Standard => Huffman::Standard,
            HuffmanTables::Stream => Huffman::Stream(self.codes),
        }
    }

    fn picture(&self) -> SourcePicture<'_> {
        SourcePicture {
            format: self.source.format,
            width: self.source.width,
            height: self.source.height,
            stride: self.source.row_stride_bytes,
            colors: self.source.colors,
            data: self.data,
        }
    }
}

/// Measures a decoded picture by itself: everything that does not need its stream's earlier
/// pictures.
#[must_use]
pub fn measure(planes: &Planes, rois: &[Roi]) -> FrameMeasures {
    let samples = |Plane { data, width, height, stride }| Samples { data, width, height, stride };
    let chroma = planes.chroma().map(|chroma| chroma.map(samples));
    analysis::measure_frame(samples(planes.luma()), chroma, rois)
}

/// Decodes, masks, measures and encodes one picture by its stream's policy. Masks are painted
/// before anything else is made from the picture: measures, thumbnail, output.
pub(super) fn process(codec: &mut Codec, task: &Task<'_>) -> Result<Product, Failure> {
    let Task { source, data, stored, settings, output: policy, .. } = *task;
    let mut watch = Stopwatch::default();
    let start = Instant::now();
    // Everything is made from the repaired copy, which is also what is passed through.
    let repaired = picture::repaired(source.format, data, codec.limits());
    let task = &Task { data: repaired.as_ref().unwrap_or(data), is_repaired: repaired.is_some(), ..*task };
    if let Some(product) = transcode::process(codec, task, start) {
        return Ok(product);
    }
    let planes = codec.decode(&task.picture()).map_err(|error| failure(&error))?;
    let decoded = (planes.width(), planes.height());
    let metadata = Metadata::of(source.format, task.data);
    let mut planes = codec.upright(planes, metadata.orientation);
    watch.record(Stage::Decode, start);
    if !settings.privacy_masks.is_empty() {
        let masks = settings.privacy_masks.iter().map(|mask| &mask.polygon);
        watch.time(Stage::Mask, || picture::paint(&mut planes, masks));
    }
    let measures = watch.time(Stage::Analyze, || measure(&planes, &settings.rois));
    let mut made = Made::default();
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
    let Made { pictures, uploads, codes } = made;
    let mask_version = if settings.privacy_masks.is_empty() { 0 } else { settings.mask_version };
    let measures = Some(measures);
    Ok(Product { width, height, measures, codes, outcome, mask_version, pictures, uploads, stages: watch.0 })
}

/// The pictures of a frame, and the uploads of those that are new.
#[derive(Default)]
struct Made {
    pictures: Vec<StoredPicture>,
    uploads: Vec<Upload>,
    /// Huffman codes that fit the processed picture, if they were made.
    codes: Option<HuffmanCodes>,
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
        let upload = Upload::new(bytes);
        self.add_stored(role, format, size, upload.payload);
        self.uploads.push(upload);
    }
}

/// Makes the thumbnail and the processed picture from planes that are upright and masked.
fn make_pictures(
    codec: &mut Codec,
    task: &Task<'_>,
    planes: &Planes,
    metadata: Metadata,
    decoded: (u32, u32),
    watch: &mut Stopwatch,
    made: &mut Made,
) -> Result<Outcome, EncodeError> {
    let Task { output: policy, allowance, .. } = *task;
    let shown = (planes.width(), planes.height());
    if policy.thumbnail_size > 0 {
        let thumbnail = watch
            .time(Stage::Thumbnail, || codec.thumbnail(planes, policy.thumbnail_size, THUMBNAIL_QUALITY))?;
        let size = picture::fit(shown.0, shown.1, policy.thumbnail_size);
        made.add(PictureRole::Thumbnail, PictureFormat::Jpeg, size, thumbnail);
    }
    let passthrough = passthrough(codec, task, shown, metadata);
    if is_passed_on(task, passthrough)
        && let Some(copy) = copy_to_pass_on(task, metadata)
    {
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
    // The last scaled planes: the next attempt is usually of the same size.
    let first = of_size(allowance.first);
    let mut ready: Option<Cow<'_, Planes>> = None;
    if first != shown {
        ready = Some(watch.time(Stage::Resize, || scaled(codec, first))?);
    }
    let kept = preserved_metadata(task, metadata);
    let Encoded { bytes: encoded, choice } = watch.time(Stage::Encode, || {
        adaptive::encode_within(allowance, |choice| {
            let size = of_size(choice);
            let of_this_size = |planes: &Cow<'_, Planes>| (planes.width(), planes.height()) == size;
            let planes = match ready.take().filter(of_this_size) {
                Some(ready) => ready,
                None => scaled(codec, size)?,
            };
            let encoded = codec.encode(ready.insert(planes), format, choice.quality)?;
            let encoded = match format {
                OutputFormat::Jpeg => {
                    let (recoded, codes) = codec.recode(encoded, task.huffman());
                    made.codes = codes;
                    recoded
                }
                OutputFormat::Png | OutputFormat::WebP | OutputFormat::WebPLossless => encoded,
            };
            kept.insert_into(format.picture_format(), encoded)
        })
    })?;
    if let Some(copy) = preferred_copy(task, passthrough, metadata, encoded.len()) {
        return Ok(pass_on(made, task, decoded, copy));
    }
    let bytes = encoded.len() as u64;
    made.add(PictureRole::Processed, format.picture_format(), of_size(choice), encoded);
    let quality = format.is_lossy().then_some(choice.quality);
    let over_budget = bytes > allowance.limit;
    Ok(Outcome { reencode: Reencode::Encoded, bytes, quality, choice: Some(choice), over_budget })
}

/// Returns the planes with the chroma subsampling for this format.
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

/// Decides, by the stream's mode, whether the submitted file may be the processed picture.
fn passthrough(codec: &mut Codec, task: &Task<'_>, shown: (u32, u32), metadata: Metadata) -> Passthrough {
    let Task { source, data, settings, output, .. } = *task;
    // Raw pixels cannot be shown without their layout, and masks must be painted in any mode.
    if source.format.is_raw() || !settings.privacy_masks.is_empty() {
        return Passthrough::Unsuitable;
    }
    match output.reencode {
        ReencodeMode::Always => Passthrough::Unsuitable,
        // Relaying is decided before the picture is read.
        ReencodeMode::Never | ReencodeMode::Relay if picture::is_widely_viewable(source.format, data) => {
            Passthrough::Unchanged
        }
        ReencodeMode::Never | ReencodeMode::Relay => Passthrough::Unsuitable,
        ReencodeMode::Auto => {
            Passthrough::of(codec, (source.format, data), metadata, shown, &output.rendition)
        }
    }
}

/// Reports whether the submitted file is the processed picture, so that nothing is encoded.
fn is_passed_on(task: &Task<'_>, passthrough: Passthrough) -> bool {
    passthrough == Passthrough::Unchanged
        && match task.output.reencode {
            ReencodeMode::Auto => task.data.len() as u64 <= task.allowance.bytes,
            ReencodeMode::Always | ReencodeMode::Never | ReencodeMode::Relay => true,
        }
}

/// Returns the copy of the submitted file, as [`copy_to_pass_on`], if it is preferred to an encoded
/// picture of this many bytes.
fn preferred_copy(
    task: &Task<'_>,
    passthrough: Passthrough,
    metadata: Metadata,
    encoded_bytes: usize,
) -> Option<Option<Bytes>> {
    if passthrough == Passthrough::Unsuitable {
        return None;
    }
    let copy = copy_to_pass_on(task, metadata)?;
    let own = copy.as_ref().map_or(task.data.len(), Bytes::len);
    passthrough.is_preferred(own, encoded_bytes).then_some(copy)
}

/// Returns the metadata that the encoded picture keeps.
fn preserved_metadata(task: &Task<'_>, metadata: Metadata) -> PreservedMetadata {
    // EXIF may contain a small copy of the whole picture.
    let keeps = task.output.keep_metadata && metadata.extras && !task.settings.hides_originals();
    if keeps { PreservedMetadata::of(task.source.format, task.data) } else { PreservedMetadata::default() }
}

/// Returns the copy of a file that is passed through: repaired, and without metadata that must be
/// removed; `Some(None)` = the file itself. `None` if no such copy can be made.
fn copy_to_pass_on(task: &Task<'_>, metadata: Metadata) -> Option<Option<Bytes>> {
    let Task { source, data, is_repaired, output, .. } = *task;
    if output.keep_metadata || !metadata.extras {
        return Some(is_repaired.then(|| data.clone()));
    }
    // The copy of a JPEG keeps its orientation tag; other formats cannot, and are encoded upright.
    if source.format != PictureFormat::Jpeg && metadata.orientation != Orientation::UPRIGHT {
        return None;
    }
    picture::stripped(source.format, data, metadata.orientation).map(Some)
}

/// Makes the submitted file, or its copy, the processed picture.
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

/// Converts a decoder's error to the failure that subscribers receive.
fn failure(error: &DecodeError) -> Failure {
    let reason = match error {
        DecodeError::Truncated => FailureReason::Truncated,
        DecodeError::Empty | DecodeError::Corrupt(_) => FailureReason::Corrupt,
        DecodeError::UnknownFormat | DecodeError::FormatMismatch { .. } => FailureReason::UnknownFormat,
        DecodeError::TooManyPixels { .. } | DecodeError::TooLarge { what: LimitKind::Side, .. } => {
            FailureReason::TooManyPixels
        }
        DecodeError::TooLarge { what: LimitKind::EncodedBytes, .. } => FailureReason::TooManyBytes,
        DecodeError::TooLarge { what: LimitKind::ScanPixels | LimitKind::MemoryBytes, .. }
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

/// Returns the failure of a frame for which no thread is left.
pub(super) fn no_threads() -> Failure {
    let message = "pictures hang in all threads of the worker".to_owned();
    Failure { reason: FailureReason::WorkerExhausted, message }
}

/// Returns the failure of a frame that took longer than `timeout`.
pub(super) fn timed_out(timeout: Duration) -> Failure {
    let message = format!("the picture was not done after {} s", timeout.as_secs_f64());
    Failure { reason: FailureReason::TimedOut, message }
}
