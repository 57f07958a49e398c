use std::collections::HashSet;

use super::policy::bounded;
use super::{known, polygon};
use crate::domain::limits::{MAX_PRIVACY_MASKS, MAX_SEQUENCE, MAX_SIDE, THUMBNAIL_SIZES};
use crate::domain::{
    AdaptiveSettings, ChromaSubsampling, EncodedFormat, HuffmanTables, OutputPolicy, OutputSettings,
    PrivacyMask, ReencodeMode, Rendition, check_id,
};
use crate::grpc::fault::{Fault, Result};
use crate::pb::v1 as pb;

const MIN_BYTE_BUDGET: u32 = 1 << 10;
const MAX_FRAME_BYTE_BUDGET: u32 = 16 << 20;
const MIN_SCALE_PERCENT: u32 = 5;

/// Reads format, quality and size; faults name the fields as `OutputPolicy` and `Rendition` do.
pub(crate) fn rendition(wanted: pb::Rendition) -> Result<Rendition> {
    Ok(rendition_settings(wanted)?.effective(&OutputPolicy::default()).rendition)
}

/// Reads those output settings that a rendition also has.
fn rendition_settings(rendition: pb::Rendition) -> Result<OutputSettings> {
    let pb::Rendition { format, quality, max_width, max_height, lossless } = rendition;
    let format = match known("format", format)? {
        pb::PictureFormat::Unspecified => None,
        pb::PictureFormat::Jpeg => Some(EncodedFormat::Jpeg),
        pb::PictureFormat::Png => Some(EncodedFormat::Png),
        pb::PictureFormat::Webp => Some(EncodedFormat::WebP),
        pb::PictureFormat::Rgb8
        | pb::PictureFormat::Bgr8
        | pb::PictureFormat::Gray8
        | pb::PictureFormat::Nv12
        | pb::PictureFormat::I420 => return Err(Fault::invalid("format", "must be JPEG, PNG or WEBP")),
    };
    let max_width = bounded("max_width", max_width, 1, MAX_SIDE)?;
    let max_height = bounded("max_height", max_height, 1, MAX_SIDE)?;
    let quality = percentage("quality", quality, 1)?;
    Ok(OutputSettings { format, lossless, quality, max_width, max_height, ..OutputSettings::default() })
}

/// Checks that a number, if it is set, is from `min` to 100.
fn percentage(field: &str, value: Option<u32>, min: u32) -> Result<Option<u8>> {
    Ok(bounded(field, value, min, 100)?.map(|value| value as u8))
}

pub(crate) fn output(policy: pb::OutputPolicy) -> Result<OutputSettings> {
    let pb::OutputPolicy {
        format,
        quality,
        lossless,
        max_width,
        max_height,
        thumbnail_size,
        keep_original,
        reencode_mode,
        adaptive,
        keep_metadata,
        keep_unmasked_original,
        chroma_subsampling,
        huffman,
    } = policy;
    let settings = rendition_settings(pb::Rendition { format, quality, max_width, max_height, lossless })?;
    if thumbnail_size.is_some_and(|size| size != 0 && !THUMBNAIL_SIZES.contains(&size)) {
        return Err(Fault::invalid("thumbnail_size", "must be 0 (none) or from 16 to 1024"));
    }
    let reencode = match known("reencode_mode", reencode_mode)? {
        pb::ReencodeMode::Unspecified => None,
        pb::ReencodeMode::Always => Some(ReencodeMode::Always),
        pb::ReencodeMode::Never => Some(ReencodeMode::Never),
        pb::ReencodeMode::Auto => Some(ReencodeMode::Auto),
        pb::ReencodeMode::Relay => Some(ReencodeMode::Relay),
    };
    let adaptive = adaptive.map(self::adaptive).transpose().map_err(|f| f.within("adaptive"))?;
    let chroma = match known("chroma_subsampling", chroma_subsampling)? {
        pb::ChromaSubsampling::Unspecified => None,
        pb::ChromaSubsampling::ChromaSubsampling420 => Some(ChromaSubsampling::S420),
        pb::ChromaSubsampling::ChromaSubsampling422 => Some(ChromaSubsampling::S422),
        pb::ChromaSubsampling::ChromaSubsampling444 => Some(ChromaSubsampling::S444),
    };
    let huffman = match known("huffman", huffman)? {
        pb::HuffmanTables::Unspecified => None,
        pb::HuffmanTables::Standard => Some(HuffmanTables::Standard),
        pb::HuffmanTables::Stream => Some(HuffmanTables::Stream),
    };
    let settings = OutputSettings {
        thumbnail_size,
        keep_original,
        reencode,
        adaptive,
        keep_metadata,
        keep_unmasked_original,
        chroma,
        huffman,
        ..settings
    };
    let policy = settings.effective(&OutputPolicy::default());
    let encodes = !matches!(policy.reencode, ReencodeMode::Never | ReencodeMode::Relay);
    if policy.adaptive.is_some() && !(policy.rendition.format.is_lossy() && encodes) {
        let rule = "needs a format with a quality (JPEG, lossy WEBP) and a reencode mode that encodes";
        return Err(Fault::invalid("adaptive", rule));
    }
    Ok(settings)
}

fn adaptive(wanted: pb::AdaptiveQuality) -> Result<AdaptiveSettings> {
    let pb::AdaptiveQuality { max_bytes_per_frame, max_bytes_per_second, min_quality, min_scale_percent } =
        wanted;
    if max_bytes_per_frame.is_none() && max_bytes_per_second.is_none() {
        let rule = "or max_bytes_per_second must be set; leave `adaptive` unset for no budget of bytes";
        return Err(Fault::invalid("max_bytes_per_frame", rule));
    }
    let (min, max) = (MIN_BYTE_BUDGET, MAX_FRAME_BYTE_BUDGET);
    let max_bytes_per_frame = bounded("max_bytes_per_frame", max_bytes_per_frame, min, max)?;
    let max_bytes_per_second =
        bounded("max_bytes_per_second", max_bytes_per_second, min.into(), MAX_SEQUENCE)?;
    Ok(AdaptiveSettings {
        max_bytes_per_frame,
        max_bytes_per_second,
        min_quality: percentage("min_quality", min_quality, 1)?,
        min_scale_percent: percentage("min_scale_percent", min_scale_percent, MIN_SCALE_PERCENT)?,
    })
}

pub(crate) fn output_to_pb(settings: OutputSettings) -> pb::OutputPolicy {
    let OutputSettings {
        format,
        lossless,
        quality,
        max_width,
        max_height,
        thumbnail_size,
        keep_original,
        reencode,
        adaptive,
        keep_metadata,
        keep_unmasked_original,
        chroma,
        huffman,
    } = settings;
    let format = match format {
        None => pb::PictureFormat::Unspecified,
        Some(EncodedFormat::Jpeg) => pb::PictureFormat::Jpeg,
        Some(EncodedFormat::Png) => pb::PictureFormat::Png,
        Some(EncodedFormat::WebP) => pb::PictureFormat::Webp,
    };
    let mode = match reencode {
        None => pb::ReencodeMode::Unspecified,
        Some(ReencodeMode::Always) => pb::ReencodeMode::Always,
        Some(ReencodeMode::Never) => pb::ReencodeMode::Never,
        Some(ReencodeMode::Auto) => pb::ReencodeMode::Auto,
        Some(ReencodeMode::Relay) => pb::ReencodeMode::Relay,
    };
    let chroma = match chroma {
        None | Some(ChromaSubsampling::Auto) => pb::ChromaSubsampling::Unspecified,
        Some(ChromaSubsampling::S420) => pb::ChromaSubsampling::ChromaSubsampling420,
        Some(ChromaSubsampling::S422) => pb::ChromaSubsampling::ChromaSubsampling422,
        Some(ChromaSubsampling::S444) => pb::ChromaSubsampling::ChromaSubsampling444,
    };
    let huffman = match huffman {
        None => pb::HuffmanTables::Unspecified,
        Some(HuffmanTables::Standard) => pb::HuffmanTables::Standard,
        Some(HuffmanTables::Stream) => pb::HuffmanTables::Stream,
    };
    pb::OutputPolicy {
        format: format.into(),
        quality: quality.map(u32::from),
        lossless,
        max_width,
        max_height,
        thumbnail_size,
        keep_original,
        reencode_mode: mode.into(),
        adaptive: adaptive.map(|adaptive| pb::AdaptiveQuality {
            max_bytes_per_frame: adaptive.max_bytes_per_frame,
            max_bytes_per_second: adaptive.max_bytes_per_second,
            min_quality: adaptive.min_quality.map(u32::from),
            min_scale_percent: adaptive.min_scale_percent.map(u32::from),
        }),
        keep_metadata,
        keep_unmasked_original,
        chroma_subsampling: chroma.into(),
        huffman: huffman.into(),
    }
}

/// Reads privacy masks; faults name the field `privacy_masks`.
pub(crate) fn masks(wanted: Vec<pb::PrivacyMask>) -> Result<Vec<PrivacyMask>> {
    if wanted.len() > MAX_PRIVACY_MASKS {
        return Err(Fault::too_many("privacy_masks", MAX_PRIVACY_MASKS));
    }
    let mut seen = HashSet::new();
    let mut masks = Vec::with_capacity(wanted.len());
    for (index, pb::PrivacyMask { mask_id, polygon }) in wanted.into_iter().enumerate() {
        let path = format!("privacy_masks[{index}]");
        check_id("mask_id", &mask_id).map_err(|error| error.within(&path))?;
        if !seen.insert(mask_id.clone()) {
            return Err(Fault::invalid(format!("{path}.mask_id"), "must be unique: another mask has it"));
        }
        let polygon = polygon::from_pb(polygon).map_err(|fault| fault.within(&path))?;
        masks.push(PrivacyMask { id: mask_id, polygon });
    }
    Ok(masks)
}

pub(crate) fn masks_to_pb(masks: &[PrivacyMask]) -> Vec<pb::PrivacyMask> {
    let one = |mask: &PrivacyMask| pb::PrivacyMask {
        mask_id: mask.id.clone(),
        polygon: polygon::to_pb(&mask.polygon),
    };
    masks.iter().map(one).collect()
}

/// Refuses output settings that would show what the privacy masks hide.
pub(crate) fn check_with_masks(settings: &OutputSettings) -> Result<()> {
    let policy = settings.effective(&OutputPolicy::default());
    if matches!(policy.reencode, ReencodeMode::Never | ReencodeMode::Relay) {
        let rule = "must not be NEVER or RELAY if the stream has privacy masks";
        return Err(Fault::invalid("output.reencode_mode", rule));
    }
    if policy.keep_unmasked_original {
        return Ok(());
    }
    for (set, field) in
        [(policy.keep_original, "output.keep_original"), (policy.keep_metadata, "output.keep_metadata")]
    {
        if set {
            let rule = "must be false: it would store what the privacy masks hide (output.keep_unmasked_original allows that)";
            return Err(Fault::invalid(field, rule));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AdaptiveQuality, OutputFormat};
    use crate::pb::v1::ErrorReason;

    #[test]
    fn policies_round_trip() {
        assert_eq!(output(pb::OutputPolicy::default()), Ok(OutputSettings::default()));
        assert_eq!(output_to_pb(OutputSettings::default()), pb::OutputPolicy::default());
        for (format, reencode, adaptive, chroma) in [
            (OutputFormat::Jpeg, ReencodeMode::Never, None, ChromaSubsampling::S444),
            (OutputFormat::Png, ReencodeMode::Always, None, ChromaSubsampling::S422),
            (OutputFormat::WebPLossless, ReencodeMode::Auto, None, ChromaSubsampling::S420),
            (OutputFormat::Jpeg, ReencodeMode::Relay, None, ChromaSubsampling::Auto),
            (OutputFormat::WebP, ReencodeMode::Auto, Some((9000, 0, 12, 50)), ChromaSubsampling::Auto),
        ] {
            let huffman = match format {
                OutputFormat::Jpeg => HuffmanTables::Stream,
                OutputFormat::Png | OutputFormat::WebP | OutputFormat::WebPLossless => {
                    HuffmanTables::Standard
                }
            };
            let adaptive = adaptive.map(|(frame, second, min, scale)| AdaptiveQuality {
                max_bytes_per_frame: frame,
                max_bytes_per_second: second,
                min_quality: min,
                min_scale_percent: scale,
            });
            let policy = OutputPolicy {
                rendition: Rendition { format, quality: 40, max_width: 640, max_height: 480 },
                thumbnail_size: 0,
                keep_original: true,
                reencode,
                adaptive,
                keep_metadata: true,
                keep_unmasked_original: true,
                chroma,
                huffman,
            };
            let chroma = Some(chroma).filter(|&chroma| chroma != ChromaSubsampling::Auto);
            let settings = OutputSettings { chroma, ..policy.into() };
            assert_eq!(output(output_to_pb(settings)), Ok(settings));
        }
    }

    #[test]
    fn invalid_policies_are_refused_by_field() {
        let refused = |policy| output(policy).map_err(|f| (f.reason, f.field));
        let invalid = |field: &str| Err((ErrorReason::InvalidField, field.to_owned()));
        let default = pb::OutputPolicy::default;
        let webp = pb::PictureFormat::Webp.into();
        let steered = |max_bytes_per_frame, min_quality| {
            Some(pb::AdaptiveQuality { max_bytes_per_frame, min_quality, ..Default::default() })
        };
        let scaled = |min_scale_percent| {
            let (max_bytes_per_frame, min_scale_percent) = (Some(5000), Some(min_scale_percent));
            Some(pb::AdaptiveQuality { max_bytes_per_frame, min_scale_percent, ..Default::default() })
        };
        for (policy, field) in [
            (pb::OutputPolicy { format: pb::PictureFormat::Nv12.into(), ..default() }, "format"),
            (pb::OutputPolicy { quality: Some(101), ..default() }, "quality"),
            (pb::OutputPolicy { max_width: Some(8193), ..default() }, "max_width"),
            (pb::OutputPolicy { thumbnail_size: Some(4), ..default() }, "thumbnail_size"),
            (pb::OutputPolicy { reencode_mode: 9, ..default() }, "reencode_mode"),
            (
                pb::OutputPolicy { adaptive: steered(Some(0), None), ..default() },
                "adaptive.max_bytes_per_frame",
            ),
            (
                pb::OutputPolicy { adaptive: steered(Some(10), None), ..default() },
                "adaptive.max_bytes_per_frame",
            ),
            (
                pb::OutputPolicy { adaptive: steered(Some(5000), Some(101)), ..default() },
                "adaptive.min_quality",
            ),
            (pb::OutputPolicy { adaptive: scaled(4), ..default() }, "adaptive.min_scale_percent"),
            (pb::OutputPolicy { adaptive: scaled(101), ..default() }, "adaptive.min_scale_percent"),
            (
                pb::OutputPolicy {
                    adaptive: steered(Some(5000), None),
                    format: webp,
                    lossless: true,
                    ..default()
                },
                "adaptive",
            ),
        ] {
            assert_eq!(refused(policy), invalid(field));
        }
    }

    #[test]
    fn masks_are_read_and_output_settings_are_checked_against_them() {
        let corner = |x, y| pb::NormalizedPoint { x, y };
        let mask = |id: &str| pb::PrivacyMask {
            mask_id: id.to_owned(),
            polygon: vec![corner(0.0, 0.0), corner(0.5, 0.0), corner(0.0, 0.5)],
        };
        let read = masks(vec![mask("a"), mask("b")]).unwrap();
        assert_eq!(masks_to_pb(&read), [mask("a"), mask("b")]);
        let refused = |wanted| masks(wanted).map_err(|fault| fault.field);
        assert_eq!(refused(vec![mask("a"), mask("a")]), Err("privacy_masks[1].mask_id".to_owned()));
        let thin = pb::PrivacyMask { polygon: vec![corner(0.0, 0.0)], ..mask("a") };
        assert_eq!(refused(vec![thin]), Err("privacy_masks[0].polygon".to_owned()));
        assert!(refused((0..33).map(|n| mask(&format!("m{n}"))).collect()).is_err());
        let policy = OutputSettings::default();
        assert_eq!(check_with_masks(&policy), Ok(()));
        let kept = OutputSettings { keep_original: true, ..policy };
        let field = check_with_masks(&kept).map_err(|fault| fault.field);
        assert_eq!(field, Err("output.keep_original".to_owned()));
        assert_eq!(check_with_masks(&OutputSettings { keep_unmasked_original: true, ..kept }), Ok(()));
        for reencode in [ReencodeMode::Never, ReencodeMode::Relay] {
            let reencode = Some(reencode);
            let shown = OutputSettings { reencode, keep_unmasked_original: true, ..policy };
            let field = check_with_masks(&shown).map_err(|fault| fault.field);
            assert_eq!(field, Err("output.reencode_mode".to_owned()));
        }
    }
}
