//! Decoded pictures: luma and chroma in separate planes.

/// The chroma subsampling, in J:a:b notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subsampling {
    /// No chroma.
    Gray,
    /// Full width and height.
    S444,
    /// Half the width.
    S422,
    /// Half the width, half the height.
    S420,
    /// Half the height.
    S440,
    /// A quarter of the width.
    S411,
    /// A quarter of the height.
    S441,
}

impl Subsampling {
    /// Returns the luma samples per chroma sample, horizontally and vertically; (1, 1) for grey.
    #[must_use]
    pub const fn factors(self) -> (usize, usize) {
        match self {
            Self::Gray | Self::S444 => (1, 1),
            Self::S422 => (2, 1),
            Self::S420 => (2, 2),
            Self::S440 => (1, 2),
            Self::S411 => (4, 1),
            Self::S441 => (1, 4),
        }
    }
}

/// A borrowed plane of 8-bit samples: row `y` starts at `y * stride`.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// The samples, rows from top to bottom.
    pub data: &'a [u8],
    /// The number of samples in a row, without padding.
    pub width: usize,
    /// The number of rows, without padding.
    pub height: usize,
    /// The number of bytes from one row to the next, at least `width`.
    pub stride: usize,
}

impl<'a> Plane<'a> {
    /// Iterates over the rows, without padding.
    pub fn rows(self) -> impl Iterator<Item = &'a [u8]> {
        self.data.chunks(self.stride).take(self.height).map(move |row| &row[..self.width])
    }
}

/// A picture as planes of 8-bit samples: full range, in the colours of JPEG (BT.601 as defined by
/// JFIF).
///
/// One buffer holds Y, then Cb, then Cr. Luma is padded to a multiple of the chroma sample size
/// (with 4:2:0, an odd width gets one column more). The JPEG codec reads and writes this layout
/// without a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planes {
    width: usize,
    height: usize,
    subsampling: Subsampling,
    visible: VisibleArea,
    chroma_spread: (usize, usize),
    data: Vec<u8>,
}

/// The part of the planes that shows the picture, in eighths of a pixel. A JPEG that is scaled down
/// while it is decoded may end within its last pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct VisibleArea {
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Planes {
    /// Returns the bytes of a picture of this size, including padding.
    #[must_use]
    pub fn len_for(width: u32, height: u32, subsampling: Subsampling) -> u64 {
        let (h, v) = subsampling.factors();
        let chroma = u64::from(width).div_ceil(h as u64) * u64::from(height).div_ceil(v as u64);
        let luma = chroma * (h * v) as u64;
        match subsampling {
            Subsampling::Gray => luma,
            Subsampling::S444
            | Subsampling::S422
            | Subsampling::S420
            | Subsampling::S440
            | Subsampling::S411
            | Subsampling::S441 => luma + 2 * chroma,
        }
    }

    /// Creates planes in a buffer that may contain old samples. The caller must write all samples.
    pub(super) fn in_buffer(width: u32, height: u32, subsampling: Subsampling, mut data: Vec<u8>) -> Self {
        let len = Self::len_for(width, height, subsampling) as usize;
        if data.capacity() < len {
            // The system provides a new zeroed buffer without touching it; growing the old buffer
            // would copy it.
            data = vec![0; len];
        } else {
            data.resize(len, 0);
        }
        let visible = VisibleArea { left: 0, top: 0, width: 8 * width, height: 8 * height };
        Self {
            width: width as usize,
            height: height as usize,
            subsampling,
            visible,
            chroma_spread: (0, 0),
            data,
        }
    }

    /// Returns the part that shows the picture.
    pub(super) fn visible_area(&self) -> VisibleArea {
        self.visible
    }

    pub(super) fn set_visible_area(&mut self, visible: VisibleArea) {
        self.visible = visible;
    }

    /// Returns the chroma spread: the number of further chroma samples on each side, across and
    /// down, that may contain colour of a pixel, in addition to the pixel's own sample.
    pub(super) fn chroma_spread(&self) -> (usize, usize) {
        self.chroma_spread
    }

    pub(super) fn set_chroma_spread(&mut self, chroma_spread: (usize, usize)) {
        self.chroma_spread = chroma_spread;
    }

    /// Returns the width in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width as u32
    }

    /// Returns the height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height as u32
    }

    /// Returns the chroma subsampling.
    #[must_use]
    pub fn subsampling(&self) -> Subsampling {
        self.subsampling
    }

    /// Returns the luma plane.
    #[must_use]
    pub fn luma(&self) -> Plane<'_> {
        let (stride, rows) = self.luma_size();
        Plane { data: &self.data[..stride * rows], width: self.width, height: self.height, stride }
    }

    /// Returns the Cb and Cr planes; `None` for a grey picture.
    #[must_use]
    pub fn chroma(&self) -> Option<[Plane<'_>; 2]> {
        if self.subsampling == Subsampling::Gray {
            return None;
        }
        let (stride, rows) = self.luma_size();
        let (width, height) = self.chroma_size();
        let (cb, cr) = self.data[stride * rows..].split_at(width * height);
        Some([cb, cr].map(|data| Plane { data, width, height, stride: width }))
    }

    /// Returns all samples: Y, Cb, Cr, padded as described for the type.
    pub(super) fn samples(&self) -> &[u8] {
        &self.data
    }

    /// Returns all samples for writing.
    pub(super) fn samples_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// Returns Y, Cb and Cr for writing; chroma is empty for a grey picture.
    pub(super) fn split_mut(&mut self) -> [&mut [u8]; 3] {
        let (stride, rows) = self.luma_size();
        let (luma, chroma) = self.data.split_at_mut(stride * rows);
        let half = chroma.len() / 2;
        let (cb, cr) = chroma.split_at_mut(half);
        [luma, cb, cr]
    }

    /// Returns the width and height of the luma plane, including padding.
    pub(super) fn luma_size(&self) -> (usize, usize) {
        let (h, v) = self.subsampling.factors();
        (self.width.next_multiple_of(h), self.height.next_multiple_of(v))
    }

    /// Returns the width and height of a chroma plane.
    pub(super) fn chroma_size(&self) -> (usize, usize) {
        let (h, v) = self.subsampling.factors();
        (self.width.div_ceil(h), self.height.div_ceil(v))
    }

    /// Repeats the last column and row in the padding, so that it takes no bytes in the encoded
    /// picture and causes no artefacts.
    pub(super) fn pad_luma(&mut self) {
        let (width, height) = (self.width, self.height);
        let (stride, rows) = self.luma_size();
        let luma = &mut self.data[..stride * rows];
        if stride > width {
            for row in luma.chunks_exact_mut(stride).take(height) {
                let last = row[width - 1];
                row[width..].fill(last);
            }
        }
        for row in height..rows {
            luma.copy_within((height - 1) * stride..height * stride, row * stride);
        }
    }

    /// Returns the buffer.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.data
    }
}
