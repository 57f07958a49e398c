use super::{PictureFormat, Polygon};

/// The format of output pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OutputFormat {
    /// JPEG.
    #[default]
    Jpeg,
    /// PNG.
    Png,
    /// Lossy WebP.
    WebP,
    /// Lossless WebP.
    WebPLossless,
}

impl OutputFormat {
    /// Returns the format of the bytes.
    #[must_use]
    pub fn picture_format(self) -> PictureFormat {
        match self {
            Self::Jpeg => PictureFormat::Jpeg,
            Self::Png => PictureFormat::Png,
            Self::WebP | Self::WebPLossless => PictureFormat::WebP,
        }
    }

    /// Reports whether a lower quality makes the picture smaller.
    #[must_use]
    pub fn is_lossy(self) -> bool {
        match self {
            Self::Jpeg | Self::WebP => true,
            Self::Png | Self::WebPLossless => false,
        }
    }
}

/// A picture's format, size and quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rendition {
    /// The format.
    pub format: OutputFormat,
    /// The quality, 1..=100, for lossy formats.
    pub quality: u8,
    /// The maximum width in pixels; 0 = no limit.
    pub max_width: u32,
    /// The maximum height in pixels; 0 = no limit.
    pub max_height: u32,
}

impl Default for Rendition {
    fn default() -> Self {
        Self { format: OutputFormat::Jpeg, quality: 85, max_width: 0, max_height: 0 }
    }
}

/// The chroma subsampling of a JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ChromaSubsampling {
    /// The subsampling of the submitted JPEG. For other formats, the coarsest subsampling without a
    /// visible difference.
    #[default]
    Auto,
    /// Half the width, half the height.
    S420,
    /// Half the width.
    S422,
    /// Full width and height.
    S444,
}

/// The Huffman tables of a JPEG that is encoded. They change its size, and never its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum HuffmanTables {
    /// The tables that almost all encoders use: the same picture always becomes the same bytes.
    #[default]
    Standard,
    /// Tables that fit the pictures of the stream.
    Stream,
}

/// The condition for encoding a picture again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ReencodeMode {
    /// Always.
    Always,
    /// Never.
    Never,
    /// If the picture becomes smaller.
    #[default]
    Auto,
    /// Never, and the picture is not decoded: the submitted bytes are published without checks and
    /// measures.
    Relay,
}

/// A budget of bytes. To fit in it, the quality of pictures is reduced first, then their size. At
/// least one maximum is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdaptiveQuality {
    /// The maximum bytes of a picture; 0 = no limit.
    pub max_bytes_per_frame: u32,
    /// The maximum bytes per second, on average over any ten seconds; 0 = no limit.
    pub max_bytes_per_second: u64,
    /// The minimum quality that may be chosen, 1..=100.
    pub min_quality: u8,
    /// The minimum scale of the sides in percent, 5..=100, if the minimum quality does not suffice;
    /// 100 = no scaling.
    pub min_scale_percent: u8,
}

impl AdaptiveQuality {
    /// The default minimum quality. At this quality, camera pictures are still readable.
    pub const DEFAULT_MIN_QUALITY: u8 = 30;
    /// The default minimum scale. It leaves a sixteenth of the pixels: an operator who sets a
    /// budget prefers small pictures to an exceeded budget.
    pub const DEFAULT_MIN_SCALE_PERCENT: u8 = 25;
}

/// The policy by which workers process the pictures of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputPolicy {
    /// The format, size and quality of the processed picture.
    pub rendition: Rendition,
    /// The longer side of the thumbnail in pixels; 0 = no thumbnail.
    pub thumbnail_size: u32,
    /// True if the submitted bytes are kept with the output.
    pub keep_original: bool,
    /// The condition for encoding a picture again.
    pub reencode: ReencodeMode,
    /// The budget that controls the quality, if there is one.
    pub adaptive: Option<AdaptiveQuality>,
    /// True if EXIF and ICC blocks are kept.
    pub keep_metadata: bool,
    /// True if originals may be kept although the stream has privacy masks.
    pub keep_unmasked_original: bool,
    /// The chroma subsampling of the processed picture, if it is a JPEG.
    pub chroma: ChromaSubsampling,
    /// The Huffman tables of the processed picture, if it is a JPEG.
    pub huffman: HuffmanTables,
}

impl OutputPolicy {
    /// Reports whether a picture of this format is relayed: passed through without being decoded.
    /// Raw pixels never are, because no viewer can show them without knowing their layout.
    #[must_use]
    pub fn relays(&self, format: PictureFormat) -> bool {
        self.reencode == ReencodeMode::Relay && !format.is_raw()
    }
}

impl Default for OutputPolicy {
    fn default() -> Self {
        Self {
            rendition: Rendition::default(),
            thumbnail_size: 128,
            keep_original: false,
            reencode: ReencodeMode::Auto,
            adaptive: None,
            keep_metadata: false,
            keep_unmasked_original: false,
            chroma: ChromaSubsampling::Auto,
            huffman: HuffmanTables::Standard,
        }
    }
}

/// A region that is painted over for privacy.
#[derive(Debug, Clone, PartialEq)]
pub struct PrivacyMask {
    /// The name of the mask within its stream.
    pub id: String,
    /// The outline of the region.
    pub polygon: Polygon,
}
