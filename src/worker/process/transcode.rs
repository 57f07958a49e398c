//! Processes a JPEG whose output is a JPEG of the same size: nothing needs its pixels.

use std::time::Instant;

use super::adaptive::Choice;
use super::{
    Made, Metadata, Outcome, Product, Stopwatch, THUMBNAIL_QUALITY, Task, copy_to_pass_on, is_passed_on,
    pass_on, passthrough, preferred_copy, preserved_metadata,
};
use crate::analysis::{self, AnalysisPlane};
use crate::domain::{OutputFormat, PictureFormat, PictureRole, Reencode, Stage};
use crate::picture::{self, Codec, Orientation, Passthrough, TranscodeRequest};

/// The size of a picture that is not scaled down.
const WHOLE: u8 = 100;

/// Processes a picture without decoding its pixels; `None` if that is not possible: then its pixels
/// must be decoded. `start` is the time at which the work on the picture began.
pub(super) fn process(codec: &mut Codec, task: &Task<'_>, start: Instant) -> Option<Product> {
    let Task { source, stored, settings, output: policy, allowance, .. } = *task;
    // Blocks under a mask would keep what it hides.
    if source.format != PictureFormat::Jpeg || task.is_repaired || !settings.privacy_masks.is_empty() {
        return None;
    }
    let info = picture::probe(&task.picture(), codec.limits()).ok()?;
    let size = (info.width, info.height);
    let metadata = Metadata::of(source.format, task.data);
    if metadata.orientation != Orientation::UPRIGHT {
        return None;
    }
    let passthrough = passthrough(codec, task, size, metadata);
    let copy = if is_passed_on(task, passthrough) { copy_to_pass_on(task, metadata) } else { None };
    let Choice { quality, scale_percent } = allowance.first;
    if copy.is_none() {
        let rendition = policy.rendition;
        let fits = picture::fit_within(size.0, size.1, rendition.max_width, rendition.max_height) == size;
        let is_whole = scale_percent == WHOLE && allowance.larger.is_none();
        if rendition.format != OutputFormat::Jpeg || !fits || !is_whole {
            return None;
        }
    }
    let (width, height) = (size.0 as usize, size.1 as usize);
    let analysis_size = analysis::analysis_size(width, height);
    let thumbnail_size =
        (policy.thumbnail_size > 0).then(|| picture::fit(size.0, size.1, policy.thumbnail_size));
    let request = TranscodeRequest {
        quality: copy.is_none().then_some(quality),
        chroma: policy.chroma,
        luma: analysis_size,
        thumbnail: thumbnail_size,
        huffman: task.huffman(),
    };
    let mut transcoded = codec.transcode(&task.picture(), &request)?;
    let encoded = match transcoded.jpeg.take() {
        None => None,
        Some(jpeg) => {
            let kept = preserved_metadata(task, metadata).insert_into(PictureFormat::Jpeg, jpeg).ok()?;
            // If it does not fit, other qualities are tried, and the pixels are decoded once for all.
            (kept.len() as u64 <= allowance.bytes).then_some(Some(kept))?
        }
    };
    let mut watch = Stopwatch::default();
    watch.record(if encoded.is_some() { Stage::Transcode } else { Stage::Decode }, start);
    let luma = std::mem::take(&mut transcoded.luma);
    let measures = watch.time(Stage::Analyze, || {
        let plane = AnalysisPlane::new(analysis_size, luma);
        analysis::measure_plane(&plane, (width, height), transcoded.chroma_strength, &settings.rois)
    });
    let mut made = Made { codes: transcoded.codes.take(), ..Made::default() };
    if let Some(wanted) = thumbnail_size {
        let thumbnail = watch
            .time(Stage::Thumbnail, || codec.transcoded_thumbnail(&transcoded, wanted, THUMBNAIL_QUALITY))
            .ok()??;
        made.add(PictureRole::Thumbnail, PictureFormat::Jpeg, wanted, thumbnail);
    }
    let preferred = match (&encoded, copy) {
        (None, copy) => copy,
        (Some(encoded), _) if passthrough != Passthrough::Unsuitable => {
            preferred_copy(task, passthrough, metadata, encoded.len())
        }
        (Some(_), _) => None,
    };
    let outcome = match (preferred, encoded) {
        (Some(copy), _) => pass_on(&mut made, task, size, copy),
        (None, None) => return None,
        (None, Some(encoded)) => {
            let bytes = encoded.len() as u64;
            made.add(PictureRole::Processed, PictureFormat::Jpeg, size, encoded);
            Outcome {
                reencode: Reencode::Encoded,
                bytes,
                quality: Some(quality),
                choice: Some(allowance.first),
                over_budget: bytes > allowance.limit,
            }
        }
    };
    if policy.keep_original && !settings.hides_originals() {
        made.add_stored(PictureRole::Original, source.format, size, stored);
    }
    let Made { pictures, uploads, codes } = made;
    Some(Product {
        width: size.0,
        height: size.1,
        measures: Some(measures),
        codes,
        outcome,
        mask_version: 0,
        pictures,
        uploads,
        stages: watch.0,
    })
}
