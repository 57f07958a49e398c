//! The rule that decides whether a submitted picture is published unchanged.

use super::{Codec, Metadata, Orientation, fit_within, is_widely_viewable};
use crate::domain::{OutputFormat, PictureFormat, Rendition};

/// The result of comparing a submitted picture with the rendition that it may replace.
///
/// Pictures are encoded again to make them smaller. So an output picture is never larger than the
/// submitted one, unless the requested format or size, the masks or the orientation need other
/// pixels, or some viewers cannot show the submitted picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passthrough {
    /// The picture differs from the requested one.
    Unsuitable,
    /// The picture is suitable if encoding it again does not make it smaller.
    IfNotLarger,
    /// The picture is suitable, and encoding it again could only make it worse.
    Unchanged,
}

impl Passthrough {
    /// Compares a decoded file with the requested rendition. `shown` are its width and height as it
    /// is shown.
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
            && is_widely_viewable(format, data);
        match wanted.format {
            _ if !is_same => Self::Unsuitable,
            OutputFormat::Jpeg if codec.is_as_coarse(data, wanted.quality) => Self::Unchanged,
            OutputFormat::Jpeg | OutputFormat::WebP => Self::IfNotLarger,
            // A lossless format cannot improve on the submitted picture.
            OutputFormat::Png | OutputFormat::WebPLossless => Self::Unchanged,
        }
    }

    /// Reports whether the submitted picture, with `own` bytes, is preferred to the encoded one,
    /// with `encoded` bytes.
    #[must_use]
    pub fn is_preferred(self, own: usize, encoded: usize) -> bool {
        match self {
            Self::Unsuitable => false,
            Self::IfNotLarger | Self::Unchanged => own <= encoded,
        }
    }
}
