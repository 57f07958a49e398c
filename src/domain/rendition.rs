use super::{PictureFormat, Polygon};

/// What pictures are written as.
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
    /// What its bytes are.
    #[must_use]
    pub fn picture_format(self) -> PictureFormat {
        match self {
            Self::Jpeg => PictureFormat::Jpeg,
            Self::Png => PictureFormat::Png,
            Self::WebP | Self::WebPLossless => PictureFormat::WebP,
        }
    }

    /// Whether a lower quality makes it smaller.
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
    /// What it is written as.
    pub format: OutputFormat,
    /// 1..=100; counts for lossy formats.
    pub quality: u8,
    /// Most pixels across; 0 = not bounded.
    pub max_width: u32,
    /// Most pixels down; 0 = not bounded.
    pub max_height: u32,
}

impl Default for Rendition {
    fn default() -> Self {
        Self { format: OutputFormat::Jpeg, quality: 85, max_width: 0, max_height: 0 }
    }
}

/// Selects how much chroma a JPEG has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ChromaSubsampling {
    /// As much as a submitted JPEG; of other pictures as much as it takes to look like them.
    #[default]
    Auto,
    /// Half the width, half the height.
    S420,
    /// Half the width.
    S422,
    /// At every pixel.
    S444,
}

/// When a picture is encoded again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ReencodeMode {
    /// Every one is.
    Always,
    /// None is.
    Never,
    /// Where it gains something.
    #[default]
    Auto,
    /// No picture is even read: what came goes out, unchecked and unmeasured.
    Relay,
}

/// A budget of bytes that pictures are made to fit, first by their quality, then by their size. At least one is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdaptiveQuality {
    /// Most bytes of a picture; 0 = not bounded.
    pub max_bytes_per_frame: u32,
    /// Most bytes a second, on average over any ten; 0 = not bounded.
    pub max_bytes_per_second: u64,
    /// The lowest quality that may be chosen, 1..=100.
    pub min_quality: u8,
    /// The least that the sides may be scaled to where the lowest quality does not suffice, as a percentage, 5..=100; 100 = they
    /// are not scaled.
    pub min_scale_percent: u8,
}

impl AdaptiveQuality {
    /// As low as pictures of cameras can be read.
    pub const DEFAULT_MIN_QUALITY: u8 = 30;
    /// A sixteenth of the pixels: what an operator who asks for a budget gets rather than an exceeded one.
    pub const DEFAULT_MIN_SCALE_PERCENT: u8 = 25;
}

/// What workers make of a stream's pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputPolicy {
    /// The processed picture.
    pub rendition: Rendition,
    /// Longer side of the thumbnail in pixels; 0 = none.
    pub thumbnail_size: u32,
    /// Keep the submitted bytes with the output.
    pub keep_original: bool,
    /// When a picture is encoded again.
    pub reencode: ReencodeMode,
    /// Steers the quality.
    pub adaptive: Option<AdaptiveQuality>,
    /// Keep EXIF and ICC blocks.
    pub keep_metadata: bool,
    /// Originals may be kept although there are privacy masks.
    pub keep_unmasked_original: bool,
    /// Chroma of the processed picture; counts for JPEG.
    pub chroma: ChromaSubsampling,
}

impl OutputPolicy {
    /// Whether a picture of this format is passed on unread. Raw pixels never are: nobody could show them without knowing
    /// their layout.
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
        }
    }
}

/// A region that is painted over.
#[derive(Debug, Clone, PartialEq)]
pub struct PrivacyMask {
    /// Its name within its stream.
    pub id: String,
    /// Its outline.
    pub polygon: Polygon,
}
