//! Formats of pictures, and the layout of raw pixels.

/// The format of a submitted picture.
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
    /// Raw luma rows, then Cb rows, then Cr rows, both at half width and height; BT.601, full
    /// range.
    I420,
}

/// The luma values of black and white in raw pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorRange {
    /// 0 and 255, as in JPEG.
    #[default]
    Full,
    /// 16 and 235, as in video.
    Limited,
}

/// The matrix that converted red, green and blue to luma and chroma.
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

/// The range and the matrix of raw luma and chroma samples; the default is JPEG's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RawColors {
    /// The values of black and white.
    pub range: ColorRange,
    /// The conversion from RGB.
    pub matrix: ColorMatrix,
}

impl PictureFormat {
    /// All formats, in the order of their declaration.
    pub const ALL: [Self; 8] =
        [Self::Jpeg, Self::Png, Self::WebP, Self::Rgb8, Self::Bgr8, Self::Gray8, Self::Nv12, Self::I420];

    /// Returns the short lower-case name of the format, for messages and metrics.
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

    /// Reports whether the bytes are bare samples, so that the publisher must state width and
    /// height.
    #[must_use]
    pub const fn is_raw(self) -> bool {
        match self {
            Self::Jpeg | Self::Png | Self::WebP => false,
            Self::Rgb8 | Self::Bgr8 | Self::Gray8 | Self::Nv12 | Self::I420 => true,
        }
    }

    /// Returns the bytes of one row of the first (or only) plane without padding; `None` for
    /// encoded formats.
    #[must_use]
    pub const fn raw_row_bytes(self, width: u32) -> Option<u64> {
        match self {
            Self::Jpeg | Self::Png | Self::WebP => None,
            Self::Rgb8 | Self::Bgr8 => Some(width as u64 * 3),
            Self::Gray8 | Self::Nv12 | Self::I420 => Some(width as u64),
        }
    }

    /// Returns the exact number of bytes of a raw picture.
    ///
    /// `stride` is the distance in bytes between two rows of the first plane; 0 means rows without
    /// padding. Each row has its full stride, including the last one. Chroma rows have `stride`
    /// bytes rounded up to even in NV12, and half of that in I420; chroma has `height / 2` rows,
    /// rounded up.
    ///
    /// Returns `None` if the format is not raw, a side is 0, `stride` is shorter than a row, or the
    /// number does not fit in 64 bits.
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
        // Sides are not trusted: 2^32 x 2^32 does not fit.
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
