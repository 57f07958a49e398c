//! The analysis plane: the scaled-down luma plane on which frames are measured.

use super::area::area_average;

/// A borrowed plane of 8-bit samples: `height` rows of `width` samples, `stride` bytes apart.
#[derive(Debug, Clone, Copy)]
pub struct Samples<'a> {
    /// The samples, rows from top to bottom.
    pub data: &'a [u8],
    /// The number of samples in a row.
    pub width: usize,
    /// The number of rows.
    pub height: usize,
    /// The number of bytes from one row to the next, at least `width`.
    pub stride: usize,
}

/// The maximum length of the longer side of an analysis plane, in pixels.
pub const ANALYSIS_LONGER_SIDE: usize = 640;

/// A scaled-down luma plane: 8 bits, full range, rows from top to bottom without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnalysisPlane {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl AnalysisPlane {
    /// Creates a plane from its samples. Its size must be that of [`analysis_size`].
    ///
    /// # Panics
    ///
    /// If there are more or fewer samples than the size says.
    #[must_use]
    pub fn new((width, height): (usize, usize), data: Vec<u8>) -> Self {
        assert!(data.len() == width * height, "{} samples for a plane of {width}x{height}", data.len());
        Self { width, height, data }
    }

    /// Returns the width in pixels, 1..=640.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the height in pixels, 1..=640.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Returns the samples, `width * height` of them.
    #[must_use]
    pub fn samples(&self) -> &[u8] {
        &self.data
    }
}

/// Returns the width and height of the analysis plane of a picture: a longer side of at most
/// [`ANALYSIS_LONGER_SIDE`], and the shape of the picture.
#[must_use]
pub fn analysis_size(width: usize, height: usize) -> (usize, usize) {
    let longer = width.max(height);
    if longer <= ANALYSIS_LONGER_SIDE {
        return (width, height);
    }
    let scale = |side: usize| ((side * ANALYSIS_LONGER_SIDE + longer / 2) / longer).max(1);
    (scale(width), scale(height))
}

/// Averages a luma plane down so that its longer side is [`ANALYSIS_LONGER_SIDE`]; smaller planes
/// are copied.
///
/// `luma` contains `height` rows of `width` samples, `stride` bytes apart. Each result is the mean
/// of the source area that it covers, with fractional weights at the edges (INTER_AREA in OpenCV),
/// in one step and rounded once.
///
/// # Panics
///
/// If `luma` is too short for that geometry, or a side is 0.
#[must_use]
pub fn analysis_plane(luma: &[u8], width: usize, height: usize, stride: usize) -> AnalysisPlane {
    assert!(width > 0 && height > 0 && stride >= width, "a plane of {width}x{height}, stride {stride}");
    assert!(luma.len() >= stride * (height - 1) + width, "{} bytes are too few", luma.len());
    let (to_width, to_height) = analysis_size(width, height);
    if (to_width, to_height) == (width, height) {
        let rows = luma.chunks(stride).take(height);
        let data = rows.flat_map(|row| &row[..width]).copied().collect();
        return AnalysisPlane { width, height, data };
    }
    let mut data = vec![0; to_width * to_height];
    area_average(Samples { data: luma, width, height, stride }, (to_width, to_height), &mut data);
    AnalysisPlane { width: to_width, height: to_height, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computes the definition in f64, sample by sample.
    fn reference(luma: &[u8], width: usize, height: usize, to: (usize, usize)) -> Vec<f64> {
        let coverage = |from: usize, to: usize, index: usize, at: usize| {
            let (start, end) = ((index * from) as f64 / to as f64, ((index + 1) * from) as f64 / to as f64);
            (end.min(at as f64 + 1.0) - start.max(at as f64)).max(0.0)
        };
        let mut result = Vec::new();
        for y in 0..to.1 {
            for x in 0..to.0 {
                let mut sum = 0.0;
                for from_y in y * height / to.1..((y + 1) * height).div_ceil(to.1) {
                    for from_x in x * width / to.0..((x + 1) * width).div_ceil(to.0) {
                        sum += coverage(height, to.1, y, from_y)
                            * coverage(width, to.0, x, from_x)
                            * f64::from(luma[from_y * width + from_x]);
                    }
                }
                result.push(sum * (to.0 * to.1) as f64 / (width * height) as f64);
            }
        }
        result
    }

    #[test]
    fn area_average_follows_its_definition() {
        for (width, height) in [
            (1920, 108),
            (1280, 5),
            (2560, 9),
            (3840, 4),
            (768, 432),
            (641, 3),
            (1000, 7),
            (700, 701),
            (1, 2000),
            (8192, 2),
        ] {
            let luma: Vec<u8> = (0..width * height).map(|i| (i * 7919 % 65521 % 256) as u8).collect();
            let plane = analysis_plane(&luma, width, height, width);
            assert_eq!(plane.width.max(plane.height), 640);
            let expected = reference(&luma, width, height, (plane.width, plane.height));
            for (got, expected) in plane.samples().iter().zip(expected) {
                assert!((f64::from(*got) - expected).abs() <= 0.51, "{width}x{height}: {got} {expected}");
            }
        }
    }

    #[test]
    fn small_planes_are_copied_without_their_padding() {
        let plane = analysis_plane(&[1, 2, 9, 3, 4], 2, 2, 3);
        assert_eq!((plane.width(), plane.height(), plane.samples()), (2, 2, &[1, 2, 3, 4][..]));
    }

    #[test]
    fn white_stays_white() {
        let plane = analysis_plane(&vec![255; 1337 * 999], 1337, 999, 1337);
        assert!(plane.samples().iter().all(|sample| *sample == 255));
    }
}
