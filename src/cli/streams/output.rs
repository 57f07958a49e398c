//! The flags for a stream's pictures: format, size, byte budget and privacy masks.

use clap::{Args, ValueEnum};

use crate::config::ByteSize;
use crate::console::output::is_set;
use crate::pb::v1 as pb;

/// The processing of pictures.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Pictures")]
pub(super) struct OutputArgs {
    /// Format of the processed picture.
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(super) format: Option<Format>,

    /// Encode WebP without loss.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(super) lossless: Option<bool>,

    /// Maximum width in pixels; 0 = unlimited.
    #[arg(long, value_name = "PIXELS")]
    pub(super) max_width: Option<u32>,

    /// Maximum height in pixels; 0 = unlimited.
    #[arg(long, value_name = "PIXELS")]
    pub(super) max_height: Option<u32>,

    /// Keep the submitted bytes beside the processed picture.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(super) keep_original: Option<bool>,

    /// Quality of JPEG and lossy WebP, 1 to 100.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) quality: Option<u32>,

    /// Condition for encoding a picture again.
    #[arg(long, value_name = "MODE", value_enum)]
    pub(super) reencode: Option<Reencode>,

    /// Longer side of the thumbnail in pixels; 0 = no thumbnail.
    #[arg(long, value_name = "PIXELS")]
    pub(super) thumbnail_size: Option<u32>,

    /// Maximum bytes of a processed picture, for example 60kB; 0 = unlimited. The quality is
    /// lowered first, down to --min-quality, then the size, down to --min-scale; a picture that is
    /// still too large is flagged.
    #[arg(long, value_name = "BYTES")]
    pub(super) max_bytes_per_frame: Option<ByteSize>,

    /// Maximum bytes per second of the stream's processed pictures, over any 10 seconds, for
    /// example 250kB or 2Mbit; 0 = unlimited. Quality and size are lowered as for
    /// --max-bytes-per-frame. This limits what the server sends to a subscriber, not what the camera
    /// sends to the server.
    #[arg(long, value_name = "BYTES", value_parser = rate)]
    pub(super) max_bytes_per_second: Option<ByteSize>,

    /// Minimum quality that a byte budget may choose [default: 30].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) min_quality: Option<u32>,

    /// Minimum size that a byte budget may choose, as a percentage of width and height [default:
    /// 25]; 100 = never scale.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(5..=100))]
    pub(super) min_scale: Option<u32>,

    /// Keep the EXIF block and the ICC profile.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(super) keep_metadata: Option<bool>,

    /// Allow originals to be kept although the stream has privacy masks: they show what the masks
    /// hide.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(super) keep_unmasked_original: Option<bool>,

    /// Chroma subsampling of encoded JPEG pictures. With auto, a submitted JPEG keeps its
    /// subsampling, and the server chooses one for other formats.
    #[arg(long, value_name = "CHROMA", value_enum)]
    pub(super) chroma_subsampling: Option<Chroma>,

    /// Huffman tables of encoded JPEG pictures. Tables of the stream take fewer bytes; with the
    /// standard ones, the same picture always becomes the same bytes.
    #[arg(long, value_name = "TABLES", value_enum)]
    pub(super) huffman: Option<Huffman>,

    /// A region to paint over, by its corners as shares of the picture's sides, for example
    /// door=0.2,0.1;0.4,0.1;0.4,0.9;0.2,0.9. Repeatable; replaces all masks.
    #[arg(long = "mask", value_name = "ID=X,Y;X,Y;X,Y", value_parser = mask)]
    pub(super) masks: Vec<pb::PrivacyMask>,

    /// Remove all masks.
    #[arg(long, conflicts_with = "masks")]
    pub(super) no_masks: bool,
}

/// A picture format.
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
    pub(crate) fn to_pb(self) -> pb::PictureFormat {
        match self {
            Self::Jpeg => pb::PictureFormat::Jpeg,
            Self::Png => pb::PictureFormat::Png,
            Self::Webp => pb::PictureFormat::Webp,
        }
    }
}

/// The conditions under which a picture is encoded again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reencode {
    /// Encode every picture.
    Always,
    /// Do not encode.
    Never,
    /// Encode pictures whose quality or size is above the settings.
    Auto,
    /// Do not encode, check or measure.
    Relay,
}

impl Reencode {
    pub(crate) fn to_pb(self) -> pb::ReencodeMode {
        match self {
            Self::Always => pb::ReencodeMode::Always,
            Self::Never => pb::ReencodeMode::Never,
            Self::Auto => pb::ReencodeMode::Auto,
            Self::Relay => pb::ReencodeMode::Relay,
        }
    }
}

/// The chroma subsampling of JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Chroma {
    /// The subsampling of the submitted JPEG; for other formats, one that the content allows.
    Auto,
    /// 4:2:0: half the width, half the height.
    #[value(name = "420")]
    Half,
    /// 4:2:2: half the width.
    #[value(name = "422")]
    HalfWidth,
    /// 4:4:4: every pixel.
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

/// The Huffman tables of JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Huffman {
    /// Those that almost all encoders use.
    Standard,
    /// Those that fit the pictures of the stream.
    Stream,
}

impl Huffman {
    fn to_pb(self) -> pb::HuffmanTables {
        match self {
            Self::Standard => pb::HuffmanTables::Standard,
            Self::Stream => pb::HuffmanTables::Stream,
        }
    }
}

impl OutputArgs {
    /// Writes the given settings into `stream`, and adds their paths to the update mask `paths`.
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
            huffman,
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
            ("output.huffman", huffman.is_some()),
        ] {
            if is_given {
                paths.push(path.to_owned());
            }
        }
        if paths.len() > before {
            let adaptive = pb::AdaptiveQuality {
                // A size above `u32::MAX` becomes `u32::MAX`, which the server refuses.
                max_bytes_per_frame: max_bytes_per_frame
                    .map(|size| u32::try_from(size.0).unwrap_or(u32::MAX))
                    .filter(is_set),
                max_bytes_per_second: max_bytes_per_second.map(|size| size.0).filter(is_set),
                min_quality: min_quality.filter(is_set),
                min_scale_percent: min_scale.filter(is_set),
            };
            let has_budget = adaptive != pb::AdaptiveQuality::default();
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
                adaptive: has_budget.then_some(adaptive),
                keep_metadata: keep_metadata.unwrap_or_default(),
                keep_unmasked_original: keep_unmasked_original.unwrap_or_default(),
                chroma_subsampling: chroma_subsampling.map_or(0, |chroma| chroma.to_pb().into()),
                huffman: huffman.map_or(0, |huffman| huffman.to_pb().into()),
            });
        }
        if no_masks || !masks.is_empty() {
            paths.push("privacy_masks".to_owned());
            stream.privacy_masks = masks;
        }
    }
}

/// Parses bytes per second: a size such as `250kB`, or a number of bits such as `2Mbit`.
fn rate(text: &str) -> Result<ByteSize, String> {
    let bare = text.strip_suffix("/s").unwrap_or(text);
    let lower = bare.to_ascii_lowercase();
    let bits = |unit: &str| lower.strip_suffix(unit).map(str::trim_end);
    let units = [("kbit", 1_000), ("mbit", 1_000_000), ("gbit", 1_000_000_000)];
    let Some((number, unit)) = units.iter().find_map(|(name, unit)| Some((bits(name)?, unit))) else {
        return bare.parse().map_err(|why| format!("{why}; or, in bits, 500kbit or 2Mbit"));
    };
    let bits: Option<u64> = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*unit));
    let bytes = bits.map(|bits| ByteSize(bits / 8));
    bytes.ok_or_else(|| format!("`{text}` is not a rate; write for example 250kB, 500kbit or 2Mbit"))
}

/// Parses `id=x,y;x,y;x,y`.
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
    fn a_rate_is_given_in_bytes_or_bits() {
        for (text, bytes) in [
            ("250000", 250_000),
            ("250kB", 250_000),
            ("250kB/s", 250_000),
            ("2Mbit", 250_000),
            ("2 mbit/s", 250_000),
            ("500kbit", 62_500),
            ("1Gbit", 125_000_000),
            ("64KiB", 65_536),
            ("0", 0),
        ] {
            assert_eq!(rate(text), Ok(ByteSize(bytes)), "{text}");
        }
        for bad in ["", "Mbit", "2.5Mbit", "-1kbit", "99999999999Gbit", "2 furlongs"] {
            assert!(rate(bad).unwrap_err().contains("2Mbit"), "{bad}");
        }
    }

    #[test]
    fn the_update_mask_has_only_given_output_settings() {
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
