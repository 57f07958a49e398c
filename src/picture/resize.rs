//! Smaller planes: every target sample is the mean of the source samples under it, or close to it where some are cut.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::planes::Shown;
use super::{EncodeError, Plane, Planes, Subsampling};

/// The largest size of the same shape whose longer side is at most `longest_side`; never larger than the picture.
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

/// The largest size of the same shape within `max_width` x `max_height`, where 0 bounds nothing; never larger than the picture.
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
    // Whichever side is cut down further decides.
    if u64::from(max_width) * u64::from(height) <= u64::from(max_height) * u64::from(width) {
        (max_width, part(height, width, max_width).min(max_height))
    } else {
        (part(width, height, max_height).min(max_width), max_height)
    }
}

/// Scales to `width` x `height` with chroma as `subsampling` says; a grey picture stays grey.
///
/// Chroma samples cover as many pixels of the target as they do everywhere: of an odd width in 4:2:0, the last one covers a
/// pixel that is not there. A side that is no whole number of them gets a chroma sample for every pixel first.
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
    /// The luma samples that show the picture.
    fn of(planes: &Planes) -> Self {
        let eighths = |value: u32| f64::from(value) / 8.0;
        let Shown { left, top, width, height } = planes.shown();
        Self { left: eighths(left), top: eighths(top), width: eighths(width), height: eighths(height) }
    }

    /// The same in samples of this many of these.
    fn in_samples_of(self, (h, v): (usize, usize)) -> Self {
        let (h, v) = (h as f64, v as f64);
        Self { left: self.left / h, top: self.top / v, width: self.width / h, height: self.height / v }
    }
}

/// Scales a part of a plane to the size.
fn resize_plane(
    resizer: &mut Resizer,
    from: Plane<'_>,
    part: Part,
    to_size: (usize, usize),
) -> Result<TypedImage<'static, U8>, EncodeError> {
    let rows = from.data.len() / from.stride;
    // Typed images: the untyped ones bring code for every pixel type of the crate into ours, minutes of compile time.
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

/// Means of groups of samples; those at the edge count what is there.
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

/// How source samples are weighed, so many of which lie under each target sample. A box takes a sample whole or not at all:
/// exact where they are whole numbers, jagged elsewhere.
fn filter(across: f64, down: f64) -> FilterType {
    if across.fract() == 0.0 && down.fract() == 0.0 { FilterType::Box } else { FilterType::Hamming }
}

fn failed(error: impl std::fmt::Display) -> EncodeError {
    EncodeError::Codec(error.to_string())
}
