//! The rule by which a picture goes out as it came: see [`Standing`].

use super::{Codec, Metadata, Orientation, fit_within, is_sound};
use crate::domain::{OutputFormat, PictureFormat, Rendition};

/// Whether a picture may go out as it came where another one is asked for.
///
/// Encoding again is for pictures that get smaller by it. So nothing that goes out has more bytes than what came, unless its
/// format, its size, its masks or its orientation ask for other pixels, or viewers would not show what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is another picture than the one that is asked for.
    Other,
    /// It will do, if encoding it again does not make it smaller.
    IfNotLarger,
    /// It will do, and encoding it again could only make it worse.
    AsItIs,
}

impl Standing {
    /// Judges a file that has been decoded; `shown` are its sides as it is shown.
    pub fn of(
        codec: &mut Codec,
        (format, data): (PictureFormat, &[u8]),
        metadata: Metadata,
        shown: (u32, u32),
        wanted: &Rendition,
    ) -> Self {
        let fits = fit_within(shown.0, shown.1, wanted.max_width, wanted.max_height) == shown;
        let is_same = fits
            && metadata.orientation == Orientation::UPRIGHT
            && format == wanted.format.picture_format()
            && is_sound(format, data);
        match wanted.format {
            _ if !is_same => Self::Other,
            OutputFormat::Jpeg if codec.is_as_coarse(data, wanted.quality) => Self::AsItIs,
            OutputFormat::Jpeg | OutputFormat::WebP => Self::IfNotLarger,
            // Without loss, nothing can be better than what came.
            OutputFormat::Png | OutputFormat::WebPLossless => Self::AsItIs,
        }
    }

    /// Whether it goes out instead of a picture of `encoded` bytes, when its own copy has `own` bytes.
    #[must_use]
    pub fn holds_against(self, own: usize, encoded: usize) -> bool {
        match self {
            Self::Other => false,
            Self::IfNotLarger | Self::AsItIs => own <= encoded,
        }
    }
}
