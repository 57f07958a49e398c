//! Decoded pictures: luma and chroma as separate planes.

/// How chroma is sampled, in the field's J:a:b words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subsampling {
    /// No chroma at all.
    Gray,
    /// Chroma at every pixel.
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
    /// Luma samples per chroma sample, horizontally and vertically; (1, 1) for grey.
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

/// One plane of 8-bit samples, borrowed: row `y` starts at `y * stride`.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// The samples, rows from top to bottom.
    pub data: &'a [u8],
    /// Samples of a row that belong to the picture.
    pub width: usize,
    /// Rows that belong to the picture.
    pub height: usize,
    /// Bytes from one row to the next, at least `width`.
    pub stride: usize,
}

impl<'a> Plane<'a> {
    /// The picture's rows, without the padding.
    pub fn rows(self) -> impl Iterator<Item = &'a [u8]> {
        self.data.chunks(self.stride).take(self.height).map(move |row| &row[..self.width])
    }
}

/// A picture as planes of 8-bit samples, full range, in the colours of JPEG (BT.601 as JFIF defines it).
///
/// One buffer holds Y, then Cb, then Cr. Luma is padded to a whole number of chroma samples (an odd width of 4:2:0 has
/// one column more), which is the layout that the JPEG codec reads and writes without a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planes {
    width: usize,
    height: usize,
    subsampling: Subsampling,
    shown: Shown,
    reach: (usize, usize),
    data: Vec<u8>,
}

/// The part of the planes that shows the picture, in eighths of a pixel. A JPEG that was scaled while it was decoded ends
/// within its last pixel: the rest of that pixel shows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Planes {
    /// Bytes that a picture of this size takes, padding included.
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

    /// Planes in a buffer that may have served before. Old samples stay in it: the caller writes them all.
    pub(super) fn in_buffer(width: u32, height: u32, subsampling: Subsampling, mut data: Vec<u8>) -> Self {
        let len = Self::len_for(width, height, subsampling) as usize;
        if data.capacity() < len {
            // A fresh zeroed buffer comes from the system without being touched; growing the old one would copy it.
            data = vec![0; len];
        } else {
            data.resize(len, 0);
        }
        let shown = Shown { left: 0, top: 0, width: 8 * width, height: 8 * height };
        Self { width: width as usize, height: height as usize, subsampling, shown, reach: (0, 0), data }
    }

    /// The part that shows the picture.
    pub(super) fn shown(&self) -> Shown {
        self.shown
    }

    pub(super) fn set_shown(&mut self, shown: Shown) {
        self.shown = shown;
    }

    /// How many chroma samples beside its own, across and down, a pixel's colour may be part of.
    pub(super) fn reach(&self) -> (usize, usize) {
        self.reach
    }

    pub(super) fn set_reach(&mut self, reach: (usize, usize)) {
        self.reach = reach;
    }

    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width as u32
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height as u32
    }

    /// How chroma is sampled.
    #[must_use]
    pub fn subsampling(&self) -> Subsampling {
        self.subsampling
    }

    /// The luma plane.
    #[must_use]
    pub fn luma(&self) -> Plane<'_> {
        let (stride, rows) = self.luma_size();
        Plane { data: &self.data[..stride * rows], width: self.width, height: self.height, stride }
    }

    /// The Cb and Cr planes, or `None` for a grey picture.
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

    /// All samples: Y, Cb, Cr, padded as the type says.
    pub(super) fn samples(&self) -> &[u8] {
        &self.data
    }

    /// All samples, to be written.
    pub(super) fn samples_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// Y, Cb and Cr, to be written; chroma is empty for grey.
    pub(super) fn split_mut(&mut self) -> [&mut [u8]; 3] {
        let (stride, rows) = self.luma_size();
        let (luma, chroma) = self.data.split_at_mut(stride * rows);
        let half = chroma.len() / 2;
        let (cb, cr) = chroma.split_at_mut(half);
        [luma, cb, cr]
    }

    /// Width and height of the luma plane with its padding.
    pub(super) fn luma_size(&self) -> (usize, usize) {
        let (h, v) = self.subsampling.factors();
        (self.width.next_multiple_of(h), self.height.next_multiple_of(v))
    }

    /// Width and height of a chroma plane.
    pub(super) fn chroma_size(&self) -> (usize, usize) {
        let (h, v) = self.subsampling.factors();
        (self.width.div_ceil(h), self.height.div_ceil(v))
    }

    /// Repeats the last column and row into the padding, so that it costs the encoder nothing and rings nowhere.
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

    /// Gives the buffer back.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.data
    }
}
