//! Reads unusual sampling factors of a JPEG.

use super::jpeg_markers::Markers;
use super::{DecodeError, Subsampling};

/// The sizes of the components' samples in pixels, across and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sampling {
    /// The size of the smaller of the Cb and Cr samples.
    finest: (u32, u32),
    /// The size of the largest samples of any component.
    coarsest: (u32, u32),
}

/// Reads the sampling factors of a file with a frame header that libjpeg has accepted.
pub(super) fn read(data: &[u8]) -> Result<Sampling, DecodeError> {
    let mut markers = Markers::new(data);
    loop {
        let marker = markers.next()?;
        // SOF0 to SOF15, without DHT, JPG and DAC, which are in the same range.
        let is_frame = matches!(marker.code, 0xC0..=0xCF) && !matches!(marker.code, 0xC4 | 0xC8 | 0xCC);
        if let (true, [_, _, _, _, _, _, components @ ..]) = (is_frame, marker.payload) {
            let factors = components.as_chunks::<3>().0.iter();
            return Ok(Sampling::of(
                factors.map(|[_, factors, _]| (u32::from(factors >> 4), u32::from(factors & 0x0F))),
            ));
        }
    }
}

impl Sampling {
    fn of(factors: impl Iterator<Item = (u32, u32)> + Clone) -> Self {
        let largest = factors.clone().fold((1, 1), |largest, (h, v)| (largest.0.max(h), largest.1.max(v)));
        let sizes = factors.map(|(h, v)| (largest.0.div_ceil(h.max(1)), largest.1.div_ceil(v.max(1))));
        let finest = sizes.clone().skip(1).reduce(|one, other| (one.0.min(other.0), one.1.min(other.1)));
        let coarsest = sizes.reduce(|one, other| (one.0.max(other.0), one.1.max(other.1)));
        Self { finest: finest.unwrap_or((1, 1)), coarsest: coarsest.unwrap_or((1, 1)) }
    }

    /// Returns the subsampling of planes that loses nothing of the finer chroma component, or as
    /// little as possible.
    pub(super) fn nearest(self) -> Subsampling {
        match self.finest {
            (1, 1) => Subsampling::S444,
            (1, _) => Subsampling::S440,
            (_, 1) => Subsampling::S422,
            _ => Subsampling::S420,
        }
    }

    /// Returns the chroma spread of planes that are converted from the pixels: see
    /// [`Planes::chroma_spread`](super::Planes::chroma_spread).
    pub(super) fn chroma_spread(self, planes: Subsampling) -> (usize, usize) {
        let (h, v) = planes.factors();
        let further = |size: u32, factor: usize| (size as usize - 1).div_ceil(factor);
        // If the factor is a multiple of the size, no sample crosses a boundary between samples of
        // the planes.
        let spread = |size: u32, factor: usize| {
            if factor.is_multiple_of(size as usize) { 0 } else { further(size, factor) }
        };
        (spread(self.coarsest.0, h), spread(self.coarsest.1, v))
    }
}
