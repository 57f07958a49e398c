//! Scales planes down. Each target sample is the mean of the source samples that it covers, or
//! close to the mean if it covers some only partly.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::planes::VisibleArea;
use super::{EncodeError, Plane, Planes, Subsampling};

/// Returns the largest size of the same shape with a longer side of at most `longest_side`; never
/// larger than the picture.
#[must_use]
pub fn fit(width: u32, height: u32, longest_side: u32) -> (u32, u32) {
    let longer = width.max(height);
    let target = longest_side.max(1);
    if longer <= target {
        return (width, height);
    }
    let scale = |side: u32| {
        let rounded = (u64::from(side) * u64::from(target) + u64::from(longer) / 2) / u64::from(longer);
        (rounded as u32).max(1)
    };
    (scale(width), scale(height))
}

/// Returns the largest size of the same shape within `max_width` x `max_height`, where 0 = no
/// limit; never larger than the picture.
#[must_use]
pub fn fit_within(width: u32, height: u32, max_width: u32, max_height: u32) -> (u32, u32) {
    let bound = |max: u32| if max == 0 { u32::MAX } else { max };
    let (max_width, max_height) = (bound(max_width), bound(max_height));
    if width <= max_width && height <= max_height {
        return (width, height);
    }
    let part = |side: u32, of: u32, max: u32| {
        let rounded = (u64::from(side) * u64::from(max) + u64::from(of) / 2) / u64::from(of);
        (rounded as u32).max(1)
    };
    // The side that must shrink more determines the scale.
    if u64::from(max_width) * u64::from(height) <= u64::from(max_height) * u64::from(width) {
        (max_width, part(height, width, max_width).min(max_height))
    } else {
        (part(width, height, max_height).min(max_width), max_height)
    }
}

/// Scales a picture to `width` x `height` with this subsampling; a grey picture stays grey.
///
/// If a side is not a multiple of the chroma sample size, the last chroma sample also covers pixels
/// outside the picture. Such a side is first scaled with one chroma sample per pixel, and then
/// averaged.
pub(super) fn resize(
    resizer: &mut Resizer,
    source: &Planes,
    width: u32,
    height: u32,
    subsampling: Subsampling,
) -> Result<Planes, EncodeError> {
    let gray = source.subsampling() == Subsampling::Gray;
    let mut target =
        Planes::in_buffer(width, height, if gray { Subsampling::Gray } else { subsampling }, Vec::new());
    let (luma_stride, _) = target.luma_size();
    let (chroma_width, _) = target.chroma_size();
    let (h, v) = target.subsampling().factors();
    let size = (width as usize, height as usize);
    let part = Part::of(source);
    let [y, cb, cr] = target.split_mut();
    let luma = resize_plane(resizer, source.luma(), part, size)?;
    for (row, to) in luma.pixels().chunks_exact(size.0).zip(y.chunks_exact_mut(luma_stride)) {
        for (sample, to) in row.iter().zip(to) {
            *to = sample.0;
        }
    }
    if let Some(chroma) = source.chroma() {
        let part = part.in_samples_of(source.subsampling().factors());
        let per_sample = |side: usize, factor: usize| if side.is_multiple_of(factor) { 1 } else { factor };
        let group = (per_sample(size.0, h), per_sample(size.1, v));
        let size = (size.0 * group.0 / h, size.1 * group.1 / v);
        for (from, to) in chroma.into_iter().zip([cb, cr]) {
            let scaled = resize_plane(resizer, from, part, size)?;
            means(scaled.pixels(), size, group, to, chroma_width);
        }
    }
    target.pad_luma();
    Ok(target)
}

/// A part of a plane, in samples.
#[derive(Clone, Copy)]
struct Part {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Part {
    /// Returns the luma samples of the visible area.
    fn of(planes: &Planes) -> Self {
        let eighths = |value: u32| f64::from(value) / 8.0;
        let VisibleArea { left, top, width, height } = planes.visible_area();
        Self { left: eighths(left), top: eighths(top), width: eighths(width), height: eighths(height) }
    }

    /// Returns the same part in samples that are `h` times as wide and `v` times as high.
    fn in_samples_of(self, (h, v): (usize, usize)) -> Self {
        let (h, v) = (h as f64, v as f64);
        Self { left: self.left / h, top: self.top / v, width: self.width / h, height: self.height / v }
    }
}

/// Scales a part of a plane to a size.
fn resize_plane(
    resizer: &mut Resizer,
    from: Plane<'_>,
    part: Part,
    to_size: (usize, usize),
) -> Result<TypedImage<'static, U8>, EncodeError> {
    let rows = from.data.len() / from.stride;
    // Typed images, because the untyped ones compile code for all pixel types, which takes minutes.
    let source =
        TypedImageRef::<U8>::from_buffer(from.stride as u32, rows as u32, from.data).map_err(failed)?;
    let mut scaled = TypedImage::<U8>::new(to_size.0 as u32, to_size.1 as u32);
    let (across, down) = (part.width / to_size.0 as f64, part.height / to_size.1 as f64);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter(across, down))).crop(
        part.left,
        part.top,
        part.width,
        part.height,
    );
    resizer.resize_typed(&source, &mut scaled, &options).map_err(failed)?;
    Ok(scaled)
}

/// Averages groups of samples. A group at the edge has only the samples that exist.
fn means(from: &[U8], size: (usize, usize), group: (usize, usize), to: &mut [u8], to_width: usize) {
    for (rows, to) in from.chunks(size.0 * group.1).zip(to.chunks_exact_mut(to_width)) {
        for (column, to) in (0..size.0).step_by(group.0).zip(to) {
            let columns = column..(column + group.0).min(size.0);
            let samples = rows.chunks_exact(size.0).flat_map(|row| &row[columns.clone()]);
            let (sum, count) =
                samples.fold((0, 0), |(sum, count), sample| (sum + u32::from(sample.0), count + 1));
            *to = ((sum + count / 2) / count) as u8;
        }
    }
}

/// Returns the filter for a scale, given in source samples per target sample. A box filter takes
/// each source sample completely or not at all. So its result is exact if the scale is a whole
/// number, but jagged otherwise.
fn filter(across: f64, down: f64) -> FilterType {
    if across.fract() == 0.0 && down.fract() == 0.0 { FilterType::Box } else { FilterType::Hamming }
}

fn failed(error: impl std::fmt::Display) -> EncodeError {
    EncodeError::Codec(error.to_string())
}
