//! The picture at an eighth of its size, from the DC coefficients alone: each is the exact mean of
//! a block.

/// Planes of an eighth of the size: Y, and Cb and Cr with the same subsampling as the picture, one
/// after the other, without padding between rows. The luma plane is padded to whole MCUs.
#[derive(Debug, Default)]
pub(super) struct Small {
    pub(super) samples: Vec<u8>,
    /// The sum of |Cb - 128| + |Cr - 128| in eighths, and the number of samples.
    strength: (u64, u64),
    planes: [Geometry; 3],
}

#[derive(Debug, Default, Clone, Copy)]
struct Geometry {
    start: usize,
    width: usize,
}

impl Small {
    pub(super) fn start(&mut self, mcus: (usize, usize), factors: (usize, usize), components: usize) {
        let luma = Geometry { start: 0, width: mcus.0 * factors.0 };
        let luma_size = luma.width * mcus.1 * factors.1;
        let chroma_size = mcus.0 * mcus.1;
        let chroma = |index: usize| Geometry { start: luma_size + index * chroma_size, width: mcus.0 };
        self.planes = [luma, chroma(0), chroma(1)];
        self.samples.clear();
        self.samples.resize(luma_size + if components == 3 { 2 * chroma_size } else { 0 }, 0);
        self.strength = (0, 0);
    }

    /// Adds the dequantised DC coefficient of a block.
    #[inline(always)]
    pub(super) fn add(&mut self, component: usize, (column, row): (usize, usize), dc: i32) {
        let plane = self.planes[component];
        if let Some(sample) = self.samples.get_mut(plane.start + row * plane.width + column) {
            *sample = (((dc + 4) >> 3) + 128).clamp(0, 255) as u8;
        }
        if component > 0 {
            self.strength.0 += u64::from(dc.unsigned_abs());
            self.strength.1 += 1;
        }
    }

    /// Returns the mean of (|Cb - 128| + |Cr - 128|) / 2 over all blocks; `None` without chroma.
    pub(super) fn chroma_strength(&self) -> Option<f64> {
        (self.strength.1 > 0).then(|| self.strength.0 as f64 / 8.0 / self.strength.1 as f64)
    }
}
