//! Smaller planes: every target sample is the mean of the source samples under it, or close to it where some are cut.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

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

/// Scales to `width` x `height`: grey stays grey, colours become 4:2:0.
pub(super) fn resize(
    resizer: &mut Resizer,
    source: &Planes,
    width: u32,
    height: u32,
) -> Result<Planes, EncodeError> {
    let subsampling = match source.subsampling() {
        Subsampling::Gray => Subsampling::Gray,
        Subsampling::S444
        | Subsampling::S422
        | Subsampling::S420
        | Subsampling::S440
        | Subsampling::S411
        | Subsampling::S441 => Subsampling::S420,
    };
    let mut target = Planes::in_buffer(width, height, subsampling, Vec::new());
    let (luma_stride, _) = target.luma_size();
    let (chroma_width, chroma_height) = target.chroma_size();
    let luma = source.luma();
    let size = (f64::from(source.width()), f64::from(source.height()));
    let [y, cb, cr] = target.split_mut();
    resize_plane(resizer, luma, size, y, (width as usize, height as usize), luma_stride)?;
    if let Some([from_cb, from_cr]) = source.chroma() {
        // Of an odd width the last chroma column covers a pixel that is not there: only what is covered counts.
        let (h, v) = source.subsampling().factors();
        let covered = (size.0 / h as f64, size.1 / v as f64);
        for (from, to) in [(from_cb, cb), (from_cr, cr)] {
            resize_plane(resizer, from, covered, to, (chroma_width, chroma_height), chroma_width)?;
        }
    }
    target.pad_luma();
    Ok(target)
}

/// Scales the part of `from` that is `covered` samples wide and high to the `to_size` corner of `to`.
fn resize_plane(
    resizer: &mut Resizer,
    from: Plane<'_>,
    covered: (f64, f64),
    to: &mut [u8],
    to_size: (usize, usize),
    to_stride: usize,
) -> Result<(), EncodeError> {
    let rows = from.data.len() / from.stride;
    // Typed images: the untyped ones bring code for every pixel type of the crate into ours, minutes of compile time.
    let source =
        TypedImageRef::<U8>::from_buffer(from.stride as u32, rows as u32, from.data).map_err(failed)?;
    let mut scaled = TypedImage::<U8>::new(to_size.0 as u32, to_size.1 as u32);
    let (across, down) = (covered.0 / to_size.0 as f64, covered.1 / to_size.1 as f64);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(filter(across, down)))
        .crop(0.0, 0.0, covered.0, covered.1);
    resizer.resize_typed(&source, &mut scaled, &options).map_err(failed)?;
    for (row, to) in scaled.pixels().chunks_exact(to_size.0).zip(to.chunks_exact_mut(to_stride)) {
        for (sample, to) in row.iter().zip(to) {
            *to = sample.0;
        }
    }
    Ok(())
}

/// How source samples are weighed, so many of which lie under each target sample. A box takes a sample whole or not at all:
/// exact where they are whole numbers, jagged elsewhere.
fn filter(across: f64, down: f64) -> FilterType {
    if across.fract() == 0.0 && down.fract() == 0.0 { FilterType::Box } else { FilterType::Hamming }
}

fn failed(error: impl std::fmt::Display) -> EncodeError {
    EncodeError::Codec(error.to_string())
}
