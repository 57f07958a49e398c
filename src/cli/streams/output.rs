//! A stream's pictures as flags: format, size, budget, and what is hidden.

use clap::{Args, ValueEnum};

use crate::cli::output::is_set;
use crate::config::ByteSize;
use crate::pb::v1 as pb;

/// What is made of the pictures.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Pictures")]
pub(super) struct OutputArgs {
    /// Format of the processed picture.
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(super) format: Option<Format>,

    /// Lossless WebP.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(super) lossless: Option<bool>,

    /// Most pixels across; 0 = not bounded.
    #[arg(long, value_name = "PIXELS")]
    pub(super) max_width: Option<u32>,

    /// Most pixels down; 0 = not bounded.
    #[arg(long, value_name = "PIXELS")]
    pub(super) max_height: Option<u32>,

    /// Keep the submitted bytes beside the processed picture.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(super) keep_original: Option<bool>,

    /// Quality of JPEG and lossy WebP, 1 to 100.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) quality: Option<u32>,

    /// When a picture is encoded again.
    #[arg(long, value_name = "MODE", value_enum)]
    pub(super) reencode: Option<Reencode>,

    /// Longer side of the thumbnail in pixels; 0 = none.
    #[arg(long, value_name = "PIXELS")]
    pub(super) thumbnail_size: Option<u32>,

    /// Byte budget: a processed picture takes at most so many bytes, for example 60kB; 0 = no such bound. The quality is lowered
    /// first, down to --min-quality, then the size, down to --min-scale; a picture that is still too large is flagged.
    #[arg(long, value_name = "BYTES")]
    pub(super) max_bytes_per_frame: Option<ByteSize>,

    /// Byte budget: the stream's processed pictures take at most so many bytes a second over any 10 seconds, for example 250kB;
    /// 0 = no such bound. It holds from the server to subscribers, not from the camera to the server. Kept in the same way.
    #[arg(long, value_name = "BYTES")]
    pub(super) max_bytes_per_second: Option<ByteSize>,

    /// Lowest quality that a byte budget may choose.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) min_quality: Option<u32>,

    /// Least size that a byte budget may scale pictures to, as a percentage of width and height (default 25); 100 = the size is
    /// never lowered.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(5..=100))]
    pub(super) min_scale: Option<u32>,

    /// Keep the EXIF block and the ICC profile.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(super) keep_metadata: Option<bool>,

    /// Allow originals to be kept although there are masks.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(super) keep_unmasked_original: Option<bool>,

    /// Chroma of JPEG pictures that are encoded; auto keeps that of a JPEG, and takes what is needed of others.
    #[arg(long, value_name = "CHROMA", value_enum)]
    pub(super) chroma_subsampling: Option<Chroma>,

    /// Paint a region over: its corners in shares of the picture's sides, for example door=0.2,0.1;0.4,0.1;0.4,0.9;0.2,0.9. Once
    /// for each; all masks are replaced.
    #[arg(long = "mask", value_name = "ID=X,Y;X,Y;X,Y", value_parser = mask)]
    pub(super) masks: Vec<pb::PrivacyMask>,

    /// Take all masks away.
    #[arg(long, conflicts_with = "masks")]
    pub(super) no_masks: bool,
}

/// A format that pictures are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    Webp,
}

impl Format {
    pub(in crate::cli) fn to_pb(self) -> pb::PictureFormat {
        match self {
            Self::Jpeg => pb::PictureFormat::Jpeg,
            Self::Png => pb::PictureFormat::Png,
            Self::Webp => pb::PictureFormat::Webp,
        }
    }
}

/// When a picture is encoded again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Reencode {
    /// Every picture is.
    Always,
    /// No picture is.
    Never,
    /// Those that are finer or larger than they should be.
    Auto,
    /// None, and none is checked or measured either.
    Relay,
}

impl Reencode {
    pub(in crate::cli) fn to_pb(self) -> pb::ReencodeMode {
        match self {
            Self::Always => pb::ReencodeMode::Always,
            Self::Never => pb::ReencodeMode::Never,
            Self::Auto => pb::ReencodeMode::Auto,
            Self::Relay => pb::ReencodeMode::Relay,
        }
    }
}

/// Selects how much chroma a JPEG has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Chroma {
    /// As much as came, or as it takes.
    Auto,
    /// 4:2:0: half the width, half the height.
    #[value(name = "420")]
    Half,
    /// 4:2:2: half the width.
    #[value(name = "422")]
    HalfWidth,
    /// 4:4:4: at every pixel.
    #[value(name = "444")]
    Whole,
}

impl Chroma {
    fn to_pb(self) -> pb::ChromaSubsampling {
        match self {
            Self::Auto => pb::ChromaSubsampling::Unspecified,
            Self::Half => pb::ChromaSubsampling::ChromaSubsampling420,
            Self::HalfWidth => pb::ChromaSubsampling::ChromaSubsampling422,
            Self::Whole => pb::ChromaSubsampling::ChromaSubsampling444,
        }
    }
}

impl OutputArgs {
    /// Writes what was given into `stream`, and its paths into the mask.
    pub(super) fn write(self, stream: &mut pb::Stream, paths: &mut Vec<String>) {
        let Self {
            format,
            lossless,
            max_width,
            max_height,
            keep_original,
            quality,
            reencode,
            thumbnail_size,
            max_bytes_per_frame,
            max_bytes_per_second,
            min_quality,
            min_scale,
            keep_metadata,
            keep_unmasked_original,
            chroma_subsampling,
            masks,
            no_masks,
        } = self;
        let before = paths.len();
        for (path, is_given) in [
            ("output.format", format.is_some()),
            ("output.lossless", lossless.is_some()),
            ("output.max_width", max_width.is_some()),
            ("output.max_height", max_height.is_some()),
            ("output.keep_original", keep_original.is_some()),
            ("output.quality", quality.is_some()),
            ("output.reencode_mode", reencode.is_some()),
            ("output.thumbnail_size", thumbnail_size.is_some()),
            ("output.adaptive.max_bytes_per_frame", max_bytes_per_frame.is_some()),
            ("output.adaptive.max_bytes_per_second", max_bytes_per_second.is_some()),
            ("output.adaptive.min_quality", min_quality.is_some()),
            ("output.adaptive.min_scale_percent", min_scale.is_some()),
            ("output.keep_metadata", keep_metadata.is_some()),
            ("output.keep_unmasked_original", keep_unmasked_original.is_some()),
            ("output.chroma_subsampling", chroma_subsampling.is_some()),
        ] {
            if is_given {
                paths.push(path.to_owned());
            }
        }
        if paths.len() > before {
            let adaptive = pb::AdaptiveQuality {
                // More than the field holds is more than the server takes.
                max_bytes_per_frame: max_bytes_per_frame
                    .map(|size| u32::try_from(size.0).unwrap_or(u32::MAX))
                    .filter(is_set),
                max_bytes_per_second: max_bytes_per_second.map(|size| size.0).filter(is_set),
                min_quality: min_quality.filter(is_set),
                min_scale_percent: min_scale.filter(is_set),
            };
            let steers = adaptive != pb::AdaptiveQuality::default();
            let mode = reencode.map_or(pb::ReencodeMode::Unspecified, Reencode::to_pb);
            stream.output = Some(pb::OutputPolicy {
                format: format.map_or(pb::PictureFormat::Unspecified, Format::to_pb).into(),
                quality: quality.filter(is_set),
                lossless: lossless.unwrap_or_default(),
                max_width: max_width.filter(is_set),
                max_height: max_height.filter(is_set),
                thumbnail_size,
                keep_original: keep_original.unwrap_or_default(),
                reencode_mode: mode.into(),
                adaptive: steers.then_some(adaptive),
                keep_metadata: keep_metadata.unwrap_or_default(),
                keep_unmasked_original: keep_unmasked_original.unwrap_or_default(),
                chroma_subsampling: chroma_subsampling.map_or(0, |chroma| chroma.to_pb().into()),
            });
        }
        if no_masks || !masks.is_empty() {
            paths.push("privacy_masks".to_owned());
            stream.privacy_masks = masks;
        }
    }
}

/// `id=x,y;x,y;x,y`.
fn mask(text: &str) -> Result<pb::PrivacyMask, String> {
    let rule = || "write ID=X,Y;X,Y;X,Y with numbers from 0 to 1".to_owned();
    let (id, points) = text.split_once('=').ok_or_else(rule)?;
    let point = |text: &str| {
        let (x, y) = text.split_once(',').ok_or_else(rule)?;
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| rule());
        Ok(pb::NormalizedPoint { x: number(x)?, y: number(y)? })
    };
    let polygon = points.split(';').map(point).collect::<Result<_, String>>()?;
    Ok(pb::PrivacyMask { mask_id: id.to_owned(), polygon })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_written_as_its_corners() {
        let door = mask("door=0.2,0.1;0.4,0.1; 0.4,0.9").unwrap();
        assert_eq!((door.mask_id.as_str(), door.polygon.len(), door.polygon[2].y), ("door", 3, 0.9));
        for bad in ["door", "door=", "door=0.1", "door=a,b"] {
            assert!(mask(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_what_is_given_is_in_the_mask() {
        let written = |args: OutputArgs| {
            let (mut stream, mut paths) = (pb::Stream::default(), Vec::new());
            args.write(&mut stream, &mut paths);
            (stream, paths)
        };
        let args =
            OutputArgs { max_bytes_per_frame: Some(ByteSize(9000)), no_masks: true, ..Default::default() };
        let (stream, paths) = written(args);
        assert_eq!(paths, ["output.adaptive.max_bytes_per_frame", "privacy_masks"]);
        let adaptive = stream.output.and_then(|output| output.adaptive);
        assert_eq!(adaptive.and_then(|adaptive| adaptive.max_bytes_per_frame), Some(9000));
        let off = OutputArgs { max_bytes_per_frame: Some(ByteSize(0)), ..Default::default() };
        assert_eq!(written(off).0.output, Some(pb::OutputPolicy::default()), "no budget any more");
        assert_eq!(written(OutputArgs::default()), (pb::Stream::default(), Vec::new()));
    }
}
