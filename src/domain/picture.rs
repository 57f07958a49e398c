//! What a picture's bytes are.

/// How the bytes of a submitted picture are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PictureFormat {
    /// JPEG: baseline or progressive, 8 bits, grey or YCbCr (RGB is accepted too).
    Jpeg,
    /// PNG: one still picture, any bit depth; alpha is composited over black.
    Png,
    /// WebP: one still picture, lossy or lossless; alpha is composited over black.
    WebP,
    /// Raw R, G, B, one byte each, rows from top to bottom.
    Rgb8,
    /// Raw B, G, R, one byte each.
    Bgr8,
    /// Raw luma, one byte a pixel, full range.
    Gray8,
    /// Raw luma rows, then rows of interleaved Cb, Cr at half width and height; BT.601, full range.
    Nv12,
    /// Raw luma rows, then Cb rows, then Cr rows, both at half width and height; BT.601, full range.
    I420,
}

/// Which numbers stand for black and white in raw luma.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorRange {
    /// 0 and 255, as in JPEG.
    #[default]
    Full,
    /// 16 and 235, as in video.
    Limited,
}

/// Names the formula by which raw luma and chroma were made of red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorMatrix {
    /// JPEG, and video of standard definition.
    #[default]
    Bt601,
    /// Video of high definition.
    Bt709,
    /// Video of ultra-high definition.
    Bt2020,
}

/// Says what the numbers of raw luma and chroma mean; the default is JPEG's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RawColors {
    /// Black and white.
    pub range: ColorRange,
    /// Colours.
    pub matrix: ColorMatrix,
}

impl PictureFormat {
    /// Every format, in the order of the declaration.
    pub const ALL: [Self; 8] =
        [Self::Jpeg, Self::Png, Self::WebP, Self::Rgb8, Self::Bgr8, Self::Gray8, Self::Nv12, Self::I420];

    /// The format's short lower-case name, for messages and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::WebP => "webp",
            Self::Rgb8 => "rgb8",
            Self::Bgr8 => "bgr8",
            Self::Gray8 => "gray8",
            Self::Nv12 => "nv12",
            Self::I420 => "i420",
        }
    }

    /// Whether the bytes are bare samples, so that width and height must be told.
    #[must_use]
    pub const fn is_raw(self) -> bool {
        match self {
            Self::Jpeg | Self::Png | Self::WebP => false,
            Self::Rgb8 | Self::Bgr8 | Self::Gray8 | Self::Nv12 | Self::I420 => true,
        }
    }

    /// Bytes of one tight row of the first (or only) plane; `None` for encoded formats.
    #[must_use]
    pub const fn raw_row_bytes(self, width: u32) -> Option<u64> {
        match self {
            Self::Jpeg | Self::Png | Self::WebP => None,
            Self::Rgb8 | Self::Bgr8 => Some(width as u64 * 3),
            Self::Gray8 | Self::Nv12 | Self::I420 => Some(width as u64),
        }
    }

    /// The exact number of bytes of a raw picture.
    ///
    /// `stride` is the distance in bytes between two rows of the first plane; 0 means tight rows. Every row has its full
    /// stride, the last one too. Chroma rows follow from it: NV12's are `stride` rounded up to even, I420's are half of
    /// that; chroma has `height / 2` rows, rounded up.
    ///
    /// `None` if the format is not raw, a side is 0, `stride` is shorter than a row, or the number does not fit.
    #[must_use]
    pub const fn raw_size(self, width: u32, height: u32, stride: u32) -> Option<u64> {
        let Some(row) = self.raw_row_bytes(width) else {
            return None;
        };
        let stride = if stride == 0 { row } else { stride as u64 };
        if width == 0 || height == 0 || stride < row {
            return None;
        }
        let rows = height as u64;
        let chroma_rows = match self {
            Self::Nv12 | Self::I420 => rows.div_ceil(2),
            Self::Jpeg | Self::Png | Self::WebP | Self::Rgb8 | Self::Bgr8 | Self::Gray8 => 0,
        };
        // Sides come from the wire: 2^32 x 2^32 does not fit.
        match (stride.checked_mul(rows), stride.next_multiple_of(2).checked_mul(chroma_rows)) {
            (Some(luma), Some(chroma)) => luma.checked_add(chroma),
            _ => None,
        }
    }
}

impl std::fmt::Display for PictureFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::PictureFormat::{Bgr8, Gray8, I420, Jpeg, Nv12, Rgb8};

    #[test]
    fn raw_sizes_follow_the_stride() {
        assert_eq!(Rgb8.raw_size(4, 2, 0), Some(24));
        assert_eq!(Bgr8.raw_size(4, 2, 16), Some(32));
        assert_eq!(Gray8.raw_size(1, 1, 0), Some(1));
        assert_eq!(Nv12.raw_size(4, 4, 0), Some(24));
        assert_eq!(I420.raw_size(3, 3, 0), Some(9 + 8));
        assert_eq!(Nv12.raw_size(3, 3, 5), Some(15 + 12));
    }

    #[test]
    fn impossible_geometry_has_no_size() {
        assert_eq!(Jpeg.raw_size(4, 2, 0), None);
        assert_eq!(Rgb8.raw_size(4, 2, 11), None);
        assert_eq!(Gray8.raw_size(0, 2, 0), None);
        assert_eq!(Rgb8.raw_size(u32::MAX, u32::MAX, 0), None);
        assert!(Nv12.raw_size(u32::MAX, u32::MAX, u32::MAX).is_none());
    }
}
