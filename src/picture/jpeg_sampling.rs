//! The sampling factors of a JPEG whose frame header names none of the usual ones.

use super::jpeg_markers::Markers;
use super::{DecodeError, Subsampling};

/// By how many pixels the samples of the components measure, across and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sampling {
    /// The smallest samples of Cb and Cr.
    finest: (u32, u32),
    /// The largest samples of any component.
    coarsest: (u32, u32),
}

/// Reads the sampling factors of a file whose frame header has been accepted by libjpeg.
pub(super) fn read(data: &[u8]) -> Result<Sampling, DecodeError> {
    let mut markers = Markers::new(data);
    loop {
        let marker = markers.next()?;
        // SOF0 to SOF15, among which DHT, JPG and DAC stand.
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
        let most = factors.clone().fold((1, 1), |most, (h, v)| (most.0.max(h), most.1.max(v)));
        let sizes = factors.map(|(h, v)| (most.0.div_ceil(h.max(1)), most.1.div_ceil(v.max(1))));
        let finest = sizes.clone().skip(1).reduce(|one, other| (one.0.min(other.0), one.1.min(other.1)));
        let coarsest = sizes.reduce(|one, other| (one.0.max(other.0), one.1.max(other.1)));
        Self { finest: finest.unwrap_or((1, 1)), coarsest: coarsest.unwrap_or((1, 1)) }
    }

    /// The subsampling of planes that loses nothing of the finer chroma component, or as little as there is a name for.
    pub(super) fn nearest(self) -> Subsampling {
        match self.finest {
            (1, 1) => Subsampling::S444,
            (1, _) => Subsampling::S440,
            (_, 1) => Subsampling::S422,
            _ => Subsampling::S420,
        }
    }

    /// How many samples of planes that were made of the pixels a component's sample may lie in, beside the pixel's own.
    pub(super) fn reach(self, planes: Subsampling) -> (usize, usize) {
        let (h, v) = planes.factors();
        let beside = |size: u32, factor: usize| (size as usize - 1).div_ceil(factor);
        // Of the usual ratio no sample crosses those of the planes.
        let reach = |size: u32, factor: usize| {
            if factor.is_multiple_of(size as usize) { 0 } else { beside(size, factor) }
        };
        (reach(self.coarsest.0, h), reach(self.coarsest.1, v))
    }
}
